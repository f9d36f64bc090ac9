/* SPDX-License-Identifier: MIT */
/*
 * When repositories are tidied: each once in maintenance.interval, and one
 * that is pushed to or worked in a lot after maintenance.packs of that.  One
 * keeper runs at a time, whatever the number of repositories, so that pushes
 * meet no more than one.  What is due is in memory alone: after a restart
 * every repository is looked at within the interval anyway.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

/* Between two keepers. */
#define STEP_MS 50
/* A keeper ends git at maintenance.timeout; one that is still there so much later hangs. */
#define GRACE_MS 60000
/* The end of the daemon waits no longer for git to take its leave. */
#define LEAVE_MS 3000
/* After a failure a repository is left alone for an interval, then for twice as long, up to this. */
#define REST_MOST_MS 86400000

struct place { /* a repository that something was written into, or that is due */
	struct place *next;
	int64_t repo;
	int64_t writes;   /* since a keeper last looked */
	bool due;
	int64_t rest_ms;  /* grows with each failure in a row; 0: none */
	int64_t until_ms; /* monotonic: no keeper before */
};

struct ff_upkeep {
	struct ff_core *core;
	struct ff_watch *pass, *step, *deadline;
	struct place *first, **end; /* first come, first served */
	struct ff_child child;
	bool started, answered;
	struct place *busy;   /* whose keeper runs */
};

static struct place *place_of(struct ff_upkeep *u, int64_t repo)
{
	struct place *p;

	for (p = u->first; p; p = p->next)
		if (p->repo == repo)
			return p;
	p = ff_calloc(1, sizeof *p);
	p->repo = repo;
	*u->end = p;
	u->end = &p->next;
	return p;
}

static void drop(struct ff_upkeep *u, struct place *gone)
{
	struct place **at = &u->first;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	if (!*at)
		u->end = at;
	free(gone);
}

/* --- the end of a keeper ---------------------------------------------------------- */

static int64_t count_of(const json_t *msg, const char *when, const char *what)
{
	return json_integer_value(json_object_get(json_object_get(msg, when), what));
}

static void say_done(struct ff_upkeep *u, const json_t *msg)
{
	FF_AUTO(ff_free) char *path = NULL;

	if (ff_store_repo_path(u->core->store, u->busy->repo, &path, NULL) == 0)
		ff_log_info(&u->core->log, "maintenance.done", "%s: packs %" PRId64 " to %" PRId64 ", loose objects %" PRId64
			    " to %" PRId64 ", loose refs %" PRId64 " to %" PRId64, path, count_of(msg, "before", "packs"),
			    count_of(msg, "after", "packs"), count_of(msg, "before", "loose"), count_of(msg, "after", "loose"),
			    count_of(msg, "before", "refs"), count_of(msg, "after", "refs"));
}

static void failed(struct ff_upkeep *u, const char *why)
{
	int64_t rest = u->busy->rest_ms ? 2 * u->busy->rest_ms : ff_conf_int(u->core->conf, FF_CONF_MAINTENANCE_INTERVAL);
	FF_AUTO(ff_free) char *path = NULL;

	u->busy->rest_ms = rest > REST_MOST_MS ? REST_MOST_MS : rest;
	u->busy->until_ms = ff_clock_mono() + u->busy->rest_ms;
	if (ff_store_repo_path(u->core->store, u->busy->repo, &path, NULL) == 0)
		ff_log_warn(&u->core->log, "maintenance.failed", "%s: %s: tried again in %" PRId64 " s", path, why,
			    u->busy->rest_ms / 1000);
}

/* Somebody else does it; what is left is seen in the next pass. */
static void busy(struct ff_upkeep *u, const char *who)
{
	FF_AUTO(ff_free) char *path = NULL;

	u->busy->until_ms = ff_clock_mono() + ff_conf_int(u->core->conf, FF_CONF_MAINTENANCE_INTERVAL);
	if (ff_store_repo_path(u->core->store, u->busy->repo, &path, NULL) == 0)
		ff_log_info(&u->core->log, "maintenance.busy", "%s: %s", path, who);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_upkeep *u = arg;
	const char *state = "", *text = "";

	(void)chan;
	ff_close(&fd);
	if (type != FF_MSG_KEPT || u->answered)
		return;
	(void)ff_msg_str(msg, "state", &state, NULL); /* "" is a failure without a word */
	(void)ff_msg_str(msg, "text", &text, NULL);
	u->answered = true;
	u->busy->writes = 0;
	if (!strcmp(state, "done"))
		say_done(u, msg);
	if (!strcmp(state, "done") || !strcmp(state, "off") || !strcmp(state, "nothing"))
		u->busy->rest_ms = 0;
	else if (!strcmp(state, "busy"))
		busy(u, text);
	else
		failed(u, text);
	ff_child_hang_up(&u->child);
}

static void on_ended(void *arg, int status)
{
	struct ff_upkeep *u = arg;
	struct place *p = u->busy;

	(void)status;
	if (!u->answered)
		failed(u, "the keeper ended without an answer");
	ff_watch_free(&u->deadline);
	ff_child_fini(&u->child);
	u->started = false;
	u->busy = NULL;
	if (!p->due && !p->rest_ms && !p->writes && p->until_ms < ff_clock_mono())
		drop(u, p); /* what is not remembered is as good as looked at */
	ff_watch_again(u->step, STEP_MS);
}

