/* SPDX-License-Identifier: MIT */
/* See rebase.h: which commits (pick.c), what each becomes (src/merge), and what is told about it. */
#include "git/rebase.h"

#include <string.h>

#include "git/lib.h"
#include "git/mergetree.h"
#include "git/pick.h"
#include "git/source.h"
#include "merge/series.h"

struct run {
	struct ff_git *git;
	const struct ff_rebase *what;
	struct ff_merge_source source;
	struct ff_picked picked;
	struct ff_series series;
	struct ff_series_state state;
	struct ff_buf committer;
	struct ff_rebase_result out;
};

void ff_rebase_result_fini(struct ff_rebase_result *result)
{
	ff_free(&result->at_subject);
	ff_free(&result->why_hard);
	if (result->merge)
		ff_merge_result_fini(result->merge);
	ff_free(&result->merge);
}

static void run_fini(struct run *r)
{
	ff_picked_fini(&r->picked);
	ff_buf_fini(&r->committer);
	ff_rebase_result_fini(&r->out);
}

/* --- what the series asks for */

static int merge(void *arg, const struct ff_merge_id *base, const struct ff_merge_id *target,
		 const struct ff_merge_id *change, const struct ff_merge_id *commit, struct ff_merge_result *ret,
		 struct ff_err *err)
{
	struct run *r = arg;
	struct ff_merge m = { .base = *base, .target = *target, .change = *change, .attributes = *target };

	(void)commit;
	if (r->what->limits)
		m.limits = *r->what->limits;
	ff_free(&r->out.why_hard);
	return ff_git_merge_trees(r->git, &m, r->what->handover, ret, &r->out.why_hard, err);
}

static int check_commits(struct ff_git *git, const struct ff_rebase *what, struct ff_err *err)
{
	const char *const all[] = { what->onto, what->tip, what->upstream };

	for (size_t i = 0; i < FF_ARRAY_LEN(all); i++) {
		FF_AUTO(git_commit_auto) git_commit *c = NULL;

		if (all[i] && ff_git_lib_commit(git, all[i], &c, err) < 0)
			return -1;
	}
	return 0;
}

static int set_up(struct run *r, const char *upstream, struct ff_err *err)
{
	const struct ff_rebase *w = r->what;
	const struct ff_pick pick = { .upstream = upstream, .tip = w->tip, .max_commits = w->max_commits,
				      .max_upstream = w->max_upstream };

	if (ff_git_lib_person_line(&r->committer, &w->committer, err) < 0 || check_commits(r->git, w, err) < 0 ||
	    ff_pick(r->git, &pick, &r->picked, err) < 0)
		return -1;
	ff_git_source(r->git, &r->source);
	r->series = (struct ff_series){
		.source = &r->source, .read_commit = ff_git_source_read_commit,
		.write_commit = ff_git_source_write_commit, .merge = merge, .merge_arg = r,
		.committer = r->committer.data, .commits = r->picked.commits, .n = r->picked.n,
		.progress = w->progress, .progress_arg = w->arg,
	};
	r->out.total = r->picked.n;
	r->out.merges = r->picked.merges;
	r->out.upstream = r->picked.upstream;
	return 0;
}

/* --- what is told */

static void tell_stop(struct run *r, const char *onto, const char *upstream)
{
	struct ff_rebase_stop *s = &r->out.stop;

	memcpy(s->onto, onto, strlen(onto) + 1);
	memcpy(s->upstream, upstream, strlen(upstream) + 1);
	memcpy(s->tip, r->what->tip, strlen(r->what->tip) + 1);
	ff_git_source_hex(&r->picked.commits[r->state.done], s->at);
	ff_git_source_hex(&r->state.tip, s->applied);
	s->done = r->state.done;
	s->n_applied = r->state.applied;
	s->n_dropped = r->state.dropped;
	if (!ff_merge_id_absent(&r->out.merge->tree))
		ff_git_source_hex(&r->out.merge->tree, r->out.partial);
}

static int tell_subject(struct run *r, struct ff_err *err)
{
	struct ff_merge_bytes bytes;
	struct ff_series_commit c;
	int rc;

	if (ff_git_source_read_commit(r->git, &r->picked.commits[r->state.done], &bytes, err) < 0)
		return -1;
	rc = ff_series_parse(&bytes, r->source.id_len, &c, err);
	if (rc == 0)
		r->out.at_subject = ff_series_subject(&c);
	r->source.release(r->source.arg, &bytes);
	return rc;
}

