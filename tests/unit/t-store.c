/* SPDX-License-Identifier: MIT */
/* The record, on real SQLite files in a folder of its own; the second connection plays the stranger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/spend.h"
#include "store/store.h"
#include "tests/lib/check.h"

#define OID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OID_ZERO "0000000000000000000000000000000000000000"
/* SHA-256. */
#define OID_LONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY OID_LONG
/* How long a stranger's lock may hold us up, and what a busy machine adds. */
#define BUSY_LEAST_MS 300
#define BUSY_MOST_MS 5000

struct world {
	char dir[64];
	char *path;
	struct ff_store *s;
	int64_t repo;
};

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);
	bool is_new;

	memcpy(w->dir, "/tmp/t-store.XXXXXX", sizeof "/tmp/t-store.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->path = ff_path_join(w->dir, "record.db");
	ok(ff_store_open(w->path, &w->s, &err));
	ok(ff_store_repo(w->s, "/srv/a.git", 5, &w->repo, &is_new, &err));
	assert_true(is_new);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ff_store_close(&w->s);
	ff_store_close(&w->s); /* NULL is fine */
	ok(ff_dir_remove(w->dir, &err));
	ff_free(&w->path);
	free(w);
	return 0;
}

/* By another connection, as somebody with sqlite3 in a terminal would. */
static sqlite3 *stranger(const struct world *w, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void stranger_does(const struct world *w, const char *sql)
{
	assert_int_equal(sqlite3_close(stranger(w, sql)), SQLITE_OK);
}

static struct ff_job *make_job(const struct world *w, const char *ref, enum ff_job_state state, enum ff_priority priority)
{
	struct ff_job *j = ff_job_new();

	j->repo = w->repo;
	j->source_ref = ff_strdup(ref);
	memcpy(j->source_oid, OID_A, sizeof OID_A);
	j->state = state;
	j->spec.priority = priority;
	j->created_ms = 7;
	return j;
}

static int64_t add_job(const struct world *w, const char *ref, enum ff_job_state state, enum ff_priority priority)
{
	FF_AUTO(ff_job_free) struct ff_job *j = make_job(w, ref, state, priority);

	ok(ff_store_job_add(w->s, j, 0, 0, &err));
	return j->id;
}

static struct ff_push a_push(const struct world *w, unsigned char id, const char *ref, const char *oid)
{
	struct ff_push p = { .repo = w->repo, .ref = ref, .old_oid = OID_ZERO, .new_oid = oid, .pusher = "ann", .uid = 1000,
			     .options = "[\"claude=x\"]", .received_ms = 9 };

	memset(p.id, id, sizeof p.id);
	return p;
}

/* --- the file */

static void opens_again(void **state)
{
	struct world *w = *state;
	int64_t again = 0;
	bool is_new = true;

	ff_store_close(&w->s);
	ok(ff_store_open(w->path, &w->s, &err));
	ok(ff_store_repo(w->s, "/srv/a.git", 6, &again, &is_new, &err));
	assert_int_equal(again, w->repo);
	assert_false(is_new);
}

static void newer_version_is_refused(void **state)
{
	struct world *w = *state;
	struct ff_store *other = NULL;

	stranger_does(w, "PRAGMA user_version = 999");
	fails(STORE, "newer program", ff_store_open(w->path, &other, &err));
	assert_null(other);
}

static void what_is_no_database_is_refused(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_free) char *junk = ff_path_join(w->dir, "junk.db");
	FF_AUTO(ff_free) char *link = ff_path_join(w->dir, "link.db");
	struct ff_store *other = NULL;
	static char text[4096];

	memset(text, 'x', sizeof text);
	ok(ff_file_write(junk, text, sizeof text, 0600, &err));
	fails(STORE, "junk.db", ff_store_open(junk, &other, &err));
	fails(STORE, "backup", ff_store_open(junk, &other, &err));
	assert_int_equal(symlink(w->path, link), 0);
	fails(STORE, "link.db", ff_store_open(link, &other, &err));
	fails(STORE, "absent", ff_store_open("/absent/folder/x.db", &other, &err));
}

static void half_a_migration_leaves_nothing(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_free) char *path = ff_path_join(w->dir, "old.db");
	struct world old = { .path = path };
	struct ff_store *s = NULL;

	stranger_does(&old, "CREATE TABLE timers (mine)"); /* in the way of the first step */
	fails(STORE, "version 1", ff_store_open(path, &s, &err));
	fails(STORE, "version 1", ff_store_open(path, &s, &err));
	stranger_does(&old, "DROP TABLE timers; CREATE TABLE repos (mine); DROP TABLE repos");
	ok(ff_store_open(path, &s, &err));
	ff_store_close(&s);
}

static void read_only_file(void **state)
{
	struct world *w = *state;
	struct ff_store *s = NULL;
	bool is_new;
	int64_t id;
	struct ff_err err = { 0 };

	ff_store_close(&w->s);
	if (geteuid() == 0)
		skip(); /* no file is read-only for root */
	assert_int_equal(chmod(w->path, 0400), 0);
	if (ff_store_open(w->path, &s, &err) == 0)
		assert_int_equal(ff_store_repo(s, "/srv/new.git", 1, &id, &is_new, &err), -1);
	assert_string_equal(ff_err_name(err.code), "STORE");
	ff_store_close(&s);
}

/* --- pushes and tips */

static void a_push_is_one_row(void **state)
{
	struct world *w = *state;
	struct ff_push p = a_push(w, 1, "refs/heads/x", OID_A), q = a_push(w, 1, "refs/heads/x", OID_A);
	struct ff_push other = a_push(w, 1, "refs/heads/y", OID_A), later = a_push(w, 2, "refs/heads/x", OID_A);
	bool is_new = false;

	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	assert_true(is_new);
	ok(ff_store_push_add(w->s, &q, &is_new, &err));
	assert_false(is_new);
	assert_int_equal(p.row, q.row);
	assert_false(q.decided);
	ok(ff_store_push_decided(w->s, p.row, &err));
	ok(ff_store_push_add(w->s, &q, &is_new, &err));
	assert_true(q.decided);
	/* Another ref of the same push, and the same ref pushed again, are others. */
	ok(ff_store_push_add(w->s, &other, &is_new, &err));
	assert_true(is_new);
	ok(ff_store_push_add(w->s, &later, &is_new, &err));
	assert_true(is_new);
}

