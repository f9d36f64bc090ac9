/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_ROOM_H
#define FF_SANDBOX_ROOM_H

/*
 * How much disk a job's work tree takes.  Nothing mounts /ws with a size, so
 * what a job writes is looked at while it runs: the file system says in a
 * moment whether it got fuller, and then the tree is walked; also every ten
 * seconds, as another's removals can hide it, and when the program has ended.
 * The limits are those of the result: a larger tree is refused there anyway.
 * This bounds what one job takes to a little more than its limit; it is no
 * promise that the disk has that much.
 *
 *     struct ff_room room = { .max_bytes = ..., .max_files = ..., .max_depth = ... };
 *     spec.room = &room;    ff_sandbox_run() does the rest
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ff_room {
	int64_t max_bytes, max_files, max_depth;
	/* Ours: what was free in the file system when the tree was last walked. */
	bool known;
	int64_t free_bytes, free_files, walked_ms;
};

/*
 * FF_E_TOO_LARGE when the tree at path takes more than it may. Job processes
 * may be at work in it: nothing is followed and nothing but sizes is read.
 * running: without a walk if the file system got no fuller.
 */
int ff_room_check(struct ff_room *room, const char *path, bool running, struct ff_err *err);

#endif
