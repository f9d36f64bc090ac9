/* SPDX-License-Identifier: MIT */
/* The base without files and processes: memory, buffers, errors, numbers, time, text, names. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"

/* --- buffers */

static void test_buf_limits(void **state)
{
	(void)state;
	for (size_t max = 0; max <= 130; max++) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(ff_buf_addc(&b, 'x'), 0);
		assert_false(b.overflow);
		assert_int_equal(ff_buf_add(&b, "", 0), 0);
		assert_int_equal(ff_buf_addc(&b, 'x'), -1);
		assert_true(b.overflow);
		assert_int_equal(b.len, max);
		assert_int_equal(strlen(b.data), max);
	}
}

/* Nothing was ever added, so there is no room yet but the NUL's. */
static void test_buf_empty(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	FF_AUTO(ff_free) char *taken = NULL;

	(void)state;
	ff_buf_init(&b, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(ff_buf_adds(&b, ""), 0);
	assert_int_equal(ff_buf_addf(&b, "%s", ""), 0);
	assert_non_null(ff_buf_room(&b, 0));
	ff_buf_grown(&b, 0);
	ff_buf_consume(&b, 0);
	assert_false(b.overflow);
	assert_null(ff_buf_room(&b, 1));
	assert_true(b.overflow);
	ff_buf_clear(&b);
	assert_false(b.overflow);
	taken = ff_buf_take(&b);
	assert_string_equal(taken, "");
	assert_string_equal(b.data, "");
	ff_buf_fini(&b);
	ff_buf_fini(&b);
}

static void test_buf_all_or_nothing(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	FF_AUTO(ff_free) char *taken = NULL;

	(void)state;
	ff_buf_init(&b, 5);
	assert_int_equal(ff_buf_adds(&b, "abc"), 0);
	assert_int_equal(ff_buf_adds(&b, "def"), -1);
	assert_string_equal(b.data, "abc");
	assert_int_equal(ff_buf_addf(&b, "%d", 45), 0);
	assert_string_equal(b.data, "abc45");
	ff_buf_consume(&b, 2);
	assert_string_equal(b.data, "c45");
	assert_int_equal(ff_buf_add(&b, "\0z", 2), 0);
	assert_memory_equal(b.data, "c45\0z", 6);
	assert_null(ff_buf_room(&b, SIZE_MAX));
	taken = ff_buf_take(&b);
	assert_memory_equal(taken, "c45\0z", 6);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.max, 5);
}

/* --- memory */

static void test_mem(void **state)
{
	char *p = ff_strdup("x"), *q;
	unsigned char *zero = ff_calloc(0, 0);
	char secret[8] = "secret!";
	int fd = -1;

	(void)state;
	assert_null(ff_strdup(NULL));
	q = ff_steal(&p);
	assert_null(p);
	assert_string_equal(q, "x");
	ff_free(&q);
	assert_null(q);
	ff_free(&q);
	ff_free(&zero);
	ff_wipe(secret, sizeof secret);
	assert_memory_equal(secret, "\0\0\0\0\0\0\0\0", 8);
	ff_close(&fd);
	assert_int_equal(fd, -1);
}

/* --- errors */

/* Resident pages that are those of a file. */
static long file_pages(void)
{
	long all, resident, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld %ld", &all, &resident, &shared), 3);
	assert_int_equal(fclose(f), 0);
	return shared;
}

static void test_drop_code(void **state)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%d", 7);
	long before = file_pages();

	(void)state;
	ff_proc_drop_code();
	assert_true(file_pages() < before);
	assert_string_equal(text, "7"); /* what was written stays, and the code is still there */
}

static void test_err(void **state)
{
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_err_set(NULL, FF_E_IO, "x"), -1);
	assert_int_equal(ff_err_wrap(NULL, "x"), -1);
	assert_int_equal(ff_err_set(&err, FF_E_NOT_FOUND, "no job %d", 7), -1);
	assert_int_equal(ff_err_wrap(&err, "retry"), -1);
	assert_string_equal(err.text, "retry: no job 7");
	assert_int_equal(err.code, FF_E_NOT_FOUND);
	assert_int_equal(ff_err_set(&err, err.code, "again: %s", err.text), -1); /* its own text as an argument */
	assert_string_equal(err.text, "again: retry: no job 7");
}

