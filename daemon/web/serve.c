/* SPDX-License-Identifier: MIT */
/* Between libwebsockets and the handlers: the head and the body of a request in, its answer out. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"
#include "crypto/apitoken.h"
#include "daemon/web/live.h"

#define CHUNK 16384
#define HEAD_MAX 2048
#define KEY_MAX 255
#define ETAGS_MAX 1024
/* A comment now and then keeps proxies from ending a stream in which nothing happens. */
#define PING_US (15 * LWS_USEC_PER_SEC)

/* --- life of a request -------------------------------------------------------------- */

static struct ff_http *http_new(struct ff_web *web, struct lws *wsi)
{
	struct ff_http *r = ff_calloc(1, sizeof *r);
	unsigned char random[16];

	r->web = web;
	r->wsi = wsi;
	r->log = web->log;
	r->fd = -1;
	r->last_event_id = -1;
	r->started_ms = ff_clock_mono();
	r->max_body = (size_t)ff_conf_int(web->conf, FF_CONF_WEB_MAX_BODY);
	ff_buf_init(&r->body, r->max_body);
	ff_buf_init(&r->out, FF_WEB_ANSWER_MAX);
	ff_random(random, sizeof random);
	ff_hex(random, sizeof random, r->id);
	r->log.request_id = r->id;
	return r;
}

static void http_free(struct ff_http **slot)
{
	struct ff_http *r = ff_steal(slot);

	if (!r)
		return;
	ff_tail_free(r);
	ff_ask_leave(r->web, &r->ask);
	json_decref(r->items);
	ff_close(&r->fd);
	ff_buf_fini(&r->body);
	ff_buf_fini(&r->out);
	ff_free(&r->idempotency);
	ff_free(&r->if_none_match);
	ff_free(&r->location);
	free(r);
}

/* --- the head ------------------------------------------------------------------------- */

/* A header that is there and not longer than that; NULL: it is not there. */
static char *header(struct ff_http *r, enum lws_token_indexes token, size_t most)
{
	int n = lws_hdr_total_length(r->wsi, token);
	char *text;

	if (n <= 0)
		return NULL;
	if ((size_t)n > most) {
		(void)ff_err_set(&r->bad, FF_E_INVALID, "a header of the request is over %zu bytes", most);
		return NULL;
	}
	text = ff_calloc((size_t)n + 1, 1);
	(void)lws_hdr_copy(r->wsi, text, n + 1, token); /* it has just said how long it is */
	return text;
}

static char *custom_header(struct ff_http *r, const char *name, size_t most)
{
	int n = lws_hdr_custom_length(r->wsi, name, (int)strlen(name));
	char *text;

	if (n <= 0)
		return NULL;
	if ((size_t)n > most) {
		(void)ff_err_set(&r->bad, FF_E_INVALID, "the header %.*s is over %zu bytes", (int)strlen(name) - 1, name, most);
		return NULL;
	}
	text = ff_calloc((size_t)n + 1, 1);
	(void)lws_hdr_custom_copy(r->wsi, text, n + 1, name, (int)strlen(name));
	return text;
}

static enum ff_method method_of(struct lws *wsi)
{
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
		return FF_GET;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI))
		return FF_POST;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_DELETE_URI))
		return FF_DELETE;
	return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) ? FF_HEAD : FF_METHOD_OTHER;
}

/* Fragments a=1, b=2 of the query, joined again as they came. */
static void read_query(struct ff_http *r)
{
	size_t used = 0;
	int n;

	for (int i = 0; (n = lws_hdr_copy_fragment(r->wsi, r->query + used, (int)(sizeof r->query - used), WSI_TOKEN_HTTP_URI_ARGS, i)) > 0; i++) {
		used += (size_t)n;
		if (used + 2 >= sizeof r->query)
			break;
		r->query[used++] = '&';
		r->query[used] = '\0';
	}
	if (n == -2 || used + 2 >= sizeof r->query)
		(void)ff_err_set(&r->bad, FF_E_INVALID, "the query is over %d bytes", FF_WEB_QUERY_MAX);
}

