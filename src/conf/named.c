/* SPDX-License-Identifier: MIT */
/*
 * Sections with a name whose keys have types: [repository "GLOB"], which
 * narrows or widens budgets, and [destination "NAME"], which says where the
 * gateway may fetch from.  A row of the table below is all that a key needs.
 */
#include "conf/parts.h"

#include <string.h>

#include "base/text.h"
#include "conf/table.h"

#define NAME_MAX_BYTES 1024

static const struct {
	enum ff_conf_section section;
	struct ff_conf_row row;
} keys[] = {
#define MONEY(s, k) { FF_CONF_SECTION_##s, { .key = k, .type = FF_CONF_MONEY, .max = 1000000000000 } }
#define COUNT(s, k) { FF_CONF_SECTION_##s, { .key = k, .type = FF_CONF_INT, .max = 1000000000000 } }
	MONEY(REPOSITORY, "repository-usd"), COUNT(REPOSITORY, "repository-tokens"),
	MONEY(REPOSITORY, "job-usd"), COUNT(REPOSITORY, "job-tokens"),
	{ FF_CONF_SECTION_DESTINATION, { .key = "url", .type = FF_CONF_STR, .min = 8, .max = 1024 } },
	{ FF_CONF_SECTION_DESTINATION, { .key = "secret-file", .type = FF_CONF_PATH, .max = 4096 } },
	{ FF_CONF_SECTION_DESTINATION, { .key = "secret-header", .type = FF_CONF_STR, .min = 1, .max = 128 } },
	{ FF_CONF_SECTION_DESTINATION, { .key = "private", .type = FF_CONF_BOOL } },
	{ FF_CONF_SECTION_DESTINATION, { .key = "max-bytes", .type = FF_CONF_SIZE, .min = 1, .max = 131072 } },
	{ FF_CONF_SECTION_DESTINATION, { .key = "timeout", .type = FF_CONF_TIME, .min = 10, .max = 600000 } },
#undef MONEY
#undef COUNT
};

static const char *const words[] = {
	[FF_CONF_SECTION_REPOSITORY] = "repository", [FF_CONF_SECTION_DESTINATION] = "destination",
};

const char *ff_conf_named_word(enum ff_conf_section section)
{
	return words[section];
}

int ff_conf_named_section(const char *word, enum ff_conf_section *ret)
{
	for (unsigned i = 0; i < FF_ARRAY_LEN(words); i++)
		if (!strcmp(words[i], word)) {
			*ret = (enum ff_conf_section)i;
			return 0;
		}
	return -1;
}

static const struct ff_conf_row *row_of(enum ff_conf_section section, const char *key)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (keys[i].section == section && !strcmp(keys[i].row.key, key))
			return &keys[i].row;
	return NULL;
}

static void unknown(enum ff_conf_section section, const char *key, const char *origin, struct ff_conf_errors *errors)
{
	const char *known[FF_ARRAY_LEN(keys) + 1] = { NULL }, *near;
	FF_AUTO(ff_free) char *shown = ff_text_shown(key, 60);
	size_t n = 0;

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (keys[i].section == section)
			known[n++] = keys[i].row.key;
	near = ff_conf_nearest(key, known);
	ff_conf_error(errors, FF_E_INVALID, origin, "unknown key %s in [%s \"...\"]%s%s%s", shown, words[section],
		      near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int check_url(const char *text, struct ff_err *err)
{
	if (!ff_starts(text, "https://") && !ff_starts(text, "http://"))
		return ff_err_set(err, FF_E_INVALID, "must start with https:// or http://");
	if (strpbrk(text, "@#\"\\ ") || !strstr(text, "://")[3])
		return ff_err_set(err, FF_E_INVALID, "must be scheme, host and path; a secret belongs into secret-file");
	return 0;
}

static struct ff_conf_named *place(struct ff_conf *c, enum ff_conf_section section, const char *name, const char *key)
{
	struct ff_conf_named *n;

	for (size_t i = 0; i < c->named_count; i++)
		if (c->named[i].section == section && !strcmp(c->named[i].name, name) && !strcmp(c->named[i].key, key))
			return &c->named[i];
	if (c->named_count >= FF_CONF_SECTIONS_MAX)
		return NULL;
	c->named = ff_realloc(c->named, c->named_count + 1, sizeof *c->named);
	n = &c->named[c->named_count++];
	*n = (struct ff_conf_named){ .section = section, .name = ff_strdup(name), .key = row_of(section, key)->key };
	return n;
}

void ff_conf_named_set(struct ff_conf *c, enum ff_conf_section section, const struct ff_conf_entry *e, const char *origin,
		       struct ff_conf_errors *errors)
{
	const char *value = e->value ? e->value : "true";
	const struct ff_conf_row *row;
	struct ff_conf_named *n;
	struct ff_err err = { 0 };
	int64_t num = 0;

	if (ff_conf_table_text(e->subsection, 1, NAME_MAX_BYTES, false, &err) < 0) {
		ff_conf_error(errors, FF_E_INVALID, origin, "the name of a [%s] section %s", words[section], err.text);
		return;
	}
	if (!e->key)
		return;
	row = row_of(section, e->key);
	if (!row) {
		unknown(section, e->key, origin, errors);
		return;
	}
	if (ff_conf_table_check(row, value, &num, &err) < 0 || (!strcmp(row->key, "url") && check_url(value, &err) < 0)) {
		ff_conf_error(errors, err.code, origin, "%s %s: %s", words[section], row->key, err.text);
		return;
	}
	n = place(c, section, e->subsection, row->key);
	if (!n) {
		ff_conf_error(errors, FF_E_INVALID, origin, "more than %d keys in sections with a name", FF_CONF_SECTIONS_MAX);
		return;
	}
	ff_free(&n->text);
	ff_free(&n->origin);
	n->text = ff_strdup(value);
	n->origin = ff_strdup(origin);
	n->num = num;
}

static const struct ff_conf_named *find(const struct ff_conf *c, enum ff_conf_section section, const char *name,
					const char *key)
{
	ff_assert(row_of(section, key));
	for (size_t i = 0; i < c->named_count; i++) {
		const struct ff_conf_named *n = &c->named[i];

		if (n->section != section || strcmp(n->key, key) != 0)
			continue;
		if (section == FF_CONF_SECTION_REPOSITORY ? ff_glob_match(n->name, name) : !strcmp(n->name, name))
			return n;
	}
	return NULL;
}

bool ff_conf_named_num(const struct ff_conf *c, enum ff_conf_section section, const char *name, const char *key,
		       int64_t *ret)
{
	const struct ff_conf_named *n = find(c, section, name, key);

	if (n)
		*ret = n->num;
	return n != NULL;
}

const char *ff_conf_named_str(const struct ff_conf *c, enum ff_conf_section section, const char *name, const char *key)
{
	const struct ff_conf_named *n = find(c, section, name, key);

	return n ? n->text : NULL;
}

void ff_conf_named_fini(struct ff_conf *c)
{
	for (size_t i = 0; i < c->named_count; i++) {
		ff_free(&c->named[i].name);
		ff_free(&c->named[i].text);
		ff_free(&c->named[i].origin);
	}
	ff_free(&c->named);
	c->named_count = 0;
}
