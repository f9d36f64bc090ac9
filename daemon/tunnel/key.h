/* SPDX-License-Identifier: MIT */
#ifndef FF_TUNNEL_KEY_H
#define FF_TUNNEL_KEY_H

/*
 * The private ssh key that pushes.  Callers name a secret and do not care
 * where it is kept: today that is a file which nobody else may read.  It has
 * no way into a message, a log line or an error.
 */

#include <stddef.h>

#include "base/err.h"

struct ff_conf;
struct ff_push_key;

/* From publish.key-file. err says what to do and never what the file holds. */
int ff_push_key_read(const struct ff_conf *conf, struct ff_push_key **ret_key, struct ff_err *err);
/* From core, as a memfd that is taken (publish.key). */
int ff_push_key_from_fd(int fd, struct ff_push_key **ret_key, struct ff_err *err);
/* Wipes it. */
void ff_push_key_free(struct ff_push_key **key);
/* Borrowed. */
const char *ff_push_key_text(const struct ff_push_key *key, size_t *ret_len);

#endif
