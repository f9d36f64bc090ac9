/* SPDX-License-Identifier: MIT */
/*
 * The task of a push, from what its options say and what the repository
 * holds.  Everything that could only fail later, after the model was paid,
 * is refused here with what to do about it.
 */
#include "job/spec.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

#define FF_KNOWN_NAMES_MAX 160

static bool has_text(const char *s)
{
	return s && s[strspn(s, " \t\r\n")];
}

const char *ff_spec_target(const struct ff_policy *p, const struct ff_options *options)
{
	if (options->target)
		return options->target;
	return p->default_target && *p->default_target ? p->default_target : NULL;
}

static void set_task(struct ff_job_spec *spec, char *task, const char *from)
{
	ff_free(&spec->task);
	ff_free(&spec->task_from);
	spec->task = task;
	spec->task_from = ff_strdup(from);
}

static int take_task_file(const struct ff_repo_facts *facts, struct ff_task_file *file, struct ff_job_spec *spec,
			  struct ff_err *err)
{
	FF_AUTO(ff_free) char *from = ff_asprintf("task file %s", facts->task_file_name ? facts->task_file_name : "");

	if (ff_task_file_parse(facts->task_file, facts->task_file_len, file, err) < 0)
		return ff_err_wrap(err, "%s", from);
	set_task(spec, ff_steal(&file->body), from);
	return 0;
}

/* Leaves spec->task NULL when there is no task anywhere. */
static int find_task(const struct ff_policy *p, const struct ff_options *options, const struct ff_repo_facts *facts,
		     struct ff_task_file *file, struct ff_job_spec *spec, struct ff_err *err)
{
	if (options->has_task) {
		set_task(spec, ff_memdup0(options->task.data, options->task.len), "push option");
		return 0;
	}
	if (spec->task)
		return 0;
	if (options->bare && has_text(p->default_task)) {
		set_task(spec, ff_strdup(p->default_task), "branch default");
		return 0;
	}
	if (has_text(facts->trailer_task)) {
		set_task(spec, ff_strdup(facts->trailer_task), "trailer");
		return 0;
	}
	if (facts->task_file)
		return take_task_file(facts, file, spec, err);
	if (has_text(p->default_task))
		set_task(spec, ff_strdup(p->default_task), "branch default");
	return 0;
}

static int check_task(const struct ff_policy *p, const struct ff_job_spec *spec, struct ff_err *err)
{
	size_t n = strlen(spec->task);

	if (n > p->max_task_bytes)
		return ff_err_set(err, FF_E_TOO_LARGE, "the task (%s) has %zu bytes, the limit is %zu (hook.max-task)",
				  spec->task_from, n, p->max_task_bytes);
	if (!ff_utf8_valid(spec->task, n))
		return ff_err_set(err, FF_E_INVALID, "the task (%s) is not UTF-8: write it in UTF-8", spec->task_from);
	return 0;
}

static int no_target(const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = NULL;

	if (!name)
		return ff_err_set(err, FF_E_NOT_FOUND, "the repository's HEAD names no branch to rebase on: name one with "
				  "-o " FF_OPTION ".target=BRANCH");
	shown = ff_text_shown(name, 60);
	return ff_err_set(err, FF_E_NOT_FOUND, "the target branch '%s' does not exist: push it first, or name another with "
			  "-o " FF_OPTION ".target=BRANCH", shown);
}

static int set_target(const struct ff_policy *p, const struct ff_options *options, const struct ff_repo_facts *facts,
		      const struct ff_task_file *file, struct ff_job_spec *spec, struct ff_err *err)
{
	const char *asked = ff_spec_target(p, options);
	FF_AUTO(ff_free) char *ref = NULL;
	FF_AUTO(ff_free) char *shown = NULL;

	if (!asked)
		asked = facts->head_branch;
	if (!asked || !facts->target_oid)
		return no_target(asked, err);
	if (file->target && !options->target) {
		/* The facts are of another branch; whether this one exists the worker will see. */
		asked = file->target;
		if (ff_starts(asked, FF_HEADS))
			asked += strlen(FF_HEADS);
		ref = ff_asprintf(FF_HEADS "%s", asked);
		shown = ff_text_shown(asked, 60);
		if (!ff_ref_valid(ref))
			return ff_err_set(err, FF_E_INVALID, "%s: target '%s' is not a branch name", spec->task_from, shown);
	}
	ff_free(&spec->target);
	spec->target = ff_strdup(asked);
	return 0;
}

static int unknown_env(const struct ff_policy *p, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf known;
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 40);

	ff_buf_init(&known, FF_KNOWN_NAMES_MAX);
	for (size_t i = 0; p->environments && p->environments[i]; i++)
		if (known.len + strlen(p->environments[i]) + 2 <= FF_KNOWN_NAMES_MAX)
			(void)ff_buf_addf(&known, "%s%s", i ? ", " : "", p->environments[i]);
	if (!known.len)
		return ff_err_set(err, FF_E_INVALID, "unknown environment '%s': this server has none; leave "
				  FF_OPTION ".env out", shown);
	return ff_err_set(err, FF_E_INVALID, "unknown environment '%s': known are %s", shown, known.data);
}

