/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_ERR_H
#define FF_BASE_ERR_H

/*
 * Errors.  A function that can fail returns 0 or -1 (or NULL) and takes a
 * struct ff_err * as its last argument, which lives on the caller's stack and
 * may be NULL.  It says what happened and, where there is something to do
 * about it, what to do.
 *
 *     return ff_err_set(err, FF_E_NOT_FOUND, "no job %" PRId64, id);
 *
 * A caller that knows more puts it in front with ff_err_wrap().  Library code
 * never logs: a role logs once, where the error stops travelling.
 */

#include <stdbool.h>

#include "base/mem.h"

enum ff_err_code {
	FF_E_NONE = 0,
#define FF_ERR(name, retry, http, exit, text) FF_E_##name,
#include "base/err.def"
#undef FF_ERR
	FF_E_COUNT
};

#define FF_ERR_TEXT_MAX 255

struct ff_err {
	enum ff_err_code code;
	char text[FF_ERR_TEXT_MAX + 1];
};

/* Both return -1, so that a caller can return them. Text over the limit is cut. */
int ff_err_set(struct ff_err *err, enum ff_err_code code, const char *fmt, ...) FF_PRINTF(3, 4);
/* Puts "text: " in front of what err says already and keeps its code. */
int ff_err_wrap(struct ff_err *err, const char *fmt, ...) FF_PRINTF(2, 3);
/* As ff_err_set with FF_E_IO, ": " and the text of errno behind. */
int ff_err_errno(struct ff_err *err, const char *fmt, ...) FF_PRINTF(2, 3);

/* Properties of a code, from err.def. The name is without its prefix: "GIT". */
const char *ff_err_name(enum ff_err_code code);
const char *ff_err_meaning(enum ff_err_code code);
bool ff_err_retryable(enum ff_err_code code);
int ff_err_http(enum ff_err_code code);
int ff_err_exit(enum ff_err_code code);
/* The code of that name; FF_E_INTERNAL for a name that is not in the table. */
enum ff_err_code ff_err_by_name(const char *name);

#endif
