/* SPDX-License-Identifier: MIT */
/*
 * The name of an ssh key, in the form that ssh-keygen -l and sshd's log print.
 * A part of the key would be shorter to get, but the end of an RSA modulus can
 * be chosen, and so could the name.  SHA-256 as in FIPS 180-4: libgcrypt would
 * cost every push more than these lines.
 */
#include <string.h>

#include "base/text.h"
#include "hooks/hook.h"

#define KEY_MAX 16384
#define BLOCK 64

static const uint32_t round_keys[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const unsigned char *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		       (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + a + w[i - 7] + b;
	}
}

/* v[0..7] are the working variables a..h of the standard. */
static void digest_block(uint32_t state[8], const unsigned char *block)
{
	uint32_t w[64], v[8];

	schedule(w, block);
	memcpy(v, state, sizeof v);
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25);
		uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + ch + round_keys[i] + w[i];
		uint32_t s0 = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
		uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof *v);
		v[4] += t1;
		v[0] = t1 + s0 + maj;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

/* Pads bytes (FIPS 180-4, 5.1.1) and digests them. */
static void sha256(struct ff_buf *bytes, unsigned char out[32])
{
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint64_t bits = (uint64_t)bytes->len * 8;

	(void)ff_buf_addc(bytes, (char)0x80);
	while (bytes->len % BLOCK != BLOCK - 8)
		(void)ff_buf_addc(bytes, '\0');
	for (int i = 7; i >= 0; i--)
		(void)ff_buf_addc(bytes, (char)(bits >> (8 * i)));
	ff_assert(!bytes->overflow);
	for (size_t at = 0; at < bytes->len; at += BLOCK)
		digest_block(h, (const unsigned char *)bytes->data + at);
	for (int i = 0; i < 32; i++)
		out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

char *ff_hook_fingerprint(const char *key, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf bytes, text;
	unsigned char digest[32];

	ff_buf_init(&bytes, KEY_MAX + 2 * BLOCK);
	ff_buf_init(&text, 64);
	if (n == 0 || n > KEY_MAX || ff_text_unb64(&bytes, key, n) < 0)
		return NULL;
	sha256(&bytes, digest);
	(void)ff_buf_adds(&text, "SHA256:");
	ff_text_b64(&text, digest, sizeof digest);
	text.data[strcspn(text.data, "=")] = '\0'; /* ssh-keygen prints no padding */
	return ff_strdup(text.data);
}