static void test_err_cut(void **state)
{
	(void)state;
	for (int pad = 240; pad < 262; pad++) {
		FF_AUTO(ff_free) char *s = ff_calloc((size_t)pad + 1, 1);
		struct ff_err err = { 0 };

		memset(s, 'x', (size_t)pad);
		ff_err_set(&err, FF_E_IO, "%s\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", s);
		assert_true(ff_utf8_valid(err.text, strlen(err.text)));
		assert_true(strlen(err.text) >= FF_ERR_TEXT_MAX - 3 || pad + 9 < FF_ERR_TEXT_MAX);
		ff_err_wrap(&err, "%s", "\xf0\x9f\x98\x80");
		assert_true(ff_utf8_valid(err.text, strlen(err.text)));
		ff_err_wrap(&err, "%s", s);
		assert_int_equal(err.code, FF_E_IO);
	}
}

static void test_err_table(void **state)
{
	(void)state;
	for (int i = 0; i < FF_E_COUNT; i++) {
		assert_int_equal(ff_err_by_name(ff_err_name((enum ff_err_code)i)), i);
		assert_true(*ff_err_meaning((enum ff_err_code)i));
		assert_in_range(ff_err_http((enum ff_err_code)i), 200, 599);
		assert_in_range(ff_err_exit((enum ff_err_code)i), i ? 1 : 0, 5);
	}
	assert_int_equal(ff_err_by_name("NO_SUCH"), FF_E_INTERNAL);
	assert_string_equal(ff_err_name((enum ff_err_code)999), "INTERNAL");
	assert_true(ff_err_retryable(FF_E_TIMEOUT));
	assert_false(ff_err_retryable(FF_E_INVALID));
}

/* --- numbers */

static void test_i64(void **state)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "--1", "-", "1x", "0x1", "1e3", "9223372036854775808",
					   "-9223372036854775809", "1.0", "\xd9\xa1" };
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++)
		assert_int_equal(ff_num_i64(bad[i], INT64_MIN, INT64_MAX, &v), -1);
	assert_true(v == 77);
	assert_int_equal(ff_num_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(ff_num_i64("007", 0, 7, &v), 0);
	assert_true(v == 7);
	assert_int_equal(ff_num_i64("8", 0, 7, &v), -1);
	assert_int_equal(ff_num_i64("-1", 0, 7, &v), -1);
}

static void test_size_and_duration(void **state)
{
	static const struct { const char *s; int64_t size, ms; } rows[] = { /* -1: refused */
		{ "0", 0, 0 }, { "1", 1, -1 }, { "1k", 1024, -1 }, { "2M", 2097152, -1 }, { "3g", 3221225472, -1 },
		{ "1kb", -1, -1 }, { "1 k", -1, -1 }, { "k", -1, -1 }, { "-1k", -1, -1 }, { "", -1, -1 },
		{ "8589934592g", -1, -1 }, { "1ms", -1, 1 }, { "1s", -1, 1000 }, { "2m", 2097152, 120000 },
		{ "1h", -1, 3600000 }, { "1d", -1, 86400000 }, { "1D", -1, -1 }, { "1hs", -1, -1 }, { "-1s", -1, -1 },
		{ "0s", -1, 0 }, { "106751991168d", -1, -1 }, { "1h30m", -1, -1 },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		int64_t v = -7;

		assert_int_equal(ff_num_size(rows[i].s, &v), rows[i].size < 0 ? -1 : 0);
		assert_true(v == (rows[i].size < 0 ? -7 : rows[i].size));
		v = -7;
		assert_int_equal(ff_num_duration(rows[i].s, &v), rows[i].ms < 0 ? -1 : 0);
		assert_true(v == (rows[i].ms < 0 ? -7 : rows[i].ms));
	}
}

static void test_digits(void **state)
{
	static const struct { const char *s; int bits; } rows[] = {
		{ "1", 2 }, { "1,3", 10 }, { "1-3", 14 }, { "1-2,4", 22 }, { "4", 16 }, { "none", 0 }, { "", 0 }, { "5", -1 },
		{ "0", -1 }, { "3-1", -1 }, { "1-", -1 }, { "1,", -1 }, { ",1", -1 }, { "1 3", -1 }, { "13", -1 }, { "1-9", -1 },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		unsigned bits = 99;

		assert_int_equal(ff_num_digits(rows[i].s, 4, &bits), rows[i].bits < 0 ? -1 : 0);
		assert_int_equal(bits, rows[i].bits < 0 ? 99 : (unsigned)rows[i].bits);
	}
}

