/* SPDX-License-Identifier: MIT */
/*
 * A whole worker in a process of its own, with this test as core and an agent
 * that runs the task as a command: what is published, and that a worker which
 * is killed at any step is followed by one that ends the job all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/role.h"
#include "daemon/sandbox/tools.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/message.h"
#include "ipc/ipc.h"

#define JOB 7
#define WAIT_MS 60000

/* --- the agent: the task is a shell command; "unreachable" fails */

int ff_agent_builtin(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_tools_result_fini) struct ff_tools_result r = { 0 };
	FF_AUTO(ff_free) char *runs = ff_path_join(getenv("TEST_TOP"), "agent-runs");
	FILE *f = fopen(runs, "a");

	ff_assert(f && fputs("x", f) >= 0 && fclose(f) == 0);
	if (!strcmp(run->task, "unreachable"))
		return ff_err_set(err, FF_E_NETWORK_ERROR, "nobody answers");
	if (!strcmp(run->task, "refuse"))
		return ff_err_set(err, FF_E_MODEL_REFUSED, "no");
	if (ff_tools_bash(run->tools, run->task, 0, &r, err))
		return -1;
	run->log(run->arg, "tool", r.text);
	if (run->stopped(run->arg, err))
		return -1;
	ret->final_words = ff_steal(&r.text);
	ret->model = ff_strdup("claude-test-1");
	return 0;
}

/* The other drivers have tests of their own; here none of them is asked for. */
int ff_agent_claude(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err)
{
	(void)run, (void)ret;
	return ff_err_set(err, FF_E_INTERNAL, "not in this test");
}

int ff_agent_command(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err)
{
	return ff_agent_claude(run, ret, err);
}

void ff_agent_result_fini(struct ff_agent_result *result)
{
	ff_free(&result->final_words);
	ff_free(&result->model);
}

/* --- the world */

struct world {
	char top[64];
	struct ff_conf *conf;
	struct ff_role_args args;
	json_t *steps;      /* what core has on disk */
	char *base_oid;
	char trace[1024];   /* "prepare+ prepare- ..." of the last worker */
	json_t *done;       /* its last word, or NULL */
	json_t *paths;
	int status;
	int attempt;
};

static void sh(const struct world *w, const char *script)
{
	static char sh_name[] = "sh", flag[] = "-euc", path[] = "PATH=/usr/bin:/bin", who[] = "GIT_AUTHOR_NAME=P",
		    mail[] = "GIT_AUTHOR_EMAIL=p@x", cwho[] = "GIT_COMMITTER_NAME=P", cmail[] = "GIT_COMMITTER_EMAIL=p@x",
		    nosys[] = "GIT_CONFIG_NOSYSTEM=1", noglobal[] = "GIT_CONFIG_GLOBAL=/dev/null";
	FF_AUTO(ff_free) char *text = ff_strdup(script);
	char *argv[] = { sh_name, flag, text, NULL };
	char *envp[] = { path, who, mail, cwho, cmail, nosys, noglobal, NULL };
	struct ff_spawn what = { .path = "/bin/sh", .argv = argv, .envp = envp, .cwd = w->top, .fd_in = -1, .fd_out = -1,
				 .fd_err = -1, .fd_3 = -1 };
	pid_t pid;

	assert_int_equal(ff_spawn(&what, &pid, NULL), 0);
	if (ff_wait(pid) != 0)
		fail_msg("failed: %s", script);
}

/* Output of a script, without the last newline. */
static char *out(const struct world *w, const char *script)
{
	FF_AUTO(ff_free) char *all = ff_asprintf("(%s) >out 2>&1", script);
	FF_AUTO(ff_free) char *path = ff_path_join(w->top, "out");
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	sh(w, all);
	ff_buf_init(&b, 1024 * 1024);
	assert_int_equal(ff_file_read(path, &b, NULL), 0);
	while (b.len && b.data[b.len - 1] == '\n')
		b.data[--b.len] = '\0';
	return ff_buf_take(&b);
}

#define assert_out(w, script, expected) \
	do { \
		FF_AUTO(ff_free) char *text_ = out(w, script); \
		assert_string_equal(text_, expected); \
	} while (0)

