/* SPDX-License-Identifier: MIT */
/*
 * How alike two files are, counted as git's rename detection does, since a
 * file is the same file or not by that number alone: the bytes of both are
 * cut into spans (a line, or 64 bytes of a longer one; a CR before LF is
 * passed over in text), each span has a small hash, and the bytes in spans of
 * the same hash are what the two have in common.
 *
 * A last span that is not finished counts since git 2.44 and did not before.
 * Both numbers are given: where they lead to different answers, the git of
 * the host has to be asked.
 */
#include "merge/part.h"

#include <stdlib.h>
#include <string.h>

#define SPAN_BYTES 64
#define HASHES 107927 /* a prime; git's */
#define BINARY_LOOK 8000 /* a NUL among so many first bytes: no text */

static int by_hash(const void *pa, const void *pb)
{
	const struct ff_span *a = pa, *b = pb;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* The end of the next span, its hash and how many of its bytes count; NULL when the file ends before the span does. */
static const unsigned char *cut_span(const unsigned char *p, const unsigned char *end, bool text,
				     struct ff_span *ret)
{
	uint32_t a = 0, b = 0, n = 0;

	while (p < end) {
		uint32_t c = *p++, old = a;

		if (text && c == '\r' && p < end && *p == '\n')
			continue;
		a = (a << 7) ^ (b >> 25);
		b = (b << 7) ^ (old >> 25);
		a += c;
		if (++n == SPAN_BYTES || c == '\n') {
			*ret = (struct ff_span){ (a + b * 0x61) % HASHES, n };
			return p;
		}
	}
	*ret = (struct ff_span){ (a + b * 0x61) % HASHES, n };
	return NULL;
}

/* Spans of one hash become one. */
static void join_equal(struct ff_spans *s)
{
	size_t last = 0;

	if (!s->n)
		return;
	qsort(s->spans, s->n, sizeof *s->spans, by_hash);
	for (size_t i = 1; i < s->n; i++) {
		if (s->spans[i].hash == s->spans[last].hash)
			s->spans[last].bytes += s->spans[i].bytes;
		else
			s->spans[++last] = s->spans[i];
	}
	s->n = last + 1;
	s->spans = ff_realloc(s->spans, s->n, sizeof *s->spans);
}

void ff_spans_of(const void *data, size_t len, struct ff_spans *ret)
{
	const unsigned char *p = data, *end = p + len;
	bool text = !len || !memchr(data, '\0', len < BINARY_LOOK ? len : BINARY_LOOK);
	struct ff_spans s = { .size = len };
	size_t room = 0;

	while (p && p < end) {
		if (s.n == room) {
			room = room ? room * 2 : 64;
			s.spans = ff_realloc(s.spans, room, sizeof *s.spans);
		}
		p = cut_span(p, end, text, &s.spans[s.n]);
		if (p)
			s.n++;
		else
			s.rest = s.spans[s.n];
	}
	join_equal(&s);
	*ret = s;
}

void ff_spans_fini(struct ff_spans *spans)
{
	ff_free(&spans->spans);
	spans->n = 0;
}

void ff_spans_put(struct ff_spans_table *table, const struct ff_spans *file)
{
	if (!table->count)
		table->count = ff_calloc(HASHES, sizeof *table->count);
	for (size_t i = 0; table->in && i < table->in->n; i++)
		table->count[table->in->spans[i].hash] = 0;
	table->in = file;
	for (size_t i = 0; file && i < file->n; i++)
		table->count[file->spans[i].hash] = file->spans[i].bytes;
}

void ff_spans_table_fini(struct ff_spans_table *table)
{
	ff_free(&table->count);
	table->in = NULL;
}

/* How many more bytes are common when unfinished spans count. */
static uint64_t common_rest(const struct ff_spans_table *table, const struct ff_spans *file)
{
	const struct ff_span *a = &table->in->rest, *b = &file->rest;
	uint64_t before = 0, after = 0;
	bool b_done = false;

	for (size_t i = 0; (a->bytes || b->bytes) && i + b_done <= file->n; i++) {
		struct ff_span s = i < file->n ? file->spans[i] : (struct ff_span){ b->hash, 0 };
		uint32_t there = table->count[s.hash];

		if (s.hash != a->hash && s.hash != b->hash)
			continue;
		before += there < s.bytes ? there : s.bytes;
		there += s.hash == a->hash ? a->bytes : 0;
		s.bytes += s.hash == b->hash ? b->bytes : 0;
		after += there < s.bytes ? there : s.bytes;
		b_done |= s.hash == b->hash;
	}
	return after - before;
}

unsigned ff_spans_similar(const struct ff_spans_table *table, const struct ff_spans *file, unsigned *ret_newer)
{
	uint64_t common = 0, larger = file->size > table->in->size ? file->size : table->in->size;

	for (size_t i = 0; i < file->n; i++) {
		uint32_t there = table->count[file->spans[i].hash];

		common += there < file->spans[i].bytes ? there : file->spans[i].bytes;
	}
	if (!larger)
		larger = 1;
	*ret_newer = (unsigned)((common + common_rest(table, file)) * FF_SIMILAR_MAX / larger);
	return (unsigned)(common * FF_SIMILAR_MAX / larger);
}
