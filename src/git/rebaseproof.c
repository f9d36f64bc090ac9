/* SPDX-License-Identifier: MIT */
/* See rebaseproof.h: which commits there were, and which there are now. */
#include "git/rebaseproof.h"

#include <string.h>

#include "git/lib.h"
#include "git/mergetree.h"
#include "git/pick.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "merge/seriesproof.h"

struct check {
	struct ff_git *git;
	const struct ff_rebase_proof *proof;
	struct ff_merge_source source;
	struct ff_picked picked;
	struct ff_series series;
	struct ff_merge_id *results;
	size_t n;
};

static void check_fini(struct check *c)
{
	ff_picked_fini(&c->picked);
	ff_free(&c->results);
}

static int merge(void *arg, const struct ff_merge_id *base, const struct ff_merge_id *target, const struct ff_merge_id *change,
		 const struct ff_merge_id *commit, struct ff_merge_result *ret, struct ff_err *err)
{
	struct check *c = arg;
	struct ff_merge m = { .base = *base, .target = *target, .change = *change, .attributes = *target };
	FF_AUTO(ff_free) char *why = NULL;

	(void)commit;
	if (c->proof->what->limits)
		m.limits = *c->proof->what->limits;
	return ff_git_merge_trees(c->git, &m, c->proof->what->handover, ret, &why, err);
}

/* From the tip down to where they begin, then the other way round. One more than there were is enough to know. */
static int list_results(struct check *c, const struct ff_merge_id *onto, size_t most, struct ff_err *err)
{
	struct ff_merge_id at;

	if (ff_git_source_id(c->proof->result, &at, err) < 0)
		return -1;
	c->results = ff_calloc(most + 2, sizeof *c->results);
	while (!ff_merge_id_equal(&at, onto) && c->n <= most) {
		struct ff_merge_bytes bytes;
		struct ff_series_commit commit;
		int rc;

		c->results[c->n++] = at;
		if (ff_git_source_read_commit(c->git, &at, &bytes, err) < 0)
			return -1;
		rc = ff_series_parse(&bytes, c->source.id_len, &commit, err);
		at = commit.parent;
		c->source.release(c->source.arg, &bytes);
		if (rc < 0)
			return -1;
	}
	for (size_t i = 0; i < c->n / 2; i++) {
		struct ff_merge_id other = c->results[i];

		c->results[i] = c->results[c->n - 1 - i];
		c->results[c->n - 1 - i] = other;
	}
	return 0;
}

int ff_rebase_prove(struct ff_git *git, const struct ff_rebase_proof *proof, struct ff_proof_result *ret, struct ff_err *err)
{
	const struct ff_rebase *w = proof->what;
	const struct ff_rebase_stop *from = proof->from;
	FF_AUTO(check_fini) struct check c = { .git = git, .proof = proof };
	const struct ff_pick pick = {
		.upstream = from ? from->upstream : w->upstream ? w->upstream : w->onto, .tip = from ? from->tip : w->tip,
		.max_commits = w->max_commits, .max_upstream = w->max_upstream,
	};
	size_t done = from ? from->done : 0;
	struct ff_series_proof what;

	ff_git_source(git, &c.source);
	what = (struct ff_series_proof){
		.series = &c.series, .given = proof->given,
		.proof = { .source = &c.source, .myers = ff_git_myers, .bounds = proof->bounds },
	};
	if (w->limits)
		what.proof.limits = *w->limits;
	if (ff_pick(git, &pick, &c.picked, err) < 0 || ff_git_source_id(from ? from->applied : w->onto, &what.onto, err) < 0)
		return -1;
	if (done > c.picked.n)
		return ff_err_set(err, FF_E_CONFLICT, "the series is another one by now: begin it again");
	c.series = (struct ff_series){
		.source = &c.source, .read_commit = ff_git_source_read_commit, .merge = merge, .merge_arg = &c,
		.commits = c.picked.commits + done, .n = c.picked.n - done,
	};
	if (list_results(&c, &what.onto, c.series.n, err) < 0)
		return -1;
	what.results = c.results;
	what.n_results = c.n;
	return ff_series_prove(&what, ret, err);
}