static void count_push(void *arg, const struct ff_push *p)
{
	int64_t *rows = arg;

	rows[++rows[0]] = p->row;
}

/* A push without a hook's word, and whether it has a job. */
static struct ff_push found_push(struct world *w, unsigned char id, const char *ref, const char *oid, bool with_job)
{
	struct ff_push p = a_push(w, id, ref, oid);
	FF_AUTO(ff_job_free) struct ff_job *job = make_job(w, ref, FF_JOB_QUEUED, 0);
	bool is_new;

	p.uid = -1;
	p.pusher = NULL;
	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	if (with_job)
		ok(ff_store_job_add(w->s, job, p.row, 0, &err));
	return p;
}

static void a_late_hook_takes_its_push_over(void **state)
{
	struct world *w = *state;
	struct ff_push with = found_push(w, 1, "refs/heads/with", OID_A, true);
	struct ff_push without = found_push(w, 2, "refs/heads/without", OID_A, false);
	struct ff_push hook = a_push(w, 3, "refs/heads/with", OID_A), other = a_push(w, 4, "refs/heads/without", OID_A);
	int64_t rows[8] = { 0 }, gone = -1;
	bool is_new = true;

	ok(ff_store_push_take_over(w->s, &hook, &gone, &err));
	assert_int_equal(gone, 0);
	ok(ff_store_push_add(w->s, &hook, &is_new, &err));
	assert_false(is_new);
	assert_int_equal(hook.row, with.row);
	ok(ff_store_push_take_over(w->s, &other, &gone, &err));
	assert_int_equal(gone, without.row);
	ok(ff_store_pushes_open(w->s, count_push, rows, &err));
	assert_int_equal(rows[0], 1); /* `with`, which nobody has decided here */
	ok(ff_store_push_add(w->s, &other, &is_new, &err));
	assert_true(is_new);
}

static void only_the_last_push_of_a_ref_is_taken_over(void **state)
{
	struct world *w = *state;
	struct ff_push p = found_push(w, 1, "refs/heads/x", OID_A, true);
	struct ff_push elsewhere = a_push(w, 2, "refs/heads/x", OID_B), again = a_push(w, 3, "refs/heads/x", OID_A);
	bool is_new = false;
	int64_t gone;

	ok(ff_store_push_take_over(w->s, &elsewhere, &gone, &err));
	assert_int_equal(gone, 0);
	ok(ff_store_push_add(w->s, &elsewhere, &is_new, &err));
	assert_true(is_new);
	ok(ff_store_push_take_over(w->s, &again, &gone, &err));
	assert_int_equal(gone, 0);
	ok(ff_store_push_add(w->s, &again, &is_new, &err));
	assert_true(is_new);
	assert_int_not_equal(again.row, p.row);
}

static void same_push(void *arg, const struct ff_push *p)
{
	struct ff_push *want = arg;

	assert_int_equal(p->row, want->row);
	assert_memory_equal(p->id, want->id, sizeof p->id);
	assert_string_equal(p->ref, want->ref);
	assert_string_equal(p->old_oid, want->old_oid);
	assert_string_equal(p->new_oid, want->new_oid);
	assert_null(p->pusher);
	assert_int_equal(p->uid, -1);
	assert_string_equal(p->options, want->options);
	assert_int_equal(p->received_ms, want->received_ms);
}

static void pushes_that_are_open(void **state)
{
	struct world *w = *state;
	struct ff_push p = a_push(w, 1, "refs/heads/\xff\xfe", OID_LONG), q = a_push(w, 2, "refs/heads/y", OID_B);
	int64_t rows[8] = { 0 };
	bool is_new, found = true;

	p.pusher = NULL;
	p.uid = -1;
	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	ok(ff_store_push_add(w->s, &q, &is_new, &err));
	ok(ff_store_pushes_open(w->s, count_push, rows, &err));
	assert_int_equal(rows[0], 2);
	assert_int_equal(rows[1], p.row);
	ok(ff_store_push_decided(w->s, q.row, &err));
	rows[0] = 0;
	ok(ff_store_pushes_open(w->s, count_push, rows, &err));
	assert_int_equal(rows[0], 1);
	ok(ff_store_push_get(w->s, p.row, same_push, &p, &err));
	fails(NOT_FOUND, "no push 999", ff_store_push_get(w->s, 999, same_push, &p, &err));
	ok(ff_store_push_ended_at(w->s, w->repo, p.ref, OID_LONG, &found, &err));
	assert_true(found);
	ok(ff_store_push_ended_at(w->s, w->repo, p.ref, OID_A, &found, &err));
	assert_false(found);
}

static void tips(void **state)
{
	struct world *w = *state;
	char oid[FF_OID_HEX_MAX + 1] = "x";

	ok(ff_store_tip_get(w->s, w->repo, "refs/heads/x", oid, &err));
	assert_string_equal(oid, "");
	ok(ff_store_tip_set(w->s, w->repo, "refs/heads/x", OID_A, &err));
	ok(ff_store_tip_set(w->s, w->repo, "refs/heads/x", OID_LONG, &err));
	ok(ff_store_tip_get(w->s, w->repo, "refs/heads/x", oid, &err));
	assert_string_equal(oid, OID_LONG);
	ok(ff_store_tip_set(w->s, w->repo, "refs/heads/x", OID_ZERO, &err));
	ok(ff_store_tip_get(w->s, w->repo, "refs/heads/x", oid, &err));
	assert_string_equal(oid, "");
}

/* --- jobs */

