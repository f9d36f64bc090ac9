/* SPDX-License-Identifier: MIT */
/* See conflict.h. */
#include "daemon/worker/conflict.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "merge/merge.h"

#define PREFIX "conflict-"
/* Conflicts that the message of a commit lists; the job knows the rest. */
#define LISTED 50
#define MESSAGE_MAX (64 * 1024)
#define NUMBER_MAX 1000000 /* of K */
/* Of what was tried; the job knows the rest. */
#define TRIED_MAX (32 * 1024)

void ff_conflict_fini(struct ff_conflict *c)
{
	ff_free(&c->branch);
}

/* --- the stop as JSON */

static json_t *stop_json(const struct ff_rebase_stop *s, bool answered)
{
	return json_pack("{s:i,s:b,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "v", 1, "answered", answered, "onto", s->onto, "upstream", s->upstream,
			 "tip", s->tip, "at", s->at, "applied", s->applied, "done", (json_int_t)s->done, "n_applied",
			 (json_int_t)s->n_applied, "n_dropped", (json_int_t)s->n_dropped);
}

static int get_oid(const json_t *o, const char *key, char *ret, struct ff_err *err)
{
	const char *oid = NULL;

	if (ff_msg_str(o, key, &oid, err) < 0)
		return -1;
	if (!ff_oid_valid(oid))
		return ff_err_set(err, FF_E_PROTOCOL, "%s is no object id", key);
	memcpy(ret, oid, strlen(oid) + 1);
	return 0;
}

static int get_count(const json_t *o, const char *key, size_t *ret, struct ff_err *err)
{
	int64_t n = 0;

	if (ff_msg_int(o, key, 0, INT32_MAX, &n, err) < 0)
		return -1;
	*ret = (size_t)n;
	return 0;
}

static int read_stop(const char *text, struct ff_rebase_stop *s, bool *ret_answered, struct ff_err *err)
{
	json_t *o = json_loads(text, 0, NULL);
	int64_t v;
	int rc = 0;

	if (!json_is_object(o))
		rc = ff_err_set(err, FF_E_PROTOCOL, "it is not JSON");
	if (rc || ff_msg_int(o, "v", 1, 1, &v, err) < 0 || ff_msg_bool(o, "answered", ret_answered, err) < 0 || get_oid(o, "onto", s->onto, err) < 0 ||
	    get_oid(o, "upstream", s->upstream, err) < 0 || get_oid(o, "tip", s->tip, err) < 0 ||
	    get_oid(o, "at", s->at, err) < 0 || get_oid(o, "applied", s->applied, err) < 0 ||
	    get_count(o, "done", &s->done, err) < 0 || get_count(o, "n_applied", &s->n_applied, err) < 0 ||
	    get_count(o, "n_dropped", &s->n_dropped, err) < 0)
		rc = -1;
	json_decref(o);
	return rc;
}

/* --- what there is */

struct stops {
	struct ff_run *run;
	struct ff_conflict *out;
	struct ff_err *err;
	char (*oids)[FF_GIT_OID]; /* of K at K - 1; "" for one that is missing */
};

static int on_ref(void *arg, const char *ref, const char *oid)
{
	struct stops *s = arg;
	const char *number = strrchr(ref, '-');
	int64_t k;

	if (!number || ff_num_i64(number + 1, 1, NUMBER_MAX, &k) < 0)
		return 0;
	if (k > s->out->last) {
		s->oids = ff_realloc(s->oids, (size_t)k, FF_GIT_OID);
		memset(s->oids[s->out->last], 0, (size_t)(k - s->out->last) * FF_GIT_OID);
		s->out->last = (int)k;
	}
	memcpy(s->oids[k - 1], oid, strlen(oid) + 1);
	return 0;
}

static int list_stops(struct stops *s, struct ff_err *err)
{
	FF_AUTO(ff_free) char *glob = ff_asprintf(FF_REF_JOBS "/%" PRId64 "/" PREFIX "*", s->run->task.job);
	const char *globs[] = { glob };

	return ff_git_refs(s->run->git, globs, 1, on_ref, s, err);
}

