/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_PART_H
#define FF_RESOLVE_PART_H

/* Between resolve.c, which has all paths, and file.c, which has one. */

#include "resolve/resolve.h"

/* Bytes of the objections to one answer, and columns of one line in them. */
#define FF_OBJECTIONS_MAX 4096
#define FF_OBJECTION_COLUMNS 200

/* One path in conflict; whether it is solved is in *p. */
int ff_resolve_file(const struct ff_resolve *what, const struct ff_merge_conflict *conflict, struct ff_resolved_path *p,
		    struct ff_err *err);

#endif
