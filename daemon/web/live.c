/* SPDX-License-Identifier: MIT */
/* See live.h. This file: the connections; feed.c has what they look at. */
#include "daemon/web/live.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/num.h"
#include "base/text.h"
#include "crypto/apitoken.h"
#include "daemon/web/feed.h"

#define MESSAGE_MAX 4096
#define SUBSCRIPTIONS_MAX 100
#define SEND_BUFFER (64 * 1024)
#define BEARER "bearer."

struct message {
	struct message *next;
	size_t len;
	unsigned char data[]; /* LWS_PRE bytes for the library, then the text */
};

struct ff_live {
	struct ff_web *web;
	struct lws *wsi;
	char token[FF_WEB_TOKEN_HEX + 1];
	struct ff_buf in;
	struct message *first, **end;
	size_t unsent;
	struct ff_sub *subs;
	size_t n_subs;
	struct ff_ask *who;
	bool refused; /* once everything is sent, it is closed */
};

/* --- who may come in ----------------------------------------------------------- */

/* A page of elsewhere must not speak with the rights of whoever looks at it. */
static bool same_origin(struct lws *wsi)
{
	char origin[256] = "", host[256] = "";
	const char *at;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) <= 0)
		return true; /* no browser */
	if (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) <= 0 || lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0)
		return false;
	at = strstr(origin, "://");
	return at && !strcasecmp(at + 3, host);
}

static int hash_of(const char *text, size_t n, char *token)
{
	unsigned char hash[FF_APITOKEN_HASH];

	if (ff_apitoken_hash(text, n, hash, NULL) < 0)
		return -1;
	ff_hex(hash, sizeof hash, token);
	return 0;
}

/* Browsers cannot set the header: they name the token among the protocols. */
static int shown_token(struct lws *wsi, char *token)
{
	char text[1024] = "";
	const char *at;
	int rc = -1;

	if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_AUTHORIZATION) > 0 && !strncasecmp(text, "bearer ", 7))
		rc = hash_of(text + 7, strlen(text + 7), token);
	else if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_PROTOCOL) > 0 && (at = strstr(text, BEARER)))
		rc = hash_of(at + strlen(BEARER), strcspn(at + strlen(BEARER), ", "), token);
	explicit_bzero(text, sizeof text);
	return rc;
}

int ff_live_admit(struct ff_web *web, struct lws *wsi, char token[FF_WEB_TOKEN_HEX + 1])
{
	char path[128] = "";
	int status = 0;

	if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0 || strcmp(path, FF_WEB_API "/live"))
		status = 404;
	else if (!same_origin(wsi))
		status = 403;
	else if (shown_token(wsi, token) < 0)
		status = 401;
	if (!status)
		return 0;
	ff_log_info(&web->log, "web.live", "a connection was refused: %d", status);
	(void)lws_return_http_status(wsi, (unsigned)status, NULL); /* it is closed in any case */
	return -1;
}

/* --- out -------------------------------------------------------------------------- */

static void drop_unsent(struct ff_live *l)
{
	struct message *m;

	while ((m = l->first)) {
		l->first = m->next;
		free(m);
	}
	l->end = &l->first;
	l->unsent = 0;
}

static void put(struct ff_live *l, const char *text, size_t n)
{
	struct message *m = ff_calloc(1, sizeof *m + LWS_PRE + n);

	m->len = n;
	memcpy(m->data + LWS_PRE, text, n);
	*l->end = m;
	l->end = &m->next;
	l->unsent += n;
	(void)lws_callback_on_writable(l->wsi); /* of a connection that is going nothing is sent */
}

static void put_json(struct ff_live *l, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	json_decref(value);
	ff_assert(text);
	put(l, text, strlen(text));
	free(text);
}

static void say(struct ff_live *l, const char *type, const char *channel, int64_t seq)
{
	put_json(l, json_pack("{s:s,s:o,s:I}", "type", type, "channel", ff_json_from_bytes(channel), "seq", (json_int_t)seq));
}

static void say_error(struct ff_live *l, const char *channel, const char *code, const char *detail)
{
	put_json(l, json_pack("{s:s,s:o,s:s,s:o}", "type", "error", "channel", ff_json_from_bytes(channel), "code", code, "detail",
			      ff_json_from_bytes(detail)));
}

static size_t most_unsent(const struct ff_live *l)
{
	return (size_t)ff_conf_int(l->web->conf, FF_CONF_WEB_MAX_UNSENT);
}

/* It did not take what it was sent: all of that is dropped, and it is told from where on it has to ask. */
static void fall_behind(struct ff_live *l)
{
	drop_unsent(l);
	for (struct ff_sub *s = l->subs; s; s = s->next)
		say(l, "resync", s->channel, s->seq);
}

int ff_live_write(struct ff_live *l)
{
	struct message *m = l->first;
	int rc;

	if (!m)
		return l->refused ? -1 : 0;
	l->first = m->next;
	if (!l->first)
		l->end = &l->first;
	l->unsent -= m->len;
	rc = lws_write(l->wsi, m->data + LWS_PRE, m->len, LWS_WRITE_TEXT);
	free(m);
	if (rc < 0)
		return -1;
	if (l->first || l->refused)
		(void)lws_callback_on_writable(l->wsi);
	return 0;
}

/* --- what a feed tells -------------------------------------------------------------- */

