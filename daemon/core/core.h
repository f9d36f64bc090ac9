/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_CORE_H
#define FF_DAEMON_CORE_CORE_H

/*
 * Core: the record, the queue, the sockets and the children.  What the files
 * of this folder share; no other folder includes it.
 *
 * One turn of the loop: everything that is ready is handled, each handler
 * writes into the one transaction of the turn (ff_turn_open) and leaves what
 * it wants to tell anybody, or start, as an after-call (ff_turn_after).  At
 * the end of the turn the transaction is committed, then the after-calls run
 * with ok = true; when it could not be committed, with ok = false, and nothing
 * of the turn has happened.  An after-call may open the next transaction.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/conf.h"
#include "daemon/role.h"
#include "ipc/ipc.h"
#include "job/job.h"
#include "job/spec.h"
#include "store/store.h"

/* A hook that was talking to a core that died writes into the spool within its two seconds. */
#define FF_HOOKS_MS 2500

/* In server.run-dir: the configuration of all roles that this core starts. */
#define FF_ROLES_CONF "roles.conf"

struct ff_audit;
struct ff_vault;
struct ff_core;
typedef void (*ff_after_fn)(struct ff_core *core, void *arg, bool ok);

struct ff_core {
	const struct ff_role_args *args;
	/* A reload replaces it: what is borrowed from it does not outlive the callback that borrowed it. */
	const struct ff_conf *conf;
	struct ff_conf *reloaded; /* reload.c: owns conf from the first reload on */
	struct ff_loop *loop;
	struct ff_store *store;
	struct ff_log log;
	int lock_fd, run_lock_fd;

	/* turn.c */
	bool in_turn, turn_failed;
	struct ff_after *after_first, **after_end;
	bool store_broken; /* the record refuses; mend.c */
	bool dispatch;     /* the queue is to be looked at before this turn is committed */

	/* jobs.c: jobs of this turn whose new state needs something */
	struct ff_act {
		int64_t job, repo;
		enum ff_job_state state; /* the last of the turn */
		bool timer;              /* it has a time to live, which the loop's timer must know */
	} *acts;
	size_t n_acts;
	struct ff_rest *rest;     /* rest.c; NULL: there was no work yet */
	struct ff_recent *recent; /* recent.c; NULL: nothing was kept yet */

	/* one struct each, private to its file */
	struct ff_mend *mend;         /* mend.c; NULL: the record never failed */
	struct ff_hold *hold;         /* hold.c; NULL: nothing was ever held */
	struct ff_gateway *gateway;   /* gateway.c */
	struct ff_spending *spending; /* spending.c; NULL: nothing was asked yet */
	struct ff_readers *readers;   /* readers.c */
	struct ff_workers *workers;   /* workers.c */
	struct ff_tunnel *tunnels;    /* tunnels.c */
	struct ff_listener *guests;   /* guests.c; NULL: worker.socket is off */
	struct ff_sandbox_state *sandbox; /* probe.c */
	struct ff_hooks *hooks;       /* hooks.c */
	struct ff_intake *intake;     /* intake.c */
	struct ff_specs *specs;       /* specs.c */
	struct ff_look *looks;        /* reconcile.c */
	struct ff_control *control;   /* control.c */
	struct ff_web_child *web;     /* web.c; NULL: web.listen is empty */
	struct ff_spool *spool;       /* spool.c */
	struct ff_backup_run *backup; /* backup.c; NULL: none is made */
	struct ff_retention *retention; /* retention.c */
	struct ff_age *age;           /* age.c */
	struct ff_crowd *crowd;       /* crowd.c */
	struct ff_upkeep *upkeep;     /* upkeep.c */
	struct ff_drift_watch *drift; /* drift.c */
	struct ff_vault *vault;       /* vault.c */
	struct ff_watch *timer;       /* timers.c */
	int64_t clock_offset;         /* timers.c: wall clock over monotonic clock */
	int64_t clock_said_ms;        /* timers.c: monotonic */
	bool draining;
	int exit_status;
};

/* --- turn.c ------------------------------------------------------------- */
/* Opens the transaction of this turn unless it is open. -1: the record cannot be written now. */
int ff_turn_open(struct ff_core *core, struct ff_err *err);
/* A statement failed: nothing of this turn will be committed. */
void ff_turn_fail(struct ff_core *core, const struct ff_err *err);
void ff_turn_after(struct ff_core *core, ff_after_fn fn, void *arg);
void ff_turn_end(void *core);

