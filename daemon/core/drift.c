/* SPDX-License-Identifier: MIT */
/*
 * A branch moved that jobs have for their target: those that run, and results
 * that it has not, are tried on it at once, so that who moved it, and who
 * watches a job, hears of a conflict when it comes into being and not when
 * somebody wants to merge.
 *
 * The work is a reader's, one of its own, so that no push waits for its facts
 * behind a trial.  One branch is looked at at a time, a job at a time.  A
 * branch that moves again within drift.interval is looked at once more when
 * that is over, however often it moved meanwhile.  Nothing waits for us but
 * the hook of the push that moved the branch, and that no longer than
 * hook.answer-time.  What was not tried because core was away is tried when
 * the branch moves again.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "daemon/core/workers.h"
#include "store/drift.h"

#define LINES_MAX 4096
#define PATHS_SHOWN 60 /* columns */

/* A branch that moved. */
struct place {
	struct place *next;
	int64_t repo;
	char *target;
	bool due;        /* since it was looked at */
	int64_t free_ms; /* monotonic: not looked at again before */
};

/* A hook that waits for what is found; of a push that moved several branches, on one of them. */
struct waiter {
	struct waiter *next;
	struct ff_core *core;
	struct place *place;
	struct ff_buf lines;
	struct ff_watch *timer;
	ff_drift_done_fn done;
	void *arg;
};

struct ff_drift_watch {
	struct ff_core *core;
	struct place *first, **end; /* first come, first served */
	struct waiter *waiters;
	struct ff_watch *step;
	/* the look under way */
	struct place *busy;         /* NULL: none */
	struct ff_child child;      /* its reader */
	struct ff_watch *deadline;
	char *url;
	int64_t *jobs;
	size_t n, at, conflicts;
};

static struct place *place_of(struct ff_drift_watch *d, int64_t repo, const char *target)
{
	struct place *p;

	for (p = d->first; p; p = p->next)
		if (p->repo == repo && !strcmp(p->target, target))
			return p;
	p = ff_calloc(1, sizeof *p);
	*p = (struct place){ .repo = repo, .target = ff_strdup(target) };
	*d->end = p;
	d->end = &p->next;
	return p;
}

static void drop_place(struct ff_drift_watch *d, struct place *p)
{
	struct place **at = &d->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	if (d->end == &p->next)
		d->end = at;
	ff_free(&p->target);
	free(p);
}

/* --- hooks that wait */

static void answer(struct waiter *w)
{
	struct waiter **at = &w->core->drift->waiters;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	ff_watch_free(&w->timer);
	w->done(w->core, w->arg, w->lines.data);
	ff_buf_fini(&w->lines);
	free(w);
}

static void on_answer_time(void *arg)
{
	answer(arg);
}

static void answer_all(struct ff_drift_watch *d, const struct place *p)
{
	struct waiter *next;

	for (struct waiter *w = d->waiters; w; w = next) {
		next = w->next;
		if (w->place == p)
			answer(w);
	}
}

static void tell_waiters(struct ff_drift_watch *d, const char *line)
{
	for (struct waiter *w = d->waiters; w; w = w->next)
		if (w->place == d->busy)
			(void)ff_buf_addf(&w->lines, "%s\n", line);
}

/* --- what was found */

/* "src/a.c", "src/a.c and 3 more files" */
static char *files_text(const struct ff_drift *found)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(found->paths && found->paths[0] ? found->paths[0] : "", PATHS_SHOWN);

	if (found->n_paths < 2)
		return ff_steal(&path);
	return ff_asprintf("%s and %" PRId64 " more %s", path, found->n_paths - 1, found->n_paths == 2 ? "file" : "files");
}

static bool same_paths(char *const *a, char *const *b)
{
	for (; a && *a && b && *b && !strcmp(*a, *b); a++, b++)
		;
	return (!a || !*a) && (!b || !*b);
}

