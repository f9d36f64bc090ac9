/* SPDX-License-Identifier: MIT */
/* Commits and files in them: read, compared, written. */
#include <string.h>

#include "base/text.h"
#include "git/lib.h"

/* Beyond the year 9999 other programs fail; before 1970 git itself does. */
#define TIME_MAX_S INT64_C(253402300799)

int ff_git_lib_oid(const char *hex, git_oid *ret_oid, struct ff_err *err)
{
	if (!ff_oid_valid(hex))
		return ff_err_set(err, FF_E_INVALID, "'%.80s' is not an object id", hex);
	if (strlen(hex) != GIT_OID_HEXSZ)
		return ff_err_set(err, FF_E_UNSUPPORTED, "'%s' is a SHA-256 object id, which the libgit2 here cannot read", hex);
	ff_assert(git_oid_fromstr(ret_oid, hex) == 0);
	return 0;
}

int ff_git_lib_commit(struct ff_git *git, const char *hex, git_commit **ret_commit, struct ff_err *err)
{
	git_oid oid;
	int rc;

	if (ff_git_lib_oid(hex, &oid, err) < 0)
		return -1;
	rc = git_commit_lookup(ret_commit, git->repo, &oid);
	if (rc == GIT_ENOTFOUND && git_odb_exists(git->odb, &oid))
		return ff_err_set(err, FF_E_INVALID, "%s is not a commit", hex);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "commit %s", hex);
	return 0;
}

int ff_git_lib_tree_of(struct ff_git *git, const char *commit_hex, git_tree **ret_tree, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *commit = NULL;
	int rc;

	if (ff_git_lib_commit(git, commit_hex, &commit, err) < 0)
		return -1;
	rc = git_commit_tree(ret_tree, commit);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "the tree of commit %s", commit_hex);
	return 0;
}

/* Whether rev begins with the name of a ref, and what that leads to is not there. */
static bool is_lost(struct ff_git *git, const char *rev, git_oid *ret_oid)
{
	FF_AUTO(git_reference_auto) git_reference *ref = NULL, *direct = NULL;
	FF_AUTO(git_object_auto) git_object *any = NULL;
	FF_AUTO(ff_free) char *name = ff_asprintf("%.*s", (int)strcspn(rev, "^~:@"), rev);

	if (!*name || git_reference_dwim(&ref, git->repo, name) < 0 || git_reference_resolve(&direct, ref) < 0 ||
	    git_object_lookup(&any, git->repo, git_reference_target(direct), GIT_OBJECT_ANY) != GIT_ENOTFOUND)
		return false;
	*ret_oid = *git_reference_target(direct);
	return true;
}

int ff_git_lib_rev(struct ff_git *git, const char *rev, git_object **ret, git_oid *ret_lost)
{
	*ret_lost = (git_oid){ .id = { 0 } };
	return is_lost(git, rev, ret_lost) ? GIT_ENOTFOUND : git_revparse_single(ret, git->repo, rev);
}

int ff_git_rev(struct ff_git *git, const char *rev, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(git_object_auto) git_object *any = NULL, *commit = NULL;
	git_oid oid, lost = { .id = { 0 } };
	int rc;

	if (strlen(rev) == GIT_OID_HEXSZ && git_oid_fromstr(&oid, rev) == 0)
		rc = git_object_lookup(&any, git->repo, &oid, GIT_OBJECT_ANY);
	else
		rc = ff_git_lib_rev(git, rev, &any, &lost);
	if (rc == GIT_ENOTFOUND && !git_oid_is_zero(&lost))
		return ff_git_lib_unread(git, &lost, rc, err);
	if (rc == GIT_ENOTFOUND)
		return ff_err_set(err, FF_E_NOT_FOUND, "no revision '%.120s' in %s", rev, git->path);
	if (rc == GIT_EAMBIGUOUS || rc == GIT_EINVALIDSPEC)
		return ff_err_set(err, FF_E_INVALID, "'%.120s' is no revision, or one of several", rev);
	if (rc == 0 && git_object_type(any) == GIT_OBJECT_COMMIT) {
		git_oid_tostr(ret_oid, FF_GIT_OID, git_object_id(any));
		return 0;
	}
	if (rc == 0)
		rc = git_object_peel(&commit, any, GIT_OBJECT_COMMIT);
	if (rc == GIT_EPEEL || rc == GIT_EINVALIDSPEC || rc == GIT_EAMBIGUOUS)
		return ff_err_set(err, FF_E_INVALID, "'%.120s' is not a commit", rev);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "revision '%.80s'", rev);
	git_oid_tostr(ret_oid, FF_GIT_OID, git_object_id(commit));
	return 0;
}

