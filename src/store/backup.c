/* SPDX-License-Identifier: MIT */
/*
 * Core's own connection is the source: a copy made by another one would have
 * to start again at every commit, and under a steady stream of pushes it
 * would never end.
 */
#include "store/backup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/buf.h"
#include "store/schema.h"
#include "store/stmt.h"

#define STEP_PAGES 64

struct ff_backup {
	sqlite3 *to;
	sqlite3_backup *run;
};

static int failed(sqlite3 *db, const char *what, struct ff_err *err)
{
	return ff_err_set(err, FF_E_STORE, "%s: %s", what, db ? sqlite3_errmsg(db) : "out of memory");
}

int ff_backup_open(struct ff_store *s, const char *path, struct ff_backup **ret_backup, struct ff_err *err)
{
	FF_AUTO(ff_backup_close) struct ff_backup *b = ff_calloc(1, sizeof *b);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

	if (sqlite3_open_v2(path, &b->to, flags, NULL) != SQLITE_OK)
		return failed(b->to, path, err);
	/* A copy that is not finished is thrown away, so no step waits for the disk. */
	if (sqlite3_exec(b->to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL) != SQLITE_OK)
		return failed(b->to, path, err);
	b->run = sqlite3_backup_init(b->to, "main", ff_stmt_db(s), "main");
	if (!b->run)
		return failed(b->to, path, err);
	*ret_backup = ff_steal(&b);
	return 0;
}

int ff_backup_step(struct ff_backup *b, enum ff_backup_state *ret_state, struct ff_err *err)
{
	int rc = sqlite3_backup_step(b->run, STEP_PAGES);

	if (rc == SQLITE_OK)
		*ret_state = FF_BACKUP_MORE;
	else if (rc == SQLITE_DONE)
		*ret_state = FF_BACKUP_DONE;
	else if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		*ret_state = FF_BACKUP_LATER;
	else
		return ff_err_set(err, FF_E_STORE, "the copy of the record: %s", sqlite3_errstr(rc));
	return 0;
}

void ff_backup_close(struct ff_backup **backup)
{
	struct ff_backup *b = ff_steal(backup);

	if (!b)
		return;
	(void)sqlite3_backup_finish(b->run); /* repeats the error of the step */
	(void)sqlite3_close(b->to);          /* nothing is left open that could make it fail */
	free(b);
}

/* --- records that nobody uses ----------------------------------------------- */

static void close_db(sqlite3 **db)
{
	(void)sqlite3_close(*db); /* every statement was finalized */
	*db = NULL;
}

static int open_db(const char *path, sqlite3 **ret_db, struct ff_err *err)
{
	FF_AUTO(close_db) sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

	if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
		return failed(db, path, err);
	if (sqlite3_exec(db, "PRAGMA trusted_schema = OFF", NULL, NULL, NULL) != SQLITE_OK)
		return failed(db, path, err);
	*ret_db = ff_steal(&db);
	return 0;
}

static void finalize(sqlite3_stmt **st)
{
	(void)sqlite3_finalize(*st); /* repeats the error of the step */
}

/* The first column of the first row. */
static int one_int(sqlite3 *db, const char *sql, int64_t *ret, struct ff_err *err)
{
	FF_AUTO(finalize) sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
		return failed(db, "the record cannot be read", err);
	*ret = sqlite3_column_int64(st, 0);
	return 0;
}

static int whole(sqlite3 *db, struct ff_err *err)
{
	FF_AUTO(finalize) sqlite3_stmt *st = NULL;
	const char *text;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return ff_err_set(err, FF_E_INVALID, "it is damaged or no record: %s", sqlite3_errmsg(db));
	text = (const char *)sqlite3_column_text(st, 0);
	if (!text || strcmp(text, "ok"))
		return ff_err_set(err, FF_E_INVALID, "it is damaged: %s", text ? text : "out of memory");
	return 0;
}

int ff_backup_check(const char *path, struct ff_err *err)
{
	FF_AUTO(close_db) sqlite3 *db = NULL;
	int64_t version = 0, tables = 0;

	if (open_db(path, &db, err) < 0 || whole(db, err) < 0 ||
	    one_int(db, "PRAGMA user_version", &version, err) < 0 ||
	    one_int(db, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND"
		    " name IN ('repos', 'tips', 'pushes', 'jobs', 'steps', 'events', 'timers')", &tables, err) < 0)
		return -1;
	if (version < 1 || tables != 7)
		return ff_err_set(err, FF_E_INVALID, "it is a database, but not a record of this program");
	if (version > FF_SCHEMA_VERSION)
		return ff_err_set(err, FF_E_INVALID, "it has version %lld, this program knows up to %d: install the program "
				  "that wrote it", (long long)version, FF_SCHEMA_VERSION);
	return 0;
}

