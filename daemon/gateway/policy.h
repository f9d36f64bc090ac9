/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_POLICY_H
#define FF_GATEWAY_POLICY_H

/*
 * What a job may ask of the model (threat model, rules for secrets, model
 * and money): nothing that makes the provider's machines fetch an address or
 * run code for it.  Refused, never rewritten.
 */

#include <stddef.h>

#include "base/err.h"

/* FF_E_INVALID when body is no JSON object, FF_E_NOT_ALLOWED for what is refused; err says which part. */
int ff_policy_check(const void *body, size_t n, struct ff_err *err);

#endif
