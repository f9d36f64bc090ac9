/* SPDX-License-Identifier: MIT */
/*
 * Role "tunnel": one ssh connection for one push, and gone.  It holds the key
 * and reads no repository; the worker at the other end of its socket reads
 * the repository and never sees the key.  What goes to the server is held to
 * the one ref that core has named (filter.h), what comes back goes to the
 * worker in frames (src/ipc/frame.h).  A deadline ends it, whatever hangs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/ssh_url.h"
#include "conf/conf.h"
#include "daemon/role.h"
#include "daemon/tunnel/filter.h"
#include "daemon/tunnel/key.h"
#include "ipc/frame.h"
#include "ipc/ipc.h"
#include "ssh/ssh.h"

#define PIECE 32768
/* Of what the server says and the worker has not read yet; more is left with the server. */
#define DOWN_MOST (1024 * 1024)
#define DOWN_FULL (DOWN_MOST - 4 * PIECE)
#define UP_MOST (4 * PIECE)
/* How long the end is waited for when all has been said. */
#define END_MS 2000
/* Past the deadline, for what cannot be polled: looking a name up, a stuck system call. */
#define ALARM_GRACE_S 5

struct tunnel {
	const struct ff_conf *conf;
	struct ff_log log;
	struct ff_ssh *ssh;
	struct ff_filter filter;
	int fd;                 /* to the worker */
	int64_t deadline_ms;
	struct ff_buf up, down; /* to the server; frames to the worker */
	bool hung_up;           /* the worker has nothing more to say */
	bool ended_input;       /* and the server knows */
	struct ff_push_key *key; /* until the connection stands; NULL: that of publish.key-file */
};

/* --- both ways */

