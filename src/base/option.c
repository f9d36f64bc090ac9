/* SPDX-License-Identifier: MIT */
/*
 * See option.h.  Keys are matched exactly and in lower case, as git does with
 * its own push options; a key of ours that we do not know is only warned of,
 * so that an older server does not refuse what a newer one understands.
 */
#include "base/option.h"

#include <string.h>

#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

#define FF_OPTION_MAX_RETRIES 100

typedef int (*set_fn)(struct ff_options *o, const char *value, struct ff_err *err);

static int need_value(const char *key, const char *value, struct ff_err *err)
{
	if (value && *value)
		return 0;
	return ff_err_set(err, FF_E_INVALID, "push option %s needs a value: -o %s=...", key, key);
}

static int add_task(struct ff_options *o, const char *value, struct ff_err *err)
{
	if (!value || !value[strspn(value, " \t\r\n")])
		return ff_err_set(err, FF_E_INVALID, "the task is empty: say what to do, -o " FF_OPTION "=\"...\"");
	if (o->has_task)
		(void)ff_buf_addc(&o->task, '\n');
	(void)ff_buf_adds(&o->task, value);
	o->has_task = true;
	if (o->task.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the task is over the limit of %zu bytes: put it into a task file "
				  "(" FF_TASK_FOLDER ")", o->task.max);
	return 0;
}

static int set_skip(struct ff_options *o, const char *value, struct ff_err *err)
{
	int yes = 1;

	if (value && ff_num_bool(value, &yes) < 0)
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".skip takes true or false");
	o->skip = yes;
	return 0;
}

static int set_follow(struct ff_options *o, const char *value, struct ff_err *err)
{
	int yes = 1;

	if (value && ff_num_bool(value, &yes) < 0)
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".follow takes true or false");
	o->follow = yes;
	return 0;
}

static int set_target(struct ff_options *o, const char *value, struct ff_err *err)
{
	FF_AUTO(ff_free) char *ref = NULL;
	FF_AUTO(ff_free) char *shown = NULL;

	if (need_value(FF_OPTION ".target", value, err) < 0)
		return -1;
	if (ff_starts(value, FF_HEADS))
		value += strlen(FF_HEADS);
	ref = ff_asprintf(FF_HEADS "%s", value);
	if (!ff_ref_valid(ref)) {
		shown = ff_text_shown(value, 40);
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".target: '%s' is not a branch name", shown);
	}
	ff_free(&o->target);
	o->target = ff_strdup(value);
	return 0;
}

static int set_priority(struct ff_options *o, const char *value, struct ff_err *err)
{
	static const char *const words[] = { "low", "normal", "high" };

	for (int i = 0; value && i < 3; i++) {
		if (!strcmp(value, words[i])) {
			o->priority = i - 1;
			o->has_priority = true;
			return 0;
		}
	}
	return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".priority takes low, normal or high");
}

static int set_ttl(struct ff_options *o, const char *value, struct ff_err *err)
{
	if (!value || ff_num_duration(value, &o->ttl_ms) < 0 || o->ttl_ms <= 0)
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".ttl takes a time like 30m, 2h or 1d");
	o->has_ttl = true;
	return 0;
}

static int set_retries(struct ff_options *o, const char *value, struct ff_err *err)
{
	int64_t n;

	if (!value || ff_num_i64(value, 0, FF_OPTION_MAX_RETRIES, &n) < 0)
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".retries takes a number from 0 to %d",
				  FF_OPTION_MAX_RETRIES);
	o->retries = (int)n;
	o->has_retries = true;
	return 0;
}

static int set_env(struct ff_options *o, const char *value, struct ff_err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (need_value(FF_OPTION ".env", value, err) < 0)
		return -1;
	if (value[strspn(value, allowed)] || value[0] == '.' || value[0] == '-')
		return ff_err_set(err, FF_E_INVALID, "push option " FF_OPTION ".env takes a name of letters, digits, '.', '_', '-'");
	ff_free(&o->env_name);
	o->env_name = ff_strdup(value);
	return 0;
}

static const struct key {
	const char *name;
	set_fn set;
	bool is_task; /* bounded by the task's own limit */
} keys[] = {
	{ FF_OPTION ".task", add_task, true },
	{ FF_OPTION ".skip", set_skip, false },
	{ FF_OPTION ".follow", set_follow, false },
	{ FF_OPTION ".target", set_target, false },
	{ FF_OPTION ".priority", set_priority, false },
	{ FF_OPTION ".ttl", set_ttl, false },
	{ FF_OPTION ".retries", set_retries, false },
	{ FF_OPTION ".env", set_env, false },
};

static const struct key *find_key(const char *option, size_t len)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (strlen(keys[i].name) == len && !memcmp(keys[i].name, option, len))
			return &keys[i];
	return NULL;
}

static int parse_one(const char *option, const struct ff_option_limits *limits, struct ff_options *o,
		     struct ff_err *err)
{
	size_t len = strcspn(option, "=");
	const char *value = option[len] ? option + len + 1 : NULL;
	const struct key *key;

	if (!ff_starts(option, FF_OPTION) || (len > strlen(FF_OPTION) && option[strlen(FF_OPTION)] != '.'))
		return 0; /* another area's option */
	if (len == strlen(FF_OPTION)) {
		o->any = true;
		o->bare |= !value;
		return value ? add_task(o, value, err) : 0;
	}
	key = find_key(option, len);
	if (!key) {
		if (!o->unknown)
			o->unknown = ff_memdup0(option, len < 60 ? len : 60);
		return 0;
	}
	if (key->set != set_skip)
		o->any = true;
	if (!key->is_task && value && strlen(value) > limits->max_value_bytes)
		return ff_err_set(err, FF_E_TOO_LARGE, "push option %s: the value is over the limit of %zu bytes",
				  key->name, limits->max_value_bytes);
	return key->set(o, value, err);
}

int ff_options_parse(const char *const *options, size_t count, const struct ff_option_limits *limits,
		     struct ff_options *o, struct ff_err *err)
{
	memset(o, 0, sizeof *o);
	ff_buf_init(&o->task, limits->max_task_bytes);
	if (count > limits->max_count)
		return ff_err_set(err, FF_E_TOO_LARGE, "%zu push options are over the limit of %zu", count, limits->max_count);
	for (size_t i = 0; i < count; i++)
		if (parse_one(options[i], limits, o, err) < 0)
			return -1;
	return 0;
}

void ff_options_fini(struct ff_options *o)
{
	ff_buf_fini(&o->task);
	ff_free(&o->target);
	ff_free(&o->env_name);
	ff_free(&o->unknown);
}
