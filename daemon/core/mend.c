/* SPDX-License-Identifier: MIT */
/*
 * While the record cannot be written: a full disk, a lock of somebody else, a
 * file system that became read-only.  It is said once; what comes meanwhile is
 * refused at once, so that nobody waits for the same lock again and again; and
 * one try after the other is made until the record takes a row.  A damaged
 * record is another matter: nothing is written to it any more, and only an
 * administrator can end that.
 */
#include "daemon/core/core.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/names.h"

/* The first tries come this soon; no longer than a stranger's lock may hold up a turn. */
#define TRY_FIRST_MS 2000
/* Failing again this soon after it worked: the next try comes later, up to this, so that the log is not flooded. */
#define TRY_MOST_MS 10000
/* Less room than this is none: a turn that fits now would be the last. */
#define ROOM_BYTES (1024 * 1024)

struct ff_mend {
	struct ff_watch *timer;
	bool trying;        /* the turn that is open now is a try */
	bool no_room;       /* for a while nothing could be kept in the spool either */
	bool damage_said;
	int64_t wait_ms;
	int64_t well_ms;    /* monotonic: when it worked again last; 0: it never failed */
};

static struct ff_mend *state(struct ff_core *core)
{
	if (!core->mend)
		core->mend = ff_calloc(1, sizeof *core->mend);
	return core->mend;
}

/* NULL: there is room. */
static const char *no_room(const struct ff_core *core)
{
	struct statvfs fs;

	if (statvfs(ff_conf_str(core->conf, FF_CONF_SERVER_STATE_DIR), &fs) < 0)
		return NULL;
	if (fs.f_flag & ST_RDONLY)
		return "is on a file system that is mounted read-only";
	if ((uint64_t)(geteuid() ? fs.f_bavail : fs.f_bfree) * fs.f_frsize < ROOM_BYTES || (fs.f_files && !fs.f_ffree))
		return "has no room left";
	return NULL;
}

bool ff_mend_may_write(const struct ff_core *core)
{
	return !core->store_broken || (core->mend && core->mend->trying);
}

void ff_mend_last_try(struct ff_core *core)
{
	if (core->mend)
		core->mend->trying = true;
}

/*
 * What the failed turns would have done was told to nobody and is in no memory,
 * so all live jobs are looked at as after a start.
 */
static int try_again(struct ff_core *core, struct ff_err *err)
{
	if (no_room(core))
		return ff_err_set(err, FF_E_STORE, "no room");
	if (ff_turn_open(core, err) < 0 || ff_store_touch(core->store, err) < 0 ||
	    ff_core_restart_jobs(core, "the record could not be written for a while", err) < 0)
		return -1;
	ff_spending_again(core);
	ff_specs_resume(core);
	ff_timers_run(core);
	return 0;
}

/* A turn that somebody else was refused is no try. */
static void after_turn(struct ff_core *core, void *arg, bool ok)
{
	struct ff_err err = { 0 };

	(void)ok;
	if (core->in_turn) {
		ff_turn_after(core, after_turn, arg);
		return;
	}
	core->mend->trying = true;
	if (try_again(core, &err) < 0)
		ff_turn_fail(core, &err);
}

static void on_time(void *arg)
{
	struct ff_core *core = arg;

	ff_watch_free(&core->mend->timer);
	ff_turn_after(core, after_turn, NULL);
}

static void say_damage(struct ff_core *core, const struct ff_err *err)
{
	if (!core->mend->damage_said)
		ff_log_error(&core->log, "store.damaged", "%s: nothing is written to the record any more, pushes go to the "
			     "spool; stop " FF_DAEMON ", run " FF_NAME " restore with the newest backup, start it again",
			     err->text);
	core->mend->damage_said = true;
}

static void say_failure(struct ff_core *core, const struct ff_err *err)
{
	const char *dir = ff_conf_str(core->conf, FF_CONF_SERVER_STATE_DIR), *room = no_room(core);

	if (room)
		ff_log_error(&core->log, "store.failed", "%s, and %s %s: pushes go to the spool until this is mended", err->text,
			     dir, room);
	else
		ff_log_error(&core->log, "store.failed", "%s: pushes go to the spool until this is mended", err->text);
}

void ff_mend_failed(struct ff_core *core, const struct ff_err *err)
{
	struct ff_mend *m = state(core);

	m->trying = false;
	m->no_room |= no_room(core) != NULL;
	if (ff_store_damaged(core->store)) {
		say_damage(core, err);
		ff_watch_free(&m->timer);
		core->store_broken = true;
		return;
	}
	if (!core->store_broken) {
		say_failure(core, err);
		if (!m->well_ms || ff_clock_mono() - m->well_ms > TRY_MOST_MS)
			m->wait_ms = TRY_FIRST_MS;
		else
			m->wait_ms = m->wait_ms * 2 < TRY_MOST_MS ? m->wait_ms * 2 : TRY_MOST_MS;
	}
	core->store_broken = true;
	if (!m->timer)
		m->timer = ff_loop_timer(core->loop, m->wait_ms, on_time, core);
}

static void on_well(struct ff_core *core, void *arg, bool ok)
{
	(void)arg;
	(void)ok; /* the turn that it was asked for in has been committed */
	ff_spool_look(core, core->mend->no_room);
	core->mend->no_room = false;
	ff_hold_release(core);
	ff_core_dispatch(core);
}

void ff_mend_committed(struct ff_core *core)
{
	if (!core->store_broken || !ff_store_wrote(core->store))
		return; /* a full disk takes a turn that writes nothing */
	core->store_broken = false;
	core->mend->trying = false;
	core->mend->well_ms = ff_clock_mono();
	ff_log_info(&core->log, "store.recovered", "the record can be written again");
	ff_turn_after(core, on_well, NULL);
}

void ff_mend_fini(struct ff_core *core)
{
	if (core->mend)
		ff_watch_free(&core->mend->timer);
	ff_free(&core->mend);
}
