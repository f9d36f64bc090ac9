/* SPDX-License-Identifier: MIT */
/*
 * The side towards a job: HTTP/1.1 on the job's unix socket, one request at
 * a time on a connection.  POST /v1/messages, count_tokens and HEAD are let
 * through; everything else ends here.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sock.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/key.h"
#include "daemon/gateway/policy.h"
#include "model/client.h"
#include "model/head.h"

#define READ_SIZE 65536
#define WRITE_SIZE 65536

struct ff_conn {
	struct ff_gw_job *job;
	struct ff_conn *next;
	int fd;
	struct ff_watch *watch, *timer;
	unsigned want;
	struct ff_buf in, out;
	struct ff_flight *flight; /* NULL: reading a request */
	size_t sent;              /* of the flight's body */
	int64_t begun_ms;         /* monotonic; when the request began to come. 0: none does */
	bool continued;           /* 100 Continue was sent for the request in `in` */
	bool head_sent, end_sent, keep_alive, chunked, head_only;
	bool dead;
};

static void die(struct ff_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	ff_watch_free(&c->watch);
	ff_watch_free(&c->timer);
	ff_close(&c->fd);
	if (c->flight)
		ff_transfer_drained(c->flight);
	c->flight = NULL;
}

static void want(struct ff_conn *c, unsigned what)
{
	if (c->dead || c->want == what)
		return;
	c->want = what;
	ff_watch_want(c->watch, what);
}

void ff_front_error_body(struct ff_buf *out, const char *type, const char *text)
{
	(void)ff_buf_adds(out, "{\"type\":\"error\",\"error\":{\"type\":"); /* far below any maximum */
	ff_text_json(out, type, strlen(type));
	(void)ff_buf_adds(out, ",\"message\":");
	ff_text_json(out, text, strlen(text));
	(void)ff_buf_adds(out, "}}");
}

/* An answer of our own. Final ones say so, so that no client asks in a loop. */
static void answer(struct ff_conn *c, int status, const char *type, const char *text)
{
	FF_AUTO(ff_buf_fini) struct ff_buf body;

	ff_buf_init(&body, 65536);
	if (type)
		ff_front_error_body(&body, type, text);
	(void)ff_buf_addf(&c->out, "HTTP/1.1 %d Gateway\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n"
			  "connection: %s\r\n\r\n", status, type && status != 503 ? "x-should-retry: false\r\n" : "", body.len,
			  c->keep_alive ? "keep-alive" : "close");
	if (!c->head_only)
		(void)ff_buf_add(&c->out, body.data, body.len);
}

/* What the service has no part in, for the worker to act on by its name. */
static void own_error(struct ff_conn *c, enum ff_err_code code, const char *text)
{
	FF_AUTO(ff_buf_fini) struct ff_buf body;

	ff_buf_init(&body, 65536);
	ff_front_error_body(&body, "api_error", text);
	(void)ff_buf_addf(&c->out, "HTTP/1.1 %d Gateway\r\ncontent-type: application/json\r\nx-should-retry: false\r\n"
			  FF_MODEL_ERROR ": %s\r\ncontent-length: %zu\r\nconnection: %s\r\n\r\n%s", ff_err_http(code),
			  ff_err_name(code), body.len, c->keep_alive ? "keep-alive" : "close", body.data);
}

static void attach(struct ff_conn *c, struct ff_flight *f)
{
	c->flight = f;
	c->sent = 0;
	c->head_sent = c->end_sent = false;
}

static char *field(const struct ff_head *head, const char *name, size_t max)
{
	const struct ff_head_field *f = ff_head_find(head, name);

	return f && f->value_len <= max ? ff_memdup0(f->value, f->value_len) : NULL;
}

/* The body stands in c->in from `at`; it is copied out because the flight keeps it. */
static void start(struct ff_conn *c, const struct ff_head *head, size_t at, struct ff_gw_ask *ask)
{
	FF_AUTO(ff_free) char *version = field(head, "anthropic-version", 64);
	FF_AUTO(ff_free) char *beta = field(head, "anthropic-beta", 4096);
	struct ff_gw *gw = c->job->gw;
	struct ff_buf body;
	struct ff_err err = { 0 };

	if (!gw->key || gw->key_refused) {
		own_error(c, FF_E_KEY_MISSING, gw->key_err.text);
		return;
	}
	if (c->job->flight_count >= gw->limits.max_requests) {
		answer(c, 503, "overloaded_error", "the job has too many requests under way (gateway.max-requests)");
		return;
	}
	if (!ask->count && ff_record_room(c->job->answers, gw->limits.max_answers, gw->limits.max_answer_bytes, &err) < 0) {
		answer(c, 402, "billing_error", err.text);
		return;
	}
	ff_buf_init(&body, gw->limits.max_body);
	(void)ff_buf_add(&body, c->in.data + at, (size_t)head->content_length); /* read under the same maximum */
	ask->body = &body;
	ask->version = version ? version : FF_MODEL_VERSION;
	ask->beta = beta;
	attach(c, ff_flight_start(c->job, ask));
}

