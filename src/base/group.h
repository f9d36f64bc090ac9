/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_GROUP_H
#define FF_BASE_GROUP_H

/*
 * A control group for what a job runs, so that memory, processes and
 * processor time of all of it together have a limit.  Version 2 where a part
 * of the tree is ours (Delegate=yes of the unit), version 1 where we are root,
 * each controller by itself; where neither is there, the job has what is left
 * of rlimits, and ff_group_holds() tells it.
 *
 *     ff_group_prepare();                       core, once, before it starts others
 *     if (ff_group_new(&limits, &g, &err)) ...  worker; then fork
 *     ff_group_enter(g)                         in the child
 *     ff_group_free(&g)                         when all in it are dead
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ff_group;

struct ff_group_limits { /* 0: none */
	int64_t memory_bytes; /* swap is not to be had at all */
	int64_t processes;    /* threads count */
	int64_t cpu_percent;  /* 100: one processor */
};

enum ff_group_part { FF_GROUP_MEMORY, FF_GROUP_PROCESSES, FF_GROUP_CPU, FF_GROUP_PARTS };

/*
 * Version 2 has no limits for a group that holds processes itself: moves us
 * into a group below ours. Does nothing where it cannot.
 */
void ff_group_prepare(void);

/* The texts of /proc/self/cgroup and mountinfo to the folder of our own group with this controller; version 1 or 2, or 0. Pure. */
int ff_group_find(const char *groups, const char *mounts, const char *controller, char **ret_folder);

/* Never fails for want of groups: *ret then limits less, or nothing. -1: a limit that was there could not be set. */
int ff_group_new(const struct ff_group_limits *limits, struct ff_group **ret, struct ff_err *err);
/* Version of the tree that limits it; 0: nothing does. */
int ff_group_holds(const struct ff_group *group, enum ff_group_part part);
/* Of the calling process, between fork and exec. */
int ff_group_enter(const struct ff_group *group);
/* Whether a process of it was killed because the memory was used up. */
bool ff_group_out_of_memory(const struct ff_group *group);
/* Nothing in it may be alive. */
void ff_group_free(struct ff_group **group);

#endif