/* As a URI, since only there can be said that nobody uses it: without that, reading would need to make files. */
static char *record_uri(const char *path, bool unused)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	struct ff_buf b;

	ff_buf_init(&b, SIZE_MAX / 4);
	(void)ff_buf_adds(&b, "file:");
	for (; *path; path++)
		(void)ff_buf_addf(&b, strchr(plain, *path) ? "%c" : "%%%02X", (unsigned char)*path);
	(void)ff_buf_adds(&b, unused ? "?immutable=1" : "");
	return ff_steal(&b.data);
}

int ff_backup_quick_check(const char *path, struct ff_err *err)
{
	FF_AUTO(ff_free) char *journal = ff_asprintf("%s-wal", path);
	FF_AUTO(ff_free) char *uri = record_uri(path, access(journal, F_OK) < 0);
	FF_AUTO(close_db) sqlite3 *db = NULL;
	FF_AUTO(finalize) sqlite3_stmt *st = NULL;
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, rc;
	const char *text;

	if (sqlite3_open_v2(uri, &db, flags, NULL) != SQLITE_OK)
		return failed(db, path, err);
	rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	if (text && !strcmp(text, "ok"))
		return 0;
	if (text || (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
		return ff_err_set(err, FF_E_INVALID, "it is damaged: %.*s", (int)strcspn(text ? text : sqlite3_errmsg(db), "\n"),
				  text ? text : sqlite3_errmsg(db));
	return failed(db, path, err);
}

/* Where the last number of an event stands, which depends on the version. */
struct event_place {
	const char *read, *add, *raise;
};

static int event_place(sqlite3 *db, const struct event_place **ret, struct ff_err *err)
{
	static const struct event_place places[] = {
		/* A table that never had a row has none here either. */
		{ "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
		  "INSERT INTO sqlite_sequence (name, seq) SELECT 'events', ?1"
		  " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'events')",
		  "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'events'" },
		{ "SELECT last FROM numbers WHERE name = 'event'",
		  "INSERT OR IGNORE INTO numbers (name, last) VALUES ('event', ?1)",
		  "UPDATE numbers SET last = max(last, ?1) WHERE name = 'event'" },
	};
	int64_t now = 0;

	if (one_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'numbers'", &now, err) < 0)
		return -1;
	*ret = &places[now > 0];
	return 0;
}

int ff_backup_fold(const char *path, struct ff_backup_numbers *ret_numbers, struct ff_err *err)
{
	FF_AUTO(close_db) sqlite3 *db = NULL;
	const struct event_place *place;
	struct ff_backup_numbers n;
	int64_t busy = 0;

	if (open_db(path, &db, err) < 0)
		return -1;
	/* One that cannot be read must stay as it is, for whoever wants to save something from it. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* cannot fail */
	if (one_int(db, "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'", &n.job, err) < 0 ||
	    event_place(db, &place, err) < 0 || one_int(db, place->read, &n.event, err) < 0 ||
	    one_int(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, err) < 0)
		return -1;
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL); /* likewise */
	if (busy)
		return ff_err_set(err, FF_E_CONFLICT, "%s: another program has it open", path);
	*ret_numbers = n;
	return 0;
}

static int raise_one(sqlite3 *db, const char *sql, int64_t least, struct ff_err *err)
{
	FF_AUTO(finalize) sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_bind_int64(st, 1, least) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE)
		return failed(db, "the numbers of the record", err);
	return 0;
}

static int raise_jobs(sqlite3 *db, int64_t least, struct ff_err *err)
{
	if (raise_one(db, "INSERT INTO sqlite_sequence (name, seq) SELECT 'jobs', ?1"
		      " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'jobs')", least, err) < 0)
		return -1;
	return raise_one(db, "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'jobs'", least, err);
}

int ff_backup_raise(const char *path, const struct ff_backup_numbers *least, struct ff_err *err)
{
	FF_AUTO(close_db) sqlite3 *db = NULL;
	const struct event_place *place;
	int64_t busy;

	if (open_db(path, &db, err) < 0 || event_place(db, &place, err) < 0 || raise_jobs(db, least->job, err) < 0 ||
	    raise_one(db, place->add, least->event, err) < 0 || raise_one(db, place->raise, least->event, err) < 0)
		return -1;
	return one_int(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, err);
}
