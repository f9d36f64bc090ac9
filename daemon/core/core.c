/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 3.  Core: the one process that knows everything and touches
 *~ nothing.  It owns the database, the queue and the two unix sockets; what
 *~ must look at repositories, the network or job files is done by its
 *~ children.  core.h says what a turn is; intake.c, stop 4, is where a push
 *~ comes in.
 */
#include "daemon/core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/file.h"
#include "base/group.h"
#include "base/names.h"
#include "base/proc.h"
#include "crypto/crypto.h"
#include "daemon/core/vault.h"

void ff_core_notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	(void)sd_notify(0, state); /* without a service manager there is nobody to tell */
#else
	(void)state;
#endif
}

/* --- folders ------------------------------------------------------------------ */

/*
 * The spool is drop-only (1730): pushers with other accounts, members of the
 * group, may add a file and neither list nor take away.  jobs and what is
 * above it may be passed through (0711), because a job's own account reaches
 * its work tree that way.
 */
static const struct {
	const char *name;
	mode_t mode;
	bool group;
} folders[] = {
	{ "spool", 01730, true }, { "spool-bad", 0700, false }, { "logs", 0700, false }, { "jobs", 0711, false },
};

static int make_folder(const struct ff_log *log, const char *path, mode_t mode, bool group, struct ff_err *err)
{
	struct group *g = group ? getgrnam(FF_NAME) : NULL;

	if (ff_dir_make(path, mode, err) < 0)
		return -1;
	/* A private daemon on a host that has the group, by an account that is not in it: it has no other pushers. */
	if (g && chown(path, (uid_t)-1, g->gr_gid) < 0)
		ff_log_warn(log, "core.group", "%s cannot be given to the group " FF_NAME ": pushers with other accounts "
			    "cannot leave a push there", path);
	if (chmod(path, mode) < 0)
		return ff_err_errno(err, "%s: chmod", path);
	return 0;
}

