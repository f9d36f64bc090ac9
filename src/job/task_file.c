/* SPDX-License-Identifier: MIT */
/*
 * Task files: what flowforge-task(5) describes.  They are read from the
 * target branch, so their author may write there; a mistake in one is
 * answered with its line, never guessed around.
 */
#include "job/spec.h"

#include <string.h>

#include "base/text.h"

#define FF_TASK_FILE_MARK "---"

struct cursor {
	const char *p, *end;
	unsigned line;
};

/* The next line without its end, trimmed; false at the end of the text. */
static bool next_line(struct cursor *c, const char **ret_p, size_t *ret_n)
{
	const char *nl;
	size_t n;

	if (c->p == c->end)
		return false;
	nl = memchr(c->p, '\n', (size_t)(c->end - c->p));
	n = (size_t)((nl ? nl : c->end) - c->p);
	*ret_p = c->p;
	while (n && strchr(" \t\r", (*ret_p)[n - 1]))
		n--;
	*ret_n = n;
	c->p = nl ? nl + 1 : c->end;
	c->line++;
	return true;
}

static char **field(struct ff_task_file *f, const char *key, size_t n)
{
	const struct { const char *name; char **to; } fields[] = {
		{ "target", &f->target }, { "env", &f->env_name }, { "priority", &f->priority },
		{ "ttl", &f->ttl }, { "retries", &f->retries },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(fields); i++)
		if (strlen(fields[i].name) == n && !memcmp(fields[i].name, key, n))
			return fields[i].to;
	return NULL;
}

static int head_line(struct ff_task_file *f, const struct cursor *c, const char *p, size_t n, struct ff_err *err)
{
	const char *colon = memchr(p, ':', n);
	FF_AUTO(ff_free) char *key = NULL;
	FF_AUTO(ff_free) char *shown = NULL;
	size_t skip;
	char **to;

	if (n == 0 || p[0] == '#')
		return 0;
	key = ff_memdup0(p, colon ? (size_t)(colon - p) : n);
	shown = ff_text_shown(key, 40);
	if (!colon)
		return ff_err_set(err, FF_E_INVALID, "line %u: '%s' is not 'key: value'; a line " FF_TASK_FILE_MARK
				  " ends the head", c->line, shown);
	to = field(f, p, (size_t)(colon - p));
	if (!to)
		return ff_err_set(err, FF_E_INVALID, "line %u: unknown key '%s'; known are target, env, priority, ttl, retries",
				  c->line, shown);
	if (*to)
		return ff_err_set(err, FF_E_INVALID, "line %u: %s is given twice", c->line, shown);
	for (skip = (size_t)(colon - p) + 1; skip < n && strchr(" \t", p[skip]);)
		skip++;
	if (skip == n)
		return ff_err_set(err, FF_E_INVALID, "line %u: %s has no value; leave the line out for the default",
				  c->line, shown);
	*to = ff_memdup0(p + skip, n - skip);
	return 0;
}

static bool is_mark(const char *p, size_t n)
{
	return n == strlen(FF_TASK_FILE_MARK) && !memcmp(p, FF_TASK_FILE_MARK, n);
}

/* Leaves the cursor behind the head, where there is one. */
static int parse_head(struct ff_task_file *f, struct cursor *c, struct ff_err *err)
{
	struct cursor first = *c;
	const char *p;
	size_t n;

	if (!next_line(&first, &p, &n) || !is_mark(p, n))
		return 0;
	*c = first;
	while (next_line(c, &p, &n)) {
		if (is_mark(p, n))
			return 0;
		if (head_line(f, c, p, n, err) < 0)
			return -1;
	}
	return ff_err_set(err, FF_E_INVALID, "the head that line 1 opens is not closed: put a line " FF_TASK_FILE_MARK
			  " behind it");
}

/* Without blank lines in front and white space at the end. */
static char *body_of(struct cursor c)
{
	struct cursor line = c;
	const char *p;
	size_t n;

	while (next_line(&line, &p, &n) && n == 0)
		c = line;
	while (c.end > c.p && strchr(" \t\r\n", c.end[-1]))
		c.end--;
	return ff_memdup0(c.p, (size_t)(c.end - c.p));
}

int ff_task_file_parse(const char *text, size_t len, struct ff_task_file *ret_file, struct ff_err *err)
{
	static const char bom[] = "\xef\xbb\xbf";
	FF_AUTO(ff_task_file_fini) struct ff_task_file f = { 0 };
	struct cursor c = { text, text + len, 0 };

	if (memchr(text, '\0', len) || !ff_utf8_valid(text, len))
		return ff_err_set(err, FF_E_INVALID, "the text is not UTF-8");
	if (len >= 3 && !memcmp(text, bom, 3))
		c.p += 3;
	if (parse_head(&f, &c, err) < 0)
		return -1;
	f.body = body_of(c);
	if (!*f.body)
		return ff_err_set(err, FF_E_INVALID, "there is no task in it: say what to do below the head");
	*ret_file = f;
	f = (struct ff_task_file){ 0 };
	return 0;
}

void ff_task_file_fini(struct ff_task_file *f)
{
	ff_free(&f->body);
	ff_free(&f->target);
	ff_free(&f->env_name);
	ff_free(&f->priority);
	ff_free(&f->ttl);
	ff_free(&f->retries);
}
