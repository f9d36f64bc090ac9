/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 6.  One worker process a running job.  Core gives it the job once
 *~ the gateway has made the job's socket, writes down each step before the
 *~ worker goes on, and sees to what a dead worker leaves behind.  The worker's
 *~ side is daemon/worker/steps.c, stop 7.
 */
#include "daemon/core/core.h"
#include "daemon/core/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"

/* The agent's time is job.deadline; fetching, rebase, proof and the end of the processes come on top. */
#define GRACE_MS 1800000

struct worker {
	struct worker *next;
	int64_t serial;   /* never used again, unlike the address */
	struct ff_core *core;
	struct ff_child child;
	int64_t job;      /* 0: it sweeps */
	int attempt;
	bool sent;        /* has its job */
	bool done;        /* has said how it ended */
	bool stopped;     /* killed by us */
	bool silent;      /* killed because nothing was heard of it */
	struct ff_lease *lease; /* NULL: it sweeps */
	struct ff_watch *limit; /* then it is killed, whatever it says */
	int log_fd;
	int64_t log_bytes, log_dropped;
};

struct ff_workers {
	struct worker *first;
	int64_t last_serial;
};

/* A message of a worker that is answered after COMMIT. */
struct pending_ack {
	int64_t serial;
};

static struct worker *worker_of(const struct ff_core *core, int64_t job)
{
	for (struct worker *w = core->workers->first; w; w = w->next)
		if (w->job == job && !w->stopped)
			return w;
	return NULL;
}

/* --- its log --------------------------------------------------------------- */

char *ff_job_log_path(const struct ff_core *core, int64_t job)
{
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(core->conf, "logs");

	return ff_asprintf("%s/%" PRId64 ".log", dir, job);
}

static void open_log(struct worker *w)
{
	FF_AUTO(ff_free) char *path = ff_job_log_path(w->core, w->job);
	struct stat st;

	w->log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (w->log_fd < 0)
		ff_log_error(&w->core->log, "joblog.open", "%s: %s", path, strerror(errno));
	else if (fstat(w->log_fd, &st) == 0)
		w->log_bytes = st.st_size;
}

static void write_log(struct worker *w, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	struct ff_err err = { 0 };
	size_t n;

	ff_assert(text);
	n = strlen(text);
	text[n] = '\n'; /* over the NUL: the length is known */
	if (w->log_bytes + (int64_t)n + 1 > ff_conf_int(w->core->conf, FF_CONF_LOG_JOB_MAX)) {
		w->log_dropped += (int64_t)n + 1;
	} else if (w->log_fd >= 0 && ff_fd_write_all(w->log_fd, text, n + 1, &err) < 0) {
		ff_log_error(&w->core->log, "joblog.write", "job %" PRId64 ": %s", w->job, err.text);
		ff_close(&w->log_fd);
	} else {
		w->log_bytes += (int64_t)n + 1;
	}
	free(text);
}

static void add_log(struct worker *w, const char *stream, json_t *text)
{
	json_t *line = json_pack("{s:o,s:i,s:s,s:O}", "at", ff_time_json(ff_clock_wall()), "attempt", w->attempt,
				 "stream", stream, "text", text);

	write_log(w, line);
	ff_watch_log(w->core, w->job, line);
	json_decref(line);
}

static void take_log(struct worker *w, const json_t *msg)
{
	const char *stream = NULL;
	json_t *text = json_object_get(msg, "text");

	if (ff_msg_str(msg, "stream", &stream, NULL) == 0 && text)
		add_log(w, stream, text);
}

static void end_log(struct worker *w)
{
	json_t *text;

	if (w->log_dropped) {
		text = json_sprintf("%" PRId64 " bytes of this log were dropped: log.job-max", w->log_dropped);
		w->log_bytes = 0; /* this one line goes in */
		add_log(w, "system", text);
		json_decref(text);
	}
	ff_close(&w->log_fd);
}

/* --- what it says ------------------------------------------------------------ */

static void answer(struct worker *w, bool ok, const char *why)
{
	if (w->child.chan)
		(void)ff_chan_send(w->child.chan, ok ? FF_MSG_ACK : FF_MSG_REFUSED,
				   ok ? json_object() : json_pack("{s:s}", "text", why), -1, NULL); /* a failure ends the child */
}

