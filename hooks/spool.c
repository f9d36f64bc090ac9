/* SPDX-License-Identifier: MIT */
/*
 * The drop-only folder (mode 1730): a pusher's account may put a file into it
 * but not list it, so it cannot be opened for an fsync either.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "hooks/hook.h"

static int write_file(int dir, const char *name, const struct ff_buf *line, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return ff_err_errno(err, "%s", name);
	/*
	 * Core may run under another account than the pusher and has to read it.
	 * Others cannot: they may not enter the folder, and the name is a secret.
	 */
	if (fchmod(fd, 0644) < 0)
		return ff_err_errno(err, "%s: chmod", name);
	if (ff_fd_write_all(fd, line->data, line->len, err) < 0)
		return -1;
	if (fsync(fd) < 0)
		return ff_err_errno(err, "%s: fsync", name);
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

/* Makes the new name durable: by the folder, or, where we may not open that, by the file, whose rename is in the journal. */
static int sync_name(const char *folder, int file, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != EACCES)
		return ff_err_errno(err, "%s", folder);
	if (fsync(fd < 0 ? file : fd) < 0)
		return ff_err_errno(err, "%s: fsync", folder);
	return 0;
}

int ff_hook_spool(const char *folder, const char *id, const struct ff_buf *line, struct ff_err *err)
{
	FF_AUTO(ff_free) char *tmp = ff_asprintf(".%s.tmp", id);
	FF_AUTO(ff_free) char *name = ff_asprintf("%s.json", id);
	FF_AUTO(ff_close) int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FF_AUTO(ff_close) int file = -1;

	if (dir < 0)
		return ff_err_errno(err, "%s", folder);
	if (write_file(dir, tmp, line, &file, err) < 0) {
		(void)unlinkat(dir, tmp, 0); /* it may not be there */
		return ff_err_wrap(err, "%s", folder);
	}
	if (renameat(dir, tmp, dir, name) < 0) {
		ff_err_errno(err, "%s: rename", folder);
		(void)unlinkat(dir, tmp, 0);
		return -1;
	}
	return sync_name(folder, file, err);
}
