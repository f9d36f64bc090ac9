/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_TREE_H
#define FF_GIT_TREE_H

/*
 * Files out of a commit into a folder of ours, and from the folder that a
 * DEAD job left back into a tree (threat model, rules for git 1 to 4).  Both
 * go name by name relative to an opened folder, follow no link, know no
 * .gitattributes, filter, index or nested repository, and work at any path
 * length.  Never call ff_git_take() while any process of the job lives.
 */

#include "git/git.h"

struct ff_redact;

/* files done so far; total is 0 while it is not known. Other than 0 ends the work with FF_E_CANCELLED. */
typedef int (*ff_git_progress_fn)(void *arg, int64_t done, int64_t total);

struct ff_git_checkout {
	const char *commit;
	int folder_fd;      /* an empty folder that only we can write */
	int64_t uid, gid;   /* owner of everything made, -1: ours */
	/*
	 * Commit whose checkout lies below: folder_fd is the empty upper layer of
	 * an overlay then, and gets what differs: changed files, and a device 0:0
	 * for what is gone. NULL: folder_fd gets the whole tree.
	 */
	const char *lower;
	int64_t lower_files, lower_bytes; /* as counted when it was checked out: the limits are for all of it */
	int64_t max_changes; /* against lower; 0: no limit */
	bool open_modes;    /* 0666 and 0777: for another account, in a folder that nobody else can enter */
	int64_t max_files, max_depth, max_bytes; /* 0: no limit */
	ff_git_progress_fn progress; /* or NULL */
	void *arg;
};
struct ff_git_checked_out {
	int64_t files, bytes; /* names of any kind, bytes of files; without lower's */
};
/*
 * Regular files 0644 or 0755, links as links, submodules as empty folders. A
 * tree with a name that no checkout may have (`..`, `.git` in any spelling,
 * a slash) is FF_E_INVALID; over a limit FF_E_TOO_LARGE. After a failure the
 * folder holds a part: remove it. FF_E_UNSUPPORTED: over max_changes names
 * differ from lower. ret_done may be NULL.
 */
int ff_git_checkout(struct ff_git *git, const struct ff_git_checkout *what, struct ff_git_checked_out *ret_done,
		    struct ff_err *err);

struct ff_git_take {
	const char *base;   /* commit that the folder was made from */
	/*
	 * Commit whose checkout is the lower layer of an overlay; folder_fd is its
	 * upper layer then, and the two together were made from base. NULL: the
	 * folder is whole.
	 */
	const char *lower;
	bool user_marks;    /* the overlay was mounted with userxattr */
	int folder_fd;
	/* Limits, 0: none. Their keys: result.max-files (names of any kind count), -bytes, -file, -depth. */
	int64_t max_files, max_bytes, max_file, max_depth;
	struct ff_redact *secrets;   /* a new file or name that holds one is refused; or NULL */
	ff_git_progress_fn progress; /* or NULL */
	void *arg;
};
struct ff_git_skipped {
	char *path;         /* bytes, relative to the folder */
	const char *reason; /* static words for people: "a socket", ... */
};
struct ff_git_taken { /* ff_git_taken_fini */
	char tree[FF_GIT_OID];
	bool changed;       /* tree differs from that of base */
	int64_t files, bytes;
	size_t n_skipped;   /* all that was skipped; the list holds the first FF_GIT_SKIPPED_MAX */
	size_t n_listed;
	struct ff_git_skipped *skipped;
};
#define FF_GIT_SKIPPED_MAX 1000
/*
 * Writes blobs and trees and moves no ref. Left out, and listed: `.git` in any
 * spelling and all below it; FIFOs, sockets, devices; links that are absolute
 * or lead out of the tree; links named .gitmodules, .gitattributes,
 * .gitignore or .mailmap; names with control bytes; other file systems. What
 * is left out stays as base has it, and is not listed when it did not change.
 * .gitmodules is always that of base. A submodule of base stays while its
 * folder is there. Files that we may not read are made readable, through
 * their descriptor, when they are ours; else FF_E_NOT_ALLOWED, as for secrets. FF_E_TOO_LARGE
 * names the limit and its key; FF_E_CONFLICT: something still writes there.
 */
int ff_git_take(struct ff_git *git, const struct ff_git_take *what, struct ff_git_taken *ret_taken,
		struct ff_err *err);
void ff_git_taken_fini(struct ff_git_taken *taken);

#endif
