/* SPDX-License-Identifier: MIT */
/* See edit.h. */
#include "daemon/sandbox/edit.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

static void put(struct ff_buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	(void)ff_buf_addf(out, "%s %zu\n", name, strlen(value)); /* overflow is looked at once, at the end */
	(void)ff_buf_adds(out, value);
	(void)ff_buf_addc(out, '\n');
}

static void put_number(struct ff_buf *out, const char *name, int64_t value)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64, value);

	put(out, name, text);
}

int ff_edit_write(const struct ff_edit *edit, struct ff_buf *out, struct ff_err *err)
{
	put_number(out, "command", (int64_t)edit->command);
	put(out, "path", edit->path);
	put(out, "text", edit->text);
	put(out, "old", edit->old_text);
	put_number(out, "line", edit->line);
	put_number(out, "first", edit->first);
	put_number(out, "last", edit->last);
	put_number(out, "again", edit->again);
	if (out->overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the edit is over %zu bytes", out->max);
	return 0;
}

static int number(const char *value, int64_t min, int64_t max, int64_t *ret, struct ff_err *err)
{
	if (ff_num_i64(value, min, max, ret))
		return ff_err_set(err, FF_E_PROTOCOL, "not a number in the edit request");
	return 0;
}

static void take_text(const char **to, char **value)
{
	ff_free(to);
	*to = ff_steal(value);
}

static int take(struct ff_edit *e, const char *name, char **value, struct ff_err *err)
{
	int64_t n = 0;

	if (!strcmp(name, "path"))
		take_text(&e->path, value);
	else if (!strcmp(name, "text"))
		take_text(&e->text, value);
	else if (!strcmp(name, "old"))
		take_text(&e->old_text, value);
	else if (!strcmp(name, "line"))
		return number(*value, INT64_MIN, INT64_MAX, &e->line, err);
	else if (!strcmp(name, "first"))
		return number(*value, INT64_MIN, INT64_MAX, &e->first, err);
	else if (!strcmp(name, "last"))
		return number(*value, INT64_MIN, INT64_MAX, &e->last, err);
	else if (!strcmp(name, "command")) {
		if (number(*value, FF_EDIT_VIEW, FF_EDIT_INSERT, &n, err))
			return -1;
		e->command = (enum ff_edit_command)n;
	} else if (!strcmp(name, "again")) {
		if (number(*value, 0, 1, &n, err))
			return -1;
		e->again = n;
	} else {
		return ff_err_set(err, FF_E_PROTOCOL, "unknown field in the edit request");
	}
	return 0;
}

/* One field; returns what is behind it, or NULL. */
static const char *field(const char *p, const char *end, struct ff_edit *e, struct ff_err *err)
{
	const char *eol = memchr(p, '\n', (size_t)(end - p));
	FF_AUTO(ff_free) char *head = eol ? ff_memdup0(p, (size_t)(eol - p)) : NULL;
	FF_AUTO(ff_free) char *value = NULL;
	char *blank = head ? strchr(head, ' ') : NULL;
	int64_t n;

	if (!blank || ff_num_i64(blank + 1, 0, FF_EDIT_REQUEST_MAX, &n) || end - eol - 2 < n || eol[1 + n] != '\n' ||
	    memchr(eol + 1, '\0', (size_t)n)) {
		(void)ff_err_set(err, FF_E_PROTOCOL, "the edit request is damaged");
		return NULL;
	}
	*blank = '\0';
	value = ff_memdup0(eol + 1, (size_t)n);
	return take(e, head, &value, err) ? NULL : eol + n + 2;
}

int ff_edit_read(const char *p, size_t n, struct ff_edit *ret_edit, struct ff_err *err)
{
	FF_AUTO(ff_edit_fini) struct ff_edit e = { 0 };
	const char *end = p + n;

	while (p < end) {
		p = field(p, end, &e, err);
		if (!p)
			return -1;
	}
	if (!e.command || !e.path)
		return ff_err_set(err, FF_E_PROTOCOL, "the edit request is not complete");
	*ret_edit = e;
	memset(&e, 0, sizeof(e));
	return 0;
}

void ff_edit_fini(struct ff_edit *edit)
{
	ff_free(&edit->path);
	ff_free(&edit->text);
	ff_free(&edit->old_text);
}
