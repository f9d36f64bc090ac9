/* SPDX-License-Identifier: MIT */
/*
 * Money.  The gateway asks before every request and hears after COMMIT
 * whether it may be sent; what it may cost is reserved from then on.  The
 * answer's usage takes the place of the reservation.  A gateway that dies
 * leaves reservations, which go on counting as they are, until the answer
 * turns up in the record of the job after all.
 *
 * A budget of a job ends it; one of a day parks the job until the next.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "job/budget.h"
#include "store/spend.h"

/* Bills kept in memory while the record cannot be written. */
#define UNBILLED_MAX 10000
/* Of a request that names none, though the service wants it. */
#define OUTPUT_UNSAID 32000

struct ff_spending {
	json_t *unbilled;   /* array of usage messages whose turn failed */
	bool lose;          /* reservations of a gateway that is gone are not written off yet */
};

static struct ff_spending *spending(struct ff_core *core)
{
	if (!core->spending) {
		core->spending = ff_calloc(1, sizeof *core->spending);
		core->spending->unbilled = json_array();
	}
	return core->spending;
}

/* --- what there is left --------------------------------------------------------- */

static void limit(struct ff_core *core, struct ff_budget *b, enum ff_scope scope, enum ff_conf_key usd, enum ff_conf_key tokens)
{
	b->limit[scope] = (struct ff_amount){ ff_conf_int(core->conf, usd), ff_conf_int(core->conf, tokens) };
}

static void limits(struct ff_core *core, const char *path, struct ff_budget *b)
{
	const enum ff_conf_section repo = FF_CONF_SECTION_REPOSITORY;

	limit(core, b, FF_SCOPE_REQUEST, FF_CONF_BUDGET_REQUEST_USD, FF_CONF_BUDGET_REQUEST_TOKENS);
	limit(core, b, FF_SCOPE_JOB, FF_CONF_BUDGET_JOB_USD, FF_CONF_BUDGET_JOB_TOKENS);
	limit(core, b, FF_SCOPE_REPOSITORY, FF_CONF_BUDGET_REPOSITORY_USD, FF_CONF_BUDGET_REPOSITORY_TOKENS);
	limit(core, b, FF_SCOPE_PUSHER, FF_CONF_BUDGET_PUSHER_USD, FF_CONF_BUDGET_PUSHER_TOKENS);
	limit(core, b, FF_SCOPE_DAY, FF_CONF_BUDGET_DAY_USD, FF_CONF_BUDGET_DAY_TOKENS);
	(void)ff_conf_named_num(core->conf, repo, path, "job-usd", &b->limit[FF_SCOPE_JOB].microusd);
	(void)ff_conf_named_num(core->conf, repo, path, "job-tokens", &b->limit[FF_SCOPE_JOB].tokens);
	(void)ff_conf_named_num(core->conf, repo, path, "repository-usd", &b->limit[FF_SCOPE_REPOSITORY].microusd);
	(void)ff_conf_named_num(core->conf, repo, path, "repository-tokens", &b->limit[FF_SCOPE_REPOSITORY].tokens);
}

static void used(struct ff_budget *b, enum ff_scope scope, const struct ff_spend_sum *sum)
{
	b->used[scope] = (struct ff_amount){ sum->microusd, sum->tokens };
}

static int read_budget(struct ff_core *core, const struct ff_job *job, int64_t now, struct ff_budget *b, int64_t *ret_requests,
		       struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;
	struct ff_spend_sum sum;

	if (ff_store_repo_path(core->store, job->repo, &path, err) < 0)
		return -1;
	limits(core, path, b);
	if (ff_spend_of_job(core->store, job->id, &sum, ret_requests, err) < 0)
		return -1;
	used(b, FF_SCOPE_JOB, &sum);
	if (ff_spend_of_day(core->store, now, job->repo, false, NULL, &sum, err) < 0)
		return -1;
	used(b, FF_SCOPE_REPOSITORY, &sum);
	if (ff_spend_of_day(core->store, now, 0, true, job->pusher, &sum, err) < 0)
		return -1;
	used(b, FF_SCOPE_PUSHER, &sum);
	if (ff_spend_of_day(core->store, now, 0, false, NULL, &sum, err) < 0)
		return -1;
	used(b, FF_SCOPE_DAY, &sum);
	return 0;
}

