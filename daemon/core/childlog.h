/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_CHILDLOG_H
#define FF_DAEMON_CORE_CHILDLOG_H

/*
 * What children that read hostile bytes (workers, readers) write to their
 * standard error.  They have a pipe to core there instead of the log: core
 * says which role and job a line is of, whatever the line says, and passes on
 * no more than log.child-rate a second, so that one that was taken over can
 * neither speak as another nor drown what others say.
 */

#include "daemon/core/core.h"

struct ff_childlog;

/* fd: our end of the pipe, taken. job: borrowed, looked at with each line; 0: none. */
struct ff_childlog *ff_childlog_new(struct ff_core *core, const char *role, const int64_t *job, int fd);
/* Passes on what is still in the pipe. */
void ff_childlog_free(struct ff_childlog **log);

#endif