static void load_conf(struct world *w)
{
	FF_AUTO(ff_free) char *file = ff_path_join(w->top, "conf");
	FF_AUTO(ff_free) char *state = ff_asprintf("server.state-dir=%s/state", w->top);
	FF_AUTO(ff_free) char *run = ff_asprintf("server.run-dir=%s/run", w->top);
	const char *const settings[] = { state, run, "sandbox.tmp-size=4m", "publish.hook-timeout=5s", NULL };
	struct ff_conf_source from = { .file = file, .settings = settings };
	struct ff_err err = { 0 };

	assert_int_equal(ff_file_write(file, "", 0, 0644, NULL), 0);
	if (ff_conf_load(&from, &w->conf, NULL, &err))
		fail_msg("%s", err.text);
	w->args.conf = w->conf;
}

static int make(void **state)
{
	static const char pattern[] = "/tmp/ff-worker-XXXXXX";
	struct world *w = ff_calloc(1, sizeof(*w));
	FF_AUTO(ff_free) char *copy = NULL, *libexec = NULL;

	memcpy(w->top, pattern, sizeof(pattern));
	ff_assert(mkdtemp(w->top) && chmod(w->top, 0711) == 0);
	libexec = ff_path_join(w->top, "libexec");
	copy = ff_asprintf("mkdir libexec state; chmod 711 state; cp '%s/flowforge-tool' '%s/flowforge-confine' libexec/",
			   getenv("top_builddir"), getenv("top_builddir"));
	sh(w, copy);
	ff_assert(setenv(FF_ENV_LIBEXECDIR, libexec, 1) == 0 && setenv("TEST_TOP", w->top, 1) == 0);
	load_conf(w);
	sh(w, "git init -q --bare -b main r.git; git clone -q r.git c 2>/dev/null; cd c; echo a >f; echo b >g; git add .;"
	      "git commit -qm base; git push -q origin HEAD:main; echo s >s; git add s; git commit -qm source;"
	      "git push -q origin HEAD:claude/fix; git reset -q --hard HEAD~; echo t >t; git add t; git commit -qm target;"
	      "git push -q origin HEAD:main");
	sh(w, "printf '#!/bin/sh\\n{ cat; env | sort; pwd; } >>../hook-said\\necho hello from the hook\\nexit 3\\n' "
	      ">r.git/hooks/post-receive; chmod +x r.git/hooks/post-receive");
	w->steps = json_object();
	*state = w;
	return 0;
}

static int unmake(void **state)
{
	struct world *w = *state;

	ff_assert(ff_dir_remove(w->top, NULL) == 0);
	json_decref(w->steps);
	json_decref(w->done);
	ff_free(&w->base_oid);
	ff_conf_free(&w->conf);
	ff_free(state);
	return 0;
}

/* --- this side is core */

static json_t *job_message(struct world *w, const char *task)
{
	FF_AUTO(ff_free) char *oid = out(w, "git -C r.git rev-parse claude/fix");
	FF_AUTO(ff_free) char *repo = ff_asprintf("file://%s/r.git", w->top);

	return json_pack("{s:i,s:i,s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:{s:s},s:i,s:O,s:s,s:n}", "job", JOB, "attempt",
			 ++w->attempt, "uuid", "u", "repo_id", 1, "repo", repo, "source_ref", "refs/heads/claude/fix",
			 "source_oid", oid, "source_name", "fix", "target", "main", "task", task, "task_from", "push option",
			 "pusher", "p", "url", "https://x/jobs/7", "env", "CI", "1", "deadline_ms", 60000, "steps", w->steps,
			 "base_oid", w->base_oid ? w->base_oid : "", "result_ref");
}

static struct ff_chan *start(struct world *w, pid_t *ret_pid)
{
	int fds[2];

	ff_assert(ff_sock_pair(fds, NULL) == 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		if (dup2(fds[1], FF_IPC_PARENT_FD) < 0)
			_exit(99);
		_exit(ff_worker_main(&w->args));
	}
	ff_close(&fds[1]);
	return ff_chan_new(fds[0], FF_PEER_CORE, FF_PEER_WORKER);
}

