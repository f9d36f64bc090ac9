/* SPDX-License-Identifier: MIT */
/* See resolve.h: the paths of a merge, and the proof of all of them together. file.c has one of them. */
#include "resolve/part.h"

#include <string.h>

#include "base/num.h"
#include "base/text.h"

const char *ff_try_name(enum ff_try outcome)
{
	switch (outcome) {
	case FF_TRY_PASSED: return "passed";
	case FF_TRY_SOLVED: return "solved";
	case FF_TRY_REFUSED: return "refused";
	case FF_TRY_FAILED: return "failed";
	}
	return "passed";
}

int ff_rungs_read(const char *text, unsigned *ret_rungs, struct ff_err *err)
{
	if (ff_num_digits(text, FF_RUNG_LAST, ret_rungs) == 0)
		return 0;
	return ff_err_set(err, FF_E_INVALID, "'%.40s' are no rungs: write numbers from 1 to %d, like 1-3 or 1,3, or none", text,
			  FF_RUNG_LAST);
}

char *ff_resolve_objections(const struct ff_proof_result *proof, uint32_t conflict)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, FF_OBJECTIONS_MAX);
	for (size_t i = 0; i < proof->n_reasons; i++) {
		const struct ff_proof_reason *r = &proof->reasons[i];
		FF_AUTO(ff_free) char *text = r->text ? ff_text_shown(r->text, FF_OBJECTION_COLUMNS) : NULL;

		if (r->allowed || (conflict && r->conflict && r->conflict != conflict))
			continue;
		if (ff_buf_addf(&b, "%s%s%s%s\n", ff_proof_rule_text(r->rule), r->removal ? ", that this line goes" : "",
				text ? ": " : "", text ? text : "") < 0)
			break; /* the first ones say enough */
	}
	return ff_buf_take(&b);
}

/* --- all of it */

/* A path with several conflicts at once is more than a rule knows. */
static bool single(const struct ff_merge_result *m, size_t i)
{
	return (!i || strcmp(m->conflicts[i - 1].path, m->conflicts[i].path) != 0) &&
	       (i + 1 == m->n_conflicts || strcmp(m->conflicts[i + 1].path, m->conflicts[i].path) != 0);
}

/* The merge with every path that is solved as it is solved. */
static int put_solved(const struct ff_resolve *what, struct ff_resolved *out, struct ff_err *err)
{
	struct ff_merge_id tree = what->proof.merge->tree;

	for (size_t i = 0; i < out->n_paths; i++) {
		const struct ff_resolved_path *p = &out->paths[i];

		if (p->solved && ff_merge_put(what->proof.source, &tree, p->path, p->mode, &p->id, &tree, err) < 0)
			return -1;
	}
	out->partial = tree;
	return 0;
}

/* What each path proves by itself may still be too much or too little of all of them. */
static int prove_all(const struct ff_resolve *what, struct ff_resolved *out, struct ff_err *err)
{
	struct ff_proof proof = what->proof;

	proof.result = out->partial;
	if (ff_proof_tree(&proof, &out->proof, err) < 0)
		return -1;
	out->solved = out->proof.proved;
	if (out->solved)
		out->tree = out->partial;
	else
		out->partial = what->proof.merge->tree; /* none of them is known to be right */
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
		if (single(m, i) && ff_resolve_file(what, &m->conflicts[i], p, err) < 0)
			return -1;
		out.n_solved += p->solved;
	}
	if (!ff_merge_id_absent(&m->tree) &&
	    (put_solved(what, &out, err) < 0 || (out.n_paths && out.n_solved == out.n_paths && prove_all(what, &out, err) < 0)))
		return -1;
	*ret = out;
	out = (struct ff_resolved){ 0 };
	return 0;
}

static void hunk_fini(struct ff_resolved_hunk *h)
{
	for (size_t i = 0; i < h->n_tries; i++) {
		ff_free(&h->tries[i].how);
		ff_free(&h->tries[i].text);
		ff_free(&h->tries[i].objections);
	}
	ff_free(&h->tries);
	ff_free(&h->answer);
}

void ff_resolved_fini(struct ff_resolved *r)
{
	for (size_t i = 0; i < r->n_paths; i++) {
		for (size_t h = 0; h < r->paths[i].n_hunks; h++)
			hunk_fini(&r->paths[i].hunks[h]);
		ff_free(&r->paths[i].hunks);
		ff_proof_fini(&r->paths[i].proof);
	}
	ff_free(&r->paths);
	ff_proof_fini(&r->proof);
	*r = (struct ff_resolved){ 0 };
}
