/* SPDX-License-Identifier: MIT */
#ifndef FF_MODEL_SSE_H
#define FF_MODEL_SSE_H

/*
 * Server-sent events out of bytes that come in any pieces (WHATWG HTML,
 * section 9.2.6).  Not for what the events mean: model/answer.h.
 *
 *     ff_sse_init(&s, max_event_bytes, on_event, arg);
 *     ff_sse_feed(&s, p, n, err);     for every piece
 *     ff_sse_fini(&s);
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* data is terminated. -1 ends the feeding, with err set. */
typedef int (*ff_sse_fn)(void *arg, const char *event, const char *data, size_t n, struct ff_err *err);

struct ff_sse {
	struct ff_buf line, data;
	char event[64];
	bool after_cr;  /* a newline now belongs to the line before */
	bool any_data;
	ff_sse_fn fn;
	void *arg;
};

void ff_sse_init(struct ff_sse *s, size_t max_bytes, ff_sse_fn fn, void *arg);
void ff_sse_fini(struct ff_sse *s);
/* FF_E_TOO_LARGE for an event over the maximum; else what the callback said. Not to be fed after a failure. */
int ff_sse_feed(struct ff_sse *s, const void *p, size_t n, struct ff_err *err);

#endif
