/* SPDX-License-Identifier: MIT */
/* See spend.h. Both tables change in the same statement's transaction, so that their sums agree. */
#include "store/spend.h"

#include <string.h>

#include "base/num.h"
#include "store/stmt.h"

#define DAY_MS 86400000

/* What a request counts for: its row of the day. sign -1 takes it back. */
static int count(struct ff_store *s, const struct ff_spend *r, int64_t day, int sign, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO spend (day, repo, pusher, model, requests, tokens_in, tokens_out, cache_read, cache_write, cost_microusd)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (day, repo, pusher, model) DO UPDATE SET"
		" requests = requests + ?5, tokens_in = tokens_in + ?6, tokens_out = tokens_out + ?7,"
		" cache_read = cache_read + ?8, cache_write = cache_write + ?9, cost_microusd = cost_microusd + ?10");
	ff_bind_int(&q, 1, day);
	ff_bind_int(&q, 2, r->repo);
	ff_bind_bytes(&q, 3, r->pusher ? r->pusher : "");
	ff_bind_text(&q, 4, r->model);
	ff_bind_int(&q, 5, sign);
	ff_bind_int(&q, 6, sign * r->tokens.input);
	ff_bind_int(&q, 7, sign * r->tokens.output);
	ff_bind_int(&q, 8, sign * r->tokens.cache_read);
	ff_bind_int(&q, 9, sign * r->tokens.cache_write);
	ff_bind_int(&q, 10, sign * r->microusd);
	return ff_stmt_run(&q, err);
}

int ff_spend_open(struct ff_store *s, struct ff_spend *r, struct ff_err *err)
{
	unsigned char key[32];
	struct ff_stmt q;

	if (ff_unhex(r->key, sizeof key, key) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "the key of a request must be 64 hex digits");
	ff_stmt(&q, s, "INSERT INTO requests (job, attempt, key, model, state, status, tokens_in, tokens_out, cache_read, cache_write,"
		" cost_microusd, latency_ms, at_ms, repo, pusher) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, 0, 0, 0, ?6, 0, ?7, ?8, ?9)");
	ff_bind_int(&q, 1, r->job);
	ff_bind_int(&q, 2, r->attempt);
	ff_bind_blob(&q, 3, key, sizeof key);
	ff_bind_text(&q, 4, r->model);
	ff_bind_int(&q, 5, r->tokens.input);
	ff_bind_int(&q, 6, r->microusd);
	ff_bind_int(&q, 7, r->at_ms);
	ff_bind_int(&q, 8, r->repo);
	ff_bind_bytes(&q, 9, r->pusher ? r->pusher : "");
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	r->id = ff_last_id(s);
	return count(s, r, r->at_ms / DAY_MS, 1, err);
}

/* What stands in the row: model and pusher are copies of the caller's. */
struct row { struct ff_spend r; char *model, *pusher; };

static void row_fini(struct row *row)
{
	ff_free(&row->model);
	ff_free(&row->pusher);
}

static int read_row(struct ff_store *s, int64_t id, struct row *ret, bool *ret_found, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT state, repo, pusher, model, tokens_in, tokens_out, cache_read, cache_write, cost_microusd, at_ms"
		" FROM requests WHERE id = ?1");
	ff_bind_int(&q, 1, id);
	rc = ff_step(&q, err);
	*ret_found = rc > 0;
	if (rc <= 0)
		return rc;
	*ret = (struct row){ .pusher = ff_col_bytes(&q, 2), .model = ff_strdup(ff_col_text(&q, 3)), .r = {
		.state = (enum ff_spend_state)ff_col_int(&q, 0), .repo = ff_col_int(&q, 1),
		.tokens = { .input = ff_col_int(&q, 4), .output = ff_col_int(&q, 5), .cache_read = ff_col_int(&q, 6),
			    .cache_write = ff_col_int(&q, 7) },
		.microusd = ff_col_int(&q, 8), .at_ms = ff_col_int(&q, 9) } };
	ret->r.pusher = ret->pusher;
	ret->r.model = ret->model;
	ff_stmt_done(&q);
	return 0;
}

