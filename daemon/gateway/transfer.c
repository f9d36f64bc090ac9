/* SPDX-License-Identifier: MIT */
/*
 * One request to the API.  An answer is passed on as it comes, except for its
 * end: the last bytes are held back until the whole answer is on disk, so that
 * whoever has seen an answer complete can count on getting it again for
 * nothing.
 *
 * An answer under way when the gateway itself dies (with core, or the host)
 * cannot be had again: the service has no way to ask for the rest of one.  The
 * same request is sent and paid for again, and what the lost one may have cost
 * goes on counting (daemon/core/spending.c).
 */
#include "daemon/gateway/transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/gateway/key.h"
#include "model/answer.h"
#include "model/client.h"

/* Of the event that ends an answer over the limit, beside its text. */
#define ERROR_EVENT_ROOM 256
#define ERROR_MAX (256 * 1024)
/* Time for the end of the body behind the end of the message. */
#define TAIL_MS 2000
/* Fewer than any text has a token: for an answer that was cut before it said its length. */
#define BYTES_A_TOKEN 3

static struct ff_gw *gw_of(struct ff_transfer *t)
{
	return t->flight->job->gw;
}

/* --- what it cost --------------------------------------------------------------- */

static struct ff_tokens tokens_of(const struct ff_answer *a)
{
	struct ff_tokens u = a->usage;
	int64_t seen = (int64_t)((a->bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);

	/* The whole number comes with the reason to stop. */
	if (a->stop == FF_STOP_NONE && seen > u.output)
		u.output = seen;
	return u;
}

/* An answer that began, whatever became of it. */
static void settle_answer(struct ff_transfer *t, const char *outcome)
{
	const struct ff_answer *a = t->answer;
	struct ff_flight *f = t->flight;
	struct ff_gw_end end = { .outcome = outcome, .status = t->upstream_status, .model = a->model[0] ? a->model : f->seen.model };

	/* Begun, and not a word about tokens; or cut where what was shown says nothing about them. */
	end.unknown = !a->started || t->unread || (a->stop == FF_STOP_NONE && a->hidden);
	if (!end.unknown)
		end.tokens = tokens_of(a);
	ff_flight_settle(f, &end);
}

static void settle_failure(struct ff_transfer *t, const char *outcome, bool unknown)
{
	FF_AUTO(ff_free) char *http = t->upstream_status ? ff_asprintf("http %d", t->upstream_status) : NULL;

	ff_flight_settle(t->flight, &(struct ff_gw_end){ .outcome = http ? http : outcome, .status = t->upstream_status,
							 .model = t->flight->seen.model, .unknown = unknown });
}

static void tell_limit(struct ff_transfer *t)
{
	if (!t->limited && (t->upstream_status == 429 || t->upstream_status == 529))
		ff_gw_limited(t->flight->job, t->upstream_status, t->retry_after_ms > 0 ? t->retry_after_ms : 0);
	t->limited |= t->upstream_status == 429 || t->upstream_status == 529;
}

/* --- the end --------------------------------------------------------------------- */

static void land(struct ff_transfer *t)
{
	if (t->flight->done)
		return;
	/* The few bytes behind the end are read, so that the connection can be used again. */
	ff_watch_again(t->silence, TAIL_MS);
	ff_flight_land(t->flight);
}

static void fail(struct ff_transfer *t, int status, const char *type, const char *text)
{
	t->doomed = true;
	ff_flight_fail(t->flight, status, type, text);
}

/*
 * The answer is over the limit, and would be so again: the client must hear
 * that this is final, or the same tokens are paid for at every try.
 */
static void too_large(struct ff_transfer *t)
{
	static const char text[] = "the answer of the API is over gateway.max-answer";
	struct ff_flight *f = t->flight;

	if (t->upstream_status == 200)
		settle_answer(t, "too large");
	if (!f->status || !f->stream || f->status != 200) {
		fail(t, 413, "request_too_large", text);
		return;
	}
	t->doomed = true;
	f->body.max += sizeof text + ERROR_EVENT_ROOM;
	(void)ff_buf_addf(&f->body, "\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"request_too_large\","
			  "\"message\":\"%s\"}}\n\n", text);
	land(t);
}

static void record(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;
	struct ff_log log = ff_log_job(ff_log_main(), f->job->id, NULL);
	struct ff_err err = { 0 };

	if (f->count || t->recorded)
		return;
	t->recorded = true;
	/* Paid for and here: passed on even if it could not be kept, because asking again costs money for certain. */
	if (ff_record_write(f->job->answers, f->key, t->is_stream, f->body.data, f->body.len, &err) < 0)
		ff_log_error(&log, "gateway.record.failed", "%s; this answer would be paid for again after a crash", err.text);
	settle_answer(t, "answered");
}

static void finished(void *arg, CURLcode rc);

static void on_silence(void *arg)
{
	struct ff_transfer *t = arg;
	bool any;

	if (t->flight->done || !t->easy) {
		t->doomed |= t->flight->done;
		return;
	}
	/* Paused for a slow client: that one has its own limit (front.c). */
	if (t->paused && ff_front_behind(t->flight, &any) > 0 && any) {
		ff_watch_again(t->silence, gw_of(t)->limits.idle_ms);
		return;
	}
	t->broken_off = true;
	finished(t, CURLE_OPERATION_TIMEDOUT);
}

/* --- the request ------------------------------------------------------------------- */

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
	struct ff_transfer *t = arg;
	const struct ff_buf *from = &t->flight->sent;
	size_t n = from->len > t->sent ? from->len - t->sent : 0;

