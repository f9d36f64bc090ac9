/* SPDX-License-Identifier: MIT */
#ifndef FF_MODEL_CLIENT_H
#define FF_MODEL_CLIENT_H

/*
 * One request to the Messages API through the job's gateway socket, blocking.
 * It does not try again: it says whether and when that would make sense.
 *
 *     struct ff_model_call call = { .socket = ..., .on_text = ..., };
 *     FF_AUTO(ff_answer_free) struct ff_answer *answer = NULL;
 *     struct ff_model_hint hint;
 *     if (ff_model_ask(&call, body, strlen(body), &answer, &hint, err) < 0) ... hint.again ...
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "model/answer.h"

#define FF_MODEL_MESSAGES "/v1/messages"
#define FF_MODEL_VERSION "2023-06-01" /* anthropic-version */
/* Set by the gateway on an answer that it had recorded. */
#define FF_MODEL_REPLAYED "x-flowforge-replayed"
/* Set by the gateway on an error that is its own and not the service's: a name of base/err.def. */
#define FF_MODEL_ERROR "x-flowforge-error"

struct ff_model_call {
	const char *socket;         /* of the gateway */
	const char *token;          /* what it knows us by; NULL: nothing */
	int64_t deadline_ms;        /* monotonic; 0: none */
	int64_t idle_ms;            /* silence after which the request failed; 0: none */
	ff_answer_text_fn on_text;  /* NULL: not wanted */
	/* Called with true once, before the first text, when the answer comes from the record. NULL: not wanted. */
	void (*on_replayed)(void *arg);
	bool (*stop)(void *arg);    /* asked about once a second: true gives FF_E_CANCELLED. NULL: never */
	void *arg;
};

struct ff_model_hint {
	int status;                 /* HTTP; 0: none came */
	bool again;                 /* the same request may succeed later */
	bool replayed;
	int64_t retry_after_ms;     /* -1: nothing said */
};

/* What a request says; sent with its keys sorted, so that the same conversation is the same bytes. */
struct ff_model_request {
	const char *model;
	int64_t max_tokens;
	const char *const *system;  /* NULL-terminated texts; the last one is marked for the cache */
	json_t *tools;              /* borrowed array or NULL */
	json_t *output;             /* borrowed: output_config, or NULL */
	json_t *messages;           /* borrowed array; the last block is marked for the cache in the copy that is sent */
};

/*
 * Before the first use of curl in a process, as often as wanted: curl is made
 * ready, with memory that ends the process when there is none.
 */
void ff_model_setup(void);
/* The body of the request, streaming. Freed by ff_free. */
char *ff_model_body(const struct ff_model_request *request);
/* Fills *ret_hint always. On success the answer is complete. */
int ff_model_ask(const struct ff_model_call *call, const char *body, size_t n, struct ff_answer **ret_answer,
		 struct ff_model_hint *ret_hint, struct ff_err *err);

#endif
