/* SPDX-License-Identifier: MIT */
/* See sock.h. */
#include "base/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Fills addr; *dir_fd is a folder that must stay open while addr is used, or -1. */
static int address(const char *path, struct sockaddr_un *addr, int *dir_fd, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = NULL;
	const char *slash = strrchr(path, '/');
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*dir_fd = -1;
	if (strlen(path) < sizeof addr->sun_path) {
		memcpy(addr->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (!slash)
		return ff_err_set(err, FF_E_INVALID, "%s: socket name too long", path);
	dir = ff_memdup0(path, (size_t)(slash - path));
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir_fd < 0)
		return ff_err_set(err, errno == ENOENT ? FF_E_UNREACHABLE : FF_E_IO, "%s: %s", dir, strerror(errno));
	n = snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", *dir_fd, slash + 1);
	if (n < 0 || (size_t)n >= sizeof addr->sun_path)
		return ff_err_set(err, FF_E_INVALID, "%s: socket name too long", path);
	return 0;
}

int ff_sock_listen(const char *path, mode_t mode, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FF_AUTO(ff_close) int dir_fd = -1;
	struct sockaddr_un addr;
	struct stat st;
	mode_t mask;
	int rc;

	if (fd < 0)
		return ff_err_errno(err, "socket");
	if (address(path, &addr, &dir_fd, err) < 0)
		return -1;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return ff_err_set(err, FF_E_IO, "%s: there is something that is not a socket; move it away", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return ff_err_errno(err, "%s", path);
	mask = umask(0777 & ~mode); /* the socket never exists with wider rights */
	rc = bind(fd, (struct sockaddr *)&addr, sizeof addr);
	(void)umask(mask);
	if (rc < 0 || listen(fd, SOMAXCONN) < 0)
		return ff_err_errno(err, "%s: listen", path);
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

int ff_sock_connect(const char *path, int timeout_ms, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FF_AUTO(ff_close) int dir_fd = -1;
	const struct timeval tv = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	struct sockaddr_un addr;

	if (fd < 0)
		return ff_err_errno(err, "socket");
	/* For unix sockets SO_SNDTIMEO bounds connect(2) too, which waits while the backlog is full. */
	if (timeout_ms && (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) < 0 ||
			   setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) < 0))
		return ff_err_errno(err, "setsockopt");
	if (address(path, &addr, &dir_fd, err) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		return ff_err_set(err, FF_E_UNREACHABLE, "%s: %s", path, strerror(errno));
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

int ff_sock_accept(int listen_fd)
{
	return accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int ff_sock_pair(int ret_fds[2], struct ff_err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return ff_err_errno(err, "socketpair");
	return 0;
}

int ff_sock_peer(int fd, uid_t *ret_uid, pid_t *ret_pid, struct ff_err *err)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return ff_err_errno(err, "SO_PEERCRED");
	*ret_uid = cred.uid;
	*ret_pid = cred.pid;
	return 0;
}

ssize_t ff_sock_send(int fd, const void *p, size_t n, int pass_fd)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { .iov_base = (void *)(size_t)p, .iov_len = n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (pass_fd >= 0) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof control.space;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof pass_fd);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

/* The first descriptor is handed out; a peer that sends more must not fill our table. */
static void take_fds(const struct cmsghdr *c, int *ret_fd)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
		if (*ret_fd < 0)
			*ret_fd = fd;
		else
			ff_close(&fd);
	}
}

ssize_t ff_sock_recv(int fd, void *p, size_t n, int *ret_passed_fd)
{
	union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	struct iovec iov = { .iov_base = p, .iov_len = n };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.space, .msg_controllen = sizeof control.space,
	};
	ssize_t got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	*ret_passed_fd = -1;
	if (got < 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(c, ret_passed_fd);
	return got;
}
