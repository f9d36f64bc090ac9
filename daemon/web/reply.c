/* SPDX-License-Identifier: MIT */
/* How a request ends: JSON, bytes, a file, or an error as RFC 9457 has it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "crypto/apitoken.h"
#include "daemon/web/web.h"

#define JSON "application/json"
#define PROBLEM "application/problem+json"
#define HTTP_OK 200
#define HTTP_NOT_MODIFIED 304

static void ready(struct ff_http *r)
{
	r->ready = true;
	(void)lws_callback_on_writable(r->wsi); /* of a connection that is going nothing more is sent */
}

/* Whether what the client has is what there is. */
static void tag(struct ff_http *r)
{
	unsigned char hash[FF_APITOKEN_HASH];
	char hex[2 * sizeof hash + 1];

	if (r->status != HTTP_OK || (r->method != FF_GET && r->method != FF_HEAD))
		return;
	ff_sha256(r->out.data, r->out.len, hash);
	ff_hex(hash, sizeof hash, hex);
	(void)snprintf(r->etag, sizeof r->etag, "\"%s\"", hex); /* fits */
	if (!r->if_none_match || (!strstr(r->if_none_match, r->etag) && strcmp(r->if_none_match, "*")))
		return;
	r->status = HTTP_NOT_MODIFIED;
	ff_buf_clear(&r->out);
}

void ff_reply_json(struct ff_http *r, int status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	json_decref(value);
	ff_assert(text);
	r->status = status;
	r->type = JSON;
	ff_buf_clear(&r->out);
	(void)ff_buf_adds(&r->out, text);
	(void)ff_buf_addc(&r->out, '\n');
	free(text);
	if (r->out.overflow) {
		ff_reply_status(r, 500, "TOO_LARGE", "the answer is over the limit of this service");
		return;
	}
	tag(r);
	ready(r);
}

void ff_reply_out(struct ff_http *r, const char *type)
{
	r->status = HTTP_OK;
	r->type = type;
	tag(r);
	ready(r);
}

void ff_reply_bytes(struct ff_http *r, const char *type, const char *p, size_t n)
{
	(void)ff_buf_add(&r->out, p, n);
	ff_reply_out(r, type);
}

void ff_reply_fd(struct ff_http *r, const char *type, int fd)
{
	FF_AUTO(ff_close) int owned = fd;
	struct ff_err err = { 0 };

	r->status = HTTP_OK;
	r->type = type;
	if (lseek(owned, 0, SEEK_SET) < 0)
		(void)ff_err_errno(&err, "the answer cannot be read");
	if (err.code || ff_fd_read_all(owned, &r->out, &err) < 0) {
		ff_reply_error(r, &err);
		return;
	}
	tag(r);
	ready(r);
}

void ff_reply_more(struct ff_http *r)
{
	ready(r);
}

static const char *title(int status)
{
	static const struct { int status; const char *title; } titles[] = {
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 409, "Conflict" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(titles); i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Internal Server Error";
}

void ff_reply_status(struct ff_http *r, int status, const char *code, const char *detail)
{
	json_t *problem = json_pack("{s:s,s:s,s:i,s:o,s:o,s:s,s:s}", "type", "about:blank", "title", title(status), "status",
				    status, "detail", ff_json_from_bytes(detail), "instance", ff_json_from_bytes(r->path), "code",
				    code, "request_id", r->id);

	if ((status == 429 || status == 503) && !r->retry_after_s)
		r->retry_after_s = 5;
	ff_buf_clear(&r->out);
	r->out.overflow = false;
	ff_reply_json(r, status, problem);
	r->type = PROBLEM;
}

void ff_reply_error(struct ff_http *r, const struct ff_err *err)
{
	ff_reply_status(r, ff_err_http(err->code), ff_err_name(err->code), err->text);
}
