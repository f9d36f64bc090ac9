/* SPDX-License-Identifier: MIT */
/*
 * Readers: one process a repository, kept warm, asked what needs objects or
 * refs.  Core never opens a repository itself.  A reader that dies over a
 * question takes only that repository's questions with it.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

struct ask {
	struct ask *next;
	int64_t id;
	bool parts; /* its answer may come in parts */
	ff_reader_fn fn;
	void *arg;
};

struct reader {
	struct reader *next;
	struct ff_readers *all;
	struct ff_child child;
	int64_t repo;
	char *path, *url; /* of the repository */
	int64_t used_ms;
	struct ask *asks;
	struct ff_watch *deadline;
	bool going; /* hung up, about to exit */
};

/* A question for which no reader may be started now. */
struct waiting {
	struct waiting *next;
	int64_t repo;
	char *what;
	json_t *args;
	ff_reader_fn fn;
	void *arg;
};

struct ff_readers {
	struct ff_core *core;
	struct reader *first;
	int64_t last_id;
	struct waiting *waiting;
	struct waiting **urgent_end;  /* for these somebody waits; first come, first served */
	struct waiting **waiting_end; /* behind them what compares refs: at a start that is every repository */
};

struct refusal {
	ff_reader_fn fn;
	void *arg;
	struct ff_err err;
	struct ff_watch *timer;
	struct ff_core *core;
};

static void refuse_now(void *arg)
{
	struct refusal *r = arg;

	ff_watch_free(&r->timer);
	r->fn(r->core, r->arg, NULL, -1, false, &r->err);
	free(r);
}

/* The answer always comes in a later turn, an error too. */
static void refuse(struct ff_core *core, ff_reader_fn fn, void *arg, const struct ff_err *err)
{
	struct refusal *r = ff_calloc(1, sizeof *r);

	*r = (struct refusal){ .fn = fn, .arg = arg, .err = *err, .core = core };
	r->timer = ff_loop_timer(core->loop, 0, refuse_now, r);
}

static void serve_waiting(struct ff_readers *all);

/* Longest time for an answer; a reader that hangs on a hostile object is ended. */
static int64_t answer_ms(const struct ff_readers *all)
{
	return ff_conf_int(all->core->conf, FF_CONF_SERVER_READER_TIMEOUT);
}

static void answer(struct reader *r, const json_t *msg, int fd)
{
	const json_t *error = json_object_get(msg, "error");
	struct ff_err err = { 0 };
	struct ask **at, *a;
	bool more = false;
	int64_t id = 0;

	(void)ff_msg_int(msg, "id", 1, INT64_MAX, &id, NULL); /* 0 is nobody's */
	(void)ff_msg_bool(msg, "more", &more, NULL);
	for (at = &r->asks; *at && (*at)->id != id; at = &(*at)->next)
		;
	a = *at;
	if (!a) {
		ff_close(&fd);
		return;
	}
	more = more && a->parts; /* the others free what they asked with at the first answer */
	if (!more)
		*at = a->next;
	if (!r->asks)
		ff_watch_free(&r->deadline);
	else /* only an answer gives more time: new questions would keep one that hangs alive */
		ff_watch_again(r->deadline, answer_ms(r->all));
	if (error)
		(void)ff_err_from_json(error, &err);
	a->fn(r->all->core, a->arg, error ? NULL : json_object_get(msg, "data"), fd, more, error ? &err : NULL);
	if (!more)
		free(a);
	if (!r->asks)
		serve_waiting(r->all);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	(void)chan;
	if (type == FF_MSG_ANSWER)
		answer(arg, msg, fd);
	else
		ff_close(&fd);
}

static void drop_asks(struct reader *r, const char *why)
{
	struct ff_err err = { 0 };
	struct ask *a;

	ff_err_set(&err, FF_E_UNREACHABLE, "%s", why);
	while ((a = r->asks)) {
		r->asks = a->next;
		refuse(r->all->core, a->fn, a->arg, &err);
		free(a);
	}
}

static void reader_free(struct reader *r)
{
	ff_free(&r->path);
	ff_free(&r->url);
	free(r);
}

static void on_ended(void *arg, int status)
{
	struct reader *r = arg, **at;
	struct ff_readers *all = r->all;

	(void)status;
	for (at = &r->all->first; *at != r; at = &(*at)->next)
		;
	*at = r->next;
	ff_watch_free(&r->deadline);
	drop_asks(r, "the reader of the repository ended unexpectedly");
	ff_child_fini(&r->child);
	reader_free(r);
	serve_waiting(all);
}

static void on_deadline(void *arg)
{
	struct reader *r = arg;

	ff_log_error(&r->all->core->log, "reader.silent", "the reader of repository %" PRId64 " gave no answer within "
		     "server.reader-timeout: killed", r->repo);
	ff_child_kill(&r->child, SIGKILL);
}

/*
 * Whether one more may be started.  At the limit, the idle reader that was
 * used longest ago goes for it; when all are busy, the question waits.
 */
static bool make_room(struct ff_readers *all)
{
	int64_t limit = ff_conf_int(all->core->conf, FF_CONF_SERVER_READERS), n = 0;
	struct reader *oldest = NULL;

	for (struct reader *r = all->first; r; r = r->next) {
		n += !r->going;
		if (!r->going && !r->asks && (!oldest || r->used_ms < oldest->used_ms))
			oldest = r;
	}
	if (n < limit)
		return true;
	if (!oldest)
		return false;
	oldest->going = true;
	ff_child_hang_up(&oldest->child);
	return true;
}

