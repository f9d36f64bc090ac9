/* SPDX-License-Identifier: MIT */
/*
 * From a push to a task: what triggers, which source of a task wins, what is
 * refused, and the names that come from a ref.
 */
#include "job/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/names.h"

#define OID_A "1111111111111111111111111111111111111111"
#define OID_B "2222222222222222222222222222222222222222"
#define ZERO "0000000000000000000000000000000000000000"
#define MAX_ARGS 6

static const char *const globs[] = { "refs/heads/claude/*", "refs/heads/bot-*", NULL };
static const char *const ignored[] = { "mirror", "flowforge", NULL };
static const char *const environments[] = { "node", "rust", NULL };

static struct ff_policy policy(void)
{
	return (struct ff_policy){
		.trigger_globs = globs, .trigger_options = true, .ignore_pushers = ignored,
		.result_prefix = "claude-results/", .conflict_prefix = "claude-conflicts/",
		.environments = environments, .default_retries = 2, .max_retries = 5,
		.max_ttl_ms = 86400000, .max_task_bytes = 64,
	};
}

static void parse(struct ff_options *o, const char *const *args)
{
	const struct ff_option_limits limits = { 10, 200, 100 };
	struct ff_err err = { 0 };
	size_t n = 0;

	while (n < MAX_ARGS && args[n])
		n++;
	if (ff_options_parse(args, n, &limits, o, &err) < 0)
		fail_msg("%s", err.text);
}

/* --- triggers */

struct trigger_row {
	const char *ref, *old_oid, *new_oid, *pusher;
	const char *args[MAX_ARGS];
	bool options_off;
	enum ff_trigger want;
	const char *hint;
};

#define CREATE ZERO, OID_A
#define UPDATE OID_A, OID_B
#define DELETE OID_A, ZERO

