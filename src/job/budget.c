/* SPDX-License-Identifier: MIT */
/* See budget.h. */
#include "job/budget.h"

#include <inttypes.h>

/* Fewer than any text has a token; what is dearer than this comes out when the answer is counted. */
#define BYTES_A_TOKEN 3

static const struct { const char *whose, *money, *tokens; } words[FF_SCOPES] = {
	[FF_SCOPE_REQUEST] = { "one request", "budget.request-usd", "budget.request-tokens" },
	[FF_SCOPE_JOB] = { "the job", "budget.job-usd", "budget.job-tokens" },
	[FF_SCOPE_REPOSITORY] = { "the repository, today", "budget.repository-usd", "budget.repository-tokens" },
	[FF_SCOPE_PUSHER] = { "the pusher, today", "budget.pusher-usd", "budget.pusher-tokens" },
	[FF_SCOPE_DAY] = { "the server, today", "budget.day-usd", "budget.day-tokens" },
};

struct ff_amount ff_budget_worst(const struct ff_price *price, int64_t bytes, int64_t max_tokens, bool cache_long)
{
	int64_t input = bytes / BYTES_A_TOKEN + 1;
	const struct ff_tokens kinds[] = {
		{ .output = max_tokens, .input = input }, { .output = max_tokens, .cache_write = input },
		{ .output = max_tokens, .cache_write = input, .cache_write_1h = input },
	};
	struct ff_amount worst = { 0, 0 };

	for (size_t i = 0; i < FF_ARRAY_LEN(kinds) - !cache_long; i++) {
		struct ff_amount a = ff_budget_spent(price, &kinds[i]);

		if (a.microusd >= worst.microusd)
			worst = a;
	}
	return worst;
}

struct ff_amount ff_budget_spent(const struct ff_price *price, const struct ff_tokens *t)
{
	int64_t in = ff_price_add(ff_price_add(t->input, t->cache_read), t->cache_write);

	return (struct ff_amount){ ff_price_cost(price, t), ff_price_add(in, t->output) };
}

static bool over(int64_t limit, int64_t used, int64_t more)
{
	return limit && ff_price_add(used, more) > limit;
}

static int no_money(enum ff_scope s, const struct ff_amount *used, int64_t more, int64_t limit, struct ff_err *err)
{
	char u[FF_PRICE_TEXT], m[FF_PRICE_TEXT], l[FF_PRICE_TEXT];

	ff_price_text(used->microusd, u);
	ff_price_text(more, m);
	ff_price_text(limit, l);
	return ff_err_set(err, FF_E_BUDGET, "the budget of %s is used up: %s of %s spent or promised, and this request may cost %s (%s)",
			  words[s].whose, u, l, m, words[s].money);
}

int ff_budget_check(const struct ff_budget *b, const struct ff_amount *r, enum ff_scope *ret_scope, struct ff_err *err)
{
	for (int i = 0; i < FF_SCOPES; i++) {
		enum ff_scope s = (enum ff_scope)i;

		*ret_scope = s;
		if (over(b->limit[i].microusd, b->used[i].microusd, r->microusd))
			return no_money(s, &b->used[i], r->microusd, b->limit[i].microusd, err);
		if (over(b->limit[i].tokens, b->used[i].tokens, r->tokens))
			return ff_err_set(err, FF_E_BUDGET, "the budget of %s is used up: %" PRId64 " of %" PRId64 " tokens spent or promised, "
					  "and this request may take %" PRId64 " (%s)", words[i].whose, b->used[i].tokens,
					  b->limit[i].tokens, r->tokens, words[i].tokens);
	}
	return 0;
}

bool ff_budget_never_fits(const struct ff_budget *b, const struct ff_amount *r, enum ff_scope scope)
{
	return over(b->limit[scope].microusd, 0, r->microusd) || over(b->limit[scope].tokens, 0, r->tokens);
}

bool ff_scope_renews(enum ff_scope scope)
{
	return scope == FF_SCOPE_REPOSITORY || scope == FF_SCOPE_PUSHER || scope == FF_SCOPE_DAY;
}

int64_t ff_budget_renewed_ms(int64_t now_ms)
{
	return (now_ms / FF_BUDGET_DAY_MS + 1) * FF_BUDGET_DAY_MS;
}
