/* SPDX-License-Identifier: MIT */
/*
 * Sides that a plain socket is enough for.
 *
 * floor: one 4 KiB append and fdatasync after the other.  Words: FILE.
 * redis: two lists and a hash a job, as its manual has it: a job moves from
 *   the queue to the list of those in work in one step.  Words: SOCKET.
 * beanstalk: put, reserve, delete.  It has no durable progress, so touch takes
 *   its place, which costs it no fsync.  Words: SOCKET.
 */
#include "queue.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plain {
	struct input in;
	int client;
	unsigned long n;
	char job[96];
};

static struct plain *new_plain(int client, const char *word)
{
	struct plain *c = calloc(1, sizeof *c);

	if (!c || !word)
		die("where?");
	c->client = client;
	return c;
}

/* --- floor */

static void *open_floor(int client, char **words)
{
	struct plain *c = new_plain(client, words[0]);

	c->in.fd = open(words[0], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (c->in.fd < 0)
		die("%s cannot be made", words[0]);
	return c;
}

static int append(void *client)
{
	static char block[4096];
	struct plain *c = client;

	if (write(c->in.fd, block, sizeof block) != sizeof block || fdatasync(c->in.fd) < 0)
		die("append failed");
	return 1;
}

const struct side side_floor = { "floor", open_floor, append, NULL };

/* --- redis */

static void *open_redis(int client, char **words)
{
	struct plain *c = new_plain(client, words[0]);

	c->in.fd = connect_unix(words[0]);
	return c;
}

static void ask(struct plain *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void ask(struct plain *c, const char *fmt, ...)
{
	char msg[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	send_all(c->in.fd, msg, (size_t)n);
}

/* The value of a bulk string into job, when wanted. */
static void reply(struct plain *c, char *job)
{
	char *line = read_line(&c->in);
	long n;

	if (*line == '-')
		die("redis: %s", line);
	if (*line != '$')
		return;
	n = strtol(line + 1, NULL, 10);
	if (n < 0)
		die("redis: the queue is empty");
	line = read_line(&c->in);
	if (job)
		snprintf(job, sizeof c->job, "%s", line);
}

static int redis_enqueue(void *client)
{
	struct plain *c = client;
	char id[32];

	snprintf(id, sizeof id, "%d.%lu.%d", c->client, c->n++, (int)getpid());
	ask(c, "MULTI\r\nHSET job:%s task \"%s\" state queued\r\n", id, payload);
	ask(c, "LPUSH queue %s\r\nEXEC\r\n", id);
	for (int i = 0; i < 4; i++)
		reply(c, NULL); /* OK, QUEUED, QUEUED, *2 */
	reply(c, NULL);
	reply(c, NULL);
	return 1;
}

#define HSET "HSET job:%s state %s\r\n"
#define FINISH "MULTI\r\nLREM working 1 %s\r\nHSET job:%s state completed\r\nEXEC\r\n"

static void finished(struct plain *c)
{
	for (int i = 0; i < 6; i++)
		reply(c, NULL);
}

static int redis_lifecycle(void *client, enum how how)
{
	static const char *const states[] = { "step1", "step2", "step3" };
	struct plain *c = client;

	redis_enqueue(c);
	ask(c, "BLMOVE queue working RIGHT LEFT 0\r\n");
	reply(c, c->job);
	for (int i = 0; i < 3; i++) {
		ask(c, HSET, c->job, states[i]);
		if (how == EQUAL)
			reply(c, NULL);
	}
	ask(c, FINISH, c->job, c->job);
	if (how == OWN)
		for (int i = 0; i < 3; i++)
			reply(c, NULL);
	finished(c);
	return how == EQUAL ? 6 : 3;
}

const struct side side_redis = { "redis", open_redis, redis_enqueue, redis_lifecycle };

/* --- beanstalk */

static void must(struct plain *c, const char *what)
{
	char *line = read_line(&c->in);

	if (strncmp(line, what, strlen(what)))
		die("beanstalkd: expected %s, got %s", what, line);
}

static int beanstalk_enqueue(void *client)
{
	struct plain *c = client;
	char msg[512];
	int n = snprintf(msg, sizeof msg, "put 1024 0 600 %zu\r\n%s\r\n", strlen(payload), payload);

	send_all(c->in.fd, msg, (size_t)n);
	must(c, "INSERTED");
	return 1;
}

static int beanstalk_lifecycle(void *client, enum how how)
{
	struct plain *c = client;
	char *line;

	beanstalk_enqueue(c);
	ask(c, "reserve\r\n");
	line = read_line(&c->in);
	if (sscanf(line, "RESERVED %90[0-9]", c->job) != 1)
		die("beanstalkd: %s", line);
	read_bytes(&c->in, strlen(payload) + 2);
	for (int i = 0; i < 3; i++) {
		ask(c, "touch %s\r\n", c->job);
		if (how == EQUAL)
			must(c, "TOUCHED");
	}
	ask(c, "delete %s\r\n", c->job);
	if (how == OWN)
		for (int i = 0; i < 3; i++)
			must(c, "TOUCHED");
	must(c, "DELETED");
	return how == EQUAL ? 6 : 3;
}

const struct side side_beanstalk = { "beanstalk", open_redis, beanstalk_enqueue, beanstalk_lifecycle };
