/* SPDX-License-Identifier: MIT */
/*
 * The two sockets that core listens at, each with a bounded number of guests.
 * When all places are taken, or the process has no descriptor left, the
 * socket is left alone for a moment: the loop would wake us at once again for
 * those who still wait, and core would do nothing else.  Nobody finds a socket
 * whose name was removed, so it is looked for now and then, and made anew.
 */
#include "daemon/core/core.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sock.h"

#define FULL_MS 200
#define LOOK_MS 2000
/* No more than a line in this time about a lack of descriptors. */
#define SAY_MS 60000

static void on_again(void *arg)
{
	struct ff_listener *l = arg;

	ff_watch_want(l->watch, FF_LOOP_READ);
}

static void say_full(struct ff_listener *l, int why)
{
	int64_t now = ff_clock_mono();

	if (l->said_ms && now - l->said_ms < SAY_MS)
		return;
	l->said_ms = now;
	ff_log_error(&l->core->log, "core.descriptors", "%s: nobody can be let in (%s), pushes go to the spool meanwhile: raise "
		     "the limit on open files (LimitNOFILE=), or see what holds them", l->path, strerror(why));
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
		if (fd < 0) {
			say_full(l, errno);
			break;
		}
		if (l->let_in(l->core, fd))
			l->guests++;
	}
	ff_watch_want(l->watch, 0);
	ff_watch_again(l->again, FULL_MS);
}

static int open_socket(struct ff_listener *l, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;
	struct stat st;

	if (ff_dir_make(ff_conf_str(l->core->conf, FF_CONF_SERVER_RUN_DIR), 0755, err) < 0 ||
	    ff_sock_listen(l->path, l->mode, &fd, err) < 0)
		return -1;
	if (lstat(l->path, &st) < 0)
		return ff_err_errno(err, "%s", l->path);
	ff_watch_free(&l->watch);
	ff_close(&l->fd);
	l->fd = ff_steal_fd(&fd);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	l->watch = ff_loop_fd(l->core->loop, l->fd, FF_LOOP_READ, on_connection, l);
	if (l->made)
		l->made(l->core, l->path);
	return 0;
}

/* What somebody else put there is theirs: it may be another daemon's. */
static void on_look(void *arg)
{
	struct ff_listener *l = arg;
	struct ff_err err = { 0 };
	struct stat st;
	bool there = lstat(l->path, &st) == 0, ours = there && st.st_dev == l->dev && st.st_ino == l->ino;

	if (!ours && !l->lost_said)
		ff_log_error(&l->core->log, "core.socket", "%s %s", l->path, there
			     ? "is not the socket that was made here: move it away, then it is made anew"
			     : "was removed: it is made anew");
	l->lost_said = !ours;
	if (!there && open_socket(l, &err) == 0 && ff_reload_write(l->core->conf, &err) == 0)
		l->lost_said = false;
	ff_watch_again(l->look, LOOK_MS);
}

int ff_listener_open(struct ff_listener *l, const char *path, mode_t mode, struct ff_err *err)
{
	l->fd = -1;
	l->path = ff_strdup(path);
	l->mode = mode;
	if (open_socket(l, err) < 0)
		return -1;
	l->again = ff_loop_timer(l->core->loop, FULL_MS, on_again, l);
	l->look = ff_loop_timer(l->core->loop, LOOK_MS, on_look, l);
	return 0;
}

/* The folder's rights keep others out already; the kernel's word is the second lock. */
bool ff_listener_knows(const struct ff_listener *l, int fd, const char *socket, uid_t *ret_uid)
{
	uid_t uid = (uid_t)-1;
	pid_t pid;

	if (ff_sock_peer(fd, &uid, &pid, NULL) == 0 && (uid == geteuid() || uid == 0)) {
		*ret_uid = uid;
		return true;
	}
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
	ff_watch_free(&l->look);
	ff_watch_free(&l->watch);
	ff_close(&l->fd);
	ff_free(&l->path);
}
