/* SPDX-License-Identifier: MIT */
/* See trace.h. */
#include "tests/crash/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/text.h"

#define TRACEES_MAX 64
#define TICK_US 5000
#define BREAKPOINT 0xcc /* int3 */
#define FOLLOW (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)
#define FOLLOW_CHILDREN (FOLLOW | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

struct tracee {
	pid_t pid;
	char role[16]; /* "" until it is a program of ours */
	bool inside;   /* between enter and leave */
	bool free;     /* its calls do not stop it */
	bool loading;  /* until it comes to its own code, at entry, where word was */
	uint64_t entry;
	long word;
	bool tamed;    /* has tried to make itself unreadable, which was kept from it */
	int fail;      /* errno that leave puts in, 0: none */
	struct trace_call call;
};

static struct tracee tracees[TRACEES_MAX];

static const struct row {
	long nr;
	const char *name;
	enum call_kind kind;
	enum call_how how;
	int a, b;
} rows[] = {
#define CALL(name, kind, how, a, b) { SYS_##name, #name, CALL_##kind, CALL_##how, a, b },
#define QUIET(name) { SYS_##name, #name, CALL_QUIET, CALL_NONE, 0, 0 },
#include "tests/crash/calls.def"
#undef CALL
#undef QUIET
};

/* --- looking into another process --------------------------------------- */

int trace_read(pid_t pid, uint64_t at, void *p, size_t n)
{
	struct iovec here = { .iov_base = p, .iov_len = n };
	struct iovec there = { .iov_base = (void *)(uintptr_t)at, .iov_len = n };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)n ? 0 : -1;
}

char *trace_string(pid_t pid, uint64_t at)
{
	char text[PATH_MAX];
	size_t n = 0;

	/* By bytes up to a multiple of 64: a read must not cross into a page that is not there. */
	while (at && n + 64 <= sizeof text) {
		size_t part = 64 - (size_t)((at + n) % 64);

		if (trace_read(pid, at + n, text + n, part) < 0)
			break;
		if (memchr(text + n, '\0', part))
			return ff_strdup(text);
		n += part;
	}
	return ff_strdup("");
}

static char *link_text(char *path)
{
	FF_AUTO(ff_free) char *from = path;
	char text[PATH_MAX];
	ssize_t n = readlink(from, text, sizeof text);

	return ff_memdup0(text, n > 0 ? (size_t)n : 0);
}

char *trace_fd_path(pid_t pid, int fd)
{
	return link_text(fd == AT_FDCWD ? ff_asprintf("/proc/%d/cwd", (int)pid)
					: ff_asprintf("/proc/%d/fd/%d", (int)pid, fd));
}

/* A pathname argument as seen from a folder descriptor. */
static char *joined(pid_t pid, int dirfd, uint64_t at)
{
	FF_AUTO(ff_free) char *name = trace_string(pid, at);
	FF_AUTO(ff_free) char *dir = NULL;

	if (*name == '/')
		return ff_steal(&name);
	dir = trace_fd_path(pid, dirfd);
	return *name ? ff_path_join(dir, name) : ff_steal(&dir);
}

char *trace_path(const struct trace_call *c)
{
	switch (c->how) {
	case CALL_FD:
		return trace_fd_path(c->pid, (int)c->args[c->a]);
	case CALL_PATH:
		return joined(c->pid, AT_FDCWD, c->args[c->a]);
	case CALL_AT:
	case CALL_TO:
		return joined(c->pid, (int)c->args[c->a], c->args[c->b]);
	case CALL_NONE:
		break;
	}
	return ff_strdup("");
}

char *trace_second_path(const struct trace_call *c)
{
	if (c->how == CALL_TO)
		return joined(c->pid, (int)c->args[2], c->args[3]);
	return joined(c->pid, AT_FDCWD, c->args[1]);
}

