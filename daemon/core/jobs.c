/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 5.  The life of jobs: an event is asked for, folded and written
 *~ (ff_core_event), and after the commit the job is asked what its new state
 *~ needs (ff_job_action).  A restart asks every live job the same question,
 *~ which is why an action must be harmless when it comes twice.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "job/retry.h"

/* A job that was running at this many starts of the daemon may be what ends it. */
#define RESTARTS_MAX 20
/* Jobs moved at a time when the sandbox comes back or the daemon starts. */
#define BATCH 100000

struct told {
	int64_t seq;
	int64_t job;
	json_t *event;
};

static void tell(struct ff_core *core, void *arg, bool ok)
{
	struct told *t = arg;

	if (ok)
		ff_watch_event(core, t->job, t->seq, t->event);
	json_decref(t->event);
	free(t);
}

static void act(struct ff_core *core, void *arg, bool ok)
{
	int64_t *job = arg;

	if (ok)
		ff_job_action(core, *job);
	ff_free(&job);
}

static bool changes_state(enum ff_event_type type)
{
	return (type >= FF_EVENT_JOB_CREATED && type <= FF_EVENT_JOB_RETRIED && type != FF_EVENT_JOB_PROGRESS);
}

static int write_event(struct ff_core *core, struct ff_job *job, struct ff_event *ev, struct ff_err *err)
{
	json_t *fields = ff_event_fields(ev);
	char *data = json_dumps(fields, JSON_COMPACT);
	struct told *t;

	ff_assert(data);
	if (ff_store_event_add(core->store, job->id, ev->type, ev->at_ms, data, &ev->seq, err) < 0) {
		free(data);
		json_decref(fields);
		return -1;
	}
	free(data);
	t = ff_calloc(1, sizeof *t);
	*t = (struct told){ .seq = ev->seq, .job = job->id,
			    .event = ff_event_to_json(ev->seq, job->id, ev->type, ev->at_ms, fields) };
	ff_turn_after(core, tell, t);
	return 0;
}

static void after_act(struct ff_core *core, int64_t job)
{
	int64_t *id = ff_calloc(1, sizeof *id);

	*id = job;
	ff_turn_after(core, act, id);
}

