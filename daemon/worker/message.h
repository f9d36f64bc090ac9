/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_MESSAGE_H
#define FF_WORKER_MESSAGE_H

/*
 * The message of the agent's commit.  Everything in it comes from outside
 * (the pusher's task, the model's words), so it is cut and cleaned: UTF-8, no
 * control or invisible characters, no line that could pass for a statement of
 * a person, and our trailers alone in the last paragraph.
 */

#include "base/buf.h"

struct ff_message {
	const char *task;
	const char *words;        /* the model's last ones, or NULL */
	const char *job;          /* URL or number */
	const char *attribution;  /* trailer with MODEL in it; "": none */
	const char *model;
};

/* Appends; out needs room for FF_MESSAGE_MAX bytes. */
#define FF_MESSAGE_MAX 65536
void ff_message_make(const struct ff_message *m, struct ff_buf *out);

#endif
