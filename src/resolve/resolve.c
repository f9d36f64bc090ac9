/* SPDX-License-Identifier: MIT */
/* See resolve.h: the paths of a merge, their conflicts, and the proof behind it. */
#include "resolve/resolve.h"

#include <string.h>

#include "base/text.h"
#include "resolve/region.h"

#define RESULT_MAX ((size_t)1 << 30)
#define TEXT_MAX ((uint64_t)64 << 20)

struct file {
	const struct ff_resolve *what;
	const struct ff_merge_conflict *conflict;
	struct ff_merge_bytes text[3];
	struct ff_lines_conflicts found;
	struct ff_buf out;
};

static void file_fini(struct file *f)
{
	const struct ff_merge_source *s = f->what->proof.source;

	ff_lines_conflicts_fini(&f->found);
	for (int i = 0; i < 3; i++)
		if (f->text[i].hold)
			s->release(s->arg, &f->text[i]);
	ff_buf_fini(&f->out);
}

const char *ff_rung_name(enum ff_rung rung)
{
	switch (rung) {
	case FF_RUNG_NONE: return "none";
	case FF_RUNG_TRIVIAL: return "trivial";
	case FF_RUNG_STRUCTURED: return "structured";
	}
	return "none";
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

/* Rule by rule; the result is appended by the first that knows. */
static bool climb(const struct ff_resolve *what, struct ff_region *region, struct ff_buf *out, struct ff_resolved_hunk *hunk)
{
	static const struct {
		enum ff_rung rung;
		const struct ff_region_rule *rules;
	} rungs[] = { { FF_RUNG_TRIVIAL, ff_trivial_rules }, { FF_RUNG_STRUCTURED, ff_structured_rules } };
	size_t len = out->len;

	for (size_t i = 0; i < FF_ARRAY_LEN(rungs); i++) {
		if (!(what->rungs & FF_RUNG_BIT(rungs[i].rung)))
			continue;
		for (const struct ff_region_rule *r = rungs[i].rules; r->fn; r++) {
			if (r->fn(region, out)) {
				hunk->rung = rungs[i].rung;
				hunk->rule = r->word;
				return true;
			}
			out->len = len;
			out->data[len] = '\0';
		}
	}
	return false;
}

/* Lines behind a last one without its end would be glued to it. */
static bool ends_well(const struct file *f, size_t i)
{
	size_t at = f->out.len;

	return f->found.regions[i].settled_end == f->found.settled_len || !at || f->out.data[at - 1] == '\n';
}

static int solve_hunks(struct file *f, struct ff_resolved_path *p, struct ff_err *err)
{
	size_t at = 0;

	p->n_hunks = f->found.n_regions;
	p->hunks = ff_calloc(p->n_hunks + 1, sizeof *p->hunks);
	for (size_t i = 0; i < p->n_hunks; i++) {
		FF_AUTO(ff_region_fini) struct ff_region region = { .path = p->path };
		const struct ff_lines_region *r = &f->found.regions[i];

		if (ff_region_open(&f->what->proof, &f->found, i, &region, err) < 0)
			return -1;
		region.union_wanted = listed(f->what, p->path);
		p->hunks[i].line = r->at[1] + 1;
		(void)ff_buf_add(&f->out, f->found.settled + at, r->settled_at - at);
		at = r->settled_end;
		if (climb(f->what, &region, &f->out, &p->hunks[i]) && ends_well(f, i))
			p->n_solved++;
		else
			p->hunks[i].rung = FF_RUNG_NONE;
	}
	(void)ff_buf_add(&f->out, f->found.settled + at, f->found.settled_len - at);
	return 0;
}

static int prove_file(struct file *f, struct ff_resolved_path *p, struct ff_err *err)
{
	const struct ff_merge_bytes result = { (const unsigned char *)f->out.data, f->out.len, NULL };
	const struct ff_proof_text text = { p->path, &f->text[0], &f->text[1], &f->text[2], &result };
	const struct ff_merge_source *s = f->what->proof.source;
	FF_AUTO(ff_proof_fini) struct ff_proof_result proof = { 0 };

	if (ff_proof_texts(&f->what->proof, &text, &proof, err) < 0)
		return -1;
	p->refused = !proof.proved;
	p->solved = proof.proved;
	p->mode = f->conflict->merged.mode;
	return p->solved ? s->write_blob(s->arg, f->out.data, f->out.len, &p->id, err) : 0;
}

static int solve_text(struct file *f, struct ff_resolved_path *p, struct ff_err *err)
{
	const struct ff_merge_text merge = { .base = &f->text[0], .target = &f->text[1], .change = &f->text[2] };
	int rc = read_texts(f, err);

	if (rc <= 0)
		return rc;
	if (ff_lines_find_conflicts(&merge, f->what->proof.myers, f->what->proof.myers_arg, &f->found, err) < 0 ||
	    solve_hunks(f, p, err) < 0)
		return -1;
	if (p->n_solved < p->n_hunks || !p->n_hunks || f->out.overflow || !f->conflict->merged.mode)
		return 0;
	return prove_file(f, p, err);
}

/* Deleted by one side and only spaced differently by the other: it is gone. */
static int solve_deleted(struct file *f, struct ff_resolved_path *p, struct ff_err *err)
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
	p->solved = ff_region_like((const char *)f->text[0].data, f->text[0].len, (const char *)f->text[side].data,
				   f->text[side].len);
	return 0;
}

