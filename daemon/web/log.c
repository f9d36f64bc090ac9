/* SPDX-License-Identifier: MIT */
/*
 * The log of a job, as it is or as it grows: lines of text, or events with the
 * lines of the file as they are (JSON).  Core passes the file itself; a
 * watch on the job says when there is more to read in it.  An event's id is
 * the place in the file behind its line, so that a client that was cut off
 * goes on with the next byte, whatever happened to it, to us or to core.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "daemon/web/handlers.h"
#include "ipc/logline.h"

#define TEXT "text/plain; charset=utf-8"
#define EVENTS "text/event-stream; charset=utf-8"
/* What one client may leave unread; then the file waits for it. */
#define UNSENT_MAX (256 * 1024)
#define LINE_MAX_BYTES (4 * FF_IPC_LINE_MAX) /* core's lines are messages, escaped once more */
#define READ_BYTES 16384

struct ff_tail {
	struct ff_http *r;
	struct ff_ask *watch;
	bool events, ended, failed;
	int64_t read_to;      /* place in the file */
	int64_t line_at;      /* of the first byte of `line` */
	struct ff_buf line;   /* not whole yet */
	json_t *job;          /* as it ended */
};

static void pump(struct ff_tail *t);

void ff_tail_free(struct ff_http *r)
{
	struct ff_tail *t = ff_steal(&r->tail);

	if (!t)
		return;
	ff_ask_leave(r->web, &t->watch);
	ff_buf_fini(&t->line);
	json_decref(t->job);
	free(t);
}

/* --- lines as events ------------------------------------------------------------ */

static void give_line(struct ff_tail *t, size_t with_end)
{
	struct ff_buf *out = &t->r->out;

	t->line_at += (int64_t)(t->line.len + with_end);
	if (!t->events) {
		ff_logline_parse(out, t->line.data, t->line.len, 0);
		ff_buf_clear(&t->line);
		return;
	}
	(void)ff_buf_addf(out, "id: %lld\ndata: ", (long long)t->line_at);
	ff_text_show(out, t->line.data, t->line.len, 0);
	(void)ff_buf_adds(out, "\n\n");
	ff_buf_clear(&t->line);
}

static void give(struct ff_tail *t, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;

		if (part > LINE_MAX_BYTES - t->line.len)
			part = LINE_MAX_BYTES - t->line.len, end = NULL;
		(void)ff_buf_add(&t->line, p, part);
		if (end || t->line.len == LINE_MAX_BYTES)
			give_line(t, end != NULL);
		p += part + (end != NULL);
		n -= part + (end != NULL);
	}
}

static void finish(struct ff_tail *t)
{
	if (t->line.len && !t->failed)
		give_line(t, 0);
	if (t->events && t->job) {
		char *text = json_dumps(t->job, JSON_COMPACT | JSON_ENSURE_ASCII);

		(void)ff_buf_addf(&t->r->out, "event: end\ndata: %s\n\n", text);
		free(text);
	}
	t->r->done = true;
}

/* --- the file --------------------------------------------------------------------- */

/* 1: there may be more, 0: all that there is was read, -1: it cannot be read. */
static int read_some(struct ff_tail *t)
{
	char part[READ_BYTES];
	ssize_t n;

	n = pread(t->r->fd, part, sizeof part, t->read_to);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n <= 0)
		return n < 0 ? -1 : 0;
	t->read_to += n;
	give(t, part, (size_t)n);
	return 1;
}

static void on_file(void *arg, json_t *data, int fd)
{
	struct ff_http *r = arg;
	int64_t size = json_integer_value(json_object_get(data, "size"));

	ff_close(&r->fd);
	r->fd = fd;
	if (r->tail->read_to > size) /* not of this file */
		r->tail->read_to = r->tail->line_at = 0;
}

