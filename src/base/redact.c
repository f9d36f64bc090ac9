/* SPDX-License-Identifier: MIT */
/*
 * See redact.h.  All forms of all secrets are one set of words; where in the
 * text one may begin is told by a hash of eight bytes, so that the cost of a
 * byte does not grow with the number of secrets.
 */
#include "base/redact.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BITS 14
#define HEADS (1u << HASH_BITS)
/* Lines of a value that are looked for by themselves (keys in PEM form). */
#define LINE_MIN 16
#define HELD_MAX ((size_t)1 << 40)

struct word {
	unsigned char *p;
	size_t n;
	int next; /* of the same hash; -1: none */
};

struct ff_redact {
	struct word *words;
	size_t count, longest;
	size_t fresh; /* words before this one belong to other values */
	int *heads;   /* NULL: to be made */
};

struct ff_redact *ff_redact_new(void)
{
	return ff_calloc(1, sizeof(struct ff_redact));
}

void ff_redact_free(struct ff_redact **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < (*r)->count; i++) {
		ff_wipe((*r)->words[i].p, (*r)->words[i].n);
		ff_free(&(*r)->words[i].p);
	}
	ff_free(&(*r)->words);
	ff_free(&(*r)->heads);
	ff_free(r);
}

bool ff_redact_empty(const struct ff_redact *r)
{
	return !r || !r->count;
}

static void add_word(struct ff_redact *r, const void *p, size_t n)
{
	if (n < FF_REDACT_MIN)
		return;
	for (size_t i = r->fresh; i < r->count; i++) /* forms are often the same: of a hex number all but one */
		if (r->words[i].n == n && !memcmp(r->words[i].p, p, n))
			return;
	if (r->count % 64 == 0)
		r->words = ff_realloc(r->words, r->count + 64, sizeof *r->words);
	r->words[r->count++] = (struct word){ .p = (unsigned char *)ff_memdup0(p, n), .n = n };
	if (n > r->longest)
		r->longest = n;
	ff_free(&r->heads);
}

size_t ff_redact_longest(const struct ff_redact *r)
{
	return r ? r->longest : 0;
}

/* --- the forms of a value */

static void add_base64(struct ff_redact *r, const unsigned char *p, size_t n, bool url, size_t offset)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	/* Only characters that the value alone decides: what stands before and behind it is not known. */
	size_t first = (8 * offset + 5) / 6, end = 8 * (offset + n) / 6;
	char *out = ff_calloc(end + 1, 1);

	for (size_t c = first; c < end; c++) {
		unsigned v = 0;

		for (size_t bit = 6 * c - 8 * offset; bit < 6 * c - 8 * offset + 6; bit++)
			v = v << 1 | (p[bit / 8] >> (7 - bit % 8) & 1u);
		out[c - first] = plain[v];
		if (url && v >= 62)
			out[c - first] = v == 62 ? '-' : '_';
	}
	add_word(r, out, end - first);
	ff_wipe(out, end + 1);
	free(out);
}

static void add_hex(struct ff_redact *r, const unsigned char *p, size_t n, const char *digits)
{
	char *out = ff_calloc(2 * n + 1, 1);

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	add_word(r, out, 2 * n);
	ff_wipe(out, 2 * n + 1);
	free(out);
}

static bool stays(unsigned char c, bool slash)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~' || (slash && c == '/');
}

static void add_url(struct ff_redact *r, const unsigned char *p, size_t n, const char *digits, bool form, bool slash)
{
	char *out = ff_calloc(3 * n + 1, 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (stays(p[i], slash)) {
			out[len++] = (char)p[i];
		} else if (form && p[i] == ' ') {
			out[len++] = '+';
		} else {
			out[len++] = '%';
			out[len++] = digits[p[i] >> 4];
			out[len++] = digits[p[i] & 15];
		}
	}
	add_word(r, out, len);
	ff_wipe(out, 3 * n + 1);
	free(out);
}

static void add_json(struct ff_redact *r, const unsigned char *p, size_t n)
{
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
	char *out = ff_calloc(2 * n + 1, 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		const char *at = p[i] ? strchr(from, p[i]) : NULL;

		if (at)
			out[len++] = '\\';
		out[len++] = at ? to[at - from] : (char)p[i];
	}
	add_word(r, out, len);
	ff_wipe(out, 2 * n + 1);
	free(out);
}

static void add_forms(struct ff_redact *r, const unsigned char *p, size_t n)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

	add_word(r, p, n);
	for (size_t offset = 0; offset < 3; offset++) {
		add_base64(r, p, n, false, offset);
		add_base64(r, p, n, true, offset);
	}
	add_hex(r, p, n, lower);
	add_hex(r, p, n, upper);
	for (int i = 0; i < 4; i++) {
		add_url(r, p, n, upper, i & 1, i & 2);
		add_url(r, p, n, lower, i & 1, i & 2);
	}
	add_json(r, p, n);
}

