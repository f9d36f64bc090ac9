/* SPDX-License-Identifier: MIT */
/* Jobs and their steps: the last fold of each job's events, and the queue made of them. */
#include <stdlib.h>
#include <string.h>

#include <uuid/uuid.h>

#include "base/buf.h"
#include "base/file.h"
#include "job/retry.h"
#include "store/stmt.h"
#include "store/store.h"

/* Paths are bytes without NUL, so a NUL ends each in the stored list. */
static void bind_paths(struct ff_stmt *q, int at, char *const *paths, struct ff_buf *space)
{
	if (!paths) {
		ff_bind_blob(q, at, NULL, 0);
		return;
	}
	for (; *paths; paths++)
		(void)ff_buf_add(space, *paths, strlen(*paths) + 1);
	ff_bind_blob(q, at, space->data, space->len);
}

static int save_finished(struct ff_store *s, const struct ff_job *job, enum ff_step_kind kind, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO steps (job, kind, attempt, oid) VALUES (?1, ?2, ?3, ?4)"
		" ON CONFLICT DO UPDATE SET attempt = ?3, oid = ?4 WHERE oid IS NOT ?4");
	ff_bind_int(&q, 1, job->id);
	ff_bind_int(&q, 2, kind);
	ff_bind_int(&q, 3, job->attempt);
	ff_bind_oid(&q, 4, job->step_oid[kind]);
	return ff_stmt_run(&q, err);
}

int ff_store_step_save(struct ff_store *s, const struct ff_job *job, enum ff_step_kind kind, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf paths = { .data = NULL };
	struct ff_stmt q;

	if (job->step_done[kind] && save_finished(s, job, kind, err) < 0)
		return -1;
	if (!job->step_done[kind]) {
		ff_stmt(&q, s, "DELETE FROM steps WHERE job = ?1 AND kind >= ?2"); /* what came after it is worth nothing now */
		ff_bind_int(&q, 1, job->id);
		ff_bind_int(&q, 2, kind);
		if (ff_stmt_run(&q, err) < 0)
			return -1;
	}
	ff_buf_init(&paths, SIZE_MAX / 4);
	ff_stmt(&q, s, "UPDATE jobs SET step = ?2, base_oid = ?3, result_oid = ?4, result_ref = ?5, conflicts = ?6 WHERE id = ?1");
	ff_bind_int(&q, 1, job->id);
	ff_bind_int(&q, 2, job->step);
	ff_bind_oid(&q, 3, job->base_oid);
	ff_bind_oid(&q, 4, job->result_oid);
	ff_bind_bytes(&q, 5, job->result_ref);
	bind_paths(&q, 6, job->conflicts, &paths);
	return ff_stmt_run(&q, err);
}

static void bind_job(struct ff_stmt *q, const struct ff_job *job, struct ff_buf *paths)
{
	ff_bind_int(q, 1, job->id);
	ff_bind_bytes(q, 2, job->spec.task);
	ff_bind_bytes(q, 3, job->spec.task_from);
	ff_bind_bytes(q, 4, job->spec.target);
	ff_bind_bytes(q, 5, job->spec.env_name);
	ff_bind_int(q, 6, job->spec.priority);
	ff_bind_int(q, 7, job->spec.ttl_ms);
	ff_bind_int(q, 8, job->spec.retries);
	ff_bind_int(q, 9, job->state);
	ff_bind_int(q, 10, job->wait);
	ff_bind_int(q, 11, job->wait_until_ms);
	ff_bind_text(q, 12, job->error ? ff_err_name(job->error) : "");
	ff_bind_bytes(q, 13, job->reason);
	ff_bind_int(q, 14, job->attempt);
	ff_bind_int(q, 15, job->failures);
	ff_bind_int(q, 16, job->step);
	ff_bind_oid(q, 17, job->base_oid);
	ff_bind_oid(q, 18, job->result_oid);
	ff_bind_bytes(q, 19, job->result_ref);
	bind_paths(q, 20, job->conflicts, paths);
	ff_bind_int(q, 21, job->tokens_in);
	ff_bind_int(q, 22, job->tokens_out);
	ff_bind_int(q, 23, job->cost_microusd);
	ff_bind_int(q, 24, job->started_ms);
	ff_bind_int(q, 25, job->ended_ms);
	ff_bind_int(q, 26, ff_job_dead(job));
	ff_bind_oid(q, 27, job->approved_oid);
}

