/* SPDX-License-Identifier: MIT */
/*
 * Commands that change something, while the record cannot be written: they
 * wait, some of them and for some time (queue.hold-max, queue.hold-time), and
 * are run anew when it works again.  Who goes away meanwhile takes the command
 * along: nobody would know of what came of it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/core/control.h"

struct held {
	struct held *next;
	struct ff_request *r;
	int64_t until_ms; /* monotonic */
};

struct ff_hold {
	struct held *first, **end;
	int64_t count;
	struct ff_watch *timer;
};

static struct ff_hold *hold_of(struct ff_core *core)
{
	if (!core->hold) {
		core->hold = ff_calloc(1, sizeof *core->hold);
		core->hold->end = &core->hold->first;
	}
	return core->hold;
}

/* Takes out what *at points to. */
static struct ff_request *take(struct ff_hold *h, struct held **at)
{
	struct held *one = *at;
	struct ff_request *r = one->r;

	*at = one->next;
	if (!one->next)
		h->end = at;
	h->count--;
	free(one);
	return r;
}

static void refuse(struct ff_request *r, const char *why)
{
	struct ff_err err = { 0 };

	ff_err_set(&err, FF_E_STORE, "the record cannot be written now, and %s: nothing was changed, try again later", why);
	ff_reply_end(r, &err, NULL);
}

static void on_time(void *arg);

static void set_timer(struct ff_core *core)
{
	struct ff_hold *h = core->hold;
	int64_t next = INT64_MAX;

	for (const struct held *one = h->first; one; one = one->next)
		if (one->until_ms < next)
			next = one->until_ms;
	ff_watch_free(&h->timer);
	if (h->first)
		h->timer = ff_loop_timer(core->loop, next - ff_clock_mono(), on_time, core);
}

static void on_time(void *arg)
{
	struct ff_core *core = arg;
	struct ff_hold *h = core->hold;
	int64_t now = ff_clock_mono();

	for (struct held **at = &h->first; *at;) {
		if ((*at)->until_ms <= now)
			refuse(take(h, at), "that did not change within queue.hold-time");
		else
			at = &(*at)->next;
	}
	set_timer(core);
}

void ff_hold_request(struct ff_request *r)
{
	struct ff_core *core = ff_request_core(r);
	struct ff_hold *h = hold_of(core);
	int64_t now = ff_clock_mono(), until = ff_request_held_until(r);
	struct held *one;

	if (!until)
		until = now + ff_conf_int(core->conf, FF_CONF_QUEUE_HOLD_TIME);
	if (ff_store_damaged(core->store)) {
		refuse(r, "will not be before a backup is restored");
		return;
	}
	if (h->count >= ff_conf_int(core->conf, FF_CONF_QUEUE_HOLD_MAX)) {
		refuse(r, "as many commands as may (queue.hold-max) wait for it already");
		return;
	}
	if (until <= now) {
		refuse(r, "that did not change within queue.hold-time");
		return;
	}
	ff_request_hold(r, until);
	one = ff_calloc(1, sizeof *one);
	*one = (struct held){ .r = r, .until_ms = until };
	*h->end = one;
	h->end = &one->next;
	h->count++;
	set_timer(core);
}

void ff_hold_drop(struct ff_core *core, const struct ff_request *r)
{
	struct ff_hold *h = hold_of(core);

	for (struct held **at = &h->first; *at; at = &(*at)->next) {
		if ((*at)->r != r)
			continue;
		(void)take(h, at);
		return;
	}
}

void ff_hold_release(struct ff_core *core)
{
	struct ff_hold *h = hold_of(core);

	/* One that has to wait again is put behind the last of now. */
	for (int64_t n = h->count; n > 0 && h->first; n--)
		ff_request_run(take(h, &h->first));
}

void ff_hold_fini(struct ff_core *core)
{
	struct ff_hold *h = ff_steal(&core->hold);

	if (!h)
		return;
	while (h->first)
		(void)take(h, &h->first); /* control.c has the requests themselves */
	ff_watch_free(&h->timer);
	free(h);
}
