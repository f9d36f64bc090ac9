/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_TASK_H
#define FF_WORKER_TASK_H

/* The "job" message as a struct: what core wants of this worker. Everything in it is owned. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"
#include "job/job.h"

struct ff_task {
	int64_t job;
	int attempt;
	char *repo;          /* file:// URL */
	char *source_ref, *source_name, *target;
	char source_oid[FF_OID_HEX_MAX + 1];
	char *text;          /* what to do */
	char *text_from;     /* where that was said */
	char *url;           /* of the job; "": none */
	char *token;         /* what the gateway's socket wants to hear; NULL: nothing */
	char **env;          /* NAME=value, NULL-terminated; those from secrets last */
	size_t n_plain;      /* how many are not from secrets */
	char *driver;        /* "builtin", ... */
	char *rungs;         /* of the ladder; NULL: none */
	int64_t deadline_ms; /* of the agent's run, a duration */
	/* What earlier attempts have finished. */
	bool done[FF_STEP_LIMIT];
	char oid[FF_STEP_LIMIT][FF_OID_HEX_MAX + 1]; /* "": the step made none */
	char approved_oid[FF_OID_HEX_MAX + 1];       /* commit that may change protected paths; "": none */
	char base_oid[FF_OID_HEX_MAX + 1];           /* of the rebase */
};

/* secrets_fd, taken: what came with the message; -1: nothing. */
int ff_task_read(const json_t *msg, int secrets_fd, struct ff_task *ret_task, struct ff_err *err);
void ff_task_fini(struct ff_task *task);

#endif
