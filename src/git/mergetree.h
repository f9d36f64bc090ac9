/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_MERGETREE_H
#define FF_GIT_MERGETREE_H

/*
 * src/merge on an opened repository: ids from names, the repository's objects
 * and the text merge filled in, and what is hard handed to the host's git
 * when there is one (handover.h).
 */

#include <stdbool.h>

#include "base/err.h"

struct ff_git;
struct ff_handover;
struct ff_merge;
struct ff_merge_id;
struct ff_merge_result;

/*
 * The tree that a commit, tag or tree leads to, given as an id, a ref or
 * whatever git-rev-parse(1) takes; zeros only: absent. FF_E_NOT_FOUND,
 * FF_E_INVALID for what leads to no tree.
 */
int ff_git_tree_named(struct ff_git *git, const char *name, struct ff_merge_id *ret_tree, struct ff_err *err);

/*
 * ff_merge() with source, text and text_arg filled in. With a handover that
 * is not NULL a hard merge is given to git: the result is git's then, still
 * marked hard, but clean with a tree where git's is. When git cannot be asked
 * the conflicts that we found stay, and *ret_why (may be NULL) says why not;
 * freed by ff_free.
 */
int ff_git_merge_trees(struct ff_git *git, const struct ff_merge *what, const struct ff_handover *handover,
		       struct ff_merge_result *ret, char **ret_why, struct ff_err *err);

#endif
