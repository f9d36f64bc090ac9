/* SPDX-License-Identifier: MIT */
/* The configuration: its syntax against git's own reader, its values, its errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/text.h"
#include "conf/conf.h"
#include "conf/syntax.h"
#include "ipc/ipc.h"

static char *dir; /* of the running test */

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	dir = ff_asprintf("%s/ff-conf.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(ff_dir_remove(dir, NULL), 0);
	ff_free(&dir);
	return 0;
}

static char *put(const char *name, const char *text)
{
	char *path = ff_path_join(dir, name);
	FF_AUTO(ff_free) char *folder = ff_memdup0(path, (size_t)(strrchr(path, '/') - path));

	assert_int_equal(ff_dir_make(folder, 0755, NULL), 0);
	assert_int_equal(ff_file_write(path, text, strlen(text), 0644, NULL), 0);
	return path;
}

/* Loads text as the main file; NULL when it is refused, with all errors in *report. */
static struct ff_conf *load_with(const char *text, const char *const *settings, char *const *env,
				 struct ff_buf *report)
{
	FF_AUTO(ff_free) char *path = put("main.conf", text);
	struct ff_conf_source from = { .file = path, .settings = settings, .environ = env };
	struct ff_conf *c = NULL;
	struct ff_err err = { 0 };

	if (ff_conf_load(&from, &c, report, &err) < 0) {
		assert_null(c);
		assert_true(err.text[0]);
		return NULL;
	}
	return c;
}

static struct ff_conf *load(const char *text)
{
	struct ff_conf *c = load_with(text, NULL, NULL, NULL);

	assert_non_null(c);
	return c;
}

/* The text must be refused, and the report must have each of the parts in it. */
static void refused(const char *text, const char *part)
{
	FF_AUTO(ff_buf_fini) struct ff_buf report;

	ff_buf_init(&report, 65536);
	assert_null(load_with(text, NULL, NULL, &report));
	if (!strstr(report.data, part))
		fail_msg("no `%s` in the report on:\n%s\n%s", part, text, report.data);
}

static void defaults_hold_without_a_file(void **state)
{
	struct ff_conf_source from = { .file = NULL };
	FF_AUTO(ff_conf_free) struct ff_conf *c = NULL;
	struct ff_err err = { 0 };

	(void)state;
	if (access(FF_DEFAULT_CONF, F_OK) == 0)
		skip(); /* this host has a configuration of its own */
	assert_int_equal(ff_conf_load(&from, &c, NULL, &err), 0);
	assert_null(ff_conf_file(c));
	assert_string_equal(ff_conf_str(c, FF_CONF_SERVER_STATE_DIR), FF_DEFAULT_STATE_DIR);
	assert_int_equal(ff_conf_int(c, FF_CONF_SERVER_DRAIN), 600000);
	assert_int_equal(ff_conf_int(c, FF_CONF_HOOK_MAX_TASK), 32768);
	assert_true(ff_conf_bool(c, FF_CONF_TRIGGER_OPTIONS));
	assert_string_equal(ff_conf_list(c, FF_CONF_TRIGGER_REFS)[0], FF_TRIGGER_GLOB);
	assert_null(ff_conf_list(c, FF_CONF_TRIGGER_REFS)[1]);
	assert_null(ff_conf_list(c, FF_CONF_SANDBOX_READ_ONLY)[0]);
}

