/* SPDX-License-Identifier: MIT */
/*
 * Reads configuration files.  Only regular files, and only so large: the path
 * may come from a flag, and a FIFO or a device there must not hang or fill
 * the daemon.
 */
#include "conf/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "conf/conf.h"

static int read_regular(const char *path, struct ff_buf *text, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ff_err_set(err, FF_E_NOT_FOUND, "no such file");
	if (fd < 0 || fstat(fd, &st) < 0)
		return ff_err_errno(err, "open");
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "not a regular file");
	return ff_fd_read_all(fd, text, err);
}

/* Whether the file was there, good or bad. */
static bool read_one(const char *path, bool needed, const struct ff_conf_files *files)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct ff_err err = { 0 };
	int rc;

	ff_buf_init(&text, FF_CONF_TEXT_MAX);
	rc = read_regular(path, &text, &err);
	if (rc < 0 && err.code == FF_E_NOT_FOUND && !needed)
		return false;
	if (rc < 0)
		files->on_error(files->arg, path, &err);
	else
		files->on_file(files->arg, path, text.data, text.len);
	return true;
}

static int is_part(const struct dirent *e)
{
	return e->d_name[0] != '.' && ff_ends(e->d_name, ".conf");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_parts(const char *dir, const struct ff_conf_files *files)
{
	struct dirent **names = NULL;
	struct ff_err err = { 0 };
	int n = scandir(dir, &names, is_part, by_bytes);

	if (n < 0) {
		if (errno != ENOENT && errno != ENOTDIR) {
			ff_err_errno(&err, "read the folder");
			files->on_error(files->arg, dir, &err);
		}
		return;
	}
	if (n > FF_CONF_FILES_MAX) {
		ff_err_set(&err, FF_E_INVALID, "has %d files: at most %d", n, FF_CONF_FILES_MAX);
		files->on_error(files->arg, dir, &err);
	}
	for (int i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(dir, names[i]->d_name);

		if (i < FF_CONF_FILES_MAX)
			(void)read_one(path, true, files);
		free(names[i]);
	}
	free(names);
}

bool ff_conf_files_read(const char *path, bool needed, const struct ff_conf_files *files)
{
	const char *slash = strrchr(path, '/');
	FF_AUTO(ff_free) char *dir = ff_memdup0(path, slash ? (size_t)(slash - path) + 1 : 0);
	FF_AUTO(ff_free) char *parts = ff_asprintf("%sconf.d", dir);
	bool there = read_one(path, needed, files);

	read_parts(parts, files);
	return there;
}

char *ff_conf_files_absolute(const char *path)
{
	FF_AUTO(ff_free) char *cwd = NULL;

	if (*path == '/')
		return ff_strdup(path);
	cwd = getcwd(NULL, 0);
	return cwd ? ff_path_join(cwd, path) : ff_strdup(path);
}
