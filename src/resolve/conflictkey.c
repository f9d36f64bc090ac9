/* SPDX-License-Identifier: MIT */
/* See conflictkey.h. */
#include "resolve/conflictkey.h"

#include <string.h>

#include "resolve/region.h"

static void add_line(struct ff_buf *out, const char *p, size_t n)
{
	while (n && ff_words_blank(p[n - 1]))
		n--;
	(void)ff_buf_add(out, p, n);
	(void)ff_buf_addc(out, '\n');
}

static void add_side(struct ff_buf *out, const struct ff_region_side *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		add_line(out, s->line[i], ff_region_len(s, i));
}

/* With its length in front, so that no two lists of texts are one. */
static void add_text(struct ff_buf *out, const struct ff_buf *text)
{
	(void)ff_buf_addf(out, "%zu\n", text->len);
	(void)ff_buf_add(out, text->data, text->len);
}

/* The first line of the target that is not empty, going away from the conflict. */
static void add_context(struct ff_buf *out, const struct ff_resolve_ask *ask, bool before)
{
	const struct ff_lines_region *r = &ask->texts->regions[ask->hunk];
	const struct ff_lines *t = &ask->texts->set.text[FF_TARGET];
	int64_t i = before ? (int64_t)r->at[FF_TARGET] - 1 : (int64_t)r->at[FF_TARGET] + r->n[FF_TARGET];

	while (i >= 0 && i < t->n && ff_region_line_is_blank(t->data + t->start[i], t->start[i + 1] - t->start[i]))
		i += before ? -1 : 1;
	if (i >= 0 && i < t->n)
		add_line(out, t->data + t->start[i], t->start[i + 1] - t->start[i]);
	else
		(void)ff_buf_adds(out, before ? "<\n" : ">\n");
}

int ff_conflict_key_text(const struct ff_resolve_ask *ask, struct ff_buf *out)
{
	FF_AUTO(ff_buf_fini) struct ff_buf base = { 0 }, target = { 0 }, change = { 0 };
	const struct ff_region_side *s = ask->region->side;
	bool swap;

	ff_buf_init(&base, out->max);
	ff_buf_init(&target, out->max);
	ff_buf_init(&change, out->max);
	add_side(&base, &s[FF_BASE]);
	add_side(&target, &s[FF_TARGET]);
	add_side(&change, &s[FF_CHANGE]);
	swap = strcmp(target.data, change.data) > 0;
	add_context(out, ask, true);
	add_text(out, &base);
	add_text(out, swap ? &change : &target);
	add_text(out, swap ? &target : &change);
	add_context(out, ask, false);
	return out->overflow || base.overflow || target.overflow || change.overflow ? -1 : 0;
}