int ff_store_job_add(struct ff_store *s, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf paths;
	uuid_t uuid;
	struct ff_stmt q;

	ff_id_draw(uuid); /* libuuid's own takes five system calls */
	uuid[6] = (unsigned char)((uuid[6] & 0x0f) | 0x70); /* version 7, RFC 9562: the time, then random bits */
	uuid[8] = (unsigned char)((uuid[8] & 0x3f) | 0x80);
	ff_buf_init(&paths, SIZE_MAX / 4);
	ff_stmt(&q, s, "INSERT INTO jobs (task, task_from, target, env, priority, ttl_ms, retries, state, wait,"
		" wait_until_ms, error, reason, attempt, failures, step, base_oid, result_oid, result_ref, conflicts,"
		" tokens_in, tokens_out, cost_microusd, started_ms, ended_ms, dead, approved_oid, uuid, push, retry_of, repo, source_ref,"
		" source_oid, pusher, created_ms) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
		" ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35)");
	bind_job(&q, job, &paths);
	ff_bind_blob(&q, 28, uuid, sizeof uuid);
	if (push)
		ff_bind_int(&q, 29, push);
	if (retry_of)
		ff_bind_int(&q, 30, retry_of);
	ff_bind_int(&q, 31, job->repo);
	ff_bind_bytes(&q, 32, job->source_ref);
	ff_bind_oid(&q, 33, job->source_oid);
	ff_bind_bytes(&q, 34, job->pusher);
	ff_bind_int(&q, 35, job->created_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	job->id = ff_last_id(s);
	uuid_unparse_lower(uuid, job->uuid);
	return 0;
}

int ff_store_job_save(struct ff_store *s, const struct ff_job *job, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf paths;
	struct ff_stmt q;

	ff_buf_init(&paths, SIZE_MAX / 4);
	ff_stmt(&q, s, "UPDATE jobs SET task = ?2, task_from = ?3, target = ?4, env = ?5, priority = ?6, ttl_ms = ?7,"
		" retries = ?8, state = ?9, wait = ?10, wait_until_ms = ?11, error = ?12, reason = ?13,"
		" attempt = ?14, failures = ?15, step = ?16, base_oid = ?17, result_oid = ?18, result_ref = ?19,"
		" conflicts = ?20, tokens_in = ?21, tokens_out = ?22, cost_microusd = ?23, started_ms = ?24,"
		" ended_ms = ?25, dead = ?26, approved_oid = ?27 WHERE id = ?1");
	bind_job(&q, job, &paths);
	return ff_stmt_run(&q, err);
}

int ff_store_run_save(struct ff_store *s, const struct ff_job *job, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE jobs SET state = ?2, wait = ?3, wait_until_ms = ?4, error = ?5, reason = ?6, attempt = ?7, step = ?8,"
		" result_oid = ?9, result_ref = ?10, started_ms = ?11, ended_ms = ?12 WHERE id = ?1");
	ff_bind_int(&q, 1, job->id);
	ff_bind_int(&q, 2, job->state);
	ff_bind_int(&q, 3, job->wait);
	ff_bind_int(&q, 4, job->wait_until_ms);
	ff_bind_text(&q, 5, job->error ? ff_err_name(job->error) : "");
	ff_bind_bytes(&q, 6, job->reason);
	ff_bind_int(&q, 7, job->attempt);
	ff_bind_int(&q, 8, job->step);
	ff_bind_oid(&q, 9, job->result_oid);
	ff_bind_bytes(&q, 10, job->result_ref);
	ff_bind_int(&q, 11, job->started_ms);
	ff_bind_int(&q, 12, job->ended_ms);
	return ff_stmt_run(&q, err);
}

#define JOB_COLUMNS \
	"id, uuid, repo, source_ref, source_oid, pusher, task, task_from, target, env, priority, ttl_ms, retries," \
	" state, wait, wait_until_ms, error, reason, attempt, failures, step, base_oid, result_oid, result_ref," \
	" conflicts, tokens_in, tokens_out, cost_microusd, created_ms, started_ms, ended_ms, approved_oid"

static void read_uuid(struct ff_stmt *q, int col, char *text)
{
	char *raw = ff_col_bytes(q, col);
	uuid_t uuid;

	memcpy(uuid, raw, sizeof uuid); /* the table checks the length */
	uuid_unparse_lower(uuid, text);
	ff_free(&raw);
}

