/* SPDX-License-Identifier: MIT */
/*
 * The sections with a name: what the pushes of some branches do when they say
 * nothing themselves, and the environments that claude.env may name.
 */
#include "conf/parts.h"

#include <string.h>

#include "base/names.h"
#include "base/text.h"
#include "conf/table.h"

#define GLOB_MAX 1024
#define TASK_MAX 131072 /* no more than hook.max-task may be */
#define TARGET_MAX 255
#define SECRETS_MAX 4096
#define ENV_NAME_MAX 64
/* All variables of one environment: they travel in the message that starts a job. */
#define ENV_BYTES_MAX (64 * 1024)

const char *const ff_conf_branch_keys[FF_CONF_BRANCH_KEYS + 1] = {
	[FF_CONF_BRANCH_TASK] = "task", [FF_CONF_BRANCH_TARGET] = "target", [FF_CONF_BRANCH_DRIVER] = "driver",
	[FF_CONF_BRANCH_ENVIRONMENT] = "environment", [FF_CONF_BRANCH_SECRETS] = "secrets",
	[FF_CONF_BRANCH_RUNGS] = "rungs",
};
static const char *const env_keys[] = { "variable", NULL };

static void unknown(struct ff_conf_errors *errors, const char *origin, const char *section,
		    const char *key, const char *const *known)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(key, 60);
	const char *near = ff_conf_nearest(key, known);

	if (near)
		ff_conf_error(errors, FF_E_INVALID, origin, "unknown key %s in [%s \"...\"]; did you mean %s?",
			      shown, section, near);
	else
		ff_conf_error(errors, FF_E_INVALID, origin, "unknown key %s in [%s \"...\"]", shown, section);
}

/* NULL when the section may not be; that has been reported then. */
static struct ff_conf_branch *branch_of(struct ff_conf *c, const char *glob, const char *origin,
					struct ff_conf_errors *errors)
{
	struct ff_err err = { 0 };
	struct ff_conf_branch *b;

	for (size_t i = 0; i < c->branch_count; i++)
		if (!strcmp(c->branches[i].glob, glob))
			return &c->branches[i];
	if (ff_conf_table_text(glob, 1, GLOB_MAX, false, &err) < 0) {
		ff_conf_error(errors, FF_E_INVALID, origin, "the name of a [branch] section %s", err.text);
		return NULL;
	}
	if (c->branch_count >= FF_CONF_SECTIONS_MAX) {
		ff_conf_error(errors, FF_E_INVALID, origin, "more than %d [branch] sections",
			      FF_CONF_SECTIONS_MAX);
		return NULL;
	}
	c->branches = ff_realloc(c->branches, c->branch_count + 1, sizeof *c->branches);
	b = &c->branches[c->branch_count++];
	*b = (struct ff_conf_branch){
		.glob = ff_strdup(glob),
		.full = ff_asprintf("%s%s", ff_starts(glob, "refs/") ? "" : FF_HEADS, glob),
	};
	return b;
}

static void set_text(char **text, char **text_origin, const char *value, const char *origin)
{
	ff_free(text);
	ff_free(text_origin);
	if (*value) { /* empty: as if it had not been set */
		*text = ff_strdup(value);
		*text_origin = ff_strdup(origin);
	}
}

static int branch_check(enum ff_conf_branch_key key, const char *value, struct ff_err *err)
{
	static const enum ff_conf_key like[] = {
		[FF_CONF_BRANCH_TARGET] = FF_CONF_JOB_TARGET, [FF_CONF_BRANCH_DRIVER] = FF_CONF_AGENT_DRIVER,
		[FF_CONF_BRANCH_ENVIRONMENT] = FF_CONF_JOB_ENVIRONMENT, [FF_CONF_BRANCH_SECRETS] = FF_CONF_JOB_SECRETS,
		[FF_CONF_BRANCH_RUNGS] = FF_CONF_RESOLVE_RUNGS,
	};

	if (key == FF_CONF_BRANCH_TASK)
		return ff_conf_table_text(value, 0, TASK_MAX, true, err);
	if (ff_conf_table_text(value, 0, key == FF_CONF_BRANCH_SECRETS ? SECRETS_MAX : TARGET_MAX, false, err) < 0)
		return -1;
	if (key == FF_CONF_BRANCH_DRIVER && *value && ff_conf_table_word(FF_CONF_AGENT_DRIVER, value, err) < 0)
		return -1;
	return ff_conf_check_value(like[key], value, err);
}

void ff_conf_sections_branch(struct ff_conf *c, const struct ff_conf_entry *e, const char *origin,
			     struct ff_conf_errors *errors)
{
	struct ff_conf_branch *b = branch_of(c, e->subsection, origin, errors);
	struct ff_err err = { 0 };
	int key = 0;

