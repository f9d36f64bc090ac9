/* SPDX-License-Identifier: MIT */
/*
 * The events of jobs.  What a job is told within one transaction becomes one
 * row at its end: a job that starts its life has three events, and a worker
 * that reports before it is done has more, and each row by itself is a
 * statement and a place in the tree.
 *
 * Such a row has the type FF_EVENTS_PACKED, the number and time of its last
 * event, and a line for each: NUMBER TYPE TIME FIELDS.  What is large, or has
 * a newline in it, stays a row of its own.
 */
#include "store/events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "store/stmt.h"
#include "store/store.h"

/* No event of that type exists: numbers begin with 1 (job/event.def). */
#define FF_EVENTS_PACKED 0
/* Bytes of an event, and of a row of many. */
#define ONE_MAX 4096
#define ROW_MAX 32768
/* Jobs whose events wait for the end of the transaction. */
#define JOBS_MAX 64
/* What the numbers of a line may have. */
#define NUMBERS_MAX 64

struct waiting {
	int64_t job, seq, at_ms; /* of its last event */
	int type;
	int count;
	size_t last;             /* where in lines the fields of the last event begin */
	struct ff_buf lines;
};

struct ff_events {
	struct waiting jobs[JOBS_MAX];
	size_t n;
};

struct ff_events *ff_events_new(void)
{
	return ff_calloc(1, sizeof(struct ff_events));
}

void ff_events_drop(struct ff_events *e)
{
	e->n = 0;
}

void ff_events_free(struct ff_events **events)
{
	for (size_t i = 0; *events && i < JOBS_MAX; i++)
		ff_buf_fini(&(*events)->jobs[i].lines);
	ff_free(events);
}

static int insert(struct ff_store *s, int64_t job, int64_t seq, int type, int64_t at_ms, const char *data, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO events (job, seq, type, at_ms, data) VALUES (?1, ?2, ?3, ?4, ?5)");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, seq);
	ff_bind_int(&q, 3, type);
	ff_bind_int(&q, 4, at_ms);
	ff_bind_text(&q, 5, data);
	return ff_stmt_run(&q, err);
}

/* One event is a row as it always was. */
static int write_row(struct ff_store *s, struct waiting *w, struct ff_err *err)
{
	if (w->count > 1)
		return insert(s, w->job, w->seq, FF_EVENTS_PACKED, w->at_ms, w->lines.data, err);
	w->lines.data[w->lines.len - 1] = '\0'; /* its newline */
	return insert(s, w->job, w->seq, w->type, w->at_ms, w->lines.data + w->last, err);
}

int ff_events_flush(struct ff_store *s, struct ff_err *err)
{
	struct ff_events *e = ff_stmt_events(s);
	size_t n = e->n;

	e->n = 0; /* what fails now makes the transaction fail */
	for (size_t i = 0; i < n; i++)
		if (write_row(s, &e->jobs[i], err) < 0)
			return -1;
	return 0;
}

static struct waiting *of_job(struct ff_events *e, int64_t job)
{
	for (size_t i = e->n; i > 0; i--)
		if (e->jobs[i - 1].job == job)
			return &e->jobs[i - 1];
	return NULL;
}

static struct waiting *begin(struct ff_events *e, int64_t job)
{
	struct waiting *w = &e->jobs[e->n++];

	if (!w->lines.data)
		ff_buf_init(&w->lines, ROW_MAX + ONE_MAX + NUMBERS_MAX);
	ff_buf_clear(&w->lines);
	w->job = job;
	w->count = 0;
	return w;
}

static void add_line(struct waiting *w, int64_t seq, int type, int64_t at_ms, const char *data, size_t n)
{
	const int64_t numbers[] = { seq, type, at_ms };

	for (size_t i = 0; i < FF_ARRAY_LEN(numbers); i++) {
		(void)ff_buf_addn(&w->lines, numbers[i]);
		(void)ff_buf_addc(&w->lines, ' ');
	}
	w->last = w->lines.len;
	(void)ff_buf_add(&w->lines, data, n);
	(void)ff_buf_addc(&w->lines, '\n');
	w->seq = seq;
	w->type = type;
	w->at_ms = at_ms;
	w->count++;
}

