/* SPDX-License-Identifier: MIT */
/*
 * The fold: one event, one change.  It is used live and when the record is
 * read again at start, so it must give the same job from the same events:
 * no clock, no choice, nothing that depends on more than its two arguments.
 */
#include "job/job.h"

#include <string.h>

static const char *text_or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static void set_text(char **to, const char *s)
{
	ff_free(to);
	*to = ff_strdup(text_or_null(s));
}

static void set_oid(char to[FF_OID_HEX_MAX + 1], const char *oid)
{
	size_t n = text_or_null(oid) ? strlen(oid) : 0;

	if (n == 0 || n > FF_OID_HEX_MAX)
		return; /* ff_job_allowed refused the second */
	memcpy(to, oid, n + 1);
}

static void set_result(struct ff_job *job, const struct ff_event *ev)
{
	if (text_or_null(ev->ref))
		set_text(&job->result_ref, ev->ref);
	set_oid(job->result_oid, ev->oid);
}

static void set_conflicts(struct ff_job *job, const char *const *paths)
{
	size_t n = 0;

	for (size_t i = 0; job->conflicts && job->conflicts[i]; i++)
		ff_free(&job->conflicts[i]);
	ff_free(&job->conflicts);
	while (paths && paths[n])
		n++;
	if (!n)
		return;
	job->conflicts = ff_calloc(n + 1, sizeof *job->conflicts);
	for (size_t i = 0; i < n; i++)
		job->conflicts[i] = ff_strdup(paths[i]);
}

static bool holds(const char *const *paths, const char *path)
{
	for (size_t i = 0; paths[i]; i++)
		if (!strcmp(paths[i], path))
			return true;
	return false;
}

/* The named ones are resolved; with no names, all of them. */
static void drop_conflicts(struct ff_job *job, const char *const *paths)
{
	size_t kept = 0;

	if (!paths || !paths[0]) {
		set_conflicts(job, NULL);
		return;
	}
	for (size_t i = 0; job->conflicts && job->conflicts[i]; i++) {
		char *path = ff_steal(&job->conflicts[i]);

		if (holds(paths, path))
			ff_free(&path);
		else
			job->conflicts[kept++] = path;
	}
	if (!kept)
		set_conflicts(job, NULL);
}

static void enter(struct ff_job *job, enum ff_job_state state, const struct ff_event *ev)
{
	job->state = state;
	job->wait = FF_WAIT_NONE;
	job->wait_until_ms = 0;
	job->step = FF_STEP_NONE;
	job->error = ev->error;
	set_text(&job->reason, ev->text);
}

static void enter_waiting(struct ff_job *job, enum ff_job_wait wait, const struct ff_event *ev)
{
	enter(job, FF_JOB_WAITING, ev);
	job->wait = wait;
	job->wait_until_ms = ev->until_ms;
}

static void end(struct ff_job *job, enum ff_job_state state, const struct ff_event *ev)
{
	enter(job, state, ev);
	job->ended_ms = ev->at_ms;
}

static void start(struct ff_job *job, const struct ff_event *ev)
{
	enter(job, FF_JOB_RUNNING, ev);
	job->attempt = ev->attempt;
	if (!job->started_ms)
		job->started_ms = ev->at_ms;
}

/*
 * A step that runs again makes what came after it worthless: a gate that was
 * green on the tree of an older rebase says nothing about the new one.
 */
static void start_step(struct ff_job *job, enum ff_step_kind step)
{
	job->step = step;
	for (int i = (int)step; i < FF_STEP_LIMIT; i++) {
		job->step_done[i] = false;
		ff_free(&job->step_oid[i]);
	}
	if (step <= FF_STEP_REBASE)
		set_conflicts(job, NULL);
}

static void finish_step(struct ff_job *job, const struct ff_event *ev)
{
	job->step = FF_STEP_NONE;
	job->step_done[ev->step] = true;
	set_text(&job->step_oid[ev->step], ev->oid);
	if (ev->step == FF_STEP_REBASE)
		set_oid(job->base_oid, ev->base_oid);
	if (ev->step == FF_STEP_PUBLISH)
		set_result(job, ev);
}

/* A bill that would overflow stays at the top: it must never look cheap. */
static void add(int64_t *sum, int64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = INT64_MAX;
}

static void add_bill(struct ff_job *job, const struct ff_event *ev)
{
	add(&job->tokens_in, ev->tokens_in);
	add(&job->tokens_out, ev->tokens_out);
	add(&job->cost_microusd, ev->cost_microusd);
}

static void create(struct ff_job *job, const struct ff_event *ev)
{
	enter_waiting(job, ev->wait ? ev->wait : FF_WAIT_SPEC, ev);
	job->created_ms = ev->at_ms;
}

static void retry(struct ff_job *job, const struct ff_event *ev)
{
	enter_waiting(job, FF_WAIT_RETRY, ev);
	job->failures++;
}

