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

static void argv_free(char ***argv)
{
	for (size_t i = 0; *argv && (*argv)[i]; i++)
		ff_free(&(*argv)[i]);
	ff_free(argv);
}

static char **restore_argv(const struct ff_args *args)
{
	char **argv = ff_calloc(2 * args->n_given + 3, sizeof *argv);
	size_t n = 0;

	argv[n++] = ff_strdup(FF_DAEMON);
	for (size_t i = 0; i < args->n_given; i++) {
		if (args->given[i].opt != FF_CLI_OPT_CONFIG && args->given[i].opt != FF_CLI_OPT_SET)
			continue;
		argv[n++] = ff_strdup(args->given[i].opt == FF_CLI_OPT_SET ? "-c" : "--config");
		argv[n++] = ff_strdup(args->given[i].value);
	}
	argv[n] = ff_asprintf("--restore=%s", args->operand[0]);
	return argv;
}

int ff_cli_restore(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_free) char *program = ff_cli_program(cli, FF_DAEMON);
	FF_AUTO(argv_free) char **argv = restore_argv(args);
	struct ff_spawn spawn = { .argv = argv, .envp = cli->environ, .fd_in = -1, .fd_out = -1, .fd_err = -1, .fd_3 = -1 };
	pid_t pid;
	int status;

	if (!program)
		program = ff_strdup(FF_SBINDIR "/" FF_DAEMON);
	spawn.path = program;
	if (ff_spawn(&spawn, &pid, err) < 0)
		return -1;
	status = ff_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
