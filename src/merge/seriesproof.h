/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_SERIESPROOF_H
#define FF_MERGE_SERIESPROOF_H

/*
 * A series before and after it was brought onto a new base: does each commit
 * still do what it did, and do all of them together?  Commits are known again
 * by author and message, which a rebase keeps.  Each is merged once more onto
 * the commit before it: where that goes without conflict, its tree is to be
 * exactly that one; where it does not, its tree is a result to be proved
 * (proof.h).  A commit that is not there any more is to have changed nothing
 * on its new base, by the same rules.  Then the tip is proved to be what
 * became of the new base and the old tip.
 *
 * Pure, as all of this room.
 */

#include "merge/proof.h"
#include "merge/series.h"

struct ff_series_proof {
	const struct ff_series *series; /* before; how to read and to merge. The rest of it is not looked at */
	struct ff_merge_id onto;        /* commit on which the first of the results lies */
	const struct ff_merge_id *results; /* oldest first */
	size_t n_results;
	struct ff_proof proof;          /* all but merge and result */
	bool given;   /* what became of the first commit was given by a person: it is taken as it is, and all together is not proved */
};
/* 0 also when it is refused: then the reasons are those of the first commit that does something else, and one that names it. */
int ff_series_prove(const struct ff_series_proof *what, struct ff_proof_result *ret, struct ff_err *err);

#endif
