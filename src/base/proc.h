/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_PROC_H
#define FF_BASE_PROC_H

/*
 * Starting other programs by posix_spawn, so that the cost does not grow
 * with the memory of the parent, and nothing inherited that was not named.
 * Job processes are started by daemon/sandbox and by nothing else.
 */

#include <sys/types.h>

#include "base/err.h"

struct ff_spawn {
	const char *path;         /* absolute; no search, no shell */
	char *const *argv;
	char *const *envp;        /* NULL: empty environment */
	const char *cwd;          /* NULL: ours */
	int fd_in, fd_out, fd_err; /* -1: /dev/null for in and out, ours for err */
	int fd_3;                 /* becomes descriptor 3; -1: none */
};

/* Signals at their defaults, none blocked, every other descriptor closed. */
int ff_spawn(const struct ff_spawn *what, pid_t *ret_pid, struct ff_err *err);
/*
 * Becomes the other program, with our descriptors 0 to 2 and nothing else of
 * ours.  The one exception to "started by posix_spawn": a login command that
 * hands the connection on must be replaced, as a parent left waiting would
 * have to pass on every signal, end of file and exit status.  Returns only on
 * failure.
 */
int ff_exec(const char *path, char *const *argv, char *const *envp, struct ff_err *err);
/* Waits, restarting after signals; the status as of waitpid(2). */
int ff_wait(pid_t pid);
/* "exit 3" or "signal 9 (Killed)"; out has FF_STATUS_TEXT bytes. */
#define FF_STATUS_TEXT 64
void ff_status_text(int status, char *out);
/*
 * For a role: die when the parent does (PR_SET_PDEATHSIG), not dumpable, so
 * that no process of the same account reads our memory (threat model, rule
 * on roles). Ends the process when the parent is gone already.
 */
void ff_role_guard(pid_t expected_parent);
/*
 * Lets go of the pages of program and libraries that nobody writes to; what is
 * needed again the kernel maps again, from the file.  For a role that will not
 * use most of what was looked at to link it.
 */
void ff_proc_drop_code(void);

#endif
