/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_PICK_H
#define FF_GIT_PICK_H

/*
 * Which commits a rebase has to apply, as git-rebase(1) chooses them: all in
 * tip that upstream has not, oldest first, merge commits left out, and left
 * out also what upstream has under another name, that is with the same patch.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ff_git;
struct ff_merge_id;

struct ff_pick {
	const char *upstream, *tip; /* commits */
	size_t max_commits;         /* more are FF_E_TOO_LARGE; 0: no limit */
	/* Commits of upstream, newest first, whose patches are looked at; 0: all. */
	size_t max_upstream;
};
struct ff_picked { /* ff_picked_fini */
	struct ff_merge_id *commits;
	size_t n;
	size_t merges;   /* left out */
	size_t upstream; /* left out, since upstream has them */
	bool contained;  /* upstream lies in the history of tip */
};
/* Histories with no commit in common are FF_E_GIT. */
int ff_pick(struct ff_git *git, const struct ff_pick *what, struct ff_picked *ret_picked, struct ff_err *err);
void ff_picked_fini(struct ff_picked *picked);

#endif
