/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_MODEL_PLAY_H
#define FF_TESTS_MODEL_PLAY_H

/*
 * Plays one step of a scenario to a client.  Blocking: the caller gives it a
 * thread.  Not for reading requests (model-server.c) or choosing the step
 * (model-script.h).
 */

#include <stdint.h>

#include "base/buf.h"
#include "model/head.h"
#include "tests/lib/model-script.h"

struct conn {
	int fd;
	struct ff_buf in;
	bool close_after, dead;
};

struct exchange {
	struct conn *c;
	struct ff_head head;
	struct script_request q;
	struct script_pick pick;
	int status;
	const char *kind;
};

void play_nap(int64_t ms);
/* Writes all, or sets c->dead. */
void play_put(struct conn *c, const void *p, size_t n);
/* A whole answer; value is taken. */
void play_json(struct exchange *x, int status, json_t *value);
/* An error as the API words it; type and message may be NULL. */
void play_error(struct exchange *x, int status, const char *type, const char *message);
/* What x->pick.step says. */
void play_step(struct exchange *x, struct script *script);

#endif
