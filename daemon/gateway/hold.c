/* SPDX-License-Identifier: MIT */
/*
 * When to ask again.  A failure that may pass is asked again after a growing
 * wait; a service that wants to be left alone for a while is, and a request
 * waits with pings meanwhile; what would take too long parks the job, so that
 * it holds no worker.  A key that the service will not have is used for
 * nothing more.
 */
#include "daemon/gateway/transfer.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "model/answer.h"

#include <jansson.h>

#define BACK_OFF_MOST_MS 60000
/* How soon core is asked again whether others are done. */
#define CORE_AGAIN_MS 200

static struct ff_gw *gw_of(struct ff_transfer *t)
{
	return t->flight->job->gw;
}

static void on_again(void *arg)
{
	struct ff_transfer *t = arg;

	if (t->flight->done)
		return;
	if (t->flight->request || t->flight->count)
		ff_transfer_go(t->flight);
	else
		ff_gw_spend(t->flight);
}

static void on_ping(void *arg)
{
	struct ff_transfer *t = arg;

	if (t->easy || t->flight->done || !t->held_ms)
		return; /* the service speaks for itself */
	ff_front_ping(t->flight);
	ff_watch_again(t->ping, gw_of(t)->limits.ping_ms);
}

static void hold(struct ff_transfer *t, int64_t ms)
{
	struct ff_gw *gw = gw_of(t);

	if (!t->held_ms)
		t->held_ms = ff_clock_mono();
	if (t->again)
		ff_watch_again(t->again, ms);
	else
		t->again = ff_loop_timer(gw->loop, ms, on_again, t);
	if (!t->flight->seen.stream)
		return;
	if (t->ping)
		ff_watch_again(t->ping, gw->limits.ping_ms);
	else
		t->ping = ff_loop_timer(gw->loop, gw->limits.ping_ms, on_ping, t);
}

/* Of the time that a request may be held. */
static int64_t left(struct ff_transfer *t)
{
	int64_t most = gw_of(t)->limits.hold_ms;

	return t->held_ms ? most - (ff_clock_mono() - t->held_ms) : most;
}

static void park(struct ff_transfer *t, enum ff_err_code code, int64_t wait_ms, const char *text)
{
	struct ff_err why = { 0 };
	int64_t until = ff_clock_wall() + wait_ms;

	(void)ff_err_set(&why, code, "%s", text);
	ff_gw_halt(t->flight, &why, until);
	ff_flight_settle(t->flight, &(struct ff_gw_end){ .outcome = "parked", .status = t->upstream_status, .model = t->flight->seen.model });
	ff_flight_own_error(t->flight, &why, wait_ms);
}

static bool hold_or_park(struct ff_transfer *t, enum ff_err_code code, int64_t ms, const char *text)
{
	if (ms <= left(t)) {
		hold(t, ms);
		return false;
	}
	park(t, code, ms, text);
	return false;
}

bool ff_hold_may_go(struct ff_transfer *t)
{
	struct ff_gw *gw = gw_of(t);
	int64_t quiet = gw->quiet_until_ms - ff_clock_wall(), now = ff_clock_mono();

	if (quiet > 0)
		return hold_or_park(t, FF_E_RATE_LIMIT, quiet, "the model service wants no requests until then");
	if (!ff_circuit_allows(&gw->circuit, now))
		return hold_or_park(t, FF_E_UNREACHABLE, ff_circuit_next_ms(&gw->circuit, now) - now + 1,
				    "the model service fails again and again (gateway.circuit-failures)");
	t->allowed = true;
	return true;
}

void ff_hold_for_core(struct ff_transfer *t)
{
	(void)hold_or_park(t, FF_E_BUDGET, CORE_AGAIN_MS, "the budget is promised to requests that are under way");
}

/* --- after an end ------------------------------------------------------------ */

