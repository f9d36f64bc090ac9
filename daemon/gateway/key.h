/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_KEY_H
#define FF_GATEWAY_KEY_H

/*
 * The API key: read from a file that nobody else may read, held here, and
 * given out as the one header that carries it.  It has no way into a message,
 * a log line or an error.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_conf;
struct ff_key;
struct ff_redact;

/* From gateway.key-file, else the service credential. err says what to do and never what the file holds. */
int ff_key_read(const struct ff_conf *conf, struct ff_key **ret_key, struct ff_err *err);
/* The same from a file of somebody else's: the secret of a destination. */
int ff_key_read_file(const char *path, struct ff_key **ret_key, struct ff_err *err);
/* From core, as a memfd that is taken (gateway.key). */
int ff_key_from_fd(int fd, struct ff_key **ret_key, struct ff_err *err);
/* Where it is read from; NULL: nowhere. Freed by ff_free. */
char *ff_key_place(const struct ff_conf *conf);
/* Wipes it. */
void ff_key_free(struct ff_key **key);
/* "x-api-key: ..." for the request; borrowed. */
const char *ff_key_header(const struct ff_key *key);
/* The word alone; borrowed. */
const char *ff_key_word(const struct ff_key *key);
bool ff_key_same(const struct ff_key *a, const struct ff_key *b);
/* Adds it to what is taken out of text before it goes anywhere. */
void ff_key_redact(const struct ff_key *key, struct ff_redact *redact);
/* Overwrites the key with stars wherever it stands in p; a short one is found by this alone. */
void ff_key_mask(const struct ff_key *key, char *p, size_t n);
/* Out of an answer: a service may quote what it refuses, in whatever form. redact may be NULL. */
void ff_key_take_out(struct ff_redact *redact, struct ff_buf *body);

#endif
