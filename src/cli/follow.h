/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_FOLLOW_H
#define FF_CLI_FOLLOW_H

/*
 * The stream of a job (or of all jobs) that outlives a restart of the daemon:
 * when the connection is lost, it is made again after 1, 2, 4 … 30 s, and the
 * events go on behind the last one seen.
 */

#include <jansson.h>

#include "base/err.h"

struct ff_cli;
struct ff_args;

struct ff_follow {
	const char *job; /* number or UUID as the user wrote it; NULL: all jobs */
	/* item: an event, or {"log": …}; borrowed. -1 with err ends it. */
	int (*on_item)(void *arg, const json_t *item, struct ff_err *err);
	/* In every quiet second and after every item; may be NULL. */
	int (*on_turn)(void *arg, struct ff_err *err);
	void *arg;
};

/* ret_job: the job as it ended, freed by json_decref. FF_E_UNREACHABLE once --reconnect has passed in vain. */
int ff_follow(struct ff_cli *cli, const struct ff_args *args, const struct ff_follow *what, json_t **ret_job,
	      struct ff_err *err);
/* Exit status of a job that ended: 0 completed, else 1. */
int ff_follow_status(const json_t *job);

#endif
