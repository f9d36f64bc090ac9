/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_MEMORY_H
#define FF_STORE_MEMORY_H

/*
 * Answers to conflicts that were proved and published, to be given again.  An
 * entry is of one repository, and found by the key of its conflict; whether
 * those of others count is the caller's choice.  A bad one is revoked by its
 * number: it stays, so that the same answer is never learnt again.
 *
 * Errors are those of store.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct ff_memory {
	int64_t id, repo;
	const char *key;    /* 64 hex digits */
	const char *path;   /* where it was */
	const char *base, *target, *change, *result; /* lines */
	int rung;           /* that gave the answer */
	int64_t job;        /* whose conflict it was; it may be gone */
	int64_t created_ms, used_ms, uses, revoked_ms; /* 0: never */
};

/* *ret_id 0: there is none. shared: of any repository, this one's first. *ret_result is freed by ff_free. It counts as used. */
int ff_memory_recall(struct ff_store *s, int64_t repo, bool shared, const char *key, int64_t now_ms, int64_t *ret_id, char **ret_result,
		     struct ff_err *err);
/*
 * Unless the repository has one of that key, or the same answer was revoked
 * anywhere. Beyond `most` the ones used least lately go. *ret_added says.
 */
int ff_memory_add(struct ff_store *s, const struct ff_memory *m, int64_t most, bool *ret_added, struct ff_err *err);
/* FF_E_NOT_FOUND; one that is revoked already stays so. */
int ff_memory_revoke(struct ff_store *s, int64_t id, int64_t now_ms, struct ff_err *err);

typedef void (*ff_memory_fn)(void *arg, const struct ff_memory *m);
/* Those with ids below `below` (0: all), the newest first; without their texts. */
int ff_memory_list(struct ff_store *s, int64_t below, int limit, ff_memory_fn fn, void *arg, struct ff_err *err);
/* One with its texts; FF_E_NOT_FOUND. */
int ff_memory_get(struct ff_store *s, int64_t id, ff_memory_fn fn, void *arg, struct ff_err *err);
/* Jobs that were given it, as far as they are still there. */
int ff_memory_jobs(struct ff_store *s, int64_t id, int limit, void (*fn)(void *arg, int64_t job), void *arg, struct ff_err *err);

#endif
