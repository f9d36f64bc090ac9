/* SPDX-License-Identifier: MIT */
/* The error table of err.def and the three ways to fill a struct ff_err. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const struct row {
	const char *name;
	bool retryable;
	int http;
	int exit;
	const char *meaning;
} rows[FF_E_COUNT] = {
	[FF_E_NONE] = { "NONE", false, 200, 0, "no error" },
#define FF_ERR(name, retry, http, exit, text) \
	[FF_E_##name] = { #name, retry, http, exit, text },
#include "base/err.def"
#undef FF_ERR
};

static const struct row *row_of(enum ff_err_code code)
{
	return &rows[(unsigned)code < FF_E_COUNT ? code : FF_E_INTERNAL];
}

/* Takes text that may have been cut; half a character would make a JSON string of it invalid. */
static void set_text(struct ff_err *err, const char *text)
{
	size_t n = strlen(text);
	unsigned cp;

	if (n == FF_ERR_TEXT_MAX) {
		size_t at = n;

		while (at > n - 4 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
			at--;
		if ((unsigned char)text[at - 1] >= 0xc0 && !ff_utf8_next(text + at - 1, n - at + 1, &cp))
			n = at - 1;
	}
	memcpy(err->text, text, n);
	err->text[n] = '\0';
}

int ff_err_set(struct ff_err *err, enum ff_err_code code, const char *fmt, ...)
{
	char text[FF_ERR_TEXT_MAX + 1]; /* the arguments may be parts of *err */
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap); /* cut on purpose */
	va_end(ap);
	err->code = code;
	set_text(err, text);
	return -1;
}

int ff_err_wrap(struct ff_err *err, const char *fmt, ...)
{
	char front[FF_ERR_TEXT_MAX + 1];
	char text[FF_ERR_TEXT_MAX + 1];
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(front, sizeof front, fmt, ap);
	va_end(ap);
	if (snprintf(text, sizeof text, "%s: %s", front, err->text) > 0)
		set_text(err, text);
	return -1;
}

int ff_err_errno(struct ff_err *err, const char *fmt, ...)
{
	int saved = errno;
	char front[FF_ERR_TEXT_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(front, sizeof front, fmt, ap);
	va_end(ap);
	ff_err_set(err, FF_E_IO, "%s: %s", front, strerror(saved));
	errno = saved;
	return -1;
}

const char *ff_err_name(enum ff_err_code code) { return row_of(code)->name; }
const char *ff_err_meaning(enum ff_err_code code) { return row_of(code)->meaning; }
bool ff_err_retryable(enum ff_err_code code) { return row_of(code)->retryable; }
int ff_err_http(enum ff_err_code code) { return row_of(code)->http; }
int ff_err_exit(enum ff_err_code code) { return row_of(code)->exit; }

enum ff_err_code ff_err_by_name(const char *name)
{
	for (int i = 0; i < FF_E_COUNT; i++)
		if (!strcmp(rows[i].name, name))
			return (enum ff_err_code)i;
	return FF_E_INTERNAL;
}
