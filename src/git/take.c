/* SPDX-License-Identifier: MIT */
/*
 * The tree that a dead job left, read as hostile bytes: every name is opened
 * relative to its folder with openat2(2), nothing is followed, what cannot be
 * in a Git tree is left out.  What is left out stays as base has it, so that
 * a planted FIFO never deletes a file of the branch.  An overlay's upper layer
 * holds the changes alone; what it says nothing of comes from the tree that
 * the lower layer was made from, without reading a file of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/redact.h"
#include "base/text.h"
#include "git/beneath.h"
#include "git/layer.h"
#include "git/lib.h"
#include "git/tree.h"

/* Each level holds two descriptors and a stack frame; the greatest result.max-depth. */
#define DEPTH_MAX 1000
/* Up to here a file is read whole and hashed before anything is written; above, it is streamed. */
#define WHOLE_MAX ((int64_t)8 * 1024 * 1024)
#define CHUNK ((size_t)256 * 1024)
#define LINK_MAX_BYTES 4096
#define SHOWN 60

struct run {
	struct ff_git *git;
	const struct ff_git_take *what;
	struct ff_git_taken *out;
	struct ff_buf path; /* of the folder being read, with a slash at its end; "" at the root */
	int64_t max_depth, names;
};

/* What an entry becomes in the tree. */
struct made {
	git_filemode_t mode; /* 0: nothing */
	git_oid oid;
};

/* The path of an entry for people. Freed by ff_free. */
static char *shown(const struct run *r, const char *name)
{
	FF_AUTO(ff_free) char *whole = ff_asprintf("%s%s", r->path.data, name);

	return ff_text_shown(whole, SHOWN);
}

static int fail_at(const struct run *r, const char *name, struct ff_err *err)
{
	int saved = errno;
	FF_AUTO(ff_free) char *where = shown(r, name);

	errno = saved;
	if (saved == ENOSYS)
		return ff_err_set(err, FF_E_UNSUPPORTED, "this kernel has no openat2: Linux 5.6 or later is needed");
	if (saved == EACCES || saved == EPERM) /* another try would pay the model again for the same end */
		return ff_err_set(err, FF_E_NOT_ALLOWED, "'%s' of the result belongs to another account and cannot be read", where);
	if (saved == EMFILE)
		return ff_err_set(err, FF_E_TOO_LARGE, "'%s' lies too deep for the open files this process may have: "
				  "raise LimitNOFILE or lower result.max-depth", where);
	return ff_err_errno(err, "cannot read '%s' of the result", where);
}

static int changed_at(const struct run *r, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *where = shown(r, name);

	return ff_err_set(err, FF_E_CONFLICT, "'%s' changed while the result was read: something still writes there", where);
}

static void skip(struct run *r, const char *name, const char *reason)
{
	struct ff_git_taken *o = r->out;

	o->n_skipped++;
	if (o->n_listed == FF_GIT_SKIPPED_MAX)
		return;
	o->skipped = ff_realloc(o->skipped, o->n_listed + 1, sizeof *o->skipped);
	o->skipped[o->n_listed++] = (struct ff_git_skipped){ ff_asprintf("%s%s", r->path.data, name), reason };
}

void ff_git_taken_fini(struct ff_git_taken *taken)
{
	for (size_t i = 0; i < taken->n_listed; i++)
		ff_free(&taken->skipped[i].path);
	ff_free(&taken->skipped);
	taken->n_listed = 0;
}

/* --- what base has */

static const git_tree_entry *entry_of(const git_tree *tree, const char *name)
{
	return tree ? git_tree_entry_byname(tree, name) : NULL;
}

static bool same_as_base(const git_tree_entry *e, const struct made *m)
{
	return e && git_tree_entry_filemode(e) == m->mode && git_oid_equal(git_tree_entry_id(e), &m->oid);
}

static void keep_base(const git_tree_entry *e, struct made *m)
{
	m->mode = e ? git_tree_entry_filemode(e) : 0;
	if (e)
		m->oid = *git_tree_entry_id(e);
}

