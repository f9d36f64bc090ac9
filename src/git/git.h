/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_GIT_H
#define FF_GIT_GIT_H

/*
 * One bare repository: refs, commits, single files, notes, patches.  This
 * folder is the only code that knows libgit2.  Nothing here runs a hook, a
 * filter or a merge driver, nor a program but for handover.h, and nothing opens a folder that a job
 * could write, except tree.h, whose walker follows nothing.
 *
 * Open it, use it from one thread, close it.  Object ids are lower-case hex
 * in char[FF_GIT_OID]; refs and paths are bytes.  Companions: tree.h (files
 * out of a commit, and back into a tree), rebase.h, mergetree.h.
 *
 * Failures: FF_E_GIT (the text says what libgit2 said), FF_E_NOT_FOUND,
 * FF_E_INVALID, FF_E_REF_MOVED, FF_E_IO, FF_E_UNSUPPORTED (SHA-256).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define FF_GIT_OID 65 /* 64 hex digits and a NUL, so that SHA-256 will fit */

struct ff_git;

/* path: the folder that holds HEAD and objects (never searched upwards, owner not judged). */
int ff_git_open(const char *path, struct ff_git **ret_git, struct ff_err *err);
int ff_git_open_url(const char *url, struct ff_git **ret_git, struct ff_err *err);
void ff_git_close(struct ff_git **git);
const char *ff_git_path(const struct ff_git *git); /* as opened; borrowed */
/* Whether the folder at that path is no longer the one that was opened. */
bool ff_git_gone(const struct ff_git *git);
/* file:// URLs (RFC 8089, no host or localhost), percent-coded bytes. Freed by ff_free. */
int ff_git_path_from_url(const char *url, char **ret_path, struct ff_err *err);
char *ff_git_url_from_path(const char *path);

/* --- refs */
/* The commit a full ref name leads to, tags peeled; FF_E_NOT_FOUND when there is none. */
int ff_git_ref_commit(struct ff_git *git, const char *ref, char *ret_oid, struct ff_err *err);
/* What the ref itself holds (a tag object is not peeled). */
int ff_git_ref_oid(struct ff_git *git, const char *ref, char *ret_oid, struct ff_err *err);
/* A callback that returns other than 0 ends the listing, and the listing returns -1 with FF_E_CANCELLED. */
typedef int (*ff_git_ref_fn)(void *arg, const char *ref, const char *oid);
/* Every direct ref that matches one of n globs (ff_glob_match), in name order. */
int ff_git_refs(struct ff_git *git, const char *const *globs, size_t n, ff_git_ref_fn fn, void *arg,
		struct ff_err *err);
/* Branch of HEAD without refs/heads/, also an unborn one; NULL when HEAD is detached. Freed by ff_free. */
int ff_git_head_branch(struct ff_git *git, char **ret_branch, struct ff_err *err);

struct ff_git_person { /* strings borrowed; no <, > or control bytes */
	const char *name, *email;
	int64_t time_s;
	int offset_min; /* of the zone, east positive */
};
struct ff_git_ref_change {
	const char *ref;
	const char *old_oid; /* expected value; NULL: must not exist */
	const char *new_oid; /* NULL: remove */
	bool ours;           /* hardly anybody but us writes it, see below */
};
/*
 * Locks all refs, compares each with its old value, then writes them in this
 * order; when one is not as expected nothing is written and FF_E_REF_MOVED
 * names it. A ref that is as wanted already is no failure, so that a restarted
 * worker may publish again. Each ref is replaced whole; a crash between two
 * of them leaves the later ones as they were. FF_E_CONFLICT: a ref `a` and a
 * ref `a/b` cannot both be; FF_E_IO: a lock did not go away within a second.
 * A lock of a ref of ours (below refs/flowforge, or said to be), or of one that
 * is to be made, which stays for that second was left by a worker that was
 * killed: it is removed.
 */
int ff_git_publish(struct ff_git *git, const struct ff_git_ref_change *changes, size_t n,
		   const struct ff_git_person *who, const char *reflog, struct ff_err *err);
