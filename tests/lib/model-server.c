/* SPDX-License-Identifier: MIT */
/*
 * A scripted Messages API on 127.0.0.1, for tests and the demonstration.  It
 * contacts nobody and keeps no key.
 *
 *   model-server (--scenario FILE | --demo) [--port N] [--ready-file FILE]
 *                [--log FILE.jsonl] [--log-bodies] [--expect-key FILE]
 *
 * Port 0 (the default) takes a free one.  When it listens it prints, and
 * writes to the ready file, one line:  READY port=N url=http://127.0.0.1:N
 *
 * SCENARIO {"rules":[RULE...], "fallback":STEP}; the first rule that matches answers.
 * RULE     {"name", "match":{...}, "sequence":[STEP...], "then":"last"|"loop"|"pass", "stop":N}
 * match    all must hold; strings are extended regular expressions: model system last_user first_user body;
 *          has_tool NAME, tool_result BOOL, stream BOOL, nth N (request of its kind), min_messages N
 * STEP     {"text"} {"tool_use":{name,input,id}} {"content":[...,{"thinking"}]} {"error":{status,type,message}}
 *          {"sse_error":{type,message}} {"raw"} {"malformed":"bad_json"|"not_sse"|"unknown_event"|"half_event"|
 *          "wrong_index"|"nul"}; {"drop"|"end"|"hang": "before_headers"|"after_headers"|"mid_stream"|"before_stop"}
 * options  stop_reason usage{} model id chunk chunk_delay_ms delay_ms ping headers{} status wait_file
 *          wait_file NAME: the answer stops before its last event, makes NAME.reached and goes on
 *          when NAME is there (at most 60 s).
 * Strings of a step may hold {{n}} {{model}} {{task}} {{slug}} {{last_user}}.
 * Also: POST /v1/messages/count_tokens, HEAD and GET / (200), GET /__stub/state (what was charged), POST /__stub/reset.
 *
 * One thread a connection: a script is then plain code that waits.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "tests/lib/model-play.h"

#define BODY_MAX (64u * 1024 * 1024)
#define IDLE_MS 600000

static struct server {
	struct script *script;
	const char *log_path, *ready_path, *scenario, *key_path;
	bool demo, log_bodies;
	int port, log_fd;
	struct ff_buf key;
	pthread_mutex_t lock;
	long requests, messages;
} srv = { .log_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

static void log_line(json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);

	if (srv.log_fd >= 0 && text) {
		FF_AUTO(ff_free) char *whole = ff_asprintf("%s\n", text);

		(void)ff_fd_write_all(srv.log_fd, whole, strlen(whole), NULL); /* a lost line fails the test that reads it */
	}
	ff_free(&text);
	json_decref(line);
}

static bool key_is_right(const struct exchange *x)
{
	const struct ff_head_field *f = ff_head_find(&x->head, "x-api-key");

	return !srv.key_path || (f && f->value_len == srv.key.len && !memcmp(f->value, srv.key.data, f->value_len));
}

static void log_request(const struct exchange *x, size_t body_bytes)
{
	const struct ff_head_field *f = ff_head_find(&x->head, "x-api-key");
	FF_AUTO(ff_free) char *last = script_text_of(json_object_get(script_user(x->q.body, true), "content"));
	size_t n = strlen(last);
	json_t *line = json_pack("{s:s, s:I, s:I, s:s, s:s, s:I, s:s, s:I, s:s, s:i, s:I, s:s%}", "ev", "request",
		"at", (json_int_t)ff_clock_wall(), "n", (json_int_t)x->q.number, "method", x->head.method, "path", x->head.target,
		"body_bytes", (json_int_t)body_bytes, "key", f ? "present" : "absent", "key_bytes", (json_int_t)(f ? f->value_len : 0),
		"rule", x->pick.rule, "step", x->pick.step_index,
		"messages", (json_int_t)json_array_size(json_object_get(x->q.body, "messages")), "last_user", last, n > 200 ? (size_t)0 : n);

	if (!line)
		return;
	if (srv.log_bodies)
		(void)json_object_set_new(line, "body", json_string(x->q.raw));
	log_line(line);
}

