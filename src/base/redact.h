/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_REDACT_H
#define FF_BASE_REDACT_H

/*
 * Known secrets taken out of text before it goes anywhere: each as it is, and
 * in base64 (at any of the three places in a group, both alphabets), in hex,
 * percent-encoded and as JSON writes it; of a value of several lines also each
 * long line.  What is found becomes "[secret]".
 *
 *     struct ff_redact *r = ff_redact_new();
 *     ff_redact_add(r, value, n);          any number of times, before the first look
 *     FF_AUTO(ff_free) char *clean = ff_redact_text(r, text);
 *     show(clean ? clean : text);
 *     ff_redact_free(&r);                  wipes
 *
 * This is for accidents.  Whoever has a secret can write it in a form that
 * nobody knows; what keeps it inside is the sandbox.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Shorter values cannot be told from other text and are not looked for. */
#define FF_REDACT_MIN 8
#define FF_REDACT_MARK "[secret]"

struct ff_redact;

struct ff_redact *ff_redact_new(void);
void ff_redact_free(struct ff_redact **r);
/* n below FF_REDACT_MIN: nothing is added. The bytes are copied. */
void ff_redact_add(struct ff_redact *r, const void *p, size_t n);
/* NULL or nothing added: there is nothing to look for. */
bool ff_redact_empty(const struct ff_redact *r);
/* r may be NULL in all that follows. */
bool ff_redact_found(struct ff_redact *r, const void *p, size_t n);
/* Bytes of the longest word: pieces of a text that overlap by one less hide none. 0: none. */
size_t ff_redact_longest(const struct ff_redact *r);
/* A clean copy (ff_free), or NULL when nothing was found. */
char *ff_redact_text(struct ff_redact *r, const char *text);

/*
 * The same for text that comes in pieces: what may be the beginning of a
 * secret is held back until it is known.
 */
struct ff_redact_stream {
	struct ff_redact *r;
	struct ff_buf held;
	size_t inside; /* bytes at the start of held that belong to what was replaced */
};
void ff_redact_stream_init(struct ff_redact_stream *s, struct ff_redact *r);
/* out gets what is known to be clean. out is not bounded here: its own maximum counts. */
void ff_redact_feed(struct ff_redact_stream *s, const void *p, size_t n, struct ff_buf *out);
void ff_redact_end(struct ff_redact_stream *s, struct ff_buf *out);
void ff_redact_stream_fini(struct ff_redact_stream *s); /* wipes; for FF_AUTO */

#endif
