/* SPDX-License-Identifier: MIT */
/*
 * The builtin agent through the real gateway, with tools of the test's own:
 * a task done, every way to stop, and above all going on after a crash with
 * nothing paid for or run twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "conf/conf.h"
#include "daemon/sandbox/tools.h"
#include "daemon/worker/agent.h"
#include "tests/lib/gateway-world.h"

static const char scenario[] =
"{\"rules\":["
"{\"name\":\"work-3\",\"match\":{\"first_user\":\"work\",\"min_messages\":5},\"sequence\":[{\"text\":\"Say it twice\\nbecause it is done.\"}]},"
"{\"name\":\"work-2\",\"match\":{\"first_user\":\"work\",\"min_messages\":3},\"sequence\":[{\"content\":[{\"thinking\":\"what next\"},"
"{\"tool_use\":{\"id\":\"c\",\"name\":\"edit\",\"input\":{\"command\":\"str_replace\",\"path\":\"f\",\"old_str\":\"a\",\"new_str\":\"b\"}}}]}]},"
"{\"name\":\"work-1\",\"match\":{\"first_user\":\"work\"},\"sequence\":[{\"content\":[{\"text\":\"I look around.\"},"
"{\"tool_use\":{\"id\":\"a\",\"name\":\"bash\",\"input\":{\"command\":\"ls\"}}},"
"{\"tool_use\":{\"id\":\"b\",\"name\":\"bash\",\"input\":{\"command\":\"false\",\"timeout_s\":3}}}]}]},"
"{\"name\":\"refuse\",\"match\":{\"first_user\":\"refuse\"},\"sequence\":[{\"text\":\"I will not.\",\"stop_reason\":\"refusal\"}]},"
"{\"name\":\"cut\",\"match\":{\"first_user\":\"cut\"},\"sequence\":[{\"content\":[{\"text\":\"part\"},"
"{\"tool_use\":{\"name\":\"bash\",\"input\":{\"command\":\"never\"}}}],\"stop_reason\":\"max_tokens\"}]},"
"{\"name\":\"endless\",\"match\":{\"first_user\":\"endless\"},\"sequence\":[{\"tool_use\":{\"name\":\"bash\",\"input\":{\"command\":\"again\"}}}]},"
"{\"name\":\"paused\",\"match\":{\"first_user\":\"paused\"},\"sequence\":[{\"text\":\"p\",\"stop_reason\":\"pause_turn\"},{\"text\":\"went on\"}]},"
"{\"name\":\"limited\",\"match\":{\"first_user\":\"limited\"},\"sequence\":[{\"error\":{\"status\":429},\"headers\":{\"x-should-retry\":\"false\"}}]},"
"{\"name\":\"busy\",\"match\":{\"first_user\":\"busy\",\"model\":\"sonnet\"},\"sequence\":[{\"error\":{\"status\":529},\"headers\":{\"x-should-retry\":\"false\"}}]},"
"{\"name\":\"free\",\"match\":{\"first_user\":\"busy\",\"model\":\"haiku\"},\"sequence\":[{\"text\":\"p\",\"stop_reason\":\"pause_turn\"},{\"text\":\"by the other one\"}]},"
"{\"name\":\"shaky\",\"match\":{\"first_user\":\"shaky\"},\"sequence\":[{\"error\":{\"status\":529}},{\"text\":\"steady\"}]},"
"{\"name\":\"bad\",\"match\":{\"first_user\":\"bad\"},\"sequence\":[{\"error\":{\"status\":400}}]}"
"]}";

static struct seen {
	struct ff_buf log, tools, events;
	int calls, fail_at; /* the call that fails as if the sandbox broke: 0: none */
	bool again;
} seen;

static int fake(const char *what, const char *out, struct ff_tools_result *r, struct ff_err *err)
{
	if (++seen.calls == seen.fail_at)
		return ff_err_set(err, FF_E_CONTAINER_START_FAILED, "the test breaks the sandbox");
	(void)ff_buf_addf(&seen.tools, "%s;", what);
	*r = (struct ff_tools_result){ .text = ff_strdup(out), .is_error = !strcmp(what, "false"), .exit_status = !strcmp(what, "false") };
	return 0;
}

