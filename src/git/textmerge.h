/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_TEXTMERGE_H
#define FF_GIT_TEXTMERGE_H

/*
 * The text merge that src/merge asks for.  The merge itself is that of
 * merge/lines.h; libgit2's xdiff, which knows no histogram, gives it the one
 * difference that it does not do itself.
 */

#include <stddef.h>

#include "base/err.h"

struct ff_merge_text;
struct ff_merge_text_result;

/* A ff_merge_text_fn; arg is not used. */
int ff_git_merge_text(void *arg, const struct ff_merge_text *what, struct ff_merge_text_result *ret,
		      struct ff_err *err);
/* The ff_lines_myers_fn in it, for others who compare lines. arg is not used. */
int ff_git_myers(void *arg, const char *a, size_t a_len, const char *b, size_t b_len, unsigned char *a_changed,
		 unsigned char *b_changed, struct ff_err *err);

#endif
