/* SPDX-License-Identifier: MIT */
/*
 * See ssh.h.  libssh2 never blocks here: every call that wants to wait says
 * so, and the wait is a poll with our deadline, so that a server which stops
 * in the middle of anything holds nobody.
 */
#include "ssh/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define SHOWN_HOST 60

struct ff_ssh {
	char *host;
	int64_t port;
	int fd;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
};

/* --- waiting */

short ff_ssh_events(struct ff_ssh *s)
{
	int way = libssh2_session_block_directions(s->session);

	return (short)(POLLIN | (way & LIBSSH2_SESSION_BLOCK_OUTBOUND ? POLLOUT : 0));
}

static int timed_out(const struct ff_ssh *s, const char *doing, struct ff_err *err)
{
	return ff_err_set(err, FF_E_TIMEOUT, "%.*s port %d: %s took longer than publish.connect-timeout", SHOWN_HOST, s->host,
			  (int)s->port, doing);
}

/* Until the socket can do what libssh2 waits for. */
static int wait_for(struct ff_ssh *s, short events, int64_t deadline_ms, const char *doing, struct ff_err *err)
{
	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = events };
		int64_t left = deadline_ms - ff_clock_mono();
		int rc = left > 0 ? poll(&p, 1, left > 60000 ? 60000 : (int)left) : 0;

		if (left <= 0)
			return timed_out(s, doing, err);
		if (rc > 0 || (rc < 0 && errno != EINTR))
			return 0; /* what is wrong, the next call says */
	}
}

static int network_fail(const struct ff_ssh *s, const char *doing, struct ff_err *err)
{
	FF_AUTO(ff_free) char *why = NULL;
	char *text = NULL;

	(void)libssh2_session_last_error(s->session, &text, NULL, 0); /* the code is known */
	why = ff_text_shown(text && *text ? text : "no reason given", 100);
	return ff_err_set(err, FF_E_NETWORK_ERROR, "%.*s port %d: %s: %s", SHOWN_HOST, s->host, (int)s->port, doing, why);
}

/* Evaluates the call until it no longer wants to wait; then rc is its result. */
#define UNTIL(s, rc, call, deadline_ms, doing, err) \
	while (((rc) = (call)) == LIBSSH2_ERROR_EAGAIN) \
		if (wait_for((s), ff_ssh_events(s), (deadline_ms), (doing), (err)) < 0) \
			return -1

/* --- connecting */