/* 0: nothing that was not known. */
static enum ff_event_type news(const struct ff_drift *before, const struct ff_drift *found)
{
	switch (found->state) {
	case FF_DRIFT_CONFLICT:
		return before->state == FF_DRIFT_CONFLICT && before->n_paths == found->n_paths &&
		       same_paths(before->paths, found->paths) ? 0 : FF_EVENT_DRIFT_DETECTED;
	case FF_DRIFT_APPLIES:
		return before->state == FF_DRIFT_CONFLICT ? FF_EVENT_DRIFT_CLEARED : 0;
	case FF_DRIFT_MERGED:
		return FF_EVENT_RESULT_MERGED;
	case FF_DRIFT_UNKNOWN:
	case FF_DRIFT_GONE:
		return 0;
	}
	return 0;
}

static char *news_text(enum ff_event_type type, const char *target)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(target, 60);

	if (type == FF_EVENT_DRIFT_DETECTED)
		return ff_asprintf("would conflict with %s as it is now", shown);
	if (type == FF_EVENT_DRIFT_CLEARED)
		return ff_asprintf("applies to %s again", shown);
	return ff_asprintf("%s has the result", shown);
}

/* After COMMIT: the log of a job that runs, and whoever moved the branch. */
struct told {
	int64_t job;
	char *log, *line;
};

static void tell(struct ff_core *core, void *arg, bool ok)
{
	struct told *t = arg;
	json_t *text = ff_json_from_bytes(t->log);

	for (struct worker *w = ok ? core->workers->first : NULL; w; w = w->next)
		if (w->job == t->job && !w->stopped)
			ff_joblog_add(&w->log, "system", text);
	if (ok && t->line)
		tell_waiters(core->drift, t->line);
	json_decref(text);
	ff_free(&t->log);
	ff_free(&t->line);
	free(t);
}

static int write_found(struct ff_core *core, struct ff_job *job, struct ff_drift *found, struct ff_err *err)
{
	FF_AUTO(ff_drift_fini) struct ff_drift before = { .state = FF_DRIFT_UNKNOWN };
	FF_AUTO(ff_free) char *text = NULL;
	FF_AUTO(ff_free) char *files = NULL;
	struct ff_event ev = { .base_oid = found->target_oid, .paths = (const char *const *)found->paths };
	struct told *t;

	if (ff_store_drift_get(core->store, job->id, &before, err) < 0 ||
	    ff_store_drift_save(core->store, job, found, err) < 0)
		return -1;
	ev.type = news(&before, found);
	if (!ev.type)
		return 0;
	ev.text = text = news_text(ev.type, job->spec.target);
	if (ff_core_event(core, job, &ev, err) < 0)
		return -1;
	files = files_text(found);
	t = ff_calloc(1, sizeof *t);
	*t = (struct told){ .job = job->id, .log = ff_asprintf("%s%s%s", text, *files ? ": " : "", files) };
	if (ev.type == FF_EVENT_DRIFT_DETECTED)
		t->line = ff_asprintf("warning: job %" PRId64 " %s: %s", job->id, text, files);
	ff_turn_after(core, tell, t);
	return 0;
}

static int read_found(const json_t *data, struct ff_drift *ret, struct ff_err *err)
{
	const json_t *paths = json_object_get(data, "paths");
	const char *word = NULL, *oid = NULL;

	if (ff_msg_str(data, "state", &word, err) < 0 || ff_msg_str(data, "target_oid", &oid, err) < 0 ||
	    ff_msg_int(data, "n_paths", 0, INT64_MAX, &ret->n_paths, err) < 0)
		return -1;
	if (ff_drift_by_word(word, &ret->state) < 0 || !ff_oid_valid(oid) || !json_is_array(paths))
		return ff_err_set(err, FF_E_PROTOCOL, "the answer of a reader makes no sense");
	memcpy(ret->target_oid, oid, strlen(oid) + 1); /* ff_oid_valid: it fits */
	ret->paths = ff_calloc(json_array_size(paths) + 1, sizeof *ret->paths);
	for (size_t i = 0; i < json_array_size(paths); i++)
		if (ff_json_bytes(json_array_get(paths, i), &ret->paths[i], err) < 0)
			return -1;
	ret->at_ms = ff_clock_wall();
	return 0;
}

