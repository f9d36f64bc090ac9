/* SPDX-License-Identifier: MIT */
#ifndef FF_STORE_STMT_H
#define FF_STORE_STMT_H

/*
 * Prepared statements for the files of this folder.
 *
 *     struct ff_stmt q;
 *     ff_stmt(&q, s, "SELECT id FROM jobs WHERE uuid = ?1");   text is static
 *     ff_bind_blob(&q, 1, uuid, 16);
 *     while ((rc = ff_step(&q, err)) > 0) ... ff_col_int(&q, 0) ...
 *
 * Statements are kept by the address of their text, so the text must be a
 * literal.  A failure to prepare or bind comes out of ff_step.  ff_step resets
 * the statement when it returns 0 or -1; a caller that stops earlier calls
 * ff_stmt_done.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sqlite3;
struct sqlite3_stmt;
struct ff_store;

struct ff_stmt {
	struct ff_store *store;
	struct sqlite3_stmt *st;
	int rc;
};

void ff_stmt(struct ff_stmt *q, struct ff_store *s, const char *sql);
void ff_bind_int(struct ff_stmt *q, int at, int64_t v);
/* NULL binds NULL. The memory must stay until the step. */
void ff_bind_text(struct ff_stmt *q, int at, const char *s);
void ff_bind_bytes(struct ff_stmt *q, int at, const char *s); /* NUL-terminated bytes as BLOB */
void ff_bind_blob(struct ff_stmt *q, int at, const void *p, size_t n);
void ff_bind_oid(struct ff_stmt *q, int at, const char *hex); /* 20 or 32 bytes; "" or NULL binds NULL */
/* 1: a row, 0: done, -1: failed (FF_E_STORE). */
int ff_step(struct ff_stmt *q, struct ff_err *err);
/* For statements without rows. */
int ff_stmt_run(struct ff_stmt *q, struct ff_err *err);
void ff_stmt_done(struct ff_stmt *q);
int64_t ff_col_int(struct ff_stmt *q, int col);
const char *ff_col_text(struct ff_stmt *q, int col); /* borrowed until the next step; NULL for NULL */
char *ff_col_bytes(struct ff_stmt *q, int col);      /* a copy with NUL; NULL for NULL */
/* Paths that each end with a NUL, as a list that ends with NULL; NULL for NULL and for none. */
char **ff_col_paths(struct ff_stmt *q, int col);
void ff_col_oid(struct ff_stmt *q, int col, char *hex); /* hex: FF_OID_HEX_MAX + 1 bytes; "" for NULL */
int64_t ff_last_id(struct ff_store *s);
int64_t ff_changes(struct ff_store *s);
/* The next number of an event; within a transaction. */
int ff_stmt_next_event(struct ff_store *s, int64_t *ret_seq, struct ff_err *err);
/* Between begin and commit or rollback. */
bool ff_stmt_began(const struct ff_store *s);
/* events.h; borrowed. */
struct ff_events *ff_stmt_events(struct ff_store *s);
/* For what is no statement (backup.c). */
struct sqlite3 *ff_stmt_db(struct ff_store *s);

#endif