	if (n > size * count)
		n = size * count;
	if (n)
		memcpy(to, from->data + t->sent, n);
	t->sent += n;
	return n;
}

/* libcurl starts over when a connection that it kept was closed by the other side. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct ff_transfer *t = arg;

	if (origin != SEEK_SET || offset < 0 || offset > (curl_off_t)t->flight->sent.len || !t->flight->sent.data)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* --- while it comes ---------------------------------------------------------------- */

static bool passes(const char *line, size_t n)
{
	static const char *const names[] = { "content-type:", "request-id:", "retry-after:", "x-should-retry:", "anthropic-ratelimit-" };

	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++)
		if (n > strlen(names[i]) && !strncasecmp(line, names[i], strlen(names[i])))
			return true;
	return false;
}

static void begin_answer(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;
	long status = 0;

	if (t->upstream_status)
		return;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->upstream_status = (int)status;
	if (status != 200)
		return;
	ff_hold_alive(t);
	f->stream = t->is_stream;
	if (!t->is_stream)
		return;
	/* Only a stream is shown before its end. It is not asked for again, so its request can go. */
	f->status = 200;
	if (t->sent == f->sent.len)
		ff_buf_fini(&f->sent);
}

static void read_line(struct ff_transfer *t, char *line)
{
	int yes;

	if (!strncasecmp(line, "content-type: text/event-stream", 31))
		t->is_stream = true;
	if (!strncasecmp(line, "x-should-retry:", 15) && ff_num_bool(line + 15 + strspn(line + 15, " "), &yes) == 0)
		t->final = !yes;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct ff_transfer *t = arg;
	struct ff_flight *f = t->flight;
	size_t n = size * count, len = n;

	ff_watch_again(t->silence, gw_of(t)->limits.idle_ms);
	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* a new head: the one before was 100 Continue */
		if (!f->early)
			ff_buf_clear(&f->fields);
		t->is_stream = t->final = false;
	} else if (passes(line, len)) {
		FF_AUTO(ff_free) char *copy = ff_memdup0(line, len);

		read_line(t, copy);
		if (!f->early && ff_buf_addf(&f->fields, "%s\r\n", copy) < 0)
			return 0;
	}
	return n;
}

