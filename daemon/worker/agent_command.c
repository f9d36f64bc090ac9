/* SPDX-License-Identifier: MIT */
/*
 * The driver "command": any program that takes a task on stdin and says on
 * stdout, a line of JSON each, what it does.  The protocol is in
 * doc/protocol.md; its words decide nothing but what the log shows.
 */
#include <string.h>

#include "base/text.h"
#include "conf/conf.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_program.h"
#include "daemon/worker/agent_say.h"
#include "job/job.h"

#define TEMPORARY 75 /* EX_TEMPFAIL of sysexits.h: another attempt may help */
#define WORDS_MAX 65536

struct command {
	struct ff_agent_run *run;
	struct ff_agent_result *result;
	char *failure; /* of a result that says error */
};

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static void on_result(struct command *c, const json_t *json)
{
	const char *text = text_of(json, "text"), *model = text_of(json, "model");

	ff_free(&c->failure);
	ff_free(&c->result->final_words);
	if (json_is_true(json_object_get(json, "error")))
		c->failure = ff_agent_shown(c->run, text, 180);
	else
		c->result->final_words = ff_memdup0(text, strnlen(text, WORDS_MAX));
	if (*model && strlen(model) <= 128) {
		ff_free(&c->result->model);
		c->result->model = ff_strdup(model);
	}
}

static void on_line(void *arg, const json_t *json, const char *text)
{
	struct command *c = arg;
	const char *type = text_of(json, "type");

	if (!json) {
		ff_agent_say(c->run, "agent", "", text);
	} else if (!strcmp(type, "log")) {
		ff_agent_say_all(c->run, "agent", text_of(json, "text"));
	} else if (!strcmp(type, "tool")) {
		ff_agent_say(c->run, "tool", "$", text_of(json, "text"));
	} else if (!strcmp(type, "progress")) {
		c->run->event(c->run->arg, ff_event_name(FF_EVENT_JOB_PROGRESS), text_of(json, "text"));
	} else if (!strcmp(type, "result")) {
		c->result->turns++;
		on_result(c, json);
	}
	/* Others may come in later versions of the protocol. */
}

static char **make_env(const struct ff_agent_run *run)
{
	char **env = ff_calloc(8, sizeof *env);
	size_t n = 0;

	env[n++] = ff_asprintf("FLOWFORGE_JOB=%lld", (long long)run->job);
	env[n++] = ff_asprintf("FLOWFORGE_ATTEMPT=%d", run->attempt);
	env[n++] = ff_asprintf("FLOWFORGE_SOURCE=%s", run->source_name);
	env[n++] = ff_asprintf("FLOWFORGE_TARGET=%s", run->target);
	env[n++] = ff_asprintf("FLOWFORGE_MODEL=%s", ff_conf_str(run->conf, FF_CONF_AGENT_MODEL));
	env[n++] = ff_asprintf("FLOWFORGE_GATEWAY=%s/gw.sock", FF_PROGRAM_GATE);
	env[n] = ff_asprintf("ANTHROPIC_API_KEY=%s", run->gateway_token ? run->gateway_token : "none");
	return env;
}

static void free_env(char ***env)
{
	for (char **p = *env; p && *p; p++) {
		ff_wipe(*p, strlen(*p));
		ff_free(p);
	}
	ff_free(env);
}

static int judge(const struct command *c, int status, const char *errors, struct ff_err *err)
{
	if (status != 0 && *errors)
		ff_agent_say_tail(c->run, "agent", errors);
	if (status == TEMPORARY)
		return ff_err_set(err, FF_E_UNREACHABLE, "the agent's program asks for another try (exit status %d)%s%s", status,
				  c->failure ? ": " : "", c->failure ? c->failure : "");
	if (status != 0 || c->failure)
		return ff_err_set(err, FF_E_AGENT_FAILED, "the agent's program failed (exit status %d)%s%s", status,
				  c->failure ? ": " : "", c->failure ? c->failure : "");
	return 0;
}

int ff_agent_command(struct ff_agent_run *run, struct ff_agent_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_agent_result_fini) struct ff_agent_result result = { 0 };
	FF_AUTO(ff_free) char *prompt = ff_program_prompt(run);
	FF_AUTO(free_env) char **env = make_env(run);
	FF_AUTO(ff_free) char *errors = NULL;
	struct command c = { .run = run, .result = &result };
	const struct ff_program program = {
		.argv = ff_conf_list(run->conf, FF_CONF_AGENT_COMMAND), .env = (const char *const *)env, .prompt = prompt,
		.line = on_line, .arg = &c,
	};
	int status = 0, rc = -1;

	if (!program.argv || !program.argv[0])
		return ff_err_set(err, FF_E_INVALID, "the driver command needs agent.command");
	if (ff_program_run(run, &program, &status, &errors, err) == 0)
		rc = judge(&c, status, errors, err);
	ff_free(&c.failure);
	if (rc == 0) {
		*ret = result;
		result = (struct ff_agent_result){ 0 };
	}
	return rc;
}