static const struct trigger_row triggers[] = {
	{ "refs/heads/claude/x", CREATE, "ann", { 0 }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/claude/x/y", UPDATE, NULL, { 0 }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/bot-1", UPDATE, "ann", { 0 }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude" }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude=fix it" }, false, FF_TRIGGER_JOB, NULL },
	{ "refs/heads/main", UPDATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/main", UPDATE, "ann", { "ci.skip" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/main", UPDATE, "ann", { "claude.task=do" }, false, FF_TRIGGER_JOB, NULL },
	{ "refs/heads/main", UPDATE, "ann", { "claude" }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/main", UPDATE, "ann", { "claude.priority=high" }, false, FF_TRIGGER_ASK, NULL },
	/* deletions */
	{ "refs/heads/claude/x", DELETE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", DELETE, "ann", { "claude=do" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", OID_A, OID_A, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	/* not branches */
	{ "refs/tags/v1", CREATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/tags/v1", CREATE, "ann", { "claude=do" }, false, FF_TRIGGER_HINT, "only branches" },
	{ "refs/for/main", CREATE, "ann", { "claude" }, false, FF_TRIGGER_HINT, "only branches" },
	{ "refs/headsx/claude/x", CREATE, "ann", { "claude" }, false, FF_TRIGGER_HINT, "only branches" },
	/* ours */
	{ "refs/heads/claude-results/x-1", CREATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude-conflicts/x-1", UPDATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude-results/x-1", UPDATE, "ann", { "claude=do" }, false, FF_TRIGGER_HINT, "result branches" },
	{ "refs/flowforge/jobs/1/source", CREATE, "ann", { "claude=do" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/notes/flowforge", UPDATE, "ann", { "claude=do" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/notes/commits", UPDATE, "ann", { "claude=do" }, false, FF_TRIGGER_NO, NULL },
	/* a name that leaves no room for results */
	{ "refs/heads/claude-results", CREATE, "ann", { "claude=do" }, false, FF_TRIGGER_HINT, "no room" },
	{ "refs/heads/claude-conflicts", CREATE, "ann", { "claude=do" }, false, FF_TRIGGER_HINT, "no room" },
	{ "refs/heads/claude-results", CREATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude-result", CREATE, "ann", { "claude=do" }, false, FF_TRIGGER_JOB, NULL },
	/* skip, pushers */
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude.skip" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude=do", "claude.skip" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude.skip=false" }, false, FF_TRIGGER_ASK, NULL },
	{ "refs/heads/claude/x", UPDATE, "mirror", { "claude=do" }, false, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", UPDATE, "mirrors", { 0 }, false, FF_TRIGGER_ASK, NULL },
	/* trigger.options = false */
	{ "refs/heads/main", UPDATE, "ann", { "claude=do" }, true, FF_TRIGGER_HINT, "task branches only" },
	{ "refs/heads/main", UPDATE, "ann", { 0 }, true, FF_TRIGGER_NO, NULL },
	{ "refs/heads/claude/x", UPDATE, "ann", { "claude=do" }, true, FF_TRIGGER_JOB, NULL },
	/* no ref name: git itself lets nothing of this kind through but length */
	{ "refs/heads/claude/a..b", UPDATE, "ann", { 0 }, false, FF_TRIGGER_HINT, "too long" },
	{ "refs/heads/a..b", UPDATE, "ann", { "claude=do" }, false, FF_TRIGGER_HINT, "too long" },
	{ "refs/heads/a..b", UPDATE, "ann", { 0 }, false, FF_TRIGGER_NO, NULL },
};

static void test_triggers(void **state)
{
	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(triggers); i++) {
		const struct trigger_row *r = &triggers[i];
		FF_AUTO(ff_options_fini) struct ff_options o;
		struct ff_policy p = policy();
		const char *hint = NULL;
		enum ff_trigger got;

		parse(&o, r->args);
		p.trigger_options = !r->options_off;
		got = ff_policy_triggers(&p, r->ref, r->old_oid, r->new_oid, r->pusher, &o, &hint);
		if (got != r->want)
			fail_msg("row %zu, %s: %d", i, r->ref, got);
		assert_int_equal(hint != NULL, r->hint != NULL);
		if (r->hint)
			assert_non_null(strstr(hint, r->hint));
	}
}

static void test_deep_result_prefix(void **state)
{
	FF_AUTO(ff_options_fini) struct ff_options o;
	static const char *const args[MAX_ARGS] = { "claude=do" };
	struct ff_policy p = policy();
	const char *hint = NULL;

	(void)state;
	parse(&o, args);
	p.result_prefix = "team/bot/out-";
	assert_int_equal(ff_policy_triggers(&p, "refs/heads/team", CREATE, "a", &o, &hint), FF_TRIGGER_HINT);
	assert_int_equal(ff_policy_triggers(&p, "refs/heads/team/bot", CREATE, "a", &o, &hint), FF_TRIGGER_HINT);
	assert_int_equal(ff_policy_triggers(&p, "refs/heads/team/bo", CREATE, "a", &o, &hint), FF_TRIGGER_JOB);
	assert_int_equal(ff_policy_triggers(&p, "refs/heads/team/bot/out", CREATE, "a", &o, &hint), FF_TRIGGER_JOB);
	assert_int_equal(ff_policy_triggers(&p, "refs/heads/team/bot/out-x-1/y", CREATE, "a", &o, &hint), FF_TRIGGER_HINT);
}

/* --- names */

static void test_names(void **state)
{
	static const struct { const char *ref, *source, *task; } rows[] = {
		{ "refs/heads/claude/fix", "fix", "fix" },
		{ "refs/heads/claude/docs-refresh/july", "docs-refresh-july", "docs-refresh" },
		{ "refs/heads/claude/a/b/c", "a-b-c", "a" },
		{ "refs/heads/bot-7", "bot-7", "bot-7" },
		{ "refs/heads/main", "main", "main" },
		{ "refs/heads/feature/x", "feature-x", "feature" },
		{ "refs/heads/claude/sp$ce/x", "sp$ce-x", NULL },
		{ "refs/heads/claude/\xff", "\xff", NULL },
		{ "refs/heads/claude/A.b_c-9", "A.b_c-9", "A.b_c-9" },
		{ "refs/tags/v1", "refs-tags-v1", NULL },
	};
	struct ff_policy p = policy();

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *source = ff_spec_source_name(&p, rows[i].ref);
		FF_AUTO(ff_free) char *task = ff_spec_task_file_name(&p, rows[i].ref);

		assert_string_equal(source, rows[i].source);
		if (rows[i].task)
			assert_string_equal(task, rows[i].task);
		else
			assert_null(task);
	}
	{
		FF_AUTO(ff_free) char *hidden = ff_spec_task_file_name(&p, "refs/heads/claude/.git");
		FF_AUTO(ff_free) char *empty = ff_spec_source_name(&p, "refs/heads/claude/");

		assert_null(hidden);
		assert_string_equal(empty, "branch");
	}
}

/* A result branch is one file below refs/heads: its name must fit into one, lock suffix included. */
static void test_long_names(void **state)
{
	FF_AUTO(ff_free) char *dots = ff_calloc(1001, 1);
	FF_AUTO(ff_free) char *ref = NULL;
	FF_AUTO(ff_free) char *source = NULL;
	FF_AUTO(ff_free) char *task = NULL;
	struct ff_policy p = policy();

	(void)state;
	memset(dots, 'x', 148);
	memcpy(dots + 148, "\xe2\x82\xac\xe2\x82\xac", 6);
	memset(dots + 154, 'y', 800);
	ref = ff_asprintf("refs/heads/claude/%s", dots);
	source = ff_spec_source_name(&p, ref);
	assert_int_equal(strlen(source), 148); /* not in the middle of a character */
	memset(dots, 'x', 300);
	dots[300] = '\0';
	ff_free(&ref);
	ref = ff_asprintf("refs/heads/claude/%s", dots);
	task = ff_spec_task_file_name(&p, ref);
	assert_null(task);
}

/* --- decisions */

struct row {
	const char *args[MAX_ARGS];
	const char *message, *file, *dflt;
	enum ff_decision want;
	const char *task, *from; /* or a part of the error's text */
};

#define TRAILER "Title\n\nText.\n\nClaude-Task: by trailer\n"
#define FILE_TEXT "---\npriority: high\nttl: 1h\nretries: 4\nenv: rust\n---\nby file\n"

static const struct row decisions[] = {
	{ { "claude=by option" }, TRAILER, FILE_TEXT, "by default", FF_DECIDED_JOB, "by option", "push option" },
	{ { 0 }, TRAILER, FILE_TEXT, "by default", FF_DECIDED_JOB, "by trailer", "trailer" },
	{ { 0 }, "Title\n", FILE_TEXT, "by default", FF_DECIDED_JOB, "by file", "task file docs.md" },
	{ { 0 }, "Title\n", NULL, "by default", FF_DECIDED_JOB, "by default", "branch default" },
	{ { 0 }, "Title\n", NULL, NULL, FF_DECIDED_NONE, NULL, NULL },
	{ { 0 }, NULL, NULL, NULL, FF_DECIDED_NONE, NULL, NULL },
	{ { 0 }, "Title\n", NULL, " \n", FF_DECIDED_NONE, NULL, NULL },
	{ { 0 }, "Claude-Task: a title\n", NULL, NULL, FF_DECIDED_NONE, NULL, NULL },
	{ { "claude" }, TRAILER, FILE_TEXT, "by default", FF_DECIDED_JOB, "by default", "branch default" },
	{ { "claude" }, TRAILER, FILE_TEXT, NULL, FF_DECIDED_JOB, "by trailer", "trailer" },
	{ { "claude" }, "Title\n", FILE_TEXT, "", FF_DECIDED_JOB, "by file", "task file docs.md" },
	{ { "claude" }, "Title\n", NULL, NULL, FF_DECIDED_NONE, NULL, NULL },
	{ { "claude.priority=low" }, TRAILER, FILE_TEXT, "by default", FF_DECIDED_JOB, "by trailer", "trailer" },
	{ { 0 }, "Title\n\nClaude-Task:\n", FILE_TEXT, NULL, FF_DECIDED_JOB, "by file", "task file docs.md" },
	{ { 0 }, "Title\n\nClaude-Task: \xff\n", NULL, NULL, FF_DECIDED_BAD, NULL, "UTF-8" },
	{ { 0 }, "Title\n", "---\nttl: 1h\n", NULL, FF_DECIDED_BAD, NULL, "task file docs.md: the head" },
	{ { 0 }, "Title\n", "", NULL, FF_DECIDED_BAD, NULL, "no task in it" },
	{ { 0 }, "Title\n", "---\nttl: 2\n---\nx", NULL, FF_DECIDED_BAD, NULL, "ttl takes" },
	{ { 0 }, "Title\n", "---\nttl: 2d\n---\nx", NULL, FF_DECIDED_BAD, NULL, "limit is 86400 seconds (job.max-ttl)" },
	{ { 0 }, "Title\n", "---\nretries: -1\n---\nx", NULL, FF_DECIDED_BAD, NULL, "retries takes" },
	{ { 0 }, "Title\n", "---\nretries: 6\n---\nx", NULL, FF_DECIDED_BAD, NULL, "6 retries: the limit is 5 (job.max-retries)" },
	{ { 0 }, "Title\n", "---\npriority: urgent\n---\nx", NULL, FF_DECIDED_BAD, NULL, "priority takes" },
	{ { 0 }, "Title\n", "---\nenv: go\n---\nx", NULL, FF_DECIDED_BAD, NULL, "'go': known are node, rust" },
	{ { 0 }, "Title\n", "---\ntarget: a b\n---\nx", NULL, FF_DECIDED_BAD, NULL, "'a b' is not a branch name" },
	{ { "claude=x", "claude.ttl=25h" }, NULL, NULL, NULL, FF_DECIDED_BAD, NULL, "ttl of 90000 seconds: the limit is 86400" },
	{ { "claude=x", "claude.retries=6" }, NULL, NULL, NULL, FF_DECIDED_BAD, NULL, "the limit is 5" },
	{ { "claude=x", "claude.env=python" }, NULL, NULL, NULL, FF_DECIDED_BAD, NULL, "known are node, rust" },
	{ { "claude=0123456789012345678901234567890123456789012345678901234567890123" }, NULL, NULL, NULL, FF_DECIDED_JOB,
	  "0123456789012345678901234567890123456789012345678901234567890123", "push option" },
	{ { "claude=01234567890123456789012345678901234567890123456789012345678901234" }, NULL, NULL, NULL, FF_DECIDED_BAD,
	  NULL, "65 bytes, the limit is 64 (hook.max-task)" },
};

/* As a reader would: the trailer out of the tip's message. Valid until the next call. */
static struct ff_repo_facts facts_of(const struct row *r)
{
	static char task[1024];
	FF_AUTO(ff_free) char *value = NULL;

	if (r->message)
		value = ff_trailer_value(r->message, strlen(r->message), FF_TRAILER_TASK);
	(void)snprintf(task, sizeof task, "%s", value ? value : "");
	return (struct ff_repo_facts){
		.tip_is_commit = true, .head_branch = "main", .target_oid = OID_B,
		.trailer_task = value ? task : NULL,
		.task_file = r->file, .task_file_len = r->file ? strlen(r->file) : 0, .task_file_name = "docs.md",
	};
}

static void test_decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(decisions); i++) {
		const struct row *r = &decisions[i];
		struct ff_repo_facts facts = facts_of(r);
		FF_AUTO(ff_options_fini) struct ff_options o;
		FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
		struct ff_policy p = policy();
		struct ff_err err = { 0 };
		enum ff_decision got;

		parse(&o, r->args);
		p.default_task = r->dflt;
		got = ff_spec_decide(&p, &o, &facts, &spec, &err);
		if (got != r->want)
			fail_msg("row %zu: %d %s", i, got, err.text);
		if (got == FF_DECIDED_JOB) {
			assert_string_equal(spec.task, r->task);
			assert_string_equal(spec.task_from, r->from);
			assert_string_equal(spec.target, "main");
		} else {
			assert_null(spec.task);
		}
		if (got == FF_DECIDED_BAD && !strstr(err.text, r->from))
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void test_values(void **state)
{
	static const char *const none[MAX_ARGS] = { 0 };
	static const char *const all[MAX_ARGS] = { "claude.priority=low", "claude.ttl=2h", "claude.retries=0",
						   "claude.env=node", "claude.target=dev" };
	const struct row r = { .message = "T\n", .file = "---\ntarget: refs/heads/next\npriority: high\nttl: 1h\n"
			       "retries: 4\nenv: rust\n---\nby file\n" };
	struct ff_repo_facts facts = facts_of(&r);
	FF_AUTO(ff_options_fini) struct ff_options o;
	FF_AUTO(ff_options_fini) struct ff_options o2;
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
	struct ff_policy p = policy();

	(void)state;
	parse(&o, none);
	assert_int_equal(ff_spec_decide(&p, &o, &facts, &spec, NULL), FF_DECIDED_JOB);
	assert_int_equal(spec.priority, FF_PRIORITY_HIGH);
	assert_int_equal(spec.ttl_ms, 3600000);
	assert_int_equal(spec.retries, 4);
	assert_string_equal(spec.env_name, "rust");
	assert_string_equal(spec.target, "next");
	ff_job_spec_fini(&spec);
	spec = (struct ff_job_spec){ 0 };
	parse(&o2, all); /* the push says it nearer to the moment than the file */
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, NULL), FF_DECIDED_JOB);
	assert_int_equal(spec.priority, FF_PRIORITY_LOW);
	assert_int_equal(spec.ttl_ms, 7200000);
	assert_int_equal(spec.retries, 0);
	assert_string_equal(spec.env_name, "node");
	assert_string_equal(spec.target, "dev");
	assert_string_equal(spec.task, "by file");
}

static void test_defaults_and_earlier_spec(void **state)
{
	static const char *const none[MAX_ARGS] = { 0 };
	static const char *const text[MAX_ARGS] = { "claude=again" };
	const struct row r = { .message = TRAILER };
	struct ff_repo_facts facts = facts_of(&r);
	FF_AUTO(ff_options_fini) struct ff_options o;
	FF_AUTO(ff_options_fini) struct ff_options o2;
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { .task = ff_strdup("submitted"), .task_from = ff_strdup("submit") };
	struct ff_policy p = policy();

	(void)state;
	p.default_ttl_ms = 5000;
	parse(&o, none);
	assert_int_equal(ff_spec_decide(&p, &o, &facts, &spec, NULL), FF_DECIDED_JOB);
	assert_string_equal(spec.task, "submitted"); /* what an earlier step found stays */
	assert_string_equal(spec.task_from, "submit");
	assert_int_equal(spec.ttl_ms, 5000);
	assert_int_equal(spec.retries, 2);
	assert_int_equal(spec.priority, FF_PRIORITY_NORMAL);
	parse(&o2, text);
	facts.target_oid = NULL;
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, NULL), FF_DECIDED_BAD);
	assert_string_equal(spec.task, "submitted"); /* untouched by a failure */
}

