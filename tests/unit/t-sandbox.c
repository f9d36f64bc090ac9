/* SPDX-License-Identifier: MIT */
/* The vector word by word, and real sandboxes: what is in there, and that nothing survives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/group.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "daemon/sandbox/confine/confine.h"
#include "daemon/sandbox/room.h"
#include "daemon/sandbox/sandbox.h"
#include "tests/lib/sandbox.h"

static int make(void **state)
{
	struct job_folder *f = ff_calloc(1, sizeof(*f));

	job_folder_make(f);
	*state = f;
	return 0;
}

static int unmake(void **state)
{
	job_folder_remove(*state);
	ff_free(state);
	return 0;
}

/* Runs it and gives the output, which fits into the first half. */
static char *said(void **state, const char *command)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	struct ff_err err = { 0 };

	if (job_bash(*state, command, 0, &r, &err))
		fail_msg("%s: %s", command, err.text);
	assert_false(r.timed_out);
	return ff_buf_take(&r.head);
}

#define assert_says(state, command, expected) \
	do { \
		FF_AUTO(ff_free) char *text_ = said(state, command); \
		assert_string_equal(text_, expected); \
	} while (0)

static void vector_is_as_agreed(void **state)
{
	const char *const argv[] = { "/bin/bash", "-c", "make --check", NULL };
	const char *const env[] = { "CI=1", "EMPTY=", "EQ=a=b", NULL };
	const char *const ro[] = { "/opt/go", NULL };
	const struct ff_sandbox_bind binds[] = { { .host = "/srv/gate", .inside = "/run/gate" },
		{ .host = "/srv/notes", .inside = "/run/notes", .writable = true }, { .host = NULL } };
	const struct ff_sandbox_spec spec = { .bwrap = "/usr/bin/bwrap", .tool = "/usr/libexec/flowforge/flowforge-tool",
		.confine = "/usr/libexec/flowforge/flowforge-confine", .max_open_files = 4096, .max_file_bytes = 65536,
		.max_process_bytes = 1073741824, .landlock_required = true, .binds = binds,
		.work = "/var/lib/flowforge/jobs/7/ws", .read_only = ro, .hostname = "job-7",
		.tmp_bytes = 536870912, .argv = argv, .env = env };
	static char usrbin[] = "usr/bin", usrlib[] = "usr/lib";
	const struct ff_sandbox_host host = { .root_link = { usrbin, NULL, usrlib }, .root_dir = { [3] = true },
					      .etc = { true, false, true } };
	static const char *const expected[] = {
		"/usr/bin/bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--assert-userns-disabled",
		"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--uid", "1000", "--gid", "1000",
		"--hostname", "job-7", "--json-status-fd", "5", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
		"--symlink", "usr/lib", "/lib", "--ro-bind", "/lib64", "/lib64", "--ro-bind", "/etc/ld.so.cache",
		"/etc/ld.so.cache", "--ro-bind", "/etc/ssl", "/etc/ssl", "--perms", "0444", "--ro-bind-data", "3",
		"/etc/passwd", "--perms", "0444", "--ro-bind-data", "4", "/etc/group", "--proc", "/proc", "--dev", "/dev",
		"--perms", "1777", "--size", "67108864", "--tmpfs", "/dev/shm", "--remount-ro", "/dev", "--perms", "1777",
		"--size", "536870912", "--tmpfs", "/tmp", "--perms", "0755", "--size", "536870912", "--tmpfs", "/home/agent",
		"--ro-bind", "/usr/libexec/flowforge/flowforge-tool", "/run/flowforge-tool", "--ro-bind",
		"/usr/libexec/flowforge/flowforge-confine", "/run/flowforge-confine", "--ro-bind", "/opt/go",
		"/opt/go", "--ro-bind", "/srv/gate", "/run/gate", "--bind", "/srv/notes", "/run/notes", "--bind", "/var/lib/flowforge/jobs/7/ws", "/ws", "--remount-ro", "/", "--chdir", "/ws",
		"--setenv", "HOME", "/home/agent", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "LANG",
		"C.UTF-8", "--setenv", "TMPDIR", "/tmp", "--setenv", "USER", "agent", "--setenv", "LOGNAME", "agent",
		"--setenv", "CI", "1", "--setenv", "EMPTY", "", "--setenv", "EQ", "a=b",
		"--", "/run/flowforge-confine", "write=/ws", "write=/tmp", "write=/dev/shm", "write=/home/agent", "write=/run/notes",
		"open-files=4096", "file-bytes=65536", "memory-bytes=1073741824", "landlock=required",
		"--", "/bin/bash", "-c", "make --check", NULL,
	};
	size_t options = 0, i = 0;
	FF_AUTO(ff_sandbox_argv_free) char **v = ff_sandbox_argv(&spec, &host, &options);

	(void)state;
	for (; expected[i]; i++) {
		assert_non_null(v[i]);
		assert_string_equal(v[i], expected[i]);
	}
	assert_null(v[i]);
	assert_string_equal(v[options], "--");
}

