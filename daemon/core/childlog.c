/* SPDX-License-Identifier: MIT */
/* See childlog.h. */
#include "daemon/core/childlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

/* Of one line, as src/base/log.c makes them; what is longer is cut. */
#define LINE_MOST ((size_t)16 * 1024)
#define WINDOW_MS 1000
/* In one turn, so that one that never stops writing leaves room for others. */
#define READS_A_TURN 16
#define EVENT_MOST 60

struct ff_childlog {
	struct ff_core *core;
	const char *role;
	const int64_t *job;
	int fd;
	struct ff_watch *watch, *tail;
	struct ff_buf line;
	bool cut;            /* the rest of this line is thrown away */
	int64_t window_ms, passed, dropped;
};

static bool is_event(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return n && n <= EVENT_MOST && !s[n];
}

static void say(struct ff_childlog *l, enum ff_log_level level, const char *event, const char *text)
{
	struct ff_log log = ff_log_job(l->core->log, *l->job, NULL);

	log.role = l->role;
	ff_log_write(&log, level, event, "%s", text);
}

static void say_dropped(struct ff_childlog *l)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64 " lines were dropped: log.child-rate", l->dropped);

	if (l->dropped)
		say(l, FF_LOG_WARN, "log.dropped", text);
	l->dropped = 0;
}

/* Also when it falls silent it is said in time what was dropped. */
static void on_tail(void *arg)
{
	say_dropped(arg);
}

static bool may_pass(struct ff_childlog *l)
{
	int64_t now = ff_clock_mono();

	if (now - l->window_ms >= WINDOW_MS) {
		say_dropped(l);
		l->window_ms = now;
		l->passed = 0;
	}
	if (++l->passed <= ff_conf_int(l->core->conf, FF_CONF_LOG_CHILD_RATE))
		return true;
	if (l->dropped++ == 0 && l->tail)
		ff_watch_again(l->tail, 2 * (int64_t)WINDOW_MS);
	else if (!l->tail)
		l->tail = ff_loop_timer(l->core->loop, 2 * (int64_t)WINDOW_MS, on_tail, l);
	return false;
}

/* One of our own lines keeps its level, event and text; of anything else the text alone is kept. */
static void pass(struct ff_childlog *l)
{
	json_t *line = json_loadb(l->line.data, l->line.len, 0, NULL);
	const char *level = json_string_value(json_object_get(line, "level"));
	const char *event = json_string_value(json_object_get(line, "event"));
	const char *msg = json_string_value(json_object_get(line, "msg"));
	enum ff_log_level n = FF_LOG_WARN;

	if (level && event && msg && ff_log_level_by_name(level, &n) == 0 && is_event(event))
		say(l, n, event, msg);
	else
		say(l, FF_LOG_WARN, "child.said", l->line.data);
	json_decref(line);
}

static void end_line(struct ff_childlog *l)
{
	if (l->line.len && may_pass(l))
		pass(l);
	ff_buf_clear(&l->line);
	l->cut = false;
}

/* A NUL would end the text before its end. */
static void add(struct ff_childlog *l, const char *p, size_t n)
{
	size_t room = l->line.max - l->line.len;

	if (l->cut)
		return;
	l->cut = n > room;
	n = n > room ? room : n;
	for (size_t i = 0; i < n; i++)
		(void)ff_buf_addc(&l->line, p[i] ? p[i] : '?');
}

static void take(struct ff_childlog *l, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;

		add(l, p, part);
		if (end)
			end_line(l);
		part += end ? 1 : 0;
		p += part;
		n -= part;
	}
}

/* False: nothing more will come. */
static bool drain(struct ff_childlog *l)
{
	char part[4096];

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = read(l->fd, part, sizeof part);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		take(l, part, (size_t)n);
	}
	return true;
}

static void on_ready(void *arg, unsigned ready)
{
	struct ff_childlog *l = arg;

	(void)ready;
	if (!drain(l))
		ff_watch_free(&l->watch);
}

struct ff_childlog *ff_childlog_new(struct ff_core *core, const char *role, const int64_t *job, int fd)
{
	struct ff_childlog *l = ff_calloc(1, sizeof *l);

	*l = (struct ff_childlog){ .core = core, .role = role, .job = job, .fd = fd };
	ff_buf_init(&l->line, LINE_MOST);
	l->watch = ff_loop_fd(core->loop, fd, FF_LOOP_READ, on_ready, l);
	return l;
}

void ff_childlog_free(struct ff_childlog **log)
{
	struct ff_childlog *l = ff_steal(log);

	if (!l)
		return;
	(void)drain(l); /* what a grandchild may still write is nobody's any more */
	end_line(l);
	say_dropped(l);
	ff_watch_free(&l->watch);
	ff_watch_free(&l->tail);
	ff_buf_fini(&l->line);
	ff_close(&l->fd);
	free(l);
}
