/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_SECRETS_H
#define FF_STORE_SECRETS_H

/*
 * Sealed values with a name, of one repository or of the whole server.  Here
 * they are bytes that nobody can read: who seals and opens them is core
 * (daemon/core/vault.c), bound to the row that ff_secrets_row gives.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ff_store;

enum ff_secret_kind { /* numbers on disk */
	FF_SECRET_API_KEY = 1, FF_SECRET_DEPLOY_KEY = 2, FF_SECRET_WEBHOOK = 3, FF_SECRET_JOB = 4,
};
/* "api-key" and so on; NULL: no such kind. */
const char *ff_secret_kind_word(enum ff_secret_kind kind);
int ff_secret_kind_by_word(const char *word, enum ff_secret_kind *ret_kind);

struct ff_secret_row {
	int64_t id;
	const char *repo;         /* path, "": of the server */
	const char *name;
	enum ff_secret_kind kind;
	const char *key_id;       /* master key that it is sealed with */
	const void *sealed;
	size_t n;
	int64_t created_ms, changed_ms;
};

/* The row of that name, made when it is not there: its number is what the value is bound to. Fill it in the same turn. */
int ff_secrets_row(struct ff_store *s, const char *repo, const char *name, int64_t now_ms, int64_t *ret_id,
		   struct ff_err *err);
/* id, kind, key_id, sealed, n, changed_ms count. */
int ff_secrets_fill(struct ff_store *s, const struct ff_secret_row *row, struct ff_err *err);
/* Everything is borrowed for the call, which must not call the store. */
typedef void (*ff_secret_fn)(void *arg, const struct ff_secret_row *row);
/* FF_E_NOT_FOUND without a call when there is none. */
int ff_secrets_get(struct ff_store *s, const char *repo, const char *name, ff_secret_fn fn, void *arg, struct ff_err *err);
/* Numbers above after, lowest first. */
int ff_secrets_list(struct ff_store *s, int64_t after, int limit, ff_secret_fn fn, void *arg, struct ff_err *err);
/* The same of those that are sealed with another key than this one. */
int ff_secrets_other(struct ff_store *s, const char *key_id, int64_t after, int limit, ff_secret_fn fn, void *arg, struct ff_err *err);
int ff_secrets_count(struct ff_store *s, int64_t *ret_count, struct ff_err *err);
int ff_secrets_count_other(struct ff_store *s, const char *key_id, int64_t *ret_count, struct ff_err *err);
/* FF_E_NOT_FOUND: there is none. */
int ff_secrets_delete(struct ff_store *s, const char *repo, const char *name, struct ff_err *err);

#endif