static void later_sources_win(void **state)
{
	const char *const flags[] = { "server.workers=5", "Log.Level=warn", "trigger.options", NULL };
	char *const env[] = { (char *)(uintptr_t)"FLOWFORGE_SERVER_WORKERS=4",
			      (char *)(uintptr_t)"FLOWFORGE_SERVER_READERS=4",
			      (char *)(uintptr_t)"FLOWFORGE_PUBLISH=1",
			      (char *)(uintptr_t)"FLOWFORGE_LIBEXECDIR=/x",
			      (char *)(uintptr_t)"PATH=/bin", NULL };
	FF_AUTO(ff_free) char *b = put("conf.d/20-b.conf", "[agent]\nmodel = b\n[server]\nurl = https://b.example\n");
	FF_AUTO(ff_free) char *a = put("conf.d/10-a.conf", "[agent]\nmodel = a\n[job]\ntarget = a\n");
	FF_AUTO(ff_free) char *no = put("conf.d/30-c.conf.off", "[agent]\nmodel = off\n");
	FF_AUTO(ff_free) char *hidden = put("conf.d/.x.conf", "[agent]\nmodel = hidden\n");
	FF_AUTO(ff_conf_free) struct ff_conf *c = load_with(
		"[server]\nworkers = 3\nreaders = 3\nurl = https://main.example\n"
		"[trigger]\noptions = no\n[agent]\nmodel = main\n[job]\nretries = 1\nretries = 3\n",
		flags, env, NULL);

	(void)state;
	assert_non_null(c);
	assert_int_equal(ff_conf_int(c, FF_CONF_SERVER_WORKERS), 5);
	assert_int_equal(ff_conf_int(c, FF_CONF_SERVER_READERS), 4);
	assert_string_equal(ff_conf_str(c, FF_CONF_LOG_LEVEL), "warn");
	assert_string_equal(ff_conf_str(c, FF_CONF_AGENT_MODEL), "b");
	assert_string_equal(ff_conf_str(c, FF_CONF_JOB_TARGET), "a");
	assert_string_equal(ff_conf_str(c, FF_CONF_SERVER_URL), "https://b.example");
	assert_int_equal(ff_conf_int(c, FF_CONF_JOB_RETRIES), 3);
	assert_true(ff_conf_bool(c, FF_CONF_TRIGGER_OPTIONS));
}

static void lists_add_up_and_are_cleared(void **state)
{
	char *const env[] = { (char *)(uintptr_t)"FLOWFORGE_TRIGGER_IGNORE_PUSHER=\nd\ne", NULL };
	FF_AUTO(ff_conf_free) struct ff_conf *c = load_with(
		"[trigger]\nrefs = refs/heads/bot/*\nrefs = refs/heads/ai/*\n"
		"ignore-pusher = a\nignore-pusher =\nignore-pusher = b\n", NULL, env, NULL);
	const char *const *refs, *const *ignored;

	(void)state;
	assert_non_null(c);
	refs = ff_conf_list(c, FF_CONF_TRIGGER_REFS);
	ignored = ff_conf_list(c, FF_CONF_TRIGGER_IGNORE_PUSHER);
	assert_string_equal(refs[0], "refs/heads/bot/*"); /* the default is gone */
	assert_string_equal(refs[1], "refs/heads/ai/*");
	assert_null(refs[2]);
	assert_string_equal(ignored[0], "d");
	assert_string_equal(ignored[1], "e");
	assert_null(ignored[2]);
	ff_conf_free(&c);
	c = load("[trigger]\nrefs =\n");
	assert_null(ff_conf_list(c, FF_CONF_TRIGGER_REFS)[0]);
}

static void branches_are_matched_in_order(void **state)
{
	FF_AUTO(ff_conf_free) struct ff_conf *c = load(
		"[branch \"claude/docs/*\"]\ntask = docs\n"
		"[branch \"refs/heads/claude/*\"]\ntask = any\\nthing\ntarget = next\n"
		"[branch \"claude/docs/*\"]\ntask = newer docs\n");

	(void)state;
	assert_string_equal(ff_conf_branch(c, "refs/heads/claude/docs/x/y", "task"), "newer docs");
	assert_string_equal(ff_conf_branch(c, "refs/heads/claude/docs/x", "target"), "next");
	assert_string_equal(ff_conf_branch(c, "refs/heads/claude/x", "task"), "any\nthing");
	assert_null(ff_conf_branch(c, "refs/heads/other", "task"));
	assert_null(ff_conf_branch(c, "refs/tags/claude/x", "task"));
}

static void environments_are_named(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	FF_AUTO(ff_conf_free) struct ff_conf *c = load(
		"[environment \"ci\"]\nvariable = A=1\nvariable = \"B=x y=z\"\nvariable = A=2\n"
		"[environment \"plain\"]\n");
	const char *const *names = ff_conf_environments(c), *const *ci = ff_conf_environment(c, "ci");

	(void)state;
	assert_string_equal(names[0], "ci");
	assert_string_equal(names[1], "plain");
	assert_null(names[2]);
	assert_string_equal(ci[0], "A=2");
	assert_string_equal(ci[1], "B=x y=z");
	assert_null(ci[2]);
	assert_null(ff_conf_environment(c, "plain")[0]);
	assert_null(ff_conf_environment(c, "other"));
	ff_buf_init(&out, 65536);
	ff_conf_print(c, &out);
	assert_non_null(strstr(out.data, "environment.ci.variable = B=***"));
	assert_null(strstr(out.data, "x y=z")); /* values may be tokens */
}