static void ack_after(struct ff_core *core, void *arg, bool ok)
{
	struct pending_ack *p = arg;

	for (struct worker *w = core->workers->first; w; w = w->next)
		if (w->serial == p->serial) {
			w->done = w->done && ok; /* an end that is not on disk is none */
			answer(w, ok, "the record cannot be written now");
		}
	free(p);
}

static void ack_later(struct worker *w)
{
	struct pending_ack *p = ff_calloc(1, sizeof *p);

	*p = (struct pending_ack){ .serial = w->serial };
	ff_turn_after(w->core, ack_after, p);
}

/* Records an event of this worker's job. */
static int record(struct worker *w, struct ff_event *ev, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	if (ff_turn_open(w->core, err) < 0 || ff_store_job_get(w->core->store, w->job, &job, err) < 0)
		return -1;
	return ff_core_event(w->core, job, ev, err);
}

/* What a worker may tell by the way; the rest is a step, an outcome, or not its to say. */
static bool is_news(enum ff_event_type type)
{
	static const enum ff_event_type news[] = {
		FF_EVENT_JOB_PROGRESS, FF_EVENT_CLONE_STARTED, FF_EVENT_CLONE_COMPLETED, FF_EVENT_CONFLICT_DETECTED,
		FF_EVENT_CONFLICT_RESOLVED, FF_EVENT_PUSH_COMPLETED, FF_EVENT_WORKER_STARTED, FF_EVENT_WORKER_STOPPED,
		FF_EVENT_RATE_LIMIT,
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(news); i++)
		if (news[i] == type)
			return true;
	return false;
}

static void take_event(struct worker *w, const json_t *msg)
{
	FF_AUTO(ff_event_in_fini) struct ff_event_in in;
	struct ff_err err = { 0 };
	const char *type = NULL;

	if (ff_event_from_msg(msg, &in, &err) == 0 && ff_msg_str(msg, "type", &type, &err) == 0) {
		if (ff_event_by_name(type, &in.ev.type) < 0)
			ff_err_set(&err, FF_E_PROTOCOL, "there is no event '%.60s'", type);
		else if (!is_news(in.ev.type))
			ff_err_set(&err, FF_E_PROTOCOL, "%s is not for a worker to tell", type);
		else
			(void)record(w, &in.ev, &err); /* err says it below */
	}
	if (err.code && !w->core->turn_failed)
		ff_log_warn(&w->core->log, "worker.event", "job %" PRId64 ": %s", w->job, err.text);
}

static void take_step(struct worker *w, const json_t *msg)
{
	FF_AUTO(ff_event_in_fini) struct ff_event_in in;
	struct ff_err err = { 0 };
	const char *state = NULL;

	if (ff_event_from_msg(msg, &in, &err) == 0 && ff_msg_str(msg, "state", &state, &err) == 0) {
		in.ev.type = !strcmp(state, "started") ? FF_EVENT_STEP_STARTED : FF_EVENT_STEP_FINISHED;
		if (record(w, &in.ev, &err) == 0) {
			ack_later(w);
			return;
		}
	}
	ff_log_warn(&w->core->log, "worker.refused", "job %" PRId64 ": %s", w->job, err.text);
	answer(w, false, err.text);
}

static int record_outcome(struct worker *w, const char *outcome, struct ff_event_in *in, struct ff_err *err)
{
	struct ff_event *ev = &in->ev;

	if (!strcmp(outcome, "failed")) {
		ff_core_attempt_failed(w->core, w->job, w->attempt, ev->error ? ev->error : FF_E_INTERNAL,
				       ev->text ? ev->text : "the worker gave no reason");
		return 0;
	}
	if (!strcmp(outcome, "conflicted"))
		ev->type = FF_EVENT_JOB_CONFLICTED;
	else if (!strcmp(outcome, "completed") || !strcmp(outcome, "nothing"))
		ev->type = FF_EVENT_JOB_COMPLETED;
	else
		return ff_err_set(err, FF_E_PROTOCOL, "there is no outcome '%.30s'", outcome);
	if (!strcmp(outcome, "nothing") && !ev->text)
		ev->text = "the task changed nothing, so there is no result branch";
	return record(w, ev, err);
}

