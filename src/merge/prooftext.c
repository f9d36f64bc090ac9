/* SPDX-License-Identifier: MIT */
/*
 * One text of a result: the settled lines must stand in it one behind the
 * other, byte for byte; what stands between them is what became of the
 * conflicts.
 */
#include "merge/proofpart.h"

#include <string.h>

#include "base/text.h"

struct ids {
	uint32_t *ids;
	const char **at; /* where each line begins; one more at the end */
	uint32_t n;
};
struct text {
	struct ff_proof_run *run;
	const struct ff_proof_text *what;
	struct ff_lines_conflicts found;
	struct ids side[3], settled, result; /* lines without their ends */
	uint32_t *hole_line;      /* of each hole: how many settled lines stand before it */
	uint32_t *from, *to;      /* of each hole: its lines in the result */
};

static void ids_fini(struct ids *i)
{
	ff_free(&i->ids);
	ff_free(&i->at);
}

static void text_fini(struct text *t)
{
	ff_lines_conflicts_fini(&t->found);
	for (int i = 0; i < 3; i++)
		ids_fini(&t->side[i]);
	ids_fini(&t->settled);
	ids_fini(&t->result);
	ff_free(&t->hole_line);
	ff_free(&t->from);
	ff_free(&t->to);
}

/* Without the newline and the carriage return before it. */
static uint32_t line_id(struct ff_words *words, const char *p, const char *end)
{
	size_t n = (size_t)(end - p);

	if (n && p[n - 1] == '\n')
		n--;
	if (n && p[n - 1] == '\r')
		n--;
	return ff_words_id(words, p, n);
}

static void read_lines(struct ff_words *words, const char *p, size_t len, struct ids *ret)
{
	const char *end = p + len;
	uint32_t room = 0;

	*ret = (struct ids){ 0 };
	for (;;) {
		const char *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		const char *to = nl ? nl + 1 : end;

		if (ret->n + 1 >= room) {
			room = room ? room * 2 : 64;
			ret->ids = ff_realloc(ret->ids, room, sizeof *ret->ids);
			ret->at = ff_realloc(ret->at, room, sizeof *ret->at);
		}
		ret->at[ret->n] = p;
		if (p == end)
			return;
		ret->ids[ret->n++] = line_id(words, p, to);
		p = to;
	}
}

static size_t line_len(const struct ids *t, uint32_t i)
{
	return (size_t)(t->at[i + 1] - t->at[i]);
}

static bool same_line(const struct ids *a, uint32_t i, const struct ids *b, uint32_t j)
{
	return a->ids[i] == b->ids[j] && line_len(a, i) == line_len(b, j) &&
	       memcmp(a->at[i], b->at[j], line_len(a, i)) == 0;
}

static bool same_lines(const struct text *t, uint32_t s, uint32_t x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!same_line(&t->settled, s + i, &t->result, x + i))
			return false;
	return true;
}

static uint32_t segment_end(const struct text *t, size_t i)
{
	return i < t->found.n_holes ? t->hole_line[i] : t->settled.n;
}

/* Each settled part as early as it goes; the last one ends the text. False: they do not stand there in this order. */
static bool place(struct text *t)
{
	uint32_t x = 0, s = 0;

	for (size_t i = 0; i <= t->found.n_holes; i++) {
		uint32_t n = segment_end(t, i) - s;

		if (n > t->result.n || x > t->result.n - n)
			return false;
		if (i) {
			t->from[i - 1] = x;
			if (i == t->found.n_holes)
				x = t->result.n - n;
			else
				while (x + n <= t->result.n && !same_lines(t, s, x, n))
					x++;
			t->to[i - 1] = x;
		}
		if (x + n > t->result.n || !same_lines(t, s, x, n))
			return false;
		x += n;
		s += n;
	}
	return x == t->result.n;
}

/* --- what lies outside and is another */

