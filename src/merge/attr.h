/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_ATTR_H
#define FF_MERGE_ATTR_H

/* What attr.c (one file of rules) and attrtree.c (those of a tree) share. */

#include "merge/part.h"

#define FF_ATTR_FILE_MAX ((size_t)100 << 20) /* git's; larger files do not count */

/* One `name`, `-name`, `!name` or `name=value`. */
struct ff_attr_setting {
	const char *name;
	enum { FF_ATTR_TRUE, FF_ATTR_FALSE, FF_ATTR_UNSET, FF_ATTR_VALUE } is;
	const char *value;
	struct ff_attr_setting *before; /* the one to its left */
};
struct ff_attr_rule {
	const char *pattern; /* NULL: the definition of a macro */
	const char *macro;
	struct ff_attr_setting *last;
	struct ff_attr_rule *before;
};
struct ff_attr_rules {
	struct ff_attr_rule *last;
};

/* Rules live in the arena. */
struct ff_attr_rules *ff_attr_parse(struct ff_arena *arena, const char *text, size_t len);
/* Whether a pattern (as in .gitattributes, relative to its folder) means that path. */
bool ff_attr_matches(const char *pattern, const char *path);

#endif
