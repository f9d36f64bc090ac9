/* SPDX-License-Identifier: MIT */
/*
 * The lock that git gc takes, so that neither it nor another of us works
 * beside us: the file gc.pid, "PID HOST" in it, changed under gc.pid.lock
 * (builtin/gc.c of git).  It counts for 12 hours, and on this host only while
 * that process lives; so one that was killed blocks nobody.
 */
#include "daemon/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"

#define FILE_NAME "gc.pid"
#define LOCK_NAME "gc.pid.lock"
/* As git has it. */
#define COUNTS_S (12 * 60 * 60)
/* gc.pid.lock is there for as long as a line takes to write: one that is older was left by a process that was killed. */
#define LEFT_S 600

/* Whom the file names since we wrote it last. */
static pid_t named;

static int64_t age_s(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (int64_t)(time(NULL) - st.st_mtime);
}

static void own_host(char host[256])
{
	if (gethostname(host, 255) < 0)
		(void)snprintf(host, 256, "unknown"); /* as git */
	host[255] = '\0';
}

/* 0, or -1 when there is no such file, or one that nobody understands. */
static int read_names(int64_t *ret_pid, char ret_host[256])
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	char *name;

	ff_buf_init(&text, 1024);
	if (ff_file_read(FILE_NAME, &text, NULL) < 0)
		return -1;
	text.data[strcspn(text.data, "\n")] = '\0';
	name = strchr(text.data, ' ');
	if (!name)
		return -1;
	*name++ = '\0';
	(void)snprintf(ret_host, 256, "%s", name);
	return ff_num_i64(text.data, 1, INT32_MAX, ret_pid);
}

/* Whether the process that the file names may still work. */
static bool counts(struct ff_err *err)
{
	int64_t age = age_s(FILE_NAME), pid = 0;
	char host[256], name[256];

	if (age < 0 || age > COUNTS_S || read_names(&pid, name) < 0)
		return false;
	own_host(host);
	if (!strcmp(name, host) && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return false;
	ff_err_set(err, FF_E_CONFLICT, "a gc runs: process %" PRId64 " on %.100s", pid, name);
	return true;
}

static int open_lock(struct ff_err *err)
{
	int fd = open(LOCK_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0 && errno == EEXIST && age_s(LOCK_NAME) > LEFT_S && unlink(LOCK_NAME) == 0)
		fd = open(LOCK_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return ff_err_set(err, FF_E_CONFLICT, "a gc begins");
	return fd < 0 ? ff_err_errno(err, LOCK_NAME) : fd;
}

/* Takes fd, which is open_lock's. */
static int write_pid(int fd, pid_t pid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *line = NULL;
	char host[256];
	int rc;

	own_host(host);
	line = ff_asprintf("%ld %s", (long)pid, host);
	rc = ff_fd_write_all(fd, line, strlen(line), err);
	ff_close(&fd);
	if (rc == 0 && rename(LOCK_NAME, FILE_NAME) < 0)
		rc = ff_err_errno(err, FILE_NAME);
	if (rc < 0)
		(void)unlink(LOCK_NAME); /* if not, it is too old in a while */
	else
		named = pid;
	return rc;
}

int ff_gclock_take(struct ff_err *err)
{
	struct ff_err why = { 0 };
	int fd = open_lock(&why);

	if (fd >= 0 && counts(&why)) {
		ff_close(&fd);
		(void)unlink(LOCK_NAME); /* as above */
	}
	if (why.code) {
		ff_err_set(err, why.code, "%s", why.text);
		return why.code == FF_E_CONFLICT ? 0 : -1;
	}
	return write_pid(fd, getpid(), err) < 0 ? -1 : 1;
}

int ff_gclock_pass(pid_t pid, struct ff_err *err)
{
	int fd = open_lock(err);

	return fd < 0 ? -1 : write_pid(fd, pid, err);
}

void ff_gclock_drop(void)
{
	int64_t pid = 0;
	char host[256];

	if (read_names(&pid, host) == 0 && pid != named)
		return; /* a `git gc --force` has taken it over */
	(void)unlink(FILE_NAME); /* one that stays names a process that is gone */
}
