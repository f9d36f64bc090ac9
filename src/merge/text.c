/* SPDX-License-Identifier: MIT */
/*
 * The merge of three texts: the changes of both sides side by side, equal
 * ones taken once, what overlaps looked at again by comparing the sides with
 * each other, so that only lines that really differ stay in conflict.
 */
#include "merge/lines.h"

#include <string.h>

#include "base/buf.h"

#define JOIN_GAP 3 /* conflicts with no more lines than this between them become one */

enum take { TAKE_NONE = 0, TAKE_TARGET = 1, TAKE_CHANGE = 2, TAKE_BOTH = 3, TAKE_SAME };

/* A part of the result: n_t lines of the target from at_t, and so on. TAKE_NONE: in conflict. */
struct hunk {
	enum take take;
	int64_t at_t, n_t, at_c, n_c;
	int64_t at_b, n_b; /* of the base; of refined ones only `whole` knows */
	uint32_t whole, whole_last; /* of refined ones: the conflicts before refining that it is part of */
};

struct merge {
	const struct ff_merge_text *what;
	struct ff_lines_set set;
	const struct ff_lines *base, *target, *change;
	struct ff_lines_diff diff;
	struct hunk *hunks;
	size_t n_hunks, hunks_size;
	struct hunk *whole; /* the hunks before they were refined */
	size_t n_whole;
	struct ff_buf out;
};

static void merge_fini(struct merge *m)
{
	ff_lines_set_fini(&m->set);
	ff_lines_diff_fini(&m->diff);
	ff_free(&m->hunks);
	ff_free(&m->whole);
	ff_buf_fini(&m->out);
}

static void add_hunk(struct merge *m, struct hunk h)
{
	if (m->n_hunks == m->hunks_size) {
		m->hunks_size = m->hunks_size ? m->hunks_size * 2 : 32;
		m->hunks = ff_realloc(m->hunks, m->hunks_size, sizeof *m->hunks);
	}
	m->hunks[m->n_hunks++] = h;
}

/* What touches the hunk before becomes part of it. */
static void append(struct merge *m, struct hunk h)
{
	struct hunk *last = m->n_hunks ? &m->hunks[m->n_hunks - 1] : NULL;

	if (!last || (h.at_t > last->at_t + last->n_t && h.at_c > last->at_c + last->n_c)) {
		add_hunk(m, h);
		return;
	}
	if (h.take != last->take)
		last->take = TAKE_NONE;
	last->n_t = h.at_t + h.n_t - last->at_t;
	last->n_c = h.at_c + h.n_c - last->at_c;
	last->n_b = h.at_b + h.n_b - last->at_b;
}

static bool same_change(const struct merge *m, const struct ff_lines_change *t, const struct ff_lines_change *c)
{
	return t->at_a == c->at_a && t->n_a == c->n_a && t->n_b == c->n_b &&
	       (t->n_b == 0 || memcmp(m->target->class + t->at_b, m->change->class + c->at_b,
				      t->n_b * sizeof *m->target->class) == 0);
}

/* Both changed these lines of the base: from the first that either touches to the last. */
static struct hunk overlap(const struct ff_lines_change *t, const struct ff_lines_change *c)
{
	struct hunk h = { .take = TAKE_NONE, .at_t = t->at_b, .at_c = c->at_b,
			  .at_b = t->at_a < c->at_a ? t->at_a : c->at_a };
	int64_t end_t = (int64_t)t->at_a + t->n_a, end_c = (int64_t)c->at_a + c->n_a;
	int64_t lead = (int64_t)t->at_a - c->at_a;
	int64_t tail = lead + (int64_t)t->n_a - c->n_a;

	if (lead > 0)
		h.at_t -= lead;
	else
		h.at_c += lead;
	h.n_t = (int64_t)t->at_b + t->n_b - h.at_t;
	h.n_c = (int64_t)c->at_b + c->n_b - h.at_c;
	if (tail < 0)
		h.n_t -= tail;
	else
		h.n_c += tail;
	h.n_b = (end_t > end_c ? end_t : end_c) - h.at_b;
	return h;
}

static struct hunk only_target(const struct ff_lines_change *t, int64_t offset_c)
{
	return (struct hunk){ .take = TAKE_TARGET, .at_t = t->at_b, .n_t = t->n_b,
			      .at_c = t->at_a + offset_c, .n_c = t->n_a, .at_b = t->at_a, .n_b = t->n_a };
}

static struct hunk only_change(const struct ff_lines_change *c, int64_t offset_t)
{
	return (struct hunk){ .take = TAKE_CHANGE, .at_t = c->at_a + offset_t, .n_t = c->n_a,
			      .at_c = c->at_b, .n_c = c->n_b, .at_b = c->at_a, .n_b = c->n_a };
}

