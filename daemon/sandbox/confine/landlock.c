/* SPDX-License-Identifier: MIT */
/*
 * Landlock by its system calls: the headers of a build machine may be older
 * than the kernel that this runs on, so what later versions brought is
 * written out here (Documentation/userspace-api/landlock.rst).
 */
#include "daemon/sandbox/confine/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRUNCATE (1ULL << 14)  /* version 3 */
#define IOCTL_DEV (1ULL << 15) /* version 5 */
#define SCOPE_ABSTRACT (1ULL << 0) /* version 6 */
#define SCOPE_SIGNAL (1ULL << 1)

#define READ (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* No MAKE_CHAR and MAKE_BLOCK: a job makes no devices. */
#define CHANGE \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | TRUNCATE)
#define OF_FILES \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE | IOCTL_DEV)

struct ruleset { /* struct landlock_ruleset_attr of version 6; older kernels want what they do not know to be 0 */
	uint64_t fs, net, scoped;
};

int ff_landlock_version(void)
{
	long n = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	return n < 0 ? 0 : (int)n;
}

static uint64_t known(int version)
{
	uint64_t all = READ | CHANGE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | IOCTL_DEV;

	if (version < 5)
		all &= ~IOCTL_DEV;
	if (version < 3)
		all &= ~TRUNCATE;
	return all;
}

static int allow(int set, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr below = { .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat st;
	int rc;

	if (below.parent_fd < 0 || fstat(below.parent_fd, &st))
		return -1;
	below.allowed_access = S_ISDIR(st.st_mode) ? access : access & OF_FILES;
	rc = (int)syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &below, 0u);
	(void)close(below.parent_fd);
	return rc;
}

static int allow_all(int set, uint64_t all, char *const *writable, const char **ret_at)
{
	/* The sandbox has in it what may be read, and beyond its root leads no path that is allowed. */
	*ret_at = "/";
	if (allow(set, "/", READ & all))
		return -1;
	*ret_at = "/dev";
	if (allow(set, "/dev", (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | IOCTL_DEV) & all))
		return -1;
	for (; *writable; writable++) {
		*ret_at = *writable;
		if (allow(set, *writable, (READ | CHANGE) & all))
			return -1;
	}
	*ret_at = "landlock_restrict_self";
	return (int)syscall(SYS_landlock_restrict_self, set, 0u);
}

int ff_landlock_enter(int version, char *const *writable, const char **ret_at)
{
	const struct ruleset attr = { .fs = known(version), .scoped = version >= 6 ? SCOPE_ABSTRACT | SCOPE_SIGNAL : 0 };
	int set, rc;

	*ret_at = "landlock_create_ruleset";
	set = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0u);
	if (set < 0)
		return -1;
	rc = allow_all(set, attr.fs, writable, ret_at);
	(void)close(set);
	return rc;
}
