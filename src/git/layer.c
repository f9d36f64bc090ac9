/* SPDX-License-Identifier: MIT */
/* See layer.h; the marks are those of the kernel's filesystems/overlayfs.rst. */
#include "git/layer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/file.h"

#define MARK_MAX 64

bool ff_layer_deleted(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

/* Bytes of the mark's value, 0 when it is not there. A file system without attributes has no marks. */
static int mark(int fd, bool user, const char *name, char *value, size_t room, ssize_t *ret_n, struct ff_err *err)
{
	char whole[MARK_MAX];

	(void)snprintf(whole, sizeof whole, "%s.overlay.%s", user ? "user" : "trusted", name);
	*ret_n = fgetxattr(fd, whole, value, room);
	if (*ret_n >= 0)
		return 0;
	if (errno == ERANGE) { /* longer than any that we know */
		*ret_n = (ssize_t)room;
		return 0;
	}
	*ret_n = 0;
	if (errno == ENODATA || errno == ENOTSUP)
		return 0;
	return ff_err_errno(err, "the mark %s of the job's layer", whole);
}

int ff_layer_marks(int fd, bool user, bool *ret_opaque, struct ff_err *err)
{
	static const char *const strange[] = { "redirect", "metacopy" };
	char value[8];
	ssize_t n;

	for (size_t i = 0; i < FF_ARRAY_LEN(strange); i++) {
		if (mark(fd, user, strange[i], value, sizeof value, &n, err) < 0)
			return -1;
		if (n)
			return ff_err_set(err, FF_E_UNSUPPORTED, "the job's layer has a mark %s, which its mount does not make",
					  strange[i]);
	}
	if (mark(fd, user, "opaque", value, sizeof value, &n, err) < 0)
		return -1;
	*ret_opaque = n == 1 && value[0] == 'y';
	return 0;
}
