/* SPDX-License-Identifier: MIT */
/*
 * The life of a job: every event in every state, the fence of attempts, and
 * what the fold makes of a whole record.
 */
#include "job/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OID "0123456789abcdef0123456789abcdef01234567"
#define OID_B "89abcdef0123456789abcdef0123456701234567"
#define RUNS 3 /* the attempt that runs in job_in() */

static const struct ff_event created = { .type = FF_EVENT_JOB_CREATED, .at_ms = 100 };

/* An event that has nothing wrong about itself. */
static struct ff_event plain(enum ff_event_type type)
{
	struct ff_event ev = { .type = type, .at_ms = 500 };

	if (type == FF_EVENT_JOB_WAITING)
		ev.wait = FF_WAIT_BLOCKED;
	if (type == FF_EVENT_STEP_STARTED || type == FF_EVENT_STEP_FINISHED)
		ev.step = FF_STEP_RUN;
	if (type == FF_EVENT_JOB_APPROVED)
		ev.oid = OID;
	return ev;
}

static struct ff_job *job_in(int state)
{
	struct ff_job *job = ff_job_new();

	job->id = 12;
	job->state = (enum ff_job_state)state;
	job->attempt = state ? RUNS : 0;
	if (state == FF_JOB_WAITING)
		job->wait = FF_WAIT_SPEC;
	if (state == FF_JOB_RUNNING)
		job->step = FF_STEP_RUN;
	if (state == FF_JOB_HELD)
		job->step_oid[FF_STEP_COMMIT] = ff_strdup(OID);
	return job;
}

