/* SPDX-License-Identifier: MIT */
/* See proc.h. */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int plan_fds(posix_spawn_file_actions_t *fa, const struct ff_spawn *w)
{
	/*
	 * Sources may lie in 0..3 themselves: move them out of the way first,
	 * above all of them, so that no source is overwritten before its turn.
	 */
	const int from[4] = { w->fd_in, w->fd_out, w->fd_err, w->fd_3 };
	int parked = 4, rc = 0;

	for (int i = 0; i < 4; i++)
		if (from[i] >= parked)
			parked = from[i] + 1;
	for (int i = 0; i < 4; i++)
		if (from[i] >= 0)
			rc |= posix_spawn_file_actions_adddup2(fa, from[i], parked + i);
	for (int i = 0; i < 4; i++) {
		if (from[i] >= 0)
			rc |= posix_spawn_file_actions_adddup2(fa, parked + i, i);
		else if (i < 2)
			rc |= posix_spawn_file_actions_addopen(fa, i, "/dev/null", i ? O_WRONLY : O_RDONLY, 0);
	}
	rc |= posix_spawn_file_actions_addclosefrom_np(fa, w->fd_3 >= 0 ? 4 : 3);
	if (w->cwd)
		rc |= posix_spawn_file_actions_addchdir_np(fa, w->cwd);
	return rc;
}

int ff_spawn(const struct ff_spawn *w, pid_t *ret_pid, struct ff_err *err)
{
	static char *const no_env[] = { NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	ff_assert(posix_spawn_file_actions_init(&fa) == 0 && posix_spawnattr_init(&attr) == 0);
	rc = plan_fds(&fa, w);
	rc |= posix_spawnattr_setsigmask(&attr, &none);
	rc |= posix_spawnattr_setsigdefault(&attr, &all);
	rc |= posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (rc == 0)
		rc = posix_spawn(ret_pid, w->path, &fa, &attr, w->argv, w->envp ? w->envp : no_env);
	else /* a number of the plan is over RLIMIT_NOFILE, which somebody lowered */
		rc = EMFILE;
	(void)posix_spawn_file_actions_destroy(&fa);
	(void)posix_spawnattr_destroy(&attr);
	if (rc)
		return ff_err_set(err, FF_E_IO, "%s: cannot start: %s", w->path, strerror(rc));
	return 0;
}

int ff_exec(const char *path, char *const *argv, char *const *envp, struct ff_err *err)
{
	static char *const no_env[] = { NULL };

	/* close_range(2) marks instead of closing, so that a failure leaves us whole. */
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* fails only where the kernel lacks it; ours are close-on-exec anyway */
	(void)execve(path, argv, envp ? envp : no_env);
	return ff_err_errno(err, "%s: cannot start", path);
}

int ff_wait(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		ff_assert(errno == EINTR);
	return status;
}

void ff_status_text(int status, char *out)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, FF_STATUS_TEXT, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)snprintf(out, FF_STATUS_TEXT, "exit %d", WEXITSTATUS(status));
}

void ff_role_guard(pid_t expected_parent)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* fails only for values other than 0 and 1 */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* fails only for a bad signal */
	if (expected_parent > 0 && getppid() != expected_parent)
		_exit(0); /* the parent died before we could ask to be told */
}

static int drop_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, to = from + info->dlpi_phdr[i].p_filesz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || info->dlpi_phdr[i].p_flags & PF_W)
			continue;
		from = from / page * page;
		(void)madvise((void *)from, to - from, MADV_DONTNEED); /* the kernel's own page of code refuses; it is small */
	}
	return 0;
}

void ff_proc_drop_code(void)
{
	(void)dl_iterate_phdr(drop_segments, NULL); /* 0, as drop_segments says */
}