/* --- mend.c: while the record cannot be written ---------------------------- */
/* The record refused: that is said once, and it is tried again until it works. */
void ff_mend_failed(struct ff_core *core, const struct ff_err *err);
/* A turn was committed; when that ends a failure, what had to wait goes on after it. */
void ff_mend_committed(struct ff_core *core);
bool ff_mend_may_write(const struct ff_core *core);
/* At the stop, whoever still has something to write may try, whether it failed before or not. */
void ff_mend_last_try(struct ff_core *core);
void ff_mend_fini(struct ff_core *core);

/* --- hold.c: commands that wait until it can be ------------------------------ */
void ff_hold_release(struct ff_core *core);
void ff_hold_fini(struct ff_core *core);

/* --- core.c, reload.c: the service manager and the configuration --------------- */
/* As sd_notify(3). */
void ff_core_notify(const char *state);
/* Writes what hooks and roles read (hook.conf, roles.conf). */
int ff_reload_write(const struct ff_conf *conf, struct ff_err *err);
/* From now on SIGHUP reloads. */
void ff_reload_init(struct ff_core *core);
void ff_reload_fini(struct ff_core *core);

/* --- jobs.c: the life of jobs -------------------------------------------- */
/*
 * Asks whether the event may come, folds it, writes both, and arranges that
 * watchers are told and what the new state needs is done after COMMIT. The end
 * of a job lets the next of its branch go, in the same transaction. Fills in time.
 */
int ff_core_event(struct ff_core *core, struct ff_job *job, struct ff_event *ev, struct ff_err *err);
/* Adds a new job (not yet numbered) with its job.created event. */
int ff_core_create(struct ff_core *core, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err);
/* The same for a job whose task is known and whose branch has no other live one: it is queued at once. */
int ff_core_submit(struct ff_core *core, struct ff_job *job, int64_t push, int64_t retry_of, struct ff_err *err);
/*
 * A job whose task is known, behind other jobs of its branch or in their place (*ret_replaced: the last of these). push:
 * its row, 0: none. One that has a number is in the record already.
 */
int ff_core_add(struct ff_core *core, struct ff_job *job, int64_t push, int64_t *ret_replaced, struct ff_err *err);
/* Its task is known: queued, or waiting for an earlier job of the same source. */
int ff_core_enqueue(struct ff_core *core, struct ff_job *job, struct ff_err *err);
/* Does what the present state of the job needs; may be called again without harm. */
void ff_job_action(struct ff_core *core, int64_t job);
/* The attempt of a worker is over without an outcome of its own: try again or fail. */
void ff_core_attempt_failed(struct ff_core *core, int64_t job, int attempt, enum ff_err_code code, const char *text);
/* What keeps every job from running (sandbox, key), NULL for nothing; and whether that is known already. */
const char *ff_core_missing(const struct ff_core *core);
bool ff_core_missing_known(const struct ff_core *core);
/* That has changed: what was blocked is queued, and blocked again if it must be. */
void ff_core_unblock(struct ff_core *core);
/* Queued jobs are started while there is room, at the end of this turn. */
void ff_core_dispatch(struct ff_core *core);
void ff_core_dispatch_now(struct ff_core *core); /* turn.c */
/* At start, and when the record works again: running jobs without a worker go back to the queue, for this reason;
   soon every waiting job is asked for its action again. */
int ff_core_restart_jobs(struct ff_core *core, const char *why, struct ff_err *err);
/* By number or UUID. */
int ff_core_find_job(struct ff_core *core, const char *word, struct ff_job **ret_job, struct ff_err *err);
/* "https://host/jobs/12", or "" without server.url. Freed by ff_free. */
char *ff_core_job_url(const struct ff_core *core, int64_t job);

/* --- crowd.c: all jobs of a kind, some a turn -------------------------------- */
void ff_crowd_init(struct ff_core *core);
/* The sandbox is missing: queued jobs wait as blocked. */
void ff_crowd_block(struct ff_core *core);
/* It is there: they are queued again. */
void ff_crowd_unblock(struct ff_core *core);
/* Every waiting job that may have been forgotten is asked for its action. */
void ff_crowd_ask(struct ff_core *core);
void ff_crowd_fini(struct ff_core *core);

