/* SPDX-License-Identifier: MIT */
/*
 * What a service can do to the gateway, and a job: how often is asked, what
 * the job is told, and what it costs, to the token.  The real gateway against
 * the scripted service, with the test as core and as the job.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/sock.h"
#include "model/client.h"
#include "tests/lib/gateway-world.h"

#define PATIENCE_MS 120000 /* 32 MiB through a busy machine */
#define CROWD 200
#define LARGE (32u * 1024 * 1024)
#define OTHER_TOKEN "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
/* What the server's cut answers say; it sends 40 bytes in one piece. */
#define KEY_HEX "736b2d63616e6172792d35643166306337653962"
#define FILLER "a partial answer that this step never finishes, as it was told to"
#define PIECE 40
#define RULE(name, steps) "{\"name\":\"" name "\",\"match\":{\"last_user\":\"^" name "$\"},\"sequence\":[" steps "]}"
#define ERROR(status) "{\"error\":{\"status\":" status "}}"
#define ANSWER "{\"text\":\"well\",\"ping\":false,\"usage\":{\"input_tokens\":11,\"output_tokens\":7,\"cache_read_input_tokens\":5," \
	"\"cache_creation_input_tokens\":3}}"
#define AFTER(seconds) "{\"error\":{\"status\":429},\"headers\":{\"retry-after\":\"" seconds "\"}}"

#define FOUR(b) b "," b "," b "," b
/* More blocks than an answer may have: what is behind them is not read. */
#define BLOCKS FOUR(FOUR(FOUR(FOUR("{\"text\":\"x\"}")))) ",{\"text\":\"x\"}"

static const char scenario[] = "{\"rules\":["
	RULE("plain", ANSWER) "," RULE("e400", ERROR("400")) "," RULE("e403", ERROR("403")) "," RULE("e413", ERROR("413")) ","
	RULE("e429", ERROR("429")) "," RULE("e500", ERROR("500")) "," RULE("e529", ERROR("529")) ","
	RULE("key401", "{\"error\":{\"status\":401,\"message\":\"no key: " WORLD_KEY " or " KEY_HEX "\"}}," ANSWER) "," RULE("key402", ERROR("402") "," ANSWER) ","
	RULE("final", "{\"error\":{\"status\":500},\"headers\":{\"x-should-retry\":\"false\"}}") ","
	RULE("again", ERROR("500") "," ERROR("529") "," ANSWER) "," RULE("dropped", "{\"drop\":\"before_headers\"}," ANSWER) ","
	RULE("after1", AFTER("1") "," ANSWER) "," RULE("after1err", AFTER("1") "," ERROR("400")) "," RULE("after100", AFTER("100")) ","
	RULE("hanghead", "{\"hang\":\"before_headers\"}") "," RULE("hangbody", "{\"hang\":\"after_headers\"}") ","
	RULE("hangmid", "{\"hang\":\"mid_stream\"}") "," RULE("dropbody", "{\"drop\":\"after_headers\"}") ","
	RULE("dropmid", "{\"drop\":\"mid_stream\"}") "," RULE("endmid", "{\"end\":\"mid_stream\"}") ","
	RULE("endstop", "{\"end\":\"before_stop\"}") "," RULE("dropstop", "{\"drop\":\"before_stop\"}") ","
	RULE("badjson", "{\"malformed\":\"bad_json\"}") "," RULE("notsse", "{\"malformed\":\"not_sse\"}") ","
	RULE("half", "{\"malformed\":\"half_event\"}") "," RULE("index", "{\"malformed\":\"wrong_index\"}") ","
	RULE("nul", "{\"malformed\":\"nul\"}") "," RULE("odd", "{\"malformed\":\"unknown_event\"}") ","
	RULE("broke", "{\"sse_error\":{}}") ","
	RULE("blocks", "{\"content\":[" BLOCKS "]}") "," RULE("secretly", "{\"content\":[{\"thinking\":\"hm\"},{\"text\":\"so\"}],\"wait_file\":\"DIR/held\"}") ","
	RULE("held", "{\"text\":\"a held answer\",\"wait_file\":\"DIR/held\"}") "]}";
