/* SPDX-License-Identifier: MIT */
/* See resolutions.h. */
#include "store/resolutions.h"

#include <string.h>

#include "store/stmt.h"

#define DAY_MS 86400000
#define LANGUAGE_MAX 16

/* What stands behind the last dot of the file's name; "" for none, or for what is no ending. */
static const char *language(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	return dot && dot > name && strlen(dot + 1) <= LANGUAGE_MAX ? dot + 1 : "";
}

static int count(struct ff_store *s, const struct ff_resolution *r, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT INTO conflict_stats (day, repo, language, rung, model, tried, solved, refused, failed, tokens_in,"
		" tokens_out, cost_microusd, time_us) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
		" ON CONFLICT (day, repo, language, rung, model) DO UPDATE SET tried = tried + 1, solved = solved + ?6,"
		" refused = refused + ?7, failed = failed + ?8, tokens_in = tokens_in + ?9, tokens_out = tokens_out + ?10,"
		" cost_microusd = cost_microusd + ?11, time_us = time_us + ?12");
	ff_bind_int(&q, 1, r->at_ms / DAY_MS);
	ff_bind_int(&q, 2, r->repo);
	ff_bind_bytes(&q, 3, language(r->path));
	ff_bind_int(&q, 4, r->rung);
	ff_bind_bytes(&q, 5, r->model ? r->model : "");
	ff_bind_int(&q, 6, !strcmp(r->outcome, "solved"));
	ff_bind_int(&q, 7, !strcmp(r->outcome, "refused"));
	ff_bind_int(&q, 8, !strcmp(r->outcome, "failed"));
	ff_bind_int(&q, 9, r->tokens_in);
	ff_bind_int(&q, 10, r->tokens_out);
	ff_bind_int(&q, 11, r->cost_microusd);
	ff_bind_int(&q, 12, r->time_us);
	return ff_stmt_run(&q, err);
}

static int is_full(struct ff_store *s, int64_t job, bool *ret, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "SELECT count(*) FROM resolutions WHERE job = ?1");
	ff_bind_int(&q, 1, job);
	if (ff_step(&q, err) < 0)
		return -1;
	*ret = ff_col_int(&q, 0) >= FF_RESOLUTIONS_MAX;
	ff_stmt_done(&q);
	return 0;
}

static int insert(struct ff_store *s, const struct ff_resolution *r, bool *ret_new, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "INSERT OR IGNORE INTO resolutions (job, attempt, onto, commit_oid, path, line, rung, turn, outcome, how, text,"
		" objections, confidence, time_us, tokens_in, tokens_out, cost_microusd, entry, at_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)");
	ff_bind_int(&q, 1, r->job);
	ff_bind_int(&q, 2, r->attempt);
	ff_bind_oid(&q, 3, r->onto);
	ff_bind_oid(&q, 4, r->commit);
	ff_bind_bytes(&q, 5, r->path);
	ff_bind_int(&q, 6, r->line);
	ff_bind_int(&q, 7, r->rung);
	ff_bind_int(&q, 8, r->turn);
	ff_bind_text(&q, 9, r->outcome);
	ff_bind_bytes(&q, 10, r->how);
	ff_bind_bytes(&q, 11, r->text);
	ff_bind_bytes(&q, 12, r->objections);
	ff_bind_int(&q, 13, r->confidence);
	ff_bind_int(&q, 14, r->time_us);
	ff_bind_int(&q, 15, r->tokens_in);
	ff_bind_int(&q, 16, r->tokens_out);
	ff_bind_int(&q, 17, r->cost_microusd);
	ff_bind_int(&q, 18, r->entry);
	ff_bind_int(&q, 19, r->at_ms);
	if (ff_stmt_run(&q, err) < 0)
		return -1;
	*ret_new = ff_changes(s) > 0;
	return 0;
}

int ff_resolution_add(struct ff_store *s, const struct ff_resolution *r, struct ff_err *err)
{
	bool full = false, new = true;

	if (is_full(s, r->job, &full, err) < 0 || (!full && insert(s, r, &new, err) < 0))
		return -1;
	return new && r->rung ? count(s, r, err) : 0;
}


