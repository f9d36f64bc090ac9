/* SPDX-License-Identifier: MIT */
/* See review.h. Trees are entered only where the two differ. */
#include "git/review.h"

#include <string.h>

#include "git/lib.h"

#define PATH_MOST ((size_t)64 * 1024)
/* As git tells text from other files. */
#define LOOK_FOR_NUL 8000

struct run;
typedef int (*change_fn)(struct run *r, const char *path, const git_tree_entry *old, const git_tree_entry *now,
			 struct ff_err *err);

struct run {
	struct ff_git *git;
	const struct ff_git_review *what;
	struct ff_git_reviewed *out;
	struct ff_near *near;
	struct ff_buf path; /* of the folder, with a slash at its end */
	change_fn change;
};

void ff_git_reviewed_fini(struct ff_git_reviewed *reviewed)
{
	for (size_t i = 0; i < reviewed->n_notices; i++)
		ff_free(&reviewed->notices[i].path);
	ff_free(&reviewed->notices);
	for (size_t i = 0; i < reviewed->n_held; i++)
		ff_free(&reviewed->held[i]);
	ff_free(&reviewed->held);
	reviewed->n_notices = reviewed->n_held = 0;
}

static void notice(struct run *r, const char *path, enum ff_notice kind, size_t line)
{
	struct ff_git_reviewed *o = r->out;

	o->all_notices++;
	if (o->n_notices == FF_GIT_REVIEW_MAX)
		return;
	o->notices = ff_realloc(o->notices, o->n_notices + 1, sizeof *o->notices);
	o->notices[o->n_notices++] = (struct ff_git_notice){ ff_strdup(path), kind, line };
}

static void hold(struct run *r, const char *path)
{
	struct ff_git_reviewed *o = r->out;

	o->all_held++;
	if (o->n_held == FF_GIT_REVIEW_MAX)
		return;
	o->held = ff_realloc(o->held, o->n_held + 2, sizeof *o->held);
	o->held[o->n_held++] = ff_strdup(path);
	o->held[o->n_held] = NULL;
}

/* --- one file */

static bool is(const git_tree_entry *e, git_filemode_t mode)
{
	return e && git_tree_entry_filemode(e) == mode;
}

static bool is_file(const git_tree_entry *e)
{
	return is(e, GIT_FILEMODE_BLOB) || is(e, GIT_FILEMODE_BLOB_EXECUTABLE);
}

static int size_of(struct run *r, const git_tree_entry *e, size_t *ret, struct ff_err *err)
{
	git_object_t type;
	int rc = git_odb_read_header(ret, &type, r->git->odb, git_tree_entry_id(e));

	return rc < 0 ? ff_git_lib_fail(err, rc, "a file of the result") : 0;
}

static int load(struct run *r, const git_tree_entry *e, git_blob **ret, struct ff_err *err)
{
	int rc = git_blob_lookup(ret, r->git->repo, git_tree_entry_id(e));

	return rc < 0 ? ff_git_lib_fail(err, rc, "a file of the result") : 0;
}

static int look_into(struct run *r, const char *path, const git_tree_entry *old, const git_tree_entry *now,
		     struct ff_err *err)
{
	FF_AUTO(git_blob_auto) git_blob *a = NULL, *b = NULL;
	size_t size = 0, old_size = 0, line;
	const char *text;

	if (size_of(r, now, &size, err) < 0 || (is_file(old) && size_of(r, old, &old_size, err) < 0))
		return -1;
	if (size > (size_t)r->what->max_text || old_size > (size_t)r->what->max_text) {
		notice(r, path, FF_NOTICE_UNREAD, 0);
		return 0;
	}
	if (load(r, now, &b, err) < 0 || (is_file(old) && load(r, old, &a, err) < 0))
		return -1;
	text = git_blob_rawcontent(b);
	if (memchr(text, '\0', size < LOOK_FOR_NUL ? size : LOOK_FOR_NUL))
		return 0;
	line = ff_review_hidden_line(a ? git_blob_rawcontent(a) : "", old_size, text, size);
	if (line)
		notice(r, path, FF_NOTICE_HIDDEN_TEXT, line);
	return 0;
}

