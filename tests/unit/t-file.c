/* SPDX-License-Identifier: MIT */
/*
 * Files: whole reads and writes, their failures, and the removal of trees
 * that a hostile job may leave behind.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DEEP 5000
#define NOBODY 65534

static char top[64];

static int make_top(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof top, "/tmp/t-file.XXXXXX");
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	(void)state;
	return ff_dir_remove(top, NULL);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int count_names(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	return (int)st.st_nlink - 2; /* folders only */
}

static void test_write_and_read(void **state)
{
	FF_AUTO(ff_free) char *path = ff_path_join(top, "file");
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct ff_err err = { 0 };
	struct stat st;

	(void)state;
	ff_buf_init(&b, 100);
	assert_int_equal(ff_file_write(path, "first", 5, 0600, &err), 0);
	assert_int_equal(ff_file_write(path, "a\0b", 3, 0640, &err), 0);
	assert_int_equal(ff_file_read(path, &b, &err), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(ff_file_read(path, &b, &err), 0); /* appends */
	assert_int_equal(b.len, 6);
}

static void test_read_limits(void **state)
{
	FF_AUTO(ff_free) char *path = ff_path_join(top, "file");
	FF_AUTO(ff_free) char *none = ff_path_join(top, "none");
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_file_write(path, "12345", 5, 0600, &err), 0);
	for (size_t max = 0; max <= 6; max++) {
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, max);
		assert_int_equal(ff_file_read(path, &b, &err), max < 5 ? -1 : 0);
		if (max < 5)
			assert_int_equal(err.code, FF_E_TOO_LARGE);
		else
			assert_string_equal(b.data, "12345");
	}
	{
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, 0);
		assert_int_equal(ff_file_write(path, "", 0, 0600, &err), 0);
		assert_int_equal(ff_file_read(path, &b, &err), 0);
		assert_string_equal(b.data, "");
		assert_int_equal(ff_file_read(none, &b, &err), -1);
		assert_int_equal(err.code, FF_E_NOT_FOUND);
		assert_int_equal(ff_file_read(top, &b, &err), -1);
		assert_int_equal(err.code, FF_E_IO);
	}
}

/* A write that fails leaves the old file and nothing beside it. */
static void test_write_fails(void **state)
{
	FF_AUTO(ff_free) char *path = ff_path_join(top, "file");
	FF_AUTO(ff_free) char *below = ff_path_join(path, "below");
	FF_AUTO(ff_free) char *dir = ff_path_join(top, "dir");
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_file_write(path, "old", 3, 0600, &err), 0);
	assert_int_equal(ff_file_write(below, "x", 1, 0600, &err), -1);
	assert_int_equal(err.code, FF_E_IO);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(ff_file_write(dir, "x", 1, 0600, &err), -1); /* rename onto a folder */
	assert_non_null(strstr(err.text, "rename"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(rmdir(top), 0); /* so no temporary file is left */
	assert_int_equal(mkdir(top, 0700), 0);
}

static void test_sweep(void **state)
{
	static const char *const names[] = { "a.conf.0123456789abcdef.tmp", "a.conf", "a.tmp", "a.0123456789abcde.tmp",
					     "a.0123456789abcdeg.tmp", ".0123456789abcdef.tmp" };
	FF_AUTO(ff_free) char *none = ff_path_join(top, "none");
	FF_AUTO(ff_free) char *dir = ff_path_join(top, "swept");
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(dir, names[i]);

		assert_int_equal(ff_file_write(path, "x", 1, 0600, &err), 0);
	}
	assert_int_equal(ff_file_sweep(dir, &err), 0);
	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(dir, names[i]);

		assert_int_equal(access(path, F_OK), i == 0 ? -1 : 0);
	}
	assert_int_equal(ff_file_sweep(none, &err), 0);
	assert_int_equal(ff_dir_remove(dir, NULL), 0);
}