/* The parser only watches: what it does not like is passed on all the same, and not recorded. */
static void watch_stream(struct ff_transfer *t, const char *p, size_t n)
{
	struct ff_flight *f = t->flight;
	struct ff_err err = { 0 };

	if (!t->parsed_badly && ff_answer_feed(t->answer, p, n, &err) < 0) {
		t->parsed_badly = true;
		/* An error event ends it. Otherwise there is more, which nobody counts. */
		t->unread = err.code == FF_E_PROTOCOL || err.code == FF_E_TOO_LARGE;
	}
	if (!t->answer->complete || t->parsed_badly) {
		f->visible = f->body.len;
		ff_front_wake(f);
		return;
	}
	record(t);
	land(t);
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	struct ff_transfer *t = arg;
	struct ff_flight *f = t->flight;
	size_t n = size * count;
	bool any;

	begin_answer(t);
	if (f->done)
		return n; /* behind the end there is nothing to have */
	if (t->upstream_status == 200 && t->is_stream && ff_front_behind(f, &any) > FF_GW_AHEAD_MAX) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	ff_watch_again(t->silence, gw_of(t)->limits.idle_ms);
	if ((t->upstream_status != 200 && f->body.len + n > ERROR_MAX) || ff_buf_add(&f->body, p, n) < 0) {
		too_large(t);
		return 0;
	}
	if (t->upstream_status == 200 && t->is_stream)
		watch_stream(t, p, n);
	return n;
}

static void on_kick(void *arg)
{
	struct ff_transfer *t = arg;

	if (t->paused && t->easy) {
		t->paused = false;
		ff_upstream_resume(gw_of(t)->up, t->easy);
	}
}

void ff_transfer_drained(struct ff_flight *f)
{
	struct ff_transfer *t = f->transfer;

	/* From a timer, because libcurl may be below us on the stack. */
	if (t && t->paused && !t->kick)
		t->kick = ff_loop_timer(gw_of(t)->loop, 0, on_kick, t);
	else if (t && t->paused)
		ff_watch_again(t->kick, 0);
}

/* --- after it ------------------------------------------------------------------------ */

/* An error as the service words it; to somebody who has the head already, as an event. */
static void pass_error(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;

	settle_failure(t, "failed", false);
	if (f->early) {
		FF_AUTO(ff_free) char *body = ff_memdup0(f->body.data, f->body.len);

		for (char *p = body; *p; p++)
			if (*p == '\n' || *p == '\r')
				*p = ' ';
		ff_buf_clear(&f->body);
		(void)ff_buf_addf(&f->body, "event: error\ndata: %s\n\n", body);
	} else {
		f->status = t->upstream_status;
	}
	land(t);
}

static void whole_body(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;

	if (t->upstream_status >= 300 && t->upstream_status < 400) {
		settle_failure(t, "redirect", false);
		fail(t, 502, "api_error", "the API's address redirects; set gateway.base-url to where it is");
	} else if (t->upstream_status != 200) {
		pass_error(t);
	} else if (t->is_stream) { /* one that ended before its message did is passed on as it is */
		settle_answer(t, "cut");
		land(t);
	} else {
		if (!f->count && ff_answer_body(t->answer, f->body.data, f->body.len, NULL) == 0)
			record(t);
		settle_answer(t, "not understood"); /* unless it was recorded, which settles it */
		if (f->early)
			fail(t, 502, "api_error", "the API answered a streamed request with a body");
		else
			f->status = 200;
		land(t);
	}
}

static void lost(struct ff_transfer *t, CURLcode rc)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("the API cannot be reached: %s", curl_easy_strerror(rc));

	if (t->upstream_status == 200)
		settle_answer(t, t->broken_off ? "silent" : "cut");
	else
		settle_failure(t, t->broken_off ? "silent" : "not reached", t->broken_off);
	if (t->broken_off)
		fail(t, 504, "timeout_error", "the API was silent for longer than gateway.idle-timeout");
	else
		fail(t, 502, "api_error", text);
}

static void finished(void *arg, CURLcode rc)
{
	struct ff_transfer *t = arg;
	struct ff_flight *f = t->flight;

	if (rc == CURLE_OK || t->easy)
		begin_answer(t);
	if (rc == CURLE_OK && t->easy) {
		curl_off_t after = 0;

		if (curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &after) == CURLE_OK && after > 0)
			t->retry_after_ms = (int64_t)(after < 31536000 ? after : 31536000) * 1000;
	}
	if (t->upstream_status != 200)
		ff_key_take_out(gw_of(t)->redact, &f->body);
	tell_limit(t);
	if (!ff_hold_failed(t, rc)) {
		if (rc == CURLE_OK)
			whole_body(t);
		else
			lost(t, rc);
	}
	if (f->done)
		ff_upstream_drop(gw_of(t)->up, &t->easy);
}

/* --- asking ------------------------------------------------------------------------- */

