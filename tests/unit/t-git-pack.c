/* SPDX-License-Identifier: MIT */
/* New objects held back, and the pack that is made of them, with git as the judge. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "git/lib.h"
#include "git/packfile.h"
#include "git/sha1.h"
#include "git/tree.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

static void put_blob(struct repo *r, const void *p, size_t n, char *ret_hex)
{
	git_oid oid;

	ok(ff_git_lib_put(r->git, GIT_OBJECT_BLOB, p, n, &oid, &err));
	git_oid_tostr(ret_hex, FF_GIT_OID, &oid);
}

/* A tree of that one file, and a commit of it. */
static void put_commit(struct repo *r, const char *blob, char *ret_hex)
{
	git_oid oid, tree;
	char entry[64] = "100644 f", tree_hex[FF_GIT_OID];

	ok(ff_git_lib_oid(blob, &oid, &err));
	memcpy(entry + 9, oid.id, 20);
	ok(ff_git_lib_put(r->git, GIT_OBJECT_TREE, entry, 29, &tree, &err));
	git_oid_tostr(tree_hex, sizeof tree_hex, &tree);
	ok(ff_git_commit(r->git, &(struct ff_git_commit){ .tree = tree_hex, .author = repo_person(),
		.committer = repo_person(), .message = "m" }, ret_hex, &err));
}

