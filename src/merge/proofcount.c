/* SPDX-License-Identifier: MIT */
/*
 * One conflict: which lines must be there, by whom each is wanted, and what
 * of that the result has.  Three differences (base to target, base to change,
 * target to change) say of each line whether it is new on its side, kept by
 * both, or gone by the other side's doing.
 */
#include "merge/proofpart.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* A line replaced another when they have this share of tokens in common, of twice as many. */
#define LIKE_PERCENT 50

struct side {
	uint32_t n;
	const uint32_t *ids;
	uint32_t *base;     /* of each line: the one of the base that it is, or NONE */
	uint32_t *replaced; /* of each new line: the one of the base that it stands for, or NONE */
	uint32_t *pair;     /* the line of the other side that is the same, or NONE */
	bool *gone;         /* the other side removed it */
};
struct count {
	struct ff_proof_run *run;
	const struct ff_proof_count *what;
	struct ff_lines_diff diff;
	uint32_t n_base;
	uint32_t *kept[3]; /* of each base line: its number on target (1) and change (2), or NONE */
	uint32_t *by[3];   /* of each base line: the line of that side that replaced it, or NONE */
	struct side side[3];
	struct ff_ids *tokens[3]; /* of each line, once asked for */
	bool *known[3];
	uint32_t region;
};

static void count_fini(struct count *c)
{
	ff_lines_diff_fini(&c->diff);
	for (int s = 0; s < 3; s++) {
		ff_free(&c->kept[s]);
		ff_free(&c->by[s]);
		ff_free(&c->side[s].base);
		ff_free(&c->side[s].replaced);
		ff_free(&c->side[s].pair);
		ff_free(&c->side[s].gone);
		for (uint32_t i = 0; c->tokens[s] && i < c->what->side[s].n; i++)
			ff_ids_fini(&c->tokens[s][i]);
		ff_free(&c->tokens[s]);
		ff_free(&c->known[s]);
	}
}

static void tokens_of(struct ff_proof_run *run, uint32_t line, struct ff_ids *list)
{
	const struct ff_word *w = &run->lines.words[line];

	ff_words_tokens(&run->tokens, w->p, w->n, list);
}

static const struct ff_ids *tokens(struct count *c, int s, uint32_t i)
{
	if (!c->known[s][i])
		tokens_of(c->run, c->what->side[s].ids[i], &c->tokens[s][i]);
	c->known[s][i] = true;
	return &c->tokens[s][i];
}

static uint32_t *filled(size_t n)
{
	uint32_t *list = ff_calloc(n + 1, sizeof *list);

	memset(list, 0xff, (n + 1) * sizeof *list);
	return list;
}

static int compare(struct count *c, int a, int b, struct ff_lines_change **ret, size_t *ret_n, struct ff_err *err)
{
	const struct ff_lines_region *r = c->what->region;
	const struct ff_lines_set *set = &c->what->texts->set;
	const struct ff_lines_range ra = { &set->text[a], r->at[a], r->n[a] };
	const struct ff_lines_range rb = { &set->text[b], r->at[b], r->n[b] };

	return ff_lines_compare(&c->diff, &ra, &rb, ret, ret_n, err);
}

/* Which new lines of a block stand for which old ones: the most alike, each once. */
static void replace(struct count *c, int s, const struct ff_lines_change *ch)
{
	for (uint32_t j = ch->at_b; j < ch->at_b + ch->n_b; j++) {
		const struct ff_ids *new = tokens(c, s, j);
		uint32_t best = NONE;
		size_t most = 0;

		for (uint32_t i = ch->at_a; i < ch->at_a + ch->n_a; i++) {
			const struct ff_ids *old = tokens(c, 0, i);
			size_t like, all = old->n + new->n;

			if (c->by[s][i] != NONE || all == 0)
				continue;
			like = 200 * ff_ids_common(old, new) / all;
			if (like >= LIKE_PERCENT && like > most) {
				most = like;
				best = i;
			}
		}
		c->side[s].replaced[j] = best;
		if (best != NONE)
			c->by[s][best] = j;
	}
}

#define REPLACE_MAX 250000 /* pairs of one block that are looked at */