static void fill_job(struct ff_job *j)
{
	char *const paths[] = { ff_strdup("a\xff" "b"), ff_strdup("dir/with \"quotes\"\n"), NULL };

	j->spec.task = ff_strdup("do\n\xff\xfe it \xe2\x82\xac");
	j->spec.task_from = ff_strdup("push option");
	j->spec.target = ff_strdup("main\xff");
	j->spec.env_name = ff_strdup("");
	j->spec.priority = FF_PRIORITY_LOW;
	j->spec.ttl_ms = INT64_C(5000000000);
	j->spec.retries = 4;
	j->state = FF_JOB_WAITING;
	j->wait = FF_WAIT_PARKED;
	j->wait_until_ms = INT64_MAX;
	j->error = FF_E_RATE_LIMIT;
	j->reason = ff_strdup("because \xff");
	j->attempt = 3;
	j->failures = 2;
	j->step = FF_STEP_REBASE;
	j->step_done[FF_STEP_PREPARE] = j->step_done[FF_STEP_RUN] = true;
	j->step_oid[FF_STEP_PREPARE] = ff_strdup(OID_LONG);
	memcpy(j->base_oid, OID_LONG, sizeof OID_LONG);
	memcpy(j->approved_oid, OID_A, sizeof OID_A);
	memcpy(j->result_oid, OID_B, sizeof OID_B);
	j->result_ref = ff_strdup("refs/heads/claude-results/\xff-1");
	j->conflicts = ff_calloc(3, sizeof *j->conflicts);
	memcpy(j->conflicts, paths, sizeof paths);
	j->tokens_in = INT64_MAX;
	j->tokens_out = 11;
	j->cost_microusd = 12;
	j->started_ms = 13;
	j->ended_ms = 14;
}

static void same_jobs(const struct ff_job *a, const struct ff_job *b)
{
	assert_string_equal(a->uuid, b->uuid);
	assert_int_equal(a->repo, b->repo);
	assert_string_equal(a->source_ref, b->source_ref);
	assert_string_equal(a->source_oid, b->source_oid);
	assert_string_equal(a->pusher, b->pusher);
	assert_string_equal(a->spec.task, b->spec.task);
	assert_string_equal(a->spec.task_from, b->spec.task_from);
	assert_string_equal(a->spec.target, b->spec.target);
	assert_string_equal(a->spec.env_name, b->spec.env_name);
	assert_int_equal(a->spec.priority, b->spec.priority);
	assert_int_equal(a->spec.ttl_ms, b->spec.ttl_ms);
	assert_int_equal(a->spec.retries, b->spec.retries);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->wait, b->wait);
	assert_int_equal(a->wait_until_ms, b->wait_until_ms);
	assert_int_equal(a->error, b->error);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->failures, b->failures);
	assert_int_equal(a->step, b->step);
	assert_string_equal(a->base_oid, b->base_oid);
	assert_string_equal(a->approved_oid, b->approved_oid);
	assert_string_equal(a->result_oid, b->result_oid);
	assert_string_equal(a->result_ref, b->result_ref);
	for (size_t i = 0; i < 3; i++)
		assert_true(i == 2 ? !b->conflicts[i] : !strcmp(a->conflicts[i], b->conflicts[i]));
	assert_int_equal(a->tokens_in, b->tokens_in);
	assert_int_equal(a->tokens_out, b->tokens_out);
	assert_int_equal(a->cost_microusd, b->cost_microusd);
	assert_int_equal(a->created_ms, b->created_ms);
	assert_int_equal(a->started_ms, b->started_ms);
	assert_int_equal(a->ended_ms, b->ended_ms);
	for (int k = 1; k < FF_STEP_LIMIT; k++) {
		assert_int_equal(a->step_done[k], b->step_done[k]);
		assert_true(a->step_oid[k] ? b->step_oid[k] && !strcmp(a->step_oid[k], b->step_oid[k]) : !b->step_oid[k]);
	}
}

static void a_job_comes_back_whole(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_job_free) struct ff_job *j = make_job(w, "refs/heads/\xff\x01", FF_JOB_QUEUED, FF_PRIORITY_HIGH);
	FF_AUTO(ff_job_free) struct ff_job *got = NULL;
	int64_t id = 0;

	memcpy(j->source_oid, OID_LONG, sizeof OID_LONG);
	j->pusher = ff_strdup("p\xff");
	ok(ff_store_job_add(w->s, j, 0, 0, &err));
	assert_int_equal(strlen(j->uuid), FF_UUID_TEXT);
	fill_job(j);
	ok(ff_store_job_save(w->s, j, &err));
	for (int k = 1; k < FF_STEP_LIMIT; k++)
		if (j->step_done[k])
			ok(ff_store_step_save(w->s, j, (enum ff_step_kind)k, &err));
	ff_store_close(&w->s);
	ok(ff_store_open(w->path, &w->s, &err));
	ok(ff_store_job_get(w->s, j->id, &got, &err));
	same_jobs(j, got);
	ok(ff_store_job_by_uuid(w->s, j->uuid, &id, &err));
	assert_int_equal(id, j->id);
	ff_job_free(&got);
	/* An attempt that begins or ends well changes some of it, and the rest stays. */
	j->state = FF_JOB_COMPLETED;
	j->wait = FF_WAIT_NONE;
	j->wait_until_ms = 0;
	j->error = FF_E_NONE;
	ff_free(&j->reason);
	j->reason = ff_strdup("nothing to do \xff");
	j->attempt++;
	j->step = FF_STEP_NONE;
	memcpy(j->result_oid, OID_A, sizeof OID_A);
	ff_free(&j->result_ref);
	j->result_ref = ff_strdup("refs/heads/\xfe");
	j->started_ms++;
	j->ended_ms += 2;
	ok(ff_store_run_save(w->s, j, &err));
	ok(ff_store_job_get(w->s, j->id, &got, &err));
	same_jobs(j, got);
	fails(INVALID, "neither", ff_store_job_by_uuid(w->s, "12x", &id, &err));
	fails(NOT_FOUND, "no job", ff_store_job_by_uuid(w->s, "00000000-0000-0000-0000-000000000000", &id, &err));
}

/* A step that runs again may make another object: the newest one counts. */
static void recovery_points_follow_the_job(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_job_free) struct ff_job *j = make_job(w, "refs/heads/x", FF_JOB_RUNNING, FF_PRIORITY_NORMAL);
	FF_AUTO(ff_job_free) struct ff_job *got = NULL;
	FF_AUTO(ff_job_free) struct ff_job *bare = NULL;

	ok(ff_store_job_add(w->s, j, 0, 0, &err));
	j->step_done[FF_STEP_COMMIT] = true;
	j->step_oid[FF_STEP_COMMIT] = ff_strdup(OID_A);
	ok(ff_store_step_save(w->s, j, FF_STEP_COMMIT, &err));
	memset(j->step_oid[FF_STEP_COMMIT], 'b', strlen(OID_B));
	ok(ff_store_step_save(w->s, j, FF_STEP_COMMIT, &err));
	ok(ff_store_job_get(w->s, j->id, &got, &err));
	assert_string_equal(got->step_oid[FF_STEP_COMMIT], OID_B);
	j->step_done[FF_STEP_GATE] = true;
	ok(ff_store_step_save(w->s, j, FF_STEP_GATE, &err));
	j->step_done[FF_STEP_COMMIT] = j->step_done[FF_STEP_GATE] = false;
	ff_free(&j->step_oid[FF_STEP_COMMIT]);
	ok(ff_store_step_save(w->s, j, FF_STEP_COMMIT, &err));
	ok(ff_store_job_get(w->s, j->id, &bare, &err));
	assert_false(bare->step_done[FF_STEP_COMMIT]);
	assert_false(bare->step_done[FF_STEP_GATE]);
	assert_null(bare->conflicts);
	assert_null(bare->reason);
}