static struct ff_job *read_job(struct ff_stmt *q)
{
	struct ff_job *j = ff_job_new();
	const char *error = ff_col_text(q, 16);

	j->id = ff_col_int(q, 0);
	read_uuid(q, 1, j->uuid);
	j->repo = ff_col_int(q, 2);
	j->source_ref = ff_col_bytes(q, 3);
	ff_col_oid(q, 4, j->source_oid);
	j->pusher = ff_col_bytes(q, 5);
	j->spec.task = ff_col_bytes(q, 6);
	j->spec.task_from = ff_col_bytes(q, 7);
	j->spec.target = ff_col_bytes(q, 8);
	j->spec.env_name = ff_col_bytes(q, 9);
	j->spec.priority = (enum ff_priority)ff_col_int(q, 10);
	j->spec.ttl_ms = ff_col_int(q, 11);
	j->spec.retries = (int)ff_col_int(q, 12);
	j->state = (enum ff_job_state)ff_col_int(q, 13);
	j->wait = (enum ff_job_wait)ff_col_int(q, 14);
	j->wait_until_ms = ff_col_int(q, 15);
	j->error = error && *error ? ff_err_by_name(error) : FF_E_NONE;
	j->reason = ff_col_bytes(q, 17);
	j->attempt = (int)ff_col_int(q, 18);
	j->failures = (int)ff_col_int(q, 19);
	j->step = (enum ff_step_kind)ff_col_int(q, 20);
	ff_col_oid(q, 21, j->base_oid);
	ff_col_oid(q, 22, j->result_oid);
	j->result_ref = ff_col_bytes(q, 23);
	j->conflicts = ff_col_paths(q, 24);
	j->tokens_in = ff_col_int(q, 25);
	j->tokens_out = ff_col_int(q, 26);
	j->cost_microusd = ff_col_int(q, 27);
	j->created_ms = ff_col_int(q, 28);
	j->started_ms = ff_col_int(q, 29);
	j->ended_ms = ff_col_int(q, 30);
	ff_col_oid(q, 31, j->approved_oid);
	return j;
}

static int read_steps(struct ff_store *s, struct ff_job *job, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT kind, oid FROM steps WHERE job = ?1");
	ff_bind_int(&q, 1, job->id);
	while ((rc = ff_step(&q, err)) > 0) {
		int64_t kind = ff_col_int(&q, 0);
		char oid[FF_OID_HEX_MAX + 1];

		if (kind <= 0 || kind >= FF_STEP_LIMIT)
			continue; /* written by a newer version */
		ff_col_oid(&q, 1, oid);
		job->step_done[kind] = true;
		job->step_oid[kind] = *oid ? ff_strdup(oid) : NULL;
	}
	return rc;
}

int ff_store_job_get(struct ff_store *s, int64_t id, struct ff_job **ret_job, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?1");
	ff_bind_int(&q, 1, id);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no job %lld", (long long)id);
	job = read_job(&q);
	ff_stmt_done(&q);
	if (read_steps(s, job, err) < 0)
		return -1;
	*ret_job = ff_steal(&job);
	return 0;
}

/* One number out of a query whose first column it is; 0 when there is no row. */
static int one_int(struct ff_stmt *q, int64_t *ret, struct ff_err *err)
{
	int rc = ff_step(q, err);

	if (rc < 0)
		return -1;
	*ret = rc ? ff_col_int(q, 0) : 0;
	if (rc)
		ff_stmt_done(q);
	return 0;
}

int ff_store_job_by_uuid(struct ff_store *s, const char *uuid, int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;
	int64_t id = 0;
	uuid_t raw;

	if (uuid_parse(uuid, raw) < 0)
		return ff_err_set(err, FF_E_INVALID, "'%.60s' is neither a job number nor a UUID", uuid);
	ff_stmt(&q, s, "SELECT id FROM jobs WHERE uuid = ?1");
	ff_bind_blob(&q, 1, raw, sizeof raw);
	if (one_int(&q, &id, err) < 0)
		return -1;
	if (!id)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no job %s", uuid);
	*ret_id = id;
	return 0;
}

int ff_store_job_of_push(struct ff_store *s, int64_t push, int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT id FROM jobs WHERE push = ?1");
	ff_bind_int(&q, 1, push);
	return one_int(&q, ret_id, err);
}