static void errors_say_where_and_what(void **state)
{
	(void)state;
	refused("\n[server]\n workrs = 3\n", "main.conf:3: unknown key server.workrs; did you mean server.workers?");
	refused("[servr]\nworkers = 3\n", "did you mean server.workers?");
	refused("[zzz]\nnothing = 3\n", "unknown key zzz.nothing; flowforge.conf(5)");
	refused("[server]\nworkers = 257\n", "main.conf:2: server.workers: `257` is out of range: 0 to 256");
	refused("[server]\nworkers = 2x\n", "`2x` is not a whole number");
	refused("[hook]\ntimeout = 2s\n", "`2s` is out of range: 100ms to 1900ms");
	refused("[log]\njob-max = 1k\n", "out of range: 4k to 1g bytes");
	refused("[hook]\nmax-task = 9999999999999999999g\n", "is not a size");
	refused("[server]\ndrain = 10\n", "is not a time");
	refused("[log]\nlevel = loud\n", "`loud` is not one of: debug info warn error");
	refused("[trigger]\noptions = maybe\n", "`maybe` is neither true nor false");
	refused("[server]\nstate-dir = var\n", "must be an absolute path");
	refused("[server]\nstate-dir = /a/../b\n", "without `..`");
	refused("[server]\nstate-dir =\n", "server.state-dir: must not be empty");
	refused("[commit]\nname = \"a\\nb\"\n", "control character");
	refused("[commit]\nname = \xff\n", "is not UTF-8");
	refused("[include]\npath = /etc/x\n", "[include] is not supported");
	refused("[includeIf \"x\"]\npath = /etc/x\n", "[includeif] is not supported");
	refused("[branch \"x\"]\ntsk = a\n", "unknown key tsk in [branch \"...\"]; did you mean task?");
	refused("[branch \"x\"]\ntask\n", "branch task: needs a value");
	refused("[branch \"x\"]\ntarget = a..b\n", "branch target: is not a valid branch name");
	refused("[branch]\ntask = a\n", "unknown key branch.task");
	refused("[environment \"a b\"]\n", "the name of an [environment]");
	refused("[environment \"a\"]\nvariable = 1A=x\n", "starts with no digit");
	refused("[environment \"a\"]\nvariable = ANTHROPIC_API_KEY=sk-secret\n", "must not get into a job");
}

static void values_are_checked_for_their_use(void **state)
{
	(void)state;
	refused("[server]\nurl = flow.example\n", "must start with https://");
	refused("[server]\nurl = https://flow.example/\n", "not end with a slash");
	refused("[gateway]\nbase-url = https://x/v1\n", "without /v1");
	refused("[gateway]\nbase-url = https://key@x\n", "host and path alone");
	refused("[trigger]\nrefs = claude/*\n", "full ref names");
	refused("[trigger]\nrefs = refs/*\n", "itself writes");
	refused("[hook]\npusher-variable = A-B\n", "name of an environment variable");
	refused("[job]\ntarget = refs/heads/main\n", "without refs/heads/");
	refused("[commit]\nname = A <b>\n", "commit.email");
	refused("[commit]\nemail = nobody\n", "must be a mail address");
	refused("[commit]\nemail = a@b@c\n", "must be a mail address");
	refused("[commit]\nattribution = SIGNED-off-by: X\n", "a person's statement");
	refused("[commit]\nattribution = Flowforge-Job: 3\n", "itself reads");
	refused("[commit]\nattribution = hello\n", "must be a trailer");
	refused("[publish]\nresult-prefix = a b\n", "valid branch name");
	refused("[publish]\nresult-prefix = -x/\n", "valid branch name");
	refused("[sandbox]\nread-only = /\n", "not /");
}

