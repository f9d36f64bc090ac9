/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_LEASE_H
#define FF_DAEMON_CORE_LEASE_H

/*
 * A job on lease: from ff_lease_new on, ff_lease_heard must come within
 * worker.silence, again and again; else `ended` is called, once.  For
 * workers.c; a lease is freed by its owner, also after it has ended, but not
 * out of `ended`.
 */

#include "daemon/core/core.h"

struct ff_lease;

struct ff_lease *ff_lease_new(struct ff_core *core, void (*ended)(void *arg), void *arg);
void ff_lease_heard(struct ff_lease *lease);
void ff_lease_free(struct ff_lease **lease);

#endif
