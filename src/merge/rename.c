/* SPDX-License-Identifier: MIT */
/*
 * Which of the files that a side deleted are which of the files that it
 * added.  Done only for a side where the answer can matter: a file was
 * deleted here and changed there, or deleted by both, or a folder is gone
 * here to which the other side added a file.
 *
 * First the same bytes, then the same name if there is one such file on each
 * side, from 75 % on, then every pair from 50 % on, best first.  All as git
 * does, down to who wins among equals: a pair chosen otherwise is another
 * merge.
 */
#include "merge/rename.h"

#include <string.h>

#define LEAST (FF_SIMILAR_MAX / 2)
#define LEAST_SAME_NAME (FF_SIMILAR_MAX * 3 / 4)
#define SAME_BYTES_TRIES 100

static bool empty_file(const struct ff_renames *r, const struct ff_version *v)
{
	static const unsigned char sha1[20] = { 0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6, 0x43, 0x4b, 0x8b,
						0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53, 0x91 };
	static const unsigned char sha256[32] = {
		0x47, 0x3a, 0x0f, 0x4c, 0x3b, 0xe8, 0xa9, 0x36, 0x81, 0xa2, 0x67, 0xe3, 0xb1, 0xe9, 0xa7, 0xdc,
		0xda, 0x11, 0x85, 0x43, 0x6f, 0xe1, 0x41, 0xf7, 0x74, 0x91, 0x20, 0xa3, 0x03, 0x72, 0x18, 0x13 };

	return memcmp(v->id, r->run->id_len == 20 ? sha1 : sha256, r->run->id_len) == 0;
}

static void candidates(struct ff_renames *r)
{
	const struct ff_list *gone = &r->run->side[r->side].deleted, *new = &r->run->side[r->side].added;
	struct ff_arena *arena = &r->run->arena;

	r->src = ff_arena_array(arena, gone->n, sizeof *r->src);
	r->dst = ff_arena_array(arena, new->n, sizeof *r->dst);
	for (size_t i = 0; i < gone->n; i++) {
		struct ff_node *n = gone->nodes[i];

		if (!empty_file(r, &n->stage[BASE]))
			r->src[r->n_src++] = (struct ff_rename_file){ .node = n, .v = n->stage[BASE], .of = -1 };
	}
	for (size_t i = 0; i < new->n; i++) {
		struct ff_node *n = new->nodes[i];

		if (empty_file(r, &n->stage[r->side]))
			continue;
		n->dst[r->side] = (int32_t)r->n_dst;
		r->dst[r->n_dst++] = (struct ff_rename_file){ .node = n, .v = n->stage[r->side], .of = -1 };
	}
}

bool ff_rename_same_name(const struct ff_node *a, const struct ff_node *b)
{
	return a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

void ff_rename_pair(struct ff_renames *r, size_t dst, size_t src)
{
	ff_assert(r->dst[dst].of < 0 && !r->src[src].used);
	r->dst[dst].from = r->src[src].node;
	r->dst[dst].of = (int32_t)src;
	r->src[src].used = true;
	r->n_found++;
}

/* --- the same bytes */

/* Sources by id: a chain for each bucket, in their order. */
struct id_index {
	int32_t *first, *next;
	size_t mask;
};

static size_t id_bucket(const struct id_index *index, const unsigned char *id)
{
	uint32_t h;

	memcpy(&h, id, sizeof h);
	return h & index->mask;
}

static struct id_index index_ids(struct ff_renames *r)
{
	struct id_index x = { .mask = 15 };

	while (x.mask < r->n_src)
		x.mask = x.mask * 2 + 1;
	x.first = ff_arena_array(&r->run->arena, x.mask + 1, sizeof *x.first);
	x.next = ff_arena_array(&r->run->arena, r->n_src, sizeof *x.next);
	memset(x.first, 0xff, (x.mask + 1) * sizeof *x.first);
	for (size_t i = r->n_src; i-- > 0;) {
		size_t b = id_bucket(&x, r->src[i].v.id);

		x.next[i] = x.first[b];
		x.first[b] = (int32_t)i;
	}
	return x;
}

static void same_bytes_of(struct ff_renames *r, const struct id_index *index, size_t dst)
{
	const struct ff_rename_file *d = &r->dst[dst];
	int32_t best = -1;
	int tries = SAME_BYTES_TRIES;

	for (int32_t i = index->first[id_bucket(index, d->v.id)]; i >= 0; i = index->next[i]) {
		const struct ff_rename_file *s = &r->src[i];

		if (s->used || memcmp(s->v.id, d->v.id, r->run->id_len) != 0)
			continue;
		if ((!FF_IS_FILE(s->v.mode) || !FF_IS_FILE(d->v.mode)) && s->v.mode != d->v.mode)
			continue;
		if (ff_rename_same_name(s->node, d->node)) {
			best = i;
			break;
		}
		if (best < 0)
			best = i;
		if (--tries == 0)
			break;
	}
	if (best >= 0)
		ff_rename_pair(r, dst, (size_t)best);
}

static void same_bytes(struct ff_renames *r)
{
	struct id_index index = index_ids(r);

	for (size_t i = 0; i < r->n_dst; i++)
		same_bytes_of(r, &index, i);
}

/* Takes out of the sources what was found, and with only_wanted also what nobody asks for. */
static void drop_sources(struct ff_renames *r, bool only_wanted)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_src; i++) {
		struct ff_rename_file *s = &r->src[i];

		if (s->used || (only_wanted && !ff_rename_wanted(r, s)))
			ff_spans_fini(&s->spans);
		else
			r->src[n++] = *s;
	}
	r->n_src = n;
}

