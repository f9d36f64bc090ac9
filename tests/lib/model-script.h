/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_MODEL_SCRIPT_H
#define FF_TESTS_MODEL_SCRIPT_H

/*
 * The scenario of the model server: which step answers a request.  Not for
 * sockets; see model-server.c for the format.  Thread-safe once loaded.
 *
 *   script_load -> script_pick for each request -> script_message for what
 *   the step says -> script_charge when an answer was billed.
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

struct script;

struct script_request {
	const char *raw;  /* terminated body */
	json_t *body;     /* borrowed; NULL when it is not JSON */
	long number;      /* of the request, from 1 */
	long nth;         /* among POST /v1/messages, from 1 */
};

struct script_pick {
	char rule[64];
	int rule_index;   /* -1: fallback */
	int step_index;
	json_t *step;     /* owned, templates expanded */
};

/* root is borrowed; err names the place and the key. */
int script_load(json_t *root, struct script **ret_script, struct ff_err *err);
/* The builtin scenario of --demo. */
int script_demo(struct script **ret_script, struct ff_err *err);
void script_pick(struct script *s, const struct script_request *req, struct script_pick *ret_pick);
/* The whole answer as the API's JSON message. Owned by the caller. */
json_t *script_message(json_t *step, const struct script_request *req);
/* Counts an answer that the client would pay for. */
void script_charge(struct script *s, int rule_index);
/* {"charged":N,"rules":[{"name","used","charged"}...]} */
json_t *script_state(struct script *s);
void script_reset(struct script *s);

/* Text of a content value: a string, or all text in a list of blocks. Freed by ff_free. */
char *script_text_of(const json_t *content);
/* The last (first) message of the user, borrowed; NULL: none. */
json_t *script_user(const json_t *body, bool last);

#endif
