/* SPDX-License-Identifier: MIT */
/*
 * The difference of two texts as git's merge sees it: histogram (the longest
 * run of equal lines around the line that is rarest in a splits both texts in
 * two, and so on), then every group of changed lines is slid to its canonical
 * place, so that equal changes of both sides look equal.
 *
 * Lines are counted from 1 inside the histogram, so that 0 can say "none".
 */
#include "merge/lines.h"

#include <string.h>

#define MAX_OCCURRENCES 64 /* a line that is in a more often is no place to split at */

/* What is known of one class of lines in the part of a that is looked at. */
struct ff_lines_slot {
	uint32_t round; /* valid when it is that of the diff */
	uint32_t first, count;
};

struct part {
	uint32_t a, n_a, b, n_b;
};

/* Both texts of a difference; class and changed are indexed from 1. */
struct pair {
	struct ff_lines_diff *diff;
	const struct ff_lines_range *ra, *rb;
	const uint32_t *a, *b;
	unsigned char *a_changed, *b_changed;
	struct part *todo;
	size_t n_todo, todo_size;
};

static void push(struct pair *p, struct part part)
{
	if (p->n_todo == p->todo_size) {
		p->todo_size = p->todo_size ? p->todo_size * 2 : 32;
		p->todo = ff_realloc(p->todo, p->todo_size, sizeof *p->todo);
	}
	p->todo[p->n_todo++] = part;
}

/* Every class of the part of a: its first line, how many there are, and each line's next of its kind. */
static void index_a(struct pair *p, const struct part *part)
{
	struct ff_lines_diff *d = p->diff;

	if (++d->round == 0) { /* wrapped around: none of the old marks may look valid */
		memset(d->slots, 0, d->n_classes * sizeof *d->slots);
		d->round = 1;
	}
	for (uint32_t l = part->a + part->n_a - 1; l >= part->a && l; l--) {
		struct ff_lines_slot *s = &d->slots[p->a[l]];

		if (s->round != d->round)
			*s = (struct ff_lines_slot){ .round = d->round };
		d->next[l] = s->first;
		s->first = l;
		s->count++;
	}
}

static uint32_t occurrences(const struct pair *p, uint32_t line_a)
{
	return p->diff->slots[p->a[line_a]].count;
}

struct run {
	uint32_t a, b, n; /* n 0: none found */
	uint32_t rarest;
	bool common; /* any line in common at all */
};

/* Widens the match of line a with line b as far as both agree; the occurrences of its rarest line. */
static struct run widen(const struct pair *p, const struct part *part, uint32_t a, uint32_t b, uint32_t rarest)
{
	uint32_t end_a = a, end_b = b;

	while (part->a < a && part->b < b && p->a[a - 1] == p->b[b - 1]) {
		a--;
		b--;
		if (rarest > 1 && occurrences(p, a) < rarest)
			rarest = occurrences(p, a);
	}
	while (end_a < part->a + part->n_a - 1 && end_b < part->b + part->n_b - 1 &&
	       p->a[end_a + 1] == p->b[end_b + 1]) {
		end_a++;
		end_b++;
		if (rarest > 1 && occurrences(p, end_a) < rarest)
			rarest = occurrences(p, end_a);
	}
	return (struct run){ .a = a, .b = b, .n = end_a - a + 1, .rarest = rarest };
}

/* Tries every place of a where line b stands; returns the line of b to go on with. */
static uint32_t try_line(const struct pair *p, const struct part *part, uint32_t b, struct run *best)
{
	const struct ff_lines_slot *s = &p->diff->slots[p->b[b]];
	uint32_t go_on = b + 1, a;

	if (s->round != p->diff->round)
		return go_on;
	best->common = true;
	if (s->count > best->rarest)
		return go_on;
	for (a = s->first; a;) {
		struct run r = widen(p, part, a, b, s->count);
		uint32_t next = p->diff->next[a];

		if (go_on < r.b + r.n)
			go_on = r.b + r.n;
		if ((best->n ? best->n - 1 : 0) < r.n - 1 || r.rarest < best->rarest) {
			best->a = r.a;
			best->b = r.b;
			best->n = r.n;
			best->rarest = r.rarest;
		}
		while (next && next <= r.a + r.n - 1)
			next = p->diff->next[next];
		a = next;
	}
	return go_on;
}