static int solve_path(const struct ff_resolve *what, const struct ff_merge_conflict *c, struct ff_resolved_path *p,
		      struct ff_err *err)
{
	FF_AUTO(file_fini) struct file f = { .what = what, .conflict = c };

	ff_buf_init(&f.out, RESULT_MAX);
	if (c->kind == FF_MERGE_CONTENT || c->kind == FF_MERGE_ADD_ADD)
		return solve_text(&f, p, err);
	return c->kind == FF_MERGE_MODIFY_DELETE ? solve_deleted(&f, p, err) : 0;
}

/* --- all of it */

/* A path with several conflicts at once is more than a rule knows. */
static bool single(const struct ff_merge_result *m, size_t i)
{
	return (!i || strcmp(m->conflicts[i - 1].path, m->conflicts[i].path) != 0) &&
	       (i + 1 == m->n_conflicts || strcmp(m->conflicts[i + 1].path, m->conflicts[i].path) != 0);
}

static int make_tree(const struct ff_resolve *what, struct ff_resolved *out, struct ff_err *err)
{
	struct ff_merge_id tree = what->proof.merge->tree;
	struct ff_proof proof = what->proof;

	for (size_t i = 0; i < out->n_paths; i++) {
		const struct ff_resolved_path *p = &out->paths[i];

		if (ff_merge_put(proof.source, &tree, p->path, p->mode, &p->id, &tree, err) < 0)
			return -1;
	}
	proof.result = tree;
	if (ff_proof_tree(&proof, &out->proof, err) < 0)
		return -1;
	out->solved = out->proof.proved;
	if (out->solved)
		out->tree = tree;
	return 0;
}

int ff_resolve(const struct ff_resolve *what, struct ff_resolved *ret, struct ff_err *err)
{
	const struct ff_merge_result *m = what->proof.merge;
	FF_AUTO(ff_resolved_fini) struct ff_resolved out = { 0 };

	out.paths = ff_calloc(m->n_conflicts + 1, sizeof *out.paths);
	for (size_t i = 0; i < m->n_conflicts; i++) {
		struct ff_resolved_path *p = &out.paths[out.n_paths++];

		p->path = m->conflicts[i].path;
		p->kind = m->conflicts[i].kind;
		if (single(m, i) && solve_path(what, &m->conflicts[i], p, err) < 0)
			return -1;
		out.n_solved += p->solved;
	}
	if (out.n_paths && out.n_solved == out.n_paths && !ff_merge_id_absent(&m->tree) && make_tree(what, &out, err) < 0)
		return -1;
	*ret = out;
	out = (struct ff_resolved){ 0 };
	return 0;
}

void ff_resolved_fini(struct ff_resolved *r)
{
	for (size_t i = 0; i < r->n_paths; i++)
		ff_free(&r->paths[i].hunks);
	ff_free(&r->paths);
	ff_proof_fini(&r->proof);
	*r = (struct ff_resolved){ 0 };
}
