/* SPDX-License-Identifier: MIT */
/*
 * The side towards the API: libcurl in our loop.  An answer is passed on as
 * it comes, except for its end: the last bytes are held back until the whole
 * answer is on disk, so that whoever has seen an answer complete can count on
 * getting it again for nothing.
 *
 * FIXME: an answer under way when the gateway itself dies (with core, or the
 * host) is lost, and the same request is paid for again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/key.h"
#include "model/answer.h"
#include "model/client.h"

#define FIELDS_MAX 16384
/* Of the event that ends an answer over the limit, beside its text. */
#define ERROR_EVENT_ROOM 256
#define ERROR_MAX (256 * 1024)
/* Time for the end of the body behind the end of the message. */
#define TAIL_MS 2000

struct ff_upstream {
	struct ff_gw *gw;
	CURLM *multi;
	struct ff_watch *timer;
};

struct ff_transfer {
	struct ff_flight *flight;
	CURL *easy;
	struct curl_slist *headers;
	struct ff_answer *answer;   /* the parser that knows where the end is */
	struct ff_watch *silence, *kick;
	int upstream_status;
	int64_t started_ms, retry_after_ms;
	bool parsed_badly, paused, recorded, told;
	bool doomed;                /* not worth reading to its end */
};

/* --- libcurl in the loop (curl_multi_socket_action(3)) */

static void collect(struct ff_upstream *u);

static void on_socket_ready(void *arg, unsigned ready)
{
	struct ff_upstream *u = ((void **)arg)[0];
	int fd = (int)(intptr_t)((void **)arg)[1], running;
	int mask = (ready & FF_LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & FF_LOOP_WRITE ? CURL_CSELECT_OUT : 0) |
		   (ready & FF_LOOP_HUP ? CURL_CSELECT_ERR : 0);

	(void)curl_multi_socket_action(u->multi, fd, mask, &running); /* failures come out of collect() */
	collect(u);
}

struct sock {
	void *upstream, *fd; /* in this order: what on_socket_ready gets */
	struct ff_watch *watch;
};

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct ff_upstream *u = arg;
	struct sock *s = assigned;
	unsigned want = (what & CURL_POLL_IN ? FF_LOOP_READ : 0) | (what & CURL_POLL_OUT ? FF_LOOP_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			ff_watch_free(&s->watch);
		(void)curl_multi_assign(u->multi, fd, NULL);
		ff_free(&s);
		return 0;
	}
	if (s) {
		ff_watch_want(s->watch, want);
		return 0;
	}
	s = ff_calloc(1, sizeof *s);
	s->upstream = u;
	s->fd = (void *)(intptr_t)fd;
	s->watch = ff_loop_fd(u->gw->loop, fd, want, on_socket_ready, s);
	(void)curl_multi_assign(u->multi, fd, s);
	return 0;
}

static void on_curl_time(void *arg)
{
	struct ff_upstream *u = arg;
	int running;

	(void)curl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(u);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct ff_upstream *u = arg;

	(void)multi;
	if (ms < 0)
		ff_watch_free(&u->timer);
	else if (u->timer)
		ff_watch_again(u->timer, ms);
	else
		u->timer = ff_loop_timer(u->gw->loop, ms, on_curl_time, u);
	return 0;
}

struct ff_upstream *ff_upstream_new(struct ff_gw *gw)
{
	struct ff_upstream *u = ff_calloc(1, sizeof *u);

	ff_model_setup();
	u->gw = gw;
	u->multi = curl_multi_init();
	ff_assert(u->multi);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	return u;
}

void ff_upstream_free(struct ff_upstream **up)
{
	struct ff_upstream *u = ff_steal(up);

	if (!u)
		return;
	(void)curl_multi_cleanup(u->multi);
	ff_watch_free(&u->timer);
	ff_free(&u);
}

/* --- the life of an answer */

static void tell_core(struct ff_transfer *t)
{
	const struct ff_flight *f = t->flight;

	if (t->told)
		return;
	t->told = true;
	if (!f->count)
		ff_gw_usage(f, t->answer, f->status, ff_clock_mono() - t->started_ms);
	if (t->upstream_status == 429 || t->upstream_status == 529)
		ff_gw_limited(f->job, t->upstream_status, t->retry_after_ms);
}

static void land(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;

	if (f->done)
		return;
	f->done = true;
	f->visible = f->body.len;
	/* The few bytes behind the end are read, so that the connection can be used again. */
	ff_watch_again(t->silence, TAIL_MS);
	tell_core(t);
	ff_front_wake(f);
}

