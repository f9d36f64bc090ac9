/* SPDX-License-Identifier: MIT */
/*
 * The gateway as it runs: flowforged --role gateway as a child, with this
 * test as core on one side and as the job on the other, and the scripted
 * model server behind it.  Charges are counted by the server.
 */
#include <fcntl.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/sock.h"
#include "model/client.h"
#include "tests/lib/gateway-world.h"

#define KEY_LINE "x-api-key: " WORLD_TOKEN "\r\n"
#define WORLD_KEY_BASE64 "c2stY2FuYXJ5LTVkMWYwYzdlOWI="
#define LARGE (3u * 1024 * 1024)

static const char scenario[] =
"{\"rules\":["
"{\"name\":\"wait\",\"match\":{\"last_user\":\"^wait\"},\"sequence\":[{\"text\":\"a long answer\",\"wait_file\":\"DIR/wait\"}]},"
"{\"name\":\"plain\",\"match\":{\"last_user\":\"plain\"},\"sequence\":[{\"text\":\"a plain answer\",\"usage\":{\"input_tokens\":11,\"output_tokens\":7}}]},"
"{\"name\":\"held\",\"match\":{\"last_user\":\"held\"},\"sequence\":[{\"text\":\"a held answer\",\"wait_file\":\"DIR/held\"}]},"
"{\"name\":\"gone\",\"match\":{\"last_user\":\"gone\"},\"sequence\":[{\"text\":\"nobody listens\",\"wait_file\":\"DIR/gone\"}]},"
"{\"name\":\"twice\",\"match\":{\"last_user\":\"twice\"},\"sequence\":[{\"text\":\"for both\",\"wait_file\":\"DIR/twice\"}]},"
"{\"name\":\"limit\",\"match\":{\"last_user\":\"limit\"},\"sequence\":[{\"error\":{\"status\":429}}]},"
"{\"name\":\"over\",\"match\":{\"last_user\":\"over\"},\"sequence\":[{\"error\":{\"status\":529}}]},"
"{\"name\":\"final\",\"match\":{\"last_user\":\"final\"},\"sequence\":[{\"error\":{\"status\":500,\"message\":\"key " WORLD_KEY " or " WORLD_KEY_BASE64 " is bad\"},\"headers\":{\"x-should-retry\":\"false\"}}]},"
"{\"name\":\"drop\",\"match\":{\"last_user\":\"drop\"},\"sequence\":[{\"drop\":\"mid_stream\"}]},"
"{\"name\":\"early\",\"match\":{\"last_user\":\"early\"},\"sequence\":[{\"end\":\"before_stop\"}]},"
"{\"name\":\"nohead\",\"match\":{\"last_user\":\"nohead\"},\"sequence\":[{\"drop\":\"before_headers\"}]},"
"{\"name\":\"broken\",\"match\":{\"last_user\":\"broken\"},\"sequence\":[{\"sse_error\":{}}]},"
"{\"name\":\"junk\",\"match\":{\"last_user\":\"junk\"},\"sequence\":[{\"malformed\":\"bad_json\"}]},"
"{\"name\":\"moved\",\"match\":{\"last_user\":\"moved\"},\"sequence\":[{\"error\":{\"status\":302},\"headers\":{\"location\":\"http://127.0.0.1:1/\"}}]},"
"{\"name\":\"silent\",\"match\":{\"last_user\":\"silent\"},\"sequence\":[{\"hang\":\"before_headers\"}]},"
"{\"name\":\"large\",\"match\":{\"last_user\":\"large\"},\"sequence\":[{\"text\":\"{{last_user}}\",\"chunk\":60000}]}"
"]}";

static int set_up(void **state)
{
	(void)state;
	world_start(scenario);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return world_stop();
}

static char *body_of(const char *text)
{
	return ff_asprintf("{\"model\":\"m\",\"max_tokens\":5,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", text);
}

static int ask(const char *text, struct ff_answer **ret, struct ff_model_hint *hint, struct ff_err *err)
{
	FF_AUTO(ff_free) char *body = body_of(text);
	struct ff_model_call call = { .socket = w.sock, .token = WORLD_TOKEN, .deadline_ms = ff_clock_mono() + WORLD_DEADLINE_MS };

	return ff_model_ask(&call, body, strlen(body), ret, hint, err);
}

