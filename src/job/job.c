/* SPDX-License-Identifier: MIT */
/*
 * Which event may come in which state: one table, and the few rules that need
 * more than the state.  A worker is believed nothing here: its attempt number
 * must be the running one, and what it claims must be well formed.
 */
#include "job/job.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* Which attempt an event has to name. */
enum fence {
	OWN,   /* nobody's: 0, or the running one */
	START, /* the one after the newest */
	WORK,  /* the running one; 0 where none runs */
	LATE,  /* any that was started, or 0 */
};

struct rule {
	enum ff_event_type type;
	bool fresh, queued, waiting, running, held, ended;
	enum fence fence;
};

static const struct rule rules[] = {
	/*                            fresh queued waiting running held ended */
	{ FF_EVENT_JOB_CREATED,       1,    0,     0,      0,      0,   0, OWN },
	{ FF_EVENT_JOB_QUEUED,        0,    0,     1,      1,      1,   0, OWN },
	{ FF_EVENT_JOB_WAITING,       0,    1,     1,      1,      0,   0, OWN },
	{ FF_EVENT_JOB_STARTED,       0,    1,     0,      0,      0,   0, START },
	{ FF_EVENT_JOB_PROGRESS,      0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_JOB_COMPLETED,     0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_JOB_FAILED,        0,    1,     1,      1,      1,   0, WORK },
	{ FF_EVENT_JOB_CANCELLED,     0,    1,     1,      1,      1,   0, OWN },
	{ FF_EVENT_JOB_CONFLICTED,    0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_JOB_SUPERSEDED,    0,    1,     1,      0,      1,   0, OWN },
	{ FF_EVENT_JOB_EXPIRED,       0,    1,     1,      0,      1,   0, OWN },
	{ FF_EVENT_JOB_RETRIED,       0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_JOB_HELD,          0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_JOB_APPROVED,      0,    0,     0,      0,      1,   0, OWN },
	{ FF_EVENT_JOB_CONTINUED,     0,    0,     0,      0,      0,   1, OWN }, /* conflicted: ff_job_allowed */
	{ FF_EVENT_STEP_STARTED,      0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_STEP_FINISHED,     0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_SPEC_READ,         0,    0,     1,      0,      0,   0, OWN },
	{ FF_EVENT_CLONE_STARTED,     0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_CLONE_COMPLETED,   0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_CONFLICT_DETECTED, 0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_CONFLICT_RESOLVED, 0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_RESULT_REVIEWED,   0,    0,     0,      1,      0,   0, WORK },
	{ FF_EVENT_PUSH_COMPLETED,    0,    0,     0,      1,      0,   1, LATE },
	/* Of where the target is, not of the job: a trial may come back when the job has ended. */
	{ FF_EVENT_DRIFT_DETECTED,    0,    0,     0,      1,      0,   1, OWN },
	{ FF_EVENT_DRIFT_CLEARED,     0,    0,     0,      1,      0,   1, OWN },
	{ FF_EVENT_RESULT_MERGED,     0,    0,     0,      0,      0,   1, OWN },
	{ FF_EVENT_WORKER_STARTED,    0,    1,     1,      1,      1,   0, LATE },
	{ FF_EVENT_WORKER_STOPPED,    0,    1,     1,      1,      1,   0, LATE },
	{ FF_EVENT_RATE_LIMIT,        0,    1,     1,      1,      1,   0, LATE },
	/* A bill may come after the job: it was spent all the same. */
	{ FF_EVENT_MODEL_ANSWERED,    0,    1,     1,      1,      1,   1, LATE },
};

struct ff_job *ff_job_new(void)
{
	return ff_calloc(1, sizeof(struct ff_job));
}

void ff_job_spec_fini(struct ff_job_spec *spec)
{
	ff_free(&spec->task);
	ff_free(&spec->task_from);
	ff_free(&spec->target);
	ff_free(&spec->env_name);
}

void ff_job_free(struct ff_job **job)
{
	FF_AUTO(ff_free) struct ff_job *j = ff_steal(job);

	if (!j)
		return;
	ff_job_spec_fini(&j->spec);
	ff_free(&j->source_ref);
	ff_free(&j->pusher);
	ff_free(&j->reason);
	ff_free(&j->result_ref);
	for (int i = 0; i < FF_STEP_LIMIT; i++)
		ff_free(&j->step_oid[i]);
	for (size_t i = 0; j->conflicts && j->conflicts[i]; i++)
		ff_free(&j->conflicts[i]);
	ff_free(&j->conflicts);
}

static const struct rule *rule_of(enum ff_event_type type)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

static bool state_allows(const struct rule *r, enum ff_job_state s)
{
	switch (s) {
	case FF_JOB_QUEUED:
		return r->queued;
	case FF_JOB_WAITING:
		return r->waiting;
	case FF_JOB_RUNNING:
		return r->running;
	case FF_JOB_HELD:
		return r->held;
	case FF_JOB_COMPLETED:
	case FF_JOB_FAILED:
	case FF_JOB_CANCELLED:
	case FF_JOB_CONFLICTED:
	case FF_JOB_SUPERSEDED:
	case FF_JOB_EXPIRED:
		return r->ended;
	}
	return r->fresh;
}

static bool attempt_allowed(const struct ff_job *job, enum fence fence, int attempt)
{
	int now = job->state == FF_JOB_RUNNING ? job->attempt : 0;

	switch (fence) {
	case OWN:
		return attempt == 0 || attempt == now;
	case START:
		return attempt == job->attempt + 1;
	case WORK:
		return attempt == now;
	case LATE:
		return attempt >= 0 && attempt <= job->attempt;
	}
	return false;
}

