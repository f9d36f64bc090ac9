/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_PATHLOG_H
#define FF_GIT_PATHLOG_H

/* The messages of the commits that changed a file, for those who have to know why. */

#include <stddef.h>

#include "base/err.h"

struct ff_git;

struct ff_git_path_log {
	const char *tip, *without; /* commits: in the history of the first, not in that of the second */
	const char *path;
	size_t most_commits;       /* that are looked at */
	size_t most_messages;
};
/* Newest first, merge commits left out. NULL-terminated, freed by ff_git_paths_free. */
int ff_git_path_log(struct ff_git *git, const struct ff_git_path_log *what, char ***ret_messages, struct ff_err *err);

#endif
