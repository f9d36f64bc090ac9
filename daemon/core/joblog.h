/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_JOBLOG_H
#define FF_DAEMON_CORE_JOBLOG_H

/*
 * The log of a job: what its worker tells, one JSON object a line, in a file
 * that is made with the first line and never grows over log.job-max.
 *
 * The struct is in its worker.  Set core, job, attempt and fd = -1; add lines;
 * ff_joblog_end writes what is still to be said and closes the file.
 */

#include "daemon/core/core.h"

struct ff_joblog {
	struct ff_core *core;
	int64_t job;
	int attempt;
	int fd;
	bool failed;  /* its file could not be opened or written: said once */
	int64_t bytes, dropped;
};

/* text is borrowed. Those who watch the job get the line, too. */
void ff_joblog_add(struct ff_joblog *l, const char *stream, json_t *text);
/* The file may have been moved away: the next line goes into one of its name. */
void ff_joblog_reopen(struct ff_joblog *l);
void ff_joblog_end(struct ff_joblog *l);

#endif
