/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_SOCK_H
#define FF_BASE_SOCK_H

/*
 * Unix stream sockets: listen, connect with a deadline, pass a descriptor,
 * ask who is at the other end.  Paths longer than sun_path are reached
 * through their opened folder (/proc/self/fd/N/name), so that a deep state
 * folder works.
 */

#include <sys/types.h>

#include "base/err.h"

/* Listens at path with this mode, non-blocking. A stale socket there is replaced, anything else left alone. */
int ff_sock_listen(const char *path, mode_t mode, int *ret_fd, struct ff_err *err);
/* A connected, blocking socket; FF_E_UNREACHABLE when nobody listens. timeout_ms also bounds later reads and writes (0: none). */
int ff_sock_connect(const char *path, int timeout_ms, int *ret_fd, struct ff_err *err);
/* Next connection, non-blocking and close-on-exec; -1 with errno EAGAIN when there is none. */
int ff_sock_accept(int listen_fd);
/* A connected pair, close-on-exec. */
int ff_sock_pair(int ret_fds[2], struct ff_err *err);
/* Uid and pid of the peer when it connected (SO_PEERCRED, unix(7)). */
int ff_sock_peer(int fd, uid_t *ret_uid, pid_t *ret_pid, struct ff_err *err);
/*
 * One sendmsg/recvmsg with an optional descriptor (-1: none). Return what
 * those return, with errno. Further descriptors in a message are closed.
 */
ssize_t ff_sock_send(int fd, const void *p, size_t n, int pass_fd);
ssize_t ff_sock_recv(int fd, void *p, size_t n, int *ret_passed_fd);

#endif
