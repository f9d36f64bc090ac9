/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_CONFLICTKEY_H
#define FF_RESOLVE_CONFLICTKEY_H

/*
 * A conflict as the memory knows it again: base and both sides, in whichever
 * order they stand, with the next line of the target before and behind them;
 * white space at the ends of lines does not count.  The text is hashed by the
 * caller.
 */

#include "resolve/resolve.h"

/* -1: it is over out's maximum. */
int ff_conflict_key_text(const struct ff_resolve_ask *ask, struct ff_buf *out);

#endif
