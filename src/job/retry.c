/* SPDX-License-Identifier: MIT */
/* When to try again, and when to stop: a failure that stays must not burn money for ever. */
#include "job/retry.h"

/* A worker that dies and a host that breaks are not the task's fault: so many are mended even with retries = 0. */
#define HOST_FAULTS_MAX 3
/* Half of the wait is fixed and doubles, half is left to chance, so that jobs which failed together do not come together. */
#define MOST_MS 30000

static int64_t delay(int64_t first_ms, int failures, uint32_t chance)
{
	int64_t ms = first_ms;

	for (int i = 0; i < failures && ms < MOST_MS; i++)
		ms *= 2;
	if (ms > MOST_MS)
		ms = MOST_MS;
	return ms / 2 + (int64_t)chance % (ms / 2 + 1);
}

struct ff_retry ff_job_retry(const struct ff_job *job, enum ff_err_code code, int64_t first_ms, uint32_t chance)
{
	bool lost = code == FF_E_UNREACHABLE; /* the worker died without a word */
	int allowed = job->spec.retries;

	if ((lost || code == FF_E_CONTAINER_START_FAILED) && allowed < HOST_FAULTS_MAX)
		allowed = HOST_FAULTS_MAX;
	if (!ff_err_retryable(code) || job->failures >= allowed)
		return (struct ff_retry){ .again = false };
	/* Its recovery points are whole, so the first loss is mended at once. */
	return (struct ff_retry){ .again = true, .delay_ms = lost && job->failures == 0 ? 0 : delay(first_ms, job->failures, chance) };
}

bool ff_job_dead(const struct ff_job *job)
{
	return job->state == FF_JOB_FAILED && ff_err_retryable(job->error);
}