static int send_raw(const char *text)
{
	int fd = -1;

	assert_int_equal(ff_sock_connect(w.sock, WORLD_DEADLINE_MS, &fd, NULL), 0);
	/* A refused request may be answered and closed before all of it is written. */
	(void)ff_fd_write_all(fd, text, strlen(text), NULL);
	return fd;
}

static int post_raw(const char *what)
{
	FF_AUTO(ff_free) char *body = body_of(what);
	FF_AUTO(ff_free) char *whole = ff_asprintf("POST /v1/messages?beta=true HTTP/1.1\r\nx-api-key: " WORLD_TOKEN "\r\ncontent-length: %zu\r\n\r\n%s",
						   strlen(body), body);

	return send_raw(whole);
}

/* Reads until the text came, or the end; true when it came. */
static bool read_until(int fd, struct ff_buf *b, const char *text)
{
	while (!strstr(b->data, text)) {
		char *to = ff_buf_room(b, 4096);
		ssize_t n = to ? recv(fd, to, 4096, 0) : -1; /* bounded by the time-out that the connect set */

		if (n <= 0)
			return false;
		ff_buf_grown(b, (size_t)n);
	}
	return true;
}

static void release(const char *name)
{
	world_put(name, "", 0600);
}

static void usage_is(bool replayed, int tokens_in)
{
	json_t *msg = NULL;

	world_expect(FF_MSG_USAGE, &msg);
	assert_int_equal(json_is_true(json_object_get(msg, "replayed")), replayed);
	assert_int_equal(json_integer_value(json_object_get(msg, "status")), 200);
	if (tokens_in)
		assert_int_equal(json_integer_value(json_object_get(msg, "tokens_in")), tokens_in);
	json_decref(msg);
}

static void test_second_time_is_free(void **state)
{
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL, *b = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ask("plain", &a, &hint, &err), 0);
	assert_false(hint.replayed);
	assert_int_equal(a->usage.output, 7);
	usage_is(false, 11);
	assert_int_equal(ask("plain", &b, &hint, &err), 0);
	assert_true(hint.replayed);
	assert_true(json_equal(a->content, b->content));
	usage_is(true, 11);
	assert_int_equal(world_asked("plain"), 1);
}

static void test_survives_the_gateway(void **state)
{
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	world_kill_gateway();
	world_start_gateway();
	assert_int_equal(ask("plain", &a, &hint, &err), 0);
	assert_true(hint.replayed);
	usage_is(true, 11);
	assert_int_equal(world_asked("plain"), 1);
}

static void test_streams_but_holds_the_end(void **state)
{
	FF_AUTO(ff_free) char *answers = world_path(WORLD_STATE "/jobs/1/answers");
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct stat before, after;
	int fd = post_raw("held");

	(void)state;
	ff_buf_init(&b, 65536);
	assert_int_equal(stat(answers, &before), 0);
	/* The server waits for us before its last event: what came until then was not kept back. */
	assert_true(read_until(fd, &b, "a held answer"));
	assert_null(strstr(b.data, "message_stop"));
	release("held");
	assert_true(read_until(fd, &b, "0\r\n\r\n"));
	assert_non_null(strstr(b.data, "message_stop"));
	assert_int_equal(stat(answers, &after), 0);
	assert_true(after.st_mtim.tv_sec != before.st_mtim.tv_sec || after.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
	ff_close(&fd);
	usage_is(false, 0);
}

static void test_client_goes_away(void **state)
{
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };
	int fd = post_raw("gone");

	(void)state;
	ff_buf_init(&b, 65536);
	assert_true(read_until(fd, &b, "nobody listens"));
	ff_close(&fd);
	release("gone");
	usage_is(false, 0); /* read to its end all the same */
	assert_int_equal(ask("gone", &a, &hint, &err), 0);
	assert_true(hint.replayed);
	usage_is(true, 0);
	assert_int_equal(world_asked("gone"), 1);
}

static void test_two_share_one_request(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b1;
	FF_AUTO(ff_buf_fini) struct ff_buf b2;
	int one = post_raw("twice"), two;

	(void)state;
	ff_buf_init(&b1, 65536);
	ff_buf_init(&b2, 65536);
	assert_true(read_until(one, &b1, "for both"));
	two = post_raw("twice");
	assert_true(read_until(two, &b2, "for both"));
	release("twice");
	assert_true(read_until(one, &b1, "0\r\n\r\n") && read_until(two, &b2, "0\r\n\r\n"));
	assert_non_null(strstr(b1.data, "message_stop"));
	assert_non_null(strstr(b2.data, "message_stop"));
	ff_close(&one);
	ff_close(&two);
	usage_is(false, 0);
	assert_int_equal(world_asked("twice"), 1);
}

