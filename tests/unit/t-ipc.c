/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/sock.h"
#include "ipc/ipc.h"
#include "ipc/json.h"

static void pair(enum ff_peer other, struct ff_chan **core, struct ff_chan **peer)
{
	int fds[2];

	ff_assert(ff_sock_pair(fds, NULL) == 0);
	*core = ff_chan_new(fds[0], FF_PEER_CORE, other);
	*peer = ff_chan_new(fds[1], other, FF_PEER_CORE);
}

static void test_blocking_call(void **state)
{
	struct ff_chan *core, *worker;
	enum ff_msg_type type;
	json_t *msg;
	int64_t n;
	int fd;

	(void)state;
	pair(FF_PEER_WORKER, &core, &worker);
	assert_int_equal(ff_chan_send(core, FF_MSG_JOB, json_pack("{s:i}", "job", 7), -1, NULL), 0);
	assert_int_equal(ff_chan_send(core, FF_MSG_ACK, json_object(), -1, NULL), 0);
	assert_int_equal(ff_chan_recv(worker, 1000, &type, &msg, &fd, NULL), 0);
	assert_int_equal(type, FF_MSG_JOB);
	assert_int_equal(ff_msg_int(msg, "job", 1, 10, &n, NULL), 0);
	assert_int_equal(n, 7);
	json_decref(msg);
	assert_int_equal(ff_chan_call(worker, FF_MSG_STEP, json_object(), &type, &msg, NULL), 0);
	assert_int_equal(type, FF_MSG_ACK);
	json_decref(msg);
	ff_chan_free(&core);
	ff_chan_free(&worker);
	ff_chan_free(&worker); /* NULL is fine */
}

static void test_recv_times_out_and_ends(void **state)
{
	struct ff_chan *core, *worker;
	struct ff_err err = { 0 };
	enum ff_msg_type type;
	json_t *msg;
	int fd;

	(void)state;
	pair(FF_PEER_WORKER, &core, &worker);
	assert_int_equal(ff_chan_recv(worker, 1, &type, &msg, &fd, &err), -1);
	assert_int_equal(err.code, FF_E_TIMEOUT);
	ff_chan_free(&core);
	assert_int_equal(ff_chan_recv(worker, 1000, &type, &msg, &fd, &err), -1);
	assert_int_equal(err.code, FF_E_UNREACHABLE);
	ff_chan_free(&worker);
}

static void test_rules_of_the_table(void **state)
{
	static const char *const bad[] = {
		"{\"m\":\"job\"}\n",             /* core's own message */
		"{\"m\":\"push\"}\n",            /* another peer's */
		"{\"m\":\"nothing\"}\n", "{}\n", "[]\n", "nonsense\n", "{\"m\":\"log\",\"m\":\"log\"}\n",
		"{\"m\":\"log\",\"fd\":true}\n", /* promises a descriptor, passes none */
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++) {
		struct ff_err err = { 0 };
		enum ff_msg_type type;
		struct ff_chan *core;
		int fds[2], fd;
		json_t *msg;

		ff_assert(ff_sock_pair(fds, NULL) == 0);
		core = ff_chan_new(fds[0], FF_PEER_CORE, FF_PEER_WORKER);
		assert_true(write(fds[1], bad[i], strlen(bad[i])) > 0);
		assert_int_equal(ff_chan_recv(core, 1000, &type, &msg, &fd, &err), -1);
		assert_int_equal(err.code, FF_E_PROTOCOL);
		ff_close(&fds[1]);
		ff_chan_free(&core);
	}
}