static int from_worker(struct tunnel *t, bool *moved, struct ff_err *err)
{
	char piece[PIECE];
	ssize_t n;

	if (t->hung_up || t->up.len > UP_MOST - 2 * PIECE)
		return 0;
	n = recv(t->fd, piece, sizeof piece, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	*moved = true;
	t->hung_up = n <= 0;
	return n > 0 ? ff_filter_take(&t->filter, piece, (size_t)n, &t->up, err) : 0;
}

static int to_server(struct tunnel *t, bool *moved, struct ff_err *err)
{
	ssize_t n;
	int rc;

	if (t->up.len) {
		n = ff_ssh_write(t->ssh, t->up.data, t->up.len, err);
		if (n < 0)
			return -1;
		*moved |= n > 0;
		ff_buf_consume(&t->up, (size_t)n);
	} else if (t->hung_up && !t->ended_input) {
		rc = ff_ssh_write_end(t->ssh, err);
		if (rc < 0)
			return -1;
		t->ended_input = rc == 1;
		*moved |= rc == 1;
	}
	return 0;
}

static int from_server(struct tunnel *t, bool *moved, struct ff_err *err)
{
	char piece[PIECE];
	ssize_t n;

	for (int error = 0; error < 2; error++) {
		if (t->down.len > DOWN_FULL)
			return 0;
		n = ff_ssh_read(t->ssh, error, piece, sizeof piece, err);
		if (n < 0)
			return -1;
		if (n > 0)
			ff_frame_put(&t->down, error ? FF_FRAME_SAID : FF_FRAME_DATA, piece, (size_t)n);
		*moved |= n > 0;
	}
	return 0;
}

/* A worker that is gone reads nothing; what to do about that is said by from_worker. */
static void to_worker(struct tunnel *t, bool *moved)
{
	ssize_t n = t->down.len ? send(t->fd, t->down.data, t->down.len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		t->hung_up = true;
		ff_buf_clear(&t->down);
	} else if (n > 0) {
		*moved = true;
		ff_buf_consume(&t->down, (size_t)n);
	}
}

static int wait_for_either(struct tunnel *t, struct ff_err *err)
{
	short ssh = ff_ssh_events(t->ssh), worker = 0;
	int64_t left = t->deadline_ms - ff_clock_mono();
	struct pollfd p[2];

	if (t->down.len > DOWN_FULL)
		ssh = (short)(ssh & ~POLLIN);
	if (!t->hung_up && t->up.len <= UP_MOST - 2 * PIECE)
		worker |= POLLIN;
	if (t->down.len)
		worker |= POLLOUT;
	p[0] = (struct pollfd){ .fd = ff_ssh_fd(t->ssh), .events = ssh };
	p[1] = (struct pollfd){ .fd = worker ? t->fd : -1, .events = worker };
	if (left <= 0)
		return ff_err_set(err, FF_E_TIMEOUT, "the push was not done within publish.timeout, so it was cut off");
	(void)poll(p, 2, left > 60000 ? 60000 : (int)left); /* whatever it says, the next calls say better */
	return 0;
}

static int relay(struct tunnel *t, struct ff_err *err)
{
	for (;;) {
		bool moved = false;

		if (from_worker(t, &moved, err) < 0 || to_server(t, &moved, err) < 0 || from_server(t, &moved, err) < 0)
			return -1;
		to_worker(t, &moved);
		if (!moved && !t->down.len && ff_ssh_ended(t->ssh))
			return 0;
		if (!moved && wait_for_either(t, err) < 0)
			return -1;
	}
}

/* --- one push */

static int connect_to(struct tunnel *t, const char *repo, struct ff_err *err)
{
	const struct ff_conf *c = t->conf;
	FF_AUTO(ff_ssh_url_fini) struct ff_ssh_url url = { 0 };
	FF_AUTO(ff_free) char *path = NULL, *quoted = NULL, *command = NULL;
	struct ff_ssh_peer peer = { .known_hosts = ff_conf_str(c, FF_CONF_PUBLISH_KNOWN_HOSTS) };
	int64_t connect_ms = ff_clock_mono() + ff_conf_int(c, FF_CONF_PUBLISH_CONNECT_TIMEOUT);

	if (ff_ssh_url_parse(ff_conf_str(c, FF_CONF_PUBLISH_URL), &url, err) < 0)
		return ff_err_wrap(err, "publish.url");
	if (ff_ssh_url_path(&url, repo, ff_conf_str(c, FF_CONF_PUBLISH_ROOT), &path, err) < 0 ||
	    (!t->key && ff_push_key_read(c, &t->key, err) < 0))
		return -1;
	quoted = ff_ssh_quote(path);
	command = ff_asprintf("git-receive-pack %s", quoted);
	peer.user = url.user;
	peer.host = url.host;
	peer.port = url.port;
	peer.key = ff_push_key_text(t->key, &peer.key_len);
	return ff_ssh_open(&peer, command, connect_ms < t->deadline_ms ? connect_ms : t->deadline_ms, &t->ssh, err);
}

/* What core says before "carry": the key of publish.key, or why it has none. */
static int take_key(const json_t *msg, int fd, struct ff_push_key **ret_key, struct ff_err *err)
{
	FF_AUTO(ff_close) int passed = fd;

	if (json_object_get(msg, "error"))
		return ff_err_from_json(json_object_get(msg, "error"), err);
	return ff_push_key_from_fd(ff_steal_fd(&passed), ret_key, err);
}

/* The last frame, and then the worker's end of file: closed at once, the socket could lose what is in it. */
static void say_end(struct tunnel *t, const struct ff_err *failure, int status)
{
	FF_AUTO(ff_free) char *text = status < 0 ? ff_strdup("") : ff_asprintf("git-receive-pack ended with status %d", status);
	int64_t until = ff_clock_mono() + END_MS;
	bool moved = false;
	char rest[4096];

	t->down.max += FF_FRAME_MAX; /* whatever is in there already */
	ff_frame_put_end(&t->down, failure, text);
	while (t->down.len && ff_clock_mono() < until) {
		struct pollfd p = { .fd = t->fd, .events = POLLOUT };

		(void)poll(&p, 1, END_MS); /* send says what is wrong */
		to_worker(t, &moved);
	}
	(void)shutdown(t->fd, SHUT_WR); /* it may be gone already */
	while (ff_clock_mono() < until) {
		struct pollfd p = { .fd = t->fd, .events = POLLIN };

		if (poll(&p, 1, END_MS) <= 0 || recv(t->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0)
			return;
	}
}

/* no_key: why it could not be had; said to the worker, as whatever goes wrong. */
static void carry(struct tunnel *t, const char *repo, const struct ff_err *no_key)
{
	struct ff_err err = *no_key;
	int rc = err.code ? -1 : connect_to(t, repo, &err), status = -1;

	ff_push_key_free(&t->key);

	if (rc == 0)
		rc = relay(t, &err);
	if (rc == 0)
		status = ff_ssh_status(t->ssh, ff_clock_mono() + END_MS);
	else
		ff_log_warn(&t->log, "tunnel.failed", "%s", err.text);
	ff_ssh_close(&t->ssh);
	say_end(t, rc == 0 ? NULL : &err, status);
}

static int serve(const struct ff_role_args *args, const json_t *msg, int fd, struct ff_push_key **key,
		 const struct ff_err *no_key, struct ff_err *err)
{
	int64_t ms = ff_conf_int(args->conf, FF_CONF_PUBLISH_TIMEOUT);
	struct tunnel t = { .conf = args->conf, .fd = fd, .deadline_ms = ff_clock_mono() + ms };
	FF_AUTO(ff_free) char *repo = NULL, *ref = NULL;
	const char *oid = NULL;
	int64_t job = 0;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &job, err) < 0 || ff_msg_bytes(msg, "repo", &repo, err) < 0 ||
	    ff_msg_bytes(msg, "ref", &ref, err) < 0 || ff_msg_str(msg, "oid", &oid, err) < 0)
		return -1;
	if (!repo || !ref || fd < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "carry without a repository, a ref or a socket");
	t.log = ff_log_job(ff_log_main(), job, repo);
	(void)alarm((unsigned)(ms / 1000) + ALARM_GRACE_S);
	ff_filter_init(&t.filter, ref, oid);
	ff_buf_init(&t.up, UP_MOST);
	ff_buf_init(&t.down, DOWN_MOST);
	t.key = ff_steal(key);
	carry(&t, repo, no_key);
	ff_filter_fini(&t.filter);
	ff_buf_fini(&t.up);
	ff_buf_fini(&t.down);
	return 0;
}

