/* SPDX-License-Identifier: MIT */
/*
 * Who may do what over the API.  The web role shows with every request the
 * hash of the token that it was given, and what may be done with it is decided
 * here: a web role in wrong hands has the rights of the tokens that pass
 * through it, and no more.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"
#include "crypto/apitoken.h"
#include "daemon/core/control.h"
#include "store/tokens.h"

#define NAME_MAX_BYTES 128
#define GLOBS_MAX 64
#define GLOBS_MAX_BYTES 8192
#define TTL_DEFAULT_MS (90LL * 86400 * 1000)
#define TTL_MOST_MS (3650LL * 86400 * 1000)

int ff_access_token(struct ff_core *core, const json_t *msg, struct ff_token **ret, struct ff_err *err)
{
	FF_AUTO(ff_token_free) struct ff_token *t = NULL;
	unsigned char hash[FF_TOKEN_HASH];
	const char *hex = NULL;
	struct ff_err why = { 0 };
	int64_t now = ff_age_now(core);

	if (ff_msg_opt_str(msg, "token", &hex, err) < 0)
		return -1;
	if (!hex)
		return 0;
	if (strlen(hex) != 2 * sizeof hash || ff_unhex(hex, sizeof hash, hash) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "token: not the hash of one");
	if (ff_token_find(core->store, hash, &t, &why) < 0)
		return why.code == FF_E_NOT_FOUND ? ff_err_set(err, FF_E_UNKNOWN_TOKEN, "the token is not known here")
						  : ff_err_set(err, why.code, "%s", why.text);
	if (t->revoked_ms)
		return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "the token was revoked");
	if (t->expires_ms && t->expires_ms <= now)
		return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "the token has expired: make a new one");
	*ret = ff_steal(&t);
	return 0;
}

int ff_access_may(const struct ff_request *r, enum ff_access needs, struct ff_err *err)
{
	static const enum ff_token_scope least[] = {
		[FF_ACCESS_ANY] = FF_TOKEN_READ, [FF_ACCESS_READ] = FF_TOKEN_READ,
		[FF_ACCESS_SUBMIT] = FF_TOKEN_SUBMIT, [FF_ACCESS_ADMIN] = FF_TOKEN_ADMIN,
	};
	const struct ff_token *t = ff_request_token(r);

	if (!ff_request_is_web(r) || needs == FF_ACCESS_NONE)
		return 0;
	if (needs == FF_ACCESS_LOCAL)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "this is for the command line on the host alone");
	if (!t)
		return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "this needs a token: Authorization: Bearer " FF_APITOKEN_PREFIX "...");
	if (t->scope < least[needs])
		return ff_err_set(err, FF_E_NOT_ALLOWED, "the token has scope %s; this needs %s", ff_token_scope_word(t->scope),
				  ff_token_scope_word(least[needs]));
	if (needs == FF_ACCESS_ADMIN && *t->repos)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "the token is for some repositories; this concerns all of them");
	return 0;
}

bool ff_access_sees_all(const struct ff_request *r)
{
	const struct ff_token *t = ff_request_token(r);

	return !ff_request_is_web(r) || (t && !*t->repos);
}

bool ff_access_sees_path(const struct ff_request *r, const char *path)
{
	const struct ff_token *t = ff_request_token(r);
	const char *at = t ? t->repos : "";

	if (ff_access_sees_all(r))
		return true;
	while (*at) {
		size_t n = strcspn(at, "\n");
		FF_AUTO(ff_free) char *glob = ff_memdup0(at, n);

		if (ff_glob_match(glob, path))
			return true;
		at += n + (at[n] == '\n');
	}
	return false;
}

bool ff_access_sees(const struct ff_request *r, int64_t repo)
{
	FF_AUTO(ff_free) char *path = NULL;

	if (ff_access_sees_all(r))
		return true;
	return ff_store_repo_path(ff_request_core((struct ff_request *)(uintptr_t)r)->store, repo, &path, NULL) == 0 &&
	       ff_access_sees_path(r, path);
}

int ff_access_expired(const struct ff_request *r, struct ff_err *err)
{
	const struct ff_token *t = ff_request_token(r);

	if (!t || !t->expires_ms || t->expires_ms > ff_age_now(ff_request_core((struct ff_request *)(uintptr_t)r)))
		return 0;
	return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "the token has expired: make a new one");
}

/* --- tokens as JSON ------------------------------------------------------------- */

static json_t *repos_json(const char *repos)
{
	json_t *list = json_array();

	while (*repos) {
		size_t n = strcspn(repos, "\n");

		(void)json_array_append_new(list, ff_json_from_bytes_n(repos, n));
		repos += n + (repos[n] == '\n');
	}
	return list;
}

static json_t *token_json(const struct ff_token *t)
{
	return json_pack("{s:I,s:o,s:o,s:s,s:o,s:o,s:o,s:o}", "number", (json_int_t)t->id, "user", ff_json_from_bytes(t->user),
			 "label", ff_json_from_bytes(t->label), "scope", ff_token_scope_word(t->scope), "repos", repos_json(t->repos),
			 "created", ff_time_json(t->created_ms), "expires", ff_time_json(t->expires_ms), "revoked",
			 ff_time_json(t->revoked_ms));
}

int ff_access_whoami(struct ff_request *r, struct ff_err *err)
{
	const struct ff_token *t = ff_request_token(r);

	(void)err;
	ff_reply_end(r, NULL, t ? token_json(t) : json_null());
	return 0;
}

/* --- making one ------------------------------------------------------------------- */

