/* SPDX-License-Identifier: MIT */
/*
 * worker.sock: workers that we did not start.  Whoever connects speaks as a
 * worker does on its descriptor 3 (src/ipc/msg.def), gets a job when there is
 * one, and has it on the same lease; the attempt's number fences it off when
 * it comes too late.  What it is and where it runs we need not know: this is
 * the local end of workers on other hosts.
 */
#include "daemon/core/workers.h"

#include <stdlib.h>
#include <unistd.h>

#define GUESTS_MAX 256

static bool let_in(struct ff_core *core, int fd)
{
	uid_t uid;

	if (ff_listener_knows(core->guests, fd, "worker", &uid))
		return ff_worker_admit(core, fd);
	ff_close(&fd);
	return false;
}

int ff_guests_init(struct ff_core *core, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_run_path(core->conf, "worker.sock");

	if (!ff_conf_bool(core->conf, FF_CONF_WORKER_SOCKET)) {
		(void)unlink(path); /* of a time when it was on */
		return 0;
	}
	core->guests = ff_calloc(1, sizeof *core->guests);
	*core->guests = (struct ff_listener){ .core = core, .most = GUESTS_MAX, .let_in = let_in };
	return ff_listener_open(core->guests, path, 0600, err);
}

void ff_guest_left(struct ff_core *core)
{
	ff_listener_left(core->guests);
}

/* --- jobs for them ------------------------------------------------------------ */

struct promise {
	int64_t serial;
};

static void promised(struct ff_core *core, void *arg, bool ok)
{
	FF_AUTO(ff_free) struct promise *p = arg;
	struct worker *w = ff_worker_by_serial(core, p->serial);

	if (!w || ok)
		return;
	ff_worker_give(w, 0, 0);
	w->wants = true;
}

static struct worker *waiting(const struct ff_core *core)
{
	struct worker *w = core->workers->first;

	while (w && !(w->wants && !w->job && w->child.chan))
		w = w->next;
	return w;
}

bool ff_guest_waits(const struct ff_core *core)
{
	return waiting(core) != NULL;
}

void ff_guest_promise(struct ff_core *core, struct ff_job **job)
{
	struct promise *p = ff_calloc(1, sizeof *p);
	struct worker *w = waiting(core);

	ff_assert(w);
	ff_worker_give(w, (*job)->id, (*job)->attempt);
	w->known = ff_steal(job);
	w->wants = false;
	*p = (struct promise){ .serial = w->serial };
	ff_turn_after(core, promised, p);
}

int ff_guest_jobs(const struct ff_core *core)
{
	int n = 0;

	for (struct worker *w = core->workers->first; w; w = w->next)
		n += w->guest && w->job && !w->done;
	return n;
}

void ff_guests_fini(struct ff_core *core)
{
	if (core->guests)
		ff_listener_fini(core->guests);
	ff_free(&core->guests);
}
