/* SPDX-License-Identifier: MIT */
/*
 * The two sockets that core listens at, each with a bounded number of guests.
 * When all places are taken, or the process has no descriptor left, the
 * socket is left alone for a moment: the loop would wake us at once again for
 * those who still wait, and core would do nothing else.
 */
#include "daemon/core/core.h"

#include <errno.h>
#include <unistd.h>

#include "base/sock.h"

#define FULL_MS 200

static void on_again(void *arg)
{
	struct ff_listener *l = arg;

	ff_watch_want(l->watch, FF_LOOP_READ);
}

static void on_connection(void *arg, unsigned ready)
{
	struct ff_listener *l = arg;
	int fd;

	(void)ready;
	while (l->guests < l->most) {
		fd = ff_sock_accept(l->fd);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			break;
		if (l->let_in(l->core, fd))
			l->guests++;
	}
	ff_watch_want(l->watch, 0);
	ff_watch_again(l->again, FULL_MS);
}

int ff_listener_open(struct ff_listener *l, const char *path, mode_t mode, struct ff_err *err)
{
	l->fd = -1;
	if (ff_sock_listen(path, mode, &l->fd, err) < 0)
		return -1;
	l->watch = ff_loop_fd(l->core->loop, l->fd, FF_LOOP_READ, on_connection, l);
	l->again = ff_loop_timer(l->core->loop, FULL_MS, on_again, l);
	return 0;
}

/* The folder's rights keep others out already; the kernel's word is the second lock. */
bool ff_listener_knows(const struct ff_listener *l, int fd, const char *socket)
{
	uid_t uid = (uid_t)-1;
	pid_t pid;

	if (ff_sock_peer(fd, &uid, &pid, NULL) == 0 && (uid == geteuid() || uid == 0))
		return true;
	ff_log_warn(&l->core->log, "socket.refused", "uid %lu may not use the %s socket", (unsigned long)uid, socket);
	return false;
}

void ff_listener_left(struct ff_listener *l)
{
	l->guests--;
	ff_watch_want(l->watch, FF_LOOP_READ);
}

void ff_listener_fini(struct ff_listener *l)
{
	ff_watch_free(&l->again);
	ff_watch_free(&l->watch);
	ff_close(&l->fd);
}
