/* SPDX-License-Identifier: MIT */
/*
 * The command backup: a copy of the record, made in small steps between the
 * turns so that no push waits for it, and handed over as a descriptor.  The
 * file that it ends in is written by whoever asked, with their rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/core/control.h"
#include "store/backup.h"

#define COPY_NAME "backup.tmp"
/* When the step met an open transaction. */
#define LATER_MS 5

struct ff_backup_run {
	struct ff_core *core;
	struct ff_request *request;
	struct ff_backup *copy;
	struct ff_watch *timer;
	char *path;
};

/* Also what a daemon that was killed left behind. */
static void remove_copy(const char *path)
{
	FF_AUTO(ff_free) char *journal = ff_asprintf("%s-journal", path);

	(void)unlink(journal); /* hardly ever there */
	(void)unlink(path);    /* if it cannot go, the next copy says so */
}

static void run_free(struct ff_core *core)
{
	struct ff_backup_run *run = ff_steal(&core->backup);

	if (!run)
		return;
	ff_watch_free(&run->timer);
	ff_backup_close(&run->copy);
	remove_copy(run->path);
	ff_free(&run->path);
	free(run);
}

static void finish(struct ff_core *core, const struct ff_err *err)
{
	struct ff_request *r = core->backup->request;

	run_free(core);
	ff_reply_end(r, err, NULL);
}

static int hand_over(struct ff_backup_run *run, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;
	struct stat st;

	ff_backup_close(&run->copy);
	fd = open(run->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ff_err_errno(err, "%s", run->path);
	remove_copy(run->path); /* it lives on in the descriptor */
	ff_reply_item(run->request, json_pack("{s:I}", "size", (json_int_t)st.st_size), ff_steal_fd(&fd));
	return 0;
}

/* After the commit of the turn: within a transaction there is nothing whole to copy. */
static void step(struct ff_core *core, void *arg, bool ok)
{
	enum ff_backup_state state = FF_BACKUP_MORE;
	struct ff_backup_run *run = core->backup;
	struct ff_err err = { 0 };
	int rc;

	(void)arg;
	(void)ok; /* a turn that came to nothing has changed nothing */
	if (!run)
		return;
	rc = ff_backup_step(run->copy, &state, &err);
	if (rc == 0 && state != FF_BACKUP_DONE) {
		ff_watch_again(run->timer, state == FF_BACKUP_LATER ? LATER_MS : 0);
		return;
	}
	if (rc == 0)
		rc = hand_over(run, &err);
	if (rc < 0)
		ff_log_error(&core->log, "backup.failed", "%s", err.text);
	else
		ff_log_info(&core->log, "backup.made", "a copy of the record was handed over");
	finish(core, &err);
}

static void on_timer(void *arg)
{
	ff_turn_after(arg, step, NULL);
}

int ff_backup_start(struct ff_request *r, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	struct ff_backup_run *run;
	mode_t mask;
	int rc;

	if (core->backup)
		return ff_err_set(err, FF_E_CONFLICT, "a backup is being made already: try again when it is done");
	run = core->backup = ff_calloc(1, sizeof *run);
	*run = (struct ff_backup_run){ .core = core, .path = ff_conf_state_path(core->conf, COPY_NAME) };
	remove_copy(run->path);
	mask = umask(0077); /* as the record: for this account alone */
	rc = ff_backup_open(core->store, run->path, &run->copy, err);
	(void)umask(mask);
	if (rc < 0) {
		run_free(core);
		return -1;
	}
	run->request = r;
	run->timer = ff_loop_timer(core->loop, 0, on_timer, core);
	return 0;
}

void ff_backup_init(struct ff_core *core)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(core->conf, COPY_NAME);

	remove_copy(path);
}

void ff_backup_fini(struct ff_core *core)
{
	run_free(core);
}
