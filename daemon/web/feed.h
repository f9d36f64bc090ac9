/* SPDX-License-Identifier: MIT */
#ifndef FF_WEB_FEED_H
#define FF_WEB_FEED_H

/* One watch at core for all connections that look at the same channel with the same token; see live.h. */

#include "daemon/web/web.h"

struct ff_live;
struct ff_feed;

/* A channel of a connection. Owned by live.c. */
struct ff_sub {
	struct ff_sub *next;
	struct ff_live *live;
	char *channel;
	int64_t seq;             /* the last that it was told, or said that it has */
	struct ff_feed *feed;    /* feed.c */
	struct ff_sub *next_in_feed;
};

/* after -1: from now on. What there is to tell at once is told before it returns, the end of it, too. */
void ff_feed_join(struct ff_web *web, struct ff_sub *sub, const char *token, int64_t after);
void ff_feed_leave(struct ff_web *web, struct ff_sub *sub);

/* live.c, for it. text is the whole message; seq 0: it has no number. */
void ff_live_update(struct ff_sub *sub, int64_t seq, const char *text, size_t n);
void ff_live_resync(struct ff_sub *sub);
/* sub is freed. */
void ff_live_ended(struct ff_sub *sub, json_t *job, const struct ff_err *err);

#endif
