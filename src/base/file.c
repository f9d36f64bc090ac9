/* SPDX-License-Identifier: MIT */
/* Durable small files; see file.h. */
#include "base/clock.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

int ff_fd_read_all(int fd, struct ff_buf *out, struct ff_err *err)
{
	for (;;) {
		size_t want = out->max - out->len < 65536 ? out->max - out->len : 65536;
		char extra, *to = want ? ff_buf_room(out, want) : &extra;
		ssize_t n = read(fd, to, want ? want : 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_errno(err, "read");
		if (n == 0)
			return 0;
		if (!want)
			return ff_err_set(err, FF_E_TOO_LARGE, "more than %zu bytes", out->max);
		ff_buf_grown(out, (size_t)n);
	}
}

int ff_file_read(const char *path, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s: no such file", path);
	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	if (ff_fd_read_all(fd, out, err) < 0)
		return ff_err_wrap(err, "%s", path);
	return 0;
}

int ff_fd_write_all(int fd, const void *p, size_t n, struct ff_err *err)
{
	const char *at = p;

	while (n) {
		ssize_t w = write(fd, at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return ff_err_errno(err, "write");
		at += w;
		n -= (size_t)w;
	}
	return 0;
}

int ff_dir_sync(const char *path, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return ff_err_errno(err, "%s: fsync", path);
	return 0;
}

static int sync_parent(const char *path, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_strdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash)
		return ff_dir_sync(".", err);
	slash[slash == dir] = '\0';
	return ff_dir_sync(dir, err);
}

#define FF_COPY_BYTES 65536

static int copy_all(int from, int to, struct ff_err *err)
{
	FF_AUTO(ff_free) char *part = ff_calloc(1, FF_COPY_BYTES);
	ssize_t n;

	while ((n = read(from, part, FF_COPY_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_errno(err, "read");
		if (ff_fd_write_all(to, part, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

/* n bytes of p, or all of from when p is NULL. */
static int write_synced(const char *path, const void *p, size_t n, int from, mode_t mode, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	if (p ? ff_fd_write_all(fd, p, n, err) < 0 : copy_all(from, fd, err) < 0)
		return ff_err_wrap(err, "%s", path);
	if (fsync(fd) < 0)
		return ff_err_errno(err, "%s: fsync", path);
	return 0;
}

static int write_file(const char *path, const void *p, size_t n, int from, mode_t mode, struct ff_err *err)
{
	FF_AUTO(ff_free) char *tmp = NULL;
	unsigned long tag;

	ff_random(&tag, sizeof tag);
	tmp = ff_asprintf("%s.%016lx.tmp", path, tag);
	if (write_synced(tmp, p, n, from, mode, err) < 0) {
		(void)unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0) {
		ff_err_errno(err, "%s: rename", path);
		(void)unlink(tmp);
		return -1;
	}
	return sync_parent(path, err);
}

int ff_file_write(const char *path, const void *p, size_t n, mode_t mode, struct ff_err *err)
{
	return write_file(path, p ? p : "", n, -1, mode, err);
}

int ff_file_copy(int from, const char *path, mode_t mode, struct ff_err *err)
{
	return write_file(path, NULL, 0, from, mode, err);
}

/* NAME.TAG.tmp, TAG as write_file makes it. */
static bool is_left_over(const char *name)
{
	size_t n = strlen(name), tail = sizeof ".0123456789abcdef.tmp" - 1;

	return n > tail && name[n - tail] == '.' && strspn(name + n - tail + 1, "0123456789abcdef") == 16 &&
	       !strcmp(name + n - 4, ".tmp");
}

int ff_file_sweep(const char *path, struct ff_err *err)
{
	DIR *dir = opendir(path);
	int rc = 0;
	struct dirent *e;

	if (!dir)
		return errno == ENOENT ? 0 : ff_err_errno(err, "%s", path);
	while (rc == 0 && (e = readdir(dir)))
		if (is_left_over(e->d_name) && unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
			rc = ff_err_errno(err, "%s/%s: unlink", path, e->d_name);
	(void)closedir(dir);
	return rc;
}

int ff_dir_make(const char *path, mode_t mode, struct ff_err *err)
{
	FF_AUTO(ff_free) char *p = ff_strdup(path);
	struct stat st;

	for (char *slash = p + 1; *p && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST && errno != EROFS)
			return ff_err_errno(err, "%s: mkdir", p);
		*slash = '/';
	}
	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return ff_err_errno(err, "%s: mkdir", path);
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ff_err_set(err, FF_E_IO, "%s: not a folder", path);
	return 0;
}

/*
 * Removal holds one descriptor a level and goes no deeper than this; what
 * lies deeper is moved up to the top of the tree under a fresh name, where a
 * later pass finds it. A job can nest folders by the hundred thousand.
 */
#define FF_REMOVE_DEPTH 32

static int remove_at(int at, const char *name, int top, int depth, struct ff_err *err);

static int entry_error(struct ff_err *err, const char *name, const char *what)
{
	int saved = errno;
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 80);

	errno = saved;
	return ff_err_errno(err, "%s: %s", shown, what);
}

/* A job may leave folders without rights for us; we own them or are root. */
static int open_dir_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		(void)fchmod(fd, 0700); /* where it is not ours, the removal of what is in it says so */
	return fd;
}

/* Takes the folder out of a tree that is too deep. Opened first, since moving it needs rights in it. */
static int move_up(int at, const char *name, int top, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open_dir_at(at, name);
	char fresh[sizeof "ff-removed." + 32];
	unsigned char tag[16];

	memcpy(fresh, "ff-removed.", sizeof "ff-removed.");
	ff_random(tag, sizeof tag);
	ff_hex(tag, sizeof tag, fresh + strlen(fresh));
	if (fd < 0)
		return entry_error(err, name, "open");
	if (renameat(at, name, top, fresh) < 0)
		return entry_error(err, name, "rename");
	return 0;
}

/* Until a pass finds nothing: names may be skipped by readdir(3) while others are removed, or come by move_up. */
static int remove_entries(DIR *dir, int top, int depth, struct ff_err *err)
{
	struct dirent *e;
	bool found;

	do {
		found = false;
		while (errno = 0, (e = readdir(dir))) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			if (remove_at(dirfd(dir), e->d_name, top, depth, err) < 0)
				return -1;
			found = true;
		}
		if (errno)
			return ff_err_errno(err, "readdir");
		rewinddir(dir);
	} while (found);
	return 0;
}

static int remove_dir_at(int at, const char *name, int top, int depth, struct ff_err *err)
{
	int fd = open_dir_at(at, name), rc;
	DIR *dir;

	if (fd < 0)
		return entry_error(err, name, "open");
	dir = fdopendir(fd);
	ff_assert(dir);
	rc = remove_entries(dir, top >= 0 ? top : fd, depth + 1, err);
	(void)closedir(dir);
	if (rc == 0 && unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return entry_error(err, name, "rmdir");
	return rc;
}

static int remove_at(int at, const char *name, int top, int depth, struct ff_err *err)
{
	struct stat st;
	int saved;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	saved = errno;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
		errno = saved;
		return entry_error(err, name, "unlink");
	}
	if (unlinkat(at, name, AT_REMOVEDIR) == 0)
		return 0;
	if (depth >= FF_REMOVE_DEPTH)
		return move_up(at, name, top, err);
	return remove_dir_at(at, name, top, depth, err);
}

int ff_dir_remove(const char *path, struct ff_err *err)
{
	return remove_at(AT_FDCWD, path, -1, 0, err);
}

char *ff_path_program(const char *path, const char *name)
{
	for (path = path && *path ? path : DEFAULT_PATH; *path;) {
		size_t n = strcspn(path, ":");
		FF_AUTO(ff_free) char *file = ff_asprintf("%.*s/%s", (int)n, path, name);

		if (file[0] == '/' && access(file, X_OK) == 0)
			return ff_steal(&file);
		path += n + (path[n] == ':');
	}
	return NULL;
}

char *ff_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return ff_asprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

void ff_random(void *p, size_t n)
{
	char *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0) {
			ff_assert(errno == EINTR);
			continue;
		}
		at += got;
		n -= (size_t)got;
	}
}

void ff_id_draw(unsigned char ret_id[FF_ID_BYTES])
{
	uint64_t now = (uint64_t)ff_clock_wall();

	ff_random(ret_id, FF_ID_BYTES);
	for (int i = 0; i < 6; i++)
		ret_id[i] = (unsigned char)(now >> (40 - 8 * i));
}