/* --- guards.c: no more jobs than anybody wanted ---------------------------- */
/* Ends older jobs of the same branch that ask for the same and were not started. *ret_last: the last of them, or 0. */
int ff_core_coalesce(struct ff_core *core, const struct ff_job *newest, int64_t *ret_last, struct ff_err *err);

/* *ret_why: for the pusher, when there is to be no job because of queue.pusher-rate; freed by ff_free. */
int ff_core_over_rate(struct ff_core *core, const char *pusher, char **ret_why, struct ff_err *err);

/* --- codec.c: jobs and events as JSON ------------------------------------ */
json_t *ff_job_to_json(struct ff_core *core, const struct ff_job *job);
/* For the worker that runs it: the fields of a `job` message, appended to out. */
void ff_job_message(struct ff_core *core, const struct ff_job *job, const char *repo_url, const char *token, struct ff_buf *out);
/* "VARIABLE=NAME NAME ...": the secrets it gets; "" for none. */
const char *ff_job_secret_names(const struct ff_core *core, const struct ff_job *job);
/* Only the fields that the record keeps beside seq, job, type and time. */
void ff_event_text(const struct ff_event *ev, struct ff_buf *out);
json_t *ff_event_to_json(int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, json_t *fields);
/* An event that came in a message, with what it points to. */
struct ff_event_in {
	struct ff_event ev;
	char *text, *ref, **paths;
};
/* in must be fini'd also when this fails. Object ids stay borrowed from msg. */
int ff_event_from_msg(const json_t *msg, struct ff_event_in *in, struct ff_err *err);
void ff_event_in_fini(struct ff_event_in *in);
json_t *ff_time_json(int64_t wall_ms); /* RFC 3339, null for 0 */

/* --- child.c: our own program in another role ---------------------------- */
struct ff_child {
	struct ff_core *core;
	const char *role;
	pid_t pid;
	bool adopted;             /* it came to us: there is a connection and no process */
	struct ff_chan *chan;     /* NULL once it was closed */
	struct ff_watch *exit_watch;
	int64_t job;              /* for its log lines; 0: none */
	struct ff_childlog *log;  /* NULL: it writes to ours itself */
	struct ff_watch *linger;  /* its channel has ended, its exit is awaited */
	ff_msg_fn on_msg;
	/* Called once, after the process is reaped (status 0: it was adopted); the owner then frees the struct by ff_child_fini. */
	void (*on_exit)(void *owner, int status);
	void *owner;
};
int ff_child_start(struct ff_core *core, struct ff_child *child, const char *role, enum ff_peer peer,
		   ff_msg_fn on_msg, void (*on_exit)(void *owner, int status), void *owner, struct ff_err *err);
/* A connection of somebody who plays that role, with hello as its first message. Takes fd. To kill it is to hang up. */
void ff_child_adopt(struct ff_core *core, struct ff_child *child, const char *role, int fd, enum ff_peer peer,
		    ff_msg_fn on_msg, void (*on_exit)(void *owner, int status), void *owner);
void ff_child_kill(struct ff_child *child, int signo);
/* Ends the channel; a role exits when its descriptor 3 ends. */
void ff_child_hang_up(struct ff_child *child);
void ff_child_fini(struct ff_child *child);

/* --- listener.c: a socket with a bounded number of guests ------------------ */
struct ff_listener {
	struct ff_core *core;
	int most;                                     /* guests at once */
	bool (*let_in)(struct ff_core *core, int fd); /* takes fd; true: one guest more */
	void (*made)(struct ff_core *core, const char *path); /* after each time it was made; NULL */
	/* private */
	char *path;
	mode_t mode;
	int fd, guests;
	dev_t dev;
	ino_t ino;
	bool lost_said;
	int64_t said_ms;
	struct ff_watch *watch, *again, *look;
};
/* core, most, let_in and made are set by the caller. */
int ff_listener_open(struct ff_listener *l, const char *path, mode_t mode, struct ff_err *err);
/* Is it our own account, or root? */
bool ff_listener_knows(const struct ff_listener *l, int fd, const char *socket, uid_t *ret_uid);
void ff_listener_left(struct ff_listener *l); /* a guest has gone */
void ff_listener_fini(struct ff_listener *l); /* also of one that is not open: fd -1 */