static void money_and_sections_with_types(void **state)
{
	static const char text[] = "[budget]\njob-usd = 2.50\n[gateway]\nprice = m* 1 2 3 4\nallow = mcp\nallow = urls\n"
		"[repository \"/srv/a/*\"]\njob-usd = 1\n[repository \"*\"]\njob-usd = 9\njob-tokens = 7\n"
		"[destination \"hook\"]\nurl = https://example.org/x\nprivate = true\n";
	FF_AUTO(ff_conf_free) struct ff_conf *c = load_with(text, NULL, NULL, NULL);
	FF_AUTO(ff_buf_fini) struct ff_buf shown;
	int64_t n = 5;

	(void)state;
	assert_non_null(c);
	assert_int_equal(ff_conf_int(c, FF_CONF_BUDGET_JOB_USD), 2500000);
	assert_true(ff_conf_named_num(c, FF_CONF_SECTION_REPOSITORY, "/srv/a/b.git", "job-usd", &n));
	assert_int_equal(n, 1000000);
	assert_true(ff_conf_named_num(c, FF_CONF_SECTION_REPOSITORY, "/srv/b.git", "job-usd", &n));
	assert_int_equal(n, 9000000);
	assert_true(ff_conf_named_num(c, FF_CONF_SECTION_REPOSITORY, "/srv/a/b.git", "job-tokens", &n));
	assert_false(ff_conf_named_num(c, FF_CONF_SECTION_REPOSITORY, "/srv/a/b.git", "repository-usd", &n));
	assert_int_equal(n, 7);
	assert_string_equal(ff_conf_named_str(c, FF_CONF_SECTION_DESTINATION, "hook", "url"), "https://example.org/x");
	assert_null(ff_conf_named_str(c, FF_CONF_SECTION_DESTINATION, "hooks", "url"));
	ff_buf_init(&shown, 1 << 20);
	ff_conf_print(c, &shown);
	assert_non_null(strstr(shown.data, "repository./srv/a/*.job-usd = 1"));
	refused("[budget]\njob-usd = 2,50\n", "as in 2.50");
	refused("[budget]\njob-usd = 2000000\n", "$0.0000 to $1000000.0000");
	refused("[gateway]\nprice = m 1 2\n", "CACHE-READ");
	refused("[gateway]\nallow = everything\n", "server-tools");
	refused("[repository \"x\"]\njob-us = 1\n", "did you mean job-usd?");
	refused("[repository \"x\"]\njob-usd = much\n", "repository job-usd");
	refused("[destination \"x\"]\nurl = ftp://x/\n", "https://");
	refused("[destination \"x\"]\nurl = https://user:word@x/\n", "secret-file");
	refused("[destination \"x\"]\nmax-bytes = 1g\n", "out of range");
}

static void values_are_checked_against_each_other(void **state)
{
	(void)state;
	refused("[job]\nretries = 9\n", "main.conf:2: job.retries (9) must not be more than job.max-retries (5)");
	refused("[job]\nttl = 2d\nmax-ttl = 1d\n", "job.ttl (172800000ms)");
	refused("[publish]\nresult-prefix = claude-conflicts/\n", "must differ");
	refused("[publish]\nresult-prefix = claude-conflicts/a/\n", "neither may start with the other");
	refused("[publish]\nresult-prefix = claude/\n", "results would start jobs");
	refused("[trigger]\nrefs = refs/heads/*\n", "results would start jobs");
	refused("[trigger]\nrefs = refs/heads/claude-results/x?\n", "results would start jobs");
	refused("[server]\nstate-dir = /srv/ff/state\n[sandbox]\nread-only = /srv/ff\n", "would show server.state-dir");
	refused("[server]\nrun-dir = /srv/ff\n[sandbox]\nread-only = /srv/ff/x/\n", "would show server.run-dir");
	refused("[gateway]\nkey-file = /opt/key\n[sandbox]\nread-only = /opt/\n", "would show gateway.key-file");
	refused("[hook]\nmax-task = 16\n[branch \"x\"]\ntask = 12345678901234567\n", "branch task: has 17 bytes");
}

/* A refused value must not lead to a second error about its default. */
static void one_mistake_is_one_error(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf report;

	(void)state;
	ff_buf_init(&report, 65536);
	assert_null(load_with("[job]\nretries = 6\nmax-retries = x\n", NULL, NULL, &report));
	assert_ptr_equal(strchr(report.data, '\n'), report.data + report.len - 1);
}

