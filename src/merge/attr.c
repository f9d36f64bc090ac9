/* SPDX-License-Identifier: MIT */
/*
 * A .gitattributes file as rules, and what its patterns mean; see
 * gitattributes(5).  Lines that git passes over are passed over.
 */
#include "merge/attr.h"

#include <string.h>

#define MAX_LINE 2048             /* git's; longer ones do not count */

/* --- reading a file */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *token(struct ff_arena *arena, const char **p)
{
	const char *start;

	while (blank(**p))
		(*p)++;
	for (start = *p; **p && !blank(**p);)
		(*p)++;
	return *p > start ? ff_arena_dup0(arena, start, (size_t)(*p - start)) : NULL;
}

static bool name_valid(const char *name, size_t n)
{
	static const char letters[] = "-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	return n > 0 && name[0] != '-' && strspn(name, letters) >= n;
}

static struct ff_attr_setting *read_setting(struct ff_arena *arena, const char *word)
{
	struct ff_attr_setting *s = ff_arena_alloc(arena, sizeof *s);
	size_t n;

	s->is = FF_ATTR_TRUE;
	if (*word == '-' || *word == '!')
		s->is = *word++ == '-' ? FF_ATTR_FALSE : FF_ATTR_UNSET;
	n = strcspn(word, "=");
	if (!name_valid(word, n))
		return NULL;
	if (word[n] == '=' && s->is == FF_ATTR_TRUE) {
		s->is = FF_ATTR_VALUE;
		s->value = word + n + 1;
	}
	s->name = ff_arena_dup0(arena, word, n);
	return s;
}

/* A backslash and what stands behind it; -1 when that means nothing. */
static int unescape(const char **p)
{
	static const char from[] = "abfnrtv\\\"", to[] = "\a\b\f\n\r\t\v\\\"";
	const char *at;
	int value = 0;

	if (**p && (at = strchr(from, **p))) {
		(*p)++;
		return (unsigned char)to[at - from];
	}
	for (int i = 0; i < 3; i++, (*p)++) {
		if (**p < '0' || **p > (i ? '7' : '3'))
			return -1;
		value = value * 8 + **p - '0';
	}
	return value;
}

/* A pattern between double quotes, or NULL. */
static const char *quoted(struct ff_arena *arena, const char **p)
{
	char *out = ff_arena_alloc(arena, strlen(*p));
	const char *at = *p + 1;
	size_t n = 0;

	while (*at != '"') {
		int c = *at == '\0' ? -1 : (unsigned char)*at;

		at++;
		if (c == '\\')
			c = unescape(&at);
		if (c <= 0)
			return NULL;
		out[n++] = (char)c;
	}
	*p = at + 1;
	return out;
}

static struct ff_attr_rule *read_line(struct ff_arena *arena, const char *line)
{
	struct ff_attr_rule *r = ff_arena_alloc(arena, sizeof *r);
	const char *word, *p = line;

	while (blank(*p))
		p++;
	if (!*p || *p == '#')
		return NULL;
	r->pattern = *p == '"' ? quoted(arena, &p) : NULL;
	if (!r->pattern)
		r->pattern = token(arena, &p);
	if (strncmp(r->pattern, "[attr]", 6) == 0) {
		r->macro = r->pattern[6] ? r->pattern + 6 : token(arena, &p);
		r->pattern = NULL;
		if (!r->macro || !name_valid(r->macro, strlen(r->macro)))
			return NULL;
	}
	if (r->pattern && (!*r->pattern || *r->pattern == '!'))
		return NULL;
	while ((word = token(arena, &p))) {
		struct ff_attr_setting *s = read_setting(arena, word);

		if (!s)
			return NULL;
		s->before = r->last;
		r->last = s;
	}
	return r;
}

struct ff_attr_rules *ff_attr_parse(struct ff_arena *arena, const char *text, size_t len)
{
	struct ff_attr_rules *rules = ff_arena_alloc(arena, sizeof *rules);
	const char *end = text + len;

	if (len > FF_ATTR_FILE_MAX)
		return rules;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *stop = nl ? nl : end;
		struct ff_attr_rule *r = NULL;

		if (stop - text < MAX_LINE)
			r = read_line(arena, ff_arena_dup0(arena, text, (size_t)(stop - text)));
		if (r) {
			r->before = rules->last;
			rules->last = r;
		}
		text = nl ? nl + 1 : end;
	}
	return rules;
}

/* --- patterns */

