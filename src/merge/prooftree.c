/* SPDX-License-Identifier: MIT */
/* Two trees side by side: which paths are not the same. Equal ids end a subtree at once. */
#include "merge/proofpart.h"

#include <string.h>

#include "base/buf.h"
#include "merge/part.h"

#define DEPTH_MAX 1024
#define PATH_MAX_BYTES (1 << 20)

struct walk {
	const struct ff_proof *what;
	ff_proof_differs_fn fn;
	void *arg;
	struct ff_buf path;
	uint64_t n_entries, max_entries;
	uint32_t depth, max_depth;
};

struct lent {
	const struct ff_merge_source *source;
	struct ff_merge_bytes bytes;
	struct ff_arena arena;
	struct ff_tree tree;
};

static void lent_fini(struct lent *l)
{
	if (l->bytes.data)
		l->source->release(l->source->arg, &l->bytes);
	ff_arena_fini(&l->arena);
}

static int read_tree(struct walk *w, const struct ff_merge_id *id, struct lent *ret, struct ff_err *err)
{
	const struct ff_merge_source *s = w->what->source;

	ret->source = s;
	if (ff_merge_id_absent(id))
		return 0;
	if (s->read_tree(s->arg, id, &ret->bytes, err) < 0)
		return -1;
	if (ff_tree_parse(&ret->arena, ret->bytes.data, ret->bytes.len, s->id_len, (size_t)(w->max_entries - w->n_entries),
			  &ret->tree, err) < 0)
		return -1;
	w->n_entries += ret->tree.n;
	return 0;
}

static struct ff_proof_entry entry(const struct walk *w, const struct ff_entry *e)
{
	struct ff_proof_entry out = { 0 };

	if (!e)
		return out;
	out.mode = e->mode;
	memcpy(out.id.b, e->id, w->what->source->id_len);
	return out;
}

static int compare(struct walk *w, const struct ff_merge_id *a, const struct ff_merge_id *b, struct ff_err *err);

/* One name; NULL: not on that side. A folder there is the empty one to the other side's file. */
static int differ(struct walk *w, const struct ff_entry *ea, const struct ff_entry *eb, struct ff_err *err)
{
	const struct ff_entry *any = ea ? ea : eb;
	struct ff_proof_entry a = entry(w, ea), b = entry(w, eb);
	const struct ff_merge_id none = { { 0 } };
	bool tree_a = FF_IS_TREE(a.mode), tree_b = FF_IS_TREE(b.mode);
	size_t len = w->path.len;
	int rc = 0;

	if (a.mode == b.mode && ff_merge_id_equal(&a.id, &b.id))
		return 0;
	if (len)
		(void)ff_buf_addc(&w->path, '/');
	(void)ff_buf_add(&w->path, any->name, any->len);
	if (w->path.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "a path of a tree is too long");
	if (tree_a || tree_b)
		rc = compare(w, tree_a ? &a.id : &none, tree_b ? &b.id : &none, err);
	if (rc == 0 && ((a.mode && !tree_a) || (b.mode && !tree_b))) {
		const struct ff_proof_entry nothing = { 0 };

		rc = w->fn(w->arg, w->path.data, tree_a ? &nothing : &a, tree_b ? &nothing : &b, err);
	}
	w->path.len = len;
	w->path.data[len] = '\0';
	return rc;
}

static int compare(struct walk *w, const struct ff_merge_id *a, const struct ff_merge_id *b, struct ff_err *err)
{
	FF_AUTO(lent_fini) struct lent la = { 0 }, lb = { 0 };
	size_t i = 0, j = 0;

	if (++w->depth > w->max_depth)
		return ff_err_set(err, FF_E_TOO_LARGE, "folders lie more than %u deep", w->max_depth);
	if (read_tree(w, a, &la, err) < 0 || read_tree(w, b, &lb, err) < 0)
		return -1;
	while (i < la.tree.n || j < lb.tree.n) {
		const struct ff_entry *ea = i < la.tree.n ? &la.tree.entries[i] : NULL;
		const struct ff_entry *eb = j < lb.tree.n ? &lb.tree.entries[j] : NULL;
		int order = !ea ? 1 : !eb ? -1 : ff_name_compare(ea->name, ea->len, eb->name, eb->len);

		if (differ(w, order <= 0 ? ea : NULL, order >= 0 ? eb : NULL, err) < 0)
			return -1;
		i += order <= 0;
		j += order >= 0;
	}
	w->depth--;
	return 0;
}

static void walk_fini(struct walk *w)
{
	ff_buf_fini(&w->path);
}

int ff_proof_compare(const struct ff_proof *what, const struct ff_merge_id *a, const struct ff_merge_id *b,
		     ff_proof_differs_fn fn, void *arg, struct ff_err *err)
{
	FF_AUTO(walk_fini) struct walk w = {
		.what = what, .fn = fn, .arg = arg,
		.max_entries = what->limits.max_tree_entries ? what->limits.max_tree_entries : 4000000,
		.max_depth = what->limits.max_depth ? what->limits.max_depth : DEPTH_MAX,
	};

	ff_buf_init(&w.path, PATH_MAX_BYTES);
	return ff_merge_id_equal(a, b) ? 0 : compare(&w, a, b, err);
}

int ff_proof_find(const struct ff_proof *what, const struct ff_merge_id *tree, const char *path,
		  struct ff_proof_entry *ret, struct ff_err *err)
{
	struct walk w = { .what = what, .max_entries = UINT32_MAX };
	struct ff_proof_entry at = { .mode = FF_MERGE_MODE_TREE, .id = *tree };

	for (const char *p = path; at.mode && *p; ) {
		const char *slash = strchr(p, '/');
		size_t n = slash ? (size_t)(slash - p) : strlen(p);
		FF_AUTO(lent_fini) struct lent l = { 0 };
		struct ff_proof_entry next = { 0 };

		if (FF_IS_TREE(at.mode) && read_tree(&w, &at.id, &l, err) < 0)
			return -1;
		for (size_t i = 0; i < l.tree.n; i++)
			if (ff_name_compare(l.tree.entries[i].name, l.tree.entries[i].len, p, n) == 0)
				next = entry(&w, &l.tree.entries[i]);
		at = next;
		p += n + (slash != NULL);
	}
	*ret = at;
	return 0;
}
