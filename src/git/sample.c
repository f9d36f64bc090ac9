/* SPDX-License-Identifier: MIT */
/* Whether some files of a checkout, drawn by lot, still are what their commit says. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "git/beneath.h"
#include "git/lib.h"
#include "git/tree.h"

/* A larger one is judged by its size. */
#define HASHED_MAX ((off_t)1024 * 1024)

static int wrong(const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 60);

	return ff_err_set(err, FF_E_CONFLICT, "'%s' is not as it was checked out", shown);
}

static int check_blob(struct ff_git *git, int dir, const git_tree_entry *e, struct ff_err *err)
{
	const char *name = git_tree_entry_name(e);
	FF_AUTO(ff_close) int fd = ff_beneath_open(dir, name, O_RDONLY | O_NONBLOCK);
	bool runs = git_tree_entry_filemode(e) == GIT_FILEMODE_BLOB_EXECUTABLE;
	FF_AUTO(ff_free) char *data = NULL;
	git_object_t type;
	struct stat st;
	size_t size = 0;
	git_oid oid;

	if (git_odb_read_header(&size, &type, git->odb, git_tree_entry_id(e)) < 0 || fd < 0 || fstat(fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size != (off_t)size || runs != !!(st.st_mode & S_IXUSR))
		return wrong(name, err);
	if (st.st_size > HASHED_MAX)
		return 0;
	data = ff_calloc(size + 1, 1);
	if (ff_beneath_read(fd, data, size + 1) != (ssize_t)size || git_odb_hash(&oid, data, size, GIT_OBJECT_BLOB) < 0 ||
	    !git_oid_equal(&oid, git_tree_entry_id(e)))
		return wrong(name, err);
	return 0;
}

/* One way down from the root. *ret_dir is the folder of the entry, opened. */
static int check_one(struct ff_git *git, const git_tree *root, int folder_fd, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *tree = NULL;
	FF_AUTO(ff_close) int dir = ff_beneath_open(folder_fd, ".", O_RDONLY | O_DIRECTORY);
	const git_tree *at = root;

	while (dir >= 0 && git_tree_entrycount(at)) {
		const git_tree_entry *e;
		git_tree *next = NULL;
		uint32_t lot;
		int fd;

		ff_random(&lot, sizeof lot);
		e = git_tree_entry_byindex(at, lot % git_tree_entrycount(at));
		if (git_tree_entry_filemode(e) == GIT_FILEMODE_BLOB || git_tree_entry_filemode(e) == GIT_FILEMODE_BLOB_EXECUTABLE)
			return check_blob(git, dir, e, err);
		if (git_tree_entry_filemode(e) != GIT_FILEMODE_TREE)
			return 0;
		fd = ff_beneath_open(dir, git_tree_entry_name(e), O_RDONLY | O_DIRECTORY);
		if (fd < 0 || git_tree_lookup(&next, git->repo, git_tree_entry_id(e)) < 0) {
			ff_close(&fd);
			return wrong(git_tree_entry_name(e), err);
		}
		ff_close(&dir);
		dir = fd;
		git_tree_auto(&tree);
		tree = next;
		at = tree;
	}
	return dir < 0 ? wrong(".", err) : 0;
}

int ff_git_sample(struct ff_git *git, const char *commit, int folder_fd, int samples, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *root = NULL;

	if (ff_git_lib_tree_of(git, commit, &root, err) < 0)
		return -1;
	for (int i = 0; i < samples; i++)
		if (check_one(git, root, folder_fd, err) < 0)
			return -1;
	return 0;
}
