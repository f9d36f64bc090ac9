/* SPDX-License-Identifier: MIT */
/*
 * Splitting texts into lines, and giving equal lines equal numbers: one hash
 * table for the three texts of a merge.  The three are mostly alike, and what
 * a text shares with the first one at its begin and its end is copied from
 * there: only the lines between are looked for and hashed.
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

/* Lines from `first` on, which begin at byte `at`; returns how many there are up to byte `end`. */
static uint32_t split_part(struct ff_lines *text, uint32_t first, size_t at, size_t end)
{
	const char *p = text->data + at, *stop = text->data + end;
	uint32_t n = first;

	while (p < stop) {
		const char *nl = memchr(p, '\n', (size_t)(stop - p));

		text->start[n++] = (uint32_t)(p - text->data);
		p = nl ? nl + 1 : stop;
	}
	return n - first;
}

/* --- what two texts share */

/* Lines that are the same in a text and in the one that it is held against, at the begin and at the end. */
struct shared {
	uint32_t head, tail;
};

static size_t same_bytes(const char *a, const char *b, size_t most)
{
	size_t n = 0;
	uint64_t x, y;

	for (; n + sizeof x <= most; n += sizeof x) {
		memcpy(&x, a + n, sizeof x);
		memcpy(&y, b + n, sizeof y);
		if (x != y)
			break;
	}
	while (n < most && a[n] == b[n])
		n++;
	return n;
}

/* The same from the end; a and b point behind it. */
static size_t same_bytes_back(const char *a, const char *b, size_t most)
{
	size_t n = 0;
	uint64_t x, y;

	for (; n + sizeof x <= most; n += sizeof x) {
		memcpy(&x, a - n - sizeof x, sizeof x);
		memcpy(&y, b - n - sizeof y, sizeof y);
		if (x != y)
			break;
	}
	while (n < most && a[-1 - (ptrdiff_t)n] == b[-1 - (ptrdiff_t)n])
		n++;
	return n;
}

/* The first line that begins at that byte or behind it; n when there is none. */
static uint32_t line_from(const struct ff_lines *text, size_t byte)
{
	uint32_t low = 0, high = text->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (text->start[mid] >= byte)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* `with` is split already. A last line that does not end counts at the end alone. */
static struct shared share(const struct ff_lines *text, const struct ff_lines *with)
{
	size_t shorter = text->len < with->len ? text->len : with->len, bytes, head_end;
	struct shared s;

	bytes = same_bytes(text->data, with->data, shorter);
	while (bytes && with->data[bytes - 1] != '\n')
		bytes--;
	s.head = line_from(with, bytes);
	head_end = bytes;
	bytes = same_bytes_back(text->data + text->len, with->data + with->len, shorter - head_end);
	s.tail = with->n - line_from(with, with->len - bytes);
	if (s.tail) { /* a line here, but there the end of a longer one? */
		size_t begin = text->len - (with->len - with->start[with->n - s.tail]);

		if (begin && text->data[begin - 1] != '\n')
			s.tail--;
	}
	return s;
}

/* Splits it, and copies from `with` (split, with classes) what they share; the lines between have no class yet. */
static struct shared split_like(struct ff_lines *text, const struct ff_lines *with)
{
	struct shared s = share(text, with);
	uint32_t with_tail = with->n - s.tail, middle;
	size_t at = with->start[s.head], tail_len = with->len - with->start[with_tail];

	middle = count_lines(text->data + at, text->len - tail_len - at);
	text->n = s.head + middle + s.tail;
	text->start = ff_calloc((size_t)text->n + 1, sizeof *text->start);
	text->class = ff_calloc(text->n, sizeof *text->class);
	memcpy(text->start, with->start, s.head * sizeof *text->start);
	ff_assert(split_part(text, s.head, at, text->len - tail_len) == middle);
	for (uint32_t i = 0; i < s.tail; i++)
		text->start[s.head + middle + i] = (uint32_t)(with->start[with_tail + i] + text->len - with->len);
	text->start[text->n] = (uint32_t)text->len;
	return s;
}

static void copy_classes(struct ff_lines *text, const struct ff_lines *with, struct shared s)
{
	if (s.head)
		memcpy(text->class, with->class, s.head * sizeof *text->class);
	if (s.tail)
		memcpy(text->class + text->n - s.tail, with->class + with->n - s.tail, s.tail * sizeof *text->class);
}

/* --- classes */

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

static void classify(struct class_table *t, struct ff_lines *text, struct shared known)
{
	for (uint32_t l = known.head; l < text->n - known.tail; l++)
		text->class[l] = class_of(t, text->data + text->start[l], text->start[l + 1] - text->start[l]);
}

static void split_all(struct ff_lines_set *set)
{
	static uint32_t begin;
	static const struct ff_lines nothing = { .data = "", .start = &begin };
	const struct ff_lines *with[3] = { &nothing, &set->text[0], &set->text[set->text[0].len ? 0 : 1] };
	struct class_table t = { .mask = 63 };
	struct shared shared[3];
	size_t lines = 0;

	for (int i = 0; i < 3; i++) {
		shared[i] = split_like(&set->text[i], with[i]);
		lines += set->text[i].n - shared[i].head - shared[i].tail;
	}
	while (t.mask < lines * 2)
		t.mask = t.mask * 2 + 1;
	t.slots = ff_calloc(t.mask + 1, sizeof *t.slots);
	for (int i = 0; i < 3; i++) {
		copy_classes(&set->text[i], with[i], shared[i]);
		classify(&t, &set->text[i], shared[i]);
	}
	set->n_classes = t.n;
	ff_free(&t.slots);
	ff_free(&t.lines);
}

int ff_lines_split(const struct ff_merge_bytes *const texts[3], struct ff_lines_set *ret_set, struct ff_err *err)
{
	struct ff_lines_set set = { 0 };
	uint64_t bytes = 0, lines = 0;

	for (int i = 0; i < 3; i++) {
		if (texts[i]->len > MAX_BYTES)
			return ff_err_set(err, FF_E_TOO_LARGE, "a text of %zu bytes is too large to be merged by line",
					  texts[i]->len);
		set.text[i].data = texts[i]->len ? (const char *)texts[i]->data : "";
		set.text[i].len = texts[i]->len;
		bytes += texts[i]->len;
	}
	for (int i = 0; i < 3 && bytes > MAX_LINES; i++) /* fewer bytes cannot have so many lines */
		lines += count_lines(set.text[i].data, set.text[i].len);
	if (lines > MAX_LINES)
		return ff_err_set(err, FF_E_TOO_LARGE, "texts of %" PRIu64 " lines are too long to be merged", lines);
	split_all(&set);
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

void ff_lines_align(const struct ff_lines_change *ch, size_t n, uint32_t n_a, uint32_t *a_to_b, uint32_t *b_to_a)
{
	uint32_t a = 0, b = 0;

	for (size_t i = 0; i <= n; i++) {
		uint32_t to = i < n ? ch[i].at_a : n_a;

		for (; a < to; a++, b++) {
			a_to_b[a] = b;
			b_to_a[b] = a;
		}
		if (i < n) {
			a = ch[i].at_a + ch[i].n_a;
			b = ch[i].at_b + ch[i].n_b;
		}
	}
}
