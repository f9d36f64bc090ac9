/* SPDX-License-Identifier: MIT */
/*
 * The step "rebase": the result onto the target as it is now.  When that is a
 * conflict, the job ends as conflicted, with everything kept that is needed to
 * go on; when it goes on, what somebody pushed to the branch of the conflict
 * is the answer for the commit that did not apply, and the rest follows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/worker/conflict.h"
#include "daemon/worker/gate.h"
#include "daemon/worker/ladder.h"
#include "daemon/worker/run.h"
#include "engine/engine.h"
#include "git/pack.h"
#include "git/rebase.h"
#include "merge/merge.h"

/* A series that takes longer is heard of this often. */
#define PROGRESS_MS 1000

struct work {
	struct ff_run *run;
	struct ff_engine engine;
	struct ff_ladder ladder;
	const char *commit;      /* what the job made, before any rebase */
	char base[FF_GIT_OID];   /* the target that was used */
	char conflict[FF_GIT_OID], stop[FF_GIT_OID]; /* commits, after a conflict */
	struct ff_conflict found;
	struct ff_rebase_result r;
	char last_tip[FF_GIT_OID]; /* how it was rebased last: of what, "": from the stop */
	char gated[FF_GIT_OID];  /* the tip that the gate let through */
	bool answered;           /* somebody has had a part in what comes out */
	int again;               /* how often it was rebased again */
	int64_t said_ms;         /* when the last progress was told */
};

static void work_fini(struct work *w)
{
	ff_ladder_fini(&w->ladder);
	ff_engine_fini(&w->engine);
	ff_conflict_fini(&w->found);
	ff_rebase_result_fini(&w->r);
}

static int target_tip(struct ff_run *run, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf(FF_HEADS "%s", run->task.target);

	if (ff_git_ref_commit(run->git, ref, ret_oid, err) == 0)
		return 0;
	return ff_err_wrap(err, "target branch %s", run->task.target);
}

static int progress(void *arg, size_t done, size_t total)
{
	struct work *w = arg;
	int64_t now = ff_clock_mono();

	if (!w->said_ms)
		w->said_ms = now;
	if (now - w->said_ms >= PROGRESS_MS) {
		FF_AUTO(ff_free) char *text = ff_asprintf("rebase: %zu of %zu commits", done, total);

		w->said_ms = now;
		ff_report_event(w->run, FF_EVENT_JOB_PROGRESS, &(struct ff_report){ .text = text });
	}
	return ff_report_stopped(w->run, NULL); /* core wants this attempt to end */
}

/* --- rebasing */

static void set_up(struct work *w, const char *tip, struct ff_rebase *ret)
{
	*ret = (struct ff_rebase){
		.onto = w->base, .tip = tip, .committer = ff_run_person(w->run), .progress = progress, .arg = w,
	};
	ff_engine_rebase(&w->engine, ret);
}

/* From where it stopped, or the commits of tip onto w->base. */
static int call(struct work *w, const struct ff_rebase *what, const struct ff_rebase_stop *stop, struct ff_rebase_result *ret,
		struct ff_err *err)
{
	char tree[FF_GIT_OID];
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info answer = { 0 };

	if (!stop)
		return ff_rebase(w->run->git, what, ret, err);
	if (w->found.answer != FF_ANSWER_GIVEN)
		return ff_rebase_continue(w->run->git, what, stop, NULL, ret, err);
	if (ff_git_commit_info(w->run->git, w->found.tip, &answer, err) < 0)
		return -1;
	memcpy(tree, answer.tree, sizeof tree);
	return ff_rebase_continue(w->run->git, what, stop, tree, ret, err);
}

