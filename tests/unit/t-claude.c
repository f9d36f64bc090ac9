/* SPDX-License-Identifier: MIT */
/* What the lines of Claude Code mean; the program itself is in tests/shell/t7400-claude-code.t. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/redact.h"
#include "conf/conf.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_claude.h"
#include "tests/lib/check.h"

struct world {
	struct ff_conf *conf;
	struct ff_buf log, events;
	struct ff_agent_run run;
	struct ff_claude c;
};

static void on_log(void *arg, const char *stream, const char *text)
{
	struct world *w = arg;

	(void)ff_buf_addf(&w->log, "%s|%s\n", stream, text);
}

static void on_event(void *arg, const char *name, const char *text)
{
	struct world *w = arg;

	(void)ff_buf_addf(&w->events, "%s|%s\n", name, text);
}

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);
	const char *settings[] = { NULL };
	char file[] = "/tmp/t-claude.XXXXXX";
	const struct ff_conf_source from = { .file = file, .settings = settings };
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	ff_close(&fd);
	ok(ff_conf_load(&from, &w->conf, NULL, &err));
	assert_int_equal(unlink(file), 0);
	ff_buf_init(&w->log, 65536);
	ff_buf_init(&w->events, 65536);
	w->run = (struct ff_agent_run){ .conf = w->conf, .log = on_log, .event = on_event, .arg = w };
	w->c.run = &w->run;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ff_claude_fini(&w->c);
	ff_conf_free(&w->conf);
	ff_buf_fini(&w->log);
	ff_buf_fini(&w->events);
	ff_redact_free(&w->run.redact);
	free(w);
	return 0;
}

static void line(struct world *w, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	ff_claude_line(&w->c, json_is_object(json) ? json : NULL, text);
	json_decref(json);
}

#define INIT "{\"type\":\"system\",\"subtype\":\"init\",\"model\":\"claude-x\",\"mcp_servers\":[%s],\"claude_code_version\":\"%s\"}"

static void a_whole_run(void **state)
{
	struct world *w = *state;

	line(w, "{\"type\":\"system\",\"subtype\":\"hook_started\",\"hook\":1}");
	line(w, "{\"subtype\":\"init\",\"claude_code_version\":\"2.1.329\",\"mcp_servers\":[],\"model\":\"claude-x\",\"type\":\"system\"}");
	line(w, "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"I look.\"}]}}");
	line(w, "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{\"command\":\"ls\\n\\u001b[31m\"}}]}}");
	line(w, "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"content\":\"a\\nb\",\"is_error\":true}]}}");
	line(w, "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"part\"}]}]}}");
	line(w, "{\"type\":\"assistant\",\"parent_tool_use_id\":\"t\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"I am small.\"},"
		"{\"type\":\"tool_use\",\"name\":\"Read\",\"input\":{\"file_path\":\"/ws/f\"}}]}}");
	line(w, "not JSON");
	line(w, "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":4,\"result\":\"Done: all.\"}");
	assert_string_equal(w->log.data,
		"system|Claude Code 2.1.329, claude-x\nagent|I look.\ntool|$ ls\\n\\x1b[31m\ntool|a\ntool|b\ntool|[failed]\ntool|part\n"
		"agent|[sub-agent] I am small.\ntool|[sub-agent] Read: /ws/f\nagent|not JSON\n");
	assert_true(w->c.has_result && !w->c.is_error);
	assert_string_equal(w->c.words, "Done: all.");
	assert_int_equal(w->c.turns, 4);
	ok(ff_claude_check(&w->c, &err));
	assert_non_null(strstr(w->events.data, "job.progress|Bash ls"));
}

static void several_results(void **state)
{
	struct world *w = *state;

	line(w, "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,\"errors\":[\"first\"]}");
	assert_string_equal(w->c.words, "first");
	line(w, "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"last\",\"modelUsage\":"
		"{\"claude-small\":{\"outputTokens\":3},\"claude-large\":{\"outputTokens\":30}}}");
	assert_false(w->c.is_error);
	assert_string_equal(w->c.words, "last");
	assert_string_equal(w->c.model, "claude-large"); /* that did the most */
}

/* An API failure says "success"; what does not say is_error at all is no success. */
static void judged_by_is_error(void **state)
{
	struct world *w = *state;

	line(w, "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":529,\"result\":\"API Error: 529\"}");
	assert_true(w->c.is_error);
	assert_int_equal(w->c.api_status, 529);
	line(w, "{\"type\":\"result\",\"subtype\":\"success\",\"result\":\"x\"}");
	assert_true(w->c.is_error);
}