/* errno of the attempt: 0 when it is connected. */
static int connect_one(struct ff_ssh *s, const struct addrinfo *a, int64_t deadline_ms, struct ff_err *err)
{
	int error = 0, on = 1;
	socklen_t len = sizeof error;

	s->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (s->fd < 0)
		return errno;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without, no more */
	if (connect(s->fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (wait_for(s, POLLOUT, deadline_ms, "connecting", err) < 0)
		return ETIMEDOUT;
	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

static int connect_tcp(struct ff_ssh *s, int64_t deadline_ms, struct ff_err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	FF_AUTO(ff_free) char *service = ff_asprintf("%d", (int)s->port);
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(s->host, service, &hints, &list), error = 0;

	if (rc != 0)
		return ff_err_set(err, FF_E_NETWORK_ERROR, "%.*s: %s", SHOWN_HOST, s->host, gai_strerror(rc));
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		error = connect_one(s, a, deadline_ms, err);
		if (!error || ff_clock_mono() >= deadline_ms)
			break;
		ff_close(&s->fd);
	}
	freeaddrinfo(list);
	if (!error)
		return 0;
	if (ff_clock_mono() >= deadline_ms)
		return timed_out(s, "connecting", err);
	return ff_err_set(err, FF_E_NETWORK_ERROR, "%.*s port %d: cannot connect: %s", SHOWN_HOST, s->host, (int)s->port,
			  strerror(error));
}

static int check_host(struct ff_ssh *s, const struct ff_ssh_known *known, struct ff_err *err)
{
	const char *sum = libssh2_hostkey_hash(s->session, LIBSSH2_HOSTKEY_HASH_SHA256), *key;
	size_t n = 0;
	int type = 0;

	key = libssh2_session_hostkey(s->session, &n, &type);
	if (!key || !sum)
		return network_fail(s, "no host key", err);
	return ff_ssh_known_check(known, s->host, s->port, key, n, sum, err);
}

static int handshake(struct ff_ssh *s, const char *known_hosts, int64_t deadline_ms, struct ff_err *err)
{
	FF_AUTO(ff_ssh_known_close) struct ff_ssh_known *known = NULL;
	FF_AUTO(ff_free) char *wanted = NULL;
	int rc;

	if (ff_ssh_known_open(known_hosts, &known, err) < 0)
		return -1;
	wanted = ff_ssh_known_types(known, s->host, s->port);
	if (libssh2_session_method_pref(s->session, LIBSSH2_METHOD_HOSTKEY, wanted) != 0)
		return network_fail(s, "host key types", err);
	UNTIL(s, rc, libssh2_session_handshake(s->session, s->fd), deadline_ms, "the first exchange", err);
	if (rc != 0)
		return network_fail(s, "the first exchange failed", err);
	return check_host(s, known, err);
}

/* --- logging in */

static int refused(struct ff_ssh *s, const struct ff_ssh_peer *p, int rc, struct ff_err *err)
{
	FF_AUTO(ff_free) char *why = NULL;
	char *text = NULL;

	if (rc == LIBSSH2_ERROR_AUTHENTICATION_FAILED || rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%.40s refused the key of publish.key-file or publish.key for %.40s: put its "
				  ".pub line where that account's keys are", s->host, p->user);
	(void)libssh2_session_last_error(s->session, &text, NULL, 0); /* the code is known */
	if (rc == LIBSSH2_ERROR_SOCKET_DISCONNECT || rc == LIBSSH2_ERROR_SOCKET_RECV || rc == LIBSSH2_ERROR_SOCKET_SEND ||
	    rc == LIBSSH2_ERROR_TIMEOUT)
		return network_fail(s, "logging in failed", err);
	why = ff_text_shown(text && *text ? text : "no reason given", 60);
	return ff_err_set(err, FF_E_INVALID, "publish.key-file: %s: it has to be a private key without a passphrase, best made "
			  "by ssh-keygen -t ed25519", why);
}

/*
 * This one method and no other: libssh2 asks no agent and no password file of
 * its own accord, so what is not called here is not offered.
 */
static int log_in(struct ff_ssh *s, const struct ff_ssh_peer *p, int64_t deadline_ms, struct ff_err *err)
{
	int rc;

	UNTIL(s, rc, libssh2_userauth_publickey_frommemory(s->session, p->user, strlen(p->user), NULL, 0, p->key, p->key_len,
							   NULL), deadline_ms, "logging in", err);
	return rc == 0 ? 0 : refused(s, p, rc, err);
}

static int start(struct ff_ssh *s, const char *command, int64_t deadline_ms, struct ff_err *err)
{
	int rc;

	while (!(s->channel = libssh2_channel_open_session(s->session))) {
		if (libssh2_session_last_errno(s->session) != LIBSSH2_ERROR_EAGAIN)
			return network_fail(s, "no session", err);
		if (wait_for(s, ff_ssh_events(s), deadline_ms, "opening a session", err) < 0)
			return -1;
	}
	UNTIL(s, rc, libssh2_channel_exec(s->channel, command), deadline_ms, "starting git-receive-pack", err);
	return rc == 0 ? 0 : network_fail(s, "git-receive-pack was not started", err);
}

int ff_ssh_open(const struct ff_ssh_peer *p, const char *command, int64_t deadline_ms, struct ff_ssh **ret_ssh,
		struct ff_err *err)
{
	FF_AUTO(ff_ssh_close) struct ff_ssh *s = ff_calloc(1, sizeof *s);

	s->fd = -1;
	s->host = ff_strdup(p->host);
	s->port = p->port;
	ff_assert(libssh2_init(0) == 0);
	s->session = libssh2_session_init();
	ff_assert(s->session);
	libssh2_session_set_blocking(s->session, 0);
	if (connect_tcp(s, deadline_ms, err) < 0 || handshake(s, p->known_hosts, deadline_ms, err) < 0 ||
	    log_in(s, p, deadline_ms, err) < 0 || start(s, command, deadline_ms, err) < 0)
		return -1;
	*ret_ssh = ff_steal(&s);
	return 0;
}

/* The socket first: libssh2 would like to say goodbye, and a server that hangs would not listen. */
void ff_ssh_close(struct ff_ssh **ssh)
{
	struct ff_ssh *s = ff_steal(ssh);

	if (!s)
		return;
	if (s->fd >= 0)
		(void)shutdown(s->fd, SHUT_RDWR); /* it may be gone already */
	if (s->channel)
		(void)libssh2_channel_free(s->channel);
	if (s->session)
		(void)libssh2_session_free(s->session);
	ff_close(&s->fd);
	ff_free(&s->host);
	ff_free(&s);
}

/* --- the command */

int ff_ssh_fd(const struct ff_ssh *s)
{
	return s->fd;
}

ssize_t ff_ssh_read(struct ff_ssh *s, bool error, char *p, size_t room, struct ff_err *err)
{
	ssize_t n = libssh2_channel_read_ex(s->channel, error ? SSH_EXTENDED_DATA_STDERR : 0, p, room);

	if (n >= 0)
		return n;
	return n == LIBSSH2_ERROR_EAGAIN ? 0 : network_fail(s, "the connection was lost", err);
}

ssize_t ff_ssh_write(struct ff_ssh *s, const char *p, size_t n, struct ff_err *err)
{
	ssize_t rc = libssh2_channel_write(s->channel, p, n);

	if (rc >= 0)
		return rc;
	return rc == LIBSSH2_ERROR_EAGAIN ? 0 : network_fail(s, "the connection was lost", err);
}

int ff_ssh_write_end(struct ff_ssh *s, struct ff_err *err)
{
	int rc = libssh2_channel_send_eof(s->channel);

	if (rc == 0)
		return 1;
	return rc == LIBSSH2_ERROR_EAGAIN ? 0 : network_fail(s, "the connection was lost", err);
}

bool ff_ssh_ended(struct ff_ssh *s)
{
	return libssh2_channel_eof(s->channel) == 1;
}

static int await_close(struct ff_ssh *s, int64_t deadline_ms)
{
	int rc;

	UNTIL(s, rc, libssh2_channel_close(s->channel), deadline_ms, "the end", NULL);
	if (rc == 0)
		UNTIL(s, rc, libssh2_channel_wait_closed(s->channel), deadline_ms, "the end", NULL);
	return rc;
}

int ff_ssh_status(struct ff_ssh *s, int64_t deadline_ms)
{
	return await_close(s, deadline_ms) == 0 ? libssh2_channel_get_exit_status(s->channel) : -1;
}
