/* SPDX-License-Identifier: MIT */
/*
 * What is done where there is need: packs and loose objects are put together
 * so that each pack is at least twice as large as the next (which rewrites an
 * object a few times in its life, not at every run), refs go into one file.
 * Nothing is lost by that: objects that no ref leads to go into packs like all
 * others.  From time to time a full `git gc`, which is how they end, by the
 * rules and grace periods that git's own configuration sets.
 */
#include "daemon/keeper/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"

/* From this many files below refs/ on they are packed; three belong to each job. */
#define REFS_MANY 90
/* git's own gc.auto and gc.autoPackLimit, for stores that borrow: those are tidied the plain way alone. */
#define PLAIN_LOOSE 6700
#define PLAIN_PACKS 50
/* After SIGTERM, which lets git remove what it was writing. */
#define TERM_MS 10000
#define ARGS_MAX 16
#define SAID_MAX 65536
/* A repack that was killed leaves files that nothing else removes. */
#define LEFT_S (24 * 60 * 60)

/* --- git ------------------------------------------------------------------------ */

static void make_env(char *env[5])
{
	static char lang[] = "LC_ALL=C", prompt[] = "GIT_TERMINAL_PROMPT=0";
	const char *path = getenv("PATH"), *home = getenv("HOME");

	env[0] = ff_asprintf("PATH=%s", path ? path : "/usr/local/bin:/usr/bin:/bin");
	env[1] = ff_asprintf("HOME=%s", home ? home : "/");
	env[2] = lang;
	env[3] = prompt;
	env[4] = NULL;
}

static int spawn(const char *const *args, int out, int said, pid_t *ret_pid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *git = ff_path_program(getenv("PATH"), "git");
	char *env[5], *argv[ARGS_MAX + 2];
	struct ff_spawn what = { .path = git, .argv = argv, .envp = env, .fd_in = -1, .fd_out = out, .fd_err = said,
				 .fd_3 = -1 };
	size_t n = 0;
	int rc;

	make_env(env);
	argv[n++] = ff_strdup("git");
	for (; args[n - 1]; n++) {
		ff_assert(n < ARGS_MAX);
		argv[n] = ff_strdup(args[n - 1]);
	}
	argv[n] = NULL;
	rc = git ? ff_spawn(&what, ret_pid, err) : ff_err_set(err, FF_E_NOT_FOUND, "there is no git in PATH");
	while (n)
		ff_free(&argv[--n]);
	ff_free(&env[0]);
	ff_free(&env[1]);
	return rc;
}

