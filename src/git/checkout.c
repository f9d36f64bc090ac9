/* SPDX-License-Identifier: MIT */
/*
 * The files of a commit into an empty folder of ours.  First the whole tree
 * is looked at (names, counts, depth), then written: a hostile tree leaves
 * nothing behind but an error.  Into an overlay's upper layer go the
 * differences alone, looked at as they are met, so that it takes no time for
 * files that are the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "git/lib.h"
#include "git/tree.h"

/* Each level holds a descriptor and a stack frame; the greatest result.max-depth. */
#define DEPTH_MAX 1000

struct run {
	struct ff_git *git;
	const struct ff_git_checkout *what;
	int64_t max_depth, total, done, bytes, changes;
};

static int load_tree(struct run *r, const git_oid *oid, git_tree **ret_tree, struct ff_err *err)
{
	int rc = git_tree_lookup(ret_tree, r->git->repo, oid);

	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot read a folder of commit %.12s", r->what->commit);
	return 0;
}

static int check_entry(struct run *r, const git_tree_entry *e, struct ff_err *err)
{
	const char *name = git_tree_entry_name(e);
	const char *bad = ff_git_lib_name_bad(name, strlen(name));
	FF_AUTO(ff_free) char *shown = NULL;

	if (bad) {
		shown = ff_text_shown(name, 60);
		return ff_err_set(err, FF_E_INVALID, "commit %.12s holds %s ('%s'): it is not checked out",
				  r->what->commit, bad, shown);
	}
	r->total++;
	if (r->what->max_files && r->total > r->what->max_files)
		return ff_err_set(err, FF_E_TOO_LARGE,
				  "commit %.12s has over %lld files and folders: raise result.max-files",
				  r->what->commit, (long long)r->what->max_files);
	return 0;
}