/* Settled lines that are gone, and new ones where no conflict is: by the difference of the two. */
static int say_outside(struct text *t, struct ff_err *err)
{
	const struct ff_merge_bytes settled = { (const unsigned char *)t->found.settled, t->found.settled_len, NULL };
	const struct ff_merge_bytes *const both[3] = { &settled, t->what->result, &settled };
	FF_AUTO(ff_lines_set_fini) struct ff_lines_set set = { 0 };
	FF_AUTO(ff_free) struct ff_lines_change *ch = NULL;
	struct ff_lines_diff diff = { .myers = t->run->what->myers, .arg = t->run->what->myers_arg };
	size_t n = 0, before = t->run->out->n_refused, hole = 0;
	int rc;

	if (ff_lines_split(both, &set, err) < 0)
		return -1;
	diff.n_classes = set.n_classes;
	rc = ff_lines_compare(&diff, &(struct ff_lines_range){ &set.text[0], 0, set.text[0].n },
			      &(struct ff_lines_range){ &set.text[1], 0, set.text[1].n }, &ch, &n, err);
	ff_lines_diff_fini(&diff);
	if (rc < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		for (uint32_t l = ch[i].at_a; l < ch[i].at_a + ch[i].n_a; l++)
			ff_proof_say(t->run, FF_PROOF_OUTSIDE, t->what->path, 0, t->settled.at[l], line_len(&t->settled, l));
		while (hole < t->found.n_holes && t->hole_line[hole] < ch[i].at_a)
			hole++;
		if (hole < t->found.n_holes && t->hole_line[hole] <= ch[i].at_a + ch[i].n_a)
			continue;
		for (uint32_t l = ch[i].at_b; l < ch[i].at_b + ch[i].n_b; l++)
			ff_proof_say(t->run, FF_PROOF_OUTSIDE, t->what->path, l + 1, t->result.at[l], line_len(&t->result, l));
	}
	if (t->run->out->n_refused == before) /* lines of the merge are all there, in another order than that of the conflicts */
		ff_proof_say(t->run, FF_PROOF_OUTSIDE, t->what->path, 0, NULL, 0);
	return 0;
}

/* --- how it is written */

static bool is_marker(const char *p, size_t n, char c)
{
	size_t run = 0;

	while (run < n && p[run] == c)
		run++;
	return run >= 7 && (run == n || p[run] == ' ' || p[run] == '\n' || p[run] == '\r');
}

static bool line_of_side(const struct text *t, uint32_t line)
{
	for (int s = 0; s < 3; s++)
		for (uint32_t i = 0; i < t->side[s].n; i++)
			if (t->side[s].ids[i] == line)
				return true;
	return false;
}

/* A line that looks like one and that no side has: text about merges may have them of its own. */
static void find_markers(struct text *t)
{
	for (uint32_t i = 0; i < t->result.n; i++) {
		const char *p = t->result.at[i];
		size_t n = line_len(&t->result, i);

		if (!is_marker(p, n, '<') && !is_marker(p, n, '>') && !is_marker(p, n, '|') && !is_marker(p, n, '='))
			continue;
		if (!line_of_side(t, t->result.ids[i]))
			ff_proof_say(t->run, FF_PROOF_MARKER, t->what->path, i + 1, p, n);
	}
}

struct ends {
	bool lf, crlf, open, nul, bom, utf8;
};

static struct ends ends_of(const struct ff_merge_bytes *b)
{
	const char *p = (const char *)b->data, *end = p + b->len;
	struct ends e = { .utf8 = ff_utf8_valid(p, b->len), .nul = b->len && memchr(p, '\0', b->len) };

	e.bom = b->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0;
	e.open = b->len && end[-1] != '\n';
	for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		if (nl > p && nl[-1] == '\r')
			e.crlf = true;
		else
			e.lf = true;
	}
	return e;
}