static void sum_is_by(bool may_be_fast, const char *want, const char *text, size_t times)
{
	unsigned char sum[FF_SHA1_LEN];
	char hex[2 * FF_SHA1_LEN + 1];
	struct ff_sha1 s;

	ff_sha1_init(&s);
	s.fast &= may_be_fast;
	for (size_t i = 0; i < times; i++)
		ff_sha1_add(&s, text, strlen(text));
	ff_sha1_end(&s, sum);
	for (size_t i = 0; i < sizeof sum; i++) {
		hex[2 * i] = "0123456789abcdef"[sum[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[sum[i] & 15];
	}
	hex[2 * FF_SHA1_LEN] = '\0';
	assert_string_equal(hex, want);
}

static void sum_is(const char *want, const char *text, size_t times)
{
	sum_is_by(true, want, text, times);
	sum_is_by(false, want, text, times);
}

/* The examples of FIPS 180-4 and of RFC 3174, section 7.3. */
static void sums_as_published(void **state)
{
	(void)state;
	sum_is("da39a3ee5e6b4b0d3255bfef95601890afd80709", "", 1);
	sum_is("a9993e364706816aba3e25717850c26c9cd0d89d", "abc", 1);
	sum_is("84983e441c3bd26ebaae4aa1f95129e5e54670f1", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1);
	sum_is("34aa973cd4c4daa4f61eeb2bdbad27316534016f", "a", 1000000);
	sum_is("dea356a2cddd90c7a7ecedc5ebb563934f460452", "0123456701234567012345670123456701234567012345670123456701234567", 10);
}

static void one_pack_of_all(void **state)
{
	struct repo *r = *state;
	struct ff_git_packed packed;
	char blob[FF_GIT_OID], commit[FF_GIT_OID];

	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	put_blob(r, "hello\n", 6, blob);
	put_blob(r, "hello\n", 6, blob);
	put_commit(r, blob, commit);
	repo_prints(r, "0", "find r.git/objects -type f | wc -l");
	ok(ff_git_pack_commit(r->git, &packed, &err));
	assert_int_equal(packed.objects, 3);
	repo_prints(r, "1 1 0", "cd r.git/objects; echo $(ls pack/pack-*.pack | wc -l) $(ls pack/pack-*.idx | wc -l) $(ls pack/tmp_* 2>/dev/null | wc -l)");
	repo_prints(r, "hello", "git -C r.git show %s:f", commit);
	repo_do(r, "cd r.git; git verify-pack objects/pack/*.idx; git update-ref refs/heads/main %s", commit);
	/* Git's own index of the same pack is the same file. */
	repo_do(r, "p=$(echo r.git/objects/pack/*.pack); git index-pack --strict -o own.idx $p; cmp own.idx ${p%%.pack}.idx");
	repo_prints(r, "444", "stat -c %%a r.git/objects/pack/*.pack r.git/objects/pack/*.idx | sort -u");
	repo_fsck(r);
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	ok(ff_git_pack_commit(r->git, &packed, &err));
	assert_int_equal(packed.objects, 0);
	repo_prints(r, "1", "ls r.git/objects/pack/*.pack | wc -l");
}

/* The first MiB is stored as it is, in blocks of 64 KiB, and what is behind it is compressed. */
static void plain_and_compressed(void **state)
{
	struct repo *r = *state;
	const size_t sizes[] = { 0, 1, 65534, 65535, 65536, 131070, 700000, 700001 };
	FF_AUTO(ff_free) char *text = ff_calloc(700001, 1);
	char blob[FF_GIT_OID], commit[FF_GIT_OID];

	memset(text, 'x', 700001);
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	for (size_t i = 0; i < FF_ARRAY_LEN(sizes); i++)
		put_blob(r, text, sizes[i], blob);
	put_commit(r, blob, commit);
	ok(ff_git_pack_commit(r->git, NULL, &err));
	/* 1,027,730 bytes of the first seven, and of the last hardly any. */
	repo_prints(r, "1", "echo $(($(stat -c %%s r.git/objects/pack/*.pack) / 1027730))");
	repo_do(r, "p=$(echo r.git/objects/pack/*.pack); git index-pack --strict -o own.idx $p; cmp own.idx ${p%%.pack}.idx");
	repo_do(r, "git -C r.git update-ref refs/heads/main %s", commit);
	repo_prints(r, "8", "git -C r.git cat-file --batch-all-objects --batch-check | grep -c blob");
	repo_fsck(r);
}

static void read_before_it_is_written(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info info = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	char blob[FF_GIT_OID], commit[FF_GIT_OID];

	ff_buf_init(&b, 100);
	ff_git_pack_begin(r->git, false, FF_GIT_PACK_MEMORY);
	put_blob(r, "new", 3, blob);
	put_commit(r, blob, commit);
	ok(ff_git_commit_info(r->git, commit, &info, &err));
	ok(ff_git_read_path(r->git, commit, "f", &b, &err));
	assert_string_equal(b.data, "new");
	ff_git_pack_drop(r->git);
	repo_prints(r, "0", "find r.git/objects -type f | wc -l");
}

/* So little memory that each object goes to the file at once, and is read from there. */
static void past_the_memory(void **state)
{
	struct repo *r = *state;
	char blob[FF_GIT_OID], commit[FF_GIT_OID];
	FF_AUTO(ff_free) char *big = ff_calloc(3 * 1024 * 1024, 1);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 4 * 1024 * 1024);
	for (size_t i = 0; i < 3 * 1024 * 1024; i++) /* nothing that deflates well */
		big[i] = (char)((i * 2654435761u) >> 13);
	for (int keep = 0; keep < 2; keep++) {
		ff_git_pack_begin(r->git, keep, 0);
		put_blob(r, big, 3 * 1024 * 1024, blob);
		put_blob(r, "", 0, commit);
		put_commit(r, commit, commit);
		ff_buf_clear(&b);
		ok(ff_git_read_path(r->git, commit, "f", &b, &err));
		assert_int_equal(b.len, 0);
		put_commit(r, blob, commit);
		ok(ff_git_read_path(r->git, commit, "f", &b, &err));
		assert_int_equal(b.len, 3 * 1024 * 1024);
		assert_memory_equal(b.data, big, b.len);
		repo_prints(r, keep ? "1" : "0", "ls r.git/objects/pack | grep -c ^tmp_pack_ || :");
		if (!keep)
			ff_git_pack_drop(r->git);
	}
	ok(ff_git_pack_commit(r->git, NULL, &err));
	repo_do(r, "git -C r.git update-ref refs/heads/main %s; p=$(echo r.git/objects/pack/*.pack); git index-pack --strict -o own.idx $p;"
		   "cmp own.idx ${p%%.pack}.idx", commit);
	repo_fsck(r);
}

/* Files over the walker's limit for whole reading come as a stream; one that is known already leaves no bytes. */
static void large_files_are_streamed(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken taken = { 0 };
	FF_AUTO(ff_close) int fd = -1;
	FF_AUTO(ff_free) char *ws = ff_asprintf("%s/ws", r->dir);
	char blob[FF_GIT_OID], base[FF_GIT_OID], commit[FF_GIT_OID];

	put_blob(r, "x", 1, blob);
	put_commit(r, blob, base);
	repo_do(r, "mkdir ws; head -c 9000000 /dev/zero >ws/one; cp ws/one ws/two; echo small >ws/three");
	fd = open(ws, O_RDONLY | O_DIRECTORY);
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	ok(ff_git_take(r->git, &(struct ff_git_take){ .base = base, .folder_fd = fd }, &taken, &err));
	ok(ff_git_commit(r->git, &(struct ff_git_commit){ .tree = taken.tree, .author = repo_person(),
		.committer = repo_person(), .message = "m" }, commit, &err));
	ok(ff_git_pack_commit(r->git, NULL, &err));
	repo_prints(r, "9000000", "git -C r.git show %s:two | wc -c", commit);
	repo_do(r, "git -C r.git update-ref refs/heads/main %s; p=$(echo r.git/objects/pack/*.pack); git index-pack --strict -o own.idx $p;"
		   "cmp own.idx ${p%%.pack}.idx", commit);
	repo_fsck(r);
}

static void rights_of_a_shared_repository(void **state)
{
	struct repo *r = *state;
	char blob[FF_GIT_OID];
	mode_t old = umask(077);

	repo_do(r, "git -C r.git config core.sharedRepository group");
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	put_blob(r, "x", 1, blob);
	ok(ff_git_pack_commit(r->git, NULL, &err));
	(void)umask(old);
	repo_prints(r, "440", "stat -c %%a r.git/objects/pack/*.pack r.git/objects/pack/*.idx | sort -u");
}

static void leftovers_are_swept(void **state)
{
	struct repo *r = *state;
	char blob[FF_GIT_OID];

	repo_do(r, "cd r.git/objects/pack; h=0123456789012345678901234567890123456789; i=1123456789012345678901234567890123456789;"
		   "echo 1 >tmp_pack_flowforge-old; echo 2 >tmp_pack_flowforge-new; echo 3 >tmp_idx_flowforge-$h; echo 4 >pack-$h.pack;"
		   "echo 5 >tmp_idx_flowforge-$i; echo 6 >pack-$i.pack; echo 7 >pack-$i.idx; echo 8 >tmp_pack_other;"
		   "for f in *; do test $f = tmp_pack_flowforge-new || touch -d '1 hour ago' $f; done");
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	put_blob(r, "x", 1, blob);
	ok(ff_git_pack_commit(r->git, NULL, &err));
	repo_prints(r, "pack-1123456789012345678901234567890123456789.idx\npack-1123456789012345678901234567890123456789.pack\n"
		       "tmp_pack_flowforge-new\ntmp_pack_other", "ls r.git/objects/pack | grep -e ^tmp -e 123456789");
}

static void nothing_is_seen_of_a_failure(void **state)
{
	struct repo *r = *state;
	char blob[FF_GIT_OID];

	repo_do(r, "rmdir r.git/objects/pack; echo >r.git/objects/pack");
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	put_blob(r, "x", 1, blob);
	fails(IO, "cannot make a pack", ff_git_pack_commit(r->git, NULL, &err));
	repo_prints(r, "1", "find r.git/objects -type f | wc -l");
	repo_do(r, "rm r.git/objects/pack");
	ff_git_pack_begin(r->git, true, FF_GIT_PACK_MEMORY);
	put_blob(r, "x", 1, blob);
	ok(ff_git_pack_commit(r->git, NULL, &err));
	repo_prints(r, "x", "git -C r.git cat-file -p %s", blob);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_as_published),
		test(one_pack_of_all),
		test(plain_and_compressed),
		test(read_before_it_is_written),
		test(past_the_memory),
		test(large_files_are_streamed),
		test(rights_of_a_shared_repository),
		test(leftovers_are_swept),
		test(nothing_is_seen_of_a_failure),
	};

	return cmocka_run_group_tests_name("git-pack", tests, NULL, NULL);
}