static void one_job_a_push(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_job_free) struct ff_job *j = make_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	FF_AUTO(ff_job_free) struct ff_job *again = make_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	struct ff_push p = a_push(w, 1, "refs/heads/x", OID_A);
	unsigned char other[16] = { 0 };
	int64_t id = -1;
	bool is_new;

	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	ok(ff_store_job_of_push(w->s, p.row, &id, &err));
	assert_int_equal(id, 0);
	ok(ff_store_job_add(w->s, j, p.row, 0, &err));
	fails(STORE, "refused", ff_store_job_add(w->s, again, p.row, 0, &err));
	ok(ff_store_job_of_push(w->s, p.row, &id, &err));
	assert_int_equal(id, j->id);
	ok(ff_store_job_by_push_id(w->s, p.id, &id, &err));
	assert_int_equal(id, j->id);
	ok(ff_store_job_by_push_id(w->s, other, &id, &err));
	assert_int_equal(id, 0);
	ok(ff_store_push_of_job(w->s, j->id, &id, &err));
	assert_int_equal(id, p.row);
}

static void the_queue(void **state)
{
	struct world *w = *state;
	int64_t low = add_job(w, "refs/heads/1", FF_JOB_QUEUED, FF_PRIORITY_LOW);
	int64_t normal = add_job(w, "refs/heads/2", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	int64_t high = add_job(w, "refs/heads/3", FF_JOB_QUEUED, FF_PRIORITY_HIGH);
	int64_t high2 = add_job(w, "refs/heads/4", FF_JOB_QUEUED, FF_PRIORITY_HIGH);
	int64_t waits = add_job(w, "refs/heads/5", FF_JOB_WAITING, FF_PRIORITY_HIGH);
	const int64_t order[] = { high, high2, normal, low };
	int64_t id = 0, n = 0, *ids = NULL;
	size_t count = 0;

	ok(ff_store_jobs_in(w->s, FF_JOB_QUEUED, FF_WAIT_NONE, 3, &ids, &count, &err));
	assert_int_equal(count, 3);
	assert_int_equal(ids[0], low);
	ff_free(&ids);
	for (size_t i = 0; i < FF_ARRAY_LEN(order); i++) {
		FF_AUTO(ff_job_free) struct ff_job *j = NULL;

		ok(ff_store_next_queued(w->s, &id, &err));
		assert_int_equal(id, order[i]);
		ok(ff_store_job_get(w->s, id, &j, &err));
		j->state = FF_JOB_RUNNING;
		ok(ff_store_job_save(w->s, j, &err));
	}
	ok(ff_store_next_queued(w->s, &id, &err));
	assert_int_equal(id, 0);
	ok(ff_store_count(w->s, FF_JOB_RUNNING, &n, &err));
	assert_int_equal(n, 4);
	ok(ff_store_jobs_in(w->s, FF_JOB_WAITING, FF_WAIT_RETRY, 10, &ids, &count, &err));
	assert_int_equal(count, 0);
	ff_free(&ids);
	ok(ff_store_jobs_in(w->s, FF_JOB_WAITING, FF_WAIT_NONE, 10, &ids, &count, &err));
	assert_int_equal(count, 1);
	assert_int_equal(ids[0], waits);
	ff_free(&ids);
}

static void count_job(void *arg, const struct ff_job *job)
{
	count_push(arg, &(struct ff_push){ .row = job->id });
}

static void listing(void **state)
{
	struct world *w = *state;
	int64_t one = add_job(w, "refs/heads/x", FF_JOB_FAILED, FF_PRIORITY_NORMAL);
	int64_t two = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	int64_t three = add_job(w, "refs/heads/y", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	int64_t got[8] = { 0 };
	struct ff_job_filter f = { .limit = 2 };

	ok(ff_store_list(w->s, &f, count_job, got, &err));
	assert_int_equal(got[0], 2);
	assert_int_equal(got[1], three);
	f = (struct ff_job_filter){ .limit = 9, .ref = "refs/heads/x", .state = FF_JOB_QUEUED };
	got[0] = 0;
	ok(ff_store_list(w->s, &f, count_job, got, &err));
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], two);
	f = (struct ff_job_filter){ .limit = 9, .below = two, .repo = w->repo };
	got[0] = 0;
	ok(ff_store_list(w->s, &f, count_job, got, &err));
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], one);
}

static void live_of_source(void **state)
{
	struct world *w = *state;
	int64_t ended = add_job(w, "refs/heads/x", FF_JOB_COMPLETED, FF_PRIORITY_NORMAL);
	int64_t first = add_job(w, "refs/heads/x", FF_JOB_WAITING, FF_PRIORITY_LOW);
	int64_t second = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_HIGH);
	int64_t id = -1;

	assert_true(ended < first);
	ok(ff_store_live_of_source(w->s, w->repo, "refs/heads/x", 0, &id, &err));
	assert_int_equal(id, first);
	ok(ff_store_live_of_source(w->s, w->repo, "refs/heads/x", first, &id, &err));
	assert_int_equal(id, second);
	ok(ff_store_live_of_source(w->s, w->repo, "refs/heads/none", 0, &id, &err));
	assert_int_equal(id, 0);
	ok(ff_store_live_of_source(w->s, w->repo + 1, "refs/heads/x", 0, &id, &err));
	assert_int_equal(id, 0);
}

/* --- events, timers, answers */

struct seen {
	int64_t seq, n;
	char *data;
};