int ff_store_job_by_push_id(struct ff_store *s, const unsigned char id[16], int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT jobs.id FROM pushes JOIN jobs ON jobs.push = pushes.id WHERE push_id = ?1 LIMIT 1");
	ff_bind_blob(&q, 1, id, 16);
	return one_int(&q, ret_id, err);
}

int ff_store_push_of_job(struct ff_store *s, int64_t job, int64_t *ret_push, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT ifnull(push, 0) FROM jobs WHERE id = ?1");
	ff_bind_int(&q, 1, job);
	return one_int(&q, ret_push, err);
}

int ff_store_next_queued(struct ff_store *s, int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT id FROM jobs WHERE state = 1 ORDER BY priority DESC, id LIMIT 1");
	return one_int(&q, ret_id, err);
}

int ff_store_live_of_source(struct ff_store *s, int64_t repo, const char *ref, int64_t except, int64_t *ret_id,
			    struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT id FROM jobs WHERE state < 5 AND state <> 4 AND repo = ?1 AND source_ref = ?2 AND id <> ?3"
		" ORDER BY id LIMIT 1");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, ref);
	ff_bind_int(&q, 3, except);
	return one_int(&q, ret_id, err);
}

/*
 * SQLite takes a partial index only when the statement itself says the state:
 * a bound one is a scan of every job there ever was.
 */
static void select_in(struct ff_stmt *q, struct ff_store *s, enum ff_job_state state, enum ff_job_wait wait)
{
	if (state == FF_JOB_WAITING && wait)
		ff_stmt(q, s, "SELECT id FROM jobs WHERE state = 2 AND wait = ?2 AND ?1 = 2 ORDER BY id LIMIT ?3");
	else if (state == FF_JOB_WAITING)
		ff_stmt(q, s, "SELECT id FROM jobs INDEXED BY jobs_waiting WHERE state = 2 AND ?1 = 2 AND ?2 = 0"
			" ORDER BY id LIMIT ?3");
	else if (state == FF_JOB_RUNNING)
		ff_stmt(q, s, "SELECT id FROM jobs INDEXED BY jobs_running WHERE state = 3 AND ?1 = 3"
			" AND (?2 = 0 OR wait = ?2) ORDER BY id LIMIT ?3");
	else
		ff_stmt(q, s, "SELECT id FROM jobs WHERE state = ?1 AND (?2 = 0 OR wait = ?2) ORDER BY id LIMIT ?3");
	ff_bind_int(q, 1, state);
	ff_bind_int(q, 2, wait);
}

int ff_store_jobs_in(struct ff_store *s, enum ff_job_state state, enum ff_job_wait wait, size_t max,
		     int64_t **ret_ids, size_t *ret_count, struct ff_err *err)
{
	int64_t *ids = NULL;
	size_t n = 0, cap = 0;
	struct ff_stmt q;
	int rc;

	select_in(&q, s, state, wait);
	ff_bind_int(&q, 3, (int64_t)max);
	while ((rc = ff_step(&q, err)) > 0) {
		if (n == cap)
			ids = ff_realloc(ids, cap = cap ? cap * 2 : 16, sizeof *ids);
		ids[n++] = ff_col_int(&q, 0);
	}
	if (rc < 0) {
		ff_free(&ids);
		return -1;
	}
	*ret_ids = ids;
	*ret_count = n;
	return 0;
}

