/* SPDX-License-Identifier: MIT */
/*
 * The load of tests/bench/queue:
 *
 *     queue-client SIDE WORK CLIENTS SECONDS [WORD...]
 *
 * SIDE: floor core push redis beanstalk, and with -DPEERS postgres rabbit.  WORK:
 * enqueue, equal or own (a whole lifecycle, see queue.h).  So many clients,
 * each a thread with its own connections, do it for so long.  Prints how often
 * it was done, in how many seconds, and how many answers one took.
 */
#include "queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256

const char payload[] =
	"make the parser of dates accept what people write: a day without a year, a month by name, and a time zone; "
	"add a test for each, and say in the manual page what is taken and what is not (bench)";

static const struct side *const sides[] = {
	&side_floor, &side_core, &side_push, &side_redis, &side_beanstalk,
#ifdef PEERS
	&side_postgres, &side_rabbit,
#endif
};

struct client {
	const struct side *side;
	const char *work;
	void *state;
	long done, awaited;
};

static atomic_bool over;
static pthread_barrier_t ready;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("queue-client: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(1);
}

int connect_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path)
		die("%s: too long", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0)
			die("send: %s", strerror(errno));
		p += k;
		n -= (size_t)k;
	}
}

static void fill(struct input *in)
{
	ssize_t n;

	if (in->at) {
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	/* As our own programs wait: a thread that sleeps in recv(2) is woken for nothing when its message is taken. */
	(void)poll(&(struct pollfd){ .fd = in->fd, .events = POLLIN }, 1, -1);
	n = recv(in->fd, in->data + in->len, sizeof in->data - in->len, 0);
	if (n <= 0)
		die("the server went away: %s", n ? strerror(errno) : "end");
	in->len += (size_t)n;
}

char *read_line(struct input *in)
{
	char *line, *end;

	while (!(end = memchr(in->data + in->at, '\n', in->len - in->at)))
		fill(in);
	line = in->data + in->at;
	in->at = (size_t)(end - in->data) + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

void read_bytes(struct input *in, size_t n)
{
	while (in->len - in->at < n)
		fill(in);
	in->at += n;
}

static void *run(void *arg)
{
	struct client *c = arg;

	(void)pthread_barrier_wait(&ready);
	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		c->awaited += !strcmp(c->work, "enqueue") ? c->side->enqueue(c->state)
							  : c->side->lifecycle(c->state, !strcmp(c->work, "own") ? OWN : EQUAL);
		c->done++;
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct client *c, int n, double seconds)
{
	const struct timespec nap = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	static pthread_t threads[CLIENTS_MAX];
	long done = 0, awaited = 0;
	double start;

	pthread_barrier_init(&ready, NULL, (unsigned)n + 1);
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, run, &c[i]))
			die("no thread");
	(void)pthread_barrier_wait(&ready);
	start = now();
	nanosleep(&nap, NULL);
	atomic_store(&over, true);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < n; i++) {
		done += c[i].done;
		awaited += c[i].awaited;
	}
	printf("%ld %.4f %.2f\n", done, now() - start, done ? (double)awaited / (double)done : 0);
}

int main(int argc, char **argv)
{
	static struct client clients[CLIENTS_MAX];
	const struct side *side = NULL;
	int n;

	if (argc < 5)
		die("SIDE WORK CLIENTS SECONDS [WORD...]");
	for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
		if (!strcmp(sides[i]->name, argv[1]))
			side = sides[i];
	n = (int)strtol(argv[3], NULL, 10);
	if (!side || n < 1 || n > CLIENTS_MAX || (!side->lifecycle && strcmp(argv[2], "enqueue")))
		die("no such load");
	for (int i = 0; i < n; i++)
		clients[i] = (struct client){ .side = side, .work = argv[2], .state = side->open(i, argv + 5) };
	measure(clients, n, strtod(argv[4], NULL));
	return 0;
}
