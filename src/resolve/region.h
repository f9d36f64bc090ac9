/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_REGION_H
#define FF_RESOLVE_REGION_H

/*
 * One conflict as the rules see it: the lines of base, target and change, and
 * the differences between them.  A rule looks at it and either writes the
 * lines of the result or says no.
 */

#include "base/buf.h"
#include "merge/proof.h"
#include "merge/words.h"

enum { FF_BASE, FF_TARGET, FF_CHANGE };

struct ff_region_side {
	const char **line; /* n + 1 pointers into the text */
	uint32_t n;
	uint32_t *base;    /* of each line: which of the base it is, or UINT32_MAX */
	uint32_t *kept;    /* of each base line: which of this side it is, or UINT32_MAX */
	struct ff_lines_change *changes; /* from the base */
	size_t n_changes;
};
struct ff_region {
	const char *path;
	struct ff_region_side side[3]; /* the base has neither base nor changes */
	uint32_t *pair;        /* of each line of the target: the same one of the change, or UINT32_MAX */
	uint32_t *pair_back;
	bool union_wanted;
	struct ff_words words;
};
int ff_region_open(const struct ff_proof *proof, const struct ff_lines_conflicts *found, size_t i,
		   struct ff_region *ret, struct ff_err *err);
void ff_region_fini(struct ff_region *region);
size_t ff_region_len(const struct ff_region_side *side, uint32_t line);
void ff_region_copy(struct ff_buf *out, const struct ff_region_side *side, uint32_t from, uint32_t to);
/* The same but for white space. */
bool ff_region_sides_like(const struct ff_region_side *a, const struct ff_region_side *b);
bool ff_region_line_is_blank(const char *p, size_t n);

/* A rule: true when it knows, and has written the result. */
typedef bool (*ff_region_rule_fn)(struct ff_region *region, struct ff_buf *out);
struct ff_region_rule {
	const char *word;
	ff_region_rule_fn fn;
};
extern const struct ff_region_rule ff_trivial_rules[], ff_structured_rules[]; /* fn NULL behind the last */

#endif
