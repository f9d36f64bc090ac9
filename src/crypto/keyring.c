/* SPDX-License-Identifier: MIT */
/* See keyring.h. */
#include "crypto/keyring.h"

#include <string.h>

#include "base/file.h"
#include "crypto/crypto.h"

#define WORD "flowforge-key-1 "
#define LINE_LEN (sizeof WORD - 1 + FF_KEY_ID_SIZE - 1 + 1 + 2 * FF_GCM_KEY)
#define ID_OF "flowforge key id"
#define SEAL_VERSION 1
#define AD_MAX (64 * 1024)

struct key {
	unsigned char bytes[FF_GCM_KEY];
	char id[FF_KEY_ID_SIZE];
};

struct ff_keyring {
	struct ff_secret *memory; /* that keys lie in */
	struct key *keys;
	size_t count;
};

static const char digits[] = "0123456789abcdef";

static void to_hex(const unsigned char *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
}

static int from_hex(const char *p, size_t n, unsigned char *out)
{
	for (size_t i = 0; i < 2 * n; i++) {
		const char *at = p[i] ? strchr(digits, p[i]) : NULL;

		if (!at)
			return -1;
		out[i / 2] = (unsigned char)(out[i / 2] << 4 | (at - digits));
	}
	return 0;
}

static struct ff_keyring *ring_alloc(void)
{
	struct ff_keyring *ring = ff_calloc(1, sizeof *ring);

	ring->memory = ff_secret_empty(FF_KEYS_MAX * sizeof(struct key));
	ring->keys = (struct key *)(void *)ff_secret_room(ring->memory); /* 16 bytes into a page */
	return ring;
}

void ff_keyring_free(struct ff_keyring **ring)
{
	if (*ring)
		ff_secret_free(&(*ring)->memory);
	ff_free(ring);
}

static void name_key(struct key *key)
{
	unsigned char mac[FF_HMAC_SIZE];

	ff_hmac_sha256(key->bytes, sizeof key->bytes, ID_OF, sizeof ID_OF - 1, mac);
	to_hex(mac, (FF_KEY_ID_SIZE - 1) / 2, key->id);
	key->id[FF_KEY_ID_SIZE - 1] = '\0';
}

int ff_keyring_add(struct ff_keyring *ring, struct ff_err *err)
{
	if (ring->count >= FF_KEYS_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "there are %d master keys already", FF_KEYS_MAX);
	memmove(ring->keys + 1, ring->keys, ring->count * sizeof *ring->keys);
	ring->count++;
	ff_random(ring->keys[0].bytes, sizeof ring->keys[0].bytes);
	name_key(&ring->keys[0]);
	return 0;
}

struct ff_keyring *ff_keyring_new(void)
{
	struct ff_keyring *ring = ring_alloc();

	(void)ff_keyring_add(ring, NULL); /* the first fits */
	return ring;
}

void ff_keyring_drop_old(struct ff_keyring *ring)
{
	if (ring->count > 1)
		ff_wipe(ring->keys + 1, (ring->count - 1) * sizeof *ring->keys);
	ring->count = 1;
}

const char *ff_keyring_id(const struct ff_keyring *ring)
{
	return ring->keys[0].id;
}

size_t ff_keyring_count(const struct ff_keyring *ring)
{
	return ring->count;
}

static int parse_line(struct ff_keyring *ring, const char *line, size_t n, size_t number, struct ff_err *err)
{
	struct key *key = &ring->keys[ring->count];
	const char *id = line + sizeof WORD - 1;

	if (ring->count >= FF_KEYS_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "line %zu: there are over %d master keys", number, FF_KEYS_MAX);
	if (n != LINE_LEN || memcmp(line, WORD, sizeof WORD - 1) || id[FF_KEY_ID_SIZE - 1] != ' ' ||
	    from_hex(id + FF_KEY_ID_SIZE, FF_GCM_KEY, key->bytes) < 0)
		return ff_err_set(err, FF_E_INVALID, "line %zu is no master key; make a file with: flowforge secret init FILE", number);
	name_key(key);
	if (memcmp(id, key->id, FF_KEY_ID_SIZE - 1))
		return ff_err_set(err, FF_E_INVALID, "line %zu: the master key is damaged, it is not the one that its id names", number);
	for (size_t i = 0; i < ring->count; i++)
		if (!strcmp(ring->keys[i].id, key->id))
			return 0; /* the same twice is the same */
	ring->count++;
	return 0;
}