/* --- readers.c ------------------------------------------------------------ */
/* data is borrowed, NULL when err is set; fd is owned by the callee (-1: none). `more`: another answer follows. */
typedef void (*ff_reader_fn)(struct ff_core *core, void *arg, const json_t *data, int fd, bool more,
			     const struct ff_err *err);
/* args is taken. The answer always comes, in a later turn. */
void ff_reader_ask(struct ff_core *core, int64_t repo, const char *what, json_t *args, ff_reader_fn fn, void *arg);
/* file:// URL of the repository; NULL with err. Freed by ff_free. */
char *ff_repo_url(struct ff_core *core, int64_t repo, struct ff_err *err);
/* Whether the repository at this path has a reader that runs already. */
bool ff_reader_warm(const struct ff_core *core, const char *path, int64_t *ret_repo);
void ff_readers_init(struct ff_core *core);
void ff_readers_fini(struct ff_core *core);

/* --- gateway.c ------------------------------------------------------------- */
int ff_gateway_start(struct ff_core *core, struct ff_err *err);
/* Makes the job's socket; ff_workers_gateway_ready is called when it is there. */
void ff_gateway_open(struct ff_core *core, int64_t job, int attempt, const char *token);
/* ended: the job is over, an answer under way is broken off; else it is recorded for the next attempt. */
void ff_gateway_close(struct ff_core *core, int64_t job, bool ended);
void ff_gateway_send_grant(struct ff_core *core, json_t *msg); /* msg is taken */
/* The model's quota, or the server's money, is used up until then. */
void ff_gateway_quota(struct ff_core *core, int64_t until_ms, const char *text);
/* What to tell somebody who queues a job now; NULL: nothing. Freed by ff_free. */
char *ff_gateway_notice(const struct ff_core *core);
bool ff_gateway_alive(const struct ff_core *core);
/* The key file may have changed. */
void ff_gateway_look(struct ff_core *core);
/* Whether it has told if there is an API key; NULL when there is one, else what to do; where it was read from. */
bool ff_gateway_key_known(const struct ff_core *core);
const char *ff_gateway_key_missing(const struct ff_core *core);
const char *ff_gateway_key_place(const struct ff_core *core);
void ff_gateway_fini(struct ff_core *core);

/* --- web.c: the role that speaks HTTP --------------------------------------- */
void ff_web_start(struct ff_core *core);
void ff_web_fini(struct ff_core *core);
/* control.c: a client whose channel belongs to a child; it parts before the channel goes. */
struct client;
struct client *ff_control_join(struct ff_core *core, struct ff_chan *chan);
void ff_control_take(struct client *client, enum ff_msg_type type, json_t *msg);
void ff_control_part(struct client **client);
/* --- spending.c: money ------------------------------------------------------ */
/* `spend`: may this request be sent? Answered by a grant, after COMMIT. */
void ff_spending_ask(struct ff_core *core, const json_t *msg);
void ff_spending_bill(struct ff_core *core, json_t *msg);       /* `usage` */
void ff_spending_halt(struct ff_core *core, const json_t *msg); /* `halt` */
void ff_spending_lose(struct ff_core *core);  /* the gateway that had reservations is gone */
void ff_spending_again(struct ff_core *core); /* what could not be written when it came */
void ff_spending_fini(struct ff_core *core);

/* --- workers.c -------------------------------------------------------------- */
void ff_workers_init(struct ff_core *core);
int ff_workers_count(const struct ff_core *core);
bool ff_worker_runs(const struct ff_core *core, int64_t job);
/* Not from memory any more: this job was changed, and is not the copy that its worker's events go by. */
void ff_worker_forget(struct ff_core *core, const struct ff_job *job);
void ff_workers_forget(struct ff_core *core); /* of all: a turn was not committed */
void ff_worker_start(struct ff_core *core, const struct ff_job *job);
bool ff_worker_start_promised(struct ff_core *core, int64_t job); /* false: it was promised to nobody */
void ff_worker_stop(struct ff_core *core, int64_t job); /* at once; the sandbox dies with it */
/* error: why there is no socket, NULL when there is one. */
void ff_workers_gateway_ready(struct ff_core *core, int64_t job, const struct ff_err *error);
void ff_workers_reopen_sockets(struct ff_core *core); /* after the gateway was started again */
void ff_worker_sweep(struct ff_core *core, int64_t job); /* removes the folder of an ended job */
void ff_workers_sweep_left(struct ff_core *core);        /* at start: folders of jobs that have ended */
void ff_workers_fini(struct ff_core *core);
void ff_workers_reopen_logs(struct ff_core *core); /* they may have been given other names */
char *ff_job_log_path(const struct ff_core *core, int64_t job);

