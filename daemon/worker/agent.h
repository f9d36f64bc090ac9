/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_AGENT_H
#define FF_WORKER_AGENT_H

/*
 * An agent driver: works on a task in the job's work tree until it has
 * nothing more to do.  What it did is what the tree says afterwards; its own
 * words go into the commit message and decide nothing.
 *
 * The driver starts no process but in the sandbox and talks to nobody but the
 * gateway.  A run may be the continuation of one that was interrupted: then
 * the job folder holds what the driver wrote there, and the work tree is as
 * the interruption left it.  If the folder was lost, both are new.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ff_conf;
struct ff_redact;
struct ff_tools;

/* What the tools answered, in the job folder. It tells of the work tree, and goes when that is made again. */
#define FF_AGENT_TOOLS "tools.jsonl"
/* Likewise: the number of Claude Code's conversation, and the folder that holds it. */
#define FF_AGENT_SESSION "claude-session"
#define FF_AGENT_CONVERSATION "claude"

/* Everything is borrowed. */
struct ff_agent_run {
	int64_t job;
	int attempt;
	const char *task;            /* UTF-8 */
	const char *context;         /* stands before it in the prompt; NULL: nothing */
	const char *source_name;     /* of the pushed branch, for the prompt */
	const char *target;          /* branch the result is rebased on */
	const char *job_dir;         /* the driver's own files go here; work tree is ws/ in it */
	const char *gateway_socket;  /* job_dir/gate/gw.sock; made by the gateway, may come a moment later */
	const char *gateway_token;   /* the key of that socket, for this attempt alone; NULL: none is wanted */
	struct ff_redact *redact;    /* secrets that the job was given: in no text of it; may be NULL */
	const struct ff_tools *tools;
	const struct ff_conf *conf;
	int64_t deadline_ms;         /* monotonic clock; FF_E_TIMEOUT when it is past */

	/* stream: "agent" (what the model says), "tool" or "system". Text without limit on length; sent in lines. */
	void (*log)(void *arg, const char *stream, const char *text);
	/* name: ff_event_name() of JOB_PROGRESS, RATE_LIMIT and the like. */
	void (*event)(void *arg, const char *name, const char *text);
	/* FF_E_CANCELLED when core wants the job to end; asked between turns. */
	int (*stopped)(void *arg, struct ff_err *err);
	void *arg;
};

struct ff_agent_result {
	char *final_words;  /* of the model, UTF-8; NULL: none */
	char *model;        /* that answered, for the attribution; NULL: as configured */
	int turns;
};

/*
 * 0: the agent came to its end. -1: it did not; the code tells whether
 * another attempt may help (base/err.def). Implemented by agent_builtin.c,
 * agent_claude.c and agent_command.c.
 */
int ff_agent_builtin(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err);
int ff_agent_claude(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err);
int ff_agent_command(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err);
/* Frees what a driver put in; may be called twice; for FF_AUTO. */
void ff_agent_result_fini(struct ff_agent_result *result);

#endif
