/* SPDX-License-Identifier: MIT */
/* Files of the work tree, as the edit tool reads and writes them. */
#include "daemon/sandbox/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/sandbox/sandbox.h"

void ff_tool_file_fini(struct ff_tool_file *file)
{
	ff_free(&file->path);
	if (file->text.data)
		ff_buf_fini(&file->text);
}

static bool has_dotdot(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		p += strspn(p, "/");
		if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
			return true;
	}
	return false;
}

static bool below_ws(const char *path)
{
	size_t n = strlen(FF_SANDBOX_WS);

	return ff_starts(path, FF_SANDBOX_WS) && (path[n] == '/' || !path[n]);
}

char *ff_tool_path(const char *given, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = given[0] == '/' ? ff_strdup(given) : ff_path_join(FF_SANDBOX_WS, given);

	if (!given[0] || strlen(path) >= PATH_MAX)
		(void)ff_err_set(err, FF_E_INVALID, "The path is empty or too long.");
	else if (has_dotdot(path))
		(void)ff_err_set(err, FF_E_INVALID, "The path may not contain \"..\".");
	else if (!below_ws(path))
		(void)ff_err_set(err, FF_E_NOT_ALLOWED, "Only paths below " FF_SANDBOX_WS " can be edited.");
	else
		return ff_steal(&path);
	return NULL;
}

static int errno_text(struct ff_err *err, const char *path)
{
	if (errno == ENOENT || errno == ENOTDIR)
		return ff_err_set(err, FF_E_NOT_FOUND, "The path %s does not exist.", path);
	return ff_err_set(err, FF_E_IO, "%s: %s", path, strerror(errno));
}

/* Opened without waiting, so that a FIFO in the tree cannot hold us. */
static int open_regular(const char *path, int *ret_fd, unsigned *ret_mode, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return errno_text(err, path);
	if (S_ISDIR(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s is a folder.", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s is not a regular file.", path);
	if (st.st_size > FF_EDIT_FILE_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "%s has %" PRId64 " bytes; this tool takes at most %d.", path,
				  (int64_t)st.st_size, FF_EDIT_FILE_MAX);
	*ret_fd = ff_steal_fd(&fd);
	*ret_mode = st.st_mode & 0777;
	return 0;
}

int ff_tool_read(const char *path, struct ff_tool_file *ret_file, struct ff_err *err)
{
	FF_AUTO(ff_tool_file_fini) struct ff_tool_file f = { 0 };
	FF_AUTO(ff_close) int fd = -1;
	char real[PATH_MAX];

	if (!realpath(path, real))
		return errno_text(err, path);
	if (!below_ws(real))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s is a link out of " FF_SANDBOX_WS ".", path);
	f.path = ff_strdup(real);
	ff_buf_init(&f.text, FF_EDIT_FILE_MAX);
	if (open_regular(real, &fd, &f.mode, err) || ff_fd_read_all(fd, &f.text, err))
		return -1;
	if (memchr(f.text.data, '\0', f.text.len))
		return ff_err_set(err, FF_E_INVALID, "%s is a binary file.", path);
	*ret_file = f;
	memset(&f, 0, sizeof(f));
	return 0;
}

static int write_beside(const char *path, const char *p, size_t n, unsigned mode, struct ff_err *err)
{
	FF_AUTO(ff_free) char *tmp = ff_asprintf("%s.XXXXXX", path);
	FF_AUTO(ff_close) int fd = mkostemp(tmp, O_CLOEXEC);

	if (fd < 0)
		return errno_text(err, path);
	if (ff_fd_write_all(fd, p, n, err) == 0) {
		if (fchmod(fd, mode) == 0 && rename(tmp, path) == 0)
			return 0;
		(void)errno_text(err, path);
	}
	(void)unlink(tmp); /* what stopped us is said already */
	return -1;
}

int ff_tool_write(const char *path, const char *p, size_t n, unsigned mode, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_strdup(path);
	char *slash = strrchr(dir, '/');

	if (n > FF_EDIT_FILE_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "The file would have over %d bytes.", FF_EDIT_FILE_MAX);
	*slash = '\0';
	if (ff_dir_make(dir, 0755, err))
		return -1;
	return write_beside(path, p, n, mode, err);
}

int64_t ff_tool_count_lines(const char *p, size_t n)
{
	int64_t lines = 0;

	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines + (n > 0 && p[n - 1] != '\n');
}

void ff_tool_print_lines(const struct ff_buf *text, int64_t first, int64_t last)
{
	const char *p = text->data, *end = text->data + text->len;

	for (int64_t line = 1; p < end && (last < 0 || line <= last); line++) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((eol ? eol : end) - p);

		if (line >= first) {
			(void)printf("%6" PRId64 "\t", line);
			(void)fwrite(p, 1, n, stdout);
			(void)fputc('\n', stdout);
		}
		p += n + 1;
	}
}
