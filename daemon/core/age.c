/* SPDX-License-Identifier: MIT */
/*
 * The time by which things grow old enough to be deleted.  A wall clock that
 * is set years ahead must not empty the record: so what counts is the time
 * that is known to have passed.  It goes with the wall clock as long as that
 * goes with the monotonic one; after a step, or a start with a clock that is
 * far from where it stood at the end, it goes on by itself, until the wall
 * clock has been steady for retention.settle.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/retention.h"

/* More than a clock that is being steered, and a loop that was busy. */
#define STEP_MS 5000
/* A daemon that was away no longer than this is believed: the host was switched off for the night. */
#define AWAY_MS 86400000
/* The record learns of the time this often. */
#define SAVE_MS 60000

struct ff_age {
	int64_t known_ms, steady_ms;
	int64_t wall_ms, mono_ms; /* when it was last looked at */
	int64_t saved_ms;         /* known_ms in the record */
	int64_t lag_ms;           /* known_ms may be behind by so much: the record does not know how long we were away */
	bool trusted;
};

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

int ff_age_init(struct ff_core *core, struct ff_err *err)
{
	struct ff_age *a = core->age = ff_calloc(1, sizeof *a);

	a->wall_ms = ff_clock_wall();
	a->mono_ms = ff_clock_mono();
	if (ff_retention_clock(core->store, &a->saved_ms, &a->steady_ms, err) < 0)
		return -1;
	a->trusted = !a->saved_ms || (a->wall_ms >= a->saved_ms && a->wall_ms - a->saved_ms <= AWAY_MS);
	a->known_ms = a->trusted ? a->wall_ms : a->saved_ms;
	a->lag_ms = a->trusted ? 0 : AWAY_MS;
	if (!a->trusted)
		ff_log_warn(&core->log, "clock.far", "the wall clock is far from where the record ends: nothing is removed as old by "
			    "it before it has been steady for retention.settle");
	return 0;
}

static void settle(struct ff_core *core)
{
	struct ff_age *a = core->age;

	if (!a->trusted)
		ff_log_info(&core->log, "clock.steady", "what is old is told by the wall clock again");
	a->trusted = true;
	a->known_ms = a->wall_ms;
	a->steady_ms = a->lag_ms = 0;
}

static bool agrees(const struct ff_age *a, int64_t wall)
{
	return wall > a->known_ms - STEP_MS && wall < a->known_ms + a->lag_ms + STEP_MS;
}

int64_t ff_age_now(struct ff_core *core)
{
	struct ff_age *a = core->age;
	int64_t wall = ff_clock_wall(), mono = ff_clock_mono(), passed = mono - a->mono_ms;
	bool step = distance(wall, a->wall_ms + passed) >= STEP_MS;

	a->wall_ms = wall;
	a->mono_ms = mono;
	a->known_ms += passed;
	a->steady_ms = step ? 0 : a->steady_ms + passed;
	if (agrees(a, wall) ||
	    (!step && a->steady_ms >= ff_conf_int(core->conf, FF_CONF_RETENTION_SETTLE))) {
		settle(core);
	} else if (a->trusted) {
		a->trusted = false;
		ff_log_warn(&core->log, "clock.far", "the wall clock was set by %" PRId64 " s: nothing is removed as old by it before it "
			    "has been steady for retention.settle", (wall - a->known_ms) / 1000);
	}
	return a->known_ms;
}

int ff_age_job_ended(struct ff_core *core, int64_t job, struct ff_err *err)
{
	int64_t now = ff_age_now(core);

	return core->age->wall_ms < now - STEP_MS ? ff_retention_ended_at(core->store, job, now, err) : 0;
}

bool ff_age_trusted(const struct ff_core *core)
{
	return core->age->trusted;
}

int ff_age_save(struct ff_core *core, struct ff_err *err)
{
	struct ff_age *a = core->age;
	int64_t now = ff_age_now(core);

	if (distance(now, a->saved_ms) < SAVE_MS)
		return 0;
	if (ff_retention_clock_set(core->store, now, a->trusted ? 0 : a->steady_ms, err) < 0)
		return -1;
	a->saved_ms = now;
	return 0;
}

void ff_age_fini(struct ff_core *core)
{
	ff_free(&core->age);
}
