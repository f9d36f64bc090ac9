/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_AGENT_CLAUDE_H
#define FF_WORKER_AGENT_CLAUDE_H

/*
 * Between the two files of the driver claude-code: agent_claude.c starts the
 * program and judges its end, claude_lines.c reads what it prints.
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

struct ff_agent_run;

struct ff_claude {
	struct ff_agent_run *run;
	char *config;       /* folder of the conversation */
	char session[37];
	bool resume;
	/* Of the lines so far. */
	struct ff_err stop; /* why it must not go on */
	bool has_result, is_error;
	char subtype[64];   /* of the last result */
	char *words, *model;
	int turns, denials;
	int64_t api_status; /* of the API error that ended it; 0: none */
	int64_t progress_ms; /* when progress was last told */
};

/* As ff_program's line and check. */
void ff_claude_line(void *arg, const json_t *json, const char *text);
int ff_claude_check(void *arg, struct ff_err *err);
void ff_claude_fini(struct ff_claude *c);

#endif