static void add_header(struct ff_transfer *t, const char *name, const char *value)
{
	FF_AUTO(ff_free) char *line = ff_asprintf("%s: %s", name, value);

	t->headers = curl_slist_append(t->headers, line);
	ff_assert(t->headers);
}

/* libcurl's list holds the key. */
static void drop_headers(struct ff_transfer *t)
{
	for (struct curl_slist *s = t->headers; s; s = s->next)
		ff_wipe(s->data, strlen(s->data));
	curl_slist_free_all(t->headers);
	t->headers = NULL;
}

static void set_headers(struct ff_transfer *t)
{
	drop_headers(t);
	add_header(t, "content-type", "application/json");
	add_header(t, "anthropic-version", t->version);
	if (t->beta)
		add_header(t, "anthropic-beta", t->beta);
	add_header(t, "accept", "application/json, text/event-stream");
	t->headers = curl_slist_append(t->headers, "expect:");
	t->headers = curl_slist_append(t->headers, ff_key_header(gw_of(t)->key));
	ff_assert(t->headers);
}

static void send_request(struct ff_transfer *t)
{
	struct ff_gw *gw = gw_of(t);
	const char *ca = ff_conf_str(gw->conf, FF_CONF_GATEWAY_CA_FILE);
	CURL *h = t->easy = ff_upstream_easy();

	set_headers(t);
	t->retry_after_ms = -1;
	t->sent = 0;
	curl_easy_setopt(h, CURLOPT_URL, t->flight->count ? gw->count_url : gw->messages_url);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)gw->limits.connect_ms);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(h, CURLOPT_POST, 1L);
	curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* it is kept until the answer has ended */
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->flight->sent.len);
	curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(h, CURLOPT_READDATA, t);
	curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	if (*ca)
		curl_easy_setopt(h, CURLOPT_CAINFO, ca);
	ff_upstream_start(gw->up, h, &t->end);
	ff_watch_again(t->silence, gw->limits.idle_ms);
}

void ff_transfer_go(struct ff_flight *f)
{
	struct ff_transfer *t = f->transfer;
	struct ff_gw *gw = f->job->gw;

	if (f->done || t->easy)
		return;
	if (!gw->key || gw->key_refused) {
		ff_flight_settle(f, &(struct ff_gw_end){ .outcome = "no key", .model = f->seen.model });
		ff_flight_own_error(f, &gw->key_err, 0);
	} else if (ff_hold_may_go(t)) {
		send_request(t);
	}
}

void ff_transfer_refused(struct ff_flight *f, bool wait, const struct ff_err *why)
{
	if (f->done)
		return;
	if (wait)
		ff_hold_for_core(f->transfer);
	else
		ff_flight_own_error(f, why, 0);
}

void ff_transfer_new(struct ff_flight *f, const struct ff_gw_ask *ask)
{
	struct ff_transfer *t = ff_calloc(1, sizeof *t);

	f->transfer = t;
	t->flight = f;
	t->end = (struct ff_upstream_end){ finished, t };
	t->version = ff_strdup(ask->version);
	t->beta = ff_strdup(ask->beta);
	t->answer = ff_answer_new(NULL, NULL);
	t->retry_after_ms = -1;
	t->silence = ff_loop_timer(f->job->gw->loop, f->job->gw->limits.idle_ms, on_silence, t);
}

bool ff_transfer_idle(const struct ff_flight *f)
{
	return !f->transfer || !f->transfer->easy || f->transfer->doomed;
}

void ff_transfer_free(struct ff_flight *f)
{
	struct ff_transfer *t = f->transfer;

	if (!t)
		return;
	if (t->easy && t->upstream_status == 200)
		settle_answer(t, "broken off");
	else if (t->easy)
		settle_failure(t, "broken off", true);
	if (t->allowed)
		ff_circuit_void(&gw_of(t)->circuit);
	ff_upstream_drop(gw_of(t)->up, &t->easy);
	drop_headers(t);
	ff_watch_free(&t->silence);
	ff_watch_free(&t->kick);
	ff_watch_free(&t->again);
	ff_watch_free(&t->ping);
	ff_answer_free(&t->answer);
	ff_free(&t->version);
	ff_free(&t->beta);
	ff_free(&f->transfer);
}
