/* SPDX-License-Identifier: MIT */
/* See beneath.h. */
#include "git/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

int ff_beneath_open(int dir, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof how);
}

/* Adds rights of ours to what we own, through an O_PATH descriptor of it; 0, or -1 with errno. */
static int make_usable(int dir, const char *name, mode_t add)
{
	FF_AUTO(ff_close) int fd = ff_beneath_open(dir, name, O_PATH);
	char self[32];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		errno = EACCES;
		return -1;
	}
	(void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return fchmodat(AT_FDCWD, self, (st.st_mode & 07777) | add, 0);
}

int ff_beneath_open_usable(int dir, const char *name, uint64_t flags, mode_t add)
{
	int fd = ff_beneath_open(dir, name, flags);

	if (fd >= 0 || errno != EACCES)
		return fd;
	return make_usable(dir, name, add) < 0 ? -1 : ff_beneath_open(dir, name, flags);
}

ssize_t ff_beneath_read(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = read(fd, p + got, n - got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

bool ff_beneath_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}