static void test_bool_and_hex(void **state)
{
	unsigned char bytes[3] = { 1, 2, 3 };
	char hex[7];
	int v = 9;

	(void)state;
	assert_int_equal(ff_num_bool("Yes", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(ff_num_bool("OFF", &v), 0);
	assert_int_equal(v, 0);
	v = 9;
	assert_int_equal(ff_num_bool("", &v), -1);
	assert_int_equal(ff_num_bool("2", &v), -1);
	assert_int_equal(v, 9);
	assert_int_equal(ff_unhex("00fFg0", 3, bytes), -1);
	assert_int_equal(ff_unhex("00f", 3, bytes), -1);
	assert_int_equal(ff_unhex("00ffAA0", 3, bytes), -1);
	assert_memory_equal(bytes, "\1\2\3", 3);
	assert_int_equal(ff_unhex("00fFa5", 3, bytes), 0);
	ff_hex(bytes, 3, hex);
	assert_string_equal(hex, "00ffa5");
}

/* --- time */

static void test_clock(void **state)
{
	static const struct { int64_t ms; const char *want; } rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" }, { 951782400007, "2000-02-29T00:00:00.007Z" },
		{ 253402300799999, "9999-12-31T23:59:59.999Z" }, { -1, "-" }, { INT64_MAX, "292278994-08-17T07:12:55.807Z" },
	};
	char out[FF_CLOCK_TEXT];
	int64_t before = ff_clock_mono();

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		ff_clock_format(rows[i].ms, out);
		assert_string_equal(out, rows[i].want);
	}
	ff_clock_set_wall(12345);
	assert_true(ff_clock_wall() == 12345);
	ff_clock_set_wall(-1);
	assert_true(ff_clock_wall() > 1600000000000);
	assert_true(ff_clock_mono() >= before);
}

/* --- text */

static void test_utf8(void **state)
{
	static const struct { const char *s; bool valid; } rows[] = {
		{ "", true }, { "plain", true }, { "\xc3\xa9", true }, { "\xe2\x82\xac", true }, { "\xf0\x9f\x98\x80", true },
		{ "\xf4\x8f\xbf\xbf", true }, { "\xed\x9f\xbf", true }, { "\xee\x80\x80", true },
		{ "\x80", false }, { "\xc3", false }, { "\xc0\xaf", false }, { "\xc1\xbf", false }, { "\xe0\x80\xaf", false },
		{ "\xe0\x9f\xbf", false }, { "\xf0\x80\x80\xaf", false }, { "\xf0\x8f\xbf\xbf", false },
		{ "\xed\xa0\x80", false }, { "\xed\xbf\xbf", false }, { "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false }, { "\xff", false }, { "\xe2\x82", false }, { "\xe2\x28\xa1", false },
		{ "ok\xf0\x9f\x98", false },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		assert_int_equal(ff_utf8_valid(rows[i].s, strlen(rows[i].s)), rows[i].valid);
	assert_true(ff_utf8_valid("a\0b", 3));
}

static void test_utf8_cut(void **state)
{
	static const char euro[] = "a\xe2\x82\xac" "b", clef[] = "\xf0\x9d\x84\x9e";

	(void)state;
	for (size_t most = 0; most < 8; most++) {
		assert_int_equal(ff_utf8_cut(euro, 5, most), most >= 5 ? 5 : most == 4 ? 4 : most ? 1 : 0);
		assert_int_equal(ff_utf8_cut(clef, 4, most), most >= 4 ? 4 : 0);
		assert_int_equal(ff_utf8_cut("\x80\x80\x80\x80\x80\x80\x80\x80", 8, most), most); /* no text: nothing to keep whole */
	}
}

/* Every byte, and the code points that change how text is shown, through each kind of output. */
static void test_every_byte(void **state)
{
	static const unsigned hidden[] = { 0x80, 0x85, 0x9b, 0xad, 0x61c, 0x200b, 0x200e, 0x202a, 0x202e, 0x2028, 0x2066, 0x2069, 0xfeff, 0xe0041 };
	struct ff_buf in, out;

	(void)state;
	ff_buf_init(&in, 4096);
	ff_buf_init(&out, 65536);
	for (unsigned c = 0; c < 256; c++)
		(void)ff_buf_addc(&in, (char)c);
	for (size_t i = 0; i < FF_ARRAY_LEN(hidden); i++) {
		unsigned c = hidden[i];
		const char two[] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 63)) };
		const char three[] = { (char)(0xe0 | (c >> 12 & 15)), (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63)) };
		const char four[] = { (char)0xf3, (char)0xa0, (char)(0x80 | (c >> 6 & 63)), (char)(0x80 | (c & 63)) };

		(void)ff_buf_add(&in, c < 0x800 ? two : c < 0x10000 ? three : four, c < 0x800 ? 2 : c < 0x10000 ? 3 : 4);
		assert_true(ff_text_hidden(c));
	}
	ff_text_show(&out, in.data, in.len, 0);
	ff_text_html(&out, in.data, in.len);
	ff_text_header(&out, in.data, in.len, 0);
	assert_false(in.overflow || out.overflow);
	for (size_t i = 0; i < out.len;) {
		unsigned cp = 0, n = ff_utf8_next(out.data + i, out.len - i, &cp);

		assert_true(n && !ff_text_hidden(cp));
		i += n;
	}
	ff_buf_clear(&out);
	ff_text_html(&out, "<a href=\"x\" id='y'>&\033[31m\n", 26);
	assert_string_equal(out.data, "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\\x1b[31m\\n");
	ff_buf_clear(&out);
	ff_text_header(&out, "a b\r\nX: \303\251%", 11, 0);
	assert_string_equal(out.data, "a b%0D%0AX: %C3%A9%25");
	ff_buf_clear(&out);
	ff_text_header(&out, "ab\ncd", 5, 4); /* never half of one */
	assert_string_equal(out.data, "ab");
	ff_buf_fini(&in);
	ff_buf_fini(&out);
}