static void take_done(struct worker *w, const json_t *msg)
{
	FF_AUTO(ff_event_in_fini) struct ff_event_in in;
	struct ff_err err = { 0 };
	const char *outcome = NULL;

	if (ff_event_from_msg(msg, &in, &err) == 0 && ff_msg_str(msg, "outcome", &outcome, &err) == 0 &&
	    record_outcome(w, outcome, &in, &err) == 0) {
		w->done = true; /* should the commit fail, on_ended sees to it */
		ack_later(w);
		return;
	}
	ff_log_warn(&w->core->log, "worker.refused", "job %" PRId64 ": %s", w->job, err.text);
	answer(w, false, err.text);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct worker *w = arg;

	ff_close(&fd);
	if (w->lease)
		ff_lease_heard(w->lease);
	if (type == FF_MSG_SWEPT && !w->job)
		ff_child_hang_up(&w->child); /* it would wait for more */
	if (!w->job || w->stopped || w->silent)
		return;
	if (type == FF_MSG_EVENT)
		take_event(w, msg);
	else if (type == FF_MSG_STEP)
		take_step(w, msg);
	else if (type == FF_MSG_LOG)
		take_log(w, msg);
	else if (type == FF_MSG_DONE)
		take_done(w, msg);
	else if (type == FF_MSG_PUBLISH)
		ff_tunnel_take(w->core, w->job, chan, msg);
}

static void lost(struct worker *w, int status)
{
	FF_AUTO(ff_free) char *text = NULL;
	char how[FF_STATUS_TEXT];

	ff_status_text(status, how);
	text = w->silent ? ff_strdup("nothing was heard of the worker for worker.silence: it was killed")
			 : ff_asprintf("the worker ended unexpectedly (%s)", how);
	ff_core_attempt_failed(w->core, w->job, w->attempt, FF_E_UNREACHABLE, text);
}

/* A worker removes its folder when it can; killed, or left for a try that never came, the folder is still there. */
static void sweep_if_ended(struct ff_core *core, void *arg, bool ok)
{
	FF_AUTO(ff_free) int64_t *number = arg;
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	int64_t id = *number;
	FF_AUTO(ff_free) char *name = ff_asprintf("jobs/%" PRId64, id);
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(core->conf, name);

	if (!ok || ff_store_job_get(core->store, id, &job, NULL) < 0 || !ff_job_state_ended(job->state))
		return;
	ff_gateway_close(core, id, true);
	if (access(dir, F_OK) == 0)
		ff_worker_sweep(core, id);
}

/* After the commit: a job that has not ended after all needs what is in its folder. */
static void sweep_later(struct ff_core *core, int64_t job)
{
	int64_t *number = ff_calloc(1, sizeof *number);

	*number = job;
	ff_turn_after(core, sweep_if_ended, number);
}