/* No expression to be looked for in 32 MiB. */
static const char much_scenario[] = "{\"rules\":[{\"name\":\"large\",\"match\":{\"nth\":1},\"sequence\":[{\"text\":\"much\"}]},"
	"{\"name\":\"crowd\",\"match\":{\"last_user\":\"crowd\"},\"sequence\":[{\"text\":\"{{last_user}}\",\"chunk\":7}]}]}";

static int start(void **state)
{
	(void)state;
	w.settings = "models = m\nmodels = claude-*\nretries = 2\nretry-delay = 1ms\nhold-max = 20s\nping = 50ms\nrequest-timeout = 4s\n"
		"[sandbox]\nprobe-interval = 100ms";
	world_start(scenario);
	return 0;
}

/* One program prints one plan of TAP, so a test that wants another world changes it, for itself and those behind it. */
static int start_again(const char *settings, const char *rules)
{
	int rc = world_stop();

	w.settings = settings;
	world_start(rules);
	return rc;
}

static int start_much(void **state)
{
	(void)state;
	return start_again("max-body = 33m\nmax-requests = 300\nidle-timeout = 100s\nrequest-timeout = 100s", much_scenario);
}

static int start_broken(void **state)
{
	(void)state;
	return start_again("hold-max = 0\ncircuit-failures = 3\ncircuit-probe = 2s", scenario);
}

static int stop(void **state)
{
	(void)state;
	return world_stop();
}

static char *body_of(const char *text, bool stream)
{
	return ff_asprintf("{\"model\":\"m\",\"max_tokens\":5,\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
			   stream ? "true" : "false", text);
}

static int ask_as(const char *text, bool stream, struct ff_model_hint *hint, struct ff_err *err)
{
	FF_AUTO(ff_free) char *body = body_of(text, stream);
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	const struct ff_model_call call = { .socket = w.sock, .token = WORLD_TOKEN, .deadline_ms = ff_clock_mono() + PATIENCE_MS };

	return ff_model_ask(&call, body, strlen(body), &a, hint, err);
}

static int send_to(const char *socket, const char *token, const char *body)
{
	FF_AUTO(ff_free) char *whole = ff_asprintf("POST /v1/messages HTTP/1.1\r\nx-api-key: %s\r\ncontent-length: %zu\r\n\r\n%s", token,
						   strlen(body), body);
	int fd = -1;

	assert_int_equal(ff_sock_connect(socket, WORLD_DEADLINE_MS, &fd, NULL), 0);
	(void)ff_fd_write_all(fd, whole, strlen(whole), NULL); /* it may be answered and closed before all of it is written */
	return fd;
}

static bool read_until(int fd, struct ff_buf *b, const char *text)
{
	while (!strstr(b->data, text)) {
		char *to = ff_buf_room(b, 65536);
		ssize_t n = to ? recv(fd, to, 65536, 0) : -1; /* bounded by the time-out that the connect set */

		if (n <= 0)
			return false;
		ff_buf_grown(b, (size_t)n);
	}
	return true;
}

static void answer_is(int fd, const char *status)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 1 << 20);
	(void)read_until(fd, &b, "\r\n\r\n");
	if (!strstr(b.data, status))
		print_message("# wanted %s, got %s\n", status, b.data);
	assert_non_null(strstr(b.data, status));
	ff_close(&fd);
}

/* --- what it costs ------------------------------------------------------------------- */

static int64_t number(const json_t *msg, const char *key)
{
	return json_integer_value(json_object_get(msg, key));
}

