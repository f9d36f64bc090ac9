/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_JOB_H
#define FF_JOB_JOB_H

/*
 * A job and its life.  Events are the source of truth: ff_job_fold() applies
 * one event to a job and does nothing else, and the row that the store keeps
 * of a job is only the last result of the fold.  ff_job_allowed() says
 * whether an event may come in the present state; core asks it before it
 * records anything, so a stale or hostile worker cannot bend a job.
 *
 * Pure: no file, clock, socket, process or outside library.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum ff_job_state {
#define FF_STATE(n, name, word, end) FF_JOB_##name = n,
#include "job/job_states.def"
#undef FF_STATE
};
enum ff_job_wait {
	FF_WAIT_NONE = 0,
#define FF_WAIT(n, name, word, text) FF_WAIT_##name = n,
#include "job/job_states.def"
#undef FF_WAIT
};
enum ff_step_kind {
	FF_STEP_NONE = 0,
#define FF_STEP(n, name, word) FF_STEP_##name = n,
#include "job/job_states.def"
#undef FF_STEP
	FF_STEP_LIMIT
};
enum ff_priority {
#define FF_PRIORITY(n, name, word) FF_PRIORITY_##name = n,
#include "job/job_states.def"
#undef FF_PRIORITY
};
enum ff_event_type {
#define FF_EVENT(n, name, word) FF_EVENT_##name = n,
#include "job/event.def"
#undef FF_EVENT
};

#define FF_OID_HEX_MAX 64
#define FF_UUID_TEXT 36

/*
 * One event.  Which fields count depends on the type (doc/protocol.md); all
 * others are 0, NULL or "".  Strings are borrowed by the fold.
 */
struct ff_event {
	int64_t seq;          /* position in the record, given by the store */
	int64_t job;          /* 0: of the server, not of one job */
	enum ff_event_type type;
	int64_t at_ms;        /* wall clock */
	int attempt;
	enum ff_step_kind step;
	enum ff_job_wait wait;
	int64_t until_ms;     /* waiting: when it ends by itself; 0: by an event */
	enum ff_err_code error;
	const char *text;     /* reason or progress, for people */
	const char *oid;      /* the object this step made (recovery point) */
	const char *base_oid; /* rebase: the tip of the target that was used */
	const char *ref;      /* publish: the result ref */
	int64_t tokens_in, tokens_out, cost_microusd;
	const char *const *paths; /* conflicts: NULL-terminated */
};

/* What the pusher asked for, after precedence and defaults (job/spec.h). Strings are owned. */
struct ff_job_spec {
	char *task;          /* NULL until it is known */
	char *task_from;     /* "push option", "trailer", "task file NAME", "branch default", "submit" */
	char *target;        /* branch name without refs/heads/; NULL until it is known */
	char *env_name;      /* NULL: none */
	enum ff_priority priority;
	int64_t ttl_ms;      /* from the push; 0: none */
	int retries;         /* tries after the first */
};

struct ff_job {
	int64_t id;          /* short number, per server, from 1 */
	char uuid[FF_UUID_TEXT + 1];
	int64_t repo;        /* row of the repository */
	char *source_ref;    /* full ref name that was pushed; bytes, not always UTF-8 */
	char source_oid[FF_OID_HEX_MAX + 1];
	char *pusher;        /* name, or NULL */
	struct ff_job_spec spec;
	enum ff_job_state state;
	enum ff_job_wait wait;
	int64_t wait_until_ms;
	enum ff_err_code error;
	char *reason;        /* why it is as it is, for people; NULL: nothing to say */
	int attempt;         /* of the newest try; 0 before the first */
	int failures;        /* tries that ended in a retryable failure */
	enum ff_step_kind step;              /* running now, or NONE */
	bool step_done[FF_STEP_LIMIT];       /* recovery points, kept over attempts */
	char *step_oid[FF_STEP_LIMIT];       /* what that step made, or NULL */
	char approved_oid[FF_OID_HEX_MAX + 1]; /* the commit of the step commit that somebody let through; "": nobody did */
	char base_oid[FF_OID_HEX_MAX + 1];   /* target tip that the rebase used */
	char result_oid[FF_OID_HEX_MAX + 1];
	char *result_ref;
	char **conflicts;    /* NULL-terminated paths, or NULL */
	int64_t tokens_in, tokens_out, cost_microusd;
	int64_t created_ms, started_ms, ended_ms;
};

void ff_job_spec_fini(struct ff_job_spec *spec);
void ff_job_free(struct ff_job **job);
struct ff_job *ff_job_new(void);

/* Words and back. The back functions return -1 for an unknown word. */
const char *ff_job_state_word(enum ff_job_state s);
int ff_job_state_by_word(const char *word, enum ff_job_state *ret);
bool ff_job_state_ended(enum ff_job_state s);
const char *ff_job_wait_word(enum ff_job_wait w);
const char *ff_job_wait_text(enum ff_job_wait w);
const char *ff_step_word(enum ff_step_kind k);
int ff_step_by_word(const char *word, enum ff_step_kind *ret);
const char *ff_priority_word(enum ff_priority p);
int ff_priority_by_word(const char *word, enum ff_priority *ret);
const char *ff_event_name(enum ff_event_type t);
int ff_event_by_name(const char *name, enum ff_event_type *ret);

/*
 * May this event come now?  FF_E_CONFLICT with the reason when not: wrong
 * state, or the number of an attempt that is over.  FF_E_INVALID when the
 * event itself is malformed (an oid that is none, a bill below zero).
 *
 * What a worker tells names the running attempt, and so does the end of a
 * running job; core's own events about a job that is not running have 0.
 * Bills, pushes and worker.* may name any attempt that was started.
 *
 * A try that failed is JOB_RETRIED, which counts.  JOB_QUEUED of a running
 * job does not count: it is for a daemon that was stopped, not for a job that
 * brings its worker down, which would start again for ever.
 */
int ff_job_allowed(const struct ff_job *job, const struct ff_event *ev, struct ff_err *err);
/* Applies an allowed event. Never fails, changes nothing but *job. */
void ff_job_fold(struct ff_job *job, const struct ff_event *ev);
/* Events that the fold passes by: kept and told, but the job stays as it is. */
bool ff_event_only_told(enum ff_event_type type);
/* "waiting: an earlier job of the same branch comes first"; state and reason in words. Freed by ff_free. */
char *ff_job_describe(const struct ff_job *job);

#endif
