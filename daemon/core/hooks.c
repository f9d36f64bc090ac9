/* SPDX-License-Identifier: MIT */
/*
 * hook.sock: one connection a push.  It says one message, which intake.c takes,
 * and reads what becomes of it, as text.  Anybody of the group may connect, so
 * that numbers and times are limited here.
 */
#include "daemon/core/core.h"

#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/num.h"
#include "base/sock.h"
#include "base/text.h"
#include "ipc/logline.h"

/* Bytes of all lines for the pusher, before they are cut down to what is shown. */
#define LINES_MAX 8192
#define HOOKS_MAX 256
/* Of one account other than ours; more are hung up on, and those hooks write into the spool. */
#define HOOKS_PER_UID 64
/* No hook waits longer for its answer (hook.timeout), so whoever still has not said its push is none. */
#define HOOK_TALK_MS 2000
/* Of one event or line that is followed. */
#define FOLLOWED_MAX 65536
#define FOLLOWED_COLUMNS 2000
/* Bytes that a pusher who does not read may leave; what comes meanwhile he can read in the log. */
#define UNREAD_MAX (256 * 1024)
/* Whoever reaches hook.sock can make us complain: no more than a line in this time. */
#define COMPLAIN_MS 1000
/* What a pusher gets to see (`remote: ` comes on top); the hook cuts off more. */
#define COLUMNS 72
#define LINES_SHOWN 6

struct hook {
	struct hook *next;
	struct ff_core *core;
	struct ff_chan *chan;
	struct ff_watch *timer; /* the end of its time to talk */
	uid_t uid;
	bool taken;   /* its message was taken; done comes */
	bool gone;
	bool wants_to_follow;
	unsigned char push[16]; /* its id, then */
	int64_t follows;        /* this job; 0: none */
};

struct ff_hooks {
	struct ff_listener door;
	struct hook *first;
	int64_t complained_ms; /* monotonic, of the last line about a bad hook */
	int64_t not_said;      /* complaints since */
};

static void drop_hook(struct hook *h)
{
	struct ff_hooks *in = h->core->hooks;
	struct hook **at = &in->first;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	ff_watch_free(&h->timer);
	ff_chan_free(&h->chan);
	free(h);
	ff_listener_left(&in->door);
}

/* Long lines are broken at blanks; what goes on is indented, so that git colours only the first word. */
static void wrap(struct ff_buf *out, const char *text, size_t n)
{
	const char *indent = "";

	while (n) {
		size_t room = COLUMNS - strlen(indent), take = n;

		if (n > room && !memmem(text, n, "://", 3)) {
			for (take = room; take && text[take] != ' '; take--)
				;
			for (take = take ? take : room; ((unsigned char)text[take] & 0xc0) == 0x80; take--)
				; /* not in the middle of a character */
		}
		(void)ff_buf_addf(out, "%s%.*s\n", indent, (int)take, text);
		while (take < n && text[take] == ' ')
			take++;
		text += take;
		n -= take;
		indent = "  ";
	}
}

/* What the hook reads: at most so many lines to show, and the end. */
static void answer_hook(struct ff_chan *chan, const char *lines, const char *end)
{
	static const char rest[] = "> hint: this is not all: " FF_NAME " list shows every job\n";
	FF_AUTO(ff_buf_fini) struct ff_buf wrapped, out;
	size_t total = 0, sent = 0, n;

	ff_buf_init(&wrapped, 2 * LINES_MAX);
	ff_buf_init(&out, 4 * LINES_MAX);
	for (const char *p = lines; *p; p += n + (p[n] == '\n')) {
		n = strcspn(p, "\n");
		wrap(&wrapped, p, n);
	}
	for (size_t i = 0; i < wrapped.len; i++)
		total += wrapped.data[i] == '\n';
	for (const char *p = wrapped.data; sent < total; p += n + 1, sent++) {
		n = strcspn(p, "\n");
		if (sent == LINES_SHOWN - 1 && total > LINES_SHOWN) {
			(void)ff_buf_adds(&out, rest);
			break;
		}
		(void)ff_buf_addf(&out, "> %.*s\n", (int)n, p);
	}
	(void)ff_buf_adds(&out, end);
	ff_chan_send_text(chan, out.data);
}

/* --- claude.follow ----------------------------------------------------------- */

static size_t followers(const struct ff_hooks *in)
{
	size_t n = 0;

	for (const struct hook *h = in->first; h; h = h->next)
		n += h->follows != 0;
	return n;
}

/* What it asked for, in the words of src/base/option.h; core believes no hook. */
static void read_follow(struct hook *h, const json_t *msg)
{
	const char *id = json_string_value(json_object_get(msg, "id"));
	const json_t *options = json_object_get(msg, "options"), *v;
	size_t i;

	if (!id || ff_unhex(id, sizeof h->push, h->push) < 0)
		return;
	json_array_foreach(options, i, v) {
		const char *text = json_string_value(v);
		int yes = 1;

		if (!text || !ff_starts(text, FF_OPTION ".follow"))
			continue;
		text += strlen(FF_OPTION ".follow");
		if (!*text || (*text == '=' && ff_num_bool(text + 1, &yes) == 0))
			h->wants_to_follow = yes;
	}
}