static void on_looked(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;

	(void)data;
	if (err->code && !r->head_sent && !r->ready) {
		ff_tail_free(r);
		ff_reply_error(r, err);
		return;
	}
	if (err->code) {
		r->tail->failed = true;
		finish(r->tail);
	} else if (r->fd >= 0) {
		pump(r->tail);
	} else if (r->tail->ended) { /* it wrote nothing */
		finish(r->tail);
	}
	ff_reply_more(r);
}

static void pump(struct ff_tail *t)
{
	struct ff_http *r = t->r;
	int rc;

	if (r->done || r->ask)
		return;
	if (r->fd < 0) {
		ff_http_ask(r, "log", ff_http_job(r), on_file, on_looked);
		return;
	}
	do
		rc = read_some(t);
	while (rc > 0 && r->out.len - r->sent <= UNSENT_MAX);
	if (rc < 0)
		t->failed = true;
	if (rc < 0 || (rc == 0 && t->ended))
		finish(t);
	ff_reply_more(r);
}

void ff_tail_more(struct ff_http *r)
{
	pump(r->tail);
}

/* --- the watch --------------------------------------------------------------------- */

static void on_change(void *arg, json_t *data, int fd)
{
	struct ff_tail *t = arg;

	(void)data;
	ff_close(&fd);
	pump(t);
}

static void on_end(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_tail *t = arg;

	t->ended = true;
	if (err->code && !t->r->ready && !t->r->head_sent) {
		struct ff_http *r = t->r;

		ff_ask_leave(r->web, &r->ask);
		ff_tail_free(r);
		ff_reply_error(r, err);
		return;
	}
	if (err->code) { /* the client comes again and says how far it got */
		t->failed = true;
		finish(t);
		ff_reply_more(t->r);
		return;
	}
	t->job = json_incref(data);
	pump(t);
}

static void follow(struct ff_http *r)
{
	struct ff_tail *t = ff_calloc(1, sizeof *t);
	json_t *args = ff_http_job(r);

	r->tail = t;
	t->r = r;
	t->events = r->wants_stream;
	ff_buf_init(&t->line, LINE_MAX_BYTES);
	if (r->last_event_id > 0)
		t->read_to = t->line_at = r->last_event_id;
	r->status = 200;
	r->type = t->events ? EVENTS : TEXT;
	/* No old events: the file has what is past. */
	(void)json_object_set_new(args, "after", json_integer(INT64_MAX));
	ff_ask(r->web, &t->watch, "watch", args, r->has_token ? r->token : NULL, r->id, on_change, on_end, t);
	if (r->tail && !t->ended)
		pump(t);
}

/* --- as it is ------------------------------------------------------------------------ */

static void keep_fd(void *arg, json_t *data, int fd)
{
	struct ff_http *r = arg;

	(void)data;
	ff_close(&r->fd);
	r->fd = fd;
}

static void end_log(void *arg, json_t *data, const struct ff_err *err)
{
	struct ff_http *r = arg;
	struct ff_tail t = { .r = r };
	struct ff_err why = { 0 };
	int rc = r->fd >= 0;

	(void)data;
	if (err->code) {
		ff_reply_error(r, err);
		return;
	}
	ff_buf_init(&t.line, LINE_MAX_BYTES);
	while (rc > 0)
		rc = read_some(&t);
	ff_buf_fini(&t.line); /* a line that is being written is not there yet */
	(void)ff_err_errno(&why, "the log cannot be read");
	if (rc < 0)
		ff_reply_error(r, &why);
	else
		ff_reply_out(r, TEXT);
}

void ff_http_jobs_log(struct ff_http *r)
{
	FF_AUTO(ff_free) char *value = NULL;
	struct ff_err err = { 0 };
	int on = 0;

	if (ff_http_query(r, "follow", &value, &err) == 0 && value && ff_num_bool(value, &on) < 0)
		(void)ff_err_set(&err, FF_E_INVALID, "follow is true or false");
	if (err.code)
		ff_reply_error(r, &err);
	else if (on || r->wants_stream)
		follow(r);
	else
		ff_http_ask(r, "log", ff_http_job(r), keep_fd, end_log);
}