/* --- tunnels.c: results that are pushed over ssh --------------------------------- */
/* A `publish` message of the job's worker, answered with a socket to the server. */
void ff_tunnel_take(struct ff_core *core, int64_t job, struct ff_chan *worker, const json_t *msg);
void ff_tunnel_close(struct ff_core *core, int64_t job); /* at once; harmless when there is none */
/* For an `expect` message of a hook: is that what one of our tunnels pushes? */
bool ff_tunnel_expected(const struct ff_core *core, const json_t *msg);
void ff_tunnels_fini(struct ff_core *core);

/* --- guests.c: workers that come to us --------------------------------------- */
int ff_guests_init(struct ff_core *core, struct ff_err *err);
void ff_guests_fini(struct ff_core *core);
bool ff_worker_admit(struct ff_core *core, int fd); /* workers.c; takes fd */
void ff_guest_left(struct ff_core *core);
bool ff_guest_waits(const struct ff_core *core); /* whether one of them waits for a job */
/* The one that waits gets this job, which is taken, when the turn is committed in which it was started. */
void ff_guest_promise(struct ff_core *core, struct ff_job **job);
int ff_guest_jobs(const struct ff_core *core); /* running jobs that they have */

/* --- recent.c: jobs that a worker may take soon ------------------------------- */
/* Takes the job, which is as this turn has it. */
void ff_recent_keep(struct ff_core *core, struct ff_job **job);
/* The caller's from now on; NULL: ask the record. */
struct ff_job *ff_recent_take(struct ff_core *core, int64_t id);
void ff_recent_forget(struct ff_core *core, int64_t id);
void ff_recent_fini(struct ff_core *core); /* all of them */

/* --- rest.c: what is not needed while nothing happens --------------------------- */
/* Somebody asked, or something was recorded: when neither comes for a while, memory is given back. */
void ff_rest_later(struct ff_core *core);
void ff_rest_fini(struct ff_core *core);

/* --- probe.c: can this host run a sandbox? ----------------------------------- */
void ff_sandbox_check(struct ff_core *core); /* asks anew; releases or blocks the queue by the answer */
bool ff_sandbox_known(const struct ff_core *core);
/* NULL when all is well, else what is missing. */
const char *ff_sandbox_missing(const struct ff_core *core);
/* What the host lacks though jobs run; NULL: nothing. */
const char *ff_sandbox_weak(const struct ff_core *core);
const char *ff_sandbox_limits(const struct ff_core *core); /* which limit holds by what; NULL: not known */
void ff_sandbox_fini(struct ff_core *core);

/* --- hooks.c, intake.c, spool.c, reconcile.c: pushes ------------------------------------ */
int ff_hooks_init(struct ff_core *core, struct ff_err *err);
void ff_hooks_fini(struct ff_core *core);
void ff_intake_init(struct ff_core *core);
void ff_intake_fini(struct ff_core *core);
/*
 * Takes a push message (hook or spool). uid: of the account that sent it. done
 * is called once, when it is known what becomes of it; lines is what the
 * pusher should read, each ended by a newline.
 */
