/* SPDX-License-Identifier: MIT */
/*
 * Whoever pushes results back as new work has a loop that pays for itself
 * with our money.  Its commits tell: each round leaves one more trailer.
 */
#include "daemon/worker/chain.h"

#include <string.h>

#include "base/names.h"
#include "job/spec.h"

/* First parents that are looked at: a loop has its results at the tip. */
#define COMMITS_MOST 1000

struct chain {
	char *jobs[FF_CHAIN_MOST]; /* values of trailers, each once */
	size_t n;
};

static void chain_fini(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		ff_free(&c->jobs[i]);
}

static void add_job(struct chain *c, char **job)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->jobs[i], *job))
			return;
	c->jobs[c->n++] = ff_steal(job);
}

/* 1: go on with the parent that is in oid now, 0: this was the end, -1. */
static int look_at(struct ff_git *git, struct chain *c, const char *target, bool is_tip, char oid[FF_GIT_OID],
		   struct ff_err *err)
{
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info info = { .n_parents = 0 };
	FF_AUTO(ff_free) char *job = NULL;
	struct ff_err why = { 0 };
	int in_target;

	if (ff_git_commit_info(git, oid, &info, &why) < 0) /* the end of a shallow repository is an end */
		return why.code == FF_E_NOT_FOUND ? 0 : ff_err_set(err, why.code, "%s", why.text);
	job = ff_trailer_value(info.message, info.message_len, FF_TRAILER_JOB);
	if (job) {
		/* A branch that the target was merged into passes the merge base by. */
		in_target = !is_tip ? ff_git_is_ancestor(git, oid, target, err) : 0;
		if (in_target)
			return in_target < 0 ? -1 : 0;
		add_job(c, &job);
	}
	if (!info.n_parents || c->n == FF_CHAIN_MOST)
		return 0;
	memcpy(oid, info.parents[0], FF_GIT_OID);
	return 1;
}

int ff_chain_depth(struct ff_git *git, const char *tip, const char *target, int64_t *ret_depth, struct ff_err *err)
{
	FF_AUTO(chain_fini) struct chain chain = { .n = 0 };
	char oid[FF_GIT_OID], base[FF_GIT_OID] = "";
	struct ff_err why = { 0 };
	int more = 1;

	if (ff_git_merge_base(git, tip, target, base, &why) < 0 && why.code != FF_E_NOT_FOUND)
		return ff_err_set(err, why.code, "%s", why.text);
	memcpy(oid, tip, strlen(tip) + 1);
	for (int i = 0; i < COMMITS_MOST && more > 0; i++) {
		if (i && !strcmp(oid, base))
			break;
		more = look_at(git, &chain, target, i == 0, oid, err);
		if (!strcmp(tip, base))
			break; /* all of it is in the target: only whether tip is a result counts */
	}
	if (more < 0)
		return -1;
	*ret_depth = (int64_t)chain.n;
	return 0;
}
