/* SPDX-License-Identifier: MIT */
/*
 * The gateway process: started first, started again when it dies (at once
 * when it had been working, with a growing delay when it never said a word),
 * and told which jobs have a socket.
 */
#include "daemon/core/core.h"
#include "daemon/core/lease.h"
#include "daemon/core/vault.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/proc.h"

#define DELAY_FIRST_MS 100
#define DELAY_MOST_MS 30000

struct ff_gateway {
	struct ff_core *core;
	struct ff_child child;
	bool spoke;           /* since it was started */
	int64_t delay_ms;
	struct ff_watch *again;
	struct ff_lease *lease;
	bool key_known;       /* it has said whether there is a key */
	char *key_missing;    /* NULL: there is one */
	char *key_place;
	int64_t quota_until_ms; /* wall clock; until then no request is worth sending */
	char *quota_text;
};

static int start(struct ff_gateway *g, struct ff_err *err);

static void take_limited(struct ff_core *core, const json_t *msg)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *text = NULL;
	struct ff_event ev = { .type = FF_EVENT_RATE_LIMIT };
	int64_t id, status = 0, wait_ms = 0;
	struct ff_err err = { 0 };

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, &err) < 0 || ff_turn_open(core, &err) < 0 ||
	    ff_store_job_get(core->store, id, &job, &err) < 0)
		return;
	(void)ff_msg_int(msg, "status", 0, 999, &status, NULL);            /* 0: not said */
	(void)ff_msg_int(msg, "retry_after_ms", 0, INT32_MAX, &wait_ms, NULL);
	text = wait_ms ? ff_asprintf("the model service answered %" PRId64 ", try again in %" PRId64 " s", status,
				     wait_ms / 1000)
		       : ff_asprintf("the model service answered %" PRId64, status);
	ev.text = text;
	ev.attempt = job->attempt;
	if (ff_core_event(core, job, &ev, &err) < 0)
		ff_log_debug(&core->log, "gateway.limited", "job %" PRId64 ": %s", id, err.text);
}

static void take_opened(struct ff_core *core, int64_t job, const json_t *error)
{
	struct ff_err err = { 0 };

	if (json_is_object(error))
		(void)ff_err_from_json(error, &err); /* it always fails: that is what it makes */
	ff_workers_gateway_ready(core, job, json_is_object(error) ? &err : NULL);
}

static void take_key(struct ff_gateway *g, const json_t *msg)
{
	FF_AUTO(ff_free) char *text = NULL;
	bool ok = false;

	if (ff_msg_bool(msg, "ok", &ok, NULL) < 0 || ff_msg_bytes(msg, "text", &text, NULL) < 0 || !text)
		return; /* what it does not say well stays as it was */
	g->key_known = true;
	ff_free(&g->key_missing);
	ff_free(&g->key_place);
	if (ok)
		g->key_place = ff_steal(&text);
	else
		g->key_missing = ff_steal(&text);
	if (ok)
		ff_log_info(&g->core->log, "gateway.key", "the API key was read from %s", g->key_place);
	ff_core_unblock(g->core);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_gateway *g = arg;
	int64_t job = 0;

	(void)chan;
	ff_close(&fd);
	g->spoke = true;
	ff_lease_heard(g->lease);
	if (type == FF_MSG_USAGE)
		ff_spending_bill(g->core, msg);
	else if (type == FF_MSG_SPEND)
		ff_spending_ask(g->core, msg);
	else if (type == FF_MSG_HALT)
		ff_spending_halt(g->core, msg);
	else if (type == FF_MSG_LIMITED)
		take_limited(g->core, msg);
	else if (type == FF_MSG_KEY)
		take_key(g, msg);
	else if (type == FF_MSG_OPENED && ff_msg_int(msg, "job", 1, INT64_MAX, &job, NULL) == 0)
		take_opened(g->core, job, json_object_get(msg, "error"));
}

static void start_again(void *arg)
{
	struct ff_gateway *g = arg;
	struct ff_err err = { 0 };

	ff_watch_free(&g->again);
	if (start(g, &err) == 0) {
		ff_workers_reopen_sockets(g->core);
		return;
	}
	ff_log_error(&g->core->log, "gateway.start", "%s", err.text);
	g->again = ff_loop_timer(g->core->loop, DELAY_MOST_MS, start_again, g);
}

static void on_ended(void *arg, int status)
{
	struct ff_gateway *g = arg;
	char text[FF_STATUS_TEXT];

	ff_status_text(status, text);
	ff_child_fini(&g->child);
	ff_lease_free(&g->lease);
	if (g->spoke)
		g->delay_ms = 0;
	else
		g->delay_ms = g->delay_ms ? g->delay_ms * 2 : DELAY_FIRST_MS;
	if (g->delay_ms > DELAY_MOST_MS)
		g->delay_ms = DELAY_MOST_MS;
	ff_log_error(&g->core->log, "gateway.ended", "the gateway ended (%s), it is started again in %" PRId64 " ms",
		     text, g->delay_ms);
	g->again = ff_loop_timer(g->core->loop, g->delay_ms, start_again, g);
}