static void test_tip(void **state)
{
	static const char *const none[MAX_ARGS] = { 0 };
	static const char *const text[MAX_ARGS] = { "claude=go on" };
	const struct row r = { .message = TRAILER };
	struct ff_repo_facts facts = facts_of(&r);
	FF_AUTO(ff_options_fini) struct ff_options o;
	FF_AUTO(ff_options_fini) struct ff_options o2;
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
	struct ff_policy p = policy();
	struct ff_err err = { 0 };

	(void)state;
	parse(&o, none);
	parse(&o2, text);
	facts.tip_is_ours = true;
	assert_int_equal(ff_spec_decide(&p, &o, &facts, &spec, &err), FF_DECIDED_OURS);
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_JOB); /* a follow-up is wanted */
	p.max_chain = facts.chain = 5;
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_JOB);
	facts.chain = 6;
	assert_int_equal(ff_spec_decide(&p, &o, &facts, &spec, &err), FF_DECIDED_OURS); /* nothing was asked, nothing fails */
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_BAD);
	assert_int_equal(err.code, FF_E_NOT_ALLOWED);
	assert_non_null(strstr(err.text, "queue.chain-depth"));
	facts.chain = 0;
	facts.tip_is_commit = false;
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_BAD);
	assert_non_null(strstr(err.text, "commit"));
}

