/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_BUDGET_H
#define FF_JOB_BUDGET_H

/*
 * May this request be sent?  Each scope (the request itself, its job, and of
 * one day the repository, the pusher and the whole server) has a limit in
 * money and one in tokens.  What was spent counts together with what requests
 * under way may yet cost, so that a hundred requests at once cannot pass the
 * same gap.  Pure: core knows the sums.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/price.h"

enum ff_scope { FF_SCOPE_REQUEST, FF_SCOPE_JOB, FF_SCOPE_REPOSITORY, FF_SCOPE_PUSHER, FF_SCOPE_DAY, FF_SCOPES };

struct ff_amount { int64_t microusd, tokens; };

struct ff_budget {
	struct ff_amount limit[FF_SCOPES]; /* 0: none */
	struct ff_amount used[FF_SCOPES];  /* spent, and reserved by requests under way; of REQUEST 0 */
};

#define FF_BUDGET_DAY_MS 86400000

/*
 * The most that a request of so many bytes can cost: every three bytes a
 * token of the dearest kind of input, and all the output that it allows.
 * cache_long: it may be written into the cache of an hour.
 */
struct ff_amount ff_budget_worst(const struct ff_price *price, int64_t bytes, int64_t max_tokens, bool cache_long);
/* It alone is over the limit, whatever else was spent. */
bool ff_budget_never_fits(const struct ff_budget *budget, const struct ff_amount *request, enum ff_scope scope);
/* What an answer did cost. */
struct ff_amount ff_budget_spent(const struct ff_price *price, const struct ff_tokens *tokens);
/* FF_E_BUDGET with the reason, and *ret_scope, when the request does not fit any more. */
int ff_budget_check(const struct ff_budget *budget, const struct ff_amount *request, enum ff_scope *ret_scope,
		    struct ff_err *err);
/* Of a day, so that it is there again after midnight (UTC), and waiting helps. */
bool ff_scope_renews(enum ff_scope scope);
/* The first moment of the next day. */
int64_t ff_budget_renewed_ms(int64_t now_ms);

#endif