static void read_token(struct ff_http *r)
{
	FF_AUTO(ff_free) char *text = header(r, WSI_TOKEN_HTTP_AUTHORIZATION, 4096);
	unsigned char hash[FF_APITOKEN_HASH];
	const char *token;

	if (!text)
		return;
	token = text + strcspn(text, " ");
	if (strncasecmp(text, "bearer ", 7)) {
		(void)ff_err_set(&r->no_token, FF_E_UNKNOWN_TOKEN, "the header is to be: Authorization: Bearer TOKEN");
		return;
	}
	token += strspn(token, " ");
	if (ff_apitoken_hash(token, strlen(token), hash, &r->no_token) == 0) {
		ff_hex(hash, sizeof hash, r->token);
		r->has_token = true;
	}
	explicit_bzero(text, strlen(text));
}

static bool is_id(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n >= 1 && n < sizeof ((struct ff_http *)0)->id && !s[n];
}

static void read_head(struct ff_http *r, const char *path, size_t n)
{
	FF_AUTO(ff_free) char *accept = header(r, WSI_TOKEN_HTTP_ACCEPT, 4096);
	FF_AUTO(ff_free) char *id = custom_header(r, "x-request-id:", sizeof r->id - 1);
	FF_AUTO(ff_free) char *last = custom_header(r, "last-event-id:", 32);
	FF_AUTO(ff_free) char *length = header(r, WSI_TOKEN_HTTP_CONTENT_LENGTH, 32);
	int64_t bytes = 0;

	r->method = method_of(r->wsi);
	if (n >= sizeof r->path)
		(void)ff_err_set(&r->bad, FF_E_INVALID, "the path is over %d bytes", FF_WEB_PATH_MAX);
	memcpy(r->path, path, n < sizeof r->path ? n : sizeof r->path - 1);
	read_query(r);
	if (id && is_id(id))
		memcpy(r->id, id, strlen(id) + 1);
	if (last)
		(void)ff_num_i64(last, 0, INT64_MAX, &r->last_event_id); /* another one is of another stream */
	r->wants_stream = accept && strstr(accept, "text/event-stream");
	r->idempotency = custom_header(r, "idempotency-key:", KEY_MAX);
	r->if_none_match = header(r, WSI_TOKEN_HTTP_IF_NONE_MATCH, ETAGS_MAX);
	read_token(r);
	if (length && ff_num_i64(length, 0, INT64_MAX, &bytes) < 0)
		(void)ff_err_set(&r->bad, FF_E_INVALID, "Content-Length is no number");
	r->too_large = (uint64_t)bytes > r->max_body;
	if (lws_hdr_total_length(r->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		(void)ff_err_set(&r->bad, FF_E_INVALID, "a body is to come with its Content-Length");
}

/* Digits of %XX and + of one value. */
static int decode(const char *p, size_t n, char **ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *out = ff_calloc(n + 1, 1);
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		char two[3] = { 0 };

		if (p[i] != '%') {
			out[used++] = p[i] == '+' ? ' ' : p[i];
			continue;
		}
		if (n - i > 2)
			memcpy(two, p + i + 1, 2);
		if (ff_unhex(two, 1, out + used) < 0 || !out[used])
			return ff_err_set(err, FF_E_INVALID, "the query has a %% that is not followed by two digits of a byte");
		used++;
		i += 2;
	}
	*ret = ff_steal(&out);
	return 0;
}

int ff_http_query(const struct ff_http *r, const char *name, char **ret, struct ff_err *err)
{
	size_t k = strlen(name);

	for (const char *p = r->query; *p; p += strcspn(p, "&"), p += *p == '&') {
		size_t n = strcspn(p, "&");

		if (n > k && p[k] == '=' && !memcmp(p, name, k))
			return decode(p + k + 1, n - k - 1, ret, err);
	}
	return 0;
}

/* --- from the whole request to its handler --------------------------------------------- */

static bool over_rate(struct ff_http *r)
{
	char peer[64] = "";
	int wait;

	if (!r->has_token)
		(void)lws_get_peer_simple(r->wsi, peer, sizeof peer); /* "" of a unix socket: they share */
	wait = ff_rate_take(r->web->rate, r->has_token ? r->token : peer, ff_clock_mono());
	if (!wait)
		return false;
	r->retry_after_s = wait;
	ff_reply_status(r, 429, ff_err_name(FF_E_RATE_LIMIT), "more requests than web.rate allows in a minute");
	return true;
}

static void run(struct ff_http *r)
{
	const char *allowed = "";

	if (r->begun) /* the library tells of the end of an empty body, too */
		return;
	r->begun = true;
	lws_set_timeout(r->wsi, NO_PENDING_TIMEOUT, 0);
	r->route = ff_route_find(r, &allowed);
	if (r->bad.code) {
		ff_reply_error(r, &r->bad);
	} else if (!r->route && *allowed) {
		r->allow = allowed;
		ff_reply_status(r, 405, "METHOD_NOT_ALLOWED", "this path is not for that method");
	} else if (!r->route) {
		ff_reply_status(r, 404, ff_err_name(FF_E_NOT_FOUND), "there is nothing at this path: see " FF_WEB_API "/openapi.json");
	} else if (r->too_large || r->body.overflow) {
		ff_reply_status(r, 413, ff_err_name(FF_E_TOO_LARGE), "the body is over web.max-body");
	} else if (!over_rate(r)) {
		if (!r->route->open && r->no_token.code)
			ff_reply_error(r, &r->no_token);
		else if (!r->route->open && !r->has_token)
			ff_reply_status(r, 401, ff_err_name(FF_E_UNKNOWN_TOKEN), "this needs a token: Authorization: Bearer " FF_APITOKEN_PREFIX "...");
		else
			r->route->run(r);
	}
}

/* --- the answer ---------------------------------------------------------------------------- */

static int add(struct ff_http *r, const char *name, const char *value, unsigned char **p, unsigned char *end)
{
	return value && lws_add_http_header_by_name(r->wsi, (const unsigned char *)name, (const unsigned char *)value,
						    (int)strlen(value), p, end);
}

static int add_head(struct ff_http *r, unsigned char **p, unsigned char *end)
{
	lws_filepos_t length = r->tail ? LWS_ILLEGAL_HTTP_CONTENT_LEN : r->out.len;
	char retry[16];

	(void)snprintf(retry, sizeof retry, "%d", r->retry_after_s);
	return lws_add_http_common_headers(r->wsi, (unsigned)r->status, r->type, length, p, end) ||
	       add(r, "x-request-id:", r->id, p, end) || add(r, "x-content-type-options:", "nosniff", p, end) ||
	       add(r, "cache-control:", *r->etag ? "private, no-cache" : "no-store", p, end) ||
	       (*r->etag && add(r, "etag:", r->etag, p, end)) || add(r, "location:", r->location, p, end) ||
	       add(r, "allow:", r->allow, p, end) || (r->retry_after_s && add(r, "retry-after:", retry, p, end)) ||
	       (r->status == 401 && add(r, "www-authenticate:", "Bearer realm=\"" FF_NAME "\"", p, end)) ||
	       lws_finalize_http_header(r->wsi, p, end);
}

static int send_head(struct ff_http *r)
{
	unsigned char space[LWS_PRE + HEAD_MAX], *start = space + LWS_PRE, *p = start;

	if (add_head(r, &p, start + HEAD_MAX - 1))
		return -1;
	r->head_sent = true;
	return lws_write(r->wsi, start, (size_t)(p - start), LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static int finish(struct ff_http **slot)
{
	struct ff_http *r = *slot;
	struct lws *wsi = r->wsi;
	/* What was refused unread is still to come: the next request cannot be told from it. */
	bool close = r->tail || r->too_large || r->bad.code;

	ff_log_info(&r->log, "web.request", "%s %s %d in %lld ms", r->method == FF_GET ? "GET" : r->method == FF_POST ? "POST" :
		    r->method == FF_DELETE ? "DELETE" : r->method == FF_HEAD ? "HEAD" : "?", r->path, r->status,
		    (long long)(ff_clock_mono() - r->started_ms));
	http_free(slot);
	return lws_http_transaction_completed(wsi) || close ? -1 : 0;
}

static int write_some(struct ff_http **slot)
{
	struct ff_http *r = *slot;
	unsigned char space[LWS_PRE + CHUNK];
	size_t n;
	bool last;

	if (!r->ready)
		return 0;
	if (!r->head_sent) {
		if (send_head(r) < 0)
			return -1;
		if (r->method == FF_HEAD || r->status == 304)
			return finish(slot);
		(void)lws_callback_on_writable(r->wsi); /* the body, in its turn */
		return 0;
	}
	n = r->out.len - r->sent < CHUNK ? r->out.len - r->sent : CHUNK;
	last = r->sent + n == r->out.len && (!r->tail || r->done);
	if (!n && !last)
		return 0;
	memcpy(space + LWS_PRE, r->out.data + r->sent, n);
	if (lws_write(r->wsi, space + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
		return -1;
	r->sent += n;
	if (last)
		return finish(slot);
	if (r->tail && r->sent == r->out.len) {
		ff_buf_clear(&r->out);
		r->sent = 0;
		ff_tail_more(r);
	}
	if (r->sent < r->out.len || r->done)
		(void)lws_callback_on_writable(r->wsi);
	return 0;
}

static void ping(struct ff_http *r)
{
	if (!r || !r->tail)
		return;
	if (r->wants_stream && r->head_sent && r->out.len == r->sent) {
		(void)ff_buf_adds(&r->out, ": still here\n\n");
		(void)lws_callback_on_writable(r->wsi);
	}
	lws_set_timer_usecs(r->wsi, PING_US);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static int begin(struct lws *wsi, struct ff_http **slot, const char *path, size_t n)
{
	http_free(slot);
	*slot = http_new(lws_context_user(lws_get_context(wsi)), wsi);
	read_head(*slot, path, n);
	if (!(*slot)->bad.code && !(*slot)->too_large && lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0) {
		FF_AUTO(ff_free) char *length = header(*slot, WSI_TOKEN_HTTP_CONTENT_LENGTH, 32);

		if (length && strcmp(length, "0"))
			return 0; /* the body comes */
	}
	run(*slot);
	if ((*slot)->tail)
		lws_set_timer_usecs(wsi, PING_US);
	return 0;
}

/* A connection speaks HTTP, or has become a WebSocket. */
struct session {
	struct ff_http *http;
	struct ff_live *live;
	char token[FF_WEB_TOKEN_HEX + 1]; /* between the two */
};
const size_t ff_serve_session_size = sizeof(struct session);

static int live_callback(struct ff_web *web, struct lws *wsi, enum lws_callback_reasons reason, struct session *s, void *in, size_t len)
{
	switch ((int)reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return ff_live_admit(web, wsi, s->token);
	case LWS_CALLBACK_ESTABLISHED:
		s->live = ff_live_new(web, wsi, s->token);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return ff_live_read(s->live, in, len, lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi));
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return ff_live_write(s->live);
	case LWS_CALLBACK_CLOSED:
		ff_live_free(&s->live);
		return 0;
	default:
		return 0;
	}
}

int ff_serve_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct session *session = user;
	struct ff_http **slot = session ? &session->http : NULL;

	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		return begin(wsi, slot, in, len);
	case LWS_CALLBACK_HTTP_BODY:
		if (*slot && !(*slot)->begun)
			(void)ff_buf_add(&(*slot)->body, in, len);
		return 0;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		if (*slot)
			run(*slot);
		return 0;
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return *slot ? write_some(slot) : 0;
	case LWS_CALLBACK_TIMER:
		ping(*slot);
		return 0;
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (slot)
			http_free(slot);
		return 0;
	default:
		return session ? live_callback(lws_context_user(lws_get_context(wsi)), wsi, reason, session, in, len) : 0;
	}
}
