/* SPDX-License-Identifier: MIT */
/* Heads, streams and answers of the Messages API, and the bytes of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/client.h"
#include "model/head.h"

static const char start[] = "event: message_start\ndata: {\"message\":{\"model\":\"claude-x\",\"usage\":{\"input_tokens\":10,"
	"\"cache_read_input_tokens\":4,\"output_tokens\":1}}}\n\n";
static const char text_block[] =
	"event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
	"event: ping\ndata: {}\n\n"
	"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\xc3\xa9\"}}\n\n"
	"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"llo\"}}\n\n"
	"event: content_block_stop\ndata: {\"index\":0}\n\n";
static const char end[] = "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n"
	"event: message_delta\ndata: {\"delta\":{},\"usage\":{\"output_tokens\":25}}\n\n"
	"event: message_stop\ndata: {}\n\n";

static void add(void *arg, const char *text, size_t n)
{
	(void)ff_buf_add(arg, text, n);
}

static int feed(struct ff_answer *a, const char *text, struct ff_err *err)
{
	return ff_answer_feed(a, text, strlen(text), err);
}

static void test_stream(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf seen;
	struct ff_answer *a;
	struct ff_err err = { 0 };

	(void)state;
	ff_buf_init(&seen, 100);
	a = ff_answer_new(add, &seen);
	assert_int_equal(feed(a, start, &err), 0);
	assert_int_equal(feed(a, text_block, &err), 0);
	assert_false(a->complete);
	assert_int_equal(feed(a, end, &err), 0);
	assert_true(a->complete);
	assert_string_equal(seen.data, "h\xc3\xa9llo");
	assert_string_equal(a->model, "claude-x");
	assert_int_equal(a->stop, FF_STOP_END_TURN);
	/* Cumulative: the last number counts, not the sum. */
	assert_int_equal(a->usage.output, 25);
	assert_int_equal(a->usage.input, 10);
	assert_int_equal(a->usage.cache_read, 4);
	assert_int_equal(json_array_size(a->content), 1);
	ff_answer_free(&a);
}

static void test_thinking_and_unknown_come_back_unchanged(void **state)
{
	static const char stream[] =
		"event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"
		"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"deep\"}}\n\n"
		"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n"
		"event: content_block_stop\ndata: {\"index\":0}\n\n"
		"event: content_block_start\ndata: {\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"xyz\"}}\n\n"
		"event: content_block_stop\ndata: {\"index\":1}\n\n"
		"event: content_block_start\ndata: {\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"bash\",\"input\":{}}}\n\n"
		"event: content_block_delta\ndata: {\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"command\\\":\"}}\n\n"
		"event: content_block_delta\ndata: {\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"ls\\\"}\"}}\n\n"
		"event: content_block_stop\ndata: {\"index\":2}\n\n";
	FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL);
	json_t *want = json_pack("[{s:s,s:s,s:s},{s:s,s:s},{s:s,s:s,s:s,s:{s:s}}]",
		"type", "thinking", "thinking", "deep", "signature", "c2ln", "type", "redacted_thinking", "data", "xyz",
		"type", "tool_use", "id", "t1", "name", "bash", "input", "command", "ls");

	(void)state;
	assert_int_equal(feed(a, start, NULL), 0);
	assert_int_equal(feed(a, stream, NULL), 0);
	assert_int_equal(feed(a, end, NULL), 0);
	assert_true(json_equal(a->content, want));
	json_decref(want);
}

static void test_cut_call_has_no_input(void **state)
{
	static const char stream[] =
		"event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"bash\",\"input\":{}}}\n\n"
		"event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"command\\\":\\\"rm -r\"}}\n\n"
		"event: content_block_stop\ndata: {\"index\":0}\n\n";
	FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL);

	(void)state;
	assert_int_equal(feed(a, start, NULL), 0);
	assert_int_equal(feed(a, stream, NULL), 0);
	assert_int_equal(feed(a, end, NULL), 0);
	assert_int_equal(json_object_size(json_object_get(json_array_get(a->content, 0), "input")), 0);
}