enum ff_push_result {
	FF_PUSH_RECORDED, /* it is in the record */
	FF_PUSH_LATER,    /* the record cannot be written now: keep the push */
	FF_PUSH_BAD,      /* it can never be taken; lines says why */
};
typedef void (*ff_push_done_fn)(struct ff_core *core, void *arg, enum ff_push_result result, const char *lines);
void ff_push_take(struct ff_core *core, const json_t *msg, uid_t uid, ff_push_done_fn done, void *arg);
/* The pusher a message names, or the account that sent it. Freed by ff_free. */
int ff_push_pusher(const json_t *msg, uid_t uid, char **ret_pusher, struct ff_err *err);
/* What becomes of a push is known (text for the pusher, may be empty). */
void ff_intake_decided(struct ff_core *core, int64_t push, const char *text);
/* Whether the path is a folder that is ours to work for. */
int ff_core_check_repo(const struct ff_core *core, const char *path, struct ff_err *err);
/* Configuration for a pushed ref; borrowed. */
void ff_core_policy(const struct ff_core *core, const char *ref, struct ff_policy *ret);
/* The JSON array of a push, parsed. ret must be fini'd also when this fails. */
int ff_core_options(const struct ff_core *core, const json_t *list, struct ff_options *ret, struct ff_err *err);
/* specs.c: asks the repository for what this push's task still needs, and decides. Harmless when asked already. */
void ff_spec_ask(struct ff_core *core, int64_t push);
/* The push left the record: what was asked for it is of no use. */
void ff_spec_gone(struct ff_core *core, int64_t push);
/*
 * The same, asked ahead of the record, so that push and job are one
 * transaction when the answer comes soon: then ready is called, in its turn.
 * p, arg: row 0, borrowed for the call; kept until the question is gone.
 */
struct ff_question;
struct ff_question *ff_spec_ask_ahead(struct ff_core *core, const struct ff_push *p, const struct ff_options *options,
				      void (*ready)(void *arg), void *arg);
bool ff_spec_answered(const struct ff_question *q);
/* Answered, and the push was put into the record in this turn as decided: what becomes of it. Drops the question. */
int ff_spec_decide_ahead(struct ff_core *core, struct ff_question **q, const struct ff_push *p, const json_t *options,
			 struct ff_err *err);
/* Not answered in time, and the push is in the record: from now on as if asked by ff_spec_ask. */
void ff_spec_attach(struct ff_core *core, struct ff_question **q, int64_t push);
void ff_spec_drop(struct ff_core *core, struct ff_question **q); /* nobody wants to know */
/* Every push that is not decided, every job whose task is not known. */
void ff_specs_resume(struct ff_core *core);
void ff_specs_fini(struct ff_core *core);
int ff_spool_start(struct ff_core *core, struct ff_err *err);
/* Looks at once. compare: when it is empty, refs are compared as at start; a push may be neither here nor there. */
void ff_spool_look(struct ff_core *core, bool compare);
void ff_spool_fini(struct ff_core *core);
/* Compares designated refs with the last tips; a repository seen for the first time only has its tips noted. */
void ff_reconcile(struct ff_core *core, int64_t repo, bool first_time);
void ff_reconcile_all(struct ff_core *core);
void ff_reconcile_fini(struct ff_core *core);

/* jobs.c: an approved job is queued, or waits for another of its branch that runs. */
int ff_core_unhold(struct ff_core *core, struct ff_job *job, struct ff_err *err);

/* --- answers.c: what is pushed to branches of conflicts ----------------------------- */
/* The conflicted job goes on from there; FF_E_CONFLICT when it is not conflicted. */
int ff_core_continue(struct ff_core *core, struct ff_job *job, const char *why, struct ff_err *err);
/* Whether the ref is a branch of conflicts. */
bool ff_answer_ref(const struct ff_core *core, const char *ref);
/* May that pusher move it? 0, or -1 with the reason; nothing changes. */
int ff_answer_may(struct ff_core *core, int64_t repo, const char *ref, const char *pusher, struct ff_err *err);
/* It was moved: its job goes on. *ret_line: for the pusher, freed by ff_free; -1 only when the record fails. */
int ff_answer_take(struct ff_core *core, const struct ff_push *push, char **ret_line, struct ff_err *err);
/* The answer to a "may" of the hook; lines is appended to. Whether all of them may. */
bool ff_answer_hook(struct ff_core *core, const json_t *msg, uid_t uid, struct ff_buf *lines);

/* --- retention.c: what is old goes ---------------------------------------------- */
void ff_retention_init(struct ff_core *core);
void ff_retention_fini(struct ff_core *core);

