/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_RESOLUTIONS_H
#define FF_STORE_RESOLUTIONS_H

/*
 * What became of a job's conflicts: a row a rung, and turn of it, that looked
 * at one conflict, a row of rung 0 with the verdict about each path (line 0),
 * and one about the whole series (path ""); and the sums of a day, which stay
 * when the job is gone.  A row that is there already is not written again, nor
 * counted: a worker that begins again says it again.
 *
 * Errors are those of store.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* Rows of one job; more are not kept, but counted in the sums. */
#define FF_RESOLUTIONS_MAX 5000

struct ff_resolution {
	int64_t job, repo;
	int attempt;
	const char *onto;       /* commit that the one below was applied on */
	const char *commit;     /* the one that did not apply */
	const char *path;
	int64_t line;           /* of the target, from 1; 0: all of the path */
	int rung;               /* 0: the verdict */
	int turn;
	const char *outcome;    /* "passed", "solved", "refused", "failed"; of rung 0 "proved", "refused", "open" */
	const char *how, *text, *objections; /* or NULL */
	const char *model;      /* for the sums; NULL: none */
	int64_t confidence;     /* percent; -1: none */
	int64_t time_us, tokens_in, tokens_out, cost_microusd, entry, at_ms;
};

/* With its sums, unless it is there already. */
int ff_resolution_add(struct ff_store *s, const struct ff_resolution *r, struct ff_err *err);

typedef void (*ff_resolution_fn)(void *arg, const struct ff_resolution *r);
/* Of a job, in the order in which they came. */
int ff_resolution_list(struct ff_store *s, int64_t job, int limit, ff_resolution_fn fn, void *arg, struct ff_err *err);

/* Sums by one of these, those tried most first. */
enum ff_resolution_by { FF_RESOLUTION_BY_RUNG, FF_RESOLUTION_BY_REPOSITORY, FF_RESOLUTION_BY_LANGUAGE, FF_RESOLUTION_BY_MODEL };
struct ff_resolution_sum {
	int64_t rung;         /* BY_RUNG */
	const char *name;     /* path of the repository, ending of the file ("" for none), model */
	int64_t tried, solved, refused, failed, tokens_in, tokens_out, cost_microusd, time_us;
};
typedef void (*ff_resolution_sum_fn)(void *arg, const struct ff_resolution_sum *sum);
/* Days from that of since_ms on. */
int ff_resolution_stats(struct ff_store *s, enum ff_resolution_by by, int64_t since_ms, int limit, ff_resolution_sum_fn fn, void *arg,
			struct ff_err *err);
/* Removes a few sums of days before that of before_ms. */
int ff_resolution_forget(struct ff_store *s, int64_t before_ms, struct ff_err *err);

#endif
