/* SPDX-License-Identifier: MIT */
/* The web role: started when web.listen says where, started again when it ends. It asks as a client does (control.c). */
#include "daemon/core/core.h"

#include <signal.h>
#include <stdlib.h>

#include "base/proc.h"
#include "daemon/core/lease.h"

#define DELAY_FIRST_MS 100
#define DELAY_MOST_MS 30000

struct ff_web_child {
	struct ff_core *core;
	struct ff_child child;
	struct client *client;
	struct ff_lease *lease;
	struct ff_watch *again;
	int64_t delay_ms;
	bool spoke;
};

static void start(void *arg);

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_web_child *w = arg;

	(void)chan;
	ff_close(&fd);
	w->spoke = true;
	ff_lease_heard(w->lease);
	if (type == FF_MSG_REQUEST || type == FF_MSG_LEAVE)
		ff_control_take(w->client, type, msg);
}

static void on_ended(void *arg, int status)
{
	struct ff_web_child *w = arg;
	char text[FF_STATUS_TEXT];

	ff_status_text(status, text);
	ff_control_part(&w->client);
	ff_child_fini(&w->child);
	ff_lease_free(&w->lease);
	w->delay_ms = w->spoke || !w->delay_ms ? DELAY_FIRST_MS : w->delay_ms * 2;
	if (w->delay_ms > DELAY_MOST_MS)
		w->delay_ms = DELAY_MOST_MS;
	ff_log_error(&w->core->log, "web.ended", "the web role ended (%s), it is started again in %lld ms", text,
		     (long long)w->delay_ms);
	w->again = ff_loop_timer(w->core->loop, w->delay_ms, start, w);
}

static void on_silence(void *arg)
{
	struct ff_web_child *w = arg;

	ff_log_error(&w->core->log, "web.silent", "nothing was heard of the web role for worker.silence: killed");
	ff_child_kill(&w->child, SIGKILL);
}

static void start(void *arg)
{
	struct ff_web_child *w = arg;
	struct ff_err err = { 0 };

	ff_watch_free(&w->again);
	w->spoke = false;
	if (ff_child_start(w->core, &w->child, "web", FF_PEER_WEB, on_msg, on_ended, w, &err) == 0) {
		w->client = ff_control_join(w->core, w->child.chan);
		w->lease = ff_lease_new(w->core, on_silence, w);
		return;
	}
	ff_log_error(&w->core->log, "web.start", "%s", err.text);
	w->again = ff_loop_timer(w->core->loop, DELAY_MOST_MS, start, w);
}

void ff_web_start(struct ff_core *core)
{
	if (!*ff_conf_str(core->conf, FF_CONF_WEB_LISTEN))
		return;
	core->web = ff_calloc(1, sizeof *core->web);
	core->web->core = core;
	start(core->web);
}

void ff_web_fini(struct ff_core *core)
{
	struct ff_web_child *w = ff_steal(&core->web);

	if (!w)
		return;
	ff_watch_free(&w->again);
	ff_lease_free(&w->lease);
	ff_control_part(&w->client);
	ff_child_fini(&w->child);
	free(w);
}
