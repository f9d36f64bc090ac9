/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_PROOF_H
#define FF_MERGE_PROOF_H

/*
 * Is a result what became of two sides?  Whoever made it, a person, a rule or
 * a model, is not asked.  A result is proved when
 *
 *   - every path without a conflict is exactly as the clean merge has it, and
 *     the file set and the modes are the merge's;
 *   - in a file with conflicts every byte outside of them is the merge's, no
 *     marker is left, and encoding and line ends are kept;
 *   - in the conflicts, every line that target or change added is there, and
 *     every line that one of them removed is gone. A line is also there when
 *     one result line carries all tokens that this side added to it and none
 *     that it removed, and half of what both left (all of it, when it added
 *     none), or when it moved to another conflict.  Of a line that both have,
 *     spaced differently, the target's spacing counts;
 *   - no line stands more often than both sides together account for, and none
 *     is there that neither side has a part in.
 *
 * What is missing of a side is listed as dropped; over the bounds it is
 * refused.  Pure, as all of this room.
 *
 *     struct ff_proof what = { source, myers, ..., &merge_result, tree };
 *     ff_proof_tree(&what, &result, err)       result.proved, result.reasons
 *     ff_proof_fini(&result)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/lines.h"
#include "merge/merge.h"

enum ff_proof_rule {
#define FF_PROOF_RULE(name, word, text) FF_PROOF_##name,
#include "merge/proof.def"
#undef FF_PROOF_RULE
	FF_PROOF_RULE_COUNT
};
const char *ff_proof_rule_name(enum ff_proof_rule rule);
const char *ff_proof_rule_text(enum ff_proof_rule rule);

struct ff_proof_bounds {
	uint32_t target_lines;   /* lines of the target that may be dropped in a merge; 0 */
	uint32_t change_percent; /* of the change's lines in a conflict that may be dropped: 20 */
	uint32_t lost_percent;   /* and of them with no line like them in their place: 0 */
};
#define FF_PROOF_BOUNDS { .target_lines = 0, .change_percent = 20, .lost_percent = 0 }

struct ff_proof {
	const struct ff_merge_source *source;
	ff_lines_myers_fn myers; /* see lines.h; NULL: none */
	void *myers_arg;
	const struct ff_merge_result *merge; /* of base, target and change */
	struct ff_merge_id result;           /* the tree in question */
	struct ff_proof_bounds bounds;
	struct ff_merge_limits limits;       /* of the trees and texts that are read */
};

struct ff_proof_reason {
	enum ff_proof_rule rule;
	bool allowed;      /* within the bounds: listed, but no reason to refuse */
	bool removal;      /* what is dropped is the removal of this line */
	char *path;        /* "" for all of it */
	uint32_t line;     /* of the result, from 1; 0: of no line there */
	uint32_t conflict; /* in which one of its path, from 1 in their order; 0: in none */
	char *text;        /* the line in question, or a detail; may be NULL */
};
#define FF_PROOF_REASONS_MAX 1000 /* kept; n_refused and n_dropped count all */
struct ff_proof_result { /* ff_proof_fini */
	bool proved;
	struct ff_proof_reason *reasons;
	size_t n_reasons;
	size_t n_refused;  /* reasons that are not allowed, all of them */
	size_t n_dropped;  /* lines that are listed as dropped */
	size_t by_rule[FF_PROOF_RULE_COUNT]; /* of n_refused */
	size_t n_conflicts; /* paths in conflict */
};
/* 0 also when it is refused. Errors as ff_merge(). */
int ff_proof_tree(const struct ff_proof *what, struct ff_proof_result *ret, struct ff_err *err);

/* One text with conflicts by itself. */
struct ff_proof_text {
	const char *path;
	const struct ff_merge_bytes *base, *target, *change, *result;
};
int ff_proof_texts(const struct ff_proof *what, const struct ff_proof_text *text, struct ff_proof_result *ret,
		   struct ff_err *err);
void ff_proof_fini(struct ff_proof_result *result);

#endif
