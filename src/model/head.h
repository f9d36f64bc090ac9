/* SPDX-License-Identifier: MIT */
#ifndef FF_MODEL_HEAD_H
#define FF_MODEL_HEAD_H

/*
 * The head of an HTTP/1.1 request, for the two small servers that we write
 * ourselves: the job side of the gateway and the model server of the tests.
 * Not a general parser: it takes what clients of the Messages API send and
 * refuses the rest (folded lines, bare newlines, two lengths, transfer
 * codings), so that nobody can make two readers see two requests.
 *
 *   1. Put bytes into a buffer; call ff_head_parse after each read.
 *   2. 0 means more bytes are needed, > 0 is the length of the head.
 *   3. Read content_length bytes of body behind it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define FF_HEAD_MAX 16384
#define FF_HEAD_FIELDS_MAX 64
#define FF_HEAD_METHOD_MAX 15
#define FF_HEAD_TARGET_MAX 1023

struct ff_head_field {
	const char *name, *value; /* into the parsed bytes, not terminated; value without blanks around */
	size_t name_len, value_len;
};

struct ff_head {
	char method[FF_HEAD_METHOD_MAX + 1];
	char target[FF_HEAD_TARGET_MAX + 1];
	int64_t content_length; /* -1: no body is announced */
	bool keep_alive;
	bool expect_continue;
	unsigned count;
	struct ff_head_field fields[FF_HEAD_FIELDS_MAX];
};

/*
 * 0 when p holds no whole head yet, its length when it does, -1 when it can
 * never be one: FF_E_TOO_LARGE (431), FF_E_UNSUPPORTED (a transfer coding or
 * another version: 501), FF_E_PROTOCOL (400).  The fields borrow from p.
 */
ssize_t ff_head_parse(const char *p, size_t n, struct ff_head *ret_head, struct ff_err *err);
/* The first field of that name (any case), or NULL. */
const struct ff_head_field *ff_head_find(const struct ff_head *head, const char *name);
/* The path of the target is exactly this; a query may follow. */
bool ff_head_path_is(const struct ff_head *head, const char *path);

#endif
