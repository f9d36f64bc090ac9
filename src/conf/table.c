/* SPDX-License-Identifier: MIT */
/*
 * The table of keys and the checks that follow from a key's type alone.  An
 * error here is read by somebody whose daemon does not start: it says what
 * was written, what is allowed, and in which unit.
 */
#include "conf/table.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/names.h"
#include "base/num.h"
#include "base/price.h"
#include "base/text.h"

#define ROW_RANGE(min_, max_) .min = (min_), .max = (max_)
#define ROW_STR(min_, max_) ROW_RANGE(min_, max_)
#define ROW_PATH(min_, max_) ROW_RANGE(min_, max_)
#define ROW_INT(min_, max_) ROW_RANGE(min_, max_)
#define ROW_SIZE(min_, max_) ROW_RANGE(min_, max_)
#define ROW_TIME(min_, max_) ROW_RANGE(min_, max_)
#define ROW_BOOL(min_, max_) ROW_RANGE(min_, max_)
#define ROW_LIST(min_, max_) ROW_RANGE(min_, max_)
#define ROW_MONEY(min_, max_) ROW_RANGE(min_, max_)
#define ROW_WORD(words_, max_) .words = (words_)

static const struct ff_conf_row rows[FF_CONF_KEYS] = {
#define FF_CONF(id, key_, type_, def_, min_, max_, reloadable_, help_) \
	[FF_CONF_##id] = { .key = key_, .type = FF_CONF_##type_, .def = def_, \
			   ROW_##type_(min_, max_), .reloadable = reloadable_ },
#include "conf/conf.def"
#undef FF_CONF
};

const struct ff_conf_row *ff_conf_table_row(enum ff_conf_key key)
{
	ff_assert((unsigned)key < FF_CONF_KEYS);
	return &rows[key];
}

int ff_conf_table_find(const char *name, enum ff_conf_key *ret_key)
{
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		if (!strcmp(rows[i].key, name)) {
			*ret_key = (enum ff_conf_key)i;
			return 0;
		}
	}
	return -1;
}

/* What was written, harmless and short, for an error. */
static char *quoted(const char *text)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(text, 60);

	return ff_asprintf("`%s`", shown);
}

/* A number in the largest unit that holds it exactly. */
static void in_units(struct ff_buf *out, enum ff_conf_type type, int64_t v)
{
	static const struct { enum ff_conf_type type; int64_t factor; const char *unit; } units[] = {
		{ FF_CONF_SIZE, 1 << 30, "g" }, { FF_CONF_SIZE, 1 << 20, "m" }, { FF_CONF_SIZE, 1 << 10, "k" },
		{ FF_CONF_TIME, 86400000, "d" }, { FF_CONF_TIME, 3600000, "h" }, { FF_CONF_TIME, 60000, "m" },
		{ FF_CONF_TIME, 1000, "s" }, { FF_CONF_TIME, 1, "ms" },
	};

	for (size_t i = 0; v && i < FF_ARRAY_LEN(units); i++) {
		if (units[i].type == type && v % units[i].factor == 0) {
			(void)ff_buf_addf(out, "%" PRId64 "%s", v / units[i].factor, units[i].unit);
			return;
		}
	}
	(void)ff_buf_addf(out, "%" PRId64, v);
}

static int out_of_range(const struct ff_conf_row *row, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = quoted(text);
	FF_AUTO(ff_buf_fini) struct ff_buf range;

	ff_buf_init(&range, 128);
	if (row->type == FF_CONF_MONEY) {
		char least[FF_PRICE_TEXT], most[FF_PRICE_TEXT];

		ff_price_text(row->min, least);
		ff_price_text(row->max, most);
		(void)ff_buf_addf(&range, "%s to %s", least, most);
	} else {
		in_units(&range, row->type, row->min);
		(void)ff_buf_adds(&range, " to ");
		in_units(&range, row->type, row->max);
	}
	return ff_err_set(err, FF_E_INVALID, "%s is out of range: %s%s", shown, range.data,
			  row->type == FF_CONF_SIZE ? " bytes" : "");
}

