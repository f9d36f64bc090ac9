/* SPDX-License-Identifier: MIT */
/* Repositories, pushes and timers. */
#include <string.h>

#include "base/num.h"
#include "store/stmt.h"
#include "store/store.h"

int ff_store_repo_find(struct ff_store *s, const char *path, int64_t *ret_id, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id FROM repos WHERE path = ?1");
	ff_bind_bytes(&q, 1, path);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "no push of that repository was ever taken");
	*ret_id = ff_col_int(&q, 0);
	ff_stmt_done(&q);
	return 0;
}

int ff_store_repo(struct ff_store *s, const char *path, int64_t now_ms, int64_t *ret_id, bool *ret_new,
		  struct ff_err *err)
{
	struct ff_err none = { 0 };
	struct ff_stmt q;

	*ret_new = false;
	if (ff_store_repo_find(s, path, ret_id, &none) == 0)
		return 0;
	if (none.code != FF_E_NOT_FOUND)
		return ff_err_set(err, none.code, "%s", none.text);
	ff_stmt(&q, s, "INSERT INTO repos (path, added_ms) VALUES (?1, ?2)");
	ff_bind_bytes(&q, 1, path);
	ff_bind_int(&q, 2, now_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_id = ff_last_id(s);
	*ret_new = true;
	return 0;
}

/* The one column that sql selects of a repository. */
static int repo_bytes(struct ff_store *s, const char *sql, int64_t repo, char **ret, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, sql);
	ff_bind_int(&q, 1, repo);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no repository %lld in the record", (long long)repo);
	*ret = ff_col_bytes(&q, 0);
	ff_stmt_done(&q);
	return 0;
}

int ff_store_repo_path(struct ff_store *s, int64_t repo, char **ret_path, struct ff_err *err)
{
	return repo_bytes(s, "SELECT path FROM repos WHERE id = ?1", repo, ret_path, err);
}

int ff_store_repos(struct ff_store *s, ff_store_repo_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, path, tips_known FROM repos ORDER BY id");
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_free) char *path = ff_col_bytes(&q, 1);

		fn(arg, ff_col_int(&q, 0), path, ff_col_int(&q, 2) != 0);
	}
	return rc;
}

int ff_store_tips_known(struct ff_store *s, int64_t repo, const char *globs, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE repos SET tips_known = 1, globs = ?2 WHERE id = ?1");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, globs);
	return ff_stmt_run(&q, err);
}

int ff_store_tips_globs(struct ff_store *s, int64_t repo, char **ret_globs, struct ff_err *err)
{
	return repo_bytes(s, "SELECT globs FROM repos WHERE id = ?1", repo, ret_globs, err);
}

int ff_store_tip_get(struct ff_store *s, int64_t repo, const char *ref, char ret_oid[FF_OID_HEX_MAX + 1],
		     struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT oid FROM tips WHERE repo = ?1 AND ref = ?2");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, ref);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret_oid = '\0';
	if (rc) {
		ff_col_oid(&q, 0, ret_oid);
		ff_stmt_done(&q);
	}
	return 0;
}

int ff_store_tip_set(struct ff_store *s, int64_t repo, const char *ref, const char *oid, struct ff_err *err)
{
	struct ff_stmt q;

	if (oid[strspn(oid, "0")] == '\0')
		ff_stmt(&q, s, "DELETE FROM tips WHERE repo = ?1 AND ref = ?2");
	else
		ff_stmt(&q, s, "INSERT OR REPLACE INTO tips (repo, ref, oid) VALUES (?1, ?2, ?3)");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, ref);
	if (oid[strspn(oid, "0")])
		ff_bind_oid(&q, 3, oid);
	return ff_stmt_run(&q, err);
}

#define PUSH_COLUMNS "id, push_id, repo, ref, old_oid, new_oid, pusher, uid, options, received_ms, decided"

