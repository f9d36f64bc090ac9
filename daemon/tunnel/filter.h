/* SPDX-License-Identifier: MIT */
#ifndef FF_TUNNEL_FILTER_H
#define FF_TUNNEL_FILTER_H

/*
 * What a worker may say to git-receive-pack: make this one ref, at this one
 * commit, and then a pack.  A worker reads objects that anybody may have
 * pushed, so the key's rights are not given into its hands: were it taken
 * over, it could still not move or remove a branch with them.
 *
 * Feed everything through ff_filter_take(), in order.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_filter {
	const char *ref, *oid;  /* borrowed: what may be made */
	struct ff_buf head;     /* bytes of the list of commands, until its end */
	bool asked;             /* the one command was there */
	bool passed;            /* the list has ended */
};

void ff_filter_init(struct ff_filter *f, const char *ref, const char *oid);
void ff_filter_fini(struct ff_filter *f);
/* What may go on to the server is appended to out. FF_E_PROTOCOL: the worker wants something else. */
int ff_filter_take(struct ff_filter *f, const char *p, size_t n, struct ff_buf *out, struct ff_err *err);

#endif
