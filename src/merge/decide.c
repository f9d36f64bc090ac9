/* SPDX-License-Identifier: MIT */
/*
 * Every node decided, from the leaves up, because whether a folder is still
 * there decides what becomes of a file of the same name.
 */
#include "merge/part.h"

#include <string.h>

/* A node's file, without the folder that may be at the same path. */
struct file {
	struct ff_node *node;
	unsigned files, match;
	struct ff_version stage[3];
	bool in_the_way; /* of a folder that stays: it has to move */
	int folder_side; /* then: the side that has the file */
	struct ff_version result;
	enum ff_merge_kind kind;
	bool clean;
};

/* --- files that cannot stay at their path */

static bool name_taken(const struct ff_node *folder, const char *name, size_t len)
{
	for (size_t i = 0; i < folder->n_kids; i++)
		if (ff_name_compare(folder->kids[i].name, folder->kids[i].len, name, len) == 0)
			return true;
	for (const struct ff_kid *k = folder->extra; k; k = k->next)
		if (ff_name_compare(k->name, k->len, name, len) == 0)
			return true;
	return false;
}

/* NAME~LABEL, with _0, _1, ... behind when there is such a thing. */
static char *name_beside(struct ff_run *run, const struct ff_node *n, int side)
{
	const char *label = side == TARGET ? run->what->target_label : run->what->change_label;
	char *name;
	size_t len;

	if (!label)
		label = side == TARGET ? "target" : "change";
	len = n->len + 1 + strlen(label);
	name = ff_arena_alloc(&run->arena, len + 24);
	memcpy(name, n->name, n->len);
	name[n->len] = '~';
	for (size_t i = 0; label[i]; i++)
		name[n->len + 1 + i] = label[i] == '/' ? '_' : label[i];
	for (unsigned k = 0; name_taken(n->parent, name, strlen(name)); k++) {
		char digits[11];
		size_t d = sizeof digits;
		unsigned rest = k;

		do
			digits[--d] = (char)('0' + rest % 10);
		while (rest /= 10);
		name[len] = '_';
		memcpy(name + len + 1, digits + d, sizeof digits - d);
		name[len + 1 + sizeof digits - d] = '\0';
	}
	return name;
}

static void put_beside(struct ff_run *run, struct ff_node *n, int side, const struct ff_version *v)
{
	struct ff_kid *k = ff_arena_alloc(&run->arena, sizeof *k);

	k->name = name_beside(run, n, side);
	k->len = (uint32_t)strlen(k->name);
	k->result = *v;
	k->next = n->parent->extra;
	n->parent->extra = k;
}

/* --- one file */

static void take_matching(struct file *f)
{
	int side = f->match == 6 ? TARGET : f->match == 3 ? CHANGE : TARGET;

	f->result = f->stage[side];
	f->clean = (!f->in_the_way && !f->node->path_conflict) || !f->result.mode;
}

/* A file here, a link there: each gets a place, the links and submodules that of the path. */
static void two_types(struct ff_run *run, struct file *f)
{
	bool move_target = FF_IS_FILE(f->stage[TARGET].mode), move_change = !move_target;

	if (!move_target && !FF_IS_FILE(f->stage[CHANGE].mode))
		move_target = true;
	f->kind = FF_MERGE_TYPE;
	f->clean = false;
	f->node->split = true;
	f->result = (struct ff_version){ 0, NULL };
	if (move_target)
		put_beside(run, f->node, TARGET, &f->stage[TARGET]);
	else
		f->result = f->stage[TARGET];
	if (move_change)
		put_beside(run, f->node, CHANGE, &f->stage[CHANGE]);
	else
		f->result = f->stage[CHANGE];
}

static int merge_both(struct ff_run *run, struct file *f, struct ff_err *err)
{
	struct ff_node *n = f->node;
	struct ff_content c = { .node = n, .base = f->stage[BASE], .target = f->stage[TARGET],
				.change = f->stage[CHANGE], .from = { n->from[0], n->from[1], n->from[2] } };
	int rc = ff_run_content(run, &c, &f->result, &f->kind, err);

	if (rc < 0)
		return -1;
	f->clean = rc && !f->in_the_way && !n->path_conflict;
	if (rc && f->in_the_way) { /* merged, but there is no room for it */
		f->files = 1u << f->folder_side;
		f->stage[f->folder_side] = f->result;
		f->kind = FF_MERGE_FILE_FOLDER;
	}
	return 0;
}

