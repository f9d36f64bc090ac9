/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_STORE_H
#define FF_STORE_STORE_H

/*
 * The record: one SQLite database that core alone opens (WAL, synchronous
 * FULL).  Every statement of the product is in this folder and every value is
 * bound.
 *
 * Core goes through it in turns: ff_store_begin, any number of calls,
 * ff_store_commit; nothing is answered to anybody before the commit returned
 * 0.  After any failure within a turn call ff_store_rollback.  Once a write
 * of the transaction has failed, further writes and the commit fail too, so
 * that half of a turn cannot be recorded.  Reading needs no transaction.
 *
 * Errors: FF_E_STORE when SQLite refused (disk full, locked, corrupt),
 * FF_E_NOT_FOUND, else 0.  Text and jobs that are handed out belong to the
 * caller.  A callback must not call the store.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "job/job.h"

struct ff_store;

/* Opens or makes the database and brings an older schema up to date. */
int ff_store_open(const char *path, struct ff_store **ret_store, struct ff_err *err);
void ff_store_close(struct ff_store **store);
int ff_store_begin(struct ff_store *s, struct ff_err *err);
int ff_store_commit(struct ff_store *s, struct ff_err *err);
/* Whether the last transaction that was committed changed a row. */
bool ff_store_wrote(const struct ff_store *s);
void ff_store_rollback(struct ff_store *s);
/*
 * Moves the log into the database when it has grown.  Between transactions,
 * when nobody waits for an answer: it takes as long as many commits.
 */
void ff_store_checkpoint(struct ff_store *s);
/* A page was read that is none. From then on nothing is written; what can be read still is. */
bool ff_store_damaged(const struct ff_store *s);
/* Writes a row and takes it back, to see whether the disk takes anything. */
int ff_store_touch(struct ff_store *s, struct ff_err *err);

/* --- repositories ---------------------------------------------------- */
/* Row of the repository at this path; *ret_new when it was added now. */
int ff_store_repo(struct ff_store *s, const char *path, int64_t now_ms, int64_t *ret_id, bool *ret_new,
		  struct ff_err *err);
/* FF_E_NOT_FOUND when no push of it was ever taken. */
int ff_store_repo_find(struct ff_store *s, const char *path, int64_t *ret_id, struct ff_err *err);
int ff_store_repo_path(struct ff_store *s, int64_t repo, char **ret_path, struct ff_err *err);
/* tips_known: whether the refs that were there before us have been noted. */
typedef void (*ff_store_repo_fn)(void *arg, int64_t repo, const char *path, bool tips_known);
int ff_store_repos(struct ff_store *s, ff_store_repo_fn fn, void *arg, struct ff_err *err);
/* They have been, for the refs of these trigger globs (one a line). */
int ff_store_tips_known(struct ff_store *s, int64_t repo, const char *globs, struct ff_err *err);
/* The globs of the last comparison, "" before the first. Freed by ff_free. */
int ff_store_tips_globs(struct ff_store *s, int64_t repo, char **ret_globs, struct ff_err *err);
/* Last handled tip of a designated ref; "" for none. */
int ff_store_tip_get(struct ff_store *s, int64_t repo, const char *ref, char ret_oid[FF_OID_HEX_MAX + 1],
		     struct ff_err *err);
/* An oid of zeros forgets the ref. */
int ff_store_tip_set(struct ff_store *s, int64_t repo, const char *ref, const char *oid, struct ff_err *err);

/* --- pushes ---------------------------------------------------------- */
struct ff_push {
	int64_t row;
	unsigned char id[16];     /* drawn by the hook; (id, ref) is unique */
	int64_t repo;
	const char *ref, *old_oid, *new_oid;
	const char *pusher;       /* NULL: unknown */
	int64_t uid;              /* account that reached us, -1: none */
	const char *options;      /* JSON array */
	int64_t received_ms;
	bool decided;             /* a job was made, or it is known that none is */
};
/* Adds it, or finds the one of the same (id, ref): then *ret_new is false. Sets row and decided. */
int ff_store_push_add(struct ff_store *s, struct ff_push *push, bool *ret_new, struct ff_err *err);
/*
 * The newest push of this ref may be one without an account, which was made
 * because the ref stood where this one led (reconcile.c): then it was this one.
 * If it has a job it becomes this push, else it goes, and this one is new.
 * *ret_gone: the row that went, whose number will be given out again, or 0.
 */
int ff_store_push_take_over(struct ff_store *s, const struct ff_push *push, int64_t *ret_gone, struct ff_err *err);
int ff_store_push_decided(struct ff_store *s, int64_t row, struct ff_err *err);
/* Whether some push of this ref ended at that object. */
int ff_store_push_ended_at(struct ff_store *s, int64_t repo, const char *ref, const char *oid, bool *ret_found,
			   struct ff_err *err);
typedef void (*ff_store_push_fn)(void *arg, const struct ff_push *push);
/* One push, by row. */
int ff_store_push_get(struct ff_store *s, int64_t row, ff_store_push_fn fn, void *arg, struct ff_err *err);
/* Those not decided yet, oldest first, at most 1000. */
int ff_store_pushes_open(struct ff_store *s, ff_store_push_fn fn, void *arg, struct ff_err *err);

