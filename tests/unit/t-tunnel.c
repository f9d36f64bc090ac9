/* SPDX-License-Identifier: MIT */
/* What a worker may say to the server, what it hears, and what becomes of a refusal. */
#include "daemon/tunnel/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sock.h"
#include "git/push.h"
#include "ipc/frame.h"
#include "tests/lib/check.h"

#define OID "1111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222"
#define NIL "0000000000000000000000000000000000000000"
#define REF "refs/heads/claude-results/x-1"

/* A pkt-line of text, n bytes with its NULs. */
static void pkt(struct ff_buf *b, const char *text, size_t n)
{
	(void)ff_buf_addf(b, "%04zx", n + 4);
	(void)ff_buf_add(b, text, n);
}

/* Feeds the bytes in pieces of that size. */
static int feed(const struct ff_buf *in, size_t piece, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(ff_filter_fini) struct ff_filter f = { 0 };

	ff_filter_init(&f, REF, OID);
	for (size_t at = 0; at < in->len; at += piece)
		if (ff_filter_take(&f, in->data + at, in->len - at < piece ? in->len - at : piece, out, err) < 0)
			return -1;
	return 0;
}

static const char good[] = NIL " " OID " " REF "\0 report-status side-band-64k";

static void test_passes(void **state)
{
	static const size_t pieces[] = { 1, 3, 7, 100, 100000 };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(pieces); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf in, out;

		ff_buf_init(&in, 100000);
		ff_buf_init(&out, 100000);
		pkt(&in, good, sizeof good - 1);
		(void)ff_buf_adds(&in, "0000PACK");
		for (int n = 0; n < 20000; n++)
			(void)ff_buf_addc(&in, (char)n);
		ok(feed(&in, pieces[i], &out, &err));
		assert_int_equal(out.len, in.len);
		assert_memory_equal(out.data, in.data, in.len);
	}
}

/* The ref is there already, so nothing is asked for. */
static void test_passes_nothing(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf in, out;

	(void)state;
	ff_buf_init(&in, 100);
	ff_buf_init(&out, 100);
	(void)ff_buf_adds(&in, "0000");
	ok(feed(&in, 2, &out, &err));
	assert_string_equal(out.data, "0000");
	(void)ff_buf_adds(&in, "P");
	fails(PROTOCOL, "a pack without a ref", feed(&in, 1, &out, &err));
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ NIL " " TWO " " REF, "another ref or commit" }, { NIL " " OID " refs/heads/main", "another ref or commit" },
		{ NIL " " OID " " REF "-", "another ref or commit" }, { OID " " NIL " " REF, "a ref that is there" },
		{ TWO " " OID " " REF, "a ref that is there" }, { NIL " " NIL " " REF, "another ref or commit" },
		{ NIL "\t" OID " " REF, "no command" }, { NIL " " OID, "no command" }, { "push-cert\0x", "no command" },
		{ "shallow " OID, "no command" }, { "", "no pkt-line" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf in, out;

		ff_buf_init(&in, 1000);
		ff_buf_init(&out, 1000);
		pkt(&in, rows[i].text, strlen(rows[i].text));
		(void)ff_buf_adds(&in, "0000");
		fails(PROTOCOL, rows[i].why, feed(&in, 1000, &out, &err));
		fails(PROTOCOL, rows[i].why, feed(&in, 1, &out, &err));
		assert_int_equal(out.len, 0);
	}
}

static void test_refuses_more(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf in, out;

	(void)state;
	ff_buf_init(&in, 100000);
	ff_buf_init(&out, 100000);
	pkt(&in, good, sizeof good - 1);
	pkt(&in, good, sizeof good - 1);
	fails(PROTOCOL, "a second ref", feed(&in, 1000, &out, &err));
	ff_buf_clear(&in);
	for (int i = 0; i < 9000; i++)
		(void)ff_buf_adds(&in, i ? "x" : "1fff");
	fails(PROTOCOL, "", feed(&in, 100000, &out, &err));
	fails(PROTOCOL, "", feed(&in, 1, &out, &err));
	ff_buf_clear(&in);
	(void)ff_buf_adds(&in, "zzzz");
	fails(PROTOCOL, "no pkt-line", feed(&in, 1, &out, &err));
	assert_int_equal(out.len, 0);
}