/* The folder that an entry of base or of the lower layer is, if it is one. */
static int load_below(struct run *r, const git_tree_entry *e, git_tree **ret_tree, struct ff_err *err)
{
	int rc;

	if (!e || git_tree_entry_filemode(e) != GIT_FILEMODE_TREE)
		return 0;
	rc = git_tree_lookup(ret_tree, r->git->repo, git_tree_entry_id(e));
	return rc < 0 ? ff_git_lib_fail(err, rc, "a folder of commit %.12s", r->what->base) : 0;
}

/* --- regular files */

static int over(const char *what, int64_t limit, const char *key, struct ff_err *err)
{
	return ff_err_set(err, FF_E_TOO_LARGE, "the result has over %lld %s: raise %s", (long long)limit, what, key);
}

/* Sizes count before a byte is read: a sparse file costs its writer nothing, but us. */
static int count_file(struct run *r, const char *name, int64_t size, struct ff_err *err)
{
	const struct ff_git_take *w = r->what;

	if (w->max_file && size > w->max_file) {
		FF_AUTO(ff_free) char *where = shown(r, name);

		return ff_err_set(err, FF_E_TOO_LARGE, "'%s' has %lld bytes, over the %lld of one file: raise result.max-file",
				  where, (long long)size, (long long)w->max_file);
	}
	if (w->max_bytes && size > w->max_bytes - r->out->bytes)
		return over("bytes", w->max_bytes, "result.max-bytes", err);
	r->out->bytes += size;
	r->out->files++;
	if (w->progress && w->progress(w->arg, r->out->files, 0))
		return ff_err_set(err, FF_E_CANCELLED, "reading the result was ended");
	return 0;
}

static int holds_secret(const struct run *r, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *where = shown(r, name);
	FF_AUTO(ff_free) char *clean = ff_redact_text(r->what->secrets, where);

	return ff_err_set(err, FF_E_NOT_ALLOWED, "'%s' of the result holds a secret that the job was given (job.secrets): nothing is "
			  "published", clean ? clean : where);
}

/* A branch goes to everybody who may read the repository, and stays. */
static int check_secrets(const struct run *r, const char *name, const void *p, size_t n, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;

	if (ff_redact_empty(r->what->secrets))
		return 0;
	path = ff_asprintf("%s%s", r->path.data, name);
	if (ff_redact_found(r->what->secrets, p, n) || ff_redact_found(r->what->secrets, path, strlen(path)))
		return holds_secret(r, name, err);
	return 0;
}

static int write_blob(struct run *r, const char *name, const void *p, size_t n, const git_tree_entry *base, git_oid *ret_oid,
		      struct ff_err *err)
{
	if (base) { /* most files are as they were */
		ff_assert(git_odb_hash(ret_oid, p, n, GIT_OBJECT_BLOB) == 0);
		if (git_oid_equal(ret_oid, git_tree_entry_id(base)))
			return 0;
	}
	if (check_secrets(r, name, p, n, err) < 0)
		return -1;
	if (ff_git_lib_put(r->git, GIT_OBJECT_BLOB, p, n, ret_oid, err) < 0)
		return ff_err_wrap(err, "a file of the result");
	return 0;
}

static int take_whole(struct run *r, const char *name, int fd, size_t size, const git_tree_entry *base,
		      git_oid *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *data = ff_calloc(size + 1, 1);
	ssize_t got = ff_beneath_read(fd, data, size + 1);

	if (got < 0)
		return fail_at(r, name, err);
	if ((size_t)got != size)
		return changed_at(r, name, err);
	return write_blob(r, name, data, size, base, ret_oid, err);
}

