/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_SPEC_H
#define FF_JOB_SPEC_H

/*
 * From a push to a task: which refs trigger, what the push options, the
 * trailers of the tip commit and a task file say, and which of them wins
 * (conventions: push option, trailer, task file, branch default, nothing).
 *
 * Steps: ff_options_parse() on the push options; ff_policy_triggers() for
 * each ref; if that needs the repository, the reader gives a struct
 * ff_repo_facts; ff_spec_decide() puts it together.  The hook uses the same
 * option rules through src/base (base/option.h), so that pre-receive refuses
 * what would fail here.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/option.h"
#include "job/job.h"

/* Server configuration for one repository and branch, borrowed from src/conf. */
struct ff_policy {
	const char *const *trigger_globs; /* NULL-terminated, full ref globs */
	bool trigger_options;             /* a claude option triggers on any branch */
	const char *const *ignore_pushers;
	const char *result_prefix;        /* "claude-results/" */
	const char *conflict_prefix;
	const char *default_task;         /* of this branch, or NULL */
	const char *default_target;       /* of this branch or server, or NULL: branch of HEAD */
	const char *const *environments;  /* names that claude.env may give */
	int default_retries, max_retries;
	int64_t default_ttl_ms, max_ttl_ms; /* 0: no ttl, no limit */
	int64_t max_chain;
	size_t max_task_bytes;
};

enum ff_trigger {
	FF_TRIGGER_NO,       /* not for us: say nothing */
	FF_TRIGGER_HINT,     /* no job, but *ret_hint tells why */
	FF_TRIGGER_JOB,      /* the options hold the task: a job at once */
	FF_TRIGGER_ASK,      /* a designated branch: the repository decides */
};

/*
 * old and new are hex; options as parsed. ret_hint is a static text, set for
 * HINT. A claude option is never ignored in silence: where it can start no
 * job (a tag, a result branch, a branch whose name is a folder of the result
 * branches), there is a hint. refs/notes and our own refs are not for people.
 */
enum ff_trigger ff_policy_triggers(const struct ff_policy *p, const char *ref, const char *old_oid,
				   const char *new_oid, const char *pusher,
				   const struct ff_options *options, const char **ret_hint);

/* What the reader found; strings are borrowed, NULL for "not there". */
struct ff_repo_facts {
	bool tip_is_commit;
	bool tip_is_ours;        /* carries our job trailer */
	int64_t chain;           /* results of jobs that it stands on, each made on the one before */
	const char *head_branch; /* branch of HEAD, without refs/heads/ */
	const char *target_oid;  /* tip of the target that was asked for */
	const char *trailer_task; /* of the tip commit: ff_trailer_value() of FF_TRAILER_TASK */
	const char *task_file;   /* content of the task file on the target branch */
	size_t task_file_len;
	const char *task_file_name;
};

enum ff_decision {
	FF_DECIDED_JOB,   /* *spec is complete */
	FF_DECIDED_NONE,  /* no task anywhere: hint, no job */
	FF_DECIDED_OURS,  /* a result pushed again: hint, no job */
	FF_DECIDED_BAD,   /* err says what is wrong with the push */
};

/*
 * Fills spec, which must be empty or hold what an earlier step found. The
 * target that the facts were read for is ff_spec_target().
 */
enum ff_decision ff_spec_decide(const struct ff_policy *p, const struct ff_options *options,
				const struct ff_repo_facts *facts, struct ff_job_spec *spec,
				struct ff_err *err);
/* claude.target, else the configured one, else NULL (then: branch of HEAD). Borrowed. */
const char *ff_spec_target(const struct ff_policy *p, const struct ff_options *options);
/*
 * The name of the task file for a pushed ref, or NULL: for the trigger glob
 * refs/heads/claude/ and the branch claude/docs-refresh/july it is
 * "docs-refresh". A branch that no glob matches is named by its own first
 * part. Only [A-Za-z0-9._-], not starting with a dot. Freed by ff_free.
 */
char *ff_spec_task_file_name(const struct ff_policy *p, const char *ref);
/*
 * SOURCE of the result branch: the pushed branch without the trigger prefix
 * (of the matching glob, up to the last slash before its first wildcard),
 * `/` written `-`. Never empty, at most 150 bytes. Freed by ff_free.
 */
char *ff_spec_source_name(const struct ff_policy *p, const char *ref);

/*
 * The last value of a trailer (key compared without case) in the last
 * paragraph of a commit message, folded lines unfolded with one blank;
 * git-interpret-trailers(1) says what a trailer block is. NULL: none. Freed by ff_free.
 */
char *ff_trailer_value(const char *message, size_t len, const char *key);

/* A task file: an optional head of `key: value` lines between two `---` lines, then the body. */
struct ff_task_file {
	char *body;
	char *target, *env_name; /* NULL: not given */
	char *priority, *ttl, *retries;
};
/* FF_E_INVALID names the line and what would be right; also for a file without a body. */
int ff_task_file_parse(const char *text, size_t len, struct ff_task_file *ret_file, struct ff_err *err);
void ff_task_file_fini(struct ff_task_file *file);

#endif
