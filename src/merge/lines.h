/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_LINES_H
#define FF_MERGE_LINES_H

/*
 * Text as lines, and the merge of three texts: what git's merge does line by
 * line (histogram difference, changes slid to their canonical place,
 * "zealous" merge), so that both come out clean or not, byte for byte alike.
 *
 * A line is its bytes with the newline; equal lines have the same class in
 * all texts of one ff_lines_set, so that comparing lines is comparing
 * numbers.  ff_merge_lines() is what callers outside of this room want.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "merge/merge.h"

/*
 * The line difference that is used where histogram gives up (every line that
 * the two have in common occurs more than 64 times): classic Myers as in
 * xdiff with its heuristics, which the caller has from a library.  Sets 1 for
 * each line of a that is deleted, of b that is added.
 */
typedef int (*ff_lines_myers_fn)(void *arg, const char *a, size_t a_len, const char *b, size_t b_len,
				 unsigned char *a_changed, unsigned char *b_changed, struct ff_err *err);

/* What a ff_merge_text_fn does. FF_E_TOO_LARGE over 2 GiB of one text, or 16,000,000 lines of all. */
int ff_merge_lines(const struct ff_merge_text *what, ff_lines_myers_fn myers, void *arg,
		   struct ff_merge_text_result *ret, struct ff_err *err);

/* --- between the files of this room */
struct ff_lines {
	const char *data;
	size_t len;
	uint32_t n;
	uint32_t *start;  /* n + 1 offsets */
	uint32_t *class;
};
struct ff_lines_set {
	struct ff_lines text[3];
	uint32_t n_classes;
};
/* Splits and classifies three texts; FF_E_TOO_LARGE. ff_lines_set_fini */
int ff_lines_split(const struct ff_merge_bytes *const texts[3], struct ff_lines_set *ret_set, struct ff_err *err);
void ff_lines_set_fini(struct ff_lines_set *set);

/* n lines of a text from its line `first` on. */
struct ff_lines_range {
	const struct ff_lines *text;
	uint32_t first, n;
};
/*
 * Where three texts conflict.  A hole is what git puts between markers; the
 * settled text is all the rest, and hole i belongs into it at settled_at.  A
 * region is the conflict as it was before lines that both sides have were
 * taken out of it: one or more holes and the settled lines between and beside
 * them, with the lines of the base that both sides worked on.
 */
struct ff_lines_hole {
	uint32_t at[2], n[2]; /* lines of target and change */
	size_t settled_at;
};
struct ff_lines_region {
	uint32_t at[3], n[3]; /* lines of base, target and change */
	size_t settled_at, settled_end; /* what of the settled text belongs to it, holes left out */
	size_t first_hole, n_holes;
};
struct ff_lines_conflicts { /* ff_lines_conflicts_fini; set points into the three texts */
	struct ff_lines_set set;
	char *settled;
	size_t settled_len;
	struct ff_lines_hole *holes;
	size_t n_holes;
	struct ff_lines_region *regions;
	size_t n_regions;
};
/* As ff_merge_lines. use_both is not looked at. */
int ff_lines_find_conflicts(const struct ff_merge_text *what, ff_lines_myers_fn myers, void *arg,
			    struct ff_lines_conflicts *ret, struct ff_err *err);
void ff_lines_conflicts_fini(struct ff_lines_conflicts *c);

/* One change: n_a lines of a from at_a on became n_b of b (counted from the ranges' first lines). */
struct ff_lines_change {
	uint32_t at_a, n_a, at_b, n_b;
};
struct ff_lines_diff {
	ff_lines_myers_fn myers;
	void *arg;
	uint32_t n_classes;
	/* Scratch, kept from one difference to the next. ff_lines_diff_fini */
	struct ff_lines_slot *slots;
	uint32_t round;
	uint32_t *next;
	size_t next_size;
};
/* The changes from a to b in order; freed by ff_free. */
int ff_lines_compare(struct ff_lines_diff *diff, const struct ff_lines_range *a, const struct ff_lines_range *b,
		     struct ff_lines_change **ret_changes, size_t *ret_n, struct ff_err *err);
/* Lines that both have, between the changes from one to the other: which of b each of a is, and the other way round. */
void ff_lines_align(const struct ff_lines_change *ch, size_t n, uint32_t n_a, uint32_t *a_to_b, uint32_t *b_to_a);
void ff_lines_diff_fini(struct ff_lines_diff *diff);

#endif
