/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_CLI_H
#define FF_CLI_CLI_H

/*
 * The program `flowforge` without its main(), so that tests can run a whole
 * command in their own process: streams, environment and waiting come from
 * outside.  stdout is data, stderr is talk.
 *
 *     struct ff_cli cli = { .out_stream = stdout, .talk = stderr, .in = stdin,
 *                           .environ = environ, .wait_ms = ff_cli_wait };
 *     return ff_cli_main(&cli, argc, argv);
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "cli/print.h"

struct ff_conf;
struct ff_args;

struct ff_cli {
	FILE *out_stream, *talk, *in; /* borrowed */
	char *const *environ;
	void (*wait_ms)(int64_t ms);
	/* Set by ff_cli_main. */
	struct ff_print out;
	struct ff_conf *conf;     /* by ff_cli_conf */
	const struct ff_args *first; /* options that stood before `shell` */
	bool remote;              /* the words came over ssh */
};

/* The exit status (conventions: 0 done, 1 job failed, 2 usage, 3 not found, 4 not allowed, 5 unreachable). */
int ff_cli_main(struct ff_cli *cli, int argc, char **argv);
/* Runs one command line within another (shell); `first` keeps its options. Status, or -1. */
int ff_cli_run(struct ff_cli *cli, int argc, char **argv, struct ff_err *err);
/* Loads the configuration at the first call; every error it has goes to talk. */
int ff_cli_conf(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err);
/* A line of talk, made harmless. */
void ff_cli_say(const struct ff_cli *cli, const char *fmt, ...) FF_PRINTF(2, 3);
/* False when whoever read our output went away. */
bool ff_cli_reader(const struct ff_cli *cli);
/* Absolute path of a program in PATH; NULL: not there. Freed by ff_free. */
char *ff_cli_program(const struct ff_cli *cli, const char *name);
/* Starts flowforged in that mode ("--restore=FILE") with the configuration of these arguments. fd_out: its output, -1: ours. */
pid_t ff_cli_daemon(struct ff_cli *cli, const struct ff_args *args, const char *mode, int fd_out, struct ff_err *err);
void ff_cli_wait(int64_t ms);

#endif
