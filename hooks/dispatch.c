/* SPDX-License-Identifier: MIT */
/*
 * Runs a folder of hooks in name order where a repository had a hook before
 * we came.  Each gets the same standard input, as a file of its own, so that
 * one that does not read it is not ended by SIGPIPE; the working folder, the
 * environment, the arguments and both outputs are those git gave us.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"
#include "hooks/hook.h"

#define STDIN_MAX (256u * 1024 * 1024) /* two million refs */
#define HOOKS_MAX 1000
#define ARGS_MAX 100

/* What editors and package managers leave beside a file. */
static bool left_over(const char *name)
{
	static const char *const ends[] = {
		"~", ".bak", ".orig", ".rej", ".sample", ".swp", ".tmp",
		".dpkg-old", ".dpkg-new", ".dpkg-dist", ".rpmsave", ".rpmnew", ".rpmorig",
	};

	if (*name == '.' || *name == '#')
		return true;
	for (size_t i = 0; i < FF_ARRAY_LEN(ends); i++)
		if (ff_ends(name, ends[i]))
			return true;
	return false;
}

static int runnable(const struct dirent *e)
{
	return !left_over(e->d_name);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* C locale, wherever we run */
}

/* All of our standard input in a memory file; -1 with err set. */
static int keep_stdin(struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = memfd_create("stdin", MFD_CLOEXEC);
	char bytes[65536];
	size_t total = 0;
	ssize_t n;

	if (fd < 0)
		return ff_err_errno(err, "memfd_create");
	while ((n = read(STDIN_FILENO, bytes, sizeof bytes)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_errno(err, "standard input");
		total += (size_t)n;
		if (total > STDIN_MAX)
			return ff_err_set(err, FF_E_TOO_LARGE, "more than %u bytes of updates: push fewer refs at once", STDIN_MAX);
		if (ff_fd_write_all(fd, bytes, (size_t)n, err) < 0)
			return -1;
	}
	return ff_steal_fd(&fd);
}

/* The kept input from its start, with an offset of its own where /proc is there. */
static int reopen(int kept)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", kept); /* fits any number */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && lseek(kept, 0, SEEK_SET) == 0)
		fd = fcntl(kept, F_DUPFD_CLOEXEC, 0);
	return fd;
}

/* git starts a hook without "#!" by the shell; one that we moved must go on working. */
static bool plain_script(const char *path)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char head[4] = { 0 };

	return fd >= 0 && read(fd, head, sizeof head) >= 0 && memcmp(head, "#!", 2) && memcmp(head, "\177ELF", 4);
}

/* Our own entry is a link to the program, which goes by the name it is run as. */
static bool own_link(const char *path)
{
	struct stat st;

	return ff_ends(path, "/" FF_HOOK_ENTRY) && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int start(const char *path, const char *name, char *const *args, int in, pid_t *ret_pid,
		 struct ff_err *err)
{
	char sh[] = "sh", *argv[ARGS_MAX + 3] = { NULL };
	FF_AUTO(ff_free) char *own = ff_strdup(name);
	struct ff_spawn what = { .path = path, .argv = argv + 1, .envp = environ, .fd_in = in,
				 .fd_out = STDOUT_FILENO, .fd_err = STDERR_FILENO, .fd_3 = -1 };

	argv[0] = sh;
	argv[1] = own;
	for (size_t i = 0; args[i]; i++) {
		if (i == ARGS_MAX)
			return ff_err_set(err, FF_E_TOO_LARGE, "more than %d arguments", ARGS_MAX);
		argv[2 + i] = args[i];
	}
	if (ff_spawn(&what, ret_pid, err) == 0)
		return 0;
	if (!plain_script(path))
		return -1;
	what.path = "/bin/sh";
	what.argv = argv;
	return ff_spawn(&what, ret_pid, err);
}

/* The hook's exit status, 128 + N for signal N as in the shell. */
static int run_hook(const char *type, const char *path, char *const *args, int kept)
{
	FF_AUTO(ff_close) int in = reopen(kept);
	struct ff_err err;
	pid_t pid;
	int status;

	if (in < 0)
		ff_err_errno(&err, "standard input");
	if (in < 0 || start(path, own_link(path) ? type : path, args, in, &pid, &err) < 0) {
		fprintf(stderr, "error: hook %s: %s\n", path, err.text);
		return 1;
	}
	status = ff_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static void free_names(struct dirent ***names, int count)
{
	for (int i = 0; i < count; i++)
		ff_free(&(*names)[i]);
	ff_free(names);
}

int ff_hook_dispatch(const char *type, const char *folder, char *const *args)
{
	FF_AUTO(ff_close) int kept = -1;
	bool stop_at_first = !strcmp(type, "pre-receive");
	struct dirent **names = NULL;
	struct ff_err err;
	int count, first = 0;

	kept = keep_stdin(&err);
	if (kept < 0) {
		fprintf(stderr, "error: %s: %s\n", folder, err.text);
		return 1;
	}
	count = scandir(folder, &names, runnable, by_name);
	if (count < 0 && errno == ENOENT)
		return 0; /* an empty folder of hooks, to git */
	if (count < 0 || count > HOOKS_MAX) {
		fprintf(stderr, "error: %s: %s\n", folder, count < 0 ? strerror(errno) : "too many hooks in it");
		free_names(&names, count);
		return 1;
	}
	for (int i = 0; i < count && !(first && stop_at_first); i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(folder, names[i]->d_name);
		int status = executable(path) ? run_hook(type, path, args, kept) : 0;

		first = first ? first : status;
	}
	free_names(&names, count);
	return first;
}
