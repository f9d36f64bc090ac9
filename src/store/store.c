/* SPDX-License-Identifier: MIT */
/* Opening, transactions and the statement cache; the queries are in the other files. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/num.h"
#include "store/events.h"
#include "store/schema.h"
#include "store/stmt.h"
#include "store/walfile.h"

#define MAX_STATEMENTS 96
#define SLOTS 256 /* to find them in, a power of two */
/* Pages of the log after which it goes into the database: 8 MiB. A page that was written often goes once. */
#define CHECKPOINT_PAGES 2048
/* A stranger's lock (a backup tool, sqlite3 in a terminal) may hold us up this long, no push longer. */
#define BUSY_MS 500
/* Numbers of events that are taken out of the record in one write; a start, and a rollback, pass over the rest. */
#define EVENTS_AT_ONCE 4096

struct ff_store {
	sqlite3 *db;
	struct { const char *sql; sqlite3_stmt *st; } cache[MAX_STATEMENTS];
	size_t n_cache;
	unsigned char slots[SLOTS]; /* 1 + where in cache, 0: nothing */
	struct ff_events *events;
	bool began;            /* between begin and commit or rollback */
	int64_t changes_begun; /* total changes when it began */
	struct ff_err failed;  /* the first write that failed in this transaction */
	bool wrote;
	int log_pages;         /* in the write-ahead log, as of the last commit */
	bool damaged;          /* until it is opened again */
	int64_t event, event_last; /* numbers of events that are free to be given out: from event to event_last */
};

static int pragma(sqlite3 *db, const char *sql, struct ff_err *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return ff_err_set(err, FF_E_STORE, "%s: %s", sql, sqlite3_errmsg(db));
	return 0;
}

/* The daemon cannot mend it, so the text says who can, and how. */
static void say_what_to_do(sqlite3 *db, struct ff_err *err)
{
	int rc = sqlite3_errcode(db) & 0xff;

	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		ff_err_set(err, FF_E_STORE, "the record is damaged (%s): restore it from a backup, or move it away to begin "
			   "an empty one", sqlite3_errmsg(db));
}

static int set_up(sqlite3 *db, struct ff_err *err)
{
	/* Must come before the first table; a file that was made without it keeps its size. */
	if (pragma(db, "PRAGMA auto_vacuum = INCREMENTAL", err) < 0)
		return -1;
	/* FULL: with WAL, NORMAL would lose answered pushes in a power cut. */
	if (pragma(db, "PRAGMA journal_mode = WAL", err) < 0 || pragma(db, "PRAGMA synchronous = FULL", err) < 0 ||
	    pragma(db, "PRAGMA foreign_keys = ON", err) < 0 || pragma(db, "PRAGMA trusted_schema = OFF", err) < 0 ||
	    pragma(db, "PRAGMA journal_size_limit = 67108864", err) < 0 ||
	    pragma(db, "PRAGMA cache_size = -8192", err) < 0) /* KiB: indexes by random numbers touch pages all over */
		return -1;
	return ff_schema_migrate(db, err);
}

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct ff_store *s = arg;

	(void)db;
	(void)name;
	s->log_pages = pages;
	return SQLITE_OK;
}

