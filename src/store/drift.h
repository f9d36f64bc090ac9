/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_DRIFT_H
#define FF_STORE_DRIFT_H

/*
 * Whether the commits of jobs still apply to their targets, as it was found
 * when a target moved last: one row a job whose result is published, or that
 * ran when its target moved.  What was found is also an event when it differs
 * from what was found before; the row has the newest.
 */

#include "store/store.h"

enum ff_drift_state { /* numbers on disk */
	FF_DRIFT_UNKNOWN = 0, /* not tried yet */
	FF_DRIFT_APPLIES = 1,
	FF_DRIFT_CONFLICT = 2,
	FF_DRIFT_MERGED = 3, /* the target has it; not tried again */
	FF_DRIFT_GONE = 4,   /* its branch was taken away; not tried again */
};
struct ff_drift { /* ff_drift_fini */
	enum ff_drift_state state;
	char target_oid[FF_OID_HEX_MAX + 1]; /* where the target was then */
	int64_t n_paths;  /* of the conflict */
	char **paths;     /* the first of them, NULL-terminated; NULL: none */
	int64_t at_ms;
};
void ff_drift_fini(struct ff_drift *d);
/* The words of the messages and of JSON; -1 for an unknown one. */
const char *ff_drift_word(enum ff_drift_state state);
int ff_drift_by_word(const char *word, enum ff_drift_state *ret);

/* Its result was published: tried from now on, and nothing is known of it. */
int ff_store_drift_result(struct ff_store *s, const struct ff_job *job, struct ff_err *err);
/* UNKNOWN when there is no row. */
int ff_store_drift_get(struct ff_store *s, int64_t job, struct ff_drift *ret, struct ff_err *err);
int ff_store_drift_save(struct ff_store *s, const struct ff_job *job, const struct ff_drift *d, struct ff_err *err);
/*
 * Jobs to be tried when this branch moved: those that run, then results that
 * ended at since_ms or later, newest first, at most max. *ret_ids: ff_free.
 */
int ff_store_drift_jobs(struct ff_store *s, int64_t repo, const char *target, int64_t since_ms, size_t max,
			int64_t **ret_ids, size_t *ret_count, struct ff_err *err);

#endif
