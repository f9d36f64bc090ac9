/* SPDX-License-Identifier: MIT */
/*
 * Loading: defaults, files, environment and flags go through one function,
 * set(), each with the words that say where it came from.  A mistake does not
 * stop the load, so that one run of --check-config shows all of them; but a
 * configuration with a mistake is never handed out.
 */
#include "conf/conf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/files.h"
#include "conf/parts.h"
#include "conf/table.h"

struct load {
	struct ff_conf *conf;
	struct ff_conf_errors errors;
	const char *file; /* that is being read; NULL: origin is used as it is */
	const char *origin;
};

void ff_conf_error(struct ff_conf_errors *errors, enum ff_err_code code, const char *origin,
		   const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	va_list ap;

	if (errors->count > FF_CONF_ERRORS_MAX)
		return;
	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	if (!errors->count)
		(void)ff_err_set(errors->err, code, "%s: %s", origin, text);
	if (errors->report && errors->count == FF_CONF_ERRORS_MAX)
		(void)ff_buf_adds(errors->report, "there are more errors; mend these first\n");
	else if (errors->report)
		(void)ff_buf_addf(errors->report, "%s: %s\n", origin, text); /* a full report is cut */
	errors->count++;
}

void ff_conf_strings_add(struct ff_conf_strings *s, char *item)
{
	s->items = ff_realloc(s->items, s->count + 2, sizeof *s->items);
	s->items[s->count++] = item;
	s->items[s->count] = NULL;
}

void ff_conf_strings_fini(struct ff_conf_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		ff_free(&s->items[i]);
	ff_free(&s->items);
	s->count = 0;
}

static void replace(char **to, const char *text)
{
	ff_free(to);
	*to = ff_strdup(text);
}

/* The default holds until the first value is given; from then on values add up. */
static int set_item(struct ff_conf_value *v, const char *text, const char *origin, struct ff_err *err)
{
	size_t bytes = strlen(text);

	if (!v->origin || !*text)
		ff_conf_strings_fini(&v->list);
	if (v->list.count >= FF_CONF_ITEMS_MAX)
		return ff_err_set(err, FF_E_INVALID, "has more than %d values", FF_CONF_ITEMS_MAX);
	for (size_t i = 0; i < v->list.count; i++)
		bytes += strlen(v->list.items[i]);
	if (bytes > FF_CONF_LIST_BYTES_MAX)
		return ff_err_set(err, FF_E_INVALID, "has more than %d bytes in all", FF_CONF_LIST_BYTES_MAX);
	if (*text)
		ff_conf_strings_add(&v->list, ff_strdup(text));
	replace(&v->origin, origin);
	return 0;
}

/* One value for a key of the table; origin NULL: its default. */
static int set_key(struct ff_conf *c, enum ff_conf_key key, const char *text, const char *origin,
		   struct ff_err *err)
{
	const struct ff_conf_row *row = ff_conf_table_row(key);
	struct ff_conf_value *v = &c->values[key];
	bool clears = row->type == FF_CONF_LIST && !*text;
	int64_t num = 0;

	v->bad = true;
	if (!clears && (ff_conf_table_check(row, text, &num, err) < 0 ||
			ff_conf_check_value(key, text, err) < 0))
		return ff_err_wrap(err, "%s", row->key);
	if (row->type == FF_CONF_LIST) {
		if (set_item(v, text, origin, err) < 0)
			return ff_err_wrap(err, "%s", row->key);
	} else {
		replace(&v->text, text);
		replace(&v->origin, origin);
		v->num = num;
	}
	v->bad = false;
	return 0;
}

static void set_defaults(struct ff_conf *c)
{
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		const char *def = ff_conf_table_row((enum ff_conf_key)i)->def;
		int rc = set_key(c, (enum ff_conf_key)i, def, NULL, NULL);

		ff_assert(rc == 0);
	}
}

/* A value for a key of the table, wherever it comes from; what is wrong is reported. */
static void set(struct load *l, enum ff_conf_key key, const char *text, const char *origin)
{
	struct ff_err err = { 0 };
	bool bad = l->conf->values[key].bad;

	if (set_key(l->conf, key, text, origin, &err) < 0)
		ff_conf_error(&l->errors, err.code, origin, "%s", err.text);
	l->conf->values[key].bad |= bad;
}

