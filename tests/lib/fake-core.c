/* SPDX-License-Identifier: MIT */
/*
 * A core that misbehaves to order, for tests of the hook:
 *     fake-core SOCKET FILE MODE [LINE...]
 * Prints "ready" once it listens, takes one connection after the other, puts
 * what it reads into FILE, and then does as MODE says:
 *     answer   writes the LINEs and closes
 *     silent   reads and never answers
 *     deaf     neither reads nor answers
 *     close    closes at once
 *     drip     writes a byte of an endless line each 50 ms
 * Ends by itself after a minute.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sock.h"

static void keep_line(int fd, const char *file)
{
	FF_AUTO(ff_buf_fini) struct ff_buf in;
	char c = 0;

	ff_buf_init(&in, 1024 * 1024);
	while (c != '\n' && read(fd, &c, 1) == 1)
		(void)ff_buf_addc(&in, c);
	ff_assert(ff_file_write(file, in.data, in.len, 0644, NULL) == 0);
}

static void say(int fd, const char *text, size_t n)
{
	(void)!write(fd, text, n); /* the hook may have gone, which is what is tested */
}

static void drip(int fd)
{
	struct pollfd p = { .fd = fd };

	while (poll(&p, 1, 50) == 0)
		say(fd, "x", 1);
}

static void serve(int fd, const char *file, const char *mode, char **lines)
{
	struct pollfd p = { .fd = fd };

	if (!strcmp(mode, "close"))
		return;
	if (strcmp(mode, "deaf"))
		keep_line(fd, file);
	if (!strcmp(mode, "silent") || !strcmp(mode, "deaf"))
		(void)poll(&p, 1, -1); /* until the hook hangs up */
	else if (!strcmp(mode, "drip"))
		drip(fd);
	for (; *lines; lines++) {
		say(fd, *lines, strlen(*lines));
		say(fd, "\n", 1);
	}
}

int main(int argc, char **argv)
{
	struct ff_err err;
	int listener;

	(void)alarm(60);
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 4 || ff_sock_listen(argv[1], 0600, &listener, &err) < 0)
		return 2;
	printf("ready\n");
	(void)fflush(stdout);
	(void)fclose(stdout);
	for (;;) {
		struct pollfd p = { .fd = listener, .events = POLLIN };
		FF_AUTO(ff_close) int fd = -1;

		(void)poll(&p, 1, -1);
		fd = ff_sock_accept(listener);
		if (fd < 0)
			continue;
		/* Blocking, as the tests are about the hook's patience. */
		p.fd = fd;
		p.events = POLLIN;
		if (strcmp(argv[3], "close") && strcmp(argv[3], "deaf"))
			(void)poll(&p, 1, -1);
		serve(fd, argv[2], argv[3], argv + 4);
	}
}