static void test_dir_make(void **state)
{
	FF_AUTO(ff_free) char *deep = ff_path_join(top, "a/b//c");
	FF_AUTO(ff_free) char *file = ff_path_join(top, "file");
	FF_AUTO(ff_free) char *below = ff_path_join(top, "file/x");
	struct ff_err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(ff_dir_make(deep, 0710, &err), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(ff_dir_make(deep, 0700, &err), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710); /* left as it is */
	assert_int_equal(ff_dir_make("/", 0700, &err), 0);
	assert_int_equal(ff_file_write(file, "", 0, 0600, &err), 0);
	assert_int_equal(ff_dir_make(file, 0700, &err), -1);
	assert_non_null(strstr(err.text, "not a folder"));
	assert_int_equal(ff_dir_make(below, 0700, &err), -1);
	assert_int_equal(ff_dir_sync(below, &err), -1);
}

static void test_path_join(void **state)
{
	static const struct { const char *dir, *name, *want; } rows[] = {
		{ "/a", "b", "/a/b" }, { "/a/", "b", "/a/b" }, { "/", "b", "/b" }, { "a", "b/c", "a/b/c" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *got = ff_path_join(rows[i].dir, rows[i].name);

		assert_string_equal(got, rows[i].want);
	}
}

/* --- removal */

static void test_remove_simple(void **state)
{
	FF_AUTO(ff_free) char *dir = ff_path_join(top, "dir");
	FF_AUTO(ff_free) char *keep = ff_path_join(top, "keep");
	FF_AUTO(ff_free) char *kept = ff_path_join(keep, "file");
	FF_AUTO(ff_free) char *to_dir = ff_path_join(dir, "link");
	FF_AUTO(ff_free) char *fifo = ff_path_join(dir, "fifo");
	FF_AUTO(ff_free) char *link = ff_path_join(top, "link");
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_dir_make(dir, 0700, &err), 0);
	assert_int_equal(ff_dir_make(keep, 0700, &err), 0);
	assert_int_equal(ff_file_write(kept, "x", 1, 0600, &err), 0);
	assert_int_equal(symlink(keep, to_dir), 0);
	assert_int_equal(symlink(keep, link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(ff_dir_remove(dir, &err), 0);
	assert_false(exists(dir));
	assert_int_equal(ff_dir_remove(link, &err), 0);
	assert_false(exists(link));
	assert_true(exists(kept)); /* no link was followed */
	assert_int_equal(ff_dir_remove(kept, &err), 0);
	assert_false(exists(kept));
	assert_int_equal(ff_dir_remove(dir, &err), 0); /* nothing there */
}

static void test_remove_wide(void **state)
{
	FF_AUTO(ff_free) char *dir = ff_path_join(top, "wide");
	struct ff_err err = { 0 };

	(void)state;
	for (int i = 0; i < 1200; i++) {
		FF_AUTO(ff_free) char *name = ff_asprintf("%s/%d/inner", dir, i);

		assert_int_equal(ff_dir_make(name, 0700, &err), 0);
	}
	assert_int_equal(count_names(dir), 1200);
	assert_int_equal(ff_dir_remove(dir, &err), 0);
	assert_false(exists(dir));
}

static void write_file_at(int dir, const char *name)
{
	FF_AUTO(ff_close) int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0);

	if (fd < 0)
		_exit(20);
}

/* Each level holds a file and a folder without rights; the way down is longer than any path may be. */
static void build_deep(const char *path)
{
	static const char name[] = "a-name-that-makes-the-path-longer-than-any-call-accepts";
	int fd;

	if (mkdir(path, 0700) < 0 || (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		_exit(21);
	for (int i = 0; i < DEEP; i++) {
		int next;

		write_file_at(fd, "file");
		if (i % 7 == 0 && mkdirat(fd, "closed", 0700) == 0) {
			FF_AUTO(ff_close) int closed = openat(fd, "closed", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			write_file_at(closed, "inside");
			if (fchmod(closed, 0) < 0)
				_exit(22);
		}
		if (mkdirat(fd, name, 0700) < 0 || (next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
			_exit(23);
		if (i % 5 == 0 && fchmod(fd, i % 2 ? 0 : 0100) < 0)
			_exit(24);
		ff_close(&fd);
		fd = next;
	}
	ff_close(&fd);
}

/* As an ordinary user, so that folders without rights count. */
static void deep_child(const char *dir)
{
	const struct rlimit few = { 64, 64 };
	FF_AUTO(ff_free) char *tree = ff_path_join(dir, "tree");
	struct ff_err err = { 0 };

	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(10);
	build_deep(tree);
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		_exit(11);
	if (ff_dir_remove(tree, &err) < 0) {
		fprintf(stderr, "# %s\n", err.text);
		_exit(12);
	}
	_exit(exists(tree) ? 13 : 0);
}

static void test_remove_deep(void **state)
{
	FF_AUTO(ff_free) char *dir = ff_path_join(top, "open");
	int status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(mkdir(dir, 0777), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		deep_child(dir);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(dir), 0); /* nothing was left beside the tree either */
}

static void denied_child(const char *tree)
{
	struct ff_err err = { 0 };

	if (getuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(10);
	if (ff_dir_remove(tree, &err) == 0)
		_exit(11);
	_exit(err.code == FF_E_IO && strstr(err.text, "Permission denied") ? 0 : 12);
}

/* What is not ours ends the removal with an error, not in a circle. */
static void test_remove_denied(void **state)
{
	FF_AUTO(ff_free) char *tree = ff_path_join(top, "denied");
	FF_AUTO(ff_free) char *file = ff_path_join(tree, "file");
	int status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(mkdir(tree, 0755), 0);
	assert_int_equal(ff_file_write(file, "x", 1, 0600, NULL), 0);
	/* Root is another user in the child; anybody else denies himself the last step. */
	assert_int_equal(chmod(top, getuid() == 0 ? 0755 : 0555), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		denied_child(tree);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(exists(getuid() == 0 ? file : tree));
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(ff_dir_remove(tree, NULL), 0);
}

static void test_random(void **state)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	ff_random(a, sizeof a);
	ff_random(b, sizeof b);
	assert_memory_not_equal(a, b, sizeof a);
	ff_random(a, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_and_read), cmocka_unit_test(test_read_limits),
		cmocka_unit_test(test_write_fails), cmocka_unit_test(test_sweep), cmocka_unit_test(test_dir_make),
		cmocka_unit_test(test_path_join), cmocka_unit_test(test_remove_simple),
		cmocka_unit_test(test_remove_wide), cmocka_unit_test(test_remove_deep),
		cmocka_unit_test(test_remove_denied), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
