/* SPDX-License-Identifier: MIT */
/* What is told to others: sockets and what is passed over them, and log lines. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sock.h"

#define LONG_MS 10000 /* no test waits that long unless it fails */

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof dir, "/tmp/t-loop.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return ff_dir_remove(dir, NULL);
}

static void check_socket(const char *path)
{
	FF_AUTO(ff_close) int listener = -1;
	FF_AUTO(ff_close) int client = -1;
	FF_AUTO(ff_close) int server = -1;
	struct ff_err err = { 0 };
	struct stat st;
	uid_t uid = 12345;
	pid_t pid = 0;

	for (int i = 0; i < 2; i++) { /* the second one replaces a stale socket */
		ff_close(&listener);
		if (ff_sock_listen(path, 0620, &listener, &err) < 0)
			fail_msg("%s", err.text);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0620);
	assert_int_equal(ff_sock_accept(listener), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(ff_sock_connect(path, LONG_MS, &client, &err), 0);
	server = ff_sock_accept(listener);
	assert_true(server >= 0);
	assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(server, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ff_sock_peer(server, &uid, &pid, &err), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(pid, getpid());
	ff_close(&listener);
	assert_int_equal(ff_sock_connect(path, LONG_MS, &client, &err), -1); /* nobody listens any more */
	assert_int_equal(err.code, FF_E_UNREACHABLE);
}

static void test_listen_and_connect(void **state)
{
	FF_AUTO(ff_free) char *near = ff_path_join(dir, "s");
	FF_AUTO(ff_free) char *far = NULL;
	FF_AUTO(ff_free) char *deep = NULL;
	char part[101];

	(void)state;
	check_socket(near);
	memset(part, 'd', 100);
	part[100] = '\0';
	deep = ff_asprintf("%s/%s/%s", dir, part, part); /* longer than sun_path */
	assert_int_equal(ff_dir_make(deep, 0700, NULL), 0);
	far = ff_path_join(deep, "s");
	check_socket(far);
}

static void test_socket_errors(void **state)
{
	FF_AUTO(ff_free) char *file = ff_path_join(dir, "precious");
	FF_AUTO(ff_free) char *none = ff_path_join(dir, "none/s");
	FF_AUTO(ff_free) char *name = ff_calloc(201, 1);
	FF_AUTO(ff_free) char *longest = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct ff_err err = { 0 };
	int fd = -1;

	(void)state;
	ff_buf_init(&b, 10);
	memset(name, 'n', 200);
	longest = ff_path_join(dir, name);
	assert_int_equal(ff_file_write(file, "keep", 4, 0600, &err), 0);
	assert_int_equal(ff_sock_listen(file, 0600, &fd, &err), -1); /* not a socket: not ours to remove */
	assert_int_equal(ff_file_read(file, &b, &err), 0);
	assert_string_equal(b.data, "keep");
	assert_int_equal(ff_sock_listen(none, 0600, &fd, &err), -1);
	assert_int_equal(ff_sock_connect(none, 0, &fd, &err), -1);
	assert_int_equal(err.code, FF_E_UNREACHABLE);
	assert_int_equal(ff_sock_listen(longest, 0600, &fd, &err), -1);
	assert_int_equal(err.code, FF_E_INVALID);
	assert_int_equal(fd, -1);
}

/* A server that does not answer: the hook must get its turn back. */
static void test_connect_deadline(void **state)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, "silent");
	FF_AUTO(ff_close) int listener = -1;
	FF_AUTO(ff_close) int client = -1;
	int64_t before = ff_clock_mono();
	char c;

	(void)state;
	assert_int_equal(ff_sock_listen(path, 0600, &listener, NULL), 0);
	assert_int_equal(ff_sock_connect(path, 50, &client, NULL), 0);
	assert_int_equal(read(client, &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_in_range(ff_clock_mono() - before, 40, LONG_MS);
}

static int open_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_pass_descriptor(void **state)
{
	FF_AUTO(ff_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct stat st, want;
	int fds[2], got = 5;
	char buf[8];

	(void)state;
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	assert_int_equal(ff_sock_send(fds[0], "a", 1, null), 1);
	assert_int_equal(ff_sock_send(fds[0], "b", 1, -1), 1);
	assert_int_equal(ff_sock_recv(fds[1], buf, 1, &got), 1);
	assert_int_equal(buf[0], 'a');
	assert_true(got >= 0);
	assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fstat(got, &st), 0);
	assert_int_equal(fstat(null, &want), 0);
	assert_true(st.st_rdev == want.st_rdev);
	ff_close(&got);
	assert_int_equal(ff_sock_recv(fds[1], buf, 8, &got), 1);
	assert_int_equal(got, -1);
	ff_close(&fds[0]);
	assert_int_equal(ff_sock_recv(fds[1], buf, 8, &got), 0);
	ff_close(&fds[1]);
	assert_int_equal(ff_sock_recv(fds[1], buf, 8, &got), -1);
}

/* A peer that sends more than one at a time must not fill our table. */
static void test_pass_many(void **state)
{
	union { char space[CMSG_SPACE(4 * sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { .iov_base = (char[]){ "x" }, .iov_len = 1 };
	int fds[2], got = -1;
	char c;

	(void)state;
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	for (size_t count = 2; count <= 4; count++) {
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
				      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		int before = open_count();

		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &fds[0], sizeof(int));
		assert_int_equal(sendmsg(fds[0], &msg, 0), 1);
		assert_int_equal(ff_sock_recv(fds[1], &c, 1, &got), 1);
		ff_close(&got);
		assert_int_equal(open_count(), before);
	}
	ff_close(&fds[0]);
	ff_close(&fds[1]);
}

/* --- log */

static char *logged(const struct ff_log *log, const char *event, const char *msg)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	FF_AUTO(ff_close) int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	int fds[2];

	ff_buf_init(&b, 1 << 20);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 18) > 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	ff_clock_set_wall(0);
	ff_log_info(log, event, "%s", msg);
	ff_log_debug(log, event, "%s", "not shown");
	ff_clock_set_wall(-1);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	ff_close(&fds[1]);
	assert_int_equal(ff_fd_read_all(fds[0], &b, NULL), 0);
	ff_close(&fds[0]);
	return ff_buf_take(&b);
}

static void test_log(void **state)
{
	struct ff_log log = ff_log_job(ff_log_main(), 12, "a\nb\xff\"");
	struct ff_log none = ff_log_main();
	FF_AUTO(ff_free) char *line = NULL;
	FF_AUTO(ff_free) char *plain = NULL;
	enum ff_log_level level = FF_LOG_WARN;

	(void)state;
	ff_log_setup("core", FF_LOG_INFO);
	log.request_id = "r1";
	line = logged(&log, "job.started", "two\nlines \xe2\x80\xae");
	assert_string_equal(line, "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"role\":\"core\","
			    "\"msg\":\"two\\\\nlines \\\\xe2\\\\x80\\\\xae\",\"event\":\"job.started\",\"job\":12,"
			    "\"repo\":\"a\\\\nb\\\\xff\\\"\",\"request_id\":\"r1\"}\n");
	plain = logged(&none, "x.y", "");
	assert_string_equal(plain, "{\"ts\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"role\":\"core\",\"msg\":\"\","
			    "\"event\":\"x.y\"}\n");
	assert_int_equal(ff_log_level_by_name("ERROR", &level), 0);
	assert_int_equal(level, FF_LOG_ERROR);
	assert_int_equal(ff_log_level_by_name("loud", &level), -1);
	assert_int_equal(level, FF_LOG_ERROR);
}

/* However long and hostile the fields are, it is one whole line. */
static void test_log_long(void **state)
{
	static char much[70000];
	struct ff_log log = { .job = 1, .repo = much, .request_id = much };
	FF_AUTO(ff_free) char *line = NULL;
	size_t n;

	(void)state;
	for (size_t i = 0; i + 4 < sizeof much; i += 4)
		memcpy(much + i, "\xf3\xa0\x81\x81", 4); /* shown as 16 bytes, 20 in JSON */
	line = logged(&log, "x.y", much);
	n = strlen(line);
	assert_true(n > 20000);
	assert_string_equal(line + n - 6, "...\"}\n");
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

/* Bytes that are in the pipe now. */
static int waiting_in(int fd)
{
	int n = -1;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

/* Held lines come in one piece, in order, and nothing that went wrong waits for them. */
static void test_log_held(void **state)
{
	FF_AUTO(ff_close) int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	struct ff_log log = ff_log_main();
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int fds[2], held, much;

	(void)state;
	ff_buf_init(&b, 1 << 20);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	ff_log_hold();
	ff_log_info(&log, "first", "x");
	ff_log_info(&log, "second", "x");
	held = waiting_in(fds[0]);
	ff_log_warn(&log, "third", "x");
	ff_log_info(&log, "fourth", "x");
	for (int i = 0; i < 40; i++)
		ff_log_info(&log, "many", "%s", "more than is held at once, so that some of it goes before the end");
	much = waiting_in(fds[0]);
	ff_log_release();
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	ff_close(&fds[1]);
	assert_int_equal(ff_fd_read_all(fds[0], &b, NULL), 0);
	ff_close(&fds[0]);
	assert_int_equal(held, 0);
	assert_true(much > 4000 && (size_t)much < b.len);
	assert_true(strstr(b.data, "first") < strstr(b.data, "second") && strstr(b.data, "second") < strstr(b.data, "third") &&
		    strstr(b.data, "third") < strstr(b.data, "fourth"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen_and_connect), cmocka_unit_test(test_socket_errors),
		cmocka_unit_test(test_connect_deadline), cmocka_unit_test(test_pass_descriptor),
		cmocka_unit_test(test_pass_many), cmocka_unit_test(test_log), cmocka_unit_test(test_log_long),
		cmocka_unit_test(test_log_held),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
