/* SPDX-License-Identifier: MIT */
/*
 * Rename detection: the input is up to eight files, a line "--" between them,
 * whose first byte says where each is: 1 in the base (and deleted by the
 * target), 2 added by the target, 4 changed by the change.  Held against
 *   - how alike two files are, counted by a table as plain as git's words,
 *   - what must follow when there is one file on each side: it moved when it is
 *     alike by half, and then the change is looked for at its new place alone,
 *   - the same answer twice, and files of the same bytes never in conflict.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "merge/part.h"
#include "tests/lib/memsource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES 8
#define HASHES 107927
enum { IN_BASE = 1, IN_TARGET = 2, CHANGED = 4 };

struct file {
	const uint8_t *data;
	size_t len;
	unsigned where;
};

static size_t cut(const uint8_t *data, size_t size, struct file files[FILES])
{
	size_t n = 0;

	while (size && n < FILES) {
		const uint8_t *end = memmem(data, size, "\n--\n", 4);
		size_t len = end ? (size_t)(end - data) : size;

		if (len)
			files[n++] = (struct file){ data + 1, len - 1, data[0] & 7u };
		data += len + (end ? 4 : 0);
		size -= len + (end ? 4 : 0);
	}
	return n;
}

/* --- how alike, once more */

static uint32_t of_x[HASHES], of_y[HASHES]; /* bytes by the hash of their span; zeros between two questions */

static uint64_t add_x(uint32_t hash, uint32_t bytes)
{
	of_x[hash] += bytes;
	return 0;
}

static uint64_t add_y(uint32_t hash, uint32_t bytes)
{
	of_y[hash] += bytes;
	return 0;
}

/* What x and y share of that hash, the first time. */
static uint64_t take(uint32_t hash, uint32_t bytes)
{
	uint32_t common = of_x[hash] < of_y[hash] ? of_x[hash] : of_y[hash];

	(void)bytes;
	of_x[hash] = of_y[hash] = 0;
	return common;
}

/* The sum over the spans; rest: whether one at the end that is not finished counts, too. */
static uint64_t each_span(const struct file *f, bool rest, uint64_t (*fn)(uint32_t hash, uint32_t bytes))
{
	bool text = !memchr(f->data, 0, f->len < 8000 ? f->len : 8000);
	uint32_t a = 0, b = 0, n = 0;
	uint64_t sum = 0;

	for (size_t i = 0; i < f->len; i++) {
		uint32_t old = a, c = f->data[i];

		if (text && c == '\r' && i + 1 < f->len && f->data[i + 1] == '\n')
			continue;
		a = ((a << 7) ^ (b >> 25)) + c;
		b = (b << 7) ^ (old >> 25);
		if (++n < 64 && c != '\n')
			continue;
		sum += fn((a + b * 0x61) % HASHES, n);
		a = b = n = 0;
	}
	return n && rest ? sum + fn((a + b * 0x61) % HASHES, n) : sum;
}

static unsigned plain_score(const struct file *x, const struct file *y, bool rest)
{
	uint64_t common, larger = x->len > y->len ? x->len : y->len;

	(void)each_span(x, rest, add_x);
	(void)each_span(y, rest, add_y);
	common = each_span(x, rest, take);
	(void)each_span(y, rest, take);
	return (unsigned)(common * FF_SIMILAR_MAX / (larger ? larger : 1));
}

static void check_score(const struct file *src, const struct file *dst, unsigned *ret_score, unsigned *ret_newer)
{
	struct ff_spans_table table = { 0 };
	struct ff_spans s = { 0 }, d = { 0 };

	ff_spans_of(src->data, src->len, &s);
	ff_spans_of(dst->data, dst->len, &d);
	ff_spans_put(&table, &d);
	*ret_score = ff_spans_similar(&table, &s, ret_newer);
	ff_spans_put(&table, NULL);
	ff_assert(*ret_score == plain_score(src, dst, false));
	ff_assert(*ret_newer == plain_score(src, dst, true));
	ff_spans_table_fini(&table);
	ff_spans_fini(&s);
	ff_spans_fini(&d);
}

