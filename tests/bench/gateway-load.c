/* SPDX-License-Identifier: MIT */
/*
 * The two ends of tests/bench/gateway:
 *
 *     gateway-load serve PORTFILE
 *     gateway-load delay PORT SOCKET TOKEN ROUNDS PIECES MICROSECONDS
 *     gateway-load hold SOCKET TOKEN STREAMS BYTES GO
 *
 * serve is an upstream that streams: as many pieces as the task says, each an
 * event and an HTTP chunk of its own with the moment of its sending in it, so
 * far apart as the task says, or, with no pieces, a beginning and then one
 * more when another task says "go".  delay asks it directly and through the
 * gateway by turns, and prints what a piece took on each way.  hold opens so
 * many streams through the gateway, with requests of so many bytes, says so on
 * stdout, and goes on when the file GO is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define REQUEST_MAX (4 * 1024 * 1024)
#define STREAMS_MAX 1000
#define MARK "\"text\":\"at "

static atomic_bool go;

static _Noreturn FF_PRINTF(1, 2) void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("gateway-load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	_exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t); /* one clock for all processes of the machine */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void nap_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 0)
		die("no number: %s", text);
	return n;
}

static bool put(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

/* --- the upstream ------------------------------------------------------------ */

static FF_PRINTF(3, 4) bool event(int fd, const char *name, const char *fmt, ...)
{
	char data[512], whole[768];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(data, sizeof data, fmt, ap);
	va_end(ap);
	n = (int)(strlen("event: \ndata: \n\n") + strlen(name) + strlen(data));
	n = snprintf(whole, sizeof whole, "%x\r\nevent: %s\ndata: %s\n\n\r\n", (unsigned)n, name, data);
	return put(fd, whole, (size_t)n);
}

static bool piece(int fd)
{
	return event(fd, "content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\"," MARK
		     "%" PRId64 " a few more words\"}}", now_ns());
}

static bool stream(int fd, long pieces, long apart_us)
{
	static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
	int64_t next;

	if (!put(fd, head, sizeof head - 1) ||
	    !event(fd, "message_start", "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\","
		   "\"model\":\"claude-bench\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}") ||
	    !event(fd, "content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"))
		return false;
	if (!pieces && !piece(fd))
		return false;
	while (!pieces && !atomic_load(&go))
		nap_until(now_ns() + 5000000);
	next = now_ns();
	for (long i = 0; i < pieces; i++) {
		nap_until(next += apart_us * 1000);
		if (!piece(fd))
			return false;
	}
	return event(fd, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}") &&
	       event(fd, "message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
		     "\"usage\":{\"output_tokens\":%ld}}", pieces + 1) &&
	       event(fd, "message_stop", "{\"type\":\"message_stop\"}") && put(fd, "0\r\n\r\n", 5);
}

/* One request; false at the end of the connection. */
static bool serve_one(int fd, char *in)
{
	long pieces = -1, apart = 0;
	size_t len = 0, whole = 0;
	char *end = NULL, *at;

	in[0] = '\0';
	while (!end || len < whole) {
		ssize_t n = len < REQUEST_MAX ? recv(fd, in + len, REQUEST_MAX - len, 0) : 0;

		if (n <= 0)
			return false;
		len += (size_t)n;
		in[len] = '\0';
		if (end || !(end = strstr(in, "\r\n\r\n")))
			continue;
		at = strcasestr(in, "\r\ncontent-length:");
		whole = (size_t)(end - in) + 4 + (at ? strtoul(at + 17, NULL, 10) : 0);
	}
	at = strstr(end, "task ");
	if (at && !strncmp(at, "task go", 7))
		atomic_store(&go, true);
	if (at)
		(void)sscanf(at, "task %ld %ld", &pieces, &apart);
	return stream(fd, pieces < 0 ? 1 : pieces, apart);
}

static void *serve_client(void *arg)
{
	int fd = (int)(intptr_t)arg, one = 1;
	char *in = malloc(REQUEST_MAX + 1);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	while (in && serve_one(fd, in))
		;
	free(in);
	close(fd);
	return NULL;
}

static void serve(const char *port_file)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof sa;
	pthread_t thread;
	FILE *f = NULL;

	if (l < 0 || bind(l, (struct sockaddr *)&sa, n) < 0 || listen(l, STREAMS_MAX) < 0 ||
	    getsockname(l, (struct sockaddr *)&sa, &n) < 0 || !(f = fopen(port_file, "w")))
		die("cannot listen: %s", strerror(errno));
	fprintf(f, "%d\n", ntohs(sa.sin_port));
	fclose(f);
	for (;;) {
		int fd = accept(l, NULL, NULL);

		if (fd >= 0 && pthread_create(&thread, NULL, serve_client, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
}

/* --- the client ---------------------------------------------------------------- */

static int connect_tcp(const char *port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)number(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die("port %s: %s", port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof sa.sun_path)
		die("%s: too long for a socket", path);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

/* No two are equal, or the gateway would answer from its record. bytes: of filling. */
static void ask(int fd, const char *token, const char *task, long bytes)
{
	static atomic_long serial;
	char *fill = calloc(1, (size_t)bytes + 1), *body = NULL, *whole = NULL;
	int n;

	memset(fill, 'x', (size_t)bytes);
	n = asprintf(&body, "{\"model\":\"claude-bench\",\"max_tokens\":64,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
		     "\"task %s of %d.%ld %s\"}]}", task, (int)getpid(), atomic_fetch_add(&serial, 1), fill);
	n = asprintf(&whole, "POST /v1/messages HTTP/1.1\r\nhost: gateway\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\n"
		     "content-type: application/json\r\ncontent-length: %d\r\n\r\n%s", token, n, body);
	if (!put(fd, whole, (size_t)n))
		die("a request could not be sent");
	free(fill);
	free(body);
	free(whole);
}

struct times { int64_t *ns; size_t n, max; };

/* Notes what each piece took; the buffer keeps the unread end of a line. */
static size_t note(struct times *t, char *in, size_t len, int64_t now)
{
	char *at = in, *next;

	while ((next = strchr(at, '\n'))) {
		char *mark = strstr(at, MARK);

		if (mark && mark < next && t->n < t->max)
			t->ns[t->n++] = now - strtoll(mark + sizeof MARK - 1, NULL, 10);
		at = next + 1;
	}
	len -= (size_t)(at - in);
	memmove(in, at, len + 1);
	return len;
}

static void check_head(const char *in)
{
	if (strncmp(in, "HTTP/1.1 200", 12) != 0)
		die("not answered: %.400s", in);
}

/* Reads until the text comes. begun: the head was read before. */
static void read_until(int fd, const char *until, bool begun)
{
	char in[65536] = "";
	size_t len = 0;

	while (!strstr(in, until)) {
		ssize_t n = recv(fd, in + len, sizeof in - 1 - len, 0);

		if (n <= 0)
			die("a stream was cut");
		len += (size_t)n;
		in[len] = '\0';
	}
	if (!begun)
		check_head(in);
}

/* Reads one whole answer, and notes when its pieces came. */
static void read_stream(int fd, struct times *t)
{
	static const char end[] = "0\r\n\r\n"; /* of the last chunk; those before it end with a line of their own */
	char in[65536], last[sizeof end] = "";
	bool begun = false;
	size_t len = 0;

	while (strcmp(last, end) != 0) {
		ssize_t n = recv(fd, in + len, sizeof in - 1 - len, 0);
		int64_t now = now_ns();

		if (n <= 0)
			die("a stream was cut");
		for (ssize_t i = n < 5 ? 0 : n - 5; i < n; i++) {
			memmove(last, last + 1, 4);
			last[4] = in[len + (size_t)i];
		}
		len += (size_t)n;
		in[len] = '\0';
		if (!begun)
			check_head(in);
		begun = true;
		len = note(t, in, len, now);
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double at(const struct times *t, double part)
{
	return t->n ? (double)t->ns[(size_t)((double)(t->n - 1) * part)] / 1000 : 0;
}

static void delay(const char *port, const char *socket, const char *token, long rounds, long pieces, long apart)
{
	static const char *const names[2] = { "direct", "gateway" };
	int fd[2] = { connect_tcp(port), connect_unix(socket) };
	struct times t[2];
	char task[64];

	snprintf(task, sizeof task, "%ld %ld", pieces, apart);
	for (int side = 0; side < 2; side++)
		t[side] = (struct times){ .ns = calloc((size_t)(rounds * pieces), sizeof(int64_t)), .max = (size_t)(rounds * pieces) };
	for (long r = -1; r < rounds; r++) /* the first warms up */
		for (int i = 0; i < 2; i++) {
			int side = (int)((r + 1 + i) % 2);

			if (r == 0 && i == 0)
				t[0].n = t[1].n = 0;
			ask(fd[side], token, task, 0);
			read_stream(fd[side], &t[side]);
		}
	for (int side = 0; side < 2; side++) {
		qsort(t[side].ns, t[side].n, sizeof(int64_t), compare);
		printf("%-8s %8zu pieces %9.1f us %9.1f us\n", names[side], t[side].n, at(&t[side], 0.5), at(&t[side], 0.99));
	}
	printf("added    %8s        %9.1f us %9.1f us\n", "", at(&t[1], 0.5) - at(&t[0], 0.5), at(&t[1], 0.99) - at(&t[0], 0.99));
	for (int side = 0; side < 2; side++) {
		free(t[side].ns);
		close(fd[side]);
	}
}

static void hold(const char *socket, const char *token, long streams, long bytes, const char *file)
{
	static int fds[STREAMS_MAX];

	if (streams > STREAMS_MAX)
		die("at most %d streams", STREAMS_MAX);
	for (long i = 0; i < streams; i++)
		ask(fds[i] = connect_unix(socket), token, "0", bytes);
	for (long i = 0; i < streams; i++)
		read_until(fds[i], MARK, false);
	printf("%ld streams\n", streams);
	fflush(stdout);
	while (access(file, F_OK) < 0)
		nap_until(now_ns() + 5000000);
	fds[streams] = connect_unix(socket);
	ask(fds[streams], token, "go", 0);
	for (long i = 0; i < streams; i++) {
		read_until(fds[i], "message_stop", true);
		close(fds[i]);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	else if (argc == 8 && !strcmp(argv[1], "delay"))
		delay(argv[2], argv[3], argv[4], number(argv[5]), number(argv[6]), number(argv[7]));
	else if (argc == 7 && !strcmp(argv[1], "hold"))
		hold(argv[2], argv[3], number(argv[4]), number(argv[5]), argv[6]);
	else
		die("see the head of tests/bench/gateway-load.c");
	return 0;
}
