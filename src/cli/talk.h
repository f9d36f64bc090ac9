/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_TALK_H
#define FF_CLI_TALK_H

/*
 * One request to the daemon over control.sock: the items of the answer by
 * callback, its end as a value.
 *
 *     if (ff_talk_open(cli, args, &chan, err) < 0 ||
 *         ff_talk(chan, &(struct ff_talk_ask){ .command = "show", .args = json }, &data, err) < 0)
 *             return -1;
 */

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

/* Silence after which a short request has failed. */
#define FF_TALK_TIMEOUT_MS 60000
/* How often `tick` is called in a long one. */
#define FF_TALK_TICK_MS 1000

struct ff_chan;
struct ff_cli;
struct ff_args;

/* data is borrowed; fd is -1 or the callee's to close. -1 with err ends the request. */
typedef int (*ff_talk_item_fn)(void *arg, json_t *data, int fd, struct ff_err *err);

/* Appends each item to arg, which is a JSON array. */
int ff_talk_collect(void *arg, json_t *data, int fd, struct ff_err *err);

struct ff_talk_ask {
	const char *command;     /* a row of ipc/command.def */
	json_t *args;            /* taken; NULL: none */
	ff_talk_item_fn on_item; /* NULL: items are left alone */
	int pass_fd;             /* goes with the request, taken; 0 (as nobody passes standard input): none */
	int timeout_ms;          /* of silence; 0: FF_TALK_TIMEOUT_MS */
	/* Not NULL: the request may last, and this is called in every silence of FF_TALK_TICK_MS. -1 ends it. */
	int (*tick)(void *arg, struct ff_err *err);
	void *arg;
};

/* Loads the configuration and connects; FF_E_UNREACHABLE and FF_E_NOT_ALLOWED say what to do. */
int ff_talk_open(struct ff_cli *cli, const struct ff_args *args, struct ff_chan **ret_chan, struct ff_err *err);
/* ret_data (may be NULL): what the answer ended with, an object or null; freed by json_decref. */
int ff_talk(struct ff_chan *chan, const struct ff_talk_ask *ask, json_t **ret_data, struct ff_err *err);
/* Both at once. */
int ff_talk_once(struct ff_cli *cli, const struct ff_args *args, const struct ff_talk_ask *ask, json_t **ret_data,
		 struct ff_err *err);
/* A job as users name it, number or UUID, as {"job": ...}; FF_E_USAGE for anything else. */
int ff_talk_job(const char *text, json_t **ret_args, struct ff_err *err);
/* For FF_AUTO. */
void ff_json_drop(json_t **value);

#endif
