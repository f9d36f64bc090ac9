/* SPDX-License-Identifier: MIT */
/* Strict number parsing; strtoll alone skips white space and accepts junk. */
#include "base/num.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Digits up to *end; the sign is allowed only when `minus` says so. */
static int digits(const char *s, int minus, int64_t *ret, const char **end)
{
	char *stop;
	long long v;

	if (!((*s >= '0' && *s <= '9') || (minus && *s == '-' && s[1] >= '0' && s[1] <= '9')))
		return -1;
	errno = 0;
	v = strtoll(s, &stop, 10);
	if (errno)
		return -1;
	*ret = v;
	*end = stop;
	return 0;
}

int ff_num_i64(const char *s, int64_t min, int64_t max, int64_t *ret_value)
{
	const char *end;
	int64_t v;

	if (digits(s, 1, &v, &end) < 0 || *end || v < min || v > max)
		return -1;
	*ret_value = v;
	return 0;
}

static int scaled(int64_t v, int64_t factor, int64_t *ret)
{
	return __builtin_mul_overflow(v, factor, ret) ? -1 : 0;
}

int ff_num_size(const char *s, int64_t *ret_bytes)
{
	static const char units[] = "kmg";
	const char *end, *unit;
	int64_t v, r, factor = 1;

	if (digits(s, 0, &v, &end) < 0)
		return -1;
	if (*end) {
		unit = strchr(units, *end | 0x20);
		if (!unit || end[1])
			return -1;
		factor = (int64_t)1 << (10 * (unit - units + 1));
	}
	if (scaled(v, factor, &r) < 0)
		return -1;
	*ret_bytes = r;
	return 0;
}

int ff_num_duration(const char *s, int64_t *ret_ms)
{
	static const struct { const char *name; int64_t ms; } units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
	};
	const char *end;
	int64_t v, r;

	if (digits(s, 0, &v, &end) < 0)
		return -1;
	if (!*end && v == 0) {
		*ret_ms = 0;
		return 0;
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(units); i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (scaled(v, units[i].ms, &r) < 0)
			return -1;
		*ret_ms = r;
		return 0;
	}
	return -1;
}

int ff_num_bool(const char *s, int *ret_value)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

	for (size_t i = 0; i < FF_ARRAY_LEN(words); i++) {
		if (!strcasecmp(s, words[i])) {
			*ret_value = (int)(i & 1);
			return 0;
		}
	}
	return -1;
}

void ff_hex(const void *bytes, unsigned n, char *hex)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (unsigned i = 0; i < n; i++) {
		*hex++ = digit[p[i] >> 4];
		*hex++ = digit[p[i] & 15];
	}
	*hex = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ff_unhex(const char *hex, unsigned n, void *ret_bytes)
{
	unsigned char *out = ret_bytes;

	if (strlen(hex) != 2 * (size_t)n)
		return -1;
	for (unsigned i = 0; i < 2 * n; i++)
		if (nibble(hex[i]) < 0)
			return -1;
	for (unsigned i = 0; i < n; i++)
		out[i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	return 0;
}

static int64_t version_number(const char *text, size_t n)
{
	int64_t all = 0;

	for (int part = 0; part < 3; part++) {
		size_t len = 0;
		char digits[8];
		int64_t v;

		while (len < n && text[len] >= '0' && text[len] <= '9')
			len++;
		if (!len || len >= sizeof digits || (part < 2 && (len >= n || text[len] != '.')))
			return -1;
		memcpy(digits, text, len);
		digits[len] = '\0';
		if (ff_num_i64(digits, 0, 999999, &v) < 0)
			return -1;
		all = all * 1000000 + v;
		len += part < 2;
		text += len;
		n -= len;
	}
	return n ? -1 : all;
}

bool ff_version_in(const char *version, const char *range)
{
	size_t first = strcspn(range, " ");
	const char *last = range + first + strspn(range + first, " ");
	int64_t v = version_number(version, strlen(version));

	return v >= 0 && v >= version_number(range, first) && v <= version_number(last, strlen(last));
}

int ff_num_digits(const char *s, unsigned most, unsigned *ret_bits)
{
	unsigned bits = 0;

	for (const char *p = strcmp(s, "none") ? s : ""; *p; ) {
		char from = *p++, to = from;

		if (*p == '-' && p[1]) {
			to = p[1];
			p += 2;
		}
		if (from < '1' || to > '9' || to - '0' > (int)most || from > to || (*p && (*p++ != ',' || !*p)))
			return -1;
		for (char digit = from; digit <= to; digit++)
			bits |= 1u << (digit - '0');
	}
	*ret_bits = bits;
	return 0;
}
