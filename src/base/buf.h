/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_BUF_H
#define FF_BASE_BUF_H

/*
 * A growing byte buffer with a maximum that is given when it is made.
 * Appending past the maximum fails, sets `overflow` and adds nothing; a
 * caller may append many times and look at `overflow` once.  The bytes are
 * always followed by a NUL that does not count.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct ff_buf {
	char *data; /* never NULL after ff_buf_init */
	size_t len;
	size_t cap;
	size_t max;
	bool overflow;
};

void ff_buf_init(struct ff_buf *b, size_t max);
void ff_buf_fini(struct ff_buf *b); /* may be called twice; for FF_AUTO */
void ff_buf_clear(struct ff_buf *b);
/* 0, or -1 when the maximum would be passed. */
int ff_buf_add(struct ff_buf *b, const void *p, size_t n);
int ff_buf_adds(struct ff_buf *b, const char *s);
int ff_buf_addc(struct ff_buf *b, char c);
int ff_buf_addf(struct ff_buf *b, const char *fmt, ...) FF_PRINTF(2, 3);
/* In decimal; no printf, as messages and records are full of them. */
int ff_buf_addn(struct ff_buf *b, int64_t v);
/* Drops the first n bytes. */
void ff_buf_consume(struct ff_buf *b, size_t n);
/* Room for at least n more bytes at data + len, or NULL past the maximum; count them in with ff_buf_grown. */
char *ff_buf_room(struct ff_buf *b, size_t n);
void ff_buf_grown(struct ff_buf *b, size_t n);
/* Hands the bytes (and the NUL) out; the buffer is empty afterwards. Freed by ff_free. */
char *ff_buf_take(struct ff_buf *b);

#endif