static int give_up(struct pair *p, const struct part *part, struct ff_err *err)
{
	const struct ff_lines *a = p->ra->text, *b = p->rb->text;
	const uint32_t *sa = a->start + p->ra->first + part->a - 1, *sb = b->start + p->rb->first + part->b - 1;

	return p->diff->myers(p->diff->arg, a->data + sa[0], sa[part->n_a] - sa[0], b->data + sb[0],
			      sb[part->n_b] - sb[0], p->a_changed + part->a, p->b_changed + part->b, err);
}

static int histogram_part(struct pair *p, const struct part *part, struct ff_err *err)
{
	struct run best = { .rarest = MAX_OCCURRENCES + 1 };

	if (part->n_a && part->n_b) {
		index_a(p, part);
		for (uint32_t b = part->b; b < part->b + part->n_b;)
			b = try_line(p, part, b, &best);
		if (best.common && best.rarest > MAX_OCCURRENCES)
			return give_up(p, part, err);
	}
	if (!best.n) {
		memset(p->a_changed + part->a, 1, part->n_a);
		memset(p->b_changed + part->b, 1, part->n_b);
		return 0;
	}
	push(p, (struct part){ part->a, best.a - part->a, part->b, best.b - part->b });
	push(p, (struct part){ best.a + best.n, part->a + part->n_a - best.a - best.n,
			       best.b + best.n, part->b + part->n_b - best.b - best.n });
	return 0;
}

static int histogram(struct pair *p, struct ff_err *err)
{
	push(p, (struct part){ 1, p->ra->n, 1, p->rb->n });
	while (p->n_todo) {
		struct part part = p->todo[--p->n_todo];

		if (histogram_part(p, &part, err) < 0)
			return -1;
	}
	return 0;
}

/* --- sliding */

/*
 * A group of changed lines [start, end) of one text, often empty: there is
 * one between any two unchanged lines, so that the groups of both texts go
 * in step.  `changed` has a 0 in front of line 0 and behind the last one.
 */
struct group {
	const unsigned char *changed;
	int64_t start, end;
};

static void group_first(struct group *g)
{
	g->start = g->end = 0;
	while (g->changed[g->end])
		g->end++;
}

static bool group_next(struct group *g, int64_t n)
{
	if (g->end == n)
		return false;
	g->start = g->end = g->end + 1;
	while (g->changed[g->end])
		g->end++;
	return true;
}

static bool group_previous(struct group *g)
{
	if (g->start == 0)
		return false;
	g->start = g->end = g->start - 1;
	while (g->changed[g->start - 1])
		g->start--;
	return true;
}

struct slide {
	const uint32_t *class; /* of the text that is worked on, from 0 */
	unsigned char *changed;
	int64_t n, n_other;
	struct group mine, other;
};

/* One line up, swallowing what is met there. */
static bool slide_up(struct slide *s)
{
	struct group *g = &s->mine;

	if (g->start == 0 || s->class[g->start - 1] != s->class[g->end - 1])
		return false;
	s->changed[--g->start] = 1;
	s->changed[--g->end] = 0;
	while (s->changed[g->start - 1])
		g->start--;
	ff_assert(group_previous(&s->other));
	return true;
}

static bool slide_down(struct slide *s)
{
	struct group *g = &s->mine;

	if (g->end == s->n || s->class[g->start] != s->class[g->end])
		return false;
	s->changed[g->start++] = 0;
	s->changed[g->end++] = 1;
	while (s->changed[g->end])
		g->end++;
	ff_assert(group_next(&s->other, s->n_other));
	return true;
}

