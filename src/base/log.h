/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_LOG_H
#define FF_BASE_LOG_H

/*
 * The log of a role: one event a line on stderr, a JSON object, or key=value
 * when stderr is a terminal; or a JSON object a line in a file.  Fields in this order: ts level role msg event
 * job repo request_id.  Roles log; library code returns a struct ff_err.
 *
 * The job is part of the handle, so that it cannot be left out:
 *
 *     struct ff_log log = ff_log_job(ff_log_main(), job->id, repo);
 *     ff_log_info(&log, "job.started", "attempt %d", n);
 *
 * No secret has a path to here; should one find it, what ff_log_redact was
 * given takes it out.  The text is made by ff_text_show and cut at
 * FF_LOG_MSG_MAX code points.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define FF_LOG_MSG_MAX 1024

struct ff_redact;

enum ff_log_level { FF_LOG_DEBUG, FF_LOG_INFO, FF_LOG_WARN, FF_LOG_ERROR };

struct ff_log {
	int64_t job;            /* 0: none */
	const char *role;       /* for whom the line is written; borrowed, NULL: ourselves */
	const char *repo;       /* borrowed, NULL: none */
	const char *request_id; /* borrowed, NULL: none */
};

/* Before the first line, and again when the level changes. role is borrowed for good. */
void ff_log_setup(const char *role, enum ff_log_level least);
/*
 * From now on lines go to this file (borrowed for good) instead of stderr.  It
 * is opened again when another file has its name, so that each role notices by
 * itself that it was rotated away; ff_log_reopen does so at once.
 */
int ff_log_open(const char *path, struct ff_err *err);
void ff_log_reopen(void);
/* Known secrets that are taken out of every line; borrowed until another, or NULL, takes its place. */
void ff_log_redact(struct ff_redact *redact);
/* -1 when there is no level of that name (debug info warn error). */
int ff_log_level_by_name(const char *name, enum ff_log_level *ret_level);
/* The handle without a job. */
struct ff_log ff_log_main(void);
struct ff_log ff_log_job(struct ff_log base, int64_t job, const char *repo);

/* From hold to release, lines of the levels info and debug are gathered and written together. */
void ff_log_hold(void);
void ff_log_release(void);

/* event: a dotted word ("job.started"), never NULL. */
void ff_log_write(const struct ff_log *log, enum ff_log_level level, const char *event,
		  const char *fmt, ...) FF_PRINTF(4, 5);
#define ff_log_debug(log, ...) ff_log_write((log), FF_LOG_DEBUG, __VA_ARGS__)
#define ff_log_info(log, ...) ff_log_write((log), FF_LOG_INFO, __VA_ARGS__)
#define ff_log_warn(log, ...) ff_log_write((log), FF_LOG_WARN, __VA_ARGS__)
#define ff_log_error(log, ...) ff_log_write((log), FF_LOG_ERROR, __VA_ARGS__)

#endif