static void on_ended(void *arg, int status)
{
	struct worker *w = arg, **at;
	struct ff_core *core = w->core;
	int64_t job = w->job;

	for (at = &core->workers->first; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	if (w->job && !worker_of(core, w->job)) { /* the sockets may be the next attempt's by now */
		ff_gateway_close(core, w->job, false);
		ff_tunnel_close(core, w->job);
	}
	if (w->job)
		lost(w, status); /* changes nothing when the end of the attempt is in the record */
	ff_watch_free(&w->limit);
	ff_lease_free(&w->lease);
	end_log(w);
	ff_child_fini(&w->child);
	free(w);
	if (job)
		sweep_later(core, job);
	if (core->draining && !ff_workers_count(core))
		ff_loop_stop(core->loop);
	ff_core_dispatch(core);
}

/* --- starting and stopping ------------------------------------------------------ */

static struct worker *start(struct ff_core *core, int64_t job, int attempt, struct ff_err *err)
{
	struct worker *w = ff_calloc(1, sizeof *w);

	*w = (struct worker){ .core = core, .serial = ++core->workers->last_serial, .job = job, .attempt = attempt,
			      .log_fd = -1 };
	if (ff_child_start(core, &w->child, "worker", FF_PEER_WORKER, on_msg, on_ended, w, err) < 0) {
		free(w);
		return NULL;
	}
	w->next = core->workers->first;
	core->workers->first = w;
	return w;
}

static void on_silence(void *arg)
{
	struct worker *w = arg;

	if (w->stopped)
		return;
	ff_log_error(&w->core->log, "worker.silent", "job %" PRId64 ": nothing was heard of its worker for worker.silence: "
		     "killed", w->job);
	w->silent = true;
	ff_child_kill(&w->child, SIGKILL);
}

static void on_limit(void *arg)
{
	struct worker *w = arg;

	ff_log_error(&w->core->log, "worker.silent", "job %" PRId64 ": its worker did not end in time: killed", w->job);
	ff_child_kill(&w->child, SIGKILL);
}

/* Not even a worker that hangs keeps its job, or one of server.workers, for ever. */
static void set_limit(struct worker *w)
{
	int64_t ms = ff_conf_int(w->core->conf, FF_CONF_JOB_DEADLINE) + GRACE_MS;

	if (!w->limit)
		w->limit = ff_loop_timer(w->core->loop, ms, on_limit, w);
	else
		ff_watch_again(w->limit, ms);
}

static json_t *steps_json(const struct ff_job *job)
{
	json_t *steps = json_object();

	for (int k = 1; k < FF_STEP_LIMIT; k++)
		if (job->step_done[k])
			(void)json_object_set_new(steps, ff_step_word((enum ff_step_kind)k),
						  json_pack("{s:s?}", "oid", job->step_oid[k]));
	return steps;
}

static json_t *env_json(const struct ff_core *core, const char *name)
{
	const char *const *list = name ? ff_conf_environment(core->conf, name) : NULL;
	json_t *env = json_object();

	for (; list && *list; list++) {
		const char *equals = strchr(*list, '=');
		FF_AUTO(ff_free) char *key = ff_memdup0(*list, (size_t)(equals - *list));

		(void)json_object_set_new(env, key, json_string(equals + 1));
	}
	return env;
}

static json_t *job_message(struct ff_core *core, const struct ff_job *job, const char *repo_url)
{
	FF_AUTO(ff_free) char *url = ff_core_job_url(core, job->id);
	FF_AUTO(ff_free) char *source = NULL;
	struct ff_policy policy;

	ff_core_policy(core, job->source_ref, &policy);
	source = ff_spec_source_name(&policy, job->source_ref);
	return json_pack("{s:I,s:i,s:s,s:I,s:s,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:I,s:o,s:s,s:o}",
			 "job", (json_int_t)job->id, "attempt", job->attempt, "uuid", job->uuid,
			 "repo_id", (json_int_t)job->repo, "repo", repo_url,
			 "source_ref", ff_json_from_bytes(job->source_ref), "source_oid", job->source_oid,
			 "source_name", ff_json_from_bytes(source), "target", ff_json_from_bytes(job->spec.target),
			 "task", ff_json_from_bytes(job->spec.task), "task_from", ff_json_from_bytes(job->spec.task_from),
			 "pusher", ff_json_from_bytes(job->pusher), "url", url, "env", env_json(core, job->spec.env_name),
			 "deadline_ms", (json_int_t)ff_conf_int(core->conf, FF_CONF_JOB_DEADLINE),
			 "steps", steps_json(job), "base_oid", job->base_oid,
			 "result_ref", ff_json_from_bytes(job->result_ref));
}

bool ff_worker_runs(const struct ff_core *core, int64_t job)
{
	return worker_of(core, job) != NULL;
}

void ff_worker_start(struct ff_core *core, const struct ff_job *job)
{
	struct ff_err err = { 0 };
	struct worker *w = worker_of(core, job->id);

	if (w && w->attempt == job->attempt)
		return;
	if (w) { /* two in one folder would spoil each other's work */
		w->stopped = true;
		ff_child_kill(&w->child, SIGKILL);
	}
	w = start(core, job->id, job->attempt, &err);
	if (!w) {
		ff_core_attempt_failed(core, job->id, job->attempt, FF_E_CONTAINER_START_FAILED, err.text);
		return;
	}
	open_log(w);
	set_limit(w);
	w->lease = ff_lease_new(core, on_silence, w);
	ff_gateway_open(core, job->id, job->attempt);
}

/* Without a socket there is nothing that this attempt could do. */
static void fail_start(struct worker *w, enum ff_err_code code, const char *text)
{
	w->stopped = true;
	ff_child_kill(&w->child, SIGKILL);
	ff_core_attempt_failed(w->core, w->job, w->attempt, code, text);
}

void ff_workers_gateway_ready(struct ff_core *core, int64_t id, const struct ff_err *error)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *url = NULL;
	struct worker *w = worker_of(core, id);
	struct ff_err err = { 0 };

	if (w && !w->done && error) {
		fail_start(w, FF_E_CONTAINER_START_FAILED, error->text);
		return;
	}
	if (!w || w->sent || !w->child.chan)
		return;
	if (ff_store_job_get(core->store, id, &job, &err) < 0 || !(url = ff_repo_url(core, job->repo, &err))) {
		fail_start(w, err.code, err.text);
		return;
	}
	w->sent = true;
	set_limit(w);
	(void)ff_chan_send(w->child.chan, FF_MSG_JOB, job_message(core, job, url), -1, NULL); /* a failure ends the child */
}

