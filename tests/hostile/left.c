/* SPDX-License-Identifier: MIT */
/*
 * Outliving the job.  Each leaves a process that would stay for a minute; who
 * started the job looks for it when the job has ended.
 */
#include "tests/hostile/hostile.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAY 60

static _Noreturn void stay(const struct target *t)
{
	pid_t self = getpid();

	(void)prctl(PR_SET_NAME, LEFT_NAME, 0, 0, 0);
	if (t->told_fd >= 0) {
		ssize_t n = write(t->told_fd, &self, sizeof self);

		(void)n;
		(void)close(t->told_fd);
	}
	(void)sleep(STAY);
	_exit(0);
}

enum { BACKGROUND, SESSION, TWICE, DEAF, GROUP, THREADED, CLOSED, TRACED, MANY, ELSEWHERE };

static void change_before(long how)
{
	switch (how) {
	case SESSION:
	case TWICE:
		(void)setsid();
		break;
	case DEAF:
		for (int s = 1; s < 65; s++)
			(void)signal(s, SIG_IGN);
		break;
	case GROUP:
		(void)setpgid(0, 0);
		break;
	case CLOSED:
		(void)close(0);
		(void)close(1);
		(void)close(2);
		break;
	case ELSEWHERE:
		if (chdir("/tmp"))
			_exit(1);
		(void)prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		break;
	default:
		break;
	}
}

static void *idle(void *arg)
{
	(void)pause();
	return arg;
}

static _Noreturn void survivor(const struct target *t, long how)
{
	pthread_t thread;

	change_before(how);
	if (how == TWICE && fork() != 0)
		_exit(0);
	if (how == THREADED)
		(void)pthread_create(&thread, NULL, idle, NULL);
	if (how == TRACED)
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	if (how == MANY)
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				stay(t);
	stay(t);
}

static bool remain(const struct target *t, long how)
{
	pid_t pid = fork();

	if (pid == 0)
		survivor(t, how);
	if (pid > 0 && how == TWICE)
		(void)waitpid(pid, NULL, 0);
	return pid > 0;
}

const struct kind kinds_left[] = {
	{ .name = "left-background", .try = remain, .arg = BACKGROUND, .left = true },
	{ .name = "left-session", .try = remain, .arg = SESSION, .left = true },
	{ .name = "left-twice", .try = remain, .arg = TWICE, .left = true },
	{ .name = "left-deaf", .try = remain, .arg = DEAF, .left = true },
	{ .name = "left-group", .try = remain, .arg = GROUP, .left = true },
	{ .name = "left-threaded", .try = remain, .arg = THREADED, .left = true },
	{ .name = "left-closed", .try = remain, .arg = CLOSED, .left = true },
	{ .name = "left-traced", .try = remain, .arg = TRACED, .left = true },
	{ .name = "left-many", .try = remain, .arg = MANY, .left = true },
	{ .name = "left-elsewhere", .try = remain, .arg = ELSEWHERE, .left = true },
	{ .name = NULL },
};
