/* SPDX-License-Identifier: MIT */
/* See words.h. */
#include "merge/words.h"

#include <string.h>

#include "base/mem.h"

static uint32_t hash_of(const char *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 16777619u;
	return h ^ h >> 15;
}

static void grow(struct ff_words *w)
{
	uint32_t size = w->mask ? (w->mask + 1) * 2 : 256;

	ff_free(&w->slots);
	w->slots = ff_calloc(size, sizeof *w->slots);
	w->mask = size - 1;
	for (uint32_t i = 0; i < w->n; i++) {
		uint32_t at = w->words[i].hash & w->mask;

		while (w->slots[at])
			at = (at + 1) & w->mask;
		w->slots[at] = i + 1;
	}
}

uint32_t ff_words_id(struct ff_words *w, const char *p, size_t n)
{
	uint32_t hash = hash_of(p, n), at;

	if (w->n * 2 >= w->mask)
		grow(w);
	for (at = hash & w->mask; w->slots[at]; at = (at + 1) & w->mask) {
		const struct ff_word *had = &w->words[w->slots[at] - 1];

		if (had->hash == hash && had->n == n && memcmp(had->p, p, n) == 0)
			return w->slots[at] - 1;
	}
	if (w->n == w->room) {
		w->room = w->room ? w->room * 2 : 128;
		w->words = ff_realloc(w->words, w->room, sizeof *w->words);
	}
	w->words[w->n] = (struct ff_word){ p, (uint32_t)n, hash };
	w->slots[at] = ++w->n;
	return w->n - 1;
}

static bool word_byte(char c)
{
	unsigned char u = (unsigned char)c;

	return (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') || (u >= 'a' && u <= 'z') || u == '_' || u >= 0x80;
}

bool ff_words_is_word(const struct ff_words *w, uint32_t id)
{
	return w->words[id].n && word_byte(w->words[id].p[0]);
}

void ff_words_fini(struct ff_words *w)
{
	ff_free(&w->words);
	ff_free(&w->slots);
	*w = (struct ff_words){ 0 };
}

void ff_ids_add(struct ff_ids *list, uint32_t id)
{
	if (list->n == list->room) {
		list->room = list->room ? list->room * 2 : 16;
		list->ids = ff_realloc(list->ids, list->room, sizeof *list->ids);
	}
	list->ids[list->n++] = id;
}

void ff_ids_fini(struct ff_ids *list)
{
	ff_free(&list->ids);
	*list = (struct ff_ids){ 0 };
}

bool ff_words_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

const char *ff_words_token_end(const char *p, const char *end)
{
	if (!word_byte(*p))
		return p + 1;
	while (p < end && word_byte(*p))
		p++;
	return p;
}

void ff_words_tokens(struct ff_words *w, const char *p, size_t n, struct ff_ids *list)
{
	const char *end = p + n, *to;

	for (; p < end; p = to) {
		to = p + 1;
		if (ff_words_blank(*p))
			continue;
		to = ff_words_token_end(p, end);
		ff_ids_add(list, ff_words_id(w, p, (size_t)(to - p)));
	}
}

uint32_t ff_ids_count(const struct ff_ids *list, uint32_t id)
{
	uint32_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += list->ids[i] == id;
	return n;
}

bool ff_ids_equal(const struct ff_ids *a, const struct ff_ids *b)
{
	return a->n == b->n && (!a->n || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) == 0);
}

size_t ff_ids_common(const struct ff_ids *a, const struct ff_ids *b)
{
	size_t common = 0;

	for (size_t i = 0; i < a->n; i++) {
		uint32_t before = 0;

		for (size_t j = 0; j < i; j++)
			before += a->ids[j] == a->ids[i];
		common += ff_ids_count(b, a->ids[i]) > before;
	}
	return common;
}

bool ff_words_like(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a_len && ff_words_blank(a[i]))
			i++;
		while (j < b_len && ff_words_blank(b[j]))
			j++;
		if (i == a_len || j == b_len)
			return i == a_len && j == b_len;
		if (a[i++] != b[j++])
			return false;
	}
}
