/* SPDX-License-Identifier: MIT */
/* Files of the host: reading, changing, and the ways round a path. */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PATH 512

enum { CANARY_FILE, KEY_FILE };
static const char *const names[] = { "canary", "key" };

static void host_path(const struct target *t, const char *name, char *path)
{
	(void)snprintf(path, PATH, "%s/%s", t->host, name);
}

static bool read_by_path(const struct target *t, long which)
{
	char path[PATH];

	host_path(t, names[which], path);
	return shows_canary(path);
}

static bool read_by_dots(const struct target *t, long which)
{
	char path[2 * PATH] = "";
	char at[PATH];

	host_path(t, names[which], at);
	(void)snprintf(path, sizeof path, "../../../../../../../../../../../../%s", at + 1);
	return shows_canary(path);
}

static bool read_by_link(const struct target *t, long which)
{
	char at[PATH], link[PATH];
	bool got;

	host_path(t, names[which], at);
	(void)snprintf(link, sizeof link, "%s/link", t->own);
	(void)unlink(link);
	got = symlink(at, link) == 0 && shows_canary(link);
	(void)unlink(link);
	return got;
}

static bool read_by_hard_link(const struct target *t, long arg)
{
	char at[PATH], link[PATH];
	bool got;

	(void)arg;
	host_path(t, "canary", at);
	(void)snprintf(link, sizeof link, "%s/hard", t->own);
	(void)unlink(link);
	got = linkat(AT_FDCWD, at, AT_FDCWD, link, 0) == 0 && shows_canary(link);
	(void)unlink(link);
	return got;
}

/* Of which process the root is taken: our own, its parent, the first. */
static bool read_by_root_of(const struct target *t, long which)
{
	char path[PATH];
	pid_t of = which == 0 ? getpid() : which == 1 ? getppid() : t->inside ? 1 : t->launcher;

	(void)snprintf(path, sizeof path, "/proc/%d/root%s/canary", (int)of, t->host);
	return shows_canary(path);
}