/* What core does with a step: remember it as finished, or as begun again. */
static void take_step(struct world *w, const json_t *msg)
{
	const char *step = json_string_value(json_object_get(msg, "step"));
	const char *state = json_string_value(json_object_get(msg, "state"));
	json_t *oid = json_object_get(msg, "oid"), *base = json_object_get(msg, "base_oid");
	size_t n = strlen(w->trace);

	(void)snprintf(w->trace + n, sizeof(w->trace) - n, "%s%s%s", n ? " " : "", step,
		       !strcmp(state, "started") ? "+" : "-");
	if (!strcmp(state, "started")) {
		(void)json_object_del(w->steps, step);
		return;
	}
	assert_int_equal(json_object_set_new(w->steps, step, oid ? json_pack("{s:O}", "oid", oid) : json_object()), 0);
	if (base && !strcmp(step, "rebase")) {
		ff_free(&w->base_oid);
		w->base_oid = ff_strdup(json_string_value(base));
	}
}

enum at_stop { KILL, REFUSE };

/*
 * One attempt. At the stop-th message that wants an answer (from 1; 0: never)
 * the worker is killed or refused. True: it was done.
 */
static bool attempt(struct world *w, const char *task, int stop, enum at_stop how)
{
	pid_t pid;
	struct ff_chan *chan = start(w, &pid);
	struct ff_err err = { 0 };
	enum ff_msg_type type;
	json_t *msg;
	int fd = -1, n = 0;

	w->trace[0] = '\0';
	json_decref(w->done);
	w->done = NULL;
	assert_int_equal(ff_chan_send(chan, FF_MSG_JOB, job_message(w, task), -1, &err), 0);
	while (ff_chan_recv(chan, WAIT_MS, &type, &msg, &fd, &err) == 0) {
		bool answered = type == FF_MSG_STEP || type == FF_MSG_DONE;
		bool now = answered && stop && ++n == stop;

		if (type == FF_MSG_STEP && !now)
			take_step(w, msg);
		if (type == FF_MSG_DONE && !now)
			w->done = json_incref(msg);
		json_decref(msg);
		if (now && how == KILL)
			assert_int_equal(kill(pid, SIGKILL), 0);
		else if (answered)
			assert_int_equal(ff_chan_send(chan, now ? FF_MSG_REFUSED : FF_MSG_ACK,
						      now ? json_pack("{s:s}", "text", "out of date") : json_object(), -1, NULL), 0);
	}
	assert_int_equal(err.code, FF_E_UNREACHABLE);
	w->status = ff_wait(pid);
	ff_chan_free(&chan);
	return w->done != NULL;
}

static const char *done_word(const struct world *w, const char *key)
{
	const char *s = json_string_value(json_object_get(w->done, key));

	return s ? s : "";
}

static void assert_published(struct world *w)
{
	assert_string_equal(done_word(w, "outcome"), "completed");
	assert_string_equal(done_word(w, "ref"), "refs/heads/claude-results/fix-7");
	assert_out(w, "git -C r.git for-each-ref --format='%(refname)' | tr '\\n' ' '",
		   "refs/flowforge/jobs/7/base refs/flowforge/jobs/7/result refs/flowforge/jobs/7/source refs/heads/claude-results/fix-7 "
		   "refs/heads/claude/fix refs/heads/main refs/notes/flowforge ");
	/* target, then the pushed commit, then the agent's; all three changes are in it */
	assert_out(w, "git -C r.git log --format=%s main~..claude-results/fix-7", "echo new >n; rm g; cat f\nsource\ntarget");
	assert_out(w, "git -C r.git ls-tree --name-only claude-results/fix-7 | tr '\\n' ' '", "f n s t ");
	assert_out(w, "git -C r.git rev-parse refs/flowforge/jobs/7/result | grep -c $(git -C r.git rev-parse claude-results/fix-7)", "1");
	assert_out(w, "git -C r.git fsck --strict 2>&1 | grep -v dangling || true", "");
	assert_out(w, "grep -c refs/heads hook-said", "1");
	assert_out(w, "ls state/jobs", "");
}

static const char task[] = "echo new >n; rm g; cat f";

static void job_becomes_a_branch(void **state)
{
	struct world *w = *state;

	assert_true(attempt(w, task, 0, REFUSE));
	assert_int_equal(w->status, 0);
	assert_string_equal(w->trace, "prepare+ prepare- run+ run- commit+ commit- rebase+ rebase- publish+ publish-");
	assert_published(w);
	assert_out(w, "git -C r.git log -1 --format='%an <%ae>%n%B' claude-results/fix-7",
		   "FlowForge <flowforge@localhost>\necho new >n; rm g; cat f\n\na\n\nFlowforge-Job: https://x/jobs/7\n"
		   "Assisted-by: Claude:claude-test-1");
	assert_out(w, "git -C r.git notes --ref=flowforge show claude/fix | cut -d: -f1 | tr '\\n' ' '",
		   "Flowforge-Job Result Commit Target ");
	assert_out(w, "grep -vE '^(PATH|HOME|PWD|SHLVL|OLDPWD|_)=' hook-said | sed 's/[0-9a-f]\\{40\\}/OID/g; s,/tmp/[^/]*,T,'",
		   "OID OID refs/heads/claude-results/fix-7\nFLOWFORGE_PUBLISH=1\nGIT_DIR=T/r.git\nT/r.git");
}