void ff_workers_reopen_sockets(struct ff_core *core)
{
	for (struct worker *w = core->workers->first; w; w = w->next)
		if (w->job && !w->stopped)
			ff_gateway_open(core, w->job, w->attempt);
}

void ff_worker_stop(struct ff_core *core, int64_t job)
{
	struct worker *w = worker_of(core, job);

	if (!w || w->done)
		return; /* one that is done is on its way out and cleans up itself */
	w->stopped = true;
	ff_child_kill(&w->child, SIGKILL);
}

/* --- what is left behind ----------------------------------------------------------- */

static void send_sweep(struct ff_core *core, json_t *jobs)
{
	struct ff_err err = { 0 };
	struct worker *w = start(core, 0, 0, &err);

	if (!w) {
		json_decref(jobs);
		ff_log_error(&core->log, "job.sweep", "%s", err.text);
		return;
	}
	(void)ff_chan_send(w->child.chan, FF_MSG_SWEEP, json_pack("{s:o}", "jobs", jobs), -1, NULL); /* a failure ends the child */
}

void ff_worker_sweep(struct ff_core *core, int64_t job)
{
	json_t *jobs = json_array();

	(void)json_array_append_new(jobs, json_integer(job));
	send_sweep(core, jobs);
}

void ff_workers_sweep_left(struct ff_core *core)
{
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(core->conf, "jobs");
	json_t *jobs = json_array();
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		FF_AUTO(ff_job_free) struct ff_job *job = NULL;
		struct ff_err err = { 0 };
		int64_t id;

		if (ff_num_i64(e->d_name, 1, INT64_MAX, &id) < 0)
			continue;
		if (ff_store_job_get(core->store, id, &job, &err) < 0 ? err.code == FF_E_NOT_FOUND
								      : ff_job_state_ended(job->state))
			(void)json_array_append_new(jobs, json_integer(id));
	}
	if (d)
		(void)closedir(d);
	if (json_array_size(jobs))
		send_sweep(core, jobs);
	else
		json_decref(jobs);
}

int ff_workers_count(const struct ff_core *core)
{
	int n = 0;

	for (struct worker *w = core->workers->first; w; w = w->next)
		n += w->job != 0;
	return n;
}

void ff_workers_init(struct ff_core *core)
{
	core->workers = ff_calloc(1, sizeof *core->workers);
}

void ff_workers_fini(struct ff_core *core)
{
	struct ff_workers *all = ff_steal(&core->workers);
	struct worker *w;

	while (all && (w = all->first)) {
		all->first = w->next;
		ff_watch_free(&w->limit);
		ff_lease_free(&w->lease);
		ff_child_fini(&w->child);
		ff_close(&w->log_fd);
		free(w);
	}
	free(all);
}
