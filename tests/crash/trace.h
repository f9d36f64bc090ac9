/* SPDX-License-Identifier: MIT */
#ifndef FF_CRASH_TRACE_H
#define FF_CRASH_TRACE_H

/*
 * Follows a program of ours through its system calls, by ptrace(2): works on
 * the static hook and on children whose environment core makes, needs no
 * right that an ordinary user does not have, and sees what a library calls
 * within itself.
 *
 * A caller fills struct trace and calls trace_run: in the process that was
 * called it becomes the program, so that its pid, parent and exit status stay
 * those that others know; in a daemon that nobody waits for it is the tracer,
 * calls back for each call of calls.def, and exits when all it follows is gone.
 * Followed are the program and children that are started in a role of
 * flowforged; whatever a role other than core starts runs free, since what a
 * tracer holds gets no rights from a set-user-id program.  Being stopped at
 * each call is most of what following costs: a role whose calls are not wanted
 * now runs between them undisturbed.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

enum call_kind {
	CALL_QUIET, CALL_WRITE, CALL_SEND, CALL_SYNC, CALL_TRUNC, CALL_OPEN, CALL_NAME, CALL_MODE, CALL_CONNECT,
	CALL_START, CALL_EXIT, CALL_UNKNOWN,
	CALL_SAY, /* a write to standard error */
};
enum call_how { CALL_NONE, CALL_FD, CALL_PATH, CALL_AT, CALL_TO };

struct trace_call {
	pid_t pid;
	const char *role;     /* core, worker, reader, gateway, hook, cli */
	const char *name;
	enum call_kind kind;
	enum call_how how;
	int a, b;             /* the row of calls.def */
	long nr;
	uint64_t args[6];
	int64_t result;       /* at leave: -errno for a failure */
	bool failed;          /* by us */
};

enum trace_do { TRACE_GO, TRACE_KILL, TRACE_FAIL };

struct trace {
	char *const *argv;
	/* Before the call is made, and after. FAIL is for enter alone, and sets *ret_errno. */
	enum trace_do (*enter)(void *arg, struct trace_call *call, int *ret_errno);
	enum trace_do (*leave)(void *arg, const struct trace_call *call);
	void (*ended)(void *arg, pid_t pid, const char *role, int status);
	bool (*wants)(void *arg, const char *role); /* whether the two above are called for its calls */
	/* Every few milliseconds, or NULL; true: wants() may say something else now. */
	bool (*tick)(void *arg);
	void *arg;
};

/* Returns only when the program cannot be started or traced: an exit status. */
int trace_run(const struct trace *trace);
/* False where this kernel or processor does not let us. */
bool trace_possible(void);

/* n bytes of the traced process; -1 when they are not there. */
int trace_read(pid_t pid, uint64_t at, void *p, size_t n);
/* A string of it, "" when there is none. Freed by ff_free. */
char *trace_string(pid_t pid, uint64_t at);
/* What a descriptor of it leads to: a path, socket:[N], ...; "" for nothing. Freed by ff_free. */
char *trace_fd_path(pid_t pid, int fd);
/* The call's object: a path from the root, or what its descriptor leads to. Freed by ff_free. */
char *trace_path(const struct trace_call *call);
/* The second name of a rename or link. Freed by ff_free. */
char *trace_second_path(const struct trace_call *call);

#endif
