/* SPDX-License-Identifier: MIT */
/* See memory.h. */
#include "store/memory.h"

#include <string.h>

#include "base/num.h"
#include "store/stmt.h"

#define KEY_BYTES 32

static int key_of(const char *hex, unsigned char *key, struct ff_err *err)
{
	return ff_unhex(hex, KEY_BYTES, key) < 0 ? ff_err_set(err, FF_E_PROTOCOL, "the key of a conflict must be 64 hex digits") : 0;
}

static int use(struct ff_store *s, int64_t id, int64_t now_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE memory SET used_ms = ?2, uses = uses + 1 WHERE id = ?1");
	ff_bind_int(&q, 1, id);
	ff_bind_int(&q, 2, now_ms);
	return ff_stmt_run(&q, err);
}

int ff_memory_recall(struct ff_store *s, int64_t repo, bool shared, const char *hex, int64_t now_ms, int64_t *ret_id, char **ret_result,
		     struct ff_err *err)
{
	unsigned char key[KEY_BYTES];
	FF_AUTO(ff_free) char *result = NULL;
	struct ff_stmt q;
	int64_t id = 0;
	int rc;

	if (key_of(hex, key, err) < 0)
		return -1;
	ff_stmt(&q, s, "SELECT id, result FROM memory WHERE key = ?1 AND revoked_ms = 0 AND (repo = ?2 OR ?3)"
		" ORDER BY repo <> ?2, id LIMIT 1");
	ff_bind_blob(&q, 1, key, sizeof key);
	ff_bind_int(&q, 2, repo);
	ff_bind_int(&q, 3, shared);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		id = ff_col_int(&q, 0);
		result = ff_col_bytes(&q, 1);
		ff_stmt_done(&q);
		if (use(s, id, now_ms, err) < 0)
			return -1;
	}
	*ret_id = id;
	*ret_result = ff_steal(&result);
	return 0;
}

static int insert(struct ff_store *s, const struct ff_memory *m, const unsigned char *key, bool *ret_added, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO memory (repo, key, path, base, target, change, result, rung, job, created_ms, used_ms, uses, revoked_ms)"
		" SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 0, 0 WHERE"
		" NOT EXISTS (SELECT 1 FROM memory WHERE key = ?2 AND repo = ?1 AND revoked_ms = 0)"
		" AND NOT EXISTS (SELECT 1 FROM memory WHERE revoked_ms > 0 AND key = ?2 AND result = ?7)");
	ff_bind_int(&q, 1, m->repo);
	ff_bind_blob(&q, 2, key, KEY_BYTES);
	ff_bind_bytes(&q, 3, m->path);
	ff_bind_bytes(&q, 4, m->base);
	ff_bind_bytes(&q, 5, m->target);
	ff_bind_bytes(&q, 6, m->change);
	ff_bind_bytes(&q, 7, m->result);
	ff_bind_int(&q, 8, m->rung);
	ff_bind_int(&q, 9, m->job);
	ff_bind_int(&q, 10, m->created_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_added = ff_changes(s) > 0;
	return 0;
}

/* Revoked ones are no part of what is bounded: people made them, one by one. */
static int trim(struct ff_store *s, int64_t most, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM memory WHERE id IN (SELECT id FROM memory WHERE revoked_ms = 0 ORDER BY used_ms, id"
		" LIMIT max(0, (SELECT count(*) FROM memory WHERE revoked_ms = 0) - ?1))");
	ff_bind_int(&q, 1, most);
	return ff_stmt_run(&q, err);
}

int ff_memory_add(struct ff_store *s, const struct ff_memory *m, int64_t most, bool *ret_added, struct ff_err *err)
{
	unsigned char key[KEY_BYTES];

	*ret_added = false;
	if (key_of(m->key, key, err) < 0 || insert(s, m, key, ret_added, err) < 0)
		return -1;
	return *ret_added ? trim(s, most, err) : 0;
}

int ff_memory_revoke(struct ff_store *s, int64_t id, int64_t now_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE memory SET revoked_ms = CASE revoked_ms WHEN 0 THEN ?2 ELSE revoked_ms END WHERE id = ?1");
	ff_bind_int(&q, 1, id);
	ff_bind_int(&q, 2, now_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	return ff_changes(s) ? 0 : ff_err_set(err, FF_E_NOT_FOUND, "the memory has no entry %lld: flowforge memory list shows those it has", (long long)id);
}

/* The columns of a row: id, repo, key, path, rung, job, created, used, uses, revoked; then the texts, if they were asked for. */
static void give(struct ff_stmt *q, bool texts, ff_memory_fn fn, void *arg)
{
	FF_AUTO(ff_free) char *path = ff_col_bytes(q, 3);
	FF_AUTO(ff_free) char *base = texts ? ff_col_bytes(q, 10) : NULL;
	FF_AUTO(ff_free) char *target = texts ? ff_col_bytes(q, 11) : NULL;
	FF_AUTO(ff_free) char *change = texts ? ff_col_bytes(q, 12) : NULL;
	FF_AUTO(ff_free) char *result = texts ? ff_col_bytes(q, 13) : NULL;
	const struct ff_memory m = {
		.id = ff_col_int(q, 0), .repo = ff_col_int(q, 1), .key = ff_col_text(q, 2), .path = path ? path : "",
		.rung = (int)ff_col_int(q, 4), .job = ff_col_int(q, 5), .created_ms = ff_col_int(q, 6), .used_ms = ff_col_int(q, 7),
		.uses = ff_col_int(q, 8), .revoked_ms = ff_col_int(q, 9), .base = base, .target = target, .change = change, .result = result,
	};

	fn(arg, &m);
}

int ff_memory_list(struct ff_store *s, int64_t below, int limit, ff_memory_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, repo, lower(hex(key)), path, rung, job, created_ms, used_ms, uses, revoked_ms FROM memory"
		" WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2");
	ff_bind_int(&q, 1, below);
	ff_bind_int(&q, 2, limit);
	while ((rc = ff_step(&q, err)) > 0)
		give(&q, false, fn, arg);
	return rc;
}

int ff_memory_get(struct ff_store *s, int64_t id, ff_memory_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, repo, lower(hex(key)), path, rung, job, created_ms, used_ms, uses, revoked_ms, base, target, change,"
		" result FROM memory WHERE id = ?1");
	ff_bind_int(&q, 1, id);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "the memory has no entry %lld: flowforge memory list shows those it has", (long long)id);
	give(&q, true, fn, arg);
	ff_stmt_done(&q);
	return 0;
}

int ff_memory_jobs(struct ff_store *s, int64_t id, int limit, void (*fn)(void *arg, int64_t job), void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT DISTINCT job FROM resolutions WHERE entry = ?1 AND entry > 0 ORDER BY job LIMIT ?2");
	ff_bind_int(&q, 1, id);
	ff_bind_int(&q, 2, limit);
	while ((rc = ff_step(&q, err)) > 0)
		fn(arg, ff_col_int(&q, 0));
	return rc;
}
