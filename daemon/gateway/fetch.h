/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_FETCH_H
#define FF_GATEWAY_FETCH_H

/*
 * The typed side towards core: one HTTP request to a destination that the
 * configuration names.  Core says the name and what to send, never an address
 * or a secret.  The host is resolved once, all of its addresses have to be
 * public unless the destination is marked private, and the connection goes to
 * one of exactly these.  No redirect is followed, no proxy used, and answers
 * are bounded in size and time.
 *
 * `fetch` in, exactly one `fetched` out, whatever happens (protocol.md).
 */

#include <jansson.h>

struct ff_conf;
struct ff_fetches;
struct ff_loop;
struct ff_upstream;

/* msg is the callee's. */
typedef void (*ff_fetched_fn)(void *arg, json_t *msg);

/* Everything is borrowed and must outlive it. */
struct ff_fetches *ff_fetches_new(const struct ff_conf *conf, struct ff_loop *loop, struct ff_upstream *up,
				  ff_fetched_fn fn, void *arg);
/* Breaks all off. */
void ff_fetches_free(struct ff_fetches **fetches);
void ff_fetch_take(struct ff_fetches *fetches, const json_t *msg);

#endif
