/* SPDX-License-Identifier: MIT */
/* Rung 1: conflicts that are none to whoever reads them. */
#include "resolve/region.h"

#include <string.h>

/* Both sides wrote the same, spaced differently: the target's spacing. */
static bool same_text(struct ff_region *g, struct ff_buf *out)
{
	if (!ff_region_sides_like(&g->side[FF_TARGET], &g->side[FF_CHANGE]))
		return false;
	ff_region_copy(out, &g->side[FF_TARGET], 0, g->side[FF_TARGET].n);
	return true;
}

/*
 * One side did no more than to space the base differently, line by line and
 * not at their beginnings (an indentation is what many languages read): what
 * the other side did.
 */
static bool spaced_only(const struct ff_region *g, int s)
{
	const struct ff_region_side *base = &g->side[FF_BASE], *side = &g->side[s];

	if (!base->n || !ff_region_sides_like(base, side))
		return false;
	for (uint32_t b = 0, l = 0; b < base->n; b++, l++) {
		size_t i = 0, j = 0;

		if (base->n != side->n)
			return true; /* lines broken in another way */
		while (i < ff_region_len(base, b) && (base->line[b][i] == ' ' || base->line[b][i] == '\t'))
			i++;
		while (j < ff_region_len(side, l) && (side->line[l][j] == ' ' || side->line[l][j] == '\t'))
			j++;
		if (!ff_region_line_is_blank(base->line[b], ff_region_len(base, b)) &&
		    (i != j || memcmp(base->line[b], side->line[l], i) != 0))
			return false;
	}
	return true;
}

static bool other_spaced(struct ff_region *g, struct ff_buf *out)
{
	for (int s = FF_TARGET; s <= FF_CHANGE; s++)
		if (spaced_only(g, s)) {
			ff_region_copy(out, &g->side[3 - s], 0, g->side[3 - s].n);
			return true;
		}
	return false;
}

/* Lines changed where they stand, or taken away. What is put between lines belongs to one of them, and to which is not to be seen. */
static bool in_place(const struct ff_region_side *s)
{
	for (size_t i = 0; i < s->n_changes; i++)
		if (s->changes[i].n_b && s->changes[i].n_b != s->changes[i].n_a)
			return false;
	return s->n_changes > 0;
}

/* Each changed other lines of the base, which only touch: both. */
static bool adjacent(struct ff_region *g, struct ff_buf *out)
{
	const struct ff_region_side *t = &g->side[FF_TARGET], *c = &g->side[FF_CHANGE], *base = &g->side[FF_BASE];
	size_t i = 0, j = 0;
	uint32_t at = 0;

	if (!in_place(t) || !in_place(c))
		return false;
	while (i < t->n_changes || j < c->n_changes) {
		const struct ff_lines_change *a = i < t->n_changes ? &t->changes[i] : NULL;
		const struct ff_lines_change *b = j < c->n_changes ? &c->changes[j] : NULL;
		bool first = a && (!b || a->at_a < b->at_a);
		const struct ff_lines_change *now = first ? a : b, *next = first ? b : a;

		if (next && now->at_a + now->n_a > next->at_a)
			return false;
		ff_region_copy(out, base, at, now->at_a);
		ff_region_copy(out, first ? t : c, now->at_b, now->at_b + now->n_b);
		at = now->at_a + now->n_a;
		i += first;
		j += !first;
	}
	ff_region_copy(out, base, at, base->n);
	return true;
}

/* Where it is declared that a file is a list: both sides' lines, the target's first. */
static bool list(struct ff_region *g, struct ff_buf *out)
{
	const struct ff_region_side *t = &g->side[FF_TARGET], *c = &g->side[FF_CHANGE];

	if (!g->union_wanted || g->side[FF_BASE].n)
		return false;
	ff_region_copy(out, t, 0, t->n);
	for (uint32_t i = 0; i < c->n; i++)
		if (g->pair_back[i] == UINT32_MAX)
			ff_region_copy(out, c, i, i + 1);
	return true;
}

const struct ff_region_rule ff_trivial_rules[] = {
	{ "same", same_text }, { "white-space", other_spaced }, { "list", list }, { "adjacent", adjacent }, { NULL, NULL },
};
