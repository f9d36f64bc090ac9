/* SPDX-License-Identifier: MIT */
/*
 * A folder is taken while a process in it swaps names for links to a secret,
 * as fast as it can.  However often: no object of the result holds the secret.
 * The control reads the same names as most programs would.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/num.h"
#include "git/lib.h"
#include "git/pack.h"
#include "git/tree.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

#define SECRET "the secret of another account\n"
#define CONTROL_TRIES 20000

static int64_t tries(void)
{
	const char *given = getenv("HOSTILE_SWAPS");
	int64_t n = 10000;

	if (given)
		assert_int_equal(ff_num_i64(given, 1, INT64_MAX, &n), 0);
	return n;
}

/* Two files and a folder against three links, until it is killed. */
static pid_t start_swapping(const char *dir)
{
	static const char *const pairs[][2] = { { "a", "a.link" }, { "b", "b.link" }, { "d", "d.link" } };
	pid_t pid = fork();
	int fd;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	for (;;)
		for (size_t i = 0; i < FF_ARRAY_LEN(pairs); i++)
			if (syscall(SYS_renameat2, fd, pairs[i][0], fd, pairs[i][1], RENAME_EXCHANGE) < 0)
				_exit(1);
}

static void stop(pid_t pid)
{
	int status = 0;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it swapped to the end */
}

static void fill(const struct repo *r)
{
	repo_do(r, "mkdir secret ws ws/d; printf '%s' >secret/f; git init -q -b main w; cd w; git remote add o ../r.git; echo 1 >one; git add .; git commit -qm 1; git push -q o main;"
		   "cd ../ws; echo a >a; echo b >b; echo d >d/f; ln -s %s/secret/f a.link; ln -s ../secret/f b.link; ln -s %s/secret d.link", SECRET, r->dir, r->dir);
}

static void no_leak(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *ws = ff_asprintf("%s/ws", r->dir);
	int64_t all = tries(), leaks = 0, taken = 0, noticed = 0;
	char base[FF_GIT_OID];
	git_oid secret;
	pid_t pid;

	fill(r);
	repo_oid(r, base, "main");
	assert_int_equal(git_odb_hash(&secret, SECRET, strlen(SECRET), GIT_OBJECT_BLOB), 0);
	pid = start_swapping(ws);
	for (int64_t i = 0; i < all; i++) {
		FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = false };
		FF_AUTO(ff_close) int fd = open(ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		ff_git_pack_begin(r->git, false, FF_GIT_PACK_MEMORY);
		if (ff_git_take(r->git, &(struct ff_git_take){ .base = base, .folder_fd = fd, .max_depth = 64 }, &t, NULL) == 0)
			taken++;
		else
			noticed++;
		leaks += git_odb_exists(r->git->odb, &secret) ? 1 : 0;
		ff_git_pack_drop(r->git);
	}
	stop(pid);
	print_message("# %lld tries: %lld taken, %lld noticed as changing, %lld leaks\n", (long long)all, (long long)taken, (long long)noticed,
		      (long long)leaks);
	assert_int_equal(leaks, 0);
}

/* Looks first and opens then, as a careful but ordinary program does. */
static bool leaks_by_looking(int dir, const char *name)
{
	char text[64];
	struct stat st;
	ssize_t n;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	ff_close(&fd);
	return n == (ssize_t)strlen(SECRET) && memcmp(text, SECRET, (size_t)n) == 0;
}

static void control(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *ws = ff_asprintf("%s/ws", r->dir);
	FF_AUTO(ff_close) int dir = -1;
	int64_t leaks = 0, n = 0;
	pid_t pid;

	fill(r);
	dir = open(ws, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid = start_swapping(ws);
	for (; n < CONTROL_TRIES || (!leaks && n < 1000 * (int64_t)CONTROL_TRIES); n++)
		leaks += leaks_by_looking(dir, "a") ? 1 : 0;
	stop(pid);
	print_message("# control: %lld leaks in %lld tries\n", (long long)leaks, (long long)n);
	assert_true(leaks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(control, repo_setup, repo_teardown),
		cmocka_unit_test_setup_teardown(no_leak, repo_setup, repo_teardown),
	};

	return cmocka_run_group_tests_name("swap", tests, NULL, NULL);
}
