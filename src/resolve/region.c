/* SPDX-License-Identifier: MIT */
/* See region.h. */
#include "resolve/region.h"

#include <string.h>

static uint32_t *filled(size_t n)
{
	uint32_t *list = ff_calloc(n + 1, sizeof *list);

	memset(list, 0xff, (n + 1) * sizeof *list);
	return list;
}

static int compare(struct ff_lines_diff *d, const struct ff_lines_conflicts *found, const struct ff_lines_region *r,
		   int a, int b, struct ff_lines_change **ret, size_t *ret_n, struct ff_err *err)
{
	const struct ff_lines_range ra = { &found->set.text[a], r->at[a], r->n[a] };
	const struct ff_lines_range rb = { &found->set.text[b], r->at[b], r->n[b] };

	return ff_lines_compare(d, &ra, &rb, ret, ret_n, err);
}

static int differences(struct ff_region *g, struct ff_lines_diff *d, const struct ff_lines_conflicts *found,
		       const struct ff_lines_region *r, struct ff_err *err)
{
	FF_AUTO(ff_free) struct ff_lines_change *sides = NULL;
	size_t n = 0;

	for (int s = FF_TARGET; s <= FF_CHANGE; s++) {
		struct ff_region_side *side = &g->side[s];

		side->base = filled(side->n);
		side->kept = filled(g->side[FF_BASE].n);
		if (compare(d, found, r, FF_BASE, s, &side->changes, &side->n_changes, err) < 0)
			return -1;
		ff_lines_align(side->changes, side->n_changes, g->side[FF_BASE].n, side->kept, side->base);
	}
	g->pair = filled(g->side[FF_TARGET].n);
	g->pair_back = filled(g->side[FF_CHANGE].n);
	if (compare(d, found, r, FF_TARGET, FF_CHANGE, &sides, &n, err) < 0)
		return -1;
	ff_lines_align(sides, n, g->side[FF_TARGET].n, g->pair, g->pair_back);
	return 0;
}

int ff_region_open(const struct ff_proof *proof, const struct ff_lines_conflicts *found, size_t i,
		   struct ff_region *ret, struct ff_err *err)
{
	const struct ff_lines_region *r = &found->regions[i];
	struct ff_lines_diff diff = { .myers = proof->myers, .arg = proof->myers_arg, .n_classes = found->set.n_classes };
	int rc;

	for (int s = 0; s < 3; s++) {
		const struct ff_lines *t = &found->set.text[s];
		struct ff_region_side *side = &ret->side[s];

		side->n = r->n[s];
		side->line = ff_calloc((size_t)side->n + 1, sizeof *side->line);
		for (uint32_t l = 0; l <= side->n; l++)
			side->line[l] = t->data + t->start[r->at[s] + l];
	}
	rc = differences(ret, &diff, found, r, err);
	ff_lines_diff_fini(&diff);
	return rc;
}

void ff_region_fini(struct ff_region *g)
{
	for (int s = 0; s < 3; s++) {
		ff_free(&g->side[s].line);
		ff_free(&g->side[s].base);
		ff_free(&g->side[s].kept);
		ff_free(&g->side[s].changes);
	}
	ff_free(&g->pair);
	ff_free(&g->pair_back);
	ff_words_fini(&g->words);
}

size_t ff_region_len(const struct ff_region_side *side, uint32_t line)
{
	return (size_t)(side->line[line + 1] - side->line[line]);
}

void ff_region_copy(struct ff_buf *out, const struct ff_region_side *side, uint32_t from, uint32_t to)
{
	if (to > from)
		(void)ff_buf_add(out, side->line[from], (size_t)(side->line[to] - side->line[from]));
}

bool ff_region_sides_like(const struct ff_region_side *a, const struct ff_region_side *b)
{
	return ff_words_like(a->line[0], (size_t)(a->line[a->n] - a->line[0]), b->line[0],
			      (size_t)(b->line[b->n] - b->line[0]));
}

bool ff_region_line_is_blank(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ff_words_blank(p[i]))
			return false;
	return true;
}
