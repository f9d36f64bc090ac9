/* SPDX-License-Identifier: MIT */
/* What keeps pushes from becoming more jobs than anybody wanted: questions about the jobs there were of late. */
#include "store/stmt.h"
#include "store/store.h"

int ff_store_unstarted_of_source(struct ff_store *s, const struct ff_job *than, int64_t since_ms, int64_t **ret_ids,
				 size_t *ret_count, struct ff_err *err)
{
	int64_t *ids = NULL;
	size_t n = 0;
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT id FROM jobs WHERE state < 5 AND repo = ?1 AND source_ref = ?2 AND id < ?3"
		" AND state IN (1, 2) AND attempt = 0 AND push IS NOT NULL AND created_ms > ?4 ORDER BY id");
	ff_bind_int(&q, 1, than->repo);
	ff_bind_bytes(&q, 2, than->source_ref);
	ff_bind_int(&q, 3, than->id);
	ff_bind_int(&q, 4, since_ms);
	while ((rc = ff_step(&q, err)) > 0) {
		ids = ff_realloc(ids, n + 1, sizeof *ids);
		ids[n++] = ff_col_int(&q, 0);
	}
	if (rc < 0) {
		ff_free(&ids);
		return -1;
	}
	*ret_ids = ids;
	*ret_count = n;
	return 0;
}

int ff_store_nth_of_pusher(struct ff_store *s, const char *pusher, int64_t since_ms, int64_t now_ms, int64_t nth,
			   int64_t *ret_at_ms, struct ff_err *err)
{
	struct ff_stmt q;
	int64_t at = 0;
	int rc;

	ff_stmt(&q, s, "SELECT created_ms FROM jobs WHERE pusher IS ?1 AND created_ms > ?2 AND created_ms <= ?4"
		" ORDER BY created_ms DESC LIMIT 1 OFFSET ?3");
	ff_bind_bytes(&q, 1, pusher);
	ff_bind_int(&q, 2, since_ms);
	ff_bind_int(&q, 3, nth - 1);
	ff_bind_int(&q, 4, now_ms);
	rc = ff_step(&q, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		at = ff_col_int(&q, 0);
		ff_stmt_done(&q);
	}
	*ret_at_ms = at;
	return 0;
}