/* in < 0: as the server counts the body. */
static void costs(const char *what, const char *outcome, int in, int out, bool unknown)
{
	FF_AUTO(ff_free) char *body = body_of(what, true);
	json_t *msg = NULL;

	world_expect(FF_MSG_USAGE, &msg);
	if (in < 0)
		in = (int)strlen(body) / 4 + 1;
	if (strcmp(json_string_value(json_object_get(msg, "outcome")), outcome) || number(msg, "tokens_in") != in || number(msg, "tokens_out") != out)
		print_message("# %s: %s\n", what, json_dumps(msg, JSON_COMPACT));
	assert_string_equal(json_string_value(json_object_get(msg, "outcome")), outcome);
	assert_int_equal(number(msg, "tokens_in"), in);
	assert_int_equal(number(msg, "tokens_out"), out);
	assert_int_equal(json_is_true(json_object_get(msg, "unknown")), unknown);
	assert_true(number(msg, "request") > 0);
	json_decref(msg);
}

#define THIRDS(n) (int)(((n) + 2) / 3)

static void test_money_to_the_token(void **state)
{
	static const struct { const char *what; int asked; int rc; enum ff_err_code code; const char *outcome; int in, out; bool unknown; int limits; } cases[] = {
		{ "plain", 1, 0, FF_E_NONE, "answered", 11, 7, false, 0 },
		{ "e400", 1, -1, FF_E_MODEL_REFUSED, "http 400", 0, 0, false, 0 },
		{ "e403", 1, -1, FF_E_MODEL_REFUSED, "http 403", 0, 0, false, 0 },
		{ "e413", 1, -1, FF_E_TOO_LARGE, "http 413", 0, 0, false, 0 },
		{ "e429", 3, -1, FF_E_RATE_LIMIT, "http 429", 0, 0, false, 1 },
		{ "e500", 3, -1, FF_E_NETWORK_ERROR, "http 500", 0, 0, false, 0 },
		{ "e529", 3, -1, FF_E_RATE_LIMIT, "http 529", 0, 0, false, 1 },
		{ "final", 1, -1, FF_E_NETWORK_ERROR, "http 500", 0, 0, false, 0 },
		{ "again", 3, 0, FF_E_NONE, "answered", 11, 7, false, 1 },
		{ "dropped", 2, 0, FF_E_NONE, "answered", 11, 7, false, 0 },
		{ "after1", 2, 0, FF_E_NONE, "answered", 11, 7, false, 1 },
		{ "hanghead", 1, -1, FF_E_TIMEOUT, "silent", 0, 0, true, 0 },
		{ "hangbody", 1, -1, FF_E_NETWORK_ERROR, "silent", 0, 0, true, 0 },
		{ "hangmid", 1, -1, FF_E_NETWORK_ERROR, "silent", -1, THIRDS(PIECE), false, 0 },
		{ "dropbody", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "dropmid", 1, -1, FF_E_NETWORK_ERROR, "cut", -1, THIRDS(PIECE), false, 0 },
		{ "endmid", 1, -1, FF_E_NETWORK_ERROR, "cut", -1, THIRDS(PIECE), false, 0 },
		{ "endstop", 1, -1, FF_E_NETWORK_ERROR, "cut", -1, THIRDS(sizeof FILLER - 1), false, 0 },
		{ "dropstop", 1, -1, FF_E_NETWORK_ERROR, "cut", -1, THIRDS(sizeof FILLER - 1), false, 0 },
		{ "badjson", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "notsse", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "half", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "index", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "nul", 1, -1, FF_E_NETWORK_ERROR, "cut", 0, 0, true, 0 },
		{ "broke", 1, -1, FF_E_RATE_LIMIT, "cut", -1, THIRDS(sizeof "a partial answer before an error" - 1), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		struct ff_model_hint hint;
		struct ff_err err = { 0 };
		int rc = ask_as(cases[i].what, true, &hint, &err);

		print_message("# %s: %s\n", cases[i].what, err.text);
		assert_int_equal(rc, cases[i].rc);
		assert_string_equal(ff_err_name(err.code), ff_err_name(cases[i].code));
		for (int k = 0; k < cases[i].limits; k++)
			world_expect(FF_MSG_LIMITED, NULL);
		costs(cases[i].what, cases[i].outcome, cases[i].in, cases[i].out, cases[i].unknown);
		assert_int_equal(world_asked(cases[i].what), cases[i].asked);
	}
}

static void test_cache_tokens(void **state)
{
	struct ff_model_hint hint;
	json_t *msg = NULL;

	(void)state;
	assert_int_equal(ask_as("plain", false, &hint, NULL), 0); /* not streamed: another body, another request */
	world_expect(FF_MSG_USAGE, &msg);
	assert_int_equal(number(msg, "cache_read"), 5);
	assert_int_equal(number(msg, "cache_write"), 3);
	assert_int_equal(number(msg, "tokens_in"), 11);
	json_decref(msg);
	assert_int_equal(ask_as("dropmid", false, &hint, NULL), -1);
	world_expect(FF_MSG_USAGE, &msg);
	assert_true(json_is_true(json_object_get(msg, "unknown")));
	json_decref(msg);
	assert_int_equal(ask_as("odd", true, &hint, NULL), 0);
	world_expect(FF_MSG_USAGE, NULL);
}

/* What the parser cannot follow to its end is counted as what it may have cost, not as what was read of it. */
static void test_unread_answers(void **state)
{
	struct ff_model_hint hint;

	(void)state;
	assert_int_equal(ask_as("blocks", true, &hint, NULL), -1);
	costs("blocks", "cut", 0, 0, true);
}

static void test_models(void **state)
{
	static const struct { const char *model, *status; } cases[] = {
		{ "claude-other", " 200 " }, { "opus", " 403 " }, { "", " 403 " }, { "M", " 403 " }, { "xclaude-x", " 403 " },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		FF_AUTO(ff_free) char *body = ff_asprintf("{\"model\":\"%s\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":"
							  "\"plain\"}]}", cases[i].model);

		answer_is(send_to(w.sock, WORLD_TOKEN, body), cases[i].status);
	}
	world_expect(FF_MSG_USAGE, NULL); /* of one */
}

/* --- keys that the service refuses ------------------------------------------------------ */

static void wait_for_file_change(void)
{
	(void)poll(NULL, 0, 350); /* some looks at the key file, each of which could be the one that asks again */
}

static void key_is(bool ok)
{
	json_t *msg = NULL;

	world_expect(FF_MSG_KEY, &msg);
	assert_int_equal(json_is_true(json_object_get(msg, "ok")), ok);
	json_decref(msg);
}

static void dead_key(const char *what)
{
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	assert_int_equal(ask_as(what, true, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_KEY_MISSING);
	assert_non_null(strstr(err.text, "blocked: key"));
	assert_false(hint.again);
	key_is(false);
	costs(what, "key refused", 0, 0, false);
	world_expect(FF_MSG_HALT, NULL);
	wait_for_file_change();
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_as(what, true, &hint, &err), -1);
	assert_int_equal(world_asked(what), 1);
	world_say(FF_MSG_LOOK, json_object()); /* the account was mended, says the operator */
	key_is(true);
	assert_int_equal(ask_as(what, true, &hint, &err), 0);
	costs(what, "answered", 11, 7, false);
}

static void test_refused_keys(void **state)
{
	FF_AUTO(ff_free) char *log = NULL;
	struct ff_model_hint hint;

	(void)state;
	world_drain();
	dead_key("key401");
	dead_key("key402");
	/* Another key is taken without a word. */
	world_put("key", "sk-another\n", 0600);
	world_say(FF_MSG_LOOK, json_object());
	assert_int_equal(ask_as("wrong key", true, &hint, NULL), -1); /* the server knows one key */
	key_is(false);
	costs("wrong key", "key refused", 0, 0, false);
	/* The reason is told and logged as the service put it, without the key that it quoted. */
	log = world_get(w.log);
	assert_non_null(strstr(log, "no key: [secret] or [secret]"));
	assert_null(strstr(log, WORLD_KEY));
	assert_null(strstr(log, KEY_HEX));
	world_expect(FF_MSG_HALT, NULL);
	world_put("key", WORLD_KEY "\n", 0600);
	key_is(true);
	world_drain();
	assert_int_equal(ask_as("plain", true, &hint, NULL), 0);
	world_drain();
}

/* --- held ---------------------------------------------------------------------------------- */

static void test_pings_while_held(void **state)
{
	FF_AUTO(ff_free) char *body = body_of("after1err", true);
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fd = send_to(w.sock, WORLD_TOKEN, body);

	(void)state;
	ff_buf_init(&b, 1 << 20);
	assert_true(read_until(fd, &b, "event: ping"));
	assert_non_null(strstr(b.data, "HTTP/1.1 200"));
	assert_true(read_until(fd, &b, "event: error"));
	assert_true(read_until(fd, &b, "0\r\n\r\n"));
	assert_non_null(strstr(b.data, "invalid_request_error"));
	ff_close(&fd);
	world_expect(FF_MSG_LIMITED, NULL);
	costs("after1err", "http 400", 0, 0, false);
}

static void test_core_says_wait_and_no(void **state)
{
	struct world_rule rule = { .waits = 3 };
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	(void)world_rule(&rule);
	assert_int_equal(ask_as("unmatched but answered", true, &hint, &err), 0);
	assert_int_equal(world_rule(NULL).asked, 4);
	rule = (struct world_rule){ .refuse = FF_E_BUDGET };
	(void)world_rule(&rule);
	assert_int_equal(ask_as("e400 no money", true, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_BUDGET);
	assert_int_equal(hint.status, 402);
	assert_false(hint.again);
	rule = (struct world_rule){ 0 };
	(void)world_rule(&rule);
	world_drain();
}

static void test_job_ends_in_mid_answer(void **state)
{
	FF_AUTO(ff_free) char *body = body_of("held", true), *sock = world_path(WORLD_STATE "/jobs/9/gate/gw.sock");
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fd;

	(void)state;
	world_open(9, OTHER_TOKEN);
	fd = send_to(sock, OTHER_TOKEN, body);
	ff_buf_init(&b, 1 << 20);
	assert_true(read_until(fd, &b, "a held answer"));
	world_say(FF_MSG_CLOSE, json_pack("{s:i, s:b}", "job", 9, "ended", 1));
	costs("held", "broken off", -1, THIRDS(sizeof "a held answer" - 1), false);
	ff_close(&fd);
	world_put("held", "", 0600);
}

/* How much was thought is not to be seen in what was shown of it: the whole that was reserved counts. */
static void test_job_ends_in_mid_thought(void **state)
{
	FF_AUTO(ff_free) char *body = body_of("secretly", true), *sock = world_path(WORLD_STATE "/jobs/8/gate/gw.sock");
	FF_AUTO(ff_free) char *held = world_path("held");
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fd;

	(void)state;
	(void)unlink(held);
	world_open(8, OTHER_TOKEN);
	fd = send_to(sock, OTHER_TOKEN, body);
	ff_buf_init(&b, 1 << 20);
	assert_true(read_until(fd, &b, "thinking_delta"));
	world_say(FF_MSG_CLOSE, json_pack("{s:i, s:b}", "job", 8, "ended", 1));
	costs("secretly", "broken off", 0, 0, true);
	ff_close(&fd);
	world_put("held", "", 0600);
}

/* --- strangers ------------------------------------------------------------------------------ */

static void test_tokens(void **state)
{
	FF_AUTO(ff_free) char *body = body_of("plain", true), *sock = world_path(WORLD_STATE "/jobs/2/gate/gw.sock");
	static const char *const wrong[] = { "", "0", WORLD_TOKEN "0", OTHER_TOKEN, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee",
					     "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef" };

	(void)state;
	world_open(2, OTHER_TOKEN);
	for (size_t i = 0; i < FF_ARRAY_LEN(wrong); i++)
		answer_is(send_to(w.sock, wrong[i], body), " 401 ");
	answer_is(send_to(sock, WORLD_TOKEN, body), " 401 "); /* the right one, at another job's socket */
	answer_is(send_to(w.sock, WORLD_TOKEN, body), " 200 ");
	world_expect(FF_MSG_USAGE, NULL);
	/* The next attempt has another one, and the one before is over. */
	world_say(FF_MSG_CLOSE, json_pack("{s:i, s:b}", "job", 2, "ended", 0));
	world_open(2, WORLD_TOKEN);
	answer_is(send_to(sock, OTHER_TOKEN, body), " 401 ");
	world_drain();
}

static void let_others_through(const char *path)
{
	char *dir = ff_strdup(path);

	for (char *slash; (slash = strrchr(dir, '/')) && strlen(dir) > strlen(w.dir); *slash = '\0')
		(void)chmod(dir, 0711);
	(void)chmod(w.dir, 0711);
	assert_int_equal(chmod(path, 0666), 0);
	ff_free(&dir);
}

/* Whoever the file modes let through: another account is not answered. */
static void test_another_account(void **state)
{
	FF_AUTO(ff_free) char *body = NULL;
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	body = body_of("plain", true);
	let_others_through(w.sock);
	pid = fork();
	if (pid == 0) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;
		int fd = -1;

		ff_buf_init(&b, 1 << 20);
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
		    ff_sock_connect(w.sock, WORLD_DEADLINE_MS, &fd, NULL) < 0)
			_exit(2);
		(void)!write(fd, "HEAD / HTTP/1.1\r\n\r\n", 19);
		_exit(read_until(fd, &b, "HTTP/1.1") ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(w.sock, 0600), 0);
	answer_is(send_to(w.sock, WORLD_TOKEN, body), " 200 ");
	world_drain();
}

/* --- much, and slow ---------------------------------------------------------------------------- */

static void test_slow_loris(void **state)
{
	struct pollfd p = { .events = POLLIN };
	FF_AUTO(ff_free) char *body = body_of("plain", true);
	int fd = -1, sent = 0;
	char byte;

	(void)state;
	assert_int_equal(ff_sock_connect(w.sock, WORLD_DEADLINE_MS, &fd, NULL), 0);
	assert_int_equal(write(fd, "POST /v1/messages HTTP/1.1\r\n", 28), 28);
	p.fd = fd;
	/* A byte of a header now and then: never silent, never done. */
	while (poll(&p, 1, 20) == 0 && sent++ < 2000)
		if (send(fd, "a", 1, MSG_NOSIGNAL) < 0)
			break;
	assert_true(sent < 2000);
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	ff_close(&fd);
	answer_is(send_to(w.sock, WORLD_TOKEN, body), " 200 ");
	world_drain();
}

static void test_large_bodies(void **state)
{
	FF_AUTO(ff_free) char *text = ff_calloc(1, LARGE + 1);
	FF_AUTO(ff_free) char *body = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };
	json_t *msg = NULL;

	(void)state;
	memset(text, 'x', LARGE);
	memcpy(text, "large", 5);
	body = body_of(text, true);
	if (ask_as(text, true, &hint, &err) < 0)
		print_message("# %d %s\n", hint.status, err.text);
	assert_int_equal(err.code, FF_E_NONE);
	world_expect(FF_MSG_USAGE, &msg);
	assert_int_equal(number(msg, "tokens_in"), strlen(body) / 4 + 1);
	assert_int_equal(number(msg, "tokens_out"), 8); /* as the server counts its own block */
	json_decref(msg);
	answer_is(send_to(w.sock, WORLD_TOKEN "\r\ncontent-length: 34603009\r\nx: ", ""), " 4"); /* 33 MiB and one */
}

