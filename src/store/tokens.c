/* SPDX-License-Identifier: MIT */
/* See tokens.h. */
#include "store/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/retention.h"
#include "store/stmt.h"

#define COLUMNS "id, user, label, repos, scope, created_ms, expires_ms, revoked_ms"

static const struct {
	enum ff_token_scope scope;
	const char *word;
} scopes[] = {
	{ FF_TOKEN_READ, "read" },
	{ FF_TOKEN_SUBMIT, "submit" },
	{ FF_TOKEN_ADMIN, "admin" },
};

const char *ff_token_scope_word(enum ff_token_scope scope)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(scopes); i++)
		if (scopes[i].scope == scope)
			return scopes[i].word;
	return "none";
}

int ff_token_scope_by_word(const char *word, enum ff_token_scope *ret_scope)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(scopes); i++) {
		if (strcmp(scopes[i].word, word))
			continue;
		*ret_scope = scopes[i].scope;
		return 0;
	}
	return -1;
}

void ff_token_free(struct ff_token **token)
{
	struct ff_token *t = ff_steal(token);

	if (!t)
		return;
	ff_free(&t->user);
	ff_free(&t->label);
	ff_free(&t->repos);
	free(t);
}

int ff_token_add(struct ff_store *s, const unsigned char hash[FF_TOKEN_HASH], const struct ff_token *t, int64_t *ret_id,
		 struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO tokens (hash, user, label, repos, scope, created_ms, expires_ms, revoked_ms)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)");
	ff_bind_blob(&q, 1, hash, FF_TOKEN_HASH);
	ff_bind_bytes(&q, 2, t->user);
	ff_bind_bytes(&q, 3, t->label);
	ff_bind_bytes(&q, 4, t->repos);
	ff_bind_int(&q, 5, t->scope);
	ff_bind_int(&q, 6, t->created_ms);
	ff_bind_int(&q, 7, t->expires_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_id = ff_last_id(s);
	return 0;
}

/* The row that the statement stands on. */
static struct ff_token *row(struct ff_stmt *q)
{
	struct ff_token *t = ff_calloc(1, sizeof *t);

	t->id = ff_col_int(q, 0);
	t->user = ff_col_bytes(q, 1);
	t->label = ff_col_bytes(q, 2);
	t->repos = ff_col_bytes(q, 3);
	t->scope = (enum ff_token_scope)ff_col_int(q, 4);
	t->created_ms = ff_col_int(q, 5);
	t->expires_ms = ff_col_int(q, 6);
	t->revoked_ms = ff_col_int(q, 7);
	return t;
}

int ff_token_find(struct ff_store *s, const unsigned char hash[FF_TOKEN_HASH], struct ff_token **ret_token, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT " COLUMNS " FROM tokens WHERE hash = ?1");
	ff_bind_blob(&q, 1, hash, FF_TOKEN_HASH);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no such token");
	*ret_token = row(&q);
	ff_stmt_done(&q);
	return 0;
}

int ff_token_list(struct ff_store *s, ff_token_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT " COLUMNS " FROM tokens ORDER BY id DESC LIMIT 1000");
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_token_free) struct ff_token *t = row(&q);

		fn(arg, t);
	}
	return rc;
}

int ff_token_revoke(struct ff_store *s, int64_t id, int64_t now_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE tokens SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms = 0");
	ff_bind_int(&q, 1, id);
	ff_bind_int(&q, 2, now_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	if (!ff_changes(s))
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no token %lld that could be revoked", (long long)id);
	return 0;
}

int ff_token_expire(struct ff_store *s, int64_t before_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE (expires_ms > 0 AND expires_ms < ?2)"
		       " OR (revoked_ms > 0 AND revoked_ms < ?2) LIMIT ?1)");
	ff_bind_int(&q, 1, FF_RETENTION_ROWS);
	ff_bind_int(&q, 2, before_ms);
	return ff_stmt_run(&q, err);
}
