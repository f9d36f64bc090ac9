/* SPDX-License-Identifier: MIT */
/*
 * See handover.h.  merge-tree of git 2.39 takes commits and finds the base by
 * itself; so there are three of our own making, the base a parent of both
 * others.  They are named by refs, so that markers and files that had to move
 * carry our words and not their ids.
 */
#include "git/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <git2/sys/odb_backend.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "git/handover_answer.h"
#include "git/lib.h"
#include "git/source.h"
#include "merge/merge.h"

#define TIMEOUT_MS 60000
#define ANSWER_MAX ((size_t)256 << 20)
#define EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
#define BORN "flowforge <flowforge@localhost> 0 +0000"
static const char own_config[] = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[gc]\n\tauto = 0\n";

#define PREFIX "flowforge-merge-"
/* One that is younger may not have its lock yet. */
#define LEFT_AFTER_S 60

struct place {
	char *dir;    /* the repository, removed at the end */
	int lock;     /* of it, held as long as we live */
	git_odb *odb; /* the objects in it, without the borrowed ones */
};

static void place_fini(struct place *p)
{
	git_odb_free(p->odb);
	ff_close(&p->lock);
	if (p->dir)
		(void)ff_dir_remove(p->dir, NULL); /* what cannot be removed is harmless */
	ff_free(&p->dir);
}

/* --- what others left */

