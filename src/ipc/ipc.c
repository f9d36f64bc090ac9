/* SPDX-License-Identifier: MIT */
/*
 * Channels.  A descriptor that travels with a line can arrive with bytes of
 * the line before it (unix(7) keeps the order, not the borders), so received
 * descriptors queue up and each message that says "fd": true takes the next.
 */
#include "ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/sock.h"
#include "ipc/json.h"

#define MAX_PASSED 8 /* descriptors that may wait for their messages */

struct out_item {
	struct out_item *next;
	char *data;
	size_t len, done;
	int fd; /* travels with the first byte; -1: none */
};

struct ff_chan {
	int fd;
	enum ff_peer self, peer;
	struct ff_buf in;
	int passed[MAX_PASSED];
	unsigned n_passed;
	struct out_item *out_first, **out_end;
	size_t out_bytes;
	bool finishing, eof;
	/* in a loop */
	struct ff_loop *loop;
	struct ff_watch *watch, *later;
	ff_msg_fn on_msg;
	ff_chan_closed_fn on_closed;
	void *arg;
	bool *freed; /* set when the channel is freed during a callback */
	struct ff_err failure;
};

static const struct rule {
	enum ff_msg_type type;
	const char *name;
	unsigned from, to;
} rules[] = {
#define FF_MSG(n, id, word, from, to) { FF_MSG_##id, word, FF_PEER_##from, FF_PEER_##to },
#include "ipc/msg.def"
#undef FF_MSG
};

static const struct rule *rule_of(enum ff_msg_type type)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(rules); i++)
		if (rules[i].type == type)
			return &rules[i];
	return NULL;
}

const char *ff_msg_name(enum ff_msg_type type)
{
	const struct rule *r = rule_of(type);

	return r ? r->name : "unknown";
}

struct ff_chan *ff_chan_new(int fd, enum ff_peer self, enum ff_peer peer)
{
	struct ff_chan *c = ff_calloc(1, sizeof *c);

	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->out_end = &c->out_first;
	ff_buf_init(&c->in, FF_IPC_LINE_MAX);
	return c;
}

size_t ff_chan_unread(const struct ff_chan *c)
{
	return c->out_bytes;
}

static void drop_first_out(struct ff_chan *c)
{
	struct out_item *it = c->out_first;

	c->out_bytes -= it->len - it->done;
	c->out_first = it->next;
	if (!c->out_first)
		c->out_end = &c->out_first;
	ff_close(&it->fd);
	ff_free(&it->data);
	free(it);
}

void ff_chan_free(struct ff_chan **chan)
{
	struct ff_chan *c = ff_steal(chan);

	if (!c)
		return;
	if (c->freed)
		*c->freed = true;
	ff_watch_free(&c->watch);
	ff_watch_free(&c->later);
	while (c->out_first)
		drop_first_out(c);
	while (c->n_passed)
		ff_close(&c->passed[--c->n_passed]);
	ff_buf_fini(&c->in);
	ff_close(&c->fd);
	free(c);
}

int ff_chan_fd(const struct ff_chan *c)
{
	return c->fd;
}

/* --- out ------------------------------------------------------------- */

/* Writes what the socket takes. 1: all gone, 0: it is full, -1: broken. */
static int write_some(struct ff_chan *c, struct ff_err *err)
{
	while (c->out_first) {
		struct out_item *it = c->out_first;
		ssize_t n = ff_sock_send(c->fd, it->data + it->done, it->len - it->done, it->fd);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0)
			return ff_err_set(err, FF_E_UNREACHABLE, "the other end is gone: %s", strerror(errno));
		ff_close(&it->fd);
		it->done += (size_t)n;
		c->out_bytes -= (size_t)n;
		if (it->done == it->len)
			drop_first_out(c);
	}
	return 1;
}

static void tell_closed(void *arg)
{
	struct ff_chan *c = arg;

	ff_watch_free(&c->watch);
	c->on_closed(c->arg, c, &c->failure);
}