static int set_env(const struct ff_policy *p, const struct ff_options *options, const struct ff_task_file *file,
		   struct ff_job_spec *spec, struct ff_err *err)
{
	const char *name = options->env_name ? options->env_name : file->env_name;

	if (!name)
		return 0;
	for (size_t i = 0; p->environments && p->environments[i]; i++) {
		if (strcmp(p->environments[i], name))
			continue;
		ff_free(&spec->env_name);
		spec->env_name = ff_strdup(name);
		return 0;
	}
	return unknown_env(p, name, err);
}

static int set_priority(const struct ff_options *options, const struct ff_task_file *file, struct ff_job_spec *spec,
			struct ff_err *err)
{
	if (options->has_priority)
		spec->priority = (enum ff_priority)options->priority;
	else if (file->priority && ff_priority_by_word(file->priority, &spec->priority) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s: priority takes low, normal or high", spec->task_from);
	return 0;
}

static int set_ttl(const struct ff_policy *p, const struct ff_options *options, const struct ff_task_file *file,
		   struct ff_job_spec *spec, struct ff_err *err)
{
	int64_t ttl = p->default_ttl_ms;

	if (options->has_ttl)
		ttl = options->ttl_ms;
	else if (file->ttl && (ff_num_duration(file->ttl, &ttl) < 0 || ttl <= 0))
		return ff_err_set(err, FF_E_INVALID, "%s: ttl takes a time like 30m, 2h or 1d", spec->task_from);
	if ((options->has_ttl || file->ttl) && p->max_ttl_ms && ttl > p->max_ttl_ms)
		return ff_err_set(err, FF_E_INVALID, "ttl of %" PRId64 " seconds: the limit is %" PRId64
				  " seconds (job.max-ttl)", ttl / 1000, p->max_ttl_ms / 1000);
	spec->ttl_ms = ttl;
	return 0;
}

static int set_retries(const struct ff_policy *p, const struct ff_options *options, const struct ff_task_file *file,
		       struct ff_job_spec *spec, struct ff_err *err)
{
	int64_t n = p->default_retries;

	if (options->has_retries)
		n = options->retries;
	else if (file->retries && ff_num_i64(file->retries, 0, INT32_MAX, &n) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s: retries takes a number from 0", spec->task_from);
	if ((options->has_retries || file->retries) && n > p->max_retries)
		return ff_err_set(err, FF_E_INVALID, "%" PRId64 " retries: the limit is %d (job.max-retries)", n,
				  p->max_retries);
	spec->retries = (int)n;
	return 0;
}

static void copy_spec(struct ff_job_spec *to, const struct ff_job_spec *from)
{
	*to = *from;
	to->task = ff_strdup(from->task);
	to->task_from = ff_strdup(from->task_from);
	to->target = ff_strdup(from->target);
	to->env_name = ff_strdup(from->env_name);
}

enum ff_decision ff_spec_decide(const struct ff_policy *p, const struct ff_options *options,
				const struct ff_repo_facts *facts, struct ff_job_spec *spec,
				struct ff_err *err)
{
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec out = { 0 };
	FF_AUTO(ff_task_file_fini) struct ff_task_file file = { 0 };

	if (!facts->tip_is_commit) {
		ff_err_set(err, FF_E_INVALID, "the pushed branch does not end in a commit: push a commit to it");
		return FF_DECIDED_BAD;
	}
	if (facts->tip_is_ours && !options->any)
		return FF_DECIDED_OURS;
	if (facts->chain > p->max_chain) {
		ff_err_set(err, FF_E_NOT_ALLOWED, "this commit stands on the results of %" PRId64 " jobs, each made on the one "
			   "before; the limit is %" PRId64 " (queue.chain-depth): merge them into the target first", facts->chain,
			   p->max_chain);
		return FF_DECIDED_BAD;
	}
	copy_spec(&out, spec);
	if (find_task(p, options, facts, &file, &out, err) < 0)
		return FF_DECIDED_BAD;
	if (!out.task)
		return FF_DECIDED_NONE;
	if (check_task(p, &out, err) < 0 || set_target(p, options, facts, &file, &out, err) < 0 ||
	    set_env(p, options, &file, &out, err) < 0 || set_priority(options, &file, &out, err) < 0 ||
	    set_ttl(p, options, &file, &out, err) < 0 || set_retries(p, options, &file, &out, err) < 0)
		return FF_DECIDED_BAD;
	ff_job_spec_fini(spec);
	*spec = out;
	out = (struct ff_job_spec){ 0 };
	return FF_DECIDED_JOB;
}