static void test_broken_streams(void **state)
{
	static const struct { const char *text; enum ff_err_code code; } cases[] = {
		{ "event: message_start\ndata: {\"message\":{\n\n", FF_E_PROTOCOL },
		{ "event: message_start\ndata: []\n\n", FF_E_PROTOCOL },
		{ "event: content_block_delta\ndata: {\"index\":7,\"delta\":{}}\n\n", FF_E_PROTOCOL },
		{ "event: content_block_stop\ndata: {\"index\":-1}\n\n", FF_E_PROTOCOL },
		{ "event: message_stop\ndata: {}\n\n", FF_E_PROTOCOL },
		{ "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n", FF_E_RATE_LIMIT },
		{ "event: error\ndata: {\"error\":{\"type\":\"api_error\"}}\n\n", FF_E_NETWORK_ERROR },
		{ "event: error\ndata: {\"error\":{\"type\":\"invalid_request_error\"}}\n\n", FF_E_MODEL_REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL);
		struct ff_err err = { 0 };

		assert_int_equal(feed(a, cases[i].text, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_false(a->complete);
	}
}

static void test_too_many_blocks(void **state)
{
	FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL);
	struct ff_err err = { 0 };
	int i, rc = 0;

	(void)state;
	assert_int_equal(feed(a, start, NULL), 0);
	for (i = 0; i <= FF_ANSWER_BLOCKS_MAX && rc == 0; i++) {
		FF_AUTO(ff_free) char *e = ff_asprintf("event: content_block_start\ndata: {\"index\":%d,\"content_block\":{\"type\":\"text\"}}\n\n", i);

		rc = feed(a, e, &err);
	}
	assert_int_equal(i, FF_ANSWER_BLOCKS_MAX + 1);
	assert_int_equal(err.code, FF_E_TOO_LARGE);
}

static void test_body(void **state)
{
	static const char good[] = "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}],"
		"\"stop_reason\":\"max_tokens\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}";
	FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL);
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_answer_body(a, good, strlen(good) - 5, &err), -1);
	assert_int_equal(err.code, FF_E_PROTOCOL);
	assert_int_equal(ff_answer_body(a, good, strlen(good), &err), 0);
	assert_int_equal(a->stop, FF_STOP_MAX_TOKENS);
	assert_int_equal(a->usage.output, 2);
}

/* A context that the service made shorter first was billed beside the message. */
static void test_iterations(void **state)
{
	static const char good[] = "{\"type\":\"message\",\"model\":\"m\",\"content\":[],\"stop_reason\":\"end_turn\",\"usage\":{"
		"\"input_tokens\":10,\"output_tokens\":2,\"cache_read_input_tokens\":3,\"iterations\":["
		"{\"type\":\"compaction\",\"input_tokens\":1000,\"output_tokens\":50,\"cache_read_input_tokens\":7},"
		"{\"type\":\"message\",\"input_tokens\":10,\"output_tokens\":2,\"cache_read_input_tokens\":3}]}}";
	static const char again[] = "event: message_delta\ndata: {\"delta\":{},\"usage\":{\"input_tokens\":11,\"output_tokens\":20,"
		"\"iterations\":[{\"type\":\"compaction\",\"output_tokens\":5},{\"type\":\"compaction\",\"output_tokens\":9223372036854775807},7]}}\n\n";
	FF_AUTO(ff_answer_free) struct ff_answer *a = ff_answer_new(NULL, NULL), *b = ff_answer_new(NULL, NULL);

	(void)state;
	assert_int_equal(ff_answer_body(a, good, strlen(good), NULL), 0);
	assert_int_equal(a->usage.input, 1010);
	assert_int_equal(a->usage.output, 52);
	assert_int_equal(a->usage.cache_read, 10);
	/* In a stream it is said more than once, each time as a whole. */
	assert_int_equal(ff_answer_feed(b, start, sizeof start - 1, NULL), 0);
	assert_int_equal(ff_answer_feed(b, again, sizeof again - 1, NULL), 0);
	assert_int_equal(b->usage.input, 11);
	assert_int_equal(b->usage.output, INT64_MAX);
}

