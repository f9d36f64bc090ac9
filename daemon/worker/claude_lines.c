/* SPDX-License-Identifier: MIT */
/*
 * The lines of Claude Code (--output-format stream-json) as log and events.
 * Every release has lines and keys that are not known here: they are passed
 * over.  There may be several results, the last one counts; the word of a
 * result is is_error, whatever its subtype says.
 */
#include "daemon/worker/agent_claude.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_say.h"
#include "job/job.h"

#define WORDS_MAX 65536
#define PROGRESS_MS 5000
#define SHOWN 180

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* --- lines ------------------------------------------------------------------------------ */

static void on_init(struct ff_claude *c, const json_t *line)
{
	const char *version = str(line, "claude_code_version"), *range = ff_conf_str(c->run->conf, FF_CONF_AGENT_CLAUDE_CODE_VERSIONS);
	FF_AUTO(ff_free) char *shown = ff_text_shown(version, 30);
	FF_AUTO(ff_free) char *text = NULL;

	if (!ff_version_in(version, range))
		(void)ff_err_set(&c->stop, FF_E_UNSUPPORTED, "Claude Code %s was not tried with this daemon; agent.claude-code-versions "
				 "says which were: %s", shown, range);
	/* The flags forbid it: then something is not as it was in the versions that were tried. */
	if (json_array_size(json_object_get(line, "mcp_servers")))
		(void)ff_err_set(&c->stop, FF_E_AGENT_FAILED, "Claude Code took MCP servers out of the repository against its flags");
	ff_free(&c->model);
	c->model = *str(line, "model") ? ff_memdup0(str(line, "model"), strnlen(str(line, "model"), 128)) : NULL;
	text = ff_asprintf("Claude Code %s, %s", shown, c->model ? c->model : "an unknown model");
	ff_agent_say(c->run, "system", "", text);
}

/* What a call does, for the log: the command, the file, or its name alone. */
static const char *call_text(const json_t *block)
{
	static const char *const keys[] = { "command", "file_path", "path", "pattern", "description" };
	const json_t *input = json_object_get(block, "input");

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (*str(input, keys[i]))
			return str(input, keys[i]);
	return "";
}

static void tell_progress(struct ff_claude *c, const char *text)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(text, SHOWN);
	int64_t now = ff_clock_mono();

	if (c->progress_ms && now - c->progress_ms < PROGRESS_MS)
		return;
	c->progress_ms = now;
	c->run->event(c->run->arg, ff_event_name(FF_EVENT_JOB_PROGRESS), shown);
}

static void on_call(struct ff_claude *c, const json_t *block, bool sub)
{
	const char *name = str(block, "name");
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 40);
	FF_AUTO(ff_free) char *mark = !strcmp(name, "Bash") ? ff_asprintf("%s$", sub ? "[sub-agent] " : "")
							    : ff_asprintf("%s%s:", sub ? "[sub-agent] " : "", shown);
	FF_AUTO(ff_free) char *text = ff_asprintf("%s %s", shown, call_text(block));

	ff_agent_say(c->run, "tool", mark, call_text(block));
	tell_progress(c, text);
}

static void on_assistant(struct ff_claude *c, const json_t *line)
{
	const json_t *content = json_object_get(json_object_get(line, "message"), "content");
	bool sub = json_is_string(json_object_get(line, "parent_tool_use_id"));
	json_t *block;
	size_t i;

	json_array_foreach(content, i, block) {
		const char *type = str(block, "type");

		if (!strcmp(type, "text") && sub)
			ff_agent_say(c->run, "agent", "[sub-agent]", str(block, "text"));
		else if (!strcmp(type, "text"))
			ff_agent_say_all(c->run, "agent", str(block, "text"));
		else if (!strcmp(type, "tool_use"))
			on_call(c, block, sub);
	}
}

static void say_content(struct ff_claude *c, const json_t *content)
{
	json_t *part;
	size_t i;

	if (json_is_string(content))
		ff_agent_say_tail(c->run, "tool", json_string_value(content));
	json_array_foreach(content, i, part)
		ff_agent_say_tail(c->run, "tool", str(part, "text"));
}

