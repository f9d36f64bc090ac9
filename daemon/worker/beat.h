/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_WORKER_BEAT_H
#define FF_DAEMON_WORKER_BEAT_H

/*
 * The sign of life of a worker: an `alive` message every so often, whatever
 * it is waiting for, by a timer signal.  One a process.
 */

#include "ipc/ipc.h"

/* chan must be there until ff_beat_stop. every_ms is at least 1. */
void ff_beat_start(const struct ff_chan *chan, int64_t every_ms);
void ff_beat_stop(void);

#endif