struct side {
	const struct ff_lines_change *at, *end;
	int64_t tail; /* how much longer that side is than the base */
};

/* list NULL: no changes; to add 0 to it is no C. */
static struct side side_of(const struct ff_lines_change *list, size_t n, int64_t tail)
{
	return (struct side){ list, n ? list + n : list, tail };
}

/* Where a line of the base lies on that side, counted from it: as before its next change, or behind the last. */
static int64_t offset(const struct side *s)
{
	return s->at < s->end ? (int64_t)s->at->at_b - s->at->at_a : s->tail;
}

static void line_up(struct merge *m, struct side *t, struct side *c)
{
	while (t->at < t->end && c->at < c->end) {
		int64_t end_t = (int64_t)t->at->at_a + t->at->n_a, end_c = (int64_t)c->at->at_a + c->at->n_a;

		if (end_t < c->at->at_a) {
			append(m, only_target(t->at, offset(c)));
			t->at++;
			continue;
		}
		if (end_c < t->at->at_a) {
			append(m, only_change(c->at, offset(t)));
			c->at++;
			continue;
		}
		if (!same_change(m, t->at, c->at))
			append(m, overlap(t->at, c->at));
		if (end_t >= end_c)
			c->at++;
		if (end_c >= end_t)
			t->at++;
	}
	for (; t->at < t->end; t->at++)
		append(m, only_target(t->at, offset(c)));
	for (; c->at < c->end; c->at++)
		append(m, only_change(c->at, offset(t)));
}

/* --- looking at conflicts again */

/* Puts what really differs of one conflict into the list. */
static int refine(struct merge *m, const struct hunk *h, uint32_t whole, struct ff_err *err)
{
	const struct ff_lines_range t = { m->target, (uint32_t)h->at_t, (uint32_t)h->n_t };
	const struct ff_lines_range c = { m->change, (uint32_t)h->at_c, (uint32_t)h->n_c };
	FF_AUTO(ff_free) struct ff_lines_change *changes = NULL;
	size_t n = 0;

	if (ff_lines_compare(&m->diff, &t, &c, &changes, &n, err) < 0)
		return -1;
	if (!n) {
		struct hunk same = *h;

		same.take = TAKE_SAME;
		add_hunk(m, same);
	}
	for (size_t i = 0; i < n; i++)
		add_hunk(m, (struct hunk){ .take = TAKE_NONE, .whole = whole, .whole_last = whole,
			 .at_t = h->at_t + changes[i].at_a, .n_t = changes[i].n_a,
			 .at_c = h->at_c + changes[i].at_b, .n_c = changes[i].n_b });
	return 0;
}

static int refine_all(struct merge *m, struct ff_err *err)
{
	struct hunk *old = m->whole = ff_steal(&m->hunks);
	size_t n = m->n_whole = m->n_hunks;

	m->n_hunks = m->hunks_size = 0;
	for (size_t i = 0; i < n; i++) {
		old[i].whole = old[i].whole_last = (uint32_t)i;
		if (old[i].take != TAKE_NONE || old[i].n_t == 0 || old[i].n_c == 0)
			add_hunk(m, old[i]);
		else if (refine(m, &old[i], (uint32_t)i, err) < 0)
			return -1;
	}
	return 0;
}

static void join_near(struct merge *m)
{
	size_t last = 0;

	for (size_t i = 1; i < m->n_hunks; i++) {
		struct hunk *h = &m->hunks[last], *next = &m->hunks[i];

		if (h->take == TAKE_NONE && next->take == TAKE_NONE && next->at_t - (h->at_t + h->n_t) <= JOIN_GAP) {
			h->n_t = next->at_t + next->n_t - h->at_t;
			h->n_c = next->at_c + next->n_c - h->at_c;
			h->whole_last = next->whole_last;
		} else {
			m->hunks[++last] = *next;
		}
	}
	if (m->n_hunks)
		m->n_hunks = last + 1;
}

/* --- writing */

static void copy(struct merge *m, const struct ff_lines *text, int64_t at, int64_t n)
{
	if (n > 0)
		(void)ff_buf_add(&m->out, text->data + text->start[at], text->start[at + n] - text->start[at]);
}

/* Lines that are followed by others: the last one ends in a newline, even if it was the end of its text. */
static void copy_ended(struct merge *m, const struct ff_lines *text, int64_t at, int64_t n, bool cr)
{
	copy(m, text, at, n);
	if (n > 0 && text->data[text->start[at + n] - 1] != '\n')
		(void)ff_buf_adds(&m->out, cr ? "\r\n" : "\n");
}