static void on_deadline(void *arg)
{
	struct ff_upkeep *u = arg;

	ff_watch_free(&u->deadline);
	ff_child_kill(&u->child, SIGKILL); /* what it runs ends by itself, and the lock names it until then */
}

/* --- the start of one ----------------------------------------------------------------- */

static int start(struct ff_upkeep *u, struct place *p, struct ff_err *err)
{
	const struct ff_conf *c = u->core->conf;
	int64_t timeout = ff_conf_int(c, FF_CONF_MAINTENANCE_TIMEOUT);
	FF_AUTO(ff_free) char *url = ff_repo_url(u->core, p->repo, err);

	if (!url || ff_child_start(u->core, &u->child, "keeper", FF_PEER_KEEPER, on_msg, on_ended, u, err) < 0)
		return -1;
	u->started = true;
	u->answered = false;
	u->busy = p;
	u->deadline = ff_loop_timer(u->core->loop, timeout + GRACE_MS, on_deadline, u);
	(void)ff_chan_send(u->child.chan, FF_MSG_KEEP, json_pack("{s:s,s:I,s:I,s:I,s:I}", "repo", url, "packs",
			   (json_int_t)ff_conf_int(c, FF_CONF_MAINTENANCE_PACKS), "loose",
			   (json_int_t)ff_conf_int(c, FF_CONF_MAINTENANCE_LOOSE), "full_ms",
			   (json_int_t)ff_conf_int(c, FF_CONF_MAINTENANCE_FULL), "timeout_ms", (json_int_t)timeout), -1,
			   NULL); /* a failure ends the child */
	return 0;
}

/* A repository that is gone is nobody's trouble. */
static bool is_there(struct ff_upkeep *u, int64_t repo)
{
	FF_AUTO(ff_free) char *path = NULL;

	return ff_store_repo_path(u->core->store, repo, &path, NULL) == 0 && access(path, F_OK) == 0;
}

static void on_step(void *arg)
{
	struct ff_upkeep *u = arg;
	struct ff_err err = { 0 };
	int64_t now = ff_clock_mono();
	struct place *p, *next;

	if (u->started || u->core->draining || !ff_conf_bool(u->core->conf, FF_CONF_MAINTENANCE_ENABLED))
		return;
	for (p = u->first; p; p = next) {
		next = p->next;
		if (!p->due || p->until_ms > now)
			continue;
		p->due = false;
		if (!is_there(u, p->repo))
			drop(u, p);
		else
			break;
	}
	if (!p)
		return;
	if (start(u, p, &err) < 0) {
		ff_log_warn(&u->core->log, "maintenance.start", "%s", err.text);
		p->until_ms = now + ff_conf_int(u->core->conf, FF_CONF_MAINTENANCE_INTERVAL);
		ff_watch_again(u->step, STEP_MS);
	}
}

static void make_due(struct ff_upkeep *u, struct place *p)
{
	p->due = true;
	if (!u->started)
		ff_watch_again(u->step, STEP_MS);
}

void ff_upkeep_note(struct ff_core *core, int64_t repo)
{
	struct place *p;

	if (!core->upkeep || !ff_conf_bool(core->conf, FF_CONF_MAINTENANCE_ENABLED))
		return;
	p = place_of(core->upkeep, repo);
	if (++p->writes >= ff_conf_int(core->conf, FF_CONF_MAINTENANCE_PACKS))
		make_due(core->upkeep, p);
}

static void add_place(void *arg, int64_t repo, const char *path, bool tips_known)
{
	struct ff_upkeep *u = arg;

	(void)path;
	(void)tips_known;
	place_of(u, repo)->due = true;
}

static void on_pass(void *arg)
{
	struct ff_upkeep *u = arg;
	struct ff_err err = { 0 };

	if (ff_conf_bool(u->core->conf, FF_CONF_MAINTENANCE_ENABLED) &&
	    ff_store_repos(u->core->store, add_place, u, &err) < 0)
		ff_log_error(&u->core->log, "maintenance.pass", "%s", err.text);
	if (!u->started)
		ff_watch_again(u->step, STEP_MS);
	ff_watch_again(u->pass, ff_conf_int(u->core->conf, FF_CONF_MAINTENANCE_INTERVAL));
}

void ff_upkeep_init(struct ff_core *core)
{
	struct ff_upkeep *u = core->upkeep = ff_calloc(1, sizeof *u);

	u->core = core;
	u->end = &u->first;
	u->pass = ff_loop_timer(core->loop, ff_conf_int(core->conf, FF_CONF_MAINTENANCE_INTERVAL), on_pass, u);
	u->step = ff_loop_timer(core->loop, STEP_MS, on_step, u);
}

/* A git that has the time removes what it was writing. */
static void await_leave(struct ff_upkeep *u)
{
	FF_AUTO(ff_close) int pidfd = -1;
	struct pollfd p;

	ff_child_hang_up(&u->child);
	pidfd = (int)syscall(SYS_pidfd_open, u->child.pid, 0u);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0)
		(void)poll(&p, 1, LEAVE_MS); /* then it is killed */
	ff_child_fini(&u->child);
}

void ff_upkeep_fini(struct ff_core *core)
{
	struct ff_upkeep *u = ff_steal(&core->upkeep);
	struct place *p;

	if (!u)
		return;
	if (u->started)
		await_leave(u);
	ff_watch_free(&u->pass);
	ff_watch_free(&u->step);
	ff_watch_free(&u->deadline);
	while ((p = u->first)) {
		u->first = p->next;
		free(p);
	}
	free(u);
}