/* Past every conflict that the ladder solves. */
static int climb(struct work *w, const struct ff_rebase *what, struct ff_rebase_result *r, struct ff_err *err)
{
	char tree[FF_GIT_OID];
	int rc = 0;

	while (r->conflict && (rc = ff_ladder_climb(&w->ladder, r, tree, err)) > 0) {
		FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result next = { 0 };
		const struct ff_rebase_stop stop = r->stop;

		if (ff_rebase_continue(w->run->git, what, &stop, tree, &next, err) < 0)
			return -1;
		ff_rebase_result_fini(r);
		*r = next;
		next = (struct ff_rebase_result){ 0 };
	}
	return rc < 0 ? -1 : 0;
}

/* What is refused as a whole is as if no rung had been there: the first conflict is shown. */
static int call_and_climb(struct work *w, const char *tip, const struct ff_rebase_stop *stop, struct ff_rebase_result *ret,
			  struct ff_err *err)
{
	bool given = stop && w->found.answer == FF_ANSWER_GIVEN;
	struct ff_rebase what;
	int rc;

	set_up(w, tip, &what);
	ff_ladder_begin(&w->ladder);
	if (call(w, &what, stop, ret, err) < 0 || climb(w, &what, ret, err) < 0)
		return -1;
	rc = ret->conflict ? 1 : ff_ladder_prove(&w->ladder, &what, stop, given, ret, err);
	if (rc)
		return rc < 0 ? -1 : 0;
	ff_rebase_result_fini(ret);
	*ret = (struct ff_rebase_result){ 0 };
	return call(w, &what, stop, ret, err);
}

/* The same with its new objects in one pack, and those of the conflict if it ends in one. */
static int rebase(struct work *w, const char *tip, const struct ff_rebase_stop *stop, struct ff_err *err)
{
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result r = { 0 };
	struct ff_git *git = w->run->git;

	(void)snprintf(w->last_tip, sizeof w->last_tip, "%s", stop ? "" : tip);
	ff_git_pack_begin(git, true, w->engine.max_memory);
	if (call_and_climb(w, tip, stop, &r, err) < 0 ||
	    (r.conflict && ff_conflict_write(w->run, &r, w->answered, w->ladder.tried.data, w->conflict, w->stop, err) < 0) ||
	    ff_git_pack_commit(git, NULL, err) < 0) {
		ff_git_pack_drop(git);
		return -1;
	}
	ff_rebase_result_fini(&w->r);
	w->r = r;
	r = (struct ff_rebase_result){ 0 };
	return 0;
}

/*
 * Until the target stands still. Each time from the commits as the job made
 * them, unless a person has had a part in what came out: then from that.
 */