static void see(void *arg, int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data)
{
	struct seen *s = arg;

	assert_true(seq > s->seq && job > 0 && type == FF_EVENT_JOB_PROGRESS && at_ms == 21);
	s->seq = seq;
	s->n++;
	ff_free(&s->data);
	s->data = ff_strdup(data);
}

static void events(void **state)
{
	struct world *w = *state;
	int64_t one = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	int64_t two = add_job(w, "refs/heads/y", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	struct seen s = { 0, 0, NULL }, after = { 0, 0, NULL };
	int64_t first = 0, last = 0;

	ok(ff_store_event_add(w->s, one, FF_EVENT_JOB_PROGRESS, 21, "{\"text\":\"1\"}", &first, &err));
	ok(ff_store_event_add(w->s, two, FF_EVENT_JOB_PROGRESS, 21, "{}", &last, &err));
	ok(ff_store_event_add(w->s, one, FF_EVENT_JOB_PROGRESS, 21, "{\"text\":\"2\"}", &last, &err));
	assert_true(first < last);
	ok(ff_store_events(w->s, one, 0, 100, see, &s, &err));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.seq, last);
	ok(ff_store_events(w->s, one, first, 100, see, &after, &err));
	assert_int_equal(after.n, 1);
	assert_string_equal(after.data, "{\"text\":\"2\"}");
	after.n = after.seq = 0;
	ok(ff_store_events(w->s, one, 0, 1, see, &after, &err));
	assert_int_equal(after.n, 1);
	assert_int_equal(after.seq, first);
	ff_free(&s.data);
	ff_free(&after.data);
}

static int64_t rows_of(struct world *w, int64_t job)
{
	FF_AUTO(ff_free) char *sql = ff_asprintf("SELECT count(*) FROM events WHERE job = %lld", (long long)job);
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(w->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

/* What a job was told in one turn is one row; whoever reads sees events. */
static void events_of_a_turn(void **state)
{
	static const char *const data[] = { "{\"text\":\"1 2 3\"}", "{}", "{\n\"text\":\"more than a line\"}", "{\"text\":\"4\"}", "{}" };
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL), seq[5], other = 0, n = 0;
	struct seen s = { 0, 0, NULL };

	ok(ff_store_begin(w->s, &err));
	for (int i = 0; i < 5; i++) {
		ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, data[i], &seq[i], &err));
		ok(ff_store_event_add(w->s, job + 1, FF_EVENT_JOB_PROGRESS, 21, "{}", &other, &err));
	}
	ok(ff_store_commit(w->s, &err));
	assert_int_equal(rows_of(w, job), 3); /* two, the one that has lines, and two */
	for (int limit = 1; limit < 7; limit++) {
		for (int after = 0; after <= 5; after++) {
			int left = 5 - after, want = limit < left ? limit : left;

			s.n = s.seq = 0;
			ok(ff_store_events(w->s, job, after ? seq[after - 1] : 0, limit, see, &s, &err));
			assert_int_equal(s.n, want);
			if (!want)
				continue;
			assert_int_equal(s.seq, seq[after + want - 1]);
			assert_string_equal(s.data, data[after + want - 1]);
		}
	}
	ok(ff_store_event_count(w->s, job, FF_EVENT_JOB_PROGRESS, &n, &err));
	assert_int_equal(n, 5);
	ok(ff_store_event_count(w->s, job, FF_EVENT_JOB_QUEUED, &n, &err));
	assert_int_equal(n, 0);
	/* In its turn, before it is over, and after one that failed. */
	ok(ff_store_begin(w->s, &err));
	ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, "{}", &seq[0], &err));
	ok(ff_store_event_count(w->s, job, FF_EVENT_JOB_PROGRESS, &n, &err));
	assert_int_equal(n, 6);
	ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, "{}", &seq[0], &err));
	ff_store_rollback(w->s);
	ok(ff_store_event_count(w->s, job, FF_EVENT_JOB_PROGRESS, &n, &err));
	assert_int_equal(n, 5);
	ff_free(&s.data);
}

/* A row that no program of ours wrote is an error, and nothing is read past it. */
static void a_row_of_events_that_is_none(void **state)
{
	static const char *const rows[] = { "x", "1 2 3\n", "1 x 21 {}\n", "1 5 21 {}" };
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	struct seen s = { 0, 0, NULL };

	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *sql = ff_asprintf("DELETE FROM events; INSERT INTO events VALUES (%lld, 1, 0, 21, '%s')",
							 (long long)job, rows[i]);

		stranger_does(w, sql);
		fails(STORE, "cannot be read", ff_store_events(w->s, job, 0, 10, see, &s, &err));
		assert_int_equal(s.n, 0);
	}
	ff_free(&s.data);
}

/* Not after a rollback, nor after a start. */
static void a_number_is_given_once(void **state)
{
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL), last = 0, seq = 0;

	for (int i = 0; i < 6; i++) {
		ok(ff_store_begin(w->s, &err));
		for (int k = 0; k < 3000; k++) { /* more than are taken at once, now and then */
			ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, "{}", &seq, &err));
			assert_true(seq > last);
			last = i % 3 ? seq : last; /* of what was taken back nobody has heard */
		}
		if (i % 3 == 0)
			ff_store_rollback(w->s);
		else
			ok(ff_store_commit(w->s, &err));
		if (i % 3 != 2)
			continue;
		ff_store_close(&w->s);
		ok(ff_store_open(w->path, &w->s, &err));
	}
}

/* The events of version 12 are there, and their numbers are not given out again, those of events that are gone included. */
static void events_of_an_older_version(void **state)
{
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL), seq = 0;
	struct seen s = { 0, 0, NULL };

	ff_store_close(&w->s);
	stranger_does(w, "DROP TABLE events; DROP TABLE numbers; DROP TABLE resolutions; DROP TABLE conflict_stats; DROP TABLE memory;"
		" CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, type INTEGER NOT NULL,"
		" at_ms INTEGER NOT NULL, data TEXT NOT NULL) STRICT; CREATE INDEX events_job ON events(job, seq);"
		" INSERT INTO events VALUES (70, 1, 5, 21, '{}'), (71, 2, 5, 21, '{}'), (72, 1, 5, 21, '{\"text\":\"x\"}'), (99, 3, 5, 21, '');"
		" DELETE FROM events WHERE seq = 99; PRAGMA user_version = 12");
	ok(ff_store_open(w->path, &w->s, &err));
	ok(ff_store_events(w->s, job, 0, 10, see, &s, &err));
	assert_int_equal(s.n, 2);
	assert_int_equal(s.seq, 72);
	assert_string_equal(s.data, "{\"text\":\"x\"}");
	ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, "{}", &seq, &err));
	assert_int_equal(seq, 100);
	ff_free(&s.data);
}