static void unknown_key(struct load *l, const char *name, const char *origin)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 80);
	const char *near = ff_conf_table_nearest(name);

	if (near)
		ff_conf_error(&l->errors, FF_E_INVALID, origin, "unknown key %s; did you mean %s?", shown, near);
	else
		ff_conf_error(&l->errors, FF_E_INVALID, origin,
			      "unknown key %s; " FF_NAME ".conf(5) lists all keys", shown);
}

static void entry(struct load *l, const struct ff_conf_entry *e, const char *origin)
{
	FF_AUTO(ff_free) char *name = NULL;
	enum ff_conf_section section;
	enum ff_conf_key key;

	if (!strcmp(e->section, "include") || !strcmp(e->section, "includeif")) {
		if (!e->key || !l->file)
			ff_conf_error(&l->errors, FF_E_INVALID, origin,
				      "[%s] is not supported; files in conf.d/ are read in name order", e->section);
		return;
	}
	if (e->subsection && !strcmp(e->section, "branch")) {
		ff_conf_sections_branch(l->conf, e, origin, &l->errors);
		return;
	}
	if (e->subsection && !strcmp(e->section, "environment")) {
		ff_conf_sections_environment(l->conf, e, origin, &l->errors);
		return;
	}
	if (e->subsection && ff_conf_named_section(e->section, &section) == 0) {
		ff_conf_named_set(l->conf, section, e, origin, &l->errors);
		return;
	}
	if (!e->key)
		return;
	name = ff_asprintf("%s%s%s.%s", e->section, e->subsection ? "." : "",
			   e->subsection ? e->subsection : "", e->key);
	if (ff_conf_table_find(name, &key) < 0)
		unknown_key(l, name, origin);
	else
		set(l, key, e->value ? e->value : "true", origin);
}

static void on_entry(void *arg, const struct ff_conf_entry *e)
{
	struct load *l = arg;
	FF_AUTO(ff_free) char *origin = ff_asprintf("%s:%u", l->file, e->line);

	if (l->errors.count <= FF_CONF_ERRORS_MAX)
		entry(l, e, origin);
}

static void on_syntax_error(void *arg, unsigned line, const char *text)
{
	struct load *l = arg;
	FF_AUTO(ff_free) char *origin = ff_asprintf("%s:%u", l->file, line);

	ff_conf_error(&l->errors, FF_E_INVALID, origin, "%s", text);
}

static void on_file(void *arg, const char *path, const char *text, size_t len)
{
	struct load *l = arg;
	struct ff_conf_reader reader = { .on_entry = on_entry, .on_error = on_syntax_error, .arg = l };

	l->file = path;
	ff_conf_syntax_read(text, len, &reader);
	l->file = NULL;
}

static void on_file_error(void *arg, const char *path, const struct ff_err *why)
{
	struct load *l = arg;

	ff_conf_error(&l->errors, why->code, path, "%s", why->text);
}

static void load_files(struct load *l, const char *named)
{
	struct ff_conf_files files = { .on_file = on_file, .on_error = on_file_error, .arg = l };
	const char *path = named ? named : FF_DEFAULT_CONF;

	l->conf->file = ff_conf_files_absolute(path);
	if (!ff_conf_files_read(l->conf->file, named != NULL, &files) && !named)
		ff_free(&l->conf->file);
}

/* A variable's value for a LIST has an item a line; an empty line clears. */
static void set_lines(struct load *l, enum ff_conf_key key, const char *text, const char *origin)
{
	for (;;) {
		size_t n = strcspn(text, "\n");
		FF_AUTO(ff_free) char *item = ff_memdup0(text, n);

		set(l, key, item, origin);
		if (!text[n])
			return;
		text += n + 1;
	}
}

static void unknown_variable(struct load *l, const char *name)
{
	const char *names[FF_CONF_KEYS + 1] = { NULL };
	FF_AUTO(ff_free) char *shown = ff_text_shown(name, 80);
	const char *near;

	for (unsigned i = 0; i < FF_CONF_KEYS; i++)
		names[i] = ff_conf_table_variable(ff_conf_table_row((enum ff_conf_key)i)->key);
	near = ff_conf_nearest(name, names);
	if (near)
		ff_conf_error(&l->errors, FF_E_INVALID, "environment", "unknown variable %s; did you mean %s?",
			      shown, near);
	else
		ff_conf_error(&l->errors, FF_E_INVALID, "environment",
			      "unknown variable %s; unset it, or see " FF_NAME ".conf(5)", shown);
	for (unsigned i = 0; i < FF_CONF_KEYS; i++)
		ff_free(&names[i]);
}

