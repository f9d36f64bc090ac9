/* SPDX-License-Identifier: MIT */
/*
 * What a rename means for the two paths in it: the versions of the old path
 * go to where the file is now, so that what the other side did to it is
 * merged there.  Both sides' renames are taken in the order of the old
 * paths.  Where renames meet other files the merge is hard.
 */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

struct step {
	struct ff_pair pair;
	const char *path; /* of pair.from */
	size_t order;
};

static int by_path(const void *pa, const void *pb)
{
	const struct step *a = pa, *b = pb;
	int rc = strcmp(a->path, b->path);

	return rc ? rc : a->order < b->order ? -1 : a->order > b->order;
}

static void gone(struct ff_node *n)
{
	n->decided = true;
	n->result = (struct ff_version){ 0, NULL };
}

static void in_conflict(struct ff_node *n, enum ff_merge_kind kind)
{
	n->path_conflict = true;
	n->path_kind = kind;
}

static void take_base(struct ff_node *new, struct ff_node *old)
{
	new->stage[BASE] = old->stage[BASE];
	new->from[BASE] = old;
	new->files |= 1u << BASE;
}

/* Both renamed it, each to another name: both names keep the merged content, and all three are in conflict. */
static int two_names(struct ff_run *run, struct ff_node *old, struct ff_node *target, struct ff_node *change,
		     struct ff_err *err)
{
	struct ff_content c = { .node = old, .base = old->stage[BASE], .target = target->stage[TARGET],
				.change = change->stage[CHANGE], .from = { old, target, change }, .longer_markers = 1 };
	struct ff_version merged;
	enum ff_merge_kind kind;
	int clean = ff_run_content(run, &c, &merged, &kind, err);

	if (clean < 0)
		return -1;
	/* What cannot be merged stays what it was on each side. */
	if (clean || !ff_version_equal(run->id_len, &merged, &target->stage[TARGET]))
		change->stage[CHANGE] = merged;
	target->stage[TARGET] = merged;
	in_conflict(old, FF_MERGE_RENAME_RENAME);
	in_conflict(target, FF_MERGE_RENAME_RENAME);
	in_conflict(change, FF_MERGE_RENAME_RENAME);
	return 0;
}

static int both_renamed(struct ff_run *run, const struct ff_pair *target, const struct ff_pair *change,
			struct ff_err *err)
{
	if (target->to != change->to)
		return two_names(run, target->from, target->to, change->to, err);
	take_base(target->to, target->from);
	gone(target->from);
	return 0;
}

/* The place is taken on the other side: both contents end up there. */
static int collision(struct ff_run *run, const struct ff_pair *p, struct ff_err *err)
{
	struct ff_node *old = p->from, *new = p->to;
	struct ff_content c = { .node = old, .base = old->stage[BASE], .from = { old, old, old }, .longer_markers = 1 };
	enum ff_merge_kind kind;

	new->collides = true;
	new->path_kind = new->dst[OTHER(p->side)] >= 0 ? FF_MERGE_RENAME_2TO1 : FF_MERGE_RENAME_ADD;
	c.from[p->side] = new;
	c.target = p->side == TARGET ? new->stage[TARGET] : old->stage[TARGET];
	c.change = p->side == CHANGE ? new->stage[CHANGE] : old->stage[CHANGE];
	return ff_run_content(run, &c, &new->stage[p->side], &kind, err) < 0 ? -1 : 0;
}

static int one_renamed(struct ff_run *run, const struct ff_pair *p, struct ff_err *err)
{
	struct ff_node *old = p->from, *new = p->to;
	int other = OTHER(p->side);
	bool deleted = old->files == 1, taken = new->files & (1u << other);
	bool other_type = !deleted && FF_IS_FILE(old->stage[other].mode) != FF_IS_FILE(new->stage[p->side].mode);

	if (taken && !other_type) {
		if (!deleted && collision(run, p, err) < 0)
			return -1;
		if (deleted) {
			in_conflict(new, FF_MERGE_RENAME_DELETE);
			new->collides = true;
		}
		gone(old);
		return 0;
	}
	take_base(new, old);
	if (other_type) { /* what the other side has there now is another thing */
		old->stage[BASE] = (struct ff_version){ 0, NULL };
		old->files &= 6;
		return 0;
	}
	if (deleted) {
		in_conflict(new, FF_MERGE_RENAME_DELETE);
	} else {
		new->stage[other] = old->stage[other];
		new->from[other] = old;
		new->files |= 1u << other;
	}
	gone(old);
	return 0;
}

static struct step *steps(struct ff_run *run)
{
	struct step *list = ff_arena_array(&run->arena, run->n_pairs, sizeof *list);

	for (size_t i = 0; i < run->n_pairs; i++)
		list[i] = (struct step){ .pair = run->pairs[i], .order = i,
					 .path = ff_node_path(run, run->pairs[i].from) };
	if (run->n_pairs > 1)
		qsort(list, run->n_pairs, sizeof *list, by_path);
	return list;
}

/*
 * A file in the place of a folder that nobody else touched is decided without
 * a look into the folder, and later turns out to be a renamed one.  Gits
 * before 2.53 or so leave it at that, newer ones see what the rename brings.
 */
static void decided_too_soon(struct ff_run *run, const struct ff_pair *p)
{
	if (p->to->decided && !p->from->decided)
		ff_run_conflict(run, p->to, FF_MERGE_RENAME_CLASH, true, p->to->stage, NULL);
}

int ff_run_follow(struct ff_run *run, struct ff_err *err)
{
	const struct step *list = steps(run);

	for (size_t i = 0; i < run->n_pairs; i++) {
		const struct ff_pair *p = &list[i].pair, *next = i + 1 < run->n_pairs ? &list[i + 1].pair : NULL;
		bool both = next && next->from == p->from;

		decided_too_soon(run, p);
		if (both)
			decided_too_soon(run, next);
		if (!p->from->decided && (both ? both_renamed(run, p, next, err) : one_renamed(run, p, err)) < 0)
			return -1;
		i += both;
	}
	return 0;
}
