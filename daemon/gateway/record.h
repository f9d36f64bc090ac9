/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_RECORD_H
#define FF_GATEWAY_RECORD_H

/*
 * Answers that were paid for, kept in the job's folder until the job ends, so
 * that no request is paid for twice.  A record is one file, named by the
 * SHA-256 of the request's body: a line of JSON, then the bytes of the answer.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define FF_RECORD_KEY 65 /* 64 hex digits and the NUL */

struct ff_record {
	bool stream;        /* events, else one JSON body */
	struct ff_buf body;
};

void ff_record_key(const void *body, size_t n, char key[FF_RECORD_KEY]);
/* Whether one more answer fits; FF_E_TOO_LARGE if not, before it is paid for. */
int ff_record_room(const char *dir, size_t max_count, size_t max_bytes, struct ff_err *err);
/* When 0 is returned, the answer survives a power cut. */
int ff_record_write(const char *dir, const char *key, bool stream, const void *p, size_t n, struct ff_err *err);
/* FF_E_NOT_FOUND when there is none. ret->body is made here; free it with ff_buf_fini after success. */
int ff_record_read(const char *dir, const char *key, size_t max_bytes, struct ff_record *ret, struct ff_err *err);

#endif
