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
#include "base/sock.h"

/* Bytes of all lines for the pusher, before they are cut down to what is shown. */
#define LINES_MAX 8192
#define HOOKS_MAX 256
/* Of one account other than ours; more are hung up on, and those hooks write into the spool. */
#define HOOKS_PER_UID 64
/* No hook waits longer for its answer (hook.timeout), so whoever still has not said its push is none. */
#define HOOK_TALK_MS 2000
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

static void push_done(struct ff_core *core, void *arg, enum ff_push_result result, const char *lines)
{
	struct hook *h = arg;

	(void)core;
	if (h->gone) { /* it wrote a spool file meanwhile, which will find its push here */
		drop_hook(h);
		return;
	}
	h->taken = false;
	answer_hook(h->chan, lines, result == FF_PUSH_LATER ? "spool" : "done");
	ff_chan_finish(h->chan);
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