/* Without what requests under way may yet cost: that may come back. */
static int without_open(struct ff_core *core, const struct ff_job *job, struct ff_budget *b, enum ff_scope scope, struct ff_err *err)
{
	struct ff_spend_sum open;

	if (ff_spend_under_way(core->store, scope == FF_SCOPE_JOB ? job->id : 0, scope == FF_SCOPE_REPOSITORY ? job->repo : 0,
			       scope == FF_SCOPE_PUSHER, job->pusher, &open, err) < 0)
		return -1;
	b->used[scope].microusd -= open.microusd;
	b->used[scope].tokens -= open.tokens;
	return 0;
}

/* --- stopping a job ----------------------------------------------------------- */

struct stop { int64_t job; int attempt; };

static void stop_now(struct ff_core *core, void *arg, bool ok)
{
	struct stop *s = arg;
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	/* What is in the record decides; its next attempt may be running already. */
	if (ok && ff_store_job_get(core->store, s->job, &job, NULL) == 0 && job->attempt == s->attempt && job->state != FF_JOB_RUNNING)
		ff_worker_stop(core, s->job);
	free(s);
}

static void stop_after(struct ff_core *core, const struct ff_job *job)
{
	struct stop *s = ff_calloc(1, sizeof *s);

	*s = (struct stop){ job->id, job->attempt };
	ff_turn_after(core, stop_now, s);
}

static void park(struct ff_core *core, struct ff_job *job, int64_t until_ms, const char *text)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_PARKED, .attempt = job->attempt, .until_ms = until_ms,
			       .text = text };
	struct ff_err err = { 0 };

	if (ff_core_event(core, job, &ev, &err) == 0)
		stop_after(core, job);
	else if (err.code != FF_E_STORE)
		ff_log_warn(&core->log, "job.park", "job %" PRId64 ": %s", job->id, err.text);
}

/* never: the request would not fit into the budget of a new day either, so that nothing is gained by waiting for one. */
static void enforce(struct ff_core *core, struct ff_job *job, enum ff_scope scope, bool never, const struct ff_err *why)
{
	int64_t now = ff_clock_wall();

	if (scope == FF_SCOPE_JOB || never)
		ff_core_attempt_failed(core, job->id, job->attempt, FF_E_BUDGET, why->text);
	else if (ff_scope_renews(scope))
		park(core, job, ff_budget_renewed_ms(now), why->text);
	if (scope == FF_SCOPE_DAY && !never)
		ff_gateway_quota(core, ff_budget_renewed_ms(now), why->text);
}

/* --- before a request ----------------------------------------------------------- */

struct grant { json_t *msg; };

static void send_grant(struct ff_core *core, void *arg, bool ok)
{
	struct grant *g = arg;

	if (!ok) {
		struct ff_err err = { .code = FF_E_STORE };

		(void)ff_err_set(&err, FF_E_STORE, "the record cannot be written now, so that nothing may be spent");
		(void)json_object_set_new(g->msg, "error", ff_json_from_err(&err));
	}
	ff_gateway_send_grant(core, g->msg);
	free(g);
}

static void grant_after(struct ff_core *core, json_t *msg)
{
	struct grant *g = ff_calloc(1, sizeof *g);

	g->msg = msg;
	ff_turn_after(core, send_grant, g);
}

struct question {
	int64_t job, attempt, serial, bytes, max_tokens;
	const char *key, *model;
	bool cache_long;
};

