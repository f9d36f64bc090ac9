/* SPDX-License-Identifier: MIT */
/* What the ladder did, in the record: each row once, its sums, its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/resolutions.h"
#include "tests/lib/check.h"
#include "tests/lib/record.h"

#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define DAY (int64_t)86400000

struct world {
	struct record r;
	int64_t repo, job;
};

static int64_t make_job(struct world *w)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	job->repo = w->repo;
	job->source_ref = ff_strdup("refs/heads/claude/x");
	memcpy(job->source_oid, OID, sizeof OID);
	job->state = FF_JOB_RUNNING;
	ok(ff_store_job_add(w->r.s, job, 0, 0, &err));
	return job->id;
}

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);

	record_open(&w->r);
	w->repo = record_repo(&w->r, "/srv/a.git");
	w->job = make_job(w);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	record_close(&w->r);
	free(w);
	return 0;
}

static struct ff_resolution row(const struct world *w)
{
	return (struct ff_resolution){
		.job = w->job, .repo = w->repo, .attempt = 1, .onto = OID, .commit = OTHER, .path = "src/a.c", .line = 6,
		.rung = 3, .outcome = "solved", .how = "tokens", .confidence = -1, .time_us = 70, .at_ms = 10 * DAY,
	};
}

struct seen {
	int n;
	int64_t rung, tried, solved, refused, cost;
	char name[64];
};

static void see_row(void *arg, const struct ff_resolution *r)
{
	struct seen *s = arg;

	s->n++;
	s->rung = r->rung;
	s->cost += r->cost_microusd;
	assert_string_equal(r->onto, OID);
	assert_string_equal(r->commit, OTHER);
	assert_string_equal(r->path, "src/a.c");
	if (r->rung == 0)
		assert_string_equal(r->objections, "comes from neither side: x");
}

static void see_sum(void *arg, const struct ff_resolution_sum *sum)
{
	struct seen *s = arg;

	s->n++;
	if (s->n > 1)
		return;
	s->rung = sum->rung;
	s->tried = sum->tried;
	s->solved = sum->solved;
	s->refused = sum->refused;
	s->cost = sum->cost_microusd;
	assert_true(strlen(sum->name) < sizeof s->name);
	memcpy(s->name, sum->name, strlen(sum->name) + 1);
}

static struct seen sums(struct world *w, enum ff_resolution_by by, int64_t since)
{
	struct seen s = { .n = 0 };

	ok(ff_resolution_stats(w->r.s, by, since, 10, see_sum, &s, &err));
	return s;
}

/* A worker that begins again says all of it again: it is there once, and counts once. */
static void said_twice(void **state)
{
	struct world *w = *state;
	struct ff_resolution r = row(w);
	struct seen s = { .n = 0 };

	ok(ff_resolution_add(w->r.s, &r, &err));
	r.attempt = 2;
	ok(ff_resolution_add(w->r.s, &r, &err));
	ok(ff_resolution_list(w->r.s, w->job, 10, see_row, &s, &err));
	assert_int_equal(s.n, 1);
	s = sums(w, FF_RESOLUTION_BY_RUNG, 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.tried, 1);
	/* Another turn of the rung, or the same commit on another base, is another one. */
	r.turn = 1;
	ok(ff_resolution_add(w->r.s, &r, &err));
	r.onto = OTHER;
	ok(ff_resolution_add(w->r.s, &r, &err));
	assert_int_equal(sums(w, FF_RESOLUTION_BY_RUNG, 0).tried, 3);
}

static void sums_by_everything(void **state)
{
	struct world *w = *state;
	struct ff_resolution r = row(w);
	struct seen s;

	ok(ff_resolution_add(w->r.s, &r, &err));
	r.rung = 4;
	r.outcome = "refused";
	r.model = "claude-x";
	r.cost_microusd = 40;
	ok(ff_resolution_add(w->r.s, &r, &err));
	r.turn = 1;
	r.outcome = "solved";
	ok(ff_resolution_add(w->r.s, &r, &err));
	s = sums(w, FF_RESOLUTION_BY_RUNG, 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.rung, 4);
	assert_int_equal(s.tried, 2);
	assert_int_equal(s.solved, 1);
	assert_int_equal(s.refused, 1);
	assert_int_equal(s.cost, 80);
	s = sums(w, FF_RESOLUTION_BY_MODEL, 0);
	assert_string_equal(s.name, "claude-x");
	s = sums(w, FF_RESOLUTION_BY_LANGUAGE, 0);
	assert_string_equal(s.name, "c");
	assert_int_equal(s.tried, 3);
	assert_string_equal(sums(w, FF_RESOLUTION_BY_REPOSITORY, 0).name, "/srv/a.git");
	assert_int_equal(sums(w, FF_RESOLUTION_BY_RUNG, 11 * DAY).n, 0);
}

/* The verdict about a path is no try of a rung. */
static void verdicts_are_not_counted(void **state)
{
	struct world *w = *state;
	struct ff_resolution r = row(w);
	struct seen s = { .n = 0 };

	r.rung = 0;
	r.line = 0;
	r.outcome = "refused";
	r.objections = "comes from neither side: x";
	ok(ff_resolution_add(w->r.s, &r, &err));
	assert_int_equal(sums(w, FF_RESOLUTION_BY_RUNG, 0).n, 0);
	ok(ff_resolution_list(w->r.s, w->job, 10, see_row, &s, &err));
	assert_int_equal(s.n, 1);
}

static void more_rows_than_are_kept(void **state)
{
	struct world *w = *state;
	struct ff_resolution r = row(w);
	struct seen s = { .n = 0 };

	ok(ff_store_begin(w->r.s, &err));
	for (r.line = 1; r.line <= FF_RESOLUTIONS_MAX + 5; r.line++)
		ok(ff_resolution_add(w->r.s, &r, &err));
	ok(ff_store_commit(w->r.s, &err));
	ok(ff_resolution_list(w->r.s, w->job, FF_RESOLUTIONS_MAX + 10, see_row, &s, &err));
	assert_int_equal(s.n, FF_RESOLUTIONS_MAX);
	assert_int_equal(sums(w, FF_RESOLUTION_BY_RUNG, 0).tried, FF_RESOLUTIONS_MAX + 5);
}

static void old_sums_go(void **state)
{
	struct world *w = *state;
	struct ff_resolution r = row(w);

	ok(ff_resolution_add(w->r.s, &r, &err));
	r.at_ms = 20 * DAY;
	r.line = 7;
	ok(ff_resolution_add(w->r.s, &r, &err));
	ok(ff_resolution_forget(w->r.s, 15 * DAY, &err));
	assert_int_equal(sums(w, FF_RESOLUTION_BY_RUNG, 0).tried, 1);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(said_twice), test(sums_by_everything), test(verdicts_are_not_counted), test(more_rows_than_are_kept), test(old_sums_go),
	};

	return cmocka_run_group_tests_name("resolutions", tests, NULL, NULL);
}
