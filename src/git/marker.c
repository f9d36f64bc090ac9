/* SPDX-License-Identifier: MIT */
/* Looks for what a merge left between two commits: lines that begin as our conflict markers do. */
#include <string.h>

#include "git/lib.h"

/* A larger file was never merged by lines, so it has no markers of ours. */
#define LOOKED_AT ((size_t)64 * 1024 * 1024)
#define MARKER_LEAST 7

/* "<<<<<<< target" or ">>>>>>> change", however long the attribute conflict-marker-size makes it. */
static bool is_marker(const char *line, size_t n)
{
	const char c = n ? line[0] : '\0';
	const char *label = c == '<' ? " target" : " change";
	size_t len = 0;

	if (c != '<' && c != '>')
		return false;
	while (len < n && line[len] == c)
		len++;
	return len >= MARKER_LEAST && n - len >= strlen(label) && memcmp(line + len, label, strlen(label)) == 0;
}

bool ff_git_has_markers(const char *text, size_t n)
{
	for (const char *p = text, *end = text + n, *nl; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (!nl)
			nl = end;
		if (is_marker(p, (size_t)(nl - p)))
			return true;
	}
	return false;
}

static int look(struct ff_git *git, const git_oid *oid, bool *ret, struct ff_err *err)
{
	FF_AUTO(git_odb_object_auto) git_odb_object *blob = NULL;
	git_object_t type;
	size_t size;
	int rc = git_odb_read_header(&size, &type, git->odb, oid);

	*ret = false;
	if (rc == 0 && (type != GIT_OBJECT_BLOB || size > LOOKED_AT))
		return 0;
	if (rc == 0)
		rc = git_odb_read(&blob, git->odb, oid);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "a file of the resolution");
	*ret = ff_git_has_markers(git_odb_object_data(blob), git_odb_object_size(blob));
	return 0;
}

int ff_git_markers(struct ff_git *git, const char *from, const char *to, char ***ret_paths, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *a = NULL, *b = NULL;
	FF_AUTO(git_diff_auto) git_diff *diff = NULL;
	FF_AUTO(ff_git_paths_free) char **paths = ff_calloc(1, sizeof(char *));
	size_t n = 0;
	int rc;

	if (ff_git_lib_tree_of(git, from, &a, err) < 0 || ff_git_lib_tree_of(git, to, &b, err) < 0)
		return -1;
	rc = git_diff_tree_to_tree(&diff, git->repo, a, b, NULL);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot compare %.12s and %.12s", from, to);
	for (size_t i = 0; i < git_diff_num_deltas(diff); i++) {
		const git_diff_file *f = &git_diff_get_delta(diff, i)->new_file;
		bool has = false;

		if ((f->mode == GIT_FILEMODE_BLOB || f->mode == GIT_FILEMODE_BLOB_EXECUTABLE) &&
		    look(git, &f->id, &has, err) < 0)
			return -1;
		if (!has)
			continue;
		paths = ff_realloc(paths, n + 2, sizeof(char *));
		paths[n++] = ff_strdup(f->path);
		paths[n] = NULL;
	}
	*ret_paths = ff_steal(&paths);
	return 0;
}

void ff_git_paths_free(char ***paths)
{
	for (char **p = *paths; p && *p; p++)
		ff_free(p);
	ff_free(paths);
}
