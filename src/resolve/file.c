/* SPDX-License-Identifier: MIT */
/*
 * One path in conflict.  Each of its conflicts climbs by itself; the proof
 * looks at the file as a whole, and the conflicts that it objects to climb on.
 */
#include "resolve/part.h"

#include <string.h>

#include "base/text.h"
#include "resolve/region.h"

#define RESULT_MAX ((size_t)1 << 30)
#define TEXT_MAX ((uint64_t)64 << 20)
#define ANSWER_MAX ((size_t)64 << 20)

struct climb { /* one conflict on its way */
	struct ff_region region;
	enum ff_rung rung;       /* the one to ask next */
	unsigned turn;           /* and how often it was asked already */
	uint32_t first, last;    /* its lines in the result that was tried last, from 1; last < first: none */
};
struct file {
	const struct ff_resolve *what;
	const struct ff_merge_conflict *conflict;
	struct ff_resolved_path *p;
	struct ff_merge_bytes text[3];
	struct ff_lines_conflicts found;
	struct climb *climbs;
	struct ff_buf out;
};

static void file_fini(struct file *f)
{
	const struct ff_merge_source *s = f->what->proof.source;

	for (size_t i = 0; f->climbs && i < f->found.n_regions; i++)
		ff_region_fini(&f->climbs[i].region);
	ff_free(&f->climbs);
	ff_lines_conflicts_fini(&f->found);
	for (int i = 0; i < 3; i++)
		if (f->text[i].hold)
			s->release(s->arg, &f->text[i]);
	ff_buf_fini(&f->out);
}

/* 1 when all are read, 0 when one is too large, -1. */
static int read_texts(struct file *f, struct ff_err *err)
{
	const struct ff_merge_version *const v[3] = { &f->conflict->base, &f->conflict->target, &f->conflict->change };
	const struct ff_merge_source *s = f->what->proof.source;
	uint64_t most = f->what->proof.limits.max_text_bytes ? f->what->proof.limits.max_text_bytes : TEXT_MAX, size;

	for (int i = 0; i < 3; i++) {
		f->text[i] = (struct ff_merge_bytes){ (const unsigned char *)"", 0, NULL };
		if ((v[i]->mode & 0170000u) != 0100000u)
			continue;
		if (s->blob_size(s->arg, &v[i]->id, &size, err) < 0)
			return -1;
		if (size > most)
			return 0;
		if (s->read_blob(s->arg, &v[i]->id, &f->text[i], err) < 0)
			return -1;
	}
	return 1;
}

static bool listed(const struct ff_resolve *what, const char *path)
{
	for (const char *const *p = what->lists; p && *p; p++)
		if (ff_glob_match(*p, path))
			return true;
	return false;
}

/* --- one rung */

static struct ff_resolved_try *add_try(struct ff_resolved_hunk *h, const struct climb *c)
{
	h->tries = ff_realloc(h->tries, h->n_tries + 1, sizeof *h->tries);
	h->tries[h->n_tries] = (struct ff_resolved_try){ .rung = c->rung, .turn = c->turn, .confidence = -1 };
	return &h->tries[h->n_tries++];
}

/* The first rule that knows. */
static bool by_rules(struct climb *c, const struct ff_region_rule *rules, struct ff_buf *out, struct ff_resolved_try *t)
{
	for (const struct ff_region_rule *r = rules; r->fn; r++) {
		if (r->fn(&c->region, out)) {
			t->how = ff_strdup(r->word);
			return true;
		}
		ff_buf_clear(out);
	}
	return false;
}

/* Lines behind a last one without its end would be glued to it. */
static bool ends_well(const struct file *f, size_t i, const struct ff_buf *out)
{
	return f->found.regions[i].settled_end == f->found.settled_len || !out->len || out->data[out->len - 1] == '\n';
}

/* To the try before the one that is being made, of the same rung. */
static const char *objections(const struct ff_resolved_hunk *h)
{
	const struct ff_resolved_try *now = &h->tries[h->n_tries - 1];

	return h->n_tries > 1 && now[-1].rung == now->rung ? now[-1].objections : NULL;
}

/* 1: there is an answer in out, 0: there is none, -1. */
static int ask_rung(struct file *f, size_t i, struct ff_buf *out, struct ff_resolved_try *t, struct ff_err *err)
{
	struct climb *c = &f->climbs[i];
	const struct ff_resolve_ask ask = {
		.conflict = f->conflict, .region = &c->region, .texts = &f->found, .hunk = i, .turn = c->turn,
		.objections = objections(&f->p->hunks[i]),
	};

	switch (c->rung) {
	case FF_RUNG_NONE:
		break;
	case FF_RUNG_TRIVIAL:
		return by_rules(c, ff_trivial_rules, out, t);
	case FF_RUNG_STRUCTURED:
		return by_rules(c, ff_structured_rules, out, t);
	case FF_RUNG_MEMORY:
		return f->what->memory(f->what->arg, &ask, out, t, err);
	case FF_RUNG_MODEL:
		return f->what->model(f->what->arg, &ask, out, t, err);
	}
	return 0;
}

