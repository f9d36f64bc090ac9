/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_CLOCK_H
#define FF_BASE_CLOCK_H

/*
 * Time, in int64 milliseconds.  The wall clock stamps what people read; the
 * monotonic clock measures waits, so that a clock that is set back or forth
 * neither hangs nor fires anything early.
 */

#include <stdint.h>

int64_t ff_clock_wall(void); /* since 1970-01-01 UTC */
int64_t ff_clock_mono(void); /* since some fixed moment, never backwards */
/* For tests: the wall clock stands at this value until called with -1. */
void ff_clock_set_wall(int64_t ms);
/* RFC 3339 in UTC with milliseconds and Z; out has FF_CLOCK_TEXT bytes. */
#define FF_CLOCK_TEXT 32
void ff_clock_format(int64_t wall_ms, char *out);

#endif
