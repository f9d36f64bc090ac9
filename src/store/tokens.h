/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_TOKENS_H
#define FF_STORE_TOKENS_H

/*
 * Tokens of the API: who may do what over it.  The record has the SHA-256 of
 * each, never the token, so that who reads the record or a backup of it can
 * use none.
 */

#include <stdint.h>

#include "base/err.h"

struct ff_store;

#define FF_TOKEN_HASH 32

/* What a token may be used for; each includes those before it. Numbers on disk. */
enum ff_token_scope { FF_TOKEN_READ = 1, FF_TOKEN_SUBMIT = 2, FF_TOKEN_ADMIN = 3 };

struct ff_token {
	int64_t id;
	char *user;           /* whose it is, as the audit and the jobs name them */
	char *label;          /* NULL: none */
	char *repos;          /* globs of paths of repositories, one a line; "": all */
	enum ff_token_scope scope;
	int64_t created_ms;
	int64_t expires_ms;   /* 0: never */
	int64_t revoked_ms;   /* 0: it was not */
};

/* The word of a scope, and the other way; -1 for another word. */
const char *ff_token_scope_word(enum ff_token_scope scope);
int ff_token_scope_by_word(const char *word, enum ff_token_scope *ret_scope);

void ff_token_free(struct ff_token **token);
int ff_token_add(struct ff_store *s, const unsigned char hash[FF_TOKEN_HASH], const struct ff_token *token, int64_t *ret_id,
		 struct ff_err *err);
/* FF_E_NOT_FOUND; whether it still counts is for the caller to say. Freed by ff_token_free. */
int ff_token_find(struct ff_store *s, const unsigned char hash[FF_TOKEN_HASH], struct ff_token **ret_token, struct ff_err *err);
typedef void (*ff_token_fn)(void *arg, const struct ff_token *token);
/* The newest first, at most 1000. */
int ff_token_list(struct ff_store *s, ff_token_fn fn, void *arg, struct ff_err *err);
/* FF_E_NOT_FOUND when there is none with that number that counts. */
int ff_token_revoke(struct ff_store *s, int64_t id, int64_t now_ms, struct ff_err *err);
/* Deletes some of those that stopped counting before then. */
int ff_token_expire(struct ff_store *s, int64_t before_ms, struct ff_err *err);

#endif