/* As far up and then down as it goes, until it meets no more groups; then back to where the other text changes, too. */
static void settle(struct slide *s)
{
	int64_t size, highest;
	bool meets;

	do {
		size = s->mine.end - s->mine.start;
		while (slide_up(s))
			;
		highest = s->mine.end;
		meets = s->other.end > s->other.start;
		while (slide_down(s))
			meets |= s->other.end > s->other.start;
	} while (size != s->mine.end - s->mine.start);
	if (s->mine.end == highest || !meets)
		return;
	while (s->other.end == s->other.start)
		ff_assert(slide_up(s));
}

static void slide_all(const uint32_t *class, unsigned char *changed, uint32_t n, const unsigned char *other,
		      uint32_t n_other)
{
	struct slide s = { .class = class, .changed = changed, .n = n, .n_other = n_other,
			   .mine = { .changed = changed }, .other = { .changed = other } };

	group_first(&s.mine);
	group_first(&s.other);
	do {
		if (s.mine.end > s.mine.start)
			settle(&s);
		if (!group_next(&s.mine, s.n))
			return;
	} while (group_next(&s.other, s.n_other));
}

/* --- the list of changes */

static struct ff_lines_change *collect(const struct pair *p, size_t *ret_n)
{
	const unsigned char *ca = p->a_changed + 1, *cb = p->b_changed + 1;
	uint32_t i = 0, j = 0, n_a = p->ra->n, n_b = p->rb->n;
	struct ff_lines_change *list = NULL;
	size_t n = 0, size = 0;

	while (i < n_a || j < n_b) {
		struct ff_lines_change c = { .at_a = i, .at_b = j };

		while (i < n_a && ca[i])
			i++;
		while (j < n_b && cb[j])
			j++;
		c.n_a = i - c.at_a;
		c.n_b = j - c.at_b;
		if (c.n_a || c.n_b) {
			if (n == size) {
				size = size ? size * 2 : 16;
				list = ff_realloc(list, size, sizeof *list);
			}
			list[n++] = c;
		}
		i++;
		j++;
	}
	*ret_n = n;
	return list;
}

static void ready(struct ff_lines_diff *d, uint32_t n_a)
{
	if (!d->slots)
		d->slots = ff_calloc(d->n_classes, sizeof *d->slots);
	if (d->next_size < (size_t)n_a + 1) {
		d->next_size = (size_t)n_a + 1;
		d->next = ff_realloc(d->next, d->next_size, sizeof *d->next);
	}
}

int ff_lines_compare(struct ff_lines_diff *diff, const struct ff_lines_range *a, const struct ff_lines_range *b,
		     struct ff_lines_change **ret_changes, size_t *ret_n, struct ff_err *err)
{
	const uint32_t *class_a = a->text->class + a->first, *class_b = b->text->class + b->first;
	/* One 0 in front and one behind, for the groups. */
	FF_AUTO(ff_free) unsigned char *ca = ff_calloc((size_t)a->n + 2, 1), *cb = ff_calloc((size_t)b->n + 2, 1);
	struct pair p = { .diff = diff, .ra = a, .rb = b, .a = class_a - 1, .b = class_b - 1,
			  .a_changed = ca, .b_changed = cb };
	int rc;

	ready(diff, a->n);
	rc = histogram(&p, err);
	ff_free(&p.todo);
	if (rc < 0)
		return -1;
	slide_all(class_a, ca + 1, a->n, cb + 1, b->n);
	slide_all(class_b, cb + 1, b->n, ca + 1, a->n);
	*ret_changes = collect(&p, ret_n);
	return 0;
}

void ff_lines_diff_fini(struct ff_lines_diff *diff)
{
	ff_free(&diff->slots);
	ff_free(&diff->next);
	diff->next_size = 0;
}