static void test_many_at_once(void **state)
{
	FF_AUTO(ff_free) char *last = NULL;
	struct { int fd; struct ff_buf b; int64_t in; } *all = ff_calloc(CROWD, sizeof *all);
	int64_t in = 0, want = 0;

	(void)state;
	for (int i = 0; i < CROWD; i++) {
		FF_AUTO(ff_free) char *text = ff_asprintf("crowd %03d, and some more words to make it last", i);
		FF_AUTO(ff_free) char *body = body_of(text, true);

		ff_buf_init(&all[i].b, 1 << 20);
		all[i].fd = send_to(w.sock, WORLD_TOKEN, body);
		want += (int64_t)strlen(body) / 4 + 1;
	}
	for (int i = 0; i < CROWD; i++) {
		assert_true(read_until(all[i].fd, &all[i].b, "0\r\n\r\n"));
		assert_non_null(strstr(all[i].b.data, "message_stop"));
		ff_close(&all[i].fd);
		ff_buf_fini(&all[i].b);
	}
	for (int i = 0; i < CROWD; i++) {
		json_t *msg = NULL;

		world_expect(FF_MSG_USAGE, &msg);
		in += number(msg, "tokens_in");
		assert_string_equal(json_string_value(json_object_get(msg, "outcome")), "answered");
		json_decref(msg);
	}
	assert_int_equal(in, want);
	assert_int_equal(world_asked("crowd"), CROWD);
	ff_free(&all);
}

