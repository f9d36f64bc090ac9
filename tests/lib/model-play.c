/* SPDX-License-Identifier: MIT */
/* See model-play.h. Each event is an HTTP chunk of its own, so that a client that waits for more than it needs is found out. */
#include "tests/lib/model-play.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

#define WAIT_FILE_MS 60000
#define HANG_MS 600000

void play_nap(int64_t ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000 };

	while (ms > 0 && nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

void play_put(struct conn *c, const void *p, size_t n)
{
	const char *at = p;

	while (n && !c->dead) {
		ssize_t w = send(c->fd, at, n, MSG_NOSIGNAL);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			c->dead = true;
			return;
		}
		at += w;
		n -= (size_t)w;
	}
}

static void put_head(struct exchange *x, int status, const char *type, ssize_t length)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *name;
	json_t *value;

	x->status = status;
	ff_buf_init(&b, 65536);
	(void)ff_buf_addf(&b, "HTTP/1.1 %d Scripted\r\ncontent-type: %s\r\nrequest-id: req_%06ld\r\n", status, type, x->q.number);
	json_object_foreach(json_object_get(x->pick.step, "headers"), name, value)
		(void)ff_buf_addf(&b, "%s: %s\r\n", name, json_string_value(value));
	if (length >= 0)
		(void)ff_buf_addf(&b, "content-length: %zd\r\n\r\n", length);
	else
		(void)ff_buf_adds(&b, "transfer-encoding: chunked\r\n\r\n");
	play_put(x->c, b.data, b.len);
}

static void put_body(struct exchange *x, int status, const char *type, const char *text)
{
	put_head(x, status, type, (ssize_t)strlen(text));
	if (strcmp(x->head.method, "HEAD") != 0)
		play_put(x->c, text, strlen(text));
}

void play_json(struct exchange *x, int status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	put_body(x, status, "application/json", text ? text : "{}");
	ff_free(&text);
	json_decref(value);
}

static const char *error_type(int status)
{
	switch (status) {
	case 400: return "invalid_request_error";
	case 401: return "authentication_error";
	case 402: return "billing_error";
	case 403: return "permission_error";
	case 404: return "not_found_error";
	case 413: return "request_too_large";
	case 429: return "rate_limit_error";
	case 504: return "timeout_error";
	case 529: return "overloaded_error";
	}
	return "api_error";
}

static json_t *error_of(const struct exchange *x, const char *type, const char *message)
{
	return json_pack("{s:s, s:{s:s, s:s}, s:o}", "type", "error", "error", "type", type, "message", message,
			 "request_id", json_sprintf("req_%06ld", x->q.number));
}

void play_error(struct exchange *x, int status, const char *type, const char *message)
{
	play_json(x, status, error_of(x, type ? type : error_type(status), message ? message : "scripted error"));
}

static void put_chunk(struct conn *c, const char *text)
{
	FF_AUTO(ff_free) char *chunk = ff_asprintf("%zx\r\n%s\r\n", strlen(text), text);

	play_put(c, chunk, strlen(chunk));
}

/* An event as one HTTP chunk; data is taken. */
static void put_event(struct conn *c, const char *type, json_t *data)
{
	FF_AUTO(ff_free) char *event = NULL;
	char *text;

	(void)json_object_set_new(data, "type", json_string(type));
	text = json_dumps(data, JSON_COMPACT);
	event = ff_asprintf("event: %s\ndata: %s\n\n", type, text ? text : "{}");
	put_chunk(c, event);
	ff_free(&text);
	json_decref(data);
}


