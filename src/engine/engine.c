/* SPDX-License-Identifier: MIT */
/* See engine.h. Above conf, merge and git, none of which may know another of them but merge. */
#include "engine/engine.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "git/rebase.h"

void ff_engine_init(struct ff_engine *e, const struct ff_conf *conf, const char *path, const char *tmp_dir)
{
	const char *given = ff_conf_str(conf, FF_CONF_MERGE_GIT);

	*e = (struct ff_engine){
		.limits = {
			.max_text_bytes = (uint64_t)ff_conf_int(conf, FF_CONF_MERGE_MAX_TEXT),
			.max_tree_entries = (uint64_t)ff_conf_int(conf, FF_CONF_MERGE_MAX_ENTRIES),
			.rename_limit = (uint32_t)ff_conf_int(conf, FF_CONF_MERGE_RENAME_LIMIT),
			.max_rename_bytes = (uint64_t)ff_conf_int(conf, FF_CONF_MERGE_MAX_RENAME_BYTES),
			.max_depth = (uint32_t)ff_conf_int(conf, FF_CONF_MERGE_MAX_DEPTH),
		},
		.program = *given ? ff_strdup(given) : ff_path_program(path, "git"),
		.refuse_merges = !strcmp(ff_conf_str(conf, FF_CONF_REBASE_MERGES), "refuse"),
		.max_commits = (size_t)ff_conf_int(conf, FF_CONF_REBASE_MAX_COMMITS),
		.max_memory = (size_t)ff_conf_int(conf, FF_CONF_REBASE_MAX_MEMORY),
	};
	e->git = (struct ff_handover){
		.program = e->program, .tmp_dir = tmp_dir, .timeout_ms = ff_conf_int(conf, FF_CONF_MERGE_GIT_TIMEOUT),
	};
}

void ff_engine_fini(struct ff_engine *e)
{
	ff_free(&e->program);
}

const struct ff_handover *ff_engine_handover(const struct ff_engine *e)
{
	return e->program ? &e->git : NULL;
}

void ff_engine_rebase(const struct ff_engine *e, struct ff_rebase *what)
{
	what->refuse_merges = e->refuse_merges;
	what->max_commits = e->max_commits;
	what->limits = &e->limits;
	what->handover = ff_engine_handover(e);
}
