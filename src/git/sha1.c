/* SPDX-License-Identifier: MIT */
/*
 * See sha1.h; the names and constants are those of FIPS 180-4, section 6.1.
 * Where the processor has instructions for it they are used: the sum of a
 * pack was a tenth of the time of a rebase without them.
 */
#include "git/sha1.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static inline uint32_t rol(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t load(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Word t of the schedule, which is kept for the last 16 alone. */
static inline __attribute__((always_inline)) uint32_t word(uint32_t w[16], unsigned t, const unsigned char *block)
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

#pragma GCC unroll 20
	for (unsigned t = 0; t < 20; t++)
		ROUND(t, (b & c) | (~b & d), 0x5a827999u);
#pragma GCC unroll 20
	for (unsigned t = 20; t < 40; t++)
		ROUND(t, b ^ c ^ d, 0x6ed9eba1u);
#pragma GCC unroll 20
	for (unsigned t = 40; t < 60; t++)
		ROUND(t, (b & c) | (b & d) | (c & d), 0x8f1bbcdcu);
#pragma GCC unroll 20
	for (unsigned t = 60; t < 80; t++)
		ROUND(t, b ^ c ^ d, 0xca62c1d6u);
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
}

static void take_plain(struct ff_sha1 *s, const unsigned char *p, size_t blocks)
{
	for (; blocks; blocks--, p += 64)
		take_block(s, p);
}

#if defined(__x86_64__)
/*
 * Four rounds an instruction (Intel SDM, volume 2: SHA1RNDS4 and kin). w holds
 * the last 16 words of the schedule, four a register; e0 and e1 take turns.
 */
#define FOUR(t, in, out, f) do { \
		if ((t) >= 4) \
			w[(t) & 3] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w[(t) & 3], w[((t) + 1) & 3]), \
								      w[((t) + 2) & 3]), w[((t) + 3) & 3]); \
		in = (t) ? _mm_sha1nexte_epu32(in, w[(t) & 3]) : _mm_add_epi32(in, w[0]); \
		out = abcd; \
		abcd = _mm_sha1rnds4_epu32(abcd, in, f); \
	} while (0)
#define TWENTY(t, f) do { \
		FOUR(t, e0, e1, f); FOUR((t) + 1, e1, e0, f); FOUR((t) + 2, e0, e1, f); \
		FOUR((t) + 3, e1, e0, f); FOUR((t) + 4, e0, e1, f); \
	} while (0)
#define TWENTY_ODD(t, f) do { \
		FOUR(t, e1, e0, f); FOUR((t) + 1, e0, e1, f); FOUR((t) + 2, e1, e0, f); \
		FOUR((t) + 3, e0, e1, f); FOUR((t) + 4, e1, e0, f); \
	} while (0)

__attribute__((target("sha,sse4.1,ssse3")))
static void take_sha_ni(struct ff_sha1 *s, const unsigned char *p, size_t blocks)
{
	const __m128i turn = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
	__m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)s->h), 0x1b);
	__m128i e0 = _mm_set_epi32((int)s->h[4], 0, 0, 0), e1, w[4];

	for (; blocks; blocks--, p += 64) {
		const __m128i abcd_before = abcd, e_before = e0;

		for (int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), turn);
		TWENTY(0, 0);
		TWENTY_ODD(5, 1);
		TWENTY(10, 2);
		TWENTY_ODD(15, 3);
		e0 = _mm_sha1nexte_epu32(e0, e_before);
		abcd = _mm_add_epi32(abcd, abcd_before);
	}
	_mm_storeu_si128((__m128i *)(void *)s->h, _mm_shuffle_epi32(abcd, 0x1b));
	s->h[4] = (uint32_t)_mm_extract_epi32(e0, 3);
}

static bool ask_sha_ni(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1) &&
	       __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* Asked once: in a virtual machine the answer comes from outside, which takes as long as a small pack. */
static bool have_sha_ni(void)
{
	static enum { UNKNOWN, NO, YES } known;

	if (known == UNKNOWN)
		known = ask_sha_ni() ? YES : NO;
	return known == YES;
}
#endif

static void take_blocks(struct ff_sha1 *s, const unsigned char *p, size_t blocks)
{
#if defined(__x86_64__)
	if (s->fast) {
		take_sha_ni(s, p, blocks);
		return;
	}
#endif
	take_plain(s, p, blocks);
}

void ff_sha1_init(struct ff_sha1 *s)
{
	*s = (struct ff_sha1){ .h = { 0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u } };
#if defined(__x86_64__)
	s->fast = have_sha_ni();
#endif
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
		take_blocks(s, s->block, 1);
	}
	take_blocks(s, from, n / 64);
	if (n % 64)
		memcpy(s->block, from + n / 64 * 64, n % 64);
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
