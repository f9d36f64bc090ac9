/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_TOOL_TOOL_H
#define FF_SANDBOX_TOOL_TOOL_H

/*
 * Inside flowforge-tool, the program that runs in the sandbox.  It has no
 * rights that the job does not have, and what it prints is hostile to whoever
 * started it: the sandbox is the wall, this is a convenience.
 *
 * Functions that serve an edit print for the model on stdout when they
 * succeed; on failure err says, also for the model, what was wrong.
 */

#include "base/buf.h"
#include "base/err.h"
#include "daemon/sandbox/edit.h"

/* A regular file, read whole. */
struct ff_tool_file {
	char *path;         /* without links, below /ws */
	struct ff_buf text;
	unsigned mode;      /* permission bits */
};
void ff_tool_file_fini(struct ff_tool_file *file);

/* Path as the model gave it to an absolute one below /ws without "..". Freed by ff_free; NULL with err. */
char *ff_tool_path(const char *given, struct ff_err *err);
/* Follows links, but not out of /ws. FF_E_NOT_FOUND; binary and too large files are refused. */
int ff_tool_read(const char *path, struct ff_tool_file *ret_file, struct ff_err *err);
/* Beside it, then renamed over it: a reader sees the old file or the new one. */
int ff_tool_write(const char *path, const char *p, size_t n, unsigned mode, struct ff_err *err);
/* The lines from first to last as "NUMBER<tab>LINE"; last -1: to the end. */
void ff_tool_print_lines(const struct ff_buf *text, int64_t first, int64_t last);
/* Number of lines; the last need not end in a newline. */
int64_t ff_tool_count_lines(const char *p, size_t n);

int ff_tool_view(const struct ff_edit *edit, struct ff_err *err);
int ff_tool_change(const struct ff_edit *edit, struct ff_err *err);
/* Looks at the sandbox from within: tmp_bytes and shm_bytes are what it should have. Prints what is wrong. */
int ff_tool_probe(int64_t tmp_bytes, int64_t shm_bytes);

/* Starts argv[0] with a way to the unix socket (relay.c); its exit status, 128 and the signal, or 126. */
int ff_tool_relay(const char *socket_path, char **argv);

#endif