/*
 * The heart of the promise: nothing lost, nothing twice, whatever step we die
 * in. Core has all messages before the stop-th on disk, and not that one.
 */
static void killed_anywhere_it_ends_the_same(void **state)
{
	const struct world *outer = *state;
	bool ended = false;
	int stop = 1;

	for (; !ended; stop++) {
		void *fresh = NULL;
		struct world *w;
		bool paid;

		assert_int_equal(make(&fresh), 0);
		w = fresh;
		ended = attempt(w, task, stop, KILL);
		paid = json_object_get(w->steps, "run") != NULL;
		if (!ended)
			assert_true(attempt(w, task, 0, REFUSE));
		assert_published(w);
		if (paid) /* the model is never asked twice */
			assert_out(w, "cat agent-runs", "x");
		assert_int_equal(unmake(&fresh), 0);
	}
	assert_int_equal(stop - 1, 12); /* ten step messages and the last word */
	assert_int_equal(setenv("TEST_TOP", outer->top, 1), 0);
}

static void another_boot_starts_the_tree_anew(void **state)
{
	struct world *w = *state;

	assert_false(attempt(w, task, 5, KILL)); /* run is finished, commit is not begun */
	sh(w, "echo half >state/jobs/7/ws/f; echo '0 other' >state/jobs/7/prepared");
	assert_true(attempt(w, task, 0, REFUSE));
	assert_string_equal(w->trace, "prepare+ prepare- run+ run- commit+ commit- rebase+ rebase- publish+ publish-");
	assert_published(w);
	assert_out(w, "git -C r.git show claude-results/fix-7:f", "a");
}

static void refused_worker_touches_nothing_more(void **state)
{
	struct world *w = *state;

	assert_false(attempt(w, task, 9, REFUSE)); /* publish+ */
	assert_int_equal(w->status, 0);
	assert_out(w, "git -C r.git for-each-ref --format='%(refname)' refs/heads/claude-results refs/notes; ls hook-said 2>/dev/null || true", "");
}

/* A worker that has asked for leave to publish, stopped before it hears the answer. */
static struct ff_chan *stopped_before_publishing(struct world *w, pid_t *ret_pid)
{
	struct ff_chan *chan = start(w, ret_pid);
	enum ff_msg_type type;
	bool asks = false;
	json_t *msg;
	int fd = -1, status;

	assert_int_equal(ff_chan_send(chan, FF_MSG_JOB, job_message(w, task), -1, NULL), 0);
	while (!asks) {
		assert_int_equal(ff_chan_recv(chan, WAIT_MS, &type, &msg, &fd, NULL), 0);
		if (type == FF_MSG_STEP)
			take_step(w, msg);
		asks = type == FF_MSG_STEP && !strcmp(json_string_value(json_object_get(msg, "step")), "publish");
		json_decref(msg);
		if (type == FF_MSG_STEP && !asks)
			assert_int_equal(ff_chan_send(chan, FF_MSG_ACK, json_object(), -1, NULL), 0);
	}
	assert_int_equal(kill(*ret_pid, SIGSTOP), 0);
	assert_int_equal(waitpid(*ret_pid, &status, WUNTRACED), *ret_pid);
	assert_true(WIFSTOPPED(status));
	return chan;
}

