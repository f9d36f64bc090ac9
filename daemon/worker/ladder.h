/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_LADDER_H
#define FF_WORKER_LADDER_H

/*
 * The ladder (src/resolve) at work in a job: what a rebase stops at is tried
 * rung by rung, what comes out is proved, and core is told of all of it.
 *
 *     ff_ladder_begin(l)                            a rebase begins
 *     while (it stops at a conflict)
 *             ff_ladder_climb(l, &result, tree)     1: go on with this tree
 *     ff_ladder_prove(l, ...)                       all commits, before and after
 *
 * Only what has passed both is published.
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/buf.h"
#include "daemon/worker/run.h"
#include "git/rebase.h"
#include "resolve/resolve.h"

struct ff_engine;

struct ff_ladder { /* ff_ladder_fini */
	struct ff_run *run;
	const struct ff_engine *engine;
	unsigned rungs;
	bool off;            /* nothing is tried any more: what it came to was refused as a whole */
	char *why;           /* what refused it, for people; NULL: nothing did */
	const struct ff_rebase_stop *stop; /* where it is now */
	char *gate;          /* what the gate said to what was solved before; NULL: nothing */
	size_t solved;       /* commits that it solved since begin */
	json_t *questions;   /* of the present conflict, that the memory could not answer */
	json_t *lessons;     /* what is to be remembered when all is proved */
	struct ff_buf tried; /* of the last conflict: what was tried, in lines for people */
	struct ff_buf note;  /* "Resolution: ..." lines for the note */
};

int ff_ladder_init(struct ff_ladder *l, struct ff_run *run, const struct ff_engine *engine, struct ff_err *err);
void ff_ladder_fini(struct ff_ladder *l);
void ff_ladder_begin(struct ff_ladder *l);
/*
 * 1: the conflict is solved, and ret_tree is the proved tree of the commit.
 * 0: it is not; r->partial has what could be solved of it. New objects go
 * where ff_git_pack_begin() says.
 */
int ff_ladder_climb(struct ff_ladder *l, struct ff_rebase_result *r, char *ret_tree, struct ff_err *err);
/*
 * The series as it was and as it is now. 1: proved (also when nothing had to
 * be solved); 0: refused, which core is told, and from now on it is off. from
 * and given as in git/rebaseproof.h.
 */
int ff_ladder_prove(struct ff_ladder *l, const struct ff_rebase *what, const struct ff_rebase_stop *from, bool given,
		    const struct ff_rebase_result *r, struct ff_err *err);

/*
 * The gate failed on what came out. The first time the model alone is asked in the rebase that follows,
 * and told the output; after that, or without a model, the ladder is off.
 */
void ff_ladder_gate_failed(struct ff_ladder *l, const struct ff_rebase_result *r, const char *output);

/* --- ladder_memory.c: a question to core's memory; what a conflict that is solved teaches; and all of it told to core */
int ff_ladder_recall(void *ladder, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *ret_try,
		     struct ff_err *err);
void ff_ladder_learn(struct ff_ladder *l, const struct ff_resolved *solved);
void ff_ladder_remember(struct ff_ladder *l);
/* --- ladder_model.c: whether there is a model for this job, how often it is asked about one conflict, and one question */
bool ff_ladder_has_model(const struct ff_run *run);
unsigned ff_ladder_model_turns(const struct ff_run *run);
int ff_ladder_ask_model(void *ladder, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *ret_try,
			struct ff_err *err);

#endif