/* 1: that line ends in CR LF, 0: in LF, -1: there is no telling. A last line without end looks at the one before. */
static int ends_in_crlf(const struct ff_lines *text, int64_t line)
{
	const char *data = text->data;

	if (text->n == 0)
		return -1;
	if (line == text->n - 1 && data[text->start[line + 1] - 1] != '\n') {
		if (line == 0)
			return -1;
		line--;
	}
	return text->start[line + 1] - text->start[line] > 1 && data[text->start[line + 1] - 2] == '\r';
}

/* Whether lines that we make end in CR LF: when the lines in front do on both sides, or else the base's first. */
static bool cr_wanted(const struct merge *m, const struct hunk *h)
{
	int cr = ends_in_crlf(m->target, h->at_t ? h->at_t - 1 : 0);

	if (cr)
		cr = ends_in_crlf(m->change, h->at_c ? h->at_c - 1 : 0);
	if (cr)
		cr = ends_in_crlf(m->base, 0);
	return cr > 0;
}

static void marker(struct merge *m, char c, const char *label, bool cr)
{
	int size = m->what->marker_size > 0 ? m->what->marker_size : 7;

	for (int i = 0; i < size; i++)
		(void)ff_buf_addc(&m->out, c);
	if (label) {
		(void)ff_buf_addc(&m->out, ' ');
		(void)ff_buf_adds(&m->out, label);
	}
	(void)ff_buf_adds(&m->out, cr ? "\r\n" : "\n");
}

static void write_conflict(struct merge *m, const struct hunk *h)
{
	bool cr = cr_wanted(m, h);

	marker(m, '<', m->what->target_label, cr);
	copy_ended(m, m->target, h->at_t, h->n_t, cr);
	marker(m, '=', NULL, cr);
	copy_ended(m, m->change, h->at_c, h->n_c, cr);
	marker(m, '>', m->what->change_label, cr);
}

static void write_hunk(struct merge *m, const struct hunk *h)
{
	switch (h->take) {
	case TAKE_NONE:
		write_conflict(m, h);
		break;
	case TAKE_SAME:
	case TAKE_TARGET:
		copy(m, m->target, h->at_t, h->n_t);
		break;
	case TAKE_CHANGE:
		copy(m, m->change, h->at_c, h->n_c);
		break;
	case TAKE_BOTH:
		copy_ended(m, m->target, h->at_t, h->n_t, cr_wanted(m, h));
		copy(m, m->change, h->at_c, h->n_c);
		break;
	}
}

static bool write_all(struct merge *m)
{
	bool conflict = false;
	int64_t at = 0;

	for (size_t i = 0; i < m->n_hunks; i++) {
		struct hunk *h = &m->hunks[i];

		if (h->take == TAKE_NONE && m->what->use_both)
			h->take = TAKE_BOTH;
		conflict |= h->take == TAKE_NONE;
		copy(m, m->target, at, h->at_t - at);
		write_hunk(m, h);
		at = h->at_t + h->n_t;
	}
	copy(m, m->target, at, m->target->n - at);
	return conflict;
}

/* --- */

static int compare_sides(struct merge *m, struct ff_lines_change **ret_t, size_t *ret_n_t,
			 struct ff_lines_change **ret_c, size_t *ret_n_c, struct ff_err *err)
{
	const struct ff_lines_range base = { m->base, 0, m->base->n };
	const struct ff_lines_range target = { m->target, 0, m->target->n };
	const struct ff_lines_range change = { m->change, 0, m->change->n };

	if (ff_lines_compare(&m->diff, &base, &target, ret_t, ret_n_t, err) < 0)
		return -1;
	return ff_lines_compare(&m->diff, &base, &change, ret_c, ret_n_c, err);
}

static int find_hunks(struct merge *m, struct ff_err *err)
{
	FF_AUTO(ff_free) struct ff_lines_change *of_t = NULL, *of_c = NULL;
	size_t n_t = 0, n_c = 0;
	struct side t, c;

	if (compare_sides(m, &of_t, &n_t, &of_c, &n_c, err) < 0)
		return -1;
	t = side_of(of_t, n_t, (int64_t)m->target->n - m->base->n);
	c = side_of(of_c, n_c, (int64_t)m->change->n - m->base->n);
	line_up(m, &t, &c);
	if (refine_all(m, err) < 0)
		return -1;
	join_near(m);
	return 0;
}

