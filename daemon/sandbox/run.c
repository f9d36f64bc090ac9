/* SPDX-License-Identifier: MIT */
/*
 * Starts a sandbox, collects what it says and does not return before all of
 * it is dead.  Here and nowhere else a job process comes into being, and this
 * is the one place in the daemon that forks: a worker is small, and between
 * fork and exec rights are dropped in an order that posix_spawn cannot do.
 * The child calls only what signal-safety(7) allows.
 */
#include "daemon/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/group.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/sandbox/confine/confine.h"
#include "daemon/sandbox/room.h"

/* How often the work tree's size is asked for while a program runs. */
#define ROOM_MS 500

#define STATUS_MAX 1024 /* two short JSON objects come from bubblewrap */

#define MAP_TEXT 40

enum child_fd { IN, OUT, ERR, PASSWD, GROUP, STATUS, ARGS, REPORT = FF_CONFINE_REPORT, CHILD_FDS };

/* Everything that the child needs, made before the fork. */
struct launch {
	char **argv;
	size_t options;
	char **exec_argv;
	int fd[CHILD_FDS];
	int out_read, err_read, status_read, report_read; /* err_read -1: stderr goes where stdout goes */
	const struct ff_sandbox_spec *spec;
	bool drop; /* we are root */
	struct ff_group *group;
	char uid_map[MAP_TEXT], gid_map[MAP_TEXT]; /* of an ordinary user */
	size_t uid_map_len, gid_map_len;
	int life_read, life_write; /* nobody but us writes: its end is ours */
};

static void launch_fini(struct launch *l)
{
	ff_sandbox_argv_free(&l->argv);
	ff_free(&l->exec_argv);
	for (int i = 0; i < CHILD_FDS; i++)
		ff_close(&l->fd[i]);
	ff_close(&l->out_read);
	ff_close(&l->err_read);
	ff_close(&l->status_read);
	ff_close(&l->report_read);
	ff_group_free(&l->group);
	ff_close(&l->life_read);
	ff_close(&l->life_write);
}

/* --- before the fork */

