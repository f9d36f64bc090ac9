/* SPDX-License-Identifier: MIT */
/* See head.h. Grammar: RFC 9112, sections 3 and 5; lengths: section 6.3. */
#include "model/head.h"

#include <string.h>
#include <strings.h>

#include "base/num.h"

/* tchar of RFC 9110, section 5.6.2. */
static bool is_token(const char *p, size_t n)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr(marks, c))))
			return false;
	}
	return n > 0;
}

static bool is_printable(const char *p, size_t n, bool blanks)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == 0x7f || c < 0x20 || (c == ' ' && !blanks)) {
			if (!(blanks && c == '\t'))
				return false;
		}
	}
	return true;
}

static int take(const char *p, size_t n, char *out, size_t max, const char *what, struct ff_err *err)
{
	if (n > max)
		return ff_err_set(err, FF_E_TOO_LARGE, "%s over %zu bytes", what, max);
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

static int request_line(const char *p, size_t n, struct ff_head *h, struct ff_err *err)
{
	const char *sp = memchr(p, ' ', n);
	const char *target, *version;

	if (!sp || !is_token(p, (size_t)(sp - p)))
		return ff_err_set(err, FF_E_PROTOCOL, "request line is not METHOD TARGET HTTP/1.1");
	target = sp + 1;
	version = memchr(target, ' ', n - (size_t)(target - p));
	if (!version || version == target || !is_printable(target, (size_t)(version - target), false))
		return ff_err_set(err, FF_E_PROTOCOL, "request line is not METHOD TARGET HTTP/1.1");
	if (take(p, (size_t)(sp - p), h->method, FF_HEAD_METHOD_MAX, "method", err) < 0 ||
	    take(target, (size_t)(version - target), h->target, FF_HEAD_TARGET_MAX, "target", err) < 0)
		return -1;
	if (n - (size_t)(version + 1 - p) != 8 || memcmp(version + 1, "HTTP/1.", 7))
		return ff_err_set(err, FF_E_PROTOCOL, "request line is not METHOD TARGET HTTP/1.1");
	if (version[8] != '1')
		return ff_err_set(err, FF_E_UNSUPPORTED, "HTTP/1.1 is the only version here");
	return 0;
}

static bool is(const struct ff_head_field *f, const char *name)
{
	return f->name_len == strlen(name) && !strncasecmp(f->name, name, f->name_len);
}

static bool value_is(const struct ff_head_field *f, const char *value)
{
	return f->value_len == strlen(value) && !strncasecmp(f->value, value, f->value_len);
}

static int content_length(const struct ff_head_field *f, struct ff_head *h, struct ff_err *err)
{
	char digits[20];
	int64_t n;

	if (h->content_length >= 0)
		return ff_err_set(err, FF_E_PROTOCOL, "two content-length fields");
	if (!f->value_len || f->value_len >= sizeof digits || f->value[0] < '0' || f->value[0] > '9')
		return ff_err_set(err, FF_E_PROTOCOL, "content-length is not a number");
	memcpy(digits, f->value, f->value_len);
	digits[f->value_len] = '\0';
	if (memchr(digits, '\0', f->value_len) || ff_num_i64(digits, 0, INT64_MAX, &n) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "content-length is not a number");
	h->content_length = n;
	return 0;
}

/* What decides where the request ends is understood here, and nowhere else. */
static int known_field(const struct ff_head_field *f, struct ff_head *h, struct ff_err *err)
{
	if (is(f, "content-length"))
		return content_length(f, h, err);
	if (is(f, "transfer-encoding"))
		return ff_err_set(err, FF_E_UNSUPPORTED, "send content-length, transfer codings are not taken");
	if (is(f, "connection") && value_is(f, "close"))
		h->keep_alive = false;
	if (is(f, "expect")) {
		if (!value_is(f, "100-continue"))
			return ff_err_set(err, FF_E_UNSUPPORTED, "expect: 100-continue is the only expectation");
		h->expect_continue = true;
	}
	return 0;
}

static int field_line(const char *p, size_t n, struct ff_head *h, struct ff_err *err)
{
	const char *colon = memchr(p, ':', n);
	const char *v, *end = p + n;
	struct ff_head_field *f;

	if (!colon || !is_token(p, (size_t)(colon - p)))
		return ff_err_set(err, FF_E_PROTOCOL, "a header line is not NAME: VALUE");
	for (v = colon + 1; v < end && (*v == ' ' || *v == '\t'); v++)
		;
	while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (!is_printable(v, (size_t)(end - v), true))
		return ff_err_set(err, FF_E_PROTOCOL, "control bytes in a header line");
	if (h->count == FF_HEAD_FIELDS_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "more than %d header lines", FF_HEAD_FIELDS_MAX);
	f = &h->fields[h->count++];
	*f = (struct ff_head_field){ p, v, (size_t)(colon - p), (size_t)(end - v) };
	return known_field(f, h, err);
}

ssize_t ff_head_parse(const char *p, size_t n, struct ff_head *ret_head, struct ff_err *err)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	struct ff_head h = { .content_length = -1, .keep_alive = true };
	const char *line = p;

	if ((end ? (size_t)(end - p) + 4 : n) > FF_HEAD_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "request head over %d bytes", FF_HEAD_MAX);
	if (!end)
		return 0;
	while (line <= end) {
		const char *eol = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		size_t len = (size_t)(eol - line);
		int rc = line == p ? request_line(line, len, &h, err) : field_line(line, len, &h, err);

		if (rc < 0)
			return -1;
		line = eol + 2;
	}
	*ret_head = h;
	return end + 4 - p;
}

const struct ff_head_field *ff_head_find(const struct ff_head *head, const char *name)
{
	for (unsigned i = 0; i < head->count; i++)
		if (is(&head->fields[i], name))
			return &head->fields[i];
	return NULL;
}

bool ff_head_path_is(const struct ff_head *head, const char *path)
{
	size_t n = strlen(path);

	return !strncmp(head->target, path, n) && (!head->target[n] || head->target[n] == '?');
}
