/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_SPEND_H
#define FF_STORE_SPEND_H

/*
 * What was asked of the model and what it cost: a row a request (history, and
 * the sums of a job), and a row a day, repository, pusher and model (the sums
 * of a day, kept when the jobs are gone).
 *
 *   1. ff_spend_open, before a request is sent: it counts with its reservation.
 *   2. ff_spend_settle, when its answer is known: it counts with what it cost.
 *      Once, whoever calls again.
 *   3. ff_spend_lose: nobody will ever say. It goes on counting as reserved
 *      until ff_spend_lost finds it again, when its answer turns up.
 *
 * Errors are those of store.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/price.h"
#include "store/store.h"

enum ff_spend_state { FF_SPEND_OPEN = 0, FF_SPEND_SETTLED = 1, FF_SPEND_LOST = 2 }; /* numbers on disk */

/* One request. */
struct ff_spend {
	int64_t id;
	int64_t job, repo;
	int attempt;
	const char *pusher;   /* NULL: none */
	const char *key;      /* 64 hex digits: hash of the request */
	const char *model;
	const char *outcome;  /* "answered", "http 429", ...; NULL while it is open */
	enum ff_spend_state state;
	int status;           /* HTTP; 0: none came */
	struct ff_tokens tokens; /* of an open one: its reservation, as input alone */
	int64_t microusd, latency_ms, at_ms;
};

struct ff_spend_sum { int64_t microusd, tokens; };

/* Gives it its id. at_ms says which day it counts for. */
int ff_spend_open(struct ff_store *s, struct ff_spend *r, struct ff_err *err);
/*
 * By r->id: model, outcome, status, tokens, microusd, latency. *ret_done is
 * false when it is settled already, or gone.  With r->state LOST only outcome
 * and status are taken, and it goes on counting as reserved.
 */
int ff_spend_settle(struct ff_store *s, const struct ff_spend *r, bool *ret_done, struct ff_err *err);
/* All that are open, lost: the gateway that had them is gone. *ret_count of them. */
int ff_spend_lose(struct ff_store *s, int64_t *ret_count, struct ff_err *err);
/*
 * The lost request of that job and key, whose answer this is; 0: none, as when
 * it was asked again and that answer was counted.
 */
int ff_spend_lost(struct ff_store *s, int64_t job, const char *key, int64_t *ret_id, struct ff_err *err);

/* Sums of everything in any state. */
int ff_spend_of_job(struct ff_store *s, int64_t job, struct ff_spend_sum *ret, int64_t *ret_requests, struct ff_err *err);
/* Of the day of at_ms: all, of a repository (0: any), of a pusher (with is_pusher; NULL: those without a name). */
int ff_spend_of_day(struct ff_store *s, int64_t at_ms, int64_t repo, bool is_pusher, const char *pusher,
		    struct ff_spend_sum *ret, struct ff_err *err);

/* What requests under way have reserved: of a job, a repository (0: any), a pusher. */
int ff_spend_under_way(struct ff_store *s, int64_t job, int64_t repo, bool is_pusher, const char *pusher,
		       struct ff_spend_sum *ret, struct ff_err *err);

typedef void (*ff_spend_fn)(void *arg, const struct ff_spend *r);
/* Those of a job with ids above after, oldest first. */
int ff_spend_list(struct ff_store *s, int64_t job, int64_t after, int limit, ff_spend_fn fn, void *arg, struct ff_err *err);

/* Sums by one of these, the dearest first (by day: the newest). */
enum ff_spend_by { FF_SPEND_BY_DAY, FF_SPEND_BY_REPOSITORY, FF_SPEND_BY_PUSHER, FF_SPEND_BY_MODEL };
struct ff_spend_row {
	int64_t day_ms;       /* BY_DAY */
	const char *name;     /* path, pusher ("" for none) or model */
	int64_t requests, tokens_in, tokens_out, cache_read, cache_write, microusd;
};
typedef void (*ff_spend_row_fn)(void *arg, const struct ff_spend_row *row);
/* Days from that of since_ms on. */
int ff_spend_stats(struct ff_store *s, enum ff_spend_by by, int64_t since_ms, int limit, ff_spend_row_fn fn, void *arg,
		   struct ff_err *err);
/* Removes a few rows of days before that of before_ms. */
int ff_spend_forget(struct ff_store *s, int64_t before_ms, struct ff_err *err);

#endif