/* Else whoever reaches hook.sock could fill core's table of descriptors. */
static void test_no_descriptor_from_strangers(void **state)
{
	static const enum ff_peer strangers[] = { FF_PEER_HOOK };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(strangers); i++) {
		struct ff_err err = { 0 };
		enum ff_msg_type type;
		struct ff_chan *core;
		int fds[2], fd;
		json_t *msg;

		ff_assert(ff_sock_pair(fds, NULL) == 0);
		core = ff_chan_new(fds[0], FF_PEER_CORE, strangers[i]);
		assert_int_equal(ff_sock_send(fds[1], "{", 1, 0), 1);
		assert_int_equal(ff_chan_recv(core, 1000, &type, &msg, &fd, &err), -1);
		assert_int_equal(err.code, FF_E_PROTOCOL);
		ff_close(&fds[1]);
		ff_chan_free(&core);
	}
}

struct seen {
	int messages, closed, fd;
	struct ff_err err;
	struct ff_loop *loop;
};

static void on_msg(void *arg, struct ff_chan *c, enum ff_msg_type type, json_t *msg, int fd)
{
	struct seen *s = arg;

	(void)c;
	(void)type;
	(void)msg;
	s->messages++;
	if (fd >= 0)
		s->fd = fd;
}

static void on_closed(void *arg, struct ff_chan *c, const struct ff_err *err)
{
	struct seen *s = arg;

	s->closed++;
	s->err = *err;
	ff_chan_free(&c);
	ff_loop_stop(s->loop);
}

static void test_line_limit(void **state)
{
	struct seen s = { .fd = -1, .loop = ff_loop_new() };
	char *big = ff_calloc(FF_IPC_LINE_MAX + 2, 1);
	struct ff_chan *core, *worker;
	struct ff_err err = { 0 };

	(void)state;
	memset(big, 'x', FF_IPC_LINE_MAX);
	pair(FF_PEER_WORKER, &core, &worker);
	assert_int_equal(ff_chan_send(worker, FF_MSG_LOG, json_pack("{s:s}", "text", big), -1, &err), -1);
	assert_int_equal(err.code, FF_E_TOO_LARGE);
	ff_chan_attach(core, s.loop, on_msg, on_closed, &s);
	assert_int_equal(fcntl(ff_chan_fd(worker), F_SETFL, O_NONBLOCK), 0);
	for (int i = 0; !s.closed && i < 100; i++) { /* a line that never ends */
		(void)!write(ff_chan_fd(worker), big, 65536);
		assert_int_equal(ff_loop_turn(s.loop, 10, NULL), 0);
	}
	assert_int_equal(s.closed, 1);
	assert_int_equal(s.err.code, FF_E_TOO_LARGE);
	ff_chan_free(&worker);
	ff_loop_free(&s.loop);
	ff_free(&big);
}

static void test_descriptors_keep_their_order(void **state)
{
	struct seen s = { .fd = -1, .loop = ff_loop_new() };
	int mem = memfd_create("t", MFD_CLOEXEC);
	struct ff_chan *core, *client;
	char text[16] = "";

	(void)state;
	assert_int_equal(write(mem, "hello", 5), 5);
	pair(FF_PEER_CLIENT, &core, &client);
	ff_chan_attach(client, s.loop, on_msg, on_closed, &s);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ff_chan_send(core, FF_MSG_ITEM, json_object(), i == 1 ? mem : -1, NULL), 0);
	ff_chan_free(&core);
	assert_int_equal(ff_loop_run(s.loop, NULL), 0);
	assert_int_equal(s.messages, 3);
	assert_int_equal(s.closed, 1);
	assert_int_equal(pread(s.fd, text, sizeof text, 0), 5);
	assert_string_equal(text, "hello");
	ff_close(&s.fd);
	ff_loop_free(&s.loop);
}

