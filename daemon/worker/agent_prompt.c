/* SPDX-License-Identifier: MIT */
/* The task as a model reads it, the same for all drivers. */
#include "base/mem.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_program.h"

char *ff_program_prompt(const struct ff_agent_run *run)
{
	return ff_asprintf("%s<task>\n%s\n</task>", run->context ? run->context : "", run->task);
}
