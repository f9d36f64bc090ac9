/* SPDX-License-Identifier: MIT */
/* Push options: what they mean, each limit reached and passed by one, and whose they are. */
#include "base/option.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ARGS 6

static const struct ff_option_limits limits = { .max_count = 5, .max_task_bytes = 10, .max_value_bytes = 8 };

static int parse(struct ff_options *o, struct ff_err *err, const char *const *args)
{
	size_t n = 0;

	while (n < MAX_ARGS && args[n])
		n++;
	return ff_options_parse(args, n, &limits, o, err);
}

static void test_good(void **state)
{
	static const struct {
		const char *args[MAX_ARGS];
		bool any, bare, skip, has_task;
		const char *task, *unknown;
	} rows[] = {
		{ { 0 }, 0, 0, 0, 0, "", NULL },
		{ { "ci.skip", "claudex=1", "Claude=x", "xclaude", "" }, 0, 0, 0, 0, "", NULL },
		{ { "claude" }, 1, 1, 0, 0, "", NULL },
		{ { "claude=do it" }, 1, 0, 0, 1, "do it", NULL },
		{ { "claude.task=a", "claude=b", "claude.task=c" }, 1, 0, 0, 1, "a\nb\nc", NULL },
		{ { "claude.task=a=b" }, 1, 0, 0, 1, "a=b", NULL },
		{ { "claude.task=a\nb" }, 1, 0, 0, 1, "a\nb", NULL },
		{ { "claude.skip" }, 0, 0, 1, 0, "", NULL },
		{ { "claude.skip=no" }, 0, 0, 0, 0, "", NULL },
		{ { "claude.skip=1", "claude=x" }, 1, 0, 1, 1, "x", NULL },
		{ { "claude.nope=1", "claude.x" }, 0, 0, 0, 0, "", "claude.nope" },
		{ { "claude.folow" }, 0, 0, 0, 0, "", "claude.folow" },
		{ { "claude.Task=x" }, 0, 0, 0, 0, "", "claude.Task" },
		{ { "claude." }, 0, 0, 0, 0, "", "claude." },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_options_fini) struct ff_options o;
		struct ff_err err = { 0 };

		if (parse(&o, &err, rows[i].args) < 0)
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(o.any, rows[i].any);
		assert_int_equal(o.bare, rows[i].bare);
		assert_int_equal(o.skip, rows[i].skip);
		assert_int_equal(o.has_task, rows[i].has_task);
		assert_string_equal(o.task.data, rows[i].task);
		if (rows[i].unknown)
			assert_string_equal(o.unknown, rows[i].unknown);
		else
			assert_null(o.unknown);
	}
}

static void test_values(void **state)
{
	static const char *const args[MAX_ARGS] = { "claude.target=refs/heads/dev", "claude.priority=high", "claude.ttl=2h",
						    "claude.retries=3", "claude.env=node-1.x" };
	static const char *const twice[MAX_ARGS] = { "claude.target=a/b", "claude.target=c", "claude.env=x", "claude.env=y",
						     "claude.priority=low" };
	FF_AUTO(ff_options_fini) struct ff_options o;
	FF_AUTO(ff_options_fini) struct ff_options o2;
	const struct ff_option_limits wide = { 5, 10, 100 };

	(void)state;
	assert_int_equal(ff_options_parse(args, 5, &wide, &o, NULL), 0);
	assert_string_equal(o.target, "dev");
	assert_true(o.has_priority && o.priority == 1);
	assert_true(o.has_ttl && o.ttl_ms == 7200000);
	assert_true(o.has_retries && o.retries == 3);
	assert_string_equal(o.env_name, "node-1.x");
	assert_int_equal(ff_options_parse(twice, 5, &wide, &o2, NULL), 0);
	assert_string_equal(o2.target, "c"); /* the last one wins, as in git */
	assert_string_equal(o2.env_name, "y");
	assert_int_equal(o2.priority, -1);
}

