/* SPDX-License-Identifier: MIT */
/*
 * The repository: whose it is, where its hooks are, what git says about it.
 * git runs with an environment of our making; variables of a hook or a test
 * around us would lead it into another repository.
 */
#include "cli/hookrepo.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"

#define OUTPUT_MAX (1024 * 1024)
#define ARGS_MAX 20
#define ENV_MAX 4096

/* ---- the owner's account */

static int take_account(struct ff_hookrepo *r, gid_t group, struct ff_err *err)
{
	r->n_groups = getgroups(0, NULL);
	r->groups = ff_calloc((size_t)(r->n_groups > 0 ? r->n_groups : 1), sizeof *r->groups);
	if (r->n_groups < 0 || getgroups(r->n_groups, r->groups) < 0)
		return ff_err_errno(err, "getgroups");
	r->switched = true;
	if (setgroups(0, NULL) < 0 || setegid(group) < 0 || seteuid(r->owner) < 0)
		return ff_err_errno(err, "cannot take on account %ld", (long)r->owner);
	return 0;
}

static void leave_account(struct ff_hookrepo *r)
{
	if (!r->switched)
		return;
	/* Going on with half an account would be worse than ending here. */
	ff_assert(seteuid(0) == 0 && setegid(getgid()) == 0);
	ff_assert(setgroups((size_t)r->n_groups, r->groups) == 0);
	r->switched = false;
}

static int enter(struct ff_hookrepo *r, gid_t group, bool must_own, struct ff_err *err)
{
	const struct passwd *pw = getpwuid(r->owner);

	if (geteuid() == 0 && r->owner != 0) {
		r->home = ff_strdup(pw ? pw->pw_dir : "/");
		return take_account(r, pw ? pw->pw_gid : group, err);
	}
	if (must_own && geteuid() != r->owner)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s belongs to %s: run this as that account or as root", r->path,
				  pw ? pw->pw_name : "another account");
	return 0;
}

/* ---- git */

/* Those that `git rev-parse --local-env-vars` lists all begin with GIT_. */
static bool kept_variable(const char *v)
{
	return !ff_starts(v, "GIT_") || ff_starts(v, "GIT_CONFIG_GLOBAL=") || ff_starts(v, "GIT_CONFIG_SYSTEM=") ||
	       ff_starts(v, "GIT_CONFIG_NOSYSTEM=") || ff_starts(v, "GIT_EXEC_PATH=");
}

static char **clean_environment(const char *home)
{
	static char language[] = "LC_ALL=C";
	char **env = ff_calloc(ENV_MAX + 3, sizeof *env);
	size_t n = 0;

	for (char **v = environ; *v && n < ENV_MAX; v++)
		if (kept_variable(*v) && !ff_starts(*v, "LC_ALL=") && !(home && ff_starts(*v, "HOME=")))
			env[n++] = ff_strdup(*v);
	env[n++] = ff_strdup(language);
	if (home)
		env[n++] = ff_asprintf("HOME=%s", home);
	return env;
}

static void free_words(char ***words)
{
	for (char **w = *words; w && *w; w++)
		ff_free(w);
	ff_free(words);
}

static int read_back(int fd, struct ff_buf *out, struct ff_err *err)
{
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ff_err_errno(err, "lseek");
	return ff_fd_read_all(fd, out, err);
}