static int read_question(const json_t *msg, struct question *q, struct ff_err *err)
{
	if (ff_msg_int(msg, "job", 1, INT64_MAX, &q->job, err) < 0 || ff_msg_int(msg, "attempt", 0, INT32_MAX, &q->attempt, err) < 0 ||
	    ff_msg_int(msg, "serial", 1, INT64_MAX, &q->serial, err) < 0 || ff_msg_int(msg, "bytes", 0, INT32_MAX, &q->bytes, err) < 0 ||
	    ff_msg_int(msg, "max_tokens", 0, INT32_MAX, &q->max_tokens, err) < 0 || ff_msg_str(msg, "key", &q->key, err) < 0 ||
	    ff_msg_bool(msg, "cache_long", &q->cache_long, err) < 0)
		return -1;
	return ff_msg_str(msg, "model", &q->model, err);
}

/* *ret_wait: it does not fit beside those that are under way, and may when they are done. */
static int reserve(struct ff_core *core, struct ff_job *job, const struct question *q, int64_t *ret_id, bool *ret_wait,
		   struct ff_err *err)
{
	struct ff_spend r = { .job = job->id, .repo = job->repo, .attempt = job->attempt, .pusher = job->pusher, .key = q->key,
			      .model = q->model, .at_ms = ff_clock_wall() };
	enum ff_scope scope = FF_SCOPE_REQUEST;
	struct ff_budget budget = { 0 };
	struct ff_amount worst;
	struct ff_price price;
	int64_t requests;

	if (!ff_price_find(ff_conf_list(core->conf, FF_CONF_GATEWAY_PRICE), q->model, &price) &&
	    !strcmp(ff_conf_str(core->conf, FF_CONF_GATEWAY_UNKNOWN_MODEL), "refuse"))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "there is no price for the model %.64s (gateway.price, gateway.unknown-model)", q->model);
	worst = ff_budget_worst(&price, q->bytes, q->max_tokens ? q->max_tokens : OUTPUT_UNSAID, q->cache_long);
	if (read_budget(core, job, r.at_ms, &budget, &requests, err) < 0)
		return -1;
	if (requests >= ff_conf_int(core->conf, FF_CONF_GATEWAY_MAX_ANSWERS))
		return ff_err_set(err, FF_E_TOO_LARGE, "the job has made %" PRId64 " requests; gateway.max-answers allows no more", requests);
	if (ff_budget_check(&budget, &worst, &scope, err) < 0) {
		struct ff_err unused;

		if (scope != FF_SCOPE_REQUEST && without_open(core, job, &budget, scope, &unused) == 0)
			*ret_wait = ff_budget_check(&budget, &worst, &scope, &unused) == 0;
		if (!*ret_wait)
			enforce(core, job, scope, scope != FF_SCOPE_REQUEST && ff_budget_never_fits(&budget, &worst, scope), err);
		return -1;
	}
	r.tokens.input = worst.tokens;
	r.microusd = worst.microusd;
	if (ff_spend_open(core->store, &r, err) < 0)
		return -1;
	*ret_id = r.id;
	return 0;
}

void ff_spending_ask(struct ff_core *core, const json_t *msg)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_err err = { 0 };
	struct question q = { 0 };
	bool wait = false;
	int64_t id = 0;
	json_t *grant;
	int rc;

	if (read_question(msg, &q, &err) < 0) {
		ff_log_error(&core->log, "gateway.spend", "%s", err.text);
		return;
	}
	rc = ff_turn_open(core, &err) < 0 || ff_store_job_get(core->store, q.job, &job, &err) < 0 ? -1 : 0;
	if (rc == 0 && (job->state != FF_JOB_RUNNING || job->attempt != q.attempt))
		rc = ff_err_set(&err, FF_E_CONFLICT, "job %" PRId64 ": this attempt is over", q.job);
	if (rc == 0)
		rc = reserve(core, job, &q, &id, &wait, &err);
	if (rc < 0 && err.code == FF_E_STORE)
		ff_turn_fail(core, &err);
	grant = json_pack("{s:I, s:I, s:I, s:b, s:o?}", "job", (json_int_t)q.job, "serial", (json_int_t)q.serial, "request",
			  (json_int_t)id, "wait", wait, "error", rc < 0 && !wait ? ff_json_from_err(&err) : NULL);
	grant_after(core, grant);
}