static int check_attempt(const struct ff_job *job, enum fence fence, const struct ff_event *ev, struct ff_err *err)
{
	if (attempt_allowed(job, fence, ev->attempt))
		return 0;
	if (job->state == FF_JOB_RUNNING)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 ": %s of attempt %d, but attempt %d is running",
				  job->id, ff_event_name(ev->type), ev->attempt, job->attempt);
	return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 ": %s of attempt %d, but none is running (newest: %d)",
			  job->id, ff_event_name(ev->type), ev->attempt, job->attempt);
}

static bool given(const char *s)
{
	return s && *s;
}

/* What does not fit into the record is refused before it can get there. */
static int check_fields(const struct ff_job *job, const struct ff_event *ev, struct ff_err *err)
{
	const char *what = NULL;

	if (given(ev->oid) && !ff_oid_valid(ev->oid))
		what = "oid is not an object id";
	else if (given(ev->base_oid) && !ff_oid_valid(ev->base_oid))
		what = "base_oid is not an object id";
	else if (given(ev->ref) && !ff_ref_valid(ev->ref))
		what = "ref is not a ref name";
	else if (ev->tokens_in < 0 || ev->tokens_out < 0 || ev->cost_microusd < 0)
		what = "a bill is never negative";
	else if (ev->until_ms < 0)
		what = "until is not a time";
	else if ((unsigned)ev->wait > (unsigned)FF_WAIT_TARGET)
		what = "unknown reason to wait";
	else if ((unsigned)ev->step >= (unsigned)FF_STEP_LIMIT)
		what = "unknown step";
	if (!what)
		return 0;
	return ff_err_set(err, FF_E_INVALID, "job %" PRId64 ": %s: %s", job->id, ff_event_name(ev->type), what);
}

static int check_step(const struct ff_job *job, const struct ff_event *ev, struct ff_err *err)
{
	if (ev->step == FF_STEP_NONE)
		return ff_err_set(err, FF_E_INVALID, "job %" PRId64 ": %s names no step", job->id, ff_event_name(ev->type));
	if (ev->type == FF_EVENT_STEP_FINISHED && job->step != ev->step)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 ": step %s ends, but %s is running", job->id,
				  ff_step_word(ev->step), job->step ? ff_step_word(job->step) : "none");
	return 0;
}

int ff_job_allowed(const struct ff_job *job, const struct ff_event *ev, struct ff_err *err)
{
	const struct rule *rule = rule_of(ev->type);

	if (!rule)
		return ff_err_set(err, FF_E_INVALID, "job %" PRId64 ": unknown event %d", job->id, (int)ev->type);
	if (!state_allows(rule, job->state))
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " is %s: %s cannot come now", job->id,
				  job->state ? ff_job_state_word(job->state) : "not created yet",
				  ff_event_name(ev->type));
	if (check_attempt(job, rule->fence, ev, err) < 0 || check_fields(job, ev, err) < 0)
		return -1;
	if (ev->type == FF_EVENT_STEP_STARTED || ev->type == FF_EVENT_STEP_FINISHED)
		return check_step(job, ev, err);
	if (ev->type == FF_EVENT_JOB_CONTINUED && job->state != FF_JOB_CONFLICTED)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " is %s: %s cannot come now, only a conflicted one "
				  "can go on", job->id, ff_job_state_word(job->state), ff_event_name(ev->type));
	if (ev->type == FF_EVENT_JOB_APPROVED && (!given(ev->oid) || !job->step_oid[FF_STEP_COMMIT] ||
						  strcmp(ev->oid, job->step_oid[FF_STEP_COMMIT]) != 0))
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 ": what is approved is not what the job made", job->id);
	if (ev->type == FF_EVENT_JOB_WAITING && ev->wait == FF_WAIT_NONE)
		return ff_err_set(err, FF_E_INVALID, "job %" PRId64 ": %s gives no reason to wait", job->id,
				  ff_event_name(ev->type));
	if (ev->type == FF_EVENT_JOB_CANCELLED && job->state == FF_JOB_RUNNING && job->step == FF_STEP_PUBLISH)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " is publishing its result and cannot be cancelled "
				  "any more: wait until it has ended, then delete the result branch", job->id);
	return 0;
}

static char *describe_waiting(const struct ff_job *job)
{
	char until[FF_CLOCK_TEXT];
	FF_AUTO(ff_free) char *when = NULL;

	if (job->wait_until_ms) {
		ff_clock_format(job->wait_until_ms, until);
		when = ff_asprintf(", until %s", until);
	}
	return ff_asprintf("%s: %s%s%s%s%s", ff_job_state_word(job->state), ff_job_wait_text(job->wait), when ? when : "",
			   given(job->reason) ? " (" : "", given(job->reason) ? job->reason : "",
			   given(job->reason) ? ")" : "");
}

static char *describe_running(const struct ff_job *job)
{
	FF_AUTO(ff_free) char *try = job->attempt > 1 ? ff_asprintf(", attempt %d", job->attempt) : NULL;

	return ff_asprintf("%s%s%s%s", ff_job_state_word(job->state), try ? try : "", job->step ? ": " : "",
			   ff_step_word(job->step));
}

char *ff_job_describe(const struct ff_job *job)
{
	const char *why = job->reason;

	if (!job->state)
		return ff_strdup("not created yet");
	if (job->state == FF_JOB_WAITING)
		return describe_waiting(job);
	if (job->state == FF_JOB_RUNNING)
		return describe_running(job);
	if (!given(why) && job->error != FF_E_NONE)
		why = ff_err_meaning(job->error);
	return ff_asprintf("%s%s%s", ff_job_state_word(job->state), given(why) ? ": " : "", given(why) ? why : "");
}
