/* SPDX-License-Identifier: MIT */
/*
 * The three trees side by side.  Where all ids agree nothing is opened; where
 * one side did nothing, a file is decided at once, and a folder is put off:
 * only if a file may have been renamed is it worth a look for what it gained.
 *
 * A folder that both sides deleted, or changed alike, is opened all the same:
 * what was in it may have been renamed.
 */
#include "merge/part.h"

#include <string.h>

bool ff_version_equal(size_t id_len, const struct ff_version *a, const struct ff_version *b)
{
	return a->mode == b->mode && (!a->mode || a->id == b->id || memcmp(a->id, b->id, id_len) == 0);
}

void ff_list_add(struct ff_list *list, struct ff_node *node)
{
	if (list->n == list->size) {
		list->size = list->size ? list->size * 2 : 16;
		list->nodes = ff_realloc(list->nodes, list->size, sizeof(struct ff_node *));
	}
	list->nodes[list->n++] = node;
}

/* One name, and what the three have under it. */
struct row {
	const struct ff_entry *of[3];
	unsigned mask, folders;
};

static bool next_row(const struct ff_tree *const t[3], size_t at[3], struct row *row)
{
	const struct ff_entry *first = NULL;

	*row = (struct row){ .mask = 0 };
	for (int i = 0; i < 3; i++) {
		const struct ff_entry *e = at[i] < t[i]->n ? &t[i]->entries[at[i]] : NULL;
		int rc = !e ? 1 : !first ? -1 : ff_name_compare(e->name, e->len, first->name, first->len);

		row->of[i] = e;
		if (rc < 0) {
			for (int k = 0; k < i; k++)
				row->of[k] = NULL;
			first = e;
		} else if (rc > 0) {
			row->of[i] = NULL;
		}
	}
	for (int i = 0; i < 3; i++) {
		if (!row->of[i])
			continue;
		at[i]++;
		row->mask |= 1u << i;
		if (FF_IS_TREE(row->of[i]->mode))
			row->folders |= 1u << i;
	}
	return first != NULL;
}

static struct ff_version version_of(const struct ff_entry *e)
{
	return e ? (struct ff_version){ e->mode, e->id } : (struct ff_version){ 0, NULL };
}

static bool same(const struct ff_run *run, const struct row *row, int a, int b)
{
	const struct ff_entry *x = row->of[a], *y = row->of[b];

	return x && y && x->mode == y->mode && memcmp(x->id, y->id, run->id_len) == 0;
}

/* The sides that agree: 7, or one of 3, 5, 6, or 0. */
static unsigned match_of(const struct ff_run *run, const struct row *row)
{
	bool target = same(run, row, BASE, TARGET), change = same(run, row, BASE, CHANGE);

	if (target)
		return change ? 7 : 3;
	if (change)
		return 5;
	return same(run, row, TARGET, CHANGE) ? 6 : 0;
}

/* Decided by the ids alone: which side it is taken from, else -1. */
static int at_first_sight(const struct row *row, unsigned match)
{
	if (match == 7)
		return BASE;
	if (row->mask != 7 || row->folders)
		return -1;
	return match == 3 ? CHANGE : match ? TARGET : -1;
}

static struct ff_node *node_new(struct ff_run *run, struct ff_node *parent, const struct row *row, unsigned match)
{
	struct ff_node *n = ff_arena_alloc(&run->arena, sizeof *n);
	const struct ff_entry *any = row->of[0] ? row->of[0] : row->of[1] ? row->of[1] : row->of[2];

	*n = (struct ff_node){ .parent = parent, .name = any->name, .len = any->len, .match = (uint8_t)match,
			       .files = (uint8_t)(row->mask & ~row->folders), .folders = (uint8_t)row->folders };
	for (int i = 0; i < 3; i++) {
		n->stage[i] = version_of(row->of[i]);
		n->from[i] = n;
		n->dst[i] = -1;
	}
	return n;
}

/* --- what renames could matter */

/*
 * folder_mask: 0; or the one side that still has a folder which the other
 * side removed; or 7 when that side also added a file to it, so that one
 * would like to know where the folder went.
 */
static void note_folder(struct ff_run *run, struct ff_node *n)
{
	unsigned f = n->folders, lacking;

	if (run->folder_mask != 7 && (f == 3 || f == 5))
		run->folder_mask = f & ~1u;
	if (f != 1 && f != 3 && f != 5)
		return;
	lacking = (7 - f) / 2; /* bit 0: the target, bit 1: the change */
	for (int side = TARGET; side <= CHANGE; side++)
		if (lacking & (unsigned)side)
			n->gone[side] = run->folder_mask == 7 ? FF_NEED_ANCESTOR : FF_NEED_NOT;
}

static void note_deleted(struct ff_run *run, struct ff_node *n, int side, unsigned match)
{
	struct ff_side *s = &run->side[side];
	bool content = match == 0, place = run->folder_mask == 7;

	if (content || place) {
		n->wanted |= (uint8_t)(content ? FF_WANTED_CONTENT(side) : FF_WANTED_PLACE(side));
		s->n_wanted++;
	}
	ff_list_add(&s->deleted, n);
}

static void note_candidates(struct ff_run *run, struct ff_node *n)
{
	unsigned files = n->files;

	note_folder(run, n);
	if (run->folder_mask == 7 && (files == 2 || files == 4))
		n->parent->gone[OTHER((int)files / 2)] = FF_NEED_SELF;
	if (files == 0 || files == 7)
		return;
	for (int side = TARGET; side <= CHANGE; side++) {
		unsigned bit = 1u << side;

		if ((files & 1) && !(files & bit))
			note_deleted(run, n, side, n->match & files);
		if (!(files & 1) && (files & bit))
			ff_list_add(&run->side[side].added, n);
	}
}