static void all_errors_are_reported(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf report;
	const char *const flags[] = { "novalue", ".a.b=1", "include.path=x", "server.workers", NULL };
	char *const env[] = { (char *)(uintptr_t)"FLOWFORGE_SERVER_WORKRS=1", NULL };
	size_t lines = 0;

	(void)state;
	ff_buf_init(&report, 65536);
	assert_null(load_with("[server\nworkers = 0\n[log]\nlevel = x\nfoo bar\njob-max = 1\n", flags, env, &report));
	for (const char *p = report.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 9);
	assert_non_null(strstr(report.data, "main.conf:1: `]` is missing"));
	assert_null(strstr(report.data, "main.conf:2")); /* nobody knows whose key that is */
	assert_non_null(strstr(report.data, "main.conf:5: `=` is missing"));
	assert_non_null(strstr(report.data, "did you mean FLOWFORGE_SERVER_WORKERS?"));
	assert_non_null(strstr(report.data, "-c: `novalue` is not of the form"));
}

/* A file of rubbish ends soon, and its report is one that can be read. */
static void errors_are_bounded(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text, report;
	size_t lines = 0;

	(void)state;
	ff_buf_init(&text, 1 << 20);
	ff_buf_init(&report, 1 << 20);
	(void)ff_buf_adds(&text, "[server]\n");
	while (text.len < 1000000)
		(void)ff_buf_adds(&text, "nothing-of-the-kind-is-known = 1\n");
	assert_null(load_with(text.data, NULL, NULL, &report));
	for (const char *p = report.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 101);
	assert_true(ff_ends(report.data, "there are more errors; mend these first\n"));
}

static void lists_are_bounded(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf many, large;

	(void)state;
	ff_buf_init(&many, 1 << 20);
	ff_buf_init(&large, 1 << 20);
	(void)ff_buf_adds(&many, "[trigger]\n");
	(void)ff_buf_adds(&large, "[trigger]\n");
	for (int i = 0; i < 1001; i++)
		(void)ff_buf_addf(&many, "ignore-pusher = %d\n", i);
	for (int i = 0; i < 65; i++)
		(void)ff_buf_addf(&large, "ignore-pusher = %01023d\n", i);
	refused(many.data, "main.conf:1002: trigger.ignore-pusher: has more than 1000 values");
	refused(large.data, "main.conf:66: trigger.ignore-pusher: has more than 65536 bytes in all");
}

static void files_must_be_regular_and_small(void **state)
{
	FF_AUTO(ff_free) char *fifo = ff_path_join(dir, "fifo");
	FF_AUTO(ff_free) char *large = ff_calloc(1, 1048576 + 2);
	FF_AUTO(ff_free) char *path = NULL;
	struct ff_conf_source from = { .file = fifo };
	struct ff_conf *c = NULL;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(ff_conf_load(&from, &c, NULL, &err), -1);
	assert_non_null(strstr(err.text, "not a regular file"));
	from.file = dir;
	assert_int_equal(ff_conf_load(&from, &c, NULL, &err), -1);
	assert_non_null(strstr(err.text, "not a regular file"));
	memset(large, '\n', 1048576 + 1);
	path = put("large.conf", large);
	from.file = path;
	assert_int_equal(ff_conf_load(&from, &c, NULL, &err), -1);
	assert_int_equal(err.code, FF_E_TOO_LARGE);
	from.file = "/nowhere/at/all.conf";
	assert_int_equal(ff_conf_load(&from, &c, NULL, &err), -1);
	assert_int_equal(err.code, FF_E_NOT_FOUND);
	assert_null(c);
}

static void print_shows_origins(void **state)
{
	const char *const flags[] = { "server.workers=5", NULL };
	FF_AUTO(ff_conf_free) struct ff_conf *c = load_with("[agent]\nsystem = \"a\\nb\"\n", flags, NULL, NULL);
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	size_t lines = 0;

	(void)state;
	assert_non_null(c);
	ff_buf_init(&out, 65536);
	ff_conf_print(c, &out);
	assert_non_null(strstr(out.data, "server.workers = 5  # -c\n"));
	assert_non_null(strstr(out.data, "server.readers = 8  # default\n"));
	assert_non_null(strstr(out.data, "agent.system = a\\nb  # "));
	assert_non_null(strstr(out.data, "main.conf:2\n"));
	for (const char *p = out.data; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, FF_CONF_KEYS);
}