/* --- the same name */

/* Names to the one file that has it, or to MANY. */
enum { NOBODY = -1, MANY = -2 };
struct name_index {
	int32_t *slots;
	size_t mask;
	const struct ff_rename_file *files;
};

static size_t name_hash(const struct ff_node *n)
{
	size_t h = 14695981039346656037u;

	for (uint32_t i = 0; i < n->len; i++)
		h = (h ^ (unsigned char)n->name[i]) * 1099511628211u;
	return h ^ (h >> 29);
}

/* The slot holds the first file of that name; whether it is alone stands in the file. */
static int32_t *name_slot(const struct name_index *x, const struct ff_node *n)
{
	size_t at = name_hash(n) & x->mask;

	while (x->slots[at] != NOBODY && !ff_rename_same_name(x->files[x->slots[at]].node, n))
		at = (at + 1) & x->mask;
	return &x->slots[at];
}

static struct name_index index_names(struct ff_renames *r, struct ff_rename_file *files, size_t n)
{
	struct name_index x = { .mask = 15, .files = files };

	while (x.mask < n * 2)
		x.mask = x.mask * 2 + 1;
	x.slots = ff_arena_array(&r->run->arena, x.mask + 1, sizeof *x.slots);
	memset(x.slots, 0xff, (x.mask + 1) * sizeof *x.slots);
	for (size_t i = 0; i < n; i++) {
		int32_t *slot;

		files[i].twin = false;
		if (files[i].of >= 0)
			continue;
		slot = name_slot(&x, files[i].node);
		if (*slot == NOBODY)
			*slot = (int32_t)i;
		else
			files[*slot].twin = true;
	}
	return x;
}

static int32_t only_one(const struct name_index *x, const struct ff_node *n)
{
	int32_t i = *name_slot(x, n);

	return i != NOBODY && x->files[i].twin ? MANY : i;
}

static int same_name_of(struct ff_renames *r, size_t src, const struct name_index *srcs, const struct name_index *dsts,
			struct ff_err *err)
{
	struct ff_rename_file *s = &r->src[src];
	int32_t dst = only_one(dsts, s->node);
	unsigned score = 0;

	if (dst == NOBODY)
		return 0;
	if (dst == MANY || only_one(srcs, s->node) == MANY)
		dst = ff_rename_guess(r, s->node);
	if (dst < 0 || r->dst[dst].of >= 0)
		return 0;
	if (ff_rename_compare(r, s, &r->dst[dst], LEAST_SAME_NAME, &score, err) < 0)
		return -1;
	if (score < LEAST_SAME_NAME)
		return 0;
	ff_rename_pair(r, (size_t)dst, src);
	ff_rename_count(r, s->node, r->dst[dst].node);
	return 0;
}

static int same_name(struct ff_renames *r, struct ff_err *err)
{
	struct name_index srcs = index_names(r, r->src, r->n_src), dsts = index_names(r, r->dst, r->n_dst);

	for (size_t i = 0; i < r->n_src; i++)
		if (ff_rename_wanted(r, &r->src[i]) && same_name_of(r, i, &srcs, &dsts, err) < 0)
			return -1;
	return 0;
}

/* --- */

static bool over_limit(const struct ff_renames *r)
{
	uint64_t limit = r->run->limits.rename_limit;

	return (uint64_t)r->n_src * (r->n_dst - r->n_found) > limit * limit;
}

static int find(struct ff_renames *r, struct ff_err *err)
{
	candidates(r);
	if (!r->n_src || !r->n_dst)
		return 0;
	same_bytes(r);
	drop_sources(r, false);
	for (size_t i = 0; i < r->n_dst; i++)
		if (r->dst[i].of >= 0)
			ff_rename_count(r, r->dst[i].from, r->dst[i].node);
	ff_rename_guesses(r);
	if (same_name(r, err) < 0)
		return -1;
	drop_sources(r, true);
	ff_rename_drop_known(r);
	if (!r->n_src || r->n_dst == r->n_found || over_limit(r))
		return 0;
	return ff_rename_matrix(r, LEAST, err);
}

static void keep_pairs(struct ff_renames *r)
{
	struct ff_run *run = r->run;

	run->pairs = ff_realloc(run->pairs, run->n_pairs + r->n_found, sizeof *run->pairs);
	for (size_t i = 0; i < r->n_dst; i++)
		if (r->dst[i].of >= 0)
			run->pairs[run->n_pairs++] =
				(struct ff_pair){ .from = r->dst[i].from, .to = r->dst[i].node, .side = r->side };
}

static void renames_fini(struct ff_renames *r)
{
	for (size_t i = 0; i < r->n_src; i++)
		ff_spans_fini(&r->src[i].spans);
	for (size_t i = 0; i < r->n_dst; i++)
		ff_spans_fini(&r->dst[i].spans);
	ff_spans_table_fini(&r->table);
	ff_free(&r->folders.nodes);
}

int ff_run_renames(struct ff_run *run, struct ff_err *err)
{
	for (int side = TARGET; side <= CHANGE; side++) {
		FF_AUTO(renames_fini) struct ff_renames r = { .run = run, .side = side };

		if (!run->side[side].n_wanted || !run->side[side].added.n)
			continue;
		if (find(&r, err) < 0)
			return -1;
		ff_rename_note_folders(&r);
		keep_pairs(&r);
	}
	return 0;
}
