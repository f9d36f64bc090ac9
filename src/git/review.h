/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_REVIEW_H
#define FF_GIT_REVIEW_H

/*
 * Goes through what one commit changes against another, by trees alone, and
 * lists what the rules of job/review.h say about it.  No file is checked out
 * and no attribute, driver or configuration counts.
 */

#include <stdint.h>

#include "git/git.h"
#include "job/review.h"

#define FF_GIT_REVIEW_MAX 200

struct ff_git_review {
	const char *base, *tip;        /* commits */
	/* What the task was about: the changes from pushed_base to base count as near, and its words; NULL: not given. */
	const char *pushed_base, *task;
	const char *const *protected;  /* globs */
	int64_t max_text;              /* bytes of a file that is looked into */
};
struct ff_git_notice {
	char *path;
	enum ff_notice kind;
	size_t line;                   /* of HIDDEN_TEXT, else 0 */
};
struct ff_git_reviewed { /* ff_git_reviewed_fini; the lists hold the first FF_GIT_REVIEW_MAX */
	struct ff_git_notice *notices;
	size_t n_notices, all_notices;
	char **held;                   /* protected paths that are changed; NULL-terminated, or NULL */
	size_t n_held, all_held;
	size_t changed;                /* files */
};

int ff_git_review(struct ff_git *git, const struct ff_git_review *what, struct ff_git_reviewed *ret_reviewed,
		  struct ff_err *err);
void ff_git_reviewed_fini(struct ff_git_reviewed *reviewed);

#endif
