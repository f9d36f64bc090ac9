/* SPDX-License-Identifier: MIT */
#ifndef FF_WORKER_LOWER_H
#define FF_WORKER_LOWER_H

/*
 * Checkouts that many jobs share as the lower layer of their workspaces:
 * STATE/cache/KEY-COMMIT/, where KEY stands for repository and target branch.
 *
 *   tree/   the files, written by us alone; no job ever has a way to write here
 *   info    what it is, written last; without it, or of another boot of the
 *           host, the entry counts for nothing
 *   lock    shared while a job uses it, exclusive while it is made or removed
 *
 * One is made beside the others under a name with a dot and renamed when it is
 * whole, so a worker may die at any point.  Several workers may want the same
 * one: the first makes it, the others wait for it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "git/git.h"

struct ff_conf;
struct ff_git;

struct ff_lower_want {
	const struct ff_conf *conf;
	struct ff_git *git;
	const char *repo, *target;  /* what it is kept for */
	const char *commit;         /* tip of the target: what a new one is made of */
	bool open_modes;            /* as of ff_git_checkout: jobs are another account than lower's files, without root */
};
struct ff_lower {                /* ff_lower_release */
	char *entry, *tree;         /* folders; "" and NULL: none */
	char commit[FF_GIT_OID];
	int64_t files, bytes;
	int lock_fd;
};

/*
 * The newest that is there, or, with fresh, one of the commit itself, which is
 * made when it is not there. FF_E_NOT_FOUND: there is none and fresh is false.
 * It stays for as long as it is held.
 */
int ff_lower_get(const struct ff_lower_want *want, bool fresh, struct ff_lower *ret_lower, struct ff_err *err);
/* A certain one again, for another attempt of a job. */
int ff_lower_again(const struct ff_lower_want *want, const char *entry, struct ff_lower *ret_lower, struct ff_err *err);
void ff_lower_release(struct ff_lower *lower);
/* Removes what is over workspace.cache-entries and -bytes and used by nobody, and what dead makers left. */
void ff_lower_trim(const struct ff_conf *conf);

#endif