/* The first job of its push, when it may be followed; else 0, and why in lines. */
static int64_t job_to_follow(struct hook *h, struct ff_buf *lines)
{
	int64_t most = ff_conf_int(h->core->conf, FF_CONF_HOOK_FOLLOWERS), job = 0;

	if (!h->wants_to_follow || ff_store_job_by_push_id(h->core->store, h->push, &job, NULL) < 0 || !job)
		return 0;
	if ((int64_t)followers(h->core->hooks) < most)
		return job;
	(void)ff_buf_addf(lines, "hint: %" PRId64 " pushes are followed already: " FF_NAME " watch %" PRId64 "\n", most, job);
	return 0;
}

/* Text of several lines, each as long as a pusher's terminal likes it. */
static void tell_follower(struct hook *h, const char *text)
{
	FF_AUTO(ff_buf_fini) struct ff_buf wrapped = { 0 };
	size_t n;

	if (ff_chan_unread(h->chan) > UNREAD_MAX)
		return; /* what is not read is in the log */
	ff_buf_init(&wrapped, FOLLOWED_MAX);
	for (const char *p = text; *p; p += n + (p[n] == '\n')) {
		n = strcspn(p, "\n");
		wrap(&wrapped, p, n);
	}
	for (const char *p = wrapped.data; *p; p += n + 1) {
		FF_AUTO(ff_free) char *line = NULL;

		n = strcspn(p, "\n");
		line = ff_asprintf("> %.*s", (int)n, p);
		ff_chan_send_text(h->chan, line);
	}
}

bool ff_followed(const struct ff_core *core, int64_t job)
{
	for (const struct hook *h = core->hooks ? core->hooks->first : NULL; h; h = h->next)
		if (h->follows == job)
			return true;
	return false;
}

void ff_follow_event(struct ff_core *core, int64_t job, const json_t *event)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *step = json_string_value(json_object_get(event, "step"));
	FF_AUTO(ff_free) char *what = NULL;

	if (!type || !ff_followed(core, job))
		return;
	(void)ff_msg_bytes(event, "text", &what, NULL); /* not every event has one */
	ff_buf_init(&text, FOLLOWED_MAX);
	(void)ff_buf_adds(&text, type);
	if (step)
		(void)ff_buf_addf(&text, ": %s", step);
	if (what && *what) {
		(void)ff_buf_adds(&text, ": ");
		ff_text_show(&text, what, strlen(what), FOLLOWED_COLUMNS);
	}
	for (struct hook *h = core->hooks->first; h; h = h->next)
		if (h->follows == job)
			tell_follower(h, text.data);
}

void ff_follow_log(struct ff_core *core, int64_t job, const json_t *line)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };

	if (!ff_followed(core, job))
		return;
	ff_buf_init(&text, FOLLOWED_MAX);
	ff_logline_text(&text, line, FOLLOWED_COLUMNS);
	for (struct hook *h = core->hooks->first; h; h = h->next)
		if (h->follows == job)
			tell_follower(h, text.data);
}

void ff_follow_ended(struct ff_core *core, const struct ff_job *job)
{
	FF_AUTO(ff_free) char *description = NULL;
	FF_AUTO(ff_free) char *text = NULL;

	if (!ff_followed(core, job->id))
		return;
	description = ff_job_describe(job);
	text = ff_asprintf("job %" PRId64 " %s%s%s", job->id, description, job->result_ref ? ": git fetch origin " : "",
			   job->result_ref && ff_starts(job->result_ref, FF_HEADS) ? job->result_ref + strlen(FF_HEADS) : "");
	for (struct hook *h = core->hooks->first; h; h = h->next) {
		if (h->follows != job->id)
			continue;
		tell_follower(h, text);
		h->follows = 0;
		ff_chan_send_text(h->chan, "done");
		ff_chan_finish(h->chan);
	}
}

/* --- a push ---------------------------------------------------------------------- */

static void answer_push(struct hook *h, enum ff_push_result result, const char *lines)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf all;

	ff_buf_init(&all, 2 * LINES_MAX);
	(void)ff_buf_adds(&all, lines);
	if (result == FF_PUSH_RECORDED)
		h->follows = job_to_follow(h, &all);
	if (!h->follows) {
		answer_hook(h->chan, all.data, result == FF_PUSH_LATER ? "spool" : "done");
		ff_chan_finish(h->chan);
		return;
	}
	ff_watch_free(&h->timer);
	answer_hook(h->chan, all.data, "follow");
	if (ff_store_job_get(h->core->store, h->follows, &job, NULL) == 0 && ff_job_state_ended(job->state))
		ff_follow_ended(h->core, job);
}