int ff_tunnel_main(const struct ff_role_args *args)
{
	struct ff_chan *chan = NULL;
	struct ff_log log = ff_log_main();
	FF_AUTO(ff_push_key_free) struct ff_push_key *key = NULL;
	struct ff_err err = { 0 }, no_key = { 0 };
	enum ff_msg_type type;
	json_t *msg = NULL;
	int fd = -1, rc;

	ff_role_guard(getppid());
	chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_TUNNEL, FF_PEER_CORE);
	rc = ff_chan_send(chan, FF_MSG_HELLO, json_pack("{s:s,s:i}", "role", "tunnel", "pid", (int)getpid()), -1, &err);
	if (rc == 0)
		rc = ff_chan_recv(chan, -1, &type, &msg, &fd, &err);
	if (rc == 0 && type == FF_MSG_SECRET) {
		(void)take_key(msg, ff_steal_fd(&fd), &key, &no_key); /* for the worker, not for us */
		json_decref(msg);
		msg = NULL;
		rc = ff_chan_recv(chan, -1, &type, &msg, &fd, &err);
	}
	if (rc == 0 && type == FF_MSG_CARRY)
		rc = serve(args, msg, fd, &key, &no_key, &err);
	if (rc < 0 && err.code != FF_E_UNREACHABLE)
		ff_log_error(&log, "tunnel.core", "%s", err.text);
	json_decref(msg);
	ff_close(&fd);
	ff_chan_free(&chan);
	return rc < 0 && err.code != FF_E_UNREACHABLE;
}
