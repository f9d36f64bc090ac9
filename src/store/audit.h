/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_AUDIT_H
#define FF_STORE_AUDIT_H

/*
 * What administrators did, one row an action, written in the transaction of
 * what it did.  Jobs go after a month, who ended one is kept for a year.
 */

#include <stdint.h>

#include "base/err.h"

struct ff_store;

struct ff_audit {
	int64_t id;         /* given by the store */
	int64_t at_ms;
	int64_t uid;        /* -1: not known */
	const char *who;    /* name that a server in front gave, or NULL */
	const char *action;
	int64_t job;        /* 0: none */
	const char *text;   /* bytes; NULL: nothing to say */
};

int ff_audit_add(struct ff_store *s, const struct ff_audit *a, struct ff_err *err);
typedef void (*ff_audit_fn)(void *arg, const struct ff_audit *a);
/* Newest first. */
int ff_audit_list(struct ff_store *s, int limit, ff_audit_fn fn, void *arg, struct ff_err *err);
/* Deletes some of those from before. */
int ff_audit_expire(struct ff_store *s, int64_t before_ms, struct ff_err *err);

#endif