static void check_writing(struct text *t)
{
	struct ends x = ends_of(t->what->result), target = ends_of(t->what->target), change = ends_of(t->what->change);
	const char *path = t->what->path;

	if ((x.crlf && !target.crlf && !change.crlf) || (x.lf && !target.lf && !change.lf && (target.crlf || change.crlf)))
		ff_proof_say(t->run, FF_PROOF_LINE_END, path, 0, NULL, 0);
	else if (x.open && !target.open && !change.open)
		ff_proof_say(t->run, FF_PROOF_LINE_END, path, t->result.n, "no newline at its end", 21);
	else if (!x.open && x.lf && target.open && change.open)
		ff_proof_say(t->run, FF_PROOF_LINE_END, path, t->result.n, "a newline at its end", 20);
	if ((x.nul && !target.nul && !change.nul) || (!x.utf8 && target.utf8 && change.utf8) ||
	    (x.bom && !target.bom && !change.bom) || (!x.bom && target.bom && change.bom))
		ff_proof_say(t->run, FF_PROOF_ENCODING, path, 0, NULL, 0);
}

/* --- the conflicts */

/* A last line without an end is the same line to whoever counts. */
static int count_region(struct text *t, const struct ff_lines_region *r, struct ff_err *err)
{
	size_t first = r->first_hole, last = first + r->n_holes - 1;
	struct ff_proof_count what = { .texts = &t->found, .region = r, .path = t->what->path,
				       .number = (uint32_t)(r - t->found.regions) + 1 };
	uint32_t before = 0, behind = 0;
	const char *from = t->found.settled + r->settled_at, *to = t->found.settled + r->settled_end;

	for (uint32_t i = t->hole_line[first]; i > 0 && t->settled.at[i - 1] >= from; i--)
		before++;
	for (uint32_t i = t->hole_line[last]; i < t->settled.n && t->settled.at[i] < to; i++)
		behind++;
	for (int s = 0; s < 3; s++)
		what.side[s] = (struct ff_proof_lines){ t->side[s].ids + r->at[s], r->n[s] };
	what.first_line = t->from[first] - before + 1;
	what.result = (struct ff_proof_lines){ t->result.ids + t->from[first] - before,
					       t->to[last] + behind - (t->from[first] - before) };
	return ff_proof_count(t->run, &what, err);
}

static void place_holes(struct text *t)
{
	uint32_t line = 0;

	t->hole_line = ff_calloc(t->found.n_holes + 1, sizeof *t->hole_line);
	t->from = ff_calloc(t->found.n_holes + 1, sizeof *t->from);
	t->to = ff_calloc(t->found.n_holes + 1, sizeof *t->to);
	for (size_t i = 0; i < t->found.n_holes; i++) {
		while (line < t->settled.n && t->settled.at[line] < t->found.settled + t->found.holes[i].settled_at)
			line++;
		t->hole_line[i] = line;
	}
}

int ff_proof_text(struct ff_proof_run *run, const struct ff_proof_text *what, struct ff_err *err)
{
	FF_AUTO(text_fini) struct text t = { .run = run, .what = what };
	const struct ff_merge_bytes *const sides[3] = { what->base, what->target, what->change };
	const struct ff_merge_text merge = { .base = what->base, .target = what->target, .change = what->change };
	size_t before = run->out->n_refused;

	if (ff_lines_find_conflicts(&merge, run->what->myers, run->what->myers_arg, &t.found, err) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		read_lines(&run->lines, (const char *)sides[i]->data, sides[i]->len, &t.side[i]);
	read_lines(&run->lines, (const char *)what->result->data, what->result->len, &t.result);
	read_lines(&run->lines, t.found.settled, t.found.settled_len, &t.settled);
	place_holes(&t);
	find_markers(&t);
	check_writing(&t);
	if (!place(&t))
		return run->out->n_refused > before && run->out->by_rule[FF_PROOF_MARKER] ? 0 : say_outside(&t, err);
	for (size_t i = 0; i < t.found.n_regions; i++)
		if (count_region(&t, &t.found.regions[i], err) < 0)
			return -1;
	return 0;
}
