/* SPDX-License-Identifier: MIT */
#ifndef FF_WEB_WEB_H
#define FF_WEB_WEB_H

/*
 * The web role: HTTP towards programs and people, questions to core (ask.c).
 * What the files of this folder share; no other folder includes it.
 *
 * A request goes through it like this: serve.c takes it from libwebsockets and
 * finds its route (route.c, routes.def), auth is the hash of its token, the
 * handler (jobs.c, admin.c, log.c) asks core and ends it with one of the
 * ff_reply functions (reply.c), serve.c sends that and logs one line.
 *
 * One thread.  Everything a client can make us hold is bounded: connections by
 * web.max-connections, a body by web.max-body, an answer by FF_WEB_ANSWER_MAX.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <libwebsockets.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

#define FF_WEB_API "/api/v1"
#define FF_WEB_PATH_MAX 1024
#define FF_WEB_QUERY_MAX 4096
#define FF_WEB_ANSWER_MAX (64 * 1024 * 1024)
#define FF_WEB_TOKEN_HEX 64

struct ff_ask;
struct ff_web {
	const struct ff_conf *conf;
	struct ff_log log;
	struct lws_context *lws;
	struct lws_vhost *vhost;
	struct ff_loop *loop;    /* of the channel to core; lws polls its descriptor */
	struct ff_chan *chan;    /* NULL: core has gone */
	struct ff_ask *asks;
	int64_t next_ask;
	lws_sorted_usec_list_t beat;
	struct ff_rate *rate;    /* rate.c */
	struct ff_feed *feeds;   /* feed.c */
	char *openapi;           /* openapi.c, made at the first question */
	bool stop;
};

enum ff_method { FF_GET, FF_POST, FF_DELETE, FF_HEAD, FF_METHOD_OTHER };

struct ff_http;
struct ff_route {
	enum ff_method method;
	const char *path;        /* below FF_WEB_API, or whole when it starts with "=" ; {job} and {number} stand for one part */
	void (*run)(struct ff_http *r);
	bool open;               /* needs no token */
	bool body;               /* takes a JSON object */
	const char *operation, *summary;
};

/* One request. Lives from its head to the end of its answer. */
struct ff_http {
	struct ff_web *web;
	struct lws *wsi;
	struct ff_log log;       /* with the request's id */
	char id[65];             /* X-Request-Id */
	enum ff_method method;
	char path[FF_WEB_PATH_MAX];
	char query[FF_WEB_QUERY_MAX]; /* decoded nowhere: ff_http_query */
	char *idempotency;       /* NULL: none was given */
	char *if_none_match;
	int64_t last_event_id;   /* -1: none */
	bool has_token, wants_stream;
	char token[FF_WEB_TOKEN_HEX + 1]; /* hash, in hex */
	struct ff_err bad;       /* of the head; answered once the route is known */
	struct ff_err no_token;  /* why what was shown is none */
	struct ff_buf body;
	size_t max_body;
	bool too_large;
	bool begun;              /* it is the handler's */
	const struct ff_route *route;
	char param[80];          /* what stands for {job} or {number} */
	int64_t started_ms;
	/* the answer */
	int status;
	const char *type;        /* Content-Type */
	char etag[67];           /* with its quotes; "" for none */
	int retry_after_s;
	const char *allow;       /* of 405 */
	char *location;
	bool replayed;
	struct ff_buf out;
	size_t sent;
	bool ready, head_sent, done;
	struct ff_tail *tail;    /* log.c: an answer without a known end */
	struct ff_ask *ask;
	json_t *items;           /* what the question has brought so far */
	int fd;
};

/* --- ask.c: questions to core --------------------------------------------------- */
/* data is borrowed; fd -1 or the callee's. */
typedef void (*ff_ask_item_fn)(void *arg, json_t *data, int fd);
/* The last call; the ask is freed after it. err->code 0: it went well. */
typedef void (*ff_ask_end_fn)(void *arg, json_t *data, const struct ff_err *err);
/* args is taken; token may be NULL. ask is NULL in *ret when core has gone: end was called. */
void ff_ask(struct ff_web *web, struct ff_ask **ret, const char *command, json_t *args, const char *token,
	    const char *request_id, ff_ask_item_fn item, ff_ask_end_fn end, void *arg);
/* Nobody waits for it any more; no callback follows. NULL in *ask is fine. */
void ff_ask_leave(struct ff_web *web, struct ff_ask **ask);
void ff_asks_message(struct ff_web *web, enum ff_msg_type type, json_t *msg, int fd);
void ff_asks_end_all(struct ff_web *web);

/* --- route.c ------------------------------------------------------------------------ */
/* The route of this request, its parameter filled in; NULL: allowed names the methods of that path, "" when there is none. */
const struct ff_route *ff_route_find(struct ff_http *r, const char **ret_allowed);
/* All of them, ended by one without a path. */
extern const struct ff_route ff_routes[];

/* --- serve.c ------------------------------------------------------------------------ */
int ff_serve_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
/* What the library keeps for each connection. */
extern const size_t ff_serve_session_size;
/* Value of a query parameter, decoded; NULL: not given. Freed by ff_free. FF_E_INVALID. */
int ff_http_query(const struct ff_http *r, const char *name, char **ret, struct ff_err *err);

/* --- reply.c: each ends a request ------------------------------------------------------ */
void ff_reply_json(struct ff_http *r, int status, json_t *value); /* taken */
void ff_reply_error(struct ff_http *r, const struct ff_err *err);
void ff_reply_status(struct ff_http *r, int status, const char *code, const char *detail);
/* What was put into r->out. */
void ff_reply_out(struct ff_http *r, const char *type);
/* Bytes that are there as they are. */
void ff_reply_bytes(struct ff_http *r, const char *type, const char *p, size_t n);
/* What a descriptor holds, from its start; closed. */
void ff_reply_fd(struct ff_http *r, const char *type, int fd);
/* More was put into r->out of an answer without a known end. */
void ff_reply_more(struct ff_http *r);

/* --- rate.c: requests a minute --------------------------------------------------------- */
struct ff_rate *ff_rate_new(int64_t per_minute);
void ff_rate_free(struct ff_rate **rate);
/* Who: the hash of a token, or an address. 0: go on; else so many seconds to wait. */
int ff_rate_take(struct ff_rate *rate, const char *who, int64_t now_ms);

/* --- log.c ------------------------------------------------------------------------------- */
void ff_tail_free(struct ff_http *r);
/* What there was has been sent: the client has room for more. */
void ff_tail_more(struct ff_http *r);

/* --- openapi.c ----------------------------------------------------------------------------- */
/* Text of openapi.json, from routes.def. Freed by ff_free. */
char *ff_openapi_text(void);

#endif