static void answer_messages(struct exchange *x, size_t body_bytes)
{
	(void)pthread_mutex_lock(&srv.lock);
	x->q.nth = ++srv.messages;
	(void)pthread_mutex_unlock(&srv.lock);
	if (!key_is_right(x)) {
		log_request(x, body_bytes);
		play_error(x, 401, NULL, "invalid x-api-key");
	} else if (!json_is_array(json_object_get(x->q.body, "messages"))) {
		play_error(x, 400, NULL, "messages: Field required");
	} else {
		script_pick(srv.script, &x->q, &x->pick);
		log_request(x, body_bytes);
		play_step(x, srv.script);
	}
}

static void answer(struct exchange *x, size_t body_bytes)
{
	bool post = !strcmp(x->head.method, "POST"), get = !strcmp(x->head.method, "GET") || !strcmp(x->head.method, "HEAD");

	if (post && ff_head_path_is(&x->head, "/v1/messages")) {
		answer_messages(x, body_bytes);
	} else if (post && ff_head_path_is(&x->head, "/v1/messages/count_tokens")) {
		play_json(x, 200, json_pack("{s:I}", "input_tokens", (json_int_t)(body_bytes / 4 + 1)));
	} else if (get && ff_head_path_is(&x->head, "/__stub/state")) {
		play_json(x, 200, script_state(srv.script));
	} else if (post && ff_head_path_is(&x->head, "/__stub/reset")) {
		script_reset(srv.script);
		play_json(x, 200, json_object());
	} else if (get && ff_head_path_is(&x->head, "/")) {
		play_json(x, 200, json_object());
	} else {
		play_error(x, 404, NULL, "Not found");
	}
}

static void one_request(struct conn *c, const struct ff_head *head, const char *raw, size_t n)
{
	struct exchange x = { .c = c, .head = *head, .kind = "builtin", .q.raw = raw };

	(void)pthread_mutex_lock(&srv.lock);
	x.q.number = ++srv.requests;
	(void)pthread_mutex_unlock(&srv.lock);
	x.q.body = n ? json_loadb(raw, n, 0, NULL) : NULL;
	if (!head->keep_alive)
		c->close_after = true;
	answer(&x, n);
	log_line(json_pack("{s:s, s:I, s:I, s:i, s:s, s:b}", "ev", "response", "at", (json_int_t)ff_clock_wall(),
			   "n", (json_int_t)x.q.number, "status", x.status, "kind", x.kind, "client_closed", c->dead));
	json_decref(x.pick.step);
	json_decref(x.q.body);
}

/* More bytes into c->in; false at the end of the connection. */
static bool fill(struct conn *c)
{
	struct pollfd p = { c->fd, POLLIN, 0 };
	char *to = ff_buf_room(&c->in, 65536);
	ssize_t n;

	if (!to || poll(&p, 1, IDLE_MS) <= 0)
		return false;
	n = recv(c->fd, to, 65536, 0);
	if (n <= 0)
		return false;
	ff_buf_grown(&c->in, (size_t)n);
	return true;
}

static bool read_request(struct conn *c)
{
	struct ff_head head;
	ssize_t head_len;
	size_t body;

	while ((head_len = ff_head_parse(c->in.data, c->in.len, &head, NULL)) == 0)
		if (!fill(c))
			return false;
	if (head_len < 0 || head.content_length > (int64_t)BODY_MAX) {
		play_put(c, "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n", 39);
		return false;
	}
	body = head.content_length > 0 ? (size_t)head.content_length : 0;
	if (head.expect_continue)
		play_put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	while (c->in.len < (size_t)head_len + body)
		if (!fill(c))
			return false;
	FF_AUTO(ff_free) char *raw = ff_memdup0(c->in.data + head_len, body);

	(void)ff_head_parse(c->in.data, (size_t)head_len, &head, NULL); /* the buffer may have moved under its fields */
	one_request(c, &head, raw, body);
	ff_buf_consume(&c->in, (size_t)head_len + body);
	return !c->dead && !c->close_after;
}

