/* SPDX-License-Identifier: MIT */
/*
 * git's configuration syntax, read the way git reads it (git-config(1),
 * "Syntax"): administrators know it, editors colour it, and `git config -f`
 * writes it.  The unit test compares this reader with git itself.
 */
#include "conf/syntax.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

/* A name or value longer than this is a mistake, not a setting. */
#define NAME_MAX_BYTES 4096
#define VALUE_MAX_BYTES (256 * 1024)
/* Outside of unsigned char; git treats the end of a file as a newline, too. */
#define END (-1)

struct parser {
	const char *at, *end;
	unsigned line;
	const struct ff_conf_reader *reader;
	const char *wrong; /* what the step that failed found */
	bool in_section;   /* false: before the first header, or below a broken one */
	bool broken;
	struct ff_buf section, subsection, key, value;
	bool has_subsection;
};

static bool is_blank(int c) { return c == ' ' || c == '\t' || c == '\r'; }
static bool is_alpha(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_name(int c) { return is_alpha(c) || (c >= '0' && c <= '9') || c == '-'; }
static char lower(int c) { return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

/* The next byte without taking it; CR LF is one newline. */
static int peek(const struct parser *p)
{
	if (p->at == p->end)
		return END;
	if (*p->at == '\r' && p->at + 1 < p->end && p->at[1] == '\n')
		return '\n';
	return (unsigned char)*p->at;
}

static int next(struct parser *p)
{
	int c = peek(p);

	if (c == END)
		return END;
	p->at += c == '\n' && *p->at == '\r' ? 2 : 1;
	if (c == '\n')
		p->line++;
	return c;
}

static bool line_ends(int c) { return c == '\n' || c == END; }

static int fail(struct parser *p, const char *wrong)
{
	p->wrong = wrong;
	return -1;
}

static void skip_line(struct parser *p)
{
	while (!line_ends(peek(p)))
		(void)next(p);
}

static void emit(struct parser *p, const char *key, const char *value, unsigned line)
{
	struct ff_conf_entry entry = {
		.section = p->section.data,
		.subsection = p->has_subsection ? p->subsection.data : NULL,
		.key = key, .value = value, .line = line,
	};

	p->reader->on_entry(p->reader->arg, &entry);
}

/* From behind the opening quote of [section "subsection"] to behind the bracket. */
static int quoted_subsection(struct parser *p)
{
	for (;;) {
		int c = peek(p);

		if (line_ends(c))
			return fail(p, "the quoted name of this section does not end on its line");
		(void)next(p);
		if (c == '"')
			break;
		if (c == '\\') {
			c = peek(p);
			if (line_ends(c))
				return fail(p, "the quoted name of this section does not end on its line");
			(void)next(p);
		}
		(void)ff_buf_addc(&p->subsection, (char)c); /* overflow is looked at by header() */
	}
	if (peek(p) != ']')
		return fail(p, "`]` is missing behind the name of this section");
	(void)next(p);
	return 0;
}

/* From behind the opening bracket. [a.b] is the old way to write [a "b"]. */
static int header_names(struct parser *p)
{
	for (;;) {
		int c = peek(p);

		if (line_ends(c))
			return fail(p, "`]` is missing in this section header");
		(void)next(p);
		if (c == ']')
			return 0;
		if (is_blank(c)) {
			while (is_blank(peek(p)))
				(void)next(p);
			if (peek(p) != '"')
				return fail(p, "the name behind the section must be in double quotes: [section \"name\"]");
			(void)next(p);
			if (p->has_subsection)
				(void)ff_buf_addc(&p->subsection, '.');
			p->has_subsection = true;
			return quoted_subsection(p);
		}
		if (c == '.' && !p->has_subsection)
			p->has_subsection = true;
		else if (is_name(c) || c == '.')
			(void)ff_buf_addc(p->has_subsection ? &p->subsection : &p->section, lower(c));
		else
			return fail(p, "a section name has letters, digits, `-` and `.` only");
	}
}

static int header(struct parser *p)
{
	ff_buf_clear(&p->section);
	ff_buf_clear(&p->subsection);
	p->has_subsection = false;
	if (header_names(p) < 0)
		return -1;
	if (p->section.overflow || p->subsection.overflow)
		return fail(p, "the name of this section is too long");
	if (!p->section.len)
		return fail(p, "this section has no name");
	return 0;
}

/* The byte that a backslash and c stand for; END when there is none. */
static int unescaped(int c)
{
	switch (c) {
	case 't': return '\t';
	case 'n': return '\n';
	case 'b': return '\b';
	case '\\': case '"': return c;
	default: return END;
	}
}

/* One backslash and what follows it. */
static int escape(struct parser *p)
{
	int c = peek(p), plain;

	if (line_ends(c)) { /* the value goes on in the next line */
		(void)next(p);
		return 0;
	}
	plain = unescaped(c);
	if (plain == END)
		return fail(p, "a backslash in a value stands before \\ \" n t b or the end of the line only");
	(void)next(p);
	(void)ff_buf_addc(&p->value, (char)plain); /* overflow is looked at by value() */
	return 0;
}

/* From behind the equals sign to the end of the (continued) line. */
static int value(struct parser *p)
{
	bool quoted = false;
	const char *blanks = NULL; /* since where there were only blanks */

	ff_buf_clear(&p->value);
	for (;;) {
		int c = peek(p);
		const char *here = p->at;

		if (line_ends(c))
			break;
		if (!quoted && (c == '#' || c == ';')) {
			skip_line(p);
			break;
		}
		(void)next(p);
		if (!quoted && is_blank(c)) {
			if (p->value.len && !blanks)
				blanks = here;
			continue;
		}
		if (blanks)
			(void)ff_buf_add(&p->value, blanks, (size_t)(here - blanks));
		blanks = NULL;
		if (c == '"')
			quoted = !quoted;
		else if (c != '\\')
			(void)ff_buf_addc(&p->value, (char)c);
		else if (escape(p) < 0)
			return -1;
	}
	if (quoted)
		return fail(p, "the quotes in this value are not closed");
	return p->value.overflow ? fail(p, "this value is too long") : 0;
}

static int key_and_value(struct parser *p)
{
	unsigned line = p->line;
	int c;

	ff_buf_clear(&p->key);
	while (is_name(peek(p)))
		(void)ff_buf_addc(&p->key, lower(next(p)));
	while (peek(p) == ' ' || peek(p) == '\t')
		(void)next(p);
	if (p->key.overflow)
		return fail(p, "this key is too long");
	c = peek(p);
	if (!line_ends(c) && c != '=')
		return fail(p, "`=` is missing behind this key");
	if (c == '=') {
		(void)next(p);
		if (value(p) < 0)
			return -1;
	}
	if (p->broken)
		return 0;
	if (!p->in_section)
		return fail(p, "this key stands before the first [section]");
	emit(p, p->key.data, c == '=' ? p->value.data : NULL, line);
	return 0;
}

/* One thing that starts with c, which is no blank and not the end of a line. */
static int item(struct parser *p, int c)
{
	if (c == '#' || c == ';') {
		skip_line(p);
		return 0;
	}
	if (c == '[') {
		unsigned line = p->line;

		(void)next(p);
		p->in_section = false;
		p->broken = true;
		if (header(p) < 0)
			return -1;
		p->in_section = true;
		p->broken = false;
		emit(p, NULL, NULL, line);
		return 0;
	}
	if (!is_alpha(c))
		return fail(p, "a line starts with a [section], a key, `#` or `;`");
	return key_and_value(p);
}

static void read_all(struct parser *p)
{
	for (int c; (c = peek(p)) != END;) {
		unsigned line = p->line;

		if (c == '\n' || is_blank(c)) {
			(void)next(p);
			continue;
		}
		if (item(p, c) < 0) {
			p->reader->on_error(p->reader->arg, line, p->wrong);
			skip_line(p);
		}
	}
}

void ff_conf_syntax_read(const char *text, size_t len, const struct ff_conf_reader *reader)
{
	struct parser p = { .at = text, .end = text + len, .line = 1, .reader = reader };

	if (len && memchr(text, '\0', len)) {
		reader->on_error(reader->arg, 1, "there is a NUL byte in this file");
		return;
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark, as git skips it */
		p.at += 3;
	ff_buf_init(&p.section, NAME_MAX_BYTES);
	ff_buf_init(&p.subsection, NAME_MAX_BYTES);
	ff_buf_init(&p.key, NAME_MAX_BYTES);
	ff_buf_init(&p.value, VALUE_MAX_BYTES);
	read_all(&p);
	ff_buf_fini(&p.section);
	ff_buf_fini(&p.subsection);
	ff_buf_fini(&p.key);
	ff_buf_fini(&p.value);
}
