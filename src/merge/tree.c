/* SPDX-License-Identifier: MIT */
/*
 * Tree objects: "MODE SP NAME NUL id" again and again.  These bytes come from
 * whoever could push.  What git itself would refuse to read is refused;
 * odd modes are brought into shape as git does when it reads them.
 */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

int ff_name_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int rc = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return rc ? rc : a_len < b_len ? -1 : a_len > b_len;
}

/* So many places an entry may be from where it belongs, on average, before that is no order at all. */
#define NEAR 16

void ff_sort_near(void *list, size_t n, size_t size, ff_sort_fn compare)
{
	size_t moves = 0;
	char *at = list, kept[64];

	ff_assert(size <= sizeof kept);
	for (size_t i = 1; i < n; i++) {
		size_t k = i;

		while (k && compare(at + (k - 1) * size, at + i * size) > 0)
			k--;
		if (k == i)
			continue;
		moves += i - k;
		if (moves > NEAR * n) {
			qsort(list, n, size, compare);
			return;
		}
		memcpy(kept, at + i * size, size);
		memmove(at + (k + 1) * size, at + k * size, (i - k) * size);
		memcpy(at + k * size, kept, size);
	}
}

static int by_name(const void *pa, const void *pb)
{
	const struct ff_entry *a = pa, *b = pb;

	return ff_name_compare(a->name, a->len, b->name, b->len);
}

static uint32_t in_shape(uint32_t mode)
{
	if (FF_IS_FILE(mode))
		return mode & 0100u ? FF_MERGE_MODE_EXEC : FF_MERGE_MODE_FILE;
	if (FF_IS_LINK(mode))
		return FF_MERGE_MODE_LINK;
	if (FF_IS_TREE(mode))
		return FF_MERGE_MODE_TREE;
	return FF_MERGE_MODE_SUBMODULE;
}

/* The digits up to the space; NULL when there are none, or too many. */
static const unsigned char *read_mode(const unsigned char *p, const unsigned char *end, uint32_t *ret)
{
	const unsigned char *start = p;
	uint32_t mode = 0;

	for (; p < end && *p != ' '; p++) {
		if (*p < '0' || *p > '7' || p - start > 6)
			return NULL;
		mode = mode << 3 | (uint32_t)(*p - '0');
	}
	if (p == end || p == start || mode == 0)
		return NULL;
	*ret = mode;
	return p + 1;
}

/* One entry, or NULL with the reason. */
static const unsigned char *read_entry(const unsigned char *p, const unsigned char *end, size_t id_len,
				       struct ff_entry *ret, const char **ret_why)
{
	const unsigned char *nul;

	p = read_mode(p, end, &ret->mode);
	*ret_why = "a malformed mode";
	if (!p)
		return NULL;
	nul = memchr(p, '\0', (size_t)(end - p));
	*ret_why = "a cut entry";
	if (!nul || (size_t)(end - nul - 1) < id_len)
		return NULL;
	ret->name = (const char *)p;
	ret->len = (uint32_t)(nul - p);
	ret->id = nul + 1;
	*ret_why = "an empty name, or one with a slash";
	if (!ret->len || memchr(p, '/', ret->len))
		return NULL;
	return nul + 1 + id_len;
}

/* At most that many entries: none is shorter than "1 x" and its NUL and id. */
static size_t entries_at_most(size_t len, size_t id_len)
{
	return len / (id_len + 4);
}

int ff_tree_parse(struct ff_arena *arena, const void *data, size_t len, size_t id_len, size_t max_entries,
		  struct ff_tree *ret, struct ff_err *err)
{
	const unsigned char *p = data, *end = p + len;
	size_t room = entries_at_most(len, id_len);
	struct ff_tree t = { 0 };
	bool sorted = true;
	const char *why;

	if (len > INT32_MAX || room / 4 > max_entries)
		return ff_err_set(err, FF_E_TOO_LARGE, "a tree of %zu bytes is too large to be merged", len);
	t.entries = ff_arena_array(arena, room + 1, sizeof *t.entries);
	while (p < end) {
		struct ff_entry *e = &t.entries[t.n];
		uint32_t mode;

		p = read_entry(p, end, id_len, e, &why);
		if (!p)
			return ff_err_set(err, FF_E_INVALID, "a tree has %s", why);
		mode = in_shape(e->mode);
		t.odd |= mode != e->mode;
		e->mode = mode;
		sorted &= t.n == 0 || by_name(e - 1, e) < 0;
		t.n++;
	}
	if (t.n > max_entries)
		return ff_err_set(err, FF_E_TOO_LARGE, "there are more than %zu entries to look at", max_entries);
	if (!sorted) {
		ff_sort_near(t.entries, t.n, sizeof *t.entries, by_name);
		for (size_t i = 1; i < t.n; i++)
			if (by_name(&t.entries[i - 1], &t.entries[i]) == 0)
				return ff_err_set(err, FF_E_INVALID, "a tree has a name twice");
	}
	*ret = t;
	return 0;
}