static void *serve(void *arg)
{
	struct conn c = { .fd = *(int *)arg };

	ff_free(&arg);
	ff_buf_init(&c.in, BODY_MAX + FF_HEAD_MAX + 131072);
	while (read_request(&c))
		;
	ff_buf_fini(&c.in);
	ff_close(&c.fd);
	return NULL;
}

static void on_signal(int signo)
{
	(void)signo;
	_exit(0);
}

static int set_up(struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	json_error_t where;
	json_t *root;
	int rc;

	ff_buf_init(&text, 16 * 1024 * 1024);
	ff_buf_init(&srv.key, 4096);
	if (srv.key_path && ff_file_read(srv.key_path, &srv.key, err) < 0)
		return -1;
	while (srv.key.len && srv.key.data[srv.key.len - 1] == '\n')
		srv.key.data[--srv.key.len] = '\0';
	if (srv.log_path) {
		srv.log_fd = open(srv.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (srv.log_fd < 0)
			return ff_err_errno(err, "%s", srv.log_path);
	}
	if (srv.demo)
		return script_demo(&srv.script, err);
	if (!srv.scenario)
		return ff_err_set(err, FF_E_USAGE, "give --scenario FILE or --demo");
	if (ff_file_read(srv.scenario, &text, err) < 0)
		return -1;
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return ff_err_set(err, FF_E_INVALID, "%s:%d: %s", srv.scenario, where.line, where.text);
	rc = script_load(root, &srv.script, err);
	json_decref(root);
	return rc;
}

static int listen_on(int *ret_fd, struct ff_err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)srv.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	FF_AUTO(ff_free) char *line = NULL;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return ff_err_errno(err, "listen on 127.0.0.1 port %d", srv.port);
	line = ff_asprintf("READY port=%d url=http://127.0.0.1:%d\n", ntohs(a.sin_port), ntohs(a.sin_port));
	if (ff_fd_write_all(STDOUT_FILENO, line, strlen(line), err) < 0 ||
	    (srv.ready_path && ff_file_write(srv.ready_path, line, strlen(line), 0644, err) < 0))
		return -1;
	*ret_fd = fd;
	return 0;
}

static int options(char **argv, struct ff_err *err)
{
	for (argv++; *argv; argv++) {
		const struct { const char *name; const char **to; } texts[] = {
			{ "--scenario", &srv.scenario }, { "--log", &srv.log_path },
			{ "--ready-file", &srv.ready_path }, { "--expect-key", &srv.key_path },
		};
		bool known = true;
		int64_t port;

		if (!strcmp(*argv, "--demo")) {
			srv.demo = true;
		} else if (!strcmp(*argv, "--log-bodies")) {
			srv.log_bodies = true;
		} else if (!strcmp(*argv, "--port") && argv[1] && ff_num_i64(argv[1], 0, 65535, &port) == 0) {
			srv.port = (int)port;
			argv++;
		} else {
			known = false;
		}
		for (size_t i = 0; i < FF_ARRAY_LEN(texts) && !known; i++) {
			if (strcmp(*argv, texts[i].name) != 0 || !argv[1])
				continue;
			*texts[i].to = *++argv;
			known = true;
		}
		if (!known)
			return ff_err_set(err, FF_E_USAGE, "unknown option %s", *argv);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct ff_err err = { 0 };
	pthread_attr_t attr;
	int fd = -1;

	(void)argc;
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGINT, on_signal);
	if (options(argv, &err) < 0 || set_up(&err) < 0 || listen_on(&fd, &err) < 0) {
		(void)fprintf(stderr, "model-server: %s\n", err.text);
		return 2;
	}
	ff_assert(pthread_attr_init(&attr) == 0);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, 512 * 1024);
	for (;;) {
		int *one = ff_calloc(1, sizeof *one);
		pthread_t thread;

		*one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (*one < 0 || pthread_create(&thread, &attr, serve, one) != 0) {
			ff_close(one);
			ff_free(&one);
			play_nap(5);
		}
	}
}
