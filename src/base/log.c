/* SPDX-License-Identifier: MIT */
/* One write(2) a line, so that lines of several roles on one pipe or in one file never mix. */
#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/redact.h"
#include "base/text.h"

#define FF_LOG_FIELD_MAX 256 /* columns of any field but msg */

static const char *role_name = "cli";
static enum ff_log_level least_level = FF_LOG_INFO;
static const char *const level_names[] = { "debug", "info", "warn", "error" };

/* Lines that wait for ff_log_release; a pipe takes so much in one piece. */
static char held[4096];
static size_t held_len;
static bool holding;
static int log_fd = STDERR_FILENO;
static const char *file_path; /* NULL: standard error */
static struct ff_redact *known_secrets;

static int open_file(int *ret_fd)
{
	*ret_fd = open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640);
	return *ret_fd < 0 ? -1 : 0;
}

int ff_log_open(const char *path, struct ff_err *err)
{
	int fd;

	file_path = path;
	if (open_file(&fd) < 0) {
		file_path = NULL;
		return ff_err_errno(err, "%s", path);
	}
	log_fd = fd;
	return 0;
}

void ff_log_reopen(void)
{
	int fd;

	/* Without a new one the old one is better than nothing. */
	if (!file_path || open_file(&fd) < 0)
		return;
	ff_close(&log_fd);
	log_fd = fd;
}

static void follow_name(void)
{
	struct stat named, ours;

	if (file_path && (stat(file_path, &named) < 0 || fstat(log_fd, &ours) < 0 || named.st_ino != ours.st_ino ||
			  named.st_dev != ours.st_dev))
		ff_log_reopen();
}

void ff_log_setup(const char *role, enum ff_log_level least)
{
	role_name = role;
	least_level = least;
}

int ff_log_level_by_name(const char *name, enum ff_log_level *ret_level)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(level_names); i++) {
		if (!strcasecmp(name, level_names[i])) {
			*ret_level = (enum ff_log_level)i;
			return 0;
		}
	}
	return -1;
}

struct ff_log ff_log_main(void)
{
	return (struct ff_log){ 0 };
}

struct ff_log ff_log_job(struct ff_log base, int64_t job, const char *repo)
{
	base.job = job;
	base.repo = repo;
	return base;
}

/* Nothing in it has to be escaped, neither for people nor for JSON, and it is short enough. */
static bool is_plain(const char *s, size_t max)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return !s[n] && n <= max;
}

static void plain_json(struct ff_buf *b, const char *before, const char *value)
{
	(void)ff_buf_adds(b, before);
	(void)ff_buf_adds(b, value);
	(void)ff_buf_addc(b, '"');
}

/* Whatever the value holds, the line stays one line and the JSON valid. */
static void shown_field(struct ff_buf *b, bool json, const char *key, const char *raw)
{
	FF_AUTO(ff_free) char *value = ff_text_shown(raw, FF_LOG_FIELD_MAX);

	if (!json) {
		(void)ff_buf_addf(b, "%s%s=", b->len ? " " : "", key);
		if (strchr(value, ' ') || strchr(value, '"') || !*value)
			ff_text_json(b, value, strlen(value));
		else
			(void)ff_buf_adds(b, value);
		return;
	}
	(void)ff_buf_addf(b, "%c\"%s\":", b->len ? ',' : '{', key);
	ff_text_json(b, value, strlen(value));
}

static void field(struct ff_buf *b, bool json, const char *key, const char *raw)
{
	if (!json || !is_plain(raw, FF_LOG_FIELD_MAX)) {
		shown_field(b, json, key, raw);
		return;
	}
	(void)ff_buf_adds(b, b->len ? ",\"" : "{\"");
	(void)ff_buf_adds(b, key);
	plain_json(b, "\":\"", raw);
}

void ff_log_redact(struct ff_redact *redact)
{
	known_secrets = redact;
}

static void msg_field(struct ff_buf *b, bool json, const char *raw)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(known_secrets, raw); /* before it is cut: half of one is no word */
	FF_AUTO(ff_free) char *msg = NULL;

	if (json && is_plain(clean ? clean : raw, FF_LOG_MSG_MAX)) {
		plain_json(b, ",\"msg\":\"", clean ? clean : raw);
		return;
	}
	msg = ff_text_shown(clean ? clean : raw, FF_LOG_MSG_MAX);
	(void)ff_buf_adds(b, json ? ",\"msg\":" : " msg=");
	ff_text_json(b, msg, strlen(msg));
}

static void job_field(struct ff_buf *b, bool json, int64_t job)
{
	(void)ff_buf_addf(b, json ? ",\"job\":%" PRId64 : " job=%" PRId64, job);
}

/* stderr does not change while we run. */
static bool is_terminal(void)
{
	static int known = -1;

	if (known < 0)
		known = isatty(STDERR_FILENO);
	return known && !file_path;
}

static void pass_on(const char *lines, size_t n)
{
	follow_name();
	(void)!write(log_fd, lines, n); /* a log that is gone must not stop the service */
}

/* What went wrong is never held back. */
static void put(const char *line, size_t n, enum ff_log_level level)
{
	bool was = holding;

	if (n > sizeof held - held_len || level > FF_LOG_INFO) {
		ff_log_release();
		holding = was;
	}
	if (!holding || n > sizeof held || level > FF_LOG_INFO) {
		pass_on(line, n);
		return;
	}
	memcpy(held + held_len, line, n);
	held_len += n;
}

void ff_log_write(const struct ff_log *log, enum ff_log_level level, const char *event,
		  const char *fmt, ...)
{
	static struct ff_buf b; /* of all lines, which come one after the other: no thread of ours writes any */
	FF_AUTO(ff_free) char *more = NULL;
	bool json = !is_terminal();
	char ts[FF_CLOCK_TEXT];
	char raw[256]; /* enough for nearly all, and no allocation */
	va_list ap;
	int n;

	if (level < least_level)
		return;
	if (!b.data)
		ff_buf_init(&b, 131072); /* more than the fields can have with every byte escaped twice */
	ff_buf_clear(&b);
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof raw) {
		va_start(ap, fmt);
		more = ff_vasprintf(fmt, ap);
		va_end(ap);
	}
	ff_clock_format(ff_clock_wall(), ts);
	field(&b, json, "ts", ts);
	field(&b, json, "level", level_names[level]);
	field(&b, json, "role", log && log->role ? log->role : role_name);
	msg_field(&b, json, more ? more : raw);
	field(&b, json, "event", event);
	if (log && log->job)
		job_field(&b, json, log->job);
	if (log && log->repo)
		field(&b, json, "repo", log->repo);
	if (log && log->request_id)
		field(&b, json, "request_id", log->request_id);
	(void)ff_buf_adds(&b, json ? "}\n" : "\n");
	put(b.data, b.len, level);
}

void ff_log_hold(void)
{
	holding = true;
}

void ff_log_release(void)
{
	holding = false;
	if (held_len)
		pass_on(held, held_len);
	held_len = 0;
}