bool ff_event_only_told(enum ff_event_type type)
{
	switch (type) {
	case FF_EVENT_JOB_PROGRESS:
	case FF_EVENT_CLONE_STARTED:
	case FF_EVENT_CLONE_COMPLETED:
	case FF_EVENT_RESULT_REVIEWED:
	case FF_EVENT_PUSH_COMPLETED:
	case FF_EVENT_DRIFT_DETECTED:
	case FF_EVENT_DRIFT_CLEARED:
	case FF_EVENT_RESULT_MERGED:
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_WORKER_STOPPED:
	case FF_EVENT_RATE_LIMIT:
		return true;
	case FF_EVENT_SPEC_READ: /* the caller completed job->spec */
	case FF_EVENT_JOB_CREATED:
	case FF_EVENT_JOB_QUEUED:
	case FF_EVENT_JOB_WAITING:
	case FF_EVENT_JOB_STARTED:
	case FF_EVENT_JOB_RETRIED:
	case FF_EVENT_JOB_CONTINUED:
	case FF_EVENT_JOB_HELD:
	case FF_EVENT_JOB_APPROVED:
	case FF_EVENT_JOB_COMPLETED:
	case FF_EVENT_JOB_CONFLICTED:
	case FF_EVENT_JOB_FAILED:
	case FF_EVENT_JOB_CANCELLED:
	case FF_EVENT_JOB_SUPERSEDED:
	case FF_EVENT_JOB_EXPIRED:
	case FF_EVENT_STEP_STARTED:
	case FF_EVENT_STEP_FINISHED:
	case FF_EVENT_CONFLICT_DETECTED:
	case FF_EVENT_CONFLICT_RESOLVED:
	case FF_EVENT_MODEL_ANSWERED:
		return false;
	}
	return false;
}

void ff_job_fold(struct ff_job *job, const struct ff_event *ev)
{
	switch (ev->type) {
	case FF_EVENT_JOB_CREATED:
		create(job, ev);
		break;
	case FF_EVENT_JOB_QUEUED:
		enter(job, FF_JOB_QUEUED, ev);
		break;
	case FF_EVENT_JOB_WAITING:
		enter_waiting(job, ev->wait, ev);
		break;
	case FF_EVENT_JOB_CONTINUED: /* the one way back from an end; its recovery points are whole */
		enter(job, FF_JOB_QUEUED, ev);
		job->ended_ms = 0;
		break;
	case FF_EVENT_JOB_HELD:
		enter(job, FF_JOB_HELD, ev);
		break;
	case FF_EVENT_JOB_APPROVED: /* behind whatever of its branch runs by now */
		enter_waiting(job, FF_WAIT_SOURCE, ev);
		set_oid(job->approved_oid, ev->oid);
		break;
	case FF_EVENT_JOB_STARTED:
		start(job, ev);
		break;
	case FF_EVENT_JOB_RETRIED:
		retry(job, ev);
		break;
	case FF_EVENT_JOB_COMPLETED:
		end(job, FF_JOB_COMPLETED, ev);
		set_result(job, ev);
		break;
	case FF_EVENT_JOB_CONFLICTED:
		end(job, FF_JOB_CONFLICTED, ev);
		set_result(job, ev);
		if (ev->paths && ev->paths[0])
			set_conflicts(job, ev->paths);
		break;
	case FF_EVENT_JOB_FAILED:
		end(job, FF_JOB_FAILED, ev);
		break;
	case FF_EVENT_JOB_CANCELLED:
		end(job, FF_JOB_CANCELLED, ev);
		break;
	case FF_EVENT_JOB_SUPERSEDED:
		end(job, FF_JOB_SUPERSEDED, ev);
		break;
	case FF_EVENT_JOB_EXPIRED:
		end(job, FF_JOB_EXPIRED, ev);
		break;
	case FF_EVENT_STEP_STARTED:
		start_step(job, ev->step);
		break;
	case FF_EVENT_STEP_FINISHED:
		finish_step(job, ev);
		break;
	case FF_EVENT_CONFLICT_DETECTED:
		set_conflicts(job, ev->paths);
		break;
	case FF_EVENT_CONFLICT_RESOLVED:
		drop_conflicts(job, ev->paths);
		break;
	case FF_EVENT_MODEL_ANSWERED:
		add_bill(job, ev);
		break;
	case FF_EVENT_JOB_PROGRESS:
	case FF_EVENT_SPEC_READ: /* the caller completed job->spec */
	case FF_EVENT_CLONE_STARTED:
	case FF_EVENT_CLONE_COMPLETED:
	case FF_EVENT_RESULT_REVIEWED:
	case FF_EVENT_PUSH_COMPLETED:
	case FF_EVENT_DRIFT_DETECTED:
	case FF_EVENT_DRIFT_CLEARED:
	case FF_EVENT_RESULT_MERGED:
	case FF_EVENT_WORKER_STARTED:
	case FF_EVENT_WORKER_STOPPED:
	case FF_EVENT_RATE_LIMIT:
		break; /* told and kept, but nothing about the job changes */
	}
}