static void test_target(void **state)
{
	static const char *const text[MAX_ARGS] = { "claude=x" };
	static const char *const named[MAX_ARGS] = { "claude=x", "claude.target=dev" };
	const struct row r = { .message = TRAILER };
	struct ff_repo_facts facts = facts_of(&r);
	FF_AUTO(ff_options_fini) struct ff_options o;
	FF_AUTO(ff_options_fini) struct ff_options o2;
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
	struct ff_policy p = policy();
	struct ff_err err = { 0 };

	(void)state;
	parse(&o, text);
	parse(&o2, named);
	assert_null(ff_spec_target(&p, &o));
	p.default_target = "";
	assert_null(ff_spec_target(&p, &o));
	p.default_target = "stable";
	assert_string_equal(ff_spec_target(&p, &o), "stable");
	assert_string_equal(ff_spec_target(&p, &o2), "dev");
	facts.target_oid = NULL;
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_BAD);
	assert_int_equal(err.code, FF_E_NOT_FOUND);
	assert_non_null(strstr(err.text, "'dev' does not exist: push it first"));
	p.default_target = NULL;
	facts.head_branch = NULL;
	assert_int_equal(ff_spec_decide(&p, &o, &facts, &spec, &err), FF_DECIDED_BAD);
	assert_non_null(strstr(err.text, "HEAD names no branch"));
	p.environments = NULL;
	facts.target_oid = OID_A;
	ff_free(&o2.env_name);
	o2.env_name = ff_strdup("node");
	assert_int_equal(ff_spec_decide(&p, &o2, &facts, &spec, &err), FF_DECIDED_BAD);
	assert_non_null(strstr(err.text, "this server has none"));
}