static void test_classes(void **state)
{
	(void)state;
	assert_int_equal(ff_model_class(429, NULL), FF_E_RATE_LIMIT);
	assert_int_equal(ff_model_class(529, NULL), FF_E_RATE_LIMIT);
	assert_int_equal(ff_model_class(500, NULL), FF_E_NETWORK_ERROR);
	assert_int_equal(ff_model_class(409, NULL), FF_E_NETWORK_ERROR);
	assert_int_equal(ff_model_class(408, NULL), FF_E_TIMEOUT);
	for (int final = 400; final <= 404; final++)
		assert_false(ff_err_retryable(ff_model_class(final, NULL)));
	assert_false(ff_err_retryable(ff_model_class(413, NULL)));
}

static char *body_of(bool reverse)
{
	const char *system[] = { "rules", "", NULL };
	json_t *tool = reverse ? json_pack("{s:s, s:s}", "name", "bash", "description", "d")
			       : json_pack("{s:s, s:s}", "description", "d", "name", "bash");
	json_t *tools = json_pack("[o]", tool), *messages = json_pack("[{s:s, s:[{s:s, s:s}]}]", "role", "user",
		"content", "type", "text", "text", "hi");
	const struct ff_model_request r = {
		.model = "m", .max_tokens = 5, .system = system, .tools = tools, .messages = messages,
	};
	char *body = ff_model_body(&r);

	/* The mark for the cache is in what is sent, not in the conversation. */
	assert_null(json_object_get(json_array_get(json_object_get(json_array_get(messages, 0), "content"), 0), "cache_control"));
	json_decref(tools);
	json_decref(messages);
	return body;
}

static void test_same_conversation_same_bytes(void **state)
{
	FF_AUTO(ff_free) char *one = body_of(false), *two = NULL;
	(void)state;
	two = body_of(true);
	assert_string_equal(one, two);
	assert_string_equal(one, "{\"max_tokens\":5,\"messages\":[{\"content\":[{\"cache_control\":{\"type\":\"ephemeral\"},\"text\":\"hi\","
		"\"type\":\"text\"}],\"role\":\"user\"}],\"model\":\"m\",\"stream\":true,\"system\":[{\"cache_control\":{\"type\":\"ephemeral\"},"
		"\"text\":\"rules\",\"type\":\"text\"}],\"tools\":[{\"description\":\"d\",\"name\":\"bash\"}]}");
}

static void test_nobody_there(void **state)
{
	struct ff_model_call call = { .socket = "/nonexistent/gw.sock" };
	struct ff_answer *a = NULL;
	struct ff_model_hint hint;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_model_ask(&call, "{}", 2, &a, &hint, &err), -1);
	assert_int_equal(err.code, FF_E_UNREACHABLE);
	assert_true(hint.again);
	assert_null(a);
}

static void test_heads(void **state)
{
	static const struct { const char *text; ssize_t want; enum ff_err_code code; } cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18, FF_E_NONE }, { "GET / HTTP/1.1\r\n", 0, FF_E_NONE },
		{ "GET / HTTP/1.0\r\n\r\n", -1, FF_E_UNSUPPORTED }, { "GET  / HTTP/1.1\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\nA : b\r\n\r\n", -1, FF_E_PROTOCOL }, { "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\nA: b\r\n\r\n", -1, FF_E_PROTOCOL }, { "GET / HTTP/1.1\r\nA: \x01\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", -1, FF_E_PROTOCOL },
		{ "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -1, FF_E_UNSUPPORTED },
		{ "\r\n\r\n", -1, FF_E_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		struct ff_err err = { 0 };
		struct ff_head h;

		assert_int_equal(ff_head_parse(cases[i].text, strlen(cases[i].text), &h, &err), cases[i].want);
		assert_int_equal(err.code, cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_thinking_and_unknown_come_back_unchanged),
		cmocka_unit_test(test_cut_call_has_no_input),
		cmocka_unit_test(test_broken_streams),
		cmocka_unit_test(test_too_many_blocks),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_iterations), cmocka_unit_test(test_classes),
		cmocka_unit_test(test_same_conversation_same_bytes),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
