/* SPDX-License-Identifier: MIT */
#ifndef FF_CRYPTO_APITOKEN_H
#define FF_CRYPTO_APITOKEN_H

/*
 * API tokens as text: "fft_", 64 hex digits of randomness, and 8 of a
 * checksum, so that a mistyped one, or half of one, is told apart from one
 * that was revoked, and scanners of repositories can know one for what it is.
 * What is kept and compared is the SHA-256 of the whole text.
 */

#include <stddef.h>

#include "base/err.h"

#define FF_APITOKEN_PREFIX "fft_"
#define FF_APITOKEN_TEXT (4 + 64 + 8)
#define FF_APITOKEN_HASH 32

/* Draws one. text has room for FF_APITOKEN_TEXT + 1 bytes; the caller wipes it. */
void ff_apitoken_new(char *text, unsigned char hash[FF_APITOKEN_HASH]);
/* Its hash; FF_E_UNKNOWN_TOKEN when these n bytes are none. Takes as long for each text of the right length. */
int ff_apitoken_hash(const char *text, size_t n, unsigned char hash[FF_APITOKEN_HASH], struct ff_err *err);
/* SHA-256 of bytes. */
void ff_sha256(const void *p, size_t n, unsigned char hash[FF_APITOKEN_HASH]);

#endif
