/* SPDX-License-Identifier: MIT */
#ifndef FF_WEB_LIVE_H
#define FF_WEB_LIVE_H

/*
 * /api/v1/live: what happens, over WebSocket (RFC 6455), one JSON object a
 * message.
 *
 *     in   {"type": "subscribe", "channel": "all" | "job:N" | "repo:PATH", "after": SEQ}
 *          {"type": "unsubscribe", "channel": ...}
 *     out  {"type": "update", "channel", "payload": event, "timestamp", "seq"}
 *          {"type": "subscribed" | "unsubscribed", "channel", "seq": the last that was told or asked for}
 *          {"type": "ended", "channel", "payload": job}: nothing more will come of it
 *          {"type": "resync", "channel", "seq"}: read it anew over HTTP; what comes after seq is told
 *          {"type": "error", "channel", "code", "detail"}
 *
 * Clients with the same token that look at the same channel share one watch at
 * core (a feed); it keeps what happened last, so that one which was away
 * goes on from its number.  What is longer ago, core reads from the record, for
 * jobs; for the others there is a resync.  A client that does not read loses
 * what it did not take, and is told so by a resync; it holds up nobody.
 */

#include "daemon/web/web.h"

/* May this connection become one? Nothing but 0 refuses it; what it showed is in *token then. */
int ff_live_admit(struct ff_web *web, struct lws *wsi, char token[FF_WEB_TOKEN_HEX + 1]);
struct ff_live *ff_live_new(struct ff_web *web, struct lws *wsi, const char *token);
void ff_live_free(struct ff_live **live);
/* Part of a message; -1 ends the connection. */
int ff_live_read(struct ff_live *live, const char *p, size_t n, bool last);
/* The connection has room; -1 ends it. */
int ff_live_write(struct ff_live *live);
void ff_feeds_free(struct ff_web *web);

#endif