static int run(struct merge *m, bool *ret_conflict, struct ff_err *err)
{
	if (find_hunks(m, err) < 0)
		return -1;
	*ret_conflict = write_all(m);
	if (m->out.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the merged text is too large");
	return 0;
}

static int begin(struct merge *m, struct ff_err *err)
{
	const struct ff_merge_bytes *const texts[3] = { m->what->base, m->what->target, m->what->change };

	/* The longest result there can be: both sides in full, and markers around each line. */
	ff_buf_init(&m->out, (size_t)INT32_MAX);
	if (ff_lines_split(texts, &m->set, err) < 0)
		return -1;
	m->diff.n_classes = m->set.n_classes;
	m->base = &m->set.text[0];
	m->target = &m->set.text[1];
	m->change = &m->set.text[2];
	return 0;
}

int ff_merge_lines(const struct ff_merge_text *what, ff_lines_myers_fn myers, void *arg,
		   struct ff_merge_text_result *ret, struct ff_err *err)
{
	FF_AUTO(merge_fini) struct merge m = { .what = what, .diff = { .myers = myers, .arg = arg } };
	bool conflict;
	size_t len;

	if (begin(&m, err) < 0 || run(&m, &conflict, err) < 0)
		return -1;
	len = m.out.len;
	*ret = (struct ff_merge_text_result){ .conflict = conflict, .data = ff_buf_take(&m.out), .len = len };
	return 0;
}

/* --- the conflicts of a text, for those who look into them */

/* Holes of one conflict before it was refined, and those that were joined, are one region. */
static void add_hole(struct merge *m, struct ff_lines_conflicts *out, const struct hunk *h, uint32_t *last)
{
	const struct hunk *from = &m->whole[h->whole], *to = &m->whole[h->whole_last];
	struct ff_lines_region *r;

	if (!out->n_regions || h->whole > *last) {
		r = &out->regions[out->n_regions++];
		*r = (struct ff_lines_region){
			.at = { (uint32_t)from->at_b, (uint32_t)from->at_t, (uint32_t)from->at_c },
			.first_hole = out->n_holes,
			.settled_at = m->out.len - (m->target->start[h->at_t] - m->target->start[from->at_t]),
		};
	}
	r = &out->regions[out->n_regions - 1];
	r->n[0] = (uint32_t)(to->at_b + to->n_b - r->at[0]);
	r->n[1] = (uint32_t)(to->at_t + to->n_t - r->at[1]);
	r->n[2] = (uint32_t)(to->at_c + to->n_c - r->at[2]);
	r->n_holes++;
	r->settled_end = m->out.len + m->target->start[to->at_t + to->n_t] - m->target->start[h->at_t + h->n_t];
	out->holes[out->n_holes++] = (struct ff_lines_hole){
		.at = { (uint32_t)h->at_t, (uint32_t)h->at_c }, .n = { (uint32_t)h->n_t, (uint32_t)h->n_c },
		.settled_at = m->out.len,
	};
	*last = h->whole_last;
}

static void collect(struct merge *m, struct ff_lines_conflicts *out)
{
	uint32_t last = 0;
	int64_t at = 0;

	out->holes = ff_calloc(m->n_hunks + 1, sizeof *out->holes);
	out->regions = ff_calloc(m->n_hunks + 1, sizeof *out->regions);
	for (size_t i = 0; i < m->n_hunks; i++) {
		const struct hunk *h = &m->hunks[i];

		copy(m, m->target, at, h->at_t - at);
		at = h->at_t + h->n_t;
		if (h->take == TAKE_NONE)
			add_hole(m, out, h, &last);
		else
			write_hunk(m, h);
	}
	copy(m, m->target, at, m->target->n - at);
}

int ff_lines_find_conflicts(const struct ff_merge_text *what, ff_lines_myers_fn myers, void *arg,
			    struct ff_lines_conflicts *ret, struct ff_err *err)
{
	FF_AUTO(merge_fini) struct merge m = { .what = what, .diff = { .myers = myers, .arg = arg } };
	struct ff_lines_conflicts out = { 0 };

	if (begin(&m, err) < 0 || find_hunks(&m, err) < 0)
		return -1;
	collect(&m, &out);
	if (m.out.overflow) {
		ff_free(&out.holes);
		ff_free(&out.regions);
		return ff_err_set(err, FF_E_TOO_LARGE, "the merged text is too large");
	}
	out.settled_len = m.out.len;
	out.settled = ff_buf_take(&m.out);
	out.set = m.set;
	m.set = (struct ff_lines_set){ 0 };
	*ret = out;
	return 0;
}

void ff_lines_conflicts_fini(struct ff_lines_conflicts *c)
{
	ff_lines_set_fini(&c->set);
	ff_free(&c->settled);
	ff_free(&c->holes);
	ff_free(&c->regions);
	*c = (struct ff_lines_conflicts){ 0 };
}