static int take_stream(struct run *r, const char *name, int fd, int64_t size, git_oid *ret_oid, struct ff_err *err)
{
	FF_AUTO(git_odb_stream_auto) git_odb_stream *stream = NULL;
	/* Before each chunk stands the end of the one before: a secret may lie across. */
	size_t lap = ff_redact_longest(r->what->secrets), before = 0;
	FF_AUTO(ff_free) char *room = ff_calloc(lap + CHUNK, 1);
	char *chunk = room + lap;
	int rc = git_odb_open_wstream(&stream, r->git->odb, (git_object_size_t)size, GIT_OBJECT_BLOB);
	int64_t left = size;

	while (rc == 0 && left > 0) {
		size_t want = left < (int64_t)CHUNK ? (size_t)left : CHUNK;
		ssize_t got = ff_beneath_read(fd, chunk, want);

		if (got < 0)
			return fail_at(r, name, err);
		if ((size_t)got != want)
			return changed_at(r, name, err);
		if (check_secrets(r, name, chunk - before, before + want, err) < 0)
			return -1;
		rc = git_odb_stream_write(stream, chunk, want);
		left -= got;
		before = want < lap ? want : lap;
		memmove(chunk - before, chunk + want - before, before);
	}
	if (rc == 0)
		rc = git_odb_stream_finalize_write(ret_oid, stream);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot write a file of the result") : 0;
}

static int take_file(struct run *r, int dir, const char *name, const git_tree_entry *base, struct made *m,
		     const char **ret_bad, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = ff_beneath_open_usable(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, S_IRUSR);
	struct stat before, after;
	bool opaque;

	if (fd < 0 && errno == EXDEV) {
		*ret_bad = "another file system";
		return 0;
	}
	if (fd < 0 || fstat(fd, &before) < 0)
		return fail_at(r, name, err);
	if (!S_ISREG(before.st_mode))
		return changed_at(r, name, err);
	if (r->what->lower && ff_layer_marks(fd, r->what->user_marks, &opaque, err) < 0)
		return -1;
	if (count_file(r, name, before.st_size, err) < 0)
		return -1;
	m->mode = before.st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
	if (before.st_size <= WHOLE_MAX) {
		if (take_whole(r, name, fd, (size_t)before.st_size, base, &m->oid, err) < 0)
			return -1;
	} else if (take_stream(r, name, fd, before.st_size, &m->oid, err) < 0) {
		return -1;
	}
	if (fstat(fd, &after) < 0 || !ff_beneath_same(&before, &after))
		return changed_at(r, name, err);
	return 0;
}

/* --- links */

static int take_link(struct run *r, int dir, const char *name, int64_t depth, const git_tree_entry *base,
		     struct made *m, const char **ret_bad, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = ff_beneath_open(dir, name, O_PATH);
	char target[LINK_MAX_BYTES];
	ssize_t n;

	if (fd < 0)
		return fail_at(r, name, err);
	n = readlinkat(fd, "", target, sizeof target);
	if (n < 0)
		return fail_at(r, name, err);
	if (count_file(r, name, n, err) < 0)
		return -1;
	m->mode = GIT_FILEMODE_LINK;
	*ret_bad = ff_git_lib_link_bad(target, (size_t)n, depth);
	if (!*ret_bad)
		return write_blob(r, name, target, (size_t)n, base, &m->oid, err);
	ff_assert(git_odb_hash(&m->oid, target, (size_t)n, GIT_OBJECT_BLOB) == 0);
	return 0;
}

/* --- folders */

/* What a folder is compared with: as the commit has it, and as shows through from below; both may be NULL. */
struct under {
	git_tree *base, *lower;
};

static int take_folder(struct run *r, int fd, const struct under *u, int64_t depth, struct made *m,
		       struct ff_err *err);

struct names {
	char **all;
	size_t n, room;
};

static void names_fini(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		ff_free(&l->all[i]);
	ff_free(&l->all);
}

static void dir_close(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static void add_name(struct names *l, const char *name)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 32;
		l->all = ff_realloc(l->all, l->room, sizeof *l->all);
	}
	l->all[l->n++] = ff_strdup(name);
}

