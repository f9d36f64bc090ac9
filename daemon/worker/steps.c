/* SPDX-License-Identifier: MIT */
/*
 * The way of a job: prepare, run, commit, a look at what came out, rebase, publish.
 *
 *~ Tour, stop 7.  A worker has one job and one repository.  Before each step
 *~ it tells core "started", after it "finished", and goes on only when core
 *~ has that on disk.  So a worker that is killed at any point can be followed
 *~ by another that repeats one step and no more; above all the model is not
 *~ paid twice.  What a step made is kept from git's garbage collection by
 *~ refs/flowforge/jobs/N/....  The job's processes start in daemon/sandbox,
 *~ and are dead before their files are read.
 */
#include "daemon/worker/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/num.h"
#include "base/redact.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/sandbox/room.h"
#include "daemon/sandbox/tools.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/message.h"
#include "git/pack.h"
#include "git/tree.h"
#include "ipc/ipc.h"

/* Names in the job's folder. */
#define NOTE_WORDS "words"
#define NOTE_MODEL "model"
#define SOCKET FF_JOB_GATE "/gw.sock"

void ff_outcome_fini(struct ff_outcome *outcome)
{
	ff_free(&outcome->ref);
	ff_free(&outcome->text);
	for (char **p = outcome->paths; p && *p; p++)
		ff_free(p);
	ff_free(&outcome->paths);
}

void ff_run_secrets(struct ff_run *run)
{
	run->redact = ff_redact_new();
	for (char **p = run->task.env + run->task.n_plain; *p; p++) {
		const char *value = strchr(*p, '=') + 1;

		ff_redact_add(run->redact, value, strlen(value));
	}
	ff_log_redact(run->redact);
}

void ff_run_fini(struct ff_run *run)
{
	ff_log_redact(NULL);
	ff_redact_free(&run->redact);
	ff_task_fini(&run->task);
	ff_git_close(&run->git);
	ff_free(&run->look_at);
	ff_free(&run->resolved);
	ff_free(&run->dir);
	ff_free(&run->ws);
	ff_free(&run->tool);
	ff_free(&run->confine);
	ff_close(&run->lock_fd);
}

struct ff_git_person ff_run_person(const struct ff_run *run)
{
	return (struct ff_git_person){
		.name = ff_conf_str(run->conf, FF_CONF_COMMIT_NAME),
		.email = ff_conf_str(run->conf, FF_CONF_COMMIT_EMAIL),
		.time_s = ff_clock_wall() / 1000,
	};
}

