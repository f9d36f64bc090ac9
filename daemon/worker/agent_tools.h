/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_AGENT_TOOLS_H
#define FF_WORKER_AGENT_TOOLS_H

/*
 * The tools of the builtin agent as the model sees them, and the record of
 * what they answered: tools.jsonl in the job folder, a line a call, synced
 * before the model hears of it.  A run that goes on after a crash takes the
 * answers from there and runs nothing twice.
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

struct ff_agent_run;
struct ff_toolbox;

/* The tools array of a request. Owned by the caller. */
json_t *ff_toolbox_schema(const struct ff_agent_run *run);
/* Reads the record; run is borrowed for the toolbox's life. */
int ff_toolbox_open(const struct ff_agent_run *run, struct ff_toolbox **ret_box, struct ff_err *err);
void ff_toolbox_close(struct ff_toolbox **box);
/*
 * Does what a tool_use block asks, or takes it from the record, and makes the
 * tool_result block for it. again: the call may have been made before.
 */
int ff_toolbox_call(struct ff_toolbox *box, const json_t *use, bool again, json_t **ret_result, struct ff_err *err);

#endif