/* Where the program begins, behind its dynamic linker; 0 when that cannot be told. */
static uint64_t entry_of(pid_t pid)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%d/auxv", (int)pid);
	FF_AUTO(ff_buf_fini) struct ff_buf vector;
	uint64_t pair[2];

	ff_buf_init(&vector, 4096);
	if (ff_file_read(path, &vector, NULL) < 0)
		return 0;
	for (size_t at = 0; at + sizeof pair <= vector.len; at += sizeof pair) {
		memcpy(pair, vector.data + at, sizeof pair);
		if (pair[0] == AT_ENTRY)
			return pair[1];
	}
	return 0;
}

/* --- registers ------------------------------------------------------------ */

#ifdef __x86_64__
bool trace_possible(void)
{
	return true;
}

static void set_call(pid_t pid, long nr, uint64_t second)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		return; /* it was killed meanwhile, which waitpid will tell */
	r.orig_rax = (unsigned long)nr;
	r.rsi = second;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &r); /* likewise */
}

static void set_result(pid_t pid, int64_t result)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		return; /* likewise */
	r.rax = (unsigned long)result;
	(void)ptrace(PTRACE_SETREGS, pid, NULL, &r); /* likewise */
}
/*
 * What the dynamic linker does is no step, and most of the calls of a start:
 * a breakpoint where the program begins ends that time.
 */
static void wait_for_entry(struct tracee *t)
{
	t->entry = entry_of(t->pid);
	errno = 0;
	t->word = t->entry ? ptrace(PTRACE_PEEKTEXT, t->pid, (void *)t->entry, NULL) : 0;
	t->loading = t->entry && !errno &&
		     ptrace(PTRACE_POKETEXT, t->pid, (void *)t->entry, (void *)((t->word & ~0xffL) | BREAKPOINT)) == 0;
}

/* True when that is why it stopped: it stands before its first instruction then, which is there again. */
static bool came_to_entry(struct tracee *t)
{
	struct user_regs_struct r;

	if (!t->loading || ptrace(PTRACE_GETREGS, t->pid, NULL, &r) < 0 || r.rip != t->entry + 1)
		return false;
	r.rip = t->entry;
	t->loading = false;
	(void)ptrace(PTRACE_POKETEXT, t->pid, (void *)t->entry, (void *)t->word); /* likewise */
	(void)ptrace(PTRACE_SETREGS, t->pid, NULL, &r); /* likewise */
	return true;
}
#else
static void wait_for_entry(struct tracee *t)
{
	(void)t;
}

static bool came_to_entry(struct tracee *t)
{
	(void)t;
	return false;
}

bool trace_possible(void)
{
	return false; /* FIXME: another processor's registers: these tests are skipped there */
}

static void set_call(pid_t pid, long nr, uint64_t second)
{
	(void)pid, (void)nr, (void)second;
}

static void set_result(pid_t pid, int64_t result)
{
	(void)pid, (void)result;
}
#endif

/* --- who is who -------------------------------------------------------------- */

static struct tracee *find(pid_t pid)
{
	for (size_t i = 0; i < TRACEES_MAX; i++)
		if (tracees[i].pid == pid)
			return &tracees[i];
	for (size_t i = 0; i < TRACEES_MAX; i++)
		if (!tracees[i].pid) {
			tracees[i] = (struct tracee){ .pid = pid };
			return &tracees[i];
		}
	ff_assert(!"more processes of ours than fit");
	return NULL;
}

static void set_role(struct tracee *t, const char *role)
{
	(void)snprintf(t->role, sizeof t->role, "%s", role);
}

/* By argv; "" when it is no program of ours. */
static void find_role(struct tracee *t)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%d/cmdline", (int)t->pid);
	FF_AUTO(ff_buf_fini) struct ff_buf line;
	const char *base, *end;

	ff_buf_init(&line, 1024 * 1024);
	set_role(t, "");
	if (ff_file_read(path, &line, NULL) < 0 || !line.len)
		return;
	base = strrchr(line.data, '/') ? strrchr(line.data, '/') + 1 : line.data;
	if (strstr(base, FF_NAME "-hook"))
		set_role(t, "hook");
	else if (strstr(base, FF_DAEMON))
		set_role(t, "core");
	else if (strstr(base, FF_NAME))
		set_role(t, "cli");
	end = line.data + line.len;
	for (const char *p = line.data; p < end; p += strlen(p) + 1)
		if (!strcmp(p, "--role") && p + sizeof "--role" < end)
			set_role(t, p + sizeof "--role");
}

