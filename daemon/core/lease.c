/* SPDX-License-Identifier: MIT */
/*
 * A worker has its job on lease: it must be heard of within worker.silence.
 * Time is counted in ticks of our own loop, not by the clock, so that a core
 * which was itself stopped for an hour first hears what was said meanwhile.
 */
#include "daemon/core/lease.h"

/* Ticks in one worker.silence. */
#define TICKS 4

struct ff_lease {
	struct ff_core *core;
	struct ff_watch *watch;
	int quiet; /* ticks since it was heard */
	void (*ended)(void *arg);
	void *arg;
};

static int64_t tick_ms(const struct ff_core *core)
{
	return ff_conf_int(core->conf, FF_CONF_WORKER_SILENCE) / TICKS;
}

static void on_tick(void *arg)
{
	struct ff_lease *l = arg;

	if (++l->quiet > TICKS) {
		l->ended(l->arg);
		return;
	}
	ff_watch_again(l->watch, tick_ms(l->core));
}

struct ff_lease *ff_lease_new(struct ff_core *core, void (*ended)(void *arg), void *arg)
{
	struct ff_lease *l = ff_calloc(1, sizeof *l);

	*l = (struct ff_lease){ .core = core, .ended = ended, .arg = arg };
	l->watch = ff_loop_timer(core->loop, tick_ms(core), on_tick, l);
	return l;
}

void ff_lease_heard(struct ff_lease *l)
{
	l->quiet = 0;
}

void ff_lease_free(struct ff_lease **lease)
{
	FF_AUTO(ff_free) struct ff_lease *l = ff_steal(lease);

	if (l)
		ff_watch_free(&l->watch);
}