static void give_push(struct ff_stmt *q, ff_store_push_fn fn, void *arg)
{
	FF_AUTO(ff_free) char *id = ff_col_bytes(q, 1);
	FF_AUTO(ff_free) char *ref = ff_col_bytes(q, 3);
	FF_AUTO(ff_free) char *pusher = ff_col_bytes(q, 6);
	FF_AUTO(ff_free) char *options = ff_col_bytes(q, 8);
	char old_oid[FF_OID_HEX_MAX + 1], new_oid[FF_OID_HEX_MAX + 1];
	struct ff_push p = {
		.row = ff_col_int(q, 0), .repo = ff_col_int(q, 2), .ref = ref, .old_oid = old_oid,
		.new_oid = new_oid, .pusher = pusher, .uid = ff_col_int(q, 7), .options = options,
		.received_ms = ff_col_int(q, 9), .decided = ff_col_int(q, 10) != 0,
	};

	memcpy(p.id, id, sizeof p.id); /* the table checks the length */
	ff_col_oid(q, 4, old_oid);
	ff_col_oid(q, 5, new_oid);
	fn(arg, &p);
}

static int find_push(struct ff_store *s, struct ff_push *p, bool *ret_found, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, decided FROM pushes WHERE push_id = ?1 AND ref = ?2");
	ff_bind_blob(&q, 1, p->id, sizeof p->id);
	ff_bind_bytes(&q, 2, p->ref);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret_found = rc > 0;
	if (rc) {
		p->row = ff_col_int(&q, 0);
		p->decided = ff_col_int(&q, 1) != 0;
		ff_stmt_done(&q);
	}
	return 0;
}

int ff_store_push_add(struct ff_store *s, struct ff_push *p, bool *ret_new, struct ff_err *err)
{
	struct ff_stmt q;
	bool found;

	if (find_push(s, p, &found, err) < 0)
		return -1;
	*ret_new = !found;
	if (found)
		return 0;
	ff_stmt(&q, s, "INSERT INTO pushes (push_id, repo, ref, old_oid, new_oid, pusher, uid, options, received_ms,"
		" decided) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
	ff_bind_blob(&q, 1, p->id, sizeof p->id);
	ff_bind_int(&q, 2, p->repo);
	ff_bind_bytes(&q, 3, p->ref);
	ff_bind_oid(&q, 4, p->old_oid);
	ff_bind_oid(&q, 5, p->new_oid);
	ff_bind_bytes(&q, 6, p->pusher);
	ff_bind_int(&q, 7, p->uid);
	ff_bind_text(&q, 8, p->options);
	ff_bind_int(&q, 9, p->received_ms);
	ff_bind_int(&q, 10, p->decided);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	p->row = ff_last_id(s);
	return 0;
}

/* The row that was made without its hook; 0 when there is none, or the ref has moved since. */
static int found_push(struct ff_store *s, const struct ff_push *p, int64_t *ret_row, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id FROM pushes AS found WHERE repo = ?1 AND ref = ?2 AND new_oid = ?3 AND uid = -1"
		" AND NOT EXISTS (SELECT 1 FROM pushes WHERE repo = ?1 AND ref = ?2 AND id > found.id)");
	ff_bind_int(&q, 1, p->repo);
	ff_bind_bytes(&q, 2, p->ref);
	ff_bind_oid(&q, 3, p->new_oid);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret_row = rc > 0 ? ff_col_int(&q, 0) : 0;
	ff_stmt_done(&q);
	return 0;
}

int ff_store_push_take_over(struct ff_store *s, const struct ff_push *p, int64_t *ret_gone, struct ff_err *err)
{
	int64_t row = 0, job = 0;
	struct ff_stmt q;

	if (found_push(s, p, &row, err) < 0 || (row && ff_store_job_of_push(s, row, &job, err) < 0))
		return -1;
	*ret_gone = job ? 0 : row;
	if (!row)
		return 0;
	if (job) {
		ff_stmt(&q, s, "UPDATE pushes SET push_id = ?2, pusher = ?3, uid = ?4, options = ?5 WHERE id = ?1");
		ff_bind_blob(&q, 2, p->id, sizeof p->id);
		ff_bind_bytes(&q, 3, p->pusher);
		ff_bind_int(&q, 4, p->uid);
		ff_bind_text(&q, 5, p->options);
	} else {
		ff_stmt(&q, s, "DELETE FROM pushes WHERE id = ?1");
	}
	ff_bind_int(&q, 1, row);
	return ff_stmt_run(&q, err);
}

