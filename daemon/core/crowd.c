/* SPDX-License-Identifier: MIT */
/*
 * What concerns all jobs of a kind, of which there may be a million: some a
 * turn, so that no push waits for it.  Jobs become blocked when the sandbox or
 * the key is missing and are released when it is back; after a start every
 * waiting job is asked for its action again.  All of it may be broken off and begun
 * anew at any point: what is done shows in the states of the jobs.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>

/* Jobs a turn: some milliseconds of it. */
#define TURN 50
/* For others in between. */
#define STEP_MS 5

struct ff_crowd {
	struct ff_core *core;
	struct ff_watch *timer;
	bool unblock;
	enum ff_job_wait ask; /* NONE: nothing is asked */
	int64_t after;        /* the last job that was asked */
};

/* What waits as blocked or for its own timer needs no question; SPEC and SOURCE wait for somebody who may have died. */
static const enum ff_job_wait asked[] = { FF_WAIT_SPEC, FF_WAIT_SOURCE, FF_WAIT_RETRY, FF_WAIT_PARKED, FF_WAIT_TARGET };

static void again(struct ff_crowd *c)
{
	ff_watch_again(c->timer, STEP_MS);
}

static int move(struct ff_core *core, int64_t id, struct ff_event ev, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	return ff_store_job_get(core->store, id, &job, err) < 0 ? -1 : ff_core_event(core, job, &ev, err);
}

/* --- parts; each returns how many jobs it had, or -1 ----------------------------- */

static int block(struct ff_core *core, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_BLOCKED, .text = ff_core_missing(core) };
	int64_t id = 0;
	int n = 0;

	while (n < TURN && ff_store_next_queued(core->store, &id, err) == 0 && id) {
		if (move(core, id, ev, err) < 0)
			return -1;
		n++;
	}
	return err->code ? -1 : n;
}

static int unblock(struct ff_core *core, struct ff_err *err)
{
	int64_t ids[TURN];
	int n = 0;

	if (ff_store_waiting(core->store, FF_WAIT_BLOCKED, 0, ids, TURN, &n, err) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		if (move(core, ids[i], (struct ff_event){ .type = FF_EVENT_JOB_QUEUED }, err) < 0)
			return -1;
	return n;
}

static int ask(struct ff_crowd *c, struct ff_err *err)
{
	int64_t ids[TURN];
	int n = 0;

	if (ff_store_waiting(c->core->store, c->ask, c->after, ids, TURN, &n, err) < 0)
		return -1;
	for (int i = 0; i < n && !c->core->turn_failed; i++)
		ff_job_action(c->core, ids[i]);
	if (n)
		c->after = ids[n - 1];
	return n;
}

static void next_kind(struct ff_crowd *c)
{
	size_t i = 0;

	while (asked[i] != c->ask)
		i++;
	c->after = 0;
	c->ask = i + 1 < FF_ARRAY_LEN(asked) ? asked[i + 1] : FF_WAIT_NONE;
}

static void on_timer(void *arg)
{
	struct ff_crowd *c = arg;
	struct ff_err err = { 0 };
	int n = 0;

	if (c->ask) {
		n = ask(c, &err);
		if (n >= 0 && n < TURN)
			next_kind(c);
		n = n >= 0;
	} else if (c->unblock) {
		n = unblock(c->core, &err);
		c->unblock = n != 0;
		n = n < 0 ? n : 1; /* then they are blocked again, if another thing is missing */
	} else if (ff_core_missing_known(c->core) && ff_core_missing(c->core) && !c->core->guests) {
		n = block(c->core, &err);
	}
	if (n > 0)
		again(c);
	else if (n < 0 && !c->core->turn_failed) /* of a failed turn it was said, and all is asked anew when it is mended */
		ff_log_error(&c->core->log, "queue.crowd", "%s", err.text);
}

/* --- for others -------------------------------------------------------------------- */

void ff_crowd_init(struct ff_core *core)
{
	core->crowd = ff_calloc(1, sizeof *core->crowd);
	core->crowd->core = core;
	core->crowd->timer = ff_loop_timer(core->loop, 0, on_timer, core->crowd);
}

void ff_crowd_block(struct ff_core *core)
{
	again(core->crowd);
}

void ff_crowd_unblock(struct ff_core *core)
{
	core->crowd->unblock = true;
	again(core->crowd);
}

void ff_crowd_ask(struct ff_core *core)
{
	core->crowd->ask = asked[0];
	core->crowd->after = 0;
	again(core->crowd);
}

void ff_crowd_fini(struct ff_core *core)
{
	struct ff_crowd *c = ff_steal(&core->crowd);

	if (!c)
		return;
	ff_watch_free(&c->timer);
	free(c);
}