static void hook_conf_is_flat(void **state)
{
	FF_AUTO(ff_conf_free) struct ff_conf *c = load(
		"[server]\nstate-dir = /s d\nrun-dir = /r/\n[trigger]\nrefs = refs/heads/a/*\nrefs = refs/heads/b/*\n"
		"options = off\nignore-pusher = bot\n[hook]\npusher-variable = WHO\nmax-task = 1k\n");
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	(void)state;
	ff_buf_init(&out, 65536);
	ff_conf_write_hook_conf(c, &out);
	assert_string_equal(out.data,
		"socket /r/hook.sock\nspool /s d/spool\ntrigger refs/heads/a/*\ntrigger refs/heads/b/*\n"
		"options no\nignore bot\ndrift yes\nresult-prefix claude-results/\nconflict-prefix claude-conflicts/\n"
		"pusher-variable WHO\ntimeout-ms 1500\nanswer-ms 300\nmax-options 64\nmax-task 1024\n"
		"max-value 1024\nmax-refs 500\nmax-message 262144\n");
	assert_int_equal(FF_IPC_LINE_MAX, 262144);
	ff_conf_free(&c);
	ff_buf_clear(&out);
	c = load("");
	ff_conf_write_hook_conf(c, &out);
	assert_null(strstr(out.data, "pusher-variable"));
	assert_null(strstr(out.data, "ignore"));
	assert_int_equal(ff_conf_option_limits(c).max_task_bytes, 32768);
}

static void written_text(const struct ff_conf *c, struct ff_buf *out)
{
	ff_buf_clear(out);
	ff_conf_write(c, out);
	assert_false(out->overflow);
}

static void what_is_written_loads_to_the_same(void **state)
{
	const char *const flags[] = { "agent.system= # a\\ \"b\"\n\tc;d ", "trigger.ignore-pusher=a;b", NULL };
	FF_AUTO(ff_conf_free) struct ff_conf *c = load_with(
		"[trigger]\nrefs = refs/heads/a/*\nrefs = refs/heads/b/*\n[server]\nworkers = 7\n"
		"[sandbox]\nread-only = /opt\nread-only =\n"
		"[branch \"z\\\\\\\"/*\"]\ntask = \"x\\ny\"\n[branch \"a/*\"]\ntarget = t\n"
		"[repository \"x\\\\y\"]\njob-usd = 1.5\n[destination \"d\"]\nurl = https://x\n"
		"[environment \"e\"]\nvariable = A= b \nvariable = \"B=\\\"\\n\"\n[environment \"none\"]\n",
		flags, NULL, NULL);
	FF_AUTO(ff_conf_free) struct ff_conf *again = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf first, second;

	(void)state;
	assert_non_null(c);
	ff_buf_init(&first, FF_CONF_TEXT_MAX);
	ff_buf_init(&second, FF_CONF_TEXT_MAX);
	written_text(c, &first);
	again = load(first.data);
	written_text(again, &second);
	assert_string_equal(first.data, second.data);
	assert_string_equal(ff_conf_str(again, FF_CONF_AGENT_SYSTEM), " # a\\ \"b\"\n\tc;d ");
	assert_int_equal(ff_conf_int(again, FF_CONF_SERVER_WORKERS), 7);
	assert_string_equal(ff_conf_list(again, FF_CONF_TRIGGER_REFS)[1], "refs/heads/b/*");
	assert_null(ff_conf_list(again, FF_CONF_TRIGGER_REFS)[2]);
	assert_null(ff_conf_list(again, FF_CONF_SANDBOX_READ_ONLY)[0]);
	assert_string_equal(ff_conf_branch(again, "refs/heads/z\\\"/1", "task"), "x\ny");
	assert_string_equal(ff_conf_environment(again, "e")[1], "B=\"\n");
	assert_null(ff_conf_environment(again, "none")[0]);
}

