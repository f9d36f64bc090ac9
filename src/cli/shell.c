/* SPDX-License-Identifier: MIT */
/*
 * shell: what a key with command="flowforge shell" may do: git's pushes and
 * fetches, which git-shell(1) judges and serves, and a few words of ours.
 * Also the program behind git-shell-commands and gitolite's commands, which
 * give it the words as arguments.  No shell reads any of it.
 *
 * FIXME: every key that may speak may ask about every job of this server, as
 * the daemon sees one account for all of them; servers whose users must not
 * see each other's repositories should not hand out these words.
 */
#include <string.h>

#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/words.h"

#define ENV_COMMAND "SSH_ORIGINAL_COMMAND"
#define GIT_SHELL "git-shell"

static int hand_to_git(const struct ff_cli *cli, const char *line, struct ff_err *err)
{
	FF_AUTO(ff_free) char *program = ff_cli_program(cli, GIT_SHELL);
	FF_AUTO(ff_free) char *command = ff_strdup(line);
	char name[] = GIT_SHELL, option[] = "-c";
	char *const argv[] = { name, option, command, NULL };

	if (!program)
		return ff_err_set(err, FF_E_NOT_FOUND, GIT_SHELL " is not in PATH: install git on this server");
	return ff_exec(program, argv, cli->environ, err);
}

static int refuse(struct ff_err *err, const char *what)
{
	FF_AUTO(ff_buf_fini) struct ff_buf words;

	ff_buf_init(&words, 1024);
	ff_args_ssh_words(&words);
	return ff_err_set(err, FF_E_NOT_ALLOWED, "%s; over ssh there are git's own commands and " FF_NAME " with: %s",
			  what, words.data);
}

/* The words with our name in front, as an argument vector. */
static int run_words(struct ff_cli *cli, const struct ff_args *outer, char **words, int count, struct ff_err *err)
{
	FF_AUTO(ff_free) char **argv = ff_calloc((size_t)count + 2, sizeof *argv);
	char name[] = FF_NAME;
	int n = 0, status;

	argv[n++] = name;
	if (count && !strcmp(words[0], FF_NAME)) {
		words++;
		count--;
	}
	for (int i = 0; i < count; i++)
		argv[n++] = words[i];
	if (n == 1)
		return refuse(err, "no command was given");
	if (words[0][0] != '-' && !(ff_args_command(words[0]) && ff_args_command(words[0])->over_ssh))
		return refuse(err, "this command is not allowed");
	cli->remote = true;
	cli->first = outer;
	status = ff_cli_run(cli, n, argv, err);
	cli->first = NULL;
	return status;
}

int ff_cli_shell(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *line = ff_print_getenv(cli->environ, ENV_COMMAND);
	FF_AUTO(ff_words_free) char **words = NULL;
	int count;

	for (int i = 0; i < args->n_operand; i++)
		if (ff_words_check(args->operand[i], err) < 0)
			return -1;
	if (args->n_operand)
		return run_words(cli, args, args->operand, args->n_operand, err);
	if (!line || !*line)
		return refuse(err, "there is no interactive login here");
	if (ff_words_kind(line) == FF_WORDS_GIT)
		return hand_to_git(cli, line, err);
	if (!ff_starts(line, FF_NAME) || !strchr(" ", line[strlen(FF_NAME)]))
		return refuse(err, "this command is not allowed");
	if (ff_words_split(line, &words, &count, err) < 0)
		return -1;
	return run_words(cli, args, words, count, err);
}