static void test_failures_keep_their_class(void **state)
{
	static const struct { const char *what; enum ff_err_code code; bool again; int64_t after; } cases[] = {
		{ "limit", FF_E_RATE_LIMIT, true, -1 }, { "over", FF_E_RATE_LIMIT, true, -1 },
		{ "final", FF_E_NETWORK_ERROR, false, -1 }, { "drop", FF_E_NETWORK_ERROR, true, -1 },
		{ "early", FF_E_NETWORK_ERROR, true, -1 }, { "nohead", FF_E_NETWORK_ERROR, true, -1 },
		{ "broken", FF_E_RATE_LIMIT, true, -1 }, { "junk", FF_E_NETWORK_ERROR, true, -1 },
		{ "moved", FF_E_NETWORK_ERROR, true, -1 }, { "silent", FF_E_TIMEOUT, true, -1 },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		struct ff_answer *a = NULL;
		struct ff_model_hint hint;
		struct ff_err err = { 0 };

		print_message("# %s\n", cases[i].what);
		assert_int_equal(ask(cases[i].what, &a, &hint, &err), -1);
		assert_string_equal(ff_err_name(err.code), ff_err_name(cases[i].code));
		assert_int_equal(hint.again, cases[i].again);
		assert_int_equal(hint.retry_after_ms, cases[i].after);
		assert_null(strstr(err.text, WORLD_KEY));
		/* A failure is never recorded: the next try asks the model. */
		assert_false(hint.replayed);
	}
	world_drain();
}

static void test_limited_is_told(void **state)
{
	struct ff_answer *a = NULL;
	struct ff_model_hint hint;
	json_t *msg = NULL;

	(void)state;
	assert_int_equal(ask("limit", &a, &hint, NULL), -1);
	world_expect(FF_MSG_LIMITED, &msg);
	assert_int_equal(json_integer_value(json_object_get(msg, "status")), 429);
	json_decref(msg);
	world_expect(FF_MSG_USAGE, NULL);
}

static void refused_with(const char *request, const char *status)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fd = send_raw(request);

	ff_buf_init(&b, 65536);
	assert_true(read_until(fd, &b, "\r\n\r\n"));
	if (!strstr(b.data, status))
		print_message("# wanted %s, got %s\n", status, b.data);
	assert_non_null(strstr(b.data, status));
	ff_close(&fd);
}

static void post_refused(const char *body, const char *status)
{
	FF_AUTO(ff_free) char *whole = ff_asprintf("POST /v1/messages HTTP/1.1\r\nauthorization: Bearer " WORLD_TOKEN "\r\ncontent-length: %zu\r\n\r\n%s", strlen(body), body);

	refused_with(whole, status);
}