static void walls_stand(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_free) char *weak = NULL, *limits = NULL;
	struct ff_err err = { 0 };

	if (ff_sandbox_probe(&f->spec, &weak, &limits, &err))
		fail_msg("%s", err.text);
	/* Said only where it is so; and where Landlock is there, it may be required. */
	if (ff_landlock_version() < FF_LANDLOCK_LEAST) {
		assert_non_null(strstr(weak, "Landlock"));
		return;
	}
	assert_null(weak);
	assert_non_null(strstr(limits, "processes by "));
	ff_free(&limits);
	f->spec.landlock_required = true;
	if (ff_sandbox_probe(&f->spec, &weak, &limits, &err))
		fail_msg("%s", err.text);
}

static void probe_says_what_is_missing(void **state)
{
	static const char through[] = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
	struct job_folder *f = *state;
	FF_AUTO(ff_free) char *idle = ff_path_join(f->top, "idle");
	struct ff_sandbox_spec spec = f->spec;
	struct ff_err err = { 0 };
	char *weak = NULL, *limits = NULL;

	spec.bwrap = "/nonexistent/bwrap";
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_int_equal(err.code, FF_E_SANDBOX_MISSING);
	assert_non_null(strstr(err.text, "install the package bubblewrap"));
	spec.bwrap = "/bin/true"; /* runs, and does nothing of what was asked */
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_int_equal(err.code, FF_E_SANDBOX_MISSING);
	spec = f->spec;
	spec.tool = "/bin/true"; /* says nothing of walls */
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_int_equal(err.code, FF_E_SANDBOX_MISSING);
	spec.tool = NULL;
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	spec = f->spec;
	spec.confine = "/bin/true"; /* starts nothing */
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_int_equal(err.code, FF_E_SANDBOX_MISSING);
	/* One that starts the program and does nothing else. */
	spec.confine = idle;
	assert_int_equal(ff_file_write(idle, through, strlen(through), 0755, NULL), 0);
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_non_null(strstr(err.text, "no filter looks at the job's system calls"));
	spec.confine = "/nonexistent";
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_string_equal(err.text, "no /nonexistent: install flowforge again");
	spec.confine = NULL;
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_null(weak);
}

static void nothing_comes_in(void **state)
{
	assert_int_equal(setenv("FLOWFORGE_CANARY", "secret", 1), 0);
	assert_says(state, "env | cut -d= -f1 | sort | tr '\\n' ' '", "HOME LANG LOGNAME PATH PWD SHLVL TMPDIR USER _ ");
	assert_says(state, "grep -c CANARY /proc/1/environ 2>/dev/null | grep -v 0", "");
	assert_says(state, "id -u; id -g; id -un; hostname; pwd", "1000\n1000\nagent\njob\n/ws\n");
	assert_says(state, "ls -1 /proc/self/fd | wc -l", "4\n"); /* 0 1 2 and ls's own */
	assert_says(state, "ls -1 /proc/1/fd 2>/dev/null | sort -n | tail -n +5 | head -1", "");
	assert_says(state, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n");
	assert_says(state, "tr '\\0' ' ' </proc/1/cmdline | grep -c ff-[s]andbox-", "0\n"); /* no path of the host */
	assert_says(state, "ls -d /root /work /var /etc/shadow 2>/dev/null", "");
	assert_int_equal(unsetenv("FLOWFORGE_CANARY"), 0);
}

static void stdin_is_fed(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	const char *const argv[] = { "/usr/bin/wc", "-c", NULL };
	struct ff_sandbox_spec spec = f->spec;
	FF_AUTO(ff_free) char *big = ff_calloc(1, 1000000);

	spec.argv = argv;
	spec.in = big;
	spec.in_len = 1000000;
	spec.deadline_ms = ff_clock_mono() + 20000;
	spec.max_output = 100;
	assert_int_equal(ff_sandbox_run(&spec, &r, NULL), 0);
	assert_string_equal(r.head.data, "1000000\n");
}

static void status_is_the_programs(void **state)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };

	assert_int_equal(job_bash(*state, "echo '{\"exit-code\": 0}'; exit 3", 0, &r, NULL), 0);
	assert_true(WIFEXITED(r.status));
	assert_int_equal(WEXITSTATUS(r.status), 3);
}

