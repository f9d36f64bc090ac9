/* SPDX-License-Identifier: MIT */
/*
 * Splitting texts into lines, and giving equal lines equal numbers: one hash
 * table for the three texts of a merge.
 */
#include "merge/lines.h"

#include <inttypes.h>
#include <string.h>

#define MAX_BYTES ((size_t)INT32_MAX)
#define MAX_LINES 16000000 /* of the three texts together: some 60 bytes of memory for each */

static uint32_t count_lines(const char *data, size_t len)
{
	const char *end = data + len, *p = data;
	uint32_t n = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		n++;
		p = nl ? nl + 1 : end;
	}
	return n;
}

static void split(struct ff_lines *text)
{
	const char *end = text->data + text->len, *p = text->data;
	uint32_t n = 0;

	text->start = ff_calloc((size_t)text->n + 1, sizeof *text->start);
	text->class = ff_calloc(text->n, sizeof *text->class);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		text->start[n++] = (uint32_t)(p - text->data);
		p = nl ? nl + 1 : end;
	}
	text->start[n] = (uint32_t)text->len;
}

/* Fast, and no more: whoever chooses lines that collide makes his own merge slow. */
static uint32_t hash_line(const char *p, size_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ n;

	for (; n >= 8; p += 8, n -= 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	while (n--)
		h = (h ^ (unsigned char)*p++) * 0x100000001b3u;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32);
}

/* Classes by hash, and of each class the first line that is in it. */
struct class_slot {
	uint32_t hash, class; /* class counted from 1; 0: free */
};
struct class_line {
	const char *line;
	uint32_t len;
};
struct class_table {
	struct class_slot *slots;
	size_t mask;
	struct class_line *lines;
	size_t room;
	uint32_t n;
};

static uint32_t class_new(struct class_table *t, const char *line, uint32_t len)
{
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 256;
		t->lines = ff_realloc(t->lines, t->room, sizeof *t->lines);
	}
	t->lines[t->n] = (struct class_line){ line, len };
	return t->n++;
}

static uint32_t class_of(struct class_table *t, const char *line, uint32_t len)
{
	uint32_t hash = hash_line(line, len);
	size_t at = hash & t->mask;

	for (; t->slots[at].class; at = (at + 1) & t->mask) {
		const struct class_line *l = &t->lines[t->slots[at].class - 1];

		if (t->slots[at].hash == hash && l->len == len && memcmp(l->line, line, len) == 0)
			return t->slots[at].class - 1;
	}
	t->slots[at] = (struct class_slot){ hash, class_new(t, line, len) + 1 };
	return t->slots[at].class - 1;
}

static void classify(struct ff_lines_set *set)
{
	size_t lines = (size_t)set->text[0].n + set->text[1].n + set->text[2].n, size = 64;
	struct class_table t = { 0 };

	while (size < lines * 2)
		size *= 2;
	t.slots = ff_calloc(size, sizeof *t.slots);
	t.mask = size - 1;
	for (int i = 0; i < 3; i++) {
		struct ff_lines *x = &set->text[i];

		for (uint32_t l = 0; l < x->n; l++)
			x->class[l] = class_of(&t, x->data + x->start[l], x->start[l + 1] - x->start[l]);
	}
	set->n_classes = t.n;
	ff_free(&t.slots);
	ff_free(&t.lines);
}

int ff_lines_split(const struct ff_merge_bytes *const texts[3], struct ff_lines_set *ret_set, struct ff_err *err)
{
	struct ff_lines_set set = { 0 };
	uint64_t lines = 0;

	for (int i = 0; i < 3; i++) {
		if (texts[i]->len > MAX_BYTES)
			return ff_err_set(err, FF_E_TOO_LARGE, "a text of %zu bytes is too large to be merged by line",
					  texts[i]->len);
		set.text[i].data = texts[i]->len ? (const char *)texts[i]->data : "";
		set.text[i].len = texts[i]->len;
		set.text[i].n = count_lines(set.text[i].data, set.text[i].len);
		lines += set.text[i].n;
	}
	if (lines > MAX_LINES)
		return ff_err_set(err, FF_E_TOO_LARGE, "texts of %" PRIu64 " lines are too long to be merged", lines);
	for (int i = 0; i < 3; i++)
		split(&set.text[i]);
	classify(&set);
	*ret_set = set;
	return 0;
}

void ff_lines_set_fini(struct ff_lines_set *set)
{
	for (int i = 0; i < 3; i++) {
		ff_free(&set->text[i].start);
		ff_free(&set->text[i].class);
	}
	*set = (struct ff_lines_set){ 0 };
}
