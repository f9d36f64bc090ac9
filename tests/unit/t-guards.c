/* SPDX-License-Identifier: MIT */
/* Questions to the record that keep jobs few, and dead letters, also those of an older record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/store.h"
#include "tests/lib/check.h"
#include "tests/lib/record.h"

#define OID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ZERO "0000000000000000000000000000000000000000"

struct world {
	struct record r;
	int64_t repo;
	unsigned char pushes;
};

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);

	record_open(&w->r);
	w->repo = record_repo(&w->r, "/srv/a.git");
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

struct made {
	const char *ref, *pusher;
	int64_t at_ms;
	enum ff_job_state state;
	int attempt;
	enum ff_err_code error;
	int64_t retry_of; /* then it is no push's */
};

static int64_t make(struct world *w, struct made m)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();
	struct ff_push p = { .id = { ++w->pushes }, .repo = w->repo, .ref = m.ref, .old_oid = ZERO, .new_oid = OID,
			     .uid = -1, .options = "[]", .received_ms = m.at_ms };
	bool is_new;

	if (!m.retry_of)
		ok(ff_store_push_add(w->r.s, &p, &is_new, &err));
	job->repo = w->repo;
	job->source_ref = ff_strdup(m.ref);
	job->pusher = ff_strdup(m.pusher);
	memcpy(job->source_oid, OID, sizeof OID);
	job->state = m.state;
	job->attempt = m.attempt;
	job->error = m.error;
	job->created_ms = m.at_ms;
	ok(ff_store_job_add(w->r.s, job, m.retry_of ? 0 : p.row, m.retry_of, &err));
	return job->id;
}

static void unstarted_of_source(void **state)
{
	struct world *w = *state;
	struct ff_job than = { .repo = w->repo };
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 99;

	(void)make(w, (struct made){ .ref = "a", .at_ms = 100, .state = FF_JOB_QUEUED });                /* 1: too old */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 101, .state = FF_JOB_QUEUED });                /* 2 */
	(void)make(w, (struct made){ .ref = "b", .at_ms = 102, .state = FF_JOB_QUEUED });                /* 3: another branch */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 103, .state = FF_JOB_RUNNING, .attempt = 1 }); /* 4: runs */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 104, .state = FF_JOB_WAITING, .attempt = 1 }); /* 5: has run */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 105, .state = FF_JOB_WAITING });               /* 6 */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 106, .state = FF_JOB_CANCELLED });             /* 7: ended */
	(void)make(w, (struct made){ .ref = "a", .at_ms = 107, .state = FF_JOB_QUEUED, .retry_of = 7 }); /* 8: by hand */
	than.id = make(w, (struct made){ .ref = "a", .at_ms = 108, .state = FF_JOB_WAITING });
	than.source_ref = ff_strdup("a");
	(void)make(w, (struct made){ .ref = "a", .at_ms = 109, .state = FF_JOB_WAITING });               /* newer */
	ok(ff_store_unstarted_of_source(w->r.s, &than, 100, &ids, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(ids[0], 2);
	assert_int_equal(ids[1], 6);
	ff_free(&than.source_ref);
}

static void nth_of_pusher(void **state)
{
	struct world *w = *state;
	int64_t at = -1;

	for (int64_t t = 10; t <= 40; t += 10)
		(void)make(w, (struct made){ .ref = "a", .pusher = "ann", .at_ms = t, .state = FF_JOB_COMPLETED });
	(void)make(w, (struct made){ .ref = "a", .pusher = "bob", .at_ms = 35, .state = FF_JOB_QUEUED });
	(void)make(w, (struct made){ .ref = "a", .at_ms = 36, .state = FF_JOB_QUEUED });
	ok(ff_store_nth_of_pusher(w->r.s, "ann", 10, INT64_MAX, 3, &at, &err));
	assert_int_equal(at, 20); /* 40, 30, 20: with the third the limit is reached, and frees when it is an hour old */
	ok(ff_store_nth_of_pusher(w->r.s, "ann", 10, INT64_MAX, 4, &at, &err));
	assert_int_equal(at, 0); /* the one at 10 is not after 10 */
	ok(ff_store_nth_of_pusher(w->r.s, "bob", 0, INT64_MAX, 1, &at, &err));
	assert_int_equal(at, 35);
	ok(ff_store_nth_of_pusher(w->r.s, NULL, 0, INT64_MAX, 1, &at, &err));
	assert_int_equal(at, 36);
	ok(ff_store_nth_of_pusher(w->r.s, "eve", 0, INT64_MAX, 1, &at, &err));
	assert_int_equal(at, 0);
}

struct seen {
	int64_t ids[8];
	size_t n;
};

static void see(void *arg, const struct ff_job *job)
{
	struct seen *s = arg;

	s->ids[s->n++] = job->id;
}

static void assert_dead(struct world *w, const int64_t *want, size_t n)
{
	const struct ff_job_filter f = { .dead = true, .limit = 8 };
	struct seen seen = { .n = 0 };

	ok(ff_store_list(w->r.s, &f, see, &seen, &err));
	assert_int_equal(seen.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(seen.ids[i], want[i]);
}

static void fill_dead(struct world *w)
{
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_FAILED, .error = FF_E_NETWORK_ERROR });   /* 1: dead */
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_FAILED, .error = FF_E_INVALID });         /* 2: for good */
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_WAITING, .error = FF_E_NETWORK_ERROR });  /* 3: not yet */
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_FAILED, .error = FF_E_UNREACHABLE });     /* 4: dead */
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_FAILED, .error = FF_E_REF_MOVED });       /* 5: played again */
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_QUEUED, .retry_of = 5 });
}

