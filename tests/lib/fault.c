/* SPDX-License-Identifier: MIT */
/*
 * Loaded into core by tests (LD_PRELOAD):
 *     FF_FAULT_CLOCK=FILE   the wall clock is set by as many seconds as FILE says
 *     FF_FAULT_WRITE=FILE   while FILE exists, nothing can be written into the
 *                           record: the file system became read-only
 *     FF_FAULT_KILL=FILE    while FILE exists, calls that change a file are
 *                           counted; the one whose number is in it is the end
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_fn)(clockid_t id, struct timespec *ts);
typedef ssize_t (*pwrite_fn)(int fd, const void *p, size_t n, off_t at);
typedef int (*sync_fn)(int fd);
typedef int (*rename_fn)(const char *from, const char *to);

/* POSIX lets a function pointer pass for an object pointer, ISO C does not. */
union found { void *object; clock_fn clock; pwrite_fn pwrite; sync_fn sync; rename_fn rename; };

static union found next(const char *name)
{
	return (union found){ .object = dlsym(RTLD_NEXT, name) };
}

static long shift(void)
{
	const char *path = getenv("FF_FAULT_CLOCK");
	FILE *f = path ? fopen(path, "re") : NULL;
	long seconds = 0;

	if (f && fscanf(f, "%ld", &seconds) != 1)
		seconds = 0;
	if (f)
		(void)fclose(f);
	return seconds;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	static union found real;
	int rc;

	if (!real.object)
		real = next("clock_gettime");
	rc = real.clock(id, ts);
	if (rc == 0 && id == CLOCK_REALTIME)
		ts->tv_sec += shift();
	return rc;
}

static void count_change(void)
{
	const char *path = getenv("FF_FAULT_KILL");
	FILE *f = path ? fopen(path, "re") : NULL;
	static long count;
	long last = 0;

	if (!f)
		return;
	if (fscanf(f, "%ld", &last) == 1 && ++count == last)
		(void)kill(getpid(), SIGKILL);
	(void)fclose(f);
}

/* SQLite writes its files by this, and core nothing else. */
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	static union found real;
	const char *path = getenv("FF_FAULT_WRITE");

	count_change();
	if (path && access(path, F_OK) == 0) {
		errno = EROFS;
		return -1;
	}
	if (!real.object)
		real = next("pwrite64");
	return real.pwrite(fd, p, n, at);
}

/* Our gathered writes to the log of the record. */
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	static union found real;

	count_change();
	if (!real.object)
		real = next("pwrite");
	return real.pwrite(fd, p, n, at);
}

int fsync(int fd)
{
	static union found real;

	count_change();
	if (!real.object)
		real = next("fsync");
	return real.sync(fd);
}

int fdatasync(int fd)
{
	static union found real;

	count_change();
	if (!real.object)
		real = next("fdatasync");
	return real.sync(fd);
}

int rename(const char *from, const char *to)
{
	static union found real;

	count_change();
	if (!real.object)
		real = next("rename");
	return real.rename(from, to);
}
