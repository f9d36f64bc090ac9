/* SPDX-License-Identifier: MIT */
/* See crypto.h. */
#include "crypto/crypto.h"

#include <string.h>

#include <gcrypt.h>

#include "base/file.h"
#include "base/mem.h"

/* What only a broken library or a lack of memory can refuse. */
#define must(call) ff_assert(!gcry_err_code(call))

void ff_crypto_start(void)
{
	static bool done;

	if (done)
		return;
	/* A library that we use may use this one too, and have begun. */
	if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
		ff_assert(gcry_check_version("1.8.0"));
		(void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0); /* as documented: cannot fail before the end of initialization */
		(void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	}
	done = true;
}

static gcry_cipher_hd_t gcm(const struct ff_gcm_in *in)
{
	gcry_cipher_hd_t h;

	ff_crypto_start();
	must(gcry_cipher_open(&h, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_GCM, 0));
	must(gcry_cipher_setkey(h, in->key, FF_GCM_KEY));
	must(gcry_cipher_setiv(h, in->nonce, FF_GCM_NONCE));
	if (in->ad_len)
		must(gcry_cipher_authenticate(h, in->ad, in->ad_len));
	return h;
}

void ff_gcm_seal(const struct ff_gcm_in *in, unsigned char *out, unsigned char *tag)
{
	gcry_cipher_hd_t h = gcm(in);

	if (in->n)
		must(gcry_cipher_encrypt(h, out, in->n, in->p, in->n));
	must(gcry_cipher_gettag(h, tag, FF_GCM_TAG));
	gcry_cipher_close(h); /* wipes the key's schedule */
}

int ff_gcm_open(const struct ff_gcm_in *in, const unsigned char *tag, unsigned char *out, struct ff_err *err)
{
	gcry_cipher_hd_t h = gcm(in);
	gcry_error_t e;

	if (in->n)
		must(gcry_cipher_decrypt(h, out, in->n, in->p, in->n));
	e = gcry_cipher_checktag(h, tag, FF_GCM_TAG);
	gcry_cipher_close(h);
	if (!e)
		return 0;
	ff_wipe(out, in->n);
	return ff_err_set(err, FF_E_INVALID, "it was changed, or sealed with another key or for another place");
}

void ff_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, unsigned char ret[FF_HMAC_SIZE])
{
	size_t len = FF_HMAC_SIZE;
	gcry_mac_hd_t h;

	ff_crypto_start();
	must(gcry_mac_open(&h, GCRY_MAC_HMAC_SHA256, 0, NULL));
	must(gcry_mac_setkey(h, key, key_len));
	if (n)
		must(gcry_mac_write(h, p, n));
	must(gcry_mac_read(h, ret, &len));
	gcry_mac_close(h);
}

bool ff_crypto_equal(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	unsigned char differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

void ff_token_make(char ret[FF_TOKEN_SIZE])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char random[33] = { 0 }; /* the last byte only fills the group */

	ff_random(random, 32);
	for (size_t i = 0; i < FF_TOKEN_SIZE - 1; i++) {
		size_t bit = 6 * i;
		unsigned v = (unsigned)(random[bit / 8] << 8 | (bit / 8 + 1 < sizeof random ? random[bit / 8 + 1] : 0));

		ret[i] = digits[v >> (10 - bit % 8) & 63u];
	}
	ret[FF_TOKEN_SIZE - 1] = '\0';
	ff_wipe(random, sizeof random);
}
