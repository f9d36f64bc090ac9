/* SPDX-License-Identifier: MIT */
/* See secret.h. */
#include "crypto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct ff_secret {
	size_t len, mapped;
	unsigned char bytes[];
};

static struct ff_secret *alloc(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (sizeof(struct ff_secret) + n + 1 + page - 1) / page * page;
	struct ff_secret *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		abort(); /* as every lack of memory */
	/* What of this the kernel or the limits refuse makes it no less right, only less well kept. */
	(void)mlock(s, size);
	(void)madvise(s, size, MADV_DONTDUMP);
	(void)madvise(s, size, MADV_WIPEONFORK);
	s->mapped = size;
	s->len = n;
	return s;
}

struct ff_secret *ff_secret_empty(size_t n)
{
	return alloc(n);
}

struct ff_secret *ff_secret_new(const void *p, size_t n)
{
	struct ff_secret *s = alloc(n);

	memcpy(s->bytes, p, n);
	return s;
}

void ff_secret_free(struct ff_secret **secret)
{
	struct ff_secret *s = *secret;

	if (!s)
		return;
	*secret = NULL;
	ff_wipe(s->bytes, s->mapped - sizeof *s);
	(void)munmap(s, s->mapped); /* it is our own mapping, whole */
}

size_t ff_secret_len(const struct ff_secret *secret)
{
	return secret->len;
}

const char *ff_secret_bytes(const struct ff_secret *secret)
{
	return (const char *)secret->bytes;
}

unsigned char *ff_secret_room(struct ff_secret *secret)
{
	return secret->bytes;
}

bool ff_secret_equal(const struct ff_secret *a, const struct ff_secret *b)
{
	unsigned char differ = a->len != b->len;

	/* The length is no secret; the loop takes as long whatever the bytes are. */
	for (size_t i = 0; i < a->len && i < b->len; i++)
		differ |= a->bytes[i] ^ b->bytes[i];
	return !differ;
}

void ff_secret_trim(struct ff_secret *s)
{
	while (s->len && strchr(" \t\r\n", s->bytes[s->len - 1]))
		s->bytes[--s->len] = '\0';
}

int ff_secret_read(int fd, size_t max, struct ff_secret **ret_secret, struct ff_err *err)
{
	FF_AUTO(ff_secret_free) struct ff_secret *all = alloc(max + 1);
	size_t n = 0;

	while (n <= max) {
		ssize_t got = read(fd, all->bytes + n, max + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ff_err_errno(err, "read");
		if (!got)
			break;
		n += (size_t)got;
	}
	if (n > max)
		return ff_err_set(err, FF_E_TOO_LARGE, "over %zu bytes", max);
	if (!n)
		return ff_err_set(err, FF_E_INVALID, "it is empty");
	*ret_secret = ff_secret_new(all->bytes, n);
	return 0;
}

int ff_secret_to_fd(const struct ff_secret *secret, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = memfd_create("secret", MFD_CLOEXEC);

	if (fd < 0)
		return ff_err_errno(err, "memfd_create");
	if (ff_fd_write_all(fd, secret->bytes, secret->len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ff_err_errno(err, "rewinding a memfd");
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

int ff_secret_from_fd(int passed, size_t max, struct ff_secret **ret_secret, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = passed;
	struct stat st;

	/* A pipe could keep us waiting; F_GET_SEALS is answered by memory alone. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || fcntl(fd, F_GET_SEALS) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "a secret comes in a memfd");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ff_err_errno(err, "rewinding a memfd");
	if (ff_secret_read(fd, max, ret_secret, err) < 0)
		return -1;
	/* The pages go with their last user; until then they hold nothing. A sealed one is its maker's own fault. */
	(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size);
	(void)!ftruncate(fd, 0);
	return 0;
}

static int check_file(int fd, const char *path, const char *what, struct ff_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ff_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s: %s has to be in a regular file", path, what);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s: %s belongs to account %u, who could change it; run: chown %u %s",
				  path, what, (unsigned)st.st_uid, (unsigned)geteuid(), path);
	if ((st.st_mode & 077) && !(st.st_uid == 0 && getenv("CREDENTIALS_DIRECTORY") && !(st.st_mode & 037)))
		return ff_err_set(err, FF_E_NOT_ALLOWED,
				  "%s: others can read %s (mode %03o); run: chmod 600 %s, and change the key if the host has other users",
				  path, what, (unsigned)(st.st_mode & 0777), path);
	return 0;
}

int ff_secret_from_file(const char *path, const char *what, size_t max, struct ff_secret **ret_secret, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct ff_err why = { 0 };

	if (fd < 0)
		return ff_err_set(err, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_NOT_ALLOWED, "%s: %s cannot be read: %s", path, what,
				  strerror(errno));
	if (check_file(fd, path, what, err) < 0)
		return -1;
	if (ff_secret_read(fd, max, ret_secret, &why) < 0)
		return ff_err_set(err, why.code, "%s: not %s: %s", path, what, why.text);
	return 0;
}
