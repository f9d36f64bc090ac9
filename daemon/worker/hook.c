/* SPDX-License-Identifier: MIT */
/*
 * The repository's own post-receive, run for the new branch as a push would
 * run it, so that mail, mirrors and builds of the server work.  It belongs to
 * the repository's owner, like us; its output goes into the job's log and
 * its failure is a warning, because the result is published already.
 */
#include "daemon/worker/run.h"

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
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"
#include "conf/conf.h"

#define OUTPUT_MAX (256 * 1024) /* kept of what a hook says */
#define MARKER "hook-started"

/* core.hooksPath of the repository, else its hooks folder (githooks(5)). */
static char *hook_path(const struct ff_run *run)
{
	FF_AUTO(ff_free) char *folder = NULL;
	FF_AUTO(ff_free) char *full = NULL;
	const char *home = getenv("HOME");

	(void)ff_git_config(run->git, "core.hooksPath", &folder, NULL); /* unreadable: as if it were not set */
	if (!folder)
		full = ff_path_join(ff_git_path(run->git), "hooks");
	else if (folder[0] == '/')
		full = ff_strdup(folder);
	else if (ff_starts(folder, "~/") && home)
		full = ff_path_join(home, folder + 2);
	else
		full = ff_path_join(ff_git_path(run->git), folder);
	return ff_path_join(full, "post-receive");
}

static bool wanted(struct ff_run *run, const char *path)
{
	struct stat st;

	if (ff_conf_int(run->conf, FF_CONF_PUBLISH_HOOK_TIMEOUT) == 0 || access(path, X_OK) || stat(path, &st) ||
	    !S_ISREG(st.st_mode))
		return false;
	if (geteuid() == 0 && st.st_uid != 0) {
		ff_report_logf(run, "warning: post-receive was not run: it belongs to another account, and the daemon is root");
		return false;
	}
	return true;
}

static int line_fd(const char *ref, const char *oid)
{
	FF_AUTO(ff_free) char *zero = ff_strdup(oid);
	FF_AUTO(ff_free) char *line = NULL;
	FF_AUTO(ff_close) int fd = memfd_create("hook", MFD_CLOEXEC);

	memset(zero, '0', strlen(zero));
	line = ff_asprintf("%s %s %s\n", zero, oid, ref);
	if (fd < 0 || ff_fd_write_all(fd, line, strlen(line), NULL) || lseek(fd, 0, SEEK_SET))
		return -1;
	return ff_steal_fd(&fd);
}

static pid_t start(const struct ff_run *run, const char *path, int in, int out, struct ff_err *err)
{
	const char *home = getenv("HOME"), *search = getenv("PATH");
	FF_AUTO(ff_free) char *program = ff_strdup(path);
	FF_AUTO(ff_free) char *e_home = ff_asprintf("HOME=%s", home ? home : "/");
	FF_AUTO(ff_free) char *e_path = ff_asprintf("PATH=%s", search ? search : "/usr/local/bin:/usr/bin:/bin");
	FF_AUTO(ff_free) char *e_dir = ff_asprintf("GIT_DIR=%s", ff_git_path(run->git));
	static char publish[] = FF_ENV_PUBLISH "=1";
	char *argv[] = { program, NULL };
	char *envp[] = { e_home, e_path, e_dir, publish, NULL };
	const struct ff_spawn what = { .path = path, .argv = argv, .envp = envp, .cwd = ff_git_path(run->git),
				       .fd_in = in, .fd_out = out, .fd_err = out, .fd_3 = -1 };
	pid_t pid;

	return ff_spawn(&what, &pid, err) ? -1 : pid;
}

static void read_some(int fd, struct ff_buf *text)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		(void)ff_buf_add(text, chunk, (size_t)n); /* past the maximum it is read and dropped */
}

/* Until the hook itself has ended; what it left in the background may live on, as after a push. */
static bool watch(pid_t pid, int fd, struct ff_buf *text, int64_t timeout_ms)
{
	FF_AUTO(ff_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
	int64_t until = ff_clock_mono() + timeout_ms, left;
	struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = fd, .events = POLLIN } };

	while (pidfd >= 0 && (left = until - ff_clock_mono()) > 0) {
		if (poll(p, 2, left > 60000 ? 60000 : (int)left) < 0 && errno != EINTR)
			return false;
		if (p[1].revents) {
			read_some(fd, text);
			if (p[1].revents & POLLHUP)
				p[1].fd = -1;
		}
		if (p[0].revents)
			return true;
	}
	return false;
}

static void finish(struct ff_run *run, pid_t pid, int fd)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	FF_AUTO(ff_free) char *shown = NULL;
	char how[FF_STATUS_TEXT];
	bool ended;
	int status;

	ff_buf_init(&text, OUTPUT_MAX);
	ended = watch(pid, fd, &text, ff_conf_int(run->conf, FF_CONF_PUBLISH_HOOK_TIMEOUT));
	if (!ended)
		(void)kill(pid, SIGKILL); /* not reaped yet, so it is still ours */
	status = ff_wait(pid);
	read_some(fd, &text);
	for (char *line = text.data, *next; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		shown = ff_text_shown(line, 500);
		ff_report_logf(run, "post-receive: %s", shown);
		ff_free(&shown);
	}
	ff_status_text(status, how);
	if (!ended)
		ff_report_logf(run, "warning: post-receive was stopped: publish.hook-timeout");
	else if (status)
		ff_report_logf(run, "warning: post-receive ended with %s", how);
}

void ff_run_hook(struct ff_run *run, const char *ref, const char *oid)
{
	FF_AUTO(ff_free) char *path = hook_path(run);
	FF_AUTO(ff_free) char *before = ff_place_noted(run, MARKER);
	FF_AUTO(ff_close) int in = -1;
	int out[2] = { -1, -1 };
	struct ff_err err = { 0 };
	pid_t pid;

	if (before || !wanted(run, path))
		return;
	/* Before it runs: a hook that runs twice sends mail twice, one that did not can be seen in the log. */
	if (ff_place_note(run, MARKER, ref, &err)) {
		ff_report_logf(run, "warning: post-receive was not run: %s", err.text);
		return;
	}
	in = line_fd(ref, oid);
	if (in < 0 || pipe2(out, O_CLOEXEC)) {
		ff_report_logf(run, "warning: post-receive was not run: %s", strerror(errno));
		return;
	}
	(void)fcntl(out[0], F_SETFL, O_NONBLOCK); /* cannot fail on a pipe of our own */
	pid = start(run, path, in, out[1], &err);
	ff_close(&out[1]);
	if (pid < 0)
		ff_report_logf(run, "warning: post-receive was not run: %s", err.text);
	else
		finish(run, pid, out[0]);
	ff_close(&out[0]);
}
