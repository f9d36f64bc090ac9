/* SPDX-License-Identifier: MIT */
/* Shapes of requests by which a job could have the provider's machines fetch or run something, and their harmless likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "daemon/gateway/policy.h"

#define MSG(content) "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"
#define TOOLS(tools) "{\"model\":\"m\",\"messages\":[],\"tools\":" tools "}"
#define TOOL(type) TOOLS("[{\"name\":\"x\",\"type\":" type "}]")
#define ROOT(more) "{\"model\":\"m\",\"messages\":[]," more "}"
#define IMAGE(source) MSG("[{\"type\":\"image\",\"source\":" source "}]")
#define RESULT(block) MSG("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[" block "]}]")

static const struct { const char *body; unsigned allow; /* what lets it through; 0: nothing does */ } refused[] = {
	/* tools of the provider, and whatever is new */
	{ TOOL("\"web_search_20250305\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"web_fetch_20250910\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"code_execution_20250825\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"tool_search_tool_regex_20251119\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"advisor_20270101\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"mcp_toolset\""), FF_ALLOW_MCP },
	{ TOOL("\"web\\u005fsearch_20250305\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"WEB_SEARCH_20250305\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"Custom\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"custom_search\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\" bash_20250124\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("\"\""), FF_ALLOW_SERVER_TOOLS },
	{ TOOL("null"), 0 }, { TOOL("[\"web_search_20250305\"]"), 0 }, { TOOL("{\"a\":1}"), 0 }, { TOOL("7"), 0 },
	{ TOOLS("[{\"name\":\"a\"},{\"name\":\"x\",\"type\":\"web_search_20250305\"}]"), FF_ALLOW_SERVER_TOOLS },
	{ TOOLS("{\"0\":{\"type\":\"web_search_20250305\"}}"), 0 }, { TOOLS("\"web_search_20250305\""), 0 },
	{ TOOLS("[[{\"type\":\"web_search_20250305\"}]]"), 0 }, { TOOLS("[\"web_search_20250305\"]"), 0 },
	{ TOOLS("[{\"Type\":\"web_search_20250305\",\"name\":\"x\"}]"), 0 },
	{ "{\"Tools\":[{\"type\":\"web_search_20250305\"}],\"messages\":[]}", 0 },
	{ "{\"tools\":[],\"\\u0074ools\":[{\"type\":\"web_search_20250305\"}],\"messages\":[]}", 0 },
	{ "{\"tools\":[{\"type\":\"web_search_20250305\"}],\"tools\":[],\"messages\":[]}", 0 },
	{ TOOLS("[{\"name\":\"x\",\"type\":\"web_search_20250305\",\"type\":\"custom\"}]"), 0 },
	{ TOOLS("[{\"name\":\"x\",\"type\":\"custom\",\"t\\u0079pe\":\"web_search_20250305\"}]"), 0 },
	/* other servers, containers */
	{ ROOT("\"mcp_servers\":[{\"type\":\"url\",\"url\":\"https://x\",\"name\":\"x\"}]"), FF_ALLOW_MCP },
	{ ROOT("\"mcp_servers\":{\"url\":\"https://x\"}"), FF_ALLOW_MCP },
	{ ROOT("\"mcp_servers\":\"https://x\""), FF_ALLOW_MCP },
	{ ROOT("\"mcp\\u005fservers\":[{\"url\":\"https://x\"}]"), FF_ALLOW_MCP },
	{ ROOT("\"MCP_Servers\":[{\"url\":\"https://x\"}]"), 0 },
	{ ROOT("\"mcp_servers\":[],\"mcp_servers\":[{\"url\":\"https://x\"}]"), 0 },
	{ ROOT("\"container\":\"c_1\""), FF_ALLOW_CONTAINERS },
	{ ROOT("\"container\":{\"id\":\"c_1\",\"skills\":[]}"), FF_ALLOW_CONTAINERS },
	{ ROOT("\"container\":{}"), FF_ALLOW_CONTAINERS }, { ROOT("\"container\":\"\""), FF_ALLOW_CONTAINERS },
	{ ROOT("\"\\u0063ontainer\":\"c\""), FF_ALLOW_CONTAINERS }, { ROOT("\"Container\":\"c\""), 0 },
	{ MSG("[{\"type\":\"container_upload\",\"file_id\":\"f\"}]"), FF_ALLOW_CONTAINERS | FF_ALLOW_FILES },
	/* sources */
	{ IMAGE("{\"type\":\"url\",\"url\":\"http://169.254.169.254/\"}"), FF_ALLOW_URLS },
	{ IMAGE("{\"type\":\"file\",\"file_id\":\"f\"}"), FF_ALLOW_FILES },
	{ IMAGE("{\"type\":\"\\u0075rl\",\"url\":\"http://x\"}"), FF_ALLOW_URLS },
	{ IMAGE("{\"type\":\"URL\",\"url\":\"http://x\"}"), 0 }, { IMAGE("{\"type\":\"Base64\",\"data\":\"\"}"), 0 },
	{ IMAGE("{\"type\":\"base64\",\"data\":\"\",\"url\":\"http://x\"}"), FF_ALLOW_URLS },
	{ IMAGE("{\"type\":\"base64\",\"data\":\"\",\"file_id\":\"f\"}"), FF_ALLOW_FILES },
	{ IMAGE("{\"type\":\"base64\",\"type\":\"url\",\"url\":\"http://x\"}"), 0 },
	{ IMAGE("{\"url\":\"http://x\"}"), 0 }, { IMAGE("{\"type\":\"s3\",\"uri\":\"s3://x\"}"), 0 }, { IMAGE("{\"type\":7}"), 0 },
	{ IMAGE("{}"), 0 }, { IMAGE("[{\"type\":\"url\",\"url\":\"http://x\"}]"), 0 },
	{ MSG("[{\"type\":\"image\",\"Source\":{\"type\":\"url\",\"url\":\"http://x\"}}]"), 0 },
	{ MSG("[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"\"},\"s\\u006furce\":{\"type\":\"url\"}}]"), 0 },
	{ MSG("[{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]"), FF_ALLOW_URLS },
	{ MSG("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}"), FF_ALLOW_URLS },
	{ RESULT("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}"), FF_ALLOW_URLS },
	{ RESULT("{\"type\":\"document\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"), FF_ALLOW_FILES },
	{ RESULT("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"url\","
		 "\"url\":\"http://x\"}}]}}"), FF_ALLOW_URLS },
	{ MSG("[{\"type\":\"new_block\",\"parts\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]}]"), FF_ALLOW_URLS },
	{ MSG("[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{},\"extra\":{\"source\":{\"type\":\"url\",\"url\":\"x\"}}}]"), FF_ALLOW_URLS },
	{ MSG("[[[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]]]"), FF_ALLOW_URLS },
	{ "{\"system\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}],\"messages\":[]}", FF_ALLOW_URLS },
	{ "{\"messages\":{\"0\":{\"content\":[{\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]}}}", FF_ALLOW_URLS },
	{ "{\"messages\":[{\"role\":\"system\",\"content\":[{\"source\":{\"type\":\"url\",\"url\":\"http://x\"}}]}]}", FF_ALLOW_URLS },
	{ MSG("[{\"type\":\"bash_code_execution_tool_result\",\"content\":{\"content\":[{\"file_id\":\"f\"}]}}]"), FF_ALLOW_FILES },
	/* what we would count otherwise than the service */
	{ ROOT("\"max_tokens\":64000.0"), 0 }, { ROOT("\"max_tokens\":6e4"), 0 }, { ROOT("\"max_tokens\":\"64000\""), 0 },
	{ ROOT("\"max_tokens\":-1"), 0 }, { ROOT("\"max_tokens\":null"), 0 }, { ROOT("\"Max_Tokens\":64000"), 0 },
	{ ROOT("\"max_tokens\":9,\"max_token\\u0073\":64000"), 0 }, { ROOT("\"max_tokens\":99999999999999999999"), 0 },
	{ ROOT("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":\"64000\"}"), 0 },
	{ ROOT("\"thinking\":{\"type\":\"enabled\",\"Budget_tokens\":64000}"), 0 },
	{ "{\"model\":[\"m\"]}", 0 }, { "{\"model\":null}", 0 }, { "{\"model\":\"claude\\u0000x\"}", 0 }, { "{\"model\":\"a b\"}", 0 },
	/* dearer than the list */
	{ ROOT("\"speed\":\"fast\""), FF_ALLOW_SURCHARGES }, { ROOT("\"speed\":\"Standard\""), FF_ALLOW_SURCHARGES },
	{ ROOT("\"speed\":1"), FF_ALLOW_SURCHARGES }, { ROOT("\"Speed\":\"fast\""), 0 },
	{ ROOT("\"service_tier\":\"priority\""), FF_ALLOW_SURCHARGES }, { ROOT("\"inference_geo\":\"us\""), FF_ALLOW_SURCHARGES },
	/* not JSON, or more than it */
	{ "", 0 }, { "[]", 0 }, { "null", 0 }, { "{} {\"mcp_servers\":[1]}", 0 }, { "{\"a\":\"\xff\"}", 0 }, { "\xef\xbb\xbf{}", 0 },
	{ "{\"a\":1,\"a\":1}", 0 }, { "{\"mcp_servers\\u0000\":[1]}", 0 }, { "{'mcp_servers':[1]}", 0 }, { "{\"a\":1,}", 0 },
};

