/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_COMMANDS_H
#define FF_CLI_COMMANDS_H

/*
 * The functions behind commands.def, each in the file of its topic: job.c
 * (submit list show cancel retry continue), watch.c, log.c, diff.c, mergetree.c
 * (merge-tree), prove.c (prove resolve), rebase.c, hooks.c, backup.c (backup
 * restore), admin.c, token.c, secret.c, spend.c (stats), doctor.c,
 * shell.c, cli.c (help).  Each returns the exit status, or -1 with err.
 */

#include "cli/args.h"

#define FF_CLI_CMD(name, fn, ...) \
	int ff_cli_##fn(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err);
#include "cli/commands.def"
#undef FF_CLI_CMD
/* log --model (spend.c). */
int ff_cli_log_model(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err);

#endif