int ff_tools_bash(const struct ff_tools *tools, const char *command, int64_t timeout_ms, struct ff_tools_result *ret, struct ff_err *err)
{
	(void)tools;
	assert_true(timeout_ms == 0 || timeout_ms == 3000);
	return fake(command, "out\x1b[31m\n", ret, err);
}

int ff_tools_edit(const struct ff_tools *tools, const struct ff_edit *edit, struct ff_tools_result *ret, struct ff_err *err)
{
	(void)tools;
	assert_int_equal(edit->command, FF_EDIT_REPLACE);
	assert_string_equal(edit->old_text, "a");
	assert_string_equal(edit->text, "b");
	seen.again = edit->again;
	return fake("edit", "done", ret, err);
}

void ff_tools_result_fini(struct ff_tools_result *r)
{
	ff_free(&r->text);
}

static void on_log(void *arg, const char *stream, const char *text)
{
	(void)arg;
	(void)ff_buf_addf(&seen.log, "%s: %s\n", stream, text);
}

static void on_event(void *arg, const char *name, const char *text)
{
	(void)arg, (void)text;
	(void)ff_buf_addf(&seen.events, "%s\n", name);
}

static int not_stopped(void *arg, struct ff_err *err)
{
	(void)arg, (void)err;
	return 0;
}

static int is_stopped(void *arg, struct ff_err *err)
{
	(void)arg;
	return ff_err_set(err, FF_E_CANCELLED, "cancelled by the test");
}

static void forget(void)
{
	ff_buf_clear(&seen.log);
	ff_buf_clear(&seen.tools);
	ff_buf_clear(&seen.events);
	seen.calls = seen.fail_at = 0;
}

static int run_as(const char *task, int (*stopped)(void *, struct ff_err *), struct ff_agent_result *r, struct ff_err *err)
{
	FF_AUTO(ff_conf_free) struct ff_conf *conf = NULL;
	FF_AUTO(ff_free) char *dir = world_path(WORLD_STATE "/jobs/1"), *file = world_path("ff.conf");
	const char *settings[] = { "agent.max-turns=6", "agent.fallback-model=claude-haiku-5-5", NULL };
	const struct ff_conf_source from = { .file = file, .settings = settings };
	const struct ff_tools *tools = NULL;
	struct ff_agent_run run = { .job = 1, .attempt = 1, .task = task, .source_name = "claude/x", .target = "main", .job_dir = dir,
		.gateway_socket = w.sock, .gateway_token = WORLD_TOKEN, .tools = tools, .deadline_ms = ff_clock_mono() + WORLD_DEADLINE_MS,
		.log = on_log, .event = on_event, .stopped = stopped };

	assert_int_equal(ff_conf_load(&from, &conf, NULL, err), 0);
	run.conf = conf;
	return ff_agent_builtin(&run, r, err);
}

static int run(const char *task, struct ff_agent_result *r, struct ff_err *err)
{
	return run_as(task, not_stopped, r, err);
}

