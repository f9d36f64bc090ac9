/* SPDX-License-Identifier: MIT */
/* See drift.h. */
#include "daemon/worker/drift.h"

#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "engine/engine.h"
#include "git/pack.h"
#include "git/rebase.h"

static char **paths_of(const struct ff_merge_result *m)
{
	char **paths = ff_calloc(m->n_conflicts + 1, sizeof *paths);
	size_t n = 0;

	for (size_t i = 0; i < m->n_conflicts; i++) /* one path may have several */
		if (!n || strcmp(paths[n - 1], m->conflicts[i].path) != 0)
			paths[n++] = ff_strdup(m->conflicts[i].path);
	return paths;
}

/* What is left of the commits on the target. */
static int rebase(struct ff_git *git, const struct ff_engine *engine, const char *onto, const char *tip,
		  struct ff_rebase_result *ret, struct ff_err *err)
{
	struct ff_rebase what = {
		.onto = onto, .tip = tip,
		.committer = { .name = FF_NAME, .email = FF_NAME, .time_s = ff_clock_wall() / 1000 },
	};
	int rc;

	ff_engine_rebase(engine, &what);
	ff_git_pack_begin(git, false, engine->max_memory);
	rc = ff_rebase(git, &what, ret, err);
	ff_git_pack_drop(git);
	return rc;
}

static int try_commits(struct ff_git *git, const struct ff_engine *engine, const struct ff_drift_ask *ask,
		       struct ff_drift_answer *a, struct ff_err *err)
{
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result r = { .total = 0 };
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info tip = { .n_parents = 0 };
	int merged;

	if (ff_git_commit_info(git, ask->tip, &tip, err) < 0)
		return -1;
	merged = ff_git_is_ancestor(git, ask->tip, a->target, err);
	if (merged < 0)
		return -1;
	if (!merged && rebase(git, engine, a->target, ask->tip, &r, err) < 0)
		return -1;
	a->state = "applies";
	if (r.conflict) {
		a->state = "conflict";
		a->paths = paths_of(r.merge);
	} else if (ask->branch && (merged || (!r.unchanged && !r.applied))) {
		a->state = "merged"; /* as it is, or its patches under other names */
	}
	return 0;
}

int ff_drift_try(struct ff_git *git, const struct ff_engine *engine, const struct ff_drift_ask *ask,
		 struct ff_drift_answer *ret, struct ff_err *err)
{
	struct ff_drift_answer a = { .state = "gone" };
	char seen[FF_GIT_OID];
	struct ff_err why = { 0 };

	if (ff_git_ref_commit(git, ask->target, a.target, err) < 0)
		return -1;
	if (!ask->branch || ff_git_ref_commit(git, ask->branch, seen, &why) == 0) {
		if (try_commits(git, engine, ask, &a, err) < 0)
			return -1;
	} else if (why.code != FF_E_NOT_FOUND) {
		return ff_err_set(err, why.code, "%s", why.text);
	}
	*ret = a;
	return 0;
}

void ff_drift_answer_fini(struct ff_drift_answer *a)
{
	ff_git_paths_free(&a->paths);
}