/* --- jobs ------------------------------------------------------------ */
/* Gives it its number and UUID. push: row or 0. retry_of: number or 0. */
int ff_store_job_add(struct ff_store *s, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err);
int ff_store_job_save(struct ff_store *s, const struct ff_job *job, struct ff_err *err);
/* All that the start or the end of this step changed of it (job/fold.c): instead of ff_store_job_save. */
int ff_store_step_save(struct ff_store *s, const struct ff_job *job, enum ff_step_kind kind, struct ff_err *err);
/* All that JOB_STARTED or JOB_COMPLETED changed of it: instead of ff_store_job_save. */
int ff_store_run_save(struct ff_store *s, const struct ff_job *job, struct ff_err *err);
int ff_store_job_get(struct ff_store *s, int64_t id, struct ff_job **ret_job, struct ff_err *err);
int ff_store_job_by_uuid(struct ff_store *s, const char *uuid, int64_t *ret_id, struct ff_err *err);
/* The job that a push made, 0 for none; the push row of a job, 0 for none. */
int ff_store_job_of_push(struct ff_store *s, int64_t push, int64_t *ret_id, struct ff_err *err);
int ff_store_job_by_push_id(struct ff_store *s, const unsigned char id[16], int64_t *ret_id, struct ff_err *err);
int ff_store_push_of_job(struct ff_store *s, int64_t job, int64_t *ret_push, struct ff_err *err);
/* Next job to run: queued, highest priority, lowest number; 0 for none. */
int ff_store_next_queued(struct ff_store *s, int64_t *ret_id, struct ff_err *err);
/* Oldest live job of a source ref other than `except`, 0 for none: only one may be queued or running. A held one holds up nobody. */
int ff_store_live_of_source(struct ff_store *s, int64_t repo, const char *ref, int64_t except, int64_t *ret_id,
			    struct ff_err *err);
/* Numbers of all jobs in a state (and, unless NONE, waiting for that), oldest first, at most max. *ret_ids: ff_free. */
int ff_store_jobs_in(struct ff_store *s, enum ff_job_state state, enum ff_job_wait wait, size_t max,
		     int64_t **ret_ids, size_t *ret_count, struct ff_err *err);
/* Up to most numbers above after of jobs that wait for this, lowest first. */
int ff_store_waiting(struct ff_store *s, enum ff_job_wait wait, int64_t after, int64_t *ret_ids, int most,
		     int *ret_count, struct ff_err *err);
int ff_store_count(struct ff_store *s, enum ff_job_state state, int64_t *ret_count, struct ff_err *err);

/* The highest number that is in use, 0 for none. */
int ff_store_last_job(struct ff_store *s, int64_t *ret_id, struct ff_err *err);

struct ff_job_filter {
	int state;            /* 0: any */
	int64_t repo;         /* 0: any */
	const char *ref;      /* NULL: any */
	bool dead;            /* only dead letters (job/retry.h) that were not tried again by a new job */
	int64_t below;        /* numbers below this; 0: from the newest */
	int64_t above;        /* and above this */
	int limit;
};
typedef void (*ff_store_job_fn)(void *arg, const struct ff_job *job);
/* Newest first. */
int ff_store_list(struct ff_store *s, const struct ff_job_filter *filter, ff_store_job_fn fn, void *arg,
		  struct ff_err *err);

/* --- guards ---------------------------------------------------------- */
/* Jobs of pushes to the same ref as `than`, older than it, made after since_ms and never started. *ret_ids: ff_free. */
int ff_store_unstarted_of_source(struct ff_store *s, const struct ff_job *than, int64_t since_ms, int64_t **ret_ids,
				 size_t *ret_count, struct ff_err *err);

/*
 * When the job was made that is the nth newest of this pusher (NULL: of all
 * without a name) since then; 0: there are fewer. What a clock that was
 * wrong has put behind now does not count.
 */
int ff_store_nth_of_pusher(struct ff_store *s, const char *pusher, int64_t since_ms, int64_t now_ms, int64_t nth,
			   int64_t *ret_at_ms, struct ff_err *err);

/* --- events, timers --------------------------------------------------- */
/* data: the event's fields as JSON text. Within a transaction. Its number is above all earlier ones, of any job. */
int ff_store_event_add(struct ff_store *s, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data,
		       int64_t *ret_seq, struct ff_err *err);
typedef void (*ff_store_event_fn)(void *arg, int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms,
				  const char *data);
/* Of one job, oldest first. */
int ff_store_events(struct ff_store *s, int64_t job, int64_t after_seq, int limit, ff_store_event_fn fn, void *arg,
		    struct ff_err *err);

/* How many events of that type the job has. */
int ff_store_event_count(struct ff_store *s, int64_t job, enum ff_event_type type, int64_t *ret_count,
			 struct ff_err *err);

enum ff_timer_kind { FF_TIMER_RETRY = 1, FF_TIMER_TTL = 2 }; /* numbers on disk */
/* One timer of a kind a job; setting it again moves it. */
int ff_store_timer_set(struct ff_store *s, int64_t job, enum ff_timer_kind kind, int64_t due_ms, struct ff_err *err);
/* The wall clock was set by so much: what was to happen in an hour is still to happen in an hour. */
int ff_store_timers_shift(struct ff_store *s, int64_t by_ms, struct ff_err *err);
int ff_store_timers_clear(struct ff_store *s, int64_t job, struct ff_err *err);
/* Takes the next timer that is due out of the table; *ret_job is 0 when none is, then *ret_next_ms says when (0: never). */
int ff_store_timer_take(struct ff_store *s, int64_t now_ms, int64_t *ret_job, enum ff_timer_kind *ret_kind,
			int64_t *ret_next_ms, struct ff_err *err);

#endif
