/* SPDX-License-Identifier: MIT */
/*
 * Taking more than one's share.  Each goes a little over the limit that
 * main.c sets and no further, so that the control does no harm.
 */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/limits.h"

/* All alive at the same time, until this ends. */
static bool processes(const struct target *t, long arg)
{
	static pid_t pids[PROCESSES_TRIED];
	int n = 0;

	(void)t;
	(void)arg;
	for (; n < PROCESSES_TRIED; n++) {
		pids[n] = fork();
		if (pids[n] == 0) {
			(void)pause();
			_exit(0);
		}
		if (pids[n] < 0)
			break;
	}
	for (int i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	return n == PROCESSES_TRIED;
}

static bool memory(const struct target *t, long arg)
{
	char *p = mmap(NULL, MEMORY_TRIED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)t;
	(void)arg;
	if (p == MAP_FAILED)
		return false;
	for (size_t i = 0; i < MEMORY_TRIED; i += 4096)
		p[i] = 1;
	return true;
}

static bool heap(const struct target *t, long arg)
{
	size_t n = 0;

	(void)t;
	(void)arg;
	for (; n < MEMORY_TRIED; n += 65536) {
		char *p = malloc(65536);

		if (!p)
			break;
		memset(p, 1, 65536);
	}
	return n >= MEMORY_TRIED;
}

/* Bytes over the size of the place; written in files that are small enough each. */
static bool fill(const struct target *t, long which)
{
	static const char *const places[] = { "/tmp", "/dev/shm", "/home/agent" };
	static char piece[1024 * 1024];
	const char *dir = t->inside ? places[which] : t->own;
	size_t done = 0;
	char path[256];

	for (int i = 0; i < (TMP_BYTES >> 20) + 2; i++) {
		int fd;

		(void)snprintf(path, sizeof path, "%s/fill-%d", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0) {
			ssize_t n = write(fd, piece, sizeof piece);

			done += n > 0 ? (size_t)n : 0;
			(void)close(fd);
		}
	}
	for (int i = 0; i < (TMP_BYTES >> 20) + 2; i++) {
		(void)snprintf(path, sizeof path, "%s/fill-%d", dir, i);
		(void)unlink(path);
	}
	return done > TMP_BYTES + 65536;
}

static bool descriptors(const struct target *t, long arg)
{
	struct rlimit l;
	int n = 0;

	(void)t;
	(void)arg;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
	while (n < OPEN_TRIED && dup(0) >= 0)
		n++;
	return n == OPEN_TRIED;
}

static bool one_file(const struct target *t, long sparse)
{
	char path[256];
	int fd;
	bool got;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)snprintf(path, sizeof path, "%s/large", t->own);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	got = fd >= 0 && (sparse ? ftruncate(fd, FILE_BYTES + 4096) == 0 : pwrite(fd, "x", 1, FILE_BYTES + 4096) == 1);
	(void)unlink(path);
	return got;
}

/* Limits that went down do not go up again. */
static bool raise_limit(const struct target *t, long which)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)which, &l))
		return false;
	if (t->inside) /* the control shows that the call is made rightly; more than it has it may not have either */
		l.rlim_cur = l.rlim_max = RLIM_INFINITY;
	return setrlimit((__rlimit_resource_t)which, &l) == 0;
}

const struct kind kinds_bombs[] = {
	{ .name = "bomb-processes", .try = processes, .arg = 0, .slow = true },
	{ .name = "bomb-memory", .try = memory, .arg = 0, .slow = true },
	{ .name = "bomb-heap", .try = heap, .slow = true },
	{ .name = "bomb-tmp", .try = fill, .arg = 0, .slow = true },
	{ .name = "bomb-shm", .try = fill, .arg = 1, .slow = true },
	{ .name = "bomb-home", .try = fill, .arg = 2, .slow = true },
	{ .name = "bomb-descriptors", .try = descriptors, .arg = 0 },
	{ .name = "bomb-file", .try = one_file, .arg = 0 },
	{ .name = "bomb-file-sparse", .try = one_file, .arg = 1 },
	{ .name = "limit-processes", .try = raise_limit, .arg = RLIMIT_NPROC },
	{ .name = "limit-file", .try = raise_limit, .arg = RLIMIT_FSIZE },
	{ .name = "limit-descriptors", .try = raise_limit, .arg = RLIMIT_NOFILE },
	{ .name = "limit-memory", .try = raise_limit, .arg = RLIMIT_DATA },
	{ .name = "limit-core", .try = raise_limit, .arg = RLIMIT_CORE },
	{ .name = NULL },
};