static void test_words(void **state)
{
	(void)state;
#define FF_STATE(n, name, word, end) { \
	enum ff_job_state s = (enum ff_job_state)0; \
	assert_string_equal(ff_job_state_word(FF_JOB_##name), word); \
	assert_int_equal(ff_job_state_by_word(word, &s), 0); \
	assert_int_equal(s, n); \
	assert_int_equal(ff_job_state_ended(FF_JOB_##name), end); }
#define FF_WAIT(n, name, word, text) \
	assert_string_equal(ff_job_wait_word(FF_WAIT_##name), word); \
	assert_string_equal(ff_job_wait_text(FF_WAIT_##name), text);
#define FF_STEP(n, name, word) { \
	enum ff_step_kind k = FF_STEP_NONE; \
	assert_string_equal(ff_step_word(FF_STEP_##name), word); \
	assert_int_equal(ff_step_by_word(word, &k), 0); \
	assert_int_equal(k, n); }
#define FF_PRIORITY(n, name, word) { \
	enum ff_priority p = (enum ff_priority)9; \
	assert_string_equal(ff_priority_word(FF_PRIORITY_##name), word); \
	assert_int_equal(ff_priority_by_word(word, &p), 0); \
	assert_int_equal(p, n); }
#include "job/job_states.def"
#define FF_EVENT(n, name, word) { \
	enum ff_event_type t = (enum ff_event_type)0; \
	assert_string_equal(ff_event_name(FF_EVENT_##name), word); \
	assert_int_equal(ff_event_by_name(word, &t), 0); \
	assert_int_equal(t, n); }
#include "job/event.def"
#undef FF_STATE
#undef FF_WAIT
#undef FF_STEP
#undef FF_PRIORITY
#undef FF_EVENT
}

static void test_unknown_words(void **state)
{
	enum ff_job_state s = FF_JOB_HELD;
	enum ff_step_kind k = FF_STEP_GATE;
	enum ff_priority p = FF_PRIORITY_HIGH;
	enum ff_event_type t = FF_EVENT_JOB_FAILED;

	(void)state;
	assert_int_equal(ff_job_state_by_word("Queued", &s), -1);
	assert_int_equal(ff_step_by_word("", &k), -1);
	assert_int_equal(ff_priority_by_word("urgent", &p), -1);
	assert_int_equal(ff_event_by_name("job", &t), -1);
	assert_int_equal(s, FF_JOB_HELD);
	assert_int_equal(k, FF_STEP_GATE);
	assert_int_equal(p, FF_PRIORITY_HIGH);
	assert_int_equal(t, FF_EVENT_JOB_FAILED);
	assert_string_equal(ff_job_state_word((enum ff_job_state)99), "unknown");
	assert_string_equal(ff_event_name((enum ff_event_type)0), "unknown");
	assert_string_equal(ff_step_word(FF_STEP_NONE), "");
	assert_string_equal(ff_job_wait_word(FF_WAIT_NONE), "");
	assert_string_equal(ff_job_wait_text(FF_WAIT_NONE), "");
	assert_false(ff_job_state_ended((enum ff_job_state)0));
}

/*
 * Every event in every state, written out a second time on purpose. A letter
 * for each state: n(ot created) q(ueued) w(aiting) r(unning) h(eld) and the
 * ends c f x(cancelled) o(conflicted) s e.
 */
static const struct { enum ff_event_type type; const char *in; } allowed[] = {
	{ FF_EVENT_JOB_CREATED, "n" },
	{ FF_EVENT_JOB_QUEUED, "wrh" },
	{ FF_EVENT_JOB_WAITING, "qwr" },
	{ FF_EVENT_JOB_STARTED, "q" },
	{ FF_EVENT_JOB_PROGRESS, "r" },
	{ FF_EVENT_JOB_COMPLETED, "r" },
	{ FF_EVENT_JOB_FAILED, "qwrh" },
	{ FF_EVENT_JOB_CANCELLED, "qwrh" },
	{ FF_EVENT_JOB_CONFLICTED, "r" },
	{ FF_EVENT_JOB_SUPERSEDED, "qwh" },
	{ FF_EVENT_JOB_EXPIRED, "qwh" },
	{ FF_EVENT_JOB_RETRIED, "r" },
	{ FF_EVENT_JOB_HELD, "r" },
	{ FF_EVENT_JOB_APPROVED, "h" },
	{ FF_EVENT_RESULT_REVIEWED, "r" },
	{ FF_EVENT_JOB_CONTINUED, "o" },
	{ FF_EVENT_STEP_STARTED, "r" },
	{ FF_EVENT_STEP_FINISHED, "r" },
	{ FF_EVENT_SPEC_READ, "w" },
	{ FF_EVENT_CLONE_STARTED, "r" },
	{ FF_EVENT_CLONE_COMPLETED, "r" },
	{ FF_EVENT_CONFLICT_DETECTED, "r" },
	{ FF_EVENT_CONFLICT_RESOLVED, "r" },
	{ FF_EVENT_PUSH_COMPLETED, "rcfxose" },
	{ FF_EVENT_DRIFT_DETECTED, "rcfxose" },
	{ FF_EVENT_DRIFT_CLEARED, "rcfxose" },
	{ FF_EVENT_RESULT_MERGED, "cfxose" },
	{ FF_EVENT_WORKER_STARTED, "qwrh" },
	{ FF_EVENT_WORKER_STOPPED, "qwrh" },
	{ FF_EVENT_RATE_LIMIT, "qwrh" },
	{ FF_EVENT_MODEL_ANSWERED, "qwrhcfxose" },
};
static const char state_letters[] = "nqwrhcfxose"; /* by number on disk */

static const char *states_of(enum ff_event_type type)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(allowed); i++)
		if (allowed[i].type == type)
			return allowed[i].in;
	fail_msg("no expectation for %s", ff_event_name(type));
	return "";
}

static void check_everywhere(enum ff_event_type type)
{
	const char *in = states_of(type);

	for (int s = 0; state_letters[s]; s++) {
		FF_AUTO(ff_job_free) struct ff_job *job = job_in(s);
		bool want = strchr(in, state_letters[s]) != NULL;
		struct ff_event ev = plain(type);
		struct ff_err err = { 0 };
		int rc;

		if (s == FF_JOB_RUNNING)
			ev.attempt = RUNS;
		if (type == FF_EVENT_JOB_STARTED)
			ev.attempt = job->attempt + 1;
		rc = ff_job_allowed(job, &ev, &err);
		if (rc != (want ? 0 : -1))
			fail_msg("%s in state %d: %d (%s)", ff_event_name(type), s, rc, err.text);
		if (!want) {
			assert_int_equal(err.code, FF_E_CONFLICT);
			assert_non_null(strstr(err.text, s ? ff_job_state_word((enum ff_job_state)s) : "not created"));
			assert_non_null(strstr(err.text, ff_event_name(type)));
			assert_int_equal(ff_job_allowed(job, &ev, NULL), -1);
		} else {
			struct ff_job before;

			memcpy(&before, job, sizeof before);
			ff_job_fold(job, &ev); /* must never fail on what is allowed */
			if (ff_event_only_told(type)) /* what is not saved must not have changed */
				assert_memory_equal(&before, job, sizeof before);
		}
	}
}

static void test_every_event_in_every_state(void **state)
{
	(void)state;
#define FF_EVENT(n, name, word) check_everywhere(FF_EVENT_##name);
#include "job/event.def"
#undef FF_EVENT
}

static void test_unknown_event(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
	struct ff_event ev = { .type = (enum ff_event_type)999, .attempt = RUNS };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_job_allowed(job, &ev, &err), -1);
	assert_int_equal(err.code, FF_E_INVALID);
}

/* What a stale worker may say: nothing. */
static void check_fence(enum ff_event_type type)
{
	static const char late[] = "job.started git.push.completed worker.started worker.stopped rate_limit.exceeded "
				   "model.answered";
	bool is_late = strstr(late, ff_event_name(type)) != NULL;

	for (int attempt = -1; attempt <= RUNS + 2; attempt++) {
		FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
		struct ff_event ev = plain(type);
		struct ff_err err = { 0 };
		int rc;

		ev.attempt = attempt;
		if (!strchr(states_of(type), 'r'))
			continue;
		rc = ff_job_allowed(job, &ev, &err);
		if (attempt == RUNS)
			assert_int_equal(rc, 0);
		else if (is_late && attempt >= 0 && attempt < RUNS)
			assert_int_equal(rc, 0);
		else if (attempt != 0) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.code, FF_E_CONFLICT);
			assert_non_null(strstr(err.text, "attempt 3 is running"));
		}
	}
}

static void test_fence(void **state)
{
	static const enum ff_event_type of_worker[] = {
		FF_EVENT_JOB_PROGRESS, FF_EVENT_JOB_COMPLETED, FF_EVENT_JOB_FAILED, FF_EVENT_JOB_CONFLICTED,
		FF_EVENT_JOB_RETRIED, FF_EVENT_STEP_STARTED, FF_EVENT_STEP_FINISHED, FF_EVENT_CLONE_STARTED,
		FF_EVENT_CLONE_COMPLETED, FF_EVENT_CONFLICT_DETECTED, FF_EVENT_CONFLICT_RESOLVED,
	};

	(void)state;
#define FF_EVENT(n, name, word) check_fence(FF_EVENT_##name);
#include "job/event.def"
#undef FF_EVENT
	for (size_t i = 0; i < FF_ARRAY_LEN(of_worker); i++) { /* 0 is no way around the fence */
		FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
		struct ff_event ev = plain(of_worker[i]);

		assert_int_equal(ff_job_allowed(job, &ev, NULL), -1);
	}
}

/* The attempt is over, so its number is worth nothing, although it is the newest. */
static void test_fence_after_attempt(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_WAITING);
	struct ff_event ev = { .type = FF_EVENT_JOB_FAILED, .attempt = RUNS };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_job_allowed(job, &ev, &err), -1);
	assert_non_null(strstr(err.text, "none is running"));
	ev.attempt = 0;
	assert_int_equal(ff_job_allowed(job, &ev, &err), 0);
}

static void test_start_numbers(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_QUEUED);

	(void)state;
	for (int attempt = 0; attempt <= RUNS + 3; attempt++) {
		struct ff_event ev = { .type = FF_EVENT_JOB_STARTED, .attempt = attempt };

		assert_int_equal(ff_job_allowed(job, &ev, NULL), attempt == RUNS + 1 ? 0 : -1);
	}
}

static void test_steps(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
	struct ff_event start = { .type = FF_EVENT_STEP_STARTED, .attempt = RUNS };
	struct ff_event finish = { .type = FF_EVENT_STEP_FINISHED, .attempt = RUNS, .step = FF_STEP_GATE };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_job_allowed(job, &start, &err), -1); /* no step named */
	assert_int_equal(err.code, FF_E_INVALID);
	assert_int_equal(ff_job_allowed(job, &finish, &err), -1); /* RUN is running */
	assert_int_equal(err.code, FF_E_CONFLICT);
	assert_non_null(strstr(err.text, "step gate ends, but run is running"));
	job->step = FF_STEP_NONE;
	assert_int_equal(ff_job_allowed(job, &finish, &err), -1);
	job->step = FF_STEP_GATE;
	assert_int_equal(ff_job_allowed(job, &finish, &err), 0);
	ff_job_fold(job, &finish);
	assert_true(job->step_done[FF_STEP_GATE]);
	assert_int_equal(job->step, FF_STEP_NONE);
	assert_int_equal(ff_job_allowed(job, &finish, &err), -1); /* not twice */
}

static void test_bad_fields(void **state)
{
	static const struct ff_event bad[] = {
		{ .oid = "xyz" },
		{ .oid = OID "0" },
		{ .base_oid = "0123456789ABCDEF0123456789abcdef01234567" },
		{ .ref = "refs/heads/a..b" },
		{ .ref = "plain" },
		{ .tokens_in = -1 },
		{ .tokens_out = -5 },
		{ .cost_microusd = INT64_MIN },
		{ .until_ms = -1 },
		{ .wait = (enum ff_job_wait)7 },
		{ .step = FF_STEP_LIMIT },
		{ .step = (enum ff_step_kind)-1 },
	};
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++) {
		struct ff_event ev = bad[i];
		struct ff_err err = { 0 };

		ev.type = FF_EVENT_JOB_PROGRESS;
		ev.attempt = RUNS;
		if (ff_job_allowed(job, &ev, &err) == 0)
			fail_msg("row %zu was allowed", i);
		assert_int_equal(err.code, FF_E_INVALID);
	}
	{
		struct ff_event ev = { .type = FF_EVENT_JOB_WAITING };
		struct ff_err err = { 0 };

		assert_int_equal(ff_job_allowed(job, &ev, &err), -1); /* for what? */
		assert_int_equal(err.code, FF_E_INVALID);
	}
}

static void test_cancel_while_publishing(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
	struct ff_event ev = { .type = FF_EVENT_JOB_CANCELLED };
	struct ff_err err = { 0 };

	(void)state;
	job->step = FF_STEP_PUBLISH;
	assert_int_equal(ff_job_allowed(job, &ev, &err), -1);
	assert_int_equal(err.code, FF_E_CONFLICT);
	assert_non_null(strstr(err.text, "publishing"));
	job->step = FF_STEP_GATE;
	assert_int_equal(ff_job_allowed(job, &ev, &err), 0);
}

static void fold(struct ff_job *job, struct ff_event ev)
{
	struct ff_err err = { 0 };

	if (ff_job_allowed(job, &ev, &err) < 0)
		fail_msg("%s: %s", ff_event_name(ev.type), err.text);
	ff_job_fold(job, &ev);
}

static void step(struct ff_job *job, enum ff_step_kind k, const char *oid)
{
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_STARTED, .attempt = job->attempt, .step = k });
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_FINISHED, .attempt = job->attempt, .step = k, .oid = oid,
		.base_oid = k == FF_STEP_REBASE ? OID_B : NULL,
		.ref = k == FF_STEP_PUBLISH ? "refs/heads/claude-results/x-12" : NULL });
}