static bool in_class(const char *name, size_t n, unsigned char c)
{
	bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
	bool print = c >= ' ' && c < 0x7f, space = c == ' ' || (c >= '\t' && c <= '\r');
	const struct { const char *name; bool is; } classes[] = {
		{ "alnum", lower || upper || digit }, { "alpha", lower || upper }, { "blank", c == ' ' || c == '\t' },
		{ "cntrl", c < ' ' || c == 0x7f }, { "digit", digit }, { "graph", print && c != ' ' },
		{ "lower", lower }, { "print", print }, { "punct", print && c != ' ' && !lower && !upper && !digit },
		{ "space", space }, { "upper", upper },
		{ "xdigit", digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(classes); i++)
		if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0)
			return classes[i].is;
	return false;
}

/* One member of [...]; moves on behind it. NULL when the bracket is never closed. */
static const char *bracket_item(const char *p, unsigned char c, bool *hit)
{
	unsigned char low, high;
	const char *end;

	if (p[0] == '[' && p[1] == ':' && (end = strstr(p + 2, ":]"))) {
		*hit |= in_class(p + 2, (size_t)(end - p - 2), c);
		return end + 2;
	}
	if (*p == '\\')
		p++;
	if (!*p)
		return NULL;
	low = high = (unsigned char)*p++;
	if (p[0] == '-' && p[1] && p[1] != ']') {
		p++;
		if (*p == '\\')
			p++;
		if (!*p)
			return NULL;
		high = (unsigned char)*p++;
	}
	*hit |= low <= c && c <= high;
	return p;
}

/* p behind the '['; NULL when c is not in it, or it is none. */
static const char *bracket(const char *p, unsigned char c)
{
	bool negated = *p == '!' || *p == '^', hit = false, first = true;

	if (negated)
		p++;
	for (; p && (*p != ']' || first); first = false)
		p = *p ? bracket_item(p, c, &hit) : NULL;
	return p && hit != negated && c != '/' ? p + 1 : NULL;
}

/* One byte of the pattern against one of the text; what is left of the pattern, or NULL. */
static const char *one(const char *p, unsigned char c)
{
	switch (*p) {
	case '\0':
		return NULL;
	case '?':
		return c != '/' ? p + 1 : NULL;
	case '[':
		return bracket(p + 1, c);
	case '\\':
		p++;
		/* fallthrough */
	default:
		return *p && (unsigned char)*p == c ? p + 1 : NULL;
	}
}

/*
 * Where to go back to when the rest does not match: a star may take one byte
 * more, but no slash, and two stars between slashes one folder more.  Only
 * the last of each counts, so that no pattern takes longer than the product
 * of the lengths.
 */
struct back {
	const char *p, *t; /* p NULL: nowhere */
};

static bool next_folder(struct back *deep)
{
	const char *slash = deep->p ? strchr(deep->t, '/') : NULL;

	if (!slash)
		return false;
	deep->t = slash + 1;
	return true;
}

/* At a star: sets where to go back to, and returns the pattern behind it; NULL: matches all that is left. */
static const char *stars(const char *start, const char *p, const char *t, struct back *flat, struct back *deep)
{
	size_t n = strspn(p, "*");
	bool open = n == 2 && (p == start || p[-1] == '/');

	if (open && p[2] == '\0')
		return NULL;
	if (open && p[2] == '/') {
		*deep = (struct back){ p + 3, t };
		flat->p = NULL;
		return p + 3;
	}
	*flat = (struct back){ p + n, t };
	return p + n;
}

static bool wild(const char *pattern, const char *t)
{
	struct back flat = { NULL, NULL }, deep = { NULL, NULL };
	const char *p = pattern;

	for (;;) {
		const char *next;

		if (*p == '*') {
			p = stars(pattern, p, t, &flat, &deep);
			if (!p)
				return true;
			continue;
		}
		if (!*t && !*p)
			return true;
		next = *t ? one(p, (unsigned char)*t) : NULL;
		if (next) {
			p = next;
			t++;
		} else if (flat.p && *flat.t && *flat.t != '/') {
			t = ++flat.t;
			p = flat.p;
		} else if (next_folder(&deep)) {
			flat.p = NULL;
			t = deep.t;
			p = deep.p;
		} else {
			return false;
		}
	}
}

bool ff_attr_matches(const char *pattern, const char *path)
{
	size_t n = strlen(pattern);
	const char *slash = strrchr(path, '/');

	if (n && pattern[n - 1] == '/') /* folders have no attributes */
		return false;
	if (!strchr(pattern, '/'))
		return wild(pattern, slash ? slash + 1 : path);
	return wild(*pattern == '/' ? pattern + 1 : pattern, path);
}
