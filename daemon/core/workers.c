/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 6.  One worker process a running job.  Core gives it the job once
 *~ the gateway has made the job's socket, writes down each step before the
 *~ worker goes on, and sees to what a dead worker leaves behind.  The worker's
 *~ side is daemon/worker/steps.c, stop 7.
 */
#include "daemon/core/workers.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/redact.h"
#include "base/text.h"
#include "daemon/core/vault.h"

/* The agent's time is job.deadline; fetching, rebase, proof and the end of the processes come on top. */
#define GRACE_MS 1800000

/* A worker that something is to be told, or done for, after COMMIT. */
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

void ff_workers_reopen_logs(struct ff_core *core)
{
	for (struct worker *w = core->workers ? core->workers->first : NULL; w; w = w->next)
		ff_joblog_reopen(&w->log);
}

/* --- what it says ------------------------------------------------------------ */

static void take_log(struct worker *w, const json_t *msg)
{
	const char *stream = NULL;
	json_t *text = json_object_get(msg, "text");

	if (ff_msg_str(msg, "stream", &stream, NULL) == 0 && text)
		ff_joblog_add(&w->log, stream, text);
}

static void answer(struct worker *w, bool ok, const char *why)
{
	if (w->child.chan)
		(void)ff_chan_send(w->child.chan, ok ? FF_MSG_ACK : FF_MSG_REFUSED,
				   ok ? json_object() : json_pack("{s:s}", "text", why), -1, NULL); /* a failure ends the child */
}

static void rest(struct worker *w);

struct worker *ff_worker_by_serial(const struct ff_core *core, int64_t serial)
{
	struct worker *w = core->workers->first;

	while (w && w->serial != serial)
		w = w->next;
	return w;
}

static void ack_after(struct ff_core *core, void *arg, bool ok)
{
	struct pending_ack *p = arg;
	struct worker *w = ff_worker_by_serial(core, p->serial);

	free(p);
	if (!w)
		return;
	w->done = w->done && ok; /* an end that is not on disk is none */
	answer(w, ok, "the record cannot be written now");
	if (w->done && w->guest)
		rest(w);
}

static void ack_later(struct worker *w)
{
	struct pending_ack *p = ff_calloc(1, sizeof *p);

	*p = (struct pending_ack){ .serial = w->serial };
	ff_turn_after(w->core, ack_after, p);
}

/* Core alone writes the record, so what a worker's events have made of its job need not be read again. */
static const struct ff_job *know(struct worker *w, struct ff_err *err)
{
	if (!w->known && ff_store_job_get(w->core->store, w->job, &w->known, err) < 0)
		return NULL;
	return w->known;
}

void ff_worker_forget(struct ff_core *core, const struct ff_job *job)
{
	for (struct worker *w = core->workers->first; w; w = w->next)
		if (w->known && w->job == job->id && w->known != job)
			ff_job_free(&w->known);
}

void ff_workers_forget(struct ff_core *core)
{
	for (struct worker *w = core->workers->first; w; w = w->next)
		ff_job_free(&w->known);
}

/* Records an event of this worker's job, whose text is no place for a secret of the record. */
static int record(struct worker *w, struct ff_event *ev, struct ff_err *err)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(ff_vault_redact(w->core), ev->text);

	if (clean)
		ev->text = clean;
	if (ff_turn_open(w->core, err) < 0 || !know(w, err))
		return -1;
	return ff_core_event(w->core, w->known, ev, err);
}