static int write_row(struct ff_store *s, const struct ff_spend *r, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE requests SET state = 1, model = ?2, status = ?3, outcome = ?4, tokens_in = ?5, tokens_out = ?6,"
		" cache_read = ?7, cache_write = ?8, cost_microusd = ?9, latency_ms = ?10 WHERE id = ?1");
	ff_bind_int(&q, 1, r->id);
	ff_bind_text(&q, 2, r->model);
	ff_bind_int(&q, 3, r->status);
	ff_bind_text(&q, 4, r->outcome);
	ff_bind_int(&q, 5, r->tokens.input);
	ff_bind_int(&q, 6, r->tokens.output);
	ff_bind_int(&q, 7, r->tokens.cache_read);
	ff_bind_int(&q, 8, r->tokens.cache_write);
	ff_bind_int(&q, 9, r->microusd);
	ff_bind_int(&q, 10, r->latency_ms);
	return ff_stmt_run(&q, err);
}

static int set_lost(struct ff_store *s, const struct ff_spend *r, bool *ret_done, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE requests SET state = 2, status = ?2, outcome = ?3, latency_ms = ?4 WHERE id = ?1 AND state = 0");
	ff_bind_int(&q, 1, r->id);
	ff_bind_int(&q, 2, r->status);
	ff_bind_text(&q, 3, r->outcome);
	ff_bind_int(&q, 4, r->latency_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_done = ff_changes(s) > 0;
	return 0;
}

int ff_spend_settle(struct ff_store *s, const struct ff_spend *r, bool *ret_done, struct ff_err *err)
{
	FF_AUTO(row_fini) struct row before = { 0 };
	struct ff_spend now = *r;
	bool found = false;

	if (r->state == FF_SPEND_LOST)
		return set_lost(s, r, ret_done, err);
	if (read_row(s, r->id, &before, &found, err) < 0)
		return -1;
	if (!found || before.r.state == FF_SPEND_SETTLED) {
		*ret_done = false;
		return 0;
	}
	/* It stays on the day on which it was reserved. */
	now.repo = before.r.repo;
	now.pusher = before.pusher;
	if (count(s, &before.r, before.r.at_ms / DAY_MS, -1, err) < 0 || write_row(s, &now, err) < 0 ||
	    count(s, &now, before.r.at_ms / DAY_MS, 1, err) < 0)
		return -1;
	*ret_done = true;
	return 0;
}

int ff_spend_lose(struct ff_store *s, int64_t *ret_count, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE requests SET state = 2, outcome = 'lost' WHERE state = 0");
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_count = ff_changes(s);
	return 0;
}

int ff_spend_lost(struct ff_store *s, int64_t job, const char *key, int64_t *ret_id, struct ff_err *err)
{
	unsigned char bytes[32];
	struct ff_stmt q;
	int rc;

	*ret_id = 0;
	if (ff_unhex(key, sizeof bytes, bytes) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "the key of a request must be 64 hex digits");
	ff_stmt(&q, s, "SELECT id FROM requests WHERE state = 2 AND job = ?1 AND key = ?2 AND NOT EXISTS (SELECT 1 FROM requests AS paid"
		" WHERE paid.job = ?1 AND paid.key = ?2 AND paid.state = 1 AND paid.outcome = 'answered') ORDER BY id LIMIT 1");
	ff_bind_int(&q, 1, job);
	ff_bind_blob(&q, 2, bytes, sizeof bytes);
	rc = ff_step(&q, err);
	if (rc <= 0)
		return rc;
	*ret_id = ff_col_int(&q, 0);
	ff_stmt_done(&q);
	return 0;
}

int ff_spend_of_job(struct ff_store *s, int64_t job, struct ff_spend_sum *ret, int64_t *ret_requests, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT total(cost_microusd), total(tokens_in + tokens_out + cache_read + cache_write), count(*)"
		" FROM requests WHERE job = ?1");
	ff_bind_int(&q, 1, job);
	if (ff_step(&q, err) < 0)
		return -1;
	*ret = (struct ff_spend_sum){ ff_col_int(&q, 0), ff_col_int(&q, 1) };
	*ret_requests = ff_col_int(&q, 2);
	ff_stmt_done(&q);
	return 0;
}

int ff_spend_of_day(struct ff_store *s, int64_t at_ms, int64_t repo, bool is_pusher, const char *pusher,
		    struct ff_spend_sum *ret, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT total(cost_microusd), total(tokens_in + tokens_out + cache_read + cache_write) FROM spend"
		" WHERE day = ?1 AND (?2 = 0 OR repo = ?2) AND (?3 = 0 OR pusher = ?4)");
	ff_bind_int(&q, 1, at_ms / DAY_MS);
	ff_bind_int(&q, 2, repo);
	ff_bind_int(&q, 3, is_pusher);
	ff_bind_bytes(&q, 4, pusher ? pusher : "");
	if (ff_step(&q, err) < 0)
		return -1;
	*ret = (struct ff_spend_sum){ ff_col_int(&q, 0), ff_col_int(&q, 1) };
	ff_stmt_done(&q);
	return 0;
}