static void test_goes_on_after_a_crash(void **state)
{
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result r = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	/* First run: dies at the third call, the edit. */
	seen.fail_at = 3;
	assert_int_equal(run("work", &r, &err), -1);
	assert_int_equal(err.code, FF_E_CONTAINER_START_FAILED);
	assert_string_equal(seen.tools.data, "ls;false;");
	assert_non_null(strstr(seen.log.data, "agent: I look around.\n"));
	assert_non_null(strstr(seen.log.data, "tool: $ ls\n"));
	assert_null(strchr(seen.log.data, 0x1b));
	forget();
	/* Second run: what was paid for and done is not done again, nor told again. */
	assert_int_equal(run("work", &r, &err), 0);
	assert_string_equal(seen.tools.data, "edit;");
	assert_true(seen.again);
	assert_null(strstr(seen.log.data, "I look around"));
	assert_non_null(strstr(seen.log.data, "agent: Say it twice\nagent: because it is done.\n"));
	assert_string_equal(r.final_words, "Say it twice\nbecause it is done.");
	assert_int_equal(r.turns, 3);
	assert_int_equal(world_asked("work-1"), 1);
	assert_int_equal(world_asked("work-2"), 1);
	assert_int_equal(world_asked("work-3"), 1);
	ff_agent_result_fini(&r);
	forget();
	/* Third run: the job was done, but nobody had heard of it. */
	assert_int_equal(run("work", &r, &err), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(seen.log.len, 0);
	assert_int_equal(world_asked("work-3"), 1);
}

static void test_half_a_line_of_the_record(void **state)
{
	FF_AUTO(ff_free) char *path = world_path(WORLD_STATE "/jobs/1/tools.jsonl");
	FF_AUTO(ff_free) char *text = world_get(path);
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result r = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	forget();
	assert_int_equal(truncate(path, (off_t)strlen(text) - 3), 0); /* as a power cut leaves it */
	assert_int_equal(run("work", &r, &err), 0);
	assert_string_equal(seen.tools.data, "edit;");
	ff_agent_result_fini(&r);
	forget();
	assert_int_equal(run("work", &r, &err), 0);
	assert_int_equal(seen.calls, 0);
}

static void fails(const char *task, enum ff_err_code code, const char *text)
{
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result r = { 0 };
	struct ff_err err = { 0 };

	forget();
	assert_int_equal(run(task, &r, &err), -1);
	if (!strstr(err.text, text))
		print_message("# wanted `%s`, got %s: %s\n", text, ff_err_name(err.code), err.text);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, text));
	assert_null(r.final_words);
}

static void test_failures(void **state)
{
	(void)state;
	fails("refuse", FF_E_MODEL_REFUSED, "I will not.");
	fails("cut", FF_E_AGENT_FAILED, "agent.answer-tokens");
	assert_int_equal(seen.calls, 0); /* a call out of a cut answer is never made */
	fails("endless", FF_E_AGENT_FAILED, "agent.max-turns");
	assert_int_equal(world_asked("endless"), 6);
	fails("bad", FF_E_MODEL_REFUSED, "400");
	assert_int_equal(world_asked("bad"), 1);
	/* A wait this long is left to the queue. */
	fails("limited", FF_E_RATE_LIMIT, "429");
	assert_int_equal(world_asked("limited"), 1);
	assert_non_null(strstr(seen.events.data, "rate_limit.exceeded\n"));
}

static void test_tries_again(void **state)
{
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result r = { 0 };
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result p = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(run("shaky", &r, &err), 0);
	assert_string_equal(r.final_words, "steady");
	assert_int_equal(world_asked("shaky"), 2);
	assert_int_equal(run("paused", &p, &err), 0);
	assert_string_equal(p.final_words, "went on");
	assert_int_equal(p.turns, 2);
}

/* An overloaded model: the rest of the job is the other one's, also when it is gone through again. */
static void test_falls_back(void **state)
{
	FF_AUTO(ff_free) char *file = world_path(WORLD_STATE "/jobs/1/fallback");
	struct ff_agent_result r = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		forget();
		assert_int_equal(run("busy", &r, &err), 0);
		assert_string_equal(r.final_words, "by the other one");
		assert_string_equal(r.model, "claude-haiku-5-5");
		assert_int_equal(r.turns, 2);
		ff_agent_result_fini(&r);
	}
	assert_int_equal(world_asked("busy"), 1);
	assert_int_equal(world_asked("free"), 2);
	assert_int_equal(unlink(file), 0);
}

static void test_stopped(void **state)
{
	struct ff_agent_result r = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(run_as("work on something new", is_stopped, &r, &err), -1);
	assert_int_equal(err.code, FF_E_CANCELLED);
}

static int set_up(void **state)
{
	(void)state;
	ff_buf_init(&seen.log, 1024 * 1024);
	ff_buf_init(&seen.tools, 65536);
	ff_buf_init(&seen.events, 65536);
	world_start(scenario);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ff_buf_fini(&seen.log);
	ff_buf_fini(&seen.tools);
	ff_buf_fini(&seen.events);
	return world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on_after_a_crash),
		cmocka_unit_test(test_half_a_line_of_the_record),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_tries_again),
		cmocka_unit_test(test_falls_back),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
