/* SPDX-License-Identifier: MIT */
/* Descriptors that whoever starts the sandbox has open: a file, a folder, one end of a socket pair. */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANY, TEXT, AT_FOLDER, GO_FOLDER, SPEAK };

static bool has_canary(int fd)
{
	char text[256] = "";

	return pread(fd, text, sizeof text - 1, 0) > 0 && strstr(text, CANARY);
}

static bool one(int fd, long how)
{
	struct stat st;
	int at;

	switch (how) {
	case ANY:
		return fstat(fd, &st) == 0;
	case TEXT:
		return has_canary(fd);
	case AT_FOLDER:
		at = openat(fd, "canary", O_RDONLY | O_CLOEXEC);
		return at >= 0 && has_canary(at);
	case GO_FOLDER:
		return fchdir(fd) == 0 && access("canary", R_OK) == 0;
	default:
		return send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
	}
}

/* Every number, also those of what the attempt itself opens: it opens nothing. */
static bool inherited(const struct target *t, long how)
{
	(void)t;
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		if (one(fd, how))
			return true;
	return false;
}

const struct kind kinds_inherited[] = {
	{ .name = "inherited-any", .try = inherited, .arg = ANY },
	{ .name = "inherited-file", .try = inherited, .arg = TEXT },
	{ .name = "inherited-folder", .try = inherited, .arg = AT_FOLDER },
	{ .name = "inherited-folder-go", .try = inherited, .arg = GO_FOLDER },
	{ .name = "inherited-socket", .try = inherited, .arg = SPEAK },
	{ .name = NULL },
};