/* The owner may be in the middle of using the channel, so it hears of the end in the next turn. */
static void close_later(struct ff_chan *c, const struct ff_err *err)
{
	if (c->later)
		return;
	c->failure = *err;
	ff_watch_free(&c->watch);
	c->later = ff_loop_timer(c->loop, 0, tell_closed, c);
}

static void flush_in_loop(struct ff_chan *c)
{
	struct ff_err err = { 0 };
	int rc;

	if (c->later)
		return;
	rc = write_some(c, &err);
	if (rc < 0) {
		close_later(c, &err);
	} else if (rc == 1 && c->finishing) {
		ff_err_set(&err, FF_E_NONE, "finished");
		close_later(c, &err);
	} else {
		ff_watch_want(c->watch, (c->eof ? 0 : FF_LOOP_READ) | (rc ? 0 : FF_LOOP_WRITE));
	}
}

static int flush_blocking(struct ff_chan *c, struct ff_err *err)
{
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLOUT };
		int rc = write_some(c, err);

		if (rc)
			return rc < 0 ? -1 : 0;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return ff_err_errno(err, "poll");
	}
}

static int queue(struct ff_chan *c, char *data, size_t len, int fd, struct ff_err *err)
{
	struct out_item *it = ff_calloc(1, sizeof *it);

	*it = (struct out_item){ .data = data, .len = len, .fd = fd };
	*c->out_end = it;
	c->out_end = &it->next;
	c->out_bytes += len;
	if (!c->loop)
		return flush_blocking(c, err);
	if (c->out_bytes > FF_IPC_QUEUE_MAX) {
		struct ff_err full = { 0 };

		ff_err_set(&full, FF_E_TOO_LARGE, "the other end does not read: %zu bytes are waiting", c->out_bytes);
		close_later(c, &full);
		return 0;
	}
	flush_in_loop(c);
	return 0;
}

/* fields, the text of an object, as a line that begins with what kind of message it is. */
static char *line_of(const struct rule *r, const char *fields, size_t n, bool has_fd, size_t *ret_len)
{
	FF_AUTO(ff_buf_fini) struct ff_buf line;

	ff_assert(n >= 2 && fields[0] == '{');
	ff_buf_init(&line, SIZE_MAX / 4);
	(void)ff_buf_room(&line, n + 64);
	(void)ff_buf_adds(&line, "{\"m\":\"");
	(void)ff_buf_adds(&line, r->name);
	(void)ff_buf_adds(&line, has_fd ? "\",\"fd\":true" : "\"");
	if (n > 2)
		(void)ff_buf_addc(&line, ',');
	(void)ff_buf_add(&line, fields + 1, n - 1);
	(void)ff_buf_addc(&line, '\n');
	*ret_len = line.len;
	return ff_steal(&line.data);
}

int ff_chan_send_fields(struct ff_chan *c, enum ff_msg_type type, const struct ff_buf *fields, int pass_fd, struct ff_err *err)
{
	const struct rule *r = rule_of(type);
	char *line;
	size_t len;

	ff_assert(r && (r->from & c->self) && (r->to & c->peer));
	line = line_of(r, fields->data, fields->len, pass_fd >= 0, &len);
	if (len > FF_IPC_LINE_MAX) {
		ff_free(&line);
		ff_close(&pass_fd);
		return ff_err_set(err, FF_E_TOO_LARGE, "a %s message of %zu bytes is over the limit of %d", r->name, len - 1,
				  FF_IPC_LINE_MAX);
	}
	return queue(c, line, len, pass_fd, err);
}

int ff_chan_send(struct ff_chan *c, enum ff_msg_type type, json_t *msg, int pass_fd, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf fields;

	ff_buf_init(&fields, SIZE_MAX / 4);
	ff_json_write(&fields, msg);
	json_decref(msg);
	return ff_chan_send_fields(c, type, &fields, pass_fd, err);
}