/* --- calls ---------------------------------------------------------------------- */

static void describe(struct tracee *t, const struct __ptrace_syscall_info *info)
{
	struct trace_call *c = &t->call;

	*c = (struct trace_call){ .pid = t->pid, .role = t->role, .name = "?", .kind = CALL_UNKNOWN, .nr = (long)info->entry.nr };
	for (size_t i = 0; i < 6; i++)
		c->args[i] = info->entry.args[i];
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		if (rows[i].nr == c->nr) {
			c->name = rows[i].name;
			c->kind = rows[i].kind;
			c->how = rows[i].how;
			c->a = rows[i].a;
			c->b = rows[i].b;
		}
}

/* A role makes itself unreadable for others of its account. Here we have to read it. */
static void keep_readable(struct tracee *t)
{
	const struct trace_call *c = &t->call;

	if (c->nr != SYS_prctl || c->args[0] != PR_SET_DUMPABLE)
		return;
	set_call(c->pid, c->nr, 1);
	t->tamed = true;
}

static void enter(const struct trace *trace, struct tracee *t, const struct __ptrace_syscall_info *info)
{
	int why = 0;

	describe(t, info);
	t->inside = true;
	t->fail = 0;
	keep_readable(t);
	switch (trace->enter(trace->arg, &t->call, &why)) {
	case TRACE_GO:
		break;
	case TRACE_KILL:
		/* A process that is killed here does not make the call; nor does it by this number. */
		set_call(t->pid, -1, t->call.args[1]);
		(void)kill(t->pid, SIGKILL); /* a tracee is not reaped by anybody before us */
		break;
	case TRACE_FAIL:
		set_call(t->pid, -1, t->call.args[1]);
		t->fail = why;
		break;
	}
}

static void leave(const struct trace *trace, struct tracee *t, const struct __ptrace_syscall_info *info)
{
	t->inside = false;
	t->call.result = info->exit.rval;
	if (t->fail) {
		set_result(t->pid, -t->fail);
		t->call.result = -t->fail;
		t->call.failed = true;
	}
	if (trace->leave(trace->arg, &t->call) == TRACE_KILL)
		(void)kill(t->pid, SIGKILL); /* as above */
}

static void on_call(const struct trace *trace, struct tracee *t)
{
	struct __ptrace_syscall_info info = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof info, &info) < 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter(trace, t, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->inside)
		leave(trace, t, &info);
}

/* --- the loop ---------------------------------------------------------------------- */

static void go_on(const struct trace *trace, struct tracee *t, int signo)
{
	if (t->loading) {
		(void)ptrace(PTRACE_CONT, t->pid, NULL, (void *)(uintptr_t)signo); /* as below */
		return;
	}
	t->free = !*t->role || (t->tamed && !(t->inside && t->fail) && !trace->wants(trace->arg, t->role));
	t->inside &= !t->free;
	/* Fails only when it was killed meanwhile, which waitpid will tell. */
	(void)ptrace(t->free ? PTRACE_CONT : PTRACE_SYSCALL, t->pid, NULL, (void *)(uintptr_t)signo);
}

/* Those that run free and are wanted now are stopped, which brings them to go_on. */
static void catch_again(const struct trace *trace)
{
	for (size_t i = 0; i < TRACEES_MAX; i++)
		if (tracees[i].pid && tracees[i].free && *tracees[i].role && trace->wants(trace->arg, tracees[i].role))
			(void)ptrace(PTRACE_INTERRUPT, tracees[i].pid, NULL, NULL); /* as in go_on */
}

static void on_exec(const struct trace *trace, struct tracee *t)
{
	find_role(t);
	t->inside = false;
	t->tamed = t->loading = false;
	if (!*t->role) {
		(void)ptrace(PTRACE_DETACH, t->pid, NULL, NULL); /* as in go_on */
		t->pid = 0;
		return;
	}
	wait_for_entry(t);
	if (strcmp(t->role, "core") != 0)
		(void)ptrace(PTRACE_SETOPTIONS, t->pid, NULL, (void *)(uintptr_t)FOLLOW); /* as in go_on */
	go_on(trace, t, 0);
}

