/* SPDX-License-Identifier: MIT */
/* See memsource.h. */
#include "tests/lib/memsource.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "merge/lines.h"

#define ID_LEN 20

struct memobject {
	struct ff_merge_id id;
	bool tree;
	char *data;
	size_t len;
	struct memobject *next;
};

static struct ff_merge_id id_of(bool tree, const char *data, size_t len)
{
	uint64_t h[3] = { 0x9e3779b97f4a7c15u + tree, 0xc2b2ae3d27d4eb4fu + len, 0x165667b19e3779f9u };
	struct ff_merge_id id = { { 0 } };

	for (size_t i = 0; i < len; i++)
		for (int k = 0; k < 3; k++)
			h[k] = (h[k] ^ (unsigned char)data[i]) * (0x100000001b3u + (uint64_t)k * 2);
	for (int i = 0; i < ID_LEN; i++)
		id.b[i] = (unsigned char)(h[i / 8] >> (i % 8 * 8));
	return id;
}

static struct memobject *find(const struct memsource *m, const struct ff_merge_id *id)
{
	for (struct memobject *o = m->objects; o; o = o->next)
		if (ff_merge_id_equal(&o->id, id))
			return o;
	return NULL;
}

static struct ff_merge_id put(struct memsource *m, bool tree, const void *data, size_t len)
{
	struct ff_merge_id id = id_of(tree, data, len);
	struct memobject *o = find(m, &id);

	if (o)
		return id;
	o = ff_calloc(1, sizeof *o);
	*o = (struct memobject){ .id = id, .tree = tree, .data = ff_memdup0(data, len), .len = len, .next = m->objects };
	m->objects = o;
	return id;
}

struct ff_merge_id memsource_blob(struct memsource *m, const void *data, size_t len)
{
	return put(m, false, data, len);
}

struct ff_merge_id memsource_tree_raw(struct memsource *m, const void *data, size_t len)
{
	return put(m, true, data, len);
}

const char *memsource_get(const struct memsource *m, const struct ff_merge_id *id, size_t *ret_len)
{
	const struct memobject *o = find(m, id);

	if (o)
		*ret_len = o->len;
	return o ? o->data : NULL;
}

/* --- the source */

static int read_any(struct memsource *m, bool tree, const struct ff_merge_id *id, struct ff_merge_bytes *ret,
		    struct ff_err *err)
{
	struct memobject *o = find(m, id);

	if (!o)
		return ff_err_set(err, FF_E_NOT_FOUND, "no such object");
	if (o->tree != tree)
		return ff_err_set(err, FF_E_GIT, "another kind of object");
	*ret = (struct ff_merge_bytes){ (const unsigned char *)o->data, o->len, o };
	m->n_lent++;
	m->n_read++;
	return 0;
}

static int read_tree(void *m, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	return read_any(m, true, id, ret, err);
}

static int read_blob(void *m, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	return read_any(m, false, id, ret, err);
}

static int blob_size(void *arg, const struct ff_merge_id *id, uint64_t *ret, struct ff_err *err)
{
	struct memsource *m = arg;
	struct memobject *o = find(m, id);

	if (!o || o->tree)
		return ff_err_set(err, FF_E_NOT_FOUND, "no such blob");
	*ret = m->lies ? 1 : o->len;
	return 0;
}

static void release(void *arg, struct ff_merge_bytes *bytes)
{
	struct memsource *m = arg;

	if (bytes->hold)
		m->n_lent--;
	*bytes = (struct ff_merge_bytes){ NULL, 0, NULL };
}

static int write_tree(void *arg, const void *data, size_t len, struct ff_merge_id *ret, struct ff_err *err)
{
	struct memsource *m = arg;

	(void)err;
	m->n_written++;
	*ret = put(m, true, data, len);
	return 0;
}

static int write_blob(void *arg, const void *data, size_t len, struct ff_merge_id *ret, struct ff_err *err)
{
	struct memsource *m = arg;

	(void)err;
	m->n_written++;
	*ret = put(m, false, data, len);
	return 0;
}

void memsource_init(struct memsource *m, struct ff_merge_source *ret)
{
	*m = (struct memsource){ NULL };
	*ret = (struct ff_merge_source){ .arg = m, .id_len = ID_LEN, .read_tree = read_tree, .read_blob = read_blob,
					 .blob_size = blob_size, .release = release, .write_tree = write_tree,
					 .write_blob = write_blob };
}

void memsource_fini(struct memsource *m)
{
	struct memobject *next;

	for (struct memobject *o = m->objects; o; o = next) {
		next = o->next;
		ff_free(&o->data);
		ff_free(&o);
	}
	*m = (struct memsource){ NULL };
}

/* --- trees from text and back */

struct file {
	char *path;
	char mode[7];
	struct ff_merge_id id;
};
struct files {
	struct file *list;
	size_t n;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static struct ff_merge_id content(struct memsource *m, const char *s, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, n + 1);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 1 < n) {
			i++;
			(void)ff_buf_addc(&out, s[i] == 'n' ? '\n' : s[i] == '0' ? '\0' : s[i]);
		} else {
			(void)ff_buf_addc(&out, s[i]);
		}
	}
	return put(m, false, out.data, out.len);
}