/* It may have its leave and not know yet that it is no longer wanted, or be told so. */
static void a_stale_worker_wakes_up(struct world *w, enum ff_msg_type answer)
{
	static const char refs[] = "git -C r.git for-each-ref; cat hook-said";
	FF_AUTO(ff_free) char *before = NULL;
	pid_t pid;
	struct ff_chan *chan = stopped_before_publishing(w, &pid);

	/* As long as it lives, no other attempt works in its folder. */
	assert_true(attempt(w, task, 0, REFUSE));
	assert_string_equal(done_word(w, "error"), "IO");
	sh(w, "rm state/jobs/7/lock"); /* as if they were on two hosts */
	assert_true(attempt(w, task, 0, REFUSE));
	assert_string_equal(w->trace, "publish+ publish-");
	assert_published(w);
	before = out(w, refs);
	assert_int_equal(ff_chan_send(chan, answer, answer == FF_MSG_ACK ? json_object() : json_pack("{s:s}", "text", "out of date"),
				      -1, NULL), 0);
	ff_chan_free(&chan);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(ff_wait(pid), 0);
	assert_out(w, refs, before);
	assert_published(w);
}

static void stale_worker_is_refused(void **state)
{
	a_stale_worker_wakes_up(*state, FF_MSG_REFUSED);
}

static void stale_worker_with_leave_sees_that_core_hung_up(void **state)
{
	a_stale_worker_wakes_up(*state, FF_MSG_ACK);
}

static void no_change_is_no_branch(void **state)
{
	struct world *w = *state;

	assert_true(attempt(w, "echo x >f; echo a >f", 0, REFUSE));
	assert_string_equal(done_word(w, "outcome"), "nothing");
	assert_string_equal(w->trace, "prepare+ prepare- run+ run- commit+ commit-");
	assert_out(w, "git -C r.git for-each-ref --format='%(refname)' refs/heads/claude-results; ls state/jobs", "");
}

static void conflict_is_shown(void **state)
{
	struct world *w = *state;

	sh(w, "cd c; echo other >f; git commit -qam theirs; git push -q origin HEAD:main");
	assert_true(attempt(w, "echo mine >f", 0, REFUSE));
	assert_string_equal(done_word(w, "outcome"), "conflicted");
	assert_string_equal(done_word(w, "ref"), "refs/heads/claude-conflicts/fix-7");
	assert_string_equal(json_string_value(json_array_get(json_object_get(w->done, "paths"), 0)), "f");
	assert_out(w, "git -C r.git show claude-conflicts/fix-7:f; git -C r.git branch --list 'claude-results/*'",
		   "<<<<<<< target\nother\n=======\nmine\n>>>>>>> change");
	assert_out(w, "git -C r.git show refs/flowforge/jobs/7/result:f; git -C r.git rev-list --count main..claude-conflicts/fix-7",
		   "mine\n2");
}

static void foreign_branch_is_not_moved(void **state)
{
	struct world *w = *state;

	sh(w, "git -C r.git branch claude-results/fix-7 main");
	assert_true(attempt(w, task, 0, REFUSE));
	assert_string_equal(done_word(w, "outcome"), "failed");
	assert_string_equal(done_word(w, "error"), "REF_MOVED");
	assert_out(w, "git -C r.git log -1 --format=%s claude-results/fix-7", "target");
}

static void failure_has_its_class(void **state)
{
	struct world *w = *state;

	assert_true(attempt(w, "unreachable", 0, REFUSE));
	assert_string_equal(done_word(w, "error"), "NETWORK_ERROR");
	assert_out(w, "ls state/jobs", "7"); /* for the next attempt */
	assert_true(attempt(w, "refuse", 0, REFUSE));
	assert_string_equal(done_word(w, "error"), "MODEL_REFUSED");
	assert_out(w, "ls state/jobs", "");
	sh(w, "git -C r.git branch -D claude/fix -q; git -C r.git branch -q claude/fix main; rm -rf r.git/objects/*; mkdir -p r.git/objects/info");
	assert_true(attempt(w, task, 0, REFUSE));
	assert_string_equal(done_word(w, "error"), "GIT_CLONE_FAILED");
}

static void ask_one(struct world *w, enum ff_msg_type type, json_t *msg, enum ff_msg_type want, json_t **ret)
{
	pid_t pid;
	struct ff_chan *chan = start(w, &pid);
	enum ff_msg_type got;
	int fd = -1;

	assert_int_equal(ff_chan_send(chan, type, msg, -1, NULL), 0);
	assert_int_equal(ff_chan_recv(chan, WAIT_MS, &got, ret, &fd, NULL), 0);
	assert_int_equal(got, FF_MSG_HELLO);
	json_decref(*ret);
	assert_int_equal(ff_chan_recv(chan, WAIT_MS, &got, ret, &fd, NULL), 0);
	assert_int_equal(got, want);
	ff_chan_free(&chan);
	assert_int_equal(ff_wait(pid), 0);
}