static void test_lets_nothing_else_through(void **state)
{
	char *long_head = ff_calloc(1, 40000);

	(void)state;
	refused_with("GET /v1/messages HTTP/1.1\r\n" KEY_LINE "\r\n", " 405 ");
	refused_with("GET /v1/models HTTP/1.1\r\n" KEY_LINE "\r\n", " 404 ");
	refused_with("POST /v1/messages/batches HTTP/1.1\r\n" KEY_LINE "\r\n", " 404 ");
	refused_with("POST /v1/messages?beta=false HTTP/1.1\r\n" KEY_LINE "\r\n", " 404 ");
	refused_with("POST /v1/messages/../files HTTP/1.1\r\n" KEY_LINE "\r\n", " 404 ");
	refused_with("HEAD / HTTP/1.1\r\n\r\n", " 200 ");
	refused_with("POST /v1/messages HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", " 501 ");
	refused_with("POST /v1/messages HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", " 400 ");
	refused_with("POST /v1/messages HTTP/1.1\r\ncontent-length: 8388609\r\n\r\n", " 413 ");
	refused_with("POST /v1/messages HTTP/1.1\nhost: x\n\r\n\r\n", " 400 ");
	refused_with("POST /v1/messages HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n", " 100 ");
	memset(long_head, 'a', 39999);
	refused_with(long_head, " 431 ");
	ff_free(&long_head);
	post_refused("no json", " 400 ");
	post_refused("{\"a\":1,\"a\":2}", " 400 ");
	post_refused("{\"messages\":[],\"mcp_servers\":[{\"url\":\"https://x\"}]}", " 403 ");
	post_refused("{\"messages\":[],\"container\":\"c\"}", " 403 ");
	post_refused("{\"messages\":[],\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"w\"}]}", " 403 ");
	post_refused("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]}]}", " 403 ");
	post_refused("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":["
		     "{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}]}]}]}", " 403 ");
}

static void test_keeps_alive(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fd = send_raw("HEAD / HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n" KEY_LINE "connection: close\r\n\r\n");

	(void)state;
	ff_buf_init(&b, 65536);
	assert_true(read_until(fd, &b, " 404 "));
	assert_non_null(strstr(b.data, " 200 "));
	assert_false(read_until(fd, &b, "never sent"));
	ff_close(&fd);
}

static void test_large_and_slow(void **state)
{
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	FF_AUTO(ff_free) char *text = ff_calloc(1, LARGE + 1);
	struct ff_model_hint hint;
	int fd;

	(void)state;
	memset(text, 'x', LARGE);
	memcpy(text, "large", 5);
	ff_buf_init(&b, 4 * LARGE);
	fd = post_raw(text);
	assert_true(read_until(fd, &b, "content_block_delta"));
	/* We read no further: more waits than socket and gateway hold for us, and others are served meanwhile. */
	assert_int_equal(ask("plain", &a, &hint, NULL), 0);
	usage_is(true, 11);
	assert_true(read_until(fd, &b, "message_stop"));
	assert_true(b.len > LARGE);
	ff_close(&fd);
	usage_is(false, 0);
}

#define MOST 16 /* gateway.max-requests, as it is without configuration */

static void test_most_requests(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf last;
	struct ff_buf b[MOST];
	int fd[MOST], more;

	(void)state;
	for (int i = 0; i < MOST; i++) {
		FF_AUTO(ff_free) char *text = ff_asprintf("wait %d", i);

		ff_buf_init(&b[i], 65536);
		fd[i] = post_raw(text);
		assert_true(read_until(fd[i], &b[i], "a long answer"));
	}
	ff_buf_init(&last, 65536);
	more = post_raw("one more");
	assert_true(read_until(more, &last, "gateway.max-requests"));
	assert_non_null(strstr(last.data, " 503 "));
	assert_null(strstr(last.data, "x-should-retry"));
	ff_close(&more);
	release("wait");
	for (int i = 0; i < MOST; i++) {
		assert_true(read_until(fd[i], &b[i], "0\r\n\r\n"));
		ff_close(&fd[i]);
		ff_buf_fini(&b[i]);
		usage_is(false, 0);
	}
	assert_int_equal(world_asked("wait"), MOST);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) <= 0; /* bounded by the time-out that the connect set */
}

static void test_most_connections(void **state)
{
	int64_t until = ff_clock_mono() + WORLD_DEADLINE_MS;
	struct ff_answer *a = NULL;
	struct ff_model_hint hint;
	int fd[2 * MOST + 1];

	(void)state;
	for (int i = 0; i <= 2 * MOST; i++)
		fd[i] = send_raw("");
	assert_true(is_closed(fd[2 * MOST]));
	for (int i = 0; i <= 2 * MOST; i++)
		ff_close(&fd[i]);
	while (ask("plain", &a, &hint, NULL) < 0 && ff_clock_mono() < until) /* until it has seen that they are gone */
		(void)poll(NULL, 0, 20);
	assert_non_null(a);
	ff_answer_free(&a);
	world_drain();
}

/* Requests that never become whole: a job may have us hold so much of them, and no more. */
static void test_most_bytes(void **state)
{
	FF_AUTO(ff_free) char *part = ff_calloc(1, 8 * 1024 * 1024);
	FF_AUTO(ff_free) char *head = ff_asprintf("POST /v1/messages HTTP/1.1\r\n" KEY_LINE "content-length: 8388608\r\n\r\n");
	int fd[5];

	(void)state;
	memset(part, ' ', 8 * 1024 * 1024 - 1);
	for (int i = 0; i < 5; i++) { /* four of gateway.max-body, and some more */
		fd[i] = send_raw(head);
		(void)ff_fd_write_all(fd[i], part, strlen(part), NULL); /* the last is closed in the middle */
	}
	assert_true(is_closed(fd[4]));
	for (int i = 0; i < 5; i++)
		ff_close(&fd[i]);
}