static void missing_program_is_no_result(void **state)
{
	struct job_folder *f = *state;
	struct ff_sandbox_result r;
	const char *const argv[] = { "/nonexistent", NULL };
	struct ff_sandbox_spec spec = f->spec;
	struct ff_err err = { 0 };

	spec.argv = argv;
	spec.deadline_ms = ff_clock_mono() + 20000;
	spec.max_output = 1000;
	assert_int_equal(ff_sandbox_run(&spec, &r, &err), -1);
	assert_int_equal(err.code, FF_E_CONTAINER_START_FAILED);
	assert_string_equal(err.text, "/nonexistent: No such file or directory");
	spec.bwrap = "/nonexistent/bwrap";
	assert_int_equal(ff_sandbox_run(&spec, &r, &err), -1);
	assert_int_equal(err.code, FF_E_CONTAINER_START_FAILED);
	assert_string_equal(err.text, "/nonexistent/bwrap: No such file or directory");
	spec = f->spec;
	spec.argv = argv;
	spec.confine = NULL;
	assert_int_equal(ff_sandbox_run(&spec, &r, &err), -1);
	assert_int_equal(err.code, FF_E_CONTAINER_START_FAILED);
}

static void writable_places_have_a_size(void **state)
{
	assert_says(state, "head -c 9000000 /dev/zero >/tmp/x 2>/dev/null; stat -c %s /tmp/x", "8388608\n");
	assert_says(state, "head -c 9000000 /dev/zero >/dev/shm/x 2>/dev/null; stat -c %s /dev/shm/x", "8388608\n");
	assert_says(state, "head -c 9000000 /dev/zero >~/x 2>/dev/null; stat -c %s ~/x", "8388608\n");
	assert_says(state, "for d in / /usr /etc /dev /run /home; do touch $d/x 2>/dev/null && echo $d; done", "");
}

static void output_is_bounded(void **state)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };

	assert_int_equal(job_bash(*state, "echo first; yes | head -c 3000000; echo last", 0, &r, NULL), 0);
	assert_int_equal(r.status, 0);
	assert_true(ff_starts(r.head.data, "first\ny\n"));
	assert_true(ff_ends(r.tail.data, "y\nlast\n"));
	assert_true(r.head.len + r.tail.len <= 65536 + 2);
	assert_int_equal(r.dropped + (int64_t)(r.head.len + r.tail.len), 3000000 + 6 + 5);
}

static int children_left(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : 1;
}

/* In any command line, so also in that of a bubblewrap that started nothing yet. */
static bool spoken_of(const char *marker)
{
	FF_AUTO(ff_free) char *pattern = ff_asprintf("[s]leep %s", marker);
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "grep -qs \"$1\" /proc/[0-9]*/cmdline", "sh", pattern, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 127);
	return WEXITSTATUS(status) == 0;
}

static void deadline_kills_all(void **state)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	int64_t before = ff_clock_mono();

	assert_int_equal(job_bash(*state,
		"echo begun; (setsid sleep 98761 & ) ; trap '' TERM HUP INT; while :; do :; done", 1000, &r, NULL), 0);
	assert_true(r.timed_out);
	assert_string_equal(r.head.data, "begun\n");
	assert_true(ff_clock_mono() - before < 10000);
	assert_int_equal(children_left(), 0);
	assert_false(spoken_of("98761"));
}

static void deadline_holds_against_a_talker(void **state)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };

	assert_int_equal(job_bash(*state, "yes", 500, &r, NULL), 0);
	assert_true(r.timed_out);
	assert_true(r.dropped > 0);
}

static void background_ends_with_the_call(void **state)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	int64_t before = ff_clock_mono();

	/* Double-forked, in a session of its own, holding our pipe. */
	assert_int_equal(job_bash(*state, "(setsid sh -c 'sleep 98762' &) ; sleep 98763 & echo done", 15000, &r, NULL), 0);
	assert_false(r.timed_out);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.head.data, "done\n");
	assert_true(ff_clock_mono() - before < 10000);
	assert_int_equal(children_left(), 0);
	assert_false(spoken_of("98762"));
	assert_false(spoken_of("98763"));
}

