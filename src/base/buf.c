/* SPDX-License-Identifier: MIT */
/* See buf.h. The maximum is what keeps a client from making us hold more than we agreed to. */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ff_buf_init(struct ff_buf *b, size_t max)
{
	ff_assert(max < SIZE_MAX / 2);
	*b = (struct ff_buf){ .data = ff_calloc(1, 1), .max = max };
}

void ff_buf_fini(struct ff_buf *b)
{
	ff_free(&b->data);
	b->len = b->cap = 0;
}

void ff_buf_clear(struct ff_buf *b)
{
	b->len = 0;
	b->overflow = false;
	b->data[0] = '\0';
}

char *ff_buf_room(struct ff_buf *b, size_t n)
{
	size_t need, cap;

	if (n > b->max || b->len > b->max - n) {
		b->overflow = true;
		return NULL;
	}
	need = b->len + n;
	if (need > b->cap) {
		cap = b->cap ? b->cap : 64;
		while (cap < need)
			cap *= 2;
		if (cap > b->max)
			cap = b->max;
		b->data = ff_realloc(b->data, cap + 1, 1);
		b->cap = cap;
	}
	return b->data + b->len;
}

void ff_buf_grown(struct ff_buf *b, size_t n)
{
	ff_assert(n <= b->cap - b->len);
	b->len += n;
	b->data[b->len] = '\0';
}

int ff_buf_add(struct ff_buf *b, const void *p, size_t n)
{
	char *to;

	if (n < b->cap - b->len) { /* messages are made of many small pieces */
		memcpy(b->data + b->len, p, n);
		b->len += n;
		b->data[b->len] = '\0';
		return 0;
	}
	to = ff_buf_room(b, n);
	if (!to)
		return -1;
	if (n)
		memcpy(to, p, n);
	if (b->cap)
		ff_buf_grown(b, n);
	return 0;
}

int ff_buf_adds(struct ff_buf *b, const char *s)
{
	return ff_buf_add(b, s, strlen(s));
}

int ff_buf_addc(struct ff_buf *b, char c)
{
	return ff_buf_add(b, &c, 1);
}

int ff_buf_addf(struct ff_buf *b, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *more = NULL;
	char s[256]; /* enough for nearly all, and no allocation */
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s, sizeof s, fmt, ap);
	va_end(ap);
	ff_assert(n >= 0);
	if ((size_t)n < sizeof s)
		return ff_buf_add(b, s, (size_t)n);
	va_start(ap, fmt);
	more = ff_vasprintf(fmt, ap);
	va_end(ap);
	return ff_buf_adds(b, more);
}

int ff_buf_addn(struct ff_buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	return ff_buf_add(b, p, (size_t)(digits + sizeof digits - p));
}

void ff_buf_consume(struct ff_buf *b, size_t n)
{
	ff_assert(n <= b->len);
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

char *ff_buf_take(struct ff_buf *b)
{
	char *p = ff_steal(&b->data);
	size_t max = b->max;

	ff_buf_init(b, max);
	return p;
}