static void test_close_removes_the_socket(void **state)
{
	int64_t until = ff_clock_mono() + WORLD_DEADLINE_MS;
	struct stat st;

	(void)state;
	assert_int_equal(stat(w.sock, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	world_say(FF_MSG_CLOSE, json_pack("{s:i}", "job", 1));
	while (stat(w.sock, &st) == 0 && ff_clock_mono() < until)
		(void)poll(NULL, 0, 2);
	assert_int_equal(stat(w.sock, &st), -1);
	world_open_job();
}

static bool is_gone(const char *path)
{
	int64_t until = ff_clock_mono() + WORLD_DEADLINE_MS;

	while (access(path, F_OK) == 0 && ff_clock_mono() < until)
		(void)poll(NULL, 0, 2);
	return access(path, F_OK) < 0;
}

/* Its worker has removed them, and a new gateway has made them again. */
static void test_no_folder_of_an_ended_job(void **state)
{
	FF_AUTO(ff_free) char *dir = world_path(WORLD_STATE "/jobs/7"), *kept = world_path(WORLD_STATE "/jobs/8");
	FF_AUTO(ff_free) char *gate = world_path(WORLD_STATE "/jobs/8/gate");

	(void)state;
	world_open(7, WORLD_TOKEN);
	world_open(8, WORLD_TOKEN);
	world_put(WORLD_STATE "/jobs/8/of-the-worker", "", 0600);
	for (int job = 7; job <= 8; job++)
		for (int ended = 0; ended <= 1; ended++)
			world_say(FF_MSG_CLOSE, json_pack("{s:i, s:b}", "job", job, "ended", ended));
	assert_true(is_gone(dir));
	assert_true(is_gone(gate));
	assert_int_equal(access(kept, F_OK), 0); /* a sweeper's */
}

static void test_key_others_can_read(void **state)
{
	FF_AUTO(ff_free) char *key = world_path("key");
	struct ff_answer *a = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	world_stop_gateway();
	assert_int_equal(chmod(key, 0644), 0);
	world_start_gateway();
	assert_int_equal(ask("unasked", &a, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_KEY_MISSING);
	assert_false(hint.again);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_null(strstr(err.text, "the model service"));
	/* Mended while we run: the next job has it. */
	assert_int_equal(chmod(key, 0600), 0);
	world_open_job();
	assert_int_equal(ask("plain again", &a, &hint, &err), 0);
	ff_answer_free(&a);
	world_drain();
}

/* Last: by now it has been through everything above. */
static void test_key_is_nowhere(void **state)
{
	FF_AUTO(ff_free) char *model = world_path("model.log");
	FF_AUTO(ff_free) char *a = world_get(w.log), *b = world_get(model);
	struct ff_answer *answer = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	assert_null(strstr(a, WORLD_KEY));
	assert_null(strstr(b, WORLD_KEY));
	/* The scripted error quotes the key in two forms; the gateway takes both out. */
	assert_int_equal(ask("final", &answer, &hint, &err), -1);
	assert_null(strstr(err.text, WORLD_KEY));
	assert_non_null(strstr(err.text, "key [secret] or [secret]"));
	assert_null(strstr(err.text, "c2stY2FuYXJ5"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_time_is_free),
		cmocka_unit_test(test_survives_the_gateway),
		cmocka_unit_test(test_streams_but_holds_the_end),
		cmocka_unit_test(test_client_goes_away),
		cmocka_unit_test(test_two_share_one_request),
		cmocka_unit_test(test_failures_keep_their_class),
		cmocka_unit_test(test_limited_is_told),
		cmocka_unit_test(test_lets_nothing_else_through),
		cmocka_unit_test(test_keeps_alive),
		cmocka_unit_test(test_large_and_slow),
		cmocka_unit_test(test_most_requests),
		cmocka_unit_test(test_most_connections),
		cmocka_unit_test(test_most_bytes),
		cmocka_unit_test(test_close_removes_the_socket), cmocka_unit_test(test_no_folder_of_an_ended_job),
		cmocka_unit_test(test_key_others_can_read),
		cmocka_unit_test(test_key_is_nowhere),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
