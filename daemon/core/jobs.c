/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 5.  The life of jobs: an event is asked for, folded and written
 *~ (ff_core_event), and after the commit the job is asked what its new state
 *~ needs (act_on).  A restart asks every live job the same question, which is
 *~ why an action must be harmless when it comes twice.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "job/retry.h"
#include "store/drift.h"

/* A job that was running at this many starts of the daemon may be what ends it. */
#define RESTARTS_MAX 20
/* Over the most that server.workers can let run. */
#define RUNNING_MAX 1000

struct told {
	int64_t seq;
	int64_t job, repo;
	json_t *event;
};

static void tell(struct ff_core *core, void *arg, bool ok)
{
	struct told *t = arg;

	if (ok)
		ff_watch_event(core, t->job, t->repo, t->seq, t->event);
	json_decref(t->event);
	free(t);
}

static bool changes_state(enum ff_event_type type)
{
	return (type >= FF_EVENT_JOB_CREATED && type <= FF_EVENT_JOB_RETRIED && type != FF_EVENT_JOB_PROGRESS) ||
	       type == FF_EVENT_JOB_CONTINUED || type == FF_EVENT_JOB_HELD || type == FF_EVENT_JOB_APPROVED;
}

/* Who begins to watch later gets it from the record. */
static void tell_watchers(struct ff_core *core, const struct ff_job *job, const struct ff_event *ev, const struct ff_buf *text)
{
	struct told *t;

	if (!ff_watched(core, job->id))
		return;
	t = ff_calloc(1, sizeof *t);
	*t = (struct told){ .seq = ev->seq, .job = job->id, .repo = job->repo,
			    .event = ff_event_to_json(ev->seq, job->id, ev->type, ev->at_ms,
						      ff_json_parse(text->data, text->len, NULL)) };
	ff_turn_after(core, tell, t);
}

static int write_event(struct ff_core *core, struct ff_job *job, struct ff_event *ev, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, SIZE_MAX / 4);
	(void)ff_buf_room(&text, 128); /* most have no more */
	ff_event_text(ev, &text);
	if (ff_store_event_add(core->store, job->id, ev->type, ev->at_ms, text.data, &ev->seq, err) < 0)
		return -1;
	tell_watchers(core, job, ev, &text);
	return 0;
}

/* What jobs say by the way is in their record; the log has what becomes of them. */
static void log_event(struct ff_core *core, const struct ff_job *job, const struct ff_event *ev)
{
	struct ff_log log = ff_log_job(core->log, job->id, NULL);
	bool by_the_way = ev->type == FF_EVENT_JOB_PROGRESS || ev->type == FF_EVENT_SPEC_READ;

	ff_log_write(&log, by_the_way ? FF_LOG_DEBUG : FF_LOG_INFO, ff_event_name(ev->type), "%s",
		     ev->type == FF_EVENT_JOB_CREATED ? job->uuid : ev->text ? ev->text : ev->step ? ff_step_word(ev->step)
		     : ff_job_state_word(job->state));
}

/* --- what the new state needs, once a turn and job ---------------------- */

static void act_on(struct ff_core *core, const struct ff_act *a);

static void act(struct ff_core *core, void *arg, bool ok)
{
	struct ff_act *acts = ff_steal(&core->acts);
	size_t n = core->n_acts;

	(void)arg;
	core->n_acts = 0;
	for (size_t i = 0; ok && i < n; i++)
		act_on(core, &acts[i]);
	ff_free(&acts);
}

static void after_act(struct ff_core *core, const struct ff_job *job)
{
	size_t i = core->n_acts;

	while (i && core->acts[i - 1].job != job->id)
		i--;
	if (!i) {
		if (!core->n_acts)
			ff_turn_after(core, act, NULL);
		core->acts = ff_realloc(core->acts, core->n_acts + 1, sizeof *core->acts);
		i = ++core->n_acts;
	}
	core->acts[i - 1] = (struct ff_act){ .job = job->id, .repo = job->repo, .state = job->state, .timer = job->spec.ttl_ms != 0 };
}

/* The next job of this source may go now. */
static int release_source(struct ff_core *core, const struct ff_job *ended, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *next = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED };
	int64_t id = 0;

	if (ff_store_live_of_source(core->store, ended->repo, ended->source_ref, 0, &id, err) < 0)
		return -1;
	if (!id)
		return 0;
	if (ff_store_job_get(core->store, id, &next, err) < 0)
		return -1;
	if (next->state != FF_JOB_WAITING || next->wait != FF_WAIT_SOURCE)
		return 0;
	return ff_core_event(core, next, &ev, err);
}