static int data_fd(const char *name, const void *p, size_t n, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return ff_err_errno(err, "memfd_create");
	if (ff_fd_write_all(fd, p, n, err))
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return ff_err_errno(err, "rewinding a memfd");
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

static int text_fd(const char *text, int *ret_fd, struct ff_err *err)
{
	return data_fd("etc", text, strlen(text), ret_fd, err);
}

static int args_fd(char *const *argv, size_t n, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 16 * 1024 * 1024);
	for (size_t i = 1; i < n; i++)
		(void)ff_buf_add(&b, argv[i], strlen(argv[i]) + 1);
	if (b.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the sandbox has over 16 MiB of arguments");
	return data_fd("args", b.data, b.len, ret_fd, err);
}

static int pipe_fds(int *ret_read, int *ret_write, struct ff_err *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return ff_err_errno(err, "pipe2");
	*ret_read = p[0];
	*ret_write = p[1];
	(void)fcntl(p[0], F_SETFL, O_NONBLOCK); /* cannot fail on a pipe of our own */
	return 0;
}

static void plan_maps(struct launch *l)
{
	l->uid_map_len = (size_t)snprintf(l->uid_map, sizeof l->uid_map, "%u %u 1\n", geteuid(), geteuid());
	l->gid_map_len = (size_t)snprintf(l->gid_map, sizeof l->gid_map, "%u %u 1\n", getegid(), getegid());
}

static void plan_exec(struct launch *l)
{
	static char args_flag[] = "--args", args_number[] = "6";
	size_t n = 0;

	while (l->argv[l->options + n])
		n++;
	l->exec_argv = ff_calloc(n + 4, sizeof(char *));
	l->exec_argv[0] = l->argv[0];
	l->exec_argv[1] = args_flag;
	l->exec_argv[2] = args_number;
	memcpy(l->exec_argv + 3, l->argv + l->options, n * sizeof(char *));
}

/* One pipe or two. They are the job's own, so that it can open /dev/stdout. */
static int plan_output(struct launch *l, struct ff_err *err)
{
	if (pipe_fds(&l->out_read, &l->fd[OUT], err))
		return -1;
	if (l->spec->on_output) {
		if (pipe_fds(&l->err_read, &l->fd[ERR], err))
			return -1;
	} else {
		l->fd[ERR] = fcntl(l->fd[OUT], F_DUPFD_CLOEXEC, 0);
		if (l->fd[ERR] < 0)
			return ff_err_errno(err, "dup");
	}
	if (l->drop && (fchown(l->fd[OUT], l->spec->uid, l->spec->gid) || fchown(l->fd[ERR], l->spec->uid, l->spec->gid)))
		return ff_err_errno(err, "fchown");
	return 0;
}

static int launch_plan(struct launch *l, struct ff_err *err)
{
	const struct ff_sandbox_spec *s = l->spec;
	struct ff_sandbox_host host;

	ff_sandbox_host_read(&host);
	l->argv = ff_sandbox_argv(s, &host, &l->options);
	ff_sandbox_host_fini(&host);
	plan_exec(l);
	if (data_fd("stdin", s->in ? s->in : "", s->in_len, &l->fd[IN], err) ||
	    text_fd("root:x:0:0:root:/:/bin/false\nagent:x:1000:1000:agent:" FF_SANDBOX_HOME
		    ":/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n", &l->fd[PASSWD], err) ||
	    text_fd("root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n", &l->fd[GROUP], err) ||
	    args_fd(l->argv, l->options, &l->fd[ARGS], err) ||
	    pipe_fds(&l->status_read, &l->fd[STATUS], err) ||
	    pipe_fds(&l->report_read, &l->fd[REPORT], err) ||
	    pipe_fds(&l->life_read, &l->life_write, err))
		return -1;
	return plan_output(l, err);
}

/* --- in the child: only what is safe between fork and exec */

static void child_limits(const struct ff_sandbox_spec *s)
{
	/* 1 and not 0: with 0 the kernel still runs a piped core pattern (core(5)). */
	const struct rlimit core = { 1, 1 };
	const struct rlimit procs = { (rlim_t)s->max_processes, (rlim_t)s->max_processes };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t n = write(fd, "1000", 4); /* out of memory: the job goes first; without it the kernel chooses */
		(void)n;
		(void)close(fd);
	}
	(void)setrlimit(RLIMIT_CORE, &core); /* lowering is always allowed */
	/* Here and not in flowforge-confine: what holds when a user namespace is made holds for all that is in it. */
	if (s->max_processes > 0)
		(void)setrlimit(RLIMIT_NPROC, &procs); /* as above, when it is lower */
}

/* getppid(2) says 0 to the first process of a process namespace, whether its parent lives or not. */
static bool orphaned(const struct launch *l)
{
	struct pollfd p = { .fd = l->life_read, .events = POLLIN };

	(void)close(l->life_write); /* our copy */
	return poll(&p, 1, 0) != 0;
}

static int write_once(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t done = fd < 0 ? -1 : write(fd, text, n);

	if (fd >= 0)
		(void)close(fd);
	return done == (ssize_t)n ? 0 : -1;
}

/* In the user namespace that an ordinary user needs for the process namespace, it stays who it is. */
static int child_maps(const struct launch *l)
{
	if (l->drop)
		return 0;
	/* The files of a process that must not be dumped are root's. Nobody in a sandbox sees this process. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) || write_once("/proc/self/setgroups", "deny", 4) ||
	    write_once("/proc/self/uid_map", l->uid_map, l->uid_map_len) ||
	    write_once("/proc/self/gid_map", l->gid_map, l->gid_map_len))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int child_rights(const struct launch *l)
{
	const struct ff_sandbox_spec *s = l->spec;

	if (l->drop && (setgroups(0, NULL) || setresgid(s->gid, s->gid, s->gid) || setresuid(s->uid, s->uid, s->uid)))
		return -1;
	/* After the change of account, which takes it away again (prctl(2)). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return -1;
	if (orphaned(l))
		_exit(1); /* the worker died before we could ask to be told */
	return 0;
}

static int child_fds(const struct launch *l)
{
	int high[CHILD_FDS];

	for (int i = 0; i < CHILD_FDS; i++) {
		high[i] = fcntl(l->fd[i], F_DUPFD, 64);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < CHILD_FDS; i++)
		if (dup2(high[i], i) < 0)
			return -1;
	return (int)syscall(SYS_close_range, CHILD_FDS, ~0u, 0u);
}

