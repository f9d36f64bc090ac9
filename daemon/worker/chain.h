/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_WORKER_CHAIN_H
#define FF_DAEMON_WORKER_CHAIN_H

/*
 * How deep a pushed commit stands in a chain of jobs that work on each
 * other's results.  For the reader; core decides what is too deep.
 */

#include <stdint.h>

#include "git/git.h"

/* More is as bad as this; above what queue.chain-depth can be. */
#define FF_CHAIN_MOST 101

/*
 * The number of different jobs whose trailers stand in the commits from tip
 * (a commit) along first parents to where target has them too; at least 1
 * when tip itself is a result.
 */
int ff_chain_depth(struct ff_git *git, const char *tip, const char *target, int64_t *ret_depth, struct ff_err *err);

#endif
