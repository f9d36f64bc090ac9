/* SPDX-License-Identifier: MIT */
#ifndef FF_CRYPTO_SECRET_H
#define FF_CRYPTO_SECRET_H

/*
 * A secret as a type: bytes that have no way into a text.  There is no
 * function here that prints, logs or compares it with anything but in
 * constant time; whoever wants the bytes says so (ff_secret_bytes), which a
 * reader of the code can grep for.
 *
 * They lie in pages of their own: kept out of core dumps and of children made
 * by fork, out of swap as far as the limit on locked memory goes, and
 * overwritten when they are freed.
 *
 * Between processes a secret travels in a memfd that is passed by descriptor:
 * never as a message, an argument or a variable.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

struct ff_secret;

/* Copies. */
struct ff_secret *ff_secret_new(const void *p, size_t n);
/* Zeros, to be filled through ff_secret_room. */
struct ff_secret *ff_secret_empty(size_t n);
void ff_secret_free(struct ff_secret **secret); /* wipes; for FF_AUTO */
size_t ff_secret_len(const struct ff_secret *secret);
/* Borrowed, and always followed by a NUL that does not count. */
const char *ff_secret_bytes(const struct ff_secret *secret);
unsigned char *ff_secret_room(struct ff_secret *secret);
bool ff_secret_equal(const struct ff_secret *a, const struct ff_secret *b);
/* Blanks and line ends at the end are not part of it: most come out of a file or a pipe. */
void ff_secret_trim(struct ff_secret *secret);

/* Reads to the end of file. FF_E_TOO_LARGE over max bytes, FF_E_INVALID when it is empty. */
int ff_secret_read(int fd, size_t max, struct ff_secret **ret_secret, struct ff_err *err);
/* A memfd that holds it, at its start. */
int ff_secret_to_fd(const struct ff_secret *secret, int *ret_fd, struct ff_err *err);
/*
 * The other end: reads and empties it, so that nothing is left for whoever
 * else has the descriptor. Closes fd. FF_E_PROTOCOL when it is no memory.
 */
int ff_secret_from_fd(int fd, size_t max, struct ff_secret **ret_secret, struct ff_err *err);
/*
 * From a file that belongs to us or root and that nobody else may read (of
 * root's, the group may: service credentials have an ACL that looks so).
 * what: "the API key" in errors, which say what to do and never what it holds.
 */
int ff_secret_from_file(const char *path, const char *what, size_t max, struct ff_secret **ret_secret, struct ff_err *err);

#endif