/* --- frames */

static void test_frames(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out, in;
	FF_AUTO(ff_free) char *text = NULL;
	const struct ff_err failure = { .code = FF_E_TIMEOUT, .text = "too slow" };
	enum ff_frame_type type;
	int64_t soon = ff_clock_mono() + 5000;
	int fds[2];

	(void)state;
	ff_buf_init(&out, 1000000);
	ff_buf_init(&in, FF_FRAME_MAX + 1);
	ok(ff_sock_pair(fds, &err));
	ff_frame_put(&out, FF_FRAME_DATA, "a\0b", 3);
	ff_frame_put(&out, FF_FRAME_SAID, "", 0);
	ff_frame_put_end(&out, NULL, "status 1");
	ff_frame_put_end(&out, &failure, "");
	ok(ff_fd_write_all(fds[0], out.data, out.len, &err));
	ok(ff_frame_get(fds[1], soon, &type, &in, &err));
	assert_int_equal(type, FF_FRAME_DATA);
	assert_int_equal(in.len, 3);
	assert_memory_equal(in.data, "a\0b", 3);
	ok(ff_frame_get(fds[1], soon, &type, &in, &err));
	assert_int_equal(type, FF_FRAME_SAID);
	assert_int_equal(in.len, 0);
	ok(ff_frame_get(fds[1], soon, &type, &in, &err));
	ok(ff_frame_end(&in, &text, &err));
	assert_string_equal(text, "status 1");
	ok(ff_frame_get(fds[1], soon, &type, &in, &err));
	fails(TIMEOUT, "too slow", ff_frame_end(&in, &text, &err));
	fails(TIMEOUT, "no answer", ff_frame_get(fds[1], ff_clock_mono() + 1, &type, &in, &err));
	(void)close(fds[0]);
	fails(UNREACHABLE, "ended", ff_frame_get(fds[1], soon, &type, &in, &err));
	(void)close(fds[1]);
}

static void test_bad_frames(void **state)
{
	static const char rows[][5] = { { 'q', 0, 0, 0, 1 }, { 'd', 0, 1, 0, 1 }, { 'd', 127, 0, 0, 0 }, { 0, 0, 0, 0, 0 } };
	FF_AUTO(ff_buf_fini) struct ff_buf in;
	enum ff_frame_type type;

	(void)state;
	ff_buf_init(&in, FF_FRAME_MAX + 1);
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		int fds[2];

		ok(ff_sock_pair(fds, &err));
		ok(ff_fd_write_all(fds[0], rows[i], sizeof rows[i], &err));
		fails(PROTOCOL, "malformed", ff_frame_get(fds[1], ff_clock_mono() + 5000, &type, &in, &err));
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

/* --- refusals */

static void test_classes(void **state)
{
	static const struct {
		const char *reason;
		enum ff_err_code code;
	} rows[] = {
		{ "pre-receive hook declined", FF_E_NOT_ALLOWED }, { "hook declined", FF_E_NOT_ALLOWED },
		{ "deletion prohibited", FF_E_NOT_ALLOWED }, { "deny updating a hidden ref", FF_E_NOT_ALLOWED },
		{ "You are not allowed to push code to protected branches", FF_E_NOT_ALLOWED },
		{ "failed to update ref", FF_E_REF_MOVED }, { "reference already exists", FF_E_REF_MOVED },
		{ "non-fast-forward", FF_E_REF_MOVED }, { "failed to lock", FF_E_REF_MOVED },
		{ "unpacker error", FF_E_IO }, { "unable to migrate objects to permanent storage", FF_E_IO },
		{ "missing necessary objects", FF_E_GIT }, { "funny refname", FF_E_GIT }, { "", FF_E_GIT },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		assert_string_equal(ff_err_name(ff_git_push_class(rows[i].reason)), ff_err_name(rows[i].code));
	/* Only what somebody else's doing may have caused, or time mends, is tried again. */
	assert_true(ff_err_retryable(FF_E_REF_MOVED) && ff_err_retryable(FF_E_IO) && !ff_err_retryable(FF_E_NOT_ALLOWED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes), cmocka_unit_test(test_passes_nothing), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_more), cmocka_unit_test(test_frames), cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
