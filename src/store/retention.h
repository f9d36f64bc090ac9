/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_RETENTION_H
#define FF_STORE_RETENTION_H

/*
 * What keeps the record from growing for ever: ended jobs are marked, what
 * they left elsewhere is removed (by others), then their rows go in pieces.
 * Every call does a small, bounded amount of work within the turn's
 * transaction; daemon/core/retention.c says when.  A job that has not ended
 * is never marked nor deleted.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ff_store;

/* Rows that one call looks at or deletes. */
#define FF_RETENTION_ROWS 100

struct ff_retention_job {
	int64_t id, repo, ended_ms;
};
/* Ended jobs with numbers above after, lowest first, into ret (FF_RETENTION_ROWS of them). */
int ff_retention_ended(struct ff_store *s, int64_t after, struct ff_retention_job *ret, int *ret_count,
		       struct ff_err *err);
/* The job ended then, whatever its event says: the wall clock was behind. */
int ff_retention_ended_at(struct ff_store *s, int64_t job, int64_t known_ms, struct ff_err *err);
/* From now on it is certain that the job goes. */
int ff_retention_mark(struct ff_store *s, int64_t job, struct ff_err *err);
/* Marked jobs of the first repository with a row above after_repo. */
int ff_retention_marked(struct ff_store *s, int64_t after_repo, struct ff_retention_job *ret, int *ret_count,
			struct ff_err *err);
/* Deletes some rows of a marked job; *ret_done when all are gone, its push included. Its number is not used again. */
int ff_retention_delete(struct ff_store *s, int64_t job, bool *ret_done, struct ff_err *err);
/* Some rows of the model's answers to an ended job. */
int ff_retention_answers(struct ff_store *s, int64_t job, bool *ret_done, struct ff_err *err);
/* Pushes that made no job: looks at some above *after, deletes those from before before_ms, moves *after on (0: at the end). */
int ff_retention_pushes(struct ff_store *s, int64_t *after, int64_t before_ms, struct ff_err *err);
/* The time that was known to have passed when it was last told, and how long the wall clock had been steady; 0: never told. */
int ff_retention_clock(struct ff_store *s, int64_t *ret_known_ms, int64_t *ret_steady_ms, struct ff_err *err);
int ff_retention_clock_set(struct ff_store *s, int64_t known_ms, int64_t steady_ms, struct ff_err *err);
/* Gives some free pages back to the file system; *ret_done when few are left. */
int ff_retention_shrink(struct ff_store *s, bool *ret_done, struct ff_err *err);

#endif