static int decide_file(struct ff_run *run, struct file *f, struct ff_err *err)
{
	const struct ff_node *n = f->node;

	f->kind = FF_MERGE_FILE_FOLDER; /* the reason when there is no other */
	if (f->match) {
		take_matching(f);
		return 0;
	}
	switch (f->files) {
	case 6:
	case 7:
		if (FF_TYPE(f->stage[TARGET].mode) == FF_TYPE(f->stage[CHANGE].mode))
			return merge_both(run, f, err);
		two_types(run, f);
		return 0;
	case 3:
	case 5:
		f->kind = FF_MERGE_MODIFY_DELETE;
		f->result = f->stage[f->files == 3 ? TARGET : CHANGE];
		f->clean = false;
		return 0;
	case 2:
	case 4:
		f->result = f->stage[f->files / 2];
		f->clean = !f->in_the_way && !n->path_conflict;
		return 0;
	default: /* 1, or 0 when a rename took all away */
		f->result = (struct ff_version){ 0, NULL };
		f->clean = !n->path_conflict;
		return 0;
	}
}

/* The three versions as far as there still is somebody who has a file. */
static void record(struct ff_run *run, struct file *f)
{
	struct ff_node *n = f->node;
	enum ff_merge_kind kind = n->path_conflict || n->collides ? n->path_kind : f->kind;
	struct ff_version stage[3];
	bool hard = n->collides;

	for (int i = 0; i < 3; i++)
		stage[i] = f->files & (1u << i) ? f->stage[i] : (struct ff_version){ 0, NULL };
	hard |= f->kind == FF_MERGE_DRIVER || f->kind == FF_MERGE_TOO_LARGE;
	if (!n->collides && hard)
		kind = f->kind;
	ff_run_conflict(run, n, kind, hard, stage, &f->result);
}

/* The folder of that name stays, tree in n->result; the file moves beside it. */
static void make_way(struct ff_run *run, struct file *f)
{
	struct ff_node *n = f->node;

	if (f->result.mode)
		put_beside(run, n, f->folder_side, &f->result);
}

static int decide_node_file(struct ff_run *run, struct ff_node *n, bool folder_stays, struct ff_err *err)
{
	struct file f = { .node = n, .files = n->files, .in_the_way = folder_stays,
			  .match = n->match & ~(unsigned)n->folders,
			  .folder_side = n->folders & (1u << TARGET) ? CHANGE : TARGET };

	for (int i = 0; i < 3; i++)
		if (n->files & (1u << i))
			f.stage[i] = n->stage[i];
	if (decide_file(run, &f, err) < 0)
		return -1;
	if (!f.clean || n->collides)
		record(run, &f);
	if (folder_stays)
		make_way(run, &f);
	else
		n->result = f.result;
	return 0;
}

static int decide_folder(struct ff_run *run, struct ff_node *folder, struct ff_err *err);

static int decide_node(struct ff_run *run, struct ff_node *n, struct ff_err *err)
{
	if (n->opened && decide_folder(run, n, err) < 0)
		return -1;
	if (n->decided || !n->files)
		return 0;
	/* Deleted on both sides, and a folder in its place. */
	if (n->opened && n->result.mode && n->files == 1)
		return 0;
	return decide_node_file(run, n, n->opened && n->result.mode, err);
}

static int decide_folder(struct ff_run *run, struct ff_node *folder, struct ff_err *err)
{
	for (size_t i = 0; i < folder->n_kids; i++) {
		struct ff_kid *k = &folder->kids[i];

		if (!k->node)
			continue;
		if (decide_node(run, k->node, err) < 0)
			return -1;
		k->result = k->node->result;
	}
	return ff_run_build(run, folder, err);
}

int ff_run_decide(struct ff_run *run, struct ff_err *err)
{
	return decide_folder(run, &run->root, err);
}