int ff_store_waiting(struct ff_store *s, enum ff_job_wait wait, int64_t after, int64_t *ret_ids, int most,
		     int *ret_count, struct ff_err *err)
{
	struct ff_stmt q;
	int n = 0, rc;

	ff_stmt(&q, s, "SELECT id FROM jobs WHERE state = 2 AND wait = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
	ff_bind_int(&q, 1, wait);
	ff_bind_int(&q, 2, after);
	ff_bind_int(&q, 3, most);
	while ((rc = ff_step(&q, err)) > 0)
		ret_ids[n++] = ff_col_int(&q, 0);
	if (rc < 0)
		return -1;
	*ret_count = n;
	return 0;
}

int ff_store_count(struct ff_store *s, enum ff_job_state state, int64_t *ret_count, struct ff_err *err)
{
	struct ff_stmt q;

	if (state == FF_JOB_QUEUED)
		ff_stmt(&q, s, "SELECT count(*) FROM jobs WHERE state = 1 AND ?1 = 1");
	else if (state == FF_JOB_WAITING)
		ff_stmt(&q, s, "SELECT count(*) FROM jobs WHERE state = 2 AND ?1 = 2");
	else if (state == FF_JOB_RUNNING)
		ff_stmt(&q, s, "SELECT count(*) FROM jobs WHERE state = 3 AND ?1 = 3");
	else if (state == FF_JOB_HELD)
		ff_stmt(&q, s, "SELECT count(*) FROM jobs INDEXED BY jobs_live WHERE state < 5 AND state = ?1");
	else
		ff_stmt(&q, s, "SELECT count(*) FROM jobs WHERE state >= 5 AND state = ?1");
	ff_bind_int(&q, 1, state);
	return one_int(&q, ret_count, err);
}

int ff_store_last_job(struct ff_store *s, int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT ifnull(max(id), 0) FROM jobs");
	return one_int(&q, ret_id, err);
}

/* The condition that all lists share; which index leads to the rows is what they differ in. */
#define LISTED " (?1 = 0 OR state = ?1) AND (?2 = 0 OR repo = ?2) AND (?3 IS NULL OR source_ref = ?3)" \
	" AND id < ifnull(nullif(?4, 0), 9223372036854775807) AND id > ?6 ORDER BY id DESC LIMIT ?5"

/* The newest of one part of a partial index, whose order has the number last: no sort, whatever the queue's length. */
#define NEWEST(part) "SELECT id FROM (SELECT id FROM jobs WHERE " part \
	" AND id < ifnull(nullif(?4, 0), 9223372036854775807) ORDER BY id DESC LIMIT ?5)"
#define QUEUED(priority) NEWEST("state = 1 AND priority = " priority)
#define WAITING(wait) NEWEST("state = 2 AND wait = " wait)

/* Of all repositories and branches. */
static void select_live(struct ff_stmt *q, struct ff_store *s, int state)
{
	if (state == FF_JOB_QUEUED)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs WHERE id IN (" QUEUED("1") " UNION ALL " QUEUED("0") " UNION ALL "
			QUEUED("-1") ") AND" LISTED);
	else if (state == FF_JOB_WAITING)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs WHERE id IN (" WAITING("1") " UNION ALL " WAITING("2") " UNION ALL "
			WAITING("3") " UNION ALL " WAITING("4") " UNION ALL " WAITING("5") " UNION ALL " WAITING("6") ") AND" LISTED);
	else if (state == FF_JOB_RUNNING)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_running WHERE state = 3 AND" LISTED);
	else
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_live WHERE state < 5 AND" LISTED);
}

static void select_list(struct ff_stmt *q, struct ff_store *s, const struct ff_job_filter *f)
{
	if (f->dead)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_dead WHERE dead = 1"
			" AND NOT EXISTS (SELECT 1 FROM jobs AS again WHERE again.retry_of = jobs.id) AND" LISTED);
	else if (f->state && f->state < FF_JOB_COMPLETED && !f->repo && !f->ref)
		select_live(q, s, f->state);
	else if (f->state && f->state < FF_JOB_COMPLETED && f->repo)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_live WHERE state < 5 AND repo = ?2 AND" LISTED);
	else if (f->state && f->state < FF_JOB_COMPLETED)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_live WHERE state < 5 AND" LISTED);
	else if (f->repo)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_repo WHERE repo = ?2 AND" LISTED);
	else if (f->state)
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs INDEXED BY jobs_ended WHERE state >= 5 AND state = ?1 AND"
			LISTED);
	else
		ff_stmt(q, s, "SELECT " JOB_COLUMNS " FROM jobs WHERE" LISTED);
}

int ff_store_list(struct ff_store *s, const struct ff_job_filter *f, ff_store_job_fn fn, void *arg,
		  struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	select_list(&q, s, f);
	ff_bind_int(&q, 1, f->state);
	ff_bind_int(&q, 2, f->repo);
	ff_bind_bytes(&q, 3, f->ref);
	ff_bind_int(&q, 4, f->below);
	ff_bind_int(&q, 5, f->limit);
	ff_bind_int(&q, 6, f->above);
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_job_free) struct ff_job *job = read_job(&q);

		fn(arg, job);
	}
	return rc;
}