static int64_t step_int(const struct exchange *x, const char *key, int64_t otherwise)
{
	json_t *v = json_object_get(x->pick.step, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

/* The rest of the text's current delta: at most size bytes, never half a UTF-8 sequence. */
static size_t piece(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	while (s[n] && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* False when the cut said to stop in mid-stream. */
static bool put_deltas(struct exchange *x, json_int_t index, const char *type, const char *key, const char *s, bool cut)
{
	size_t size = (size_t)step_int(x, "chunk", 40);

	while (*s && !x->c->dead) {
		size_t n = piece(s, size ? size : 1);

		put_event(x->c, "content_block_delta", json_pack("{s:I, s:{s:s, s:s%}}", "index", index,
				"delta", "type", type, key, s, n));
		if (cut)
			return false;
		play_nap(step_int(x, "chunk_delay_ms", 0));
		s += n;
	}
	return true;
}

static bool put_block(struct exchange *x, json_int_t index, json_t *block, bool cut)
{
	const char *type = json_string_value(json_object_get(block, "type"));
	json_t *shape = json_copy(block);
	char *input = NULL;
	bool going;

	if (!strcmp(type, "tool_use")) {
		input = json_dumps(json_object_get(block, "input"), JSON_COMPACT);
		(void)json_object_set_new(shape, "input", json_object());
	} else {
		(void)json_object_set_new(shape, type, json_string(""));
		if (!strcmp(type, "thinking"))
			(void)json_object_set_new(shape, "signature", json_string(""));
	}
	put_event(x->c, "content_block_start", json_pack("{s:I, s:o}", "index", index, "content_block", shape));
	if (input)
		going = put_deltas(x, index, "input_json_delta", "partial_json", input, cut);
	else
		going = put_deltas(x, index, !strcmp(type, "text") ? "text_delta" : "thinking_delta", type,
				   json_string_value(json_object_get(block, type)), cut);
	ff_free(&input);
	if (!going)
		return false;
	if (!strcmp(type, "thinking"))
		put_event(x->c, "content_block_delta", json_pack("{s:I, s:{s:s, s:O}}", "index", index, "delta",
				"type", "signature_delta", "signature", json_object_get(block, "signature")));
	put_event(x->c, "content_block_stop", json_pack("{s:I}", "index", index));
	return true;
}

static void wait_for_file(struct exchange *x)
{
	const char *name = json_string_value(json_object_get(x->pick.step, "wait_file"));
	int64_t until = ff_clock_mono() + WAIT_FILE_MS;
	struct stat st;

	if (!name)
		return;
	FF_AUTO(ff_free) char *reached = ff_asprintf("%s.reached", name);

	(void)ff_file_write(reached, "", 0, 0644, NULL); /* a test that waits for it says that it never came */
	while (stat(name, &st) < 0 && ff_clock_mono() < until)
		play_nap(5);
}

/* All events but the last ones when cut says so; true when the whole message went out. */
static bool put_stream(struct exchange *x, json_t *msg, bool cut_mid, bool cut_stop)
{
	json_t *start = json_deep_copy(msg), *usage = json_object_get(msg, "usage"), *block;
	size_t i;

	(void)json_object_set_new(start, "content", json_array());
	(void)json_object_set_new(start, "stop_reason", json_null());
	(void)json_object_set_new(json_object_get(start, "usage"), "output_tokens", json_integer(1));
	put_event(x->c, "message_start", json_pack("{s:o}", "message", start));
	if (!json_is_false(json_object_get(x->pick.step, "ping")))
		put_event(x->c, "ping", json_object());
	json_array_foreach(json_object_get(msg, "content"), i, block)
		if (!put_block(x, (json_int_t)i, block, cut_mid))
			return false;
	if (cut_stop)
		return false;
	wait_for_file(x);
	put_event(x->c, "message_delta", json_pack("{s:{s:O, s:n}, s:O}", "delta", "stop_reason",
			json_object_get(msg, "stop_reason"), "stop_sequence", "usage", usage));
	put_event(x->c, "message_stop", json_object());
	return true;
}

static void finish_chunks(struct conn *c)
{
	play_put(c, "0\r\n\r\n", 5);
}

static void reset(struct conn *c)
{
	struct linger l = { 1, 0 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l); /* without it the cut is merely polite */
	c->dead = true;
}

static void hang(struct conn *c)
{
	struct pollfd p = { c->fd, POLLRDHUP, 0 };

	(void)poll(&p, 1, HANG_MS); /* whichever comes first */
	c->dead = true;
}

static void cut_off(struct exchange *x)
{
	json_t *step = x->pick.step;

	play_nap(20); /* what was sent before should arrive before the reset does */
	if (json_object_get(step, "hang"))
		hang(x->c);
	else if (json_object_get(step, "drop"))
		reset(x->c);
	else
		finish_chunks(x->c);
	x->c->close_after = true;
}

static void play_cut(struct exchange *x, const char *where, bool stream)
{
	json_t *filler, *msg;

	x->kind = "cut";
	if (!strcmp(where, "before_headers")) {
		cut_off(x);
		return;
	}
	put_head(x, 200, stream ? "text/event-stream" : "application/json", -1);
	if (strcmp(where, "after_headers") != 0) {
		filler = json_pack("{s:s}", "text", "a partial answer that this step never finishes, as it was told to");
		msg = script_message(filler, &x->q);
		if (stream)
			(void)put_stream(x, msg, !strcmp(where, "mid_stream"), true);
		else
			put_chunk(x->c, "{\"type\":\"message\",\"content\":[{\"type\":\"te");
		json_decref(msg);
		json_decref(filler);
	}
	cut_off(x);
}

static void play_sse_error(struct exchange *x, json_t *e, bool stream)
{
	const char *type = json_string_value(json_object_get(e, "type"));
	const char *text = json_string_value(json_object_get(e, "message"));

	type = type ? type : "overloaded_error";
	text = text ? text : "Overloaded";
	if (!stream) {
		play_error(x, 529, type, text);
		return;
	}
	json_t *filler = json_pack("{s:s}", "text", "a partial answer before an error"), *msg = script_message(filler, &x->q);

	put_head(x, 200, "text/event-stream", -1);
	(void)put_stream(x, msg, true, true);
	put_event(x->c, "error", error_of(x, type, text));
	finish_chunks(x->c);
	json_decref(msg);
	json_decref(filler);
}

static void play_malformed(struct exchange *x, const char *how)
{
	static const char *const what[][2] = {
		{ "bad_json", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\n\n" },
		{ "not_sse", "<html><body>proxy error</body></html>\n" },
		{ "half_event", "event: message_start\ndata: {\"type\":\"mess" },
		{ "wrong_index", "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":7,"
				 "\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n" },
		{ "unknown_event", "event: telepathy\ndata: {\"type\":\"telepathy\"}\n\n" },
	};

	put_head(x, 200, "text/event-stream", -1);
	if (!strcmp(how, "nul"))
		play_put(x->c, "1a\r\nevent: message_start\ndata\0\n\n\n\r\n", 32);
	for (size_t i = 0; i < FF_ARRAY_LEN(what); i++)
		if (!strcmp(how, what[i][0]))
			put_chunk(x->c, what[i][1]);
	if (!strcmp(how, "unknown_event")) {
		json_t *filler = json_pack("{s:s}", "text", "after an unknown event"), *msg = script_message(filler, &x->q);

		(void)put_stream(x, msg, false, false);
		json_decref(msg);
		json_decref(filler);
	}
	finish_chunks(x->c);
}

static void play_answer(struct exchange *x, struct script *script, bool stream)
{
	json_t *msg = script_message(x->pick.step, &x->q);

	/* Counted before it is sent: the model's work is paid for, whoever hears it. */
	script_charge(script, x->pick.rule_index);
	if (!stream) {
		wait_for_file(x);
		play_json(x, 200, msg);
		return;
	}
	put_head(x, 200, "text/event-stream; charset=utf-8", -1);
	if (put_stream(x, msg, false, false))
		finish_chunks(x->c);
	json_decref(msg);
}

void play_step(struct exchange *x, struct script *script)
{
	bool stream = json_is_true(json_object_get(x->q.body, "stream"));
	json_t *step = x->pick.step, *v;

	play_nap(step_int(x, "delay_ms", 0));
	x->kind = "answer";
	if ((v = json_object_get(step, "error"))) {
		play_error(x, json_is_integer(json_object_get(v, "status")) ? (int)json_integer_value(json_object_get(v, "status")) : 500,
			  json_string_value(json_object_get(v, "type")), json_string_value(json_object_get(v, "message")));
	} else if ((v = json_object_get(step, "raw"))) {
		put_body(x, (int)step_int(x, "status", 200), "text/plain", json_string_value(v));
	} else if ((v = json_object_get(step, "drop")) || (v = json_object_get(step, "end")) || (v = json_object_get(step, "hang"))) {
		play_cut(x, json_string_value(v), stream);
	} else if ((v = json_object_get(step, "sse_error"))) {
		play_sse_error(x, v, stream);
	} else if ((v = json_object_get(step, "malformed"))) {
		play_malformed(x, json_string_value(v));
	} else {
		play_answer(x, script, stream);
	}
}