static bool model_is_allowed(const struct ff_gw *gw, const char *model)
{
	const char *const *globs = ff_conf_list(gw->conf, FF_CONF_GATEWAY_MODELS);

	if (!globs || !*globs)
		return true;
	for (; *globs; globs++)
		if (ff_glob_match(*globs, model))
			return true;
	return false;
}

static void post(struct ff_conn *c, const struct ff_head *head, size_t at, bool count)
{
	struct ff_gw_ask ask = { .count = count };
	struct ff_flight *f = NULL;
	char key[FF_RECORD_KEY] = "";
	struct ff_err err = { 0 };

	if (ff_policy_check(c->in.data + at, (size_t)head->content_length, c->job->gw->allowed, &ask.seen, &err) < 0) {
		answer(c, err.code == FF_E_INVALID ? 400 : 403,
		       err.code == FF_E_INVALID ? "invalid_request_error" : "permission_error", err.text);
		return;
	}
	if (!model_is_allowed(c->job->gw, ask.seen.model)) {
		FF_AUTO(ff_free) char *text = ff_asprintf("the model %.128s is none of those that jobs may ask here (gateway.models)", ask.seen.model);

		answer(c, 403, "permission_error", text);
		return;
	}
	ask.key = key;
	if (!count) {
		ff_record_key(c->in.data + at, (size_t)head->content_length, key);
		f = ff_flight_find(c->job, key);
		if (!f)
			f = ff_flight_replay(c->job, key);
	}
	if (f)
		attach(c, f);
	else
		start(c, head, at, &ask);
}

/* Without a word about how far it is right: in the same time, wherever it is wrong. */
static bool same(const char *p, size_t n, const char *token)
{
	unsigned char differs = n != FF_GW_TOKEN;

	for (size_t i = 0; i < n && i < FF_GW_TOKEN; i++)
		differs |= (unsigned char)(p[i] ^ token[i]);
	return !differs;
}

/* The token of this job and attempt, as the API's key or as a bearer of it. */
static bool knows_token(const struct ff_conn *c, const struct ff_head *head)
{
	static const char bearer[] = "Bearer ";
	const struct ff_head_field *key = ff_head_find(head, "x-api-key"), *auth = ff_head_find(head, "authorization");
	size_t skip = sizeof bearer - 1;

	if (key)
		return same(key->value, key->value_len, c->job->token);
	return auth && auth->value_len > skip && !strncasecmp(auth->value, bearer, skip) &&
	       same(auth->value + skip, auth->value_len - skip, c->job->token);
}

static bool target_is(const struct ff_head *head, const char *path)
{
	const char *query;

	if (!ff_head_path_is(head, path))
		return false;
	query = head->target + strlen(path);
	return !*query || !strcmp(query, "?beta=true");
}

static void request(struct ff_conn *c, const struct ff_head *head, size_t at)
{
	bool is_post = !strcmp(head->method, "POST");
	bool messages = target_is(head, FF_MODEL_MESSAGES), count = target_is(head, FF_MODEL_MESSAGES "/count_tokens");

	c->keep_alive = head->keep_alive;
	c->head_only = !strcmp(head->method, "HEAD");
	if (c->head_only)
		answer(c, 200, NULL, NULL);
	else if (!knows_token(c, head))
		answer(c, 401, "authentication_error", "the token is not that of this job and attempt");
	else if (!messages && !count)
		answer(c, 404, "not_found_error", "only " FF_MODEL_MESSAGES " is passed on here");
	else if (!is_post)
		answer(c, 405, "invalid_request_error", "only POST is passed on here");
	else if (head->content_length <= 0)
		answer(c, 400, "invalid_request_error", "the request has no body");
	else
		post(c, head, at, count);
}

/* Refused without being understood: nothing behind it on this connection can be. */
static void refuse(struct ff_conn *c, int status, const char *type, const char *text)
{
	c->keep_alive = c->head_only = false;
	answer(c, status, type, text);
	ff_buf_clear(&c->in);
	c->end_sent = true; /* with keep_alive off: close when `out` is written */
}

static void bad_head(struct ff_conn *c, const struct ff_err *err)
{
	if (err->code == FF_E_TOO_LARGE)
		refuse(c, 431, "invalid_request_error", err->text);
	else if (err->code == FF_E_UNSUPPORTED)
		refuse(c, 501, "invalid_request_error", err->text);
	else
		refuse(c, 400, "invalid_request_error", err->text);
}