static int look_at(struct count *c, int s, struct ff_err *err)
{
	FF_AUTO(ff_free) struct ff_lines_change *ch = NULL;
	struct side *side = &c->side[s];
	size_t n = 0;

	side->n = c->what->side[s].n;
	side->ids = c->what->side[s].ids;
	side->base = filled(side->n);
	side->replaced = filled(side->n);
	side->pair = filled(side->n);
	side->gone = ff_calloc(side->n + 1, sizeof *side->gone);
	c->kept[s] = filled(c->n_base);
	c->by[s] = filled(c->n_base);
	if (compare(c, 0, s, &ch, &n, err) < 0)
		return -1;
	ff_lines_align(ch, n, c->n_base, c->kept[s], side->base);
	for (size_t i = 0; i < n; i++)
		if ((uint64_t)ch[i].n_a * ch[i].n_b <= REPLACE_MAX)
			replace(c, s, &ch[i]);
	return 0;
}

/* New on both sides and the same but for white space: one line, which may be spaced in either way. */
static void pair_like(struct count *c, const struct ff_lines_change *ch)
{
	uint32_t j = ch->at_b, end = ch->at_b + ch->n_b;

	for (uint32_t i = ch->at_a; i < ch->at_a + ch->n_a; i++)
		for (uint32_t k = j; k < end; k++) {
			if (c->side[1].base[i] != NONE || c->side[2].base[k] != NONE || c->side[2].pair[k] != NONE ||
			    c->side[1].pair[i] != NONE || !tokens(c, 1, i)->n || !ff_ids_equal(tokens(c, 1, i), tokens(c, 2, k)))
				continue;
			c->side[1].pair[i] = k;
			c->side[2].pair[k] = i;
			j = k + 1;
			break;
		}
}

/* What is the same line on both sides: by their difference, or since it is the same line of the base. */
static int pair_sides(struct count *c, struct ff_err *err)
{
	FF_AUTO(ff_free) struct ff_lines_change *ch = NULL;
	struct side *t = &c->side[1], *h = &c->side[2];
	size_t n = 0;

	if (compare(c, 1, 2, &ch, &n, err) < 0)
		return -1;
	ff_lines_align(ch, n, t->n, t->pair, h->pair);
	for (uint32_t b = 0; b < c->n_base; b++) {
		uint32_t i = c->kept[1][b], j = c->kept[2][b];

		if (i != NONE && j != NONE && t->pair[i] == NONE && h->pair[j] == NONE) {
			t->pair[i] = j;
			h->pair[j] = i;
		}
	}
	for (size_t i = 0; i < n; i++)
		if ((uint64_t)ch[i].n_a * ch[i].n_b <= REPLACE_MAX)
			pair_like(c, &ch[i]);
	for (int s = 1; s <= 2; s++)
		for (uint32_t i = 0; i < c->side[s].n; i++)
			c->side[s].gone[i] = c->side[s].pair[i] == NONE && c->side[s].base[i] != NONE &&
					     c->kept[3 - s][c->side[s].base[i]] == NONE;
	return 0;
}

/* --- what is wanted against what there is */

struct want {
	uint32_t line;
	uint32_t at;   /* on its side */
	uint8_t side;  /* enum ff_proof_side */
	bool met;
};
struct wants {
	struct want *list;
	size_t n;
};

static bool has_words(struct count *c, int s, uint32_t i)
{
	const struct ff_ids *list = tokens(c, s, i);

	for (size_t j = 0; j < list->n; j++)
		if (ff_words_is_word(&c->run->tokens, list->ids[j]))
			return true;
	return false;
}

/* Lines that both have count once. */
static struct wants wanted_once(const struct count *c)
{
	struct wants w = { ff_calloc((size_t)c->side[1].n + c->side[2].n + 1, sizeof *w.list), 0 };

	for (int s = 1; s <= 2; s++)
		for (uint32_t i = 0; i < c->side[s].n; i++) {
			const struct side *side = &c->side[s];
			bool shared = side->pair[i] != NONE;

			if (side->gone[i] || (s == 2 && shared))
				continue;
			w.list[w.n++] = (struct want){ side->ids[i], i, (uint8_t)(shared ? FF_SIDE_BOTH : s), false };
		}
	return w;
}

/* What each side adds to the base is there for itself: all of the target, and what the change adds to the base. */
static struct wants wanted_apart(const struct count *c)
{
	struct wants w = { ff_calloc((size_t)c->side[1].n + c->side[2].n + 1, sizeof *w.list), 0 };