int ff_run_keep(struct ff_run *run, const char *name, const char *oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf(FF_REF_JOBS "/%" PRId64 "/%s", run->task.job, name);
	struct ff_git_person who = ff_run_person(run);
	char old[FF_GIT_OID];
	struct ff_err why = { 0 };
	bool there = ff_git_ref_oid(run->git, ref, old, &why) == 0;

	if (!there && why.code != FF_E_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	/* A worker that died after the ref was made may have left its lock: a later attempt looks. */
	if (there && !strcmp(old, oid) && run->task.attempt == 1)
		return 0;
	return ff_git_ref_update(run->git, ref, there ? old : NULL, oid, &who, FF_NAME, err);
}

/* --- prepare */

static int build(struct ff_run *run, struct ff_err *err)
{
	const struct ff_report of = { .oid = run->task.source_oid, .ref = run->task.source_ref };

	ff_report_event(run, FF_EVENT_CLONE_STARTED, &of);
	if (ff_run_keep(run, "source", run->task.source_oid, err) || ff_place_build(run, err)) {
		/* What another try cannot mend keeps its own code. */
		if (err->code != FF_E_TOO_LARGE && err->code != FF_E_INVALID && err->code != FF_E_UNSUPPORTED)
			err->code = FF_E_GIT_CLONE_FAILED;
		return ff_err_wrap(err, "checkout of %.12s", run->task.source_oid);
	}
	ff_report_event(run, FF_EVENT_CLONE_COMPLETED, &of);
	return 0;
}

static int prepare(struct ff_run *run, struct ff_err *err)
{
	const struct ff_report made = { .oid = run->task.source_oid };

	if (run->task.done[FF_STEP_PREPARE] && ff_place_kept(run)) {
		ff_report_logf(run, "attempt %d goes on in the work tree of the one before", run->task.attempt);
		return 0;
	}
	/* Beginning again here also takes "run" back: its work tree is gone. */
	run->task.done[FF_STEP_RUN] = false;
	if (ff_report_step(run, FF_STEP_PREPARE, false, NULL, err) ||
	    (!ff_place_kept(run) && build(run, err)) ||
	    ff_report_step(run, FF_STEP_PREPARE, true, &made, err))
		return -1;
	return 0;
}

/* --- run */

static int target_tip(struct ff_run *run, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf(FF_HEADS "%s", run->task.target);

	if (ff_git_ref_commit(run->git, ref, ret_oid, err) == 0)
		return 0;
	return ff_err_wrap(err, "target branch %s", run->task.target);
}

static void agent_log(void *arg, const char *stream, const char *text)
{
	ff_report_log(arg, stream, text);
}

static void agent_event(void *arg, const char *name, const char *text)
{
	const struct ff_report what = { .text = text };
	struct ff_run *run = arg;
	enum ff_event_type type;

	if (ff_event_by_name(name, &type))
		ff_log_warn(&run->log, "agent.event", "there is no event %s", name);
	else
		ff_report_event(run, type, &what);
}

static int agent_stopped(void *arg, struct ff_err *err)
{
	return ff_report_stopped(arg, err);
}

/* The repository's own flowforge.deadline may only shorten what the server allows. */
static int narrow_deadline(struct ff_run *run, struct ff_err *err)
{
	FF_AUTO(ff_free) char *own = NULL;
	int64_t ms = 0;

	if (ff_git_config(run->git, FF_NAME ".deadline", &own, err))
		return -1;
	if (own && (ff_num_duration(own, &ms) || ms <= 0))
		return ff_err_set(err, FF_E_INVALID, FF_NAME ".deadline in the repository's config must be a time like 30m");
	if (own && ms < run->task.deadline_ms)
		run->task.deadline_ms = ms;
	return 0;
}

static int (*driver_of(const char *word, struct ff_err *err))(struct ff_agent_run *, struct ff_agent_result *, struct ff_err *)
{
	static const struct { const char *word; int (*run)(struct ff_agent_run *, struct ff_agent_result *, struct ff_err *); } all[] = {
		{ "builtin", ff_agent_builtin }, { "claude-code", ff_agent_claude }, { "command", ff_agent_command },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(all); i++)
		if (!strcmp(all[i].word, word ? word : "builtin"))
			return all[i].run;
	(void)ff_err_set(err, FF_E_PROTOCOL, "there is no driver '%.30s'", word);
	return NULL;
}

/*
 * Files of the target branch that people wrote for agents. They are material
 * like all else; those of the pushed commit are never taken, because whoever
 * may push a branch would speak in the server's name.
 */
static void add_context(struct ff_run *run, const char *target, struct ff_buf *out)
{
	for (const char *const *path = ff_conf_list(run->conf, FF_CONF_AGENT_CONTEXT_FILES); path && *path; path++) {
		FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };
		struct ff_err why = { 0 };

		ff_buf_init(&text, out->max - out->len);
		if (ff_git_read_path(run->git, target, *path, &text, &why) < 0) {
			if (why.code != FF_E_NOT_FOUND)
				ff_report_logf(run, "left out of the prompt: %s: %s", *path,
					       why.code == FF_E_TOO_LARGE ? "over agent.context-max" : why.text);
		} else if (!ff_utf8_valid(text.data, text.len)) {
			ff_report_logf(run, "left out of the prompt: %s: it is not UTF-8", *path);
		} else if (ff_buf_addf(out, "<file path=\"%s\" of=\"the target branch\">\n%s\n</file>\n", *path, text.data) < 0) {
			ff_report_logf(run, "left out of the prompt: %s: over agent.context-max", *path);
		}
	}
}

