/* SPDX-License-Identifier: MIT */
/*
 * Branches of conflicts: the one namespace of ours that people push to.  Its
 * last number is the job's; the job must be conflicted, and the push must come
 * from the one who started it.  What was pushed is looked at by the worker of
 * the next attempt, which knows the repository.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <string.h>

#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

#define SHOWN 60
/* `flowforge submit` names no person, so there is none to hold anybody against. */
#define NOBODY "submit"

bool ff_answer_ref(const struct ff_core *core, const char *ref)
{
	FF_AUTO(ff_free) char *full = ff_asprintf(FF_HEADS "%s", ff_conf_str(core->conf, FF_CONF_PUBLISH_CONFLICT_PREFIX));

	return ff_starts(ref, full);
}

/* The job whose branch this is. */
static int job_of(struct ff_core *core, int64_t repo, const char *ref, struct ff_job **ret_job, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *shown = ff_text_shown(ref + strlen(FF_HEADS), SHOWN);
	const char *dash = strrchr(ref, '-');
	int64_t id = 0;

	if (!dash || ff_num_i64(dash + 1, 1, INT64_MAX, &id) < 0 || ff_store_job_get(core->store, id, &job, err) < 0 ||
	    job->repo != repo || (job->state == FF_JOB_CONFLICTED && (!job->result_ref || strcmp(job->result_ref, ref) != 0)))
		return ff_err_set(err, FF_E_NOT_FOUND, "no job has its conflicts in %s", shown);
	*ret_job = ff_steal(&job);
	return 0;
}

static int check(const struct ff_job *job, const char *pusher, struct ff_err *err)
{
	FF_AUTO(ff_free) char *whose = ff_text_shown(job->pusher ? job->pusher : "", SHOWN);

	if (job->state != FF_JOB_CONFLICTED)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " is %s: nothing goes on from its conflicts now", job->id,
				  ff_job_state_word(job->state));
	if (job->pusher && *job->pusher && strcmp(job->pusher, NOBODY) != 0 && (!pusher || strcmp(job->pusher, pusher) != 0))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "job %" PRId64 " is of %s, who alone may push to its conflicts", job->id,
				  whose);
	return 0;
}

int ff_answer_may(struct ff_core *core, int64_t repo, const char *ref, const char *pusher, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	return job_of(core, repo, ref, &job, err) < 0 || check(job, pusher, err) < 0 ? -1 : 0;
}

int ff_core_continue(struct ff_core *core, struct ff_job *job, const char *why, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_CONTINUED, .text = why };

	return ff_core_event(core, job, &ev, err);
}

int ff_answer_take(struct ff_core *core, const struct ff_push *push, char **ret_line, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *why = ff_asprintf("%.12s was pushed to its conflicts", push->new_oid);
	struct ff_err no = { 0 };

	if (job_of(core, push->repo, push->ref, &job, &no) == 0 && check(job, push->pusher, &no) == 0 &&
	    ff_core_continue(core, job, why, &no) == 0) {
		FF_AUTO(ff_free) char *url = ff_core_job_url(core, job->id);

		*ret_line = ff_asprintf("success: job %" PRId64 " goes on with what you pushed%s%s\nhint: follow it: " FF_NAME
					" watch %" PRId64, job->id, *url ? "\n  " : "", url, job->id);
		return 0;
	}
	if (no.code == FF_E_STORE)
		return ff_err_set(err, no.code, "%s", no.text);
	*ret_line = ff_asprintf("error: no job goes on: %s", no.text);
	return 0;
}

/* --- the question of pre-receive */

static int may_ref(struct ff_core *core, int64_t repo, const json_t *r, const char *pusher, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = NULL;

	if (ff_msg_bytes(r, "ref", &ref, err) < 0)
		return -1;
	if (!ref || !ff_answer_ref(core, ref))
		return ff_err_set(err, FF_E_PROTOCOL, "this is no branch of conflicts");
	return ff_answer_may(core, repo, ref, pusher, err);
}

static int may_all(struct ff_core *core, const json_t *msg, uid_t uid, struct ff_err *err)
{
	const json_t *refs = json_object_get(msg, "refs");
	FF_AUTO(ff_free) char *pusher = NULL;
	FF_AUTO(ff_free) char *path = NULL;
	int64_t v, repo = 0;

	if (ff_msg_int(msg, "v", 1, 1, &v, err) < 0 || ff_msg_bytes(msg, "repo", &path, err) < 0 ||
	    ff_push_pusher(msg, uid, &pusher, err) < 0)
		return -1;
	if (!path || !json_is_array(refs))
		return ff_err_set(err, FF_E_PROTOCOL, "the question names no repository or refs");
	if (ff_store_repo_find(core->store, path, &repo, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(refs); i++)
		if (may_ref(core, repo, json_array_get(refs, i), pusher, err) < 0)
			return -1;
	return 0;
}

bool ff_answer_hook(struct ff_core *core, const json_t *msg, uid_t uid, struct ff_buf *lines)
{
	struct ff_err err = { 0 };

	if (may_all(core, msg, uid, &err) == 0)
		return true;
	(void)ff_buf_addf(lines, "error: %s\n", err.text);
	return false;
}