/* What a worker may tell by the way; the rest is a step, an outcome, or not its to say. */
static bool is_news(enum ff_event_type type)
{
	static const enum ff_event_type news[] = {
		FF_EVENT_JOB_PROGRESS, FF_EVENT_CLONE_STARTED, FF_EVENT_CLONE_COMPLETED, FF_EVENT_CONFLICT_DETECTED,
		FF_EVENT_CONFLICT_RESOLVED, FF_EVENT_RESULT_REVIEWED, FF_EVENT_PUSH_COMPLETED, FF_EVENT_WORKER_STARTED, FF_EVENT_WORKER_STOPPED,
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

/* What a worker tells of its conflicts, by the way. */
static void take_lesson(struct worker *w, enum ff_msg_type type, const json_t *msg)
{
	struct ff_err err = { 0 };

	if ((ff_turn_open(w->core, &err) < 0 || !know(w, &err) ||
	     (type == FF_MSG_REMEMBER ? ff_memory_learn(w->core, w->known, msg, &err) : ff_resolution_take(w->core, w->known, msg, &err)) < 0) &&
	    !w->core->turn_failed)
		ff_log_warn(&w->core->log, "worker.resolution", "job %" PRId64 ": %s", w->job, err.text);
}

/* A record that cannot be read remembers nothing. */
static void take_recall(struct worker *w, const json_t *msg)
{
	struct ff_err err = { 0 };
	json_t *answer = NULL;

	if (ff_turn_open(w->core, &err) < 0 || !know(w, &err) || ff_memory_ask(w->core, w->known, msg, &answer, &err) < 0) {
		ff_log_warn(&w->core->log, "worker.recall", "job %" PRId64 ": %s", w->job, err.text);
		answer = json_pack("{s:i}", "entry", 0);
	}
	if (w->child.chan)
		(void)ff_chan_send(w->child.chan, FF_MSG_RECALLED, answer, -1, NULL); /* a failure ends the child */
	else
		json_decref(answer);
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
		FF_AUTO(ff_free) char *clean = ff_redact_text(ff_vault_redact(w->core), ev->text);

		ff_core_attempt_failed(w->core, w->job, w->attempt, ev->error ? ev->error : FF_E_INTERNAL,
				       clean ? clean : ev->text ? ev->text : "the worker gave no reason");
		return 0;
	}
	if (!strcmp(outcome, "conflicted"))
		ev->type = FF_EVENT_JOB_CONFLICTED;
	else if (!strcmp(outcome, "held"))
		ev->type = FF_EVENT_JOB_HELD;
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

/* One of our own has its job already, or is about to. */
static void take_claim(struct worker *w, const json_t *msg)
{
	if (!w->guest)
		return;
	if (json_is_false(json_object_get(msg, "gateway")))
		w->own_gateway = true;
	w->wants = true;
	if (!w->job)
		ff_core_dispatch(w->core);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct worker *w = arg;

	ff_close(&fd);
	if (w->lease)
		ff_lease_heard(w->lease);
	if (type == FF_MSG_SWEPT && !w->job) {
		ff_sweep_done(w);
		ff_child_hang_up(&w->child); /* it would wait for more */
	}
	if (type == FF_MSG_HELLO || type == FF_MSG_CLAIM)
		take_claim(w, msg);
	if (!w->job && w->guest && (type == FF_MSG_STEP || type == FF_MSG_DONE))
		answer(w, false, "this worker has no job");
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
	else if (type == FF_MSG_RESOLUTION || type == FF_MSG_REMEMBER)
		take_lesson(w, type, msg);
	else if (type == FF_MSG_RECALL)
		take_recall(w, msg);
	else if (type == FF_MSG_PUBLISH)
		ff_tunnel_take(w->core, w->job, chan, msg);
}

static void lost(struct worker *w, int status)
{
	FF_AUTO(ff_free) char *text = NULL;
	char how[FF_STATUS_TEXT];

	ff_status_text(status, how);
	if (w->silent)
		text = ff_strdup("nothing was heard of the worker for worker.silence: it was killed");
	else if (w->guest)
		text = ff_strdup("the worker went away");
	else
		text = ff_asprintf("the worker ended unexpectedly (%s)", how);
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
static void sweep_later(struct worker *w, int64_t job)
{
	int64_t *number;

	if (w->own_gateway && w->attempt == 1)
		return; /* neither we nor the gateway made anything for it */
	number = ff_calloc(1, sizeof *number);
	*number = job;
	ff_turn_after(w->core, sweep_if_ended, number);
}

/* What it has of its job here: socket, lease, log. Its end is in the record, or about to be. */
static void part(struct worker *w)
{
	int64_t job = w->job;

	w->job = 0;
	ff_job_free(&w->known);
	ff_watch_free(&w->limit);
	ff_lease_free(&w->lease);
	ff_joblog_end(&w->log);
	if (!job)
		return;
	if (!worker_of(w->core, job)) { /* the sockets may be the next attempt's by now */
		ff_tunnel_close(w->core, job);
		if (!w->own_gateway)
			ff_gateway_close(w->core, job, false);
	}
	sweep_later(w, job);
}

/* Between two jobs a guest is nobody's. */
static void rest(struct worker *w)
{
	part(w);
	w->done = w->sent = false;
	if (w->core->draining && !ff_workers_count(w->core))
		ff_loop_stop(w->core->loop);
	if (w->wants)
		ff_core_dispatch(w->core);
}

static void on_ended(void *arg, int status)
{
	struct worker *w = arg, **at;
	struct ff_core *core = w->core;

	for (at = &core->workers->first; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	if (w->job)
		lost(w, status); /* changes nothing when the end of the attempt is in the record */
	part(w);
	ff_child_fini(&w->child);
	if (w->guest)
		ff_guest_left(core);
	ff_sweep_ended(w);
	free(w);
	if (core->draining && !ff_workers_count(core))
		ff_loop_stop(core->loop);
	ff_core_dispatch(core);
}

/* --- starting and stopping ------------------------------------------------------ */

void ff_worker_give(struct worker *w, int64_t job, int attempt)
{
	unsigned char secret[32];

	ff_random(secret, sizeof secret);
	ff_hex(secret, sizeof secret, w->token);
	ff_job_free(&w->known);
	w->job = job;
	w->attempt = attempt;
	w->log = (struct ff_joblog){ .core = w->core, .job = job, .attempt = attempt, .fd = -1 };
}

static struct worker *new_worker(struct ff_core *core)
{
	struct worker *w = ff_calloc(1, sizeof *w);

	*w = (struct worker){ .core = core, .serial = ++core->workers->last_serial };
	ff_worker_give(w, 0, 0);
	return w;
}

struct worker *ff_worker_spawn(struct ff_core *core, int64_t job, int attempt, struct ff_err *err)
{
	struct worker *w = new_worker(core);

	ff_worker_give(w, job, attempt);
	if (ff_child_start(core, &w->child, "worker", FF_PEER_WORKER, on_msg, on_ended, w, err) < 0) {
		free(w);
		return NULL;
	}
	w->child.job = job;
	w->next = core->workers->first;
	core->workers->first = w;
	return w;
}

/* One that still lives must not touch the job any more: our own die with their sandboxes, a guest is told. */
static void end_worker(struct worker *w)
{
	if (w->guest)
		answer(w, false, "this attempt is over");
	ff_child_kill(&w->child, SIGKILL);
}

static void on_silence(void *arg)
{
	struct worker *w = arg;

	if (w->stopped)
		return;
	ff_log_error(&w->core->log, "worker.silent", "job %" PRId64 ": nothing was heard of its worker for worker.silence: "
		     "killed", w->job);
	w->silent = true;
	end_worker(w);
}

static void on_limit(void *arg)
{
	struct worker *w = arg;

	ff_log_error(&w->core->log, "worker.silent", "job %" PRId64 ": its worker did not end in time: killed", w->job);
	end_worker(w);
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

/* Without a socket there is nothing that this attempt could do. */
static void fail_start(struct worker *w, enum ff_err_code code, const char *text)
{
	w->stopped = true;
	end_worker(w);
	ff_core_attempt_failed(w->core, w->job, w->attempt, code, text);
}

static void send_job(struct worker *w)
{
	FF_AUTO(ff_buf_fini) struct ff_buf msg;
	FF_AUTO(ff_free) char *url = NULL;
	struct ff_err err = { 0 };
	int secrets = -1;

	ff_buf_init(&msg, SIZE_MAX / 4);

	if (!know(w, &err) || !(url = ff_repo_url(w->core, w->known->repo, &err)) ||
	    ff_vault_job(w->core, w->known, &secrets, &err) < 0) {
		fail_start(w, err.code, err.text);
		return;
	}
	w->sent = true;
	set_limit(w);
	(void)ff_buf_room(&msg, 2048); /* but for long tasks, all of it */
	ff_job_message(w->core, w->known, url, w->token, &msg);
	(void)ff_chan_send_fields(w->child.chan, FF_MSG_JOB, &msg, secrets, NULL); /* a failure ends the child */
}

void ff_workers_gateway_ready(struct ff_core *core, int64_t id, const struct ff_err *error)
{
	struct worker *w = worker_of(core, id);

	if (w && !w->done && error)
		fail_start(w, FF_E_CONTAINER_START_FAILED, error->text);
	else if (w && !w->sent && w->child.chan)
		send_job(w);
}

/* The attempt is in the record: from now on its time counts. */
static void begin(struct worker *w)
{
	set_limit(w);
	w->lease = ff_lease_new(w->core, on_silence, w);
	if (!w->own_gateway)
		ff_gateway_open(w->core, w->job, w->attempt, w->token);
	else if (w->child.chan)
		send_job(w);
}

bool ff_worker_runs(const struct ff_core *core, int64_t job)
{
	return worker_of(core, job) != NULL;
}

bool ff_worker_start_promised(struct ff_core *core, int64_t job)
{
	struct worker *w = worker_of(core, job);

	if (!w || !w->guest || !w->known || w->lease)
		return false;
	begin(w);
	return true;
}

void ff_worker_start(struct ff_core *core, const struct ff_job *job)
{
	struct ff_err err = { 0 };
	struct worker *w = worker_of(core, job->id);

	if (w && w->attempt == job->attempt) {
		if (w->guest && !w->lease)
			begin(w);
		return;
	}
	if (w) { /* two in one folder would spoil each other's work */
		w->stopped = true;
		end_worker(w);
	}
	w = ff_worker_spawn(core, job->id, job->attempt, &err);
	if (!w) {
		ff_core_attempt_failed(core, job->id, job->attempt, FF_E_CONTAINER_START_FAILED, err.text);
		return;
	}
	begin(w);
}

void ff_workers_reopen_sockets(struct ff_core *core)
{
	for (struct worker *w = core->workers->first; w; w = w->next)
		if (w->job && !w->stopped && !w->own_gateway)
			ff_gateway_open(core, w->job, w->attempt, w->token);
}

/* --- guests ------------------------------------------------------------------------- */

bool ff_worker_admit(struct ff_core *core, int fd)
{
	struct worker *w = new_worker(core);

	w->guest = true;
	ff_child_adopt(core, &w->child, "worker", fd, FF_PEER_WORKER, on_msg, on_ended, w);
	w->next = core->workers->first;
	core->workers->first = w;
	return true;
}

void ff_worker_stop(struct ff_core *core, int64_t job)
{
	struct worker *w = worker_of(core, job);

	if (!w || w->done)
		return; /* one that is done is on its way out and cleans up itself */
	w->stopped = true;
	end_worker(w);
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
		ff_close(&w->log.fd);
		ff_job_free(&w->known);
		ff_sweep_done(w);
		free(w);
	}
	free(all);
}