static void test_whole_life(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	(void)state;
	fold(job, created);
	assert_int_equal(job->state, FF_JOB_WAITING);
	assert_int_equal(job->wait, FF_WAIT_SPEC);
	assert_int_equal(job->created_ms, 100);
	fold(job, (struct ff_event){ .type = FF_EVENT_SPEC_READ });
	assert_int_equal(job->state, FF_JOB_WAITING);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_SOURCE, .text = "job 11" });
	assert_string_equal(job->reason, "job 11");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED });
	assert_null(job->reason);
	assert_int_equal(job->wait, FF_WAIT_NONE);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = 1, .at_ms = 200 });
	step(job, FF_STEP_PREPARE, NULL);
	step(job, FF_STEP_RUN, OID);
	assert_null(job->step_oid[FF_STEP_PREPARE]);
	assert_string_equal(job->step_oid[FF_STEP_RUN], OID);
	step(job, FF_STEP_REBASE, OID_B);
	assert_string_equal(job->base_oid, OID_B);
	step(job, FF_STEP_PUBLISH, OID);
	assert_string_equal(job->result_ref, "refs/heads/claude-results/x-12");
	assert_string_equal(job->result_oid, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_PUSH_COMPLETED, .attempt = 1 });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_COMPLETED, .attempt = 1, .at_ms = 900 });
	assert_int_equal(job->state, FF_JOB_COMPLETED);
	assert_int_equal(job->started_ms, 200);
	assert_int_equal(job->ended_ms, 900);
	assert_string_equal(job->result_oid, OID); /* an end without names leaves them */
	fold(job, (struct ff_event){ .type = FF_EVENT_MODEL_ANSWERED, .attempt = 1, .tokens_in = 5, .cost_microusd = 7 });
	assert_int_equal(job->tokens_in, 5);
	assert_int_equal(job->cost_microusd, 7);
	assert_int_equal(job->ended_ms, 900);
}