/* --- trailers (t0010-trailers.t compares more of them with git) */

static void test_trailers(void **state)
{
	static const struct { const char *message, *want; } rows[] = {
		{ "T\n\nClaude-Task: x\n", "x" },
		{ "T\n\nClaude-Task: x", "x" },
		{ "T\n\nclaude-TASK : x  \n\n\n", "x" },
		{ "T\n\nClaude-Task: a\n b\n\tc  \n", "a b c" },
		{ "T\n\nClaude-Task:\n a\n  \n", "a" },
		{ "T\n\nClaude-Task: first\nOther: 1\nClaude-Task: last\n", "last" },
		{ "T\n\nClaude-Task: x\n\nMore text.\n", NULL },
		{ "T\n\nClaude-Task: x\nnot a trailer\n", NULL },
		{ "T\n\nClaude-Task: x\nline\nline\nline\nSigned-off-by: A <a@b>\n", "x" },
		{ "T\n\nClaude-Task: x\n1\n2\n3\n4\n5\n6\n7\nSigned-off-by: A <a@b>\n", NULL },
		{ "T\r\n\r\nClaude-Task: x\r\n y\r\n", "x y" },
		{ "Claude-Task: x\n", NULL },
		{ "\n\nClaude-Task: x\n", "x" },
		{ "T\n\nClaude-Task:x: y\n", "x: y" },
		{ "T\n\nClaude-Task x\n", NULL },
		{ "T\n\n Claude-Task: x\n", NULL },
		{ "T\n\nClaude-Tasks: x\n", NULL },
		{ "T\n\nClaude-Task: x\n# a comment\n", "x" },
		{ "T\n\nClaude-Task: x\n\nConflicts:\n\ta\n\tb\n", "x" },
		{ "T\n\nClaude-Task:\n", "" },
		{ "", NULL },
		{ "\n", NULL },
		{ "T", NULL },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].message);
		char *exact = ff_calloc(n ? n : 1, 1); /* no byte behind it may be read */
		FF_AUTO(ff_free) char *copy = exact;
		FF_AUTO(ff_free) char *got = NULL;

		memcpy(exact, rows[i].message, n);
		got = ff_trailer_value(exact, n, FF_TRAILER_TASK);
		if (!got != !rows[i].want || (got && strcmp(got, rows[i].want)))
			fail_msg("row %zu: %s", i, got ? got : "(none)");
	}
}

