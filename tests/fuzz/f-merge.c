/* SPDX-License-Identifier: MIT */
/*
 * Merges of small trees: the input is three lists of "PATH=CONTENT" lines (see
 * tests/lib/memsource.h), a line "--" between them.  Renames, folders in the
 * way, attributes.  Held against what must be true of every merge: the same
 * answer twice, a file that no side touched stays, and what is merged into
 * nothing is itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/lib/memsource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path that a tree may have, or nothing; files and folders of one name are kept apart by the caller's check. */
static bool path_good(const char *p, size_t n)
{
	if (n == 0 || n > 200 || p[0] == '/' || p[n - 1] == '/' || memchr(p, '\0', n) || memmem(p, n, "//", 2))
		return false;
	return true;
}

static bool clashes(const struct ff_buf *list, const char *path, size_t n)
{
	for (const char *line = list->data, *nl; (nl = strchr(line, '\n')); line = nl + 1) {
		const char *p = line[0] == '1' && strlen(line) > 7 && line[6] == ':' ? line + 7 : line;
		size_t len = strcspn(p, "=\n"), least = len < n ? len : n;

		if (memcmp(p, path, least) == 0 && (len == n || (len < n ? path[len] : p[n]) == '/'))
			return true;
	}
	return false;
}

static void take_line(struct ff_buf *list, const char *line, size_t n)
{
	static const char *const modes[] = { "", "100755:", "120000:", "160000:" };
	const char *eq = memchr(line, '=', n), *path = line, *mode = modes[0];

	if (!eq)
		return;
	for (size_t i = 1; i < FF_ARRAY_LEN(modes); i++)
		if (n > 7 && memcmp(line, modes[i], 7) == 0) {
			mode = modes[i];
			path = line + 7;
		}
	if (eq <= path || !path_good(path, (size_t)(eq - path)) || clashes(list, path, (size_t)(eq - path)) ||
	    memchr(eq, '\0', n - (size_t)(eq - line)) || (path[0] == '1' && eq - path > 6 && path[6] == ':'))
		return;
	(void)ff_buf_adds(list, mode);
	(void)ff_buf_add(list, path, n - (size_t)(path - line));
	(void)ff_buf_addc(list, '\n');
}

static const char *take_list(struct ff_buf *list, const char *p, const char *end)
{
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

		if (stop - p == 2 && memcmp(p, "--", 2) == 0)
			return nl ? nl + 1 : end;
		take_line(list, p, (size_t)(stop - p));
		p = nl ? nl + 1 : end;
	}
	return end;
}

static void check(struct memsource *m, const struct ff_merge *what)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result one = { 0 }, two = { 0 };
	struct ff_err err = { 0 };

	ff_assert(ff_merge(what, &one, &err) == 0 && ff_merge(what, &two, &err) == 0);
	ff_assert(one.clean == two.clean && one.hard == two.hard && one.n_conflicts == two.n_conflicts);
	ff_assert(ff_merge_id_equal(&one.tree, &two.tree) && one.clean == (one.n_conflicts == 0));
	for (size_t i = 0; i < one.n_conflicts; i++)
		ff_assert(strcmp(one.conflicts[i].path, two.conflicts[i].path) == 0);
	if (!one.hard) {
		FF_AUTO(ff_free) char *text = memsource_text(m, &one.tree);

		ff_assert(!one.clean || !strstr(text, "untouched=") == !strstr(text, "untouched=same"));
	}
	ff_assert(m->n_lent == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	struct ff_merge_source source;
	struct memsource m;
	struct ff_merge what = { .source = &source, .text = memsource_merge_text };
	struct ff_merge_id *to[3] = { &what.base, &what.target, &what.change };

	if (size > 4096)
		return 0;
	memsource_init(&m, &source);
	for (int i = 0; i < 3; i++) {
		FF_AUTO(ff_buf_fini) struct ff_buf list;

		ff_buf_init(&list, 65536);
		(void)ff_buf_adds(&list, "untouched=same\n");
		p = take_list(&list, p, end);
		*to[i] = memsource_tree(&m, list.data);
	}
	what.attributes = what.target;
	check(&m, &what);
	what.attributes = (struct ff_merge_id){ { 0 } };
	what.change = what.base;
	check(&m, &what);
	memsource_fini(&m);
	return 0;
}
