/* SPDX-License-Identifier: MIT */
/* The getters. A key asked for with the wrong type is a mistake in the program, so they assert. */
#include "conf/conf.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "conf/parts.h"
#include "conf/table.h"

static const struct ff_conf_value *value_of(const struct ff_conf *c, enum ff_conf_key key, unsigned types)
{
	ff_assert(types & 1u << ff_conf_table_row(key)->type);
	return &c->values[key];
}

int64_t ff_conf_int(const struct ff_conf *c, enum ff_conf_key key)
{
	return value_of(c, key, 1u << FF_CONF_INT | 1u << FF_CONF_SIZE | 1u << FF_CONF_TIME | 1u << FF_CONF_MONEY)->num;
}

bool ff_conf_bool(const struct ff_conf *c, enum ff_conf_key key)
{
	return value_of(c, key, 1u << FF_CONF_BOOL)->num != 0;
}

const char *ff_conf_str(const struct ff_conf *c, enum ff_conf_key key)
{
	return value_of(c, key, 1u << FF_CONF_STR | 1u << FF_CONF_PATH | 1u << FF_CONF_WORD)->text;
}

/* The list of something that has no items yet is not NULL, but empty. */
static const char *const *items(const struct ff_conf_strings *s)
{
	static const char *const none[] = { NULL };

	return s->count ? (const char *const *)s->items : none;
}

const char *const *ff_conf_list(const struct ff_conf *c, enum ff_conf_key key)
{
	return items(&value_of(c, key, 1u << FF_CONF_LIST)->list);
}

static int branch_key(const char *key)
{
	int k = 0;

	while (strcmp(ff_conf_branch_keys[k], key))
		ff_assert(ff_conf_branch_keys[++k]);
	return k;
}

bool ff_conf_branch_has(const struct ff_conf *c, const char *key, const char *value)
{
	int k = branch_key(key);

	for (size_t i = 0; i < c->branch_count; i++)
		if (c->branches[i].value[k] && !strcmp(c->branches[i].value[k], value))
			return true;
	return false;
}

const char *ff_conf_branch(const struct ff_conf *c, const char *ref, const char *key)
{
	int k = branch_key(key);

	for (size_t i = 0; i < c->branch_count; i++) {
		const char *set = c->branches[i].value[k];

		if (set && ff_glob_match(c->branches[i].full, ref))
			return set;
	}
	return NULL;
}

const char *const *ff_conf_environments(const struct ff_conf *c)
{
	return items(&c->env_names);
}

const char *const *ff_conf_environment(const struct ff_conf *c, const char *name)
{
	for (size_t i = 0; i < c->env_count; i++)
		if (!strcmp(c->envs[i].name, name))
			return items(&c->envs[i].variables);
	return NULL;
}

struct ff_option_limits ff_conf_option_limits(const struct ff_conf *c)
{
	return (struct ff_option_limits){
		.max_count = (size_t)ff_conf_int(c, FF_CONF_HOOK_MAX_OPTIONS),
		.max_task_bytes = (size_t)ff_conf_int(c, FF_CONF_HOOK_MAX_TASK),
		.max_value_bytes = (size_t)ff_conf_int(c, FF_CONF_HOOK_MAX_VALUE),
	};
}

char *ff_conf_state_path(const struct ff_conf *c, const char *name)
{
	return ff_path_join(ff_conf_str(c, FF_CONF_SERVER_STATE_DIR), name);
}

char *ff_conf_run_path(const struct ff_conf *c, const char *name)
{
	return ff_path_join(ff_conf_str(c, FF_CONF_SERVER_RUN_DIR), name);
}

const char *ff_conf_file(const struct ff_conf *c)
{
	return c->file;
}
