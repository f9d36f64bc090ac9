/* SPDX-License-Identifier: MIT */
/* See rebase.h. Each commit of the series is a three-way merge of trees, done by libgit2 in memory. */
#include "git/rebase.h"

#include <string.h>

#include "git/lib.h"

/* Pairs of files compared when renames are looked for; git's own limit (merge.renameLimit) is 7000. */
#define RENAME_LIMIT 1000

struct run {
	struct ff_git *git;
	const struct ff_rebase *what;
	struct ff_rebase_result *out;
	const char *committer;
	git_oid tip; /* of what has been applied */
};

static void put_oid(char *out, const git_oid *oid)
{
	git_oid_tostr(out, FF_GIT_OID, oid);
}

void ff_rebase_result_fini(struct ff_rebase_result *result)
{
	for (size_t i = 0; i < result->n_conflicts; i++)
		ff_free(&result->conflicts[i].path);
	ff_free(&result->conflicts);
	result->n_conflicts = 0;
	ff_free(&result->at_subject);
}

/* --- the series */

static int list_series(struct run *r, const git_oid *onto, const git_oid *tip, git_oid **ret_list, size_t *ret_n,
		       struct ff_err *err)
{
	FF_AUTO(git_revwalk_auto) git_revwalk *walk = NULL;
	FF_AUTO(ff_free) git_oid *list = NULL;
	size_t n = 0, room = 0;
	git_oid oid;
	int rc = git_revwalk_new(&walk, r->git->repo);

	if (rc == 0)
		rc = git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_REVERSE);
	if (rc == 0)
		rc = git_revwalk_push(walk, tip);
	if (rc == 0)
		rc = git_revwalk_hide(walk, onto);
	while (rc == 0 && (rc = git_revwalk_next(&oid, walk)) == 0) {
		FF_AUTO(git_commit_auto) git_commit *c = NULL;

		rc = git_commit_lookup(&c, r->git->repo, &oid);
		if (rc < 0 || git_commit_parentcount(c) > 1)
			continue;
		if (r->what->max_commits && n == r->what->max_commits)
			return ff_err_set(err, FF_E_TOO_LARGE, "over %zu commits to rebase", r->what->max_commits);
		if (n == room) {
			room = room ? 2 * room : 32;
			list = ff_realloc(list, room, sizeof *list);
		}
		list[n++] = oid;
	}
	if (rc != GIT_ITEROVER)
		return ff_git_lib_fail(err, rc, "cannot list the commits to rebase");
	*ret_list = ff_steal(&list);
	*ret_n = n;
	return 0;
}

/* --- conflicts */

static bool is_submodule(const git_index_entry *e)
{
	return e && e->mode == GIT_FILEMODE_COMMIT;
}

static const char *kind_of(const git_index_entry *base, const git_index_entry *target, const git_index_entry *change)
{
	if (is_submodule(base) || is_submodule(target) || is_submodule(change))
		return "submodule";
	if (target && change && !base)
		return "added on both sides";
	if (base && target && !change)
		return "changed in target, deleted in change";
	if (base && change && !target)
		return "deleted in target, changed in change";
	if (base && !target && !change)
		return "renamed differently";
	if (!base)
		return target ? "file in target, folder in change" : "folder in target, file in change";
	if ((base->mode & 0170000) != (target->mode & 0170000) || (target->mode & 0170000) != (change->mode & 0170000))
		return "different kinds of file";
	return "content";
}

static int collect_conflicts(struct ff_rebase_result *out, git_index *index, struct ff_err *err)
{
	FF_AUTO(git_index_conflict_iterator_auto) git_index_conflict_iterator *it = NULL;
	const git_index_entry *base, *target, *change;
	int rc = git_index_conflict_iterator_new(&it, index);

	while (rc == 0 && (rc = git_index_conflict_next(&base, &target, &change, it)) == 0) {
		const git_index_entry *any = change ? change : target ? target : base;

		out->conflicts = ff_realloc(out->conflicts, out->n_conflicts + 1, sizeof *out->conflicts);
		out->conflicts[out->n_conflicts++] = (struct ff_rebase_conflict){
			.path = ff_strdup(any->path), .kind = kind_of(base, target, change) };
	}
	if (rc != GIT_ITEROVER)
		return ff_git_lib_fail(err, rc, "cannot list the conflicts");
	return 0;
}

/* --- one commit */

/* The tree of c on top of ours: 0, 1 when it conflicts (listed), or -1. */
static int merge_onto(struct run *r, git_tree *parent, git_tree *ours, git_tree *theirs, git_oid *ret_tree,
		      struct ff_err *err)
{
	git_merge_options opts = GIT_MERGE_OPTIONS_INIT;
	FF_AUTO(git_index_auto) git_index *index = NULL;
	int rc;

	opts.target_limit = RENAME_LIMIT;
	rc = git_merge_trees(&index, r->git->repo, parent, ours, theirs, &opts);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot merge");
	if (git_index_has_conflicts(index))
		return collect_conflicts(r->out, index, err) < 0 ? -1 : 1;
	rc = git_index_write_tree_to(ret_tree, index, r->git->repo);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot write a merged tree");
	return 0;
}

static int header_field(git_commit *c, const char *field, char **ret, struct ff_err *err)
{
	git_buf b = GIT_BUF_INIT;
	int rc = git_commit_header_field(&b, c, field);

	if (rc < 0 && rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "the %s of a commit", field);
	*ret = rc == 0 ? ff_memdup0(b.ptr, b.size) : NULL;
	git_buf_dispose(&b);
	return 0;
}

