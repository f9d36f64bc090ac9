/* SPDX-License-Identifier: MIT */
/*
 * "create", "str_replace" and "insert".  A request that is made again after a
 * crash (edit->again) may have been done before: its outcome is recognised in
 * the file, so that nothing is put in twice.
 */
#include "daemon/sandbox/tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define SNIPPET_LINES 4 /* shown before and after a change */

/* The files are free of NUL, so that the string functions see all of them. */
static int64_t count(const char *where, const char *what)
{
	int64_t n = 0;

	if (!*what)
		return 0;
	for (const char *p = where; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void print_around(const char *path, const struct ff_buf *text, size_t at, size_t n)
{
	int64_t first = ff_tool_count_lines(text->data, at) + (at == 0 || text->data[at - 1] == '\n');
	int64_t lines = ff_tool_count_lines(text->data + at, n);

	(void)printf("%s was changed. Now it reads:\n", path);
	ff_tool_print_lines(text, first - SNIPPET_LINES, first + lines - 1 + SNIPPET_LINES);
}

/* text = before [0, at) + middle + before [at + cut, end) */
static int write_spliced(const struct ff_tool_file *f, size_t at, size_t cut, const char *middle, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, FF_EDIT_FILE_MAX);
	(void)ff_buf_add(&out, f->text.data, at);
	(void)ff_buf_adds(&out, middle);
	(void)ff_buf_add(&out, f->text.data + at + cut, f->text.len - at - cut);
	if (out.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "The file would have over %d bytes.", FF_EDIT_FILE_MAX);
	if (ff_tool_write(f->path, out.data, out.len, f->mode, err))
		return -1;
	print_around(f->path, &out, at, strlen(middle));
	return 0;
}

static int create(const char *path, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_tool_file_fini) struct ff_tool_file old = { 0 };
	struct ff_err why;
	struct stat st;

	if (lstat(path, &st) && (errno == ENOENT || errno == ENOTDIR)) {
		if (ff_tool_write(path, text, strlen(text), 0644, err))
			return -1;
		(void)printf("%s was created.\n", path);
		return 0;
	}
	/* A binary or over-long file may be replaced; a link out, a folder or a device may not. */
	if (ff_tool_read(path, &old, &why)) {
		if (!S_ISREG(st.st_mode)) {
			*err = why;
			return -1;
		}
		old.path = ff_strdup(path);
		old.mode = st.st_mode & 0777;
	}
	if (ff_tool_write(old.path, text, strlen(text), old.mode, err))
		return -1;
	(void)printf("%s was replaced.\n", path);
	return 0;
}

static bool replaced_already(const char *text, const char *old, const char *new)
{
	return count(text, new) == 1 && count(text, old) == count(new, old);
}

static int replace(const char *path, const struct ff_edit *e, const char *new, struct ff_err *err)
{
	FF_AUTO(ff_tool_file_fini) struct ff_tool_file f = { 0 };
	const char *old = e->old_text;
	int64_t n;

	if (!old || !*old)
		return ff_err_set(err, FF_E_INVALID, "The text to replace is empty; to add text, use insert.");
	if (ff_tool_read(path, &f, err))
		return -1;
	if (e->again && replaced_already(f.text.data, old, new)) {
		(void)printf("%s was changed.\n", path);
		return 0;
	}
	n = count(f.text.data, old);
	if (n == 0)
		return ff_err_set(err, FF_E_INVALID, "The text to replace is not in %s. It must match exactly, white space included.", path);
	if (n > 1)
		return ff_err_set(err, FF_E_INVALID, "The text to replace is in %s %" PRId64 " times. Add lines around it until it is there once.", path, n);
	return write_spliced(&f, (size_t)(strstr(f.text.data, old) - f.text.data), strlen(old), new, err);
}

/* Where line + 1 starts. */
static size_t after_line(const struct ff_buf *text, int64_t line)
{
	const char *p = text->data, *end = text->data + text->len;

	for (; line > 0 && p < end; line--) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		p = eol ? eol + 1 : end;
	}
	return (size_t)(p - text->data);
}

static int insert(const char *path, const struct ff_edit *e, const char *given, struct ff_err *err)
{
	FF_AUTO(ff_tool_file_fini) struct ff_tool_file f = { 0 };
	FF_AUTO(ff_free) char *text = NULL;
	size_t at, n = strlen(given);
	int64_t lines;
	bool open_end;

	if (ff_tool_read(path, &f, err))
		return -1;
	lines = ff_tool_count_lines(f.text.data, f.text.len);
	if (e->line < 0 || e->line > lines)
		return ff_err_set(err, FF_E_INVALID, "%s has %" PRId64 " lines; text can be put behind line 0 to %" PRId64 ".", path,
				  lines, lines);
	at = after_line(&f.text, e->line);
	open_end = at > 0 && f.text.data[at - 1] != '\n';
	text = ff_asprintf("%s%s%s", open_end ? "\n" : "", given, n && given[n - 1] == '\n' ? "" : "\n");
	if (e->again && n && !open_end && !strncmp(f.text.data + at, text, strlen(text))) {
		(void)printf("%s was changed.\n", path);
		return 0;
	}
	return write_spliced(&f, at, 0, text, err);
}

int ff_tool_change(const struct ff_edit *edit, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_tool_path(edit->path, err);
	const char *text = edit->text ? edit->text : "";

	if (!path)
		return -1;
	if (edit->command == FF_EDIT_CREATE)
		return create(path, text, err);
	if (edit->command == FF_EDIT_REPLACE)
		return replace(path, edit, text, err);
	ff_assert(edit->command == FF_EDIT_INSERT);
	return insert(path, edit, text, err);
}