static void test_finish_closes_after_the_last_message(void **state)
{
	struct seen s = { .fd = -1, .loop = ff_loop_new() };
	struct ff_chan *core, *client;
	enum ff_msg_type type;
	json_t *msg;
	int fd;

	(void)state;
	pair(FF_PEER_CLIENT, &core, &client);
	ff_chan_attach(core, s.loop, on_msg, on_closed, &s);
	assert_int_equal(ff_chan_send(core, FF_MSG_END, json_object(), -1, NULL), 0);
	ff_chan_finish(core);
	assert_int_equal(ff_chan_recv(client, 1000, &type, &msg, &fd, NULL), 0);
	json_decref(msg);
	assert_int_equal(ff_loop_run(s.loop, NULL), 0);
	assert_int_equal(s.err.code, FF_E_NONE);
	ff_chan_free(&client);
	ff_loop_free(&s.loop);
}

static void test_queue_limit_ends_a_peer_that_does_not_read(void **state)
{
	struct seen s = { .fd = -1, .loop = ff_loop_new() };
	char *big = ff_calloc(200001, 1);
	struct ff_chan *core, *client;

	(void)state;
	memset(big, 'x', 200000);
	pair(FF_PEER_CLIENT, &core, &client);
	ff_chan_attach(core, s.loop, on_msg, on_closed, &s);
	for (int i = 0; i < FF_IPC_QUEUE_MAX / 200000 + 4; i++)
		assert_int_equal(ff_chan_send(core, FF_MSG_ITEM, json_pack("{s:s}", "data", big), -1, NULL), 0);
	assert_int_equal(ff_loop_run(s.loop, NULL), 0);
	assert_int_equal(s.err.code, FF_E_TOO_LARGE);
	ff_chan_free(&client);
	ff_loop_free(&s.loop);
	ff_free(&big);
}

static void test_fields(void **state)
{
	struct ff_err err = { 0 };
	json_t *m = json_pack("{s:s,s:i,s:b,s:{s:s},s:n,s:{s:s}}", "s", "x", "i", 5, "b", 1, "raw", "b64", "/w==",
			      "null", "bad", "b64", "AA==");
	FF_AUTO(ff_free) char *raw = NULL;
	FF_AUTO(ff_free) char *none = NULL;
	const char *s = NULL;
	bool b = false;
	int64_t n = 0;
	json_t *j;

	(void)state;
	assert_int_equal(ff_msg_str(m, "s", &s, &err), 0);
	assert_int_equal(ff_msg_str(m, "i", &s, &err), -1);
	assert_int_equal(ff_msg_str(m, "null", &s, &err), -1);
	assert_int_equal(ff_msg_opt_str(m, "null", &s, &err), 0);
	assert_null(s);
	assert_int_equal(ff_msg_int(m, "i", 0, 5, &n, &err), 0);
	assert_int_equal(ff_msg_int(m, "i", 6, 9, &n, &err), -1);
	assert_int_equal(ff_msg_int(m, "s", 0, 9, &n, &err), -1);
	assert_int_equal(ff_msg_bool(m, "b", &b, &err), 0);
	assert_true(b);
	assert_int_equal(ff_msg_bool(m, "s", &b, &err), -1);
	assert_int_equal(ff_msg_bytes(m, "raw", &raw, &err), 0);
	assert_string_equal(raw, "\xff");
	assert_int_equal(ff_msg_bytes(m, "bad", &none, &err), -1); /* a NUL byte */
	assert_int_equal(ff_msg_bytes(m, "absent", &none, &err), 0);
	assert_null(none);
	j = ff_json_from_bytes("\xff");
	assert_string_equal(json_string_value(json_object_get(j, "b64")), "/w==");
	json_decref(j);
	json_decref(m);
	ff_err_set(&err, FF_E_NOT_FOUND, "gone\n");
	j = ff_json_from_err(&err);
	ff_err_set(&err, FF_E_INTERNAL, "x");
	assert_int_equal(ff_err_from_json(j, &err), -1);
	assert_int_equal(err.code, FF_E_NOT_FOUND);
	json_decref(j);
}