int ff_store_push_decided(struct ff_store *s, int64_t row, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE pushes SET decided = 1 WHERE id = ?1");
	ff_bind_int(&q, 1, row);
	return ff_stmt_run(&q, err);
}

int ff_store_push_ended_at(struct ff_store *s, int64_t repo, const char *ref, const char *oid, bool *ret_found,
			   struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT 1 FROM pushes WHERE repo = ?1 AND ref = ?2 AND new_oid = ?3 LIMIT 1");
	ff_bind_int(&q, 1, repo);
	ff_bind_bytes(&q, 2, ref);
	ff_bind_oid(&q, 3, oid);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	*ret_found = rc > 0;
	ff_stmt_done(&q);
	return 0;
}

int ff_store_push_get(struct ff_store *s, int64_t row, ff_store_push_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT " PUSH_COLUMNS " FROM pushes WHERE id = ?1");
	ff_bind_int(&q, 1, row);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no push %lld", (long long)row);
	give_push(&q, fn, arg);
	ff_stmt_done(&q);
	return 0;
}

int ff_store_pushes_open(struct ff_store *s, ff_store_push_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT " PUSH_COLUMNS " FROM pushes WHERE decided = 0 ORDER BY id LIMIT 1000");
	while ((rc = ff_step(&q, err)) > 0)
		give_push(&q, fn, arg);
	return rc;
}

int ff_store_timer_set(struct ff_store *s, int64_t job, enum ff_timer_kind kind, int64_t due_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR REPLACE INTO timers (job, kind, due_ms) VALUES (?1, ?2, ?3)");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, kind);
	ff_bind_int(&q, 3, due_ms);
	return ff_stmt_run(&q, err);
}

int ff_store_timers_shift(struct ff_store *s, int64_t by_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "UPDATE timers SET due_ms = max(due_ms + ?1, 1)");
	ff_bind_int(&q, 1, by_ms);
	return ff_stmt_run(&q, err);
}

int ff_store_timers_clear(struct ff_store *s, int64_t job, struct ff_err *err)
{
	struct ff_stmt q;

	int rc;

	/* Most jobs have none, and a DELETE gathers its rows in a table of its own before it finds that out. */
	ff_stmt(&q, s, "SELECT 1 FROM timers WHERE job = ?1 LIMIT 1");
	ff_bind_int(&q, 1, job);
	rc = ff_step(&q, err);
	if (rc <= 0)
		return rc;
	ff_stmt_done(&q);
	ff_stmt(&q, s, "DELETE FROM timers WHERE job = ?1");
	ff_bind_int(&q, 1, job);
	return ff_stmt_run(&q, err);
}

static int timer_delete(struct ff_store *s, int64_t job, int64_t kind, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM timers WHERE job = ?1 AND kind = ?2");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, kind);
	return ff_stmt_run(&q, err);
}

int ff_store_timer_take(struct ff_store *s, int64_t now_ms, int64_t *ret_job, enum ff_timer_kind *ret_kind,
			int64_t *ret_next_ms, struct ff_err *err)
{
	int64_t job, kind, due;
	struct ff_stmt q;
	int rc;

	*ret_job = 0;
	*ret_next_ms = 0;
	ff_stmt(&q, s, "SELECT job, kind, due_ms FROM timers ORDER BY due_ms LIMIT 1");
	rc = ff_step(&q, err);
	if (rc <= 0)
		return rc;
	job = ff_col_int(&q, 0);
	kind = ff_col_int(&q, 1);
	due = ff_col_int(&q, 2);
	ff_stmt_done(&q);
	*ret_next_ms = due;
	if (due > now_ms)
		return 0;
	if (timer_delete(s, job, kind, err) < 0)
		return -1;
	*ret_job = job;
	*ret_kind = (enum ff_timer_kind)kind;
	return 0;
}