static int result(int status, int out_fd, int err_fd, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf said;

	ff_buf_init(&said, OUTPUT_MAX);
	if (out && read_back(out_fd, out, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	(void)read_back(err_fd, &said, NULL); /* only makes the error say more */
	said.data[strcspn(said.data, "\n")] = '\0';
	ff_err_set(err, FF_E_GIT, "git: %s", *said.data ? said.data : "failed without a word");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ff_hookgit_run(const struct ff_hookrepo *repo, const char *const *args, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(ff_close) int out_fd = memfd_create("git-out", MFD_CLOEXEC);
	FF_AUTO(ff_close) int err_fd = memfd_create("git-err", MFD_CLOEXEC);
	FF_AUTO(ff_free) char *git = ff_path_program(getenv("PATH"), "git");
	FF_AUTO(free_words) char **env = clean_environment(repo->home);
	FF_AUTO(free_words) char **argv = ff_calloc(ARGS_MAX + 4, sizeof *argv);
	struct ff_spawn what = { .path = git, .argv = argv, .envp = env, .cwd = repo->path,
				 .fd_in = -1, .fd_out = out_fd, .fd_err = err_fd, .fd_3 = -1 };
	pid_t pid;

	ff_assert(out_fd >= 0 && err_fd >= 0);
	if (!git)
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no git in PATH");
	argv[0] = ff_strdup("git");
	for (size_t i = 0; args[i]; i++) {
		ff_assert(i < ARGS_MAX);
		argv[1 + i] = ff_strdup(args[i]);
	}
	if (ff_spawn(&what, &pid, err) < 0)
		return -1;
	return result(ff_wait(pid), out_fd, err_fd, out, err);
}

char *ff_hookgit_get(const struct ff_hookrepo *repo, const char *file, const char *key)
{
	const char *const all[] = { "config", "--get", key, NULL };
	const char *const one[] = { "config", "--file", file, "--get", key, NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, OUTPUT_MAX);
	if (ff_hookgit_run(repo, file ? one : all, &out, NULL) != 0)
		return NULL;
	out.data[strcspn(out.data, "\n")] = '\0';
	return ff_strdup(out.data);
}

int ff_hookgit_set(const struct ff_hookrepo *repo, const char *verb, const char *key, const char *value,
		   struct ff_err *err)
{
	const char *const args[] = { "config", "--file", "config", verb, key, value, NULL };

	return ff_hookgit_run(repo, args, NULL, err) == 0 ? 0 : -1;
}

bool ff_hookgit_has(const struct ff_hookrepo *repo, const char *key, const char *value)
{
	const char *const args[] = { "config", "--null", "--get-all", key, NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, OUTPUT_MAX);
	if (ff_hookgit_run(repo, args, &out, NULL) != 0)
		return false;
	for (const char *v = out.data; v < out.data + out.len; v += strlen(v) + 1)
		if (!strcmp(v, value))
			return true;
	return false;
}

/* ---- what it is */

/* The next line of *text, cut in place. */
static char *next_line(char **text)
{
	char *line = *text;

	*text += strcspn(line, "\n");
	if (**text)
		*(*text)++ = '\0';
	return line;
}

static int find_hooks(struct ff_hookrepo *r, const char *named, struct ff_err *err)
{
	FF_AUTO(ff_free) char *inside = ff_asprintf("%s/", r->path);
	FF_AUTO(ff_free) char *joined = named[0] == '/' ? ff_strdup(named) : ff_path_join(r->path, named);
	FF_AUTO(ff_free) char *real = realpath(joined, NULL);
	struct stat st;

	if (!real && errno != ENOENT)
		return ff_err_errno(err, "%s", joined);
	if (real && (stat(real, &st) < 0 || !S_ISDIR(st.st_mode)))
		return ff_err_set(err, FF_E_INVALID, "%s: the hooks folder is no folder", real);
	r->hooks = real ? ff_steal(&real) : ff_steal(&joined);
	r->outside = !ff_starts(r->hooks, inside);
	return 0;
}

static int ask_git(struct ff_hookrepo *r, struct ff_err *err)
{
	static const char *const args[] = { "rev-parse", "--is-bare-repository", "--absolute-git-dir",
					    "--show-object-format", "--git-path", "hooks", NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	FF_AUTO(ff_free) char *real = NULL;
	char *text, *bare, *dir, *format;

	ff_buf_init(&out, OUTPUT_MAX);
	if (ff_hookgit_run(r, args, &out, err) != 0)
		return ff_err_wrap(err, "%s is no repository that can be used", r->path);
	text = out.data;
	bare = next_line(&text);
	dir = next_line(&text);
	format = next_line(&text);
	if (strcmp(bare, "true"))
		return ff_err_set(err, FF_E_UNSUPPORTED, "%s has a work tree; pushes are served from bare repositories: "
				  "make one by 'git clone --bare'", r->path);
	real = realpath(dir, NULL);
	if (!real || strcmp(real, r->path))
		return ff_err_set(err, FF_E_INVALID, "%s is a folder inside the repository %s: name that", r->path, dir);
	if (strcmp(format, "sha1"))
		return ff_err_set(err, FF_E_UNSUPPORTED, "%s uses %s object names, which libgit2 cannot read yet; "
				  "nothing was changed", r->path, format);
	return find_hooks(r, next_line(&text), err);
}

int ff_hookrepo_enter(const char *path, bool must_own, struct ff_hookrepo *r, struct ff_err *err)
{
	struct stat st;

	memset(r, 0, sizeof *r);
	r->path = realpath(path, NULL);
	if (!r->path)
		return ff_err_set(err, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "%s: %s", path, strerror(errno));
	if (stat(r->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s: not a folder", path);
	r->owner = st.st_uid;
	return enter(r, st.st_gid, must_own, err);
}

int ff_hookrepo_open(const char *path, bool must_own, struct ff_hookrepo *r, struct ff_err *err)
{
	if (ff_hookrepo_enter(path, must_own, r, err) < 0)
		return -1;
	return ask_git(r, err);
}

void ff_hookrepo_close(struct ff_hookrepo *r)
{
	leave_account(r);
	ff_free(&r->path);
	ff_free(&r->hooks);
	ff_free(&r->home);
	ff_free(&r->groups);
}
