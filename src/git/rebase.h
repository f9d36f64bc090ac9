/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_REBASE_H
#define FF_GIT_REBASE_H

/*
 * The rebase engine behind two calls.  It works on trees alone: no work
 * folder, no index file, no filter, no merge driver; it writes objects and
 * moves no ref.  Which commits, and what becomes of each, is as in
 * git-rebase(1): see git/pick.h and merge/series.h.  Words: "target" is the
 * side of onto, "change" the side of tip.
 *
 * When tip lies on onto already, in one line, nothing is done.  With merge
 * commits on the way the line is made straight; should that end in a
 * conflict, which one of the merges may have solved, tip stays as it is.
 *
 * A conflict is no failure.  `stop` in the result is all that is needed to go
 * on later, in another process too: keep it with the objects (applied, and the
 * commits it names) from git's garbage collection, and call
 * ff_rebase_continue() with the tree that is the answer for the commit at
 * which it stopped.
 */

#include "git/git.h"

struct ff_handover;
struct ff_merge_limits;
struct ff_merge_result;

/* done of total commits. Other than 0 ends the work with FF_E_CANCELLED. */
typedef int (*ff_rebase_progress_fn)(void *arg, size_t done, size_t total);

struct ff_rebase {
	const char *onto, *tip; /* commits */
	const char *upstream;   /* what of tip is not to be applied; NULL: what onto has */
	struct ff_git_person committer;
	bool refuse_merges;     /* a series with merge commits is FF_E_INVALID */
	size_t max_commits;     /* longer series are FF_E_TOO_LARGE; 0: no limit */
	size_t max_upstream;    /* of ff_pick */
	const struct ff_merge_limits *limits; /* NULL: the defaults */
	const struct ff_handover *handover;   /* NULL: hard merges are conflicts */
	ff_rebase_progress_fn progress; /* or NULL */
	void *arg;
};
struct ff_rebase_stop {
	char onto[FF_GIT_OID], upstream[FF_GIT_OID], tip[FF_GIT_OID]; /* what was asked */
	char at[FF_GIT_OID];      /* the commit that does not apply */
	char applied[FF_GIT_OID]; /* the new tip so far */
	size_t done, n_applied, n_dropped; /* commits before it */
};
struct ff_rebase_result { /* ff_rebase_result_fini */
	bool conflict;           /* stopped; the fields below `upstream` say where */
	bool unchanged;          /* tip lies on onto already and was left as it is */
	char tip[FF_GIT_OID];    /* the new tip; after a conflict the last commit that applied */
	char tree[FF_GIT_OID];   /* of it */
	size_t total, applied, dropped;
	size_t merges;           /* merge commits that were left out */
	size_t upstream;         /* commits left out because upstream has their patch */
	struct ff_rebase_stop stop;
	char *why_hard;          /* why git could not be asked about a hard conflict, or NULL */
	char *at_subject;        /* first line of the message of stop.at */
	char partial[FF_GIT_OID]; /* tree of what could be merged, markers in the rest; "" when the conflict is hard */
	struct ff_merge_result *merge; /* every conflict with its versions */
};
/* 0 also when it stops at a conflict. Unrelated histories are FF_E_GIT. */
int ff_rebase(struct ff_git *git, const struct ff_rebase *what, struct ff_rebase_result *ret_result,
	      struct ff_err *err);
/*
 * From where an earlier call stopped; onto, tip and upstream are those of
 * stop. tree becomes the result of the commit stop->at, which is dropped when
 * it changes nothing; NULL: that commit is tried once more. FF_E_CONFLICT when
 * the series is another one by now.
 */
int ff_rebase_continue(struct ff_git *git, const struct ff_rebase *what, const struct ff_rebase_stop *stop,
		       const char *tree, struct ff_rebase_result *ret_result, struct ff_err *err);
void ff_rebase_result_fini(struct ff_rebase_result *result);

#endif