/* All names first, so that one descriptor a level is enough. */
static int list_names(struct run *r, int fd, struct names *l, struct ff_err *err)
{
	FF_AUTO(ff_close) int own = ff_beneath_open(fd, ".", O_RDONLY | O_DIRECTORY);
	FF_AUTO(dir_close) DIR *d = own >= 0 ? fdopendir(own) : NULL;
	struct dirent *e;

	if (!d)
		return fail_at(r, "", err);
	(void)ff_steal_fd(&own);
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (r->what->max_files && ++r->names > r->what->max_files)
			return over("files and folders", r->what->max_files, "result.max-files", err);
		add_name(l, e->d_name);
	}
	return errno ? fail_at(r, "", err) : 0;
}

static int keep_submodule(struct run *r, int fd, const git_tree_entry *base, struct made *m, const char **ret_bad,
			  struct ff_err *err)
{
	FF_AUTO(names_fini) struct names inside = { NULL, 0, 0 };

	keep_base(base, m);
	if (list_names(r, fd, &inside, err) < 0)
		return -1;
	if (inside.n) {
		m->mode = 0;
		*ret_bad = "files in a submodule";
	}
	return 0;
}

static int open_folder(struct run *r, int dir, const char *name, struct stat *ret_st, struct ff_err *err)
{
	int fd = ff_beneath_open_usable(dir, name, O_RDONLY | O_DIRECTORY, S_IRWXU);

	if (fd < 0)
		return errno == EXDEV ? -2 : fail_at(r, name, err);
	if (fstat(fd, ret_st) == 0 && (ret_st->st_mode & (S_IRUSR | S_IXUSR)) != (S_IRUSR | S_IXUSR))
		(void)fchmod(fd, (ret_st->st_mode & 07777) | S_IRWXU); /* a failure shows when its files are read */
	return fd;
}

static int load_under(struct run *r, int fd, const git_tree_entry *base, const git_tree_entry *lower,
		      struct under *ret, struct ff_err *err)
{
	bool opaque = false;

	if (load_below(r, base, &ret->base, err) < 0)
		return -1;
	if (!r->what->lower)
		return 0;
	if (ff_layer_marks(fd, r->what->user_marks, &opaque, err) < 0)
		return -1;
	return opaque ? 0 : load_below(r, lower, &ret->lower, err);
}

static void under_fini(struct under *u)
{
	git_tree_auto(&u->base);
	git_tree_auto(&u->lower);
}

static int take_subfolder(struct run *r, int dir, const char *name, int64_t depth, const git_tree_entry *base,
			  const git_tree_entry *lower, struct made *m, const char **ret_bad, struct ff_err *err)
{
	FF_AUTO(under_fini) struct under below = { NULL, NULL };
	size_t path_len = r->path.len;
	FF_AUTO(ff_close) int fd = -1;
	struct stat st;
	int rc;

	if (depth + 1 > r->max_depth)
		return over("folders in folders", r->max_depth, "result.max-depth", err);
	fd = open_folder(r, dir, name, &st, err);
	if (fd == -2) {
		*ret_bad = "another file system";
		return 0;
	}
	if (fd < 0)
		return -1;
	if (base && git_tree_entry_filemode(base) == GIT_FILEMODE_COMMIT)
		return keep_submodule(r, fd, base, m, ret_bad, err);
	if (load_under(r, fd, base, lower, &below, err) < 0)
		return -1;
	(void)ff_buf_addf(&r->path, "%s/", name);
	rc = take_folder(r, fd, &below, depth + 1, m, err);
	r->path.len = path_len;
	r->path.data[path_len] = '\0';
	return rc;
}

/* --- one entry */

static const char *special(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return "a device";
	return "not a file, link or folder";
}

/* Reads what is there, whatever policy says; *ret_bad is set when it cannot be in a tree. */
static int take_thing(struct run *r, int dir, const char *name, mode_t mode, int64_t depth, const struct under *u,
		      struct made *m, const char **ret_bad, struct ff_err *err)
{
	const git_tree_entry *base = entry_of(u->base, name);

