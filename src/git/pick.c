/* SPDX-License-Identifier: MIT */
/*
 * See pick.h.  Nearly every series is a line from upstream to tip, which is
 * walked by reading each commit once; libgit2's walks of the graph are for the
 * rest.
 */
#include "git/pick.h"

#include <stdlib.h>
#include <string.h>

#include "git/lib.h"
#include "git/source.h"
#include "merge/series.h"

/* A clock may be wrong, but hardly by more: past that, upstream does not come any more on this line. */
#define CLOCK_S 86400

struct list {
	struct ff_merge_id *ids;
	size_t n, room;
};

static void list_add(struct list *l, const struct ff_merge_id *id)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 32;
		l->ids = ff_realloc(l->ids, l->room, sizeof *l->ids);
	}
	l->ids[l->n++] = *id;
}

static void list_reverse(struct list *l)
{
	for (size_t i = 0; i < l->n / 2; i++) {
		struct ff_merge_id t = l->ids[i];

		l->ids[i] = l->ids[l->n - 1 - i];
		l->ids[l->n - 1 - i] = t;
	}
}

static void list_fini(struct list *l)
{
	ff_free(&l->ids);
}

void ff_picked_fini(struct ff_picked *picked)
{
	ff_free(&picked->commits);
	picked->n = 0;
}

static int too_many(const struct ff_pick *what, struct ff_err *err)
{
	return ff_err_set(err, FF_E_TOO_LARGE, "over %zu commits to rebase: raise rebase.max-commits, or rebase fewer", what->max_commits);
}

/* --- the line */

struct seen { /* of a commit, without its bytes */
	struct ff_merge_id parent;
	size_t n_parents;
	int64_t time_s;
};

static int look(struct ff_git *git, const struct ff_merge_source *source, const struct ff_merge_id *id,
		struct seen *ret, struct ff_err *err)
{
	struct ff_merge_bytes bytes;
	struct ff_series_commit c;
	int rc;

	if (ff_git_source_read_commit(git, id, &bytes, err) < 0)
		return -1;
	rc = ff_series_parse(&bytes, source->id_len, &c, err);
	source->release(source->arg, &bytes);
	if (rc == 0)
		*ret = (struct seen){ c.parent, c.n_parents, c.time_s };
	return rc;
}

/* 1: tip lies on from, and l has what is between, newest first; 0: not on a line, over the limit, or not at all. */
static int walk_line(struct ff_git *git, const struct ff_pick *what, const struct ff_merge_id *from,
		     const struct ff_merge_id *tip, struct list *l, struct ff_err *err)
{
	struct ff_merge_source source;
	struct ff_merge_id at = *tip;
	struct seen end, c;

	ff_git_source(git, &source);
	if (look(git, &source, from, &end, err) < 0)
		return -1;
	while (!ff_merge_id_equal(&at, from)) {
		if (look(git, &source, &at, &c, err) < 0)
			return -1;
		if (c.n_parents != 1 || c.time_s < end.time_s - CLOCK_S || (what->max_commits && l->n == what->max_commits))
			return 0;
		list_add(l, &at);
		at = c.parent;
	}
	return 1;
}

/* --- the graph */

static int start_walk(struct ff_git *git, const git_oid *push, const git_oid *hide, git_revwalk **ret, struct ff_err *err)
{
	int rc = git_revwalk_new(ret, git->repo);

	if (rc == 0)
		rc = git_revwalk_sorting(*ret, GIT_SORT_TOPOLOGICAL);
	if (rc == 0)
		rc = git_revwalk_push(*ret, push);
	if (rc == 0)
		rc = git_revwalk_hide(*ret, hide);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot list the commits to rebase") : 0;
}

/* Newest first. */
static int walk_graph(struct ff_git *git, const struct ff_pick *what, const git_oid *upstream, const git_oid *tip,
		      struct list *l, size_t *ret_merges, struct ff_err *err)
{
	FF_AUTO(git_revwalk_auto) git_revwalk *walk = NULL;
	git_oid oid;
	int rc = 0;

