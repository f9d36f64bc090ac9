/* SPDX-License-Identifier: MIT */
/*
 * Against more jobs than anybody wanted.  Pushes of one branch that ask for
 * the same, one soon after the other, become one job: the newest.  And nobody,
 * above all no hook that pushes by itself, starts more jobs in an hour than
 * the limit; src/job/spec.c refuses chains of results.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* queue.pusher-rate is a number of jobs in this time. */
#define RATE_MS (int64_t)3600000

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_spec(const struct ff_job_spec *a, const struct ff_job_spec *b)
{
	return same_text(a->task, b->task) && same_text(a->task_from, b->task_from) &&
	       same_text(a->target, b->target) && same_text(a->env_name, b->env_name) &&
	       a->priority == b->priority && a->ttl_ms == b->ttl_ms && a->retries == b->retries;
}

static int supersede(struct ff_core *core, const struct ff_job *newest, int64_t id, bool *ret_done, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_SUPERSEDED };
	FF_AUTO(ff_job_free) struct ff_job *old = NULL;
	FF_AUTO(ff_free) char *text = NULL;

	if (ff_store_job_get(core->store, id, &old, err) < 0)
		return -1;
	if (!same_spec(&old->spec, &newest->spec))
		return 0;
	ev.text = text = ff_asprintf("superseded by job %" PRId64, newest->id);
	if (ff_core_event(core, old, &ev, err) < 0)
		return -1;
	*ret_done = true;
	return 0;
}

int ff_core_coalesce(struct ff_core *core, const struct ff_job *newest, int64_t *ret_last, struct ff_err *err)
{
	int64_t window = ff_conf_int(core->conf, FF_CONF_QUEUE_COALESCE), last = 0;
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 0;

	if (window && ff_store_unstarted_of_source(core->store, newest, newest->created_ms - window, &ids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool done = false;

		if (supersede(core, newest, ids[i], &done, err) < 0)
			return -1;
		if (done)
			last = ids[i];
	}
	*ret_last = last;
	return 0;
}

int ff_core_over_rate(struct ff_core *core, const char *pusher, char **ret_why, struct ff_err *err)
{
	int64_t most = ff_conf_int(core->conf, FF_CONF_QUEUE_PUSHER_RATE), now = ff_clock_wall(), at = 0;
	FF_AUTO(ff_free) char *name = NULL;
	char frees[FF_CLOCK_TEXT];

	if (most && ff_store_nth_of_pusher(core->store, pusher, now - RATE_MS, now, most, &at, err) < 0)
		return -1;
	if (!at)
		return 0;
	ff_clock_format(at + RATE_MS, frees);
	name = pusher ? ff_text_shown(pusher, 40) : ff_strdup("pushers without a name");
	*ret_why = ff_asprintf("no job: %s reached the limit of %" PRId64 " jobs an hour (queue.pusher-rate); it frees at %s",
			       name, most, frees);
	ff_log_warn(&core->log, "push.limited", "%s", *ret_why);
	return 0;
}