	if (!b || !e->key)
		return;
	while (ff_conf_branch_keys[key] && strcmp(ff_conf_branch_keys[key], e->key))
		key++;
	if (!e->value && ff_conf_nearest(e->key, ff_conf_branch_keys))
		ff_conf_error(errors, FF_E_INVALID, origin, "branch %s: needs a value", e->key);
	else if (key == FF_CONF_BRANCH_KEYS)
		unknown(errors, origin, e->section, e->key, ff_conf_branch_keys);
	else if (branch_check((enum ff_conf_branch_key)key, e->value, &err) < 0)
		ff_conf_error(errors, FF_E_INVALID, origin, "branch %s: %s", e->key, err.text);
	else
		set_text(&b->value[key], &b->origin[key], e->value, origin);
}

static bool name_ok(const char *name, const char *more, size_t max)
{
	size_t n = strlen(name);

	if (!n || n > max)
		return false;
	for (const char *p = name; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || strchr(more, *p)))
			return false;
	return true;
}

static struct ff_conf_env *env_of(struct ff_conf *c, const char *name, const char *origin,
				  struct ff_conf_errors *errors)
{
	struct ff_conf_env *env;

	for (size_t i = 0; i < c->env_count; i++)
		if (!strcmp(c->envs[i].name, name))
			return &c->envs[i];
	if (!name_ok(name, "._-", ENV_NAME_MAX)) {
		ff_conf_error(errors, FF_E_INVALID, origin,
			      "the name of an [environment] has 1 to %d letters, digits, `.`, `_` and `-`",
			      ENV_NAME_MAX);
		return NULL;
	}
	if (c->env_count >= FF_CONF_SECTIONS_MAX) {
		ff_conf_error(errors, FF_E_INVALID, origin, "more than %d [environment] sections",
			      FF_CONF_SECTIONS_MAX);
		return NULL;
	}
	c->envs = ff_realloc(c->envs, c->env_count + 1, sizeof *c->envs);
	env = &c->envs[c->env_count++];
	*env = (struct ff_conf_env){ .name = ff_strdup(name), .origin = ff_strdup(origin) };
	return env;
}

/* The value itself is never part of an error: people put tokens there. */
static int variable_check(const struct ff_conf_env *env, const char *text, struct ff_err *err)
{
	static const char *const keys[] = { "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN" };
	FF_AUTO(ff_free) char *name = ff_memdup0(text, strcspn(text, "="));
	size_t bytes = strlen(text);

	if (!text[strlen(name)])
		return ff_err_set(err, FF_E_INVALID, "must be written NAME=value");
	if (!name_ok(name, "_", 255) || (*name >= '0' && *name <= '9'))
		return ff_err_set(err, FF_E_INVALID, "a variable's name has letters, digits and `_`, and starts with no digit");
	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (!strcmp(name, keys[i]))
			return ff_err_set(err, FF_E_INVALID,
					  "%s must not get into a job; set gateway.key-file instead", name);
	for (size_t i = 0; i < env->variables.count; i++)
		bytes += strlen(env->variables.items[i]);
	if (bytes > ENV_BYTES_MAX)
		return ff_err_set(err, FF_E_INVALID, "the environment is larger than %d bytes", ENV_BYTES_MAX);
	if (!ff_utf8_valid(text, strlen(text)))
		return ff_err_set(err, FF_E_INVALID, "%s is not UTF-8", name);
	return 0;
}

/* A name that is there already gets the new value. */
static void variable_set(struct ff_conf_env *env, const char *text)
{
	size_t n = strcspn(text, "=") + 1;

	for (size_t i = 0; i < env->variables.count; i++) {
		if (strncmp(env->variables.items[i], text, n))
			continue;
		ff_free(&env->variables.items[i]);
		env->variables.items[i] = ff_strdup(text);
		return;
	}
	ff_conf_strings_add(&env->variables, ff_strdup(text));
}

void ff_conf_sections_environment(struct ff_conf *c, const struct ff_conf_entry *e, const char *origin,
				  struct ff_conf_errors *errors)
{
	struct ff_conf_env *env = env_of(c, e->subsection, origin, errors);
	struct ff_err err = { 0 };

	if (!env || !e->key)
		return;
	if (strcmp(e->key, "variable"))
		unknown(errors, origin, e->section, e->key, env_keys);
	else if (e->value && !*e->value)
		ff_conf_strings_fini(&env->variables);
	else if (variable_check(env, e->value ? e->value : "", &err) < 0)
		ff_conf_error(errors, FF_E_INVALID, origin, "environment %s: %s", env->name, err.text);
	else
		variable_set(env, e->value);
}

void ff_conf_sections_fini(struct ff_conf *c)
{
	for (size_t i = 0; i < c->branch_count; i++) {
		struct ff_conf_branch *b = &c->branches[i];

		ff_free(&b->glob);
		ff_free(&b->full);
		for (int k = 0; k < FF_CONF_BRANCH_KEYS; k++) {
			ff_free(&b->value[k]);
			ff_free(&b->origin[k]);
		}
	}
	for (size_t i = 0; i < c->env_count; i++) {
		ff_free(&c->envs[i].name);
		ff_free(&c->envs[i].origin);
		ff_conf_strings_fini(&c->envs[i].variables);
	}
	ff_free(&c->branches);
	ff_free(&c->envs);
}