static int agent(struct ff_run *run, const char *target, struct ff_agent_result *ret, struct ff_err *err)
{
	int (*driver)(struct ff_agent_run *, struct ff_agent_result *, struct ff_err *) = driver_of(run->task.driver, err);
	FF_AUTO(ff_buf_fini) struct ff_buf context = { 0 };
	FF_AUTO(ff_free) char *sock = ff_path_join(run->dir, SOCKET);
	struct ff_sandbox_spec base = run->spec;
	struct ff_room room = {
		.max_bytes = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_BYTES),
		.max_files = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_FILES),
		.max_depth = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_DEPTH),
	};
	int64_t deadline = ff_clock_mono() + run->task.deadline_ms;
	const struct ff_tools tools = {
		.base = &base, .deadline_ms = deadline,
		.call_ms = ff_conf_int(run->conf, FF_CONF_AGENT_TOOL_TIMEOUT),
		.output_bytes = (size_t)ff_conf_int(run->conf, FF_CONF_AGENT_TOOL_OUTPUT),
	};
	struct ff_agent_run what = {
		.job = run->task.job, .attempt = run->task.attempt, .task = run->task.text,
		.source_name = run->task.source_name, .target = run->task.target, .job_dir = run->dir, .redact = run->redact,
		.gateway_socket = sock, .gateway_token = run->task.token, .tools = &tools, .conf = run->conf, .deadline_ms = deadline,
		.log = agent_log, .event = agent_event, .stopped = agent_stopped, .arg = run,
	};

	base.room = &room;
	if (!driver)
		return -1;
	ff_buf_init(&context, (size_t)ff_conf_int(run->conf, FF_CONF_AGENT_CONTEXT_MAX) + 1);
	add_context(run, target, &context);
	if (context.len)
		what.context = context.data;
	return driver(&what, ret, err);
}

static int run_agent(struct ff_run *run, struct ff_err *err)
{
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result result = { 0 };
	FF_AUTO(ff_free) char *words = NULL;
	char target[FF_GIT_OID];

	if (run->task.done[FF_STEP_RUN])
		return 0;
	/* A task file may name one that core has not looked for: without it the work would be paid for and lost. */
	if (target_tip(run, target, err) || narrow_deadline(run, err))
		return -1;
	if (run->spec.uid && ff_sandbox_reachable(run->ws, run->spec.uid, run->spec.gid, err))
		return -1;
	if (ff_report_step(run, FF_STEP_RUN, false, NULL, err) || agent(run, target, &result, err))
		return -1;
	words = ff_redact_text(run->redact, result.final_words ? result.final_words : "");
	/* Before "finished": the commit message needs them, whoever writes it. */
	if (ff_place_note(run, NOTE_WORDS, words ? words : result.final_words ? result.final_words : "", err) ||
	    ff_place_note(run, NOTE_MODEL, result.model ? result.model : "", err))
		return -1;
	return ff_report_step(run, FF_STEP_RUN, true, NULL, err);
}

/* --- commit */

static int take_tree(struct ff_run *run, struct ff_git_taken *ret_taken, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(run->ws, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct ff_git_take what = {
		.base = run->task.source_oid, .folder_fd = fd,
		.max_files = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_FILES),
		.max_bytes = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_BYTES),
		.max_file = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_FILE),
		.max_depth = ff_conf_int(run->conf, FF_CONF_RESULT_MAX_DEPTH),
		.secrets = run->redact,
	};

	if (fd < 0)
		return ff_err_errno(err, "%s", run->ws);
	if (ff_git_take(run->git, &what, ret_taken, err))
		return -1;
	for (size_t i = 0; i < ret_taken->n_listed; i++) {
		FF_AUTO(ff_free) char *path = ff_text_shown(ret_taken->skipped[i].path, 200);

		ff_report_logf(run, "left out: %s: %s", path, ret_taken->skipped[i].reason);
	}
	if (ret_taken->n_skipped > ret_taken->n_listed)
		ff_report_logf(run, "left out: %zu more", ret_taken->n_skipped - ret_taken->n_listed);
	return 0;
}

static int write_commit(struct ff_run *run, const char *tree, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *number = ff_asprintf("%" PRId64, run->task.job);
	FF_AUTO(ff_free) char *words = ff_place_noted(run, NOTE_WORDS);
	FF_AUTO(ff_free) char *model = ff_place_noted(run, NOTE_MODEL);
	FF_AUTO(ff_free) char *task = ff_redact_text(run->redact, run->task.text);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	const struct ff_message message = {
		.task = task ? task : run->task.text, .words = words,
		.job = run->task.url && *run->task.url ? run->task.url : number,
		.attribution = ff_conf_str(run->conf, FF_CONF_COMMIT_ATTRIBUTION),
		.model = model && *model ? model : ff_conf_str(run->conf, FF_CONF_AGENT_MODEL),
	};
	const char *const parents[] = { run->task.source_oid };
	struct ff_git_commit commit = { .tree = tree, .parents = parents, .n_parents = 1 };

	ff_buf_init(&text, FF_MESSAGE_MAX);
	ff_message_make(&message, &text);
	commit.author = commit.committer = ff_run_person(run);
	commit.message = text.data;
	return ff_git_commit(run->git, &commit, ret_oid, err);
}

