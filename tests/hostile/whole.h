/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_HOSTILE_WHOLE_H
#define FF_TESTS_HOSTILE_WHOLE_H

/* Kinds that take a job of their own, because it is the job that is ended. */

#include "tests/hostile/form.h"

struct ff_sandbox_spec;

size_t whole_count(void);
/* The same jobs without the limit. */
void whole_controls(const struct ff_sandbox_spec *spec, struct verdict *v);
/* How many were tried. */
int64_t whole_round(const struct ff_sandbox_spec *spec, struct verdict *v);

#endif
