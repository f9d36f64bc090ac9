/* SPDX-License-Identifier: MIT */
/* What moves: the loop's turns, timers, signals, and the programs that are started. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/sock.h"

#define LONG_MS 10000 /* no test waits that long unless it fails */

/* What callbacks noted, in order. */
struct notes {
	struct ff_loop *loop;
	struct ff_watch *a, *b;
	char text[64];
	int fd, status;
	pid_t pid;
};

static void note(struct notes *n, char c)
{
	size_t len = strlen(n->text);

	assert_true(len + 1 < sizeof n->text);
	n->text[len] = c;
	n->text[len + 1] = '\0';
}

static void turn(struct notes *n, int timeout_ms)
{
	struct ff_err err = { 0 };

	if (ff_loop_turn(n->loop, timeout_ms, &err) < 0)
		fail_msg("%s", err.text);
}

static void note_end(void *arg) { note(arg, '.'); }
static void note_timer(void *arg) { note(arg, 't'); }
static void stop_timer(void *arg)
{
	struct notes *n = arg;

	note(n, 's');
	ff_loop_stop(n->loop);
}

static void test_timers(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	int64_t before = ff_clock_mono();

	(void)state;
	n.a = ff_loop_timer(n.loop, 30, stop_timer, &n);
	n.b = ff_loop_timer(n.loop, 0, note_timer, &n);
	(void)ff_loop_timer(n.loop, INT64_MAX, note_timer, &n); /* for ever, not at once */
	assert_int_equal(ff_loop_run(n.loop, NULL), 0);
	assert_string_equal(n.text, "ts");
	assert_true(ff_clock_mono() - before >= 30);
	ff_watch_again(n.b, 0);
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "tst");
	ff_watch_again(n.b, 0);
	ff_watch_free(&n.b);
	assert_null(n.b);
	ff_watch_free(&n.b);
	turn(&n, 0);
	assert_string_equal(n.text, "tst");
	ff_loop_free(&n.loop);
	assert_null(n.loop);
	ff_loop_free(&n.loop);
}

static void again(void *arg)
{
	struct notes *n = arg;

	note(n, 'a');
	ff_watch_again(n->a, 0);
}

static void read_byte(void *arg, unsigned ready)
{
	struct notes *n = arg;
	char c = 0;

	if (ready & FF_LOOP_READ && read(n->fd, &c, 1) == 1)
		note(n, c);
	if (c == 'T')
		n->b = ff_loop_timer(n->loop, 0, note_timer, n);
	if (c == 'X')
		ff_watch_free(&n->a);
	if (ready & FF_LOOP_WRITE)
		note(n, 'w');
	if (ready & FF_LOOP_HUP) {
		note(n, 'h');
		ff_watch_free(&n->a);
	}
}

/* Core's effects are timers of 0: they must come after the commit at the turn's end. */
static void test_zero_is_the_next_turn(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	int fds[2];

	(void)state;
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	n.fd = fds[0];
	n.a = ff_loop_fd(n.loop, fds[0], FF_LOOP_READ, read_byte, &n);
	ff_loop_on_turn_end(n.loop, note_end, &n);
	assert_int_equal(write(fds[1], "T", 1), 1);
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "T.");
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "T.t.");
	turn(&n, 0); /* nothing called, so no end */
	assert_string_equal(n.text, "T.t.");
	ff_watch_free(&n.a);
	n.a = ff_loop_timer(n.loop, 0, again, &n);
	turn(&n, LONG_MS);
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "T.t.a.a.");
	ff_loop_free(&n.loop);
	ff_close(&fds[0]);
	ff_close(&fds[1]);
}

static void test_fds(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	int fds[2];

	(void)state;
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	n.fd = fds[0];
	n.a = ff_loop_fd(n.loop, fds[0], FF_LOOP_WRITE, read_byte, &n);
	turn(&n, LONG_MS);
	ff_watch_want(n.a, 0);
	turn(&n, 0);
	ff_watch_want(n.a, FF_LOOP_READ);
	assert_int_equal(write(fds[1], "b", 1), 1);
	turn(&n, LONG_MS);
	ff_close(&fds[1]);
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "wbh");
	assert_null(n.a);
	assert_true(fcntl(fds[0], F_GETFD) >= 0); /* the descriptor stayed ours */
	ff_loop_free(&n.loop);
	ff_close(&fds[0]);
}

