/* SPDX-License-Identifier: MIT */
/*
 * When nothing happened for a while, core gives back what it does not need to
 * wait: code that was used, which comes back by itself from its files, and
 * free memory.  A server without jobs is what most servers are at most times.
 */
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/proc.h"
#include "daemon/core/core.h"

#define QUIET_MS 2000

struct ff_rest {
	struct ff_watch *timer;
	bool armed, busy; /* busy: since the timer was armed there was work again */
};

static void on_timer(void *arg)
{
	struct ff_core *core = arg;
	struct ff_rest *r = core->rest;

	if (r->busy) {
		r->busy = false;
		ff_watch_again(r->timer, QUIET_MS);
		return;
	}
	r->armed = false;
	ff_proc_drop_code();
#ifdef __GLIBC__
	(void)malloc_trim(0); /* whether there was any to give back */
#endif
}

void ff_rest_later(struct ff_core *core)
{
	struct ff_rest *r = core->rest;

	if (!r) {
		r = core->rest = ff_calloc(1, sizeof *r);
		r->timer = ff_loop_timer(core->loop, QUIET_MS, on_timer, core);
	} else if (!r->armed) {
		ff_watch_again(r->timer, QUIET_MS);
	}
	r->busy = r->armed;
	r->armed = true;
}

void ff_rest_fini(struct ff_core *core)
{
	if (core->rest)
		ff_watch_free(&core->rest->timer);
	ff_free(&core->rest);
}
