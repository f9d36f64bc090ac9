/* SPDX-License-Identifier: MIT */
/* Primitives against published vectors; sealed rows that were touched in any way do not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/crypto.h"
#include "crypto/keyring.h"
#include "tests/lib/check.h"

static size_t unhex(const char *hex, unsigned char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
	return n;
}

/*
 * Test cases 13 to 16 of the GCM specification that NIST SP 800-38D names,
 * then three of NIST's CAVP file gcmEncryptExtIV256.rsp.
 */
#define K15 "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define P16 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define C16 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
static const struct { const char *key, *nonce, *ad, *text, *sealed, *tag; } vectors[] = {
	{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "", "",
	  "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
	  "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ K15, "cafebabefacedbaddecaf888", "", P16 "1aafd255", C16 "898015ad", "b094dac5d93471bdec1a502270e3cc6c" },
	{ K15, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", P16, C16,
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	{ "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7", "", "", "",
	  "bdc1ac884d332457a1d2664f168c76f0" },
	{ "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce", "",
	  "2db5168e932556f8089a0622981d017d", "fa4362189661d163fcd6a56d8bf0405a", "d636ac1bbedd5cc3ee727dc2ab4a9489" },
	{ "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b", "ac93a1a6145299bde902f21a",
	  "1e0889016f67601c8ebea4943bc23ad6", "2d71bcfa914e4ac045b2aa60955fad24", "8995ae2e6df3dbf96fac7b7137bae67f",
	  "eca5aa77d51d4a0a14d9c51e1da474ab" },
};

/* Each vector seals and opens; and with one bit changed anywhere it does not. */
static void gcm_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(vectors); i++) {
		unsigned char key[32], nonce[12], ad[32], text[64], sealed[64], tag[16], out[64], got[16];
		struct ff_gcm_in in = { .key = key, .nonce = nonce, .ad = ad, .p = text };

		(void)unhex(vectors[i].key, key);
		(void)unhex(vectors[i].nonce, nonce);
		in.ad_len = unhex(vectors[i].ad, ad);
		in.n = unhex(vectors[i].text, text);
		assert_int_equal(unhex(vectors[i].sealed, sealed), in.n);
		assert_int_equal(unhex(vectors[i].tag, tag), 16);
		ff_gcm_seal(&in, out, got);
		assert_memory_equal(out, sealed, in.n);
		assert_memory_equal(got, tag, 16);
		in.p = sealed;
		ok(ff_gcm_open(&in, tag, out, &err));
		assert_memory_equal(out, text, in.n);
		for (size_t bit = 0; bit < 8 * sizeof tag; bit++) {
			tag[bit / 8] ^= (unsigned char)(1 << bit % 8);
			fails(INVALID, "changed", ff_gcm_open(&in, tag, out, &err));
			tag[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		for (size_t bit = 0; bit < 8 * sizeof nonce; bit++) {
			nonce[bit / 8] ^= (unsigned char)(1 << bit % 8);
			fails(INVALID, "changed", ff_gcm_open(&in, tag, out, &err));
			nonce[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		for (size_t j = 0; j < in.n; j++)
			assert_int_equal(out[j], 0); /* nothing of what could not be proved is left */
	}
}

/* RFC 4231, test cases 1, 2 and 6. */
static void hmac_vectors(void **state)
{
	static const char long_text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	unsigned char key[131], want[32], got[32];

	(void)state;
	memset(key, 0x0b, 20);
	(void)unhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", want);
	ff_hmac_sha256(key, 20, "Hi There", 8, got);
	assert_memory_equal(got, want, 32);
	(void)unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want);
	ff_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, got);
	assert_memory_equal(got, want, 32);
	memset(key, 0xaa, sizeof key);
	(void)unhex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", want);
	ff_hmac_sha256(key, sizeof key, long_text, sizeof long_text - 1, got);
	assert_memory_equal(got, want, 32);
}

static void tokens_and_equal(void **state)
{
	char a[FF_TOKEN_SIZE], b[FF_TOKEN_SIZE];

	(void)state;
	ff_token_make(a);
	ff_token_make(b);
	assert_int_equal(strlen(a), 43);
	assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
	assert_string_not_equal(a, b);
	assert_true(ff_crypto_equal(a, a, sizeof a));
	for (size_t i = 0; i < sizeof a; i++) {
		memcpy(b, a, sizeof a);
		b[i] ^= 1;
		assert_false(ff_crypto_equal(a, b, sizeof a));
	}
}

/* --- sealed rows ------------------------------------------------------------------ */

static const char *const words[] = { "model", "/srv/a.git", NULL };
static const struct ff_seal_place here = { .table = "secrets", .column = "sealed", .row = 7, .more = words };

struct sealed {
	struct ff_keyring *ring;
	struct ff_buf blob;
	struct ff_secret *value;
};

static int seal_up(void **state)
{
	struct sealed *s = ff_calloc(1, sizeof *s);

	s->ring = ff_keyring_new();
	s->value = ff_secret_new("a secret that is worth something", 32);
	ff_buf_init(&s->blob, 4096);
	ff_seal(s->ring, &here, s->value, &s->blob);
	*state = s;
	return 0;
}

static int seal_down(void **state)
{
	struct sealed *s = *state;

	ff_keyring_free(&s->ring);
	ff_secret_free(&s->value);
	ff_buf_fini(&s->blob);
	free(s);
	return 0;
}

static int open_at(const struct sealed *s, const struct ff_seal_place *place, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *got = NULL;
	int rc = ff_unseal(s->ring, place, ff_keyring_id(s->ring), s->blob.data, s->blob.len, &got, err);

	if (rc == 0)
		assert_true(ff_secret_equal(got, s->value));
	return rc;
}

static void seals_and_opens(void **state)
{
	struct sealed *s = *state;
	FF_AUTO(ff_buf_fini) struct ff_buf again = { 0 };

	assert_int_equal(s->blob.len, 32 + FF_SEAL_EXTRA);
	assert_null(memmem(s->blob.data, s->blob.len, "worth", 5));
	ok(open_at(s, &here, &err));
	/* A nonce is never used twice. */
	ff_buf_init(&again, 4096);
	ff_seal(s->ring, &here, s->value, &again);
	assert_memory_not_equal(again.data + 1, s->blob.data + 1, FF_GCM_NONCE);
}

static void every_bit_counts(void **state)
{
	struct sealed *s = *state;

	for (size_t bit = 0; bit < 8 * s->blob.len; bit++) {
		s->blob.data[bit / 8] ^= (char)(1 << bit % 8);
		fails(INVALID, "", open_at(s, &here, &err));
		s->blob.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	ok(open_at(s, &here, &err));
}

static void cut_or_longer(void **state)
{
	struct sealed *s = *state;
	size_t n = s->blob.len;

	for (s->blob.len = 0; s->blob.len < n; s->blob.len++)
		fails(INVALID, "", open_at(s, &here, &err));
	ok(ff_buf_addc(&s->blob, 0));
	fails(INVALID, "changed", open_at(s, &here, &err));
}

/* What an attacker who writes the database could do: copy a row over another, or say it is something else. */
static void bound_to_its_place(void **state)
{
	static const char *const other_name[] = { "models", "/srv/a.git", NULL }, *const other_repo[] = { "model", "/srv/b.git", NULL };
	static const char *const shifted[] = { "model/srv", "/a.git", NULL }, *const fewer[] = { "model", NULL };
	struct sealed *s = *state;
	struct ff_seal_place places[] = { here, here, here, here, here, here, here, here };

	places[0].table = "tokens";
	places[1].column = "value";
	places[2].row = 8;
	places[3].more = other_name;
	places[4].more = other_repo;
	places[5].more = shifted;
	places[6].more = fewer;
	places[7].more = NULL;
	for (size_t i = 0; i < FF_ARRAY_LEN(places); i++)
		fails(INVALID, "for another place", open_at(s, &places[i], &err));
}

static void the_key_of_its_id(void **state)
{
	struct sealed *s = *state;
	FF_AUTO(ff_secret_free) struct ff_secret *got = NULL;
	FF_AUTO(ff_free) char *old = ff_strdup(ff_keyring_id(s->ring));

	ok(ff_keyring_add(s->ring, &err));
	assert_string_not_equal(ff_keyring_id(s->ring), old);
	assert_int_equal(ff_keyring_count(s->ring), 2);
	ok(ff_unseal(s->ring, &here, old, s->blob.data, s->blob.len, &got, &err));
	assert_true(ff_secret_equal(got, s->value));
	/* With the id of the other key it is another place. */
	fails(INVALID, "another key", open_at(s, &here, &err));
	ff_keyring_drop_old(s->ring);
	ff_secret_free(&got);
	fails(NOT_FOUND, "is not there", ff_unseal(s->ring, &here, old, s->blob.data, s->blob.len, &got, &err));
}

/* --- the key file ------------------------------------------------------------------- */

static int parse(const char *text, size_t n, struct ff_keyring **ret, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *s = ff_secret_new(text, n);

	return ff_keyring_parse(s, ret, err);
}

static void key_files(void **state)
{
	FF_AUTO(ff_keyring_free) struct ff_keyring *ring = ff_keyring_new();
	FF_AUTO(ff_keyring_free) struct ff_keyring *back = NULL;
	FF_AUTO(ff_secret_free) struct ff_secret *text = NULL;
	FF_AUTO(ff_free) char *copy = NULL;
	size_t n;

	(void)state;
	ok(ff_keyring_add(ring, &err));
	text = ff_keyring_text(ring);
	n = ff_secret_len(text);
	copy = ff_memdup0(ff_secret_bytes(text), n);
	ok(parse(copy, n, &back, &err));
	assert_int_equal(ff_keyring_count(back), 2);
	assert_string_equal(ff_keyring_id(back), ff_keyring_id(ring));
	/* Each digit of a key is looked after by its id. */
	for (size_t i = 0; i < n / 2; i++) {
		char was = copy[i];
		struct ff_keyring *none = NULL;

		copy[i] = was == '0' ? '1' : '0';
		fails(INVALID, "line 1", parse(copy, n, &none, &err));
		copy[i] = was;
	}
	fails(INVALID, "no master key", parse("# only talk\n", 12, &back, &err));
	fails(INVALID, "line 2", parse(copy, n - 3, &back, &err));
	for (size_t i = 2; i < FF_KEYS_MAX; i++)
		ok(ff_keyring_add(ring, &err));
	fails(TOO_LARGE, "8 master keys", ff_keyring_add(ring, &err));
}

/* --- secrets -------------------------------------------------------------------------- */

static void travel_by_memory(void **state)
{
	FF_AUTO(ff_secret_free) struct ff_secret *s = ff_secret_new("over the wall", 13);
	FF_AUTO(ff_secret_free) struct ff_secret *back = NULL;
	FF_AUTO(ff_close) int spy = -1;
	int fd = -1, p[2];
	char left[16];

	(void)state;
	ok(ff_secret_to_fd(s, &fd, &err));
	spy = dup(fd);
	ok(ff_secret_from_fd(fd, 100, &back, &err));
	assert_true(ff_secret_equal(s, back));
	assert_int_equal(pread(spy, left, sizeof left, 0), 0);
	ok(ff_secret_to_fd(s, &fd, &err));
	fails(TOO_LARGE, "over 12 bytes", ff_secret_from_fd(fd, 12, &back, &err));
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fails(PROTOCOL, "memfd", ff_secret_from_fd(p[0], 12, &back, &err)); /* does not wait for it */
	fails(PROTOCOL, "memfd", ff_secret_from_fd(-1, 12, &back, &err));
	close(p[1]);
}

static void out_of_files(void **state)
{
	char dir[] = "/tmp/t-crypto.XXXXXX";
	FF_AUTO(ff_free) char *path = NULL;
	FF_AUTO(ff_secret_free) struct ff_secret *s = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = ff_path_join(dir, "key");
	fails(NOT_FOUND, "the key cannot be read", ff_secret_from_file(path, "the key", 100, &s, &err));
	ok(ff_file_write(path, "word \n", 6, 0640, &err));
	fails(NOT_ALLOWED, "chmod 600", ff_secret_from_file(path, "the key", 100, &s, &err));
	assert_int_equal(chmod(path, 0600), 0);
	ok(ff_secret_from_file(path, "the key", 100, &s, &err));
	ff_secret_trim(s);
	assert_string_equal(ff_secret_bytes(s), "word");
	fails(TOO_LARGE, "over 5 bytes", ff_secret_from_file(path, "the key", 5, &s, &err));
	assert_int_equal(truncate(path, 0), 0);
	fails(INVALID, "it is empty", ff_secret_from_file(path, "the key", 5, &s, &err));
	fails(INVALID, "regular file", ff_secret_from_file(dir, "the key", 5, &s, &err));
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		fails(NOT_ALLOWED, "belongs to account 12345", ff_secret_from_file(path, "the key", 5, &s, &err));
	}
	ok(ff_dir_remove(dir, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_vectors),
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(tokens_and_equal),
		cmocka_unit_test_setup_teardown(seals_and_opens, seal_up, seal_down),
		cmocka_unit_test_setup_teardown(every_bit_counts, seal_up, seal_down),
		cmocka_unit_test_setup_teardown(cut_or_longer, seal_up, seal_down),
		cmocka_unit_test_setup_teardown(bound_to_its_place, seal_up, seal_down),
		cmocka_unit_test_setup_teardown(the_key_of_its_id, seal_up, seal_down),
		cmocka_unit_test(key_files),
		cmocka_unit_test(travel_by_memory),
		cmocka_unit_test(out_of_files),
	};

	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