/* Old, of our account, and nobody lives who has it. */
static bool is_left(int dir_fd, const char *name)
{
	FF_AUTO(ff_close) int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && time(NULL) - st.st_mtime > LEFT_AFTER_S &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* A process that was killed left its repository behind: the next one, before its first, takes it away. */
static void sweep(const char *tmp)
{
	static bool swept;
	DIR *dir = swept ? NULL : opendir(tmp);

	swept = true;
	for (const struct dirent *e; dir && (e = readdir(dir));) {
		FF_AUTO(ff_free) char *path = NULL;

		if (!ff_starts(e->d_name, PREFIX) || !is_left(dirfd(dir), e->d_name))
			continue;
		path = ff_path_join(tmp, e->d_name);
		(void)ff_dir_remove(path, NULL); /* the next process tries again */
	}
	if (dir)
		(void)closedir(dir);
}

/* --- the repository in a temporary folder */

static int put_file(const struct place *p, const char *name, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(p->dir, name);
	FF_AUTO(ff_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	return ff_fd_write_all(fd, text, strlen(text), err);
}

static int make_dirs(const struct place *p, struct ff_err *err)
{
	static const char *const dirs[] = { "objects", "objects/info", "refs", "refs/heads", "info" };

	for (size_t i = 0; i < FF_ARRAY_LEN(dirs); i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(p->dir, dirs[i]);

		if (mkdir(path, 0700) < 0)
			return ff_err_errno(err, "%s", path);
	}
	return 0;
}

static int borrow(const struct place *p, const struct ff_git *git, struct ff_err *err)
{
	FF_AUTO(ff_free) char *objects = ff_path_join(git->path, "objects"), *line = ff_asprintf("%s\n", objects);

	if (strchr(objects, '\n'))
		return ff_err_set(err, FF_E_UNSUPPORTED, "the path of the repository has a line end in it");
	return put_file(p, "objects/info/alternates", line, err);
}

static int open_objects(struct place *p, struct ff_err *err)
{
	FF_AUTO(ff_free) char *objects = ff_path_join(p->dir, "objects");
	git_odb_backend *loose = NULL;
	int rc = git_odb_new(&p->odb);

	if (rc == 0)
		rc = git_odb_backend_loose(&loose, objects, 1, 0, 0, 0);
	if (rc == 0) {
		rc = git_odb_add_backend(p->odb, loose, 1);
		if (rc < 0)
			loose->free(loose);
	}
	return rc < 0 ? ff_git_lib_fail(err, rc, "%s", objects) : 0;
}

static int make_place(const struct ff_handover *h, const struct ff_git *git, struct place *p, struct ff_err *err)
{
	const char *tmp = h->tmp_dir ? h->tmp_dir : "/tmp";
	FF_AUTO(ff_free) char *dir = ff_path_join(tmp, PREFIX "XXXXXX");

	sweep(tmp);
	if (!mkdtemp(dir))
		return ff_err_errno(err, "%s", dir);
	p->dir = ff_steal(&dir);
	p->lock = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock < 0 || flock(p->lock, LOCK_EX | LOCK_NB) < 0)
		return ff_err_errno(err, "%s", p->dir);
	if (make_dirs(p, err) < 0 || put_file(p, "HEAD", "ref: refs/heads/target\n", err) < 0 ||
	    put_file(p, "config", own_config, err) < 0 || borrow(p, git, err) < 0)
		return -1;
	return open_objects(p, err);
}

/* --- what goes in */

static int put_new(void *arg, git_object_t type, const void *data, size_t len, struct ff_err *err)
{
	struct place *p = arg;
	git_oid oid;
	int rc = git_odb_write(&oid, p->odb, data, len, type);

	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot hand an object over") : 0;
}

/* A commit of that tree; parent NULL: none. */
static int put_commit(struct place *p, const struct ff_merge_id *tree, const git_oid *parent, git_oid *ret,
		      struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	char hex[FF_GIT_OID];
	int rc;

	ff_buf_init(&text, 1024);
	ff_git_source_hex(tree, hex);
	(void)ff_buf_addf(&text, "tree %s\n", ff_merge_id_absent(tree) ? EMPTY_TREE : hex);
	if (parent)
		(void)ff_buf_addf(&text, "parent %s\n", git_oid_tostr(hex, sizeof hex, parent));
	(void)ff_buf_adds(&text, "author " BORN "\ncommitter " BORN "\n\n");
	rc = git_odb_write(ret, p->odb, text.data, text.len, GIT_OBJECT_COMMIT);
	return rc < 0 ? ff_git_lib_fail(err, rc, "cannot hand a commit over") : 0;
}

static int put_side(struct place *p, const char *ref, const struct ff_merge_id *tree, const git_oid *base,
		    struct ff_err *err)
{
	char line[FF_GIT_OID + 1];
	git_oid oid;

	if (put_commit(p, tree, base, &oid, err) < 0)
		return -1;
	git_oid_tostr(line, FF_GIT_OID, &oid);
	line[GIT_OID_HEXSZ] = '\n';
	line[GIT_OID_HEXSZ + 1] = '\0';
	return put_file(p, ref, line, err);
}

static int put_all(struct place *p, struct ff_git *git, const struct ff_merge *what, const char *attributes,
		   struct ff_err *err)
{
	git_oid base;

	if (ff_git_lib_each_new(git, put_new, p, err) < 0 || put_commit(p, &what->base, NULL, &base, err) < 0 ||
	    put_side(p, "refs/heads/target", &what->target, &base, err) < 0 ||
	    put_side(p, "refs/heads/change", &what->change, &base, err) < 0)
		return -1;
	return attributes ? put_file(p, "info/attributes", attributes, err) : 0;
}

/* --- the program */

/* For posix_spawn's types, which promise not to write. */
static char **as_argv(const char *const *words, size_t n)
{
	char **argv = ff_calloc(n + 1, sizeof *argv);

	for (size_t i = 0; i < n; i++)
		argv[i] = ff_strdup(words[i]);
	return argv;
}

static void argv_free(char ***argv)
{
	for (size_t i = 0; *argv && (*argv)[i]; i++)
		ff_free(&(*argv)[i]);
	ff_free(argv);
}

static int start(const struct ff_handover *h, const struct place *p, uint32_t rename_limit, int fd_out, pid_t *ret_pid,
		 struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_asprintf("GIT_DIR=%s", p->dir), *home = ff_asprintf("HOME=%s", p->dir);
	FF_AUTO(ff_free) char *limit = ff_asprintf("merge.renameLimit=%u", rename_limit ? rename_limit : 7000);
	const char *const words[] = { "git", "-c", limit, "merge-tree", "--write-tree", "-z", "--messages", "target",
				      "change" };
	const char *const vars[] = { dir, home, "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
				     "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1",
				     "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0" };
	FF_AUTO(argv_free) char **argv = as_argv(words, FF_ARRAY_LEN(words)), **envp = as_argv(vars, FF_ARRAY_LEN(vars));
	FF_AUTO(ff_close) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return ff_spawn(&(struct ff_spawn){ .path = h->program, .argv = argv, .envp = envp, .cwd = p->dir, .fd_in = -1,
					    .fd_out = fd_out, .fd_err = null, .fd_3 = -1 }, ret_pid, err);
}

/* Until its end, or the deadline. */
static int read_answer(int fd, int64_t timeout_ms, struct ff_buf *out, struct ff_err *err)
{
	int64_t until = ff_clock_mono() + (timeout_ms ? timeout_ms : TIMEOUT_MS);

	for (;;) {
		int64_t left = until - ff_clock_mono();
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char *room = ff_buf_room(out, 65536);
		ssize_t n;

		if (!room)
			return ff_err_set(err, FF_E_TOO_LARGE, "the answer of git is too long");
		if (left <= 0)
			return ff_err_set(err, FF_E_TIMEOUT, "git did not answer in time");
		if (poll(&p, 1, left > 1000 ? 1000 : (int)left) <= 0)
			continue;
		n = read(fd, room, 65536);
		if (n < 0 && errno != EINTR)
			return ff_err_errno(err, "the answer of git");
		if (n == 0)
			return 0;
		if (n > 0)
			ff_buf_grown(out, (size_t)n);
	}
}

static int ask(const struct ff_handover *h, const struct place *p, uint32_t rename_limit, struct ff_buf *out,
	       bool *ret_clean, struct ff_err *err)
{
	FF_AUTO(ff_close) int from = -1;
	FF_AUTO(ff_close) int to = -1;
	char text[FF_STATUS_TEXT];
	int fds[2], rc, status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return ff_err_errno(err, "pipe");
	from = fds[0];
	to = fds[1];
	if (start(h, p, rename_limit, to, &pid, err) < 0)
		return -1;
	ff_close(&to);
	rc = read_answer(from, h->timeout_ms, out, err);
	if (rc < 0)
		(void)kill(pid, SIGKILL);
	status = ff_wait(pid);
	if (rc < 0)
		return -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
		ff_status_text(status, text);
		return ff_err_set(err, FF_E_UNSUPPORTED, "git merge-tree ended with %s: 2.38 or later is needed", text);
	}
	*ret_clean = WEXITSTATUS(status) == 0;
	return 0;
}

