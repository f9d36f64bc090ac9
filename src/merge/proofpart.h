/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_PROOFPART_H
#define FF_MERGE_PROOFPART_H

/*
 * What the files of the proof share:
 *
 *   prooftree.c   which paths differ from the merge's
 *   prooftext.c   one text: what lies outside of its conflicts, and where each of them is in the result
 *   proofcount.c  one conflict: which lines each side wants there
 *   proofledger.c what is missing and what is too much, brought together over the whole merge
 */

#include "merge/proof.h"
#include "merge/words.h"

enum ff_proof_side { FF_SIDE_BOTH, FF_SIDE_TARGET, FF_SIDE_CHANGE };

/* A line that a side wants and that is not there. */
struct ff_proof_missing {
	enum ff_proof_side side;
	uint32_t region;
	uint32_t text;      /* its number in lines */
	bool removal;       /* not this line, but that it is gone is wanted */
	bool done;
	bool rewritten;     /* dropped, but a line like it is in its place */
	uint32_t before_text, carrier; /* what it replaced, and the excess line that carries it; UINT32_MAX: none */
	uint32_t other_text; /* the change's spacing of a line that both have: the target's counts; UINT32_MAX: it has none */
	struct ff_ids tokens, before; /* of the line, and of the one it replaced; before.n 0: none */
	struct ff_ids other; /* of what the other side made of that one; n 0: nothing */
};
/* A line of the result that nobody accounts for. */
struct ff_proof_excess {
	uint32_t region;
	uint32_t line;      /* of the result's text, from 1 */
	uint32_t text;
	uint8_t known;      /* FF_EXCESS_* */
	uint8_t used;       /* mask of sides */
	bool used_whole;    /* for a line that is the same but for white space */
	struct ff_ids tokens;
};
#define FF_EXCESS_SIDES 1          /* one of the sides has such a line here */
#define FF_EXCESS_TARGET_REMOVED 2 /* the base has it, and the target removed it */
#define FF_EXCESS_CHANGE_REMOVED 4

struct ff_proof_region {
	const char *path;
	uint32_t number;        /* of its path, from 1 */
	uint32_t change_lines;  /* that it added or removed */
	uint32_t dropped, lost; /* lost: with nothing in their place */
	struct ff_ids vocabulary; /* words of base and both sides, sorted */
};

struct ff_proof_run {
	const struct ff_proof *what;
	struct ff_proof_result *out;
	struct ff_words lines;  /* without their ends */
	struct ff_words tokens;
	struct ff_proof_missing *missing;
	size_t n_missing, missing_room;
	struct ff_proof_excess *excess;
	size_t n_excess, excess_room;
	struct ff_proof_region *regions;
	size_t n_regions, regions_room;
	struct ff_merge_bytes *held; /* texts that lines and tokens point into */
	size_t n_held, held_room;
};
/* text: n bytes or NULL. */
void ff_proof_say(struct ff_proof_run *run, enum ff_proof_rule rule, const char *path, uint32_t line, const char *text,
		  size_t n);

/* --- proofcount.c: lines by number, of base, target, change; and of the result with its first line's number */
struct ff_proof_lines {
	const uint32_t *ids;
	uint32_t n;
};
struct ff_proof_count {
	struct ff_proof_lines side[3], result;
	uint32_t first_line;
	const struct ff_lines_conflicts *texts;
	const struct ff_lines_region *region;
	const char *path;
	uint32_t number; /* of the region in its text, from 1 */
};
int ff_proof_count(struct ff_proof_run *run, const struct ff_proof_count *what, struct ff_err *err);

/* --- proofledger.c */
void ff_proof_settle(struct ff_proof_run *run);

/* --- prooftext.c */
int ff_proof_text(struct ff_proof_run *run, const struct ff_proof_text *text, struct ff_err *err);

/* --- prooftree.c: calls fn for each path (a file on either side) that is not the same in both trees */
struct ff_proof_entry {
	uint32_t mode; /* 0: not there */
	struct ff_merge_id id;
};
typedef int (*ff_proof_differs_fn)(void *arg, const char *path, const struct ff_proof_entry *a,
				   const struct ff_proof_entry *b, struct ff_err *err);
int ff_proof_compare(const struct ff_proof *what, const struct ff_merge_id *a, const struct ff_merge_id *b,
		     ff_proof_differs_fn fn, void *arg, struct ff_err *err);
/* What a tree has at a path. */
int ff_proof_find(const struct ff_proof *what, const struct ff_merge_id *tree, const char *path,
		  struct ff_proof_entry *ret, struct ff_err *err);

#endif
