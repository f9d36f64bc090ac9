/* SPDX-License-Identifier: MIT */
/*
 * claude.follow: the push is taken and its pusher wants to see what the job
 * does.  From here on nothing hurries us, and nothing that goes wrong matters
 * to the job: it is core's, not ours.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/names.h"
#include "hooks/hook.h"

#define LINE_BYTES 4096

/* 1: there is something to read, 0: whoever pushed has gone, -1: it cannot be told. */
static int wait_for(int fd)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = STDERR_FILENO } };

	for (;;) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (p[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return 0;
		if (p[0].revents)
			return 1;
	}
}

static int show(const char *line, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 8 * LINE_BYTES);
	ff_hook_show(&out, line, n);
	return write(STDERR_FILENO, out.data, out.len) < 0 ? -1 : 0;
}

/* Whole lines of what came; true when that was the end. */
static bool take_lines(struct ff_buf *in)
{
	char *nl;

	while ((nl = memchr(in->data, '\n', in->len))) {
		size_t n = (size_t)(nl - in->data);

		if (n < 2 || in->data[0] != '>' || in->data[1] != ' ')
			return true;
		if (show(in->data + 2, n - 2) < 0)
			return true;
		ff_buf_consume(in, n + 1);
	}
	return false;
}

void ff_hook_follow(struct ff_hook_follow *follow)
{
	static const char broken[] = "hint: nothing more is heard of the job here; it goes on: " FF_NAME " watch\n";
	bool ended = take_lines(&follow->came);
	char bytes[LINE_BYTES];

	while (!ended && wait_for(follow->fd) == 1) {
		ssize_t n = recv(follow->fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		ended = n <= 0 || ff_buf_add(&follow->came, bytes, (size_t)n) < 0;
		if (ended)
			(void)!write(STDERR_FILENO, broken, sizeof broken - 1); /* nobody else to tell */
		else
			ended = take_lines(&follow->came);
	}
	ff_buf_fini(&follow->came);
	ff_close(&follow->fd);
}