/* In the same transaction, so that neither can be seen without the other. */
static int end_in_turn(struct ff_core *core, const struct ff_job *job, struct ff_err *err)
{
	struct ff_err why = { 0 };

	if (ff_store_timers_clear(core->store, job->id, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	if (release_source(core, job, &why) < 0 && !core->turn_failed) /* it is asked again at the next start */
		ff_log_warn(&core->log, "queue.release", "after job %" PRId64 ": %s", job->id, why.text);
	return core->turn_failed ? ff_err_set(err, why.code, "%s", why.text) : 0;
}

/* It holds up no other job of its branch, and waits no longer than anybody is likely to look. */
static int hold_in_turn(struct ff_core *core, const struct ff_job *job, struct ff_err *err)
{
	int64_t keep = ff_conf_int(core->conf, FF_CONF_REVIEW_HOLD_TIME);

	if (ff_store_timers_clear(core->store, job->id, err) < 0 ||
	    (keep && ff_store_timer_set(core->store, job->id, FF_TIMER_TTL, ff_clock_wall() + keep, err) < 0) ||
	    release_source(core, job, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	return 0;
}

int ff_core_unhold(struct ff_core *core, struct ff_job *job, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED };
	int64_t other = 0;

	if (ff_store_timers_clear(core->store, job->id, err) < 0 ||
	    ff_store_live_of_source(core->store, job->repo, job->source_ref, job->id, &other, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	return other ? 0 : ff_core_event(core, job, &ev, err);
}

/* No more of it than the event has changed. */
static int save(struct ff_core *core, const struct ff_job *job, const struct ff_event *ev, struct ff_err *err)
{
	if (ff_event_only_told(ev->type))
		return 0;
	if (ev->type == FF_EVENT_STEP_STARTED || ev->type == FF_EVENT_STEP_FINISHED)
		return ff_store_step_save(core->store, job, ev->step, err);
	if (ev->type == FF_EVENT_JOB_STARTED || ev->type == FF_EVENT_JOB_COMPLETED)
		return ff_store_run_save(core->store, job, err);
	return ff_store_job_save(core->store, job, err);
}

/* From now on it is told when the target goes away from under it; and it may itself be some job's target. */
static int follow_result(struct ff_core *core, const struct ff_job *job, const struct ff_event *ev, struct ff_err *err)
{
	if (ev->type == FF_EVENT_PUSH_COMPLETED && ev->ref)
		ff_drift_moved(core, job->repo, ev->ref);
	if (ev->type != FF_EVENT_JOB_COMPLETED || !job->result_ref || !job->spec.target)
		return 0;
	return ff_store_drift_result(core->store, job, err);
}

int ff_core_event(struct ff_core *core, struct ff_job *job, struct ff_event *ev, struct ff_err *err)
{
	ev->job = job->id;
	ev->at_ms = ff_clock_wall();
	if (ff_turn_open(core, err) < 0 || ff_job_allowed(job, ev, err) < 0)
		return -1;
	ff_job_fold(job, ev);
	ff_worker_forget(core, job);
	ff_recent_forget(core, job->id);
	if (save(core, job, ev, err) < 0 || follow_result(core, job, ev, err) < 0 || write_event(core, job, ev, err) < 0 ||
	    (ff_job_state_ended(job->state) && changes_state(ev->type) && ff_age_job_ended(core, job->id, err) < 0)) {
		ff_turn_fail(core, err);
		return -1;
	}
	log_event(core, job, ev);
	if (!changes_state(ev->type))
		return 0;
	after_act(core, job);
	if (job->state == FF_JOB_QUEUED || job->state == FF_JOB_HELD || ff_job_state_ended(job->state))
		ff_core_dispatch(core);
	if (ev->type == FF_EVENT_JOB_HELD)
		return hold_in_turn(core, job, err);
	return ff_job_state_ended(job->state) ? end_in_turn(core, job, err) : 0;
}

int ff_core_create(struct ff_core *core, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_CREATED, .wait = FF_WAIT_SPEC, .at_ms = ff_clock_wall() };

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
	log_event(core, job, &ev);
	return 0;
}

static int set_ttl(struct ff_core *core, const struct ff_job *job, struct ff_err *err)
{
	if (job->spec.ttl_ms && ff_store_timer_set(core->store, job->id, FF_TIMER_TTL,
						   job->created_ms + job->spec.ttl_ms, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	return 0;
}

int ff_core_submit(struct ff_core *core, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err)
{
	struct ff_event evs[] = {
		{ .type = FF_EVENT_JOB_CREATED, .wait = FF_WAIT_SPEC },
		{ .type = FF_EVENT_SPEC_READ, .text = job->spec.task_from },
		{ .type = FF_EVENT_JOB_QUEUED },
	};

	job->created_ms = ff_clock_wall();
	if (ff_turn_open(core, err) < 0)
		return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(evs); i++) {
		evs[i].at_ms = job->created_ms;
		if (ff_job_allowed(job, &evs[i], err) < 0)
			return -1;
		ff_job_fold(job, &evs[i]);
	}
	if (ff_store_job_add(core->store, job, push, retry_of, err) < 0) {
		ff_turn_fail(core, err);
		return -1;
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(evs); i++) {
		evs[i].job = job->id;
		if (write_event(core, job, &evs[i], err) < 0) {
			ff_turn_fail(core, err);
			return -1;
		}
		log_event(core, job, &evs[i]);
	}
	after_act(core, job);
	ff_core_dispatch(core);
	return set_ttl(core, job, err);
}

int ff_core_enqueue(struct ff_core *core, struct ff_job *job, struct ff_err *err)
{
	struct ff_event read = { .type = FF_EVENT_SPEC_READ, .text = job->spec.task_from };
	struct ff_event next = { .type = FF_EVENT_JOB_QUEUED };
	FF_AUTO(ff_free) char *text = NULL;
	int64_t earlier = 0;

	if (ff_core_event(core, job, &read, err) < 0 || set_ttl(core, job, err) < 0 ||
	    ff_store_live_of_source(core->store, job->repo, job->source_ref, job->id, &earlier, err) < 0)
		return -1;
	if (earlier && earlier < job->id) {
		text = ff_asprintf("job %" PRId64 " of the same branch comes first", earlier);
		next = (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_SOURCE, .text = text };
	}
	return ff_core_event(core, job, &next, err);
}

/* --- actions ----------------------------------------------------------- */

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
		if (release_source(core, job, &err) < 0)
			ff_log_warn(&core->log, "queue.release", "job %" PRId64 ": %s", job->id, err.text);
		break;
	case FF_WAIT_BLOCKED: /* crowd.c */
	case FF_WAIT_NONE:
		break;
	}
}

void ff_job_action(struct ff_core *core, int64_t id)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_err err = { 0 };

	if (ff_store_job_get(core->store, id, &job, &err) < 0)
		ff_log_error(&core->log, "job.action", "job %" PRId64 ": %s", id, err.text);
	else if (job->state == FF_JOB_WAITING)
		action_waiting(core, job);
	else if (job->state == FF_JOB_RUNNING)
		ff_worker_start(core, job);
}

/* What the state needs; most need nothing of what is in the record. */
static void act_on(struct ff_core *core, const struct ff_act *a)
{
	switch (a->state) {
	case FF_JOB_QUEUED:
		if (a->timer)
			ff_timers_run(core);
		break;
	case FF_JOB_WAITING:
		if (a->timer)
			ff_timers_run(core);
		ff_job_action(core, a->job);
		break;
	case FF_JOB_RUNNING:
		if (!ff_worker_start_promised(core, a->job))
			ff_job_action(core, a->job);
		break;
	case FF_JOB_HELD:
		ff_timers_run(core);
		break;
	case FF_JOB_COMPLETED:
	case FF_JOB_FAILED:
	case FF_JOB_CANCELLED:
	case FF_JOB_CONFLICTED:
	case FF_JOB_SUPERSEDED:
	case FF_JOB_EXPIRED:
		ff_worker_stop(core, a->job);
		ff_upkeep_note(core, a->repo);
		ff_watch_ended(core, a->job);
		break;
	}
}

/* --- the queue ----------------------------------------------------------- */

static int start_job(struct ff_core *core, int64_t id, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_event ev = { .type = FF_EVENT_JOB_STARTED };
	bool guest = ff_guest_waits(core);

	/* First, as each read outside of a transaction takes and gives back locks. */
	if (ff_turn_open(core, err) < 0)
		return -1;
	job = ff_recent_take(core, id);
	if (!job && ff_store_job_get(core->store, id, &job, err) < 0)
		return -1;
	ev.attempt = job->attempt + 1;
	if (ff_core_event(core, job, &ev, err) < 0)
		return -1;
	if (guest)
		ff_guest_promise(core, &job);
	return 0;
}

/* *ret: whether one more job may leave the queue: for a guest, or for a child of ours. */
static int room(struct ff_core *core, bool *ret, struct ff_err *err)
{
	int64_t running = 0;

	*ret = ff_guest_waits(core);
	if (*ret || ff_core_missing(core))
		return 0;
	if (ff_store_count(core->store, FF_JOB_RUNNING, &running, err) < 0)
		return -1;
	*ret = running - ff_guest_jobs(core) < ff_conf_int(core->conf, FF_CONF_SERVER_WORKERS);
	return 0;
}

const char *ff_core_missing(const struct ff_core *core)
{
	const char *sandbox = ff_sandbox_missing(core);

	return sandbox ? sandbox : ff_gateway_key_missing(core);
}

bool ff_core_missing_known(const struct ff_core *core)
{
	return ff_sandbox_known(core) && ff_gateway_key_known(core);
}

void ff_core_unblock(struct ff_core *core)
{
	if (ff_core_missing_known(core))
		ff_crowd_unblock(core);
	ff_core_dispatch(core);
}

void ff_core_dispatch(struct ff_core *core)
{
	core->dispatch = true;
}

void ff_core_dispatch_now(struct ff_core *core)
{
	struct ff_err err = { 0 };
	bool more = false;
	int64_t id = 0;

	core->dispatch = false;
	if (core->draining || core->store_broken || !ff_core_missing_known(core))
		return; /* mend.c comes here again */
	if (ff_core_missing(core) && !core->guests) /* with guests, jobs wait in the queue for whoever comes */
		ff_crowd_block(core);
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
	retry = ff_job_retry(job, code, ff_conf_int(core->conf, FF_CONF_JOB_RETRY_DELAY), chance);
	if (code == FF_E_KEY_MISSING) { /* no fault of the job's, and no try either */
		ev.type = FF_EVENT_JOB_WAITING;
		ev.wait = FF_WAIT_BLOCKED;
		ev.error = FF_E_NONE;
	} else if (retry.again) {
		ev.type = FF_EVENT_JOB_RETRIED;
		ev.until_ms = ff_clock_wall() + retry.delay_ms;
	}
	if (ff_core_event(core, job, &ev, &err) < 0 && err.code != FF_E_STORE)
		ff_log_error(&core->log, "job.attempt", "job %" PRId64 ": %s", id, err.text);
	if (code == FF_E_CONTAINER_START_FAILED || code == FF_E_SANDBOX_MISSING)
		ff_sandbox_check(core);
}

/* --- start ----------------------------------------------------------------- */

/* Attempts that ended because the daemon did: not failures, nor those that somebody had go on behind a conflict. */
static int restarts(struct ff_core *core, const struct ff_job *job, int64_t *ret, struct ff_err *err)
{
	int64_t continued = 0;

	if (job->attempt > RESTARTS_MAX && /* seldom: it reads all that is known of the job */
	    ff_store_event_count(core->store, job->id, FF_EVENT_JOB_CONTINUED, &continued, err) < 0)
		return -1;
	*ret = job->attempt - job->failures - continued;
	return 0;
}

/*
 * Jobs that run without a worker: it died with the daemon that ran it, or while
 * the record could not be written.  What they finished is kept.
 */
static int requeue_running(struct ff_core *core, const char *why, struct ff_err *err)
{
	FF_AUTO(ff_free) int64_t *ids = NULL;
	size_t n = 0;

	if (ff_store_jobs_in(core->store, FF_JOB_RUNNING, FF_WAIT_NONE, RUNNING_MAX, &ids, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_job_free) struct ff_job *job = NULL;
		struct ff_event ev = { .type = FF_EVENT_JOB_QUEUED, .text = why };
		int64_t times = 0;

		if (ff_worker_runs(core, ids[i]))
			continue;
		if (ff_store_job_get(core->store, ids[i], &job, err) < 0 || restarts(core, job, &times, err) < 0)
			return -1;
		if (times > RESTARTS_MAX)
			ev = (struct ff_event){ .type = FF_EVENT_JOB_FAILED, .attempt = job->attempt, .error = FF_E_INTERNAL,
						.text = "the daemon ended too often while this job ran: read its log, then retry" };
		if (ff_core_event(core, job, &ev, err) < 0)
			return -1;
	}
	return 0;
}

int ff_core_restart_jobs(struct ff_core *core, const char *why, struct ff_err *err)
{
	if (requeue_running(core, why, err) < 0)
		return -1;
	ff_crowd_ask(core);
	if (ff_core_missing_known(core) && !ff_core_missing(core))
		ff_crowd_unblock(core); /* it was mended when nobody could write that down */
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
