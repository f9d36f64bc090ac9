/* SPDX-License-Identifier: MIT */
/* See talk.h. A connection serves one request at a time, so every answer is to id 1. */
#include "cli/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "base/num.h"
#include "base/sock.h"
#include "cli/args.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

#define CONNECT_MS 5000
#define REQUEST_ID 1

void ff_json_drop(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}

int ff_talk_open(struct ff_cli *cli, const struct ff_args *args, struct ff_chan **ret_chan, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;
	int fd = -1;

	if (ff_cli_conf(cli, args, err) < 0)
		return -1;
	path = ff_conf_run_path(cli->conf, "control.sock");
	if (ff_sock_connect(path, CONNECT_MS, &fd, err) < 0) {
		if (access(path, R_OK | W_OK) < 0 && errno == EACCES)
			return ff_err_set(err, FF_E_NOT_ALLOWED, "%s is not for this account: run this as the account "
					  "that owns the repositories", path);
		return ff_err_set(err, FF_E_UNREACHABLE, "cannot reach " FF_DAEMON " at %s: is it running? see "
				  FF_NAME " doctor", path);
	}
	*ret_chan = ff_chan_new(fd, FF_PEER_CLIENT, FF_PEER_CORE);
	return 0;
}

/* Takes msg and fd. 1: that was the end, 0: more comes. */
static int take(const struct ff_talk_ask *ask, enum ff_msg_type type, json_t *msg, int fd, json_t **ret_data,
		struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *owned = msg;
	FF_AUTO(ff_close) int passed = fd;
	json_t *error = json_object_get(msg, "error"), *data = json_object_get(msg, "data");

	if (type == FF_MSG_ITEM)
		return ask->on_item ? ask->on_item(ask->arg, data, ff_steal_fd(&passed), err) : 0;
	if (type != FF_MSG_END)
		return ff_err_set(err, FF_E_PROTOCOL, FF_DAEMON " answered with '%s'", ff_msg_name(type));
	if (json_is_object(error))
		return ff_err_from_json(error, err);
	if (ret_data)
		*ret_data = data ? json_incref(data) : json_null();
	return 1;
}

int ff_talk(struct ff_chan *chan, const struct ff_talk_ask *ask, json_t **ret_data, struct ff_err *err)
{
	json_t *msg = json_pack("{s:i,s:s,s:o}", "id", REQUEST_ID, "command", ask->command,
				"args", ask->args ? ask->args : json_object());
	int timeout_ms = ask->timeout_ms ? ask->timeout_ms : FF_TALK_TIMEOUT_MS;
	enum ff_msg_type type;
	int fd, rc;

	ff_assert(msg != NULL);
	if (ff_chan_send(chan, FF_MSG_REQUEST, msg, ask->pass_fd > 0 ? ask->pass_fd : -1, err) < 0)
		return -1;
	do {
		struct ff_err why = { 0 };

		fd = -1;
		rc = ff_chan_recv(chan, ask->tick ? FF_TALK_TICK_MS : timeout_ms, &type, &msg, &fd, &why);
		if (rc == 0)
			rc = take(ask, type, msg, fd, ret_data, err);
		else if (why.code == FF_E_TIMEOUT && ask->tick)
			rc = ask->tick(ask->arg, err);
		else
			return ff_err_set(err, why.code, "the answer of " FF_DAEMON ": %s", why.text);
	} while (rc == 0);
	return rc < 0 ? -1 : 0;
}

int ff_talk_once(struct ff_cli *cli, const struct ff_args *args, const struct ff_talk_ask *ask, json_t **ret_data,
		 struct ff_err *err)
{
	FF_AUTO(ff_chan_free) struct ff_chan *chan = NULL;

	if (ff_talk_open(cli, args, &chan, err) < 0) {
		int unused = ask->pass_fd > 0 ? ask->pass_fd : -1;

		ff_close(&unused);
		json_decref(ask->args);
		return -1;
	}
	return ff_talk(chan, ask, ret_data, err);
}

static bool is_uuid(const char *s)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; shape[i]; i++)
		if (!s[i] || (shape[i] == '-' ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i])))
			return false;
	return !s[sizeof shape - 1];
}

int ff_talk_job(const char *text, json_t **ret_args, struct ff_err *err)
{
	int64_t number;

	if (ff_num_i64(text, 1, INT64_MAX, &number) == 0)
		*ret_args = json_pack("{s:I}", "job", (json_int_t)number);
	else if (is_uuid(text))
		*ret_args = json_pack("{s:s}", "job", text);
	else
		return ff_err_set(err, FF_E_USAGE, "'%s' is not a job: give its number or its UUID (see " FF_NAME
				  " list)", text);
	return 0;
}

int ff_talk_collect(void *arg, json_t *data, int fd, struct ff_err *err)
{
	(void)err;
	ff_close(&fd);
	(void)json_array_append(arg, data); /* fails only for no data, which is nothing to show */
	return 0;
}
