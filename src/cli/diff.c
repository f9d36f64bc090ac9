/* SPDX-License-Identifier: MIT */
/*
 * diff: the patch of a result.  A patch is hostile text: its exact bytes go
 * into files and local pipes (git apply), never to a terminal, and over ssh,
 * where the far end may be one, only when they are asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "ipc/ipc.h"

#define READ_BYTES 65536
#define LINE_MAX_BYTES (1024 * 1024) /* a longer line is shown in pieces */

struct diff {
	struct ff_cli *cli;
	bool raw;
	bool in_hunk; /* behind an @@ line, where --- and +++ are content */
	bool got;
	struct ff_buf line;
};

static enum ff_colour colour_of(struct diff *d, const char *line)
{
	if (ff_starts(line, "diff --git "))
		d->in_hunk = false;
	if (ff_starts(line, "@@")) {
		d->in_hunk = true;
		return FF_CYAN;
	}
	if (!d->in_hunk)
		return FF_BOLD;
	return line[0] == '+' ? FF_GREEN : line[0] == '-' ? FF_RED : FF_PLAIN;
}

static void print_line(struct diff *d)
{
	const struct ff_print *p = &d->cli->out;
	enum ff_colour colour = colour_of(d, d->line.data);

	if (colour != FF_PLAIN)
		ff_print_colour(p, colour);
	if (d->line.len)
		ff_print_lines(p, "", d->line.data, d->line.len);
	else
		(void)fputc('\n', p->f);
	if (colour != FF_PLAIN)
		ff_print_colour(p, FF_PLAIN);
	ff_buf_clear(&d->line);
}

static void take_bytes(struct diff *d, const char *s, size_t n)
{
	if (d->raw) {
		(void)fwrite(s, 1, n, d->cli->out.f);
		return;
	}
	for (; n; s++, n--) {
		if (*s == '\n' || ff_buf_addc(&d->line, *s) < 0)
			print_line(d);
		if (*s != '\n' && !d->line.len)
			(void)ff_buf_addc(&d->line, *s); /* the first byte of the next piece */
	}
}

static int on_patch(void *arg, json_t *data, int owned, struct ff_err *err)
{
	FF_AUTO(ff_free) char *buf = ff_calloc(1, READ_BYTES);
	FF_AUTO(ff_close) int fd = owned;
	struct diff *d = arg;
	off_t at = 0;
	ssize_t n;

	(void)data;
	if (fd < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "the patch did not come with its message");
	d->got = true;
	while ((n = pread(fd, buf, READ_BYTES, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ff_err_errno(err, "the patch");
		at += n;
		take_bytes(d, buf, (size_t)n);
	}
	if (d->line.len)
		print_line(d);
	return 0;
}

static void diff_fini(struct diff *d)
{
	ff_buf_fini(&d->line);
}

int ff_cli_diff(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	bool asked = ff_args_value(args, FF_CLI_OPT_RAW) != NULL;
	FF_AUTO(diff_fini) struct diff d = { .cli = cli, .raw = asked || (!cli->out.tty && !cli->remote && !cli->out.colour) };
	struct ff_talk_ask ask = { .command = "diff", .on_item = on_patch, .arg = &d };

	ff_buf_init(&d.line, LINE_MAX_BYTES);
	if (asked && cli->out.tty)
		return ff_err_set(err, FF_E_USAGE, "--raw never writes to a terminal: send the output to a file or program");
	if (ff_talk_job(args->operand[0], &ask.args, err) < 0 || ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	if (!d.got)
		ff_cli_say(cli, "the job changed nothing");
	return 0;
}
