/* SPDX-License-Identifier: MIT */
/*
 * What is old goes: logs, jobs with all that belongs to them, pushes that made
 * no job.  One pass after the other, each in steps of some rows a turn, so
 * that no push waits.  A job is marked first; then a worker removes its refs,
 * and only when they are gone do its rows go: nothing is left in a repository
 * that nobody remembers.  Result branches belong to people and stay.
 */
#include "daemon/core/core.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/audit.h"
#include "store/retention.h"
#include "store/tokens.h"
#include "store/resolutions.h"
#include "store/spend.h"

/* Between two steps, and the bounds of the time between two passes. */
#define STEP_MS 5
#define PASS_LEAST_MS 200
#define PASS_MOST_MS 600000
/* A worker that takes longer over the refs of one batch is ended; they are tried again in the next pass. */
#define REFS_MS 60000

enum phase { WALK, PUSHES, REFS, WAIT, ROWS, SHRINK };

struct ff_retention {
	struct ff_core *core;
	struct ff_watch *timer, *deadline;
	enum phase phase;
	int64_t after;             /* where WALK, PUSHES and REFS go on */
	struct ff_child child;     /* in WAIT */
	bool started;
	int64_t jobs[FF_RETENTION_ROWS]; /* whose refs are gone */
	int n_jobs, next_job;
	int64_t forgotten;         /* in this pass, for the log */
};

static int64_t time_of(const struct ff_core *core, enum ff_conf_key key)
{
	return ff_conf_int(core->conf, key);
}

/* A quarter of the shortest time, so that what is old goes soon after. */
static int64_t interval(const struct ff_core *core)
{
	static const enum ff_conf_key keys[] = { FF_CONF_RETENTION_JOBS, FF_CONF_RETENTION_LOGS, FF_CONF_RETENTION_MODEL,
						FF_CONF_RETENTION_AUDIT };
	int64_t ms = PASS_MOST_MS;

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++) {
		int64_t t = time_of(core, keys[i]);

		if (t && t / 4 < ms)
			ms = t / 4;
	}
	return ms < PASS_LEAST_MS ? PASS_LEAST_MS : ms;
}

static bool is_old(struct ff_core *core, enum ff_conf_key key, int64_t at_ms)
{
	int64_t keep = time_of(core, key);

	return keep && at_ms && at_ms < ff_age_now(core) - keep;
}

static void remove_log(struct ff_core *core, int64_t job)
{
	FF_AUTO(ff_free) char *path = ff_job_log_path(core, job);

	if (unlink(path) < 0 && errno != ENOENT)
		ff_log_warn(&core->log, "retention.log", "%s: %s", path, strerror(errno));
}

/* --- phases: 0 to go on, -1 with err ------------------------------------------- */

static void go(struct ff_retention *r, enum phase phase)
{
	r->phase = phase;
	r->after = 0;
}

static int look_at(struct ff_retention *r, const struct ff_retention_job *job, struct ff_err *err)
{
	bool done;

	if (is_old(r->core, FF_CONF_RETENTION_LOGS, job->ended_ms) || is_old(r->core, FF_CONF_RETENTION_JOBS, job->ended_ms))
		remove_log(r->core, job->id);
	if (is_old(r->core, FF_CONF_RETENTION_JOBS, job->ended_ms))
		return ff_retention_mark(r->core->store, job->id, err);
	if (is_old(r->core, FF_CONF_RETENTION_MODEL, job->ended_ms))
		return ff_retention_answers(r->core->store, job->id, &done, err); /* the rest in the next pass */
	return 0;
}

