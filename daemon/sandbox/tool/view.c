/* SPDX-License-Identifier: MIT */
/* "view": the lines of a file, or two levels of a folder. */
#include "daemon/sandbox/tool/tool.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"

#define LIST_LEVELS 2
#define LIST_MAX 2000 /* names; more would crowd out what the model is working on */

static int not_git(const struct dirent *d)
{
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..") && strcmp(d->d_name, ".git");
}

static void list(const char *dir, int level, int *left)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, not_git, alphasort);

	for (int i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(dir, names[i]->d_name);
		struct stat st;
		bool folder = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);

		free(names[i]);
		if (*left <= 0)
			continue;
		(*left)--;
		(void)printf("%s%s\n", path, folder ? "/" : "");
		if (folder && level < LIST_LEVELS)
			list(path, level + 1, left);
	}
	free(names);
}

static int view_file(const char *path, const struct ff_edit *edit, struct ff_err *err)
{
	FF_AUTO(ff_tool_file_fini) struct ff_tool_file f = { 0 };
	int64_t lines, first = edit->first > 0 ? edit->first : 1;
	int64_t last = edit->first > 0 ? edit->last : -1;

	if (ff_tool_read(path, &f, err))
		return -1;
	lines = ff_tool_count_lines(f.text.data, f.text.len);
	if (edit->first < 0 || (edit->first > 0 && first > lines))
		return ff_err_set(err, FF_E_INVALID, "%s has %" PRId64 " lines; there is no line %" PRId64 ".", path, lines,
				  edit->first);
	if (last != -1 && last < first)
		return ff_err_set(err, FF_E_INVALID, "The last line to view comes before the first.");
	if (lines == 0)
		(void)printf("%s is empty.\n", path);
	ff_tool_print_lines(&f.text, first, last);
	return 0;
}

int ff_tool_view(const struct ff_edit *edit, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_tool_path(edit->path, err);
	int left = LIST_MAX;
	struct stat st;

	if (!path)
		return -1;
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return view_file(path, edit, err);
	if (edit->first)
		return ff_err_set(err, FF_E_INVALID, "%s is a folder and has no lines.", path);
	list(path, 1, &left);
	if (left <= 0)
		(void)printf("(only the first %d names are shown)\n", LIST_MAX);
	return 0;
}
