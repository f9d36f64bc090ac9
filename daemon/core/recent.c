/* SPDX-License-Identifier: MIT */
/*
 * Jobs as they are in the record, kept from the turn of their submission until
 * a worker takes them: in a short queue that is soon, and nothing has to be
 * read again.  Core alone writes the record, so what is kept is right until an
 * event changes the job (ff_core_event forgets it), or a turn fails.
 */
#include <stdlib.h>

#include "daemon/core/core.h"

/* By number; in a long queue the newest ones take the places, and are of no use. */
#define KEPT 64

struct ff_recent {
	struct ff_job *jobs[KEPT];
};

static struct ff_job **place(struct ff_core *core, int64_t id)
{
	if (!core->recent)
		core->recent = ff_calloc(1, sizeof *core->recent);
	return &core->recent->jobs[(uint64_t)id % KEPT];
}

void ff_recent_keep(struct ff_core *core, struct ff_job **job)
{
	struct ff_job **at = place(core, (*job)->id);

	ff_job_free(at);
	*at = ff_steal(job);
}

struct ff_job *ff_recent_take(struct ff_core *core, int64_t id)
{
	struct ff_job **at = place(core, id);

	return *at && (*at)->id == id ? ff_steal(at) : NULL;
}

void ff_recent_forget(struct ff_core *core, int64_t id)
{
	struct ff_job *job = ff_recent_take(core, id);

	ff_job_free(&job);
}

void ff_recent_fini(struct ff_core *core)
{
	for (size_t i = 0; core->recent && i < KEPT; i++)
		ff_job_free(&core->recent->jobs[i]);
	ff_free(&core->recent);
}