static void tell_circuit(struct ff_transfer *t, bool failed)
{
	struct ff_log log = ff_log_main();
	struct ff_circuit *c = &gw_of(t)->circuit;

	if (!t->allowed)
		return;
	t->allowed = false;
	if (failed && ff_circuit_failed(c, ff_clock_mono()))
		ff_log_error(&log, "gateway.circuit.open", "the model service failed %lld times in a row: one request is tried every %lld ms",
			     (long long)c->failures, (long long)c->probe_ms);
	else if (!failed && ff_circuit_ok(c))
		ff_log_info(&log, "gateway.circuit.closed", "the model service works again");
}

void ff_hold_alive(struct ff_transfer *t)
{
	t->held_ms = 0;
	tell_circuit(t, false);
}

/* Half of it is fixed and doubles, half is left to chance, so that jobs that failed together do not come together. */
static int64_t back_off(const struct ff_gw *gw, int tries)
{
	int64_t ms = gw->limits.retry_ms;
	uint32_t chance;

	for (int i = 0; i < tries && ms < BACK_OFF_MOST_MS; i++)
		ms *= 2;
	ff_random(&chance, sizeof chance);
	return ms / 2 + (int64_t)chance % (ms / 2 + 1);
}

/* "authentication_error: invalid x-api-key", as far as the answer says it. */
static char *words_of(const struct ff_flight *f)
{
	json_t *root = json_loadb(f->body.data, f->body.len, 0, NULL), *e = json_object_get(root, "error");
	const char *type = json_string_value(json_object_get(e, "type")), *text = json_string_value(json_object_get(e, "message"));
	char *words = ff_asprintf("%s%s%.120s", type ? type : "no reason", text ? ": " : "", text ? text : "");

	json_decref(root);
	return words;
}

static bool dead_key(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;
	FF_AUTO(ff_free) char *words = words_of(f);
	struct ff_gw *gw = gw_of(t);

	ff_gw_key_refused(gw, t->upstream_status, words);
	ff_flight_settle(f, &(struct ff_gw_end){ .outcome = "key refused", .status = t->upstream_status, .model = f->seen.model });
	ff_gw_halt(f, &gw->key_err, 0);
	ff_flight_own_error(f, &gw->key_err, 0);
	return true;
}

static bool passes(int status)
{
	static const int statuses[] = { 408, 409, 429, 500, 502, 503, 504, 529 };

	for (size_t i = 0; i < FF_ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			return true;
	return false;
}

static void forget_try(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;

	ff_buf_clear(&f->body);
	if (!f->early)
		ff_buf_clear(&f->fields);
	t->upstream_status = 0;
	t->is_stream = false;
	ff_answer_free(&t->answer);
	t->answer = ff_answer_new(NULL, NULL);
}

bool ff_hold_failed(struct ff_transfer *t, CURLcode rc)
{
	struct ff_flight *f = t->flight;
	struct ff_gw *gw = gw_of(t);
	bool reached = rc == CURLE_OK;
	int64_t after = t->retry_after_ms;

	tell_circuit(t, !reached || t->upstream_status >= 500 || t->upstream_status == 408);
	if (f->done)
		return true; /* too_large() and the like have said what is to be said */
	if (reached && (t->upstream_status == 401 || t->upstream_status == 402))
		return dead_key(t);
	/* One that was broken off after a long silence may have been worked on, and paid: that is the client's to decide. */
	if (t->upstream_status == 200 || t->broken_off || t->final || f->visible || (f->status && !f->early) || (reached && !passes(t->upstream_status)))
		return false;
	if (t->upstream_status == 429 && after > left(t)) {
		gw->quiet_until_ms = ff_clock_wall() + after;
		park(t, FF_E_RATE_LIMIT, after, "the model service's quota is used up (429)");
		return true;
	}
	/* A wait that the service asked for is no failure of the request. */
	if (!(t->upstream_status == 429 && after >= 0) && t->tries++ >= gw->limits.retries)
		return false;
	if (after < 0 || after > left(t))
		after = back_off(gw, t->tries - 1);
	if (after > left(t))
		return false;
	ff_upstream_drop(gw->up, &t->easy);
	forget_try(t);
	hold(t, after + 1);
	return true;
}