/* How many events a reader of its own sees. */
static int64_t stranger_counts(const struct world *w)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open_v2(w->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM events", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

static void add_large_events(struct world *w, int64_t job, int n)
{
	static char data[60000];
	int64_t seq;

	memset(data, ' ', sizeof data - 1);
	memcpy(data, "{}", 2);
	for (int i = 0; i < n; i++)
		ok(ff_store_event_add(w->s, job, FF_EVENT_JOB_PROGRESS, 21, data, &seq, &err));
}

/* More than the log gathers (walfile.c) and than the cache holds: pages leave it before the commit, and are read again. */
static void a_turn_of_many_pages(void **state)
{
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	struct seen s = { 0, 0, NULL };

	ok(ff_store_begin(w->s, &err));
	add_large_events(w, job, 300);
	assert_int_equal(stranger_counts(w), 0);
	ok(ff_store_events(w->s, job, 0, 1000, see, &s, &err));
	assert_int_equal(s.n, 300);
	assert_int_equal(strlen(s.data), 59999);
	ok(ff_store_commit(w->s, &err));
	assert_int_equal(stranger_counts(w), 300);
	ok(ff_store_begin(w->s, &err));
	add_large_events(w, job, 300);
	ff_store_rollback(w->s);
	ff_store_checkpoint(w->s);
	assert_int_equal(stranger_counts(w), 300);
	ok(ff_store_begin(w->s, &err));
	add_large_events(w, job, 1);
	ok(ff_store_commit(w->s, &err));
	assert_int_equal(stranger_counts(w), 301);
	ff_free(&s.data);
}

static void timers(void **state)
{
	struct world *w = *state;
	int64_t one = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	int64_t two = add_job(w, "refs/heads/y", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	enum ff_timer_kind kind = FF_TIMER_RETRY;
	int64_t job = -1, next = -1;

	ok(ff_store_timer_take(w->s, 50, &job, &kind, &next, &err));
	assert_int_equal(job, 0);
	assert_int_equal(next, 0);
	ok(ff_store_timer_set(w->s, one, FF_TIMER_TTL, 10, &err));
	ok(ff_store_timer_set(w->s, one, FF_TIMER_TTL, 100, &err)); /* moved */
	ok(ff_store_timer_set(w->s, one, FF_TIMER_RETRY, 200, &err));
	ok(ff_store_timer_set(w->s, two, FF_TIMER_RETRY, 40, &err));
	ok(ff_store_timer_take(w->s, 50, &job, &kind, &next, &err));
	assert_int_equal(job, two);
	assert_int_equal(kind, FF_TIMER_RETRY);
	ok(ff_store_timer_take(w->s, 50, &job, &kind, &next, &err));
	assert_int_equal(job, 0);
	assert_int_equal(next, 100);
	ok(ff_store_timer_take(w->s, 100, &job, &kind, &next, &err));
	assert_int_equal(job, one);
	assert_int_equal(kind, FF_TIMER_TTL);
	ok(ff_store_timers_clear(w->s, one, &err));
	ok(ff_store_timer_take(w->s, 1000, &job, &kind, &next, &err));
	assert_int_equal(job, 0);
}

static struct ff_spend a_request(struct world *w, const char *ref)
{
	return (struct ff_spend){ .job = add_job(w, ref, FF_JOB_RUNNING, FF_PRIORITY_NORMAL), .repo = w->repo, .attempt = 1, .key = KEY,
				  .model = "m", .pusher = "ann", .tokens = { .input = 100 }, .microusd = 900, .at_ms = 86400000 * 20000LL };
}

static void sums_are(struct world *w, int64_t job, int64_t microusd, int64_t tokens)
{
	struct ff_spend_sum sum;
	int64_t n;

	ok(ff_spend_of_job(w->s, job, &sum, &n, &err));
	assert_int_equal(sum.microusd, microusd);
	assert_int_equal(sum.tokens, tokens);
	ok(ff_spend_of_day(w->s, 86400000 * 20000LL + 86399999, 0, true, "ann", &sum, &err));
	assert_int_equal(sum.microusd, microusd);
	assert_int_equal(sum.tokens, tokens);
	ok(ff_spend_of_day(w->s, 86400000 * 20001LL, 0, false, NULL, &sum, &err));
	assert_int_equal(sum.microusd, 0);
}

static void a_request_counts_once(void **state)
{
	struct world *w = *state;
	struct ff_spend r = a_request(w, "refs/heads/x"), end;
	struct ff_spend_sum sum;
	bool done = false;

	ok(ff_spend_open(w->s, &r, &err));
	sums_are(w, r.job, 900, 100);
	ok(ff_spend_under_way(w->s, r.job, w->repo, true, "ann", &sum, &err));
	assert_int_equal(sum.microusd, 900);
	ok(ff_spend_under_way(w->s, 0, 0, true, "bob", &sum, &err));
	assert_int_equal(sum.microusd, 0);
	end = (struct ff_spend){ .id = r.id, .model = "m-1", .outcome = "answered", .state = FF_SPEND_SETTLED, .status = 200,
				 .tokens = { 7, 5, 3, 2, 0 }, .microusd = 41 };
	ok(ff_spend_settle(w->s, &end, &done, &err));
	assert_true(done);
	sums_are(w, r.job, 41, 17);
	ok(ff_spend_settle(w->s, &end, &done, &err));
	assert_false(done);
	sums_are(w, r.job, 41, 17);
	r.key = "12";
	fails(PROTOCOL, "64 hex digits", ff_spend_open(w->s, &r, &err));
	r.key = KEY;
	r.job = 999;
	fails(STORE, "FOREIGN KEY", ff_spend_open(w->s, &r, &err));
}

static void what_is_lost_counts_until_it_is_found(void **state)
{
	struct world *w = *state;
	struct ff_spend r = a_request(w, "refs/heads/x"), end = { .model = "m", .outcome = "answered", .status = 200, .microusd = 5 };
	bool done = false;
	int64_t n = 0, id = 0;

	ok(ff_spend_open(w->s, &r, &err));
	ok(ff_spend_lose(w->s, &n, &err));
	assert_int_equal(n, 1);
	sums_are(w, r.job, 900, 100);
	ok(ff_spend_lost(w->s, r.job, KEY, &id, &err));
	assert_int_equal(id, r.id);
	end.id = id;
	ok(ff_spend_settle(w->s, &end, &done, &err));
	assert_true(done);
	sums_are(w, r.job, 5, 0);
	ok(ff_spend_lost(w->s, r.job, KEY, &id, &err));
	assert_int_equal(id, 0);
}

/* Asked again by the next attempt: the answer that is replayed later is that one's, and was paid for. */
static void an_answer_is_counted_once(void **state)
{
	struct world *w = *state;
	struct ff_spend r = a_request(w, "refs/heads/x"), end = { .model = "m", .status = 429, .outcome = "http 429", .state = FF_SPEND_SETTLED };
	bool done = false;
	int64_t n = 0, id = 0, lost;

	ok(ff_spend_open(w->s, &r, &err));
	lost = r.id;
	ok(ff_spend_lose(w->s, &n, &err));
	ok(ff_spend_open(w->s, &r, &err));
	end.id = r.id;
	ok(ff_spend_settle(w->s, &end, &done, &err));
	ok(ff_spend_lost(w->s, r.job, KEY, &id, &err));
	assert_int_equal(id, lost); /* refused: that is no answer */
	ok(ff_spend_open(w->s, &r, &err));
	end = (struct ff_spend){ .id = r.id, .model = "m", .outcome = "answered", .state = FF_SPEND_SETTLED, .status = 200, .microusd = 5 };
	ok(ff_spend_settle(w->s, &end, &done, &err));
	ok(ff_spend_lost(w->s, r.job, KEY, &id, &err));
	assert_int_equal(id, 0);
	sums_are(w, r.job, 905, 100);
}

struct rows { int n; int64_t microusd; char name[64]; };

static void add_row(void *arg, const struct ff_spend_row *row)
{
	struct rows *r = arg;

	if (!r->n++)
		(void)snprintf(r->name, sizeof r->name, "%s", row->name);
	r->microusd += row->microusd;
}

static void spend_by_everything(void **state)
{
	static const struct { enum ff_spend_by by; int n; const char *first; } cases[] = {
		{ FF_SPEND_BY_DAY, 2, "" }, { FF_SPEND_BY_REPOSITORY, 1, NULL }, { FF_SPEND_BY_PUSHER, 2, "" }, { FF_SPEND_BY_MODEL, 2, "n" },
	};
	struct world *w = *state;
	struct ff_spend r = a_request(w, "refs/heads/x");

	ok(ff_spend_open(w->s, &r, &err));
	r.pusher = NULL;
	r.model = "n";
	r.microusd = 1000;
	r.at_ms += 86400000;
	ok(ff_spend_open(w->s, &r, &err));
	for (size_t i = 0; i < FF_ARRAY_LEN(cases); i++) {
		struct rows rows = { 0 };

		ok(ff_spend_stats(w->s, cases[i].by, 0, 100, add_row, &rows, &err));
		assert_int_equal(rows.n, cases[i].n);
		assert_int_equal(rows.microusd, 1900);
		if (cases[i].first)
			assert_string_equal(rows.name, cases[i].first);
	}
	ok(ff_spend_forget(w->s, r.at_ms, &err));
	struct rows left = { 0 };
	ok(ff_spend_stats(w->s, FF_SPEND_BY_DAY, 0, 100, add_row, &left, &err));
	assert_int_equal(left.microusd, 1000);
}

/* --- transactions */

static void rollback_takes_all_back(void **state)
{
	struct world *w = *state;
	struct ff_push p = a_push(w, 1, "refs/heads/x", OID_A);
	int64_t first, second, n = -1;
	bool is_new = false;

	ok(ff_store_begin(w->s, &err));
	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	first = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	ff_store_rollback(w->s);
	ff_store_rollback(w->s); /* harmless */
	ok(ff_store_count(w->s, FF_JOB_QUEUED, &n, &err));
	assert_int_equal(n, 0);
	ok(ff_store_begin(w->s, &err));
	ok(ff_store_push_add(w->s, &p, &is_new, &err));
	assert_true(is_new);
	second = add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	ok(ff_store_commit(w->s, &err));
	assert_true(second >= first);
	ok(ff_store_count(w->s, FF_JOB_QUEUED, &n, &err));
	assert_int_equal(n, 1);
}

static void a_strangers_lock(void **state)
{
	struct world *w = *state;
	sqlite3 *other = stranger(w, "BEGIN EXCLUSIVE");
	int64_t begun = ff_clock_mono(), took, n = -1;
	struct ff_store *second = NULL;

	fails(STORE, "locked", ff_store_begin(w->s, &err));
	took = ff_clock_mono() - begun;
	assert_in_range(took, BUSY_LEAST_MS, BUSY_MOST_MS);
	ff_store_rollback(w->s);
	ok(ff_store_count(w->s, FF_JOB_QUEUED, &n, &err)); /* readers are not held up */
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	ok(ff_store_begin(w->s, &err));
	assert_true(add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL) > 0);
	ok(ff_store_commit(w->s, &err));
	ok(ff_store_open(w->path, &second, &err)); /* a tool may look while we run */
	ff_store_close(&second);
}

/* SQLite rolls back by itself when the disk is full; what comes after must not be committed one by one. */
static void half_a_turn_is_never_recorded(void **state)
{
	struct world *w = *state;
	struct ff_spend lost = { .job = 4711, .key = KEY, .model = "m" }; /* there is no such job */
	bool is_new = false;
	int64_t id = 0, n = -1;

	ok(ff_store_begin(w->s, &err));
	ok(ff_store_repo(w->s, "/srv/first.git", 5, &id, &is_new, &err));
	fails(STORE, "FOREIGN KEY", ff_spend_open(w->s, &lost, &err));
	fails(STORE, "FOREIGN KEY", ff_store_repo(w->s, "/srv/second.git", 5, &id, &is_new, &err));
	ok(ff_store_count(w->s, FF_JOB_QUEUED, &n, &err)); /* reading goes on */
	fails(STORE, "FOREIGN KEY", ff_store_commit(w->s, &err));
	ff_store_rollback(w->s);
	fails(NOT_FOUND, "", ff_store_repo_find(w->s, "/srv/first.git", &id, &err));
	fails(NOT_FOUND, "", ff_store_repo_find(w->s, "/srv/second.git", &id, &err));
	ok(ff_store_begin(w->s, &err));
	ok(ff_store_commit(w->s, &err));
	assert_false(ff_store_wrote(w->s));
	ok(ff_store_begin(w->s, &err));
	ok(ff_store_repo(w->s, "/srv/second.git", 5, &id, &is_new, &err));
	ok(ff_store_commit(w->s, &err));
	assert_true(ff_store_wrote(w->s));
}

static void a_clock_that_was_set(void **state)
{
	struct world *w = *state;
	int64_t job = add_job(w, "refs/heads/x", FF_JOB_WAITING, FF_PRIORITY_NORMAL), due = 0, next = 0;
	enum ff_timer_kind kind;

	ok(ff_store_timer_set(w->s, job, FF_TIMER_RETRY, 100000, &err));
	ok(ff_store_timers_shift(w->s, -60000, &err));
	ok(ff_store_timer_take(w->s, 1000, &due, &kind, &next, &err));
	assert_int_equal(next, 40000);
	ok(ff_store_timers_shift(w->s, -90000, &err)); /* 1970 is early enough */
	ok(ff_store_timer_take(w->s, 1000, &due, &kind, &next, &err));
	assert_int_equal(due, job);
}

/* --- what no statement may do: read every job there ever was */

static int most_steps;

static int on_profile(unsigned what, void *arg, void *st, void *ns)
{
	int steps = sqlite3_stmt_status(st, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);

	(void)what;
	(void)arg;
	(void)ns;
	if (steps > most_steps)
		most_steps = steps;
	return 0;
}

static int trace_all(sqlite3 *db, const char **text, const struct sqlite3_api_routines *api)
{
	(void)text;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, on_profile, NULL);
}

