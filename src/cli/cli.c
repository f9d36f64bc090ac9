/* SPDX-License-Identifier: MIT */
/* From the words of the command line to a command and its exit status. */
#include "cli/cli.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/commands.h"
#include "conf/conf.h"

#define HELP_MAX (64 * 1024)
#define REPORT_MAX (64 * 1024)

void ff_cli_wait(int64_t ms)
{
	const struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* waking up early is harmless */
}

void ff_cli_say(const struct ff_cli *cli, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	FF_AUTO(ff_free) char *shown = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	shown = ff_text_shown(text, 0);
	(void)fprintf(cli->talk, FF_NAME ": %s\n", shown);
	(void)fflush(cli->talk);
}

bool ff_cli_reader(const struct ff_cli *cli)
{
	struct pollfd p = { .fd = fileno(cli->out_stream), .events = 0 };

	return p.fd < 0 || poll(&p, 1, 0) <= 0 || !(p.revents & (POLLERR | POLLHUP));
}

char *ff_cli_program(const struct ff_cli *cli, const char *name)
{
	return ff_path_program(ff_print_getenv(cli->environ, "PATH"), name);
}

static int help(struct ff_cli *cli, const struct ff_cli_command *command)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, HELP_MAX);
	ff_args_help(command, &b);
	(void)fputs(b.data, cli->out.f);
	return 0;
}

int ff_cli_help(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *name = args->operand[0];
	const struct ff_cli_command *c = name ? ff_args_command(name) : NULL;

	if (name && !c)
		return ff_err_set(err, FF_E_USAGE, "no such command '%s': see " FF_NAME " help", name);
	return help(cli, c);
}

/* The values of -c, the outer command line's first. NULL-terminated, freed by ff_free. */
static const char **settings(const struct ff_args *outer, const struct ff_args *args)
{
	const struct ff_args *from[2] = { outer, args };
	const char **list = NULL;
	size_t n = 0;

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; from[k] && i < from[k]->n_given; i++) {
			if (from[k]->given[i].opt != FF_CLI_OPT_SET)
				continue;
			list = ff_realloc(list, n + 2, sizeof *list);
			list[n++] = from[k]->given[i].value;
			list[n] = NULL;
		}
	return list;
}

int ff_cli_conf(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_free) const char **set = settings(cli->first, args);
	FF_AUTO(ff_buf_fini) struct ff_buf report = { 0 };
	const char *file = ff_args_value(args, FF_CLI_OPT_CONFIG);
	struct ff_conf_source from = { .settings = set, .environ = cli->environ };

	if (cli->conf)
		return 0;
	from.file = file || !cli->first ? file : ff_args_value(cli->first, FF_CLI_OPT_CONFIG);
	ff_buf_init(&report, REPORT_MAX);
	if (ff_conf_load(&from, &cli->conf, &report, err) == 0)
		return 0;
	if (report.len) {
		struct ff_print talk = { .f = cli->talk };

		ff_print_lines(&talk, FF_NAME ": ", report.data, report.len);
	}
	return ff_err_wrap(err, "configuration");
}

static void argv_free(char ***argv)
{
	for (size_t i = 0; *argv && (*argv)[i]; i++)
		ff_free(&(*argv)[i]);
	ff_free(argv);
}

static char **daemon_argv(const struct ff_args *args, const char *mode)
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
	argv[n] = ff_strdup(mode);
	return argv;
}

pid_t ff_cli_daemon(struct ff_cli *cli, const struct ff_args *args, const char *mode, int fd_out, struct ff_err *err)
{
	FF_AUTO(ff_free) char *program = ff_cli_program(cli, FF_DAEMON);
	FF_AUTO(argv_free) char **argv = daemon_argv(args, mode);
	struct ff_spawn spawn = { .argv = argv, .envp = cli->environ, .fd_in = -1, .fd_out = fd_out, .fd_err = fd_out,
				  .fd_3 = -1 };
	pid_t pid;

	if (!program)
		program = ff_strdup(FF_SBINDIR "/" FF_DAEMON);
	spawn.path = program;
	return ff_spawn(&spawn, &pid, err) < 0 ? -1 : pid;
}

static int permitted(const struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf words = { 0 };

	if (!cli->remote)
		return 0;
	/* A configuration of the caller's choice would be another socket and another file read out in errors. */
	if (ff_args_value(args, FF_CLI_OPT_CONFIG) || ff_args_value(args, FF_CLI_OPT_SET))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "the configuration cannot be chosen over ssh");
	if (args->command && !args->command->over_ssh) {
		ff_buf_init(&words, 1024);
		ff_args_ssh_words(&words);
		return ff_err_set(err, FF_E_NOT_ALLOWED, "'%s' is not allowed over ssh; these are: %s",
				  args->command->name, words.data);
	}
	return 0;
}

static int dispatch(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	if (permitted(cli, args, err) < 0)
		return -1;
	if (ff_print_setup(&cli->out, cli->out_stream, ff_args_value(args, FF_CLI_OPT_COLOR), cli->environ, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_HELP))
		return help(cli, args->command);
	if (ff_args_value(args, FF_CLI_OPT_VERSION)) {
		(void)fprintf(cli->out.f, FF_NAME " " PACKAGE_VERSION "\n");
		return 0;
	}
	return args->command->run(cli, args, err);
}

int ff_cli_run(struct ff_cli *cli, int argc, char **argv, struct ff_err *err)
{
	FF_AUTO(ff_args_fini) struct ff_args args;

	if (ff_args_parse(argc, argv, &args, err) < 0)
		return -1;
	return dispatch(cli, &args, err);
}

int ff_cli_main(struct ff_cli *cli, int argc, char **argv)
{
	struct ff_err err = { 0 };
	int status = ff_cli_run(cli, argc, argv, &err);

	if (status < 0) {
		ff_cli_say(cli, "%s", err.text);
		status = ff_err_exit(err.code);
	}
	if (fflush(cli->out_stream) != 0 || ferror(cli->out_stream)) {
		ff_cli_say(cli, "the output could not be written");
		status = status ? status : 1;
	}
	ff_conf_free(&cli->conf);
	return status;
}
