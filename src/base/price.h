/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_PRICE_H
#define FF_BASE_PRICE_H

/*
 * What tokens cost.  A price list is lines of text (the key gateway.price and
 * the built-in list behind it); the first line whose glob matches the model
 * counts.  Money is micro-USD (millionths of a dollar) in int64, always
 * rounded up, and stays at the top instead of overflowing.  Here and not in
 * src/job, because conf checks the lines and core counts with them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define FF_PRICE_GLOB_MAX 128
#define FF_PRICE_TEXT 32

/* Tokens of one answer. cache_write includes those of cache_write_1h; input includes no cached ones. */
struct ff_tokens {
	int64_t input, output, cache_read, cache_write, cache_write_1h;
};

/* Micro-USD per million tokens. */
struct ff_price {
	char glob[FF_PRICE_GLOB_MAX + 1];
	int64_t input, output, cache_read, cache_write;
	int64_t long_from;   /* prompts over this many tokens, cached ones included, ... 0: none */
	int64_t long_factor; /* ... cost so many times as much */
};

/* "2.50" dollars as micro-USD, at most six digits behind the point; -1 for anything else. */
int ff_price_money(const char *text, int64_t *ret_microusd);
/* "$2.5000". */
void ff_price_text(int64_t microusd, char out[FF_PRICE_TEXT]);
/* GLOB INPUT OUTPUT CACHE-READ CACHE-WRITE [LONG-FROM LONG-FACTOR], prices in USD per million tokens. */
int ff_price_parse(const char *line, struct ff_price *ret, struct ff_err *err);
/*
 * The price of a model by these lines (NULL-terminated) and then the built-in
 * list. false: no line matches, and *ret is the dearest price of every kind.
 */
bool ff_price_find(const char *const *lines, const char *model, struct ff_price *ret);
int64_t ff_price_cost(const struct ff_price *price, const struct ff_tokens *tokens);
/* Sum that stays at INT64_MAX. */
int64_t ff_price_add(int64_t a, int64_t b);

#endif