static void test_limits(void **state)
{
	static const struct { const char *args[MAX_ARGS]; bool ok; const char *text; } rows[] = {
		{ { "a", "b", "c", "d", "e" }, true, NULL },
		{ { "a", "b", "c", "d", "e", "f" }, false, "6 push options are over the limit of 5" },
		{ { "claude=0123456789" }, true, NULL },
		{ { "claude=0123456789a" }, false, "limit of 10 bytes: put it into a task file" },
		{ { "claude=01234", "claude=6789" }, true, NULL },
		{ { "claude=01234", "claude=67890" }, false, "limit of 10 bytes" },
		{ { "claude=0123456789", "claude.task=x" }, false, "limit of 10 bytes" },
		{ { "claude.target=12345678" }, true, NULL },
		{ { "claude.target=123456789" }, false, "claude.target: the value is over the limit of 8 bytes" },
		{ { "claude.env=123456789" }, false, "limit of 8 bytes" },
		{ { "claude.skip=000000000" }, false, "limit of 8 bytes" },
		{ { "claude.retries=100" }, true, NULL },
		{ { "claude.retries=101" }, false, "0 to 100" },
		{ { "other=a-value-that-is-longer-than-any-of-ours" }, true, NULL },
		{ { "claude.unknown=a-value-that-is-longer-than-any" }, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_options_fini) struct ff_options o;
		struct ff_err err = { 0 };
		int rc = parse(&o, &err, rows[i].args);

		if (rc != (rows[i].ok ? 0 : -1))
			fail_msg("row %zu: %d %s", i, rc, err.text);
		if (!rows[i].ok && !strstr(err.text, rows[i].text))
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void test_bad(void **state)
{
	static const struct { const char *arg, *text; } rows[] = {
		{ "claude=", "the task is empty" }, { "claude= \n\t", "the task is empty" }, { "claude.task", "the task is empty" },
		{ "claude.skip=maybe", "true or false" }, { "claude.skip=", "true or false" },
		{ "claude.target", "needs a value" }, { "claude.target=", "needs a value" },
		{ "claude.target=a..b", "'a..b' is not a branch name" }, { "claude.target=a b", "not a branch name" },
		{ "claude.target=\x1b[1m", "'\\x1b[1m' is not" }, { "claude.target=/x", "not a branch name" },
		{ "claude.priority", "low, normal or high" }, { "claude.priority=HIGH", "low, normal or high" },
		{ "claude.ttl", "30m, 2h or 1d" }, { "claude.ttl=0", "30m, 2h or 1d" }, { "claude.ttl=2", "30m, 2h or 1d" },
		{ "claude.ttl=-1h", "30m, 2h or 1d" }, { "claude.retries", "0 to 100" }, { "claude.retries=-1", "0 to 100" },
		{ "claude.retries=2x", "0 to 100" }, { "claude.env", "needs a value" }, { "claude.env=.a", "takes a name" },
		{ "claude.env=-a", "takes a name" }, { "claude.env=a/b", "takes a name" }, { "claude.env=a\n", "takes a name" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		const char *const args[MAX_ARGS] = { rows[i].arg };
		FF_AUTO(ff_options_fini) struct ff_options o;
		struct ff_err err = { 0 };

		if (parse(&o, &err, args) == 0)
			fail_msg("%s was taken", rows[i].arg);
		assert_int_equal(err.code, FF_E_INVALID);
		if (!strstr(err.text, rows[i].text))
			fail_msg("%s: %s", rows[i].arg, err.text);
	}
}

/* A key is shown to people later: it is kept short. */
static void test_unknown_is_cut(void **state)
{
	FF_AUTO(ff_free) char *arg = ff_calloc(5001, 1);
	FF_AUTO(ff_options_fini) struct ff_options o;
	const char *args[1];

	(void)state;
	memset(arg, 'x', 5000);
	memcpy(arg, "claude.", 7);
	args[0] = arg;
	assert_int_equal(ff_options_parse(args, 1, &limits, &o, NULL), 0);
	assert_int_equal(strlen(o.unknown), 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_values), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bad), cmocka_unit_test(test_unknown_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