/* *ret_oid is the source commit itself when nothing was changed. */
static int take_and_commit(struct ff_run *run, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken taken = { 0 };

	if (take_tree(run, &taken, err))
		return -1;
	memcpy(ret_oid, run->task.source_oid, strlen(run->task.source_oid) + 1);
	return taken.changed ? write_commit(run, taken.tree, ret_oid, err) : 0;
}

static int make_commit(struct ff_run *run, char *ret_oid, struct ff_err *err)
{
	const struct ff_report made = { .oid = ret_oid };

	if (ff_report_step(run, FF_STEP_COMMIT, false, NULL, err))
		return -1;
	ff_git_pack_begin(run->git, true, (size_t)ff_conf_int(run->conf, FF_CONF_REBASE_MAX_MEMORY));
	if (take_and_commit(run, ret_oid, err) || ff_git_pack_commit(run->git, NULL, err)) {
		ff_git_pack_drop(run->git);
		return -1;
	}
	if (strcmp(ret_oid, run->task.source_oid) && ff_run_keep(run, "result", ret_oid, err))
		return -1;
	return ff_report_step(run, FF_STEP_COMMIT, true, &made, err);
}

/* --- all of it */

static int open_all(struct ff_run *run, struct ff_err *err)
{
	ff_place_spec(run->conf, run->task.job, &run->spec, &run->tool, &run->confine);
	run->spec.env = (const char *const *)run->task.env;
	if (ff_place_open(run, err))
		return -1;
	run->spec.work = run->ws;
	if (ff_git_open_url(run->task.repo, &run->git, err)) {
		err->code = FF_E_GIT_CLONE_FAILED;
		return -1;
	}
	return 0;
}

static int until_commit(struct ff_run *run, char *ret_oid, struct ff_err *err)
{
	if (run->task.done[FF_STEP_COMMIT] && run->task.oid[FF_STEP_COMMIT][0]) {
		memcpy(ret_oid, run->task.oid[FF_STEP_COMMIT], FF_GIT_OID);
		return 0;
	}
	return prepare(run, err) || run_agent(run, err) || make_commit(run, ret_oid, err) ? -1 : 0;
}

static int finish(struct ff_run *run, const char *tip, const char *base, struct ff_outcome *out, struct ff_err *err)
{
	struct ff_report made;

	out->word = "completed";
	memcpy(out->oid, tip, strlen(tip) + 1);
	out->ref = ff_run_branch(run, ff_conf_str(run->conf, FF_CONF_PUBLISH_RESULT_PREFIX), err);
	if (!out->ref)
		return -1;
	made = (struct ff_report){ .oid = tip, .ref = out->ref, .base_oid = base };
	if (run->task.done[FF_STEP_PUBLISH])
		return 0;
	if (ff_report_step(run, FF_STEP_PUBLISH, false, NULL, err) ||
	    ff_run_publish(run, &(struct ff_run_branch_change){ .branch = out->ref, .oid = tip, .base = base, .result = tip,
			   .what = "Result" }, err))
		return -1;
	ff_report_event(run, FF_EVENT_PUSH_COMPLETED, &made);
	return ff_report_step(run, FF_STEP_PUBLISH, true, &made, err);
}

/* What was published stays; before that the target may have gone on since. */
static bool rebase_done(struct ff_run *run)
{
	return run->task.done[FF_STEP_REBASE] && run->task.oid[FF_STEP_REBASE][0] &&
	       (run->task.done[FF_STEP_PUBLISH] || !ff_run_target_moved(run, run->task.base_oid));
}

int ff_run_job(struct ff_run *run, struct ff_outcome *ret_outcome, struct ff_err *err)
{
	struct ff_outcome *out = ret_outcome; /* ended by ff_outcome_fini also after a failure */
	char commit[FF_GIT_OID], tip[FF_GIT_OID], base[FF_GIT_OID];
	bool first = !run->task.done[FF_STEP_COMMIT];
	int rc;

	if (open_all(run, err) || until_commit(run, commit, err))
		return -1;
	if (!strcmp(commit, run->task.source_oid)) {
		out->word = "nothing";
		return 0;
	}
	rc = ff_run_review(run, commit, first, out, err);
	if (rc)
		return rc < 0 ? -1 : 0;
	if (rebase_done(run)) {
		memcpy(tip, run->task.oid[FF_STEP_REBASE], sizeof(tip));
		memcpy(base, run->task.base_oid, sizeof(base));
	} else {
		rc = ff_run_rebase(run, commit, tip, base, out, err);
	}
	if (rc)
		return rc < 0 ? -1 : 0;
	return finish(run, tip, base, out, err);
}
