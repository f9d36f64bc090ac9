/* SPDX-License-Identifier: MIT */
/* See text.h. The hook uses this too, so it needs the C library alone. */
#include "base/text.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

unsigned ff_utf8_next(const char *s, size_t n, unsigned *ret_cp)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned len, cp, min;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*ret_cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) { len = 2; cp = p[0] & 0x1f; min = 0x80; }
	else if ((p[0] & 0xf0) == 0xe0) { len = 3; cp = p[0] & 0x0f; min = 0x800; }
	else if (p[0] >= 0xf0 && p[0] <= 0xf4) { len = 4; cp = p[0] & 0x07; min = 0x10000; }
	else return 0;
	if (n < len)
		return 0;
	for (unsigned i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return len;
}

bool ff_utf8_valid(const void *p, size_t n)
{
	const char *s = p;
	unsigned cp, len;

	while (n) {
		if ((unsigned char)*s < 0x80) { /* nearly all there is */
			s++;
			n--;
			continue;
		}
		len = ff_utf8_next(s, n, &cp);
		if (!len)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

size_t ff_utf8_cut(const char *p, size_t n, size_t most)
{
	size_t at = most;

	if (n <= most)
		return n;
	while (at && most - at < 3 && ((unsigned char)p[at] & 0xc0) == 0x80)
		at--;
	return ((unsigned char)p[at] & 0xc0) == 0x80 ? most : at; /* no character is that long: these are other bytes */
}

/*
 * Characters that change how the text around them is shown, or show nothing:
 * C0, DEL, C1, and of Unicode's Cf, Zl, Zp and filler characters those a
 * terminal or reviewer could be fooled with.
 */
bool ff_text_hidden(unsigned cp)
{
	static const struct { unsigned from, to; } ranges[] = {
		{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xfffb }, { 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(ranges); i++)
		if (cp >= ranges[i].from && cp <= ranges[i].to)
			return true;
	return false;
}

static void show_hidden(struct ff_buf *out, const char *p, unsigned len)
{
	static const char hex[] = "0123456789abcdef";

	if (len == 1 && *p == '\n') {
		(void)ff_buf_adds(out, "\\n");
	} else if (len == 1 && *p == '\t') {
		(void)ff_buf_adds(out, "\\t");
	} else {
		for (unsigned i = 0; i < len; i++) {
			unsigned char c = (unsigned char)p[i];
			const char esc[4] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

			(void)ff_buf_add(out, esc, sizeof esc);
		}
	}
}

/* How much of it, from its start, is nothing but visible ASCII: nearly all text there is. */
static size_t plain(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

void ff_text_show(struct ff_buf *out, const void *text, size_t n, size_t max_columns)
{
	const char *p = text;
	size_t shown = 0;
	unsigned cp, len;

	while (n) {
		size_t run = plain(p, max_columns && n > max_columns - shown ? max_columns - shown : n);

		(void)ff_buf_add(out, p, run);
		p += run;
		n -= run;
		shown += run;
		if (!n)
			return;
		if (max_columns && shown == max_columns) {
			(void)ff_buf_adds(out, "...");
			return;
		}
		len = ff_utf8_next(p, n, &cp);
		if (len && !ff_text_hidden(cp))
			(void)ff_buf_add(out, p, len);
		else
			show_hidden(out, p, len ? len : 1);
		len = len ? len : 1;
		p += len;
		n -= len;
		shown++;
	}
}

char *ff_text_shown(const char *s, size_t max_columns)
{
	struct ff_buf b;

	ff_buf_init(&b, SIZE_MAX / 4);
	ff_text_show(&b, s, strlen(s), max_columns);
	return ff_steal(&b.data);
}

void ff_text_json(struct ff_buf *out, const char *s, size_t n)
{
	size_t from = 0;

	(void)ff_buf_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c != '"' && c != '\\' && c >= 0x20 && c != 0x7f)
			continue;
		(void)ff_buf_add(out, s + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\')
			(void)ff_buf_addf(out, "\\%c", c);
		else
			(void)ff_buf_addf(out, "\\u%04x", c);
	}
	(void)ff_buf_add(out, s + from, n - from);
	(void)ff_buf_addc(out, '"');
}

void ff_text_json_bytes(struct ff_buf *out, const void *p, size_t n)
{
	if (!memchr(p, '\0', n) && ff_utf8_valid(p, n)) {
		ff_text_json(out, p, n);
		return;
	}
	(void)ff_buf_adds(out, "{\"b64\":\"");
	ff_text_b64(out, p, n);
	(void)ff_buf_adds(out, "\"}");
}

void ff_text_html(struct ff_buf *out, const void *p, size_t n)
{
	static const struct { char c; const char *ref; } refs[] = {
		{ '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" },
	};
	FF_AUTO(ff_buf_fini) struct ff_buf shown;

	ff_buf_init(&shown, SIZE_MAX / 4);
	ff_text_show(&shown, p, n, 0);
	for (size_t i = 0; i < shown.len; i++) {
		const char *ref = NULL;

		for (size_t k = 0; k < FF_ARRAY_LEN(refs); k++)
			if (shown.data[i] == refs[k].c)
				ref = refs[k].ref;
		if (ref)
			(void)ff_buf_adds(out, ref);
		else
			(void)ff_buf_addc(out, shown.data[i]);
	}
}

void ff_text_header(struct ff_buf *out, const void *p, size_t n, size_t max)
{
	const unsigned char *s = p;
	size_t start = out->len;

	for (size_t i = 0; i < n; i++) {
		bool plain = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '%';

		if (max && out->len - start + (plain ? 1 : 3) > max)
			return;
		if (plain)
			(void)ff_buf_addc(out, (char)s[i]);
		else
			(void)ff_buf_addf(out, "%%%02X", s[i]);
	}
}

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void ff_text_b64(struct ff_buf *out, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;
		char q[4];

		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		q[0] = b64_digits[v >> 18];
		q[1] = b64_digits[v >> 12 & 63];
		q[2] = left > 1 ? b64_digits[v >> 6 & 63] : '=';
		q[3] = left > 2 ? b64_digits[v & 63] : '=';
		(void)ff_buf_add(out, q, 4);
	}
}

static int b64_value(char c)
{
	const char *at = c ? strchr(b64_digits, c) : NULL;

	return at ? (int)(at - b64_digits) : -1;
}

/* One group of four; returns how many bytes it gave, or -1. */
static int unb64_group(const char *s, bool last, unsigned char out[3])
{
	int pad = last && s[3] == '=' ? (s[2] == '=' ? 2 : 1) : 0;
	uint32_t v = 0;

	for (int i = 0; i < 4 - pad; i++) {
		int d = b64_value(s[i]);

		if (d < 0)
			return -1;
		v |= (uint32_t)d << (18 - 6 * i);
	}
	out[0] = (unsigned char)(v >> 16);
	out[1] = (unsigned char)(v >> 8);
	out[2] = (unsigned char)v;
	if ((pad == 2 && (v & 0xffff)) || (pad == 1 && (v & 0xff)))
		return -1; /* bits that no encoder sets: two spellings of the same bytes */
	return 3 - pad;
}

int ff_text_unb64(struct ff_buf *out, const char *s, size_t n)
{
	size_t start = out->len;
	unsigned char bytes[3];

	if (n % 4)
		return -1;
	for (size_t i = 0; i < n; i += 4) {
		int got = unb64_group(s + i, i + 4 == n, bytes);

		if (got < 0 || ff_buf_add(out, bytes, (size_t)got) < 0) {
			out->len = start;
			out->data[start] = '\0';
			return -1;
		}
	}
	return 0;
}

bool ff_glob_match(const char *glob, const char *s)
{
	const char *star = NULL, *retry = NULL;

	while (*s) {
		if (*glob == '*') {
			star = ++glob;
			retry = s;
		} else if (*glob && (*glob == '?' || *glob == *s)) {
			glob++;
			s++;
		} else if (star) {
			glob = star;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

bool ff_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool ff_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !memcmp(s + n - m, suffix, m);
}

/* One part between slashes, git-check-ref-format(1) rules 1, 3 to 6 and 8 to 10. */
static bool ref_part_valid(const char *p, size_t n)
{
	if (n == 0 || p[0] == '.')
		return false;
	if (n >= 5 && !memcmp(p + n - 5, ".lock", 5))
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c <= 0x20 || c == 0x7f || strchr("~^:?*[\\", c))
			return false;
		if (i + 1 < n && ((c == '.' && p[i + 1] == '.') || (c == '@' && p[i + 1] == '{')))
			return false;
	}
	return true;
}

bool ff_ref_valid(const char *name)
{
	size_t total = strlen(name);
	const char *p = name, *slash;

	if (total > 1024 || !strchr(name, '/') || name[total - 1] == '.') /* rule 7 is about the whole name */
		return false;
	while ((slash = strchr(p, '/'))) {
		if (!ref_part_valid(p, (size_t)(slash - p)))
			return false;
		p = slash + 1;
	}
	return ref_part_valid(p, strlen(p));
}

bool ff_oid_valid(const char *hex)
{
	size_t n = strspn(hex, "0123456789abcdef");

	return (n == 40 || n == 64) && !hex[n];
}

bool ff_oid_zero(const char *hex)
{
	return hex[0] && hex[strspn(hex, "0")] == '\0';
}