static const char *const harmless[] = {
	"{}", MSG("\"text\""), MSG("[{\"type\":\"text\",\"text\":\"see http://x and {\\\"type\\\":\\\"url\\\"}\"}]"),
	TOOLS("[]"), TOOLS("null"), TOOLS("[{\"name\":\"Bash\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"url\":{\"type\":\"string\"}}}}]"),
	TOOL("\"custom\""), TOOL("\"bash_20250124\""), TOOL("\"text_editor_20250728\""), TOOL("\"memory_20250818\""),
	ROOT("\"mcp_servers\":[]"), ROOT("\"mcp_servers\":null"), ROOT("\"container\":null"),
	IMAGE("{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"AA==\"}"),
	MSG("[{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"x\"}}]"),
	MSG("[{\"type\":\"search_result\",\"source\":\"https://x\",\"title\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]"),
	MSG("[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"source\":{\"type\":\"url\",\"url\":\"http://x\"},\"file_id\":\"f\"}}]"),
	RESULT("{\"type\":\"text\",\"text\":\"x\"}"), MSG("[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"s\"}]"),
	ROOT("\"speed\":\"standard\",\"service_tier\":\"auto\",\"inference_geo\":null"), ROOT("\"max_tokens\":64000"),
	ROOT("\"thinking\":{\"type\":\"adaptive\"}"), ROOT("\"thinking\":null"),
	ROOT("\"unknown\":{\"a\":[1,2]},\"metadata\":{\"user_id\":\"u\"}"),
};

