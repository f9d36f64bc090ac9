/* SPDX-License-Identifier: MIT */
/* Prices, and whether a request still fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/price.h"
#include "job/budget.h"

static void test_money(void **state)
{
	static const struct { const char *text; int64_t micro; } good[] = {
		{ "0", 0 }, { "2", 2000000 }, { "2.5", 2500000 }, { "0.000001", 1 }, { "12.034", 12034000 }, { "0.10", 100000 },
	};
	static const char *const bad[] = { "", ".5", "1.", "-1", "-0.5", "1.-5", "1,5", "$1", "1e3", "1.0000001", " 1", "1 ", "1.2.3",
					   "9223372036854775807" };
	char out[FF_PRICE_TEXT];
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(good); i++) {
		assert_int_equal(ff_price_money(good[i].text, &v), 0);
		assert_int_equal(v, good[i].micro);
	}
	v = 77;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++)
		assert_int_equal(ff_price_money(bad[i], &v), -1);
	assert_int_equal(v, 77);
	ff_price_text(2500000, out);
	assert_string_equal(out, "$2.5000");
	ff_price_text(1, out);
	assert_string_equal(out, "$0.000001");
	ff_price_text(INT64_MAX, out);
	assert_string_equal(out, "$9223372036854.775807");
}

static void test_lines(void **state)
{
	static const char *const bad[] = { "", "m", "m 1 2 3", "m 1 2 3 4 5", "m 1 2 3 4 5 6 7", "m 1 2 3 x", "m 1 2 3 -4", "m 1 2 3 4 0 5",
					   "m 1 2 3 4 100 0", "m 1 2 3 4000000" };
	struct ff_price p;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++)
		assert_int_equal(ff_price_parse(bad[i], &p, NULL), -1);
	assert_int_equal(ff_price_parse("claude-x-* 4 20\t0.20  5 100000 5", &p, NULL), 0);
	assert_string_equal(p.glob, "claude-x-*");
	assert_int_equal(p.output, 20000000);
	assert_int_equal(p.long_from, 100000);
	assert_int_equal(p.long_factor, 5);
}

static void test_find(void **state)
{
	static const char *const own[] = { "claude-opus-5-5 1 1 1 1", "x-* 100 1 1 1", NULL };
	struct ff_price p;

	(void)state;
	assert_true(ff_price_find(NULL, "claude-opus-5-5", &p));
	assert_int_equal(p.input, 4000000);
	assert_true(ff_price_find(own, "claude-opus-5-5", &p));
	assert_int_equal(p.input, 1000000);
	assert_true(ff_price_find(own, "claude-opus-5-5-20261001", &p));
	assert_int_equal(p.input, 4000000);
	/* One that nobody knows costs as much as the dearest, of each kind. */
	assert_false(ff_price_find(own, "gpt", &p));
	assert_int_equal(p.input, 100000000);
	assert_int_equal(p.output, 20000000);
	assert_int_equal(p.cache_write, 5000000);
}

static void test_cost(void **state)
{
	struct ff_price sonnet, haiku;
	const struct ff_tokens a = { .input = 1000, .output = 100, .cache_read = 10000, .cache_write = 2000, .cache_write_1h = 500 };
	struct ff_tokens b = { .input = 1, .cache_read = 99999 }, huge = { .input = INT64_MAX / 2, .output = INT64_MAX / 2 };

	(void)state;
	assert_true(ff_price_find(NULL, "claude-sonnet-5-5", &sonnet) && ff_price_find(NULL, "claude-haiku-5-5", &haiku));
	/* 1000 * 2 + 100 * 10 + 10000 * 0.10 + 1500 * 2.50 + 500 * 4, in millionths */
	assert_int_equal(ff_price_cost(&sonnet, &a), 2000 + 1000 + 1000 + 3750 + 2000);
	assert_int_equal(ff_price_cost(&haiku, &b), 1001); /* 1000.09, rounded up */
	b.output = 1;
	b.input = 2; /* over 100,000 with what was in the cache: five times as much */
	assert_int_equal(ff_price_cost(&haiku, &b), 5004); /* 5 * (0.2 + 0.5 + 999.99) = 5003.45 */
	assert_int_equal(ff_price_cost(&sonnet, &huge), INT64_MAX);
	assert_int_equal(ff_price_cost(&sonnet, &(struct ff_tokens){ 0 }), 0);
}