/* Until it ends, its time is over or core is gone. */
static bool ends_in_time(const struct ff_keeper *k, int pidfd, int64_t until_ms)
{
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = k->parent_fd, .events = POLLRDHUP } };
	int64_t left;

	while ((left = until_ms - ff_clock_mono()) > 0) {
		if (poll(p, 2, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			return false;
		if (p[0].revents)
			return true;
		if (p[1].revents)
			return false;
	}
	return false;
}

static int await(const struct ff_keeper *k, pid_t pid, struct ff_err *err)
{
	FF_AUTO(ff_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
	const struct ff_keeper patient = { .parent_fd = -1 };
	int status;

	if (pidfd < 0 || !ends_in_time(k, pidfd, k->until_ms)) {
		(void)kill(pid, SIGTERM); /* not reaped yet, so it is still ours */
		if (pidfd < 0 || !ends_in_time(&patient, pidfd, ff_clock_mono() + TERM_MS))
			(void)kill(pid, SIGKILL);
		(void)ff_wait(pid);
		return ff_err_set(err, FF_E_TIMEOUT, "git was ended before it was done (maintenance.timeout)");
	}
	status = ff_wait(pid);
	if (!WIFEXITED(status))
		return ff_err_set(err, FF_E_GIT, "git was killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static int read_back(int fd, struct ff_buf *out)
{
	return lseek(fd, 0, SEEK_SET) < 0 ? -1 : ff_fd_read_all(fd, out, NULL);
}

int ff_keeper_git(struct ff_keeper *k, const char *const *args, bool lock, struct ff_buf *out, struct ff_err *err)
{
	FF_AUTO(ff_close) int out_fd = memfd_create("git-out", MFD_CLOEXEC);
	FF_AUTO(ff_close) int said_fd = memfd_create("git-said", MFD_CLOEXEC);
	FF_AUTO(ff_buf_fini) struct ff_buf said;
	struct ff_err passed = { 0 };
	int rc;
	pid_t pid;

	ff_buf_init(&said, SAID_MAX);
	if (out_fd < 0 || said_fd < 0)
		return ff_err_errno(err, "memory for what git says");
	if (spawn(args, out_fd, said_fd, &pid, err) < 0)
		return -1;
	if (lock && ff_gclock_pass(pid, &passed) < 0)
		ff_log_warn(&k->log, "maintenance.lock", "%s", passed.text); /* it still names us, who wait for it */
	rc = await(k, pid, err);
	if (rc > 0 && read_back(said_fd, &said) == 0) {
		said.data[strcspn(said.data, "\n")] = '\0';
		ff_err_set(err, FF_E_GIT, "git %s: %.180s", *args[0] == '-' ? args[2] : args[0],
			   *said.data ? said.data : "failed without a word");
	}
	if (rc == 0 && out && read_back(out_fd, out) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "git says more than fits");
	return rc;
}

/* --- the parts ---------------------------------------------------------------------- */

static void remove_left(void)
{
	DIR *d = opendir("objects/pack");
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (ff_starts(e->d_name, ".tmp-") && fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > LEFT_S)
			(void)unlinkat(dirfd(d), e->d_name, 0); /* tried again by the next run */
	if (d)
		(void)closedir(d); /* only read */
}

static int run(struct ff_keeper *k, const char *const *args, bool lock, struct ff_err *err)
{
	return ff_keeper_git(k, args, lock, NULL, err) == 0 ? 0 : -1;
}

/* One thread: the other processors are for pushes. */
static int repack(struct ff_keeper *k, struct ff_err *err)
{
	static const char *const args[] = { "-c", "pack.threads=1", "repack", "-q", "-d", "--geometric=2", "--write-midx", NULL };

	return run(k, args, true, err);
}

/* It takes gc.pid itself. */
static int full(struct ff_keeper *k, struct ff_err *err)
{
	static const char *const args[] = { "-c", "pack.threads=1", "gc", "--quiet", NULL };

	/* Marked before, so that one that never ends in time is tried no more often than others. */
	return ff_keeper_full_mark(err) < 0 ? -1 : run(k, args, false, err);
}

static int pack_refs(struct ff_keeper *k, struct ff_err *err)
{
	static const char *const args[] = { "pack-refs", "--all", "--prune", NULL };

	return run(k, args, true, err);
}

struct plan {
	bool refs, repack, full;
};

static struct plan make_plan(const struct ff_keeper *k, const struct ff_keeper_config *c, const struct ff_keeper_look *l)
{
	struct plan p = { .refs = l->refs >= REFS_MANY };

	if (c->precious || l->shared)
		return p; /* objects of others may be among them */
	if (l->borrows)
		p.full = l->packs > PLAIN_PACKS || l->loose > PLAIN_LOOSE;
	else
		p.repack = l->packs >= k->packs || l->loose >= k->loose;
	if (k->full_ms && (l->packs || l->loose) && ff_keeper_full_age() != INT64_MAX)
		p.full |= ff_keeper_full_age() >= k->full_ms;
	return p;
}

static int carry_out(struct ff_keeper *k, const struct plan *p, struct ff_err *err)
{
	int rc = 0;

	remove_left();
	if (p->refs)
		rc = pack_refs(k, err);
	if (rc == 0 && p->repack && !p->full)
		rc = repack(k, err);
	ff_gclock_drop();
	return rc == 0 && p->full ? full(k, err) : rc;
}

int ff_keeper_tidy(struct ff_keeper *k, enum ff_keeper_state *ret_state, struct ff_keeper_look *ret_before,
		   struct ff_keeper_look *ret_after, struct ff_err *err)
{
	struct ff_keeper_config config;
	struct plan plan;
	int rc;

	*ret_state = FF_KEEPER_OFF;
	if (ff_keeper_config(k, &config, err) < 0)
		return -1;
	if (!config.ours || config.gc_off)
		return 0;
	if (ff_keeper_look(ret_before, err) < 0)
		return -1;
	*ret_after = *ret_before;
	if (ff_keeper_full_age() == INT64_MAX && ff_keeper_full_mark(err) < 0)
		return -1;
	plan = make_plan(k, &config, ret_before);
	*ret_state = FF_KEEPER_NOTHING;
	if (!plan.refs && !plan.repack && !plan.full)
		return 0;
	rc = ff_gclock_take(err);
	if (rc <= 0) {
		*ret_state = FF_KEEPER_BUSY;
		return rc;
	}
	if (carry_out(k, &plan, err) < 0)
		return -1;
	*ret_state = FF_KEEPER_DONE;
	return ff_keeper_look(ret_after, err);
}