/* The job may have ended since it was asked about: then this was of what it was. */
static bool still_wanted(const struct ff_job *job)
{
	return job->state == FF_JOB_RUNNING || job->state == FF_JOB_COMPLETED;
}

static void take_found(struct ff_drift_watch *d, const json_t *msg)
{
	FF_AUTO(ff_drift_fini) struct ff_drift found = { .state = FF_DRIFT_UNKNOWN };
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_core *core = d->core;
	struct ff_err err = { 0 };
	int64_t id = d->jobs[d->at];

	if (json_object_get(msg, "error"))
		(void)ff_err_from_json(json_object_get(msg, "error"), &err);
	else
		(void)read_found(json_object_get(msg, "data"), &found, &err);
	if (err.code) {
		ff_log_warn(&core->log, "drift.try", "job %" PRId64 " could not be tried on %s: %s", id, d->busy->target, err.text);
		return;
	}
	d->conflicts += found.state == FF_DRIFT_CONFLICT;
	if (ff_turn_open(core, &err) < 0 || ff_store_job_get(core->store, id, &job, &err) < 0 || !still_wanted(job))
		return; /* it is found again when the branch moves again */
	if (write_found(core, job, &found, &err) < 0 && err.code == FF_E_STORE)
		ff_turn_fail(core, &err);
}

/* --- the look */

/* In a turn of its own, so that what was found of the last job is committed and told. */
static void step(struct ff_drift_watch *d, int64_t in_ms)
{
	ff_watch_again(d->step, in_ms);
}

static void end_look(struct ff_drift_watch *d)
{
	struct place *p = ff_steal(&d->busy);

	ff_log_info(&d->core->log, "drift.looked", "%s moved: %zu of %zu jobs tried, %zu would conflict", p->target, d->at,
		    d->n, d->conflicts);
	answer_all(d, p);
	ff_watch_free(&d->deadline);
	ff_free(&d->jobs);
	ff_free(&d->url);
	p->free_ms = ff_clock_mono() + ff_conf_int(d->core->conf, FF_CONF_DRIFT_INTERVAL);
	step(d, 0);
}

static void on_ended(void *arg, int status)
{
	struct ff_drift_watch *d = arg;

	(void)status;
	ff_child_fini(&d->child);
	d->child.pid = 0;
	if (d->busy)
		end_look(d);
	else
		step(d, 0);
}

static void on_deadline(void *arg)
{
	struct ff_drift_watch *d = arg;

	ff_watch_free(&d->deadline);
	ff_log_warn(&d->core->log, "drift.silent", "job %" PRId64 " could not be tried within server.reader-timeout: given up",
		    d->at < d->n ? d->jobs[d->at] : 0);
	ff_child_kill(&d->child, SIGKILL);
}

/* NULL: it has nothing to be tried, or is gone. */
static json_t *question(struct ff_core *core, int64_t id)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *target = NULL;
	const char *tip;

	if (ff_store_job_get(core->store, id, &job, NULL) < 0 || !still_wanted(job))
		return NULL;
	target = ff_asprintf(FF_HEADS "%s", job->spec.target);
	if (job->state == FF_JOB_COMPLETED)
		return json_pack("{s:o,s:s,s:o}", "target", ff_json_from_bytes(target), "tip", job->result_oid, "branch",
				 ff_json_from_bytes(job->result_ref));
	tip = job->step_done[FF_STEP_COMMIT] ? job->step_oid[FF_STEP_COMMIT] : NULL;
	return json_pack("{s:o,s:s,s:n}", "target", ff_json_from_bytes(target), "tip", tip ? tip : job->source_oid, "branch");
}