static void denials_retries_fallbacks(void **state)
{
	struct world *w = *state;

	line(w, "{\"type\":\"system\",\"subtype\":\"permission_denied\",\"tool_name\":\"Bash\",\"message\":\"Permission to use Bash has been denied\"}");
	line(w, "{\"type\":\"system\",\"subtype\":\"api_retry\",\"error_status\":429,\"retry_delay_ms\":3186}");
	line(w, "{\"type\":\"system\",\"subtype\":\"api_retry\",\"error_status\":null,\"retry_delay_ms\":500}");
	line(w, "{\"type\":\"system\",\"subtype\":\"model_fallback\",\"original_model\":\"a\",\"fallback_model\":\"b\"}");
	line(w, "{\"type\":\"result\",\"is_error\":false,\"result\":\"\",\"permission_denials\":[{\"tool_name\":\"Bash\"}]}");
	assert_string_equal(w->log.data,
		"tool|[denied] Permission to use Bash has been denied\nsystem|the model service answered 429; asking again in 4 s\n"
		"system|the model service answered 0; asking again in 1 s\nsystem|model: b instead of a\nsystem|1 tool calls were denied\n");
	assert_string_equal(w->events.data, "rate_limit.exceeded|the model service answered 429; asking again in 4 s\n");
	assert_int_equal(w->c.denials, 1);
}

static void stops_for_what_must_not_be(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_free) char *old = ff_asprintf(INIT, "", "2.1.196");
	FF_AUTO(ff_free) char *mcp = ff_asprintf(INIT, "{\"name\":\"trap\"}", "2.1.300");

	line(w, old);
	fails(UNSUPPORTED, "2.1.196 was not tried", ff_claude_check(&w->c, &err));
	w->c.stop = (struct ff_err){ 0 };
	line(w, mcp);
	fails(AGENT_FAILED, "MCP servers", ff_claude_check(&w->c, &err));
}

static void without_secrets(void **state)
{
	struct world *w = *state;

	w->run.redact = ff_redact_new();
	ff_redact_add(w->run.redact, "hunter2hunter2", 14);
	line(w, "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"it is hunter2hunter2\"},"
		"{\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{\"command\":\"echo hunter2hunter2\"}}]}}");
	line(w, "{\"type\":\"result\",\"is_error\":true,\"result\":\"no hunter2hunter2\"}");
	assert_null(strstr(w->log.data, "hunter2"));
	assert_string_equal(w->c.words, "no [secret]");
}

/* Whatever comes, nothing breaks. */
static void strange_lines(void **state)
{
	static const char *const strange[] = {
		"{}", "{\"type\":7}", "{\"type\":\"assistant\"}", "{\"type\":\"assistant\",\"message\":[]}",
		"{\"type\":\"assistant\",\"message\":{\"content\":\"x\"}}", "{\"type\":\"assistant\",\"message\":{\"content\":[1,null,{}]}}",
		"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\"}]}}", "{\"type\":\"user\",\"message\":{\"content\":[{}]}}",
		"{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"content\":[3]}]}}", "{\"type\":\"system\"}",
		"{\"type\":\"system\",\"subtype\":\"api_retry\",\"error_status\":\"x\"}", "{\"type\":\"result\",\"modelUsage\":{\"m\":3}}",
		"{\"type\":\"result\",\"is_error\":\"no\",\"result\":5,\"errors\":{},\"permission_denials\":7}", "[1]", "",
	};
	struct world *w = *state;

	for (size_t i = 0; i < FF_ARRAY_LEN(strange); i++)
		line(w, strange[i]);
	assert_true(w->c.is_error);
}

static void versions(void **state)
{
	(void)state;
	assert_true(ff_version_in("2.1.197", "2.1.197 2.1.329"));
	assert_true(ff_version_in("2.1.329", "2.1.197 2.1.329"));
	assert_true(ff_version_in("2.2.0", "2.1.197 3.0.0"));
	assert_false(ff_version_in("2.1.330", "2.1.197 2.1.329"));
	assert_false(ff_version_in("2.1.196", "2.1.197 2.1.329"));
	assert_false(ff_version_in("2.10.200", "2.1.197 2.1.329"));
	assert_false(ff_version_in("2.1.200-beta", "2.1.197 2.1.329"));
	assert_false(ff_version_in("2.1", "2.1.197 2.1.329"));
	assert_false(ff_version_in("", "2.1.197 2.1.329"));
	assert_false(ff_version_in("2.1.99999999999999999999", "2.1.197 2.1.329"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_results, set_up, tear_down),
		cmocka_unit_test_setup_teardown(judged_by_is_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(denials_retries_fallbacks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stops_for_what_must_not_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_secrets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strange_lines, set_up, tear_down),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests_name("claude", tests, NULL, NULL);
}