int ff_store_event_add(struct ff_store *s, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data,
		       int64_t *ret_seq, struct ff_err *err)
{
	struct ff_events *e = ff_stmt_events(s);
	struct waiting *w = of_job(e, job);
	size_t n = strlen(data);
	bool alone = !ff_stmt_began(s) || n > ONE_MAX || memchr(data, '\n', n);
	int64_t seq;

	if (ff_stmt_next_event(s, &seq, err) < 0)
		return -1;
	/* Rows come in the order of their last events, so none may lie between two of another row. */
	if ((alone || e->n == JOBS_MAX || (w && w->lines.len > ROW_MAX)) && ff_events_flush(s, err) < 0)
		return -1;
	if (alone && insert(s, job, seq, type, at_ms, data, err) < 0)
		return -1;
	if (!alone)
		add_line(w && e->n ? w : begin(e, job), seq, type, at_ms, data, n);
	*ret_seq = seq;
	return 0;
}

/* --- reading ------------------------------------------------------------------ */

static int bad_row(int64_t job, int64_t seq, struct ff_err *err)
{
	return ff_err_set(err, FF_E_STORE, "event %" PRId64 " of job %" PRId64 " cannot be read: restore the record from a backup", seq,
			  job);
}

/* One number and the blank behind it. */
static bool take_number(char **at, int64_t *ret)
{
	char *end = strchr(*at, ' ');

	if (!end)
		return false;
	*end = '\0';
	if (ff_num_i64(*at, INT64_MIN, INT64_MAX, ret) < 0)
		return false;
	*at = end + 1;
	return true;
}

struct reading {
	int64_t job, after;
	int limit; /* how many more */
	ff_store_event_fn fn;
	void *arg;
};

static int give_lines(struct reading *r, int64_t row, char *at, struct ff_err *err)
{
	while (*at && r->limit) {
		char *end = strchr(at, '\n');
		int64_t seq, type, at_ms;

		if (!end)
			return bad_row(r->job, row, err);
		*end = '\0';
		if (!take_number(&at, &seq) || !take_number(&at, &type) || !take_number(&at, &at_ms))
			return bad_row(r->job, row, err);
		if (seq > r->after) {
			r->fn(r->arg, seq, r->job, (enum ff_event_type)type, at_ms, at);
			r->limit--;
		}
		at = end + 1;
	}
	return 0;
}

static int give_row(struct reading *r, struct ff_stmt *q, struct ff_err *err)
{
	int64_t seq = ff_col_int(q, 0);
	int type = (int)ff_col_int(q, 1);

	if (type == FF_EVENTS_PACKED) {
		FF_AUTO(ff_free) char *lines = ff_strdup(ff_col_text(q, 3));

		return give_lines(r, seq, lines, err);
	}
	r->fn(r->arg, seq, r->job, (enum ff_event_type)type, ff_col_int(q, 2), ff_col_text(q, 3));
	r->limit--;
	return 0;
}

int ff_store_events(struct ff_store *s, int64_t job, int64_t after_seq, int limit, ff_store_event_fn fn, void *arg,
		    struct ff_err *err)
{
	struct reading r = { .job = job, .after = after_seq, .limit = limit, .fn = fn, .arg = arg };
	struct ff_stmt q;
	int rc = 0;

	if (ff_events_flush(s, err) < 0)
		return -1;
	ff_stmt(&q, s, "SELECT seq, type, at_ms, data FROM events WHERE job = ?1 AND seq > ?2 ORDER BY seq");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, after_seq);
	while (r.limit > 0 && rc == 0) {
		rc = ff_step(&q, err);
		if (rc <= 0)
			return rc;
		rc = give_row(&r, &q, err);
	}
	ff_stmt_done(&q);
	return rc;
}

struct counting {
	enum ff_event_type type;
	int64_t n;
};

static void count(void *arg, int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data)
{
	struct counting *c = arg;

	(void)seq;
	(void)job;
	(void)at_ms;
	(void)data;
	c->n += type == c->type;
}

int ff_store_event_count(struct ff_store *s, int64_t job, enum ff_event_type type, int64_t *ret_count, struct ff_err *err)
{
	struct counting c = { .type = type };

	if (ff_store_events(s, job, 0, INT32_MAX, count, &c, err) < 0)
		return -1;
	*ret_count = c.n;
	return 0;
}
