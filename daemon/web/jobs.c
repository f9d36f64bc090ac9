/* SPDX-License-Identifier: MIT */
/* The handlers of jobs, but for their log (log.c). */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "crypto/apitoken.h"
#include "daemon/web/handlers.h"

#define PUSH_ID 16

static const char *token_of(const struct ff_http *r)
{
	return r->has_token ? r->token : NULL;
}

void ff_http_ask(struct ff_http *r, const char *command, json_t *args, ff_ask_item_fn item, ff_ask_end_fn end)
{
	ff_ask(r->web, &r->ask, command, args, token_of(r), r->id, item, end, r);
}

/* --- what most answers are -------------------------------------------------------- */

void ff_http_collect(void *arg, json_t *data, int fd)
{
	struct ff_http *r = arg;

	ff_close(&fd);
	if (!r->items)
		r->items = json_array();
	(void)json_array_append(r->items, data); /* no data is no item */
}

void ff_http_end_data(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;

	if (err->code)
		ff_reply_error(r, err);
	else
		ff_reply_json(r, 200, data ? json_incref(data) : json_null());
}

void ff_http_end_items(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;
	json_t *next = json_object_get(data, "next_cursor");

	if (err->code) {
		ff_reply_error(r, err);
		return;
	}
	ff_reply_json(r, 200, json_pack("{s:o,s:o}", "items", r->items ? json_incref(r->items) : json_array(), "next_cursor",
					next ? json_incref(next) : json_null()));
}

/* --- list ---------------------------------------------------------------------------- */

static int add_word(const struct ff_http *r, json_t *args, const char *name, const char *as, struct ff_err *err)
{
	FF_AUTO(ff_free) char *value = NULL;

	if (ff_http_query(r, name, &value, err) < 0)
		return -1;
	if (value)
		(void)json_object_set_new(args, as, ff_json_from_bytes(value));
	return 0;
}