static bool wait_gone(const char *marker)
{
	int64_t until = ff_clock_mono() + 10000;

	while (spoken_of(marker))
		if (ff_clock_mono() > until)
			return false;
	return true;
}

/* A killed worker takes its job along. */
static void job_dies_with_its_worker(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_free) char *sign = ff_path_join(f->ws, "sign");
	int64_t until = ff_clock_mono() + 10000;
	pid_t worker = fork();
	struct stat st;

	if (worker == 0) {
		struct ff_sandbox_result r;

		_exit(job_bash(f, "(setsid sleep 98764 &); touch sign; sleep 98764", 60000, &r, NULL) ? 1 : 0);
	}
	while (stat(sign, &st) && ff_clock_mono() < until)
		;
	assert_int_equal(stat(sign, &st), 0);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	assert_true(wait_gone("98764"));
}

/* At any moment of the start: bubblewrap itself leaves its first child behind when it dies between two steps. */
static void worker_killed_while_it_starts(void **state)
{
	struct job_folder *f = *state;
	int64_t until;

	for (int i = 0; i < 60; i++) {
		const struct timespec nap = { .tv_nsec = i * 200000L };
		pid_t worker = fork();

		if (worker == 0) {
			struct ff_sandbox_result r;

			_exit(job_bash(f, "exec /bin/sleep 98765", 60000, &r, NULL) ? 1 : 0);
		}
		(void)nanosleep(&nap, NULL);
		assert_int_equal(kill(worker, SIGKILL), 0);
		assert_int_equal(waitpid(worker, NULL, 0), worker);
	}
	until = ff_clock_mono() + 10000;
	while (spoken_of("98765") && ff_clock_mono() < until)
		;
	assert_false(spoken_of("98765"));
}

static void root_is_given_up(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	FF_AUTO(ff_free) char *name = NULL;
	struct ff_err err = { 0 };
	struct stat st;

	if (geteuid() != 0)
		skip(); /* which never returns: nothing is held yet */
	name = ff_path_join(f->ws, "made");
	assert_int_equal(job_bash(f, "touch made; grep -E '^Groups:' /proc/self/status | tr -d '\\t '", 0, &r, &err), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_uid, f->spec.uid);
	assert_int_equal(st.st_gid, f->spec.gid);
	assert_string_equal(r.head.data, "Groups:\n");
	f->spec.uid = 0;
	assert_int_equal(job_bash(f, "true", 0, &r, &err), -1);
	assert_int_equal(err.code, FF_E_CONTAINER_START_FAILED);
}

static void closed_folder_is_named(void **state)
{
	struct job_folder *f = *state;
	struct ff_sandbox_result r;
	struct ff_err err = { 0 };

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->top, 0700), 0);
	assert_int_equal(job_bash(f, "true", 0, &r, &err), -1);
	assert_non_null(strstr(err.text, "chmod o+x"));
	assert_non_null(strstr(err.text, f->top));
}

/* As below a home folder, where a newcomer may have built and installed. */
static void tool_in_a_closed_folder_is_named(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_free) char *closed = NULL;
	FF_AUTO(ff_free) char *tool = NULL;
	struct ff_sandbox_spec spec = f->spec;
	struct ff_err err = { 0 };
	char *weak = NULL, *limits = NULL;

	if (geteuid() != 0)
		skip();
	closed = ff_path_join(f->top, "closed");
	tool = ff_path_join(closed, "tool");
	assert_int_equal(mkdir(closed, 0700), 0);
	assert_int_equal(symlink(f->tool, tool), 0);
	spec.tool = tool;
	assert_int_equal(ff_sandbox_probe(&spec, &weak, &limits, &err), -1);
	assert_int_equal(err.code, FF_E_SANDBOX_MISSING);
	assert_non_null(strstr(err.text, "chmod o+x"));
	assert_non_null(strstr(err.text, closed));
}

static void processes_are_bounded(void **state)
{
	struct job_folder *f = *state;

	f->spec.max_processes = 4000;
	assert_says(state, "ulimit -u; ulimit -Hu; ulimit -c", "4000\n4000\n0\n");
}

static void one_file_is_bounded(void **state)
{
	struct job_folder *f = *state;

	f->spec.max_file_bytes = 65536;
	assert_says(state, "exec 2>/dev/null; head -c 65536 /dev/zero >a && echo fits; head -c 70000 /dev/zero >b || echo $?; stat -c %s b",
		    "fits\n153\n65537\n");
}