/* Everything that an answer of ours says instead of one from the API. */
static void fail(struct ff_transfer *t, int status, const char *type, const char *text)
{
	struct ff_flight *f = t->flight;

	if (f->done)
		return;
	t->doomed = true;
	if (f->status) { /* the head is out: only a cut can tell, which means "ask again" */
		f->broken = true;
		land(t);
		return;
	}
	f->status = status;
	ff_buf_clear(&f->body);
	ff_buf_clear(&f->fields);
	(void)ff_buf_adds(&f->fields, "content-type: application/json\r\n");
	ff_front_error_body(&f->body, type, text);
	land(t);
}

/*
 * The answer is over the limit, and would be so again: the client must hear
 * that this is final, or the same tokens are paid for at every try.
 */
static void too_large(struct ff_transfer *t)
{
	static const char text[] = "the answer of the API is over gateway.max-answer";
	struct ff_flight *f = t->flight;

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
	if (ff_record_write(f->job->answers, f->key, f->stream, f->body.data, f->body.len, &err) < 0)
		ff_log_error(&log, "gateway.record.failed", "%s; this answer would be paid for again after a crash", err.text);
}

static void on_silence(void *arg)
{
	struct ff_transfer *t = arg;
	bool any;

	if (t->flight->done) {
		t->doomed = true;
		return;
	}
	/* Paused for a slow client: that one has its own limit (front.c). */
	if (t->paused && ff_front_behind(t->flight, &any) > 0 && any) {
		ff_watch_again(t->silence, t->flight->job->gw->limits.idle_ms);
		return;
	}
	fail(t, 504, "timeout_error", "the API was silent for longer than gateway.idle-timeout");
}

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
	/* Only a stream is shown before its end. */
	if (f->stream && status == 200)
		f->status = 200;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct ff_transfer *t = arg;
	struct ff_flight *f = t->flight;
	size_t n = size * count, len = n;
	int64_t seconds;

	ff_watch_again(t->silence, f->job->gw->limits.idle_ms);
	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* a new head: the one before was 100 Continue */
		ff_buf_clear(&f->fields);
		f->stream = false;
		t->retry_after_ms = 0;
	} else if (passes(line, len)) {
		FF_AUTO(ff_free) char *copy = ff_memdup0(line, len);

		if (ff_buf_addf(&f->fields, "%s\r\n", copy) < 0)
			return 0;
		if (!strncasecmp(copy, "content-type: text/event-stream", 31))
			f->stream = true;
		if (!strncasecmp(copy, "retry-after: ", 13) && ff_num_i64(copy + 13, 0, 1000000, &seconds) == 0)
			t->retry_after_ms = seconds * 1000;
	}
	return n;
}

/* The parser only watches: what it does not like is passed on all the same, and not recorded. */
static void watch_stream(struct ff_transfer *t, const char *p, size_t n)
{
	struct ff_flight *f = t->flight;

	if (!t->parsed_badly && ff_answer_feed(t->answer, p, n, NULL) < 0)
		t->parsed_badly = true;
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
	if (f->status == 200 && ff_front_behind(f, &any) > FF_GW_AHEAD_MAX) {
		t->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	ff_watch_again(t->silence, f->job->gw->limits.idle_ms);
	if ((t->upstream_status != 200 && f->body.len + n > ERROR_MAX) || ff_buf_add(&f->body, p, n) < 0) {
		too_large(t);
		return 0;
	}
	if (f->status == 200)
		watch_stream(t, p, n);
	return n;
}

static void on_kick(void *arg)
{
	struct ff_transfer *t = arg;

	if (t->paused && t->easy) {
		t->paused = false;
		(void)curl_easy_pause(t->easy, CURLPAUSE_CONT);
		collect(t->flight->job->gw->up);
	}
}

void ff_flight_drained(struct ff_flight *f)
{
	struct ff_transfer *t = f->transfer;

	/* From a timer, because libcurl may be below us on the stack. */
	if (t && t->paused && !t->kick)
		t->kick = ff_loop_timer(f->job->gw->loop, 0, on_kick, t);
	else if (t && t->paused)
		ff_watch_again(t->kick, 0);
}

static void mask_keys(struct ff_flight *f)
{
	ff_key_mask(f->job->gw->key, f->body.data, f->body.len);
	if (f->job->gw->key_before)
		ff_key_mask(f->job->gw->key_before, f->body.data, f->body.len);
}

static void whole_body(struct ff_transfer *t)
{
	struct ff_flight *f = t->flight;

	begin_answer(t);
	if (f->done || f->status) { /* a stream that ended before its message did is passed on as it is */
		land(t);
		return;
	}
	if (t->upstream_status >= 300 && t->upstream_status < 400) {
		fail(t, 502, "api_error", "the API's address redirects; set gateway.base-url to where it is");
		return;
	}
	if (t->upstream_status != 200)
		mask_keys(f);
	else if (!f->count && ff_answer_body(t->answer, f->body.data, f->body.len, NULL) == 0)
		record(t);
	f->status = t->upstream_status;
	land(t);
}

static void finished(struct ff_transfer *t, CURLcode rc)
{
	FF_AUTO(ff_free) char *text = NULL;

	if (rc == CURLE_OK) {
		whole_body(t);
		return;
	}
	text = ff_asprintf("the API cannot be reached: %s", curl_easy_strerror(rc));
	if (rc == CURLE_OPERATION_TIMEDOUT)
		fail(t, 504, "timeout_error", text);
	else
		fail(t, 502, "api_error", text);
}

static void drop_easy(struct ff_transfer *t)
{
	if (!t->easy)
		return;
	(void)curl_multi_remove_handle(t->flight->job->gw->up->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
}

static void collect(struct ff_upstream *u)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(u->multi, &left))) {
		struct ff_transfer *t = NULL;
		CURLcode rc = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		finished(t, rc);
		drop_easy(t);
	}
}