static int make_folders(struct ff_core *core, struct ff_err *err)
{
	const char *state = ff_conf_str(core->conf, FF_CONF_SERVER_STATE_DIR);
	const char *run = ff_conf_str(core->conf, FF_CONF_SERVER_RUN_DIR);

	if (ff_dir_make(state, 0711, err) < 0 || ff_dir_make(run, 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(folders); i++) {
		FF_AUTO(ff_free) char *path = ff_path_join(state, folders[i].name);

		if (make_folder(&core->log, path, folders[i].mode, folders[i].group, err) < 0)
			return -1;
	}
	return 0;
}

static int lock_folder(const char *dir, const char *key, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, "lock");
	FF_AUTO(ff_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			? ff_err_set(err, FF_E_CONFLICT, "another " FF_DAEMON " uses %s: stop it first, or give this one "
				     "another %s", dir, key)
			: ff_err_errno(err, "%s", path);
	*ret_fd = ff_steal_fd(&fd);
	return 0;
}

/* Two daemons on one record would each believe that the other's workers are dead. */
int ff_core_lock(struct ff_core *core, struct ff_err *err)
{
	return lock_folder(ff_conf_str(core->conf, FF_CONF_SERVER_STATE_DIR), "server.state-dir", &core->lock_fd, err);
}

/* The second one would take the sockets of the first. */
static int lock_run_folder(struct ff_core *core, struct ff_err *err)
{
	return lock_folder(ff_conf_str(core->conf, FF_CONF_SERVER_RUN_DIR), "server.run-dir", &core->run_lock_fd, err);
}

/* The lock is ours, so nobody is writing there. What cannot be removed is in the way of nobody. */
static void sweep_folders(struct ff_core *core)
{
	static const enum ff_conf_key keys[] = { FF_CONF_SERVER_STATE_DIR, FF_CONF_SERVER_RUN_DIR };
	struct ff_err err = { 0 };

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (ff_file_sweep(ff_conf_str(core->conf, keys[i]), &err) < 0)
			ff_log_warn(&core->log, "core.sweep", "%s", err.text);
}

static int open_record(struct ff_core *core, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_state_path(core->conf, FF_NAME ".db");
	mode_t mask = umask(0077); /* the record holds tasks and names: for this account alone */
	int rc = ff_store_open(path, &core->store, err);

	(void)umask(mask);
	return rc;
}

/* --- signals -------------------------------------------------------------------- */

static void on_drain_over(void *arg)
{
	struct ff_core *core = arg;

	ff_log_warn(&core->log, "core.drain", "jobs still run after server.drain: they go on after the next start");
	ff_loop_stop(core->loop);
}

static void on_terminate(void *arg, int signo)
{
	struct ff_core *core = arg;

	(void)signo;
	if (core->draining || !ff_workers_count(core)) {
		ff_loop_stop(core->loop);
		return;
	}
	core->draining = true;
	ff_core_notify("STOPPING=1");
	ff_log_info(&core->log, "core.drain", "no new job is started; %d run on, a second signal stops them",
		    ff_workers_count(core));
	(void)ff_loop_timer(core->loop, ff_conf_int(core->conf, FF_CONF_SERVER_DRAIN), on_drain_over, core);
}

/* --- life ------------------------------------------------------------------------- */

static int begin(struct ff_core *core, struct ff_err *err)
{
	if (make_folders(core, err) < 0 || ff_core_lock(core, err) < 0 || lock_run_folder(core, err) < 0)
		return -1;
	sweep_folders(core);
	if (open_record(core, err) < 0 || ff_reload_write(core->conf, err) < 0)
		return -1;
	if (ff_age_init(core, err) < 0)
		return -1;
	ff_vault_init(core);
	ff_backup_init(core);
	ff_readers_init(core);
	ff_workers_init(core);
	ff_crowd_init(core);
	ff_intake_init(core);
	if (ff_gateway_start(core, err) < 0 || ff_hooks_init(core, err) < 0 || ff_control_init(core, err) < 0 ||
	    ff_guests_init(core, err) < 0)
		return -1;
	ff_sandbox_check(core);
	if (ff_core_restart_jobs(core, "the daemon was started again", err) < 0 || ff_spool_start(core, err) < 0)
		return -1;
	ff_audit_init(core);
	ff_workers_sweep_left(core);
	ff_specs_resume(core);
	ff_timers_run(core);
	ff_retention_init(core);
	ff_upkeep_init(core);
	ff_drift_init(core);
	ff_web_start(core);
	ff_turn_end(core);
	return 0;
}

static void end(struct ff_core *core)
{
	ff_turn_end(core);
	ff_mend_last_try(core);
	ff_spending_again(core); /* what a failed turn was to record, and was not yet tried again */
	ff_turn_end(core);
	ff_timers_fini(core);
	ff_crowd_fini(core);
	ff_retention_fini(core);
	ff_age_fini(core);
	ff_upkeep_fini(core);
	ff_drift_end(core);
	ff_spool_fini(core);
	ff_sandbox_fini(core);
	ff_workers_fini(core);
	ff_recent_fini(core);
	ff_rest_fini(core);
	ff_tunnels_fini(core);
	ff_guests_fini(core);
	ff_readers_fini(core);
	ff_reconcile_fini(core);
	ff_gateway_fini(core);
	ff_web_fini(core);
	ff_spending_fini(core);
	ff_specs_fini(core);
	ff_backup_fini(core);
	ff_control_fini(core);
	ff_hooks_fini(core);
	ff_intake_fini(core);
	ff_hold_fini(core);
	ff_mend_fini(core);
	ff_vault_fini(core);
	ff_store_close(&core->store);
	ff_loop_free(&core->loop);
	ff_close(&core->run_lock_fd);
	ff_close(&core->lock_fd);
	ff_reload_fini(core);
}

int ff_core_main(const struct ff_role_args *args)
{
	struct ff_core core = { .args = args, .conf = args->conf, .log = ff_log_main(), .lock_fd = -1, .run_lock_fd = -1 };
	struct ff_err err = { 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* fails only for values other than 0 and 1 */
	ff_crypto_start();
	ff_group_prepare(); /* before the others are started: they are born into the same group */
	core.after_end = &core.after_first;
	core.loop = ff_loop_new();
	ff_loop_on_turn_end(core.loop, ff_turn_end, &core);
	(void)ff_loop_signal(core.loop, SIGTERM, on_terminate, &core);
	(void)ff_loop_signal(core.loop, SIGINT, on_terminate, &core);
	ff_reload_init(&core);
	if (begin(&core, &err) == 0) {
		ff_log_info(&core.log, "core.ready", "version " PACKAGE_VERSION ", state in %s",
			    ff_conf_str(core.conf, FF_CONF_SERVER_STATE_DIR));
		ff_core_notify("READY=1");
		ff_proc_drop_code(); /* of libgit2, curl and what these bring: the other roles use them */
		if (ff_loop_run(core.loop, &err) == 0)
			ff_log_info(&core.log, "core.stopped", "stopped");
	}
	if (err.code)
		ff_log_error(&core.log, "core.failed", "%s", err.text);
	end(&core);
	return err.code ? 1 : 0;
}