/* --- the merge */

static void add_entry(struct ff_buf *tree, char name, const struct ff_merge_id *id)
{
	(void)ff_buf_addf(tree, "100644 %c", name);
	(void)ff_buf_addc(tree, '\0');
	(void)ff_buf_add(tree, id->b, 20);
}

static struct ff_merge_id blob_of(struct memsource *m, const struct file *f, bool changed)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, f->len + 8);
	if (changed)
		(void)ff_buf_adds(&b, "first\n");
	(void)ff_buf_add(&b, f->data, f->len);
	return memsource_blob(m, b.data, b.len);
}

/* The files of that side in one folder: a, b, ... from the base, A, B, ... that the target added. */
static struct ff_merge_id tree_of(struct memsource *m, const struct file *files, size_t n, int side)
{
	FF_AUTO(ff_buf_fini) struct ff_buf tree;
	const unsigned bit = side == TARGET ? IN_TARGET : IN_BASE;

	ff_buf_init(&tree, 4096);
	for (size_t i = 0; i < n; i++) {
		struct ff_merge_id id;

		if (!(files[i].where & bit))
			continue;
		id = blob_of(m, &files[i], side == CHANGE && (files[i].where & CHANGED));
		add_entry(&tree, (char)((side == TARGET ? 'A' : 'a') + (char)i), &id);
	}
	return memsource_tree_raw(m, tree.data, tree.len);
}

static bool conflict_at(const struct ff_merge_result *r, const char *path)
{
	for (size_t i = 0; i < r->n_conflicts; i++)
		if (!strcmp(r->conflicts[i].path, path))
			return true;
	return false;
}

static bool same_files(const struct file *a, const struct file *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* One file that is gone and changed, one that is new, and nothing else. */
static void check_pair(const struct ff_merge_result *r, const struct file *files, size_t src, size_t dst)
{
	const char old[] = { (char)('a' + (char)src), '\0' };
	const struct file *s = &files[src], *d = &files[dst];
	unsigned score, newer;
	bool moved;

	if (!s->len || !d->len)
		return; /* known by git's id, which is not that of this source */
	check_score(s, d, &score, &newer);
	moved = same_files(s, d) || score >= FF_SIMILAR_MAX / 2;
	if (same_files(s, d))
		ff_assert(r->clean);
	if (!same_files(s, d) && (score >= FF_SIMILAR_MAX / 2) != (newer >= FF_SIMILAR_MAX / 2))
		ff_assert(r->hard);
	else
		ff_assert(moved == !conflict_at(r, old));
}

static void check(const struct ff_merge_result *r, const struct file *files, size_t n)
{
	size_t src = n, dst = n, n_src = 0, n_dst = 0;

	for (size_t i = 0; i < n; i++) {
		if (files[i].where & IN_BASE) {
			src = i;
			n_src++;
		}
		if (files[i].where & IN_TARGET) {
			dst = i;
			n_dst++;
		}
	}
	if (n_src == 1 && n_dst == 1 && (files[src].where & CHANGED))
		check_pair(r, files, src, dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result one = { 0 }, two = { 0 };
	struct file files[FILES];
	struct ff_merge_source source;
	struct memsource m;
	size_t n = cut(data, size, files);
	struct ff_merge what = { .source = &source, .text = memsource_merge_text };

	memsource_init(&m, &source);
	what.base = tree_of(&m, files, n, BASE);
	what.target = tree_of(&m, files, n, TARGET);
	what.change = tree_of(&m, files, n, CHANGE);
	ff_assert(ff_merge(&what, &one, NULL) == 0 && ff_merge(&what, &two, NULL) == 0);
	ff_assert(one.clean == two.clean && one.n_conflicts == two.n_conflicts && ff_merge_id_equal(&one.tree, &two.tree));
	check(&one, files, n);
	for (size_t i = 1; i < n; i++) {
		unsigned score, newer;

		check_score(&files[0], &files[i], &score, &newer);
	}
	ff_assert(m.n_lent == 0);
	memsource_fini(&m);
	return 0;
}
