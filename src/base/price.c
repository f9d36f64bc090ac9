/* SPDX-License-Identifier: MIT */
/* See price.h. */
#include "base/price.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"

#define MILLION 1000000
/* A cache entry of one hour is written at twice the price of input. */
#define HOUR_FACTOR 2
/* Dollars per million tokens: nobody asks more, and no product overflows. */
#define PRICE_MAX ((int64_t)100000 * MILLION)

/* The public list of late 2026; an operator's own lines come first. */
static const char *const builtin[] = {
	"claude-opus-* 4 20 0.20 5",
	"claude-sonnet-* 2 10 0.10 2.50",
	"claude-haiku-* 0.10 0.50 0.01 0.125 100000 5",
	NULL
};

int ff_price_money(const char *text, int64_t *ret)
{
	FF_AUTO(ff_free) char *whole = ff_strdup(text);
	char *point = strchr(whole, '.');
	int64_t dollars, part = 0, r;
	size_t n = 0;

	if (point) {
		*point++ = '\0';
		n = strlen(point);
	}
	if (*whole == '-' || ff_num_i64(whole, 0, INT64_MAX, &dollars) < 0)
		return -1;
	if (point && (!n || n > 6 || *point == '-' || ff_num_i64(point, 0, MILLION - 1, &part) < 0))
		return -1;
	for (; n && n < 6; n++)
		part *= 10;
	if (__builtin_mul_overflow(dollars, (int64_t)MILLION, &r) || __builtin_add_overflow(r, part, &r))
		return -1;
	*ret = r;
	return 0;
}

void ff_price_text(int64_t microusd, char out[FF_PRICE_TEXT])
{
	int64_t rest = microusd % MILLION;

	/* Four digits, as they are read; six where four would say nothing. */
	if (rest % 100)
		(void)snprintf(out, FF_PRICE_TEXT, "$%" PRId64 ".%06" PRId64, microusd / MILLION, rest);
	else
		(void)snprintf(out, FF_PRICE_TEXT, "$%" PRId64 ".%04" PRId64, microusd / MILLION, rest / 100);
}

#define WORDS_MAX 7

/* The words of a copy of the line; more than WORDS_MAX are counted, not kept. */
static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t n = 0;

	for (char *at = line; *at; ) {
		size_t len = strcspn(at, " \t");

		if (len && n < WORDS_MAX)
			words[n] = at;
		n += len != 0;
		at += len;
		if (*at)
			*at++ = '\0';
	}
	return n;
}

int ff_price_parse(const char *line, struct ff_price *ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *copy = ff_strdup(line);
	struct ff_price p = { .long_factor = 1 };
	int64_t *const to[] = { &p.input, &p.output, &p.cache_read, &p.cache_write };
	char *words[WORDS_MAX] = { NULL };
	size_t n = split(copy, words);

	if (n != 5 && n != WORDS_MAX)
		return ff_err_set(err, FF_E_INVALID, "must be GLOB INPUT OUTPUT CACHE-READ CACHE-WRITE [LONG-FROM LONG-FACTOR], "
				  "prices in dollars per million tokens");
	if (strlen(words[0]) > FF_PRICE_GLOB_MAX)
		return ff_err_set(err, FF_E_INVALID, "has a model of over %d bytes", FF_PRICE_GLOB_MAX);
	memcpy(p.glob, words[0], strlen(words[0]) + 1);
	for (size_t i = 0; i < FF_ARRAY_LEN(to); i++)
		if (ff_price_money(words[i + 1], to[i]) < 0 || *to[i] > PRICE_MAX)
			return ff_err_set(err, FF_E_INVALID, "`%.30s` is no price in dollars per million tokens, as in 2.50", words[i + 1]);
	if (n == WORDS_MAX && (ff_num_i64(words[5], 1, INT32_MAX, &p.long_from) < 0 ||
			       ff_num_i64(words[6], 1, 1000, &p.long_factor) < 0))
		return ff_err_set(err, FF_E_INVALID, "LONG-FROM is a number of tokens, LONG-FACTOR one of 1 to 1000");
	*ret = p;
	return 0;
}

static void dearer(int64_t *a, int64_t b)
{
	if (b > *a)
		*a = b;
}

static bool look(const char *const *lines, const char *model, struct ff_price *ret, struct ff_price *most)
{
	struct ff_price p;

	for (; lines && *lines; lines++) {
		if (ff_price_parse(*lines, &p, NULL) < 0)
			continue; /* the configuration was checked */
		if (ff_glob_match(p.glob, model)) {
			*ret = p;
			return true;
		}
		dearer(&most->input, p.input * p.long_factor);
		dearer(&most->output, p.output * p.long_factor);
		dearer(&most->cache_read, p.cache_read * p.long_factor);
		dearer(&most->cache_write, p.cache_write * p.long_factor);
	}
	return false;
}

bool ff_price_find(const char *const *lines, const char *model, struct ff_price *ret)
{
	struct ff_price most = { .glob = "*", .long_factor = 1 };

	if (look(lines, model, ret, &most) || look(builtin, model, ret, &most))
		return true;
	*ret = most;
	return false;
}

int64_t ff_price_add(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_add_overflow(a, b, &r) ? INT64_MAX : r;
}

int64_t ff_price_cost(const struct ff_price *p, const struct ff_tokens *t)
{
	int64_t short_write = t->cache_write > t->cache_write_1h ? t->cache_write - t->cache_write_1h : 0;
	int64_t prompt = ff_price_add(ff_price_add(t->input, t->cache_read), t->cache_write);
	const int64_t parts[][2] = {
		{ t->input, p->input }, { t->output, p->output }, { t->cache_read, p->cache_read },
		{ short_write, p->cache_write }, { t->cache_write_1h, p->input * HOUR_FACTOR },
	};
	__int128 sum = 0;

	for (size_t i = 0; i < FF_ARRAY_LEN(parts); i++)
		sum += (__int128)parts[i][0] * parts[i][1];
	if (p->long_from && prompt > p->long_from)
		sum *= p->long_factor;
	sum = (sum + MILLION - 1) / MILLION;
	return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}
