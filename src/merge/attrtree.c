/* SPDX-License-Identifier: MIT */
/*
 * The part of gitattributes(5) that says how a file is merged: `merge`,
 * `conflict-marker-size`, macros that set them (`binary` is one), from the
 * .gitattributes files of one tree.  The deepest file and its last line win.
 */
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "merge/attr.h"

#define MARKER_SIZE 7

/* --- asking */

/* A folder of the tree, with the rules of its .gitattributes. */
struct ff_attr_dir {
	const char *name;
	size_t len;
	struct ff_attr_dir *parent, *kids, *next;
	const struct ff_tree *tree; /* NULL: there is no such folder */
	const struct ff_attr_rules *rules;
};

/* What is known so far of each attribute; the first word counts. */
struct known {
	const char *name;
	const struct ff_attr_setting *setting;
	struct known *next;
};
struct question {
	struct ff_run *run;
	const struct ff_attr_rules *root; /* macros are defined there */
	struct known *known;
};

static const struct ff_attr_setting *known(const struct question *q, const char *name)
{
	for (const struct known *k = q->known; k; k = k->next)
		if (strcmp(k->name, name) == 0)
			return k->setting;
	return NULL;
}

static struct ff_attr_setting *macro_of(const struct question *q, const char *name)
{
	static struct ff_attr_setting binary = { .name = "merge", .is = FF_ATTR_FALSE };

	for (const struct ff_attr_rule *r = q->root ? q->root->last : NULL; r; r = r->before)
		if (r->macro && strcmp(r->macro, name) == 0)
			return r->last;
	return strcmp(name, "binary") == 0 ? &binary : NULL;
}

/* Macros open into what they say, each at most once, so that one that names itself ends. */
static void learn(struct question *q, const struct ff_attr_setting *s, unsigned depth)
{
	for (; s; s = s->before) {
		struct known *k;

		if (known(q, s->name))
			continue;
		k = ff_arena_alloc(&q->run->arena, sizeof *k);
		*k = (struct known){ s->name, s, q->known };
		q->known = k;
		if (s->is == FF_ATTR_TRUE && depth < 100)
			learn(q, macro_of(q, s->name), depth + 1);
	}
}

