/* SPDX-License-Identifier: MIT */
/* The typed side towards core: what is fetched, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "tests/lib/gateway-world.h"

static const char scenario[] = "{\"rules\":["
	"{\"name\":\"post\",\"match\":{\"body\":\"hello\"},\"sequence\":[{\"raw\":\"got it\",\"status\":202}]},"
	"{\"name\":\"quote\",\"match\":{\"body\":\"quote\"},\"sequence\":[{\"raw\":\"your key is " WORLD_KEY "\",\"status\":400}]},"
	"{\"name\":\"form\",\"match\":{\"body\":\"other form\"},\"sequence\":[{\"raw\":\"c2stY2FuYXJ5LTVkMWYwYzdlOWI=\",\"status\":400}]},"
	"{\"name\":\"moved\",\"match\":{\"body\":\"moved\"},\"sequence\":[{\"error\":{\"status\":302},\"headers\":{\"location\":\"http://127.0.0.1:1/\"}}]},"
	"{\"name\":\"slow\",\"match\":{\"body\":\"slow\"},\"sequence\":[{\"hang\":\"before_headers\"}]},"
	"{\"name\":\"much\",\"match\":{\"body\":\"much\"},\"sequence\":[{\"raw\":\"0123456789012345678901234567890123456789\"}]}]}";

static int set_up(void **state)
{
	(void)state;
	world_start(scenario);
	/* Its address is known only now. */
	world_stop_gateway();
	w.settings = ff_asprintf("[destination \"near\"]\nurl = %s/v1\nprivate = true\nsecret-file = %s/key\nsecret-header = x-api-key:\n"
		"max-bytes = 35\n"
		"[destination \"public\"]\nurl = %s/v1\n[destination \"name\"]\nurl = http://localhost:1/v1\n"
		"[destination \"six\"]\nurl = http://[::1]:1/v1\n[destination \"mapped\"]\nurl = http://[::ffff:127.0.0.1]:1/v1\n"
		"[destination \"meta\"]\nurl = http://169.254.169.254/latest\n[destination \"short\"]\nurl = http://2130706433/\n"
		"[destination \"octal\"]\nurl = http://0177.0.0.1/\n[destination \"nobody\"]\nurl = http://127.0.0.1:1/\nprivate = true\n"
		"[destination \"nosecret\"]\nurl = %s/v1\nprivate = true\nsecret-file = %s/none\n", w.url, w.dir, w.url, w.url, w.dir);
	world_start_gateway();
	return 0;
}

static int tear_down(void **state)
{
	char *settings = (char *)(uintptr_t)w.settings;
	int rc = world_stop();

	(void)state;
	ff_free(&settings);
	return rc;
}

static json_t *fetch_more(const char *to, const char *method, const char *path, const char *body, json_t *more)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b64;
	json_t *msg, *got = NULL;
	static int id;

	/* The server answers what looks like a request to a model. */
	FF_AUTO(ff_free) char *whole = *body ? ff_asprintf("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}", body)
					    : ff_strdup("");

	ff_buf_init(&b64, 65536);
	ff_text_b64(&b64, whole, strlen(whole));
	msg = json_pack("{s:i, s:s, s:s, s:s, s:s}", "id", ++id, "to", to, "method", method, "path", path, "body", b64.data);
	(void)json_object_update_new(msg, more ? more : json_object());
	world_say(FF_MSG_FETCH, msg);
	world_expect(FF_MSG_FETCHED, &got);
	assert_int_equal(json_integer_value(json_object_get(got, "id")), id);
	return got;
}

static json_t *fetch(const char *to, const char *body)
{
	return fetch_more(to, "POST", "/messages", body, NULL);
}

static void body_is(json_t *got, int status, const char *text)
{
	const char *b64 = json_string_value(json_object_get(got, "body"));
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 65536);
	if (!b64)
		print_message("# %s\n", json_dumps(got, 0));
	assert_non_null(b64);
	assert_int_equal(json_integer_value(json_object_get(got, "status")), status);
	assert_int_equal(ff_text_unb64(&b, b64, strlen(b64)), 0);
	assert_non_null(strstr(b.data, text));
	json_decref(got);
}

