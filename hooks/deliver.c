/* SPDX-License-Identifier: MIT */
/*
 * The socket side of post-receive.  Every wait ends at the caller's deadline,
 * and whatever goes wrong has one answer: the spool.  That is safe after a
 * half-sent or unanswered message too, since core knows a push by its id.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/sock.h"
#include "base/text.h"
#include "hooks/hook.h"

#define ANSWER_MAX 16384 /* bytes of core's whole answer */

/* 0 when fd is ready before the deadline. */
static int wait_for(int fd, short what, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = what };
		int64_t left = deadline_ms - ff_clock_mono();
		int rc = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (rc < 0 && errno == EINTR)
			continue;
		return rc > 0 ? 0 : -1;
	}
}

static bool again(void)
{
	return errno == EINTR || errno == EAGAIN;
}

static int send_all(int fd, const struct ff_buf *line, int64_t deadline_ms)
{
	size_t at = 0;

	while (at < line->len) {
		ssize_t n = send(fd, line->data + at, line->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (!again() || wait_for(fd, POLLOUT, deadline_ms) < 0))
			return -1;
		if (n > 0)
			at += (size_t)n;
	}
	return 0;
}

static size_t columns(const struct ff_buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += ((unsigned char)b->data[i] & 0xc0) != 0x80;
	return n;
}

/* Of b, which is valid UTF-8, the first n code points. */
static size_t bytes_of(const struct ff_buf *b, size_t n)
{
	size_t i = 0;

	for (; i < b->len; i++)
		if (((unsigned char)b->data[i] & 0xc0) != 0x80 && n-- == 0)
			break;
	return i;
}

void ff_hook_show(struct ff_buf *out, const char *text, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf shown;
	const char *word;
	size_t most = FF_HOOK_COLUMNS;

	ff_buf_init(&shown, ANSWER_MAX * 4); /* each byte may become \xNN */
	ff_text_show(&shown, text, n, 0);
	word = shown.data + strspn(shown.data, " ");
	if ((ff_starts(word, "http://") || ff_starts(word, "https://")) && !strchr(word, ' '))
		most = FF_HOOK_URL_COLUMNS; /* half an address is of no use */
	if (columns(&shown) > most) {
		shown.len = bytes_of(&shown, most - 3);
		(void)ff_buf_adds(&shown, "...");
	}
	(void)ff_buf_add(out, shown.data, shown.len);
	(void)ff_buf_addc(out, '\n');
}

struct answer {
	struct ff_buf text; /* bytes not yet cut into lines */
	struct ff_buf *shown;
	size_t total, lines;
	bool ended;
	enum ff_hook_answer how;
};

static void take_line(struct answer *a, const char *line, size_t n)
{
	if (n >= 2 && line[0] == '>' && line[1] == ' ') {
		if (a->lines++ < FF_HOOK_SHOWN_LINES)
			ff_hook_show(a->shown, line + 2, n - 2);
		return;
	}
	a->ended = true;
	if (n == 4 && !memcmp(line, "done", 4))
		a->how = FF_HOOK_DONE;
	else if (n == 6 && !memcmp(line, "follow", 6))
		a->how = FF_HOOK_FOLLOW; /* "spool", or what we do not know: keep it ourselves */
}

static void take_lines(struct answer *a)
{
	char *nl;

	while (!a->ended && (nl = memchr(a->text.data, '\n', a->text.len))) {
		size_t n = (size_t)(nl - a->text.data);

		take_line(a, a->text.data, n);
		ff_buf_consume(&a->text, n + 1);
	}
}

static void receive(int fd, int64_t deadline_ms, struct answer *a)
{
	char bytes[4096];

	while (!a->ended && a->total < ANSWER_MAX) {
		ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (n < 0 && again() && wait_for(fd, POLLIN, deadline_ms) == 0)
			continue;
		if (n <= 0)
			return;
		a->total += (size_t)n;
		if (ff_buf_add(&a->text, bytes, (size_t)n) < 0)
			return;
		take_lines(a);
	}
}

enum ff_hook_answer ff_hook_deliver(const char *path, const struct ff_buf *line, int64_t deadline_ms,
				    struct ff_buf *ret_shown, struct ff_hook_follow *ret_follow)
{
	struct answer a = { .shown = ret_shown, .how = FF_HOOK_SPOOL };
	FF_AUTO(ff_close) int fd = -1;
	int64_t left = deadline_ms - ff_clock_mono();

	if (left <= 0 || ff_sock_connect(path, (int)left, &fd, NULL) < 0)
		return FF_HOOK_SPOOL;
	/* A peer that answers "spool" may do so, and close, before it has read all of a message. */
	(void)send_all(fd, line, deadline_ms);
	ff_buf_init(&a.text, ANSWER_MAX + 4096);
	receive(fd, deadline_ms, &a);
	if (a.how == FF_HOOK_FOLLOW && !ret_follow)
		a.how = FF_HOOK_SPOOL; /* no answer to this question */
	if (a.how == FF_HOOK_FOLLOW)
		*ret_follow = (struct ff_hook_follow){ .fd = ff_steal_fd(&fd), .came = a.text };
	else
		ff_buf_fini(&a.text);
	return a.how;
}