static int add_number(const struct ff_http *r, json_t *args, const char *name, int64_t most, struct ff_err *err)
{
	FF_AUTO(ff_free) char *value = NULL;
	int64_t n;

	if (ff_http_query(r, name, &value, err) < 0)
		return -1;
	if (!value)
		return 0;
	if (ff_num_i64(value, 1, most, &n) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is a number from 1 to %lld", name, (long long)most);
	(void)json_object_set_new(args, name, json_integer(n));
	return 0;
}

static int add_flag(const struct ff_http *r, json_t *args, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *value = NULL;
	int on = 0;

	if (ff_http_query(r, name, &value, err) < 0)
		return -1;
	if (value && ff_num_bool(value, &on) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is true or false", name);
	if (on)
		(void)json_object_set_new(args, name, json_true());
	return 0;
}

void ff_http_jobs_list(struct ff_http *r)
{
	json_t *args = json_object();
	struct ff_err err = { 0 };

	if (add_word(r, args, "state", "state", &err) < 0 || add_word(r, args, "repo", "repo", &err) < 0 ||
	    add_word(r, args, "branch", "branch", &err) < 0 || add_word(r, args, "cursor", "cursor", &err) < 0 ||
	    add_number(r, args, "limit", 200, &err) < 0 || add_flag(r, args, "dead", &err) < 0) {
		json_decref(args);
		ff_reply_error(r, &err);
		return;
	}
	ff_http_ask(r, "list", args, ff_http_collect, ff_http_end_items);
}

/* --- one job --------------------------------------------------------------------------- */

/* Number or UUID, as it stands in the path. */
json_t *ff_http_job(const struct ff_http *r)
{
	int64_t n;

	if (ff_num_i64(r->param, 1, INT64_MAX, &n) == 0)
		return json_pack("{s:I}", "job", (json_int_t)n);
	return json_pack("{s:o}", "job", ff_json_from_bytes(r->param));
}

void ff_http_jobs_show(struct ff_http *r)
{
	ff_http_ask(r, "show", ff_http_job(r), NULL, ff_http_end_data);
}

static void end_events(void *arg, json_t *data, const struct ff_err *err)
{
	(void)data; /* the job itself is another operation's */
	ff_http_end_items(arg, NULL, err);
}

void ff_http_jobs_events(struct ff_http *r)
{
	ff_http_ask(r, "show", ff_http_job(r), ff_http_collect, end_events);
}

static void take_fd(void *arg, json_t *data, int fd)
{
	struct ff_http *r = arg;

	(void)data;
	ff_close(&r->fd);
	r->fd = fd;
}

static void end_diff(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;

	(void)data;
	if (err->code)
		ff_reply_error(r, err);
	else if (r->fd < 0)
		ff_reply_status(r, 404, ff_err_name(FF_E_NOT_FOUND), "the job has no result to show");
	else
		ff_reply_fd(r, "text/x-diff; charset=utf-8", ff_steal_fd(&r->fd));
}

void ff_http_jobs_diff(struct ff_http *r)
{
	ff_http_ask(r, "diff", ff_http_job(r), take_fd, end_diff);
}

/* --- changes ------------------------------------------------------------------------------ */

/* The body: a JSON object, or nothing where nothing is needed; NULL: the request was ended. */
json_t *ff_http_body(struct ff_http *r, const char *const *known)
{
	struct ff_err err = { 0 };
	json_t *body, *value;
	const char *key;

	if (!r->body.len)
		return json_object();
	body = ff_json_parse(r->body.data, r->body.len, &err);
	if (!body) {
		ff_reply_status(r, 400, ff_err_name(FF_E_INVALID), err.text);
		return NULL;
	}
	json_object_foreach(body, key, value) {
		size_t i = 0;

		while (known[i] && strcmp(known[i], key))
			i++;
		if (known[i])
			continue;
		(void)ff_err_set(&err, FF_E_INVALID, "there is no field '%.40s' here", key);
		ff_reply_error(r, &err);
		json_decref(body);
		return NULL;
	}
	return body;
}

static void end_submit(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;

	if (err->code) {
		ff_reply_error(r, err);
		return;
	}
	ff_free(&r->location);
	r->location = ff_asprintf(FF_WEB_API "/jobs/%lld", (long long)json_integer_value(json_object_get(data, "number")));
	ff_reply_json(r, 201, json_incref(data));
}

/* What is submitted again with the same key by the same token is the same push, and so the same job. */
static void add_push_id(const struct ff_http *r, json_t *args)
{
	FF_AUTO(ff_free) char *whole = NULL;
	unsigned char hash[FF_APITOKEN_HASH];
	char hex[2 * PUSH_ID + 1];

	if (!r->idempotency)
		return;
	whole = ff_asprintf("submit\n%s\n%s", r->token, r->idempotency);
	ff_sha256(whole, strlen(whole), hash);
	ff_hex(hash, PUSH_ID, hex);
	(void)json_object_set_new(args, "push_id", json_string(hex));
}

void ff_http_jobs_submit(struct ff_http *r)
{
	static const char *const known[] = { "repo", "branch", "task", "target", "priority", "ttl_ms", "retries", "env", NULL };
	static const char *const words[] = { "repo", "branch", "task", "target", "priority", "env", NULL };
	json_t *args = ff_http_body(r, known);
	struct ff_err err = { 0 };

	if (!args)
		return;
	for (size_t i = 0; words[i] && !err.code; i++) {
		FF_AUTO(ff_free) char *value = NULL;

		if (ff_msg_bytes(args, words[i], &value, &err) == 0 && i < 2 && !value)
			(void)ff_err_set(&err, FF_E_INVALID, "%s is needed", words[i]);
	}
	if (!err.code && json_object_get(args, "ttl_ms"))
		(void)ff_msg_int(args, "ttl_ms", 1, INT64_MAX, &(int64_t){ 0 }, &err);
	if (!err.code && json_object_get(args, "retries"))
		(void)ff_msg_int(args, "retries", 0, INT32_MAX, &(int64_t){ 0 }, &err);
	if (err.code) {
		err.code = FF_E_INVALID;
		json_decref(args);
		ff_reply_error(r, &err);
		return;
	}
	add_push_id(r, args);
	ff_http_ask(r, "submit", args, NULL, end_submit);
}

static void change(struct ff_http *r, const char *command, bool reason, ff_ask_end_fn end)
{
	static const char *const with[] = { "reason", NULL }, *const without[] = { NULL };
	json_t *body = ff_http_body(r, reason ? with : without), *args;
	const char *why = NULL;
	struct ff_err err = { 0 };

	if (!body)
		return;
	args = ff_http_job(r);
	if (ff_msg_opt_str(body, "reason", &why, &err) < 0) {
		err.code = FF_E_INVALID;
		ff_reply_error(r, &err);
		json_decref(args);
		json_decref(body);
		return;
	}
	if (why)
		(void)json_object_set_new(args, "reason", json_string(why));
	json_decref(body);
	ff_http_ask(r, command, args, NULL, end);
}

void ff_http_jobs_cancel(struct ff_http *r)
{
	change(r, "cancel", true, ff_http_end_data);
}

void ff_http_jobs_retry(struct ff_http *r)
{
	change(r, "retry", false, end_submit);
}

void ff_http_jobs_continue(struct ff_http *r)
{
	change(r, "continue", false, ff_http_end_data);
}
