/* SPDX-License-Identifier: MIT */
/* See apitoken.h. */
#include "crypto/apitoken.h"

#include <gcrypt.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "crypto/crypto.h"

#define SUM 4

void ff_sha256(const void *p, size_t n, unsigned char hash[FF_APITOKEN_HASH])
{
	ff_crypto_start();
	gcry_md_hash_buffer(GCRY_MD_SHA256, hash, p, n);
}

/* Hex of the first bytes of the hash of what stands before the sum. */
static void sum_of(const char *text, char out[2 * SUM + 1])
{
	unsigned char hash[FF_APITOKEN_HASH];

	ff_sha256(text, FF_APITOKEN_TEXT - 2 * SUM, hash);
	ff_hex(hash, SUM, out);
}

void ff_apitoken_new(char *text, unsigned char hash[FF_APITOKEN_HASH])
{
	unsigned char random[32];
	size_t at = strlen(FF_APITOKEN_PREFIX);

	ff_random(random, sizeof random);
	memcpy(text, FF_APITOKEN_PREFIX, at);
	ff_hex(random, sizeof random, text + at);
	explicit_bzero(random, sizeof random);
	sum_of(text, text + FF_APITOKEN_TEXT - 2 * SUM);
	ff_sha256(text, FF_APITOKEN_TEXT, hash);
}

int ff_apitoken_hash(const char *text, size_t n, unsigned char hash[FF_APITOKEN_HASH], struct ff_err *err)
{
	char sum[2 * SUM + 1];
	unsigned differ = 0;

	if (n != FF_APITOKEN_TEXT || memcmp(text, FF_APITOKEN_PREFIX, strlen(FF_APITOKEN_PREFIX)))
		return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "this is no token of this service: they begin with " FF_APITOKEN_PREFIX);
	sum_of(text, sum);
	for (size_t i = 0; i < sizeof sum - 1; i++)
		differ |= (unsigned char)(sum[i] ^ text[FF_APITOKEN_TEXT - 2 * SUM + i]);
	if (differ)
		return ff_err_set(err, FF_E_UNKNOWN_TOKEN, "the token is mistyped or cut: its checksum is wrong");
	ff_sha256(text, n, hash);
	return 0;
}
