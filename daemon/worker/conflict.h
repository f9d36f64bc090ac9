/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_CONFLICT_H
#define FF_WORKER_CONFLICT_H

/*
 * Where a rebase stopped, kept in the repository, so that any later worker can
 * go on.  Each stop of a job makes two commits:
 *
 *   the conflict   on top of what was applied so far; its tree is the commit
 *                  that does not apply, merged as far as it goes, with markers
 *                  in the rest.  The branch claude-conflicts/SOURCE-N is set
 *                  to it, for a person to put the resolved files on top.
 *   the stop       refs/flowforge/jobs/N/conflict-K, K counting from 1: its
 *                  message is struct ff_rebase_stop as JSON, its parents are
 *                  the conflict and the tip of the series, which are thereby
 *                  kept from git's garbage collection.
 *
 * The ref of the stop is written before the branch moves, and the branch alone
 * says what is true: the stop on whose applied commits its tip stands; without
 * a branch, the last.  So a worker that dies between the two leaves the older
 * stop in force.
 */

#include "daemon/worker/run.h"
#include "git/rebase.h"

enum ff_answer {
	FF_ANSWER_NONE,   /* nothing was pushed, or there is no conflict yet */
	FF_ANSWER_GIVEN,  /* somebody put something on top of the conflict */
	FF_ANSWER_ASTRAY, /* the branch does not stand on any conflict of this job any more */
};
struct ff_conflict {
	char *branch;            /* full name, owned */
	char tip[FF_GIT_OID];    /* of the branch; "" when there is none */
	int last;                /* highest K; 0: there never was a conflict */
	int number;              /* K of the stop in force, 0: none */
	char at[FF_GIT_OID];     /* its conflict commit */
	struct ff_rebase_stop stop;
	bool answered;           /* what was applied so far has an answer of somebody in it */
	enum ff_answer answer;
};

int ff_conflict_find(struct ff_run *run, struct ff_conflict *ret, struct ff_err *err);
void ff_conflict_fini(struct ff_conflict *c);
/* Writes both commits, without moving a ref. tried: lines about what the ladder did, "" for nothing. */
int ff_conflict_write(struct ff_run *run, const struct ff_rebase_result *r, bool answered, const char *tried, char *ret_conflict,
		      char *ret_stop, struct ff_err *err);

#endif