static void dead_letters(void **state)
{
	static const int64_t both[] = { 4, 1 }, one[] = { 1 };
	struct world *w = *state;

	fill_dead(w);
	assert_dead(w, both, 2);
	(void)make(w, (struct made){ .ref = "a", .state = FF_JOB_QUEUED, .retry_of = 4 });
	assert_dead(w, one, 1);
}

/* A record of the time before the column: its dead letters are found too. What later steps add is to be dropped here. */
static void dead_letters_of_an_older_record(void **state)
{
	static const int64_t both[] = { 4, 1 };
	struct world *w = *state;
	sqlite3 *db = NULL;

	fill_dead(w);
	ff_store_close(&w->r.s);
	assert_int_equal(sqlite3_open(w->r.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP INDEX jobs_dead; DROP INDEX jobs_retry_of; ALTER TABLE jobs DROP COLUMN dead;"
				      " DROP TABLE drift; DROP TABLE expired; ALTER TABLE repos DROP COLUMN globs;"
				      " DROP TABLE clock; DROP TABLE ended; DROP TABLE audit; DROP TABLE tokens;"
				      " ALTER TABLE jobs DROP COLUMN approved_oid;"
				      " DROP TABLE requests; DROP TABLE spend; DROP TABLE secrets;"
				      " DROP TABLE resolutions; DROP TABLE conflict_stats; DROP TABLE memory;"
				      " CREATE TABLE answers (job INTEGER, key BLOB, attempt INTEGER, model TEXT, status INTEGER, tokens_in INTEGER,"
				      " tokens_out INTEGER, cache_read INTEGER, cache_write INTEGER, latency_ms INTEGER, at_ms INTEGER);"
				      " DROP TABLE numbers; DROP TABLE events; CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
				      " job INTEGER, type INTEGER, at_ms INTEGER, data TEXT);"
				      " PRAGMA user_version = 3", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	ok(ff_store_open(w->r.path, &w->r.s, &err));
	assert_dead(w, both, 2);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(unstarted_of_source), test(nth_of_pusher), test(dead_letters), test(dead_letters_of_an_older_record),
	};

	return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
