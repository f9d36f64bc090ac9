/* SPDX-License-Identifier: MIT */
/* See drift.h. */
#include "store/drift.h"

#include <string.h>

#include "base/buf.h"
#include "store/stmt.h"

static const char *const words[] = { "unknown", "applies", "conflict", "merged", "gone" };

const char *ff_drift_word(enum ff_drift_state state)
{
	return (size_t)state < FF_ARRAY_LEN(words) ? words[state] : "unknown";
}

int ff_drift_by_word(const char *word, enum ff_drift_state *ret)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(words); i++) {
		if (strcmp(words[i], word) != 0)
			continue;
		*ret = (enum ff_drift_state)i;
		return 0;
	}
	return -1;
}

void ff_drift_fini(struct ff_drift *d)
{
	for (size_t i = 0; d->paths && d->paths[i]; i++)
		ff_free(&d->paths[i]);
	ff_free(&d->paths);
}

int ff_store_drift_result(struct ff_store *s, const struct ff_job *job, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR REPLACE INTO drift (job, repo, target, ended_ms, state, n_paths, at_ms)"
		" VALUES (?1, ?2, ?3, ?4, 0, 0, 0)");
	ff_bind_int(&q, 1, job->id);
	ff_bind_int(&q, 2, job->repo);
	ff_bind_bytes(&q, 3, job->spec.target);
	ff_bind_int(&q, 4, job->ended_ms);
	return ff_stmt_run(&q, err);
}

int ff_store_drift_get(struct ff_store *s, int64_t job, struct ff_drift *ret, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT state, target_oid, n_paths, paths, at_ms FROM drift WHERE job = ?1");
	ff_bind_int(&q, 1, job);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret = (struct ff_drift){ .state = FF_DRIFT_UNKNOWN };
	if (rc == 0)
		return 0;
	ret->state = (enum ff_drift_state)ff_col_int(&q, 0);
	ff_col_oid(&q, 1, ret->target_oid);
	ret->n_paths = ff_col_int(&q, 2);
	ret->paths = ff_col_paths(&q, 3);
	ret->at_ms = ff_col_int(&q, 4);
	ff_stmt_done(&q);
	return 0;
}

int ff_store_drift_save(struct ff_store *s, const struct ff_job *job, const struct ff_drift *d, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf paths = { 0 };
	struct ff_stmt q;

	ff_buf_init(&paths, SIZE_MAX / 4);
	for (size_t i = 0; d->paths && d->paths[i]; i++)
		(void)ff_buf_add(&paths, d->paths[i], strlen(d->paths[i]) + 1);
	ff_stmt(&q, s, "INSERT INTO drift (job, repo, target, ended_ms, state, target_oid, n_paths, paths, at_ms)"
		" VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7, ?8)"
		" ON CONFLICT DO UPDATE SET state = ?4, target_oid = ?5, n_paths = ?6, paths = ?7, at_ms = ?8");
	ff_bind_int(&q, 1, job->id);
	ff_bind_int(&q, 2, job->repo);
	ff_bind_bytes(&q, 3, job->spec.target);
	ff_bind_int(&q, 4, d->state);
	ff_bind_oid(&q, 5, d->target_oid);
	ff_bind_int(&q, 6, d->n_paths);
	ff_bind_blob(&q, 7, d->paths ? paths.data : NULL, paths.len);
	ff_bind_int(&q, 8, d->at_ms);
	return ff_stmt_run(&q, err);
}

/* Appends the rows' numbers until there are max. */
static int collect(struct ff_stmt *q, size_t max, int64_t *ids, size_t *n, struct ff_err *err)
{
	int rc = 0;

	while (*n < max && (rc = ff_step(q, err)) > 0)
		ids[(*n)++] = ff_col_int(q, 0);
	if (rc > 0)
		ff_stmt_done(q);
	return rc < 0 ? -1 : 0;
}

int ff_store_drift_jobs(struct ff_store *s, int64_t repo, const char *target, int64_t since_ms, size_t max,
			int64_t **ret_ids, size_t *ret_count, struct ff_err *err)
{
	FF_AUTO(ff_free) int64_t *ids = ff_calloc(max + 1, sizeof *ids);
	size_t n = 0;
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT id FROM jobs INDEXED BY jobs_running WHERE state = 3 AND repo = ?1 AND target = ?2 ORDER BY id");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, target);
	if (collect(&q, max, ids, &n, err) < 0)
		return -1;
	ff_stmt(&q, s, "SELECT job FROM drift INDEXED BY drift_open WHERE state < 3 AND ended_ms > 0 AND repo = ?1"
		" AND target = ?2 AND ended_ms >= ?3 ORDER BY job DESC");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, target);
	ff_bind_int(&q, 3, since_ms);
	if (collect(&q, max, ids, &n, err) < 0)
		return -1;
	*ret_ids = ff_steal(&ids);
	*ret_count = n;
	return 0;
}