void ff_live_update(struct ff_sub *s, int64_t seq, const char *text, size_t n)
{
	struct ff_live *l = s->live;

	if (seq && seq <= s->seq)
		return;
	if (seq)
		s->seq = seq;
	if (l->unsent + n > most_unsent(l))
		fall_behind(l);
	else
		put(l, text, n);
}

void ff_live_resync(struct ff_sub *s)
{
	say(s->live, "resync", s->channel, s->seq);
}

static void remove_sub(struct ff_live *l, struct ff_sub *gone)
{
	struct ff_sub **at = &l->subs;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	l->n_subs--;
	ff_free(&gone->channel);
	free(gone);
}

void ff_live_ended(struct ff_sub *s, json_t *job, const struct ff_err *err)
{
	struct ff_live *l = s->live;

	if (err->code)
		say_error(l, s->channel, ff_err_name(err->code), err->text);
	else
		put_json(l, json_pack("{s:s,s:o,s:O}", "type", "ended", "channel", ff_json_from_bytes(s->channel), "payload", job));
	remove_sub(l, s);
}

/* --- in -------------------------------------------------------------------------------- */

static struct ff_sub *sub_of(struct ff_live *l, const char *channel)
{
	struct ff_sub *s = l->subs;

	while (s && strcmp(s->channel, channel))
		s = s->next;
	return s;
}

static void subscribe(struct ff_live *l, const char *channel, int64_t after)
{
	struct ff_sub *s;

	if (sub_of(l, channel)) {
		say_error(l, channel, ff_err_name(FF_E_CONFLICT), "this channel is subscribed to already");
		return;
	}
	if (l->n_subs == SUBSCRIPTIONS_MAX) {
		say_error(l, channel, ff_err_name(FF_E_TOO_LARGE), "too many channels on one connection");
		return;
	}
	s = ff_calloc(1, sizeof *s);
	s->live = l;
	s->channel = ff_strdup(channel);
	s->seq = after > 0 ? after : 0;
	s->next = l->subs;
	l->subs = s;
	l->n_subs++;
	say(l, "subscribed", channel, s->seq);
	ff_feed_join(l->web, s, l->token, after);
}

static void unsubscribe(struct ff_live *l, const char *channel)
{
	struct ff_sub *s = sub_of(l, channel);

	if (!s) {
		say_error(l, channel, ff_err_name(FF_E_NOT_FOUND), "this channel is not subscribed to");
		return;
	}
	ff_feed_leave(l->web, s);
	say(l, "unsubscribed", channel, s->seq);
	remove_sub(l, s);
}

static void take(struct ff_live *l)
{
	struct ff_err err = { 0 };
	json_t *msg = ff_json_parse(l->in.data, l->in.len, &err);
	FF_AUTO(ff_free) char *channel = NULL;
	const char *type = NULL;
	int64_t after = -1;

	if (msg && (ff_msg_str(msg, "type", &type, &err) < 0 || ff_msg_bytes(msg, "channel", &channel, &err) < 0 ||
		    (json_object_get(msg, "after") && ff_msg_int(msg, "after", 0, INT64_MAX, &after, &err) < 0)))
		type = NULL;
	if (!type)
		say_error(l, NULL, ff_err_name(FF_E_INVALID), err.text);
	else if (!channel)
		say_error(l, NULL, ff_err_name(FF_E_INVALID), "channel: all, job:NUMBER or repo:PATH");
	else if (!strcmp(type, "subscribe"))
		subscribe(l, channel, after);
	else if (!strcmp(type, "unsubscribe"))
		unsubscribe(l, channel);
	else
		say_error(l, channel, ff_err_name(FF_E_INVALID), "type: subscribe or unsubscribe");
	json_decref(msg);
}

int ff_live_read(struct ff_live *l, const char *p, size_t n, bool last)
{
	if (ff_buf_add(&l->in, p, n) < 0) {
		lws_close_reason(l->wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, NULL, 0);
		return -1;
	}
	if (!last)
		return 0;
	take(l);
	ff_buf_clear(&l->in);
	if (l->unsent > most_unsent(l))
		fall_behind(l);
	return 0;
}

/* --- life ---------------------------------------------------------------------------------- */

static void on_who(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_live *l = arg;

	(void)data;
	if (!err->code)
		return;
	say_error(l, NULL, ff_err_name(err->code), err->text);
	l->refused = err->code == FF_E_UNKNOWN_TOKEN;
}

struct ff_live *ff_live_new(struct ff_web *web, struct lws *wsi, const char *token)
{
	struct ff_live *l = ff_calloc(1, sizeof *l);
	int room = SEND_BUFFER;

	/* The kernel would take megabytes for one that does not read; without this it is only more. */
	(void)setsockopt(lws_get_socket_fd(wsi), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	l->web = web;
	l->wsi = wsi;
	memcpy(l->token, token, sizeof l->token);
	l->end = &l->first;
	ff_buf_init(&l->in, MESSAGE_MAX);
	ff_ask(web, &l->who, "whoami", NULL, l->token, NULL, NULL, on_who, l);
	return l;
}

void ff_live_free(struct ff_live **live)
{
	struct ff_live *l = ff_steal(live);

	if (!l)
		return;
	ff_ask_leave(l->web, &l->who);
	while (l->subs) {
		ff_feed_leave(l->web, l->subs);
		remove_sub(l, l->subs);
	}
	drop_unsent(l);
	ff_buf_fini(&l->in);
	free(l);
}
