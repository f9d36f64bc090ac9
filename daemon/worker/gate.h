/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_GATE_H
#define FF_WORKER_GATE_H

/*
 * The gate: the project's own check, run on a tree that no person has seen
 * yet.  The command is the server's (gate.command) or, when that is empty, the
 * script that the target branch has at gate.file; never that of the change.
 * It runs in a sandbox of its own on a fresh checkout, without the job's
 * variables, and what it leaves is thrown away.
 */

#include <stdbool.h>

#include "daemon/worker/run.h"

/* The command, freed by ff_free; *ret NULL: there is no gate. base: commit of the target. */
int ff_gate_command(struct ff_run *run, const char *base, char **ret, struct ff_err *err);
/*
 * *ret_green: it ended with status 0, in time. *ret_output: the end of what it
 * wrote, cleaned for people and models; freed by ff_free. -1 when it could not
 * be run.
 */
int ff_gate_run(struct ff_run *run, const char *command, const char *commit, bool *ret_green, char **ret_output, struct ff_err *err);

#endif