/* From the state that is set; *ret is set when it returns 0. */
static int go(struct run *r, const char *onto, const char *upstream, struct ff_rebase_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result conflict = { 0 };
	int rc = ff_series_run(&r->series, &r->state, &conflict, err);

	if (rc < 0)
		return -1;
	r->out.applied = r->state.applied;
	r->out.dropped = r->state.dropped;
	ff_git_source_hex(&r->state.tip, r->out.tip);
	ff_git_source_hex(&r->state.tree, r->out.tree);
	if (rc > 0) {
		r->out.conflict = true;
		r->out.merge = ff_calloc(1, sizeof *r->out.merge);
		*r->out.merge = conflict;
		conflict = (struct ff_merge_result){ 0 };
		tell_stop(r, onto, upstream);
		if (tell_subject(r, err) < 0)
			return -1;
	}
	*ret = r->out;
	r->out = (struct ff_rebase_result){ 0 };
	return 0;
}

/* --- the calls */

/* Tip is the result. */
static int leave_alone(struct run *r, struct ff_rebase_result *ret, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *tree = NULL;

	if (ff_git_lib_tree_of(r->git, r->what->tip, &tree, err) < 0)
		return -1;
	*ret = (struct ff_rebase_result){ .unchanged = true };
	memcpy(ret->tip, r->what->tip, strlen(r->what->tip) + 1);
	git_oid_tostr(ret->tree, FF_GIT_OID, git_tree_id(tree));
	return 0;
}

int ff_rebase(struct ff_git *git, const struct ff_rebase *what, struct ff_rebase_result *ret_result,
	      struct ff_err *err)
{
	FF_AUTO(run_fini) struct run r = { .git = git, .what = what };
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result out = { 0 };
	const char *upstream = what->upstream ? what->upstream : what->onto;
	struct ff_merge_id onto;
	bool there;

	ff_buf_init(&r.committer, 8192);
	if (set_up(&r, upstream, err) < 0 || ff_git_source_id(what->onto, &onto, err) < 0)
		return -1;
	there = r.picked.contained && !strcmp(upstream, what->onto);
	if (there && (!r.picked.merges || what->refuse_merges))
		return leave_alone(&r, ret_result, err);
	if (r.picked.merges && what->refuse_merges)
		return ff_err_set(err, FF_E_INVALID, "the series has %zu merge commits, which rebase.merges refuses: "
				  "push a branch without them", r.picked.merges);
	if (ff_series_begin(&r.series, &onto, &r.state, err) < 0 || go(&r, what->onto, upstream, &out, err) < 0)
		return -1;
	if (there && out.conflict)
		return leave_alone(&r, ret_result, err);
	*ret_result = out;
	out = (struct ff_rebase_result){ 0 };
	return 0;
}

static int resume(struct run *r, const struct ff_rebase_stop *stop, const char *tree, struct ff_err *err)
{
	struct ff_merge_id tip, at, result;

	if (ff_git_source_id(stop->applied, &tip, err) < 0 || ff_git_source_id(stop->at, &at, err) < 0 ||
	    (tree && ff_git_source_id(tree, &result, err) < 0))
		return -1;
	if (stop->done >= r->picked.n || !ff_merge_id_equal(&at, &r->picked.commits[stop->done]))
		return ff_err_set(err, FF_E_CONFLICT, "commit %.12s is not where the rebase stopped: begin it again", stop->at);
	if (ff_series_begin(&r->series, &tip, &r->state, err) < 0)
		return -1;
	r->state.done = stop->done;
	r->state.applied = stop->n_applied;
	r->state.dropped = stop->n_dropped;
	return tree ? ff_series_resolve(&r->series, &r->state, &result, err) : 0;
}

int ff_rebase_continue(struct ff_git *git, const struct ff_rebase *what, const struct ff_rebase_stop *stop,
		       const char *tree, struct ff_rebase_result *ret_result, struct ff_err *err)
{
	struct ff_rebase asked = *what;
	FF_AUTO(run_fini) struct run r = { .git = git, .what = &asked };

	asked.onto = stop->onto;
	asked.tip = stop->tip;
	asked.upstream = stop->upstream;
	ff_buf_init(&r.committer, 8192);
	if (set_up(&r, stop->upstream, err) < 0 || resume(&r, stop, tree, err) < 0)
		return -1;
	return go(&r, stop->onto, stop->upstream, ret_result, err);
}
