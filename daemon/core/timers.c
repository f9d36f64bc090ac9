/* SPDX-License-Identifier: MIT */
/* One timer of the loop stands for the next row of the timers table. */
#include "daemon/core/core.h"

#include <inttypes.h>

#include "base/clock.h"

/* Looked at again at least this often, so that a clock that was set is noticed. */
#define LOOK_MS 60000
/* In one turn; the rest in the next, so that pushes come in between. */
#define TURN 200
/* A step of the wall clock that is more than being steered. */
#define CLOCK_STEP_MS 5000

static void fire(struct ff_core *core, int64_t id, enum ff_timer_kind kind)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED };
	struct ff_err err = { 0 };

	if (ff_store_job_get(core->store, id, &job, &err) < 0)
		return;
	switch (kind) {
	case FF_TIMER_RETRY:
		if (job->state != FF_JOB_WAITING || job->wait == FF_WAIT_SPEC || job->wait == FF_WAIT_SOURCE)
			return;
		break;
	case FF_TIMER_TTL:
		if (job->state != FF_JOB_QUEUED && job->state != FF_JOB_WAITING && job->state != FF_JOB_HELD)
			return; /* it was started in time */
		ev.type = FF_EVENT_JOB_EXPIRED;
		ev.text = job->state == FF_JOB_HELD ? "nobody approved or rejected it within review.hold-time"
						    : "it was not started within its time to live";
		break;
	}
	if (ff_core_event(core, job, &ev, &err) < 0)
		ff_log_error(&core->log, "job.timer", "job %" PRId64 ": %s", id, err.text);
}

/* A retry in ten seconds stays one, and no job expires early, when the wall clock is set. */
static int follow_clock(struct ff_core *core, int64_t now, struct ff_err *err)
{
	int64_t offset = now - ff_clock_mono(), by = offset - core->clock_offset;

	if (!core->clock_offset || (by < CLOCK_STEP_MS && by > -CLOCK_STEP_MS)) {
		core->clock_offset = offset;
		return 0;
	}
	if (ff_store_timers_shift(core->store, by, err) < 0)
		return -1;
	core->clock_offset = offset;
	if (core->clock_said_ms && ff_clock_mono() - core->clock_said_ms < LOOK_MS)
		return 0; /* one that jumps about must not fill the log */
	core->clock_said_ms = ff_clock_mono();
	ff_log_warn(&core->log, "clock.set", "the wall clock was set by %" PRId64 " ms: the timers of jobs go with it", by);
	return 0;
}

static void on_timer(void *arg)
{
	ff_timers_run(arg);
}

void ff_timers_run(struct ff_core *core)
{
	int64_t now = ff_clock_wall(), job = 0, next = 0, wait = LOOK_MS;
	enum ff_timer_kind kind = FF_TIMER_RETRY;
	struct ff_err err = { 0 };
	int n = 0;

	do {
		if (ff_turn_open(core, &err) < 0)
			break;
		if (follow_clock(core, now, &err) < 0 ||
		    ff_store_timer_take(core->store, now, &job, &kind, &next, &err) < 0) {
			ff_turn_fail(core, &err);
			break;
		}
		if (job)
			fire(core, job, kind);
	} while (job && ++n < TURN);
	if (job && n == TURN)
		wait = 0;
	else if (next > now && next - now < wait)
		wait = next - now;
	if (!core->timer)
		core->timer = ff_loop_timer(core->loop, wait, on_timer, core);
	else
		ff_watch_again(core->timer, wait);
}

void ff_timers_fini(struct ff_core *core)
{
	ff_watch_free(&core->timer);
}