static int read_globs(const json_t *args, char **ret, struct ff_err *err)
{
	const json_t *list = json_object_get(args, "repos"), *v;
	FF_AUTO(ff_buf_fini) struct ff_buf all;
	size_t i;

	ff_buf_init(&all, GLOBS_MAX_BYTES);
	if (list && !json_is_array(list))
		return ff_err_set(err, FF_E_INVALID, "repos is a list of globs of paths of repositories");
	if (json_array_size(list) > GLOBS_MAX)
		return ff_err_set(err, FF_E_INVALID, "over %d globs of repositories", GLOBS_MAX);
	json_array_foreach(list, i, v) {
		FF_AUTO(ff_free) char *glob = NULL;

		if (ff_json_bytes(v, &glob, err) < 0)
			return ff_err_wrap(err, "repos");
		if (!glob || !*glob || strchr(glob, '\n'))
			return ff_err_set(err, FF_E_INVALID, "a glob of repositories is one line and not empty");
		if (i)
			(void)ff_buf_addc(&all, '\n');
		(void)ff_buf_adds(&all, glob);
	}
	if (all.overflow)
		return ff_err_set(err, FF_E_INVALID, "the globs of repositories are over %d bytes together", GLOBS_MAX_BYTES);
	*ret = ff_buf_take(&all);
	return 0;
}

static int check_name(const char *what, const char *name, bool needed, struct ff_err *err)
{
	if (needed && (!name || !*name))
		return ff_err_set(err, FF_E_INVALID, "%s: whose token is it?", what);
	if (name && (strlen(name) > NAME_MAX_BYTES || strpbrk(name, "\n\r")))
		return ff_err_set(err, FF_E_INVALID, "%s is one line of at most %d bytes", what, NAME_MAX_BYTES);
	return 0;
}

static int read_token(struct ff_core *core, const json_t *args, struct ff_token *t, struct ff_err *err)
{
	const char *scope = NULL;
	int64_t ttl = TTL_DEFAULT_MS;

	if (ff_msg_bytes(args, "user", &t->user, err) < 0 || ff_msg_bytes(args, "label", &t->label, err) < 0 ||
	    check_name("user", t->user, true, err) < 0 || check_name("label", t->label, false, err) < 0 ||
	    ff_msg_str(args, "scope", &scope, err) < 0 || read_globs(args, &t->repos, err) < 0 ||
	    (json_object_get(args, "ttl_ms") && ff_msg_int(args, "ttl_ms", 1, TTL_MOST_MS, &ttl, err) < 0))
		return -1;
	if (ff_token_scope_by_word(scope, &t->scope) < 0)
		return ff_err_set(err, FF_E_INVALID, "there is no scope '%.30s': read, submit or admin", scope);
	if (t->scope == FF_TOKEN_ADMIN && *t->repos)
		return ff_err_set(err, FF_E_INVALID, "a token of scope admin is for all repositories: leave repos out");
	t->created_ms = ff_age_now(core);
	t->expires_ms = t->created_ms + ttl;
	return 0;
}

struct made {
	struct ff_request *r;
	json_t *answer;
	int64_t revoked; /* 0: none */
};

static void after(struct ff_core *core, void *arg, bool ok)
{
	struct made *m = arg;
	struct ff_err err = { 0 };

	if (ok && m->revoked)
		ff_watch_revoked(core, m->revoked);
	if (!ok)
		(void)ff_err_set(&err, FF_E_STORE, "the record cannot be written now");
	if (ok)
		ff_reply_end(m->r, NULL, json_incref(m->answer));
	else
		ff_reply_end(m->r, &err, NULL);
	json_decref(m->answer);
	free(m);
}

static void reply_after_commit(struct ff_request *r, json_t *answer, int64_t revoked)
{
	struct made *m = ff_calloc(1, sizeof *m);

	*m = (struct made){ .r = r, .answer = answer, .revoked = revoked };
	ff_turn_after(ff_request_core(r), after, m);
}

int ff_access_create(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_token_free) struct ff_token *t = ff_calloc(1, sizeof *t);
	struct ff_core *core = ff_request_core(r);
	unsigned char hash[FF_TOKEN_HASH];
	char text[FF_APITOKEN_TEXT + 1];
	FF_AUTO(ff_free) char *what = NULL;
	json_t *answer;

	if (read_token(core, args, t, err) < 0 || ff_turn_open(core, err) < 0)
		return -1;
	ff_apitoken_new(text, hash);
	if (ff_token_add(core->store, hash, t, &t->id, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	what = ff_asprintf("%" PRId64 " for %s, %s", t->id, t->user, ff_token_scope_word(t->scope));
	if (ff_request_audit(r, "token-create", 0, what, err) < 0)
		return -1;
	answer = token_json(t);
	(void)json_object_set_new(answer, "token", json_string(text));
	explicit_bzero(text, sizeof text);
	reply_after_commit(r, answer, 0);
	return 0;
}

/* --- list, revoke -------------------------------------------------------------------- */

static void list_one(void *arg, const struct ff_token *t)
{
	ff_reply_item(arg, token_json(t), -1);
}

int ff_access_list(struct ff_request *r, struct ff_err *err)
{
	if (ff_token_list(ff_request_core(r)->store, list_one, r, err) < 0)
		return -1;
	ff_reply_end(r, NULL, NULL);
	return 0;
}

int ff_access_revoke(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_free) char *what = NULL;
	int64_t id;

	if (ff_msg_int(args, "number", 1, INT64_MAX, &id, err) < 0 || ff_turn_open(core, err) < 0 ||
	    ff_token_revoke(core->store, id, ff_age_now(core), err) < 0)
		return -1;
	what = ff_asprintf("%" PRId64, id);
	if (ff_request_audit(r, "token-revoke", 0, what, err) < 0)
		return -1;
	reply_after_commit(r, json_pack("{s:I}", "number", (json_int_t)id), id);
	return 0;
}
