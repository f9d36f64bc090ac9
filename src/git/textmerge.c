/* SPDX-License-Identifier: MIT */
/* See textmerge.h. */
#include "git/textmerge.h"

#include "git/lib.h"
#include "merge/lines.h"

struct changed {
	unsigned char *a, *b;
};

static int on_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *arg)
{
	struct changed *c = arg;

	(void)delta;
	(void)hunk;
	if (line->origin == GIT_DIFF_LINE_DELETION)
		c->a[line->old_lineno - 1] = 1;
	else if (line->origin == GIT_DIFF_LINE_ADDITION)
		c->b[line->new_lineno - 1] = 1;
	return 0;
}

int ff_git_myers(void *arg, const char *a, size_t a_len, const char *b, size_t b_len, unsigned char *a_changed,
		 unsigned char *b_changed, struct ff_err *err)
{
	git_diff_options opts = GIT_DIFF_OPTIONS_INIT;
	struct changed changed = { a_changed, b_changed };
	int rc;

	(void)arg;
	opts.flags = GIT_DIFF_FORCE_TEXT;
	opts.context_lines = 0;
	rc = git_diff_buffers(a, a_len, NULL, b, b_len, NULL, &opts, NULL, NULL, NULL, on_line, &changed);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot compare two texts") : 0;
}

int ff_git_merge_text(void *arg, const struct ff_merge_text *what, struct ff_merge_text_result *ret,
		      struct ff_err *err)
{
	(void)arg;
	return ff_merge_lines(what, ff_git_myers, NULL, ret, err);
}
