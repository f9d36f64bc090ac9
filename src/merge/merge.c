/* SPDX-License-Identifier: MIT */
/*
 * The way in and out of a merge.  part.h says through which files it goes.
 */
#include "merge/part.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- names and ids */

bool ff_merge_id_equal(const struct ff_merge_id *a, const struct ff_merge_id *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool ff_merge_id_absent(const struct ff_merge_id *id)
{
	static const struct ff_merge_id none;

	return ff_merge_id_equal(id, &none);
}

const char *ff_merge_kind_name(enum ff_merge_kind kind)
{
	static const char *const names[] = {
#define FF_MERGE_KIND(name, word, text) [FF_MERGE_##name] = word,
#include "merge/kind.def"
#undef FF_MERGE_KIND
	};
	return names[kind];
}

const char *ff_merge_kind_text(enum ff_merge_kind kind)
{
	static const char *const texts[] = {
#define FF_MERGE_KIND(name, word, text) [FF_MERGE_##name] = text,
#include "merge/kind.def"
#undef FF_MERGE_KIND
	};
	return texts[kind];
}

struct ff_merge_id ff_run_id(const struct ff_run *run, const unsigned char *id)
{
	struct ff_merge_id out = { { 0 } };

	memcpy(out.b, id, run->id_len);
	return out;
}

const unsigned char *ff_run_keep_id(struct ff_run *run, const struct ff_merge_id *id)
{
	unsigned char *kept = ff_arena_alloc(&run->arena, run->id_len);

	memcpy(kept, id->b, run->id_len);
	return kept;
}

char *ff_node_path(struct ff_run *run, const struct ff_node *node)
{
	size_t len = 0;
	char *path, *at;

	for (const struct ff_node *n = node; n && n->parent; n = n->parent)
		len += n->len + (n->parent->parent ? 1 : 0);
	path = ff_arena_alloc(&run->arena, len + 1);
	at = path + len;
	for (const struct ff_node *n = node; n && n->parent; n = n->parent) {
		at -= n->len;
		memcpy(at, n->name, n->len);
		if (n->parent->parent)
			*--at = '/';
	}
	return path;
}

/* --- trees, each read once */

struct ff_held {
	struct ff_merge_bytes bytes;
	struct ff_held *next;
};
struct ff_tree_slot {
	const unsigned char *id; /* NULL: free */
	const struct ff_tree *tree;
};

static struct ff_tree_slot *slot_of(struct ff_tree_slot *slots, size_t size, const unsigned char *id, size_t id_len)
{
	size_t at;

	memcpy(&at, id, sizeof at);
	for (at &= size - 1; slots[at].id && memcmp(slots[at].id, id, id_len) != 0;)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static void grow(struct ff_run *run)
{
	size_t size = run->trees_size ? run->trees_size * 2 : 64;
	struct ff_tree_slot *slots = ff_calloc(size, sizeof *slots);

	for (size_t i = 0; i < run->trees_size; i++)
		if (run->trees[i].id)
			*slot_of(slots, size, run->trees[i].id, run->id_len) = run->trees[i];
	ff_free(&run->trees);
	run->trees = slots;
	run->trees_size = size;
}

static int read_tree(struct ff_run *run, const unsigned char *id, struct ff_tree *ret, struct ff_err *err)
{
	struct ff_held *held = ff_arena_alloc(&run->arena, sizeof *held);
	struct ff_merge_id full = ff_run_id(run, id);
	struct ff_err why = { 0 };

	if (run->source->read_tree(run->source->arg, &full, &held->bytes, err) < 0)
		return -1;
	held->next = run->held;
	run->held = held;
	if (ff_tree_parse(&run->arena, held->bytes.data, held->bytes.len, run->id_len,
			  run->limits.max_tree_entries - run->n_entries, ret, &why) < 0) {
		if (why.code == FF_E_TOO_LARGE)
			return ff_err_set(err, why.code, "there are more than %" PRIu64 " names to look at: raise merge.max-entries",
					  run->limits.max_tree_entries);
		return ff_err_set(err, why.code, "%s", why.text);
	}
	run->n_entries += ret->n;
	return 0;
}

int ff_run_tree(struct ff_run *run, const unsigned char *id, const struct ff_tree **ret, struct ff_err *err)
{
	static const struct ff_tree empty;
	struct ff_tree_slot *slot;
	struct ff_tree *tree;

	if (!id) {
		*ret = &empty;
		return 0;
	}
	if (run->n_trees * 2 >= run->trees_size)
		grow(run);
	slot = slot_of(run->trees, run->trees_size, id, run->id_len);
	if (!slot->id) {
		tree = ff_arena_alloc(&run->arena, sizeof *tree);
		if (read_tree(run, id, tree, err) < 0)
			return -1;
		*slot = (struct ff_tree_slot){ id, tree };
		run->n_trees++;
	}
	*ret = slot->tree;
	return 0;
}

/* --- the run */

void ff_merge_run_fini(struct ff_run *run)
{
	struct ff_merge_result conflicts = { .n_conflicts = run->n_conflicts, .conflicts = run->conflicts };

	for (struct ff_held *h = run->held; h; h = h->next)
		run->source->release(run->source->arg, &h->bytes);
	for (int i = TARGET; i <= CHANGE; i++) {
		ff_free(&run->side[i].deleted.nodes);
		ff_free(&run->side[i].added.nodes);
		ff_free(&run->side[i].put_off.nodes);
	}
	ff_free(&run->pairs);
	ff_free(&run->trees);
	ff_merge_result_fini(&conflicts);
	ff_arena_fini(&run->arena);
}

static void version_fini(struct ff_merge_version *v)
{
	ff_free(&v->path);
	v->mode = 0;
}

void ff_merge_result_fini(struct ff_merge_result *result)
{
	for (size_t i = 0; i < result->n_conflicts; i++) {
		struct ff_merge_conflict *c = &result->conflicts[i];

		ff_free(&c->path);
		version_fini(&c->base);
		version_fini(&c->target);
		version_fini(&c->change);
		version_fini(&c->merged);
	}
	ff_free(&result->conflicts);
	ff_free(&result->attributes);
	*result = (struct ff_merge_result){ 0 };
}

static struct ff_merge_limits limits_of(const struct ff_merge *what)
{
	struct ff_merge_limits l = what->limits;

	l.max_text_bytes = l.max_text_bytes ? l.max_text_bytes : (uint64_t)64 << 20;
	l.max_tree_entries = l.max_tree_entries ? l.max_tree_entries : 4000000;
	l.rename_limit = l.rename_limit ? l.rename_limit : 7000;
	l.max_rename_bytes = l.max_rename_bytes ? l.max_rename_bytes : (uint64_t)1 << 30;
	l.max_depth = l.max_depth ? l.max_depth : 1024;
	return l;
}

/* Two sides that agree leave nothing to decide. */
static const struct ff_merge_id *without_a_look(const struct ff_merge *what)
{
	if (ff_merge_id_equal(&what->target, &what->change) || ff_merge_id_equal(&what->base, &what->change))
		return &what->target;
	return ff_merge_id_equal(&what->base, &what->target) ? &what->change : NULL;
}

static int by_path(const void *pa, const void *pb)
{
	const struct ff_merge_conflict *a = pa, *b = pb;
	int rc = strcmp(a->path, b->path);

	return rc ? rc : a->kind < b->kind ? -1 : a->kind > b->kind;
}

static int go_through(struct ff_run *run, struct ff_err *err)
{
	if (ff_run_walk(run, err) < 0)
		return -1;
	if (ff_run_renames(run, err) < 0)
		return -1;
	if (ff_run_follow(run, err) < 0)
		return -1;
	return ff_run_decide(run, err);
}

int ff_merge(const struct ff_merge *what, struct ff_merge_result *ret_result, struct ff_err *err)
{
	FF_AUTO(ff_free) char *attributes = NULL;
	FF_AUTO(ff_merge_run_fini) struct ff_run run = { .what = what, .source = what->source,
						   .id_len = what->source->id_len, .limits = limits_of(what) };
	const struct ff_merge_id *one = without_a_look(what);

	if (one) {
		*ret_result = (struct ff_merge_result){ .clean = true, .tree = *one };
		return 0;
	}
	if (go_through(&run, err) < 0)
		return ff_err_wrap(err, "cannot merge the trees");
	if (run.hard && ff_attr_flat(&run, &attributes, err) < 0)
		return -1;
	if (run.n_conflicts > 1)
		qsort(run.conflicts, run.n_conflicts, sizeof *run.conflicts, by_path);
	*ret_result = (struct ff_merge_result){ .clean = !run.n_conflicts, .hard = run.hard,
						.n_conflicts = run.n_conflicts, .conflicts = run.conflicts,
						.attributes = ff_steal(&attributes) };
	if (!run.hard)
		ret_result->tree = ff_run_id(&run, run.root.result.id);
	run.conflicts = NULL;
	run.n_conflicts = 0;
	return 0;
}