/* --- a service that is broken, or has had enough ------------------------------------------------- */

static void halted(enum ff_err_code code)
{
	json_t *msg = NULL;

	world_expect(FF_MSG_HALT, &msg);
	assert_string_equal(json_string_value(json_object_get(json_object_get(msg, "error"), "code")), ff_err_name(code));
	assert_true(number(msg, "until_ms") > ff_clock_wall());
	json_decref(msg);
}

static void test_circuit(void **state)
{
	int64_t until = ff_clock_mono() + WORLD_DEADLINE_MS;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ask_as("e500", true, &hint, &err), -1);
	world_drain();
	/* Open: nothing is sent, the job is parked. */
	assert_int_equal(ask_as("e500", true, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_UNREACHABLE);
	assert_int_equal(world_asked("e500"), 3);
	halted(FF_E_UNREACHABLE);
	costs("e500", "parked", 0, 0, false);
	/* Until one is let go, and works. */
	while (ask_as("plain", true, &hint, &err) < 0 && ff_clock_mono() < until)
		(void)poll(NULL, 0, 50);
	assert_int_equal(world_asked("plain"), 1);
	world_drain();
	assert_int_equal(ask_as("e400", true, &hint, &err), -1);
	assert_int_equal(world_asked("e400"), 1);
	world_drain();
}

