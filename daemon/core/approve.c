/* SPDX-License-Identifier: MIT */
/*
 * Results that change protected paths are held until somebody lets them
 * through or turns them down.  That may whoever administers this server (who
 * speaks to control.sock as the daemon's account or as root, and not for a
 * person behind a server's ssh), the names in review.approvers, and those
 * that the repository's own configuration names in flowforge.approvers.  The
 * approval is for one commit: what the job made before any rebase.
 */
#include "daemon/core/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"

#define SHOWN 60

struct asked {
	struct ff_request *r;
	int64_t job;
	char *who;    /* NULL: an administrator */
	char *reason; /* or NULL */
	bool approves;
};

static void asked_free(struct asked **asked)
{
	struct asked *a = ff_steal(asked);

	if (!a)
		return;
	ff_free(&a->who);
	ff_free(&a->reason);
	free(a);
}

/* In the turn of the request. */
static int decide(const struct asked *a, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(a->r);
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	FF_AUTO(ff_free) char *who = ff_text_shown(a->who ? a->who : "an administrator", SHOWN);
	FF_AUTO(ff_free) char *text = NULL;
	struct ff_event ev = { .type = a->approves ? FF_EVENT_JOB_APPROVED : FF_EVENT_JOB_CANCELLED };

	if (ff_store_job_get(core->store, a->job, &job, err) < 0)
		return -1;
	if (job->state != FF_JOB_HELD)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " is %s: only a held one is approved or rejected", job->id,
				  ff_job_state_word(job->state));
	text = ff_asprintf("%s by %s%s%s", a->approves ? "approved" : "rejected", who, a->reason ? ": " : "",
			   a->reason ? a->reason : "");
	ev.text = text;
	ev.oid = a->approves ? job->step_oid[FF_STEP_COMMIT] : NULL;
	if (ff_core_event(core, job, &ev, err) < 0 ||
	    ff_request_audit(a->r, a->approves ? "approve" : "reject", job->id, a->reason, err) < 0)
		return -1;
	if (a->approves && ff_core_unhold(core, job, err) < 0)
		return -1;
	ff_reply_after_commit(a->r, job->id);
	return 0;
}

static bool in_list(const char *const *list, const char *who)
{
	for (; list && *list; list++)
		if (!strcmp(*list, who))
			return true;
	return false;
}

static void on_approvers(struct ff_core *core, void *arg, const json_t *data, int fd, bool more,
			 const struct ff_err *error)
{
	FF_AUTO(asked_free) struct asked *a = arg;
	const json_t *names = json_object_get(data, "approvers");
	struct ff_err err = { 0 };
	bool may = false;

	(void)core;
	(void)more;
	ff_close(&fd);
	for (size_t i = 0; i < json_array_size(names); i++) {
		FF_AUTO(ff_free) char *name = NULL;

		if (ff_json_bytes(json_array_get(names, i), &name, NULL) == 0 && !strcmp(name, a->who))
			may = true;
	}
	if (error)
		err = *error;
	else if (!may)
		ff_err_set(&err, FF_E_NOT_ALLOWED, "results are approved by administrators, review.approvers and the repository's "
			   FF_NAME ".approvers");
	else if (decide(a, &err) == 0)
		return;
	if (err.code == FF_E_STORE)
		ff_hold_request(a->r);
	else
		ff_reply_end(a->r, &err, NULL);
}

int ff_approve(struct ff_request *r, const struct ff_job *job, const json_t *args, bool approves, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(asked_free) struct asked *a = ff_calloc(1, sizeof *a);
	bool remote = false;

	*a = (struct asked){ .r = r, .job = job->id, .who = ff_request_who(r), .approves = approves };
	if (ff_msg_bytes(args, "reason", &a->reason, err) < 0 || ff_msg_bool(args, "remote", &remote, err) < 0)
		return -1;
	if (remote && !a->who)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "over ssh only people with a name approve or reject, which gitolite gives "
				  "(GL_USER): do it on the server");
	if (!a->who || in_list(ff_conf_list(core->conf, FF_CONF_REVIEW_APPROVERS), a->who))
		return decide(a, err);
	ff_reader_ask(core, job->repo, "approvers", json_object(), on_approvers, a);
	(void)ff_steal(&a);
	return 0;
}
