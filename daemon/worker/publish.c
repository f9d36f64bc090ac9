/* SPDX-License-Identifier: MIT */
/*
 * The result becomes visible.  Everything here may be done twice with the same
 * outcome, because a worker can die between any two lines.
 */
#include "daemon/worker/run.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

char *ff_run_branch(const struct ff_run *run, const char *prefix, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf(FF_HEADS "%s%s-%" PRId64, prefix, run->task.source_name, run->task.job);

	if (ff_ref_valid(ref))
		return ff_steal(&ref);
	(void)ff_err_set(err, FF_E_INVALID, "no branch can be named %s", ref);
	return NULL;
}

/* Person who reads the pushed commit: where did it go? A failure costs the reader this hint and nothing else. */
void ff_run_note(struct ff_run *run, const char *lines)
{
	FF_AUTO(ff_free) char *number = ff_asprintf("%" PRId64, run->task.job);
	FF_AUTO(ff_free) char *text = NULL;
	struct ff_git_person who = ff_run_person(run);
	struct ff_err err;

	text = ff_asprintf(FF_TRAILER_JOB ": %s\n%s", run->task.url && *run->task.url ? run->task.url : number, lines);
	if (ff_git_note(run->git, FF_REF_NOTES, run->task.source_oid, text, &who, &err)) {
		ff_report_logf(run, "warning: no note was written: %s", err.text);
		ff_log_warn(&run->log, "publish.note", "%s", err.text);
	}
}

static void note(struct ff_run *run, const struct ff_run_branch_change *c)
{
	FF_AUTO(ff_free) char *lines = ff_asprintf("%s: %s\nCommit: %s\nTarget: %s %s\n%s%s", c->what,
						   c->branch + strlen(FF_HEADS), c->oid, run->task.target, c->base,
						   run->look_at ? run->look_at : "", run->resolved ? run->resolved : "");

	ff_run_note(run, lines);
}

/* The repository may ask for more than the server does: for a push, never for less. */
static int wants_push(struct ff_run *run, bool *ret_push, struct ff_err *err)
{
	bool server = !strcmp(ff_conf_str(run->conf, FF_CONF_PUBLISH_METHOD), "push");
	FF_AUTO(ff_free) char *own = NULL;

	if (ff_git_config(run->git, FF_NAME ".publish", &own, err))
		return -1;
	if (own && strcmp(own, "push") != 0 && strcmp(own, "ref") != 0)
		return ff_err_set(err, FF_E_INVALID, FF_NAME ".publish in the repository's config must be ref or push");
	if (own && !server && !strcmp(own, "push") && !*ff_conf_str(run->conf, FF_CONF_PUBLISH_URL))
		return ff_err_set(err, FF_E_INVALID, FF_NAME ".publish in the repository's config is push, but the server has no "
				  "publish.url");
	if (own && server && !strcmp(own, "ref"))
		ff_report_logf(run, FF_NAME ".publish = ref in the repository's config is passed over: the server pushes");
	*ret_push = server || (own && !strcmp(own, "push"));
	return 0;
}

/* A branch of ours that is there already is moved in the repository: no server lets a push do that, and it is no news. */
static int move_branch(struct ff_run *run, const struct ff_run_branch_change *c, struct ff_err *err)
{
	FF_AUTO(ff_free) char *reflog = ff_asprintf(FF_NAME ": job %" PRId64, run->task.job);
	const struct ff_git_ref_change move = { .ref = c->branch, .old_oid = c->old_oid, .new_oid = c->oid, .ours = true };
	struct ff_git_person who = ff_run_person(run);

	return ff_git_publish(run->git, &move, 1, &who, reflog, err);
}

int ff_run_publish(struct ff_run *run, const struct ff_run_branch_change *c, struct ff_err *err)
{
	const char *kept = strcmp(c->oid, c->result) ? "conflict" : "result";
	bool push = false;

	/*
	 * The job's own refs first: a branch that people see is never without
	 * them. The branch is new or, after a crash, already this commit.
	 */
	if (ff_run_keep(run, "source", run->task.source_oid, err) || ff_run_keep(run, "base", c->base, err) ||
	    ff_run_keep(run, "result", c->result, err) || ff_run_keep(run, kept, c->oid, err) || wants_push(run, &push, err) || ff_report_stopped(run, err))
		return -1;
	push = push && !c->old_oid;
	if (push ? ff_run_push(run, c->branch, c->oid, kept, err) : move_branch(run, c, err))
		return -1;
	ff_report_logf(run, "published %s at %.12s", c->branch + strlen(FF_HEADS), c->oid);
	note(run, c);
	if (!push) /* else the server has run them */
		ff_run_hook(run, c->branch, c->oid);
	return 0;
}
