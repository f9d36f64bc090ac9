/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_LADDER_ANSWER_H
#define FF_WORKER_LADDER_ANSWER_H

/* A model's answer about one conflict, read and checked; whether it is right is the proof's to say. */

#include <stddef.h>

#include <jansson.h>

#include "base/err.h"

struct ff_answer;

struct ff_ladder_answer { /* ff_ladder_answer_fini */
	char *content;     /* the lines, as the model wrote them */
	size_t len;
	char *explanation;
	int confidence;    /* percent */
};
/* What the answer must look like, for a request. Owned by the caller. */
json_t *ff_ladder_answer_schema(void);
/*
 * FF_E_MODEL_REFUSED: it does not want to; FF_E_TOO_LARGE: it was cut;
 * FF_E_PROTOCOL: it is not what was asked for.
 */
int ff_ladder_answer_read(const struct ff_answer *answer, struct ff_ladder_answer *ret, struct ff_err *err);
void ff_ladder_answer_fini(struct ff_ladder_answer *answer);

#endif
