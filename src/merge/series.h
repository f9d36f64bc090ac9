/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_SERIES_H
#define FF_MERGE_SERIES_H

/*
 * A series of commits brought onto a new base, one after the other, as
 * git-rebase(1) does it: each keeps its author, author date, message and
 * encoding; the committer is ours; signatures and headers that git does not
 * know are left behind.  A commit that begins empty stays, one that becomes
 * empty is dropped, and one whose parent is the present tip is taken as it is.
 *
 * Pure: objects and the merge itself are callbacks.  Where the series is, is
 * a plain struct: what ff_series_run() leaves in it after a conflict can be
 * written down, and another process can go on from it, first with
 * ff_series_resolve() for the commit that did not apply, then with run again.
 */

#include "merge/merge.h"

/* done of n commits. Other than 0 ends the work with FF_E_CANCELLED. */
typedef int (*ff_series_progress_fn)(void *arg, size_t done, size_t n);

struct ff_series {
	const struct ff_merge_source *source; /* for release() and id_len */
	int (*read_commit)(void *source_arg, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err);
	int (*write_commit)(void *source_arg, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err);
	/* base, target and change are trees, base absent for a first commit; commit is the one that is applied. */
	int (*merge)(void *arg, const struct ff_merge_id *base, const struct ff_merge_id *target,
		     const struct ff_merge_id *change, const struct ff_merge_id *commit,
		     struct ff_merge_result *ret, struct ff_err *err);
	void *merge_arg;
	const char *committer;             /* "NAME <EMAIL> TIME ZONE" */
	const struct ff_merge_id *commits; /* n of them, oldest first, each with one parent or none */
	size_t n;
	ff_series_progress_fn progress;    /* or NULL */
	void *progress_arg;
};

struct ff_series_state {
	struct ff_merge_id tip, tree; /* of what lies there so far; at first the new base */
	size_t done;     /* commits behind us; after a conflict the next is the one that did not apply */
	size_t applied, dropped;
};

/* The state before the first commit. */
int ff_series_begin(const struct ff_series *series, const struct ff_merge_id *onto, struct ff_series_state *ret_state,
		    struct ff_err *err);
/*
 * 0: all done, state->tip is the new tip. 1: commits[state->done] does not
 * apply, and ret_conflict (ff_merge_result_fini) says why. -1: failed; state
 * is that of the last commit that applied.
 */
int ff_series_run(const struct ff_series *series, struct ff_series_state *state, struct ff_merge_result *ret_conflict,
		  struct ff_err *err);
/* commits[state->done] with that tree for its result; dropped when it changes nothing. */
int ff_series_resolve(const struct ff_series *series, struct ff_series_state *state, const struct ff_merge_id *tree,
		      struct ff_err *err);

/* --- the bytes of a commit */
struct ff_series_commit { /* points into the bytes it was read from */
	struct ff_merge_id tree, parent; /* parent: the first; absent for a first commit */
	size_t n_parents;
	int64_t time_s;  /* of the committer; 0 when it cannot be read */
	const char *author, *encoding, *message; /* the first two: what stands behind the word, NULL: none */
	size_t author_len, encoding_len, message_len;
};
/* FF_E_INVALID for what is no commit. */
int ff_series_parse(const struct ff_merge_bytes *bytes, size_t id_len, struct ff_series_commit *ret, struct ff_err *err);
/* Its first line that is not empty. Freed by ff_free. */
char *ff_series_subject(const struct ff_series_commit *commit);

#endif