static void test_check(void **state)
{
	struct ff_budget b = { 0 };
	const struct ff_amount ask = { 100, 1000 };
	enum ff_scope scope = FF_SCOPES;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_budget_check(&b, &ask, &scope, &err), 0); /* no limits */
	for (int s = 0; s < FF_SCOPES; s++) {
		b = (struct ff_budget){ 0 };
		b.limit[s].microusd = 1000;
		b.used[s].microusd = 900;
		assert_int_equal(ff_budget_check(&b, &ask, &scope, &err), 0);
		b.used[s].microusd = 901;
		assert_int_equal(ff_budget_check(&b, &ask, &scope, &err), -1);
		assert_int_equal(scope, s);
		assert_int_equal(err.code, FF_E_BUDGET);
		assert_non_null(strstr(err.text, "$0.000901 of $0.0010 "));
		b = (struct ff_budget){ 0 };
		b.limit[s].tokens = 1999;
		b.used[s].tokens = 1000;
		assert_int_equal(ff_budget_check(&b, &ask, &scope, &err), -1);
		assert_int_equal(scope, s);
		assert_non_null(strstr(err.text, "1000 of 1999 tokens"));
	}
	b = (struct ff_budget){ 0 };
	b.limit[FF_SCOPE_DAY].microusd = INT64_MAX - 1;
	b.used[FF_SCOPE_DAY].microusd = INT64_MAX - 10; /* the sum does not wrap */
	assert_int_equal(ff_budget_check(&b, &ask, &scope, &err), -1);
	assert_false(ff_scope_renews(FF_SCOPE_JOB));
	assert_true(ff_scope_renews(FF_SCOPE_PUSHER));
	assert_int_equal(ff_budget_renewed_ms(0), 86400000);
	assert_int_equal(ff_budget_renewed_ms(86399999), 86400000);
}

static void test_worst(void **state)
{
	struct ff_price p;
	struct ff_amount a;

	(void)state;
	assert_int_equal(ff_price_parse("m 2 10 0.10 2.50", &p, NULL), 0);
	a = ff_budget_worst(&p, 2997, 1000, false);
	assert_int_equal(a.tokens, 1000 + 1000);
	assert_int_equal(a.microusd, 2500 + 10000);
	/* Written into the cache of an hour each token costs twice the input. */
	a = ff_budget_worst(&p, 2997, 1000, true);
	assert_int_equal(a.tokens, 1000 + 1000);
	assert_int_equal(a.microusd, 4000 + 10000);
	assert_int_equal(ff_price_parse("m 2 10 0.10 1", &p, NULL), 0);
	assert_int_equal(ff_budget_worst(&p, 2997, 1000, false).microusd, 2000 + 10000);
	assert_int_equal(ff_price_parse("m 0 0 0 0", &p, NULL), 0);
	assert_int_equal(ff_budget_worst(&p, 2997, 1000, true).tokens, 1000 + 1000);
}

static void test_never_fits(void **state)
{
	struct ff_budget b = { .limit = { [FF_SCOPE_DAY] = { 1000, 50 } }, .used = { [FF_SCOPE_DAY] = { 999, 49 } } };

	(void)state;
	assert_false(ff_budget_never_fits(&b, &(struct ff_amount){ 1000, 50 }, FF_SCOPE_DAY));
	assert_true(ff_budget_never_fits(&b, &(struct ff_amount){ 1001, 1 }, FF_SCOPE_DAY));
	assert_true(ff_budget_never_fits(&b, &(struct ff_amount){ 1, 51 }, FF_SCOPE_DAY));
	assert_false(ff_budget_never_fits(&b, &(struct ff_amount){ 5000, 5000 }, FF_SCOPE_PUSHER)); /* no limit */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_money), cmocka_unit_test(test_lines), cmocka_unit_test(test_find), cmocka_unit_test(test_cost),
		cmocka_unit_test(test_check), cmocka_unit_test(test_worst), cmocka_unit_test(test_never_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
