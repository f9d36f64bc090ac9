/* SPDX-License-Identifier: MIT */
/*
 * Opening a repository so that nothing but the repository itself counts: no
 * search upwards, no configuration of the account or the system.  Whose it is
 * does not count either, because the administrator named the path.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <git2/sys/alloc.h>

#include "base/file.h"
#include "base/text.h"
#include "git/lib.h"

/* One worker a job and a reader that stays: a cache for all of them together must fit a small host. */
#define CACHE_BYTES ((ssize_t)64 * 1024 * 1024)
/* A tree that is merged is read again for the next commit; libgit2's own limit of 4 KiB leaves the large ones out. */
#define CACHE_TREE_BYTES ((size_t)1024 * 1024)

/*
 * libgit2 does not survive every allocation that fails, so a failure ends the
 * process like our own.  What is larger than this may be what a broken object
 * says of itself: that is refused, and the object with it.
 */
#define SURE_BYTES ((size_t)256 * 1024 * 1024)

static void *resize(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return n > SURE_BYTES ? realloc(p, n) : ff_realloc(p, n, 1);
}

static void *take(size_t n, const char *file, int line)
{
	return resize(NULL, n, file, line);
}

#ifdef HAVE_GIT_ALLOCATOR_GCALLOC /* libgit2 had one for each of these up to 1.5 */
static void *resize_array(void *p, size_t n, size_t size, const char *file, int line)
{
	size_t all;

	return __builtin_mul_overflow(n, size, &all) ? NULL : resize(p, all, file, line);
}

static void *take_array(size_t n, size_t size, const char *file, int line)
{
	return resize_array(NULL, n, size, file, line);
}

static void *take_zeros(size_t n, size_t size, const char *file, int line)
{
	void *p = take_array(n, size, file, line);

	return p ? memset(p, 0, n * size) : NULL;
}

static char *copy(const char *s, size_t n, const char *file, int line)
{
	char *p = n < SIZE_MAX ? take(n + 1, file, line) : NULL;

	if (p)
		((char *)memcpy(p, s, n))[n] = '\0';
	return p;
}

static char *copy_string(const char *s, const char *file, int line)
{
	return copy(s, strlen(s), file, line);
}

static char *copy_at_most(const char *s, size_t n, const char *file, int line)
{
	return copy(s, strnlen(s, n), file, line);
}
#endif

static git_allocator memory = {
	.gmalloc = take, .grealloc = resize, .gfree = free,
#ifdef HAVE_GIT_ALLOCATOR_GCALLOC
	.gcalloc = take_zeros, .gstrdup = copy_string, .gstrndup = copy_at_most, .gsubstrdup = copy,
	.greallocarray = resize_array, .gmallocarray = take_array,
#endif
};

static void set_up_once(void)
{
	static const int levels[] = { GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
				      GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL };
	static bool done;
	int rc = 0;

	if (done)
		return;
	rc |= git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &memory);
	ff_assert(git_libgit2_init() > 0);
	for (size_t i = 0; i < FF_ARRAY_LEN(levels); i++)
		rc |= git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	rc |= git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	rc |= git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	rc |= git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1);
	/* What is in the repository was checked when it was received; new objects are looked at for collisions. */
	rc |= git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	rc |= git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, CACHE_BYTES);
	rc |= git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, GIT_OBJECT_TREE, CACHE_TREE_BYTES);
	ff_assert(rc == 0);
	done = true;
}

static enum ff_err_code code_of(int rc, const git_error *e)
{
	if (rc == GIT_ENOTFOUND || rc == GIT_EUNBORNBRANCH)
		return FF_E_NOT_FOUND;
	if (rc == GIT_EINVALIDSPEC)
		return FF_E_INVALID;
	if (rc == GIT_EMODIFIED)
		return FF_E_REF_MOVED;
	/* A lock goes away by itself, and a full disk may: worth another try. */
	if (rc == GIT_ELOCKED || (e && (e->klass == GIT_ERROR_OS || e->klass == GIT_ERROR_NOMEMORY)))
		return FF_E_IO;
	return FF_E_GIT;
}

int ff_git_lib_fail(struct ff_err *err, int rc, const char *fmt, ...)
{
	const git_error *e = git_error_last();
	FF_AUTO(ff_free) char *what = NULL, *why = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = ff_vasprintf(fmt, ap);
	va_end(ap);
	why = ff_text_shown(e && e->message ? e->message : "no reason given", 160);
	return ff_err_set(err, code_of(rc, e), "%s: %s", what, why);
}

int ff_git_lib_unread(struct ff_git *git, const git_oid *oid, int rc, struct ff_err *err)
{
	char hex[FF_GIT_OID];

	git_oid_tostr(hex, sizeof hex, oid);
	if (rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "object %s", hex);
	if (git_repository_is_shallow(git->repo) > 0)
		return ff_err_set(err, FF_E_GIT, "object %s is not in %.120s, which is a shallow clone: "
				  "run git fetch --unshallow there", hex, git->path);
	return ff_err_set(err, FF_E_GIT, "object %s is missing from %.120s: run git fsck there", hex, git->path);
}

