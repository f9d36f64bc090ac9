/* SPDX-License-Identifier: MIT */
#ifndef FF_IPC_FRAME_H
#define FF_IPC_FRAME_H

/*
 * What the tunnel says to a worker over the socket that core has given to
 * both: the server's answer, what it writes on its standard error, and how
 * it ended, each as a frame of one type byte, four bytes of length (the
 * highest first) and that many bytes.  The worker's side of the socket is
 * plain bytes, for the server.
 *
 * The writer puts frames into a buffer and sends that when it can; the reader
 * blocks until its deadline.
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define FF_FRAME_MAX 65536 /* bytes in one frame */

enum ff_frame_type {
	FF_FRAME_DATA = 'd',  /* the server's standard output */
	FF_FRAME_SAID = 'e',  /* its standard error */
	FF_FRAME_END = 'x',   /* the last one: "CODE TEXT", or " TEXT" when all went well */
};

/* n is at most FF_FRAME_MAX. */
void ff_frame_put(struct ff_buf *out, enum ff_frame_type type, const void *p, size_t n);
/* The END frame; failure NULL: the server ended by itself, as text says. */
void ff_frame_put_end(struct ff_buf *out, const struct ff_err *failure, const char *text);
/*
 * The next frame, its bytes in place of what payload held.  FF_E_TIMEOUT at
 * deadline_ms of the monotonic clock, FF_E_UNREACHABLE when the other side is gone, FF_E_PROTOCOL.
 */
int ff_frame_get(int fd, int64_t deadline_ms, enum ff_frame_type *ret_type, struct ff_buf *payload,
		 struct ff_err *err);
/* What an END frame says: 0 and *ret_text (freed by ff_free), or -1 with the failure in err. */
int ff_frame_end(const struct ff_buf *payload, char **ret_text, struct ff_err *err);

#endif