	if (S_ISREG(mode))
		return take_file(r, dir, name, base, m, ret_bad, err);
	if (S_ISDIR(mode))
		return take_subfolder(r, dir, name, depth, base, entry_of(u->lower, name), m, ret_bad, err);
	if (S_ISLNK(mode))
		return take_link(r, dir, name, depth, base, m, ret_bad, err);
	*ret_bad = special(mode);
	return 0;
}

/* Why policy leaves it out although a tree could hold it; NULL: it does not. */
static const char *refuse(const char *name, const struct made *m)
{
	static const char *const read_by_git[] = { "gitattributes", "gitignore", "mailmap" };
	size_t len = strlen(name);

	if (ff_git_lib_has_control(name, len))
		return "control characters in its name";
	if (ff_git_lib_is_dotfile(name, len, "gitmodules"))
		return "the list of submodules may not change";
	for (size_t i = 0; m->mode == GIT_FILEMODE_LINK && i < FF_ARRAY_LEN(read_by_git); i++)
		if (ff_git_lib_is_dotfile(name, len, read_by_git[i]))
			return "a link in the place of a file that git reads";
	return NULL;
}

static int insert(struct run *r, git_treebuilder *tb, const char *name, const struct made *m, struct ff_err *err)
{
	if (git_treebuilder_insert(NULL, tb, name, &m->oid, m->mode) == 0)
		return 0;
	/* A submodule's commit is not looked at: by its mode only the name can be at fault. */
	if (git_treebuilder_insert(NULL, tb, name, &m->oid, GIT_FILEMODE_COMMIT) == 0)
		return ff_err_set(err, FF_E_IO, "what the result holds as '%.80s' cannot be read again", name);
	skip(r, name, "a name that git refuses");
	return 0;
}

static int take_entry(struct run *r, int dir, const char *name, const struct under *u, int64_t depth,
		      git_treebuilder *tb, struct ff_err *err)
{
	const git_tree_entry *base = entry_of(u->base, name);
	const char *bad = NULL;
	struct made m = { 0 };
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_at(r, name, err);
	if (r->what->lower && ff_layer_deleted(&st))
		return 0;
	if (ff_git_lib_is_dotgit(name, strlen(name))) {
		skip(r, name, "a name that git keeps for itself");
		return 0;
	}
	if (take_thing(r, dir, name, st.st_mode, depth, u, &m, &bad, err) < 0)
		return -1;
	if (!bad && (m.mode || base))
		bad = refuse(name, &m);
	if (bad && !same_as_base(base, &m)) {
		skip(r, name, bad);
		keep_base(base, &m);
	}
	return m.mode ? insert(r, tb, name, &m, err) : 0;
}

/* A .gitmodules that is gone comes back: as in base. */
static int restore_modules(struct run *r, const git_tree *base, git_treebuilder *tb, struct ff_err *err)
{
	for (size_t i = 0; base && i < git_tree_entrycount(base); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(base, i);
		const char *name = git_tree_entry_name(e);
		struct made m;

		if (!ff_git_lib_is_dotfile(name, strlen(name), "gitmodules") || git_treebuilder_get(tb, name))
			continue;
		keep_base(e, &m);
		skip(r, name, "the list of submodules may not change");
		if (insert(r, tb, name, &m, err) < 0)
			return -1;
	}
	return 0;
}

