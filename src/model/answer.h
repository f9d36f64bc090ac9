/* SPDX-License-Identifier: MIT */
#ifndef FF_MODEL_ANSWER_H
#define FF_MODEL_ANSWER_H

/*
 * A model's answer, put together from a stream of events or from a JSON body.
 * Blocks that we do not know are kept as they came, because the API wants
 * them back unchanged (thinking blocks carry a signature).  Not for talking
 * to anybody: model/client.h.
 *
 *   1. ff_answer_new; ff_answer_feed for every piece of a stream, or
 *      ff_answer_body once for a body.
 *   2. complete says whether the whole message is there; if not, the stream
 *      was cut and nothing of it may be used.
 *   3. content, stop_reason, usage.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "base/price.h"

#define FF_ANSWER_MAX (32u * 1024 * 1024) /* bytes of one answer */
#define FF_ANSWER_BLOCKS_MAX 256
#define FF_MODEL_NAME 129


enum ff_stop {
	FF_STOP_NONE = 0,    /* not there yet */
	FF_STOP_END_TURN, FF_STOP_TOOL_USE, FF_STOP_MAX_TOKENS, FF_STOP_REFUSAL,
	FF_STOP_PAUSE_TURN, FF_STOP_SEQUENCE, FF_STOP_OTHER,
};

struct ff_answer {
	json_t *content;     /* array of blocks, as the next request has to carry them */
	char model[FF_MODEL_NAME];
	enum ff_stop stop;
	char stop_word[33];  /* as the API spelt it */
	struct ff_tokens usage; /* as far as it was told */
	size_t bytes;        /* of text, thinking and input so far */
	bool started, complete;
	bool hidden;         /* it thinks: what is shown of that says nothing about its length */
	struct ff_answer_parts *parts; /* private */
};

/* text of the model as it comes, not terminated by a NUL in the middle of a character. */
typedef void (*ff_answer_text_fn)(void *arg, const char *text, size_t n);

/* on_text may be NULL. */
struct ff_answer *ff_answer_new(ff_answer_text_fn on_text, void *arg);
void ff_answer_free(struct ff_answer **answer);
/*
 * FF_E_PROTOCOL for what is no stream of this API; for an `error` event the
 * class of the error (ff_model_class). Not to be fed after a failure.
 */
int ff_answer_feed(struct ff_answer *a, const void *p, size_t n, struct ff_err *err);
/* A whole message, not streamed. */
int ff_answer_body(struct ff_answer *a, const void *p, size_t n, struct ff_err *err);

/* A model's name as somebody else wrote it, cut, and with a ? for all but printable ASCII. */
void ff_model_name(const char *name, char out[FF_MODEL_NAME]);

/* The class of an error answer: of its HTTP status (0: none) and of its error type (NULL: none). */
enum ff_err_code ff_model_class(int status, const char *type);

#endif
