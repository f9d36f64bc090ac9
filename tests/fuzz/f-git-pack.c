/* SPDX-License-Identifier: MIT */
/*
 * Packs of strange contents: the bytes say how they are cut into files (two
 * bytes of length each, the top bit asks for a stream), how much memory there
 * is, and whether a read comes between.  What we wrote, git indexes strictly,
 * and its index must be ours byte by byte; fsck must find nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "git/lib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A script of sh, in dir; its exit status is 0. */
static void sh(const char *dir, const char *script)
{
	char *const argv[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-ec", (char *)(uintptr_t)script, NULL };
	pid_t pid;

	ff_assert(ff_spawn(&(struct ff_spawn){ .path = "/bin/sh", .argv = argv, .envp = environ, .cwd = dir, .fd_in = -1,
			   .fd_out = -1, .fd_err = -1, .fd_3 = -1 }, &pid, NULL) == 0);
	ff_assert(ff_wait(pid) == 0);
}

static void put_blob(struct ff_git *git, const char *p, size_t n, bool streamed, git_oid *ret)
{
	git_odb_stream *s = NULL;

	if (!streamed) {
		ff_assert(ff_git_lib_put(git, GIT_OBJECT_BLOB, p, n, ret, NULL) == 0);
		return;
	}
	ff_assert(git_odb_open_wstream(&s, git->odb, n, GIT_OBJECT_BLOB) == 0);
	if (n)
		ff_assert(git_odb_stream_write(s, p, n / 2) == 0 && git_odb_stream_write(s, p + n / 2, n - n / 2) == 0);
	ff_assert(git_odb_stream_finalize_write(ret, s) == 0);
	git_odb_stream_free(s);
}

static void check_read(struct ff_git *git, const git_oid *oid, const char *p, size_t n)
{
	git_odb_object *o = NULL;

	ff_assert(git_odb_read(&o, git->odb, oid) == 0 && git_odb_object_size(o) == n);
	ff_assert(memcmp(git_odb_object_data(o), p, n) == 0);
	git_odb_object_free(o);
}

static void put_all(struct ff_git *git, const char *p, size_t n, bool read)
{
	FF_AUTO(ff_buf_fini) struct ff_buf tree;
	struct ff_git_person who = { .name = "n", .email = "e", .time_s = 1 };
	char hex[FF_GIT_OID];
	git_oid oid;
	int name = 0;

	ff_buf_init(&tree, 1024 * 1024);
	while (n >= 2) {
		size_t len = ((size_t)(unsigned char)p[0] << 8 | (unsigned char)p[1]) & 0x7fff;
		bool streamed = p[0] & 0x80;

		p += 2;
		n -= 2;
		len = len < n ? len : n;
		put_blob(git, p, len, streamed, &oid);
		if (read)
			check_read(git, &oid, p, len);
		(void)ff_buf_addf(&tree, "100644 %08d", name++);
		(void)ff_buf_addc(&tree, '\0');
		(void)ff_buf_add(&tree, oid.id, 20);
		p += len;
		n -= len;
	}
	ff_assert(!tree.overflow && ff_git_lib_put(git, GIT_OBJECT_TREE, tree.data, tree.len, &oid, NULL) == 0);
	git_oid_tostr(hex, sizeof hex, &oid);
	ff_assert(ff_git_commit(git, &(struct ff_git_commit){ .tree = hex, .author = who, .committer = who,
		.message = "m" }, hex, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_free) char *dir = ff_asprintf("%s/ff-fuzz-pack.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	FF_AUTO(ff_free) char *repo = NULL, *bytes = NULL;
	FF_AUTO(ff_git_close) struct ff_git *git = NULL;

	if (size < 1 || size > 64 * 1024)
		return 0;
	ff_assert(mkdtemp(dir));
	repo = ff_path_join(dir, "r.git");
	sh(dir, "git init -q --bare r.git");
	ff_assert(ff_git_open(repo, &git, NULL) == 0);
	bytes = ff_memdup0(data + 1, size - 1);
	ff_git_pack_begin(git, true, (size_t)(data[0] >> 1) * 16);
	put_all(git, bytes, size - 1, data[0] & 1);
	ff_assert(ff_git_pack_commit(git, NULL, NULL) == 0);
	sh(dir, "p=$(echo r.git/objects/pack/pack-*.pack); git index-pack --strict -o own.idx $p; cmp own.idx ${p%.pack}.idx;"
		"test -z \"$(git -C r.git fsck --strict 2>&1 | grep -v -e ^dangling -e ^notice)\"");
	ff_assert(ff_dir_remove(dir, NULL) == 0);
	return 0;
}
