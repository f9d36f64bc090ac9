/* SPDX-License-Identifier: MIT */
/*
 * The schema, as a list of steps that each bring the database from one
 * version (PRAGMA user_version) to the next.  Steps are only ever added at
 * the end; what stands here has run on somebody's disk.
 */
#include "store/schema.h"

#include <sqlite3.h>

static const char *const steps[] = {
	/* 1 */
	/* repos: bounded by the repositories that have our hooks. */
	"CREATE TABLE repos ("
	" id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, added_ms INTEGER NOT NULL,"
	/* 0 until the refs that were there before us were noted: they must not start jobs. */
	" tips_known INTEGER NOT NULL DEFAULT 0) STRICT;"

	/* tips: one row a designated ref that was ever pushed; removed with the ref. */
	"CREATE TABLE tips ("
	" repo INTEGER NOT NULL REFERENCES repos(id), ref BLOB NOT NULL, oid BLOB NOT NULL,"
	" PRIMARY KEY (repo, ref)) STRICT, WITHOUT ROWID;"

	/* pushes: one row a ref pushed that concerned us; goes with its job. */
	"CREATE TABLE pushes ("
	" id INTEGER PRIMARY KEY, push_id BLOB NOT NULL CHECK (length(push_id) = 16),"
	" repo INTEGER NOT NULL REFERENCES repos(id), ref BLOB NOT NULL,"
	" old_oid BLOB NOT NULL, new_oid BLOB NOT NULL, pusher BLOB, uid INTEGER NOT NULL,"
	" options TEXT NOT NULL, received_ms INTEGER NOT NULL, decided INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (push_id, ref)) STRICT;"
	"CREATE INDEX pushes_open ON pushes(id) WHERE decided = 0;"
	"CREATE INDEX pushes_tip ON pushes(repo, ref, new_oid);"

	/*
	 * jobs: the last fold of each job's events.  Numbers are never used
	 * again (AUTOINCREMENT), also not after old jobs were deleted.
	 */
	"CREATE TABLE jobs ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB NOT NULL UNIQUE CHECK (length(uuid) = 16),"
	" push INTEGER UNIQUE REFERENCES pushes(id), retry_of INTEGER,"
	" repo INTEGER NOT NULL REFERENCES repos(id), source_ref BLOB NOT NULL, source_oid BLOB NOT NULL,"
	" pusher BLOB, task BLOB, task_from BLOB, target BLOB, env BLOB,"
	" priority INTEGER NOT NULL, ttl_ms INTEGER NOT NULL, retries INTEGER NOT NULL,"
	" state INTEGER NOT NULL, wait INTEGER NOT NULL, wait_until_ms INTEGER NOT NULL,"
	" error TEXT NOT NULL, reason BLOB, attempt INTEGER NOT NULL, failures INTEGER NOT NULL,"
	" step INTEGER NOT NULL, base_oid BLOB, result_oid BLOB, result_ref BLOB, conflicts BLOB,"
	" tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_microusd INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL) STRICT;"
	/* The claim: a plain index on state would make every job pass through its hot end. */
	"CREATE INDEX jobs_queue ON jobs(priority DESC, id) WHERE state = 1;"
	"CREATE INDEX jobs_live ON jobs(repo, source_ref, id) WHERE state < 5;"
	"CREATE INDEX jobs_waiting ON jobs(wait, id) WHERE state = 2;"
	"CREATE INDEX jobs_running ON jobs(id) WHERE state = 3;"

	/* steps: at most one row a kind and attempt of a job; goes with its job. */
	"CREATE TABLE steps ("
	" job INTEGER NOT NULL REFERENCES jobs(id), kind INTEGER NOT NULL, attempt INTEGER NOT NULL, oid BLOB,"
	" PRIMARY KEY (job, kind)) STRICT, WITHOUT ROWID;"

	/* events: what happened, in order; goes with its job. */
	"CREATE TABLE events ("
	" seq INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, type INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, data TEXT NOT NULL) STRICT;"
	"CREATE INDEX events_job ON events(job, seq);"

	/* timers: at most one row a kind and live job. */
	"CREATE TABLE timers ("
	" job INTEGER NOT NULL REFERENCES jobs(id), kind INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
	" PRIMARY KEY (job, kind)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX timers_due ON timers(due_ms);"

	/* answers: one row a model answer, so that none is billed twice; goes with its job. */
	"CREATE TABLE answers ("
	" job INTEGER NOT NULL REFERENCES jobs(id), key BLOB NOT NULL, attempt INTEGER NOT NULL,"
	" model TEXT NOT NULL, status INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL,"
	" cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, latency_ms INTEGER NOT NULL,"
	" at_ms INTEGER NOT NULL, PRIMARY KEY (job, key)) STRICT, WITHOUT ROWID;",

	/* 2: lists without reading every job; each job enters either index once. */
	"CREATE INDEX jobs_ended ON jobs(state, id) WHERE state >= 5;"
	"CREATE INDEX jobs_repo ON jobs(repo, id);",

	/* 3: the jobs of a pusher in the last hour. */
	"CREATE INDEX jobs_pusher ON jobs(pusher, created_ms);",

	/* 4: dead letters, and which of them were played again. */
	"ALTER TABLE jobs ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;"
	"UPDATE jobs SET dead = 1 WHERE state = 6 AND error IN ('UNREACHABLE', 'TIMEOUT', 'NETWORK_ERROR', 'RATE_LIMIT', 'CONTAINER_START_FAILED',"
	" 'GIT_CLONE_FAILED', 'REF_MOVED', 'STORE', 'IO');"
	"CREATE INDEX jobs_dead ON jobs(id) WHERE dead = 1;"
	"CREATE INDEX jobs_retry_of ON jobs(retry_of) WHERE retry_of IS NOT NULL;",

	/* 5: ended jobs that are being removed; goes with the job. No reference: the row of the job goes first. */
	"CREATE TABLE expired (job INTEGER PRIMARY KEY, repo INTEGER NOT NULL) STRICT;"
	"CREATE INDEX expired_repo ON expired(repo, job);",

	/* 6: the trigger globs that a repository's tips were compared by. */
	"ALTER TABLE repos ADD COLUMN globs BLOB NOT NULL DEFAULT x'';",

	/* 7: the time that was known to have passed; one row. */
	"CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), known_ms INTEGER NOT NULL, steady_ms INTEGER NOT NULL) STRICT;"
	/* ended: when a job really ended that did so under a clock set back; goes with its job. */
	"CREATE TABLE ended (job INTEGER PRIMARY KEY, known_ms INTEGER NOT NULL) STRICT;"
	/* audit: what administrators did; each row goes after retention.audit. */
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, uid INTEGER NOT NULL, who BLOB, action TEXT NOT NULL,"
	" job INTEGER, text BLOB) STRICT;",

	/* 8: tokens: one row a token of the API, as its hash; goes retention.audit after it stopped counting. */
	"CREATE TABLE tokens ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
	" user BLOB NOT NULL, label BLOB, repos BLOB NOT NULL, scope INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL) STRICT;",

	/* 9: drift: at most one row a job that has a result, or ran when its target moved; goes with the job. */
	"CREATE TABLE drift ("
	" job INTEGER PRIMARY KEY, repo INTEGER NOT NULL, target BLOB NOT NULL, ended_ms INTEGER NOT NULL,"
	" state INTEGER NOT NULL, target_oid BLOB, n_paths INTEGER NOT NULL, paths BLOB, at_ms INTEGER NOT NULL) STRICT;"
	/* What is to be tried when a branch moves. */
	"CREATE INDEX drift_open ON drift(repo, target, job) WHERE state < 3 AND ended_ms > 0;"
	"INSERT INTO drift (job, repo, target, ended_ms, state, n_paths, at_ms)"
	" SELECT id, repo, target, ended_ms, 0, 0, 0 FROM jobs WHERE state = 5 AND result_ref IS NOT NULL AND target IS NOT NULL;",
	/* 10: results that somebody let through although they change protected paths. */
	"ALTER TABLE jobs ADD COLUMN approved_oid BLOB;",

	/*
	 * 11: requests: one row a request to the model, so that none is counted
	 * twice; goes with its job, or after retention.model.  At most
	 * gateway.max-answers of one job.
	 */
	"CREATE TABLE requests ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs(id), attempt INTEGER NOT NULL,"
	" key BLOB NOT NULL CHECK (length(key) = 32), model TEXT NOT NULL, state INTEGER NOT NULL, status INTEGER NOT NULL, outcome TEXT,"
	" tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,"
	" cost_microusd INTEGER NOT NULL, latency_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, repo INTEGER NOT NULL,"
	" pusher BLOB NOT NULL) STRICT;"
	"CREATE INDEX requests_job ON requests(job, id);"
	"CREATE INDEX requests_open ON requests(state, job, key) WHERE state <> 1;"
	/* spend: a row a day, repository, pusher and model; goes after retention.spend. */
	"CREATE TABLE spend ("
	" day INTEGER NOT NULL, repo INTEGER NOT NULL, pusher BLOB NOT NULL, model TEXT NOT NULL, requests INTEGER NOT NULL,"
	" tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL,"
	" cost_microusd INTEGER NOT NULL, PRIMARY KEY (day, repo, pusher, model)) STRICT, WITHOUT ROWID;"
	"INSERT INTO requests (job, attempt, key, model, state, status, outcome, tokens_in, tokens_out, cache_read, cache_write,"
	" cost_microusd, latency_ms, at_ms, repo, pusher) SELECT a.job, a.attempt, a.key, a.model, 1, a.status, 'answered', a.tokens_in,"
	" a.tokens_out, a.cache_read, a.cache_write, 0, a.latency_ms, a.at_ms, j.repo, ifnull(j.pusher, x'')"
	" FROM answers a JOIN jobs j ON j.id = a.job ORDER BY a.at_ms;"
	"DROP TABLE answers;",

	/* 12: secrets: sealed values, see secrets.h; at most secret.max of them, made and removed by administrators. */
	"CREATE TABLE secrets ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, repo BLOB NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,"
	" key_id TEXT NOT NULL, sealed BLOB NOT NULL, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
	" UNIQUE (repo, name)) STRICT;",

	/*
	 * 13: the events of a job lie together, in one tree instead of a table, an index and a row of sqlite_sequence.
	 * numbers: the last that was given out of a kind (event: may be given out; store.c takes many at once).
	 */
	"CREATE TABLE numbers (name TEXT PRIMARY KEY, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO numbers SELECT 'event', max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0),"
	" ifnull((SELECT max(seq) FROM events), 0));"
	"CREATE TABLE events_of (" /* goes with its job */
	" job INTEGER NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, at_ms INTEGER NOT NULL, data TEXT NOT NULL,"
	" PRIMARY KEY (job, seq)) STRICT, WITHOUT ROWID;"
	"INSERT INTO events_of SELECT job, seq, type, at_ms, data FROM events ORDER BY job, seq;"
	"DROP TABLE events;"
	"ALTER TABLE events_of RENAME TO events;",

	/*
	 * 14: resolutions: what the ladder did about a job's conflicts, see resolutions.h; at most
	 * FF_RESOLUTIONS_MAX rows a job, and they go with it.
	 */
	"CREATE TABLE resolutions ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs(id), attempt INTEGER NOT NULL,"
	" onto BLOB NOT NULL, commit_oid BLOB NOT NULL, path BLOB NOT NULL, line INTEGER NOT NULL, rung INTEGER NOT NULL,"
	" turn INTEGER NOT NULL, outcome TEXT NOT NULL, how BLOB, text BLOB, objections BLOB, confidence INTEGER NOT NULL,"
	" time_us INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_microusd INTEGER NOT NULL,"
	" entry INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" UNIQUE (job, onto, commit_oid, path, line, rung, turn)) STRICT;"
	"CREATE INDEX resolutions_entry ON resolutions(entry, job) WHERE entry > 0;"
	/* conflict_stats: a row a day, repository, kind of file, rung and model; goes after retention.spend. */
	"CREATE TABLE conflict_stats ("
	" day INTEGER NOT NULL, repo INTEGER NOT NULL, language BLOB NOT NULL, rung INTEGER NOT NULL, model BLOB NOT NULL,"
	" tried INTEGER NOT NULL, solved INTEGER NOT NULL, refused INTEGER NOT NULL, failed INTEGER NOT NULL, tokens_in INTEGER NOT NULL,"
	" tokens_out INTEGER NOT NULL, cost_microusd INTEGER NOT NULL, time_us INTEGER NOT NULL,"
	" PRIMARY KEY (day, repo, language, rung, model)) STRICT, WITHOUT ROWID;"
	/* memory: answers to conflicts, see memory.h; at most memory.entries of them, the ones used least lately go. */
	"CREATE TABLE memory ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, repo INTEGER NOT NULL, key BLOB NOT NULL CHECK (length(key) = 32), path BLOB NOT NULL,"
	" base BLOB NOT NULL, target BLOB NOT NULL, change BLOB NOT NULL, result BLOB NOT NULL, rung INTEGER NOT NULL,"
	" job INTEGER NOT NULL, created_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL, uses INTEGER NOT NULL,"
	" revoked_ms INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX memory_key ON memory(key, repo) WHERE revoked_ms = 0;"
	"CREATE INDEX memory_used ON memory(used_ms, id) WHERE revoked_ms = 0;",

	/* 15: a row of events may be many (events.c); nothing changes for those that are there, but who does not know must not read. */
	"",
};