int ff_keyring_parse(const struct ff_secret *text, struct ff_keyring **ret_ring, struct ff_err *err)
{
	FF_AUTO(ff_keyring_free) struct ff_keyring *ring = ring_alloc();
	const char *p = ff_secret_bytes(text), *end = p + ff_secret_len(text);

	for (size_t number = 1; p < end; number++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);

		if (n && *p != '#' && parse_line(ring, p, n, number, err) < 0)
			return -1;
		p += n + 1;
	}
	if (!ring->count)
		return ff_err_set(err, FF_E_INVALID, "there is no master key in it; make a file with: flowforge secret init FILE");
	*ret_ring = ff_steal(&ring);
	return 0;
}

struct ff_secret *ff_keyring_text(const struct ff_keyring *ring)
{
	struct ff_secret *text = ff_secret_empty(ring->count * (LINE_LEN + 1));
	char *p = (char *)ff_secret_room(text);

	for (size_t i = 0; i < ring->count; i++) {
		memcpy(p, WORD, sizeof WORD - 1);
		p += sizeof WORD - 1;
		memcpy(p, ring->keys[i].id, FF_KEY_ID_SIZE - 1);
		p += FF_KEY_ID_SIZE - 1;
		*p++ = ' ';
		to_hex(ring->keys[i].bytes, FF_GCM_KEY, p);
		p += 2 * FF_GCM_KEY;
		*p++ = '\n';
	}
	return text;
}

/* --- sealing ------------------------------------------------------------------- */

/* Each with its length before it, so that no two places have the same bytes. */
static void add_word(struct ff_buf *ad, const char *word)
{
	uint32_t n = (uint32_t)strlen(word);
	const unsigned char len[] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n };

	(void)ff_buf_add(ad, len, sizeof len);
	(void)ff_buf_add(ad, word, n);
}

static void make_ad(const struct ff_seal_place *place, const char *key_id, struct ff_buf *ad)
{
	unsigned char row[8];

	for (int i = 0; i < 8; i++)
		row[i] = (unsigned char)((uint64_t)place->row >> (56 - 8 * i));
	ff_buf_init(ad, AD_MAX);
	(void)ff_buf_addc(ad, SEAL_VERSION);
	add_word(ad, place->table);
	(void)ff_buf_add(ad, row, sizeof row);
	add_word(ad, place->column);
	add_word(ad, key_id);
	for (const char *const *w = place->more; w && *w; w++)
		add_word(ad, *w);
	ff_assert(!ad->overflow);
}

void ff_seal(const struct ff_keyring *ring, const struct ff_seal_place *place, const struct ff_secret *value,
	     struct ff_buf *out)
{
	FF_AUTO(ff_buf_fini) struct ff_buf ad = { 0 };
	size_t n = ff_secret_len(value);
	unsigned char *blob = ff_calloc(1, FF_SEAL_EXTRA + n), *nonce = blob + 1;
	struct ff_gcm_in in = { .key = ring->keys[0].bytes, .nonce = nonce, .p = ff_secret_bytes(value), .n = n };

	make_ad(place, ring->keys[0].id, &ad);
	in.ad = ad.data;
	in.ad_len = ad.len;
	blob[0] = SEAL_VERSION;
	ff_random(nonce, FF_GCM_NONCE);
	ff_gcm_seal(&in, nonce + FF_GCM_NONCE, nonce + FF_GCM_NONCE + n);
	(void)ff_buf_add(out, blob, FF_SEAL_EXTRA + n);
	ff_free(&blob);
}

static const struct key *key_of(const struct ff_keyring *ring, const char *id)
{
	for (size_t i = 0; i < ring->count; i++)
		if (!strcmp(ring->keys[i].id, id))
			return &ring->keys[i];
	return NULL;
}

int ff_unseal(const struct ff_keyring *ring, const struct ff_seal_place *place, const char *key_id, const void *blob,
	      size_t n, struct ff_secret **ret_value, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf ad = { 0 };
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;
	const struct key *key = key_of(ring, key_id);
	const unsigned char *p = blob;
	struct ff_gcm_in in = { .n = n - FF_SEAL_EXTRA };

	if (!key)
		return ff_err_set(err, FF_E_NOT_FOUND, "it is sealed with the master key %.16s, which is not there", key_id);
	if (n < FF_SEAL_EXTRA || p[0] != SEAL_VERSION)
		return ff_err_set(err, FF_E_INVALID, "it is no sealed value of this version, or cut off");
	make_ad(place, key->id, &ad);
	in.key = key->bytes;
	in.nonce = p + 1;
	in.ad = ad.data;
	in.ad_len = ad.len;
	in.p = p + 1 + FF_GCM_NONCE;
	value = ff_secret_empty(in.n);
	if (ff_gcm_open(&in, p + n - FF_GCM_TAG, ff_secret_room(value), err) < 0)
		return -1;
	*ret_value = ff_steal(&value);
	return 0;
}