static bool wanted(const struct file *f, const struct climb *c)
{
	const struct ff_resolve *w = f->what;

	if (!(w->rungs & FF_RUNG_BIT(c->rung)))
		return false;
	switch (c->rung) {
	case FF_RUNG_NONE:
		return false;
	case FF_RUNG_TRIVIAL:
	case FF_RUNG_STRUCTURED:
		return c->turn == 0;
	case FF_RUNG_MEMORY:
		return w->memory && c->turn == 0;
	case FF_RUNG_MODEL:
		return w->model && c->turn < w->model_turns;
	}
	return false;
}

static void take_answer(struct ff_resolved_hunk *h, struct ff_resolved_try *t, struct ff_buf *out)
{
	t->outcome = FF_TRY_SOLVED;
	h->rung = t->rung;
	h->rule = t->how;
	ff_free(&h->answer);
	h->answer_len = out->len;
	h->answer = ff_buf_take(out);
}

/* One turn of the rung at which it is. A model that gave nothing usable is asked again as if its answer had been refused. */
static int step(struct file *f, size_t i, struct ff_err *err)
{
	int64_t (*now)(void) = f->what->now_us, start = now ? now() : 0;
	struct ff_resolved_hunk *h = &f->p->hunks[i];
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	struct ff_resolved_try *t;
	int rc;

	ff_buf_init(&out, ANSWER_MAX);
	t = add_try(h, &f->climbs[i]);
	rc = ask_rung(f, i, &out, t, err);
	t->time_us = now ? now() - start : 0;
	if (rc < 0)
		return -1;
	if (rc > 0 && !out.overflow && ends_well(f, i, &out))
		take_answer(h, t, &out);
	f->climbs[i].turn += 1 + t->skip;
	return 0;
}