/* --- task files */

static void test_task_files(void **state)
{
	static const struct { const char *text, *body, *error; } rows[] = {
		{ "do it\n", "do it", NULL },
		{ "\n\n  do it \n\nand that\n\n", "  do it \n\nand that", NULL },
		{ "---\nttl: 1h\n---\n\ndo it\n", "do it", NULL },
		{ "---\r\n# note\r\n\r\nttl:1h\r\n---\r\ndo it\r\n", "do it", NULL },
		{ "\xef\xbb\xbf---\n---\nx", "x", NULL },
		{ "x\n---\nttl: no head\n", "x\n---\nttl: no head", NULL },
		{ "---\n---\n---\nx\n", "---\nx", NULL },
		{ "----\nx", "----\nx", NULL },
		{ "", NULL, "no task" },
		{ " \n\t\n", NULL, "no task" },
		{ "---\nttl: 1h\n---\n", NULL, "no task" },
		{ "---\nttl: 1h\n", NULL, "not closed" },
		{ "---", NULL, "not closed" },
		{ "---\ncolour: red\n---\nx", NULL, "line 2: unknown key 'colour'; known are target" },
		{ "---\nttl: 1h\nttl: 2h\n---\nx", NULL, "line 3: ttl is given twice" },
		{ "---\n\nttl\n---\nx", NULL, "line 3: 'ttl' is not 'key: value'" },
		{ "---\nttl:  \n---\nx", NULL, "ttl has no value" },
		{ "---\n\x1b[1m: 1\n---\nx", NULL, "\\x1b[1m" },
		{ "caf\xe9", NULL, "not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_task_file_fini) struct ff_task_file f = { 0 };
		struct ff_err err = { 0 };
		int rc = ff_task_file_parse(rows[i].text, strlen(rows[i].text), &f, &err);

		if (rc != (rows[i].body ? 0 : -1))
			fail_msg("row %zu: %d %s", i, rc, err.text);
		if (rc == 0) {
			assert_string_equal(f.body, rows[i].body);
		} else if (!strstr(err.text, rows[i].error)) {
			fail_msg("row %zu: %s", i, err.text);
		}
	}
	assert_int_equal(ff_task_file_parse("a\0b", 3, &(struct ff_task_file){ 0 }, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_triggers), cmocka_unit_test(test_deep_result_prefix),
		cmocka_unit_test(test_names), cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_decisions), cmocka_unit_test(test_values),
		cmocka_unit_test(test_defaults_and_earlier_spec), cmocka_unit_test(test_tip),
		cmocka_unit_test(test_target), cmocka_unit_test(test_trailers),
		cmocka_unit_test(test_task_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
