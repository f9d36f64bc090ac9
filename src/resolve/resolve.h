/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_RESOLVE_H
#define FF_RESOLVE_RESOLVE_H

/*
 * The ladder of conflict resolution, its rungs that need no model: each
 * conflict of a merge is given to one rule after the other, the cheapest
 * first, and what comes out is proved (merge/proof.h) before it counts.
 *
 *   1 trivial      both sides say the same but for white space, edits that
 *                  touch but do not overlap, lists that may be joined
 *   3 structured   one side has all that the other did and more, edits of one
 *                  line in different places
 *
 * (Rung 2, the memory, is not here yet.)  Nothing is guessed: a conflict that
 * no rule is made for stays one.  Pure: objects come from the source that the
 * proof has, too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/proof.h"

enum ff_rung { FF_RUNG_NONE = 0, FF_RUNG_TRIVIAL = 1, FF_RUNG_STRUCTURED = 3 };
#define FF_RUNG_BIT(rung) (1u << (rung))
#define FF_RUNGS_ALL (FF_RUNG_BIT(FF_RUNG_TRIVIAL) | FF_RUNG_BIT(FF_RUNG_STRUCTURED))
const char *ff_rung_name(enum ff_rung rung); /* "none", "trivial", "structured" */

struct ff_resolve {
	struct ff_proof proof;    /* all but result; proof.merge is what is to be resolved */
	unsigned rungs;           /* FF_RUNG_BIT of each */
	const char *const *lists; /* globs of paths where both sides' lines are kept (NULL-terminated), or NULL */
};

struct ff_resolved_hunk {
	enum ff_rung rung; /* FF_RUNG_NONE: not solved */
	const char *rule;  /* a word, static; NULL when not solved */
	uint32_t line;     /* of the target, from 1 */
};
struct ff_resolved_path {
	const char *path;  /* borrowed of the merge */
	enum ff_merge_kind kind;
	struct ff_resolved_hunk *hunks; /* none for a conflict that is not of lines */
	size_t n_hunks, n_solved;
	bool solved;       /* all hunks, and proved */
	bool refused;      /* all hunks, but not proved */
	uint32_t mode;     /* of the result when solved; 0: it is gone */
	struct ff_merge_id id;
};
struct ff_resolved { /* ff_resolved_fini */
	struct ff_resolved_path *paths;
	size_t n_paths, n_solved;
	bool solved;             /* all of it; then tree is proved */
	struct ff_merge_id tree; /* absent otherwise */
	struct ff_proof_result proof; /* of the tree */
};
/* 0 also when nothing could be solved. Errors as ff_proof_tree(). */
int ff_resolve(const struct ff_resolve *what, struct ff_resolved *ret, struct ff_err *err);
void ff_resolved_fini(struct ff_resolved *resolved);

#endif