int ff_spend_under_way(struct ff_store *s, int64_t job, int64_t repo, bool is_pusher, const char *pusher,
		       struct ff_spend_sum *ret, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT total(cost_microusd), total(tokens_in) FROM requests WHERE state = 0 AND state <> 1"
		" AND (?1 = 0 OR job = ?1) AND (?2 = 0 OR repo = ?2) AND (?3 = 0 OR pusher = ?4)");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, repo);
	ff_bind_int(&q, 3, is_pusher);
	ff_bind_bytes(&q, 4, pusher ? pusher : "");
	if (ff_step(&q, err) < 0)
		return -1;
	*ret = (struct ff_spend_sum){ ff_col_int(&q, 0), ff_col_int(&q, 1) };
	ff_stmt_done(&q);
	return 0;
}

int ff_spend_list(struct ff_store *s, int64_t job, int64_t after, int limit, ff_spend_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, attempt, lower(hex(key)), model, ifnull(outcome, 'under way'), state, status, tokens_in, tokens_out,"
		" cache_read, cache_write, cost_microusd, latency_ms, at_ms FROM requests WHERE job = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, after);
	ff_bind_int(&q, 3, limit);
	while ((rc = ff_step(&q, err)) > 0) {
		const struct ff_spend r = {
			.id = ff_col_int(&q, 0), .job = job, .attempt = (int)ff_col_int(&q, 1), .key = ff_col_text(&q, 2),
			.model = ff_col_text(&q, 3), .outcome = ff_col_text(&q, 4), .state = (enum ff_spend_state)ff_col_int(&q, 5),
			.status = (int)ff_col_int(&q, 6),
			.tokens = { .input = ff_col_int(&q, 7), .output = ff_col_int(&q, 8), .cache_read = ff_col_int(&q, 9),
				    .cache_write = ff_col_int(&q, 10) },
			.microusd = ff_col_int(&q, 11), .latency_ms = ff_col_int(&q, 12), .at_ms = ff_col_int(&q, 13),
		};

		fn(arg, &r);
	}
	return rc;
}

#define STATS(name, from, group, order) \
	"SELECT day * 86400000, " name ", sum(requests), sum(tokens_in), sum(tokens_out), sum(cache_read), sum(cache_write)," \
	" sum(cost_microusd) FROM spend" from " WHERE day >= ?1 GROUP BY " group " ORDER BY " order " LIMIT ?2"

/* A statement is known by the address of its text. */
static void stats_stmt(struct ff_stmt *q, struct ff_store *s, enum ff_spend_by by)
{
	switch (by) {
	case FF_SPEND_BY_DAY:
		ff_stmt(q, s, STATS("x''", "", "day", "day DESC"));
		break;
	case FF_SPEND_BY_REPOSITORY:
		ff_stmt(q, s, STATS("ifnull(path, x'')", " LEFT JOIN repos ON repos.id = spend.repo", "spend.repo", "8 DESC, 2"));
		break;
	case FF_SPEND_BY_PUSHER:
		ff_stmt(q, s, STATS("pusher", "", "pusher", "8 DESC, 2"));
		break;
	case FF_SPEND_BY_MODEL:
		ff_stmt(q, s, STATS("cast(model AS BLOB)", "", "model", "8 DESC, 2"));
		break;
	}
}

int ff_spend_stats(struct ff_store *s, enum ff_spend_by by, int64_t since_ms, int limit, ff_spend_row_fn fn, void *arg,
		   struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	stats_stmt(&q, s, by);
	ff_bind_int(&q, 1, since_ms / DAY_MS);
	ff_bind_int(&q, 2, limit);
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_free) char *name = ff_col_bytes(&q, 1);
		const struct ff_spend_row row = {
			.day_ms = ff_col_int(&q, 0), .name = name ? name : "", .requests = ff_col_int(&q, 2),
			.tokens_in = ff_col_int(&q, 3), .tokens_out = ff_col_int(&q, 4), .cache_read = ff_col_int(&q, 5),
			.cache_write = ff_col_int(&q, 6), .microusd = ff_col_int(&q, 7),
		};

		fn(arg, &row);
	}
	return rc;
}

int ff_spend_forget(struct ff_store *s, int64_t before_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM spend WHERE (day, repo, pusher, model) IN (SELECT day, repo, pusher, model FROM spend WHERE day < ?1 LIMIT 100)");
	ff_bind_int(&q, 1, before_ms / DAY_MS);
	return ff_stmt_run(&q, err);
}