/* --- what comes out */

struct taking {
	struct place *p;
	struct ff_git *git;
	struct ff_err *err;
	bool failed;
};

/* Commits stay behind: they are of our making, and for this alone. */
static int take_one(const git_oid *oid, void *arg)
{
	FF_AUTO(git_odb_object_auto) git_odb_object *obj = NULL;
	struct taking *t = arg;
	int rc = git_odb_read(&obj, t->p->odb, oid);
	git_oid made;

	if (rc < 0)
		(void)ff_git_lib_fail(t->err, rc, "an object that git made");
	else if (git_odb_object_type(obj) != GIT_OBJECT_COMMIT)
		rc = ff_git_lib_put(t->git, git_odb_object_type(obj), git_odb_object_data(obj),
				    git_odb_object_size(obj), &made, t->err);
	t->failed |= rc < 0;
	return rc < 0 ? -1 : 0;
}

static int take_all(struct place *p, struct ff_git *git, struct ff_err *err)
{
	struct taking t = { .p = p, .git = git, .err = err };
	int rc = git_odb_foreach(p->odb, take_one, &t);

	if (t.failed)
		return -1;
	return rc < 0 ? ff_git_lib_fail(err, rc, "what git made") : 0;
}

/* --- */

/* Without the iterator that matches by a pattern, which loses memory (libgit2 1.5.1). */
static bool has_driver(git_config *config)
{
	FF_AUTO(git_config_iterator_auto) git_config_iterator *it = NULL;
	git_config_entry *entry;

	if (git_config_iterator_new(&it, config) < 0)
		return false;
	while (git_config_next(&entry, it) == 0)
		if (ff_starts(entry->name, "merge.") && ff_ends(entry->name, ".driver"))
			return true;
	return false;
}

static bool file_has_driver(const char *path)
{
	FF_AUTO(git_config_auto) git_config *config = NULL;

	return path && git_config_open_ondisk(&config, path) == 0 && has_driver(config);
}

/* Whether git, run as usual, would start a merge driver of somebody. */
static bool driver_configured(const struct ff_git *git)
{
	FF_AUTO(ff_free) char *own = ff_path_join(git->path, "config"), *home = NULL;

	if (getenv("HOME"))
		home = ff_path_join(getenv("HOME"), ".gitconfig");
	return file_has_driver(own) || file_has_driver(home) || file_has_driver("/etc/gitconfig");
}

static int may_hand_over(const struct ff_git *git, const struct ff_merge_result *result, struct ff_err *err)
{
	for (size_t i = 0; i < result->n_conflicts; i++) {
		enum ff_merge_kind kind = result->conflicts[i].kind;

		if (kind == FF_MERGE_TOO_LARGE)
			return ff_err_set(err, FF_E_UNSUPPORTED, "something in it is over merge.max-text or merge.max-rename-bytes");
		if (kind == FF_MERGE_DRIVER && driver_configured(git))
			return ff_err_set(err, FF_E_UNSUPPORTED, "a merge driver is configured for a file in it");
	}
	return 0;
}

int ff_handover_merge(const struct ff_handover *h, struct ff_git *git, const struct ff_merge *what,
		      struct ff_merge_result *result, struct ff_err *err)
{
	FF_AUTO(place_fini) struct place p = { .lock = -1 };
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result answer = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	bool clean = false;

	ff_buf_init(&out, ANSWER_MAX);
	if (may_hand_over(git, result, err) < 0)
		return -1;
	if (make_place(h, git, &p, err) < 0 || put_all(&p, git, what, result->attributes, err) < 0 ||
	    ask(h, &p, what->limits.rename_limit, &out, &clean, err) < 0)
		return -1;
	if (ff_handover_answer(out.data, out.len, clean, &answer, err) < 0 || take_all(&p, git, err) < 0)
		return -1;
	ff_merge_result_fini(result);
	*result = answer;
	answer = (struct ff_merge_result){ 0 };
	return 0;
}