/* --- audit.c: what administrators did ---------------------------------------------- */
/* The time is filled in. Within the turn of what was done. */
int ff_core_audit(struct ff_core *core, const struct ff_audit *what, struct ff_err *err);
/* A restore, which is done without core: noted by it, and written by the next start. */
void ff_audit_restored(const struct ff_conf *conf, const char *file);
void ff_audit_init(struct ff_core *core);

/* --- age.c: which time it is, for what is to be deleted --------------------------- */
int ff_age_init(struct ff_core *core, struct ff_err *err);
/* Never ahead because the wall clock was set. */
int64_t ff_age_now(struct ff_core *core);
/* A job ends now; it must not be old already, because its events are dated by a clock that was set back. */
int ff_age_job_ended(struct ff_core *core, int64_t job, struct ff_err *err);
/* Whether that is what the wall clock says. */
bool ff_age_trusted(const struct ff_core *core);
/* So that the next start knows; within a turn. */
int ff_age_save(struct ff_core *core, struct ff_err *err);
void ff_age_fini(struct ff_core *core);
/* --- upkeep.c: keepers tidy repositories ------------------------------------------ */
void ff_upkeep_init(struct ff_core *core);
/* Something was written into the repository. */
void ff_upkeep_note(struct ff_core *core, int64_t repo);
/* Ends a keeper that runs, and waits for it. */
void ff_upkeep_fini(struct ff_core *core);

/* --- drift.c: whether jobs still apply when their target moves ----------------------- */
void ff_drift_init(struct ff_core *core);
void ff_drift_end(struct ff_core *core);
/* That ref may have moved. */
void ff_drift_moved(struct ff_core *core, int64_t repo, const char *ref);
/*
 * A `moved` message of a hook. done is called once, within hook.answer-time:
 * lines, each ended by a newline, is what the pusher should read of jobs that
 * conflict from now on.
 */
typedef void (*ff_drift_done_fn)(struct ff_core *core, void *arg, const char *lines);
void ff_drift_take(struct ff_core *core, const json_t *msg, ff_drift_done_fn done, void *arg);
/* What is known of a job: null when its target has not moved. */
json_t *ff_drift_json(struct ff_core *core, const struct ff_job *job);

/* --- resolutions.c: what became of conflicts -------------------------------------- */
/* A `resolution` message about this job, within a turn. */
int ff_resolution_take(struct ff_core *core, const struct ff_job *job, const json_t *msg, struct ff_err *err);
/* All that is known of a job's conflicts, path by path. */
json_t *ff_resolutions_json(struct ff_core *core, int64_t job);

/* --- memory.c: answers to conflicts -------------------------------------------------- */
/* A `recall` of this job's worker, and what it is answered; a `remember`. Within a turn. */
int ff_memory_ask(struct ff_core *core, const struct ff_job *job, const json_t *msg, json_t **ret_answer, struct ff_err *err);
int ff_memory_learn(struct ff_core *core, const struct ff_job *job, const json_t *msg, struct ff_err *err);

/* --- backup.c, restore.c ------------------------------------------------------- */
void ff_backup_init(struct ff_core *core); /* removes what an earlier one left */
void ff_backup_fini(struct ff_core *core);
/* Takes the lock of the state folder; FF_E_CONFLICT: a daemon uses it. */
int ff_core_lock(struct ff_core *core, struct ff_err *err);

/* --- timers.c ----------------------------------------------------------------- */
void ff_timers_run(struct ff_core *core);
void ff_timers_fini(struct ff_core *core);

/* --- control.c, watch.c --------------------------------------------------------- */
int ff_control_init(struct ff_core *core, struct ff_err *err);
void ff_control_fini(struct ff_core *core);
bool ff_watched(const struct ff_core *core, int64_t job);
/* hooks.c: the same for pushers who follow their job. */
bool ff_followed(const struct ff_core *core, int64_t job);
void ff_follow_event(struct ff_core *core, int64_t job, const json_t *event);
void ff_follow_log(struct ff_core *core, int64_t job, const json_t *line);
void ff_follow_ended(struct ff_core *core, const struct ff_job *job);
/* For everybody who watches this job. event is borrowed. */
void ff_watch_event(struct ff_core *core, int64_t job, int64_t repo, int64_t seq, json_t *event);
void ff_watch_log(struct ff_core *core, int64_t job, json_t *line);
void ff_watch_ended(struct ff_core *core, int64_t job);

#endif
