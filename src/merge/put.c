/* SPDX-License-Identifier: MIT */
/* One path of a tree put in another's place, the folders on the way written anew. */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define TREE_MAX ((size_t)1 << 30)
#define ENTRIES_MAX 4000000

struct folder {
	const struct ff_merge_source *source;
	struct ff_merge_bytes bytes;
	struct ff_arena arena;
	struct ff_tree tree;
	struct ff_buf out;
	bool empty;
};

static void folder_fini(struct folder *f)
{
	if (f->bytes.data)
		f->source->release(f->source->arg, &f->bytes);
	ff_arena_fini(&f->arena);
	ff_buf_fini(&f->out);
}

/* git's order: a folder's name counts as if it ended in a slash. */
static int by_git(const void *pa, const void *pb)
{
	const struct ff_entry *a = pa, *b = pb;
	uint32_t n = a->len < b->len ? a->len : b->len;
	int rc = memcmp(a->name, b->name, n);
	unsigned char ca, cb;

	if (rc)
		return rc;
	ca = a->len > n ? (unsigned char)a->name[n] : FF_IS_TREE(a->mode) ? '/' : 0;
	cb = b->len > n ? (unsigned char)b->name[n] : FF_IS_TREE(b->mode) ? '/' : 0;
	return (ca > cb) - (ca < cb);
}

static int write_folder(struct folder *f, struct ff_entry *entries, size_t n, struct ff_merge_id *ret, struct ff_err *err)
{
	if (n)
		qsort(entries, n, sizeof *entries, by_git);
	ff_buf_init(&f->out, TREE_MAX);
	for (size_t i = 0; i < n; i++) {
		(void)ff_buf_addf(&f->out, "%o %.*s", entries[i].mode, (int)entries[i].len, entries[i].name);
		(void)ff_buf_addc(&f->out, '\0');
		(void)ff_buf_add(&f->out, entries[i].id, f->source->id_len);
	}
	f->empty = n == 0;
	return f->source->write_tree(f->source->arg, f->out.data, f->out.len, ret, err);
}

static int put(const struct ff_merge_source *s, const struct ff_merge_id *tree, const char *path, uint32_t mode,
	       const struct ff_merge_id *id, struct ff_merge_id *ret, bool *ret_empty, struct ff_err *err)
{
	FF_AUTO(folder_fini) struct folder f = { .source = s };
	const char *slash = strchr(path, '/');
	uint32_t len = (uint32_t)(slash ? (size_t)(slash - path) : strlen(path));
	struct ff_merge_id below = *id, inner = { { 0 } };
	struct ff_entry *list;
	bool gone = !mode;
	size_t n = 0;

	if (!ff_merge_id_absent(tree) &&
	    (s->read_tree(s->arg, tree, &f.bytes, err) < 0 ||
	     ff_tree_parse(&f.arena, f.bytes.data, f.bytes.len, s->id_len, ENTRIES_MAX, &f.tree, err) < 0))
		return -1;
	list = ff_arena_array(&f.arena, f.tree.n + 1, sizeof *list);
	for (size_t i = 0; i < f.tree.n; i++) {
		const struct ff_entry *e = &f.tree.entries[i];

		if (ff_name_compare(e->name, e->len, path, len) != 0)
			list[n++] = *e;
		else if (slash && FF_IS_TREE(e->mode))
			memcpy(inner.b, e->id, s->id_len);
	}
	if (slash && put(s, &inner, slash + 1, mode, id, &below, &gone, err) < 0)
		return -1;
	if (!gone)
		list[n++] = (struct ff_entry){ path, below.b, len, slash ? FF_MERGE_MODE_TREE : mode };
	if (write_folder(&f, list, n, ret, err) < 0)
		return -1;
	*ret_empty = f.empty;
	return 0;
}

int ff_merge_put(const struct ff_merge_source *source, const struct ff_merge_id *tree, const char *path, uint32_t mode,
		 const struct ff_merge_id *id, struct ff_merge_id *ret_tree, struct ff_err *err)
{
	bool empty;

	return put(source, tree, path, mode, id, ret_tree, &empty, err);
}