static void a_process_is_bounded(void **state)
{
	struct job_folder *f = *state;

	f->spec.max_open_files = 4096;
	f->spec.max_process_bytes = 1024 * 1024 * 1024;
	assert_says(state, "ulimit -Sn; ulimit -Hn; ulimit -Hd; ulimit -Hq; ulimit -Hr", "1024\n4096\n1048576\n0\n0\n");
	assert_says(state, "perl -e 'my $s = \"x\" x 1300000000; print length $s' 2>/dev/null || echo no", "no\n");
	assert_says(state, "perl -e 'for (1..5000) { open(my $f, \"<\", \"/dev/null\") or last; push @f, $f } print @f + 3'", "1024");
}

/* A control group that limits memory here, or NULL. */
static struct ff_group *some_group(void)
{
	const struct ff_group_limits limits = { .memory_bytes = 64 * 1024 * 1024, .processes = 100 };
	struct ff_group *g = NULL;

	assert_int_equal(ff_group_new(&limits, &g, NULL), 0);
	if (!ff_group_holds(g, FF_GROUP_MEMORY) || !ff_group_holds(g, FF_GROUP_PROCESSES))
		ff_group_free(&g);
	return g;
}

#define HOLD_20M "perl -e '$s = q(x) x 20000000; print qq(held\\n); sleep 1'"

static void a_job_is_bounded_as_a_whole(void **state)
{
	struct job_folder *f = *state;
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	struct ff_group *g = some_group();
	struct ff_err err = { 0 };

	f->spec.group_required = true;
	f->spec.max_memory_bytes = 48 * 1024 * 1024;
	f->spec.max_processes = 60;
	if (!g) {
		assert_int_equal(job_bash(f, "true", 0, &r, &err), -1);
		assert_string_equal(err.text, "no control group limits memory and processes");
		ff_sandbox_result_fini(&r);
		skip();
	}
	ff_group_free(&g);
	assert_says(state, HOLD_20M " & wait; cat /dev/null; ls -d /sys/fs/cgroup 2>/dev/null", "held\n");
	assert_int_equal(job_bash(f, "for i in 1 2 3 4; do " HOLD_20M " & done; wait; echo survived", 0, &r, &err), 0);
	assert_true(r.out_of_memory);
	assert_null(strstr(r.tail.len ? r.tail.data : r.head.data, "survived"));
	ff_sandbox_result_fini(&r);
	/* What is in /tmp is the job's memory. */
	f->spec.tmp_bytes = 256 * 1024 * 1024;
	assert_int_equal(job_bash(f, "head -c 100M /dev/zero >/tmp/x; echo survived", 0, &r, &err), 0);
	assert_true(r.out_of_memory);
	assert_says(state, "perl -e 'my $n = 0; for (1 .. 100) { my $p = fork; last unless defined $p; if (!$p) { sleep 20; exit } $n++ } "
		    "print $n > 10 && $n < 60 ? qq(bounded) : $n'", "bounded");
}

/* What it costs to lose a wall of flowforge-confine while all of bubblewrap stands. */
static void the_last_step_is_taken(void **state)
{
	assert_says(state, "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'", "NoNewPrivs:1\nSeccomp:2\n");
	assert_says(state, "mknod hole c 0 0 2>/dev/null || echo refused; mkfifo pipe && mknod pipe2 p && echo pipes", "refused\npipes\n");
	assert_says(state, "unshare -n true 2>&1 | grep -o 'Function not implemented'", "Function not implemented\n");
	assert_says(state, "ps -o comm= 1; tr '\\0' ' ' </proc/self/cmdline", "bwrap\ntr \\0   ");
	if (ff_landlock_version() >= FF_LANDLOCK_LEAST)
		assert_says(state, "(echo 500 >/proc/self/oom_score_adj) 2>/dev/null || echo refused; kill -CONT 1 2>/dev/null || echo deaf",
			    ff_landlock_version() >= 6 ? "refused\ndeaf\n" : "refused\n");
}

/* Not the sandbox's rules, but what they must let through. */
static void work_can_be_done(void **state)
{
	assert_says(state, "git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && git gc -q && "
		    "git log --format=%s", "one\n");
	assert_says(state, "printf 'int main(void) { return 7; }\\n' >a.c; printf 'a: a.c\\n\\t@gcc -o $@ $<\\n' >Makefile; make -s && ./a; echo $?",
		    "7\n");
	assert_says(state, "mkdir -p d/e && echo x >d/f && mv d/f d/e/ && ln d/e/f g && cat <(cat g) /dev/fd/3 3<g && echo y >/dev/stdout",
		    "x\nx\ny\n");
	assert_says(state, "perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", Listen => 1); "
		    "my $c = IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $s->sockport); print $c ? \"met\" : \"$!\"'", "met");
	assert_says(state, "perl -e 'use threads; print threads->create(sub { 6 * 7 })->join'", "42");
	assert_says(state, "script -qec 'test -t 0 && echo terminal' /dev/null | tr -d '\\r'", "terminal\n");
}