static void on_user(struct ff_claude *c, const json_t *line)
{
	const json_t *content = json_object_get(json_object_get(line, "message"), "content");
	json_t *block;
	size_t i;

	json_array_foreach(content, i, block) {
		if (strcmp(str(block, "type"), "tool_result"))
			continue;
		say_content(c, json_object_get(block, "content"));
		if (json_is_true(json_object_get(block, "is_error")))
			c->run->log(c->run->arg, "tool", "[failed]");
	}
}

static void on_retry(struct ff_claude *c, const json_t *line)
{
	int64_t status = json_integer_value(json_object_get(line, "error_status")); /* 0: it was no answer */
	int64_t ms = json_integer_value(json_object_get(line, "retry_delay_ms"));
	FF_AUTO(ff_free) char *text = ff_asprintf("the model service answered %lld; asking again in %lld s", (long long)status,
						  (long long)((ms + 999) / 1000));

	if (status == 429 || status == 529)
		c->run->event(c->run->arg, ff_event_name(FF_EVENT_RATE_LIMIT), text);
	c->run->log(c->run->arg, "system", text);
}

static void on_system(struct ff_claude *c, const json_t *line)
{
	const char *subtype = str(line, "subtype");

	if (!strcmp(subtype, "init")) {
		on_init(c, line);
	} else if (!strcmp(subtype, "api_retry")) {
		on_retry(c, line);
	} else if (!strcmp(subtype, "model_fallback")) {
		FF_AUTO(ff_free) char *text = ff_asprintf("%s instead of %s", str(line, "fallback_model"), str(line, "original_model"));

		ff_agent_say(c->run, "system", "model:", text);
	} else if (!strcmp(subtype, "permission_denied")) {
		c->denials++;
		ff_agent_say(c->run, "tool", "[denied]", str(line, "message"));
	}
}

static char *error_words(const struct ff_claude *c, const json_t *line)
{
	const json_t *errors = json_object_get(line, "errors");
	const char *text = *str(line, "result") ? str(line, "result") : json_string_value(json_array_get(errors, 0));

	return text ? ff_agent_shown(c->run, text, SHOWN) : NULL;
}

/* Which models answered is not said by the first line when one fell back. */
static void take_model(struct ff_claude *c, const json_t *line)
{
	json_t *models = json_object_get(line, "modelUsage");
	const char *name;
	json_t *usage;
	int64_t most = 0;

	json_object_foreach(models, name, usage) {
		int64_t out = json_integer_value(json_object_get(usage, "outputTokens"));

		if (out <= most || strlen(name) > 128)
			continue;
		most = out;
		ff_free(&c->model);
		c->model = ff_strdup(name);
	}
}

static void on_result(struct ff_claude *c, const json_t *line)
{
	size_t denied = json_array_size(json_object_get(line, "permission_denials"));
	const char *text = str(line, "result");

	c->has_result = true;
	c->is_error = !json_is_false(json_object_get(line, "is_error"));
	c->api_status = json_integer_value(json_object_get(line, "api_error_status"));
	c->turns = (int)json_integer_value(json_object_get(line, "num_turns"));
	(void)snprintf(c->subtype, sizeof c->subtype, "%.60s", str(line, "subtype"));
	ff_free(&c->words);
	c->words = c->is_error ? error_words(c, line) : ff_memdup0(text, strnlen(text, WORDS_MAX));
	take_model(c, line);
	if (denied) {
		FF_AUTO(ff_free) char *note = ff_asprintf("%zu tool calls were denied", denied);

		c->run->log(c->run->arg, "system", note);
	}
}

void ff_claude_line(void *arg, const json_t *json, const char *text)
{
	struct ff_claude *c = arg;
	const char *type = str(json, "type");

	if (!json)
		ff_agent_say(c->run, "agent", "", text);
	else if (!strcmp(type, "system"))
		on_system(c, json);
	else if (!strcmp(type, "assistant"))
		on_assistant(c, json);
	else if (!strcmp(type, "user"))
		on_user(c, json);
	else if (!strcmp(type, "result"))
		on_result(c, json);
}

int ff_claude_check(void *arg, struct ff_err *err)
{
	const struct ff_claude *c = arg;

	return c->stop.code ? ff_err_set(err, c->stop.code, "%s", c->stop.text) : 0;
}

void ff_claude_fini(struct ff_claude *c)
{
	ff_free(&c->config);
	ff_free(&c->words);
	ff_free(&c->model);
}