int ff_git_ref_update(struct ff_git *git, const char *ref, const char *old_oid, const char *new_oid,
		      const struct ff_git_person *who, const char *reflog, struct ff_err *err);

/* --- commits */
struct ff_git_commit_info { /* all owned; ff_git_commit_info_fini */
	char oid[FF_GIT_OID], tree[FF_GIT_OID];
	size_t n_parents;
	char (*parents)[FF_GIT_OID];
	char *author_name, *author_email;
	int64_t author_time_s, commit_time_s;
	int author_offset_min;
	char *message; /* raw bytes and a NUL */
	size_t message_len;
	char *encoding; /* NULL: UTF-8 */
};
/*
 * The commit that a person means by a revision (gitrevisions(7)), tags peeled.
 * FF_E_NOT_FOUND; FF_E_INVALID for what is no revision or no commit.
 */
int ff_git_rev(struct ff_git *git, const char *rev, char *ret_oid, struct ff_err *err);
/* FF_E_INVALID when oid names another kind of object. info is untouched on failure. */
int ff_git_commit_info(struct ff_git *git, const char *oid, struct ff_git_commit_info *ret_info, struct ff_err *err);
void ff_git_commit_info_fini(struct ff_git_commit_info *info);
/* FF_E_NOT_FOUND for unrelated histories. */
int ff_git_merge_base(struct ff_git *git, const char *a, const char *b, char *ret_oid, struct ff_err *err);
/* 1, 0 or -1; a commit is its own ancestor. */
int ff_git_is_ancestor(struct ff_git *git, const char *ancestor, const char *commit, struct ff_err *err);

struct ff_git_commit {
	const char *tree;
	const char *const *parents; /* n_parents of them */
	size_t n_parents;
	struct ff_git_person author, committer;
	const char *message; /* ends up with exactly one newline at its end */
};
/* Every object it names must be there and of its kind. Moves no ref. */
int ff_git_commit(struct ff_git *git, const struct ff_git_commit *commit, char *ret_oid, struct ff_err *err);

/* --- single things */
/*
 * Appends the file at path (no leading slash) in a commit; FF_E_NOT_FOUND, FF_E_TOO_LARGE at out's
 * maximum, FF_E_INVALID for a link, a folder or a submodule.
 */
int ff_git_read_path(struct ff_git *git, const char *commit, const char *path, struct ff_buf *out,
		     struct ff_err *err);
/* A key of the repository's own config file, the last value; *ret_value NULL when absent. Freed by ff_free. */
int ff_git_config(struct ff_git *git, const char *key, char **ret_value, struct ff_err *err);
/*
 * Puts text into the note of object. A note is paragraphs; one whose first
 * line is the first line of text is replaced, else text is appended, so that
 * each job keeps one. text has no empty line in it. Tries again when others
 * write notes at the same time.
 */
int ff_git_note(struct ff_git *git, const char *notes_ref, const char *object, const char *text,
		const struct ff_git_person *who, struct ff_err *err);

/*
 * The files that are not the same in the two commits and still hold conflict
 * markers of ours ("<<<<<<< target", ">>>>>>> change") in the second.
 * NULL-terminated; freed by ff_git_paths_free.
 */
int ff_git_markers(struct ff_git *git, const char *from, const char *to, char ***ret_paths, struct ff_err *err);
void ff_git_paths_free(char ***paths);
bool ff_git_has_markers(const char *text, size_t n);

/*
 * The patch from base to tip (commits; base NULL: from nothing) as `git diff`
 * prints it, renames found, at most max_bytes; cut at the end of a line.
 */
int ff_git_diff_fd(struct ff_git *git, const char *base, const char *tip, int64_t max_bytes, int fd,
		   bool *ret_cut, struct ff_err *err);
/* The same appended to a buffer, up to its maximum. */
int ff_git_diff_buf(struct ff_git *git, const char *base, const char *tip, struct ff_buf *out,
		    bool *ret_cut, struct ff_err *err);

#endif
