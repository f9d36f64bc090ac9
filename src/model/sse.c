/* SPDX-License-Identifier: MIT */
/* See sse.h. */
#include "model/sse.h"

#include <stdio.h>
#include <string.h>

void ff_sse_init(struct ff_sse *s, size_t max_bytes, ff_sse_fn fn, void *arg)
{
	*s = (struct ff_sse){ .fn = fn, .arg = arg };
	ff_buf_init(&s->line, max_bytes);
	ff_buf_init(&s->data, max_bytes);
}

void ff_sse_fini(struct ff_sse *s)
{
	ff_buf_fini(&s->line);
	ff_buf_fini(&s->data);
}

static int dispatch(struct ff_sse *s, struct ff_err *err)
{
	int rc = 0;

	if (s->any_data)
		rc = s->fn(s->arg, s->event[0] ? s->event : "message", s->data.data, s->data.len, err);
	ff_buf_clear(&s->data);
	s->event[0] = '\0';
	s->any_data = false;
	return rc;
}

static int field(struct ff_sse *s, const char *name, size_t name_len, const char *value, size_t n, struct ff_err *err)
{
	if (name_len == 5 && !memcmp(name, "event", 5)) {
		(void)snprintf(s->event, sizeof s->event, "%.*s", (int)(n < 63 ? n : 63), value);
	} else if (name_len == 4 && !memcmp(name, "data", 4)) {
		if ((s->any_data && ff_buf_addc(&s->data, '\n') < 0) || ff_buf_add(&s->data, value, n) < 0)
			return ff_err_set(err, FF_E_TOO_LARGE, "an event of the answer is over %zu bytes", s->data.max);
		s->any_data = true;
	}
	return 0;
}

static int line_done(struct ff_sse *s, struct ff_err *err)
{
	const char *p = s->line.data, *colon = memchr(p, ':', s->line.len);
	size_t name_len = colon ? (size_t)(colon - p) : s->line.len;
	const char *value = colon ? colon + 1 : p + s->line.len;
	int rc;

	if (!s->line.len)
		return dispatch(s, err);
	if (colon && *value == ' ')
		value++;
	rc = field(s, p, name_len, value, s->line.len - (size_t)(value - p), err);
	ff_buf_clear(&s->line);
	return rc;
}

int ff_sse_feed(struct ff_sse *s, const void *bytes, size_t n, struct ff_err *err)
{
	const char *p = bytes, *end = p + n;

	while (p < end) {
		size_t len = 0;

		if (s->after_cr && *p == '\n') {
			s->after_cr = false;
			p++;
			continue;
		}
		s->after_cr = false;
		while (p + len < end && p[len] != '\n' && p[len] != '\r')
			len++;
		if (len && ff_buf_add(&s->line, p, len) < 0)
			return ff_err_set(err, FF_E_TOO_LARGE, "an event of the answer is over %zu bytes", s->line.max);
		p += len;
		if (p == end)
			break;
		s->after_cr = *p++ == '\r';
		if (line_done(s, err) < 0)
			return -1;
	}
	return 0;
}