static void one_more(void *arg, const struct ff_job *job)
{
	(void)job;
	++*(int *)arg;
}

static int listed(struct world *w, int state, int64_t repo, const char *ref)
{
	struct ff_job_filter f = { .state = state, .repo = repo, .ref = ref, .limit = 50 };
	int n = 0;

	ok(ff_store_list(w->s, &f, one_more, &n, &err));
	return n;
}

static void ids_in(struct world *w, enum ff_job_state state, enum ff_job_wait wait, size_t want)
{
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 99;

	ok(ff_store_jobs_in(w->s, state, wait, 100, &ids, &n, &err));
	assert_int_equal(n, want);
}

static void nothing_reads_all_jobs(void **state)
{
	struct world *w = *state;
	int64_t id = 0, next = 0;
	enum ff_timer_kind kind;

	stranger_does(w, "INSERT INTO jobs (uuid, repo, source_ref, source_oid, priority, ttl_ms, retries, state, wait,"
		" wait_until_ms, error, attempt, failures, step, tokens_in, tokens_out, cost_microusd, created_ms, started_ms,"
		" ended_ms) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
		" SELECT randomblob(16), 1, CAST('refs/heads/x' AS BLOB), zeroblob(20), 0, 0, 0, 5, 0, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM n");
	ff_store_close(&w->s);
	assert_int_equal(sqlite3_auto_extension((void (*)(void))trace_all), SQLITE_OK);
	ok(ff_store_open(w->path, &w->s, &err));
	id = add_job(w, "refs/heads/x", FF_JOB_WAITING, FF_PRIORITY_NORMAL);
	ok(ff_store_timer_set(w->s, id, FF_TIMER_RETRY, 10, &err));
	(void)add_job(w, "refs/heads/x", FF_JOB_QUEUED, FF_PRIORITY_NORMAL);
	most_steps = 0;
	for (int s = FF_JOB_QUEUED; s <= FF_JOB_HELD; s++)
		ok(ff_store_count(w->s, (enum ff_job_state)s, &next, &err));
	ok(ff_store_next_queued(w->s, &id, &err));
	ok(ff_store_live_of_source(w->s, w->repo, "refs/heads/x", 0, &id, &err));
	ids_in(w, FF_JOB_RUNNING, FF_WAIT_NONE, 0);
	ids_in(w, FF_JOB_WAITING, FF_WAIT_NONE, 1);
	ids_in(w, FF_JOB_WAITING, FF_WAIT_BLOCKED, 0);
	ok(ff_store_timer_take(w->s, 5, &id, &kind, &next, &err));
	assert_int_equal(listed(w, FF_JOB_QUEUED, 0, NULL), 1);
	assert_int_equal(listed(w, FF_JOB_FAILED, 0, NULL), 0);
	assert_int_equal(listed(w, FF_JOB_COMPLETED, 0, NULL), 50);
	assert_int_equal(listed(w, FF_JOB_HELD, w->repo, "refs/heads/x"), 0);
	assert_int_equal(listed(w, 0, w->repo + 1, NULL), 0);
	assert_int_equal(listed(w, 0, 0, NULL), 50);
	sqlite3_reset_auto_extension();
	assert_in_range(most_steps, 0, 200);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(opens_again),
		test(newer_version_is_refused),
		test(what_is_no_database_is_refused),
		test(half_a_migration_leaves_nothing),
		test(read_only_file),
		test(a_push_is_one_row),
		test(a_late_hook_takes_its_push_over),
		test(only_the_last_push_of_a_ref_is_taken_over),
		test(pushes_that_are_open),
		test(tips),
		test(a_job_comes_back_whole),
		test(recovery_points_follow_the_job),
		test(one_job_a_push),
		test(the_queue),
		test(listing),
		test(live_of_source),
		test(events),
		test(events_of_a_turn),
		test(a_row_of_events_that_is_none),
		test(a_turn_of_many_pages),
		test(a_number_is_given_once),
		test(events_of_an_older_version),
		test(timers),
		test(a_request_counts_once), test(what_is_lost_counts_until_it_is_found),
		test(an_answer_is_counted_once), test(spend_by_everything),
		test(rollback_takes_all_back),
		test(a_strangers_lock),
		test(half_a_turn_is_never_recorded),
		test(a_clock_that_was_set),
		test(nothing_reads_all_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
