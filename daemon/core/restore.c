/* SPDX-License-Identifier: MIT */
/*
 * flowforged --restore: puts a copy in the place of the record while no
 * daemon uses it.  The copy is looked over first, and the old record is kept
 * under another name: at no moment is there neither of them.
 */
#include "daemon/core/core.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "store/backup.h"

struct restore {
	char *record, *copy, *aside;
};

static void restore_fini(struct restore *r)
{
	ff_free(&r->record);
	ff_free(&r->copy);
	ff_free(&r->aside);
}

static int open_regular(const char *path, int *ret_fd, struct ff_err *err)
{
	/* NONBLOCK: a pipe by mistake must not hang. */
	FF_AUTO(ff_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return ff_err_errno(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s: not a regular file", path);
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

static int check_owner(const char *dir, struct ff_err *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return ff_err_errno(err, "%s", dir);
	if (st.st_uid != geteuid())
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s belongs to another account (uid %lu): run this as that one, or "
				  "the daemon could not use the record", dir, (unsigned long)st.st_uid);
	return 0;
}

/* Jobs leave a folder or a log of their number: so it is known even when the old record cannot be read. */
static void numbers_of(const struct ff_conf *conf, const char *name, int64_t *highest)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(conf, name);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		FF_AUTO(ff_free) char *word = ff_memdup0(e->d_name, strcspn(e->d_name, "."));
		int64_t n;

		if (ff_num_i64(word, 1, INT64_MAX - 1, &n) == 0 && n > *highest)
			*highest = n;
	}
	if (d)
		(void)closedir(d);
}

static bool there(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* A damaged record is moved with what belongs to it, so that it can still be looked into. */
static int move_journal(const struct restore *r, struct ff_err *err)
{
	FF_AUTO(ff_free) char *from = ff_asprintf("%s-wal", r->record);
	FF_AUTO(ff_free) char *to = ff_asprintf("%s-wal", r->aside);
	FF_AUTO(ff_free) char *shared = ff_asprintf("%s-shm", r->record);

	if (unlink(shared) < 0 && errno != ENOENT) /* is made anew from the -wal */
		return ff_err_errno(err, "%s", shared);
	if (rename(from, to) < 0 && errno != ENOENT)
		return ff_err_errno(err, "%s", from);
	return 0;
}

/* Everything that was given a number goes on being known by it alone. */
static int raise_numbers(const struct ff_conf *conf, const struct restore *r, struct ff_err *err)
{
	struct ff_backup_numbers numbers = { 0 };
	struct ff_err why = { 0 };

	if (there(r->record) && ff_backup_fold(r->record, &numbers, &why) < 0) {
		if (why.code == FF_E_CONFLICT)
			return ff_err_set(err, why.code, "%s", why.text);
		(void)fprintf(stderr, FF_DAEMON ": the old record cannot be read (%s)\n", why.text);
	}
	numbers_of(conf, "jobs", &numbers.job);
	numbers_of(conf, "logs", &numbers.job);
	return ff_backup_raise(r->copy, &numbers, err);
}

static int put_in_place(const struct ff_conf *conf, const struct restore *r, struct ff_err *err)
{
	bool old = there(r->record);

	if (raise_numbers(conf, r, err) < 0)
		return -1;
	if (old && link(r->record, r->aside) < 0)
		return ff_err_errno(err, "%s", r->aside);
	if (move_journal(r, err) < 0)
		return -1;
	if (rename(r->copy, r->record) < 0)
		return ff_err_errno(err, "%s: rename", r->record);
	if (old)
		(void)fprintf(stderr, FF_DAEMON ": the record that was there is kept as %s\n", r->aside);
	return ff_dir_sync(ff_conf_str(conf, FF_CONF_SERVER_STATE_DIR), err);
}

static int bring_in(const char *file, const struct restore *r, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;

	if (open_regular(file, &fd, err) < 0 || ff_file_copy(fd, r->copy, 0600, err) < 0)
		return -1;
	if (ff_backup_check(r->copy, err) < 0)
		return ff_err_wrap(err, "%s", file);
	return 0;
}

/* Only what has the lock may touch the names. */
static int restore_locked(const struct ff_conf *conf, const char *file, struct ff_err *err)
{
	FF_AUTO(restore_fini) struct restore r = { .record = ff_conf_state_path(conf, FF_NAME ".db") };
	int rc;

	r.copy = ff_asprintf("%s.restore", r.record);
	r.aside = ff_asprintf("%s.before-%" PRId64, r.record, ff_clock_wall());
	rc = bring_in(file, &r, err);
	if (rc == 0)
		rc = put_in_place(conf, &r, err);
	if (rc < 0)
		(void)unlink(r.copy); /* may never have been made */
	return rc;
}

int ff_core_check_record(const struct ff_conf *conf)
{
	FF_AUTO(ff_free) char *record = ff_conf_state_path(conf, FF_NAME ".db");
	struct ff_err err = { 0 };

	if (ff_backup_quick_check(record, &err) == 0) {
		(void)printf("%s is in order\n", record);
		return fflush(stdout) ? 1 : 0;
	}
	(void)fprintf(stderr, "%s: %s\n", record, err.text);
	return ff_err_exit(err.code);
}

int ff_core_restore(const struct ff_conf *conf, const char *file)
{
	const char *state = ff_conf_str(conf, FF_CONF_SERVER_STATE_DIR);
	struct ff_core core = { .conf = conf, .lock_fd = -1 };
	struct ff_err err = { 0 };
	int rc;

	rc = ff_dir_make(state, 0711, &err) < 0 || check_owner(state, &err) < 0 || ff_core_lock(&core, &err) < 0
		? -1 : restore_locked(conf, file, &err);
	if (rc == 0)
		ff_audit_restored(conf, file);
	ff_close(&core.lock_fd);
	if (rc < 0) {
		(void)fprintf(stderr, FF_DAEMON ": %s\n", err.text);
		return ff_err_exit(err.code);
	}
	(void)fprintf(stderr, FF_DAEMON ": restored; start " FF_DAEMON " to go on with the jobs that are queued in it\n");
	return 0;
}
