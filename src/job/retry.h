/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_RETRY_H
#define FF_JOB_RETRY_H

/*
 * What becomes of a job whose attempt has failed: another attempt, and when,
 * or the end.  Which classes of errors another attempt can mend says
 * base/err.def; the numbers that are not passed in are in retry.c.
 */

#include "job/job.h"

struct ff_retry {
	bool again;       /* else the job has failed */
	int64_t delay_ms; /* until the next attempt */
};

/*
 * job is as before the failure is folded. first_ms: the longest wait before the
 * second attempt; further ones wait longer. chance: any number, drawn anew each time.
 */
struct ff_retry ff_job_retry(const struct ff_job *job, enum ff_err_code code, int64_t first_ms, uint32_t chance);
/* A dead letter: it failed for a reason that another attempt might mend, after all of its attempts. */
bool ff_job_dead(const struct ff_job *job);

#endif
