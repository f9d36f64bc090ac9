/* SPDX-License-Identifier: MIT */
/* See lower.h. */
#include "daemon/worker/lower.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "conf/conf.h"
#include "git/tree.h"

#define INFO "info"
#define LOCK "lock"
#define TREE "tree"
#define FORM "1" /* of info */
#define INFO_MAX 8192
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
/* Files that are compared with the repository before an entry is used. */
#define SAMPLES 4
/* Names with a dot in front are being made, or removed. */
#define MAKING ".make-"
#define GONE ".gone-"

static char *cache_dir(const struct ff_conf *conf)
{
	return ff_conf_state_path(conf, "cache");
}

/* What an entry is for, in its name; info says it in full. */
static uint64_t mix(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return (h ^ 0xff) * UINT64_C(1099511628211); /* no byte of UTF-8: between two texts */
}

static char *key_of(const struct ff_lower_want *w)
{
	uint64_t h = mix(mix(UINT64_C(14695981039346656037), w->repo), w->target);

	return ff_asprintf("%016" PRIx64 "%s-", h, w->open_modes ? "o" : "");
}

/* --- info */

static int boot_id(struct ff_buf *out, struct ff_err *err)
{
	ff_buf_init(out, 256);
	return ff_file_read(BOOT_ID, out, err);
}

/* All but what was counted, in one text that must be the same. */
static char *info_head(const struct ff_lower_want *w, const char *commit, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf boot;

	if (boot_id(&boot, err) < 0)
		return NULL;
	return ff_asprintf(FORM "\n%s\n%s\n%s\n%s", w->repo, w->target, commit, boot.data);
}

static int read_number(const char **p, int64_t *ret)
{
	size_t n = strcspn(*p, "\n");
	FF_AUTO(ff_free) char *text = ff_memdup0(*p, n);

	*p += n + ((*p)[n] != '\0');
	return ff_num_i64(text, 0, INT64_MAX, ret);
}

/* The commit is the fourth line; the head is made again with it, and must be what is there. */
static int read_info(const struct ff_lower_want *w, struct ff_lower *l, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(l->entry, INFO);
	FF_AUTO(ff_free) char *head = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	const char *p;

	ff_buf_init(&text, INFO_MAX);
	if (ff_file_read(path, &text, err) < 0)
		return -1;
	p = text.data;
	for (int i = 0; i < 3 && p; i++)
		p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL;
	if (!p || strcspn(p, "\n") >= FF_GIT_OID)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is not whole", path);
	memcpy(l->commit, p, strcspn(p, "\n"));
	l->commit[strcspn(p, "\n")] = '\0';
	head = info_head(w, l->commit, err);
	if (!head)
		return -1;
	if (!ff_starts(text.data, head))
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is of something else", path);
	p = text.data + strlen(head);
	if (read_number(&p, &l->files) < 0 || read_number(&p, &l->bytes) < 0 || *p)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is not whole", path);
	return 0;
}

/* --- locks */

