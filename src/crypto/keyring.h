/* SPDX-License-Identifier: MIT */
#ifndef FF_CRYPTO_KEYRING_H
#define FF_CRYPTO_KEYRING_H

/*
 * The master keys that sealed rows are opened with, and the sealing.
 *
 * A key file has a line a key, "flowforge-key-1 ID HEX" (64 digits); the
 * first seals, all open.  The id is made from the key (HMAC-SHA256), so that
 * a file with a wrong digit is refused and not used.  Two files put behind
 * each other are one.
 *
 * What is sealed is bound to its place: the table, the row, the column, the
 * id of the key and what else the caller names are authenticated with it, so
 * that a row that was copied over another one does not open.
 *
 *     blob = version 1 (1 byte), nonce (12, random), the bytes, tag (16)
 */

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/secret.h"

#define FF_KEY_ID_SIZE 17 /* 16 hex digits and the NUL */
#define FF_KEYS_MAX 8
#define FF_KEY_FILE_MAX 4096
/* What a blob is longer than what is in it. */
#define FF_SEAL_EXTRA 29

struct ff_keyring;

/* Of one new random key. */
struct ff_keyring *ff_keyring_new(void);
/* FF_E_INVALID says which line, and never what is in it. */
int ff_keyring_parse(const struct ff_secret *text, struct ff_keyring **ret_ring, struct ff_err *err);
void ff_keyring_free(struct ff_keyring **ring); /* wipes */
/* As a file has it. */
struct ff_secret *ff_keyring_text(const struct ff_keyring *ring);
/* A new key that seals from now on; FF_E_TOO_LARGE over FF_KEYS_MAX. */
int ff_keyring_add(struct ff_keyring *ring, struct ff_err *err);
/* Only the key that seals is left. */
void ff_keyring_drop_old(struct ff_keyring *ring);
const char *ff_keyring_id(const struct ff_keyring *ring); /* of the key that seals */
size_t ff_keyring_count(const struct ff_keyring *ring);

struct ff_seal_place {
	const char *table, *column;
	int64_t row;
	const char *const *more; /* further words it is bound to, NULL-terminated, or NULL */
};
/* Appends the blob to out. */
void ff_seal(const struct ff_keyring *ring, const struct ff_seal_place *place, const struct ff_secret *value,
	     struct ff_buf *out);
/* FF_E_NOT_FOUND: the key of that id is not there; FF_E_INVALID: the blob was changed or is of another place. */
int ff_unseal(const struct ff_keyring *ring, const struct ff_seal_place *place, const char *key_id, const void *blob,
	      size_t n, struct ff_secret **ret_value, struct ff_err *err);

#endif
