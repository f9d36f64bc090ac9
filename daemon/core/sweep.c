/* SPDX-License-Identifier: MIT */
/*
 * The folders of ended jobs whose worker could not remove them.  Another
 * worker does: what a job has made is opened by nobody who holds the record.
 * One that dies of it is followed by another, three in all; then the folders
 * stay until the next start.
 */
#include "daemon/core/workers.h"

#include <dirent.h>
#include <inttypes.h>

#include "base/num.h"

#define TRIES_MAX 3

/* Takes jobs. */
static void send_sweep(struct ff_core *core, json_t *jobs, int tries)
{
	struct ff_err err = { 0 };
	struct worker *w = ff_worker_spawn(core, 0, 0, &err);

	if (!w) {
		json_decref(jobs);
		ff_log_error(&core->log, "job.sweep", "%s", err.text);
		return;
	}
	w->sweeps = jobs;
	w->sweep_tries = tries;
	(void)ff_chan_send(w->child.chan, FF_MSG_SWEEP, json_pack("{s:O}", "jobs", jobs), -1, NULL); /* a failure ends the child */
}

void ff_sweep_done(struct worker *w)
{
	json_decref(w->sweeps);
	w->sweeps = NULL;
}

void ff_sweep_ended(struct worker *w)
{
	struct ff_core *core = w->core;

	if (!w->sweeps || core->draining) { /* the next start looks for them */
		ff_sweep_done(w);
	} else if (w->sweep_tries < TRIES_MAX) {
		send_sweep(core, ff_steal(&w->sweeps), w->sweep_tries + 1);
	} else {
		ff_log_error(&core->log, "job.sweep", "%zu folders of ended jobs stay until the next start: %d workers died of them",
			     json_array_size(w->sweeps), TRIES_MAX);
		ff_sweep_done(w);
	}
}

void ff_worker_sweep(struct ff_core *core, int64_t job)
{
	json_t *jobs = json_array();

	(void)json_array_append_new(jobs, json_integer(job));
	send_sweep(core, jobs, 1);
}

void ff_workers_sweep_left(struct ff_core *core)
{
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(core->conf, "jobs");
	json_t *jobs = json_array();
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		FF_AUTO(ff_job_free) struct ff_job *job = NULL;
		struct ff_err err = { 0 };
		int64_t id;

		if (ff_num_i64(e->d_name, 1, INT64_MAX, &id) < 0)
			continue;
		if (ff_store_job_get(core->store, id, &job, &err) < 0 ? err.code == FF_E_NOT_FOUND
								      : ff_job_state_ended(job->state))
			(void)json_array_append_new(jobs, json_integer(id));
	}
	if (d)
		(void)closedir(d);
	if (json_array_size(jobs))
		send_sweep(core, jobs, 1);
	else
		json_decref(jobs);
}
