/* SPDX-License-Identifier: MIT */
/* What a merge could not decide, in words that outlive it. */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

static struct ff_merge_version version(struct ff_run *run, const struct ff_node *at, const struct ff_version *v)
{
	struct ff_merge_version out = { .mode = v->mode };

	if (!v->mode)
		return out;
	out.id = ff_run_id(run, v->id);
	out.path = ff_strdup(ff_node_path(run, at));
	return out;
}

void ff_run_conflict(struct ff_run *run, const struct ff_node *node, enum ff_merge_kind kind, bool hard,
		     const struct ff_version stage[3], const struct ff_version *merged)
{
	struct ff_merge_conflict *c;

	if (run->n_conflicts == run->conflicts_size) {
		run->conflicts_size = run->conflicts_size ? run->conflicts_size * 2 : 8;
		run->conflicts = ff_realloc(run->conflicts, run->conflicts_size, sizeof *run->conflicts);
	}
	c = &run->conflicts[run->n_conflicts++];
	*c = (struct ff_merge_conflict){ .path = ff_strdup(ff_node_path(run, node)), .kind = kind, .hard = hard };
	c->base = version(run, node->from[BASE], &stage[BASE]);
	c->target = version(run, node->from[TARGET], &stage[TARGET]);
	c->change = version(run, node->from[CHANGE], &stage[CHANGE]);
	if (merged)
		c->merged = version(run, node, merged);
	run->hard |= hard;
}
