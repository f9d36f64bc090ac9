/* SPDX-License-Identifier: MIT */
/*
 * Requests of a job and their answers, from the question to core whether
 * there is money, to the moment when nobody needs the answer any more.
 */
#include "daemon/gateway/gateway.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/answer.h"
#include "model/client.h"

#define FIELDS_MAX 16384

void ff_flight_settle(struct ff_flight *f, const struct ff_gw_end *end)
{
	if (f->settled)
		return;
	f->settled = true;
	if (f->request || f->replayed)
		ff_gw_usage(f, end);
}

void ff_flight_land(struct ff_flight *f)
{
	if (f->done)
		return;
	f->done = true;
	f->visible = f->body.len;
	ff_front_wake(f);
}

static void fail_with(struct ff_flight *f, int status, const char *fields, const char *type, const char *text)
{
	if (f->done)
		return;
	if (f->early && !f->visible) { /* the head said 200: the rest is an event */
		ff_buf_clear(&f->body);
		(void)ff_buf_adds(&f->body, "event: error\ndata: ");
		ff_front_error_body(&f->body, type, text);
		(void)ff_buf_adds(&f->body, "\n\n");
	} else if (f->status) { /* only a cut can tell, which means "ask again" */
		f->broken = true;
	} else {
		f->status = status;
		ff_buf_clear(&f->body);
		ff_buf_clear(&f->fields);
		(void)ff_buf_addf(&f->fields, "content-type: application/json\r\n%s", fields);
		ff_front_error_body(&f->body, type, text);
	}
	ff_flight_land(f);
}

void ff_flight_fail(struct ff_flight *f, int status, const char *type, const char *text)
{
	fail_with(f, status, "", type, text);
}

/* The error type by which a client that does not know us understands it. */
static const char *type_of(enum ff_err_code code)
{
	if (code == FF_E_BUDGET)
		return "billing_error";
	if (code == FF_E_RATE_LIMIT)
		return "rate_limit_error";
	return code == FF_E_NOT_ALLOWED ? "permission_error" : "api_error";
}

void ff_flight_own_error(struct ff_flight *f, const struct ff_err *why, int64_t retry_after_ms)
{
	FF_AUTO(ff_free) char *after = retry_after_ms > 0 ? ff_asprintf("retry-after: %" PRId64 "\r\n", retry_after_ms / 1000 + 1) : NULL;
	FF_AUTO(ff_free) char *fields = ff_asprintf("x-should-retry: false\r\n" FF_MODEL_ERROR ": %s\r\n%s", ff_err_name(why->code),
						    after ? after : "");

	fail_with(f, ff_err_http(why->code), fields, type_of(why->code), why->text);
}

static struct ff_flight *new_flight(struct ff_gw_job *job, const char *key)
{
	struct ff_flight *f = ff_calloc(1, sizeof *f);

	f->job = job;
	f->attempt = job->attempt;
	f->started_ms = ff_clock_mono();
	memcpy(f->key, key, strlen(key) + 1);
	ff_buf_init(&f->fields, FIELDS_MAX);
	f->next = job->flights;
	job->flights = f;
	job->flight_count++;
	return f;
}

struct ff_flight *ff_flight_start(struct ff_gw_job *job, const struct ff_gw_ask *ask)
{
	struct ff_flight *f = new_flight(job, ask->key);

	f->sent = *ask->body;
	f->count = ask->count;
	f->seen = ask->seen;
	f->serial = ++job->gw->serial;
	ff_buf_init(&f->body, job->gw->limits.max_answer);
	ff_transfer_new(f, ask);
	if (f->count) /* it costs nothing */
		ff_transfer_go(f);
	else
		ff_gw_spend(f);
	return f;
}

struct ff_flight *ff_flight_replay(struct ff_gw_job *job, const char *key)
{
	struct ff_log log = ff_log_job(ff_log_main(), job->id, NULL);
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	struct ff_err err = { 0 };
	struct ff_flight *f;
	struct ff_record r;

	if (ff_record_read(job->answers, key, job->gw->limits.max_answer, &r, &err) < 0) {
		if (err.code != FF_E_NOT_FOUND)
			ff_log_warn(&log, "gateway.record.unreadable", "%s; the model is asked again", err.text);
		return NULL;
	}
	f = new_flight(job, key);
	ff_buf_init(&f->sent, 1);
	f->body = r.body;
	f->stream = r.stream;
	f->replayed = f->done = true;
	f->status = 200;
	f->visible = f->body.len;
	(void)ff_buf_addf(&f->fields, "content-type: %s\r\n", r.stream ? "text/event-stream; charset=utf-8" : "application/json");
	a = ff_answer_new(NULL, NULL);
	if (r.stream)
		(void)ff_answer_feed(a, f->body.data, f->body.len, NULL); /* only complete answers were recorded */
	else
		(void)ff_answer_body(a, f->body.data, f->body.len, NULL);
	ff_flight_settle(f, &(struct ff_gw_end){ .outcome = "answered", .status = 200, .model = a->model, .tokens = a->usage });
	return f;
}

struct ff_flight *ff_flight_find(struct ff_gw_job *job, const char *key)
{
	for (struct ff_flight *f = job->flights; f; f = f->next)
		if (f->key[0] && !f->done && !strcmp(f->key, key))
			return f;
	return NULL;
}

static void free_flight(struct ff_flight *f)
{
	ff_transfer_free(f);
	/* Reserved, and never sent. */
	ff_flight_settle(f, &(struct ff_gw_end){ .outcome = "not sent", .model = f->seen.model });
	ff_buf_fini(&f->sent);
	ff_buf_fini(&f->fields);
	ff_buf_fini(&f->body);
	f->job->flight_count--;
	ff_free(&f);
}

void ff_flight_sweep(struct ff_gw_job *job, bool all)
{
	struct ff_flight **at = &job->flights, *f;
	bool any;

	while ((f = *at)) {
		(void)ff_front_behind(f, &any);
		if (!all && (!f->done || any || !ff_transfer_idle(f))) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		free_flight(f);
	}
}
