/* SPDX-License-Identifier: MIT */
/*
 * Trailers as git-interpret-trailers(1) sees them (with --no-divider): the
 * last paragraph, never the first one, if all of its lines are trailers, or
 * if at least one was written by git itself and a quarter are trailers.
 * tests/shell/t0010-trailers.t compares this with git.
 */
#include "job/spec.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"

struct line {
	const char *p;
	size_t len; /* without the newline */
};

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_blank(struct line l)
{
	for (size_t i = 0; i < l.len; i++)
		if (!is_space(l.p[i]))
			return false;
	return true;
}

static bool is_comment(struct line l)
{
	return l.len && l.p[0] == '#';
}

static bool is_folded(struct line l)
{
	return l.len && is_space(l.p[0]);
}

static bool line_starts(struct line l, const char *with)
{
	size_t n = strlen(with);

	return l.len >= n && !memcmp(l.p, with, n);
}

/* Where the colon of a trailer stands; 0 when the line is no trailer. */
static size_t colon_of(struct line l)
{
	bool blank = false;

	for (size_t i = 0; i < l.len; i++) {
		if (l.p[i] == ':')
			return i;
		if (i && (l.p[i] == ' ' || l.p[i] == '\t'))
			blank = true;
		else if (blank || !is_key_char(l.p[i]))
			return 0;
	}
	return 0;
}

static bool by_git(struct line l)
{
	return line_starts(l, "Signed-off-by: ") || line_starts(l, "(cherry picked from commit ");
}

static struct line line_at(const char *text, size_t len, size_t at)
{
	const char *nl = memchr(text + at, '\n', len - at);

	return (struct line){ text + at, nl ? (size_t)(nl - text) - at : len - at };
}

static size_t after(struct line l, const char *text, size_t len)
{
	size_t next = (size_t)(l.p - text) + l.len + 1;

	return next < len ? next : len;
}

/* Start of the last line of the first len bytes (len > 0). */
static size_t last_line(const char *text, size_t len)
{
	size_t at = len - 1; /* its own newline, if it has one */

	while (at && text[at - 1] != '\n')
		at--;
	return at;
}

/* Length without the comments, blank lines and old "Conflicts:" list that follow the message. */
static size_t without_tail(const char *text, size_t len)
{
	size_t tail = len;
	bool open = false, list = false;

	for (size_t at = 0; at < len;) {
		struct line l = line_at(text, len, at);

		if (is_comment(l) || l.len == 0 || (l.len == 10 && line_starts(l, "Conflicts:"))) {
			list |= l.len == 10 && !is_comment(l);
			if (!open)
				tail = at;
			open = true;
		} else if (!(list && l.p[0] == '\t')) {
			open = list = false;
			tail = len;
		}
		at = after(l, text, len);
	}
	return tail;
}

static size_t end_of_title(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		struct line l = line_at(text, len, at);

		if (!is_comment(l) && is_blank(l))
			break;
		at = after(l, text, len);
	}
	return at;
}

/* Lines of the paragraph by kind, counted upwards from its end. */
struct count {
	size_t trailers, others, folded;
	bool git;
};

static void count_line(struct count *c, struct line l)
{
	if (is_comment(l)) {
		c->others += c->folded;
		c->folded = 0;
	} else if (by_git(l)) {
		c->trailers++;
		c->folded = 0;
		c->git = true;
	} else if (colon_of(l)) {
		c->trailers++;
		c->folded = 0; /* they continue this one */
	} else if (is_folded(l)) {
		c->folded++;
	} else {
		c->others += c->folded + 1;
		c->folded = 0;
	}
}

static bool is_block(const struct count *c)
{
	size_t others = c->others + c->folded;

	return (c->git && c->trailers * 3 >= others) || (c->trailers && !others);
}

/* Start of the trailer block in the first len bytes; len when there is none. */
static size_t find_block(const char *text, size_t len)
{
	size_t title = end_of_title(text, len), at = len, start = len;
	struct count c = { 0 };
	bool text_seen = false;

	while (at > title) {
		struct line l;

		at = last_line(text, at);
		l = line_at(text, len, at);
		if (is_comment(l) || !is_blank(l)) {
			text_seen |= !is_comment(l);
			count_line(&c, l);
			continue;
		}
		if (!text_seen)
			continue;
		start = after(l, text, len);
		break;
	}
	return start < len && is_block(&c) ? start : len;
}

static void add_trimmed(struct ff_buf *out, const char *p, size_t n)
{
	while (n && is_space(p[0])) {
		p++;
		n--;
	}
	while (n && is_space(p[n - 1]))
		n--;
	if (n && out->len)
		(void)ff_buf_addc(out, ' ');
	(void)ff_buf_add(out, p, n); /* never more than the message, which is the maximum */
}

static bool has_key(struct line l, size_t colon, const char *key)
{
	while (colon && is_space(l.p[colon - 1]))
		colon--;
	return strlen(key) == colon && !strncasecmp(l.p, key, colon);
}

char *ff_trailer_value(const char *message, size_t len, const char *key)
{
	FF_AUTO(ff_buf_fini) struct ff_buf value;
	bool mine = false, found = false;
	size_t at;

	len = without_tail(message, strnlen(message, len));
	ff_buf_init(&value, len);
	for (at = find_block(message, len); at < len;) {
		struct line l = line_at(message, len, at);
		size_t colon = is_comment(l) ? 0 : colon_of(l);

		if (colon) {
			mine = has_key(l, colon, key);
			if (mine) {
				found = true;
				ff_buf_clear(&value);
				add_trimmed(&value, l.p + colon + 1, l.len - colon - 1);
			}
		} else if (mine && is_folded(l)) {
			add_trimmed(&value, l.p, l.len);
		} else {
			mine = false;
		}
		at = after(l, message, len);
	}
	return found ? ff_buf_take(&value) : NULL;
}