static char *file_url(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
	struct ff_buf b;

	ff_buf_init(&b, 65536);
	(void)ff_buf_adds(&b, "file://");
	for (; *path; path++) {
		if (strchr(plain, *path))
			(void)ff_buf_addc(&b, *path);
		else
			(void)ff_buf_addf(&b, "%%%02X", (unsigned)(unsigned char)*path);
	}
	return ff_steal(&b.data);
}

/* NULL: it could not be started, or (err without a code) there is no room. */
static struct reader *reader_of(struct ff_readers *all, int64_t repo, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;
	struct reader *r;

	for (r = all->first; r; r = r->next)
		if (r->repo == repo && !r->going && r->child.chan)
			return r;
	if (ff_store_repo_path(all->core->store, repo, &path, err) < 0 || !make_room(all))
		return NULL;
	r = ff_calloc(1, sizeof *r);
	*r = (struct reader){ .all = all, .repo = repo, .url = file_url(path) };
	r->path = ff_steal(&path);
	if (ff_child_start(all->core, &r->child, "reader", FF_PEER_READER, on_msg, on_ended, r, err) < 0) {
		reader_free(r);
		return NULL;
	}
	r->next = all->first;
	all->first = r;
	return r;
}

char *ff_repo_url(struct ff_core *core, int64_t repo, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;

	for (struct reader *r = core->readers->first; r; r = r->next)
		if (r->repo == repo)
			return ff_strdup(r->url);
	return ff_store_repo_path(core->store, repo, &path, err) < 0 ? NULL : file_url(path);
}

bool ff_reader_warm(const struct ff_core *core, const char *path, int64_t *ret_repo)
{
	for (struct reader *r = core->readers->first; r; r = r->next) {
		if (r->going || !r->child.chan || strcmp(r->path, path))
			continue;
		*ret_repo = r->repo;
		return true;
	}
	return false;
}

static void wait_for_room(struct ff_readers *all, int64_t repo, const char *what, json_t *args, ff_reader_fn fn,
			  void *arg)
{
	struct waiting *w = ff_calloc(1, sizeof *w);

	*w = (struct waiting){ .repo = repo, .what = ff_strdup(what), .args = args, .fn = fn, .arg = arg };
	if (!strcmp(what, "refs")) {
		*all->waiting_end = w;
		all->waiting_end = &w->next;
		return;
	}
	w->next = *all->urgent_end;
	*all->urgent_end = w;
	if (all->waiting_end == all->urgent_end)
		all->waiting_end = &w->next;
	all->urgent_end = &w->next;
}

static struct waiting *next_waiting(struct ff_readers *all)
{
	struct waiting *w = all->waiting;

	if (!w)
		return NULL;
	all->waiting = w->next;
	if (all->urgent_end == &w->next)
		all->urgent_end = &all->waiting;
	if (all->waiting_end == &w->next)
		all->waiting_end = &all->waiting;
	return w;
}

static void serve_waiting(struct ff_readers *all)
{
	struct waiting *w = next_waiting(all);

	if (!w)
		return;
	ff_reader_ask(all->core, w->repo, w->what, w->args, w->fn, w->arg);
	ff_free(&w->what);
	free(w);
}

void ff_reader_ask(struct ff_core *core, int64_t repo, const char *what, json_t *args, ff_reader_fn fn, void *arg)
{
	struct ff_readers *all = core->readers;
	struct ff_err err = { 0 };
	struct reader *r = reader_of(all, repo, &err);
	struct ask *a;

	if (!r && !err.code) {
		wait_for_room(all, repo, what, args, fn, arg);
		return;
	}
	if (!r) {
		json_decref(args);
		refuse(core, fn, arg, &err);
		return;
	}
	a = ff_calloc(1, sizeof *a);
	*a = (struct ask){ .next = r->asks, .id = ++all->last_id, .parts = !strcmp(what, "refs"), .fn = fn, .arg = arg };
	r->asks = a;
	r->used_ms = ff_clock_mono();
	if (!r->deadline)
		r->deadline = ff_loop_timer(core->loop, answer_ms(all), on_deadline, r);
	(void)ff_chan_send(r->child.chan, FF_MSG_ASK, json_pack("{s:I,s:s,s:s,s:o}", "id", (json_int_t)a->id, "what",
			   what, "repo", r->url, "args", args), -1, NULL); /* a failure ends the child */
}

void ff_readers_init(struct ff_core *core)
{
	core->readers = ff_calloc(1, sizeof *core->readers);
	core->readers->core = core;
	core->readers->urgent_end = core->readers->waiting_end = &core->readers->waiting;
}

void ff_readers_fini(struct ff_core *core)
{
	struct ff_readers *all = ff_steal(&core->readers);
	struct reader *r;

	while (all && (r = all->first)) {
		struct ask *a;

		all->first = r->next;
		while ((a = r->asks)) {
			r->asks = a->next;
			free(a);
		}
		ff_watch_free(&r->deadline);
		ff_child_fini(&r->child);
		reader_free(r);
	}
	for (struct waiting *w; all && (w = next_waiting(all)); free(w)) {
		ff_free(&w->what);
		json_decref(w->args);
	}
	free(all);
}