/* Up to `most`, until there is an answer. */
static int climb(struct file *f, size_t i, enum ff_rung most, struct ff_err *err)
{
	struct climb *c = &f->climbs[i];

	while (f->p->hunks[i].rung == FF_RUNG_NONE && c->rung <= most) {
		if (!wanted(f, c)) {
			if (c->rung == FF_RUNG_LAST)
				break;
			c->rung++;
			c->turn = 0;
		} else if (step(f, i, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* --- the file */

static int open_all(struct file *f, struct ff_err *err)
{
	f->p->n_hunks = f->found.n_regions;
	f->p->hunks = ff_calloc(f->p->n_hunks + 1, sizeof *f->p->hunks);
	f->climbs = ff_calloc(f->p->n_hunks + 1, sizeof *f->climbs);
	for (size_t i = 0; i < f->p->n_hunks; i++) {
		struct climb *c = &f->climbs[i];

		c->region.path = f->p->path;
		c->rung = FF_RUNG_TRIVIAL;
		if (ff_region_open(&f->what->proof, &f->found, i, &c->region, err) < 0)
			return -1;
		c->region.union_wanted = listed(f->what, f->p->path);
		f->p->hunks[i].line = f->found.regions[i].at[1] + 1;
	}
	return 0;
}

/* The rules first, everywhere: a model is not asked about one of them while another one is hopeless. */
static int climb_all(struct file *f, struct ff_err *err)
{
	struct ff_resolved_path *p = f->p;

	for (size_t i = 0; i < p->n_hunks; i++)
		if (climb(f, i, FF_RUNG_STRUCTURED, err) < 0)
			return -1;
	for (size_t i = 0; i < p->n_hunks; i++) {
		if (climb(f, i, FF_RUNG_LAST, err) < 0)
			return -1;
		if (p->hunks[i].rung == FF_RUNG_NONE)
			break;
	}
	p->n_solved = 0;
	for (size_t i = 0; i < p->n_hunks; i++)
		p->n_solved += p->hunks[i].rung != FF_RUNG_NONE;
	return 0;
}

static uint32_t count_lines(const char *p, size_t n)
{
	uint32_t lines = 0;

	for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		lines++;
	return lines;
}

static void build(struct file *f)
{
	size_t at = 0, seen = 0;
	uint32_t line = 1;

	ff_buf_clear(&f->out);
	for (size_t i = 0; i < f->p->n_hunks; i++) {
		const struct ff_lines_region *r = &f->found.regions[i];
		const struct ff_resolved_hunk *h = &f->p->hunks[i];

		(void)ff_buf_add(&f->out, f->found.settled + at, r->settled_at - at); /* overflow is looked at behind it */
		at = r->settled_end;
		line += count_lines(f->out.data + seen, f->out.len - seen);
		seen = f->out.len;
		(void)ff_buf_add(&f->out, h->answer, h->answer_len);
		f->climbs[i].first = line;
		line += count_lines(f->out.data + seen, f->out.len - seen);
		seen = f->out.len;
		f->climbs[i].last = line - 1;
	}
	(void)ff_buf_add(&f->out, f->found.settled + at, f->found.settled_len - at);
}

static int prove_file(struct file *f, struct ff_err *err)
{
	const struct ff_merge_bytes result = { (const unsigned char *)f->out.data, f->out.len, NULL };
	const struct ff_proof_text text = { f->p->path, &f->text[0], &f->text[1], &f->text[2], &result };
	const struct ff_merge_source *s = f->what->proof.source;
	struct ff_resolved_path *p = f->p;

	ff_proof_fini(&p->proof);
	if (ff_proof_texts(&f->what->proof, &text, &p->proof, err) < 0)
		return -1;
	p->refused = !p->proof.proved;
	p->solved = p->proof.proved;
	p->mode = f->conflict->merged.mode;
	return p->solved ? s->write_blob(s->arg, f->out.data, f->out.len, &p->id, err) : 0;
}

/* --- what the proof objects to */

/* Of this conflict, or of none that could be named. */
static bool concerns(const struct file *f, const struct ff_proof_reason *r, size_t i)
{
	if (r->allowed)
		return false;
	if (r->conflict)
		return r->conflict == i + 1;
	if (!r->line)
		return true;
	for (size_t k = 0; k < f->p->n_hunks; k++)
		if (r->line >= f->climbs[k].first && r->line <= f->climbs[k].last)
			return k == i;
	return true;
}

static bool at_fault(const struct file *f, size_t i)
{
	for (size_t k = 0; k < f->p->proof.n_reasons; k++)
		if (concerns(f, &f->p->proof.reasons[k], i))
			return true;
	return f->p->proof.n_refused > FF_PROOF_REASONS_MAX;
}

/* Somebody is at fault, or all are: what is refused must not be tried once more as it is. */
static bool any_at_fault(const struct file *f)
{
	for (size_t i = 0; i < f->p->n_hunks; i++)
		if (at_fault(f, i))
			return true;
	return false;
}

/* Its answer is taken back; whether it can climb on is seen then. */
static void take_back(struct file *f, size_t i)
{
	struct ff_resolved_hunk *h = &f->p->hunks[i];
	struct ff_resolved_try *t = &h->tries[h->n_tries - 1];

	t->outcome = FF_TRY_REFUSED;
	t->objections = ff_resolve_objections(&f->p->proof, (uint32_t)i + 1);
	h->rung = FF_RUNG_NONE;
	h->rule = NULL;
	ff_free(&h->answer);
}

static int solve_hunks(struct file *f, struct ff_err *err)
{
	for (;;) {
		bool named;

		if (climb_all(f, err) < 0)
			return -1;
		if (f->p->n_solved < f->p->n_hunks || !f->p->n_hunks)
			return 0;
		build(f);
		if (f->out.overflow)
			return 0;
		if (prove_file(f, err) < 0)
			return -1;
		if (f->p->solved)
			return 0;
		named = any_at_fault(f);
		for (size_t i = 0; i < f->p->n_hunks; i++)
			if (!named || at_fault(f, i))
				take_back(f, i);
	}
}

static int solve_text(struct file *f, struct ff_err *err)
{
	const struct ff_merge_text merge = { .base = &f->text[0], .target = &f->text[1], .change = &f->text[2] };
	int rc = read_texts(f, err);

	if (rc <= 0)
		return rc;
	if (ff_lines_find_conflicts(&merge, f->what->proof.myers, f->what->proof.myers_arg, &f->found, err) < 0 ||
	    open_all(f, err) < 0)
		return -1;
	return f->conflict->merged.mode ? solve_hunks(f, err) : 0;
}

/* Deleted by one side and only spaced differently by the other: it is gone. */
static int solve_deleted(struct file *f, struct ff_err *err)
{
	const struct ff_merge_conflict *c = f->conflict;
	const struct ff_merge_version *left = c->target.mode ? &c->target : &c->change;
	int side = c->target.mode ? 1 : 2, rc;

	if (!(f->what->rungs & FF_RUNG_BIT(FF_RUNG_TRIVIAL)) || left->mode != c->base.mode ||
	    (left->mode & 0170000u) != 0100000u)
		return 0;
	rc = read_texts(f, err);
	if (rc <= 0)
		return rc;
	f->p->solved = ff_words_like((const char *)f->text[0].data, f->text[0].len, (const char *)f->text[side].data,
				      f->text[side].len);
	return 0;
}

int ff_resolve_file(const struct ff_resolve *what, const struct ff_merge_conflict *c, struct ff_resolved_path *p,
		    struct ff_err *err)
{
	FF_AUTO(file_fini) struct file f = { .what = what, .conflict = c, .p = p };

	ff_buf_init(&f.out, RESULT_MAX);
	if (c->kind == FF_MERGE_CONTENT || c->kind == FF_MERGE_ADD_ADD)
		return solve_text(&f, err);
	return c->kind == FF_MERGE_MODIFY_DELETE ? solve_deleted(&f, err) : 0;
}
