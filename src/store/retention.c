/* SPDX-License-Identifier: MIT */
/* Deleting in pieces that no push can feel. */
#include "store/retention.h"

#include "store/events.h"
#include "store/stmt.h"

/* Pages that may stay free: the next jobs use them. */
#define FREE_PAGES 128

static int read_jobs(struct ff_stmt *q, struct ff_retention_job *ret, int *ret_count, struct ff_err *err)
{
	int n = 0, rc;

	while ((rc = ff_step(q, err)) > 0 && n < FF_RETENTION_ROWS)
		ret[n++] = (struct ff_retention_job){ ff_col_int(q, 0), ff_col_int(q, 1), ff_col_int(q, 2) };
	if (rc > 0)
		ff_stmt_done(q);
	if (rc < 0)
		return -1;
	*ret_count = n;
	return 0;
}

int ff_retention_ended(struct ff_store *s, int64_t after, struct ff_retention_job *ret, int *ret_count,
		       struct ff_err *err)
{
	struct ff_stmt q;

	/* By number, so that each step reads on where the last one ended. */
	ff_stmt(&q, s, "SELECT id, repo, max(ended_ms, ifnull(known_ms, 0)) FROM jobs NOT INDEXED"
		" LEFT JOIN ended ON ended.job = jobs.id WHERE id > ?1 AND state >= 5 ORDER BY id LIMIT ?2");
	ff_bind_int(&q, 1, after);
	ff_bind_int(&q, 2, FF_RETENTION_ROWS);
	return read_jobs(&q, ret, ret_count, err);
}

int ff_retention_mark(struct ff_store *s, int64_t job, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR IGNORE INTO expired (job, repo) SELECT id, repo FROM jobs WHERE id = ?1 AND state >= 5");
	ff_bind_int(&q, 1, job);
	return ff_stmt_run(&q, err);
}

int ff_retention_marked(struct ff_store *s, int64_t after_repo, struct ff_retention_job *ret, int *ret_count,
			struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT job, repo, 0 FROM expired WHERE repo = (SELECT min(repo) FROM expired WHERE repo > ?1)"
		" ORDER BY job LIMIT ?2");
	ff_bind_int(&q, 1, after_repo);
	ff_bind_int(&q, 2, FF_RETENTION_ROWS);
	return read_jobs(&q, ret, ret_count, err);
}

/* One statement with the job as ?1; whether it changed anything. */
static int run(struct ff_store *s, const char *sql, int64_t job, bool *ret_changed, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, sql);
	ff_bind_int(&q, 1, job);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_changed = ff_changes(s) > 0;
	return 0;
}

int ff_retention_answers(struct ff_store *s, int64_t job, bool *ret_done, struct ff_err *err)
{
	bool changed = false;

	if (run(s, "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE job = ?1 LIMIT 100)"
		" AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND state >= 5)", job, &changed, err) < 0)
		return -1;
	*ret_done = !changed;
	return 0;
}

/* What is left when the many rows are gone. Children before parents: foreign keys are enforced. */
static int delete_last(struct ff_store *s, int64_t job, struct ff_err *err)
{
	int64_t push = 0;
	struct ff_stmt q;
	bool changed;
	int rc;

	ff_stmt(&q, s, "SELECT ifnull(push, 0) FROM jobs WHERE id = ?1");
	ff_bind_int(&q, 1, job);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		push = ff_col_int(&q, 0);
		ff_stmt_done(&q);
	}
	if (run(s, "DELETE FROM steps WHERE job = ?1", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM ended WHERE job = ?1", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM drift WHERE job = ?1", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM timers WHERE job = ?1", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM resolutions WHERE job = ?1", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM jobs WHERE id = ?1 AND state >= 5", job, &changed, err) < 0 ||
	    run(s, "DELETE FROM pushes WHERE id = ?1", push, &changed, err) < 0)
		return -1;
	return run(s, "DELETE FROM expired WHERE job = ?1", job, &changed, err);
}

int ff_retention_delete(struct ff_store *s, int64_t job, bool *ret_done, struct ff_err *err)
{
	bool changed = false, done = false;

	if (ff_events_flush(s, err) < 0)
		return -1;
	if (run(s, "DELETE FROM events WHERE job = ?1 AND seq IN (SELECT seq FROM events WHERE job = ?1 LIMIT 100)"
		" AND EXISTS (SELECT 1 FROM expired WHERE job = ?1)", job, &changed, err) < 0)
		return -1;
	if (!changed && ff_retention_answers(s, job, &done, err) < 0)
		return -1;
	if (done && delete_last(s, job, err) < 0)
		return -1;
	*ret_done = done;
	return 0;
}

static int push_without_job(struct ff_store *s, int64_t row, int64_t before_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM pushes WHERE id = ?1 AND decided = 1 AND received_ms < ?2"
		" AND NOT EXISTS (SELECT 1 FROM jobs WHERE push = ?1)");
	ff_bind_int(&q, 1, row);
	ff_bind_int(&q, 2, before_ms);
	return ff_stmt_run(&q, err);
}

int ff_retention_pushes(struct ff_store *s, int64_t *after, int64_t before_ms, struct ff_err *err)
{
	int64_t rows[FF_RETENTION_ROWS];
	struct ff_stmt q;
	int n = 0, rc;

	ff_stmt(&q, s, "SELECT id FROM pushes WHERE id > ?1 ORDER BY id LIMIT ?2");
	ff_bind_int(&q, 1, *after);
	ff_bind_int(&q, 2, FF_RETENTION_ROWS);
	while ((rc = ff_step(&q, err)) > 0)
		rows[n++] = ff_col_int(&q, 0);
	for (int i = 0; rc == 0 && i < n; i++)
		rc = push_without_job(s, rows[i], before_ms, err);
	if (rc < 0)
		return -1;
	*after = n < FF_RETENTION_ROWS ? 0 : rows[n - 1];
	return 0;
}

int ff_retention_ended_at(struct ff_store *s, int64_t job, int64_t known_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR REPLACE INTO ended (job, known_ms) VALUES (?1, ?2)");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, known_ms);
	return ff_stmt_run(&q, err);
}

int ff_retention_clock(struct ff_store *s, int64_t *ret_known_ms, int64_t *ret_steady_ms, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT known_ms, steady_ms FROM clock");
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret_known_ms = rc ? ff_col_int(&q, 0) : 0;
	*ret_steady_ms = rc ? ff_col_int(&q, 1) : 0;
	if (rc)
		ff_stmt_done(&q);
	return 0;
}

int ff_retention_clock_set(struct ff_store *s, int64_t known_ms, int64_t steady_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR REPLACE INTO clock (id, known_ms, steady_ms) VALUES (1, ?1, ?2)");
	ff_bind_int(&q, 1, known_ms);
	ff_bind_int(&q, 2, steady_ms);
	return ff_stmt_run(&q, err);
}

int ff_retention_shrink(struct ff_store *s, bool *ret_done, struct ff_err *err)
{
	struct ff_stmt q;
	int64_t pages;
	int rc;

	ff_stmt(&q, s, "PRAGMA freelist_count");
	if (ff_step(&q, err) < 0)
		return -1;
	pages = ff_col_int(&q, 0);
	ff_stmt_done(&q);
	*ret_done = pages <= FREE_PAGES;
	if (*ret_done)
		return 0;
	ff_stmt(&q, s, "PRAGMA incremental_vacuum(64)"); /* a row a page */
	while ((rc = ff_step(&q, err)) > 0)
		;
	return rc;
}
