/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_ARGS_H
#define FF_CLI_ARGS_H

/*
 * The words of a command line against the tables commands.def and
 * options.def: which command, which options, which operands.  It knows
 * nothing of what the commands do.
 *
 *     struct ff_args args;
 *     if (ff_args_parse(argc, argv, &args, &err) < 0) ...   (fini also then)
 *     limit = ff_args_value(&args, FF_CLI_OPT_LIMIT);
 *     ff_args_fini(&args);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum ff_cli_opt {
#define FF_CLI_OPT(id, ...) FF_CLI_OPT_##id,
#include "cli/options.def"
#undef FF_CLI_OPT
	FF_CLI_OPTS
};

/* Options that may stand before the command, and that every command takes. */
#define FF_CLI_ALWAYS (UINT64_C(1) << FF_CLI_OPT_CONFIG | UINT64_C(1) << FF_CLI_OPT_SET | UINT64_C(1) << FF_CLI_OPT_COLOR | UINT64_C(1) << FF_CLI_OPT_HELP)
#define FF_CLI_FIRST (FF_CLI_ALWAYS | UINT64_C(1) << FF_CLI_OPT_JSON | UINT64_C(1) << FF_CLI_OPT_VERSION)

struct ff_cli;
struct ff_args;

/* The exit status, or -1 with err. */
typedef int (*ff_cli_fn)(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err);

struct ff_cli_command {
	const char *name;
	ff_cli_fn run;
	const char *operands;
	int least, most;   /* operands; most -1: everything behind the name is an operand */
	bool over_ssh;     /* flowforge shell lets it through */
	uint64_t options;  /* bits of enum ff_cli_opt */
	const char *help;
};

struct ff_arg { enum ff_cli_opt opt; const char *value; };

struct ff_args {
	const struct ff_cli_command *command; /* NULL: none was given */
	struct ff_arg *given;                 /* in the order of the command line */
	size_t n_given;
	char **operand;                       /* NULL-terminated; the words are argv's */
	int n_operand;
};

/* FF_E_USAGE says what is wrong. With --help or --version operands are not counted. */
int ff_args_parse(int argc, char **argv, struct ff_args *args, struct ff_err *err);
void ff_args_fini(struct ff_args *args);
/* The last value given, "" for a flag; NULL: not given. */
const char *ff_args_value(const struct ff_args *args, enum ff_cli_opt opt);
/* NULL: no such command. */
const struct ff_cli_command *ff_args_command(const char *name);
/* The help of all commands (NULL) or of one. */
void ff_args_help(const struct ff_cli_command *command, struct ff_buf *out);
/* The names of the commands that go over ssh, with blanks between. */
void ff_args_ssh_words(struct ff_buf *out);

#endif
