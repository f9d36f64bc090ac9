/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_PRINT_H
#define FF_CLI_PRINT_H

/*
 * How the commands write: colour, tables that fit, times, JSON, and text from
 * outside made harmless.  It knows nothing of jobs.
 *
 * Whatever the output is, text from outside never reaches it raw: a pipe can
 * end at a terminal too, as an ssh connection without one does.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/err.h"

enum ff_colour { FF_PLAIN, FF_BOLD, FF_DIM, FF_RED, FF_GREEN, FF_YELLOW, FF_BLUE, FF_CYAN };

struct ff_print {
	FILE *f;      /* borrowed */
	bool tty;
	bool colour;
	size_t width; /* columns of the terminal; 0: no limit */
};

/* when: auto, always or never; NULL is auto. FF_E_USAGE for another word. */
int ff_print_setup(struct ff_print *p, FILE *f, const char *when, char *const *environ, struct ff_err *err);
/* Value of a variable in an environment; NULL: not there. */
const char *ff_print_getenv(char *const *environ, const char *name);

void ff_print_colour(const struct ff_print *p, enum ff_colour colour); /* nothing without colour */
/* One string made harmless, in colour. */
void ff_print_shown(const struct ff_print *p, enum ff_colour colour, const char *s);
/*
 * Bytes from outside, line by line and each with the prefix (ours, may be
 * ""): tabs are kept, a missing last newline is added.
 */
void ff_print_lines(const struct ff_print *p, const char *prefix, const void *bytes, size_t n);
/* One line of JSON, ASCII alone, so that no terminal obeys anything in it. */
void ff_print_json(const struct ff_print *p, const json_t *value);

/* RFC 3339 in UTC, with or without a fraction. -1 for anything else. */
int ff_print_parse_time(const char *s, int64_t *ret_ms);
/* "12s", "5m", "3h", "2d", "4w", "3y"; never negative. out has FF_SPAN_TEXT bytes. */
#define FF_SPAN_TEXT 24
void ff_print_span(int64_t ms, char *out);
/* "$0.0123". out has FF_MONEY_TEXT bytes. */
#define FF_MONEY_TEXT 32
void ff_print_money(int64_t microusd, char *out);

/* A table: add the cells of row after row, then print once. */
struct ff_column { const char *title; size_t least; /* columns it may be cut to; 0: never cut */ };
struct ff_table;
struct ff_table *ff_table_new(const struct ff_column *columns, size_t count); /* columns borrowed */
void ff_table_free(struct ff_table **t);
/* NULL is an empty cell. */
void ff_table_cell(struct ff_table *t, enum ff_colour colour, const char *s);
void ff_table_print(const struct ff_table *t, const struct ff_print *p);

#endif