/* --- asking */

static void set_protocols(CURL *h)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static void add_header(struct ff_transfer *t, const char *name, const char *value)
{
	FF_AUTO(ff_free) char *line = ff_asprintf("%s: %s", name, value);

	t->headers = curl_slist_append(t->headers, line);
	ff_assert(t->headers);
}

static void set_up(struct ff_transfer *t, const char *url)
{
	struct ff_gw *gw = t->flight->job->gw;
	const char *ca = ff_conf_str(gw->conf, FF_CONF_GATEWAY_CA_FILE);
	CURL *h = t->easy;

	t->headers = curl_slist_append(t->headers, ff_key_header(gw->key));
	ff_assert(t->headers);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PRIVATE, (char *)t);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	set_protocols(h);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)gw->limits.connect_ms);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, t->flight->request.data);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->flight->request.len);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	if (*ca)
		curl_easy_setopt(h, CURLOPT_CAINFO, ca);
}

static struct ff_flight *new_flight(struct ff_gw_job *job, const char *key)
{
	struct ff_flight *f = ff_calloc(1, sizeof *f);

	f->job = job;
	memcpy(f->key, key, strlen(key) + 1);
	ff_buf_init(&f->fields, FIELDS_MAX);
	f->next = job->flights;
	job->flights = f;
	job->flight_count++;
	return f;
}

struct ff_flight *ff_flight_start(struct ff_gw_job *job, struct ff_buf *body, const char *key, bool count,
				  const char *version, const char *beta)
{
	struct ff_gw *gw = job->gw;
	struct ff_flight *f = new_flight(job, key);
	struct ff_transfer *t = ff_calloc(1, sizeof *t);

	f->request = *body;
	f->count = count;
	f->transfer = t;
	ff_buf_init(&f->body, gw->limits.max_answer);
	t->flight = f;
	t->answer = ff_answer_new(NULL, NULL);
	t->started_ms = ff_clock_mono();
	t->silence = ff_loop_timer(gw->loop, gw->limits.idle_ms, on_silence, t);
	t->easy = curl_easy_init();
	ff_assert(t->easy);
	add_header(t, "content-type", "application/json");
	add_header(t, "anthropic-version", version);
	if (beta)
		add_header(t, "anthropic-beta", beta);
	add_header(t, "accept", "application/json, text/event-stream");
	t->headers = curl_slist_append(t->headers, "expect:");
	set_up(t, count ? gw->count_url : gw->messages_url);
	ff_assert(curl_multi_add_handle(gw->up->multi, t->easy) == CURLM_OK);
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
	ff_buf_init(&f->request, 1);
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
	ff_gw_usage(f, a, 200, 0);
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
	struct ff_transfer *t = f->transfer;

	if (t) {
		drop_easy(t);
		/* libcurl's list holds the key. */
		for (struct curl_slist *s = t->headers; s; s = s->next)
			ff_wipe(s->data, strlen(s->data));
		curl_slist_free_all(t->headers);
		ff_watch_free(&t->silence);
		ff_watch_free(&t->kick);
		ff_answer_free(&t->answer);
		ff_free(&f->transfer);
	}
	ff_buf_fini(&f->request);
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
		if (!all && (!f->done || any || (f->transfer && f->transfer->easy && !f->transfer->doomed))) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		free_flight(f);
	}
}
