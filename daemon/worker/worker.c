/* SPDX-License-Identifier: MIT */
/*
 * Role "worker": one message in, one job (or probe, or sweep) done, and gone.
 * A process that lives for one job needs no clean-up that could be forgotten.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "conf/conf.h"
#include "daemon/role.h"
#include "daemon/worker/beat.h"
#include "daemon/worker/forget.h"
#include "daemon/worker/run.h"
#include "ipc/ipc.h"

/* Signs of life in one worker.silence: some may come late. */
#define BEATS 6

static int hello(struct ff_chan *chan, struct ff_err *err)
{
	return ff_chan_send(chan, FF_MSG_HELLO, json_pack("{s:s,s:i}", "role", "worker", "pid", (int)getpid()), -1, err);
}

/* Core decides about another attempt; for it we keep what the model has done so far. */
static bool may_come_again(const struct ff_err *failure)
{
	return failure->code != FF_E_NONE && ff_err_retryable(failure->code);
}

static void end_job(struct ff_run *run, const struct ff_err *failure)
{
	struct ff_err err;

	if (may_come_again(failure))
		return;
	if (ff_place_remove(run->conf, run->task.job, &err))
		ff_log_warn(&run->log, "job.folder", "%s", err.text); /* core sweeps at its next start */
}

static int run_job(const struct ff_role_args *args, struct ff_chan *chan, const json_t *msg, int secrets_fd)
{
	FF_AUTO(ff_run_fini) struct ff_run run = { .conf = args->conf, .chan = chan, .log = ff_log_main(), .lock_fd = -1 };
	FF_AUTO(ff_outcome_fini) struct ff_outcome outcome = { 0 };
	struct ff_err failure = { 0 }, err = { 0 };
	int rc;

	if (ff_task_read(msg, secrets_fd, &run.task, &err)) {
		ff_log_error(&run.log, "job.message", "%s", err.text);
		return 1;
	}
	run.log = ff_log_job(run.log, run.task.job, run.task.repo);
	ff_run_secrets(&run);
	rc = ff_run_job(&run, &outcome, &failure);
	if (run.refused) {
		ff_log_info(&run.log, "job.refused", "%s", failure.text);
		return 0;
	}
	if (rc) {
		ff_log_warn(&run.log, "job.failed", "%s: %s", ff_err_name(failure.code), failure.text);
		ff_report_logf(&run, "failed: %s", failure.text);
	}
	if (ff_report_done(&run, &outcome, rc ? &failure : NULL, &err)) {
		ff_log_warn(&run.log, "job.done", "%s", err.text); /* the next worker finds all steps done */
		return 0;
	}
	end_job(&run, &failure);
	return 0;
}

static int probe(const struct ff_role_args *args, struct ff_chan *chan)
{
	FF_AUTO(ff_free) char *tool = NULL, *confine = NULL;
	FF_AUTO(ff_free) char *weak = NULL, *limits = NULL;
	struct ff_sandbox_spec spec;
	struct ff_err err = { 0 };
	int rc;

	ff_place_spec(args->conf, 0, &spec, &tool, &confine);
	rc = ff_sandbox_probe(&spec, &weak, &limits, &err);
	return ff_chan_send(chan, FF_MSG_PROBED, json_pack("{s:b,s:s,s:s}", "ok", rc == 0, "text",
			    rc ? err.text : weak ? weak : "", "limits", limits ? limits : ""), -1, NULL) ? 1 : 0;
}

static int sweep(const struct ff_role_args *args, struct ff_chan *chan, const json_t *msg)
{
	struct ff_log log = ff_log_main();
	struct ff_err err;
	json_t *jobs = json_object_get(msg, "jobs"), *job, *swept = json_array();
	size_t i;

	json_array_foreach(jobs, i, job) {
		if (!json_is_integer(job) || json_integer_value(job) <= 0)
			continue;
		if (ff_place_remove(args->conf, json_integer_value(job), &err))
			ff_log_warn(&log, "job.sweep", "%s", err.text);
		else
			(void)json_array_append(swept, job);
	}
	return ff_chan_send(chan, FF_MSG_SWEPT, json_pack("{s:o}", "jobs", swept), -1, NULL) ? 1 : 0;
}

static int forget(const struct ff_role_args *args, struct ff_chan *chan, const json_t *msg)
{
	const char *repo = NULL;
	struct ff_err err = { 0 };

	if (ff_msg_str(msg, "repo", &repo, &err)) {
		struct ff_log log = ff_log_main();

		ff_log_error(&log, "worker.core", "%s", err.text);
		return 1;
	}
	return ff_chan_send(chan, FF_MSG_FORGOTTEN, json_pack("{s:o}", "jobs",
			    ff_forget(args, repo, json_object_get(msg, "jobs"))), -1, NULL) ? 1 : 0;
}

/* One message; an exit status. Probes and sweeps may be followed by another message, a job is the last. */
static int serve(const struct ff_role_args *args, struct ff_chan *chan, bool *ret_more)
{
	FF_AUTO(ff_close) int fd = -1;
	struct ff_log log = ff_log_main();
	struct ff_err err = { 0 };
	enum ff_msg_type type;
	json_t *msg = NULL;
	int status = 0;

	*ret_more = false;
	if (ff_chan_recv(chan, -1, &type, &msg, &fd, &err)) {
		if (err.code != FF_E_UNREACHABLE)
			ff_log_error(&log, "worker.core", "%s", err.text);
		return err.code != FF_E_UNREACHABLE;
	}
	if (type == FF_MSG_JOB)
		status = run_job(args, chan, msg, ff_steal_fd(&fd));
	else if (type == FF_MSG_PROBE)
		status = probe(args, chan);
	else if (type == FF_MSG_SWEEP)
		status = sweep(args, chan, msg);
	else if (type == FF_MSG_FORGET)
		status = forget(args, chan, msg);
	*ret_more = status == 0 && (type == FF_MSG_PROBE || type == FF_MSG_SWEEP || type == FF_MSG_FORGET);
	json_decref(msg);
	return status;
}

int ff_worker_main(const struct ff_role_args *args)
{
	struct ff_chan *chan;
	struct ff_log log = ff_log_main();
	struct ff_err err;
	bool more = true;
	int status = 0;

	ff_role_guard(getppid());
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for this signal */
	chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_WORKER, FF_PEER_CORE);
	ff_beat_start(chan, ff_conf_int(args->conf, FF_CONF_WORKER_SILENCE) / BEATS);
	if (hello(chan, &err)) {
		ff_log_error(&log, "worker.core", "%s", err.text);
		more = false;
		status = 1;
	}
	while (more)
		status = serve(args, chan, &more);
	ff_beat_stop();
	ff_chan_free(&chan);
	return status;
}
