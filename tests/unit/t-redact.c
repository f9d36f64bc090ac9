/* SPDX-License-Identifier: MIT */
/* Known secrets are found in every form that a program is likely to print, wherever the pieces are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/redact.h"

/* With a blank, a slash, a quote and bytes that base64 writes with its last two characters. */
#define SECRET "pa\"ss w/ord\xfb\xff\xbe!end"

static int set_up(void **state)
{
	struct ff_redact *r = ff_redact_new();

	ff_redact_add(r, SECRET, strlen(SECRET));
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct ff_redact *r = *state;

	ff_redact_free(&r);
	assert_null(r);
	return 0;
}

static void becomes(struct ff_redact *r, const char *text, const char *want)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(r, text);

	assert_string_equal(clean ? clean : text, want);
}

static void plain(void **state)
{
	becomes(*state, "nothing here", "nothing here");
	becomes(*state, "a " SECRET ".", "a [secret].");
	becomes(*state, SECRET SECRET, "[secret][secret]");
	becomes(*state, "pa\"ss w/ord", "pa\"ss w/ord"); /* a part is none */
	assert_false(ff_redact_found(NULL, SECRET, strlen(SECRET)));
	assert_null(ff_redact_text(NULL, SECRET));
}

static const char base64_plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Written again here, another way, so that a mistake is not made twice. */
static char *base64(const char *p, const char *digits)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = strlen(p), len = 0;
	char *out = ff_calloc(4 * (n / 3 + 1) + 1, 1);

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)u[i] << 16 | (i + 1 < n ? (unsigned)u[i + 1] << 8 : 0) | (i + 2 < n ? u[i + 2] : 0u);

		out[len++] = digits[v >> 18];
		out[len++] = digits[v >> 12 & 63];
		out[len++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[len++] = i + 2 < n ? digits[v & 63] : '=';
	}
	return out;
}

static void in_base64(void **state)
{
	static const char *const around[][2] = { { "", "" }, { "u", "" }, { "us", "x" }, { "user:", "" }, { "us:", "tail" }, { "u", "ta" } };

	for (size_t i = 0; i < FF_ARRAY_LEN(around); i++) {
		for (int url = 0; url < 2; url++) {
			FF_AUTO(ff_free) char *text = ff_asprintf("%s" SECRET "%s", around[i][0], around[i][1]);
			FF_AUTO(ff_free) char *coded = base64(text, url ? base64_url : base64_plain);
			FF_AUTO(ff_free) char *clean = ff_redact_text(*state, coded);

			assert_non_null(clean);
			/* Of the value nothing but what shares a character with its surroundings is left. */
			assert_true(strlen(clean) <= strlen(FF_REDACT_MARK) + 4 * (strlen(around[i][0]) + strlen(around[i][1])) / 3 + 8);
		}
	}
}

static void in_other_forms(void **state)
{
	becomes(*state, "x=706122737320772f6f7264fbffbe21656e64;", "x=[secret];");
	becomes(*state, "x=706122737320772F6F7264FBFFBE21656E64;", "x=[secret];");
	becomes(*state, "?k=pa%22ss%20w%2Ford%FB%FF%BE%21end&", "?k=[secret]&");
	becomes(*state, "?k=pa%22ss%20w%2ford%fb%ff%be%21end&", "?k=[secret]&");
	becomes(*state, "?k=pa%22ss+w%2Ford%FB%FF%BE%21end&", "?k=[secret]&");
	becomes(*state, "/pa%22ss%20w/ord%FB%FF%BE%21end/", "/[secret]/");
	becomes(*state, "{\"k\":\"pa\\\"ss w/ord\xfb\xff\xbe!end\"}", "{\"k\":\"[secret]\"}");
}

static void short_and_long(void **state)
{
	struct ff_redact *r = ff_redact_new();

	(void)state;
	ff_redact_add(r, "seven77\n", 8);
	assert_true(ff_redact_empty(r));
	becomes(r, "seven77", "seven77");
	ff_redact_add(r, "eight888\n\n", 10);
	becomes(r, "=eight888=", "=[secret]=");
	ff_redact_free(&r);
}

/* Of a key in lines each line is found, but not its frame. */
static void lines(void **state)
{
	static const char pem[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nQyNTUxOQAAACDabcdefghijk\nshort\n"
				  "-----END OPENSSH PRIVATE KEY-----\n";
	struct ff_redact *r = ff_redact_new();

	(void)state;
	ff_redact_add(r, pem, strlen(pem));
	becomes(r, "2: QyNTUxOQAAACDabcdefghijk", "2: [secret]");
	becomes(r, "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----");
	becomes(r, "short", "short");
	ff_redact_free(&r);
}

static void overlapping(void **state)
{
	struct ff_redact *r = ff_redact_new();

	(void)state;
	ff_redact_add(r, "abcdefgh1234", 12);
	ff_redact_add(r, "1234zyxwvuts", 12);
	ff_redact_add(r, "abcdefgh", 8);
	becomes(r, "_abcdefgh1234zyxwvuts_", "_[secret]_");
	becomes(r, "_abcdefgh123_", "_[secret]123_");
	ff_redact_free(&r);
}

static char *streamed(struct ff_redact *r, const char *text, size_t step)
{
	FF_AUTO(ff_redact_stream_fini) struct ff_redact_stream s = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf out = { 0 };
	size_t n = strlen(text);

	ff_buf_init(&out, 1 << 20);
	ff_redact_stream_init(&s, r);
	for (size_t i = 0; i < n; i += step)
		ff_redact_feed(&s, text + i, n - i < step ? n - i : step, &out);
	ff_redact_end(&s, &out);
	return ff_buf_take(&out);
}

static void in_pieces(void **state)
{
	struct ff_redact *r = ff_redact_new();
	static const char text[] = "before " SECRET " x aaaaaaaaaaaaaaaaaaaaaaaa pa\"ss w/or 706122737320772f6f7264fbffbe21656e64 " SECRET SECRET " end";
	FF_AUTO(ff_free) char *whole = NULL;

	(void)state;
	ff_redact_add(r, SECRET, strlen(SECRET));
	ff_redact_add(r, "aaaaaaaa", 8); /* overlaps itself */
	whole = ff_redact_text(r, text);
	assert_string_equal(whole, "before [secret] x [secret] pa\"ss w/or [secret] [secret][secret] end");
	for (size_t step = 1; step < sizeof text; step++) {
		FF_AUTO(ff_free) char *got = streamed(r, text, step);

		assert_string_equal(got, whole);
	}
	ff_redact_free(&r);
}

/* A thousand secrets, and none of a hundred thousand lines is taken for one. */
static void many(void **state)
{
	struct ff_redact *r = ff_redact_new();
	FF_AUTO(ff_free) char *last = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		ff_free(&last);
		last = ff_asprintf("secret-number-%d-%08x", i, (unsigned)i * 2654435761u);
		ff_redact_add(r, last, strlen(last));
	}
	assert_true(ff_redact_found(r, last, strlen(last)));
	for (int i = 0; i < 20000; i++) {
		FF_AUTO(ff_free) char *line = ff_asprintf("secret-number-%d is no secret, and neither is %08x", i, (unsigned)i);

		assert_false(ff_redact_found(r, line, strlen(line)));
	}
	ff_redact_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_base64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_other_forms, set_up, tear_down),
		cmocka_unit_test(short_and_long),
		cmocka_unit_test(lines),
		cmocka_unit_test(overlapping),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("redact", tests, NULL, NULL);
}
