/* SPDX-License-Identifier: MIT */
#ifndef FF_ENGINE_ENGINE_H
#define FF_ENGINE_ENGINE_H

/*
 * The rebase engine as it is configured: what merge.* and rebase.* mean for
 * src/merge and src/git, which know no configuration, and which git takes the
 * merges that are left to it.  The worker, the reader and flowforge(1) do not
 * come to different results, because they all ask here.
 *
 *     FF_AUTO(ff_engine_fini) struct ff_engine e = { .program = NULL };
 *     ff_engine_init(&e, conf, getenv("PATH"), getenv("TMPDIR"));
 *     struct ff_rebase what = { .onto = onto, .tip = tip, .committer = who };
 *     ff_engine_rebase(&e, &what);
 *     ff_git_pack_begin(git, true, e.max_memory);
 *
 * Not for doing the work: that is git/rebase.h and git/mergetree.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "git/handover.h"
#include "merge/merge.h"

struct ff_conf;
struct ff_rebase;

struct ff_engine {
	struct ff_merge_limits limits;
	struct ff_handover git;  /* valid when there is a program */
	char *program;           /* absolute path of git; NULL: there is none to ask */
	bool refuse_merges;      /* rebase.merges = refuse */
	size_t max_commits;      /* of one rebase */
	size_t max_memory;       /* bytes of new objects, for ff_git_pack_begin() */
};

/*
 * path: the folders in which git is looked for when merge.git names none, as
 * in $PATH. tmp_dir: where git gets its throw-away repositories, borrowed;
 * NULL: /tmp.
 */
void ff_engine_init(struct ff_engine *e, const struct ff_conf *conf, const char *path, const char *tmp_dir);
void ff_engine_fini(struct ff_engine *e);
/* Where hard merges go; NULL: nowhere, they are conflicts. Borrowed from e. */
const struct ff_handover *ff_engine_handover(const struct ff_engine *e);
/* Fills in what the configuration says; the rest of *what is the caller's. It borrows from e. */
void ff_engine_rebase(const struct ff_engine *e, struct ff_rebase *what);

#endif
