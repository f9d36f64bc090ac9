/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_RUNG_H
#define FF_JOB_RUNG_H

/*
 * The rungs of the ladder that conflicts climb (resolve/resolve.h), as the
 * record, messages and people know them: by number, and by name.
 */

#include <stdint.h>

enum ff_rung { FF_RUNG_NONE = 0, FF_RUNG_TRIVIAL = 1, FF_RUNG_MEMORY = 2, FF_RUNG_STRUCTURED = 3, FF_RUNG_MODEL = 4 };
#define FF_RUNG_LAST FF_RUNG_MODEL

/* "none", "trivial", "memory", "structured", "model"; "?" for a number that is no rung, which another version may have written. */
const char *ff_rung_name(int64_t rung);

#endif