/* Each would go on for ever; the deadline is far behind what ends it. */
static void the_tree_is_bounded(void **state)
{
	static const struct { const char *command, *says; } tries[] = {
		{ "i=0; while i=$((i + 1)); do head -c 1M /dev/urandom >f$i; done", "result.max-bytes" },
		{ "mkdir d; i=0; while :; do : >d/$((i += 1)); done", "result.max-files" },
		{ "exec 2>&-; head -c 9M /dev/urandom >f; exit 0", "result.max-bytes" }, /* too short to be seen while it runs */
		{ "while :; do mkdir d && cd d || exit; head -c 1M /dev/urandom >f; done", "result.max-" },
	};
	struct job_folder *f = *state;

	for (size_t i = 0; i < FF_ARRAY_LEN(tries); i++) {
		struct ff_room room = { .max_bytes = 8 * 1024 * 1024, .max_files = 2000, .max_depth = 64 };
		FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
		struct ff_err err = { 0 };

		f->spec.room = &room;
		assert_int_equal(job_bash(f, "rm -rf /ws/*", 0, &r, &err), 0);
		ff_sandbox_result_fini(&r);
		if (job_bash(f, tries[i].command, 20000, &r, &err) == 0)
			fail_msg("not ended: %s", tries[i].command);
		assert_int_equal(err.code, FF_E_TOO_LARGE);
		assert_non_null(strstr(err.text, tries[i].says));
		f->spec.room = NULL;
		assert_int_equal(job_bash(f, "rm -rf /ws/*", 0, &r, &err), 0);
	}
}

static void what_takes_no_room_is_no_harm(void **state)
{
	struct ff_room room = { .max_bytes = 8 * 1024 * 1024, .max_files = 2000, .max_depth = 64 };
	struct job_folder *f = *state;

	f->spec.room = &room;
	assert_says(state, "truncate -s 1G sparse; ln -s / up; ln -s . self; mkfifo pipe; head -c 1M /dev/zero >f; echo ok", "ok\n");
	assert_says(state, "rm *; echo ok", "ok\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_is_as_agreed),
		cmocka_unit_test_setup_teardown(walls_stand, make, unmake),
		cmocka_unit_test_setup_teardown(probe_says_what_is_missing, make, unmake),
		cmocka_unit_test_setup_teardown(nothing_comes_in, make, unmake),
		cmocka_unit_test_setup_teardown(stdin_is_fed, make, unmake),
		cmocka_unit_test_setup_teardown(status_is_the_programs, make, unmake),
		cmocka_unit_test_setup_teardown(missing_program_is_no_result, make, unmake),
		cmocka_unit_test_setup_teardown(writable_places_have_a_size, make, unmake),
		cmocka_unit_test_setup_teardown(output_is_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(deadline_kills_all, make, unmake),
		cmocka_unit_test_setup_teardown(deadline_holds_against_a_talker, make, unmake),
		cmocka_unit_test_setup_teardown(background_ends_with_the_call, make, unmake),
		cmocka_unit_test_setup_teardown(job_dies_with_its_worker, make, unmake),
		cmocka_unit_test_setup_teardown(worker_killed_while_it_starts, make, unmake),
		cmocka_unit_test_setup_teardown(root_is_given_up, make, unmake),
		cmocka_unit_test_setup_teardown(closed_folder_is_named, make, unmake),
		cmocka_unit_test_setup_teardown(tool_in_a_closed_folder_is_named, make, unmake),
		cmocka_unit_test_setup_teardown(processes_are_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(one_file_is_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(a_process_is_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(a_job_is_bounded_as_a_whole, make, unmake),
		cmocka_unit_test_setup_teardown(the_last_step_is_taken, make, unmake),
		cmocka_unit_test_setup_teardown(work_can_be_done, make, unmake),
		cmocka_unit_test_setup_teardown(the_tree_is_bounded, make, unmake),
		cmocka_unit_test_setup_teardown(what_takes_no_room_is_no_harm, make, unmake),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