static void reload_keeps_what_needs_a_restart(void **state)
{
	FF_AUTO(ff_conf_free) struct ff_conf *old = load("[server]\nstate-dir = /a\nworkers = 1\n");
	FF_AUTO(ff_free) char *path = put("new.conf", "[server]\nstate-dir = /b\nrun-dir = /r\nworkers = 2\n");
	FF_AUTO(ff_free) char *loop = put("loop.conf", "[trigger]\nrefs = refs/heads/claude-results/*\n"
					  "[publish]\nresult-prefix = done/\n");
	struct ff_conf_source from = { .file = path };
	FF_AUTO(ff_conf_free) struct ff_conf *c = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf held;
	struct ff_err err = { 0 };

	(void)state;
	ff_buf_init(&held, 1024);
	assert_int_equal(ff_conf_reload(old, &from, &c, &held, NULL, &err), 0);
	assert_string_equal(held.data, "server.state-dir server.run-dir");
	assert_string_equal(ff_conf_str(c, FF_CONF_SERVER_STATE_DIR), "/a");
	assert_string_equal(ff_conf_str(c, FF_CONF_SERVER_RUN_DIR), FF_DEFAULT_RUN_DIR);
	assert_int_equal(ff_conf_int(c, FF_CONF_SERVER_WORKERS), 2);
	ff_conf_free(&c);
	/* Good after a restart; now it would start jobs by the results that still have the old name. */
	from.file = loop;
	assert_int_equal(ff_conf_reload(old, &from, &c, NULL, NULL, &err), -1);
	assert_null(c);
	assert_non_null(strstr(err.text, "restart to take this over"));
	from.file = "/nowhere/at/all.conf";
	assert_int_equal(ff_conf_reload(old, &from, &c, NULL, NULL, &err), -1);
}

/* ------------------------------------------------------ syntax, against git */

struct listing {
	struct ff_buf out; /* as git config --list -z prints it */
	unsigned errors;
};

static void list_entry(void *arg, const struct ff_conf_entry *e)
{
	struct listing *l = arg;

	if (!e->key)
		return;
	(void)ff_buf_adds(&l->out, e->section);
	if (e->subsection)
		(void)ff_buf_addf(&l->out, ".%s", e->subsection);
	(void)ff_buf_addf(&l->out, ".%s", e->key);
	if (e->value)
		(void)ff_buf_addf(&l->out, "\n%s", e->value);
	(void)ff_buf_addc(&l->out, '\0');
}

static void list_error(void *arg, unsigned line, const char *text)
{
	struct listing *l = arg;

	assert_true(line > 0 && text[0]);
	l->errors++;
}

