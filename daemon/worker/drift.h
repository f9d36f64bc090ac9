/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_WORKER_DRIFT_H
#define FF_DAEMON_WORKER_DRIFT_H

/*
 * Would a job's commits still apply, now that their target has moved?  Tried
 * by the engine that would do it, with nothing written and no ref moved.
 */

#include <stdbool.h>
#include <stddef.h>

#include "git/git.h"

struct ff_engine;

struct ff_drift_ask {
	const char *target; /* ref of the branch */
	const char *tip;    /* commit of the job */
	const char *branch; /* ref that people see of it; NULL: nobody sees it yet, the job still works */
};
struct ff_drift_answer { /* ff_drift_answer_fini */
	const char *state;  /* applies, conflict, merged (the target has it) or gone (the branch was taken away) */
	char target[FF_GIT_OID]; /* where the target is */
	char **paths;       /* of a conflict, each once; NULL-terminated, freed by ff_git_paths_free */
};

/* FF_E_NOT_FOUND: there is no target, or no such commit. */
int ff_drift_try(struct ff_git *git, const struct ff_engine *engine, const struct ff_drift_ask *ask,
		 struct ff_drift_answer *ret, struct ff_err *err);
void ff_drift_answer_fini(struct ff_drift_answer *a);

#endif