/* Takes one request out of `in` if it is all there. */
static void parse(struct ff_conn *c)
{
	struct ff_err err = { 0 };
	struct ff_head head;
	ssize_t len = ff_head_parse(c->in.data, c->in.len, &head, &err);
	size_t body;

	if (len < 0) {
		bad_head(c, &err);
		return;
	}
	if (len == 0)
		return;
	if (head.content_length > (int64_t)c->job->gw->limits.max_body) {
		refuse(c, 413, "request_too_large", "the request is over gateway.max-body");
		return;
	}
	body = head.content_length > 0 ? (size_t)head.content_length : 0;
	if (c->in.len < (size_t)len + body) {
		if (head.expect_continue && !c->continued)
			(void)ff_buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n"); /* `out` is empty while a request comes */
		c->continued = true;
		return;
	}
	c->continued = false;
	c->begun_ms = 0;
	c->end_sent = true; /* of an answer of our own; attach() unsets it */
	request(c, &head, (size_t)len);
	ff_buf_consume(&c->in, (size_t)len + body);
	/* While its answer comes, which may take minutes, a large request is not held twice. */
	if (!c->in.len && c->in.cap > READ_SIZE) {
		size_t max = c->in.max;

		ff_buf_fini(&c->in);
		ff_buf_init(&c->in, max);
	}
}

static void put_head(struct ff_conn *c)
{
	struct ff_flight *f = c->flight;

	c->chunked = !f->done || f->broken;
	(void)ff_buf_addf(&c->out, "HTTP/1.1 %d Gateway\r\n%s%sconnection: %s\r\n", f->status, f->fields.data,
			  f->replayed ? FF_MODEL_REPLAYED ": 1\r\n" : "", c->keep_alive ? "keep-alive" : "close");
	if (c->chunked)
		(void)ff_buf_adds(&c->out, "transfer-encoding: chunked\r\n\r\n");
	else
		(void)ff_buf_addf(&c->out, "content-length: %zu\r\n\r\n", f->visible);
	c->head_sent = true;
}

/* Puts the next part of the flight into `out`. */
static void fill_out(struct ff_conn *c)
{
	struct ff_flight *f = c->flight;
	size_t n;

	if (!f->status)
		return;
	if (!c->head_sent)
		put_head(c);
	n = f->visible - c->sent;
	if (n > WRITE_SIZE)
		n = WRITE_SIZE;
	if (n) {
		if (c->chunked)
			(void)ff_buf_addf(&c->out, "%zx\r\n", n);
		(void)ff_buf_add(&c->out, f->body.data + c->sent, n); /* `out` was empty and holds twice this */
		if (c->chunked)
			(void)ff_buf_adds(&c->out, "\r\n");
		c->sent += n;
		ff_transfer_drained(f);
	}
	if (f->done && c->sent == f->visible && !c->end_sent) {
		if (c->chunked && !f->broken)
			(void)ff_buf_adds(&c->out, "0\r\n\r\n");
		if (f->broken)
			c->keep_alive = false;
		c->end_sent = true;
	}
}

/* False when the socket takes no more. */
static bool flush(struct ff_conn *c)
{
	while (c->out.len && !c->dead) {
		ssize_t n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n <= 0) {
			die(c);
			return false;
		}
		ff_buf_consume(&c->out, (size_t)n);
		ff_watch_again(c->timer, c->job->gw->limits.idle_ms);
	}
	return !c->dead;
}

/* Does all that can be done now: write, then read the next request out of what is there. */
static void pump(struct ff_conn *c)
{
	while (!c->dead) {
		if (!flush(c)) {
			want(c, FF_LOOP_WRITE);
			return;
		}
		if (c->end_sent) {
			if (!c->keep_alive) {
				die(c);
				return;
			}
			c->flight = NULL;
			c->end_sent = false;
		}
		if (c->flight)
			fill_out(c);
		else
			parse(c);
		if (!c->out.len && !c->end_sent) {
			/* While an answer comes, nothing is read: the next request waits in the socket. */
			want(c, c->flight ? 0 : FF_LOOP_READ);
			if (!c->flight || !c->flight->status ||
			    (c->head_sent && c->sent == c->flight->visible && !c->flight->done))
				return;
		}
	}
}

/* A request has to come whole within its time, however busily it trickles. False: the connection is closed. */
static bool watch_time(struct ff_conn *c)
{
	const struct ff_gw_limits *limits = &c->job->gw->limits;
	int64_t now = ff_clock_mono(), left;

	if (!c->begun_ms)
		c->begun_ms = now;
	left = limits->request_ms - (now - c->begun_ms);
	if (left <= 0) {
		die(c);
		return false;
	}
	ff_watch_again(c->timer, left < limits->idle_ms ? left : limits->idle_ms);
	return true;
}