static void test_created_waiting(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	(void)state;
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_CREATED, .wait = FF_WAIT_BLOCKED, .text = "no sandbox", .at_ms = 3 });
	assert_int_equal(job->wait, FF_WAIT_BLOCKED);
	assert_string_equal(job->reason, "no sandbox");
	assert_int_equal(job->error, FF_E_NONE);
}

/* Recovery points outlive an attempt; the bill and the first start too. */
static void test_retry(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	(void)state;
	fold(job, created);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = 1, .at_ms = 200 });
	step(job, FF_STEP_RUN, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_STARTED, .attempt = 1, .step = FF_STEP_COMMIT });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_RETRIED, .attempt = 1, .until_ms = 5000,
		.error = FF_E_NETWORK_ERROR, .text = "reset by peer" });
	assert_int_equal(job->state, FF_JOB_WAITING);
	assert_int_equal(job->wait, FF_WAIT_RETRY);
	assert_int_equal(job->wait_until_ms, 5000);
	assert_int_equal(job->failures, 1);
	assert_int_equal(job->error, FF_E_NETWORK_ERROR);
	assert_int_equal(job->step, FF_STEP_NONE);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED });
	assert_int_equal(job->wait_until_ms, 0);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = 2, .at_ms = 6000 });
	assert_int_equal(job->error, FF_E_NONE);
	assert_int_equal(job->started_ms, 200);
	assert_true(job->step_done[FF_STEP_RUN]);
	assert_false(job->step_done[FF_STEP_COMMIT]);
	assert_string_equal(job->step_oid[FF_STEP_RUN], OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_PARKED, .until_ms = 9000 });
	assert_int_equal(job->failures, 1); /* not the job's fault */
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_FAILED, .error = FF_E_AGENT_FAILED, .text = "gave up", .at_ms = 9999 });
	assert_int_equal(job->error, FF_E_AGENT_FAILED);
	assert_string_equal(job->reason, "gave up");
	assert_int_equal(job->ended_ms, 9999);
}