	for (int s = 1; s <= 2; s++)
		for (uint32_t i = 0; i < c->side[s].n; i++) {
			const struct side *side = &c->side[s];
			uint32_t b = side->base[i];

			if (b != NONE && (c->kept[3 - s][b] == NONE || s == 2))
				continue;
			w.list[w.n++] = (struct want){ side->ids[i], i, (uint8_t)(b != NONE ? FF_SIDE_BOTH : s), false };
		}
	return w;
}

struct have {
	uint32_t line, at;
	bool met;
};

static int by_line(const void *pa, const void *pb)
{
	const struct have *a = pa, *b = pb;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static struct have *find_have(struct have *h, uint32_t n, uint32_t line)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (h[mid].line < line)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && h[lo].line == line ? &h[lo] : NULL;
}

/* Marks on both lists what meets; how many of either do not. */
static size_t match(struct wants *w, struct have *h, uint32_t n)
{
	size_t left = 0;

	for (uint32_t i = 0; i < n; i++)
		h[i].met = false;
	/* What only one side wants is served last: what is missing then is laid to the stricter account. */
	for (int pass = 2; pass >= 0; pass--)
		for (size_t i = 0; i < w->n; i++) {
			struct have *at;

			if (w->list[i].side != pass)
				continue;
			for (at = find_have(h, n, w->list[i].line); at && at < h + n && at->line == w->list[i].line && at->met; at++)
				;
			w->list[i].met = at && at < h + n && at->line == w->list[i].line;
			if (w->list[i].met)
				at->met = true;
			else
				left++;
		}
	for (uint32_t i = 0; i < n; i++)
		left += !h[i].met;
	return left;
}

/* --- the ledger */

static struct ff_proof_missing *add_missing(struct ff_proof_run *run)
{
	if (run->n_missing == run->missing_room) {
		run->missing_room = run->missing_room ? run->missing_room * 2 : 64;
		run->missing = ff_realloc(run->missing, run->missing_room, sizeof *run->missing);
	}
	run->missing[run->n_missing] = (struct ff_proof_missing){
		.before_text = UINT32_MAX, .carrier = UINT32_MAX, .other_text = UINT32_MAX,
	};
	return &run->missing[run->n_missing++];
}

static void note_missing(struct count *c, const struct want *w)
{
	int s = w->side == FF_SIDE_CHANGE ? 2 : 1;
	uint32_t old = c->side[s].replaced[w->at];
	struct ff_proof_missing *m = add_missing(c->run);

	m->side = w->side;
	m->region = c->region;
	m->text = w->line;
	tokens_of(c->run, w->line, &m->tokens);
	if (w->side == FF_SIDE_BOTH && c->side[1].base[w->at] == NONE && c->side[1].pair[w->at] != NONE)
		m->other_text = c->side[2].ids[c->side[1].pair[w->at]];
	m->before_text = old != NONE ? c->what->side[0].ids[old] : UINT32_MAX;
	if (old != NONE)
		tokens_of(c->run, m->before_text, &m->before);
	if (old != NONE && c->by[3 - s][old] != NONE)
		tokens_of(c->run, c->what->side[3 - s].ids[c->by[3 - s][old]], &m->other);
}

static bool has_line(const struct ff_proof_lines *l, uint32_t line)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->ids[i] == line)
			return true;
	return false;
}

static void note_excess(struct count *c, const struct have *h)
{
	struct ff_proof_run *run = c->run;
	struct ff_proof_excess *e;

	if (run->n_excess == run->excess_room) {
		run->excess_room = run->excess_room ? run->excess_room * 2 : 64;
		run->excess = ff_realloc(run->excess, run->excess_room, sizeof *run->excess);
	}
	e = &run->excess[run->n_excess++];
	*e = (struct ff_proof_excess){ .region = c->region, .line = c->what->first_line + h->at, .text = h->line };
	tokens_of(run, h->line, &e->tokens);
	if (has_line(&c->what->side[1], h->line) || has_line(&c->what->side[2], h->line))
		e->known |= FF_EXCESS_SIDES;
	for (uint32_t b = 0; b < c->n_base; b++) {
		if (c->what->side[0].ids[b] != h->line)
			continue;
		e->known |= c->kept[1][b] == NONE ? FF_EXCESS_TARGET_REMOVED : 0;
		e->known |= c->kept[2][b] == NONE ? FF_EXCESS_CHANGE_REMOVED : 0;
	}
}

