/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_EDIT_H
#define FF_SANDBOX_EDIT_H

/*
 * How an edit travels from the worker to flowforge-tool in the sandbox: fields
 * of "NAME LENGTH\n", that many bytes and a newline, on stdin.  Both ends are
 * ours; the reader still believes nothing.
 */

#include "base/buf.h"
#include "base/err.h"
#include "daemon/sandbox/tools.h"

/* Bytes of a file that is shown or changed, and of a request. */
#define FF_EDIT_FILE_MAX (16 * 1024 * 1024)
#define FF_EDIT_REQUEST_MAX (3 * FF_EDIT_FILE_MAX)

/* Appends; FF_E_TOO_LARGE at out's maximum. */
int ff_edit_write(const struct ff_edit *edit, struct ff_buf *out, struct ff_err *err);
/* The texts of *ret_edit are owned: ff_edit_fini. FF_E_PROTOCOL for anything odd. */
int ff_edit_read(const char *p, size_t n, struct ff_edit *ret_edit, struct ff_err *err);
void ff_edit_fini(struct ff_edit *edit);

#endif