static void test_shown(void **state)
{
	static const struct { const char *s; size_t columns; const char *want; } rows[] = {
		{ "plain", 0, "plain" }, { "a\nb\tc\rd", 0, "a\\nb\\tc\\x0dd" }, { "\x1b[31m", 0, "\\x1b[31m" },
		{ "\x7f", 0, "\\x7f" }, { "\xc2\x9b", 0, "\\xc2\\x9b" }, /* C1: an escape in eight bits */
		{ "a\xe2\x80\xae" "b", 0, "a\\xe2\\x80\\xaeb" }, /* right-to-left override */
		{ "\xe2\x81\xa6x\xe2\x81\xa9", 0, "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9" }, /* isolates */
		{ "\xe2\x80\x8b", 0, "\\xe2\\x80\\x8b" }, { "\xef\xbb\xbf", 0, "\\xef\\xbb\\xbf" },
		{ "\xe2\x80\xa8", 0, "\\xe2\\x80\\xa8" }, { "\xf3\xa0\x81\x81", 0, "\\xf3\\xa0\\x81\\x81" },
		{ "\xff\xc3", 0, "\\xff\\xc3" }, { "caf\xc3\xa9", 0, "caf\xc3\xa9" },
		{ "12345", 5, "12345" }, { "123456", 5, "12345..." }, { "\xc3\xa9\xc3\xa9\xc3\xa9", 2, "\xc3\xa9\xc3\xa9..." },
		{ "", 5, "" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *got = ff_text_shown(rows[i].s, rows[i].columns);

		assert_string_equal(got, rows[i].want);
	}
}

static void test_json(void **state)
{
	static const struct { const char *s; size_t n; const char *want; } rows[] = {
		{ "a\"\\\n", 4, "\"a\\\"\\\\\\u000a\"" }, { "\x1f\x7f", 2, "\"\\u001f\\u007f\"" },
		{ "\xc3\xa9", 2, "\"\xc3\xa9\"" }, { "", 0, "\"\"" }, { "\xff", 1, "{\"b64\":\"/w==\"}" },
		{ "a\0b", 3, "{\"b64\":\"YQBi\"}" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, 100);
		ff_text_json_bytes(&b, rows[i].s, rows[i].n);
		assert_string_equal(b.data, rows[i].want);
	}
}

/* The vectors of RFC 4648, section 10. */
static void test_base64(void **state)
{
	static const struct { const char *plain, *b64; } rows[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff", "+/8=" },
	};
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "A===", "Zm9v\n", "Zm-_",
					   "Zg =", "=Zg=" };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;
		FF_AUTO(ff_buf_fini) struct ff_buf back;

		ff_buf_init(&b, 100);
		ff_buf_init(&back, 100);
		ff_text_b64(&b, rows[i].plain, strlen(rows[i].plain));
		assert_string_equal(b.data, rows[i].b64);
		assert_int_equal(ff_text_unb64(&back, b.data, b.len), 0);
		assert_string_equal(back.data, rows[i].plain);
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, 100);
		(void)ff_buf_adds(&b, "kept");
		assert_int_equal(ff_text_unb64(&b, bad[i], strlen(bad[i])), -1);
		assert_string_equal(b.data, "kept");
	}
	{
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, 0);
		assert_int_equal(ff_text_unb64(&b, "Zm9v", 4), -1); /* no room */
		assert_string_equal(b.data, "");
	}
}