	if (start_walk(git, tip, upstream, &walk, err) < 0)
		return -1;
	while (rc == 0 && (rc = git_revwalk_next(&oid, walk)) == 0) {
		FF_AUTO(git_commit_auto) git_commit *c = NULL;
		struct ff_merge_id id = { { 0 } };

		rc = git_commit_lookup(&c, git->repo, &oid);
		if (rc < 0)
			break;
		if (git_commit_parentcount(c) > 1) {
			++*ret_merges;
			continue;
		}
		if (what->max_commits && l->n == what->max_commits)
			return too_many(what, err);
		memcpy(id.b, oid.id, sizeof oid.id);
		list_add(l, &id);
	}
	return rc != GIT_ITEROVER ? ff_git_lib_fail(err, rc, "cannot list the commits to rebase") : 0;
}

/* --- patches that upstream has */

struct patch {
	uint64_t paths;  /* a hash of the changed paths */
	size_t at;       /* in the list */
	bool has_id;
	git_oid id;      /* of the patch, when it was asked for */
};

static void hash(uint64_t *h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		*h = (*h ^ b[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
}

/* NULL in *ret_diff for a commit that changes nothing, or a merge. */
static int diff_of(struct ff_git *git, const git_oid *oid, git_diff **ret_diff, struct ff_err *err)
{
	git_diff_options opts = GIT_DIFF_OPTIONS_INIT;
	FF_AUTO(git_commit_auto) git_commit *c = NULL, *parent = NULL;
	FF_AUTO(git_tree_auto) git_tree *old = NULL, *new = NULL;
	int rc = git_commit_lookup(&c, git->repo, oid);

	opts.context_lines = 3;
	if (rc == 0 && git_commit_parentcount(c) > 1)
		return 0;
	if (rc == 0)
		rc = git_commit_tree(&new, c);
	if (rc == 0 && git_commit_parentcount(c))
		rc = git_commit_parent(&parent, c, 0);
	if (rc == 0 && parent)
		rc = git_commit_tree(&old, parent);
	if (rc == 0 && old && git_oid_equal(git_tree_id(old), git_tree_id(new)))
		return 0;
	if (rc == 0)
		rc = git_diff_tree_to_tree(ret_diff, git->repo, old, new, &opts);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot compare a commit with its parent") : 0;
}

static uint64_t paths_of(const git_diff *diff)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		const char kind = (char)d->status;

		hash(&h, d->new_file.path, strlen(d->new_file.path) + 1);
		hash(&h, &kind, 1);
	}
	return h;
}

static int id_of(git_diff *diff, git_oid *ret, struct ff_err *err)
{
	int rc = git_diff_patchid(ret, diff, NULL);

	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot name a patch") : 0;
}

static int by_paths(const void *a, const void *b)
{
	uint64_t x = ((const struct patch *)a)->paths, y = ((const struct patch *)b)->paths;

	return x < y ? -1 : x > y;
}

static git_oid oid_at(const struct list *l, size_t i)
{
	git_oid oid;

	memcpy(oid.id, l->ids[i].b, sizeof oid.id);
	return oid;
}

/* The patches of the series, sorted; those of empty commits are not among them. */
static int patches_of(struct ff_git *git, const struct list *l, struct patch *p, size_t *ret_n, struct ff_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		FF_AUTO(git_diff_auto) git_diff *diff = NULL;
		git_oid oid = oid_at(l, i);

		if (diff_of(git, &oid, &diff, err) < 0)
			return -1;
		if (diff)
			p[n++] = (struct patch){ .paths = paths_of(diff), .at = i };
	}
	if (n)
		qsort(p, n, sizeof *p, by_paths);
	*ret_n = n;
	return 0;
}

/* Drops from l what has the patch of the upstream commit. */
static int drop_same(struct ff_git *git, const git_oid *theirs, struct list *l, struct patch *p, size_t n, bool *drop,
		     struct ff_err *err)
{
	FF_AUTO(git_diff_auto) git_diff *diff = NULL;
	struct patch key = { 0 };
	struct patch *hit;
	git_oid id;
	bool has_id = false;

	if (diff_of(git, theirs, &diff, err) < 0)
		return -1;
	key.paths = diff ? paths_of(diff) : 0;
	hit = diff ? bsearch(&key, p, n, sizeof *p, by_paths) : NULL;
	while (hit && hit > p && hit[-1].paths == key.paths)
		hit--;
	for (; hit && hit < p + n && hit->paths == key.paths; hit++) {
		if (!has_id && id_of(diff, &id, err) < 0)
			return -1;
		has_id = true;
		if (!hit->has_id) {
			FF_AUTO(git_diff_auto) git_diff *own = NULL;
			git_oid oid = oid_at(l, hit->at);

			if (diff_of(git, &oid, &own, err) < 0 || id_of(own, &hit->id, err) < 0)
				return -1;
			hit->has_id = true;
		}
		drop[hit->at] = drop[hit->at] || git_oid_equal(&hit->id, &id);
	}
	return 0;
}