int ff_resolution_list(struct ff_store *s, int64_t job, int limit, ff_resolution_fn fn, void *arg, struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	ff_stmt(&q, s, "SELECT attempt, onto, commit_oid, path, line, rung, turn, outcome, how, text, objections, confidence, time_us,"
		" tokens_in, tokens_out, cost_microusd, entry, at_ms FROM resolutions WHERE job = ?1 ORDER BY id LIMIT ?2");
	ff_bind_int(&q, 1, job);
	ff_bind_int(&q, 2, limit);
	while ((rc = ff_step(&q, err)) > 0) {
		char onto[FF_OID_HEX_MAX + 1], commit[FF_OID_HEX_MAX + 1];
		FF_AUTO(ff_free) char *path = ff_col_bytes(&q, 3);
		FF_AUTO(ff_free) char *how = ff_col_bytes(&q, 8);
		FF_AUTO(ff_free) char *text = ff_col_bytes(&q, 9);
		FF_AUTO(ff_free) char *objections = ff_col_bytes(&q, 10);
		const struct ff_resolution r = {
			.job = job, .attempt = (int)ff_col_int(&q, 0), .onto = onto, .commit = commit, .path = path ? path : "",
			.line = ff_col_int(&q, 4), .rung = (int)ff_col_int(&q, 5), .turn = (int)ff_col_int(&q, 6),
			.outcome = ff_col_text(&q, 7), .how = how, .text = text, .objections = objections,
			.confidence = ff_col_int(&q, 11), .time_us = ff_col_int(&q, 12), .tokens_in = ff_col_int(&q, 13),
			.tokens_out = ff_col_int(&q, 14), .cost_microusd = ff_col_int(&q, 15), .entry = ff_col_int(&q, 16),
			.at_ms = ff_col_int(&q, 17),
		};

		ff_col_oid(&q, 1, onto);
		ff_col_oid(&q, 2, commit);
		fn(arg, &r);
	}
	return rc;
}

#define STATS(rung, name, from, group) \
	"SELECT " rung ", " name ", sum(tried), sum(solved), sum(refused), sum(failed), sum(tokens_in), sum(tokens_out)," \
	" sum(cost_microusd), sum(time_us) FROM conflict_stats" from " WHERE day >= ?1 GROUP BY " group " ORDER BY 3 DESC, 1, 2 LIMIT ?2"

/* A statement is known by the address of its text. */
static void stats_stmt(struct ff_stmt *q, struct ff_store *s, enum ff_resolution_by by)
{
	switch (by) {
	case FF_RESOLUTION_BY_RUNG:
		ff_stmt(q, s, STATS("rung", "x''", "", "rung"));
		break;
	case FF_RESOLUTION_BY_REPOSITORY:
		ff_stmt(q, s, STATS("0", "ifnull(path, x'')", " LEFT JOIN repos ON repos.id = conflict_stats.repo", "conflict_stats.repo"));
		break;
	case FF_RESOLUTION_BY_LANGUAGE:
		ff_stmt(q, s, STATS("0", "language", "", "language"));
		break;
	case FF_RESOLUTION_BY_MODEL:
		ff_stmt(q, s, STATS("0", "model", "", "model"));
		break;
	}
}

int ff_resolution_stats(struct ff_store *s, enum ff_resolution_by by, int64_t since_ms, int limit, ff_resolution_sum_fn fn, void *arg,
			struct ff_err *err)
{
	struct ff_stmt q;
	int rc;

	stats_stmt(&q, s, by);
	ff_bind_int(&q, 1, since_ms / DAY_MS);
	ff_bind_int(&q, 2, limit);
	while ((rc = ff_step(&q, err)) > 0) {
		FF_AUTO(ff_free) char *name = ff_col_bytes(&q, 1);
		const struct ff_resolution_sum sum = {
			.rung = ff_col_int(&q, 0), .name = name ? name : "", .tried = ff_col_int(&q, 2), .solved = ff_col_int(&q, 3),
			.refused = ff_col_int(&q, 4), .failed = ff_col_int(&q, 5), .tokens_in = ff_col_int(&q, 6),
			.tokens_out = ff_col_int(&q, 7), .cost_microusd = ff_col_int(&q, 8), .time_us = ff_col_int(&q, 9),
		};

		fn(arg, &sum);
	}
	return rc;
}

int ff_resolution_forget(struct ff_store *s, int64_t before_ms, struct ff_err *err)
{
	struct ff_stmt q;

	ff_stmt(&q, s, "DELETE FROM conflict_stats WHERE (day, repo, language, rung, model) IN"
		" (SELECT day, repo, language, rung, model FROM conflict_stats WHERE day < ?1 LIMIT 100)");
	ff_bind_int(&q, 1, before_ms / DAY_MS);
	return ff_stmt_run(&q, err);
}
