/* SPDX-License-Identifier: MIT */
/* What the record knows of jobs whose target moved: which are to be tried, and what was found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/drift.h"
#include "store/retention.h"
#include "tests/lib/check.h"
#include "tests/lib/record.h"

#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct world {
	struct record r;
	int64_t repo, other;
};

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);

	record_open(&w->r);
	w->repo = record_repo(&w->r, "/srv/a.git");
	w->other = record_repo(&w->r, "/srv/b.git");
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

static struct ff_job *make(struct world *w, int64_t repo, const char *target, enum ff_job_state state, int64_t ended_ms)
{
	struct ff_job *job = ff_job_new();

	job->repo = repo;
	job->source_ref = ff_strdup("refs/heads/claude/x");
	memcpy(job->source_oid, OID, sizeof OID);
	job->spec.target = ff_strdup(target);
	job->state = state;
	job->ended_ms = ended_ms;
	ok(ff_store_job_add(w->r.s, job, 0, 0, &err));
	if (state == FF_JOB_COMPLETED)
		ok(ff_store_drift_result(w->r.s, job, &err));
	return job;
}

/* The numbers as text. */
static char *jobs(struct world *w, int64_t since_ms, size_t max)
{
	FF_AUTO(ff_free) int64_t *ids = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf b = { 0 };
	size_t n = 0;

	ff_buf_init(&b, 1000);
	ok(ff_store_drift_jobs(w->r.s, w->repo, "main", since_ms, max, &ids, &n, &err));
	for (size_t i = 0; i < n; i++)
		(void)ff_buf_addf(&b, "%lld ", (long long)ids[i]);
	return ff_strdup(b.len ? b.data : "");
}

static void assert_jobs(struct world *w, int64_t since_ms, size_t max, const char *want)
{
	FF_AUTO(ff_free) char *got = jobs(w, since_ms, max);

	assert_string_equal(got, want);
}

static void which_jobs(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_job_free) struct ff_job *old = make(w, w->repo, "main", FF_JOB_COMPLETED, 100); /* 1 */
	FF_AUTO(ff_job_free) struct ff_job *done = make(w, w->repo, "main", FF_JOB_COMPLETED, 200); /* 2 */
	FF_AUTO(ff_job_free) struct ff_job *runs = make(w, w->repo, "main", FF_JOB_RUNNING, 0); /* 3 */
	FF_AUTO(ff_job_free) struct ff_job *queued = make(w, w->repo, "main", FF_JOB_QUEUED, 0);
	FF_AUTO(ff_job_free) struct ff_job *elsewhere = make(w, w->repo, "dev", FF_JOB_RUNNING, 0);
	FF_AUTO(ff_job_free) struct ff_job *foreign = make(w, w->other, "main", FF_JOB_COMPLETED, 300);
	FF_AUTO(ff_job_free) struct ff_job *newest = make(w, w->repo, "main", FF_JOB_COMPLETED, 300); /* 7 */
	struct ff_drift found = { .state = FF_DRIFT_CONFLICT, .target_oid = OID, .at_ms = 1 };

	assert_jobs(w, 0, 10, "3 7 2 1 ");
	assert_jobs(w, 200, 10, "3 7 2 ");
	assert_jobs(w, 0, 2, "3 7 ");
	assert_jobs(w, 0, 0, "");
	ok(ff_store_drift_save(w->r.s, runs, &found, &err)); /* once more when it moves again, and as one that runs */
	ok(ff_store_drift_save(w->r.s, newest, &found, &err));
	assert_jobs(w, 0, 10, "3 7 2 1 ");
	found.state = FF_DRIFT_MERGED;
	ok(ff_store_drift_save(w->r.s, done, &found, &err));
	found.state = FF_DRIFT_GONE;
	ok(ff_store_drift_save(w->r.s, old, &found, &err));
	assert_jobs(w, 0, 10, "3 7 ");
	runs->state = FF_JOB_FAILED;
	ok(ff_store_job_save(w->r.s, runs, &err));
	assert_jobs(w, 0, 10, "7 ");
}

static void what_was_found(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_job_free) struct ff_job *job = make(w, w->repo, "main", FF_JOB_COMPLETED, 100);
	FF_AUTO(ff_drift_fini) struct ff_drift got = { .state = FF_DRIFT_GONE };
	char one[] = "src/a.c", two[] = "h\351", *paths[] = { one, two, NULL };
	struct ff_drift found = { .state = FF_DRIFT_CONFLICT, .target_oid = OID, .n_paths = 7, .paths = paths, .at_ms = 12 };
	enum ff_drift_state by_word;
	bool done = false;

	ok(ff_store_drift_get(w->r.s, job->id, &got, &err));
	assert_int_equal(got.state, FF_DRIFT_UNKNOWN);
	assert_int_equal(got.at_ms, 0);
	ok(ff_store_drift_save(w->r.s, job, &found, &err));
	ok(ff_store_drift_get(w->r.s, job->id, &got, &err));
	assert_int_equal(got.state, FF_DRIFT_CONFLICT);
	assert_string_equal(got.target_oid, OID);
	assert_int_equal(got.n_paths, 7);
	assert_string_equal(got.paths[0], one);
	assert_string_equal(got.paths[1], two);
	assert_null(got.paths[2]);
	assert_int_equal(got.at_ms, 12);
	for (int i = FF_DRIFT_UNKNOWN; i <= FF_DRIFT_GONE; i++) {
		ok(ff_drift_by_word(ff_drift_word((enum ff_drift_state)i), &by_word));
		assert_int_equal(by_word, i);
	}
	assert_int_equal(ff_drift_by_word("perhaps", &by_word), -1);
	/* It goes with its job. */
	ok(ff_retention_mark(w->r.s, job->id, &err));
	while (!done)
		ok(ff_retention_delete(w->r.s, job->id, &done, &err));
	ff_drift_fini(&got);
	ok(ff_store_drift_get(w->r.s, job->id, &got, &err));
	assert_int_equal(got.at_ms, 0);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { test(which_jobs), test(what_was_found) };

	return cmocka_run_group_tests_name("drift", tests, NULL, NULL);
}