int ff_git_commit_info(struct ff_git *git, const char *oid, struct ff_git_commit_info *ret_info, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *c = NULL;
	const git_signature *author;

	if (ff_git_lib_commit(git, oid, &c, err) < 0)
		return -1;
	*ret_info = (struct ff_git_commit_info){ .n_parents = git_commit_parentcount(c) };
	git_oid_tostr(ret_info->oid, FF_GIT_OID, git_commit_id(c));
	git_oid_tostr(ret_info->tree, FF_GIT_OID, git_commit_tree_id(c));
	ret_info->parents = ff_calloc(ret_info->n_parents + 1, FF_GIT_OID);
	for (size_t i = 0; i < ret_info->n_parents; i++)
		git_oid_tostr(ret_info->parents[i], FF_GIT_OID, git_commit_parent_id(c, (unsigned)i));
	author = git_commit_author(c);
	ret_info->author_name = ff_strdup(author->name);
	ret_info->author_email = ff_strdup(author->email);
	ret_info->author_time_s = author->when.time;
	ret_info->author_offset_min = author->when.offset;
	ret_info->commit_time_s = git_commit_time(c);
	ret_info->message = ff_strdup(git_commit_message_raw(c));
	ret_info->message_len = strlen(ret_info->message);
	ret_info->encoding = ff_strdup(git_commit_message_encoding(c));
	return 0;
}

void ff_git_commit_info_fini(struct ff_git_commit_info *info)
{
	ff_free(&info->parents);
	ff_free(&info->author_name);
	ff_free(&info->author_email);
	ff_free(&info->message);
	ff_free(&info->encoding);
}

int ff_git_merge_base(struct ff_git *git, const char *a, const char *b, char *ret_oid, struct ff_err *err)
{
	git_oid x, y, base;
	int rc;

	if (ff_git_lib_oid(a, &x, err) < 0 || ff_git_lib_oid(b, &y, err) < 0)
		return -1;
	rc = git_merge_base(&base, git->repo, &x, &y);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "the common ancestor of %s and %s", a, b);
	git_oid_tostr(ret_oid, FF_GIT_OID, &base);
	return 0;
}

int ff_git_is_ancestor(struct ff_git *git, const char *ancestor, const char *commit, struct ff_err *err)
{
	git_oid a, c;
	int rc;

	if (ff_git_lib_oid(ancestor, &a, err) < 0 || ff_git_lib_oid(commit, &c, err) < 0)
		return -1;
	if (git_oid_equal(&a, &c))
		return 1;
	rc = git_graph_descendant_of(git->repo, &c, &a);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "whether %s is in the history of %s", ancestor, commit);
	return rc;
}

/* --- writing */

static bool name_good(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n == 0 || s[0] == ' ' || s[n - 1] == ' ' || strpbrk(s, "<>"))
		return false;
	return !ff_git_lib_has_control(s, n);
}

static int check_person(const struct ff_git_person *who, struct ff_err *err)
{
	if (!name_good(who->name) || !name_good(who->email))
		return ff_err_set(err, FF_E_INVALID,
				  "a name or address in a commit is empty or holds <, > or a control character: "
				  "correct commit.name and commit.email");
	if (who->time_s < 0 || who->time_s > TIME_MAX_S || who->offset_min < -14 * 60 || who->offset_min > 14 * 60)
		return ff_err_set(err, FF_E_INVALID, "a commit cannot have this date: set the clock of this host");
	return 0;
}

int ff_git_lib_person(const struct ff_git_person *who, git_signature **ret_sig, struct ff_err *err)
{
	int rc;

	if (check_person(who, err) < 0)
		return -1;
	rc = git_signature_new(ret_sig, who->name, who->email, who->time_s, who->offset_min);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "'%.80s' as a name", who->name);
	return 0;
}

int ff_git_lib_person_line(struct ff_buf *out, const struct ff_git_person *who, struct ff_err *err)
{
	int off = who->offset_min < 0 ? -who->offset_min : who->offset_min;

	if (check_person(who, err) < 0)
		return -1;
	if (ff_buf_addf(out, "%s <%s> %lld %c%02d%02d", who->name, who->email, (long long)who->time_s,
			who->offset_min < 0 ? '-' : '+', off / 60, off % 60) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "a name in a commit is too long");
	return 0;
}