static _Noreturn void child(const struct launch *l)
{
	static char *const no_env[] = { NULL };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	char report[1 + sizeof(int)] = "N";
	int e;
	ssize_t n;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL); /* fails for SIGKILL and SIGSTOP, which need none */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail with these arguments */
	(void)setpgid(0, 0); /* a signal to the daemon's group is not for the job */
	umask(022);
	child_limits(l->spec);
	if (ff_group_enter(l->group))
		report[0] = 'G';
	else if (child_maps(l) == 0) {
		report[0] = 'R';
		if (child_rights(l) == 0 && chdir("/") == 0 && child_fds(l) == 0) {
			report[0] = 'X';
			execve(l->spec->bwrap, l->exec_argv, no_env);
		}
	}
	e = errno;
	memcpy(report + 1, &e, sizeof(e));
	n = write(report[0] == 'X' ? (int)STATUS : l->fd[STATUS], report, sizeof(report));
	(void)n; /* without it the parent sees that nothing was started */
	_exit(1);
}

static pid_t start(struct launch *l, struct ff_err *err)
{
	sigset_t all, before;
	pid_t pid;
	int e;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
	/* As fork(2), but bubblewrap becomes the first process of a namespace: with it all that it ever starts is dead. */
	pid = (pid_t)syscall(SYS_clone, (unsigned long)(SIGCHLD | CLONE_NEWPID | (l->drop ? 0 : CLONE_NEWUSER)), 0, 0, 0, 0);
	if (pid == 0)
		child(l);
	e = errno;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	for (int i = 0; i < CHILD_FDS; i++)
		ff_close(&l->fd[i]);
	errno = e;
	if (pid < 0) {
		(void)ff_err_errno(err, "a process namespace for the job");
		return -1;
	}
	return pid;
}

/* --- while it runs */

/* Keeps the first and the last half of the maximum. */
static void keep(struct ff_sandbox_result *r, size_t half, const char *p, size_t n)
{
	size_t first = n < half - r->head.len ? n : half - r->head.len;

	(void)ff_buf_add(&r->head, p, first); /* fits, and so does the next */
	p += first;
	n -= first;
	if (n > half) {
		r->dropped += (int64_t)(r->tail.len + n - half);
		ff_buf_clear(&r->tail);
		p += n - half;
		n = half;
	}
	if (r->tail.len + n > 2 * half) {
		r->dropped += (int64_t)(r->tail.len + n - half);
		ff_buf_consume(&r->tail, r->tail.len + n - half);
	}
	(void)ff_buf_add(&r->tail, p, n);
}

static void keep_done(struct ff_sandbox_result *r, size_t half)
{
	if (r->tail.len > half) {
		r->dropped += (int64_t)(r->tail.len - half);
		ff_buf_consume(&r->tail, r->tail.len - half);
	}
}

/* One read, so that a job that never stops talking does not keep us from the clock. 0 at end of file, -1: nothing there. */
static int read_output(int fd, const struct ff_sandbox_spec *s, bool error, struct ff_sandbox_result *r, size_t half)
{
	void (*take)(void *arg, const char *p, size_t n) = error ? s->on_error : s->on_output;
	char chunk[65536];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n > 0 && take)
		take(s->arg, chunk, (size_t)n);
	if (n > 0 && (!take || error)) /* of errors a part is kept: they say why nothing was started */
		keep(r, half, chunk, (size_t)n);
	return n > 0 ? 1 : (int)n;
}

static int read_status(int fd, struct ff_buf *status)
{
	char chunk[256];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n > 0)
		(void)ff_buf_add(status, chunk, (size_t)n); /* bubblewrap alone writes here, and far less than the maximum */
	return n > 0 ? 1 : (int)n;
}

struct live {
	struct launch *l;
	struct ff_sandbox_result *r;
	struct ff_buf *status;
	size_t half;
};

static int check_room(const struct ff_sandbox_spec *s, bool running, struct ff_err *err)
{
	for (const struct ff_sandbox_bind *b = s->binds; b && b->host; b++)
		if (b->room && ff_room_check(b->room, b->host, running, err))
			return -1;
	return s->room && s->work ? ff_room_check(s->room, s->work, running, err) : 0;
}