/* Whether it came out as in base: then that tree is used again, also when it holds modes of old gits. */
static bool unchanged(const git_tree *base, git_treebuilder *tb)
{
	if (!base || git_tree_entrycount(base) != git_treebuilder_entrycount(tb))
		return false;
	for (size_t i = 0; i < git_tree_entrycount(base); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(base, i);
		const git_tree_entry *now = git_treebuilder_get(tb, git_tree_entry_name(e));

		if (!now || git_tree_entry_filemode(now) != git_tree_entry_filemode(e) ||
		    !git_oid_equal(git_tree_entry_id(now), git_tree_entry_id(e)))
			return false;
	}
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * What the layer says nothing of is as it was below.  A submodule is an empty
 * folder whichever commit it stands for, so that one is as in base.
 */
static int show_through(struct run *r, const struct under *u, struct names *names, git_treebuilder *tb,
			struct ff_err *err)
{
	if (u->lower && names->n)
		qsort(names->all, names->n, sizeof *names->all, by_name);
	for (size_t i = 0; u->lower && i < git_tree_entrycount(u->lower); i++) {
		const git_tree_entry *e = git_tree_entry_byindex(u->lower, i);
		const char *name = git_tree_entry_name(e);
		const git_tree_entry *base = entry_of(u->base, name);
		struct made m;

		if (names->n && bsearch(&name, names->all, names->n, sizeof *names->all, by_name))
			continue;
		if (base && git_tree_entry_filemode(e) == GIT_FILEMODE_COMMIT &&
		    git_tree_entry_filemode(base) == GIT_FILEMODE_COMMIT)
			e = base;
		keep_base(e, &m);
		if (insert(r, tb, name, &m, err) < 0)
			return -1;
	}
	return 0;
}

/* An empty folder becomes nothing, except at the root. */
static int take_folder(struct run *r, int fd, const struct under *u, int64_t depth, struct made *m,
		       struct ff_err *err)
{
	FF_AUTO(git_treebuilder_auto) git_treebuilder *tb = NULL;
	FF_AUTO(names_fini) struct names names = { NULL, 0, 0 };
	struct stat before, after;
	int rc = git_treebuilder_new(&tb, r->git->repo, NULL);

	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot make a tree");
	if (fstat(fd, &before) < 0)
		return fail_at(r, "", err);
	if (list_names(r, fd, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++)
		if (take_entry(r, fd, names.all[i], u, depth, tb, err) < 0)
			return -1;
	if (fstat(fd, &after) < 0 || !ff_beneath_same(&before, &after))
		return changed_at(r, "", err);
	if (show_through(r, u, &names, tb, err) < 0 || restore_modules(r, u->base, tb, err) < 0)
		return -1;
	if (depth > 0 && git_treebuilder_entrycount(tb) == 0)
		return 0;
	m->mode = GIT_FILEMODE_TREE;
	if (unchanged(u->base, tb)) {
		m->oid = *git_tree_id(u->base);
		return 0;
	}
	rc = git_treebuilder_write(&m->oid, tb);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot write a folder of the result") : 0;
}

static int take_root(struct run *r, struct ff_err *err)
{
	FF_AUTO(under_fini) struct under u = { NULL, NULL };
	FF_AUTO(ff_close) int fd = -1;
	struct made m = { 0 };

	if (ff_git_lib_tree_of(r->git, r->what->base, &u.base, err) < 0 ||
	    (r->what->lower && ff_git_lib_tree_of(r->git, r->what->lower, &u.lower, err) < 0))
		return -1;
	fd = ff_beneath_open(r->what->folder_fd, ".", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fail_at(r, "", err);
	if (take_folder(r, fd, &u, 0, &m, err) < 0)
		return -1;
	git_oid_tostr(r->out->tree, FF_GIT_OID, &m.oid);
	r->out->changed = !git_oid_equal(&m.oid, git_tree_id(u.base));
	return 0;
}

int ff_git_take(struct ff_git *git, const struct ff_git_take *what, struct ff_git_taken *ret_taken,
		struct ff_err *err)
{
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken out = { .changed = false };
	struct run r = { .git = git, .what = what, .out = &out, .max_depth = what->max_depth };
	int rc;

	if (r.max_depth <= 0 || r.max_depth > DEPTH_MAX)
		r.max_depth = DEPTH_MAX;
	ff_buf_init(&r.path, (DEPTH_MAX + 1) * 260);
	rc = take_root(&r, err);
	ff_buf_fini(&r.path);
	if (rc < 0)
		return -1;
	*ret_taken = out;
	out = (struct ff_git_taken){ .changed = false };
	return 0;
}
