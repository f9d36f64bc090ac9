/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_PACK_H
#define FF_GIT_PACK_H

/*
 * New objects of one piece of work, held back together.  Between begin and
 * commit (or drop) every object that is written through this struct ff_git,
 * by whatever function, goes to memory and is read from there, also by
 * libgit2; nobody else sees it.  Commit makes one pack of them and returns
 * when that is on disk: then a ref may move to them.  Drop forgets them, so
 * that a trial run leaves nothing behind.
 *
 * Past max_memory the objects go to a temporary file: of the repository's
 * own objects/pack when they are to be kept, else without a name in TMPDIR.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ff_git;

#define FF_GIT_PACK_MEMORY ((size_t)64 * 1024 * 1024)

struct ff_git_packed { /* what commit made */
	size_t objects;  /* 0: there was nothing new, and there is no pack */
	int64_t bytes;   /* of the objects as they are read */
};

/* keep false: they will be dropped, and committing them is an error of the caller. */
void ff_git_pack_begin(struct ff_git *git, bool keep, size_t max_memory);
/*
 * Of this process, for trials and measurements: whether what is written is
 * also waited for until it is on disk (packs, refs); so it is at the start.
 */
void ff_git_sync(bool on);
/* Ends what begin began, also when it fails: FF_E_IO, with nothing of it visible. ret may be NULL. */
int ff_git_pack_commit(struct ff_git *git, struct ff_git_packed *ret, struct ff_err *err);
/*
 * As if nothing had been written since begin; nothing to do when nothing was
 * begun.  After a commit it gives the memory back, as the next begin does.
 */
void ff_git_pack_drop(struct ff_git *git);

#endif