static int follow_target(struct work *w, struct ff_err *err)
{
	int64_t most = ff_conf_int(w->run->conf, FF_CONF_REBASE_TARGET_TRIES);
	char now[FF_GIT_OID], tip[FF_GIT_OID];

	while (!w->r.conflict) {
		if (target_tip(w->run, now, err) < 0)
			return -1;
		if (!strcmp(now, w->base))
			return 0;
		if (w->again >= most) {
			w->again = (int)most + 1;
			return 0;
		}
		w->again++;
		ff_report_logf(w->run, "%s moved to %.12s meanwhile: rebased again", w->run->task.target, now);
		memcpy(w->base, now, sizeof now);
		memcpy(tip, w->answered ? w->r.tip : w->commit, w->answered ? sizeof w->r.tip : strlen(w->commit) + 1);
		if (rebase(w, tip, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* --- the gate, where the ladder had a part in what came out */

static int rebase_again(struct work *w, struct ff_err *err)
{
	char tip[FF_GIT_OID];

	memcpy(tip, w->last_tip, sizeof tip);
	return rebase(w, *tip ? tip : NULL, *tip ? NULL : &w->found.stop, err);
}

/* Until it is let through on a target that stands still, or there is a conflict to show. */
static int pass_gate(struct work *w, struct ff_err *err)
{
	for (;;) {
		FF_AUTO(ff_free) char *command = NULL;
		FF_AUTO(ff_free) char *output = NULL;
		bool green = false;

		if (follow_target(w, err) < 0)
			return -1;
		if (w->r.conflict || !w->ladder.solved || !strcmp(w->gated, w->r.tip))
			return 0;
		if (ff_gate_command(w->run, w->base, &command, err) < 0)
			return -1;
		if (!command)
			return 0;
		ff_report_logf(w->run, "the gate looks at %.12s", w->r.tip);
		if (ff_gate_run(w->run, command, w->r.tip, &green, &output, err) < 0 || ff_report_stopped(w->run, err) < 0)
			return -1;
		if (green) {
			ff_report_logf(w->run, "the gate let it through");
			memcpy(w->gated, w->r.tip, sizeof w->gated);
			continue;
		}
		ff_ladder_gate_failed(&w->ladder, &w->r, output);
		if (rebase_again(w, err) < 0)
			return -1;
	}
}

/* --- a conflict */

static char **paths_of(const struct ff_merge_result *m)
{
	char **paths = ff_calloc(m->n_conflicts + 1, sizeof(char *));
	size_t n = 0;

	for (size_t i = 0; i < m->n_conflicts; i++) /* one path may have several */
		if (!n || strcmp(paths[n - 1], m->conflicts[i].path) != 0)
			paths[n++] = ff_strdup(m->conflicts[i].path);
	return paths;
}

static size_t count(char *const *paths)
{
	size_t n = 0;

	while (paths && paths[n])
		n++;
	return n;
}

static size_t count_paths(const struct ff_merge_result *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_conflicts; i++)
		n += !i || strcmp(m->conflicts[i - 1].path, m->conflicts[i].path) != 0;
	return n;
}

static char *conflict_text(const struct work *w, size_t n)
{
	return ff_asprintf("the result conflicts with %s in %zu %s: push what it must be to %s", w->run->task.target, n,
			   n == 1 ? "file" : "files", w->found.branch + strlen(FF_HEADS));
}

static void log_conflicts(struct work *w)
{
	FF_AUTO(ff_free) char *subject = ff_text_shown(w->r.at_subject ? w->r.at_subject : "", 100);

	ff_report_logf(w->run, "commit %.12s (%s) does not apply", w->r.stop.at, subject);
	if (w->r.why_hard)
		ff_report_logf(w->run, "warning: git was not asked about it: %s", w->r.why_hard);
	for (size_t i = 0; i < w->r.merge->n_conflicts; i++) {
		FF_AUTO(ff_free) char *path = ff_text_shown(w->r.merge->conflicts[i].path, 200);

		ff_report_logf(w->run, "conflict: %s: %s", path, ff_merge_kind_text(w->r.merge->conflicts[i].kind));
	}
}

/* The stop first, then the branch that puts it in force. */
static int show_conflict(struct work *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("conflict-%d", w->found.last + 1);
	const struct ff_run_branch_change change = {
		.branch = w->found.branch, .old_oid = w->found.last && w->found.tip[0] ? w->found.tip : NULL,
		.oid = w->conflict, .base = w->r.stop.onto, .result = w->commit, .what = "Conflicts",
	};

	return ff_run_keep(w->run, name, w->stop, err) < 0 || ff_run_publish(w->run, &change, err) < 0 ? -1 : 0;
}

static int conflicted(struct work *w, struct ff_outcome *out, struct ff_err *err)
{
	struct ff_run *run = w->run;
	struct ff_report what;

	log_conflicts(w);
	out->word = "conflicted";
	out->paths = paths_of(w->r.merge);
	out->text = conflict_text(w, count_paths(w->r.merge));
	memcpy(out->oid, w->conflict, sizeof w->conflict);
	out->ref = ff_strdup(w->found.branch);
	what = (struct ff_report){ .text = out->text, .oid = out->oid, .base_oid = w->r.stop.onto, .ref = out->ref,
				   .paths = out->paths };
	ff_report_event(run, FF_EVENT_CONFLICT_DETECTED, &what);
	if (ff_report_step(run, FF_STEP_PUBLISH, false, NULL, err) < 0 || show_conflict(w, err) < 0)
		return -1;
	return ff_report_step(run, FF_STEP_PUBLISH, true, &(struct ff_report){ .oid = out->oid, .ref = out->ref }, err);
}

/* It stays as it was, branch and all: what was pushed is no answer. Takes text and paths. */
static int no_answer(struct work *w, char *text, char **paths, struct ff_outcome *out, struct ff_err *err)
{
	struct ff_run *run = w->run;

	ff_report_log(run, "system", text);
	out->word = "conflicted";
	out->text = text;
	out->paths = paths;
	memcpy(out->oid, w->found.tip, sizeof w->found.tip);
	out->ref = ff_strdup(w->found.branch);
	ff_report_event(run, FF_EVENT_CONFLICT_DETECTED, &(struct ff_report){
		.text = text, .oid = out->oid, .ref = out->ref, .paths = paths });
	if (ff_report_step(run, FF_STEP_PUBLISH, false, NULL, err) < 0)
		return -1;
	return ff_report_step(run, FF_STEP_PUBLISH, true, &(struct ff_report){ .oid = out->oid, .ref = out->ref }, err);
}

/* --- an answer */

/* 0: it is one, and was applied; 1: it is none, and out says why. */
static int take_answer(struct work *w, struct ff_outcome *out, struct ff_err *err)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("resolution-%d", w->found.number);
	FF_AUTO(ff_git_paths_free) char **marked = NULL;
	struct ff_run *run = w->run;

	/* Kept first: the branch may be taken away from under us. */
	if (ff_run_keep(run, name, w->found.tip, err) < 0 ||
	    ff_git_markers(run->git, w->found.stop.applied, w->found.tip, &marked, err) < 0)
		return -1;
	if (marked[0]) {
		FF_AUTO(ff_free) char *path = ff_text_shown(marked[0], 100);
		size_t n = count(marked);
		char *text = n == 1 ? ff_asprintf("%s still has conflict markers: push it without them to %s", path,
						  w->found.branch + strlen(FF_HEADS))
				    : ff_asprintf("%s and %zu more files still have conflict markers: push them without to %s",
						  path, n - 1, w->found.branch + strlen(FF_HEADS));

		return no_answer(w, text, ff_steal(&marked), out, err) < 0 ? -1 : 1;
	}
	memcpy(w->base, w->found.stop.onto, sizeof w->base);
	if (rebase(w, NULL, &w->found.stop, err) < 0)
		return -1;
	ff_report_logf(run, "%.12s taken for the answer to conflict %d", w->found.tip, w->found.number);
	ff_report_event(run, FF_EVENT_CONFLICT_RESOLVED, &(struct ff_report){ .oid = w->found.tip, .ref = w->found.branch });
	return 0;
}

static int astray(struct work *w, struct ff_outcome *out, struct ff_err *err)
{
	char *text = ff_asprintf("%s does not stand on the conflict any more: set it back to " FF_REF_JOBS "/%" PRId64
				 "/conflict-%d^1, or delete it, then continue", w->found.branch + strlen(FF_HEADS),
				 w->run->task.job, w->found.last);

	return no_answer(w, text, ff_calloc(1, sizeof(char *)), out, err) < 0 ? -1 : 1;
}

/* --- no answer */

static bool same_stop(const struct ff_rebase_stop *a, const struct ff_rebase_stop *b)
{
	return !strcmp(a->at, b->at) && !strcmp(a->applied, b->applied) && !strcmp(a->onto, b->onto);
}

/*
 * Nothing was pushed.  On a target that moved it may go well now, from the
 * start; but not past answers that somebody gave to earlier conflicts.  Else
 * the conflict that is shown is the one there is: this is also the way of a
 * worker whose predecessor died before it could say so.
 */
static int try_again(struct work *w, struct ff_outcome *out, struct ff_err *err)
{
	struct ff_conflict *f = &w->found;
	char *text;

	if (target_tip(w->run, w->base, err) < 0)
		return -1;
	if (!f->number || (!w->answered && strcmp(w->base, f->stop.onto) != 0))
		return rebase(w, w->commit, NULL, err);
	memcpy(w->base, f->stop.onto, sizeof w->base);
	if (rebase(w, NULL, &f->stop, err) < 0)
		return -1;
	if (!w->r.conflict || !f->tip[0] || !same_stop(&w->r.stop, &f->stop))
		return 0;
	log_conflicts(w);
	text = conflict_text(w, count_paths(w->r.merge));
	return no_answer(w, text, paths_of(w->r.merge), out, err) < 0 ? -1 : 1;
}

/* --- the step */

static int begin(struct work *w, struct ff_outcome *out, struct ff_err *err)
{
	w->answered = w->found.number && w->found.answered;
	switch (w->found.answer) {
	case FF_ANSWER_NONE:
		return try_again(w, out, err);
	case FF_ANSWER_GIVEN:
		w->answered = true;
		return take_answer(w, out, err);
	case FF_ANSWER_ASTRAY:
		return astray(w, out, err);
	}
	return -1;
}

static int finish(struct work *w, char *ret_tip, char *ret_base, struct ff_outcome *out, struct ff_err *err)
{
	struct ff_run *run = w->run;
	const struct ff_report made = { .oid = w->r.tip, .base_oid = w->base };

	ff_free(&run->resolved);
	run->resolved = w->ladder.note.len ? ff_buf_take(&w->ladder.note) : NULL;
	ff_report_logf(run, "rebased on %s at %.12s: %zu of %zu commits", run->task.target, w->base, w->r.applied, w->r.total);
	if (w->r.upstream)
		ff_report_logf(run, "left out %zu commits that %s has already", w->r.upstream, run->task.target);
	if (w->again > ff_conf_int(run->conf, FF_CONF_REBASE_TARGET_TRIES)) {
		out->text = ff_asprintf("%s moved %d times while the result was rebased: it lies on %.12s", run->task.target,
					w->again, w->base);
		ff_report_log(run, "system", out->text);
	}
	if (ff_run_keep(run, "base", w->base, err) < 0 || ff_run_keep(run, "result", w->r.tip, err) < 0 ||
	    ff_report_step(run, FF_STEP_REBASE, true, &made, err) < 0)
		return -1;
	ff_ladder_remember(&w->ladder);
	memcpy(ret_tip, w->r.tip, sizeof w->r.tip);
	memcpy(ret_base, w->base, sizeof w->base);
	return 0;
}

int ff_run_rebase(struct ff_run *run, const char *commit, char *ret_tip, char *ret_base, struct ff_outcome *out,
		  struct ff_err *err)
{
	FF_AUTO(work_fini) struct work w = { .run = run, .commit = commit };
	int rc;

	ff_engine_init(&w.engine, run->conf, getenv("PATH"), getenv("TMPDIR"));
	if (ff_ladder_init(&w.ladder, run, &w.engine, err) < 0)
		return -1;
	if (ff_report_step(run, FF_STEP_REBASE, false, NULL, err) < 0 || ff_conflict_find(run, &w.found, err) < 0)
		return -1;
	rc = begin(&w, out, err);
	if (rc)
		return rc;
	if (pass_gate(&w, err) < 0)
		return -1;
	if (w.r.conflict)
		return conflicted(&w, out, err) < 0 ? -1 : 1;
	return finish(&w, ret_tip, ret_base, out, err);
}

bool ff_run_target_moved(struct ff_run *run, const char *base)
{
	char now[FF_GIT_OID];

	return target_tip(run, now, NULL) == 0 && strcmp(now, base) != 0;
}
