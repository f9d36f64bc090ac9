/* SPDX-License-Identifier: MIT */
/* See form.h. */
#include "tests/hostile/form.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/sandbox/confine/confine.h"
#include "daemon/sandbox/sandbox.h"
#include "tests/hostile/limits.h"
#include "tests/hostile/whole.h"

#define KINDS_MAX 1024
#define JOB_UID 2100000123
#define ROUND_MS 120000
#define OUTPUT_MAX (1024 * 1024)
#define SLOW_EVERY 10

static struct verdict verdicts[KINDS_MAX];
static int64_t strays; /* what was found on the host after a job, whichever kind did it */

size_t form_lines(void)
{
	return count_kinds(true) + whole_count() + 1;
}

static _Noreturn void broken(const char *what)
{
	(void)printf("Bail out! %s: %s\n", what, strerror(errno));
	(void)fflush(stdout);
	_exit(1);
}

/* --- what is attacked */

static int bound(int family, int type, const void *address, socklen_t len)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, address, len) || (type == SOCK_STREAM && listen(fd, 8)))
		broken("a socket to be attacked");
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof a;

	(void)getsockname(fd, (struct sockaddr *)&a, &len);
	return ntohs(a.sin_port);
}

static void make_sockets(struct form *f)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	int n;

	f->listeners[0] = bound(AF_INET, SOCK_STREAM, &any, sizeof any);
	f->listeners[1] = bound(AF_INET, SOCK_DGRAM, &any, sizeof any);
	f->t.tcp = port_of(f->listeners[0]);
	f->t.udp = port_of(f->listeners[1]);
	n = snprintf(f->t.abstract, sizeof f->t.abstract, "ffh-%d", (int)getpid());
	(void)snprintf(local.sun_path + 1, sizeof local.sun_path - 1, "%s", f->t.abstract);
	f->listeners[2] = bound(AF_UNIX, SOCK_STREAM, &local, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
	memset(local.sun_path, 0, sizeof local.sun_path);
	(void)snprintf(local.sun_path, sizeof local.sun_path, "%.90s/sock", f->t.host);
	f->listeners[3] = bound(AF_UNIX, SOCK_STREAM, &local, sizeof local);
}

static void make_file(const struct form *f, const char *name, const char *text, unsigned mode)
{
	FF_AUTO(ff_free) char *path = ff_path_join(f->t.host, name);

	if (ff_file_write(path, text, strlen(text), mode, NULL))
		broken(path);
}

/* Without close-on-exec: that they do not come along is the launcher's work. */
static void make_inherited(struct form *f)
{
	FF_AUTO(ff_free) char *canary = ff_path_join(f->t.host, "canary");
	int pair[2], file = open(canary, O_RDONLY | O_CLOEXEC), folder = open(f->t.host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || dup2(file, INHERITED_FD) < 0 ||
	    dup2(folder, INHERITED_FD + 1) < 0 || dup2(pair[1], INHERITED_FD + 2) < 0)
		broken("descriptors");
	f->peer = pair[0];
	(void)close(file);
	(void)close(folder);
	(void)close(pair[1]);
}

void form_make(struct form *f)
{
	FF_AUTO(ff_free) char *drop = ff_path_join(f->t.host, "drop");

	if (mkdir(f->t.host, 0755) || mkdir(f->t.own, 0755) || mkdir(f->ws, 0755) || mkdir(drop, 0755) ||
	    (geteuid() == 0 && chown(f->ws, JOB_UID, JOB_UID)) || setenv("FFH_SECRET", CANARY "environment", 1))
		broken(f->t.host);
	make_file(f, "canary", CANARY "file\n", 0644);
	make_file(f, "key", CANARY "key\n", 0600);
	make_file(f, "script", "#!/bin/sh\nexit 42\n", 0755);
	make_file(f, "drop/file", "", 0644);
	make_sockets(f);
	make_inherited(f);
	f->t.launcher = getpid();
	f->t.told_fd = -1;
}