/* 1: this stop is in force, and out has it; 0: it is not. */
static int consider(struct stops *s, int k, struct ff_err *err)
{
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info info = { 0 };
	struct ff_conflict *c = s->out;
	int rc = 1;

	if (!s->oids[k - 1][0])
		return 0;
	if (ff_git_commit_info(s->run->git, s->oids[k - 1], &info, err) < 0)
		return -1;
	if (info.n_parents < 1 || read_stop(info.message, &c->stop, &c->answered, err) < 0)
		return ff_err_wrap(err, FF_REF_JOBS "/%" PRId64 "/" PREFIX "%d", s->run->task.job, k);
	if (c->tip[0])
		rc = ff_git_is_ancestor(s->run->git, c->stop.applied, c->tip, err);
	if (rc <= 0)
		return rc;
	c->number = k;
	memcpy(c->at, info.parents[0], FF_GIT_OID);
	c->answer = c->tip[0] && strcmp(c->at, c->tip) ? FF_ANSWER_GIVEN : FF_ANSWER_NONE;
	return 1;
}

static int find(struct stops *s, struct ff_err *err)
{
	struct ff_conflict *c = s->out;
	struct ff_err why = { 0 };
	int rc = 0;

	c->branch = ff_run_branch(s->run, ff_conf_str(s->run->conf, FF_CONF_PUBLISH_CONFLICT_PREFIX), err);
	if (!c->branch || list_stops(s, err) < 0)
		return -1;
	if (ff_git_ref_commit(s->run->git, c->branch, c->tip, &why) < 0 && why.code != FF_E_NOT_FOUND)
		return ff_err_set(err, why.code, "%s", why.text);
	c->answer = c->tip[0] && c->last ? FF_ANSWER_ASTRAY : FF_ANSWER_NONE;
	for (int k = c->last; k > 0 && rc == 0; k--)
		rc = consider(s, k, err);
	return rc < 0 ? -1 : 0;
}

int ff_conflict_find(struct ff_run *run, struct ff_conflict *ret, struct ff_err *err)
{
	struct stops s = { .run = run, .out = ret };
	int rc = find(&s, err);

	ff_free(&s.oids);
	return rc;
}

/* --- the commits */

static void describe(struct ff_run *run, const struct ff_rebase_result *r, const char *tried, struct ff_buf *out)
{
	FF_AUTO(ff_free) char *subject = ff_text_shown(r->at_subject ? r->at_subject : "", 60);
	FF_AUTO(ff_free) char *branch = ff_run_branch(run, ff_conf_str(run->conf, FF_CONF_PUBLISH_CONFLICT_PREFIX), NULL);
	const char *name = branch ? branch + strlen(FF_HEADS) : "";

	(void)ff_buf_addf(out, "Conflict: %s\n\nCommit %.12s does not apply on %s:\n\n", subject, r->stop.at,
			  run->task.target);
	for (size_t i = 0; i < r->merge->n_conflicts && i < LISTED; i++) {
		FF_AUTO(ff_free) char *path = ff_text_shown(r->merge->conflicts[i].path, 200);

		(void)ff_buf_addf(out, "  %s: %s\n", path, ff_merge_kind_text(r->merge->conflicts[i].kind));
	}
	if (r->merge->n_conflicts > LISTED)
		(void)ff_buf_addf(out, "  and %zu more\n", r->merge->n_conflicts - LISTED);
	if (*tried && strlen(tried) < TRIED_MAX)
		(void)ff_buf_addf(out, "\nWhat was tried:\n\n%s", tried);
	(void)ff_buf_addf(out, "\nTo go on, put the files as they must be on top of this commit:\n\n"
			  "  git fetch origin %s && git checkout FETCH_HEAD\n  (edit) && git commit -a\n"
			  "  git push origin HEAD:%s\n\n" FF_TRAILER_JOB ": %" PRId64 "\n", name, name, run->task.job);
}

static int commit(struct ff_run *run, const char *tree, const char *const *parents, size_t n, const char *message,
		  char *ret_oid, struct ff_err *err)
{
	const struct ff_git_person who = ff_run_person(run);

	return ff_git_commit(run->git, &(struct ff_git_commit){ .tree = tree, .parents = parents, .n_parents = n,
			     .author = who, .committer = who, .message = message }, ret_oid, err);
}

int ff_conflict_write(struct ff_run *run, const struct ff_rebase_result *r, bool answered, const char *tried, char *ret_conflict,
		      char *ret_stop, struct ff_err *err)
{
	const char *tree = r->partial[0] ? r->partial : r->tree;
	const char *const below[] = { r->stop.applied };
	const char *const held[] = { ret_conflict, r->stop.tip };
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	json_t *o = stop_json(&r->stop, answered);
	FF_AUTO(ff_free) char *json = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	ff_assert(json);
	ff_buf_init(&text, MESSAGE_MAX);
	describe(run, r, tried, &text);
	return commit(run, tree, below, 1, text.data, ret_conflict, err) < 0 ||
	       commit(run, tree, held, 2, json, ret_stop, err) < 0 ? -1 : 0;
}