static int check(const char *body, unsigned allowed)
{
	struct ff_policy_seen seen;

	return ff_policy_check(body, strlen(body), allowed, &seen, NULL);
}

static void test_refused(void **state)
{
	(void)state;
	assert_true(FF_ARRAY_LEN(refused) > 60);
	for (size_t i = 0; i < FF_ARRAY_LEN(refused); i++) {
		struct ff_policy_seen seen;
		struct ff_err err = { 0 };

		if (ff_policy_check(refused[i].body, strlen(refused[i].body), 0, &seen, &err) == 0)
			print_message("# let through: %s\n", refused[i].body);
		assert_true(err.code == FF_E_NOT_ALLOWED || err.code == FF_E_INVALID);
		assert_true(err.text[0]);
	}
}

/* The operator's word lets through what it names, and nothing that was not meant; all of them together no riddles. */
static void test_allowed(void **state)
{
	const unsigned all = FF_ALLOW_SERVER_TOOLS | FF_ALLOW_MCP | FF_ALLOW_CONTAINERS | FF_ALLOW_URLS | FF_ALLOW_FILES |
			     FF_ALLOW_SURCHARGES;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(refused); i++) {
		unsigned a = refused[i].allow;
		int with = check(refused[i].body, a ? a : all), without = check(refused[i].body, all & ~a);

		if (with != (a ? 0 : -1) || without != -1)
			print_message("# allowed %u: %s\n", a, refused[i].body);
		assert_int_equal(with, a ? 0 : -1);
		assert_int_equal(without, -1);
	}
}

