/* SPDX-License-Identifier: MIT */
/* See feed.h. */
#include "daemon/web/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"
#include "daemon/web/live.h"

/* What a feed remembers: so many messages, for so long. */
#define KEPT 512
#define KEPT_MS (5 * 60 * 1000)

struct kept {
	int64_t seq, at_ms;
	char *text;
	size_t len;
};

struct ff_feed {
	struct ff_feed *next;
	struct ff_web *web;
	char *channel;
	char token[FF_WEB_TOKEN_HEX + 1];
	bool own;                /* of one subscription, which wanted what is not remembered */
	struct ff_ask *ask;
	struct ff_sub *subs;
	struct kept kept[KEPT];  /* a ring */
	size_t first, count;
	int64_t forgotten;       /* number of the last one that fell out of it, or that was before it */
};

/* --- what it remembers -------------------------------------------------------- */

static void forget_first(struct ff_feed *f)
{
	struct kept *k = &f->kept[f->first];

	f->forgotten = k->seq;
	ff_free(&k->text);
	f->first = (f->first + 1) % KEPT;
	f->count--;
}

static void keep(struct ff_feed *f, int64_t seq, const char *text, size_t n)
{
	int64_t now = ff_clock_mono();

	while (f->count && (f->count == KEPT || f->kept[f->first].at_ms < now - KEPT_MS))
		forget_first(f);
	f->kept[(f->first + f->count++) % KEPT] = (struct kept){ .seq = seq, .at_ms = now, .text = ff_memdup0(text, n), .len = n };
}

/* --- its life ---------------------------------------------------------------------- */

static void feed_free(struct ff_feed *f)
{
	struct ff_feed **at = &f->web->feeds;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	ff_ask_leave(f->web, &f->ask);
	while (f->count)
		forget_first(f);
	ff_free(&f->channel);
	free(f);
}

void ff_feeds_free(struct ff_web *web)
{
	while (web->feeds)
		feed_free(web->feeds);
}

/* --- what core says ------------------------------------------------------------------ */

static void on_item(void *arg, json_t *data, int fd)
{
	struct ff_feed *f = arg;
	int64_t seq = json_integer_value(json_object_get(data, "seq"));
	json_t *at = json_object_get(data, "at");
	json_t *msg = json_pack("{s:s,s:o,s:O,s:O*,s:o}", "type", "update", "channel", ff_json_from_bytes(f->channel), "payload", data,
				"timestamp", at, "seq", seq ? json_integer(seq) : json_null());
	char *text = json_dumps(msg, JSON_COMPACT);
	struct ff_sub *next;

	ff_close(&fd);
	json_decref(msg);
	ff_assert(text);
	if (seq)
		keep(f, seq, text, strlen(text));
	for (struct ff_sub *s = f->subs; s; s = next) {
		next = s->next_in_feed;
		ff_live_update(s, seq, text, strlen(text));
	}
	free(text);
}

static void on_end(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_feed *f = arg;
	struct ff_sub *s;

	while ((s = f->subs)) {
		f->subs = s->next_in_feed;
		ff_live_ended(s, data ? data : json_null(), err);
	}
	feed_free(f);
}

/* --- joining --------------------------------------------------------------------------- */

/* What a channel is called, as core's arguments; NULL: it is none. */
static json_t *watch_args(const char *channel)
{
	int64_t n;

	if (!strcmp(channel, "all"))
		return json_object();
	if (ff_starts(channel, "job:") && ff_num_i64(channel + 4, 1, INT64_MAX, &n) == 0)
		return json_pack("{s:I}", "job", (json_int_t)n);
	if (ff_starts(channel, "repo:/"))
		return json_pack("{s:o}", "repo", ff_json_from_bytes(channel + 5));
	return NULL;
}

static struct ff_feed *feed_of(struct ff_web *web, const char *channel, const char *token)
{
	struct ff_feed *f = web->feeds;

	while (f && (f->own || strcmp(f->channel, channel) || strcmp(f->token, token)))
		f = f->next;
	return f;
}

/* The subscription is in it before core is asked: the answer may be that core has gone. */
static void feed_new(struct ff_web *web, struct ff_sub *sub, const char *token, int64_t after, json_t *args)
{
	struct ff_feed *f = ff_calloc(1, sizeof *f);
	bool job = json_object_get(args, "job");

	f->web = web;
	f->channel = ff_strdup(sub->channel);
	memcpy(f->token, token, sizeof f->token);
	/* A job's past comes from the record, so a feed with a past of its own is not for others. */
	f->own = job && after >= 0;
	f->forgotten = INT64_MAX; /* until the first message: what was before it is not known */
	f->next = web->feeds;
	web->feeds = f;
	f->subs = sub;
	sub->feed = f;
	if (job)
		(void)json_object_set_new(args, "after", json_integer(after >= 0 ? after : INT64_MAX));
	ff_ask(web, &f->ask, "watch", args, f->token, NULL, on_item, on_end, f);
}

void ff_feed_join(struct ff_web *web, struct ff_sub *sub, const char *token, int64_t after)
{
	struct ff_feed *f = feed_of(web, sub->channel, token);
	json_t *args = watch_args(sub->channel);
	struct ff_err err = { 0 };
	bool known;

	if (!args) {
		(void)ff_err_set(&err, FF_E_INVALID, "there is no such channel: all, job:NUMBER or repo:PATH");
		ff_live_ended(sub, NULL, &err);
		return;
	}
	known = f && f->count && after >= f->forgotten;
	if (!f || (after >= 0 && !known && json_object_get(args, "job"))) {
		if (after >= 0 && !json_object_get(args, "job"))
			ff_live_resync(sub);
		feed_new(web, sub, token, after, args);
		return;
	}
	json_decref(args);
	sub->feed = f;
	sub->next_in_feed = f->subs;
	f->subs = sub;
	if (after >= 0 && !known)
		ff_live_resync(sub);
	for (size_t i = 0; known && i < f->count; i++) {
		const struct kept *k = &f->kept[(f->first + i) % KEPT];

		ff_live_update(sub, k->seq, k->text, k->len);
	}
}

void ff_feed_leave(struct ff_web *web, struct ff_sub *sub)
{
	struct ff_feed *f = sub->feed;
	struct ff_sub **at = &f->subs;

	(void)web;
	while (*at != sub)
		at = &(*at)->next_in_feed;
	*at = sub->next_in_feed;
	sub->feed = NULL;
	if (!f->subs)
		feed_free(f);
}
