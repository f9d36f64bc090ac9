/* SPDX-License-Identifier: MIT */
/*
 * Pushes that hooks kept while we were away, one file each: taken like a
 * message of hook.sock, then removed.  The file's owner is who sent it.  A
 * file that can never be taken goes to spool-bad/, where the administrator
 * finds it; nothing is thrown away.
 */
#include "daemon/core/core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

/* Files under way at once; the rest waits for the next look. */
#define UNDER_WAY_MAX 64
/* Looked at again this often, whatever inotify says. */
#define LOOK_MS 5000
/* A hook has some two seconds. What it still has not given its name after this is of one that died. */
#define HALF_S 60

struct ff_spool {
	struct ff_core *core;
	int64_t compare_ms; /* monotonic: refs are not compared before */
	char *dir, *bad_dir;
	int notify;
	struct ff_watch *watch, *timer;
	char *under_way[UNDER_WAY_MAX];
	bool drained; /* what lay there at start has been taken */
	bool large_said, aside_said;
};

static void put_aside(struct ff_spool *s, const char *name, const char *why)
{
	FF_AUTO(ff_free) char *from = ff_path_join(s->dir, name);
	FF_AUTO(ff_free) char *to = ff_path_join(s->bad_dir, name);

	if (rename(from, to) == 0) {
		s->aside_said = false;
		ff_log_error(&s->core->log, "spool.bad", "a push in the spool cannot be taken (%s): it is kept as %s", why, to);
		return;
	}
	if (!s->aside_said) /* it is looked at again and again */
		ff_log_error(&s->core->log, "spool.bad", "%s is no push (%s) and cannot be moved to %s: %s", from, why, s->bad_dir,
			     strerror(errno));
	s->aside_said = true;
}

static bool idle(const struct ff_spool *s)
{
	for (size_t i = 0; i < UNDER_WAY_MAX; i++)
		if (s->under_way[i])
			return false;
	return true;
}

/* arg: the place of its name in under_way, which lives as long as the spool. */
static void taken(struct ff_core *core, void *arg, enum ff_push_result result, const char *lines)
{
	struct ff_spool *s = core->spool;
	FF_AUTO(ff_free) char *name = s ? ff_steal((char **)arg) : NULL;
	FF_AUTO(ff_free) char *path = s ? ff_path_join(s->dir, name) : NULL;

	if (!s)
		return;
	switch (result) {
	case FF_PUSH_RECORDED:
		if (unlink(path) < 0 && errno != ENOENT)
			ff_log_error(&core->log, "spool.unlink", "%s: %s", path, strerror(errno));
		ff_log_info(&core->log, "spool.taken", "%s", name);
		break;
	case FF_PUSH_BAD:
		put_aside(s, name, lines);
		break;
	case FF_PUSH_LATER:
		return; /* the next look finds it again */
	}
	if (idle(s))
		ff_watch_again(s->timer, 0); /* more than fitted may wait, or it was the last */
}

/* 0, 1 when the file cannot be a push, -1 when it may be one day. */
static int read_file(struct ff_spool *s, const char *name, json_t **ret_msg, uid_t *ret_uid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(s->dir, name);
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct stat st;

	ff_buf_init(&text, FF_IPC_LINE_MAX);
	if (fd < 0 || fstat(fd, &st) < 0) {
		ff_err_errno(err, "%s", path);
		return errno == ELOOP || errno == EACCES ? 1 : -1;
	}
	if (!S_ISREG(st.st_mode)) {
		ff_err_set(err, FF_E_PROTOCOL, "not a regular file");
		return 1;
	}
	if (ff_fd_read_all(fd, &text, err) < 0)
		return err->code == FF_E_TOO_LARGE ? 1 : -1;
	*ret_msg = ff_json_parse(text.data, text.len, err);
	*ret_uid = st.st_uid;
	return *ret_msg ? 0 : 1;
}

static bool is_push_file(const char *name)
{
	return strspn(name, "0123456789abcdef") == 32 && !strcmp(name + 32, ".json");
}

static void take_file(struct ff_spool *s, const char *name)
{
	struct ff_err err = { 0 };
	json_t *msg = NULL;
	uid_t uid = 0;
	size_t slot = UNDER_WAY_MAX;
	int rc;

	for (size_t i = 0; i < UNDER_WAY_MAX; i++) {
		if (s->under_way[i] && !strcmp(s->under_way[i], name))
			return;
		if (!s->under_way[i])
			slot = i;
	}
	if (slot == UNDER_WAY_MAX)
		return;
	rc = read_file(s, name, &msg, &uid, &err);
	if (rc > 0)
		put_aside(s, name, err.text);
	if (rc)
		return;
	s->under_way[slot] = ff_strdup(name);
	ff_push_take(s->core, msg, uid, taken, &s->under_way[slot]);
	json_decref(msg);
}

/*
 * Left by a hook that died on its way: a push, when all of the line is there,
 * that nobody would tell us of any more; else it says nothing and goes.
 */
static void take_over(struct ff_spool *s, const char *name)
{
	FF_AUTO(ff_free) char *from = ff_path_join(s->dir, name);
	FF_AUTO(ff_free) char *to = ff_asprintf("%s/%.32s.json", s->dir, name + 1);
	FF_AUTO(ff_close) int fd = open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char last = '\0';

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    pread(fd, &last, 1, st.st_size - 1) == 1 && last == '\n' && rename(from, to) == 0)
		ff_log_info(&s->core->log, "spool.half", "%s: taken over from a hook that died", to);
	else if (unlink(from) < 0 && errno != ENOENT)
		ff_log_warn(&s->core->log, "spool.half", "%s: %s", from, strerror(errno));
}