static void parse_line(struct memsource *m, struct files *f, const char *line, size_t n)
{
	const char *eq = memchr(line, '=', n);
	struct file *to;

	ff_assert(eq);
	f->list = ff_realloc(f->list, f->n + 1, sizeof *f->list);
	to = &f->list[f->n++];
	*to = (struct file){ .mode = "100644", .id = content(m, eq + 1, n - (size_t)(eq + 1 - line)) };
	if (eq - line > 7 && line[6] == ':' && line[0] == '1') {
		memcpy(to->mode, line, 6);
		line += 7;
	}
	to->path = ff_memdup0(line, (size_t)(eq - line));
}

/*
 * n files, sorted by path, that lie in one folder whose path has `skip` bytes.
 * Sorted by path is git's order: a folder sorts as if its name ended in a slash.
 */
static struct ff_merge_id build(struct memsource *m, const struct file *f, size_t n, size_t skip)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, (size_t)1 << 24);
	for (size_t i = 0; i < n;) {
		const char *name = f[i].path + skip, *slash = strchr(name, '/');
		size_t len = slash ? (size_t)(slash - name) + 1 : strlen(name), k = i + 1;
		struct ff_merge_id id = f[i].id;

		if (slash) {
			while (k < n && strncmp(f[k].path + skip, name, len) == 0)
				k++;
			id = build(m, f + i, k - i, skip + len);
		}
		(void)ff_buf_adds(&out, slash ? "40000" : f[i].mode);
		(void)ff_buf_addc(&out, ' ');
		(void)ff_buf_add(&out, name, slash ? len - 1 : len);
		(void)ff_buf_addc(&out, '\0');
		(void)ff_buf_add(&out, id.b, ID_LEN);
		i = k;
	}
	return put(m, true, out.data, out.len);
}

struct ff_merge_id memsource_tree(struct memsource *m, const char *lines)
{
	struct files f = { NULL, 0 };
	struct ff_merge_id id;

	for (const char *nl; *lines; lines = nl + 1) {
		nl = strchr(lines, '\n');
		ff_assert(nl);
		parse_line(m, &f, lines, (size_t)(nl - lines));
	}
	if (f.n > 1)
		qsort(f.list, f.n, sizeof *f.list, by_path);
	id = build(m, f.list, f.n, 0);
	for (size_t i = 0; i < f.n; i++)
		ff_free(&f.list[i].path);
	ff_free(&f.list);
	return id;
}

static void add_content(const struct memsource *m, const struct ff_merge_id *id, struct ff_buf *out)
{
	size_t len;
	const char *s = memsource_get(m, id, &len);

	for (size_t i = 0; s && i < len; i++) {
		if (s[i] == '\n')
			(void)ff_buf_adds(out, "\\n");
		else if (s[i] == '\0')
			(void)ff_buf_adds(out, "\\0");
		else
			(void)ff_buf_addc(out, s[i]);
	}
}

static void add_tree(const struct memsource *m, const struct ff_merge_id *tree, const char *prefix, struct ff_buf *out)
{
	size_t len = 0;
	const char *s = memsource_get(m, tree, &len), *end = s + len;

	while (s && s < end) {
		const char *name = (const char *)memchr(s, ' ', (size_t)(end - s)) + 1;
		struct ff_merge_id id = { { 0 } };
		FF_AUTO(ff_free) char *path = ff_asprintf("%s%s", prefix, name);

		memcpy(id.b, name + strlen(name) + 1, ID_LEN);
		if (*s == '4') {
			FF_AUTO(ff_free) char *inner = ff_asprintf("%s/", path);

			add_tree(m, &id, inner, out);
		} else {
			if (strncmp(s, "100644", 6) != 0)
				(void)ff_buf_addf(out, "%.6s:", s);
			(void)ff_buf_addf(out, "%s=", path);
			add_content(m, &id, out);
			(void)ff_buf_addc(out, '\n');
		}
		s = name + strlen(name) + 1 + ID_LEN;
	}
}

char *memsource_text(const struct memsource *m, const struct ff_merge_id *tree)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, (size_t)1 << 24);
	add_tree(m, tree, "", &out);
	return ff_buf_take(&out);
}

/* --- text */

static int all_changed(void *arg, const char *a, size_t a_len, const char *b, size_t b_len, unsigned char *a_changed,
		       unsigned char *b_changed, struct ff_err *err)
{
	size_t line = 0;

	(void)arg;
	(void)err;
	for (size_t i = 0; i < a_len; i++)
		if (a[i] == '\n' || i + 1 == a_len)
			a_changed[line++] = 1;
	line = 0;
	for (size_t i = 0; i < b_len; i++)
		if (b[i] == '\n' || i + 1 == b_len)
			b_changed[line++] = 1;
	return 0;
}

int memsource_merge_text(void *arg, const struct ff_merge_text *what, struct ff_merge_text_result *ret,
			 struct ff_err *err)
{
	return ff_merge_lines(what, all_changed, arg, ret, err);
}
