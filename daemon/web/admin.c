/* SPDX-License-Identifier: MIT */
/* The handlers of everything that is no job: repositories, tokens, audit, health, the description. */
#include <string.h>

#include "base/num.h"
#include "daemon/web/handlers.h"

#define AUDIT_MOST 10000

void ff_http_repositories(struct ff_http *r)
{
	ff_http_ask(r, "repos", NULL, ff_http_collect, ff_http_end_items);
}

void ff_http_whoami(struct ff_http *r)
{
	ff_http_ask(r, "whoami", NULL, NULL, ff_http_end_data);
}

void ff_http_tokens_list(struct ff_http *r)
{
	ff_http_ask(r, "token-list", NULL, ff_http_collect, ff_http_end_items);
}

static void end_created(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;

	if (err->code)
		ff_reply_error(r, err);
	else
		ff_reply_json(r, 201, json_incref(data));
}

void ff_http_tokens_create(struct ff_http *r)
{
	static const char *const known[] = { "user", "label", "scope", "repos", "ttl_ms", NULL };
	json_t *args = ff_http_body(r, known);

	if (args)
		ff_http_ask(r, "token-create", args, NULL, end_created);
}

void ff_http_tokens_revoke(struct ff_http *r)
{
	int64_t n;

	if (ff_num_i64(r->param, 1, INT64_MAX, &n) < 0)
		ff_reply_status(r, 404, ff_err_name(FF_E_NOT_FOUND), "a token is named by its number");
	else
		ff_http_ask(r, "token-revoke", json_pack("{s:I}", "number", (json_int_t)n), NULL, ff_http_end_data);
}

void ff_http_audit(struct ff_http *r)
{
	FF_AUTO(ff_free) char *limit = NULL;
	struct ff_err err = { 0 };
	int64_t n = 50;

	if (ff_http_query(r, "limit", &limit, &err) == 0 && limit && ff_num_i64(limit, 1, AUDIT_MOST, &n) < 0)
		(void)ff_err_set(&err, FF_E_INVALID, "limit is a number from 1 to %d", AUDIT_MOST);
	if (err.code)
		ff_reply_error(r, &err);
	else
		ff_http_ask(r, "audit", json_pack("{s:I}", "limit", (json_int_t)n), ff_http_collect, ff_http_end_items);
}

void ff_http_status(struct ff_http *r)
{
	ff_http_ask(r, "status", NULL, NULL, ff_http_end_data);
}

void ff_http_openapi(struct ff_http *r)
{
	if (!r->web->openapi)
		r->web->openapi = ff_openapi_text();
	ff_reply_bytes(r, "application/json", r->web->openapi, strlen(r->web->openapi));
}

/* --- health ------------------------------------------------------------------------- */

void ff_http_healthz(struct ff_http *r)
{
	ff_reply_bytes(r, "text/plain; charset=utf-8", "ok\n", 3);
}

static void end_ready(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;
	json_t *missing = json_object_get(data, "missing"), *word;
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	size_t i;

	ff_buf_init(&text, 1024);
	json_array_foreach(missing, i, word)
		(void)ff_buf_addf(&text, "%s%s", i ? ", " : "missing: ", json_string_value(word));
	if (err->code)
		ff_reply_error(r, err);
	else if (text.len)
		ff_reply_status(r, 503, "NOT_READY", text.data);
	else
		ff_reply_bytes(r, "text/plain; charset=utf-8", "ready\n", 6);
}

void ff_http_readyz(struct ff_http *r)
{
	ff_http_ask(r, "ready", NULL, NULL, end_ready);
}

static void end_health(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;
	json_t *missing = json_object_get(data, "missing");

	if (err->code)
		missing = NULL;
	ff_reply_json(r, 200, json_pack("{s:b,s:b,s:o}", "alive", 1, "ready", !err->code && json_is_true(json_object_get(data, "ready")),
					"missing", missing ? json_incref(missing) : json_pack("[s]", "core")));
}

void ff_http_health(struct ff_http *r)
{
	ff_http_ask(r, "ready", NULL, NULL, end_health);
}