/* --- going down */

static int open_folder(struct ff_run *run, struct ff_node *n, size_t depth, struct ff_err *err);

/* Whose rename could end in here when the other side did nothing to it; BASE when both did something. */
static int only_side(struct ff_node *n, unsigned match)
{
	if (n->files == 0 && (n->folders == 2 || n->folders == 4)) {
		n->match = 7 - n->folders; /* new: nobody else has anything here */
		return n->folders / 2;
	}
	return match == 3 ? CHANGE : match == 5 ? TARGET : BASE;
}

static int go_down(struct ff_run *run, struct ff_node *n, unsigned match, unsigned mask_before, size_t depth,
		   struct ff_err *err)
{
	int side = only_side(n, match), rc;

	if (run->folder_mask != 7 && side != BASE && run->side[side].may_put_off) {
		n->folder_mask = (uint8_t)run->folder_mask;
		ff_list_add(&run->side[side].put_off, n);
		run->folder_mask = mask_before;
		return 0;
	}
	rc = open_folder(run, n, depth, err);
	run->folder_mask = mask_before;
	return rc;
}

static int visit(struct ff_run *run, struct ff_node *folder, const struct row *row, size_t depth, struct ff_err *err)
{
	struct ff_kid *kid = &folder->kids[folder->n_kids++];
	const struct ff_entry *any = row->of[0] ? row->of[0] : row->of[1] ? row->of[1] : row->of[2];
	unsigned match = match_of(run, row), mask_before = run->folder_mask;
	int from = at_first_sight(row, match);

	kid->name = any->name;
	kid->len = any->len;
	if (from >= 0) {
		kid->result = version_of(row->of[from]);
		return 0;
	}
	kid->node = node_new(run, folder, row, match);
	note_candidates(run, kid->node);
	return kid->node->folders ? go_down(run, kid->node, match, mask_before, depth, err) : 0;
}

/* A folder that one side removed and that the other added a file to, directly: where did it go? */
static void look_for_added(struct ff_run *run, const struct ff_tree *const t[3])
{
	size_t at[3] = { 0, 0, 0 };
	struct row row;

	while (run->folder_mask != 7 && next_row(t, at, &row))
		if ((row.mask & ~row.folders) && (row.mask & ~row.folders) == run->folder_mask)
			run->folder_mask = 7;
}

/* How many names the three have together. Wide folders are counted: three times too much would hurt there. */
static size_t count_rows(const struct ff_tree *const t[3])
{
	size_t sum = t[0]->n + t[1]->n + t[2]->n, n = 0, at[3] = { 0, 0, 0 };
	struct row row;

	if (sum < 4096)
		return sum;
	while (next_row(t, at, &row))
		n++;
	return n;
}

static int join(struct ff_run *run, struct ff_node *n, size_t depth, struct ff_err *err)
{
	const struct ff_tree *const *t = n->trees;
	size_t at[3] = { 0, 0, 0 };
	struct row row;

	if (run->folder_mask == 2 || run->folder_mask == 4)
		look_for_added(run, t);
	n->kids = ff_arena_array(&run->arena, count_rows(t), sizeof *n->kids);
	n->opened = true;
	while (next_row(t, at, &row))
		if (visit(run, n, &row, depth + 1, err) < 0)
			return -1;
	return 0;
}

static int open_folder(struct ff_run *run, struct ff_node *n, size_t depth, struct ff_err *err)
{
	if (depth > run->limits.max_depth)
		return ff_err_set(err, FF_E_TOO_LARGE, "folders lie more than %u deep: raise merge.max-depth", run->limits.max_depth);
	for (int i = 0; i < 3; i++)
		if (ff_run_tree(run, n->folders & (1u << i) ? n->stage[i].id : NULL, &n->trees[i], err) < 0)
			return -1;
	n->match &= n->files;
	return join(run, n, depth, err);
}

/* --- what was put off */

static size_t depth_of(const struct ff_node *n)
{
	size_t depth = 0;

	for (; n->parent; n = n->parent)
		depth++;
	return depth;
}

static int take_up(struct ff_run *run, int side, struct ff_err *err)
{
	struct ff_list list = run->side[side].put_off;
	bool open = run->side[side].n_wanted > 0;
	int rc = 0;

	run->side[side].put_off = (struct ff_list){ 0 };
	run->side[side].may_put_off = false;
	for (size_t i = 0; i < list.n && rc == 0; i++) {
		struct ff_node *n = list.nodes[i];

		if (open) {
			run->folder_mask = n->folder_mask;
			rc = open_folder(run, n, depth_of(n), err);
		} else {
			n->result = n->stage[side];
			n->decided = true;
		}
	}
	ff_free(&list.nodes);
	return rc;
}

int ff_run_walk(struct ff_run *run, struct ff_err *err)
{
	const struct ff_merge_id *ids[3] = { &run->what->base, &run->what->target, &run->what->change };

	run->root.folders = 7;
	run->side[TARGET].may_put_off = run->side[CHANGE].may_put_off = true;
	for (int i = 0; i < 3; i++)
		if (!ff_merge_id_absent(ids[i]))
			run->root.stage[i] = (struct ff_version){ FF_MERGE_MODE_TREE, ids[i]->b };
	if (open_folder(run, &run->root, 0, err) < 0)
		return -1;
	if (take_up(run, TARGET, err) < 0)
		return -1;
	return take_up(run, CHANGE, err);
}
