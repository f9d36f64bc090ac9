/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_BENCH_QUEUE_H
#define FF_TESTS_BENCH_QUEUE_H

/*
 * What the load of tests/bench/queue is made of.  A side is a queue: it is
 * opened once a client (a thread), then asked for one thing again and again.
 * Each function that asks returns how many answers were awaited, or ends the
 * program: a benchmark that goes on after an error measures nothing.
 */

#include <stddef.h>

enum how {
	EQUAL, /* enqueue, claim, three times progress, complete, each awaited */
	OWN,   /* as the protocol allows: progress is not awaited, or goes with the completion */
};

struct side {
	const char *name;
	void *(*open)(int client, char **words); /* words: what the command line says behind the side */
	int (*enqueue)(void *client);
	int (*lifecycle)(void *client, enum how how); /* NULL: it only takes */
};

extern const struct side side_floor, side_core, side_push, side_redis, side_beanstalk, side_postgres, side_rabbit;

/* The task of a job, 200 bytes. */
extern const char payload[];

void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
int connect_unix(const char *path);
void send_all(int fd, const char *p, size_t n);

/* Lines, and bytes, that come in over a socket. */
struct input {
	int fd;
	size_t at, len;
	char data[65536];
};
/* Without its newline (and carriage return), ended by NUL; good until the next call. */
char *read_line(struct input *in);
void read_bytes(struct input *in, size_t n);

#endif