static int survey(struct run *r, const git_tree *tree, int64_t depth, struct ff_err *err)
{
	if (depth > r->max_depth)
		return ff_err_set(err, FF_E_TOO_LARGE, "commit %.12s has over %lld folders in folders: raise result.max-depth",
				  r->what->commit, (long long)r->max_depth);
	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(tree, i);
		FF_AUTO(git_tree_auto) git_tree *sub = NULL;

		if (check_entry(r, e, err) < 0)
			return -1;
		if (git_tree_entry_filemode(e) != GIT_FILEMODE_TREE)
			continue;
		if (load_tree(r, git_tree_entry_id(e), &sub, err) < 0 || survey(r, sub, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int fail_entry(const char *name, struct ff_err *err)
{
	int saved = errno;
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 60);

	errno = saved;
	if (saved == EMFILE)
		return ff_err_set(err, FF_E_TOO_LARGE, "'%s' lies too deep for the open files this process may have: "
				  "raise LimitNOFILE", shown);
	return ff_err_errno(err, "cannot write '%s' into the work folder", shown);
}

static bool wants_owner(const struct run *r)
{
	return r->what->uid >= 0 || r->what->gid >= 0;
}

static int give(const struct run *r, int fd, mode_t mode)
{
	if (r->what->open_modes)
		mode |= mode & 0111 ? 0777 : 0666;
	if (wants_owner(r) && fchown(fd, (uid_t)r->what->uid, (gid_t)r->what->gid) < 0)
		return -1;
	return fchmod(fd, mode); /* after fchown, and whatever the umask is */
}

static int write_link(struct run *r, int dir, const char *name, git_blob *blob, struct ff_err *err)
{
	size_t len = (size_t)git_blob_rawsize(blob);
	FF_AUTO(ff_free) char *target = ff_memdup0(git_blob_rawcontent(blob), len);

	if (len == 0 || len >= PATH_MAX || strlen(target) != len)
		return ff_err_set(err, FF_E_INVALID, "commit %.12s holds a link without a usable target", r->what->commit);
	if (symlinkat(target, dir, name) < 0)
		return fail_entry(name, err);
	if (wants_owner(r) && fchownat(dir, name, (uid_t)r->what->uid, (gid_t)r->what->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_entry(name, err);
	return 0;
}

static int write_file(struct run *r, int dir, const char *name, git_blob *blob, mode_t mode, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fail_entry(name, err);
	if (ff_fd_write_all(fd, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob), err) < 0)
		return ff_err_wrap(err, "work folder");
	if (give(r, fd, mode) < 0)
		return fail_entry(name, err);
	return 0;
}

static int count_bytes(struct run *r, const git_oid *oid, struct ff_err *err)
{
	git_object_t type;
	size_t size;
	int rc = git_odb_read_header(&size, &type, r->git->odb, oid);

	if (rc < 0)
		return ff_git_lib_fail(err, rc, "a file of commit %.12s", r->what->commit);
	if (r->what->max_bytes && (int64_t)size > r->what->max_bytes - r->bytes)
		return ff_err_set(err, FF_E_TOO_LARGE, "commit %.12s has over %lld bytes of files: raise result.max-bytes",
				  r->what->commit, (long long)r->what->max_bytes);
	r->bytes += (int64_t)size;
	return 0;
}

static int write_blob(struct run *r, int dir, const char *name, const git_tree_entry *e, struct ff_err *err)
{
	FF_AUTO(git_blob_auto) git_blob *blob = NULL;
	git_filemode_t mode = git_tree_entry_filemode(e);
	int rc;

	if (count_bytes(r, git_tree_entry_id(e), err) < 0)
		return -1;
	rc = git_blob_lookup(&blob, r->git->repo, git_tree_entry_id(e));
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "a file of commit %.12s", r->what->commit);
	if (mode == GIT_FILEMODE_LINK)
		return write_link(r, dir, name, blob, err);
	return write_file(r, dir, name, blob, mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644, err);
}

static int write_tree(struct run *r, int dir, const git_tree *tree, struct ff_err *err);

/* A folder; sub NULL is a submodule's, which stays empty. */
static int write_folder(struct run *r, int dir, const char *name, const git_tree *sub, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;

	if (mkdirat(dir, name, 0700) < 0)
		return fail_entry(name, err);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_entry(name, err);
	if (sub && write_tree(r, fd, sub, err) < 0)
		return -1;
	if (give(r, fd, 0755) < 0)
		return fail_entry(name, err);
	return 0;
}

static int write_entry(struct run *r, int dir, const git_tree_entry *e, struct ff_err *err)
{
	const char *name = git_tree_entry_name(e);
	git_filemode_t mode = git_tree_entry_filemode(e);
	FF_AUTO(git_tree_auto) git_tree *sub = NULL;

	if (mode == GIT_FILEMODE_COMMIT)
		return write_folder(r, dir, name, NULL, err);
	if (mode != GIT_FILEMODE_TREE)
		return write_blob(r, dir, name, e, err);
	if (load_tree(r, git_tree_entry_id(e), &sub, err) < 0)
		return -1;
	return write_folder(r, dir, name, sub, err);
}

static int write_tree(struct run *r, int dir, const git_tree *tree, struct ff_err *err)
{
	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		if (write_entry(r, dir, git_tree_entry_byindex(tree, i), err) < 0)
			return -1;
		r->done++;
		if (r->what->progress && r->what->progress(r->what->arg, r->done, r->total))
			return ff_err_set(err, FF_E_CANCELLED, "the checkout was ended");
	}
	return 0;
}

/* --- into an upper layer */

static bool is(const git_tree_entry *e, git_filemode_t mode)
{
	return e && git_tree_entry_filemode(e) == mode;
}

/* A submodule is an empty folder, whichever commit it stands for. */
static bool looks_the_same(const git_tree_entry *a, const git_tree_entry *b)
{
	if (!a || !b || git_tree_entry_filemode(a) != git_tree_entry_filemode(b))
		return false;
	return is(a, GIT_FILEMODE_COMMIT) || git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b));
}

static int count_change(struct run *r, struct ff_err *err)
{
	if (r->what->max_changes && ++r->changes > r->what->max_changes)
		return ff_err_set(err, FF_E_UNSUPPORTED, "commit %.12s differs from %.12s in over %lld names", r->what->commit,
				  r->what->lower, (long long)r->what->max_changes);
	return 0;
}