/* Without it no job goes on, and all would wait for their own time to be over. */
static void on_silence(void *arg)
{
	struct ff_gateway *g = arg;

	ff_log_error(&g->core->log, "gateway.silent", "nothing was heard of the gateway for worker.silence: killed");
	ff_child_kill(&g->child, SIGKILL);
}

/* The API key of gateway.key, or why there is none. */
static void send_key(struct ff_gateway *g)
{
	const char *name = ff_vault_ref(g->core->conf, FF_CONF_GATEWAY_KEY);
	FF_AUTO(ff_secret_free) struct ff_secret *key = NULL;
	struct ff_err err = { 0 };
	int fd = -1;

	if (!name || !g->child.chan)
		return;
	if (ff_vault_get(g->core, NULL, name, FF_SECRET_API_KEY, &key, &err) == 0)
		(void)ff_secret_to_fd(key, &fd, &err); /* err says it */
	(void)ff_chan_send(g->child.chan, FF_MSG_SECRET,
			   err.code ? json_pack("{s:o}", "error", ff_json_from_err(&err)) : json_object(), fd, NULL); /* a failure ends the child */
}

static int start(struct ff_gateway *g, struct ff_err *err)
{
	g->spoke = false;
	ff_spending_lose(g->core);
	if (ff_child_start(g->core, &g->child, "gateway", FF_PEER_GATEWAY, on_msg, on_ended, g, err) < 0)
		return -1;
	g->lease = ff_lease_new(g->core, on_silence, g);
	send_key(g);
	return 0;
}

int ff_gateway_start(struct ff_core *core, struct ff_err *err)
{
	core->gateway = ff_calloc(1, sizeof *core->gateway);
	core->gateway->core = core;
	return start(core->gateway, err);
}

void ff_gateway_open(struct ff_core *core, int64_t job, int attempt, const char *token)
{
	struct ff_gateway *g = core->gateway;

	if (g->child.chan) /* else it is opened when the gateway is back */
		(void)ff_chan_send(g->child.chan, FF_MSG_OPEN, json_pack("{s:I,s:i,s:s}", "job", (json_int_t)job, "attempt",
				   attempt, "token", token), -1, NULL); /* a failure ends the child */
}

void ff_gateway_close(struct ff_core *core, int64_t job, bool ended)
{
	struct ff_gateway *g = core->gateway;

	if (g && g->child.chan)
		(void)ff_chan_send(g->child.chan, FF_MSG_CLOSE, json_pack("{s:I,s:b}", "job", (json_int_t)job, "ended", ended), -1, NULL);
}

void ff_gateway_send_grant(struct ff_core *core, json_t *msg)
{
	struct ff_gateway *g = core->gateway;

	if (g && g->child.chan)
		(void)ff_chan_send(g->child.chan, FF_MSG_GRANT, msg, -1, NULL); /* a failure ends the child */
	else
		json_decref(msg);
}

void ff_gateway_quota(struct ff_core *core, int64_t until_ms, const char *text)
{
	struct ff_gateway *g = core->gateway;

	if (until_ms <= g->quota_until_ms)
		return;
	g->quota_until_ms = until_ms;
	ff_free(&g->quota_text);
	g->quota_text = ff_strdup(text);
}

char *ff_gateway_notice(const struct ff_core *core)
{
	const struct ff_gateway *g = core->gateway;
	char until[FF_CLOCK_TEXT];

	if (!g || g->quota_until_ms <= ff_clock_wall())
		return NULL;
	ff_clock_format(g->quota_until_ms, until);
	return ff_asprintf("the model's quota is used up until %s; jobs wait", until);
}

void ff_gateway_look(struct ff_core *core)
{
	struct ff_gateway *g = core->gateway;

	send_key(g);
	if (g->child.chan)
		(void)ff_chan_send(g->child.chan, FF_MSG_LOOK, json_object(), -1, NULL); /* a failure ends the child */
}

bool ff_gateway_key_known(const struct ff_core *core)
{
	return core->gateway->key_known;
}

const char *ff_gateway_key_missing(const struct ff_core *core)
{
	return core->gateway->key_known ? core->gateway->key_missing : "the API key was not read yet";
}

const char *ff_gateway_key_place(const struct ff_core *core)
{
	return core->gateway->key_place;
}

bool ff_gateway_alive(const struct ff_core *core)
{
	return core->gateway && core->gateway->child.chan;
}

void ff_gateway_fini(struct ff_core *core)
{
	struct ff_gateway *g = ff_steal(&core->gateway);

	if (!g)
		return;
	ff_watch_free(&g->again);
	ff_lease_free(&g->lease);
	ff_free(&g->key_missing);
	ff_free(&g->key_place);
	ff_free(&g->quota_text);
	ff_child_fini(&g->child);
	free(g);
}