/* Two descriptors are ready in one turn; the first callback frees the other's watch. */
static void free_other(void *arg, unsigned ready)
{
	struct notes *n = arg;

	(void)ready;
	note(n, 'f');
	ff_watch_free(&n->a);
	ff_watch_free(&n->b);
}

static void test_free_in_callback(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	int one[2], two[2];

	(void)state;
	ff_assert(ff_sock_pair(one, NULL) == 0);
	ff_assert(ff_sock_pair(two, NULL) == 0);
	assert_int_equal(write(one[1], "x", 1), 1);
	assert_int_equal(write(two[1], "x", 1), 1);
	n.a = ff_loop_fd(n.loop, one[0], FF_LOOP_READ, free_other, &n);
	n.b = ff_loop_fd(n.loop, two[0], FF_LOOP_READ, free_other, &n);
	turn(&n, LONG_MS);
	turn(&n, 0);
	assert_string_equal(n.text, "f");
	ff_loop_free(&n.loop);
	for (int i = 0; i < 2; i++) {
		ff_close(&one[i]);
		ff_close(&two[i]);
	}
}

static void child_ended(void *arg, pid_t pid, int status)
{
	struct notes *n = arg;

	n->pid = pid;
	n->status = status;
	ff_loop_stop(n->loop);
}

static pid_t spawn_sh(const char *script, int fd_out, int fd_3)
{
	char *const argv[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)script, NULL };
	const struct ff_spawn what = { .path = "/bin/sh", .argv = argv, .fd_in = -1, .fd_out = fd_out, .fd_err = -1,
				       .fd_3 = fd_3, .cwd = "/" };
	struct ff_err err = { 0 };
	pid_t pid = -1;

	if (ff_spawn(&what, &pid, &err) < 0)
		fail_msg("%s", err.text);
	return pid;
}

static void test_children(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	char text[FF_STATUS_TEXT];
	pid_t pid = spawn_sh("exit 3", -1, -1);

	(void)state;
	(void)ff_loop_child(n.loop, pid, child_ended, &n);
	assert_int_equal(ff_loop_run(n.loop, NULL), 0);
	assert_int_equal(n.pid, pid);
	ff_status_text(n.status, text);
	assert_string_equal(text, "exit 3");
	pid = spawn_sh("kill -9 $$", -1, -1);
	(void)ff_loop_child(n.loop, pid, child_ended, &n);
	assert_int_equal(ff_loop_run(n.loop, NULL), 0);
	ff_status_text(n.status, text);
	assert_string_equal(text, "signal 9 (Killed)");
	pid = spawn_sh("exit 0", -1, -1); /* somebody else reaps it: that is not "exit 0" */
	(void)ff_loop_child(n.loop, pid, child_ended, &n);
	assert_int_equal(ff_wait(pid), 0);
	assert_int_equal(ff_loop_run(n.loop, NULL), 0);
	ff_status_text(n.status, text);
	assert_string_equal(text, "exit 255");
	ff_loop_free(&n.loop);
}

static void note_signal(void *arg, int signo)
{
	note(arg, signo == SIGUSR1 ? '1' : '?');
}

static void test_signals(void **state)
{
	struct notes n = { .loop = ff_loop_new() };
	sigset_t set;

	(void)state;
	n.a = ff_loop_signal(n.loop, SIGUSR1, note_signal, &n);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_string_equal(n.text, ""); /* only in a turn */
	turn(&n, LONG_MS);
	assert_string_equal(n.text, "1");
	ff_loop_free(&n.loop);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

/* --- processes */

static char *output_of(const char *script)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = spawn_sh(script, fds[1], -1);
	ff_close(&fds[1]);
	ff_buf_init(&b, 65536);
	assert_int_equal(ff_fd_read_all(fds[0], &b, NULL), 0);
	ff_close(&fds[0]);
	assert_int_equal(ff_wait(pid), 0);
	return ff_buf_take(&b);
}