static int number(const struct ff_conf_row *row, const char *text, int64_t *ret_num, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = quoted(text);
	int64_t v = 0;

	if (row->type == FF_CONF_INT && ff_num_i64(text, INT64_MIN, INT64_MAX, &v) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is not a whole number", shown);
	if (row->type == FF_CONF_SIZE && ff_num_size(text, &v) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is not a size: digits and k, m or g, as in 64k", shown);
	if (row->type == FF_CONF_TIME && ff_num_duration(text, &v) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is not a time: digits and ms, s, m, h or d, as in 30s", shown);
	if (row->type == FF_CONF_MONEY && ff_price_money(text, &v) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is not an amount in dollars, as in 2.50", shown);
	if (v < row->min || v > row->max)
		return out_of_range(row, text, err);
	*ret_num = v;
	return 0;
}

static int boolean(const char *text, int64_t *ret_num, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = quoted(text);
	int v;

	if (!*text) /* git reads `key =` as false */
		v = 0;
	else if (ff_num_bool(text, &v) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s is neither true nor false", shown);
	*ret_num = v;
	return 0;
}

static int word(const struct ff_conf_row *row, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = quoted(text);
	size_t n = strlen(text);

	for (const char *at = row->words; *at; ) {
		size_t len = strcspn(at, " ");

		if (len == n && !memcmp(at, text, n))
			return 0;
		at += len + (at[len] == ' ');
	}
	return ff_err_set(err, FF_E_INVALID, "%s is not one of: %s", shown, row->words);
}

int ff_conf_table_word(enum ff_conf_key key, const char *text, struct ff_err *err)
{
	ff_assert(rows[key].type == FF_CONF_WORD);
	return word(&rows[key], text, err);
}

int ff_conf_table_text(const char *text, int64_t min, int64_t max, bool lines, struct ff_err *err)
{
	size_t n = strlen(text);

	if ((int64_t)n < min)
		return n ? ff_err_set(err, FF_E_INVALID, "is too short: at least %" PRId64 " bytes", min)
			 : ff_err_set(err, FF_E_INVALID, "must not be empty");
	if ((int64_t)n > max)
		return ff_err_set(err, FF_E_INVALID, "has %zu bytes: at most %" PRId64, n, max);
	if (!ff_utf8_valid(text, n))
		return ff_err_set(err, FF_E_INVALID, "is not UTF-8");
	for (const char *p = text; *p; p++) {
		bool control = (unsigned char)*p < 0x20 || *p == 0x7f;

		if (control && !(lines && (*p == '\n' || *p == '\t')))
			return ff_err_set(err, FF_E_INVALID, "has a control character in it");
	}
	return 0;
}

static int path(const struct ff_conf_row *row, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = quoted(text);

	if (ff_conf_table_text(text, row->min, row->max, false, err) < 0)
		return -1;
	if (*text && *text != '/')
		return ff_err_set(err, FF_E_INVALID, "%s must be an absolute path", shown);
	if (strstr(text, "/../") || ff_ends(text, "/.."))
		return ff_err_set(err, FF_E_INVALID, "%s must be written without `..`", shown);
	return 0;
}

int ff_conf_table_check(const struct ff_conf_row *row, const char *text, int64_t *ret_num,
			struct ff_err *err)
{
	switch (row->type) {
	case FF_CONF_INT:
	case FF_CONF_SIZE:
	case FF_CONF_TIME:
	case FF_CONF_MONEY:
		return number(row, text, ret_num, err);
	case FF_CONF_BOOL:
		return boolean(text, ret_num, err);
	case FF_CONF_WORD:
		return word(row, text, err);
	case FF_CONF_PATH:
		return path(row, text, err);
	case FF_CONF_LIST:
		return ff_conf_table_text(text, 1, row->max, false, err);
	case FF_CONF_STR:
		return ff_conf_table_text(text, row->min, row->max,
					  row == &rows[FF_CONF_AGENT_SYSTEM], err);
	}
	ff_assert(!"a type that is in the enum");
	return -1;
}

char *ff_conf_table_variable(const char *key)
{
	char *name = ff_asprintf(FF_ENV_PREFIX "%s", key);

	for (char *p = name; *p; p++) {
		if (*p == '.' || *p == '-')
			*p = '_';
		else if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - ('a' - 'A'));
	}
	return name;
}

#define NEAR_MAX 64

static int folded(char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

/* Levenshtein's distance of two names of at most NEAR_MAX bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = diagonal + (folded(a[i - 1]) != folded(b[j - 1]));

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

/* Keeps the nearer one of two; a third of the letters wrong is not near. */
static void nearer(const char *name, const char *candidate, unsigned *best, const char **ret)
{
	size_t n = strlen(name);
	unsigned d;

	if (n > NEAR_MAX || strlen(candidate) > NEAR_MAX)
		return;
	d = distance(name, candidate);
	if (d < *best && d <= 1 + n / 4) {
		*best = d;
		*ret = candidate;
	}
}

const char *ff_conf_table_nearest(const char *name)
{
	const char *found = NULL;
	unsigned best = NEAR_MAX;

	for (unsigned i = 0; i < FF_CONF_KEYS; i++)
		nearer(name, rows[i].key, &best, &found);
	return found;
}

const char *ff_conf_nearest(const char *name, const char *const *names)
{
	const char *found = NULL;
	unsigned best = NEAR_MAX;

	for (; *names; names++)
		nearer(name, *names, &best, &found);
	return found;
}
