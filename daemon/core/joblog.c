/* SPDX-License-Identifier: MIT */
/* See joblog.h. */
#include "daemon/core/joblog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/redact.h"
#include "daemon/core/vault.h"

char *ff_job_log_path(const struct ff_core *core, int64_t job)
{
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(core->conf, "logs");

	return ff_asprintf("%s/%" PRId64 ".log", dir, job);
}

/* With the first line: to make a file costs more than all else that the start of a job costs us. */
static void open_file(struct ff_joblog *l)
{
	FF_AUTO(ff_free) char *path = NULL;
	struct stat st;

	if (l->fd >= 0 || l->failed)
		return;
	path = ff_job_log_path(l->core, l->job);
	l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	l->failed = l->fd < 0;
	if (l->failed)
		ff_log_error(&l->core->log, "joblog.open", "%s: %s", path, strerror(errno));
	else if (fstat(l->fd, &st) == 0)
		l->bytes = st.st_size;
}

void ff_joblog_reopen(struct ff_joblog *l)
{
	ff_close(&l->fd); /* the next line opens it */
}

static void write_line(struct ff_joblog *l, json_t *line, bool last)
{
	char *text = json_dumps(line, JSON_COMPACT);
	struct ff_err err = { 0 };
	size_t n;

	ff_assert(text);
	n = strlen(text);
	text[n] = '\n'; /* over the NUL: the length is known */
	open_file(l);
	if (!last && l->bytes + (int64_t)n + 1 > ff_conf_int(l->core->conf, FF_CONF_LOG_JOB_MAX)) {
		l->dropped += (int64_t)n + 1;
	} else if (l->fd >= 0 && ff_fd_write_all(l->fd, text, n + 1, &err) < 0) {
		ff_log_error(&l->core->log, "joblog.write", "job %" PRId64 ": %s", l->job, err.text);
		l->failed = true;
		ff_close(&l->fd);
	} else {
		l->bytes += (int64_t)n + 1;
	}
	free(text);
}

static void add(struct ff_joblog *l, const char *stream, json_t *text, bool last)
{
	json_t *line = json_pack("{s:o,s:i,s:s,s:O}", "at", ff_time_json(ff_clock_wall()), "attempt", l->attempt,
				 "stream", stream, "text", text);

	write_line(l, line, last);
	ff_watch_log(l->core, l->job, line);
	json_decref(line);
}

/* A worker took out what its job was given; any secret of the record may have come another way. */
void ff_joblog_add(struct ff_joblog *l, const char *stream, json_t *text)
{
	FF_AUTO(ff_free) char *bytes = NULL;
	FF_AUTO(ff_free) char *clean = NULL;
	json_t *instead = NULL;

	if (!ff_redact_empty(ff_vault_redact(l->core)) && ff_json_bytes(text, &bytes, NULL) == 0)
		clean = ff_redact_text(ff_vault_redact(l->core), bytes);
	if (clean)
		instead = ff_json_from_bytes(clean);
	add(l, stream, instead ? instead : text, false);
	json_decref(instead);
}

void ff_joblog_end(struct ff_joblog *l)
{
	json_t *text;

	if (l->dropped) {
		text = json_sprintf("%" PRId64 " bytes of this log were dropped: log.job-max", l->dropped);
		add(l, "system", text, true); /* this one line goes in */
		json_decref(text);
	}
	ff_close(&l->fd);
}