static int find_same(struct ff_git *git, const struct ff_pick *what, const git_oid *upstream, const git_oid *tip,
		     struct list *l, bool *drop, struct ff_err *err)
{
	FF_AUTO(git_revwalk_auto) git_revwalk *walk = NULL;
	FF_AUTO(ff_free) struct patch *p = ff_calloc(l->n, sizeof *p);
	git_oid oid;
	size_t n = 0, seen = 0;
	int rc = 0;

	if (patches_of(git, l, p, &n, err) < 0 || start_walk(git, upstream, tip, &walk, err) < 0)
		return -1;
	while ((!what->max_upstream || seen++ < what->max_upstream) && (rc = git_revwalk_next(&oid, walk)) == 0)
		if (drop_same(git, &oid, l, p, n, drop, err) < 0)
			return -1;
	return rc < 0 && rc != GIT_ITEROVER ? ff_git_lib_fail(err, rc, "cannot list the commits of the target") : 0;
}

static int leave_out(struct ff_git *git, const struct ff_pick *what, const git_oid *upstream, const git_oid *tip,
		     struct list *l, struct ff_picked *out, struct ff_err *err)
{
	FF_AUTO(ff_free) bool *drop = ff_calloc(l->n + 1, sizeof *drop);
	size_t kept = 0;

	if (find_same(git, what, upstream, tip, l, drop, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++)
		if (!drop[i])
			l->ids[kept++] = l->ids[i];
	out->upstream = l->n - kept;
	l->n = kept;
	return 0;
}

/* --- all of it */

static int no_base(const struct ff_pick *what, int rc, struct ff_err *err)
{
	if (rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "the common ancestor of %s and %s", what->upstream, what->tip);
	return ff_err_set(err, FF_E_GIT, "%.12s and the target (%.12s) have no commit in common: "
			  "push a branch that was made from the target", what->tip, what->upstream);
}

/* Where upstream is not simply below tip. */
static int pick_apart(struct ff_git *git, const struct ff_pick *what, const struct ff_merge_id *tip_id, struct list *l,
		      struct ff_picked *out, struct ff_err *err)
{
	struct ff_merge_id base_id = { { 0 } };
	git_oid upstream, tip, base;
	int rc;

	if (ff_git_lib_oid(what->upstream, &upstream, err) < 0 || ff_git_lib_oid(what->tip, &tip, err) < 0)
		return -1;
	rc = git_merge_base(&base, git->repo, &upstream, &tip);
	if (rc < 0)
		return no_base(what, rc, err);
	memcpy(base_id.b, base.id, sizeof base.id);
	out->contained = git_oid_equal(&base, &upstream);
	l->n = 0;
	rc = walk_line(git, what, &base_id, tip_id, l, err);
	if (rc == 0) {
		l->n = 0;
		rc = walk_graph(git, what, &upstream, &tip, l, &out->merges, err);
	}
	if (rc < 0)
		return -1;
	return out->contained || !l->n ? 0 : leave_out(git, what, &upstream, &tip, l, out, err);
}

int ff_pick(struct ff_git *git, const struct ff_pick *what, struct ff_picked *ret_picked, struct ff_err *err)
{
	FF_AUTO(list_fini) struct list l = { NULL, 0, 0 };
	struct ff_merge_id upstream, tip;
	struct ff_picked out = { 0 };
	int rc;

	if (ff_git_source_id(what->upstream, &upstream, err) < 0 || ff_git_source_id(what->tip, &tip, err) < 0)
		return -1;
	rc = walk_line(git, what, &upstream, &tip, &l, err);
	out.contained = rc > 0;
	if (rc == 0)
		rc = pick_apart(git, what, &tip, &l, &out, err);
	if (rc < 0)
		return -1;
	list_reverse(&l);
	out.commits = ff_steal(&l.ids);
	out.n = l.n;
	*ret_picked = out;
	return 0;
}