/* Asks about the job that is next; the reader goes when there is none. */
static void ask(struct ff_drift_watch *d)
{
	json_t *args = NULL;

	while (d->at < d->n && !(args = question(d->core, d->jobs[d->at])))
		d->at++;
	if (!args) {
		ff_child_hang_up(&d->child);
		end_look(d);
		return;
	}
	if (!d->child.chan) { /* on_ended is about to come */
		json_decref(args);
		return;
	}
	if (!d->deadline)
		d->deadline = ff_loop_timer(d->core->loop, ff_conf_int(d->core->conf, FF_CONF_SERVER_READER_TIMEOUT),
					    on_deadline, d);
	else
		ff_watch_again(d->deadline, ff_conf_int(d->core->conf, FF_CONF_SERVER_READER_TIMEOUT));
	(void)ff_chan_send(d->child.chan, FF_MSG_ASK, json_pack("{s:I,s:s,s:s,s:o}", "id", (json_int_t)d->at + 1, "what",
			   "drift", "repo", d->url, "args", args), -1, NULL); /* a failure ends the child */
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_drift_watch *d = arg;
	int64_t id = 0;

	(void)chan;
	ff_close(&fd);
	if (type != FF_MSG_ANSWER || !d->busy || d->at >= d->n || ff_msg_int(msg, "id", 1, INT64_MAX, &id, NULL) < 0 ||
	    id != (int64_t)d->at + 1)
		return;
	take_found(d, msg);
	d->at++;
	step(d, 0);
}

static int find_jobs(struct ff_core *core, int64_t repo, const char *target, int64_t **ret, size_t *ret_n, struct ff_err *err)
{
	return ff_store_drift_jobs(core->store, repo, target, ff_clock_wall() - ff_conf_int(core->conf, FF_CONF_DRIFT_AGE),
				   (size_t)ff_conf_int(core->conf, FF_CONF_DRIFT_JOBS), ret, ret_n, err);
}

static int begin_look(struct ff_drift_watch *d, struct place *p, struct ff_err *err)
{
	struct ff_core *core = d->core;

	p->due = false;
	if (find_jobs(core, p->repo, p->target, &d->jobs, &d->n, err) < 0)
		return -1;
	d->busy = p;
	d->at = d->conflicts = 0;
	d->url = ff_repo_url(core, p->repo, err);
	if (!d->url || ff_child_start(core, &d->child, "reader", FF_PEER_READER, on_msg, on_ended, d, err) < 0)
		return -1;
	ask(d);
	return 0;
}

/* The next place that may be looked at; *ret_wait_ms: how long until one may, -1: none is due. Forgets what has rested. */
static struct place *next_place(struct ff_drift_watch *d, int64_t *ret_wait_ms)
{
	int64_t now = ff_clock_mono(), wait;
	struct place *p, *next;

	*ret_wait_ms = -1;
	for (p = d->first; p; p = next) {
		next = p->next;
		wait = p->free_ms - now;
		if (p->due && wait <= 0)
			return p;
		if (!p->due && wait <= 0)
			drop_place(d, p);
		else if (*ret_wait_ms < 0 || wait < *ret_wait_ms)
			*ret_wait_ms = wait;
	}
	return NULL;
}

static void look_at_next(void *arg)
{
	struct ff_drift_watch *d = arg;
	struct ff_err err = { 0 };
	int64_t wait_ms;
	struct place *p;

	if (d->busy) { /* an answer was taken */
		ask(d);
		return;
	}
	if (d->child.pid || d->core->draining)
		return; /* on_ended comes here */
	p = next_place(d, &wait_ms);
	if (!p) {
		if (wait_ms >= 0)
			step(d, wait_ms);
		return;
	}
	if (begin_look(d, p, &err) < 0) {
		ff_log_warn(&d->core->log, "drift.look", "%s: %s", p->target, err.text);
		d->busy = p;
		d->n = 0;
		end_look(d);
	}
}

/* --- what moved */

/* The place, when there is something to try. */
static struct place *note(struct ff_core *core, int64_t repo, const char *ref)
{
	FF_AUTO(ff_free) int64_t *jobs = NULL;
	struct ff_drift_watch *d = core->drift;
	const char *target = ref + strlen(FF_HEADS);
	struct ff_err err = { 0 };
	struct place *p;
	size_t n = 0;

