/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_ARENA_H
#define FF_BASE_ARENA_H

/*
 * Memory for what dies together: many small pieces, given back all at once.
 * Nothing from an arena outlives ff_arena_fini().  A zeroed struct is an
 * empty arena.
 */

#include <stddef.h>

struct ff_arena {
	struct ff_arena_block *block; /* the one in use; older ones hang behind it */
	size_t bytes; /* taken from the system */
};

/* Zeroed, aligned for anything; never NULL. */
void *ff_arena_alloc(struct ff_arena *arena, size_t n);
void *ff_arena_array(struct ff_arena *arena, size_t count, size_t size);
/* The bytes and a NUL. */
char *ff_arena_dup0(struct ff_arena *arena, const void *p, size_t n);
void ff_arena_fini(struct ff_arena *arena); /* may be called twice; for FF_AUTO */

#endif