/* Our reader and writer say of every text what jansson says, whether it is plain or not. */
static void test_json_is_what_jansson_says(void **state)
{
	static const char *const texts[] = {
		"{}", " { \"a\" : [ ] , \"b\":[1,-2,0,-0,123456789012345678] }\r\n\t", "{\"a\":{\"b\":{\"c\":[[],[{}]]}}}",
		"{\"a\":true,\"b\":false,\"c\":null}", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"a\":\"\\u00e4\\ud83d\\ude00\"}",
		"{\"a\":\"\xc3\xa4\xf0\x9f\x98\x80 \x7f\"}", "{\"\":\"\"}", "{\"a\":1.5e3}", "{\"a\":9223372036854775807}",
		"{\"\xc3\xa4\":1}", "{\"\\n\":1}", "{\"a\":\"\\u0001\\u001f\"}",
		"{\"a234567890123456789012345678901234567890123456789012345678901234567890\":1}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
		/* and what is wrong */
		"", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":1}x", "{\"a\":1}{}", "[1,2", "[1,]",
		"{\"a\":1,\"a\":2}", "{\"a\":01}", "{\"a\":-}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":tru}", "{\"a\":truex}", "{\"a\":nul",
		"{\"a\":\"\n\"}", "{\"a\":\"\\\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\", "{\"a\":\"\\u0000\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}", "{\"\xff\":1}", "{\"a\":99999999999999999999}", "{'a':1}", "{\"a\":\"", "{\"a\":\"b", "[]", "1", "\"a\"",
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(texts); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf out;
		json_t *theirs = json_loadb(texts[i], strlen(texts[i]), JSON_REJECT_DUPLICATES, NULL);
		json_t *ours = ff_json_parse(texts[i], strlen(texts[i]), NULL);
		char *text;

		if (!json_is_object(theirs)) {
			assert_null(ours);
			json_decref(theirs);
			continue;
		}
		assert_non_null(ours);
		assert_true(json_equal(ours, theirs));
		ff_buf_init(&out, 1024);
		ff_json_write(&out, ours);
		text = json_dumps(theirs, JSON_COMPACT);
		for (char *p = text; *p; p++) /* \u001F or \u001f is the same */
			if (p[0] == '\\' && p[1] == 'u')
				for (int k = 2; k < 6; k++)
					p[k] |= p[k] > '9' ? 0x20 : 0;
		assert_string_equal(out.data, text);
		free(text);
		json_decref(ours);
		json_decref(theirs);
	}
}

/* A message that came in pieces of text is read as one of objects is. */
static void test_json_member_by_member(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	json_t *ours, *theirs = json_pack("{s:I,s:s,s:n,s:s,s:{s:s},s:n}", "n", (json_int_t)INT64_MIN, "t", "a\"b", "none", "bytes",
					  "\xc3\xa4", "b64", "b64", "/w==", "nothing");

	(void)state;
	ff_buf_init(&out, 1024);
	(void)ff_buf_addc(&out, '{');
	ff_json_put_int(&out, "n", INT64_MIN);
	ff_json_put_text(&out, "t", "a\"b");
	ff_json_put_text(&out, "none", NULL);
	ff_json_put_bytes(&out, "bytes", "\xc3\xa4");
	ff_json_put_bytes(&out, "b64", "\xff");
	ff_json_put_bytes(&out, "nothing", NULL);
	(void)ff_buf_addc(&out, '}');
	ours = ff_json_parse(out.data, out.len, NULL);
	assert_true(json_equal(ours, theirs));
	json_decref(ours);
	json_decref(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocking_call),
		cmocka_unit_test(test_no_descriptor_from_strangers),
		cmocka_unit_test(test_recv_times_out_and_ends),
		cmocka_unit_test(test_rules_of_the_table),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_descriptors_keep_their_order),
		cmocka_unit_test(test_finish_closes_after_the_last_message),
		cmocka_unit_test(test_queue_limit_ends_a_peer_that_does_not_read),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_json_is_what_jansson_says),
		cmocka_unit_test(test_json_member_by_member),
	};

	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