	if (!d || !ff_conf_bool(core->conf, FF_CONF_DRIFT_ENABLED) || !ff_starts(ref, FF_HEADS))
		return NULL;
	if (find_jobs(core, repo, target, &jobs, &n, &err) < 0)
		ff_log_warn(&core->log, "drift.note", "%s", err.text);
	if (!n)
		return NULL;
	p = place_of(d, repo, target);
	p->due = true;
	if (!d->busy)
		step(d, 0);
	return p;
}

void ff_drift_moved(struct ff_core *core, int64_t repo, const char *ref)
{
	(void)note(core, repo, ref);
}

/* The first of the branches that can be looked at now; NULL: nobody needs to wait. */
static struct place *note_all(struct ff_core *core, const json_t *msg, struct ff_err *err)
{
	const json_t *refs = json_object_get(msg, "refs");
	FF_AUTO(ff_free) char *path = NULL;
	struct place *found = NULL, *p;
	int64_t v, repo = 0;

	if (ff_msg_int(msg, "v", 1, 1, &v, err) < 0 || ff_msg_bytes(msg, "repo", &path, err) < 0)
		return NULL;
	if (!path || ff_store_repo_find(core->store, path, &repo, NULL) < 0)
		return NULL; /* no job was ever pushed to it */
	for (size_t i = 0; i < json_array_size(refs) && (int64_t)i < ff_conf_int(core->conf, FF_CONF_HOOK_MAX_REFS); i++) {
		FF_AUTO(ff_free) char *ref = NULL;

		if (ff_msg_bytes(json_array_get(refs, i), "ref", &ref, err) < 0 || !ref)
			return found;
		p = note(core, repo, ref);
		if (!found && p && p != core->drift->busy && p->free_ms <= ff_clock_mono())
			found = p;
	}
	return found;
}

void ff_drift_take(struct ff_core *core, const json_t *msg, ff_drift_done_fn done, void *arg)
{
	struct ff_err err = { 0 };
	struct place *p = note_all(core, msg, &err);
	struct waiter *w;

	if (!p) {
		done(core, arg, "");
		return;
	}
	w = ff_calloc(1, sizeof *w);
	*w = (struct waiter){ .next = core->drift->waiters, .core = core, .place = p, .done = done, .arg = arg };
	ff_buf_init(&w->lines, LINES_MAX);
	w->timer = ff_loop_timer(core->loop, ff_conf_int(core->conf, FF_CONF_HOOK_ANSWER_TIME), on_answer_time, w);
	core->drift->waiters = w;
}

json_t *ff_drift_json(struct ff_core *core, const struct ff_job *job)
{
	FF_AUTO(ff_drift_fini) struct ff_drift d = { .state = FF_DRIFT_UNKNOWN };
	json_t *paths;

	if (!still_wanted(job) || ff_store_drift_get(core->store, job->id, &d, NULL) < 0 || !d.at_ms)
		return json_null();
	paths = json_array();
	for (char **path = d.paths; path && *path; path++)
		(void)json_array_append_new(paths, ff_json_from_bytes(*path));
	return json_pack("{s:s,s:s,s:o,s:I,s:o}", "state", ff_drift_word(d.state), "target_oid", d.target_oid, "paths", paths,
			 "n_paths", (json_int_t)d.n_paths, "at", ff_time_json(d.at_ms));
}

void ff_drift_init(struct ff_core *core)
{
	struct ff_drift_watch *d = core->drift = ff_calloc(1, sizeof *d);

	d->core = core;
	d->end = &d->first;
	d->step = ff_loop_timer(core->loop, 0, look_at_next, d);
}

void ff_drift_end(struct ff_core *core)
{
	struct ff_drift_watch *d = ff_steal(&core->drift);
	struct waiter *w;

	if (!d)
		return;
	if (d->child.pid)
		ff_child_fini(&d->child);
	while ((w = d->waiters)) {
		d->waiters = w->next;
		ff_watch_free(&w->timer);
		ff_buf_fini(&w->lines);
		free(w);
	}
	while (d->first)
		drop_place(d, d->first);
	ff_watch_free(&d->step);
	ff_watch_free(&d->deadline);
	ff_free(&d->jobs);
	ff_free(&d->url);
	free(d);
}