static void probe_and_sweep(void **state)
{
	struct world *w = *state;
	json_t *got = NULL;

	ask_one(w, FF_MSG_PROBE, json_object(), FF_MSG_PROBED, &got);
	if (!json_is_true(json_object_get(got, "ok")))
		fail_msg("%s", json_string_value(json_object_get(got, "text")));
	json_decref(got);
	sh(w, "rm libexec/flowforge-tool; mkdir -p state/jobs/7/ws/deep state/jobs/8");
	ask_one(w, FF_MSG_PROBE, json_object(), FF_MSG_PROBED, &got);
	assert_true(json_is_false(json_object_get(got, "ok")));
	json_decref(got);
	ask_one(w, FF_MSG_SWEEP, json_pack("{s:[i,i,s]}", "jobs", 7, 9, "../x"), FF_MSG_SWEPT, &got);
	assert_int_equal(json_array_size(json_object_get(got, "jobs")), 2);
	json_decref(got);
	assert_out(w, "ls state/jobs", "8");
}

/* --- the message */

static char *message(const char *text, const char *words)
{
	const struct ff_message m = { .task = text, .words = words, .job = "7", .attribution = "Assisted-by: Claude:MODEL",
				      .model = "m-1" };
	struct ff_buf b;

	ff_buf_init(&b, FF_MESSAGE_MAX);
	ff_message_make(&m, &b);
	return b.data;
}

#define TRAILERS "\nFlowforge-Job: 7\nAssisted-by: Claude:m-1\n"

static void assert_message(const char *text, const char *words, const char *expected)
{
	FF_AUTO(ff_free) char *got = message(text, words);

	assert_string_equal(got, expected);
}

static void message_is_clean(void **state)
{
	(void)state;
	assert_message("Fix it", NULL, "Fix it\n" TRAILERS);
	assert_message("\n  Fix\tit.\n", "Done.\n\n\nAll \033[31mred\033[0m.\n", "Fix it\n\nFix it.\n\nDone.\n\nAll [31mred [0m.\n" TRAILERS);
	assert_message("Fix it", "Signed-off-by: A <a@x>\nReviewed-By: B", "Fix it\n\n    Signed-off-by: A <a@x>\n    Reviewed-By: B\n" TRAILERS);
	assert_message("", NULL, "Do the task\n" TRAILERS);
	assert_message("Fix \xff\xfe\xe2\x80\xae it \\ now", NULL, "Fix it \\ now\n\nFix it \\ now\n" TRAILERS);
	{
		static const char text[] = "Make the parser of the configuration refuse keys that nobody knows and say the nearest";
		FF_AUTO(ff_free) char *got = message(text, NULL);

		assert_true(ff_starts(got, "Make the parser of the configuration refuse keys that nobody knows...\n\nMake"));
	}
	{
		FF_AUTO(ff_free) char *words = ff_calloc(1, 100001);
		FF_AUTO(ff_free) char *got = NULL;

		memset(words, '\\', 100000);
		got = message(words, words);
		assert_true(strlen(got) < 40000);
		assert_true(ff_ends(got, TRAILERS));
		assert_true(strcspn(got, "\n") <= 72);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_is_clean),
		cmocka_unit_test_setup_teardown(job_becomes_a_branch, make, unmake),
		cmocka_unit_test_setup_teardown(no_change_is_no_branch, make, unmake),
		cmocka_unit_test_setup_teardown(conflict_is_shown, make, unmake),
		cmocka_unit_test_setup_teardown(foreign_branch_is_not_moved, make, unmake),
		cmocka_unit_test_setup_teardown(refused_worker_touches_nothing_more, make, unmake),
		cmocka_unit_test_setup_teardown(stale_worker_is_refused, make, unmake),
		cmocka_unit_test_setup_teardown(stale_worker_with_leave_sees_that_core_hung_up, make, unmake),
		cmocka_unit_test_setup_teardown(failure_has_its_class, make, unmake),
		cmocka_unit_test_setup_teardown(probe_and_sweep, make, unmake),
		cmocka_unit_test_setup_teardown(another_boot_starts_the_tree_anew, make, unmake),
		cmocka_unit_test_setup_teardown(killed_anywhere_it_ends_the_same, make, unmake),
	};

	ff_log_setup("t-worker", FF_LOG_ERROR);
	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
