/* SPDX-License-Identifier: MIT */
/* See sha1.h; the names and constants are those of FIPS 180-4, section 6.1. */
#include "git/sha1.h"

#include <string.h>

static uint32_t rol(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t load(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Word t of the schedule, which is kept for the last 16 alone. */
static uint32_t word(uint32_t w[16], unsigned t, const unsigned char *block)
{
	if (t < 16)
		w[t] = load(block + 4 * t);
	else
		w[t & 15] = rol(w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ w[t & 15], 1);
	return w[t & 15];
}

#define ROUND(t, f, k) do { \
		uint32_t x = rol(a, 5) + (f) + e + (k) + word(w, (t), block); \
		e = d; d = c; c = rol(b, 30); b = a; a = x; \
	} while (0)

static void take_block(struct ff_sha1 *s, const unsigned char *block)
{
	uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4], w[16];

	for (unsigned t = 0; t < 20; t++)
		ROUND(t, (b & c) | (~b & d), 0x5a827999u);
	for (unsigned t = 20; t < 40; t++)
		ROUND(t, b ^ c ^ d, 0x6ed9eba1u);
	for (unsigned t = 40; t < 60; t++)
		ROUND(t, (b & c) | (b & d) | (c & d), 0x8f1bbcdcu);
	for (unsigned t = 60; t < 80; t++)
		ROUND(t, b ^ c ^ d, 0xca62c1d6u);
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
}

void ff_sha1_init(struct ff_sha1 *s)
{
	*s = (struct ff_sha1){ .h = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u } };
}

void ff_sha1_add(struct ff_sha1 *s, const void *p, size_t n)
{
	const unsigned char *from = p;
	size_t held = s->len % 64;

	s->len += n;
	if (held) {
		size_t part = n < 64 - held ? n : 64 - held;

		memcpy(s->block + held, from, part);
		from += part;
		n -= part;
		if (held + part < 64)
			return;
		take_block(s, s->block);
	}
	for (; n >= 64; from += 64, n -= 64)
		take_block(s, from);
	if (n)
		memcpy(s->block, from, n);
}

void ff_sha1_end(struct ff_sha1 *s, unsigned char ret[FF_SHA1_LEN])
{
	static const unsigned char pad[64] = { 0x80 };
	uint64_t bits = s->len * 8;
	size_t held = s->len % 64;
	unsigned char len[8];

	for (int i = 0; i < 8; i++)
		len[i] = (unsigned char)(bits >> (56 - 8 * i));
	ff_sha1_add(s, pad, held < 56 ? 56 - held : 120 - held);
	ff_sha1_add(s, len, sizeof len);
	for (int i = 0; i < FF_SHA1_LEN; i++)
		ret[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}
