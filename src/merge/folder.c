/* SPDX-License-Identifier: MIT */
/*
 * Where the folders went that a side removed, counted by its renamed files.
 * Used as a hint when many files have the same name, as git does; and to
 * notice that the other side added a file to a folder that moved away, which
 * git may want to move along.  That is git's to decide: the merge is hard.
 */
#include "merge/rename.h"

#include <string.h>

struct ff_move {
	const struct ff_node *to; /* NULL: not known yet */
	uint32_t count;
	struct ff_move *next;
};
struct ff_moves {
	struct ff_move *first, **end;
	const struct ff_node *guess;
};

bool ff_rename_wanted(const struct ff_renames *r, const struct ff_rename_file *src)
{
	return src->node->wanted & (FF_WANTED_CONTENT(r->side) | FF_WANTED_PLACE(r->side));
}

static void add_move(struct ff_renames *r, struct ff_node *folder, const struct ff_node *to)
{
	struct ff_moves **moves = &folder->moves[r->side];
	struct ff_move *m;

	if (!*moves) {
		*moves = ff_arena_alloc(&r->run->arena, sizeof **moves);
		(*moves)->end = &(*moves)->first;
		ff_list_add(&r->folders, folder);
	}
	for (m = (*moves)->first; m && m->to != to; m = m->next)
		;
	if (!m) {
		m = ff_arena_alloc(&r->run->arena, sizeof *m);
		m->to = to;
		*(*moves)->end = m;
		(*moves)->end = &m->next;
	}
	m->count++;
}

/* a/b/c/x moved to a/d/c/x says that a/b/c became a/d/c, and that a/b became a/d. */
void ff_rename_count(struct ff_renames *r, const struct ff_node *from, const struct ff_node *to)
{
	bool first = true;

	for (; from->parent && to->parent; from = from->parent, to = to->parent) {
		struct ff_node *old = from->parent;
		enum ff_need need = old->gone[r->side];

		if (need == FF_NEED_NONE || (!first && !ff_rename_same_name(from, to)))
			return;
		if (first || need == FF_NEED_SELF)
			add_move(r, old, to->parent);
		if (need == FF_NEED_NOT)
			return;
		first = false;
	}
}

void ff_rename_guesses(struct ff_renames *r)
{
	for (size_t i = 0; i < r->folders.n; i++) {
		struct ff_moves *moves = r->folders.nodes[i]->moves[r->side];
		uint32_t most = 0;

		for (const struct ff_move *m = moves->first; m; m = m->next)
			if (m->count > most) {
				most = m->count;
				moves->guess = m->to;
			}
	}
}

static const struct ff_node *kid_named(const struct ff_node *folder, const struct ff_node *like)
{
	size_t low = 0, high = folder->n_kids;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct ff_kid *k = &folder->kids[mid];
		int rc = ff_name_compare(k->name, k->len, like->name, like->len);

		if (rc == 0)
			return k->node;
		if (rc < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int32_t ff_rename_guess(struct ff_renames *r, const struct ff_node *from)
{
	const struct ff_moves *moves = from->parent->moves[r->side];
	const struct ff_node *n;

	if (!moves || !moves->guess || !moves->guess->parent)
		return -1;
	n = kid_named(moves->guess, from);
	return n ? n->dst[r->side] : -1;
}

/* Whatever the files that are not found yet turn out to be, the folder's new place has the most. */
static bool settled(const struct ff_moves *moves)
{
	uint32_t first = 0, second = 0, unknown = 0;

	for (const struct ff_move *m = moves->first; m; m = m->next) {
		if (!m->to) {
			unknown = m->count;
		} else if (m->count >= first) {
			second = first;
			first = m->count;
		} else if (m->count >= second) {
			second = m->count;
		}
	}
	return first > second + unknown;
}

static bool still_asked_for(const struct ff_renames *r, const struct ff_node *src)
{
	if (src->wanted & FF_WANTED_CONTENT(r->side))
		return true;
	for (const struct ff_node *f = src->parent; f; f = f->parent) {
		if (f->gone[r->side] == FF_NEED_SELF)
			return true;
		if (f->gone[r->side] != FF_NEED_ANCESTOR)
			return false;
	}
	return false;
}

void ff_rename_drop_known(struct ff_renames *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_src; i++)
		for (struct ff_node *f = r->src[i].node->parent; f->parent && f->gone[r->side] > FF_NEED_NOT; f = f->parent)
			add_move(r, f, NULL);
	for (size_t i = 0; i < r->folders.n; i++) {
		struct ff_node *f = r->folders.nodes[i];

		if (f->gone[r->side] == FF_NEED_SELF && settled(f->moves[r->side]))
			f->gone[r->side] = FF_NEED_ANCESTOR;
	}
	for (size_t i = 0; i < r->n_src; i++) {
		if (still_asked_for(r, r->src[i].node))
			r->src[n++] = r->src[i];
		else
			ff_spans_fini(&r->src[i].spans);
	}
	r->n_src = n;
}

static bool went_somewhere(const struct ff_moves *moves)
{
	for (const struct ff_move *m = moves->first; m; m = m->next)
		if (m->to)
			return true;
	return false;
}

void ff_rename_note_folders(struct ff_renames *r)
{
	for (size_t i = 0; i < r->folders.n; i++) {
		struct ff_node *f = r->folders.nodes[i];

		if (f->gone[r->side] > FF_NEED_NOT && went_somewhere(f->moves[r->side]))
			ff_run_conflict(r->run, f, FF_MERGE_FOLDER_RENAME, true, f->stage, NULL);
	}
}
