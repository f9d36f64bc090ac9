/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_UPSTREAM_H
#define FF_GATEWAY_UPSTREAM_H

/*
 * libcurl's many transfers in our one loop.  Not for what is in them:
 * transfer.c (the Messages API) and fetch.c set up their handles and are
 * called when one has ended.
 */

#include <curl/curl.h>

struct ff_loop;
struct ff_upstream;

typedef void (*ff_upstream_fn)(void *arg, CURLcode rc);

struct ff_upstream *ff_upstream_new(struct ff_loop *loop);
void ff_upstream_free(struct ff_upstream **up);
/* What every handle of ours has: http alone, no redirects, no signals. */
CURL *ff_upstream_easy(void);
/* done is called once, outside of curl; the handle stays the caller's. fn, arg must outlive it. */
struct ff_upstream_end { ff_upstream_fn fn; void *arg; };
void ff_upstream_start(struct ff_upstream *u, CURL *easy, struct ff_upstream_end *end);
/* Breaks it off if it runs, and frees it. */
void ff_upstream_drop(struct ff_upstream *u, CURL **easy);
/* Goes on after CURL_WRITEFUNC_PAUSE; not from a callback of curl. */
void ff_upstream_resume(struct ff_upstream *u, CURL *easy);

#endif
