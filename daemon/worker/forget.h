/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_WORKER_FORGET_H
#define FF_DAEMON_WORKER_FORGET_H

/* The message forget: refs of old jobs are removed from their repository. For worker.c. */

#include <jansson.h>

#include "daemon/role.h"

/* The numbers of those of jobs that have no ref left; freed by json_decref. */
json_t *ff_forget(const struct ff_role_args *args, const char *url, const json_t *jobs);

#endif
