/* SPDX-License-Identifier: MIT */
/* See rung.h. */
#include "job/rung.h"

#include "base/mem.h"

static const char *const names[] = {
	[FF_RUNG_NONE] = "none", [FF_RUNG_TRIVIAL] = "trivial", [FF_RUNG_MEMORY] = "memory", [FF_RUNG_STRUCTURED] = "structured",
	[FF_RUNG_MODEL] = "model",
};

const char *ff_rung_name(int64_t rung)
{
	return rung >= 0 && rung < (int64_t)FF_ARRAY_LEN(names) ? names[rung] : "?";
}
