/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_REBASEPROOF_H
#define FF_GIT_REBASEPROOF_H

/* What a rebase (rebase.h) came to, proved by merge/seriesproof.h on an opened repository. */

#include "git/rebase.h"
#include "merge/proof.h"

struct ff_rebase_proof {
	const struct ff_rebase *what; /* as it was asked */
	const struct ff_rebase_stop *from; /* only what comes from there on, the commit of the stop included; NULL: all */
	bool given;                   /* the answer to that commit was given by a person */
	const char *result;           /* the new tip */
	struct ff_proof_bounds bounds;
};
int ff_rebase_prove(struct ff_git *git, const struct ff_rebase_proof *proof, struct ff_proof_result *ret, struct ff_err *err);

#endif