/* Nothing here but system calls and constants: a signal may come in the middle of anything. */
void ff_chan_alive(const struct ff_chan *c)
{
	static const char alive[] = "{\"m\":\"alive\"}\n";

	if (!c->out_first) /* so short a message goes whole or not at all, and the next one comes soon */
		(void)send(c->fd, alive, sizeof alive - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ff_chan_send_text(struct ff_chan *c, const char *text)
{
	char *line = ff_asprintf("%s\n", text);

	(void)queue(c, line, strlen(line), -1, NULL); /* in a loop: a failure comes by on_closed */
}

void ff_chan_finish(struct ff_chan *c)
{
	c->finishing = true;
	flush_in_loop(c);
}

/* --- in -------------------------------------------------------------- */

static int take_passed(struct ff_chan *c, struct ff_err *err)
{
	int fd;

	if (!c->n_passed)
		return ff_err_set(err, FF_E_PROTOCOL, "a message promises a descriptor that did not come");
	fd = c->passed[0];
	c->n_passed--;
	memmove(c->passed, c->passed + 1, c->n_passed * sizeof c->passed[0]);
	return fd;
}

/* As ff_calloc, without the zeros and what finds out how many: a message is made of dozens of pieces. */
static void *json_memory(size_t n)
{
	void *p = malloc(n);

	return p ? p : ff_realloc(NULL, n, 1);
}

void ff_json_setup(void)
{
	json_set_alloc_funcs(json_memory, free);
}

/* One line (without its newline) to a checked message. */
static int parse_line(struct ff_chan *c, const char *line, size_t len, enum ff_msg_type *ret_type,
		      json_t **ret_msg, int *ret_fd, struct ff_err *err)
{
	json_t *msg = ff_json_parse(line, len, err);
	const char *name;
	bool has_fd = false;

	if (!msg)
		return -1;
	name = json_string_value(json_object_get(msg, "m"));
	for (size_t i = 0; name && i < FF_ARRAY_LEN(rules); i++) {
		if (strcmp(rules[i].name, name) || !(rules[i].from & c->peer) || !(rules[i].to & c->self))
			continue;
		*ret_fd = -1;
		if (ff_msg_bool(msg, "fd", &has_fd, err) < 0 || (has_fd && (*ret_fd = take_passed(c, err)) < 0)) {
			json_decref(msg);
			return -1;
		}
		*ret_type = rules[i].type;
		*ret_msg = msg;
		return 0;
	}
	(void)ff_err_set(err, FF_E_PROTOCOL, "message '%.40s' is not allowed here", name ? name : "(no name)");
	json_decref(msg); /* after the last use of name, which is in it */
	return -1;
}

/* Next whole line of the buffer as a message: 1, 0 when there is none, -1. */
static int next_message(struct ff_chan *c, enum ff_msg_type *ret_type, json_t **ret_msg, int *ret_fd,
			struct ff_err *err)
{
	char *end = memchr(c->in.data, '\n', c->in.len);
	size_t len;
	int rc;

	if (!end) {
		if (c->in.len == c->in.max)
			return ff_err_set(err, FF_E_TOO_LARGE, "a message is over the limit of %d bytes", FF_IPC_LINE_MAX);
		return 0;
	}
	len = (size_t)(end - c->in.data);
	rc = parse_line(c, c->in.data, len, ret_type, ret_msg, ret_fd, err);
	ff_buf_consume(&c->in, len + 1);
	return rc < 0 ? -1 : 1;
}

/* One read. 1: got bytes, 0: nothing there now, -1: end or error. */
static int read_some(struct ff_chan *c, struct ff_err *err)
{
	static char bytes[65536]; /* of all channels: most messages are short, and most peers say one */
	size_t room = c->in.max - c->in.len;
	int fd = -1;
	ssize_t n;

	if (room > sizeof bytes)
		room = sizeof bytes;
	ff_assert(room > 0);
	do
		n = ff_sock_recv(c->fd, bytes, room, &fd);
	while (n < 0 && errno == EINTR);
	if (fd >= 0) {
		if (c->n_passed == MAX_PASSED || c->peer & FF_PEER_HOOK) {
			ff_close(&fd);
			return ff_err_set(err, FF_E_PROTOCOL, c->n_passed == MAX_PASSED ?
					  "too many descriptors without a message" : "a descriptor that no message may pass");
		}
		c->passed[c->n_passed++] = fd;
	}
	if (n > 0) {
		(void)ff_buf_add(&c->in, bytes, (size_t)n); /* there is room */
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return ff_err_set(err, FF_E_UNREACHABLE, "the other end is gone: %s", strerror(errno));
	return ff_err_set(err, FF_E_UNREACHABLE, "the other end is gone");
}

static void deliver(struct ff_chan *c)
{
	struct ff_err err = { 0 };
	enum ff_msg_type type;
	bool freed = false;
	json_t *msg;
	int fd, rc;

	c->freed = &freed;
	while (!c->later && (rc = next_message(c, &type, &msg, &fd, &err)) != 0) {
		if (rc < 0) {
			close_later(c, &err);
			break;
		}
		c->on_msg(c->arg, c, type, msg, fd);
		json_decref(msg);
		if (freed)
			return;
	}
	c->freed = NULL;
}

static void on_ready(void *arg, unsigned ready)
{
	struct ff_chan *c = arg;
	struct ff_err err = { 0 };
	int rc = 0;

	if (ready & FF_LOOP_WRITE)
		flush_in_loop(c);
	if (c->later || !(ready & (FF_LOOP_READ | FF_LOOP_HUP)) || c->eof)
		return;
	rc = read_some(c, &err);
	if (rc > 0) {
		deliver(c);
		return;
	}
	if (rc < 0) {
		c->eof = true;
		close_later(c, &err);
	}
}

void ff_chan_attach(struct ff_chan *c, struct ff_loop *loop, ff_msg_fn on_msg, ff_chan_closed_fn on_closed,
		    void *arg)
{
	int flags = fcntl(c->fd, F_GETFL);

	ff_assert(flags >= 0 && fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) == 0);
	c->loop = loop;
	c->on_msg = on_msg;
	c->on_closed = on_closed;
	c->arg = arg;
	c->watch = ff_loop_fd(loop, c->fd, FF_LOOP_READ, on_ready, c);
}

int ff_chan_recv(struct ff_chan *c, int timeout_ms, enum ff_msg_type *ret_type, json_t **ret_msg, int *ret_fd,
		 struct ff_err *err)
{
	int64_t end = timeout_ms < 0 ? INT64_MAX : ff_clock_mono() + timeout_ms;

	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		int rc = next_message(c, ret_type, ret_msg, ret_fd, err);
		int64_t left = end - ff_clock_mono();

		if (rc)
			return rc < 0 ? -1 : 0;
		if (timeout_ms >= 0 && left <= 0)
			return ff_err_set(err, FF_E_TIMEOUT, "no answer within %d ms", timeout_ms);
		rc = poll(&p, 1, timeout_ms < 0 ? -1 : (int)left);
		if (rc < 0 && errno != EINTR)
			return ff_err_errno(err, "poll");
		if (rc > 0 && read_some(c, err) < 0)
			return -1;
	}
}

int ff_chan_call(struct ff_chan *c, enum ff_msg_type type, json_t *msg, enum ff_msg_type *ret_type,
		 json_t **ret_msg, struct ff_err *err)
{
	int fd = -1;

	if (ff_chan_send(c, type, msg, -1, err) < 0 || ff_chan_recv(c, -1, ret_type, ret_msg, &fd, err) < 0)
		return -1;
	ff_close(&fd);
	return 0;
}