static int expect_type(struct ff_git *git, const git_oid *oid, git_object_t want, struct ff_err *err)
{
	char hex[FF_GIT_OID];
	git_object_t type;
	size_t size;
	int rc = git_odb_read_header(&size, &type, git->odb, oid);

	git_oid_tostr(hex, sizeof hex, oid);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "object %s", hex);
	if (type != want)
		return ff_err_set(err, FF_E_INVALID, "%s is not a %s", hex, git_object_type2string(want));
	return 0;
}

int ff_git_lib_write_commit(struct ff_git *git, const struct ff_git_lib_raw *raw, git_oid *ret_oid,
			    struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	char hex[FF_GIT_OID];

	ff_buf_init(&b, raw->message_len + 64 * 1024 + 64 * raw->n_parents);
	if (expect_type(git, raw->tree, GIT_OBJECT_TREE, err) < 0)
		return -1;
	(void)ff_buf_addf(&b, "tree %s\n", git_oid_tostr(hex, sizeof hex, raw->tree));
	for (size_t i = 0; i < raw->n_parents; i++) {
		if (expect_type(git, &raw->parents[i], GIT_OBJECT_COMMIT, err) < 0)
			return -1;
		(void)ff_buf_addf(&b, "parent %s\n", git_oid_tostr(hex, sizeof hex, &raw->parents[i]));
	}
	(void)ff_buf_addf(&b, "author %s\ncommitter %s\n", raw->author, raw->committer);
	if (raw->encoding)
		(void)ff_buf_addf(&b, "encoding %s\n", raw->encoding);
	(void)ff_buf_addc(&b, '\n');
	(void)ff_buf_add(&b, raw->message, raw->message_len);
	if (b.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the head of a commit is over 64k");
	return ff_git_lib_put(git, GIT_OBJECT_COMMIT, b.data, b.len, ret_oid, err);
}

int ff_git_commit(struct ff_git *git, const struct ff_git_commit *c, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf author, committer, message;
	FF_AUTO(ff_free) git_oid *parents = ff_calloc(c->n_parents + 1, sizeof *parents);
	size_t len = strlen(c->message);
	git_oid tree, oid;

	ff_buf_init(&author, 8192);
	ff_buf_init(&committer, 8192);
	ff_buf_init(&message, len + 2);
	if (ff_git_lib_oid(c->tree, &tree, err) < 0)
		return -1;
	for (size_t i = 0; i < c->n_parents; i++)
		if (ff_git_lib_oid(c->parents[i], &parents[i], err) < 0)
			return -1;
	if (ff_git_lib_person_line(&author, &c->author, err) < 0 ||
	    ff_git_lib_person_line(&committer, &c->committer, err) < 0)
		return -1;
	while (len && c->message[len - 1] == '\n')
		len--;
	(void)ff_buf_add(&message, c->message, len);
	(void)ff_buf_addc(&message, '\n');
	if (ff_git_lib_write_commit(git, &(struct ff_git_lib_raw){
			.tree = &tree, .parents = parents, .n_parents = c->n_parents, .author = author.data,
			.committer = committer.data, .message = message.data, .message_len = message.len },
			&oid, err) < 0)
		return -1;
	git_oid_tostr(ret_oid, FF_GIT_OID, &oid);
	return 0;
}

/* --- one file of a commit */

int ff_git_read_path(struct ff_git *git, const char *commit, const char *path, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *tree = NULL;
	FF_AUTO(git_tree_entry_auto) git_tree_entry *entry = NULL;
	FF_AUTO(git_blob_auto) git_blob *blob = NULL;
	git_object_t type;
	size_t size;
	int rc;

	if (ff_git_lib_tree_of(git, commit, &tree, err) < 0)
		return -1;
	rc = git_tree_entry_bypath(&entry, tree, path);
	if (rc == GIT_ENOTFOUND)
		return ff_err_set(err, FF_E_NOT_FOUND, "no file %s in commit %.12s", path, commit);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s in commit %.12s", path, commit);
	if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB || git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
		return ff_err_set(err, FF_E_INVALID, "%s is not a regular file in commit %.12s", path, commit);
	rc = git_odb_read_header(&size, &type, git->odb, git_tree_entry_id(entry));
	if (rc == 0 && size > out->max - out->len)
		return ff_err_set(err, FF_E_TOO_LARGE, "%s has %zu bytes, over the limit of %zu", path, size, out->max);
	if (rc == 0)
		rc = git_blob_lookup(&blob, git->repo, git_tree_entry_id(entry));
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s in commit %.12s", path, commit);
	ff_assert(ff_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)) == 0);
	return 0;
}