/* FF_E_CONFLICT when somebody holds it and how says not to wait; FF_E_NOT_FOUND when the entry went away. */
static int lock_entry(const char *entry, int how, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(entry, LOCK);
	FF_AUTO(ff_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat ours, named;
	int rc;

	if (fd < 0)
		return ff_err_set(err, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "%s: %s", path, strerror(errno));
	do
		rc = flock(fd, how);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return ff_err_set(err, FF_E_CONFLICT, "%s is in use", entry);
	if (fstat(fd, &ours) < 0 || stat(path, &named) < 0 || ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s was removed", entry);
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

/* --- using one */

static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static int check(const struct ff_lower_want *w, struct ff_lower *l, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;

	if (!is_ours(l->entry) || !is_ours(l->tree))
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is not ours", l->entry);
	if (read_info(w, l, err) < 0)
		return -1;
	fd = open(l->tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return ff_err_errno(err, "%s", l->tree);
	return ff_git_sample(w->git, l->commit, fd, SAMPLES, err);
}

static void remove_entry(const char *dir, const char *name)
{
	FF_AUTO(ff_free) char *from = ff_path_join(dir, name);
	uint64_t lot;
	FF_AUTO(ff_free) char *to = NULL;

	ff_random(&lot, sizeof lot);
	to = ff_asprintf("%s/" GONE "%016" PRIx64, dir, lot);
	if (rename(from, to) == 0)
		(void)ff_dir_remove(to, NULL); /* the next trim tries again */
}

int ff_lower_again(const struct ff_lower_want *w, const char *entry, struct ff_lower *ret_lower, struct ff_err *err)
{
	FF_AUTO(ff_lower_release) struct ff_lower l = { .lock_fd = -1 };
	FF_AUTO(ff_free) char *dir = cache_dir(w->conf);
	FF_AUTO(ff_free) char *key = key_of(w);
	struct ff_err why = { 0 };

	if (!ff_starts(entry, key) || strchr(entry, '/'))
		return ff_err_set(err, FF_E_NOT_FOUND, "this workspace was made of something else");
	l.entry = ff_path_join(dir, entry);
	l.tree = ff_path_join(l.entry, TREE);
	if (lock_entry(l.entry, LOCK_SH, &l.lock_fd, err) < 0)
		return -1;
	if (check(w, &l, &why) < 0) {
		ff_close(&l.lock_fd);
		if (lock_entry(l.entry, LOCK_EX | LOCK_NB, &l.lock_fd, NULL) == 0)
			remove_entry(dir, entry);
		return ff_err_set(err, FF_E_NOT_FOUND, "%s", why.text);
	}
	(void)futimens(l.lock_fd, NULL); /* what was used last goes last */
	*ret_lower = l;
	l = (struct ff_lower){ .lock_fd = -1 };
	return 0;
}

void ff_lower_release(struct ff_lower *lower)
{
	ff_free(&lower->entry);
	ff_free(&lower->tree);
	ff_close(&lower->lock_fd);
}

/* --- all of them */

struct found {
	char *name;
	int64_t used_ms, bytes;
};

static int64_t last_use(const char *dir, const char *name)
{
	FF_AUTO(ff_free) char *lock = ff_asprintf("%s/%s/" LOCK, dir, name);
	struct stat st;

	return stat(lock, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
}

static int64_t size_of(const char *dir, const char *name)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/%s/" INFO, dir, name);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	const char *last;
	int64_t n = 0;

	ff_buf_init(&text, INFO_MAX);
	if (ff_file_read(path, &text, NULL) < 0 || text.len < 2)
		return 0;
	text.data[text.len - 1] = '\0';
	last = strrchr(text.data, '\n');
	return last && ff_num_i64(last + 1, 0, INT64_MAX, &n) == 0 ? n : 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->used_ms < y->used_ms) - (x->used_ms > y->used_ms);
}

static void found_free(struct found **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ff_free(&(*list)[i].name);
	ff_free(list);
}

/* Those whose names start so, the one used last first. */
static size_t find(const char *dir, const char *prefix, struct found **ret)
{
	DIR *d = opendir(dir);
	struct found *list = NULL;
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		if (!ff_starts(e->d_name, prefix) || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		list = ff_realloc(list, n + 1, sizeof *list);
		list[n++] = (struct found){ ff_strdup(e->d_name), last_use(dir, e->d_name), size_of(dir, e->d_name) };
	}
	if (d)
		(void)closedir(d);
	if (n)
		qsort(list, n, sizeof *list, newest_first);
	*ret = list;
	return n;
}

static void remove_unused(const char *dir, const char *name)
{
	FF_AUTO(ff_free) char *entry = ff_path_join(dir, name);
	FF_AUTO(ff_close) int fd = -1;

	if (lock_entry(entry, LOCK_EX | LOCK_NB, &fd, NULL) == 0)
		remove_entry(dir, name);
}

void ff_lower_trim(const struct ff_conf *conf)
{
	FF_AUTO(ff_free) char *dir = cache_dir(conf);
	int64_t most = ff_conf_int(conf, FF_CONF_WORKSPACE_CACHE_ENTRIES), max = ff_conf_int(conf, FF_CONF_WORKSPACE_CACHE_BYTES);
	struct found *list = NULL;
	size_t n = find(dir, "", &list);
	int64_t entries = 0, bytes = 0;

	for (size_t i = 0; i < n; i++) {
		if (list[i].name[0] == '.') {
			remove_unused(dir, list[i].name);
			continue;
		}
		entries++;
		bytes += list[i].bytes;
		if (entries > most || bytes > max)
			remove_unused(dir, list[i].name);
	}
	found_free(&list, n);
}

/* --- making one */

static int fill(const struct ff_lower_want *w, const char *making, struct ff_err *err)
{
	FF_AUTO(ff_free) char *tree = ff_path_join(making, TREE);
	FF_AUTO(ff_free) char *info = ff_path_join(making, INFO);
	FF_AUTO(ff_free) char *head = info_head(w, w->commit, err);
	FF_AUTO(ff_free) char *text = NULL;
	FF_AUTO(ff_close) int fd = -1;
	struct ff_git_checked_out done = { 0 };
	struct ff_git_checkout what = {
		.commit = w->commit, .uid = -1, .gid = -1, .open_modes = w->open_modes,
		.max_files = ff_conf_int(w->conf, FF_CONF_RESULT_MAX_FILES),
		.max_bytes = ff_conf_int(w->conf, FF_CONF_RESULT_MAX_BYTES),
		.max_depth = ff_conf_int(w->conf, FF_CONF_RESULT_MAX_DEPTH),
	};

	if (!head)
		return -1;
	if (mkdir(tree, 0700) < 0)
		return ff_err_errno(err, "%s", tree);
	fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	what.folder_fd = fd;
	if (fd < 0)
		return ff_err_errno(err, "%s", tree);
	if (ff_git_checkout(w->git, &what, &done, err) < 0)
		return -1;
	if (fchmod(fd, w->open_modes ? 0777 : 0755) < 0)
		return ff_err_errno(err, "%s", tree);
	text = ff_asprintf("%s%" PRId64 "\n%" PRId64 "\n", head, done.files, done.bytes);
	return ff_file_write(info, text, strlen(text), 0600, err);
}

/* The lock goes with the folder from its first name to its last. */
static int make(const struct ff_lower_want *w, const char *dir, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *final = ff_path_join(dir, name);
	FF_AUTO(ff_free) char *making = NULL;
	FF_AUTO(ff_close) int lock = -1;
	uint64_t lot;

	ff_random(&lot, sizeof lot);
	making = ff_asprintf("%s/" MAKING "%016" PRIx64, dir, lot);
	if (mkdir(making, 0700) < 0)
		return ff_err_errno(err, "%s", making);
	if (lock_entry(making, LOCK_EX, &lock, err) == 0 && fill(w, making, err) == 0) {
		if (rename(making, final) == 0)
			return 0;
		(void)ff_err_errno(err, "%s", final);
	}
	(void)ff_dir_remove(making, NULL); /* what stays is trimmed later; the error is told already */
	return -1;
}

static char *entry_name(const struct ff_lower_want *w, const char *key)
{
	return ff_asprintf("%s%.16s", key, w->commit);
}

/* Waits for whoever makes one for the same repository and target; then it is there most likely. */
static int get_fresh(const struct ff_lower_want *w, const char *dir, const char *key, struct ff_lower *ret,
		     struct ff_err *err)
{
	FF_AUTO(ff_free) char *gate = ff_asprintf("%s/." "%slock", dir, key);
	FF_AUTO(ff_free) char *name = entry_name(w, key);
	FF_AUTO(ff_close) int fd = open(gate, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int rc;

	if (fd < 0)
		return ff_err_errno(err, "%s", gate);
	do
		rc = flock(fd, LOCK_EX);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return ff_err_errno(err, "%s", gate);
	if (ff_lower_again(w, name, ret, NULL) == 0)
		return 0;
	remove_unused(dir, name);
	if (make(w, dir, name, err) < 0 || ff_lower_again(w, name, ret, err) < 0)
		return -1;
	ff_lower_trim(w->conf);
	return 0;
}

int ff_lower_get(const struct ff_lower_want *w, bool fresh, struct ff_lower *ret_lower, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = cache_dir(w->conf);
	FF_AUTO(ff_free) char *key = key_of(w);
	FF_AUTO(ff_free) char *name = entry_name(w, key);
	struct found *list = NULL;
	size_t n;
	int rc = -1;

	if (ff_dir_make(dir, 0700, err) < 0)
		return -1;
	if (ff_lower_again(w, name, ret_lower, NULL) == 0)
		return 0;
	if (fresh)
		return get_fresh(w, dir, key, ret_lower, err);
	n = find(dir, key, &list);
	for (size_t i = 0; rc < 0 && i < n; i++)
		rc = ff_lower_again(w, list[i].name, ret_lower, NULL);
	found_free(&list, n);
	return rc < 0 ? ff_err_set(err, FF_E_NOT_FOUND, "no checkout is kept for this branch") : 0;
}