/* One side removed a line, the other replaced it, and the replacement is there: the removal is what got lost. */
static void note_removals(struct count *c, const struct wants *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct want *want = &w->list[i];
		int s = want->side;
		struct ff_proof_missing *m;
		uint32_t old;

		if (!want->met || s == FF_SIDE_BOTH)
			continue;
		old = c->side[s].replaced[want->at];
		if (old == NONE || c->kept[3 - s][old] != NONE || c->by[3 - s][old] != NONE)
			continue;
		m = add_missing(c->run);
		m->side = s == 1 ? FF_SIDE_CHANGE : FF_SIDE_TARGET;
		m->region = c->region;
		m->text = c->what->side[0].ids[old];
		m->removal = true;
	}
}

static uint32_t change_lines(const struct count *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->side[2].n; i++)
		n += c->side[2].base[i] == NONE;
	for (uint32_t b = 0; b < c->n_base; b++)
		n += c->kept[2][b] == NONE && c->by[2][b] == NONE;
	return n;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void open_region(struct count *c)
{
	struct ff_proof_run *run = c->run;
	struct ff_proof_region *r;

	if (run->n_regions == run->regions_room) {
		run->regions_room = run->regions_room ? run->regions_room * 2 : 32;
		run->regions = ff_realloc(run->regions, run->regions_room, sizeof *run->regions);
	}
	c->region = (uint32_t)run->n_regions;
	r = &run->regions[run->n_regions++];
	*r = (struct ff_proof_region){ .path = c->what->path, .number = c->what->number, .change_lines = change_lines(c) };
}

static void learn_words(struct count *c)
{
	struct ff_ids *v = &c->run->regions[c->region].vocabulary;

	for (int s = 0; s < 3; s++)
		for (uint32_t i = 0; i < c->what->side[s].n; i++)
			tokens_of(c->run, c->what->side[s].ids[i], v);
	if (v->n)
		qsort(v->ids, v->n, sizeof *v->ids, by_id);
}

/*
 * Whether the sides wrote the same thing with differences, so that what they
 * have in common is meant once; or each its own, so that what they share by
 * chance (a brace, an empty line) belongs to each.
 */
static bool alike(struct count *c)
{
	uint32_t shared = 0, new[3] = { 0 };

	for (int s = 1; s <= 2; s++)
		for (uint32_t i = 0; i < c->side[s].n; i++) {
			if (c->side[s].base[i] != NONE || !has_words(c, s, i))
				continue;
			new[s]++;
			shared += s == 1 && c->side[s].pair[i] != NONE;
		}
	return shared * 2 > (new[1] < new[2] ? new[1] : new[2]);
}

static void weigh(struct count *c)
{
	uint32_t n = c->what->result.n;
	FF_AUTO(ff_free) struct have *have = ff_calloc((size_t)n + 1, sizeof *have);
	struct wants once = wanted_once(c), apart = wanted_apart(c);
	struct wants *w = &once;

	for (uint32_t i = 0; i < n; i++)
		have[i] = (struct have){ c->what->result.ids[i], i, false };
	qsort(have, n, sizeof *have, by_line);
	w = alike(c) ? &once : &apart;
	(void)match(w, have, n);
	open_region(c);
	note_removals(c, w);
	for (size_t i = 0; i < w->n; i++)
		if (!w->list[i].met)
			note_missing(c, &w->list[i]);
	for (uint32_t i = 0; i < n; i++)
		if (!have[i].met)
			note_excess(c, &have[i]);
	learn_words(c);
	ff_free(&once.list);
	ff_free(&apart.list);
}

int ff_proof_count(struct ff_proof_run *run, const struct ff_proof_count *what, struct ff_err *err)
{
	FF_AUTO(count_fini) struct count c = {
		.run = run, .what = what, .n_base = what->side[0].n,
		.diff = { .myers = run->what->myers, .arg = run->what->myers_arg,
			  .n_classes = what->texts->set.n_classes },
	};

	for (int s = 0; s < 3; s++) {
		c.tokens[s] = ff_calloc((size_t)what->side[s].n + 1, sizeof *c.tokens[s]);
		c.known[s] = ff_calloc((size_t)what->side[s].n + 1, sizeof *c.known[s]);
	}
	if (look_at(&c, 1, err) < 0 || look_at(&c, 2, err) < 0 || pair_sides(&c, err) < 0)
		return -1;
	weigh(&c);
	return 0;
}
