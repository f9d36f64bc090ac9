/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_HANDOVER_H
#define FF_GIT_HANDOVER_H

/*
 * Merges that are git's to decide, given to `git merge-tree --write-tree`:
 * the one place of this folder that runs a program.  It runs on objects
 * alone, in a repository of its own in a temporary folder that borrows the
 * objects of ours: no configuration, hook, filter or merge driver of anybody
 * counts, and nothing is written but there.  A process that is killed leaves
 * it behind; the next that hands something over removes it.  What it made is taken over like
 * any other new object.
 */

#include <stdint.h>

#include "base/err.h"

struct ff_git;
struct ff_merge;
struct ff_merge_result;

struct ff_handover {
	const char *program;  /* absolute path of git, 2.38 or later */
	const char *tmp_dir;  /* NULL: /tmp */
	int64_t timeout_ms;   /* then it is killed; 0: a minute */
};

/*
 * Replaces a hard result by git's answer, still marked hard. FF_E_TIMEOUT,
 * FF_E_UNSUPPORTED (no such git; a merge that must not be handed over:
 * something in it is too large, or a merge driver is configured for it),
 * FF_E_IO: the result is as it was.
 */
int ff_handover_merge(const struct ff_handover *h, struct ff_git *git, const struct ff_merge *what,
		      struct ff_merge_result *result, struct ff_err *err);

#endif