int ff_core_event(struct ff_core *core, struct ff_job *job, struct ff_event *ev, struct ff_err *err)
{
	struct ff_log log = ff_log_job(core->log, job->id, NULL);
	bool steps = ev->type == FF_EVENT_STEP_STARTED || ev->type == FF_EVENT_STEP_FINISHED;

	ev->job = job->id;
	ev->at_ms = ff_clock_wall();
	if (ff_turn_open(core, err) < 0 || ff_job_allowed(job, ev, err) < 0)
		return -1;
	ff_job_fold(job, ev);
	if (ff_store_job_save(core->store, job, err) < 0 ||
	    (steps && ff_store_steps_save(core->store, job, err) < 0) || write_event(core, job, ev, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	ff_log_info(&log, ff_event_name(ev->type), "%s", ev->text ? ev->text : ev->step ? ff_step_word(ev->step)
										      : ff_job_state_word(job->state));
	if (changes_state(ev->type))
		after_act(core, job->id);
	return 0;
}

int ff_core_create(struct ff_core *core, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_CREATED, .wait = FF_WAIT_SPEC, .at_ms = ff_clock_wall() };
	struct ff_log log;

	if (ff_turn_open(core, err) < 0 || ff_job_allowed(job, &ev, err) < 0)
		return -1;
	job->created_ms = ev.at_ms;
	ff_job_fold(job, &ev);
	if (ff_store_job_add(core->store, job, push, retry_of, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	ev.job = job->id;
	if (write_event(core, job, &ev, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	log = ff_log_job(core->log, job->id, NULL);
	ff_log_info(&log, ff_event_name(ev.type), "%s", job->uuid);
	return 0;
}

int ff_core_enqueue(struct ff_core *core, struct ff_job *job, struct ff_err *err)
{
	struct ff_event read = { .type = FF_EVENT_SPEC_READ, .text = job->spec.task_from };
	struct ff_event next = { .type = FF_EVENT_JOB_QUEUED };
	FF_AUTO(ff_free) char *text = NULL;
	int64_t earlier = 0;

	if (ff_core_event(core, job, &read, err) < 0)
		return -1;
	if (job->spec.ttl_ms && ff_store_timer_set(core->store, job->id, FF_TIMER_TTL,
						   job->created_ms + job->spec.ttl_ms, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	if (ff_store_live_of_source(core->store, job->repo, job->source_ref, job->id, &earlier, err) < 0)
		return -1;
	if (earlier && earlier < job->id) {
		text = ff_asprintf("job %" PRId64 " of the same branch comes first", earlier);
		next = (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_SOURCE, .text = text };
	}
	return ff_core_event(core, job, &next, err);
}

/* --- actions ----------------------------------------------------------- */

/* The next job of this source may go now. */
static void release_source(struct ff_core *core, const struct ff_job *ended)
{
	FF_AUTO(ff_job_free) struct ff_job *next = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED };
	struct ff_err err = { 0 };
	int64_t id = 0;

	if (ff_store_live_of_source(core->store, ended->repo, ended->source_ref, 0, &id, &err) < 0 || !id)
		return;
	if (ff_store_job_get(core->store, id, &next, &err) == 0 && next->state == FF_JOB_WAITING &&
	    next->wait == FF_WAIT_SOURCE && ff_core_event(core, next, &ev, &err) < 0)
		ff_log_warn(&core->log, "queue.release", "job %" PRId64 ": %s", id, err.text);
}

static void clear_timers(struct ff_core *core, const struct ff_job *job)
{
	struct ff_err err = { 0 };

	if (ff_turn_open(core, &err) == 0 && ff_store_timers_clear(core->store, job->id, &err) < 0)
		ff_turn_fail(core, &err);
}

static void action_ended(struct ff_core *core, const struct ff_job *job)
{
	clear_timers(core, job);
	ff_worker_stop(core, job->id);
	release_source(core, job);
	ff_watch_ended(core, job);
	ff_core_dispatch(core);
}

static void action_waiting(struct ff_core *core, const struct ff_job *job)
{
	struct ff_err err = { 0 };
	int64_t push = 0;

	switch (job->wait) {
	case FF_WAIT_SPEC:
		if (ff_store_push_of_job(core->store, job->id, &push, &err) == 0 && push)
			ff_spec_ask(core, push);
		break;
	case FF_WAIT_RETRY:
	case FF_WAIT_PARKED:
	case FF_WAIT_TARGET:
		if (job->wait_until_ms && ff_turn_open(core, &err) == 0 &&
		    ff_store_timer_set(core->store, job->id, FF_TIMER_RETRY, job->wait_until_ms, &err) < 0)
			ff_turn_fail(core, &err);
		ff_timers_run(core);
		break;
	case FF_WAIT_SOURCE:
		release_source(core, job);
		break;
	case FF_WAIT_BLOCKED:
	case FF_WAIT_NONE:
		break;
	}
}

void ff_job_action(struct ff_core *core, int64_t id)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_err err = { 0 };

	if (ff_store_job_get(core->store, id, &job, &err) < 0) {
		ff_log_error(&core->log, "job.action", "job %" PRId64 ": %s", id, err.text);
		return;
	}
	switch (job->state) {
	case FF_JOB_QUEUED:
		ff_timers_run(core);
		ff_core_dispatch(core);
		break;
	case FF_JOB_WAITING:
		action_waiting(core, job);
		break;
	case FF_JOB_RUNNING:
		ff_worker_start(core, job);
		break;
	case FF_JOB_HELD:
		break;
	case FF_JOB_COMPLETED:
	case FF_JOB_FAILED:
	case FF_JOB_CANCELLED:
	case FF_JOB_CONFLICTED:
	case FF_JOB_SUPERSEDED:
	case FF_JOB_EXPIRED:
		action_ended(core, job);
		break;
	}
}

/* --- the queue ----------------------------------------------------------- */

static int start_job(struct ff_core *core, int64_t id, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_STARTED };
	bool guest = ff_guest_waits(core);

	if (ff_store_job_get(core->store, id, &job, err) < 0)
		return -1;
	ev.attempt = job->attempt + 1;
	if (!guest && ff_sandbox_missing(core))
		ev = (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_BLOCKED,
					.text = ff_sandbox_missing(core) };
	if (ff_core_event(core, job, &ev, err) < 0)
		return -1;
	if (guest)
		ff_guest_promise(core, id, ev.attempt);
	return 0;
}

/* *ret: whether one more job may leave the queue: for a guest, for a child of ours, or to wait until this host is mended. */
static int room(struct ff_core *core, bool *ret, struct ff_err *err)
{
	int64_t running = 0;

	*ret = ff_guest_waits(core);
	if (*ret)
		return 0;
	if (ff_sandbox_missing(core)) {
		*ret = !core->guests; /* with it, they wait in the queue for whoever comes */
		return 0;
	}
	if (ff_store_count(core->store, FF_JOB_RUNNING, &running, err) < 0)
		return -1;
	*ret = running - ff_guest_jobs(core) < ff_conf_int(core->conf, FF_CONF_SERVER_WORKERS);
	return 0;
}

void ff_core_dispatch(struct ff_core *core)
{
	struct ff_err err = { 0 };
	bool more = false;
	int64_t id = 0;

	if (core->draining || !ff_sandbox_known(core))
		return;
	while (room(core, &more, &err) == 0 && more && ff_store_next_queued(core->store, &id, &err) == 0 && id)
		if (start_job(core, id, &err) < 0)
			break;
	if (err.code && !core->turn_failed) /* of a failed turn it was said already */
		ff_log_error(&core->log, "queue.dispatch", "%s", err.text);
}

void ff_core_attempt_failed(struct ff_core *core, int64_t id, int attempt, enum ff_err_code code, const char *text)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_FAILED, .attempt = attempt, .error = code, .text = text };
	struct ff_err err = { 0 };
	struct ff_retry retry;
	uint32_t chance;

	if (ff_store_job_get(core->store, id, &job, &err) < 0) {
		if (err.code == FF_E_STORE)
			ff_turn_fail(core, &err); /* asked again when the record is mended */
		return;
	}
	if (job->state != FF_JOB_RUNNING || job->attempt != attempt)
		return; /* its end was recorded already */
	ff_random(&chance, sizeof chance);
	retry = ff_job_retry(job, code, chance);
	if (retry.again) {
		ev.type = FF_EVENT_JOB_RETRIED;
		ev.until_ms = ff_clock_wall() + retry.delay_ms;
	}
	if (ff_core_event(core, job, &ev, &err) < 0 && err.code != FF_E_STORE)
		ff_log_error(&core->log, "job.attempt", "job %" PRId64 ": %s", id, err.text);
	if (code == FF_E_CONTAINER_START_FAILED || code == FF_E_SANDBOX_MISSING)
		ff_sandbox_check(core);
}

/* --- start ----------------------------------------------------------------- */

/*
 * Jobs that run without a worker: it died with the daemon that ran it, or while
 * the record could not be written.  What they finished is kept.
 */
static int requeue_running(struct ff_core *core, const char *why, struct ff_err *err)
{
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 0;

	if (ff_store_jobs_in(core->store, FF_JOB_RUNNING, FF_WAIT_NONE, BATCH, &ids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_job_free) struct ff_job *job = NULL;
		struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED, .text = why };

		if (ff_worker_runs(core, ids[i]))
			continue;
		if (ff_store_job_get(core->store, ids[i], &job, err) < 0)
			return -1;
		if (job->attempt - job->failures > RESTARTS_MAX)
			ev = (struct ff_event){ .type = FF_EVENT_JOB_FAILED, .attempt = job->attempt, .error = FF_E_INTERNAL,
						.text = "the daemon ended too often while this job ran: read its log, then retry" };
		if (ff_core_event(core, job, &ev, err) < 0)
			return -1;
	}
	return 0;
}

int ff_core_restart_jobs(struct ff_core *core, const char *why, struct ff_err *err)
{
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 0;

	if (requeue_running(core, why, err) < 0 ||
	    ff_store_jobs_in(core->store, FF_JOB_WAITING, FF_WAIT_NONE, BATCH, &ids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && !core->turn_failed; i++)
		ff_job_action(core, ids[i]);
	return 0;
}

int ff_core_find_job(struct ff_core *core, const char *word, struct ff_job **ret_job, struct ff_err *err)
{
	int64_t id;

	if (ff_num_i64(word, 1, INT64_MAX, &id) < 0 && ff_store_job_by_uuid(core->store, word, &id, err) < 0)
		return -1;
	return ff_store_job_get(core->store, id, ret_job, err);
}

char *ff_core_job_url(const struct ff_core *core, int64_t job)
{
	const char *base = ff_conf_str(core->conf, FF_CONF_SERVER_URL);

	return *base ? ff_asprintf("%s/jobs/%" PRId64, base, job) : ff_strdup("");
}