static void test_glob(void **state)
{
	static const struct { const char *glob, *s; bool want; } rows[] = {
		{ "refs/heads/claude/*", "refs/heads/claude/x/y", true }, { "refs/heads/claude/*", "refs/heads/claude/", true },
		{ "refs/heads/claude/*", "refs/heads/claude", false }, { "*", "", true }, { "", "", true }, { "", "a", false },
		{ "a", "", false }, { "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXbYbZ", false }, { "?", "a", true },
		{ "?", "", false }, { "*/x", "a/b/x", true }, { "**", "abc", true }, { "a?c", "abc", true }, { "[a]", "a", false },
		{ "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		assert_int_equal(ff_glob_match(rows[i].glob, rows[i].s), rows[i].want);
	assert_true(ff_starts("abc", "") && ff_starts("abc", "ab") && !ff_starts("ab", "abc"));
	assert_true(ff_ends("abc", "") && ff_ends("abc", "bc") && !ff_ends("bc", "abc"));
}

/* The rules of git-check-ref-format(1). */
static void test_ref_names(void **state)
{
	static const struct { const char *name; bool want; } rows[] = {
		{ "refs/heads/main", true }, { "refs/heads/a/b/c", true }, { "refs/heads/-rf", true },
		{ "refs/heads/$(id)", true }, { "refs/heads/@", true }, { "refs/heads/a@b", true },
		{ "refs/heads/\xff", true }, { "refs/heads/a.lockb", true }, { "refs/heads/a.b", true },
		{ "main", false }, { "", false }, { "/", false }, { "@", false }, { "refs//main", false },
		{ "/refs/main", false }, { "refs/main/", false }, { "refs/.main", false }, { "refs/main.", false },
		{ "refs/a..b", false }, { "refs/a.lock", false }, { "refs/a.lock/b", false }, { "refs/a@{b", false },
		{ "refs/a b", false }, { "refs/a\tb", false }, { "refs/a\x7f", false }, { "refs/a~", false },
		{ "refs/a^", false }, { "refs/a:", false }, { "refs/a?", false }, { "refs/a*", false },
		{ "refs/a[", false }, { "refs/a\\", false }, { "refs/a\nb", false }, { "refs/a./b", true },
	};
	FF_AUTO(ff_free) char *longest = ff_calloc(1026, 1);

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		if (ff_ref_valid(rows[i].name) != rows[i].want)
			fail_msg("%s", rows[i].name);
	memset(longest, 'x', 1024);
	memcpy(longest, "refs/", 5);
	assert_true(ff_ref_valid(longest));
	longest[1024] = 'x';
	assert_false(ff_ref_valid(longest));
}

static void test_oids(void **state)
{
	char hex[66] = { 0 };

	(void)state;
	for (size_t n = 0; n <= 65; n++) {
		memset(hex, 'a', n);
		assert_int_equal(ff_oid_valid(hex), n == 40 || n == 64);
	}
	assert_false(ff_oid_valid("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(ff_oid_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaag"));
	assert_true(ff_oid_zero("0000000000000000000000000000000000000000"));
	assert_false(ff_oid_zero("0000000000000000000000000000000000000001"));
	assert_false(ff_oid_zero(""));
}

static void test_arena(void **state)
{
	FF_AUTO(ff_arena_fini) struct ff_arena arena = { 0 };
	char *text, *big;

	(void)state;
	text = ff_arena_dup0(&arena, "abcdef", 3);
	assert_string_equal(text, "abc");
	for (size_t n = 0; n < 40000; n = n * 2 + 1) {
		unsigned char *p = ff_arena_alloc(&arena, n);

		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	big = ff_arena_array(&arena, 1000, 1000);
	memset(big, 'x', 1000000);
	assert_string_equal(text, "abc");
	assert_true(arena.bytes >= 1000000);
	ff_arena_fini(&arena);
	assert_null(arena.block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_limits), cmocka_unit_test(test_buf_empty),
		cmocka_unit_test(test_buf_all_or_nothing), cmocka_unit_test(test_mem),
		cmocka_unit_test(test_drop_code), cmocka_unit_test(test_err), cmocka_unit_test(test_err_cut),
		cmocka_unit_test(test_err_table), cmocka_unit_test(test_i64),
		cmocka_unit_test(test_size_and_duration), cmocka_unit_test(test_digits), cmocka_unit_test(test_bool_and_hex),
		cmocka_unit_test(test_clock), cmocka_unit_test(test_utf8), cmocka_unit_test(test_utf8_cut),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_shown), cmocka_unit_test(test_json),
		cmocka_unit_test(test_base64), cmocka_unit_test(test_glob),
		cmocka_unit_test(test_ref_names), cmocka_unit_test(test_oids),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