static bool is_half_file(const char *name)
{
	return name[0] == '.' && strspn(name + 1, "0123456789abcdef") == 32 && !strcmp(name + 33, ".tmp");
}

/* Before the list is made: what is taken over is in it. */
static void look_for_halves(struct ff_spool *s)
{
	DIR *dir = opendir(s->dir);
	struct dirent *e;
	struct stat st;

	while (dir && (e = readdir(dir)))
		if (is_half_file(e->d_name) && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtim.tv_sec < ff_clock_wall() / 1000 - HALF_S)
			take_over(s, e->d_name);
	if (dir)
		(void)closedir(dir);
}

struct found {
	char *name;
	struct timespec at;
};

/* The names are drawn by chance; pushes of one branch must keep their order. */
static int by_time(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	if (a->at.tv_sec != b->at.tv_sec)
		return a->at.tv_sec < b->at.tv_sec ? -1 : 1;
	if (a->at.tv_nsec != b->at.tv_nsec)
		return a->at.tv_nsec < b->at.tv_nsec ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* The pushes in it, in order; false when it cannot be read now. */
static bool list_files(struct ff_spool *s, struct found **ret_list, size_t *ret_n, int64_t *ret_bytes)
{
	struct found *list = NULL;
	size_t n = 0, cap = 0;
	DIR *dir = opendir(s->dir);
	struct dirent *e;
	struct stat st;

	if (!dir)
		return false;
	*ret_bytes = 0;
	while ((e = readdir(dir))) {
		if (!is_push_file(e->d_name) || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (n == cap)
			list = ff_realloc(list, cap = cap ? cap * 2 : 16, sizeof *list);
		list[n++] = (struct found){ .name = ff_strdup(e->d_name), .at = st.st_mtim };
		*ret_bytes += (int64_t)st.st_blocks * 512;
	}
	(void)closedir(dir); /* it was only read */
	if (n)
		qsort(list, n, sizeof *list, by_time);
	*ret_list = list;
	*ret_n = n;
	return true;
}

/* A push is never refused for it, so somebody has to see to it. */
static void watch_size(struct ff_spool *s, size_t n, int64_t bytes)
{
	int64_t warn = ff_conf_int(s->core->conf, FF_CONF_SERVER_SPOOL_WARN);

	if (bytes >= warn && !s->large_said) {
		ff_log_error(&s->core->log, "spool.large", "%zu pushes wait in %s, %" PRId64 " KiB, which is over server.spool-warn: "
			     "see above why they are not taken, and make sure that there is room", n, s->dir, bytes / 1024);
		s->large_said = true;
	} else if (bytes < warn / 2) {
		s->large_said = false;
	}
}

static void look(void *arg)
{
	struct ff_spool *s = arg;
	FF_AUTO(ff_free) struct found *list = NULL;
	size_t n = 0;
	int64_t bytes = 0;

	ff_watch_again(s->timer, LOOK_MS);
	look_for_halves(s);
	if (!list_files(s, &list, &n, &bytes))
		return;
	watch_size(s, n, bytes);
	/*
	 * A tip whose push is still in the spool, or on its way into it, is not
	 * a lost one: refs are compared when the hooks of before are gone and the
	 * spool is empty.
	 */
	if (!n && !s->drained && idle(s)) {
		s->drained = ff_clock_mono() >= s->compare_ms;
		if (s->drained)
			ff_reconcile_all(s->core);
		else
			ff_watch_again(s->timer, s->compare_ms - ff_clock_mono() + 1);
	}
	for (size_t i = 0; i < n; i++) {
		if (!s->core->store_broken) /* else none can be taken; mend.c looks when it works again */
			take_file(s, list[i].name);
		ff_free(&list[i].name);
	}
}

void ff_spool_look(struct ff_core *core, bool compare)
{
	if (!core->spool)
		return;
	if (compare) {
		core->spool->drained = false;
		core->spool->compare_ms = ff_clock_mono() + FF_HOOKS_MS;
	}
	ff_watch_again(core->spool->timer, 0);
}

static void on_notify(void *arg, unsigned ready)
{
	struct ff_spool *s = arg;
	char events[4096];

	(void)ready;
	while (read(s->notify, events, sizeof events) > 0)
		; /* which file does not matter */
	if (!s->core->store_broken) /* the timer is enough */
		look(s);
}

int ff_spool_start(struct ff_core *core, struct ff_err *err)
{
	struct ff_spool *s = core->spool = ff_calloc(1, sizeof *s);

	s->core = core;
	s->compare_ms = ff_clock_mono() + FF_HOOKS_MS;
	s->dir = ff_conf_state_path(core->conf, "spool");
	s->bad_dir = ff_conf_state_path(core->conf, "spool-bad");
	s->timer = ff_loop_timer(core->loop, 0, look, s);
	s->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->notify < 0 || inotify_add_watch(s->notify, s->dir, IN_MOVED_TO) < 0)
		return ff_err_errno(err, "%s: inotify", s->dir);
	s->watch = ff_loop_fd(core->loop, s->notify, FF_LOOP_READ, on_notify, s);
	return 0;
}

void ff_spool_fini(struct ff_core *core)
{
	struct ff_spool *s = ff_steal(&core->spool);

	if (!s)
		return;
	ff_watch_free(&s->watch);
	ff_watch_free(&s->timer);
	ff_close(&s->notify);
	for (size_t i = 0; i < UNDER_WAY_MAX; i++)
		ff_free(&s->under_way[i]);
	ff_free(&s->dir);
	ff_free(&s->bad_dir);
	free(s);
}