/* What git says; -1 when it refuses the file or is not there. */
static int git_list(const char *path, struct ff_buf *out)
{
	const char *const argv[] = { "env", "git", "config", "-f", path, "--no-includes", "--list", "-z", NULL };
	const char *const envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", NULL };
	FF_AUTO(ff_free) char *to = ff_path_join(dir, "listed");
	int fd = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct ff_spawn what = { .path = "/usr/bin/env", .argv = (char *const *)(uintptr_t)argv,
				 .envp = (char *const *)(uintptr_t)envp,
				 .fd_in = -1, .fd_out = fd, .fd_err = null, .fd_3 = -1 };
	pid_t pid;
	int status;

	assert_int_equal(ff_spawn(&what, &pid, NULL), 0);
	status = ff_wait(pid);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(ff_fd_read_all(fd, out, NULL), 0);
	ff_close(&fd);
	ff_close(&null);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		skip(); /* no git here */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void compare(const char *text, size_t len)
{
	FF_AUTO(ff_free) char *path = ff_path_join(dir, "compared");
	struct listing ours = { .errors = 0 };
	struct ff_conf_reader reader = { list_entry, list_error, &ours };
	FF_AUTO(ff_buf_fini) struct ff_buf gits;
	int rc;

	ff_buf_init(&ours.out, 1 << 20);
	ff_buf_init(&gits, 1 << 20);
	assert_int_equal(ff_file_write(path, text, len, 0600, NULL), 0);
	ff_conf_syntax_read(text, len, &reader);
	rc = git_list(path, &gits);
	if ((rc < 0) != (ours.errors > 0))
		fail_msg("git %s what we %s:\n%s", rc < 0 ? "refuses" : "reads",
			 ours.errors ? "refuse" : "read", text);
	if (rc == 0 && (gits.len != ours.out.len || memcmp(gits.data, ours.out.data, gits.len)))
		fail_msg("read in another way than git reads it:\n%s\ngit: %s\nwe: %s", text, gits.data, ours.out.data);
	ff_buf_fini(&ours.out);
}

static void syntax_is_gits(void **state)
{
	static const char *const texts[] = {
		"", "\n\n", "[a]", "[a]\n", "[a]b=c", "[a] b = c # x\n[A]\n B=d ; y\n",
		"\xef\xbb\xbf[a]\nb = c\n", "[a]\r\nb = c\r\n",
		"[a \"x y\"]\nb = 1\n", "[a \"x\\\"y\\\\z\\n\"]\nb = 1\n", "[A.SubX]\nb = 1\n", "[a.b \"C\"]\nd=1\n",
		"[a   \"x\"]\nb = 1\n", "[a-1]\nb-2 = 1\n", "[a \"\"]\nb = 1\n",
		"[a]\nb\nc\n d \n", "[a]\nb =\nc = \"\"\n", "[a]\nb = \"x # y\" # z\n", "[a]\nb = x\"y  z\"w  \n",
		"[a]\nb = x  y   z\n", "[a]\nb = x \\\n  y\n", "[a]\nb = x\\\ny\n", "[a]\nb = \"x\\\n  y\"\n",
		"[a]\nb = \\t\\n\\\\\\\"\\b\n", "[a]\nb = x \\\n", "[a]\nb = x\\", "[a]\n# c\n; d\n  # e\nb=c",
		"[a]\nb = c ; \\\nd = e\n", "[a]\nb = \" x \"\n", "[a]\nb = ' x '\n", "[a]\nb==c=d\n",
		"[a]\nb\t=\tc\n", "[a][b]\nc = 1\n", "[a] # x\nb = 1\n", "[a]\nb = c[d]\n", "[a]\nb = \xc3\xa4\xff\n",
		/* refused by both */
		"[a", "[a\nb=c\n", "[]\nb=1\n", "[a]\nb = \"x\n", "[a]\nb = \\x\n", "[a]\n1b = c\n", "[a]\nb c = d\n",
		"[a]\nb # c\n", "[a \"x\"\n", "[a \"x]\nb=1\n", "[a x]\nb=1\n", "[a_b]\nc=1\n", "[a]\n_b = 1\n",
		"[a \"x\" ]\nb=1\n", "[a]\nb_c = 1\n", "[a] ]\n", "[a \"x\\\n\"]\nb=1\n", "[a]\nb = \"x\\\n\ny\"\n",
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(texts); i++)
		compare(texts[i], strlen(texts[i]));
}

/* Texts put together by chance from the pieces that matter; the same every run. */
static void syntax_is_gits_in_random_files(void **state)
{
	static const char *const pieces[] = { "[a]", "[b \"c\"]", "\n", "k", " = ", "=", "v", " ", "\"", "\\", "\\\n",
					      "#", ";", "\\n", "\\\"", "x y", "\r\n", "]", "[", ".", "-" };
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 150; round++) {
		FF_AUTO(ff_buf_fini) struct ff_buf text;

		ff_buf_init(&text, 4096);
		(void)ff_buf_adds(&text, "[s]\nk=");
		for (int i = 0; i < 8; i++) {
			seed = seed * 1103515245u + 12345u;
			(void)ff_buf_adds(&text, pieces[(seed >> 16) % FF_ARRAY_LEN(pieces)]);
		}
		compare(text.data, text.len);
	}
}

static void syntax_refuses_what_git_lets_pass(void **state)
{
	(void)state;
	refused("k = v\n", "main.conf:1: this key stands before the first [section]");
	refused("[.x]\nk = v\n", "this section has no name");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(defaults_hold_without_a_file),
		T(later_sources_win),
		T(lists_add_up_and_are_cleared),
		T(branches_are_matched_in_order),
		T(environments_are_named),
		T(errors_say_where_and_what),
		T(values_are_checked_for_their_use),
		T(money_and_sections_with_types),
		T(values_are_checked_against_each_other),
		T(one_mistake_is_one_error),
		T(all_errors_are_reported),
		T(errors_are_bounded),
		T(lists_are_bounded),
		T(files_must_be_regular_and_small),
		T(print_shows_origins),
		T(hook_conf_is_flat),
		T(what_is_written_loads_to_the_same),
		T(reload_keeps_what_needs_a_restart),
		T(syntax_is_gits),
		T(syntax_is_gits_in_random_files),
		T(syntax_refuses_what_git_lets_pass),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