static void test_quota_parks(void **state)
{
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ask_as("after100", true, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_RATE_LIMIT);
	assert_true(hint.retry_after_ms > 90000);
	world_expect(FF_MSG_LIMITED, NULL);
	halted(FF_E_RATE_LIMIT);
	costs("after100", "parked", 0, 0, false);
	/* Nobody else asks either until then; what is in the record is free all the same. */
	assert_int_equal(ask_as("e403", true, &hint, &err), -1);
	assert_int_equal(world_asked("e403"), 0);
	halted(FF_E_RATE_LIMIT);
	costs("e403", "parked", 0, 0, false);
	assert_int_equal(ask_as("plain", true, &hint, &err), 0);
	assert_true(hint.replayed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_money_to_the_token), cmocka_unit_test(test_cache_tokens), cmocka_unit_test(test_unread_answers), cmocka_unit_test(test_models), cmocka_unit_test(test_refused_keys),
		cmocka_unit_test(test_pings_while_held), cmocka_unit_test(test_core_says_wait_and_no),
		cmocka_unit_test(test_job_ends_in_mid_answer), cmocka_unit_test(test_job_ends_in_mid_thought), cmocka_unit_test(test_tokens), cmocka_unit_test(test_another_account),
		cmocka_unit_test(test_slow_loris), cmocka_unit_test_setup(test_large_bodies, start_much),
		cmocka_unit_test(test_many_at_once), cmocka_unit_test_setup(test_circuit, start_broken), cmocka_unit_test(test_quota_parks),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