/* The commit again, with that tree and on the present tip. */
static int write_again(struct run *r, git_commit *c, const git_oid *tree, struct ff_err *err)
{
	FF_AUTO(ff_free) char *author = NULL, *encoding = NULL;
	const char *message = git_commit_message_raw(c);
	const git_oid parent = r->tip;

	if (header_field(c, "author", &author, err) < 0 || header_field(c, "encoding", &encoding, err) < 0)
		return -1;
	if (!author || strchr(author, '\n') || (encoding && strchr(encoding, '\n')))
		return ff_err_set(err, FF_E_GIT, "it has no usable author");
	return ff_git_lib_write_commit(r->git, &(struct ff_git_lib_raw){
		.tree = tree, .parents = &parent, .n_parents = 1, .author = author, .committer = r->committer,
		.encoding = encoding, .message = message, .message_len = strlen(message) }, &r->tip, err);
}

struct trees {
	git_tree *parent, *ours, *theirs; /* parent NULL: a first commit */
};

static void trees_fini(struct trees *t)
{
	git_tree_free(t->parent);
	git_tree_free(t->ours);
	git_tree_free(t->theirs);
}

static int load_trees(struct run *r, git_commit *c, struct trees *t, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *parent = NULL, *tip = NULL;
	int rc = git_commit_tree(&t->theirs, c);

	if (rc == 0 && git_commit_parentcount(c) == 1) {
		rc = git_commit_parent(&parent, c, 0);
		if (rc == 0)
			rc = git_commit_tree(&t->parent, parent);
	}
	if (rc == 0)
		rc = git_commit_lookup(&tip, r->git->repo, &r->tip);
	if (rc == 0)
		rc = git_commit_tree(&t->ours, tip);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot read its tree") : 0;
}

/* 0 applied or dropped, 1 conflict, -1. */
static int apply(struct run *r, git_commit *c, struct ff_err *err)
{
	FF_AUTO(trees_fini) struct trees t = { NULL, NULL, NULL };
	const git_oid *from, *ours, *theirs;
	git_oid tree;
	int rc;

	if (load_trees(r, c, &t, err) < 0)
		return -1;
	from = t.parent ? git_tree_id(t.parent) : NULL;
	ours = git_tree_id(t.ours);
	theirs = git_tree_id(t.theirs);
	if (from && git_oid_equal(from, theirs)) { /* was empty, stays so */
		r->out->applied++;
		return write_again(r, c, ours, err);
	}
	if (from && git_oid_equal(from, ours)) {
		tree = *theirs;
	} else {
		rc = merge_onto(r, t.parent, t.ours, t.theirs, &tree, err);
		if (rc)
			return rc;
	}
	if (git_oid_equal(&tree, ours)) {
		r->out->dropped++;
		return 0;
	}
	r->out->applied++;
	return write_again(r, c, &tree, err);
}

static void stop_at(struct run *r, git_commit *c)
{
	const char *subject = git_commit_message_raw(c);

	subject += strspn(subject, "\n");
	r->out->conflict = true;
	put_oid(r->out->at, git_commit_id(c));
	r->out->at_subject = ff_memdup0(subject, strcspn(subject, "\n"));
}

static int apply_series(struct run *r, const git_oid *list, size_t n, struct ff_err *err)
{
	r->out->total = n;
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(git_commit_auto) git_commit *c = NULL;
		char hex[FF_GIT_OID];
		int rc;

		put_oid(hex, &list[i]);
		if (ff_git_lib_commit(r->git, hex, &c, err) < 0)
			return -1;
		rc = apply(r, c, err);
		if (rc < 0)
			return ff_err_wrap(err, "rebase of commit %.12s", hex);
		if (rc == 1) {
			stop_at(r, c);
			return 0;
		}
		if (r->what->progress && r->what->progress(r->what->arg, i + 1, n))
			return ff_err_set(err, FF_E_CANCELLED, "the rebase was ended");
	}
	return 0;
}

/* 1 when there is nothing to do since tip lies on onto, 0 when there is, -1. */
static int already_there(struct ff_git *git, const struct ff_rebase *what, struct ff_err *err)
{
	char base[FF_GIT_OID];
	struct ff_err why = { 0 };

	if (ff_git_merge_base(git, what->onto, what->tip, base, &why) < 0) {
		if (why.code != FF_E_NOT_FOUND)
			return ff_err_set(err, why.code, "%s", why.text);
		return ff_err_set(err, FF_E_GIT, "%.12s and the target (%.12s) have no commit in common: "
				  "push a branch that was made from the target", what->tip, what->onto);
	}
	return strcmp(base, what->onto) == 0;
}

static int run_series(struct run *r, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *onto = NULL, *tip = NULL;
	FF_AUTO(ff_free) git_oid *list = NULL;
	size_t n = 0;
	int there;

	if (ff_git_lib_commit(r->git, r->what->onto, &onto, err) < 0 ||
	    ff_git_lib_commit(r->git, r->what->tip, &tip, err) < 0)
		return -1;
	there = already_there(r->git, r->what, err);
	if (there < 0)
		return -1;
	r->tip = *git_commit_id(there ? tip : onto);
	r->out->unchanged = there;
	if (there)
		return 0;
	if (list_series(r, git_commit_id(onto), git_commit_id(tip), &list, &n, err) < 0)
		return -1;
	return apply_series(r, list, n, err);
}

int ff_rebase(struct ff_git *git, const struct ff_rebase *what, struct ff_rebase_result *ret_result,
	      struct ff_err *err)
{
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result out = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf committer;
	struct run r = { .git = git, .what = what, .out = &out };

	ff_buf_init(&committer, 8192);
	if (ff_git_lib_person_line(&committer, &what->committer, err) < 0)
		return -1;
	r.committer = committer.data;
	if (run_series(&r, err) < 0)
		return -1;
	put_oid(out.tip, &r.tip);
	*ret_result = out;
	out = (struct ff_rebase_result){ 0 };
	return 0;
}
