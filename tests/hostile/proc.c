/* SPDX-License-Identifier: MIT */
/* /proc and /sys: what they tell of other processes, and the levers in them, which are only ever opened. */
#include "tests/hostile/hostile.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH 256

static void path_of(pid_t pid, const char *name, char *path)
{
	(void)snprintf(path, PATH, "/proc/%d/%s", (int)pid, name);
}

/* In every process that can be seen: the bystander may have any number. */
static bool all_show(const struct target *t, const char *name, bool (*got)(const char *path))
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10); /* NOLINT: no number is 0 */
		char path[PATH];

		if (pid <= 0 || pid == getpid() || (!t->inside && pid != t->bystander))
			continue;
		path_of(pid, name, path);
		found = got(path);
	}
	if (d)
		(void)closedir(d);
	return found;
}

static bool other_text(const struct target *t, long which)
{
	static const char *const files[] = { "environ", "cmdline", "fd/9", "cwd/canary" };

	return all_show(t, files[which], shows_canary);
}

unsigned long stack_of(pid_t pid)
{
	char path[PATH], line[256];
	unsigned long at = 0;
	FILE *maps;

	path_of(pid, "maps", path);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof line, maps))
		if (strstr(line, "[stack]"))
			at = strtoul(line, NULL, 16) + 4096; /* the kernel's own number */
	if (maps)
		(void)fclose(maps);
	return at;
}

static bool memory_of(pid_t pid, int flags)
{
	unsigned long at = stack_of(pid);
	unsigned char byte;
	char path[PATH];
	int fd;

	path_of(pid, "mem", path);
	fd = open(path, flags | O_CLOEXEC);
	return fd >= 0 && at && pread(fd, &byte, 1, (off_t)at) == 1 && (flags == O_RDONLY || pwrite(fd, &byte, 1, (off_t)at) == 1);
}

static bool other_memory(const struct target *t, long flags)
{
	return memory_of(t->inside ? 1 : t->bystander, (int)flags);
}

static bool other_link(const struct target *t, long which)
{
	static const char *const links[] = { "exe", "ns/mnt", "fd/0" };
	char path[PATH], to[PATH];

	path_of(t->inside ? 1 : t->bystander, links[which], path);
	return readlink(path, to, sizeof to) > 0;
}

/* Only opened: nothing is written even where it could be. */
static bool open_lever(const struct target *t, long path)
{
	(void)t;
	return can_write((const char *)path);
}

static bool open_window(const struct target *t, long path)
{
	int fd = open((const char *)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)t;
	return fd >= 0;
}

static bool see(const struct target *t, long arg)
{
	char path[PATH];

	(void)arg;
	path_of(t->bystander, "status", path);
	return t->bystander > 64 && access(path, F_OK) == 0;
}

static bool environment(const struct target *t, long arg)
{
	(void)t;
	(void)arg;
	return getenv("FFH_SECRET") != NULL;
}

#define LEVER(word, where) .name = "lever-" word, .try = open_lever, .arg = (long)where, .path = where
#define WINDOW(word, where) .name = "window-" word, .try = open_window, .arg = (long)where, .path = where

const struct kind kinds_proc[] = {
	{ .name = "proc-environ", .try = other_text, .arg = 0 },
	{ .name = "proc-cmdline", .try = other_text, .arg = 1 },
	{ .name = "proc-fd", .try = other_text, .arg = 2 },
	{ .name = "proc-cwd", .try = other_text, .arg = 3 },
	{ .name = "proc-mem-read", .try = other_memory, .arg = O_RDONLY, .landlock = true },
	{ .name = "proc-mem-write", .try = other_memory, .arg = O_RDWR, .landlock = true },
	{ .name = "proc-exe", .try = other_link, .arg = 0, .landlock = true },
	{ .name = "proc-ns", .try = other_link, .arg = 1, .landlock = true },
	{ .name = "proc-fd-link", .try = other_link, .arg = 2, .landlock = true },
	{ .name = "proc-see", .try = see },
	{ .name = "environment", .try = environment },
	{ LEVER("sysrq", "/proc/sysrq-trigger"), .root = true },
	{ LEVER("core-pattern", "/proc/sys/kernel/core_pattern"), .root = true },
	{ LEVER("modprobe", "/proc/sys/kernel/modprobe"), .root = true },
	{ LEVER("overcommit", "/proc/sys/vm/overcommit_memory"), .root = true },
	{ LEVER("hostname", "/proc/sys/kernel/hostname"), .root = true },
	{ LEVER("suid-dump", "/proc/sys/fs/suid_dumpable"), .root = true },
	{ LEVER("panic", "/proc/sys/kernel/panic"), .root = true },
	{ LEVER("affinity", "/proc/irq/default_smp_affinity"), .root = true },
	{ LEVER("forward", "/proc/sys/net/ipv4/ip_forward"), .place = SPACES },
	{ LEVER("user-namespaces", "/proc/sys/user/max_user_namespaces"), .place = SPACES },
	{ LEVER("oom", "/proc/self/oom_score_adj"), .landlock = true },
	{ LEVER("dump-filter", "/proc/self/coredump_filter"), .landlock = true },
	{ LEVER("name", "/proc/self/comm"), .landlock = true },
	{ LEVER("refs", "/proc/self/clear_refs"), .landlock = true },
	{ LEVER("memory", "/proc/self/mem"), .landlock = true },
	{ LEVER("map", "/proc/self/uid_map"), .landlock = true },
	{ WINDOW("sys-kernel", "/sys/kernel") },
	{ WINDOW("sys-cgroup", "/sys/fs/cgroup") },
	{ WINDOW("sys-net", "/sys/class/net") },
	{ WINDOW("sys-devices", "/sys/devices") },
	{ WINDOW("kmsg", "/dev/kmsg"), .root = true },
	{ WINDOW("proc-kmsg", "/proc/kmsg"), .root = true },
	{ WINDOW("kcore", "/proc/kcore"), .root = true },
	{ WINDOW("mem", "/dev/mem"), .root = true },
	{ .name = NULL },
};