static void failed(json_t *got, const char *code)
{
	const char *said = json_string_value(json_object_get(json_object_get(got, "error"), "code"));

	if (!said || strcmp(said, code))
		print_message("# wanted %s: %s\n", code, json_dumps(got, 0));
	assert_non_null(said);
	assert_string_equal(said, code);
	json_decref(got);
}

/* The server refuses whoever does not bring the key, so the secret went with it. */
static void test_fetches(void **state)
{
	json_t *got = fetch("near", "hello");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json_object_get(got, "headers"), "content-type")), "text/plain");
	body_is(got, 202, "got it");
	assert_int_equal(world_asked("post"), 1);
	got = fetch_more("near", "HEAD", "", "", NULL);
	assert_null(json_object_get(got, "error"));
	json_decref(got);
}

static void test_secret_stays_here(void **state)
{
	FF_AUTO(ff_free) char *log = NULL;

	(void)state;
	body_is(fetch("near", "quote"), 400, "your key is ****");
	body_is(fetch("near", "other form"), 400, "[secret]"); /* base64 */
	log = world_get(w.log);
	assert_null(strstr(log, WORLD_KEY));
	failed(fetch("nosecret", "hello"), "INVALID");
}

static void test_addresses_that_are_not_public(void **state)
{
	static const char *const to[] = { "public", "name", "six", "mapped", "meta", "short", "octal" };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(to); i++)
		failed(fetch(to[i], "hello"), "NOT_ALLOWED");
	assert_int_equal(world_asked("post"), 1); /* of the test above */
}

static void test_limits(void **state)
{
	(void)state;
	failed(fetch("near", "much"), "TOO_LARGE");
	failed(fetch_more("near", "POST", "/messages", "slow", json_pack("{s:i}", "timeout_ms", 200)), "TIMEOUT");
	failed(fetch("nobody", "hello"), "NETWORK_ERROR");
	failed(fetch("unheard of", "hello"), "NOT_FOUND");
}

static void test_no_redirect(void **state)
{
	json_t *got;

	(void)state;
	got = fetch_more("near", "POST", "/messages", "moved", NULL);
	/* Its error text is over max-bytes, or its status is told; never what lies at the other address. */
	assert_true(json_integer_value(json_object_get(got, "status")) == 302 ||
		    !strcmp(json_string_value(json_object_get(json_object_get(got, "error"), "code")), "TOO_LARGE"));
	json_decref(got);
}

static void test_what_may_be_asked(void **state)
{
	static const char *const methods[] = { "CONNECT", "get", "POST x", "" }, *const paths[] = {
		"messages", "@evil", "/a b", "/../x", "/x/..", "/x#y", "/\r\nhost: x", "/\\x" };
	static const char *const headers[] = { "host", "authorization", "content-length", "transfer-encoding", "cookie", "X-Upper", "a b", "" };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(methods); i++)
		failed(fetch_more("near", methods[i], "/messages", "hello", NULL), "INVALID");
	for (size_t i = 0; i < FF_ARRAY_LEN(paths); i++)
		failed(fetch_more("near", "POST", paths[i], "hello", NULL), "INVALID");
	for (size_t i = 0; i < FF_ARRAY_LEN(headers); i++)
		failed(fetch_more("near", "POST", "/messages", "hello", json_pack("{s:{s:s}}", "headers", headers[i], "x")), "INVALID");
	failed(fetch_more("near", "POST", "/messages", "hello", json_pack("{s:{s:s}}", "headers", "x-a", "b\r\nhost: evil")), "INVALID");
	failed(fetch_more("near", "POST", "/messages", "hello", json_pack("{s:s}", "body", "no base64!")), "INVALID");
	body_is(fetch_more("near", "POST", "/messages", "hello", json_pack("{s:{s:s}}", "headers", "x-event", "job.completed")), 202, "got it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetches), cmocka_unit_test(test_secret_stays_here), cmocka_unit_test(test_addresses_that_are_not_public),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_no_redirect), cmocka_unit_test(test_what_may_be_asked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