void ff_redact_add(struct ff_redact *r, const void *value, size_t n)
{
	const unsigned char *p = value, *end = p + n;

	while (end > p && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if ((size_t)(end - p) < FF_REDACT_MIN)
		return;
	r->fresh = r->count;
	add_forms(r, p, (size_t)(end - p));
	if (!memchr(p, '\n', (size_t)(end - p)))
		return;
	while (p < end) {
		const unsigned char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol ? eol : end) - p);

		/* The frame of a PEM file is no secret, and stands in many others. */
		if (len >= LINE_MIN && memcmp(p, "-----", 5))
			add_forms(r, p, len - (p[len - 1] == '\r'));
		p += len + 1;
	}
}

/* --- looking */

static unsigned hash(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return (unsigned)(v * 0x9e3779b97f4a7c15u >> (64 - HASH_BITS));
}

static void make_heads(struct ff_redact *r)
{
	r->heads = ff_calloc(HEADS, sizeof *r->heads);
	for (size_t i = 0; i < HEADS; i++)
		r->heads[i] = -1;
	for (size_t i = 0; i < r->count; i++) {
		int *head = &r->heads[hash(r->words[i].p)];

		r->words[i].next = *head;
		*head = (int)i;
	}
}

/* Length of the longest word that begins here; 0: none. */
static size_t match(const struct ff_redact *r, const unsigned char *p, size_t n)
{
	size_t best = 0;

	if (n < FF_REDACT_MIN)
		return 0;
	for (int i = r->heads[hash(p)]; i >= 0; i = r->words[i].next) {
		const struct word *w = &r->words[i];

		if (w->n > best && w->n <= n && !memcmp(p, w->p, w->n))
			best = w->n;
	}
	return best;
}

bool ff_redact_found(struct ff_redact *r, const void *text, size_t n)
{
	const unsigned char *p = text;

	if (ff_redact_empty(r))
		return false;
	if (!r->heads)
		make_heads(r);
	for (size_t i = 0; i + FF_REDACT_MIN <= n; i++)
		if (match(r, p + i, n - i))
			return true;
	return false;
}

/*
 * Bytes 0 to limit of p go to out, words that begin there replaced; two that
 * overlap are replaced together. inside: bytes at the start that were
 * replaced before; returned: the same for the byte at limit.
 */
static size_t clean(struct ff_redact *r, const unsigned char *p, size_t n, size_t limit, size_t inside, struct ff_buf *out)
{
	size_t until = inside, from = inside;

	for (size_t i = 0; i < limit; i++) {
		size_t len = match(r, p + i, n - i);

		if (!len)
			continue;
		if (i >= until) {
			(void)ff_buf_add(out, p + from, i - from);
			(void)ff_buf_adds(out, FF_REDACT_MARK);
		}
		if (i + len > until)
			until = i + len;
		from = until;
	}
	if (from < limit)
		(void)ff_buf_add(out, p + from, limit - from);
	return until > limit ? until - limit : 0;
}

char *ff_redact_text(struct ff_redact *r, const char *text)
{
	size_t n = text ? strlen(text) : 0;
	FF_AUTO(ff_buf_fini) struct ff_buf out = { 0 };

	if (!ff_redact_found(r, text, n))
		return NULL;
	/* The mark is no longer than the shortest word. */
	ff_buf_init(&out, n + 1);
	(void)clean(r, (const unsigned char *)text, n, n, 0, &out);
	return ff_buf_take(&out);
}

void ff_redact_stream_init(struct ff_redact_stream *s, struct ff_redact *r)
{
	*s = (struct ff_redact_stream){ .r = r };
	ff_buf_init(&s->held, HELD_MAX);
}

void ff_redact_stream_fini(struct ff_redact_stream *s)
{
	if (s->held.data)
		ff_wipe(s->held.data, s->held.cap);
	ff_buf_fini(&s->held);
}

static void pass(struct ff_redact_stream *s, size_t limit, struct ff_buf *out)
{
	s->inside = clean(s->r, (const unsigned char *)s->held.data, s->held.len, limit, s->inside, out);
	ff_buf_consume(&s->held, limit);
}

void ff_redact_feed(struct ff_redact_stream *s, const void *p, size_t n, struct ff_buf *out)
{
	if (ff_redact_empty(s->r)) {
		(void)ff_buf_add(out, p, n);
		return;
	}
	if (!s->r->heads)
		make_heads(s->r);
	(void)ff_buf_add(&s->held, p, n);
	if (s->held.len >= s->r->longest)
		pass(s, s->held.len - (s->r->longest - 1), out);
}

void ff_redact_end(struct ff_redact_stream *s, struct ff_buf *out)
{
	if (s->held.len)
		pass(s, s->held.len, out);
	s->inside = 0;
}
