/* SPDX-License-Identifier: MIT */
#ifndef FF_IPC_LOGLINE_H
#define FF_IPC_LOGLINE_H

/* A line of a job's log, an object with stream and text, as lines of text for people. */

#include <stddef.h>

#include <jansson.h>

#include "base/buf.h"

/*
 * Appends "agent | TEXT\n" for each line of its text, made harmless, at most
 * max_columns of each (0: no limit). A line that is none adds nothing.
 */
void ff_logline_text(struct ff_buf *out, const json_t *line, size_t max_columns);
/* The same for a line of the log file. */
void ff_logline_parse(struct ff_buf *out, const char *p, size_t n, size_t max_columns);

#endif
