/* SPDX-License-Identifier: MIT */
/*
 * Proof and rungs on three small texts: the input is base, target and change,
 * a line "--" between them.  Held against what must be true of every answer: a
 * file that the rungs solve is proved; one that has a line of it twice, or that
 * is the base, is not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "merge/proof.h"
#include "resolve/resolve.h"
#include "tests/lib/memsource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
	struct memsource mem;
	struct ff_merge_source source;
	struct ff_merge_result merge;
};

static struct ff_merge_id tree_of(struct run *r, const void *text, size_t n)
{
	struct ff_merge_id blob = memsource_blob(&r->mem, text, n), empty = { { 0 } }, tree;

	ff_assert(ff_merge_put(&r->source, &empty, "dir/file", FF_MERGE_MODE_FILE, &blob, &tree, NULL) == 0);
	return tree;
}

static bool proved(struct run *r, const struct ff_merge_id *tree)
{
	const struct ff_proof what = { .source = &r->source, .merge = &r->merge, .result = *tree, .bounds = FF_PROOF_BOUNDS };
	struct ff_proof_result out;
	bool proved;

	ff_assert(ff_proof_tree(&what, &out, NULL) == 0);
	ff_assert(out.proved == (out.n_refused == 0));
	proved = out.proved;
	ff_proof_fini(&out);
	return proved;
}

/* The result with its first word's line doubled. */
static void check_doubled(struct run *r, const char *text, size_t n)
{
	const char *nl = memchr(text, '\n', n);
	size_t len = nl ? (size_t)(nl + 1 - text) : 0;
	FF_AUTO(ff_buf_fini) struct ff_buf twice;
	struct ff_merge_id tree;

	ff_buf_init(&twice, 1 << 20);
	(void)ff_buf_add(&twice, text, len);
	(void)ff_buf_add(&twice, text, n);
	tree = tree_of(r, twice.data, twice.len);
	if (len > 1 && twice.len != n)
		ff_assert(!proved(r, &tree));
}

static void check(struct run *r)
{
	const struct ff_resolve what = {
		.proof = { .source = &r->source, .merge = &r->merge, .bounds = FF_PROOF_BOUNDS }, .rungs = FF_RUNGS_RULES,
	};
	struct ff_resolved out;

	ff_assert(ff_resolve(&what, &out, NULL) == 0);
	if (out.solved) {
		size_t n = 0;
		const char *text = memsource_get(&r->mem, &out.paths[0].id, &n);

		ff_assert(proved(r, &out.tree));
		if (text)
			check_doubled(r, text, n);
	}
	ff_resolved_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *part[4] = { (const char *)data, NULL, NULL, NULL };
	struct ff_merge merge = { .text = memsource_merge_text };
	size_t len[3] = { size, 0, 0 };
	struct run r = { 0 };

	if (size > 3000)
		return 0;
	for (int i = 1; i < 3; i++) {
		part[i] = memmem(part[i - 1], len[i - 1], "--\n", 3);
		if (!part[i])
			return 0;
		len[i] = len[i - 1] - (size_t)(part[i] + 3 - part[i - 1]);
		len[i - 1] = (size_t)(part[i] - part[i - 1]);
		part[i] += 3;
	}
	memsource_init(&r.mem, &r.source);
	merge.source = &r.source;
	merge.base = tree_of(&r, part[0], len[0]);
	merge.target = tree_of(&r, part[1], len[1]);
	merge.change = tree_of(&r, part[2], len[2]);
	ff_assert(ff_merge(&merge, &r.merge, NULL) == 0);
	if (!r.merge.clean && !r.merge.hard)
		check(&r);
	ff_merge_result_fini(&r.merge);
	ff_assert(r.mem.n_lent == 0);
	memsource_fini(&r.mem);
	return 0;
}