/* A gate that was green on an older rebase must not let the new one through. */
static void test_step_again(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);

	(void)state;
	for (int k = FF_STEP_PREPARE; k <= FF_STEP_GATE; k++)
		step(job, (enum ff_step_kind)k, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_STARTED, .attempt = RUNS, .step = FF_STEP_REBASE });
	for (int k = FF_STEP_PREPARE; k <= FF_STEP_GATE; k++) {
		assert_int_equal(job->step_done[k], k < FF_STEP_REBASE);
		assert_int_equal(job->step_oid[k] != NULL, k < FF_STEP_REBASE);
	}
}

static void test_conflicts(void **state)
{
	static const char *const three[] = { "a", "b/c", "d", NULL };
	static const char *const one[] = { "b/c", "not there", NULL };
	static const char *const end[] = { "z", NULL };
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);

	(void)state;
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_DETECTED, .attempt = RUNS, .paths = three });
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_RESOLVED, .attempt = RUNS, .paths = one });
	assert_string_equal(job->conflicts[0], "a");
	assert_string_equal(job->conflicts[1], "d");
	assert_null(job->conflicts[2]);
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_RESOLVED, .attempt = RUNS });
	assert_null(job->conflicts);
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_RESOLVED, .attempt = RUNS, .paths = one });
	assert_null(job->conflicts);
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_DETECTED, .attempt = RUNS, .paths = one });
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_RESOLVED, .attempt = RUNS, .paths = one });
	assert_null(job->conflicts);
	fold(job, (struct ff_event){ .type = FF_EVENT_CONFLICT_DETECTED, .attempt = RUNS, .paths = three });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_CONFLICTED, .attempt = RUNS, .at_ms = 7, .paths = end,
		.ref = "refs/heads/claude-conflicts/x-12", .oid = OID });
	assert_string_equal(job->conflicts[0], "z");
	assert_string_equal(job->result_ref, "refs/heads/claude-conflicts/x-12");
	assert_int_equal(job->ended_ms, 7);
}

