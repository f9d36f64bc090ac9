/* SPDX-License-Identifier: MIT */
/*
 * submit by somebody who has looked already: with the commit, the task and the
 * target in it there is nothing to ask a reader for, and no push to record; so
 * none is taken for a repetition of another either (guards.c).
 * The client may keep its connection and ask for many before it reads.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "daemon/core/control.h"
#include "ipc/json.h"

struct direct {
	struct ff_request *r;
	int64_t job;
	char uuid[FF_UUID_TEXT + 1];
	enum ff_job_state state;
	int64_t new_repo; /* seen for the first time; 0: it was not */
};

static void reply(const struct direct *d)
{
	FF_AUTO(ff_buf_fini) struct ff_buf data;

	ff_buf_init(&data, 1024);
	(void)ff_buf_addc(&data, '{');
	ff_json_put_int(&data, "number", d->job);
	ff_json_put_text(&data, "uuid", d->uuid);
	ff_json_put_text(&data, "state", ff_job_state_word(d->state));
	(void)ff_buf_addc(&data, '}');
	ff_reply_end_text(d->r, &data);
}

static void answer(struct ff_core *core, void *arg, bool ok)
{
	struct direct *d = arg;

	if (ok && d->new_repo)
		ff_reconcile(core, d->new_repo, true);
	if (ok)
		reply(d);
	else
		ff_hold_request(d->r);
	free(d);
}

/* What the branch and the words say. The job has no repository yet. */
static int read_job(struct ff_core *core, const json_t *args, const json_t *options, struct ff_job *job, struct ff_err *err)
{
	FF_AUTO(ff_options_fini) struct ff_options words = { 0 };
	struct ff_repo_facts facts = { .tip_is_commit = true };
	FF_AUTO(ff_free) char *zeros = NULL;
	const char *oid = NULL, *hint = NULL;
	struct ff_policy policy;

	if (ff_msg_str(args, "oid", &oid, err) < 0 || ff_core_options(core, options, &words, err) < 0)
		return -1;
	if (!ff_oid_valid(oid) || ff_oid_zero(oid) || !ff_ref_valid(job->source_ref))
		return ff_err_set(err, FF_E_INVALID, "oid must be that of a commit, and branch the name of a branch");
	if (!words.has_task || !words.target)
		return ff_err_set(err, FF_E_USAGE, "submit with an oid needs a task and a target too: the repository is not asked");
	zeros = ff_strdup(oid);
	memset(zeros, '0', strlen(zeros));
	memcpy(job->source_oid, oid, strlen(oid) + 1); /* ff_oid_valid: it fits */
	ff_core_policy(core, job->source_ref, &policy);
	if (ff_policy_triggers(&policy, job->source_ref, zeros, oid, job->pusher, &words, &hint) != FF_TRIGGER_JOB)
		return ff_err_set(err, FF_E_INVALID, "%s", hint ? hint : "this branch starts no jobs");
	facts.target_oid = oid; /* whether there is a target the worker will see */
	if (ff_spec_decide(&policy, &words, &facts, &job->spec, err) != FF_DECIDED_JOB)
		return err->code ? -1 : ff_err_set(err, FF_E_INVALID, "no task, no job");
	return 0;
}

static int record(struct direct *d, struct ff_job *job, const char *path, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(d->r);
	FF_AUTO(ff_free) char *limited = NULL;
	int64_t replaced = 0;
	bool is_new = false;

	if (ff_turn_open(core, err) < 0 || ff_store_repo(core->store, path, ff_clock_wall(), &job->repo, &is_new, err) < 0 ||
	    ff_core_over_rate(core, job->pusher, &limited, err) < 0)
		return -1;
	d->new_repo = is_new ? job->repo : 0;
	if (limited)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s", limited);
	if (ff_core_add(core, job, 0, &replaced, err) < 0 ||
	    ff_request_audit(d->r, "submit", job->id, job->source_ref, err) < 0) {
		ff_turn_fail(core, err); /* half a job would wait for ever for a push that it does not have */
		return -1;
	}
	d->job = job->id;
	d->state = job->state;
	memcpy(d->uuid, job->uuid, sizeof d->uuid);
	return 0;
}

int ff_submit_known(struct ff_request *r, const json_t *args, const json_t *options, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();
	FF_AUTO(ff_free) char *path = NULL;
	FF_AUTO(ff_free) char *branch = NULL;
	struct direct d = { .r = r }, *kept;

	if (ff_msg_bytes(args, "repo", &path, err) < 0 || ff_msg_bytes(args, "branch", &branch, err) < 0)
		return -1;
	if (ff_request_is_web(r)) /* whoever has a token has looked at nothing */
		return ff_err_set(err, FF_E_NOT_ALLOWED, "submit with an oid is for clients of control.sock");
	if (!path || !branch || json_object_get(args, "push_id"))
		return ff_err_set(err, FF_E_USAGE, "submit needs a repository and a branch, and no push_id with an oid");
	job->source_ref = ff_starts(branch, FF_HEADS) ? ff_steal(&branch) : ff_asprintf(FF_HEADS "%s", branch);
	job->pusher = ff_request_who(r);
	if (!job->pusher)
		job->pusher = ff_strdup("submit");
	if (ff_core_check_repo(core, path, err) < 0 || read_job(core, args, options, job, err) < 0 || record(&d, job, path, err) < 0)
		return -1;
	kept = ff_calloc(1, sizeof *kept);
	*kept = d;
	ff_recent_keep(core, &job);
	ff_turn_after(core, answer, kept);
	return 0;
}
