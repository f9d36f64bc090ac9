/* SPDX-License-Identifier: MIT */
/*
 * Can this host run a sandbox?  Asked of a worker at start and again while the
 * answer is no.  Until it is yes nothing is run: pushes are taken, jobs wait
 * as blocked.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"

#define PROBE_MS 20000

struct ff_sandbox_state {
	struct ff_core *core;
	struct ff_child child;
	bool asking, answered, known;
	char *missing; /* NULL: all is well */
	char *limits;  /* which limit holds by what; NULL: not known */
	char *weak;    /* jobs run, and this is what the host lacks; or NULL */
	struct ff_watch *deadline, *again;
};

static void on_again(void *arg)
{
	struct ff_sandbox_state *s = arg;

	ff_watch_free(&s->again);
	ff_sandbox_check(s->core);
}

/* Not while a probe lives: a second one beside it would be refused, and nobody would ask again. */
static void try_later(struct ff_sandbox_state *s)
{
	if (s->missing && !s->asking && !s->again)
		s->again = ff_loop_timer(s->core->loop, ff_conf_int(s->core->conf, FF_CONF_SANDBOX_PROBE_INTERVAL),
					 on_again, s);
}

static void answered(struct ff_sandbox_state *s, bool ok, const char *text, const char *limits)
{
	FF_AUTO(ff_free) char *before = ff_steal(&s->missing);
	bool same = !ok && before && !strcmp(before, text);

	s->answered = s->known = true;
	s->missing = ok ? NULL : ff_strdup(text);
	ff_free(&s->weak);
	s->weak = ok && *text ? ff_strdup(text) : NULL;
	ff_free(&s->limits);
	s->limits = ok && *limits ? ff_strdup(limits) : NULL;
	ff_watch_free(&s->deadline);
	try_later(s);
	if (same) /* said and done at the first try */
		return;
	if (ok)
		ff_log_info(&s->core->log, "sandbox.ready", "jobs run in a sandbox on this host%s%s", *text ? ": " : "", text);
	else
		ff_log_error(&s->core->log, "sandbox.missing", "%s: jobs wait until this is mended", text);
	ff_core_unblock(s->core);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_sandbox_state *s = arg;
	const char *text = NULL, *limits = NULL;
	bool ok = false;

	(void)chan;
	ff_close(&fd);
	if (type != FF_MSG_PROBED || s->answered)
		return;
	(void)ff_msg_bool(msg, "ok", &ok, NULL); /* anything but true is no */
	(void)ff_msg_opt_str(msg, "text", &text, NULL);
	(void)ff_msg_opt_str(msg, "limits", &limits, NULL);
	answered(s, ok, text ? text : ok ? "" : "the sandbox probe gave no reason", limits ? limits : "");
	ff_child_hang_up(&s->child);
}

static void on_ended(void *arg, int status)
{
	struct ff_sandbox_state *s = arg;
	char how[FF_STATUS_TEXT];

	ff_child_fini(&s->child);
	s->asking = false;
	if (s->answered) {
		try_later(s);
		return;
	}
	ff_status_text(status, how);
	ff_log_error(&s->core->log, "sandbox.probe", "the probe ended without an answer (%s)", how);
	answered(s, false, "the sandbox probe ended without an answer", "");
}

static void on_deadline(void *arg)
{
	struct ff_sandbox_state *s = arg;

	ff_child_kill(&s->child, SIGKILL);
}

void ff_sandbox_check(struct ff_core *core)
{
	struct ff_sandbox_state *s = core->sandbox;
	struct ff_err err = { 0 };

	if (!s)
		s = core->sandbox = ff_calloc(1, sizeof *s);
	s->core = core;
	if (s->asking)
		return;
	s->answered = false;
	if (ff_child_start(core, &s->child, "worker", FF_PEER_WORKER, on_msg, on_ended, s, &err) < 0) {
		answered(s, false, err.text, "");
		return;
	}
	s->asking = true;
	s->deadline = ff_loop_timer(core->loop, PROBE_MS, on_deadline, s);
	(void)ff_chan_send(s->child.chan, FF_MSG_PROBE, json_object(), -1, NULL); /* a failure ends the child */
}

bool ff_sandbox_known(const struct ff_core *core)
{
	return core->sandbox && core->sandbox->known;
}

const char *ff_sandbox_missing(const struct ff_core *core)
{
	return core->sandbox ? core->sandbox->missing : "the sandbox was not probed yet";
}

const char *ff_sandbox_limits(const struct ff_core *core)
{
	return core->sandbox ? core->sandbox->limits : NULL;
}

const char *ff_sandbox_weak(const struct ff_core *core)
{
	return core->sandbox ? core->sandbox->weak : NULL;
}

void ff_sandbox_fini(struct ff_core *core)
{
	struct ff_sandbox_state *s = ff_steal(&core->sandbox);

	if (!s)
		return;
	ff_watch_free(&s->deadline);
	ff_watch_free(&s->again);
	ff_child_fini(&s->child);
	ff_free(&s->missing);
	ff_free(&s->weak);
	ff_free(&s->limits);
	free(s);
}
