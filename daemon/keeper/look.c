/* SPDX-License-Identifier: MIT */
/* What is in the repository, by names alone: no object is opened, so a look at an idle repository costs next to nothing. */
#include "daemon/keeper/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

/* Loose objects and refs are counted up to this; more are as good a reason. */
#define LOOK_MAX 100000
#define REFS_DEPTH 32
#define CONFIG_MAX (4 * 1024 * 1024)
/* Its time is that of the last full run. */
#define MARK_FOLDER FF_NAME
#define MARK FF_NAME "/kept"

static void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d); /* only read */
}

static int count_packs(int64_t *ret, struct ff_err *err)
{
	FF_AUTO(close_dir) DIR *d = opendir("objects/pack");
	struct dirent *e;
	int64_t n = 0;

	if (!d && errno != ENOENT)
		return ff_err_errno(err, "objects/pack");
	while (d && (e = readdir(d))) {
		FF_AUTO(ff_free) char *keep = NULL;

		if (!ff_starts(e->d_name, "pack-") || !ff_ends(e->d_name, ".pack"))
			continue;
		keep = ff_asprintf("objects/pack/%.*s.keep", (int)strlen(e->d_name) - 5, e->d_name);
		n += access(keep, F_OK) < 0;
	}
	*ret = n;
	return 0;
}

/* Files whose names are as long as what is left of an object's name. */
static int64_t count_folder(const char *path)
{
	FF_AUTO(close_dir) DIR *d = opendir(path);
	struct dirent *e;
	int64_t n = 0;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);

		n += (len == 38 || len == 62) && strspn(e->d_name, "0123456789abcdef") == len;
	}
	return n;
}

static int64_t count_loose(void)
{
	int64_t n = 0;

	for (unsigned i = 0; i < 256 && n < LOOK_MAX; i++) {
		char path[16];

		(void)snprintf(path, sizeof path, "objects/%02x", i);
		n += count_folder(path);
	}
	return n;
}

static int64_t count_refs(const char *path, int depth, int64_t most)
{
	FF_AUTO(close_dir) DIR *d = opendir(path);
	struct dirent *e;
	int64_t n = 0;

	while (d && n < most && (e = readdir(d))) {
		FF_AUTO(ff_free) char *below = ff_path_join(path, e->d_name);
		bool folder = e->d_type == DT_DIR;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_UNKNOWN)
			folder = lstat(below, &st) == 0 && S_ISDIR(st.st_mode);
		if (folder && depth)
			n += count_refs(below, depth - 1, most - n);
		n += !folder;
	}
	return n;
}

int ff_keeper_look(struct ff_keeper_look *ret, struct ff_err *err)
{
	struct ff_keeper_look l = { 0 };
	struct stat st;

	if (lstat("objects", &st) < 0)
		return ff_err_errno(err, "objects");
	l.shared = S_ISLNK(st.st_mode);
	l.borrows = stat("objects/info/alternates", &st) == 0 && st.st_size > 0;
	if (count_packs(&l.packs, err) < 0)
		return -1;
	l.loose = count_loose();
	l.refs = count_refs("refs", REFS_DEPTH, LOOK_MAX);
	*ret = l;
	return 0;
}

/* --- configuration ------------------------------------------------------------- */

/* As git reads it; a key without a value is true. */
static bool is_true(const char *v)
{
	return !v || !strcasecmp(v, "true") || !strcasecmp(v, "yes") || !strcasecmp(v, "on") ||
	       (strspn(v, "0123456789") == strlen(v) && strspn(v, "0") != strlen(v));
}

/* One entry of `git config --list --null`: the key in lower case, a newline, the value. The last one counts. */
static void take_entry(char *entry, struct ff_keeper_config *c)
{
	char *value = strchr(entry, '\n');
	int64_t n;

	if (value)
		*value++ = '\0';
	if (!strcmp(entry, FF_KEY_MAINTENANCE))
		c->ours = is_true(value);
	else if (!strcmp(entry, "gc.auto"))
		c->gc_off = value && ff_num_i64(value, INT64_MIN, INT64_MAX, &n) == 0 && n <= 0;
	else if (!strcmp(entry, "extensions.preciousobjects"))
		c->precious = is_true(value);
}

int ff_keeper_config(struct ff_keeper *k, struct ff_keeper_config *ret, struct ff_err *err)
{
	static const char *const args[] = { "config", "--list", "--null", NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	struct ff_keeper_config c = { 0 };
	int rc;

	ff_buf_init(&out, CONFIG_MAX);
	rc = ff_keeper_git(k, args, false, &out, err);
	if (rc)
		return rc < 0 ? -1 : ff_err_set(err, FF_E_GIT, "git cannot read the configuration");
	for (char *p = out.data, *next; p < out.data + out.len; p = next) {
		next = p + strlen(p) + 1;
		take_entry(p, &c);
	}
	*ret = c;
	return 0;
}

/* --- the last full run ------------------------------------------------------------ */

int64_t ff_keeper_full_age(void)
{
	struct stat st;
	int64_t age;

	if (stat(MARK, &st) < 0)
		return INT64_MAX;
	age = ff_clock_wall() - (int64_t)st.st_mtim.tv_sec * 1000;
	return age < 0 ? 0 : age; /* the clock was set back */
}

int ff_keeper_full_mark(struct ff_err *err)
{
	if (ff_dir_make(MARK_FOLDER, 0755, err) < 0)
		return -1;
	return ff_file_write(MARK, "", 0, 0644, err);
}