/* Before libgit2 sees it: its own check of extensions (1.5.1) loses memory, and a reader may be asked for ever. */
static int check_format(const char *path, struct ff_err *err)
{
	FF_AUTO(ff_free) char *file = ff_path_join(path, "config");
	FF_AUTO(git_config_auto) git_config *own = NULL, *snapshot = NULL;
	const char *format = NULL;

	if (git_config_open_ondisk(&own, file) < 0 || git_config_snapshot(&snapshot, own) < 0 ||
	    git_config_get_string(&format, snapshot, "extensions.objectformat") < 0 || strcasecmp(format, "sha1") == 0)
		return 0; /* what else is wrong shows when it is opened */
	return ff_err_set(err, FF_E_UNSUPPORTED, "%s uses %.20s object names, which the libgit2 here cannot read: "
			  "use a repository with SHA-1 names (git init --object-format=sha1)", path, format);
}

static int open_failed(const char *path, int rc, struct ff_err *err)
{
	const git_error *e = git_error_last();
	const char *why = e && e->message ? e->message : "";

	if (strcasestr(why, "unsupported extension"))
		return ff_err_set(err, FF_E_UNSUPPORTED, "%s: %.120s: the libgit2 here cannot read it", path, why);
	if (rc == GIT_ENOTFOUND)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is not a Git repository", path);
	return ff_git_lib_fail(err, rc, "cannot open %s", path);
}

/* The folder and its objects as they are now, held until close. */
static int hold(struct ff_git *git, struct ff_err *err)
{
	git->dir_fd = open(git->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (git->dir_fd >= 0)
		git->objects_fd = openat(git->dir_fd, "objects", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (git->objects_fd < 0)
		return ff_err_errno(err, "%s/objects", git->path);
	return 0;
}

int ff_git_open(const char *path, struct ff_git **ret_git, struct ff_err *err)
{
	const unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_DOTGIT;
	FF_AUTO(ff_git_close) struct ff_git *git = ff_calloc(1, sizeof *git);
	int rc;

	git->dir_fd = git->objects_fd = -1;
	git->path = ff_strdup(path);
	if (path[0] != '/')
		return ff_err_set(err, FF_E_INVALID, "'%.80s': give the absolute path of a repository", path);
	set_up_once();
	if (check_format(path, err) < 0)
		return -1;
	rc = git_repository_open_ext(&git->repo, path, flags, NULL);
	if (rc < 0)
		return open_failed(path, rc, err);
	rc = git_repository_odb(&git->odb, git->repo);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "%s: cannot open the objects", path);
	if (hold(git, err) < 0)
		return -1;
	*ret_git = ff_steal(&git);
	return 0;
}

int ff_git_open_url(const char *url, struct ff_git **ret_git, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;

	if (ff_git_path_from_url(url, &path, err) < 0)
		return -1;
	return ff_git_open(path, ret_git, err);
}

void ff_git_close(struct ff_git **git)
{
	struct ff_git *g = ff_steal(git);

	if (!g)
		return;
	ff_git_pack_drop(g);
	git_odb_free(g->odb);
	git_repository_free(g->repo);
	ff_close(&g->objects_fd);
	ff_close(&g->dir_fd);
	ff_free(&g->path);
	ff_free(&g);
}

const char *ff_git_path(const struct ff_git *git)
{
	return git->path;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool ff_git_gone(const struct ff_git *git)
{
	FF_AUTO(ff_free) char *objects = ff_path_join(git->path, "objects");
	struct stat held, now;

	if (fstat(git->dir_fd, &held) < 0 || stat(git->path, &now) < 0 || !same_file(&held, &now))
		return true;
	return fstat(git->objects_fd, &held) < 0 || stat(objects, &now) < 0 || !same_file(&held, &now);
}

int ff_git_config(struct ff_git *git, const char *key, char **ret_value, struct ff_err *err)
{
	FF_AUTO(git_config_auto) git_config *all = NULL, *own = NULL, *snapshot = NULL;
	const char *value = NULL;
	int rc = git_repository_config(&all, git->repo);

	if (rc == 0)
		rc = git_config_open_level(&own, all, GIT_CONFIG_LEVEL_LOCAL);
	if (rc == 0)
		rc = git_config_snapshot(&snapshot, own);
	if (rc == 0)
		rc = git_config_get_string(&value, snapshot, key);
	if (rc < 0 && rc != GIT_ENOTFOUND)
		return ff_git_lib_fail(err, rc, "%s: cannot read %s of its config", git->path, key);
	*ret_value = ff_strdup(rc == 0 ? value : NULL);
	return 0;
}