static const struct ff_entry *entry_named(const struct ff_tree *tree, const char *name, size_t len)
{
	size_t low = 0, high = tree ? tree->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct ff_entry *e = &tree->entries[mid];
		int rc = ff_name_compare(e->name, e->len, name, len);

		if (rc == 0)
			return e;
		if (rc < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int read_rules(struct ff_run *run, struct ff_attr_dir *dir, struct ff_err *err)
{
	static const char name[] = ".gitattributes";
	const struct ff_entry *e = entry_named(dir->tree, name, sizeof name - 1);
	const struct ff_merge_source *s = run->source;
	struct ff_merge_bytes bytes = { 0 };
	struct ff_merge_id id;
	uint64_t size;

	if (!e || !FF_IS_FILE(e->mode))
		return 0;
	id = ff_run_id(run, e->id);
	if (s->blob_size(s->arg, &id, &size, err) < 0)
		return -1;
	if (size > FF_ATTR_FILE_MAX)
		return 0;
	if (s->read_blob(s->arg, &id, &bytes, err) < 0)
		return -1;
	dir->rules = ff_attr_parse(&run->arena, (const char *)bytes.data, bytes.len);
	s->release(s->arg, &bytes);
	return 0;
}

static int enter(struct ff_run *run, struct ff_attr_dir *parent, const char *name, size_t len,
		 struct ff_attr_dir **ret, struct ff_err *err)
{
	struct ff_attr_dir *dir;
	const struct ff_entry *e;

	for (dir = parent->kids; dir; dir = dir->next)
		if (dir->len == len && memcmp(dir->name, name, len) == 0) {
			*ret = dir;
			return 0;
		}
	dir = ff_arena_alloc(&run->arena, sizeof *dir);
	*dir = (struct ff_attr_dir){ .name = ff_arena_dup0(&run->arena, name, len), .len = len,
				     .parent = parent, .next = parent->kids };
	e = entry_named(parent->tree, name, len);
	if (e && FF_IS_TREE(e->mode) &&
	    (ff_run_tree(run, e->id, &dir->tree, err) < 0 || read_rules(run, dir, err) < 0))
		return -1;
	parent->kids = dir;
	*ret = dir;
	return 0;
}

static int root_of(struct ff_run *run, struct ff_err *err)
{
	struct ff_attr_dir *dir;

	if (run->attrs)
		return 0;
	dir = ff_arena_alloc(&run->arena, sizeof *dir);
	if (ff_run_tree(run, run->what->attributes.b, &dir->tree, err) < 0)
		return -1;
	if (read_rules(run, dir, err) < 0)
		return -1;
	run->attrs = dir;
	return 0;
}

static enum ff_attr_merge merge_of(const struct ff_attr_setting *s)
{
	if (!s || s->is == FF_ATTR_TRUE || s->is == FF_ATTR_UNSET)
		return FF_ATTR_TEXT;
	if (s->is == FF_ATTR_FALSE || strcmp(s->value, "binary") == 0)
		return FF_ATTR_BINARY;
	if (strcmp(s->value, "union") == 0)
		return FF_ATTR_UNION;
	return strcmp(s->value, "text") == 0 ? FF_ATTR_TEXT : FF_ATTR_DRIVER;
}

static int marker_size_of(const struct ff_attr_setting *s)
{
	int64_t size;

	if (!s || s->is != FF_ATTR_VALUE || ff_num_i64(s->value, 1, 1000, &size) < 0)
		return MARKER_SIZE;
	return (int)size;
}

int ff_attr_of(struct ff_run *run, const char *path, struct ff_attr_value *ret, struct ff_err *err)
{
	struct question q = { .run = run };
	struct ff_attr_dir *dir;

	*ret = (struct ff_attr_value){ FF_ATTR_TEXT, MARKER_SIZE };
	if (ff_merge_id_absent(&run->what->attributes))
		return 0;
	if (root_of(run, err) < 0)
		return -1;
	dir = run->attrs;
	q.root = dir->rules;
	for (const char *p = path, *slash; (slash = strchr(p, '/')); p = slash + 1)
		if (enter(run, dir, p, (size_t)(slash - p), &dir, err) < 0)
			return -1;
	for (size_t skip = strlen(path); dir; dir = dir->parent) {
		/* The path as seen from that folder: behind its last slash, then one component more each time. */
		while (skip && path[skip - 1] != '/')
			skip--;
		for (const struct ff_attr_rule *r = dir->rules ? dir->rules->last : NULL; r; r = r->before)
			if (r->pattern && ff_attr_matches(r->pattern, path + skip))
				learn(&q, r->last, 0);
		if (skip)
			skip--;
	}
	ret->merge = merge_of(known(&q, "merge"));
	ret->marker_size = marker_size_of(known(&q, "conflict-marker-size"));
	return 0;
}

/* --- one file of it */

static bool says_how_to_merge(const struct ff_attr_rules *rules)
{
	for (const struct ff_attr_rule *r = rules ? rules->last : NULL; r; r = r->before)
		for (const struct ff_attr_setting *s = r->last; s; s = s->before)
			if (r->macro || strcmp(s->name, "merge") == 0 || strcmp(s->name, "binary") == 0 ||
			    strcmp(s->name, "conflict-marker-size") == 0)
				return true;
	return false;
}

static void add_quoted(struct ff_buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			(void)ff_buf_addc(out, '\\');
		if (c < ' ' || c == 0x7f)
			(void)ff_buf_addf(out, "\\%03o", c);
		else
			(void)ff_buf_addc(out, *s);
	}
}

/* The folder's path, so that no byte of it means more than itself. */
static void add_prefix(struct ff_buf *out, const struct ff_attr_dir *dir)
{
	if (!dir->parent)
		return;
	add_prefix(out, dir->parent);
	(void)ff_buf_addc(out, '/');
	for (const char *p = dir->name; *p; p++) {
		char one[3] = { '\\', *p, '\0' };

		add_quoted(out, strchr("*?[\\", *p) ? one : one + 1);
	}
}

static void add_pattern(struct ff_buf *out, const struct ff_attr_dir *dir, const char *pattern)
{
	(void)ff_buf_addc(out, '"');
	add_prefix(out, dir);
	if (dir->parent)
		(void)ff_buf_adds(out, strchr(pattern, '/') ? "/" : "/**/");
	add_quoted(out, dir->parent && *pattern == '/' ? pattern + 1 : pattern);
	(void)ff_buf_addc(out, '"');
}

static void add_settings(struct ff_buf *out, const struct ff_attr_setting *s)
{
	if (!s)
		return;
	add_settings(out, s->before);
	(void)ff_buf_addf(out, " %s%s", s->is == FF_ATTR_FALSE ? "-" : s->is == FF_ATTR_UNSET ? "!" : "", s->name);
	if (s->is == FF_ATTR_VALUE)
		(void)ff_buf_addf(out, "=%s", s->value);
}

static void add_rules(struct ff_buf *out, const struct ff_attr_dir *dir, const struct ff_attr_rule *r)
{
	if (!r)
		return;
	add_rules(out, dir, r->before);
	if (r->macro && dir->parent)
		return; /* git knows macros of the top alone */
	if (r->macro)
		(void)ff_buf_addf(out, "[attr]%s", r->macro);
	else
		add_pattern(out, dir, r->pattern);
	add_settings(out, r->last);
	(void)ff_buf_addc(out, '\n');
}

static bool add_dir(struct ff_buf *out, const struct ff_attr_dir *dir)
{
	bool matter = says_how_to_merge(dir->rules);

	add_rules(out, dir, dir->rules ? dir->rules->last : NULL);
	for (const struct ff_attr_dir *k = dir->kids; k; k = k->next)
		matter |= add_dir(out, k);
	return matter;
}

int ff_attr_flat(struct ff_run *run, char **ret, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, FF_ATTR_FILE_MAX);
	*ret = NULL;
	if (ff_merge_id_absent(&run->what->attributes))
		return 0;
	if (root_of(run, err) < 0)
		return -1;
	if (add_dir(&out, run->attrs) && !out.overflow)
		*ret = ff_buf_take(&out);
	return 0;
}
