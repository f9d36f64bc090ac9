/* SPDX-License-Identifier: MIT */
/*
 * What a running daemon does with its configuration: takes a new one without
 * what only a restart can change, and hands the one it goes by to the roles
 * it starts, so that a file that somebody is just editing cannot give a
 * worker other folders, limits or mistakes than core has.
 */
#include "conf/conf.h"

#include <string.h>

#include "base/buf.h"
#include "conf/parts.h"
#include "conf/table.h"

static bool same(const struct ff_conf_value *a, const struct ff_conf_value *b)
{
	if (a->list.count != b->list.count)
		return false;
	for (size_t i = 0; i < a->list.count; i++)
		if (strcmp(a->list.items[i], b->list.items[i]))
			return false;
	return a->text ? !strcmp(a->text, b->text) : true;
}

static void copy(struct ff_conf_value *to, const struct ff_conf_value *from)
{
	ff_free(&to->text);
	ff_free(&to->origin);
	ff_conf_strings_fini(&to->list);
	to->text = ff_strdup(from->text);
	to->origin = ff_strdup(from->origin);
	to->num = from->num;
	for (size_t i = 0; i < from->list.count; i++)
		ff_conf_strings_add(&to->list, ff_strdup(from->list.items[i]));
}

int ff_conf_reload(const struct ff_conf *old, const struct ff_conf_source *from, struct ff_conf **ret_conf,
		   struct ff_buf *held, struct ff_buf *report, struct ff_err *err)
{
	FF_AUTO(ff_conf_free) struct ff_conf *c = NULL;
	struct ff_conf_errors errors = { .report = report, .err = err };

	if (ff_conf_load(from, &c, report, err) < 0)
		return -1;
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		const struct ff_conf_row *row = ff_conf_table_row((enum ff_conf_key)i);

		if (row->reloadable || same(&old->values[i], &c->values[i]))
			continue;
		copy(&c->values[i], &old->values[i]);
		if (held)
			(void)ff_buf_addf(held, "%s%s", held->len ? " " : "", row->key);
	}
	/* Old and new values were never judged together. */
	ff_conf_check_all(c, &errors);
	if (errors.count)
		return ff_err_wrap(err, "restart to take this over");
	*ret_conf = ff_steal(&c);
	return 0;
}

/* In quotes, with what git's syntax wants escaped; newlines and tabs only where `value` says so. */
static void quote(struct ff_buf *out, const char *text, bool value)
{
	(void)ff_buf_addc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)ff_buf_addc(out, '\\');
		if (value && *text == '\n')
			(void)ff_buf_adds(out, "\\n");
		else
			(void)ff_buf_addc(out, *text);
	}
	(void)ff_buf_addc(out, '"');
}

static void setting(struct ff_buf *out, const char *key, const char *value)
{
	(void)ff_buf_addf(out, "\t%s = ", key);
	quote(out, value, true);
	(void)ff_buf_addc(out, '\n');
}

static void write_key(const struct ff_conf *c, enum ff_conf_key key, struct ff_buf *out)
{
	const struct ff_conf_row *row = ff_conf_table_row(key);
	const struct ff_conf_value *v = &c->values[key];
	const char *name = strchr(row->key, '.') + 1;

	(void)ff_buf_addf(out, "[%.*s]\n", (int)(name - row->key - 1), row->key);
	if (row->type != FF_CONF_LIST) {
		setting(out, name, v->text);
		return;
	}
	setting(out, name, ""); /* drops the default */
	for (size_t i = 0; i < v->list.count; i++)
		setting(out, name, v->list.items[i]);
}

static void section(struct ff_buf *out, const char *kind, const char *name)
{
	(void)ff_buf_addf(out, "[%s ", kind);
	quote(out, name, false);
	(void)ff_buf_adds(out, "]\n");
}

void ff_conf_write(const struct ff_conf *c, struct ff_buf *out)
{
	for (unsigned i = 0; i < FF_CONF_KEYS; i++)
		write_key(c, (enum ff_conf_key)i, out);
	for (size_t i = 0; i < c->branch_count; i++) {
		section(out, "branch", c->branches[i].glob);
		for (int k = 0; k < FF_CONF_BRANCH_KEYS; k++)
			if (c->branches[i].value[k])
				setting(out, ff_conf_branch_keys[k], c->branches[i].value[k]);
	}
	for (size_t i = 0; i < c->named_count; i++) {
		section(out, ff_conf_named_word(c->named[i].section), c->named[i].name);
		setting(out, c->named[i].key, c->named[i].text);
	}
	for (size_t i = 0; i < c->env_count; i++) {
		section(out, "environment", c->envs[i].name);
		for (size_t k = 0; k < c->envs[i].variables.count; k++)
			setting(out, "variable", c->envs[i].variables.items[k]);
	}
}