static bool list(const struct target *t, long arg)
{
	char path[PATH];
	int fd;

	(void)arg;
	host_path(t, "drop", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0;
}

static bool look_at(const struct target *t, long arg)
{
	struct stat st;
	char path[PATH];

	(void)arg;
	host_path(t, "canary", path);
	return stat(path, &st) == 0;
}

static bool watch(const struct target *t, long arg)
{
	int fd = inotify_init1(IN_CLOEXEC);

	(void)arg;
	return fd >= 0 && inotify_add_watch(fd, t->host, IN_ALL_EVENTS) >= 0;
}

static bool run_program(const struct target *t, long arg)
{
	char path[PATH];
	pid_t pid = fork();
	int status = 0;

	(void)arg;
	host_path(t, "script", path);
	if (pid == 0) {
		execl(path, "script", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

enum { WRITE, CREATE, REMOVE, MODE, RENAME_IN, MAKE_DIR, TIMES, XATTR, TRUNCATE_IT, OPEN_PATH, LINK_OUT };

/* What each of them changes is put back, so that a control can be run again. */
static bool change(const struct target *t, long how)
{
	char path[PATH], drop[PATH], own[PATH];
	int fd;

	host_path(t, "drop/file", path);
	host_path(t, "drop/new", drop);
	(void)snprintf(own, sizeof own, "%s/mine", t->own);
	switch (how) {
	case WRITE:
		fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
		return fd >= 0 && write(fd, "x", 1) == 1;
	case CREATE:
		fd = open(drop, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		return fd >= 0 && unlink(drop) == 0;
	case REMOVE:
		return unlink(path) == 0 && (fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) >= 0;
	case MODE:
		return chmod(path, 0600) == 0;
	case RENAME_IN:
		fd = open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		return fd >= 0 && rename(own, drop) == 0 && unlink(drop) == 0;
	case MAKE_DIR:
		return mkdir(drop, 0700) == 0 && rmdir(drop) == 0;
	case TIMES:
		return utimensat(AT_FDCWD, path, NULL, 0) == 0;
	case XATTR:
		return setxattr(path, "user.x", "y", 1, 0) == 0;
	case TRUNCATE_IT:
		return truncate(path, 0) == 0;
	case OPEN_PATH:
		return open(t->host, O_PATH | O_DIRECTORY | O_CLOEXEC) >= 0;
	default:
		fd = open(own, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		return fd >= 0 && link(own, drop) == 0 && unlink(drop) == 0;
	}
}

static const char *const system_places[] = { "/usr", "/etc", "/dev", "/run", "/home", "/lib", "/proc", "/bin", "/sbin" };

/* Only the sandbox's own view is ever written to: the control has an empty one mounted there. */
static bool write_system(const struct target *t, long which)
{
	const char *dir = system_places[which];
	char path[PATH];
	int fd;

	if (!t->inside && mount("tmpfs", dir, "tmpfs", 0, "size=64k"))
		return false;
	(void)snprintf(path, sizeof path, "%s/ffh-new", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0;
}

static bool make_node(const struct target *t, long mode)
{
	char path[PATH];
	bool got;

	if (!t->inside && mount("tmpfs", t->own, "tmpfs", 0, "size=64k"))
		return false;
	(void)snprintf(path, sizeof path, "%s/node", t->own);
	(void)unlink(path);
	/* 0:0 is what everybody may make; an overlay takes it for a removed file. */
	got = mknod(path, (mode_t)mode | 0600, 0) == 0;
	(void)unlink(path);
	return got;
}

/* A file capability, good in every namespace below. */
static bool file_capability(const struct target *t, long arg)
{
	static const unsigned char caps[20] = { 1, 0, 0, 2, 0xff }; /* VFS_CAP_REVISION_2, effective */
	char path[PATH];
	int fd;

	(void)arg;
	if (!t->inside && mount("tmpfs", t->own, "tmpfs", 0, "size=64k"))
		return false;
	(void)snprintf(path, sizeof path, "%s/capable", t->own);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	return fd >= 0 && fsetxattr(fd, "security.capability", caps, sizeof caps, 0) == 0;
}

const struct kind kinds_files[] = {
	{ .name = "file-read", .try = read_by_path, .arg = CANARY_FILE },
	{ .name = "file-read-key", .try = read_by_path, .arg = KEY_FILE },
	{ .name = "file-read-dots", .try = read_by_dots, .arg = CANARY_FILE },
	{ .name = "file-read-key-dots", .try = read_by_dots, .arg = KEY_FILE },
	{ .name = "file-read-link", .try = read_by_link, .arg = CANARY_FILE },
	{ .name = "file-read-key-link", .try = read_by_link, .arg = KEY_FILE },
	{ .name = "file-read-hard-link", .try = read_by_hard_link },
	{ .name = "file-read-own-root", .try = read_by_root_of, .arg = 0 },
	{ .name = "file-read-parent-root", .try = read_by_root_of, .arg = 1 },
	{ .name = "file-read-first-root", .try = read_by_root_of, .arg = 2 },
	{ .name = "file-list", .try = list },
	{ .name = "file-stat", .try = look_at },
	{ .name = "file-watch", .try = watch },
	{ .name = "file-run", .try = run_program },
	{ .name = "file-write", .try = change, .arg = WRITE },
	{ .name = "file-create", .try = change, .arg = CREATE },
	{ .name = "file-remove", .try = change, .arg = REMOVE },
	{ .name = "file-chmod", .try = change, .arg = MODE },
	{ .name = "file-rename-in", .try = change, .arg = RENAME_IN },
	{ .name = "file-mkdir", .try = change, .arg = MAKE_DIR },
	{ .name = "file-times", .try = change, .arg = TIMES },
	{ .name = "file-xattr", .try = change, .arg = XATTR },
	{ .name = "file-truncate", .try = change, .arg = TRUNCATE_IT },
	{ .name = "file-open-path", .try = change, .arg = OPEN_PATH },
	{ .name = "file-link-out", .try = change, .arg = LINK_OUT },
	{ .name = "system-write-usr", .try = write_system, .arg = 0, .place = SPACES },
	{ .name = "system-write-etc", .try = write_system, .arg = 1, .place = SPACES },
	{ .name = "system-write-dev", .try = write_system, .arg = 2, .place = SPACES },
	{ .name = "system-write-run", .try = write_system, .arg = 3, .place = SPACES },
	{ .name = "system-write-home", .try = write_system, .arg = 4, .place = SPACES },
	{ .name = "system-write-lib", .try = write_system, .arg = 5, .place = SPACES },
	{ .name = "system-write-proc", .try = write_system, .arg = 6, .place = SPACES },
	{ .name = "system-write-bin", .try = write_system, .arg = 7, .place = SPACES },
	{ .name = "system-write-sbin", .try = write_system, .arg = 8, .place = SPACES },
	{ .name = "node-char", .try = make_node, .arg = S_IFCHR, .place = SPACES },
	{ .name = "file-capability", .try = file_capability, .place = SPACES },
	{ .name = NULL },
};
