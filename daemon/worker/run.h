/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_RUN_H
#define FF_WORKER_RUN_H

/*
 * One job in the hands of one worker.  worker.c takes the message and calls
 * ff_run_job(), which goes through the steps (steps.c, publish.c); each step
 * that core has acknowledged is a recovery point, and the next worker goes on
 * behind it.  report.c talks to core, place.c owns the job folder.
 *
 * Once core has refused something, this worker is out of date: every function
 * here fails with FF_E_CANCELLED and nothing more may be touched.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/sandbox/sandbox.h"
#include "daemon/worker/task.h"
#include "git/git.h"

struct ff_chan;
struct ff_conf;
struct ff_redact;

struct ff_run {
	const struct ff_conf *conf;
	struct ff_chan *chan;         /* borrowed */
	struct ff_log log;
	struct ff_task task;
	struct ff_redact *redact;     /* the secrets that the job was given: in nothing that leaves it */
	struct ff_git *git;
	char *look_at;                /* lines "Look-at: ...", once the result was looked through */
	char *resolved;               /* lines "Resolution: ..." and "Dropped: ...", once it was rebased; NULL: none */
	char *dir, *ws;               /* the job's folder, and the work tree in it */
	int lock_fd;                  /* of the folder; held as long as we live */
	char *tool, *confine;         /* flowforge-tool, flowforge-confine */
	struct ff_sandbox_spec spec;  /* base of every sandbox of this job */
	bool refused;                 /* core wants no more of us */
};

/* What is said to core in "done". */
struct ff_outcome {
	const char *word;             /* "completed", "nothing", "conflicted", "held" */
	char oid[FF_GIT_OID];
	char *ref, *text;             /* owned */
	char **paths;                 /* owned, NULL-terminated, or NULL */
};
void ff_outcome_fini(struct ff_outcome *outcome);

/* From whatever the task says is done already to the end. */
int ff_run_job(struct ff_run *run, struct ff_outcome *ret_outcome, struct ff_err *err);
void ff_run_fini(struct ff_run *run);
/* First: from now on the log and all that is reported is without the secrets of the task. */
void ff_run_secrets(struct ff_run *run);

/* --- place.c */
/* Fills programs, limits, and the outer account when we are root. The texts stay conf's and those of the two paths. */
void ff_place_spec(const struct ff_conf *conf, int64_t job, struct ff_sandbox_spec *ret_spec, char **ret_tool,
		   char **ret_confine);
char *ff_place_dir(const struct ff_conf *conf, int64_t job); /* freed by ff_free */
/* Makes and locks the folder. FF_E_CONFLICT when another worker still has it. */
int ff_place_open(struct ff_run *run, struct ff_err *err);
/*
 * Whether the work tree is the one that an earlier attempt on this boot of the
 * host made from the same commit. After a power cut files may be half there.
 */
bool ff_place_kept(const struct ff_run *run);
/* Throws away what is there and checks the source commit out. */
/* The files of the commit in a new folder, which was not there before or is removed first; they are the job's account's. */
int ff_place_check_out(const struct ff_run *run, const char *folder, const char *commit, struct ff_err *err);
int ff_place_build(struct ff_run *run, struct ff_err *err);
int ff_place_remove(const struct ff_conf *conf, int64_t job, struct ff_err *err);
/* Small texts that an attempt leaves for the next. ret NULL when it is not there. */
int ff_place_note(const struct ff_run *run, const char *name, const char *text, struct ff_err *err);
char *ff_place_noted(const struct ff_run *run, const char *name);

/* --- report.c */
void ff_report_log(struct ff_run *run, const char *stream, const char *text);
void ff_report_logf(struct ff_run *run, const char *fmt, ...) FF_PRINTF(2, 3); /* stream "system" */
struct ff_report { /* what an event or step may carry; NULL: not given */
	const char *text, *oid, *base_oid, *ref;
	char *const *paths;
};
void ff_report_event(struct ff_run *run, enum ff_event_type type, const struct ff_report *what);
/* Returns when core has it on disk. */
int ff_report_step(struct ff_run *run, enum ff_step_kind step, bool finished, const struct ff_report *what,
		   struct ff_err *err);
/* A `resolution` message but for its attempt; taken. Not answered. */
void ff_report_resolution(struct ff_run *run, json_t *msg);
/* What core remembers of a conflict; *ret_answer is a `recalled` message, freed by json_decref. */
int ff_report_recall(struct ff_run *run, const char *key, json_t **ret_answer, struct ff_err *err);
/* A `remember` message but for its attempt; taken. Not answered. */
void ff_report_remember(struct ff_run *run, json_t *msg);
/* The last word. failure NULL: outcome says it. */
int ff_report_done(struct ff_run *run, const struct ff_outcome *outcome, const struct ff_err *failure,
		   struct ff_err *err);
/* FF_E_CANCELLED when core has hung up or refused us meanwhile. */
int ff_report_stopped(struct ff_run *run, struct ff_err *err);

/* --- rebase.c */
/* 0: ret_tip lies on ret_base, the target; 1: a conflict, and out says all. */
int ff_run_rebase(struct ff_run *run, const char *commit, char *ret_tip, char *ret_base, struct ff_outcome *out,
		  struct ff_err *err);
bool ff_run_target_moved(struct ff_run *run, const char *base);

/* --- review.c */
/*
 * Looks through what the job changed; first: it was not told yet. 0: go on;
 * 1: it changes protected paths and nobody let it through, and out says so.
 */
int ff_run_review(struct ff_run *run, const char *commit, bool first, struct ff_outcome *out, struct ff_err *err);

/* --- steps.c, publish.c, push.c, hook.c */
struct ff_git_person ff_run_person(const struct ff_run *run);
/* refs/flowforge/jobs/N/NAME becomes oid, whatever it was. */
int ff_run_keep(struct ff_run *run, const char *name, const char *oid, struct ff_err *err);
/* refs/heads/PREFIXSOURCE-N. Freed by ff_free; NULL with err. */
char *ff_run_branch(const struct ff_run *run, const char *prefix, struct ff_err *err);
struct ff_run_branch_change {
	const char *branch, *old_oid, *oid; /* old_oid NULL: it must not exist, or be oid already */
	const char *base;                   /* of the target */
	const char *result;                 /* what refs/flowforge/jobs/N/result keeps */
	const char *what;                   /* word of the note: "Result" */
};
/* The note of this job on the pushed commit gets these lines. A failure is said in the job's log and ends nothing. */
void ff_run_note(struct ff_run *run, const char *lines);
/* The branch, the note and the repository's hooks. */
int ff_run_publish(struct ff_run *run, const struct ff_run_branch_change *change, struct ff_err *err);
/*
 * Over ssh, to the server's own address; the server's rules and hooks judge it.
 * kept: the name below refs/flowforge/jobs/N/ that holds oid.
 */
int ff_run_push(struct ff_run *run, const char *ref, const char *oid, const char *kept, struct ff_err *err);
/* The repository's own post-receive, at most once a job; what goes wrong is said in the job's log. */
void ff_run_hook(struct ff_run *run, const char *ref, const char *oid);

#endif