static void push_done(struct ff_core *core, void *arg, enum ff_push_result result, const char *lines)
{
	struct hook *h = arg;

	(void)core;
	if (h->gone) { /* it wrote a spool file meanwhile, which will find its push here */
		drop_hook(h);
		return;
	}
	h->taken = false;
	answer_push(h, result, lines);
}

static void drift_done(struct ff_core *core, void *arg, const char *lines)
{
	push_done(core, arg, FF_PUSH_RECORDED, lines);
}

/* At once, from the record: a push waits. */
static void answer_may(struct hook *h, const json_t *msg)
{
	FF_AUTO(ff_buf_fini) struct ff_buf lines;
	bool may;

	ff_buf_init(&lines, LINES_MAX);
	may = ff_answer_hook(h->core, msg, h->uid, &lines);
	answer_hook(h->chan, lines.data, may ? "done" : "refuse");
	ff_chan_finish(h->chan);
}

static void hook_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct hook *h = arg;

	(void)chan;
	ff_close(&fd);
	if (h->taken)
		return;
	if (type == FF_MSG_EXPECT) {
		ff_chan_send_text(h->chan, ff_tunnel_expected(h->core, msg) ? "done" : "spool");
		ff_chan_finish(h->chan);
		return;
	}
	if (type == FF_MSG_MAY) {
		answer_may(h, msg);
		return;
	}
	h->taken = true;
	if (type == FF_MSG_MOVED) {
		ff_drift_take(h->core, msg, drift_done, h);
		return;
	}
	read_follow(h, msg);
	ff_push_take(h->core, msg, h->uid, push_done, h);
}

static void complain(struct hook *h, const char *event, const char *what)
{
	struct ff_hooks *in = h->core->hooks;
	int64_t now = ff_clock_mono();

	if (in->complained_ms && now - in->complained_ms < COMPLAIN_MS) {
		in->not_said++;
		return;
	}
	ff_log_warn(&h->core->log, event, "uid %lu: %s (and %" PRId64 " more like this since the last line)",
		    (unsigned long)h->uid, what, in->not_said);
	in->complained_ms = now;
	in->not_said = 0;
}

static void hook_closed(void *arg, struct ff_chan *chan, const struct ff_err *err)
{
	struct hook *h = arg;

	(void)chan;
	if (err->code != FF_E_NONE && err->code != FF_E_UNREACHABLE)
		complain(h, "hook.bad", err->text);
	ff_chan_free(&h->chan);
	if (h->taken)
		h->gone = true;
	else
		drop_hook(h);
}

static void on_talk_time(void *arg)
{
	struct hook *h = arg;

	if (h->taken) /* now it is our turn to talk */
		return;
	complain(h, "hook.slow", "a connection without a push, closed");
	drop_hook(h);
}

/* One account must not hold all places against the others. */
static bool has_room(const struct ff_hooks *in, uid_t uid)
{
	int n = 0;

	if (uid == geteuid() || uid == 0)
		return true;
	for (const struct hook *h = in->first; h; h = h->next)
		n += h->uid == uid;
	return n < HOOKS_PER_UID;
}

static bool add_hook(struct ff_core *core, int fd)
{
	struct ff_hooks *in = core->hooks;
	uid_t uid = (uid_t)-1; /* nobody's word counts for less */
	struct hook *h;
	pid_t pid;

	(void)ff_sock_peer(fd, &uid, &pid, NULL);
	if (!has_room(in, uid)) {
		ff_close(&fd);
		return false;
	}
	h = ff_calloc(1, sizeof *h);
	*h = (struct hook){ .next = in->first, .core = core, .uid = uid };
	h->chan = ff_chan_new(fd, FF_PEER_CORE, FF_PEER_HOOK);
	h->timer = ff_loop_timer(core->loop, HOOK_TALK_MS, on_talk_time, h);
	in->first = h;
	ff_chan_attach(h->chan, core->loop, hook_msg, hook_closed, h);
	return true;
}

/* Pushers with accounts of their own reach us through the group; without it there are none. */
static void give_to_group(struct ff_core *core, const char *path)
{
	struct group *group = getgrnam(FF_NAME);

	if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
		ff_log_warn(&core->log, "hook.group", "%s cannot be given to the group " FF_NAME, path);
}

int ff_hooks_init(struct ff_core *core, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_run_path(core->conf, "hook.sock");
	struct ff_hooks *in = ff_calloc(1, sizeof *in);

	core->hooks = in;
	in->door = (struct ff_listener){ .core = core, .most = HOOKS_MAX, .let_in = add_hook, .made = give_to_group };
	return ff_listener_open(&in->door, path, 0660, err);
}

void ff_hooks_fini(struct ff_core *core)
{
	struct ff_hooks *in = ff_steal(&core->hooks);
	struct hook *h;

	if (!in)
		return;
	while ((h = in->first)) {
		in->first = h->next;
		ff_watch_free(&h->timer);
		ff_chan_free(&h->chan);
		free(h);
	}
	ff_listener_fini(&in->door);
	free(in);
}