static int walk(struct ff_retention *r, struct ff_err *err)
{
	struct ff_retention_job jobs[FF_RETENTION_ROWS];
	int n = 0;

	if (ff_retention_ended(r->core->store, r->after, jobs, &n, err) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		/* One that is on its way out still writes its log. */
		if (!ff_worker_runs(r->core, jobs[i].id) && look_at(r, &jobs[i], err) < 0)
			return -1;
	if (n < FF_RETENTION_ROWS)
		go(r, PUSHES);
	else
		r->after = jobs[n - 1].id;
	return 0;
}

static int pushes(struct ff_retention *r, struct ff_err *err)
{
	int64_t keep = time_of(r->core, FF_CONF_RETENTION_JOBS);

	if (keep && ff_retention_pushes(r->core->store, &r->after, ff_age_now(r->core) - keep, err) < 0)
		return -1;
	if (!keep || !r->after)
		go(r, REFS);
	return 0;
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_retention *r = arg;
	json_t *list = json_object_get(msg, "jobs"), *job;
	size_t i;

	(void)chan;
	ff_close(&fd);
	if (type != FF_MSG_FORGOTTEN)
		return;
	json_array_foreach(list, i, job)
		if (json_is_integer(job) && r->n_jobs < FF_RETENTION_ROWS)
			r->jobs[r->n_jobs++] = json_integer_value(job);
	ff_child_hang_up(&r->child); /* it would wait for more */
}

static void on_ended(void *arg, int status)
{
	struct ff_retention *r = arg;

	(void)status; /* what it did not say was not done */
	ff_watch_free(&r->deadline);
	ff_child_fini(&r->child);
	r->started = false;
	r->phase = ROWS;
	ff_watch_again(r->timer, STEP_MS);
}

static void on_deadline(void *arg)
{
	struct ff_retention *r = arg;

	ff_watch_free(&r->deadline);
	ff_log_error(&r->core->log, "retention.silent", "the worker gave no answer in %d ms", REFS_MS);
	ff_child_kill(&r->child, SIGKILL);
}

static int ask_worker(struct ff_retention *r, int64_t repo, json_t *jobs, struct ff_err *err)
{
	FF_AUTO(ff_free) char *url = ff_repo_url(r->core, repo, err);

	if (!url || ff_child_start(r->core, &r->child, "worker", FF_PEER_WORKER, on_msg, on_ended, r, err) < 0) {
		json_decref(jobs);
		return -1;
	}
	r->started = true;
	r->phase = WAIT;
	r->deadline = ff_loop_timer(r->core->loop, REFS_MS, on_deadline, r);
	(void)ff_chan_send(r->child.chan, FF_MSG_FORGET, json_pack("{s:s,s:o}", "repo", url, "jobs", jobs), -1, NULL); /* a failure ends the child */
	return 0;
}

static int refs(struct ff_retention *r, struct ff_err *err)
{
	struct ff_retention_job marked[FF_RETENTION_ROWS];
	json_t *jobs;
	int n = 0;

	r->n_jobs = r->next_job = 0;
	if (ff_retention_marked(r->core->store, r->after, marked, &n, err) < 0)
		return -1;
	if (!n) {
		go(r, SHRINK);
		return 0;
	}
	jobs = json_array();
	for (int i = 0; i < n; i++)
		(void)json_array_append_new(jobs, json_integer(marked[i].id));
	r->after = marked[0].repo; /* if this one cannot be done, the others can; the rest of it in the next pass */
	return ask_worker(r, marked[0].repo, jobs, err);
}

static int rows(struct ff_retention *r, struct ff_err *err)
{
	bool done = false;

	if (r->next_job == r->n_jobs) {
		r->phase = REFS;
		return 0;
	}
	if (ff_retention_delete(r->core->store, r->jobs[r->next_job], &done, err) < 0)
		return -1;
	r->next_job += done;
	r->forgotten += done;
	return 0;
}

static int shrink(struct ff_retention *r, bool *ret_over, struct ff_err *err)
{
	int64_t keep = time_of(r->core, FF_CONF_RETENTION_AUDIT);

	if (keep && (ff_audit_expire(r->core->store, ff_age_now(r->core) - keep, err) < 0 ||
		     ff_token_expire(r->core->store, ff_age_now(r->core) - keep, err) < 0))
		return -1;
	if (ff_spend_forget(r->core->store, ff_age_now(r->core) - time_of(r->core, FF_CONF_RETENTION_SPEND), err) < 0 ||
	    ff_resolution_forget(r->core->store, ff_age_now(r->core) - time_of(r->core, FF_CONF_RETENTION_SPEND), err) < 0 ||
	    ff_age_save(r->core, err) < 0 || ff_retention_shrink(r->core->store, ret_over, err) < 0)
		return -1;
	if (*ret_over && r->forgotten)
		ff_log_info(&r->core->log, "retention.pass", "%" PRId64 " old jobs were removed", r->forgotten);
	if (*ret_over)
		r->forgotten = 0;
	return 0;
}

static int step(struct ff_retention *r, bool *ret_over, struct ff_err *err)
{
	switch (r->phase) {
	case WALK: return walk(r, err);
	case PUSHES: return pushes(r, err);
	case REFS: return refs(r, err);
	case WAIT: return 0;
	case ROWS: return rows(r, err);
	case SHRINK: return shrink(r, ret_over, err);
	}
	return 0;
}

static void on_timer(void *arg)
{
	struct ff_retention *r = arg;
	struct ff_err err = { 0 };
	bool over = r->core->draining, opened;

	if (r->phase == WAIT)
		return;
	opened = !over && ff_turn_open(r->core, &err) == 0;
	if (opened && step(r, &over, &err) < 0) {
		if (err.code == FF_E_STORE)
			ff_turn_fail(r->core, &err);
		else
			ff_log_warn(&r->core->log, "retention.failed", "%s: tried again later", err.text);
		over = true;
	}
	if (over || !opened)
		go(r, WALK);
	if (r->phase != WAIT)
		ff_watch_again(r->timer, over || !opened ? interval(r->core) : STEP_MS);
}

void ff_retention_init(struct ff_core *core)
{
	core->retention = ff_calloc(1, sizeof *core->retention);
	core->retention->core = core;
	core->retention->timer = ff_loop_timer(core->loop, interval(core), on_timer, core->retention);
}

void ff_retention_fini(struct ff_core *core)
{
	struct ff_retention *r = ff_steal(&core->retention);

	if (!r)
		return;
	ff_watch_free(&r->timer);
	ff_watch_free(&r->deadline);
	if (r->started)
		ff_child_fini(&r->child);
	free(r);
}