/* --- after it --------------------------------------------------------------------- */

static int read_usage(const json_t *msg, struct ff_spend *r, struct ff_err *err)
{
	int64_t attempt, status;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &r->job, err) < 0 || ff_msg_int(msg, "attempt", 0, INT32_MAX, &attempt, err) < 0 ||
	    ff_msg_int(msg, "request", 0, INT64_MAX, &r->id, err) < 0 || ff_msg_int(msg, "status", 0, 999, &status, err) < 0 ||
	    ff_msg_int(msg, "tokens_in", 0, INT64_MAX / 8, &r->tokens.input, err) < 0 ||
	    ff_msg_int(msg, "tokens_out", 0, INT64_MAX / 8, &r->tokens.output, err) < 0 ||
	    ff_msg_int(msg, "cache_read", 0, INT64_MAX / 8, &r->tokens.cache_read, err) < 0 ||
	    ff_msg_int(msg, "cache_write", 0, INT64_MAX / 8, &r->tokens.cache_write, err) < 0 ||
	    ff_msg_int(msg, "cache_write_1h", 0, INT64_MAX / 8, &r->tokens.cache_write_1h, err) < 0 ||
	    ff_msg_int(msg, "latency_ms", 0, INT64_MAX / 8, &r->latency_ms, err) < 0 || ff_msg_str(msg, "key", &r->key, err) < 0 ||
	    ff_msg_str(msg, "model", &r->model, err) < 0 || ff_msg_str(msg, "outcome", &r->outcome, err) < 0)
		return -1;
	r->attempt = (int)attempt;
	r->status = (int)status;
	return 0;
}

/* A job that came over its budget all the same, by an answer that was larger than it could be. */
static void check_job(struct ff_core *core, struct ff_job *job)
{
	static const struct ff_amount nothing;
	enum ff_scope scope = FF_SCOPE_REQUEST;
	struct ff_budget b = { 0 };
	struct ff_err err = { 0 };
	int64_t requests;

	if (job->state != FF_JOB_RUNNING || read_budget(core, job, ff_clock_wall(), &b, &requests, &err) < 0)
		return;
	for (int i = 0; i < FF_SCOPES; i++)
		if (i != FF_SCOPE_JOB)
			b.limit[i] = nothing;
	if (ff_budget_check(&b, &nothing, &scope, &err) < 0)
		enforce(core, job, scope, false, &err);
}

static int settle(struct ff_core *core, struct ff_spend *r, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_event ev = { .type = FF_EVENT_MODEL_ANSWERED, .text = r->model };
	struct ff_price price;
	bool done = false;

	(void)ff_price_find(ff_conf_list(core->conf, FF_CONF_GATEWAY_PRICE), r->model, &price);
	r->microusd = ff_price_cost(&price, &r->tokens);
	if (ff_spend_settle(core->store, r, &done, err) < 0 || !done)
		return done ? -1 : err->code ? -1 : 0;
	if (r->state == FF_SPEND_LOST || ff_store_job_get(core->store, r->job, &job, err) < 0)
		return 0; /* its row is all that there is to say */
	ev.tokens_in = r->tokens.input + r->tokens.cache_read + r->tokens.cache_write;
	ev.tokens_out = r->tokens.output;
	ev.cost_microusd = r->microusd;
	ev.attempt = r->attempt <= job->attempt ? r->attempt : job->attempt;
	if ((ev.tokens_in || ev.tokens_out) && ff_core_event(core, job, &ev, err) < 0)
		return -1;
	check_job(core, job);
	return 0;
}

