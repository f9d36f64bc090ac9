/* SPDX-License-Identifier: MIT */
/*
 * Rung 3: what lines make a conflict and tokens do not, and sides of which one
 * has the other in it.  No grammar: a rule that needs to know what a line
 * means says no.
 */
#include "resolve/region.h"

#include <string.h>

/* --- one side has done all that the other did, and more */

static bool contains(const struct ff_region *g, int more, int less)
{
	const uint32_t *pair = less == FF_CHANGE ? g->pair_back : g->pair;
	const struct ff_region_side *l = &g->side[less], *m = &g->side[more];

	for (uint32_t i = 0; i < l->n; i++)
		if (l->base[i] == UINT32_MAX && pair[i] == UINT32_MAX &&
		    !ff_region_line_is_blank(l->line[i], ff_region_len(l, i)))
			return false;
	for (uint32_t b = 0; b < g->side[FF_BASE].n; b++)
		if (l->kept[b] == UINT32_MAX && m->kept[b] != UINT32_MAX)
			return false;
	return true;
}

static bool adds(const struct ff_region *g, int s)
{
	for (uint32_t i = 0; i < g->side[s].n; i++)
		if (g->side[s].base[i] == UINT32_MAX && !ff_region_line_is_blank(g->side[s].line[i], ff_region_len(&g->side[s], i)))
			return true;
	return false;
}

static bool contained(struct ff_region *g, struct ff_buf *out)
{
	for (int s = FF_TARGET; s <= FF_CHANGE; s++)
		if (contains(g, s, 3 - s) && adds(g, 3 - s)) {
			ff_region_copy(out, &g->side[s], 0, g->side[s].n);
			return true;
		}
	return false;
}

/* --- token by token */

#define TOKENS_MAX 3000 /* of one text; the table is as large as the square */

struct tokens {
	uint32_t *ids;
	const char **at; /* one more at the end */
	uint32_t n, room;
};

static void tokens_fini(struct tokens *t)
{
	ff_free(&t->ids);
	ff_free(&t->at);
}

static const char *piece_end(const char *p, const char *end)
{
	if (*p == '\n' || !ff_words_blank(*p))
		return *p == '\n' ? p + 1 : ff_words_token_end(p, end);
	while (p < end && *p != '\n' && ff_words_blank(*p))
		p++;
	return p;
}

/* White space is a token here, too: the result has it as one of the three has it. */
static bool tokenise(struct ff_words *words, const char *p, const char *end, struct tokens *t)
{
	while (p < end) {
		const char *to = piece_end(p, end);

		if (t->n == TOKENS_MAX)
			return false;
		if (t->n + 2 > t->room) {
			t->room = t->room ? t->room * 2 : 64;
			t->ids = ff_realloc(t->ids, t->room, sizeof *t->ids);
			t->at = ff_realloc(t->at, t->room, sizeof *t->at);
		}
		t->ids[t->n] = ff_words_id(words, p, (size_t)(to - p));
		t->at[t->n++] = p;
		p = to;
	}
	if (t->n)
		t->at[t->n] = end;
	return t->n > 0;
}

struct changes {
	struct ff_lines_change *list;
	size_t n;
};

/* The longest common subsequence by the plain table; what is between its runs are the changes. */
static struct changes token_changes(const struct tokens *a, const struct tokens *b)
{
	size_t w = (size_t)b->n + 1;
	FF_AUTO(ff_free) uint16_t *len = ff_calloc(((size_t)a->n + 1) * w, sizeof *len);
	struct changes out = { ff_calloc((size_t)a->n + b->n + 1, sizeof *out.list), 0 };
	uint32_t i, j;

	for (i = a->n; i-- > 0; )
		for (j = b->n; j-- > 0; )
			len[i * w + j] = a->ids[i] == b->ids[j] ? len[(i + 1) * w + j + 1] + 1
				: len[(i + 1) * w + j] > len[i * w + j + 1] ? len[(i + 1) * w + j] : len[i * w + j + 1];
	for (i = j = 0; i < a->n || j < b->n; ) {
		struct ff_lines_change c = { i, 0, j, 0 };

		while ((i < a->n || j < b->n) && !(i < a->n && j < b->n && a->ids[i] == b->ids[j])) {
			bool down = j == b->n || (i < a->n && len[(i + 1) * w + j] >= len[i * w + j + 1]);

			i += down;
			j += !down;
		}
		c.n_a = i - c.at_a;
		c.n_b = j - c.at_b;
		if (c.n_a || c.n_b)
			out.list[out.n++] = c;
		while (i < a->n && j < b->n && a->ids[i] == b->ids[j]) {
			i++;
			j++;
		}
	}
	return out;
}

