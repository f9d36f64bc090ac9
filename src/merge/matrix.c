/* SPDX-License-Identifier: MIT */
/*
 * Comparing the contents of deleted and added files, each with each.  The
 * spans of a file are counted once; sizes alone rule out most pairs.
 */
#include "merge/rename.h"

#include <stdlib.h>
#include <string.h>

#define KEPT 4 /* candidates that are remembered for each added file */

static int too_large(struct ff_renames *r, const struct ff_rename_file *f, bool *ret_too_large)
{
	const struct ff_version none[3] = { 0 };

	*ret_too_large = true;
	ff_run_conflict(r->run, f->node, FF_MERGE_TOO_LARGE, true, none, NULL);
	return 0;
}

static int read_spans(struct ff_renames *r, struct ff_rename_file *f, bool *ret_too_large, struct ff_err *err)
{
	const struct ff_merge_source *src = r->run->source;
	struct ff_merge_id id = ff_run_id(r->run, f->v.id);
	struct ff_merge_bytes bytes = { 0 };

	*ret_too_large = false;
	if (f->spans_known)
		return 0;
	r->run->rename_bytes += f->size;
	if (f->size > r->run->limits.max_text_bytes || r->run->rename_bytes > r->run->limits.max_rename_bytes)
		return too_large(r, f, ret_too_large);
	if (src->read_blob(src->arg, &id, &bytes, err) < 0)
		return -1;
	ff_spans_of(bytes.data, bytes.len, &f->spans);
	src->release(src->arg, &bytes);
	f->spans_known = true;
	return 0;
}

static int know_size(struct ff_renames *r, struct ff_rename_file *f, struct ff_err *err)
{
	const struct ff_merge_source *src = r->run->source;
	struct ff_merge_id id = ff_run_id(r->run, f->v.id);

	if (f->size_known)
		return 0;
	if (src->blob_size(src->arg, &id, &f->size, err) < 0)
		return -1;
	f->size_known = true;
	return 0;
}

/* 1 when sizes let them be alike, 0, -1. */
static int sizes_allow(struct ff_renames *r, struct ff_rename_file *a, struct ff_rename_file *b, unsigned least,
		       struct ff_err *err)
{
	uint64_t large, small;

	if (!FF_IS_FILE(a->v.mode) || !FF_IS_FILE(b->v.mode))
		return 0;
	if (know_size(r, a, err) < 0 || know_size(r, b, err) < 0)
		return -1;
	large = a->size > b->size ? a->size : b->size;
	small = a->size > b->size ? b->size : a->size;
	if (large > UINT64_MAX / FF_SIMILAR_MAX)
		return 0;
	return large * (FF_SIMILAR_MAX - least) >= (large - small) * FF_SIMILAR_MAX;
}

/* Gits before and after 2.44 would answer differently: the one of the host has to be asked. */
static void versions_differ(struct ff_renames *r, const struct ff_rename_file *dst)
{
	const struct ff_version none[3] = { 0 };

	ff_run_conflict(r->run, dst->node, FF_MERGE_RENAME_CLASH, true, none, NULL);
}

int ff_rename_compare(struct ff_renames *r, struct ff_rename_file *src, struct ff_rename_file *dst, unsigned least,
		      unsigned *ret_score, struct ff_err *err)
{
	int rc = sizes_allow(r, src, dst, least, err);
	unsigned newer = 0;
	bool too_large;

	*ret_score = 0;
	if (rc <= 0)
		return rc;
	if (read_spans(r, dst, &too_large, err) < 0)
		return -1;
	if (too_large)
		return 0;
	if (read_spans(r, src, &too_large, err) < 0)
		return -1;
	if (too_large)
		return 0;
	if (r->table.in != &dst->spans)
		ff_spans_put(&r->table, &dst->spans);
	*ret_score = ff_spans_similar(&r->table, &src->spans, &newer);
	if ((*ret_score >= least) != (newer >= least))
		versions_differ(r, dst);
	return 0;
}

struct match {
	int32_t src, dst; /* dst -1: none */
	unsigned score;
	bool same_name;
	uint32_t order;
};

/* Better ones first; > 0: b is better. */
static int by_score(const struct match *a, const struct match *b)
{
	if (a->dst < 0 || b->dst < 0)
		return a->dst < 0 ? b->dst >= 0 : -1;
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return (int)b->same_name - (int)a->same_name;
}

static int by_score_and_order(const void *pa, const void *pb)
{
	const struct match *a = pa, *b = pb;
	int rc = by_score(a, b);

	return rc ? rc : a->order < b->order ? -1 : a->order > b->order;
}

static void keep_if_better(struct match kept[KEPT], const struct match *m)
{
	int worst = 0;

	for (int i = 1; i < KEPT; i++)
		if (by_score(&kept[i], &kept[worst]) > 0)
			worst = i;
	if (by_score(&kept[worst], m) > 0)
		kept[worst] = *m;
}

static int compare_all(struct ff_renames *r, size_t dst, unsigned least, struct match kept[KEPT], struct ff_err *err)
{
	for (int i = 0; i < KEPT; i++)
		kept[i] = (struct match){ .dst = -1 };
	for (size_t i = 0; i < r->n_src; i++) {
		struct match m = { .src = (int32_t)i, .dst = (int32_t)dst,
				   .same_name = ff_rename_same_name(r->src[i].node, r->dst[dst].node) };

		if (ff_rename_compare(r, &r->src[i], &r->dst[dst], least, &m.score, err) < 0)
			return -1;
		keep_if_better(kept, &m);
	}
	ff_spans_put(&r->table, NULL);
	ff_spans_fini(&r->dst[dst].spans); /* an added file is compared here for the last time */
	return 0;
}

static void take_best(struct ff_renames *r, const struct match *all, size_t n, unsigned least)
{
	for (size_t i = 0; i < n && all[i].dst >= 0 && all[i].score >= least; i++) {
		size_t dst = (size_t)all[i].dst, src = (size_t)all[i].src;

		if (r->dst[dst].of >= 0 || r->src[src].used)
			continue;
		ff_rename_pair(r, dst, src);
		ff_rename_count(r, r->src[src].node, r->dst[dst].node);
	}
}

int ff_rename_matrix(struct ff_renames *r, unsigned least, struct ff_err *err)
{
	FF_AUTO(ff_free) struct match *all = ff_calloc((r->n_dst - r->n_found) * KEPT, sizeof *all);
	size_t n = 0;

	for (size_t i = 0; i < r->n_dst; i++) {
		if (r->dst[i].of >= 0)
			continue;
		if (compare_all(r, i, least, all + n, err) < 0)
			return -1;
		n += KEPT;
	}
	for (size_t i = 0; i < n; i++)
		all[i].order = (uint32_t)i;
	qsort(all, n, sizeof *all, by_score_and_order);
	take_best(r, all, n, least);
	return 0;
}