/* old or now NULL: it is new, or gone. */
static int look(struct run *r, const char *path, const git_tree_entry *old, const git_tree_entry *now, struct ff_err *err)
{
	bool link = is(now, GIT_FILEMODE_LINK) || is(now, GIT_FILEMODE_COMMIT);
	bool runs = is(now, GIT_FILEMODE_BLOB_EXECUTABLE), ran = is(old, GIT_FILEMODE_BLOB_EXECUTABLE);

	r->out->changed++;
	if (ff_review_protected(path, link, r->what->protected))
		hold(r, path);
	if (ff_review_runs(path, link))
		notice(r, path, FF_NOTICE_RUNS, 0);
	if (now && !old && ff_review_hidden_name(path))
		notice(r, path, FF_NOTICE_HIDDEN_NAME, 0);
	if (runs != ran && now)
		notice(r, path, runs ? FF_NOTICE_EXECUTABLE : FF_NOTICE_NOT_EXECUTABLE, 0);
	if (is(now, GIT_FILEMODE_LINK) && !is(old, GIT_FILEMODE_LINK))
		notice(r, path, FF_NOTICE_LINK, 0);
	if (!ff_near_has(r->near, path))
		notice(r, path, FF_NOTICE_FAR, 0);
	if (!is_file(now) || (old && git_oid_equal(git_tree_entry_id(old), git_tree_entry_id(now))))
		return 0;
	return look_into(r, path, old, now, err);
}

static int note_near(struct run *r, const char *path, const git_tree_entry *old, const git_tree_entry *now,
		     struct ff_err *err)
{
	(void)old;
	(void)now;
	(void)err;
	ff_near_add(r->near, path);
	return 0;
}

/* --- two trees */

static int compare(struct run *r, const git_tree *old, const git_tree *now, struct ff_err *err);

static int load_tree(struct run *r, const git_tree_entry *e, git_tree **ret, struct ff_err *err)
{
	int rc;

	if (!is(e, GIT_FILEMODE_TREE))
		return 0;
	rc = git_tree_lookup(ret, r->git->repo, git_tree_entry_id(e));
	return rc < 0 ? ff_git_lib_fail(err, rc, "a folder of the result") : 0;
}

static bool equal(const git_tree_entry *a, const git_tree_entry *b)
{
	return a && b && git_tree_entry_filemode(a) == git_tree_entry_filemode(b) &&
	       git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b));
}

/* A folder on one side and a file on the other are two changes. */
static int compare_entries(struct run *r, const git_tree_entry *old, const git_tree_entry *now, struct ff_err *err)
{
	const char *name = git_tree_entry_name(old ? old : now);
	FF_AUTO(git_tree_auto) git_tree *a = NULL, *b = NULL;
	size_t len = r->path.len;
	int rc = 0;

	if (equal(old, now))
		return 0;
	if (load_tree(r, old, &a, err) < 0 || load_tree(r, now, &b, err) < 0)
		return -1;
	if (ff_buf_adds(&r->path, name) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "a path of the result is over %zu bytes", PATH_MOST);
	if ((old && !a) || (now && !b))
		rc = r->change(r, r->path.data, a ? NULL : old, b ? NULL : now, err);
	if (rc == 0 && (a || b))
		rc = ff_buf_addc(&r->path, '/') < 0 ? -1 : compare(r, a, b, err);
	r->path.len = len;
	r->path.data[len] = '\0';
	return rc;
}

static int compare(struct run *r, const git_tree *old, const git_tree *now, struct ff_err *err)
{
	for (size_t i = 0; old && i < git_tree_entrycount(old); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(old, i);

		if (compare_entries(r, e, now ? git_tree_entry_byname(now, git_tree_entry_name(e)) : NULL, err) < 0)
			return -1;
	}
	for (size_t i = 0; now && i < git_tree_entrycount(now); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(now, i);

		if ((!old || !git_tree_entry_byname(old, git_tree_entry_name(e))) && compare_entries(r, NULL, e, err) < 0)
			return -1;
	}
	return 0;
}

static int between(struct run *r, const char *from, const char *to, change_fn change, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *a = NULL, *b = NULL;

	if (ff_git_lib_tree_of(r->git, from, &a, err) < 0 || ff_git_lib_tree_of(r->git, to, &b, err) < 0)
		return -1;
	r->change = change;
	if (git_oid_equal(git_tree_id(a), git_tree_id(b)))
		return 0;
	return compare(r, a, b, err);
}

int ff_git_review(struct ff_git *git, const struct ff_git_review *what, struct ff_git_reviewed *ret_reviewed,
		  struct ff_err *err)
{
	FF_AUTO(ff_git_reviewed_fini) struct ff_git_reviewed out = { .changed = 0 };
	FF_AUTO(ff_near_free) struct ff_near *near = ff_near_new();
	struct run r = { .git = git, .what = what, .out = &out, .near = near };
	int rc = 0;

	ff_buf_init(&r.path, PATH_MOST);
	(void)ff_buf_adds(&r.path, "");
	if (what->task)
		ff_near_add_task(near, what->task);
	if (what->pushed_base)
		rc = between(&r, what->pushed_base, what->base, note_near, err);
	if (rc == 0)
		rc = between(&r, what->base, what->tip, look, err);
	ff_buf_fini(&r.path);
	if (rc < 0)
		return -1;
	*ret_reviewed = out;
	out = (struct ff_git_reviewed){ .changed = 0 };
	return 0;
}
