/* SPDX-License-Identifier: MIT */
#ifndef FF_CRYPTO_CRYPTO_H
#define FF_CRYPTO_CRYPTO_H

/*
 * The primitives, by libgcrypt, which nothing outside this folder sees:
 * AES-256-GCM (NIST SP 800-38D), HMAC-SHA256 (RFC 2104), random tokens,
 * comparison in constant time.  Sealed rows are keyring.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FF_GCM_KEY 32
#define FF_GCM_NONCE 12
#define FF_GCM_TAG 16
#define FF_HMAC_SIZE 32
/* 256 bits in base64 for addresses and headers, without padding, and the NUL. */
#define FF_TOKEN_SIZE 44

/*
 * Called by each process that will need any of this, before it has something
 * to lose: the library looks at the machine when it is first used, and aborts
 * when it has no descriptor left to do so.
 */
void ff_crypto_start(void);

struct ff_gcm_in {
	const unsigned char *key;   /* FF_GCM_KEY bytes */
	const unsigned char *nonce; /* FF_GCM_NONCE bytes, never twice with one key */
	const void *ad;             /* authenticated, not encrypted */
	size_t ad_len;
	const void *p;
	size_t n;
};
/* out: n bytes; tag: FF_GCM_TAG bytes. */
void ff_gcm_seal(const struct ff_gcm_in *in, unsigned char *out, unsigned char *tag);
/* FF_E_INVALID when anything was changed; out holds zeros then. */
int ff_gcm_open(const struct ff_gcm_in *in, const unsigned char *tag, unsigned char *out, struct ff_err *err);

void ff_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, unsigned char ret[FF_HMAC_SIZE]);
/* Takes as long whatever the bytes are. */
bool ff_crypto_equal(const void *a, const void *b, size_t n);
void ff_token_make(char ret[FF_TOKEN_SIZE]);

#endif
