/* SPDX-License-Identifier: MIT */
/*
 * What git merge-tree prints; the paths in it are a pusher's. The first byte
 * says whether git called it clean. What passes for an answer can be used as one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "git/handover_answer.h"
#include "merge/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result r = { 0 };

	if (!size || ff_handover_answer((const char *)data + 1, size - 1, data[0] == 'c', &r, NULL) < 0)
		return 0;
	ff_assert(r.hard && !ff_merge_id_absent(&r.tree) && r.clean == (r.n_conflicts == 0));
	for (size_t i = 0; i < r.n_conflicts; i++) {
		ff_assert(r.conflicts[i].kind < FF_MERGE_KIND_COUNT && r.conflicts[i].path);
		ff_assert(i == 0 || strcmp(r.conflicts[i - 1].path, r.conflicts[i].path) <= 0);
	}
	return 0;
}
