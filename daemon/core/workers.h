/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_WORKERS_H
#define FF_DAEMON_CORE_WORKERS_H

/* What workers.c, guests.c and sweep.c know of a worker; everybody else asks by the number of its job (core.h). */

#include "daemon/core/core.h"
#include "daemon/core/joblog.h"
#include "daemon/core/lease.h"

struct worker {
	struct worker *next;
	int64_t serial;   /* never used again, unlike the address */
	struct ff_core *core;
	struct ff_child child;
	int64_t job;      /* 0: it sweeps */
	int attempt;
	char token[65];   /* of this attempt, for the gateway's socket */
	struct ff_job *known; /* the job after its last event, NULL: only the record knows */
	bool guest;       /* it came by worker.sock, and stays for more than one job */
	bool own_gateway; /* it needs no gateway socket */
	bool wants;       /* a guest that asked for a job */
	bool sent;        /* has its job */
	bool done;        /* has said how it ended */
	bool stopped;     /* killed by us */
	bool silent;      /* killed because nothing was heard of it */
	struct ff_lease *lease; /* NULL: it sweeps */
	struct ff_watch *limit; /* then it is killed, whatever it says */
	struct ff_joblog log;
	json_t *sweeps;   /* jobs whose folders it removes; NULL: none, or it has */
	int sweep_tries;  /* workers that began with these */
};

struct ff_workers {
	struct worker *first;
	int64_t last_serial;
};

/* NULL: it could not be started. */
struct worker *ff_worker_spawn(struct ff_core *core, int64_t job, int attempt, struct ff_err *err);
/* It has this job from now on; 0: none. */
void ff_worker_give(struct worker *w, int64_t job, int attempt);
/* NULL: it is gone. */
struct worker *ff_worker_by_serial(const struct ff_core *core, int64_t serial);
/* sweep.c: what it was told to remove is gone; it has ended, whether it said so or not. */
void ff_sweep_done(struct worker *w);
void ff_sweep_ended(struct worker *w);

#endif
