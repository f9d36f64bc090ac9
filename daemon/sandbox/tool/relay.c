/* SPDX-License-Identifier: MIT */
/*
 * The way of an agent's program to its gateway: programs know addresses with
 * a port, the sandbox has a socket and no network.  We listen on its own
 * loopback, start the program with ANTHROPIC_BASE_URL naming that, and pass
 * bytes both ways until it ends.  No right comes with it: what is in the
 * sandbox can use the socket itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sock.h"
#include "daemon/sandbox/tool/tool.h"

/* More than the gateway has for one job, so that it is the gateway that refuses. */
#define CONNS 64
#define PIECE 65536
#define CONNECT_MS 10000

/* One direction of a connection. */
struct half {
	int from, to;  /* borrowed from the conn */
	size_t start, end;
	bool ended, told;
	char bytes[PIECE];
};

struct conn {
	int tcp, gate;
	struct half up, down;
};

static int listen_here(int *ret_fd, int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, CONNS) || getsockname(fd, (struct sockaddr *)&a, &len))
		return -1;
	*ret_fd = fd;
	*ret_port = ntohs(a.sin_port);
	return 0;
}

static void end_conn(struct conn **c)
{
	if (!*c)
		return;
	ff_close(&(*c)->tcp);
	ff_close(&(*c)->gate);
	free(*c);
	*c = NULL;
}

static void take(struct conn **conns, int listener, const char *socket_path)
{
	int tcp = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), gate = -1;
	struct conn **c = conns;

	if (tcp < 0)
		return;
	while (c < conns + CONNS && *c)
		c++;
	if (c == conns + CONNS || ff_sock_connect(socket_path, CONNECT_MS, &gate, NULL) < 0) {
		ff_close(&tcp); /* the program tries again, or says that there is nobody */
		return;
	}
	(void)fcntl(gate, F_SETFL, fcntl(gate, F_GETFL) | O_NONBLOCK); /* cannot fail on a socket of our own */
	*c = ff_calloc(1, sizeof **c);
	(*c)->tcp = tcp;
	(*c)->gate = gate;
	(*c)->up.from = (*c)->down.to = tcp;
	(*c)->up.to = (*c)->down.from = gate;
}

/* As much as both ends take now. -1: the connection is broken. */
static int move(struct half *h)
{
	ssize_t n;

	if (h->start == h->end && !h->ended) {
		h->start = h->end = 0;
		n = recv(h->from, h->bytes, sizeof h->bytes, 0);
		if (n > 0)
			h->end = (size_t)n;
		else if (n == 0)
			h->ended = true;
		else if (errno != EAGAIN && errno != EINTR)
			return -1;
	}
	if (h->start < h->end) {
		n = send(h->to, h->bytes + h->start, h->end - h->start, MSG_NOSIGNAL);
		if (n > 0)
			h->start += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return -1;
	}
	if (h->ended && h->start == h->end && !h->told) {
		(void)shutdown(h->to, SHUT_WR); /* gone already is as good */
		h->told = true;
	}
	return 0;
}

static short wants(const struct half *h, bool reading)
{
	if (reading)
		return h->start == h->end && !h->ended ? POLLIN : 0;
	return h->start < h->end ? POLLOUT : 0;
}

static void serve(int listener, int pidfd, const char *socket_path)
{
	static struct conn *conns[CONNS];
	struct pollfd p[2 + 2 * CONNS];

	for (;;) {
		p[0] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (int i = 0; i < CONNS; i++) {
			struct conn *c = conns[i];

			p[2 + 2 * i] = (struct pollfd){ .fd = c ? c->tcp : -1 };
			p[3 + 2 * i] = (struct pollfd){ .fd = c ? c->gate : -1 };
			if (c) {
				p[2 + 2 * i].events = (short)(wants(&c->up, true) | wants(&c->down, false));
				p[3 + 2 * i].events = (short)(wants(&c->down, true) | wants(&c->up, false));
			}
		}
		if (poll(p, 2 + 2 * CONNS, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents)
			break;
		for (int i = 0; i < CONNS; i++)
			if (conns[i] && (p[2 + 2 * i].revents || p[3 + 2 * i].revents) &&
			    (move(&conns[i]->up) || move(&conns[i]->down) || (conns[i]->up.told && conns[i]->down.told)))
				end_conn(&conns[i]);
		if (p[1].revents)
			take(conns, listener, socket_path);
	}
	for (int i = 0; i < CONNS; i++)
		end_conn(&conns[i]);
}

static _Noreturn void become(char **argv, int port)
{
	FF_AUTO(ff_free) char *url = ff_asprintf("http://127.0.0.1:%d", port);

	if (setenv("ANTHROPIC_BASE_URL", url, 1) == 0)
		execv(argv[0], argv);
	(void)fprintf(stderr, "flowforge-tool: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int ff_tool_relay(const char *socket_path, char **argv)
{
	int listener = -1, port = 0, status = 0, pidfd;
	pid_t pid;

	if (listen_here(&listener, &port)) {
		(void)fprintf(stderr, "flowforge-tool: cannot listen on loopback: %s\n", strerror(errno));
		return 126;
	}
	pid = fork();
	if (pid == 0)
		become(argv, port);
	pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0u);
	if (pidfd < 0) {
		(void)fprintf(stderr, "flowforge-tool: cannot start %s: %s\n", argv[0], strerror(errno));
		if (pid > 0)
			(void)kill(pid, SIGKILL);
		return 126;
	}
	/* The output is the program's; whoever reads it must see its end when that has ended. */
	serve(listener, pidfd, socket_path);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
