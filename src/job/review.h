/* SPDX-License-Identifier: MIT */
#ifndef FF_JOB_REVIEW_H
#define FF_JOB_REVIEW_H

/*
 * What in a result a person would miss, and what needs a person's word: rules
 * over paths and texts.  src/git/review.h goes through a result and asks them.
 * Pure.
 *
 * Paths are compared as the most forgiving file system would (case, code
 * points that HFS+ ignores, trailing dots and blanks, streams), because a
 * result may be checked out on any.
 */

#include <stdbool.h>
#include <stddef.h>

/* What is to be looked at. */
enum ff_notice {
	FF_NOTICE_HIDDEN_TEXT = 1, /* an added line holds characters that nobody sees */
	FF_NOTICE_HIDDEN_NAME,
	FF_NOTICE_EXECUTABLE,      /* it became executable */
	FF_NOTICE_NOT_EXECUTABLE,
	FF_NOTICE_LINK,            /* it is a link now */
	FF_NOTICE_RUNS,            /* CI and hooks, what other programs run or obey by themselves */
	FF_NOTICE_FAR,             /* far from what the task is about */
	FF_NOTICE_UNREAD,          /* too large to be looked at */
	FF_NOTICE_LIMIT
};
const char *ff_notice_text(enum ff_notice kind); /* "is executable now" */

/*
 * Whether a path that a result changes is protected: globs match the whole
 * path, `*` any bytes, also slashes; the word `default` stands for the builtin
 * list.  A link or a submodule is protected also where a protected folder
 * would be.
 */
bool ff_review_protected(const char *path, bool link, const char *const *globs);
/* FF_NOTICE_RUNS: the builtin list, and instructions to agents. */
bool ff_review_runs(const char *path, bool link);

/*
 * The first line of `after` (from 1) with hidden characters that no line of
 * `before` is; 0: none. Not counted: CR at the end of a line, form feeds, a
 * byte order mark at the very start, and what makes one sign of several emoji.
 */
size_t ff_review_hidden_line(const char *before, size_t before_len, const char *after, size_t after_len);
bool ff_review_hidden_name(const char *path);

/*
 * Where a task is at home: the folders of the files that the pushed change
 * touches, and the files and folders that the task names.  What lies in one
 * of them or below is near; in the root only files of the root are.  When
 * nothing is named nothing is far.
 */
struct ff_near;
struct ff_near *ff_near_new(void);
void ff_near_free(struct ff_near **near);
void ff_near_add(struct ff_near *near, const char *path);      /* a file */
void ff_near_add_task(struct ff_near *near, const char *text); /* every word with a slash or dot in it */
bool ff_near_has(const struct ff_near *near, const char *path);

#endif