static int write_changes(struct run *r, int dir, const git_tree *lower, const git_tree *tree, int64_t depth,
			 struct ff_err *err);

static int change_folder(struct run *r, int dir, const git_tree_entry *below, const git_tree_entry *e, int64_t depth,
			 struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *a = NULL, *b = NULL;
	const char *name = git_tree_entry_name(e);
	FF_AUTO(ff_close) int fd = -1;

	if (load_tree(r, git_tree_entry_id(below), &a, err) < 0 || load_tree(r, git_tree_entry_id(e), &b, err) < 0)
		return -1;
	if (mkdirat(dir, name, 0700) < 0)
		return fail_entry(name, err);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_entry(name, err);
	if (write_changes(r, fd, a, b, depth + 1, err) < 0)
		return -1;
	return give(r, fd, 0755) < 0 ? fail_entry(name, err) : 0;
}

/* What is new in it must pass as in a whole tree. */
static int change_entry(struct run *r, int dir, const git_tree_entry *below, const git_tree_entry *e, int64_t depth,
			struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *sub = NULL;

	if (check_entry(r, e, err) < 0)
		return -1;
	if (is(below, GIT_FILEMODE_TREE) && is(e, GIT_FILEMODE_TREE))
		return change_folder(r, dir, below, e, depth, err);
	if (count_change(r, err) < 0)
		return -1;
	if (is(e, GIT_FILEMODE_TREE) &&
	    (load_tree(r, git_tree_entry_id(e), &sub, err) < 0 || survey(r, sub, depth + 1, err) < 0))
		return -1;
	return write_entry(r, dir, e, err);
}

static int delete_entry(struct run *r, int dir, const char *name, struct ff_err *err)
{
	if (count_change(r, err) < 0)
		return -1;
	return mknodat(dir, name, S_IFCHR, 0) < 0 ? fail_entry(name, err) : 0;
}

static int write_changes(struct run *r, int dir, const git_tree *lower, const git_tree *tree, int64_t depth,
			 struct ff_err *err)
{
	if (depth > r->max_depth)
		return survey(r, tree, depth, err);
	for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(tree, i);
		const git_tree_entry *below = git_tree_entry_byname(lower, git_tree_entry_name(e));

		if (!looks_the_same(below, e) && change_entry(r, dir, below, e, depth, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < git_tree_entrycount(lower); i++) {
		const char *name = git_tree_entry_name(git_tree_entry_byindex(lower, i));

		if (!git_tree_entry_byname(tree, name) && delete_entry(r, dir, name, err) < 0)
			return -1;
	}
	return 0;
}

static int write_all(struct run *r, const git_tree *tree, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *lower = NULL;

	if (!r->what->lower)
		return survey(r, tree, 0, err) < 0 ? -1 : write_tree(r, r->what->folder_fd, tree, err);
	if (ff_git_lib_tree_of(r->git, r->what->lower, &lower, err) < 0)
		return -1;
	r->total = r->what->lower_files;
	r->bytes = r->what->lower_bytes;
	return write_changes(r, r->what->folder_fd, lower, tree, 0, err);
}

int ff_git_checkout(struct ff_git *git, const struct ff_git_checkout *what, struct ff_git_checked_out *ret_done,
		    struct ff_err *err)
{
	struct run r = { .git = git, .what = what, .max_depth = what->max_depth };
	FF_AUTO(git_tree_auto) git_tree *tree = NULL;

	if (r.max_depth <= 0 || r.max_depth > DEPTH_MAX)
		r.max_depth = DEPTH_MAX;
	if (ff_git_lib_tree_of(git, what->commit, &tree, err) < 0 || write_all(&r, tree, err) < 0)
		return -1;
	if (ret_done)
		*ret_done = (struct ff_git_checked_out){ r.total - what->lower_files, r.bytes - what->lower_bytes };
	return 0;
}