/* From conflicted there is a way back, to behind what was done before the rebase. */
static void test_continue(void **state)
{
	static const char *const paths[] = { "a", NULL };
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);

	(void)state;
	for (int k = FF_STEP_PREPARE; k <= FF_STEP_COMMIT; k++)
		step(job, (enum ff_step_kind)k, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_CONFLICTED, .attempt = RUNS, .at_ms = 7, .paths = paths,
		.ref = "refs/heads/claude-conflicts/x-12", .oid = OID });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_CONTINUED, .at_ms = 8, .text = "pushed" });
	assert_int_equal(job->state, FF_JOB_QUEUED);
	assert_int_equal(job->ended_ms, 0);
	assert_string_equal(job->reason, "pushed");
	assert_true(job->step_done[FF_STEP_COMMIT]);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = RUNS + 1 });
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_STARTED, .attempt = RUNS + 1, .step = FF_STEP_REBASE });
	assert_null(job->conflicts);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_COMPLETED, .attempt = RUNS + 1, .at_ms = 9,
		.ref = "refs/heads/claude-results/x-12", .oid = OID });
	assert_string_equal(job->result_ref, "refs/heads/claude-results/x-12");
	assert_int_equal(job->ended_ms, 9);
}

/* An approval is for what was made, and for nothing else. */
static void test_held(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
	struct ff_event approved = { .type = FF_EVENT_JOB_APPROVED, .text = "approved by ada" };

	(void)state;
	for (int k = FF_STEP_PREPARE; k <= FF_STEP_COMMIT; k++)
		step(job, (enum ff_step_kind)k, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_HELD, .attempt = RUNS, .text = "it changes .ci" });
	assert_int_equal(job->state, FF_JOB_HELD);
	assert_string_equal(job->reason, "it changes .ci");
	assert_false(ff_job_state_ended(job->state));
	assert_int_equal(ff_job_allowed(job, &approved, NULL), -1);
	approved.oid = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
	assert_int_equal(ff_job_allowed(job, &approved, NULL), -1);
	approved.oid = OID;
	fold(job, approved);
	assert_int_equal(job->state, FF_JOB_WAITING);
	assert_int_equal(job->wait, FF_WAIT_SOURCE);
	assert_string_equal(job->approved_oid, OID);
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED });
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = RUNS + 1 });
	assert_true(job->step_done[FF_STEP_COMMIT]);
	assert_string_equal(job->approved_oid, OID);
}

