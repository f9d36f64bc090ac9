/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_VIEW_H
#define FF_CLI_VIEW_H

/*
 * Jobs and events, as core's JSON has them, in words for people.  Fields that
 * are missing or of another type are shown as absent, never an error: a
 * newer daemon may say more or less than this program knows.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "cli/print.h"

/* A name that may be {"b64"}, as bytes; "" when absent. Freed by ff_free. */
char *ff_view_name(const json_t *object, const char *key);
/* A string, or "" when absent. Borrowed. */
const char *ff_view_str(const json_t *object, const char *key);
int64_t ff_view_int(const json_t *object, const char *key); /* 0 when absent */
enum ff_colour ff_view_state_colour(const char *state);
/* A cell with the number, 0 when absent. */
void ff_view_number_cell(struct ff_table *t, const json_t *row, const char *key);
/* An array of objects, as it is or as a table: fn adds the cells of one. */
typedef void (*ff_view_row_fn)(struct ff_table *t, const json_t *row);
void ff_view_rows(const struct ff_print *p, bool as_json, const json_t *rows, const struct ff_column *columns, size_t count,
		  ff_view_row_fn fn);

/* The table of `list`. jobs: an array. */
void ff_view_list(const struct ff_print *p, const json_t *jobs, int64_t now_ms);
/* Everything about one job. */
void ff_view_job(const struct ff_print *p, const json_t *job, int64_t now_ms);
/* viewladder.c: what became of its conflicts, if it had any. */
void ff_view_ladder(const struct ff_print *p, const json_t *job);
/* "job 12 completed: result in claude-results/x-12", one line. */
void ff_view_summary(const struct ff_print *p, const json_t *job);
/* One line; with its job's number when with_job. */
void ff_view_event(const struct ff_print *p, const json_t *event, bool with_job);
/* {"stream","text"}: lines of a job's log. */
void ff_view_log(const struct ff_print *p, const json_t *line);

#endif