static void copy_tokens(struct ff_buf *out, const struct tokens *t, uint32_t from, uint32_t to)
{
	if (to > from)
		(void)ff_buf_add(out, t->at[from], (size_t)(t->at[to] - t->at[from]));
}

static bool same_change(const struct ff_lines_change *a, const struct tokens *ta, const struct ff_lines_change *b,
			const struct tokens *tb)
{
	return a->at_a == b->at_a && a->n_a == b->n_a && a->n_b == b->n_b &&
	       memcmp(ta->ids + a->at_b, tb->ids + b->at_b, a->n_b * sizeof *ta->ids) == 0;
}

/* Between two edits stands a word that neither touched. */
static bool apart(const struct ff_words *words, const struct tokens *b, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (ff_words_is_word(words, b->ids[i]))
			return true;
	return false;
}

/* Edits of both sides with at least one word between them; equal ones once. */
static bool weave(const struct ff_words *words, const struct tokens *b, const struct tokens *t, const struct changes *ct, const struct tokens *c,
		  const struct changes *cc, struct ff_buf *out)
{
	size_t i = 0, j = 0;
	uint32_t at = 0;

	while (i < ct->n || j < cc->n) {
		const struct ff_lines_change *x = i < ct->n ? &ct->list[i] : NULL, *y = j < cc->n ? &cc->list[j] : NULL;
		bool first = x && (!y || x->at_a <= y->at_a);
		const struct ff_lines_change *now = first ? x : y, *next = first ? y : x;

		copy_tokens(out, b, at, now->at_a);
		copy_tokens(out, first ? t : c, now->at_b, now->at_b + now->n_b);
		at = now->at_a + now->n_a;
		if (x && y && same_change(x, t, y, c)) {
			i++;
			j++;
			continue;
		}
		if (next && (at > next->at_a || !apart(words, b, at, next->at_a)))
			return false;
		i += first;
		j += !first;
	}
	copy_tokens(out, b, at, b->n);
	return true;
}

static bool merge_tokens(struct ff_words *words, const char *const from[3], const char *const to[3], struct ff_buf *out)
{
	FF_AUTO(tokens_fini) struct tokens b = { 0 }, t = { 0 }, c = { 0 };
	struct changes ct, cc;
	bool done;

	if (!tokenise(words, from[0], to[0], &b) || !tokenise(words, from[1], to[1], &t) ||
	    !tokenise(words, from[2], to[2], &c))
		return false;
	ct = token_changes(&b, &t);
	cc = token_changes(&b, &c);
	done = weave(words, &b, &t, &ct, &c, &cc, out);
	ff_free(&ct.list);
	ff_free(&cc.list);
	return done;
}

/* The lines stand where they stood, as many as before: each by its tokens. */
static bool by_line(struct ff_region *g, struct ff_buf *out)
{
	uint32_t n = g->side[FF_BASE].n;

	if (!n || g->side[FF_TARGET].n != n || g->side[FF_CHANGE].n != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const char *from[3], *to[3];

		for (int s = 0; s < 3; s++) {
			from[s] = g->side[s].line[i];
			to[s] = g->side[s].line[i + 1];
		}
		if (!merge_tokens(&g->words, from, to, out))
			return false;
	}
	return true;
}

static bool by_token(struct ff_region *g, struct ff_buf *out)
{
	const char *from[3], *to[3];

	for (int s = 0; s < 3; s++) {
		from[s] = g->side[s].line[0];
		to[s] = g->side[s].line[g->side[s].n];
	}
	return g->side[FF_BASE].n && merge_tokens(&g->words, from, to, out);
}

const struct ff_region_rule ff_structured_rules[] = {
	{ "contained", contained }, { "line-tokens", by_line }, { "tokens", by_token }, { NULL, NULL },
};
