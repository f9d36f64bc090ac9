/* SPDX-License-Identifier: MIT */
/* See secrets.h. */
#include "store/secrets.h"

#include <string.h>

#include <sqlite3.h>

#include "store/stmt.h"

#define COLUMNS "id, repo, name, kind, key_id, sealed, created_ms, changed_ms"

static const char *const kinds[] = {
	[FF_SECRET_API_KEY] = "api-key", [FF_SECRET_DEPLOY_KEY] = "deploy-key", [FF_SECRET_WEBHOOK] = "webhook",
	[FF_SECRET_JOB] = "job",
};

const char *ff_secret_kind_word(enum ff_secret_kind kind)
{
	return (size_t)kind < FF_ARRAY_LEN(kinds) ? kinds[kind] : NULL;
}

int ff_secret_kind_by_word(const char *word, enum ff_secret_kind *ret_kind)
{
	for (size_t i = 1; i < FF_ARRAY_LEN(kinds); i++) {
		if (!strcmp(kinds[i], word)) {
			*ret_kind = (enum ff_secret_kind)i;
			return 0;
		}
	}
	return -1;
}

/* Calls fn for each row of a statement that selects COLUMNS; how many there were, or -1. */
static int each(struct ff_stmt *q, ff_secret_fn fn, void *arg, struct ff_err *err)
{
	int rc, n = 0;

	while ((rc = ff_step(q, err)) > 0) {
		FF_AUTO(ff_free) char *repo = ff_col_bytes(q, 1);
		const struct ff_secret_row row = {
			.id = ff_col_int(q, 0), .repo = repo ? repo : "", .name = ff_col_text(q, 2),
			.kind = (enum ff_secret_kind)ff_col_int(q, 3), .key_id = ff_col_text(q, 4),
			.sealed = sqlite3_column_blob(q->st, 5), .n = (size_t)sqlite3_column_bytes(q->st, 5),
			.created_ms = ff_col_int(q, 6), .changed_ms = ff_col_int(q, 7),
		};

		fn(arg, &row);
		n++;
	}
	return rc < 0 ? -1 : n;
}

int ff_secrets_row(struct ff_store *s, const char *repo, const char *name, int64_t now_ms, int64_t *ret_id,
		   struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id FROM secrets WHERE repo = ?1 AND name = ?2");
	ff_bind_blob(&q, 1, repo, strlen(repo));
	ff_bind_text(&q, 2, name);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		*ret_id = ff_col_int(&q, 0);
		ff_stmt_done(&q);
		return 0;
	}
	ff_stmt(&q, s, "INSERT INTO secrets (repo, name, kind, key_id, sealed, created_ms, changed_ms)"
		" VALUES (?1, ?2, 0, '', x'', ?3, ?3)");
	ff_bind_blob(&q, 1, repo, strlen(repo));
	ff_bind_text(&q, 2, name);
	ff_bind_int(&q, 3, now_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_id = ff_last_id(s);
	return 0;
}

int ff_secrets_fill(struct ff_store *s, const struct ff_secret_row *row, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE secrets SET kind = ?2, key_id = ?3, sealed = ?4, changed_ms = ?5 WHERE id = ?1");
	ff_bind_int(&q, 1, row->id);
	ff_bind_int(&q, 2, (int64_t)row->kind);
	ff_bind_text(&q, 3, row->key_id);
	ff_bind_blob(&q, 4, row->sealed, row->n);
	ff_bind_int(&q, 5, row->changed_ms);
	return ff_stmt_run(&q, err);
}

int ff_secrets_get(struct ff_store *s, const char *repo, const char *name, ff_secret_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int n;

	ff_stmt(&q, s, "SELECT " COLUMNS " FROM secrets WHERE repo = ?1 AND name = ?2");
	ff_bind_blob(&q, 1, repo, strlen(repo));
	ff_bind_text(&q, 2, name);
	n = each(&q, fn, arg, err);
	if (n == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no secret %.64s", name);
	return n < 0 ? -1 : 0;
}

int ff_secrets_list(struct ff_store *s, int64_t after, int limit, ff_secret_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT " COLUMNS " FROM secrets WHERE id > ?1 ORDER BY id LIMIT ?2");
	ff_bind_int(&q, 1, after);
	ff_bind_int(&q, 2, limit);
	return each(&q, fn, arg, err) < 0 ? -1 : 0;
}

int ff_secrets_other(struct ff_store *s, const char *key_id, int64_t after, int limit, ff_secret_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT " COLUMNS " FROM secrets WHERE key_id <> ?1 AND id > ?2 ORDER BY id LIMIT ?3");
	ff_bind_text(&q, 1, key_id);
	ff_bind_int(&q, 2, after);
	ff_bind_int(&q, 3, limit);
	return each(&q, fn, arg, err) < 0 ? -1 : 0;
}

static int count(struct ff_stmt *q, int64_t *ret_count, struct ff_err *err)
{
	if (ff_step(q, err) <= 0)
		return -1; /* a count always has a row */
	*ret_count = ff_col_int(q, 0);
	ff_stmt_done(q);
	return 0;
}

int ff_secrets_count(struct ff_store *s, int64_t *ret_count, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT count(*) FROM secrets");
	return count(&q, ret_count, err);
}

int ff_secrets_count_other(struct ff_store *s, const char *key_id, int64_t *ret_count, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT count(*) FROM secrets WHERE key_id <> ?1");
	ff_bind_text(&q, 1, key_id);
	return count(&q, ret_count, err);
}

int ff_secrets_delete(struct ff_store *s, const char *repo, const char *name, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM secrets WHERE repo = ?1 AND name = ?2");
	ff_bind_blob(&q, 1, repo, strlen(repo));
	ff_bind_text(&q, 2, name);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	return ff_changes(s) ? 0 : ff_err_set(err, FF_E_NOT_FOUND, "there is no secret %.64s", name);
}