static void test_bill(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = job_in(FF_JOB_RUNNING);
	struct ff_event ev = { .type = FF_EVENT_MODEL_ANSWERED, .tokens_in = 10, .tokens_out = 20, .cost_microusd = 30 };

	(void)state;
	fold(job, ev);
	fold(job, ev);
	assert_int_equal(job->tokens_in, 20);
	assert_int_equal(job->tokens_out, 40);
	assert_int_equal(job->cost_microusd, 60);
	ev.cost_microusd = INT64_MAX;
	fold(job, ev);
	assert_true(job->cost_microusd == INT64_MAX); /* never round to cheap */
}

/* The row is the result of the fold: the same events give the same job. */
static void test_reload(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *a = ff_job_new();
	FF_AUTO(ff_job_free) struct ff_job *b = ff_job_new();
	const struct ff_event record[] = {
		created,
		{ .type = FF_EVENT_JOB_QUEUED },
		{ .type = FF_EVENT_JOB_STARTED, .attempt = 1, .at_ms = 2 },
		{ .type = FF_EVENT_STEP_STARTED, .attempt = 1, .step = FF_STEP_RUN },
		{ .type = FF_EVENT_JOB_RETRIED, .attempt = 1, .until_ms = 9, .text = "x" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(record); i++) {
		fold(a, record[i]);
		ff_job_fold(b, &record[i]);
	}
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->failures, b->failures);
	assert_string_equal(a->reason, b->reason);
	assert_int_equal(a->wait_until_ms, b->wait_until_ms);
}

static void check_text(const struct ff_job *job, const char *want)
{
	FF_AUTO(ff_free) char *got = ff_job_describe(job);

	assert_string_equal(got, want);
}

static void test_describe(void **state)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	(void)state;
	check_text(job, "not created yet");
	fold(job, created);
	check_text(job, "waiting: its task is being read from the repository");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_SOURCE });
	check_text(job, "waiting: an earlier job of the same branch comes first");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_WAITING, .wait = FF_WAIT_RETRY, .until_ms = 1000, .text = "why" });
	check_text(job, "waiting: the next try comes later, until 1970-01-01T00:00:01.000Z (why)");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_QUEUED });
	check_text(job, "queued");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_STARTED, .attempt = 1 });
	check_text(job, "running");
	fold(job, (struct ff_event){ .type = FF_EVENT_STEP_STARTED, .attempt = 1, .step = FF_STEP_GATE });
	check_text(job, "running: gate");
	job->attempt = 2;
	check_text(job, "running, attempt 2: gate");
	fold(job, (struct ff_event){ .type = FF_EVENT_JOB_FAILED, .attempt = 2, .error = FF_E_AGENT_FAILED });
	check_text(job, "failed: the agent failed");
	job->reason = ff_strdup("it ran out of turns");
	check_text(job, "failed: it ran out of turns");
}

static void test_nothing_to_free(void **state)
{
	struct ff_job *none = NULL;
	struct ff_job_spec spec = { .task = ff_strdup("x"), .target = ff_strdup("y") };

	(void)state;
	ff_job_free(&none);
	ff_job_spec_fini(&spec);
	assert_null(spec.task);
	ff_job_spec_fini(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_unknown_words),
		cmocka_unit_test(test_every_event_in_every_state), cmocka_unit_test(test_unknown_event),
		cmocka_unit_test(test_fence), cmocka_unit_test(test_fence_after_attempt),
		cmocka_unit_test(test_start_numbers), cmocka_unit_test(test_steps),
		cmocka_unit_test(test_bad_fields), cmocka_unit_test(test_cancel_while_publishing),
		cmocka_unit_test(test_whole_life), cmocka_unit_test(test_created_waiting),
		cmocka_unit_test(test_retry), cmocka_unit_test(test_step_again),
		cmocka_unit_test(test_conflicts), cmocka_unit_test(test_continue),
		cmocka_unit_test(test_held), cmocka_unit_test(test_bill),
		cmocka_unit_test(test_reload), cmocka_unit_test(test_describe),
		cmocka_unit_test(test_nothing_to_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
