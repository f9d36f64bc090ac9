/* SPDX-License-Identifier: MIT */
/*
 * Trees of the result.  One that came out as it is on a side is that side's,
 * without being written again.
 */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct item {
	const char *name;
	uint32_t len;
	struct ff_version v;
};
struct items {
	struct item *list;
	size_t n;
};

/* Git's order in a tree: a folder counts as if its name ended in a slash. */
static int in_tree_order(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;
	size_t n = a->len < b->len ? a->len : b->len;
	int rc = memcmp(a->name, b->name, n);
	unsigned char ca, cb;

	if (rc)
		return rc;
	ca = n < a->len ? (unsigned char)a->name[n] : FF_IS_TREE(a->v.mode) ? '/' : '\0';
	cb = n < b->len ? (unsigned char)b->name[n] : FF_IS_TREE(b->v.mode) ? '/' : '\0';
	return ca < cb ? -1 : ca > cb;
}

static void collect(const struct ff_node *folder, struct items *items)
{
	size_t n = folder->n_kids;

	for (const struct ff_kid *k = folder->extra; k; k = k->next)
		n++;
	items->list = ff_calloc(n, sizeof *items->list);
	for (size_t i = 0; i < folder->n_kids; i++)
		if (folder->kids[i].result.mode)
			items->list[items->n++] = (struct item){ folder->kids[i].name, folder->kids[i].len,
								 folder->kids[i].result };
	for (const struct ff_kid *k = folder->extra; k; k = k->next)
		items->list[items->n++] = (struct item){ k->name, k->len, k->result };
}

static bool is_tree_of(const struct ff_run *run, const struct ff_node *folder, const struct items *items, int side)
{
	const struct ff_tree *t = folder->trees[side];

	if (t->odd || t->n != items->n || folder->extra || !(folder->folders & (1u << side)))
		return false;
	for (size_t i = 0; i < t->n; i++) {
		const struct ff_entry *e = &t->entries[i];
		const struct item *it = &items->list[i];

		if (e->mode != it->v.mode || (e->id != it->v.id && memcmp(e->id, it->v.id, run->id_len) != 0) ||
		    (e->name != it->name && ff_name_compare(e->name, e->len, it->name, it->len) != 0))
			return false;
	}
	return true;
}

static void add_mode(struct ff_buf *out, uint32_t mode)
{
	char digits[8];
	size_t at = sizeof digits;

	do
		digits[--at] = (char)('0' + (mode & 7));
	while (mode >>= 3);
	(void)ff_buf_add(out, digits + at, sizeof digits - at);
	(void)ff_buf_addc(out, ' ');
}

static int write_tree(struct ff_run *run, const struct items *items, struct ff_version *ret, struct ff_err *err)
{
	const struct ff_merge_source *s = run->source;
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	struct ff_merge_id id;

	ff_buf_init(&out, INT32_MAX);
	for (size_t i = 0; i < items->n; i++) {
		const struct item *it = &items->list[i];

		add_mode(&out, it->v.mode);
		(void)ff_buf_add(&out, it->name, it->len);
		(void)ff_buf_addc(&out, '\0');
		(void)ff_buf_add(&out, it->v.id, run->id_len);
	}
	if (out.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "a merged tree is larger than 2 GiB");
	if (s->write_tree(s->arg, out.data, out.len, &id, err) < 0)
		return -1;
	*ret = (struct ff_version){ FF_MERGE_MODE_TREE, ff_run_keep_id(run, &id) };
	return 0;
}

static void items_fini(struct items *items)
{
	ff_free(&items->list);
}

int ff_run_build(struct ff_run *run, struct ff_node *folder, struct ff_err *err)
{
	FF_AUTO(items_fini) struct items items = { 0 };

	collect(folder, &items);
	folder->result = (struct ff_version){ 0, NULL };
	if (!items.n && folder->parent) /* git knows no empty folder */
		return 0;
	for (int side = TARGET; side <= CHANGE; side++)
		if (is_tree_of(run, folder, &items, side)) {
			folder->result = folder->stage[side];
			return 0;
		}
	ff_sort_near(items.list, items.n, sizeof *items.list, in_tree_order);
	return write_tree(run, &items, &folder->result, err);
}
