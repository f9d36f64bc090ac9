/* SPDX-License-Identifier: MIT */
#ifndef FF_WEB_HANDLERS_H
#define FF_WEB_HANDLERS_H

/* The handler of every row of routes.def: each ends the request now or later, by a function of reply.c. */

#include "daemon/web/web.h"

#define FF_ROUTE(method, path, handler, open, body, operation, summary) void ff_http_##handler(struct ff_http *r);
#include "daemon/web/routes.def"
#undef FF_ROUTE

/* jobs.c, for them: asks core in the name of this request. args is taken. */
void ff_http_ask(struct ff_http *r, const char *command, json_t *args, ff_ask_item_fn item, ff_ask_end_fn end);
/* Items to an answer {"items", "next_cursor"}; the data of the end to an answer. */
void ff_http_collect(void *arg, json_t *data, int fd);
void ff_http_end_items(void *arg, json_t *data, const struct ff_err *err);
void ff_http_end_data(void *arg, json_t *data, const struct ff_err *err);
/* {"job": ...} as the path names it. */
json_t *ff_http_job(const struct ff_http *r);
/* The body, with these fields and no others; NULL: it was bad, and the request is ended. */
json_t *ff_http_body(struct ff_http *r, const char *const *known);

#endif
