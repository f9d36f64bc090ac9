/* SPDX-License-Identifier: MIT */
/* See room.h. */
#include "daemon/sandbox/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* A walk is due when this part of the limit is gone from the file system, whoever took it. */
#define PART 16
/* And this long after the last one, since what others remove can hide what the job takes. */
#define WALK_MS 10000
#define BLOCK 512 /* of st_blocks, on every kind of disk (stat(3type)) */

struct walk {
	const struct ff_room *room;
	int64_t bytes, files;
};

static void dir_close(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static int over(const char *what, int64_t limit, const char *key, struct ff_err *err)
{
	return ff_err_set(err, FF_E_TOO_LARGE, "the work tree of the job has over %lld %s: raise %s", (long long)limit, what, key);
}

static int walk(struct walk *w, int parent, const char *name, int64_t depth, struct ff_err *err);

static int count(struct walk *w, int dir, const char *name, int64_t depth, struct ff_err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* gone meanwhile */
	w->bytes += (int64_t)st.st_blocks * BLOCK;
	if (w->bytes > w->room->max_bytes)
		return over("bytes", w->room->max_bytes, "result.max-bytes", err);
	if (++w->files > w->room->max_files)
		return over("files and folders", w->room->max_files, "result.max-files", err);
	return S_ISDIR(st.st_mode) ? walk(w, dir, name, depth + 1, err) : 0;
}

/*
 * A folder of the job that even its own account may not read is opened up:
 * what is below must not stay uncounted, and git keeps no mode of folders.
 */
static int open_folder(int parent, const char *name)
{
	static const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	FF_AUTO(ff_close) int handle = -1;
	char path[40];
	int fd = openat(parent, name, O_RDONLY | flags);

	if (fd >= 0 || errno != EACCES)
		return fd;
	handle = openat(parent, name, O_PATH | flags);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
	if (handle < 0 || chmod(path, 0700) < 0)
		return -1;
	return openat(parent, name, O_RDONLY | flags);
}

static int walk(struct walk *w, int parent, const char *name, int64_t depth, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open_folder(parent, name);
	FF_AUTO(dir_close) DIR *d = NULL;
	struct dirent *e;

	if (depth > w->room->max_depth)
		return over("folders in folders", w->room->max_depth, "result.max-depth", err);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0; /* swapped meanwhile */
	if (fd < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "a folder of the job's work tree cannot be looked into, "
				  "so its size is not known: %s", strerror(errno));
	d = fdopendir(fd);
	if (!d)
		return ff_err_errno(err, "the work tree of the job");
	(void)ff_steal_fd(&fd);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    count(w, dirfd(d), e->d_name, depth, err) < 0)
			return -1;
	return 0;
}

static bool is_due(const struct ff_room *room, int64_t bytes, int64_t files)
{
	return !room->known || ff_clock_mono() - room->walked_ms > WALK_MS ||
	       room->free_bytes - bytes > room->max_bytes / PART || room->free_files - files > room->max_files / PART;
}

int ff_room_check(struct ff_room *room, const char *path, bool running, struct ff_err *err)
{
	struct walk w = { .room = room };
	struct statvfs fs;
	int64_t bytes, files;

	if (statvfs(path, &fs) < 0)
		return ff_err_errno(err, "%s", path);
	bytes = (int64_t)fs.f_bfree * (int64_t)fs.f_frsize;
	files = (int64_t)fs.f_ffree;
	if (running && !is_due(room, bytes, files))
		return 0;
	if (walk(&w, AT_FDCWD, path, 0, err) < 0)
		return -1;
	room->known = true;
	room->walked_ms = ff_clock_mono();
	room->free_bytes = bytes;
	room->free_files = files;
	return 0;
}