/* FLOWFORGE_WORD alone is no setting: those are for other uses (FLOWFORGE_PUBLISH). */
static bool is_setting(const char *name)
{
	return ff_starts(name, FF_ENV_PREFIX) && strchr(name + strlen(FF_ENV_PREFIX), '_');
}

static void load_variable(struct load *l, const char *variable)
{
	size_t n = strcspn(variable, "=");
	FF_AUTO(ff_free) char *name = ff_memdup0(variable, n);
	FF_AUTO(ff_free) char *origin = NULL;

	if (!variable[n] || !is_setting(name))
		return;
	origin = ff_asprintf("environment %s", name);
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		const struct ff_conf_row *row = ff_conf_table_row((enum ff_conf_key)i);
		FF_AUTO(ff_free) char *known = ff_conf_table_variable(row->key);

		if (strcmp(known, name))
			continue;
		if (row->type == FF_CONF_LIST)
			set_lines(l, (enum ff_conf_key)i, variable + n + 1, origin);
		else
			set(l, (enum ff_conf_key)i, variable + n + 1, origin);
		return;
	}
	unknown_variable(l, name);
}

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + ('a' - 'A'));
}

/* section.key=value or section.NAME.key=value; without `=` it is true, as for git -c. */
static void load_setting(struct load *l, const char *setting)
{
	size_t n = strcspn(setting, "=");
	FF_AUTO(ff_free) char *section = ff_memdup0(setting, n);
	char *first = strchr(section, '.'), *last = strrchr(section, '.');
	struct ff_conf_entry e = { .section = section, .value = setting[n] ? setting + n + 1 : NULL };

	if (!first || first == section || !last[1]) {
		FF_AUTO(ff_free) char *shown = ff_text_shown(setting, 60);

		ff_conf_error(&l->errors, FF_E_INVALID, "-c", "`%s` is not of the form section.key=value", shown);
		return;
	}
	e.subsection = first == last ? NULL : first + 1;
	e.key = last + 1;
	*first = *last = '\0';
	lower(section);
	lower(last + 1);
	entry(l, &e, "-c");
}

/* All of it must fit into one file, which is how roles get it. */
static void check_size(struct load *l)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, FF_CONF_TEXT_MAX);
	ff_conf_write(l->conf, &text);
	if (text.overflow)
		ff_conf_error(&l->errors, FF_E_TOO_LARGE, "all files", "more than %d bytes in all", FF_CONF_TEXT_MAX);
}

int ff_conf_load(const struct ff_conf_source *from, struct ff_conf **ret_conf,
		 struct ff_buf *report, struct ff_err *err)
{
	FF_AUTO(ff_conf_free) struct ff_conf *c = ff_calloc(1, sizeof *c);
	struct load l = { .conf = c, .errors = { .report = report, .err = err } };

	set_defaults(c);
	load_files(&l, from->file);
	for (char *const *e = from->environ; e && *e; e++)
		load_variable(&l, *e);
	for (const char *const *s = from->settings; s && *s; s++)
		load_setting(&l, *s);
	ff_conf_check_all(c, &l.errors);
	check_size(&l);
	if (l.errors.count)
		return -1;
	for (size_t i = 0; i < c->env_count; i++)
		ff_conf_strings_add(&c->env_names, ff_strdup(c->envs[i].name));
	*ret_conf = ff_steal(&c);
	return 0;
}

void ff_conf_free(struct ff_conf **conf)
{
	struct ff_conf *c = *conf;

	if (!c)
		return;
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		ff_free(&c->values[i].text);
		ff_free(&c->values[i].origin);
		ff_conf_strings_fini(&c->values[i].list);
	}
	ff_conf_sections_fini(c);
	ff_conf_named_fini(c);
	ff_conf_strings_fini(&c->env_names);
	ff_free(&c->file);
	ff_free(conf);
}