int form_lend_bystander(struct form *f, int made, pid_t form, void (*be)(const struct form *f))
{
	int status = 1;
	pid_t pid;
	char ready;

	if (read(made, &ready, 1) == 1) {
		pid = fork();
		if (pid == 0)
			be(f);
		if (pid < 0 || write(made, &pid, sizeof pid) != (ssize_t)sizeof pid)
			broken("bystander");
		(void)waitpid(form, &status, 0);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	} else {
		(void)waitpid(form, &status, 0);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* It has become what it is when its command line says so. */
static void meet_bystander(struct form *f, int made)
{
	FF_AUTO(ff_free) char *path = NULL;
	int64_t until = ff_clock_mono() + 10000;

	if (write(made, "r", 1) != 1 || read(made, &f->t.bystander, sizeof f->t.bystander) != (ssize_t)sizeof f->t.bystander)
		broken("bystander");
	path = ff_asprintf("/proc/%d/cmdline", (int)f->t.bystander);
	while (!shows_canary(path) && ff_clock_mono() < until)
		;
}

/* --- looking at the host after a job */

/* A process of the name that survivors take; 0: none. The name is asked for, as numbers inside are others. */
static pid_t find_left(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (d && !found && (e = readdir(d))) {
		FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%.20s/comm", e->d_name);
		FF_AUTO(ff_buf_fini) struct ff_buf b;

		ff_buf_init(&b, 64);
		if (e->d_name[0] > '0' && e->d_name[0] <= '9' && ff_file_read(path, &b, NULL) == 0 && ff_starts(b.data, LEFT_NAME))
			found = 1;
	}
	if (d)
		(void)closedir(d);
	return found;
}

static int count_lines(const char *path)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int n = 0;

	ff_buf_init(&b, 4 * 1024 * 1024);
	if (ff_file_read(path, &b, NULL))
		return -1;
	for (const char *p = b.data; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static const char *reached_socket(const struct form *f)
{
	char byte;

	for (int i = 0; i < 4; i++) {
		int fd = i == 1 ? (int)recv(f->listeners[i], &byte, 1, MSG_DONTWAIT) : accept(f->listeners[i], NULL, NULL);

		if (fd >= 0) {
			if (i != 1)
				(void)close(fd);
			return "a socket of the host was reached";
		}
	}
	return recv(f->peer, &byte, 1, MSG_DONTWAIT) >= 0 ? "an inherited socket was used" : NULL;
}

static const char *changed_files(const struct form *f)
{
	FF_AUTO(ff_free) char *canary = ff_path_join(f->t.host, "canary");
	FF_AUTO(ff_free) char *drop = ff_path_join(f->t.host, "drop");
	DIR *d = opendir(drop);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n != 3 || !shows_canary(canary) ? "a folder of the host was changed" : NULL;
}

static void look_round(const struct form *f, int mounts)
{
	const char *what = reached_socket(f);

	if (!what)
		what = changed_files(f);
	if (!what && find_left())
		what = "a process of the job is alive";
	if (!what && (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD))
		what = "a child is left";
	if (!what && count_lines("/proc/self/mounts") != mounts)
		what = "a mount is left";
	if (!what)
		return;
	(void)printf("# %s: %s\n", f->name, what);
	strays++;
}

/* --- controls */

/* A survivor's proof is that it is there when whoever started it has ended. */
static bool control_left(const struct form *f, const struct kind *k)
{
	struct target t = f->t;
	int told[2], got;
	pid_t pids[8];
	ssize_t n;
	bool alive;

	if (pipe2(told, O_CLOEXEC))
		broken("pipe");
	t.told_fd = told[1];
	got = try_kind(k, &t, true);
	(void)close(told[1]);
	n = read(told[0], pids, sizeof pids[0]);
	alive = got == 1 && n == (ssize_t)sizeof pids[0] && kill(pids[0], 0) == 0;
	/* It and those beside it: the subreaper that we are finds them all. */
	while (n > 0) {
		(void)kill(pids[0], SIGKILL);
		n = read(told[0], pids, sizeof pids[0]);
	}
	(void)close(told[0]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return alive;
}

static void control(const struct form *f, const struct kind *k, struct verdict *v)
{
	v->name = k->name;
	if (k->path && access(k->path, F_OK)) {
		v->skipped = true;
		v->why = "this machine does not have it";
		return;
	}
	if (k->root && geteuid() != 0) {
		v->skipped = f->alone; /* else shown in the other form of this run */
		v->why = v->skipped ? "its control needs root" : NULL;
		return;
	}
	if (k->landlock && ff_landlock_version() < FF_LANDLOCK_LEAST) {
		v->skipped = true;
		v->why = "no Landlock here";
		return;
	}
	if (k->left ? control_left(f, k) : try_kind(k, &f->t, true) == 1)
		return;
	v->why = "the control does not work";
	if (ff_starts(k->name, "call-") || ff_starts(k->name, "clone3-time")) {
		v->skipped = true;
		v->why = "this kernel does not have it";
	}
}

static void all_controls(const struct form *f, const struct ff_sandbox_spec *spec)
{
	struct verdict *v = verdicts;

	for (const struct kind *const *table = all_kinds; *table; table++)
		for (const struct kind *k = *table; k->name; k++)
			control(f, k, v++);
	whole_controls(spec, v);
	/* They have knocked at the doors themselves. */
	while (reached_socket(f))
		;
}

/* --- jobs */

static struct ff_sandbox_spec form_spec(const struct form *f, const char *tool, const char *confine)
{
	struct ff_sandbox_spec spec = {
		.bwrap = "/usr/bin/bwrap", .tool = tool, .confine = confine, .work = f->ws, .hostname = "job",
		.tmp_bytes = TMP_BYTES, .max_processes = PROCESSES, .max_file_bytes = FILE_BYTES, .max_open_files = OPEN_FILES,
		.max_process_bytes = PROCESS_BYTES,
	};

	if (geteuid() == 0)
		spec.uid = spec.gid = JOB_UID;
	return spec;
}

static struct verdict *by_name(const char *name, size_t len)
{
	for (struct verdict *v = verdicts; v->name; v++)
		if (strlen(v->name) == len && !strncmp(v->name, name, len))
			return v;
	return NULL;
}

/* "got NAME" for each that did; a job that says anything else has not run to its end. */
static void count_got(const struct form *f, const char *text, int64_t round, size_t expected)
{
	FF_AUTO(ff_free) char *last = ff_asprintf("tried %zu\n", expected);

	for (const char *p = text; ff_starts(p, "got "); p = strchr(p, '\n') + 1) {
		struct verdict *v = by_name(p + 4, strcspn(p + 4, "\n"));

		if (v)
			v->got++;
		if (!strchr(p, '\n'))
			break;
	}
	if (strstr(text, CANARY) || !ff_ends(text, last)) {
		(void)printf("# %s, round %" PRId64 ": the job said: %.300s\n", f->name, round, text);
		strays++;
	}
}

static void count_tried(bool slow)
{
	struct verdict *v = verdicts;

	for (const struct kind *const *table = all_kinds; *table; table++)
		for (const struct kind *k = *table; k->name; k++, v++)
			v->tried += slow || !k->slow;
}

static void one_round(struct form *f, const struct ff_sandbox_spec *base, char *const env[], const char *self, int64_t round)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	FF_AUTO(ff_free) char *number = ff_asprintf("%" PRId64, round);
	const char *const argv[] = { "/run/hostile", "inside", number, NULL };
	const struct ff_sandbox_bind binds[] = { { .host = self, .inside = "/run/hostile" }, { .host = NULL } };
	bool slow = round % SLOW_EVERY == 0;
	struct ff_sandbox_spec spec = *base;
	int mounts = count_lines("/proc/self/mounts");
	struct ff_err err = { 0 };

	spec.argv = argv;
	spec.env = (const char *const *)env;
	spec.binds = binds;
	spec.deadline_ms = ff_clock_mono() + ROUND_MS;
	spec.max_output = OUTPUT_MAX;
	if (ff_sandbox_run(&spec, &r, &err)) {
		(void)printf("# %s, round %" PRId64 ": %s\n", f->name, round, err.text);
		strays++;
		return;
	}
	count_tried(slow);
	f->attempts += (int64_t)count_kinds(slow);
	count_got(f, r.head.data, round, count_kinds(slow));
	look_round(f, mounts);
}

static void rounds(struct form *f, const struct ff_sandbox_spec *spec)
{
	FF_AUTO(ff_free) char *self = ff_path_join(f->base, "hostile");
	char *env[7] = {
		ff_asprintf("HOST=%s", f->t.host), ff_asprintf("BYSTANDER=%d", (int)f->t.bystander),
		ff_asprintf("LAUNCHER=%d", (int)f->t.launcher), ff_asprintf("TCP=%d", f->t.tcp), ff_asprintf("UDP=%d", f->t.udp),
		ff_asprintf("ABSTRACT=%s", f->t.abstract), NULL,
	};

	for (int64_t round = 0; f->attempts < f->runs && strays < 20; round++) {
		one_round(f, spec, env, self, round);
		if (round % SLOW_EVERY == 0)
			f->attempts += whole_round(spec, verdicts + count_kinds(true));
	}
	for (int i = 0; env[i]; i++)
		ff_free(&env[i]);
}

/* --- the verdict */

static int tell(const struct form *f)
{
	int failed = strays != 0, n = f->number;
	int64_t escapes = strays;

	for (const struct verdict *v = verdicts; v->name; v++) {
		bool bad = v->got || (!v->skipped && (v->why || !v->tried));

		escapes += v->got;
		failed |= bad;
		(void)printf("%sok %d - %s: %s: %" PRId64 " tried, %" PRId64 " got it%s%s\n", bad ? "not " : "", n++, f->name, v->name,
			     v->tried, v->got, v->skipped ? " # SKIP " : v->why ? "; " : "", v->why ? v->why : "");
	}
	(void)printf("%sok %d - %s: nothing is left on the host or said that should not be\n", strays ? "not " : "", n, f->name);
	(void)printf("# check-hostile: %s: %zu kinds, %" PRId64 " attempts, %" PRId64 " escapes\n", f->name, form_lines() - 1, f->attempts, escapes);
	(void)fflush(stdout);
	return failed;
}

int form_main(struct form *f, int made)
{
	FF_AUTO(ff_free) char *tool = ff_path_join(f->base, "flowforge-tool");
	FF_AUTO(ff_free) char *confine = ff_path_join(f->base, "flowforge-confine");
	const struct ff_sandbox_spec spec = form_spec(f, tool, confine);

	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		broken("prctl");
	meet_bystander(f, made);
	all_controls(f, &spec);
	(void)fflush(stdout);
	rounds(f, &spec);
	return tell(f);
}