/* Core has one thread, and nobody reads SQLite's own account of its memory. */
static void set_up_library(void)
{
	static bool done;

	if (!done) {
		(void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD); /* when it is too late for them, all is a little slower */
		(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	}
	done = true;
}

int ff_store_open(const char *path, struct ff_store **ret_store, struct ff_err *err)
{
	struct ff_store *s = ff_calloc(1, sizeof *s);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

	set_up_library();
	s->events = ff_events_new();
	if (sqlite3_open_v2(path, &s->db, flags, ff_walfile_vfs()) != SQLITE_OK) {
		ff_err_set(err, FF_E_STORE, "%s: %s", path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
		ff_store_close(&s);
		return -1;
	}
	(void)sqlite3_busy_timeout(s->db, BUSY_MS);        /* cannot fail */
	(void)sqlite3_extended_result_codes(s->db, 1);     /* likewise */
	if (sqlite3_db_readonly(s->db, "main") == 1) {
		ff_err_set(err, FF_E_STORE, "%s: it may not be written to: mend its rights, or what it is mounted on", path);
		ff_store_close(&s);
		return -1;
	}
	if (set_up(s->db, err) < 0) {
		say_what_to_do(s->db, err);
		ff_err_wrap(err, "%s", path);
		ff_store_close(&s);
		return -1;
	}
	(void)sqlite3_wal_hook(s->db, on_commit, s); /* instead of a checkpoint within COMMIT */
	*ret_store = s;
	return 0;
}

void ff_store_checkpoint(struct ff_store *s)
{
	if (s->log_pages < CHECKPOINT_PAGES)
		return;
	s->log_pages = 0; /* when it fails it is tried again after the next commit */
	(void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

void ff_store_close(struct ff_store **store)
{
	struct ff_store *s = ff_steal(store);

	if (!s)
		return;
	for (size_t i = 0; i < s->n_cache; i++)
		(void)sqlite3_finalize(s->cache[i].st); /* repeats an old error */
	(void)sqlite3_close(s->db); /* nothing is left open that could make it fail */
	ff_events_free(&s->events);
	free(s);
}

/* --- statements ------------------------------------------------------- */

/* Where the statement with this text is, or where it goes. */
static unsigned char *slot_of(struct ff_store *s, const char *sql)
{
	uintptr_t at = (uintptr_t)sql * 2654435761u >> 16;

	for (;; at++) {
		unsigned char *slot = &s->slots[at % SLOTS];

		if (!*slot || s->cache[*slot - 1].sql == sql)
			return slot;
	}
}

void ff_stmt(struct ff_stmt *q, struct ff_store *s, const char *sql)
{
	unsigned char *slot = slot_of(s, sql);

	*q = (struct ff_stmt){ .store = s, .rc = SQLITE_OK };
	if (*slot) {
		q->st = s->cache[*slot - 1].st;
		return;
	}
	ff_assert(s->n_cache < MAX_STATEMENTS);
	q->rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->st, NULL);
	if (q->rc != SQLITE_OK)
		return;
	s->cache[s->n_cache].sql = sql;
	s->cache[s->n_cache++].st = q->st;
	*slot = (unsigned char)s->n_cache;
}

static void bound(struct ff_stmt *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void ff_bind_int(struct ff_stmt *q, int at, int64_t v)
{
	bound(q, sqlite3_bind_int64(q->st, at, v));
}

void ff_bind_text(struct ff_stmt *q, int at, const char *s)
{
	bound(q, sqlite3_bind_text(q->st, at, s, -1, SQLITE_STATIC));
}

void ff_bind_blob(struct ff_stmt *q, int at, const void *p, size_t n)
{
	bound(q, sqlite3_bind_blob64(q->st, at, p, n, SQLITE_STATIC));
}

void ff_bind_bytes(struct ff_stmt *q, int at, const char *s)
{
	if (s)
		bound(q, sqlite3_bind_blob64(q->st, at, s, strlen(s), SQLITE_STATIC));
	else
		bound(q, sqlite3_bind_null(q->st, at));
}

void ff_bind_oid(struct ff_stmt *q, int at, const char *hex)
{
	unsigned char raw[FF_OID_HEX_MAX / 2];
	size_t n = hex ? strlen(hex) / 2 : 0;

	if (n == 0)
		bound(q, sqlite3_bind_null(q->st, at));
	else if (n > sizeof raw || ff_unhex(hex, (unsigned)n, raw) < 0)
		bound(q, SQLITE_MISMATCH);
	else
		bound(q, sqlite3_bind_blob64(q->st, at, raw, n, SQLITE_TRANSIENT));
}

void ff_stmt_done(struct ff_stmt *q)
{
	if (!q->st)
		return;
	(void)sqlite3_reset(q->st); /* repeats the error of the step */
	(void)sqlite3_clear_bindings(q->st);
}

/*
 * A write that failed may have made SQLite roll the transaction back, and what
 * is written after that would be committed by itself, one statement at a time.
 */
static bool too_late(const struct ff_stmt *q)
{
	return q->store->began && q->st && !sqlite3_stmt_readonly(q->st) &&
	       (q->store->failed.code || sqlite3_get_autocommit(q->store->db));
}

/* Half of what a caller wanted must never be committed. */
static void note_failure(const struct ff_stmt *q, const struct ff_err *err)
{
	struct ff_store *s = q->store;

	if (s->began && !s->failed.code && !(q->st && sqlite3_stmt_readonly(q->st)))
		s->failed = *err;
}

/* A write on top of a page that is none could spoil what can still be saved. */
static void note_damage(struct ff_store *s, int rc)
{
	s->damaged |= (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

int ff_step(struct ff_stmt *q, struct ff_err *err)
{
	struct ff_err why = { 0 };
	int rc = q->rc;

	if (rc == SQLITE_OK && too_late(q)) {
		ff_stmt_done(q);
		return ff_err_set(err, FF_E_STORE, "%s", q->store->failed.code ? q->store->failed.text
									       : "the transaction was rolled back");
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q->st);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE) {
		note_damage(q->store, rc);
		ff_err_set(&why, FF_E_STORE, "the database refused: %s (%s)", sqlite3_errmsg(q->store->db),
			   sqlite3_errstr(rc));
		note_failure(q, &why);
		ff_err_set(err, why.code, "%s", why.text);
	}
	ff_stmt_done(q);
	return rc == SQLITE_DONE ? 0 : -1;
}

int ff_stmt_run(struct ff_stmt *q, struct ff_err *err)
{
	int rc = ff_step(q, err);

	if (rc > 0)
		ff_stmt_done(q);
	return rc < 0 ? -1 : 0;
}

int64_t ff_col_int(struct ff_stmt *q, int col)
{
	return sqlite3_column_int64(q->st, col);
}

const char *ff_col_text(struct ff_stmt *q, int col)
{
	return (const char *)sqlite3_column_text(q->st, col);
}

char *ff_col_bytes(struct ff_stmt *q, int col)
{
	const void *p;

	if (sqlite3_column_type(q->st, col) == SQLITE_NULL)
		return NULL;
	p = sqlite3_column_blob(q->st, col);
	return ff_memdup0(p, (size_t)sqlite3_column_bytes(q->st, col));
}

char **ff_col_paths(struct ff_stmt *q, int col)
{
	FF_AUTO(ff_free) char *all = ff_col_bytes(q, col);
	size_t n = 0, used = 0;
	char **list;

	if (!all || !*all)
		return NULL;
	for (const char *p = all; *p; p += strlen(p) + 1)
		n++;
	list = ff_calloc(n + 1, sizeof *list);
	for (const char *p = all; *p; p += strlen(p) + 1)
		list[used++] = ff_strdup(p);
	return list;
}

void ff_col_oid(struct ff_stmt *q, int col, char *hex)
{
	const void *p = sqlite3_column_blob(q->st, col);
	int n = sqlite3_column_bytes(q->st, col);

	ff_assert(n >= 0 && n <= FF_OID_HEX_MAX / 2);
	ff_hex(p, (unsigned)n, hex);
}

int64_t ff_last_id(struct ff_store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int64_t ff_changes(struct ff_store *s)
{
	return sqlite3_changes64(s->db);
}

int ff_stmt_next_event(struct ff_store *s, int64_t *ret_seq, struct ff_err *err)
{
	struct ff_stmt q;

	if (s->event < s->event_last) {
		*ret_seq = ++s->event;
		return 0;
	}
	ff_stmt(&q, s, "UPDATE numbers SET last = last + ?1 WHERE name = 'event' RETURNING last");
	ff_bind_int(&q, 1, EVENTS_AT_ONCE);
	if (ff_step(&q, err) < 0)
		return -1;
	s->event_last = ff_col_int(&q, 0);
	ff_stmt_done(&q);
	s->event = s->event_last - EVENTS_AT_ONCE;
	*ret_seq = ++s->event;
	return 0;
}

bool ff_stmt_began(const struct ff_store *s)
{
	return s->began;
}

struct ff_events *ff_stmt_events(struct ff_store *s)
{
	return s->events;
}

struct sqlite3 *ff_stmt_db(struct ff_store *s)
{
	return s->db;
}

/* --- transactions ------------------------------------------------------ */

int ff_store_begin(struct ff_store *s, struct ff_err *err)
{
	struct ff_stmt q;

	ff_assert(!s->began);
	if (s->damaged)
		return ff_err_set(err, FF_E_STORE, "the record is damaged: restore it from a backup");
	ff_stmt(&q, s, "BEGIN IMMEDIATE");
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	s->began = true;
	s->failed = (struct ff_err){ 0 };
	s->changes_begun = sqlite3_total_changes64(s->db);
	return 0;
}

int ff_store_commit(struct ff_store *s, struct ff_err *err)
{
	struct ff_stmt q;

	if (s->failed.code)
		return ff_err_set(err, s->failed.code, "%s", s->failed.text);
	if (ff_events_flush(s, err) < 0)
		return -1;
	if (s->damaged)
		return ff_err_set(err, FF_E_STORE, "the record is damaged: restore it from a backup");
	ff_stmt(&q, s, "COMMIT");
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	s->began = false;
	s->wrote = sqlite3_total_changes64(s->db) != s->changes_begun;
	return 0;
}

bool ff_store_damaged(const struct ff_store *s)
{
	return s->damaged;
}

int ff_store_touch(struct ff_store *s, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO expired (job, repo) VALUES (-1, 0)"); /* no job has that number */
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	ff_stmt(&q, s, "DELETE FROM expired WHERE job = -1");
	return ff_stmt_run(&q, err);
}

bool ff_store_wrote(const struct ff_store *s)
{
	return s->wrote;
}

void ff_store_rollback(struct ff_store *s)
{
	s->began = false;
	s->failed = (struct ff_err){ 0 };
	ff_events_drop(s->events);
	s->event = s->event_last = 0; /* they may have been taken in this transaction */
	if (!sqlite3_get_autocommit(s->db)) /* some failures have rolled back already */
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL); /* nothing is left to undo when it fails */
}