static void on_stop(const struct trace *trace, struct tracee *t, int status)
{
	int signo = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_EXEC) {
		on_exec(trace, t);
	} else if (event == PTRACE_EVENT_STOP && signo != SIGTRAP) {
		(void)ptrace(PTRACE_LISTEN, t->pid, NULL, NULL); /* SIGSTOP stops it for us, too */
	} else if (event) {
		go_on(trace, t, 0);
	} else if (signo == (SIGTRAP | 0x80)) {
		on_call(trace, t);
		go_on(trace, t, 0);
	} else if (signo == SIGTRAP && came_to_entry(t)) {
		go_on(trace, t, 0);
	} else {
		go_on(trace, t, signo);
	}
}

static _Noreturn void follow(const struct trace *trace)
{
	int status;
	pid_t pid;

	for (;;) {
		struct tracee *t;

		pid = waitpid(-1, &status, __WALL);
		if (pid < 0 && errno == EINTR) {
			if (trace->tick && trace->tick(trace->arg))
				catch_again(trace);
			continue;
		}
		if (pid < 0)
			_exit(0); /* nobody is left */
		t = find(pid);
		if (WIFSTOPPED(status)) {
			on_stop(trace, t, status);
			continue;
		}
		if (*t->role && trace->ended)
			trace->ended(trace->arg, pid, t->role, status);
		t->pid = 0;
	}
}

/*
 * What it follows waits for it, thousands of times: on a busy machine for a turn
 * each, unless we may go before others. It has next to nothing to do itself.
 */
static void hurry(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	(void)sched_setscheduler(0, SCHED_RR, &first); /* where it is not allowed, it takes longer */
}

static void on_alarm(int signo)
{
	(void)signo; /* that waitpid is interrupted is all */
}

static void start_ticking(void)
{
	const struct sigaction wake = { .sa_handler = on_alarm };
	const struct itimerval often = { { 0, TICK_US }, { 0, TICK_US } };

	(void)sigaction(SIGALRM, &wake, NULL); /* cannot fail for these */
	(void)setitimer(ITIMER_REAL, &often, NULL);
}

/* The tracer holds nothing that others wait for the end of. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	(void)setsid(); /* a Ctrl-C is for the program, whose end ends us */
	for (int signo = 1; signo < 32; signo++)
		if (signo != SIGCHLD && signo != SIGSEGV && signo != SIGABRT)
			(void)signal(signo, SIG_IGN); /* a test may signal all of its group */
}

static _Noreturn void tracer(const struct trace *trace, pid_t program, int ready)
{
	bool seized = ptrace(PTRACE_SEIZE, program, NULL, (void *)(uintptr_t)FOLLOW_CHILDREN) == 0;

	(void)!write(ready, seized ? "y" : "n", 1); /* without it the program gives up */
	(void)close(ready);
	if (!seized)
		_exit(1);
	let_go();
	hurry();
	if (trace->tick)
		start_ticking();
	(void)find(program);
	follow(trace);
}

int trace_run(const struct trace *trace)
{
	pid_t self = getpid(), middle;
	int fds[2];
	char said = 'n';

	if (!trace_possible() || pipe2(fds, O_CLOEXEC) < 0)
		return 77;
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* unknown where nothing forbids it */
	middle = fork();
	if (middle == 0) {
		/* Twice, so that the program has no child it does not know. */
		if (fork() == 0)
			tracer(trace, self, fds[1]);
		_exit(0);
	}
	(void)close(fds[1]);
	(void)waitpid(middle, NULL, 0);
	if (read(fds[0], &said, 1) != 1 || said != 'y') {
		(void)fprintf(stderr, "%s: this machine lets nobody trace\n", trace->argv[0]);
		return 77;
	}
	(void)close(fds[0]);
	(void)execvp(trace->argv[0], trace->argv);
	(void)fprintf(stderr, "%s: %s\n", trace->argv[0], strerror(errno));
	return 127;
}
