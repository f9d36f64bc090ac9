/* SPDX-License-Identifier: MIT */
/* Removing the refs of jobs that core is about to forget. What people can see, result branches, stays. */
#include "daemon/worker/forget.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/names.h"
#include "conf/conf.h"
#include "git/git.h"

struct found {
	char **names; /* ref and oid by turns */
	size_t n;     /* refs */
};

static int add(void *arg, const char *ref, const char *oid)
{
	struct found *f = arg;

	f->names = ff_realloc(f->names, 2 * f->n + 2, sizeof *f->names);
	f->names[2 * f->n] = ff_strdup(ref);
	f->names[2 * f->n++ + 1] = ff_strdup(oid);
	return 0;
}

static void found_fini(struct found *f)
{
	for (size_t i = 0; i < 2 * f->n; i++)
		ff_free(&f->names[i]);
	ff_free(&f->names);
}

static int forget_job(const struct ff_role_args *args, struct ff_git *git, int64_t job, struct ff_err *err)
{
	FF_AUTO(ff_free) char *glob = ff_asprintf(FF_REF_JOBS "/%" PRId64 "/*", job);
	const struct ff_git_person who = { .name = ff_conf_str(args->conf, FF_CONF_COMMIT_NAME),
					   .email = ff_conf_str(args->conf, FF_CONF_COMMIT_EMAIL) };
	FF_AUTO(found_fini) struct found f = { 0 };
	FF_AUTO(ff_free) struct ff_git_ref_change *changes = NULL;
	const char *globs[] = { glob };

	if (ff_git_refs(git, globs, 1, add, &f, err) < 0)
		return -1;
	changes = ff_calloc(f.n + 1, sizeof *changes);
	for (size_t i = 0; i < f.n; i++)
		changes[i] = (struct ff_git_ref_change){ .ref = f.names[2 * i], .old_oid = f.names[2 * i + 1] };
	return f.n ? ff_git_publish(git, changes, f.n, &who, FF_NAME ": the job is old", err) : 0;
}

/* A repository that was removed has taken its refs along. */
static bool is_gone(const char *url)
{
	FF_AUTO(ff_free) char *path = NULL;

	return ff_git_path_from_url(url, &path, NULL) == 0 && access(path, F_OK) < 0;
}

json_t *ff_forget(const struct ff_role_args *args, const char *url, const json_t *jobs)
{
	FF_AUTO(ff_git_close) struct ff_git *git = NULL;
	bool gone = is_gone(url);
	struct ff_log log = ff_log_main();
	json_t *done = json_array(), *job;
	struct ff_err err = { 0 };
	size_t i;

	if (!gone && ff_git_open_url(url, &git, &err) < 0) {
		ff_log_warn(&log, "retention.repository", "%s: its old jobs are kept", err.text);
		return done;
	}
	json_array_foreach(jobs, i, job) {
		if (!json_is_integer(job) || json_integer_value(job) <= 0)
			continue;
		if (gone || forget_job(args, git, json_integer_value(job), &err) == 0)
			(void)json_array_append(done, job);
		else
			ff_log_warn(&log, "retention.refs", "job %" JSON_INTEGER_FORMAT ": %s", json_integer_value(job), err.text);
	}
	return done;
}