static void test_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(harmless); i++) {
		if (check(harmless[i], 0) < 0)
			print_message("# refused: %s\n", harmless[i]);
		assert_int_equal(check(harmless[i], 0), 0);
	}
}

static void test_deep(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	(void)state;
	for (int depth = 60; depth <= 1500; depth += 1440) {
		ff_buf_init(&b, 65536);
		(void)ff_buf_adds(&b, "{\"messages\":");
		for (int i = 0; i < depth; i++)
			(void)ff_buf_addc(&b, '[');
		(void)ff_buf_adds(&b, "{\"source\":{\"type\":\"url\"}}");
		for (int i = 0; i < depth; i++)
			(void)ff_buf_addc(&b, ']');
		(void)ff_buf_addc(&b, '}');
		assert_int_equal(check(b.data, 0), -1);
		assert_int_equal(check(b.data, FF_ALLOW_URLS), depth == 60 ? 0 : -1);
		ff_buf_fini(&b);
	}
}

static void test_what_is_seen(void **state)
{
	static const char body[] = "{\"model\":\"claude-x\",\"max_tokens\":99999999999,\"stream\":true,\"messages\":[]}";
	static const char think[] = "{\"max_tokens\":10,\"thinking\":{\"budget_tokens\":20},\"messages\":[]}";
	static const struct { const char *body; bool cache_long; } caches[] = {
		{ MSG("[{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\"}}]"), false },
		{ MSG("[{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"5m\"}}]"), false },
		{ MSG("[{\"type\":\"text\",\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"\\u0031h\"}}]"), true },
		{ TOOLS("[{\"name\":\"x\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]"), true },
		{ ROOT("\"cache_control\":{\"ttl\":\"1h\"}"), true },
	};
	static const char *const words[] = { "mcp", "urls", "nonsense", NULL };
	struct ff_policy_seen seen;

	(void)state;
	assert_int_equal(ff_policy_check(body, sizeof body - 1, 0, &seen, NULL), 0);
	assert_string_equal(seen.model, "claude-x");
	assert_int_equal(seen.max_tokens, INT32_MAX);
	assert_true(seen.stream);
	assert_int_equal(ff_policy_check("{}", 2, 0, &seen, NULL), 0);
	assert_string_equal(seen.model, "");
	assert_int_equal(seen.max_tokens, 0);
	assert_int_equal(ff_policy_check(think, sizeof think - 1, 0, &seen, NULL), 0);
	assert_int_equal(seen.max_tokens, 20);
	for (size_t i = 0; i < FF_ARRAY_LEN(caches); i++) {
		assert_int_equal(ff_policy_check(caches[i].body, strlen(caches[i].body), 0, &seen, NULL), 0);
		assert_int_equal(seen.cache_long, caches[i].cache_long);
	}
	assert_int_equal(ff_policy_allowed(words), FF_ALLOW_MCP | FF_ALLOW_URLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_allowed), cmocka_unit_test(test_harmless), cmocka_unit_test(test_deep),
		cmocka_unit_test(test_what_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