/* All that this job has us hold of requests that are not whole yet. */
static bool holds_too_much(const struct ff_gw_job *job)
{
	size_t bytes = 0;

	for (const struct ff_conn *c = job->conns; c; c = c->next)
		if (!c->dead)
			bytes += c->in.len;
	return bytes > FF_GW_BODIES * job->gw->limits.max_body;
}

static void on_ready(void *arg, unsigned ready)
{
	struct ff_conn *c = arg;
	char *to;
	ssize_t n;

	if (ready & FF_LOOP_READ && !c->flight) {
		to = ff_buf_room(&c->in, READ_SIZE);
		n = to ? recv(c->fd, to, READ_SIZE, MSG_DONTWAIT) : 0;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			die(c);
			return;
		}
		if (n > 0)
			ff_buf_grown(&c->in, (size_t)n);
		if (holds_too_much(c->job)) {
			die(c);
			return;
		}
		if (!watch_time(c))
			return;
	} else if (ready & FF_LOOP_HUP) {
		die(c);
		return;
	}
	pump(c);
}

/* A client that neither sends the rest of its request nor takes its answer is let go. */
static void on_silence(void *arg)
{
	struct ff_conn *c = arg;

	if ((c->in.len && !c->flight) || c->out.len)
		die(c);
	else
		ff_watch_again(c->timer, c->job->gw->limits.idle_ms);
}

/* Our own account, and when that is root the one that this job's sandbox has. */
static bool peer_is_ours(const struct ff_gw_job *job, int fd)
{
	uid_t uid;
	pid_t pid;

	if (ff_sock_peer(fd, &uid, &pid, NULL) < 0)
		return false;
	return uid == geteuid() || (geteuid() == 0 && uid == ff_gw_job_uid(job));
}

void ff_front_accept(void *arg, unsigned ready)
{
	struct ff_gw_job *job = arg;
	struct ff_conn *c;
	int fd;

	(void)ready;
	while (job->fd >= 0 && (fd = ff_sock_accept(job->fd)) >= 0) {
		if (job->conn_count >= 2 * job->gw->limits.max_requests || !peer_is_ours(job, fd)) {
			ff_close(&fd);
			continue;
		}
		c = ff_calloc(1, sizeof *c);
		c->job = job;
		c->fd = fd;
		c->want = FF_LOOP_READ;
		ff_buf_init(&c->in, job->gw->limits.max_body + FF_HEAD_MAX + 2 * READ_SIZE);
		ff_buf_init(&c->out, 4 * WRITE_SIZE);
		c->watch = ff_loop_fd(job->gw->loop, fd, FF_LOOP_READ, on_ready, c);
		c->timer = ff_loop_timer(job->gw->loop, job->gw->limits.idle_ms, on_silence, c);
		c->next = job->conns;
		job->conns = c;
		job->conn_count++;
	}
}

void ff_front_wake(struct ff_flight *f)
{
	for (struct ff_conn *c = f->job->conns; c; c = c->next)
		if (!c->dead && c->flight == f)
			pump(c);
}

void ff_front_ping(struct ff_flight *f)
{
	static const char ping[] = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

	if (!f->early) {
		f->early = f->stream = true;
		f->status = 200;
		ff_buf_clear(&f->fields);
		(void)ff_buf_adds(&f->fields, "content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n");
	}
	ff_front_wake(f); /* the head, where it is not out yet */
	for (struct ff_conn *c = f->job->conns; c; c = c->next) {
		/* Not into what a client is too slow to take, and not into the middle of what the service said. */
		if (c->dead || c->flight != f || !c->head_sent || !c->chunked || c->out.len || c->sent)
			continue;
		(void)ff_buf_addf(&c->out, "%zx\r\n%s\r\n", sizeof ping - 1, ping);
		pump(c);
	}
}

size_t ff_front_behind(const struct ff_flight *f, bool *ret_any)
{
	size_t most = 0;

	*ret_any = false;
	for (const struct ff_conn *c = f->job->conns; c; c = c->next) {
		if (c->dead || c->flight != f)
			continue;
		*ret_any = true;
		if (f->visible - c->sent > most)
			most = f->visible - c->sent;
	}
	return most;
}

void ff_front_sweep(struct ff_gw_job *job, bool all)
{
	struct ff_conn **at = &job->conns, *c;

	while ((c = *at)) {
		if (all)
			die(c);
		if (!c->dead) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		ff_buf_fini(&c->in);
		ff_buf_fini(&c->out);
		ff_free(&c);
		job->conn_count--;
	}
}
