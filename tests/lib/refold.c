/* SPDX-License-Identifier: MIT */
/*
 * Folds all events of every job in a record again and compares what comes out
 * with the stored rows:
 *
 *   refold FILE.db [JOB]
 *
 * The money, too: what a job has cost is the sum of its requests that were
 * settled, and the sums of the days are those of all requests (as long as no
 * job was removed).
 *
 * Prints one line a difference and exits 1; prints how many jobs agree, and of
 * how many requests, and exits 0.  The record may be in use.  What a job was
 * asked for (its task, target, pusher) is not in the events and not compared.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/num.h"
#include "ipc/ipc.h"
#include "store/spend.h"
#include "store/store.h"

#define EVENTS_MAX 1000000
#define JOBS_MAX 100000

#define DAYS_MAX 10000

/* Of requests, or of rows of days. */
struct money { int64_t requests, in, out, microusd; };

static int differences;
static int64_t requests[3]; /* by enum ff_spend_state */
static struct money all_spent; /* whatever their state */

static void differ(int64_t job, const char *what, const char *folded, const char *stored)
{
	(void)printf("job %lld: %s: folded '%s', stored '%s'\n", (long long)job, what, folded ? folded : "(none)",
		     stored ? stored : "(none)");
	differences++;
}

/* "2026-01-02T03:04:05.678Z" as milliseconds: found by halving, since ff_clock_format keeps the order. */
static int64_t time_of(const char *text)
{
	int64_t low = 0, high = INT64_C(4102444800000); /* 2100 */
	char at[FF_CLOCK_TEXT];

	while (low < high) {
		int64_t middle = low + (high - low) / 2;

		ff_clock_format(middle, at);
		if (strcmp(at, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const char *word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static char **paths_of(const json_t *list)
{
	char **paths = ff_calloc(json_array_size(list) + 1, sizeof *paths);

	for (size_t i = 0; i < json_array_size(list); i++)
		(void)ff_json_bytes(json_array_get(list, i), &paths[i], NULL); /* a NULL ends the list, which differs then */
	return paths;
}

static void decode(const json_t *o, struct ff_event *ev, char **ret_text, char **ret_ref)
{
	const char *w;
	int64_t n;

	for (n = 1; (w = word(o, "wait")) && n < 100 && !ev->wait; n++)
		if (!strcmp(ff_job_wait_word((enum ff_job_wait)n), w))
			ev->wait = (enum ff_job_wait)n;
	if ((w = word(o, "step")))
		(void)ff_step_by_word(w, &ev->step); /* NONE differs */
	if ((w = word(o, "until")))
		ev->until_ms = time_of(w);
	if ((w = word(o, "error")))
		ev->error = ff_err_by_name(w);
	ev->attempt = (int)json_integer_value(json_object_get(o, "attempt"));
	ev->oid = word(o, "oid");
	ev->base_oid = word(o, "base_oid");
	ev->tokens_in = json_integer_value(json_object_get(o, "tokens_in"));
	ev->tokens_out = json_integer_value(json_object_get(o, "tokens_out"));
	ev->cost_microusd = json_integer_value(json_object_get(o, "cost_microusd"));
	if (json_object_get(o, "text"))
		(void)ff_json_bytes(json_object_get(o, "text"), ret_text, NULL); /* NULL differs */
	if (json_object_get(o, "ref"))
		(void)ff_json_bytes(json_object_get(o, "ref"), ret_ref, NULL);
	ev->text = *ret_text;
	ev->ref = *ret_ref;
}

static void apply(void *arg, int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data)
{
	json_t *o = json_loads(data, 0, NULL);
	char **paths = paths_of(json_object_get(o, "paths"));
	struct ff_event ev = { .seq = seq, .job = job, .type = type, .at_ms = at_ms, .paths = (const char *const *)paths };
	FF_AUTO(ff_free) char *text = NULL;
	FF_AUTO(ff_free) char *ref = NULL;
	struct ff_job *folded = arg;
	struct ff_err err = { 0 };

	if (o)
		decode(o, &ev, &text, &ref);
	if (!o || ff_job_allowed(folded, &ev, &err) < 0)
		differ(job, ff_event_name(type), "(refused)", o ? err.text : data);
	else
		ff_job_fold(folded, &ev);
	for (size_t i = 0; paths[i]; i++)
		ff_free(&paths[i]);
	ff_free(&paths);
	json_decref(o);
}

static void same_text(int64_t job, const char *what, const char *a, const char *b)
{
	if (!a != !b || (a && strcmp(a, b)))
		differ(job, what, a, b);
}

static void same_int(int64_t job, const char *what, int64_t a, int64_t b)
{
	FF_AUTO(ff_free) char *x = ff_asprintf("%lld", (long long)a);
	FF_AUTO(ff_free) char *y = ff_asprintf("%lld", (long long)b);

	same_text(job, what, x, y);
}

static void compare(const struct ff_job *a, const struct ff_job *b)
{
	static const char *const none[] = { NULL };
	const char *const *x = a->conflicts ? (const char *const *)a->conflicts : none;
	const char *const *y = b->conflicts ? (const char *const *)b->conflicts : none;

	same_text(b->id, "state", ff_job_state_word(a->state), ff_job_state_word(b->state));
	same_int(b->id, "wait", a->wait, b->wait);
	same_int(b->id, "wait_until", a->wait_until_ms, b->wait_until_ms);
	same_int(b->id, "error", a->error, b->error);
	same_text(b->id, "reason", a->reason, b->reason);
	same_int(b->id, "attempt", a->attempt, b->attempt);
	same_int(b->id, "failures", a->failures, b->failures);
	same_int(b->id, "step", a->step, b->step);
	for (int k = 1; k < FF_STEP_LIMIT; k++) {
		same_int(b->id, ff_step_word((enum ff_step_kind)k), a->step_done[k], b->step_done[k]);
		same_text(b->id, ff_step_word((enum ff_step_kind)k), a->step_oid[k], b->step_oid[k]);
	}
	same_text(b->id, "base_oid", a->base_oid, b->base_oid);
	same_text(b->id, "approved_oid", a->approved_oid, b->approved_oid);
	same_text(b->id, "result_oid", a->result_oid, b->result_oid);
	same_text(b->id, "result_ref", a->result_ref, b->result_ref);
	for (; *x && *y && !strcmp(*x, *y); x++, y++)
		;
	same_text(b->id, "conflicts", *x, *y);
	same_int(b->id, "tokens_in", a->tokens_in, b->tokens_in);
	same_int(b->id, "tokens_out", a->tokens_out, b->tokens_out);
	same_int(b->id, "cost", a->cost_microusd, b->cost_microusd);
	same_int(b->id, "created", a->created_ms, b->created_ms);
	same_int(b->id, "started", a->started_ms, b->started_ms);
	same_int(b->id, "ended", a->ended_ms, b->ended_ms);
}

static void add_money(struct money *m, int64_t n, const struct ff_tokens *t, int64_t microusd)
{
	m->requests += n;
	m->in += t->input + t->cache_read + t->cache_write;
	m->out += t->output;
	m->microusd += microusd;
}

static void add_request(void *arg, const struct ff_spend *r)
{
	add_money(&all_spent, 1, &r->tokens, r->microusd);
	requests[r->state]++;
	if (r->state == FF_SPEND_SETTLED)
		add_money(arg, 1, &r->tokens, r->microusd);
}

static int compare_money(struct ff_store *store, const struct ff_job *job, struct ff_err *err)
{
	struct money settled = { 0 };

	if (ff_spend_list(store, job->id, 0, EVENTS_MAX, add_request, &settled, err) < 0)
		return -1;
	same_int(job->id, "tokens_in of its requests", settled.in, job->tokens_in);
	same_int(job->id, "tokens_out of its requests", settled.out, job->tokens_out);
	same_int(job->id, "cost of its requests", settled.microusd, job->cost_microusd);
	return 0;
}

static void add_day(void *arg, const struct ff_spend_row *row)
{
	const struct ff_tokens t = { .input = row->tokens_in, .output = row->tokens_out, .cache_read = row->cache_read,
				     .cache_write = row->cache_write };

	add_money(arg, row->requests, &t, row->microusd);
}

static int compare_days(struct ff_store *store, struct ff_err *err)
{
	struct money days = { 0 };

	if (ff_spend_stats(store, FF_SPEND_BY_DAY, 0, DAYS_MAX, add_day, &days, err) < 0)
		return -1;
	same_int(0, "requests of the days", all_spent.requests, days.requests);
	same_int(0, "tokens_in of the days", all_spent.in, days.in);
	same_int(0, "tokens_out of the days", all_spent.out, days.out);
	same_int(0, "cost of the days", all_spent.microusd, days.microusd);
	return 0;
}

static int refold(struct ff_store *store, int64_t id, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *folded = ff_job_new();
	FF_AUTO(ff_job_free) struct ff_job *stored = NULL;

	if (ff_store_job_get(store, id, &stored, err) < 0 ||
	    ff_store_events(store, id, 0, EVENTS_MAX, apply, folded, err) < 0)
		return -1;
	compare(folded, stored);
	return compare_money(store, stored, err);
}

struct list {
	int64_t ids[JOBS_MAX];
	size_t n;
};

static void add(void *arg, const struct ff_job *job)
{
	struct list *l = arg;

	l->ids[l->n++] = job->id;
}

int main(int argc, char **argv)
{
	static struct list jobs;
	const struct ff_job_filter all = { .limit = JOBS_MAX };
	struct ff_store *store = NULL;
	struct ff_err err = { 0 };
	int rc;

	if (argc < 2 || argc > 3 || (argc == 3 && ff_num_i64(argv[2], 1, INT64_MAX, &jobs.ids[0]) < 0)) {
		(void)fprintf(stderr, "usage: refold FILE.db [JOB]\n");
		return 2;
	}
	jobs.n = argc == 3;
	rc = ff_store_open(argv[1], &store, &err);
	if (rc == 0 && !jobs.n)
		rc = ff_store_list(store, &all, add, &jobs, &err);
	for (size_t i = 0; i < jobs.n && rc == 0; i++)
		rc = refold(store, jobs.ids[i], &err);
	if (rc == 0 && argc == 2)
		rc = compare_days(store, &err);
	ff_store_close(&store);
	if (rc < 0) {
		(void)fprintf(stderr, "refold: %s\n", err.text);
		return 1;
	}
	(void)printf("%zu jobs, %d differences\n", jobs.n, differences);
	(void)printf("requests: %lld settled, %lld lost, %lld open\n", (long long)requests[FF_SPEND_SETTLED],
		     (long long)requests[FF_SPEND_LOST], (long long)requests[FF_SPEND_OPEN]);
	return differences ? 1 : 0;
}
