/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_AGENT_PROGRAM_H
#define FF_WORKER_AGENT_PROGRAM_H

/*
 * A driver that is a program: in a sandbox with the work tree and the job's
 * way to the gateway, the prompt on its stdin, lines of JSON on its stdout.
 * What the lines mean is the driver's (agent_claude.c, agent_command.c).
 */

#include <jansson.h>

#include "base/err.h"

struct ff_agent_run;
struct ff_sandbox_bind;

/* Where the sandbox has the gateway's socket. */
#define FF_PROGRAM_GATE "/run/flowforge-gate"

struct ff_program {
	const char *const *argv;             /* absolute path in the sandbox first, NULL-terminated */
	const char *const *env;              /* on top of the job's, NULL-terminated, or NULL */
	const struct ff_sandbox_bind *binds; /* further ones, ended by a NULL host, at most 4; or NULL */
	const char *prompt;
	/* One line of stdout; json is NULL when it is no JSON object, then text is the line. Both borrowed. */
	void (*line)(void *arg, const json_t *json, const char *text);
	/* Some times a second; -1 with err ends the program. NULL: never. */
	int (*check)(void *arg, struct ff_err *err);
	void *arg;
};

/*
 * Returns when nothing of it lives any more. *ret_status: the exit status, or
 * 128 and the signal; *ret_errors: the beginning of its stderr (ff_free). -1 when it could not be
 * run, was not wanted any more (FF_E_CANCELLED) or took too long (FF_E_DEADLINE).
 */
int ff_program_run(struct ff_agent_run *run, const struct ff_program *program, int *ret_status, char **ret_errors,
		   struct ff_err *err);
/* The task with what stands before it, as a model reads it. Freed by ff_free. */
char *ff_program_prompt(const struct ff_agent_run *run);

#endif