static void test_spawn_is_clean(void **state)
{
	FF_AUTO(ff_close) int leak = open("/dev/null", O_RDONLY); /* without close-on-exec, on purpose */
	FF_AUTO(ff_free) char *got = NULL;
	sigset_t set, old;

	(void)state;
	assert_true(leak >= 0);
	sigfillset(&set);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	assert_ptr_not_equal(signal(SIGPIPE, SIG_IGN), SIG_ERR);
	got = output_of("/usr/bin/env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= ; pwd; cat; "
			/* by a shell that has nothing open itself: no pipe, no folder */
			"n=0; while [ $n -lt 500 ]; do [ -e /proc/$$/fd/$n ] && echo $n; n=$((n+1)); done; "
			/* 16 signals will do; the C library keeps 32 and 33 for itself */
			"sed -n 's/^\\(Sig...\\):.*\\(....\\)$/\\1 \\2/p' /proc/$$/status | grep -e Blk -e Ign | tr '\\n' ' '");
	assert_ptr_not_equal(signal(SIGPIPE, SIG_DFL), SIG_ERR);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	assert_string_equal(got, "/\n0\n1\n2\nSigBlk 0000 SigIgn 0000 ");
}

/* Sources anywhere, also where others are to go or are parked. */
static void test_spawn_fds(void **state)
{
	static const int places[][2] = { { 3, 4 }, { 4, 3 }, { 200, 201 }, { 203, 200 }, { 202, 202 }, { 300, 3 } };

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(places); i++) {
		char *const argv[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
				       (char *)(uintptr_t)"cat; echo out; echo three >&3", NULL };
		struct ff_spawn what = { .path = "/bin/sh", .argv = argv, .fd_err = -1 };
		FF_AUTO(ff_buf_fini) struct ff_buf b;
		int in[2], out[2], low[2];
		pid_t pid;

		for (int k = 0; k < 2; k++) /* keep 3 and 4 free for the sources */
			low[k] = fcntl(0, F_DUPFD_CLOEXEC, 3);
		assert_int_equal(pipe2(in, O_CLOEXEC), 0);
		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		for (int k = 0; k < 2; k++)
			ff_close(&low[k]);
		what.fd_in = fcntl(in[0], F_DUPFD_CLOEXEC, 400);
		what.fd_out = dup2(out[1], places[i][0]);
		what.fd_3 = dup2(out[1], places[i][1]);
		assert_int_equal(ff_spawn(&what, &pid, NULL), 0);
		ff_close(&what.fd_in);
		ff_close(&what.fd_out);
		if (places[i][0] != places[i][1])
			ff_close(&what.fd_3);
		ff_close(&in[0]);
		ff_close(&out[1]);
		assert_int_equal(write(in[1], "in\n", 3), 3);
		ff_close(&in[1]);
		ff_buf_init(&b, 1000);
		assert_int_equal(ff_fd_read_all(out[0], &b, NULL), 0);
		ff_close(&out[0]);
		assert_int_equal(ff_wait(pid), 0);
		assert_string_equal(b.data, "in\nout\nthree\n");
	}
}

static void test_spawn_fails(void **state)
{
	char *const argv[] = { (char *)(uintptr_t)"x", NULL };
	const struct ff_spawn none = { .path = "/no/such/program", .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .fd_3 = -1 };
	const struct ff_spawn nowhere = { .path = "/bin/true", .argv = argv, .cwd = "/no/such", .fd_in = -1, .fd_out = -1, .fd_err = -1, .fd_3 = -1 };
	struct ff_err err = { 0 };
	pid_t pid = 77;

	(void)state;
	assert_int_equal(ff_spawn(&none, &pid, &err), -1);
	assert_non_null(strstr(err.text, "/no/such/program: cannot start: No such file"));
	assert_int_equal(ff_spawn(&nowhere, &pid, &err), -1);
	assert_int_equal(pid, 77);
}

static void test_role_guard(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		ff_role_guard(getppid() + 1); /* not our parent: gone already */
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		ff_role_guard(getppid());
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers), cmocka_unit_test(test_zero_is_the_next_turn),
		cmocka_unit_test(test_fds), cmocka_unit_test(test_free_in_callback),
		cmocka_unit_test(test_children), cmocka_unit_test(test_signals),
		cmocka_unit_test(test_spawn_is_clean), cmocka_unit_test(test_spawn_fds),
		cmocka_unit_test(test_spawn_fails), cmocka_unit_test(test_role_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
