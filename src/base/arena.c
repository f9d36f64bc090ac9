/* SPDX-License-Identifier: MIT */
/*
 * Arenas: blocks that are filled from front to back.  What does not fit into
 * a quarter of a block gets one of its own, so that no block is left mostly
 * empty for its sake.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLOCK_BYTES ((size_t)64 * 1024)
#define ALIGN _Alignof(max_align_t)

struct ff_arena_block {
	struct ff_arena_block *next;
	size_t used, size;
	max_align_t data[];
};

static struct ff_arena_block *block_new(struct ff_arena *arena, size_t size)
{
	struct ff_arena_block *b = ff_calloc(1, sizeof *b + size);

	b->size = size;
	arena->bytes += sizeof *b + size;
	return b;
}

static void *large(struct ff_arena *arena, size_t n)
{
	struct ff_arena_block *b = block_new(arena, n);

	b->used = n;
	if (arena->block) { /* behind the one in use, which still has room */
		b->next = arena->block->next;
		arena->block->next = b;
	} else {
		arena->block = b;
	}
	return b->data;
}

void *ff_arena_alloc(struct ff_arena *arena, size_t n)
{
	struct ff_arena_block *b = arena->block;
	void *p;

	ff_assert(n <= SIZE_MAX / 2);
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n > BLOCK_BYTES / 4)
		return large(arena, n);
	if (!b || b->size - b->used < n) {
		b = block_new(arena, BLOCK_BYTES);
		b->next = arena->block;
		arena->block = b;
	}
	p = (char *)b->data + b->used;
	b->used += n;
	return p;
}

void *ff_arena_array(struct ff_arena *arena, size_t count, size_t size)
{
	ff_assert(size == 0 || count <= SIZE_MAX / 2 / size);
	return ff_arena_alloc(arena, count * size);
}

char *ff_arena_dup0(struct ff_arena *arena, const void *p, size_t n)
{
	char *s = ff_arena_alloc(arena, n + 1);

	if (n)
		memcpy(s, p, n);
	return s;
}

void ff_arena_fini(struct ff_arena *arena)
{
	struct ff_arena_block *next;

	for (struct ff_arena_block *b = arena->block; b; b = next) {
		next = b->next;
		free(b);
	}
	*arena = (struct ff_arena){ 0 };
}