static void take_usage(struct ff_core *core, const json_t *msg)
{
	bool replayed = false, unknown = false;
	struct ff_err err = { 0 };
	struct ff_spend r = { 0 };
	int rc;

	if (read_usage(msg, &r, &err) < 0 || ff_msg_bool(msg, "replayed", &replayed, &err) < 0 ||
	    ff_msg_bool(msg, "unknown", &unknown, &err) < 0) {
		ff_log_error(&core->log, "gateway.usage", "%s", err.text);
		return;
	}
	r.state = unknown ? FF_SPEND_LOST : FF_SPEND_SETTLED;
	rc = ff_turn_open(core, &err);
	if (rc == 0 && replayed) /* one that was paid for when nobody was there to hear it */
		rc = ff_spend_lost(core->store, r.job, r.key, &r.id, &err);
	if (rc == 0 && r.id)
		rc = settle(core, &r, &err);
	if (rc < 0 && err.code == FF_E_STORE)
		ff_turn_fail(core, &err);
	else if (rc < 0)
		ff_log_error(&core->log, "gateway.usage", "job %" PRId64 ": %s", r.job, err.text);
}

static void after_billing(struct ff_core *core, void *arg, bool ok)
{
	json_t *msg = arg;

	/* What was spent is spent; the gateway does not say it again. */
	if (!ok && json_array_size(spending(core)->unbilled) < UNBILLED_MAX)
		(void)json_array_append(spending(core)->unbilled, msg);
	else if (!ok)
		ff_log_error(&core->log, "gateway.usage", "a bill is lost: over %d wait for the record", UNBILLED_MAX);
	json_decref(msg);
}

void ff_spending_bill(struct ff_core *core, json_t *msg)
{
	take_usage(core, msg);
	ff_turn_after(core, after_billing, json_incref(msg));
}

static void after_loss(struct ff_core *core, void *arg, bool ok)
{
	(void)arg;
	spending(core)->lose = !ok;
}

void ff_spending_lose(struct ff_core *core)
{
	struct ff_err err = { 0 };
	int64_t n = 0;

	spending(core)->lose = true;
	if (ff_turn_open(core, &err) < 0)
		return; /* again when it can be */
	if (ff_spend_lose(core->store, &n, &err) < 0)
		ff_turn_fail(core, &err);
	else if (n)
		ff_log_warn(&core->log, "gateway.lost", "%" PRId64 " requests were under way when the gateway ended; they count as what they "
			    "could have cost", n);
	ff_turn_after(core, after_loss, NULL);
}

void ff_spending_again(struct ff_core *core)
{
	json_t *list = ff_steal(&spending(core)->unbilled);

	spending(core)->unbilled = json_array();
	for (size_t i = 0; i < json_array_size(list); i++)
		ff_spending_bill(core, json_array_get(list, i));
	json_decref(list);
	if (spending(core)->lose)
		ff_spending_lose(core);
}

/* --- what the gateway finds out about a job ------------------------------------------ */

void ff_spending_halt(struct ff_core *core, const json_t *msg)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_err err = { 0 }, why = { 0 };
	int64_t id, attempt, until = 0;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, &err) < 0 || ff_msg_int(msg, "attempt", 0, INT32_MAX, &attempt, &err) < 0 ||
	    ff_msg_int(msg, "until_ms", 0, INT64_MAX / 2, &until, &err) < 0) {
		ff_log_error(&core->log, "gateway.halt", "%s", err.text);
		return;
	}
	(void)ff_err_from_json(json_object_get(msg, "error"), &why); /* it always fails: that is what it makes */
	if (ff_turn_open(core, &err) < 0 || ff_store_job_get(core->store, id, &job, &err) < 0 || job->state != FF_JOB_RUNNING ||
	    job->attempt != attempt)
		return; /* then its worker hears of it by the answer alone */
	if (why.code == FF_E_KEY_MISSING) {
		ff_core_attempt_failed(core, id, (int)attempt, why.code, why.text);
		stop_after(core, job);
	} else {
		park(core, job, until, why.text);
		ff_gateway_quota(core, until, why.text);
	}
}

void ff_spending_fini(struct ff_core *core)
{
	struct ff_spending *s = ff_steal(&core->spending);

	if (s)
		json_decref(s->unbilled);
	free(s);
}
