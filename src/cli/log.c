/* SPDX-License-Identifier: MIT */
/*
 * log: what a job wrote.  The daemon hands over the log file itself, so that
 * a long log costs it nothing.  Following reads on in the same file whenever
 * the job's stream says something: no line is lost or seen twice, even when
 * the daemon restarts meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "ipc/ipc.h"

#define READ_BYTES 65536
#define LINE_MAX_BYTES (4 * FF_IPC_LINE_MAX) /* core's lines are messages, escaped once more */

struct log {
	struct ff_cli *cli;
	const struct ff_args *args;
	bool json, skipping; /* skipping: inside a line that is too long */
	int fd;              /* -1: there is no log yet */
	off_t at;            /* not the descriptor's own offset: core shares that */
	struct ff_buf line;
	int64_t dropped, bad;
};

static void print_line(struct log *l, const char *text, size_t n)
{
	FF_AUTO(ff_json_drop) json_t *line = NULL;

	if (!n)
		return;
	line = ff_json_parse(text, n, NULL);
	if (!line)
		l->bad++;
	else if (l->json)
		ff_print_json(&l->cli->out, line);
	else
		ff_view_log(&l->cli->out, line);
}

static void take_bytes(struct log *l, const char *p, size_t n)
{
	while (n) {
		const char *end = memchr(p, '\n', n);
		size_t part = end ? (size_t)(end - p) : n;

		if (ff_buf_add(&l->line, p, part) < 0)
			l->skipping = true;
		if (end) {
			if (l->skipping)
				l->bad++;
			else
				print_line(l, l->line.data, l->line.len);
			l->skipping = false;
			ff_buf_clear(&l->line);
			part++;
		}
		p += part;
		n -= part;
	}
}

/* Everything up to the present end of the file; a line without its end is kept for later. */
static int read_on(struct log *l, struct ff_err *err)
{
	FF_AUTO(ff_free) char *buf = ff_calloc(1, READ_BYTES);
	ssize_t n;

	while (l->fd >= 0 && (n = pread(l->fd, buf, READ_BYTES, l->at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_errno(err, "the log");
		l->at += n;
		take_bytes(l, buf, (size_t)n);
	}
	return 0;
}

static int on_file(void *arg, json_t *data, int fd, struct ff_err *err)
{
	struct log *l = arg;

	(void)data;
	(void)err;
	if (fd >= 0) {
		ff_close(&l->fd);
		l->fd = fd;
	}
	return 0;
}

/* Asks for the file unless we have it, and prints what is new in it. */
static int fetch(struct log *l, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *end = NULL;
	struct ff_talk_ask ask = { .command = "log", .on_item = on_file, .arg = l };

	if (l->fd < 0) {
		if (ff_talk_job(l->args->operand[0], &ask.args, err) < 0 ||
		    ff_talk_once(l->cli, l->args, &ask, &end, err) < 0)
			return -1;
		l->dropped = ff_view_int(end, "dropped");
	}
	return read_on(l, err);
}

static int follow_item(void *arg, const json_t *item, struct ff_err *err)
{
	struct log *l = arg;

	/* Not in every quiet second: a job that writes nothing is no reason to ask again and again. */
	(void)item;
	return fetch(l, err);
}

static int follow_turn(void *arg, struct ff_err *err)
{
	struct log *l = arg;

	if (read_on(l, err) < 0)
		return -1;
	if (fflush(l->cli->out.f) != 0)
		return ff_err_errno(err, "the output");
	return 0;
}

static int follow(struct log *l, struct ff_err *err)
{
	const struct ff_follow what = {
		.job = l->args->operand[0], .on_item = follow_item, .on_turn = follow_turn, .arg = l,
	};
	FF_AUTO(ff_json_drop) json_t *job = NULL;

	if (ff_follow(l->cli, l->args, &what, &job, err) < 0 || fetch(l, err) < 0)
		return -1;
	return ff_follow_status(job);
}

static void log_fini(struct log *l)
{
	ff_close(&l->fd);
	ff_buf_fini(&l->line);
}

int ff_cli_log(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(log_fini) struct log l = {
		.cli = cli, .args = args, .fd = -1, .json = ff_args_value(args, FF_CLI_OPT_JSON) != NULL,
	};
	int status;

	if (ff_args_value(args, FF_CLI_OPT_MODEL))
		return ff_cli_log_model(cli, args, err);
	ff_buf_init(&l.line, LINE_MAX_BYTES);
	status = ff_args_value(args, FF_CLI_OPT_FOLLOW) ? follow(&l, err) : fetch(&l, err);
	if (status < 0)
		return -1;
	if (l.line.len && !l.skipping)
		print_line(&l, l.line.data, l.line.len);
	if (l.fd < 0)
		ff_cli_say(cli, "the job has written nothing");
	if (l.dropped)
		ff_cli_say(cli, "%" PRId64 " bytes over log.job-max were dropped", l.dropped);
	if (l.bad)
		ff_cli_say(cli, "%" PRId64 " damaged lines were left out", l.bad);
	return status;
}
