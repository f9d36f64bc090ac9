/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_OPTION_H
#define FF_BASE_OPTION_H

/*
 * Push options of the `claude` area, parsed by the hook (which refuses a bad
 * one while the pusher is watching) and again by core (which believes no
 * hook).  Options of other areas are left alone.
 *
 *     claude  claude=TEXT  claude.task=TEXT (may repeat, joined by newlines)
 *     claude.skip  claude.follow  claude.target=BRANCH  claude.priority=low|normal|high
 *     claude.ttl=2h  claude.retries=3  claude.env=NAME
 *
 * Limits come from the caller; a value over one is refused with its number.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_option_limits {
	size_t max_count;      /* options of any area */
	size_t max_task_bytes; /* of the joined task */
	size_t max_value_bytes; /* of any other claude.* value */
};

struct ff_options {
	bool any;        /* a claude option other than claude.skip was given */
	bool bare;       /* `claude` without a value: run the default */
	bool skip;
	bool follow;     /* the push goes on until the first of its jobs has ended, and tells what it does */
	bool has_task;
	struct ff_buf task;
	char *target, *env_name;   /* NULL: not given */
	bool has_priority; int priority; /* -1, 0, 1: enum ff_priority */
	bool has_ttl; int64_t ttl_ms;
	bool has_retries; int retries;
	char *unknown;   /* first unknown claude.* key, for a warning; NULL: none */
};

/* opts must be fini'd also when this fails; err names the option and what would be right. */
int ff_options_parse(const char *const *options, size_t count, const struct ff_option_limits *limits,
		     struct ff_options *opts, struct ff_err *err);
void ff_options_fini(struct ff_options *opts);

#endif
