/* SPDX-License-Identifier: MIT */
/* Namespaces, mounts, accounts and capabilities.  The controls are root of namespaces that go with them. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static bool leave(const struct target *t, long flags)
{
	(void)t;
	return unshare((int)flags) == 0;
}

static bool leave_as_user(const struct target *t, long flags)
{
	(void)t;
	return syscall(SYS_unshare, (unsigned long)(CLONE_NEWUSER | flags)) == 0;
}

static bool ended_well(pid_t pid)
{
	int status = 0;

	return pid > 0 && waitpid(pid, &status, 0) == pid;
}

static bool clone_away(const struct target *t, long flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)(SIGCHLD | flags), 0, 0, 0, 0);

	(void)t;
	if (pid == 0)
		_exit(0);
	return ended_well(pid);
}

/* Its flags are in memory, where no filter can look. */
static bool clone3_away(const struct target *t, long flags)
{
	struct clone_args args = { .flags = (uint64_t)flags, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);

	(void)t;
	if (pid == 0)
		_exit(0);
	return ended_well(pid);
}

static bool enter(const struct target *t, long which)
{
	static const char *const spaces[] = { "mnt", "uts", "ipc", "net", "cgroup" };
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/ns/%s", t->inside ? 1 : (int)getpid(), spaces[which]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && t->inside) {
		(void)snprintf(path, sizeof path, "/proc/self/ns/%s", spaces[which]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	return fd >= 0 && setns(fd, 0) == 0;
}

static bool mount_it(const struct target *t, long how)
{
	static const char *const types[] = { "tmpfs", "proc", "sysfs", "cgroup2", "devpts", "mqueue", "ramfs", "bpf" };

	return mount("none", t->own, types[how], 0, NULL) == 0;
}

enum { BIND, REMOUNT, UNMOUNT, MOVE, SHARE, CHROOT };

static bool remount(const struct target *t, long how)
{
	switch (how) {
	case BIND:
		return mount("/", t->own, NULL, MS_BIND | MS_REC, NULL) == 0;
	case REMOUNT:
		return mount(NULL, t->inside ? "/" : t->own, NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
	case UNMOUNT:
		return umount2(t->inside ? "/tmp" : t->own, MNT_DETACH) == 0;
	case MOVE:
		return mount(t->inside ? "/tmp" : t->own, t->inside ? "/ws" : "/mnt", NULL, MS_MOVE, NULL) == 0;
	case SHARE:
		return mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) == 0;
	default:
		return chroot(t->own) == 0;
	}
}

/* The control gives each of these something of its own to work on. */
static bool remount_own(const struct target *t, long how)
{
	if (!t->inside && mount("none", t->own, "tmpfs", 0, NULL))
		return false;
	return remount(t, how);
}

enum { USER, GROUP, AMBIENT, RAISE, BOUND, HOST_NAME, DOMAIN_NAME, KEEP };

static bool account(const struct target *t, long how)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	(void)t;
	switch (how) {
	case USER:
		return setuid(0) == 0;
	case GROUP:
		return setgid(0) == 0;
	case HOST_NAME:
		return sethostname("ffh", 3) == 0;
	case DOMAIN_NAME:
		return setdomainname("ffh", 3) == 0;
	case BOUND:
		return prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0;
	case KEEP:
		return prctl(PR_SET_SECUREBITS, 1, 0, 0, 0) == 0;
	case RAISE:
		data[0].permitted = data[0].effective = 1u << CAP_SYS_ADMIN;
		return syscall(SYS_capset, &head, data) == 0;
	default:
		data[0].permitted = data[0].effective = data[0].inheritable = 1u << CAP_CHOWN;
		return syscall(SYS_capset, &head, data) == 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0;
	}
}

#if defined(__x86_64__)
/* The same kernel through the door for 32-bit programs, where other numbers count: 20 is getpid. */
static bool old_door(const struct target *t, long number)
{
	long result;

	(void)t;
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number) : "memory", "r8", "r9", "r10", "r11");
	return result > 0;
}
#endif

