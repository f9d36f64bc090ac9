/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_POLICY_H
#define FF_GATEWAY_POLICY_H

/*
 * What a job may ask of the model (threat model, rules for secrets, model
 * and money): nothing that makes the provider's machines fetch an address or
 * run code for it, or is billed above the list of prices, unless the operator
 * allows it; and nothing whose cost we would read otherwise than the service
 * does.  Refused, never rewritten:
 * what is let through goes on byte by byte as it came.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/answer.h"

enum ff_allow {
	FF_ALLOW_SERVER_TOOLS = 1, FF_ALLOW_MCP = 2, FF_ALLOW_CONTAINERS = 4, FF_ALLOW_URLS = 8, FF_ALLOW_FILES = 16,
	FF_ALLOW_SURCHARGES = 32,
};

/* What else has to be known of a request. */
struct ff_policy_seen {
	char model[FF_MODEL_NAME]; /* "": none is named */
	int64_t max_tokens; /* of the answer, thinking included; 0: not said */
	bool stream;
	bool cache_long; /* something is to be cached for longer than the five minutes of the list price */
};

/* Bits of the words of gateway.allow (NULL-terminated). */
unsigned ff_policy_allowed(const char *const *words);
/* FF_E_INVALID when body is no JSON object, FF_E_NOT_ALLOWED for what is refused; err says which part. */
int ff_policy_check(const void *body, size_t n, unsigned allowed, struct ff_policy_seen *ret, struct ff_err *err);

#endif