/* Until the outer bubblewrap has ended, the deadline is there or the disk had enough of it. */
static int watch(struct live *v, int pidfd, struct ff_err *err)
{
	struct pollfd p[4] = {
		{ .fd = pidfd, .events = POLLIN },
		{ .fd = v->l->out_read, .events = POLLIN },
		{ .fd = v->l->status_read, .events = POLLIN },
		{ .fd = v->l->err_read, .events = POLLIN },
	};

	const struct ff_sandbox_spec *s = v->l->spec;
	int64_t look = ff_clock_mono() + ROOM_MS;

	for (;;) {
		int64_t now = ff_clock_mono(), left = s->deadline_ms - now, nap = s->room || s->tick || s->max_memory_bytes ? ROOM_MS : 60000;

		if (left <= 0) {
			v->r->timed_out = true;
			return 0;
		}
		if (now >= look) {
			/* Version 1 kills one process only; what is left of the job would go on in ruins. */
			if (ff_group_out_of_memory(v->l->group))
				return 0;
			if (check_room(s, true, err) || (s->tick && s->tick(s->arg, err)))
				return -1;
			look = now + ROOM_MS;
		}
		if (poll(p, 4, (int)(left < nap ? left : nap)) < 0 && errno != EINTR)
			return ff_err_errno(err, "poll");
		if (p[1].revents && read_output(p[1].fd, s, false, v->r, v->half) == 0)
			p[1].fd = -1;
		if (p[3].revents && read_output(p[3].fd, s, true, v->r, v->half) == 0)
			p[3].fd = -1;
		if (p[2].revents && read_status(p[2].fd, v->status) == 0)
			p[2].fd = -1;
		if (p[0].revents)
			return 0;
	}
}

/* --- the end */

static void kill_children(void)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/self/task/%d/children", (int)getpid());
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	char *p, *end;

	ff_buf_init(&b, 1024 * 1024);
	/* Without the file (CONFIG_PROC_CHILDREN) the death signal of each sandbox still ends it. */
	if (ff_file_read(path, &b, NULL))
		return;
	for (p = b.data; *p; p = end) {
		int64_t pid;

		end = p + strcspn(p, " \n");
		if (*end)
			*end++ = '\0';
		if (ff_num_i64(p, 2, INT32_MAX, &pid) == 0)
			(void)kill((pid_t)pid, SIGKILL); /* gone meanwhile: fine, it is our own zombie at most */
	}
}

/*
 * The first process of a process namespace takes all others in it along, and
 * can be reaped only when they are dead (pid_namespaces(7)). We are a
 * subreaper all the same: whatever else is left without a parent is ours.
 */
static void end_all(pid_t pid, int *ret_status)
{
	(void)kill(pid, SIGKILL);
	*ret_status = ff_wait(pid);
	for (;;) {
		pid_t got = waitpid(-1, NULL, WNOHANG);

		if (got < 0 && errno == ECHILD)
			return;
		if (got == 0) {
			kill_children();
			got = waitpid(-1, NULL, 0);
		}
		ff_assert(got > 0 || errno == EINTR || errno == ECHILD);
	}
}

/* Why there is no program's exit code. */
static int not_started(const struct launch *l, const struct ff_sandbox_result *r, const struct ff_buf *status,
		       int wait_status, struct ff_err *err)
{
	FF_AUTO(ff_free) char *said = NULL;
	char how[FF_STATUS_TEXT];
	int e;

	if (status->len == 1 + sizeof(e) && strchr("GNRX", status->data[0])) {
		memcpy(&e, status->data + 1, sizeof(e));
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "%s%s: %s", l->spec->bwrap,
				  status->data[0] == 'G' ? ": the job's control group cannot be entered" :
				  status->data[0] == 'N' ? ": a user namespace cannot be set up" :
				  status->data[0] == 'R' ? ": the account of the job cannot be taken" : "", strerror(e));
	}
	if (r->head.len) {
		FF_AUTO(ff_free) char *text = ff_memdup0(r->head.data, r->head.len);

		for (size_t n = r->head.len; n && text[n - 1] == '\n'; n--)
			text[n - 1] = '\0';
		said = ff_text_shown(text, 180);
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "%s", said);
	}
	ff_status_text(wait_status, how);
	return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "the sandbox ended by itself: %s", how);
}

