/* SPDX-License-Identifier: MIT */
/*
 * backup: the daemon makes a copy of its record, we write it where it is
 * wanted.  restore: needs the daemon stopped and the database, so it is a
 * mode of flowforged, started from here with the same configuration.
 */
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/talk.h"
#include "ipc/ipc.h"

struct copy {
	const char *path;
	int64_t bytes;
	bool written;
};

static int on_copy(void *arg, json_t *data, int fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int from = fd;
	struct copy *c = arg;

	if (from < 0)
		return 0;
	(void)ff_msg_int(data, "size", 0, INT64_MAX, &c->bytes, NULL); /* for the message alone */
	if (ff_file_copy(from, c->path, 0600, err) < 0)
		return -1;
	c->written = true;
	return 0;
}

/* A large record takes its time; if the daemon goes away, the connection ends. */
static int wait_on(void *arg, struct ff_err *err)
{
	(void)arg;
	(void)err;
	return 0;
}

int ff_cli_backup(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	struct copy c = { .path = args->operand[0] };
	struct ff_talk_ask ask = { .command = "backup", .on_item = on_copy, .tick = wait_on, .arg = &c };

	if (ff_talk_once(cli, args, &ask, NULL, err) < 0)
		return -1;
	if (!c.written)
		return ff_err_set(err, FF_E_PROTOCOL, FF_DAEMON " gave no copy");
	ff_cli_say(cli, "%s: the record, %" PRId64 " bytes. Not in it: the configuration, the key, the logs of jobs, and "
		   "commits and refs, which are in the repositories", c.path, c.bytes);
	return 0;
}

int ff_cli_restore(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_free) char *mode = ff_asprintf("--restore=%s", args->operand[0]);
	pid_t pid = ff_cli_daemon(cli, args, mode, -1, err);
	int status;

	if (pid < 0)
		return -1;
	status = ff_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