#define SPACE(word, flag) \
	{ .name = "unshare-" word, .try = leave, .arg = flag, .place = SPACES }, \
	{ .name = "unshare-user-" word, .try = leave_as_user, .arg = flag, .place = SPACES }, \
	{ .name = "clone3-" word, .try = clone3_away, .arg = flag, .place = SPACES }

const struct kind kinds_spaces[] = {
	SPACE("mount", CLONE_NEWNS), SPACE("uts", CLONE_NEWUTS), SPACE("ipc", CLONE_NEWIPC), SPACE("net", CLONE_NEWNET),
	SPACE("pid", CLONE_NEWPID), SPACE("cgroup", CLONE_NEWCGROUP), SPACE("time", CLONE_NEWTIME),
	{ .name = "unshare-user", .try = leave, .arg = CLONE_NEWUSER },
	{ .name = "clone3-plain", .try = clone3_away, .arg = 0 },
	{ .name = "clone-user", .try = clone_away, .arg = CLONE_NEWUSER },
	{ .name = "clone-mount", .try = clone_away, .arg = CLONE_NEWNS, .place = SPACES },
	{ .name = "clone-uts", .try = clone_away, .arg = CLONE_NEWUTS, .place = SPACES },
	{ .name = "clone-ipc", .try = clone_away, .arg = CLONE_NEWIPC, .place = SPACES },
	{ .name = "clone-net", .try = clone_away, .arg = CLONE_NEWNET, .place = SPACES },
	{ .name = "clone-pid", .try = clone_away, .arg = CLONE_NEWPID, .place = SPACES },
	{ .name = "clone-cgroup", .try = clone_away, .arg = CLONE_NEWCGROUP, .place = SPACES },
	{ .name = "setns-mount", .try = enter, .arg = 0, .place = SPACES },
	{ .name = "setns-uts", .try = enter, .arg = 1, .place = SPACES },
	{ .name = "setns-ipc", .try = enter, .arg = 2, .place = SPACES },
	{ .name = "setns-net", .try = enter, .arg = 3, .place = SPACES },
	{ .name = "mount-tmpfs", .try = mount_it, .arg = 0, .place = SPACES },
	{ .name = "mount-sysfs", .try = mount_it, .arg = 2, .place = SPACES },
	{ .name = "mount-devpts", .try = mount_it, .arg = 4, .place = SPACES },
	{ .name = "mount-mqueue", .try = mount_it, .arg = 5, .place = SPACES },
	{ .name = "mount-ramfs", .try = mount_it, .arg = 6, .place = SPACES },
	{ .name = "mount-bind", .try = remount, .arg = BIND, .place = SPACES },
	{ .name = "mount-remount", .try = remount_own, .arg = REMOUNT, .place = SPACES },
	{ .name = "mount-unmount", .try = remount_own, .arg = UNMOUNT, .place = SPACES },
	{ .name = "mount-move", .try = remount_own, .arg = MOVE, .place = SPACES },
	{ .name = "mount-share", .try = remount, .arg = SHARE, .place = SPACES },
	{ .name = "chroot", .try = remount, .arg = CHROOT, .place = SPACES },
	{ .name = "account-user", .try = account, .arg = USER, .place = SPACES },
	{ .name = "account-group", .try = account, .arg = GROUP, .place = SPACES },
	{ .name = "capability-raise", .try = account, .arg = RAISE, .place = SPACES },
	{ .name = "capability-ambient", .try = account, .arg = AMBIENT, .place = SPACES },
	{ .name = "capability-bound", .try = account, .arg = BOUND, .place = SPACES },
	{ .name = "capability-bits", .try = account, .arg = KEEP, .place = SPACES },
	{ .name = "host-name", .try = account, .arg = HOST_NAME, .place = SPACES },
	{ .name = "domain-name", .try = account, .arg = DOMAIN_NAME, .place = SPACES },
#if defined(__x86_64__)
	{ .name = "old-door", .try = old_door, .arg = 20 },
#endif
	{ .name = NULL },
};