/* What flowforge-confine wrote before any program of the job ran; the one write is read at once or not there. */
static size_t read_report(int fd, char *text)
{
	ssize_t n = read(fd, text, FF_CONFINE_REPORT_MAX);

	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static int run_started(struct launch *l, pid_t pid, struct ff_sandbox_result *r, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf status;
	FF_AUTO(ff_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
	struct live v = { l, r, &status, r->head.max };
	char report[FF_CONFINE_REPORT_MAX + 1];
	int rc;

	ff_buf_init(&status, STATUS_MAX);
	rc = pidfd < 0 ? ff_err_errno(err, "pidfd_open") : watch(&v, pidfd, err);
	end_all(pid, &r->status);
	/* Everybody is dead: what is in the pipes is all that will ever come. */
	while (read_output(l->out_read, l->spec, false, r, v.half) > 0)
		;
	while (l->err_read >= 0 && read_output(l->err_read, l->spec, true, r, v.half) > 0)
		;
	while (read_status(l->status_read, &status) > 0)
		;
	keep_done(r, v.half);
	if (rc)
		return -1;
	if (read_report(l->report_read, report) > 0)
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "%s", report);
	r->out_of_memory = ff_group_out_of_memory(l->group);
	if (!r->timed_out && !r->out_of_memory && !strstr(status.data, "\"exit-code\""))
		return not_started(l, r, &status, r->status, err);
	return check_room(l->spec, false, err);
}

static int check_spec(const struct ff_sandbox_spec *s, bool root, struct ff_err *err)
{
	if (root && (s->uid == 0 || s->gid == 0))
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "a job is never started as root: its account is missing");
	if (!s->confine)
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "no job is started without " FF_NAME "-confine");
	if (root && ((s->work && ff_sandbox_reachable(s->work, s->uid, s->gid, err)) ||
		     ff_sandbox_reachable(s->confine, s->uid, s->gid, err) ||
		     (s->tool && ff_sandbox_reachable(s->tool, s->uid, s->gid, err))))
		return -1;
	return 0;
}

static int make_group(struct launch *l, struct ff_err *err)
{
	const struct ff_group_limits limits = { l->spec->max_memory_bytes, l->spec->max_processes, l->spec->max_cpu_percent };

	if (ff_group_new(&limits, &l->group, err))
		return ff_err_wrap(err, "a control group for the job");
	if (l->spec->group_required && (!ff_group_holds(l->group, FF_GROUP_MEMORY) || !ff_group_holds(l->group, FF_GROUP_PROCESSES)))
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "no control group limits memory and processes");
	return 0;
}

int ff_sandbox_run(const struct ff_sandbox_spec *spec, struct ff_sandbox_result *ret_result, struct ff_err *err)
{
	FF_AUTO(launch_fini) struct launch l = { .spec = spec, .out_read = -1, .err_read = -1, .status_read = -1, .report_read = -1,
						 .drop = geteuid() == 0, .life_read = -1, .life_write = -1 };
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	size_t half = spec->max_output / 2 + 1;
	pid_t pid;

	for (int i = 0; i < CHILD_FDS; i++)
		l.fd[i] = -1;
	ff_buf_init(&r.head, half);
	ff_buf_init(&r.tail, 2 * half);
	if (!l.drop)
		plan_maps(&l);
	if (check_spec(spec, l.drop, err) || make_group(&l, err) || launch_plan(&l, err))
		return -1;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return ff_err_errno(err, "prctl(PR_SET_CHILD_SUBREAPER)");
	pid = start(&l, err);
	if (pid < 0 || run_started(&l, pid, &r, err))
		return -1;
	*ret_result = r;
	memset(&r, 0, sizeof(r));
	return 0;
}

void ff_sandbox_result_fini(struct ff_sandbox_result *result)
{
	if (result->head.data)
		ff_buf_fini(&result->head);
	if (result->tail.data)
		ff_buf_fini(&result->tail);
}