static int user_version(struct sqlite3 *db, int *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		*ret = sqlite3_column_int(st, 0);
	else
		rc = SQLITE_ERROR;
	(void)sqlite3_finalize(st); /* repeats the error of the step */
	return rc == SQLITE_OK ? 0 : -1;
}

static int run_step(struct sqlite3 *db, int version, struct ff_err *err)
{
	FF_AUTO(ff_free) char *mark = ff_asprintf("PRAGMA user_version = %d", version + 1);

	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, steps[version], NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, mark, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	ff_err_set(err, FF_E_STORE, "the database could not be brought to version %d: %s", version + 1,
		   sqlite3_errmsg(db));
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); /* the failure is reported already */
	return -1;
}

int ff_schema_migrate(struct sqlite3 *db, struct ff_err *err)
{
	int version = 0;

	if (user_version(db, &version) < 0)
		return ff_err_set(err, FF_E_STORE, "the database cannot be read: %s", sqlite3_errmsg(db));
	if (version > FF_SCHEMA_VERSION)
		return ff_err_set(err, FF_E_STORE, "the database has version %d, this program knows up to %d: "
				  "install the newer program again, or restore a backup", version, FF_SCHEMA_VERSION);
	for (; version < FF_SCHEMA_VERSION; version++)
		if (run_step(db, version, err) < 0)
			return -1;
	return 0;
}

_Static_assert(FF_ARRAY_LEN(steps) == FF_SCHEMA_VERSION, "FF_SCHEMA_VERSION counts the steps");
