/* SPDX-License-Identifier: MIT */
/* See audit.h. */
#include "store/audit.h"

#include "store/retention.h"
#include "store/stmt.h"

int ff_audit_add(struct ff_store *s, const struct ff_audit *a, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO audit (at_ms, uid, who, action, job, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
	ff_bind_int(&q, 1, a->at_ms);
	ff_bind_int(&q, 2, a->uid);
	ff_bind_bytes(&q, 3, a->who);
	ff_bind_text(&q, 4, a->action);
	ff_bind_int(&q, 5, a->job);
	ff_bind_bytes(&q, 6, a->text);
	return ff_stmt_run(&q, err);
}

int ff_audit_list(struct ff_store *s, int limit, ff_audit_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id, at_ms, uid, who, action, job, text FROM audit ORDER BY id DESC LIMIT ?1");
	ff_bind_int(&q, 1, limit);
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_free) char *who = ff_col_bytes(&q, 3);
		FF_AUTO(ff_free) char *text = ff_col_bytes(&q, 6);
		const struct ff_audit a = {
			.id = ff_col_int(&q, 0), .at_ms = ff_col_int(&q, 1), .uid = ff_col_int(&q, 2), .who = who,
			.action = ff_col_text(&q, 4), .job = ff_col_int(&q, 5), .text = text,
		};

		fn(arg, &a);
	}
	return rc;
}

int ff_audit_expire(struct ff_store *s, int64_t before_ms, struct ff_err *err)
{
	struct ff_stmt q;

	/* The oldest come first, so what is looked at is what may go. */
	ff_stmt(&q, s, "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?1) AND at_ms < ?2");
	ff_bind_int(&q, 1, FF_RETENTION_ROWS);
	ff_bind_int(&q, 2, before_ms);
	return ff_stmt_run(&q, err);
}
