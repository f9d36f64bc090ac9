/* SPDX-License-Identifier: MIT */
/*
 * JSON as messages have it, read and written in one pass.  Core does little
 * else than take and make short messages, and jansson's own reader and writer,
 * which go byte by byte and guard against loops, were a third of its time.
 *
 * What is read here is the plain part of JSON: no number with a fraction, no
 * escape but the short ones, no long key, nothing deep.  All else, and
 * everything that is wrong, jansson reads anew, so that there is one judge of
 * what is JSON, and one wording of what is not.
 */
#include "ipc/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Objects and lists in each other; messages have three or four. */
#define DEPTH_MAX 16
#define KEY_MAX 64
/* Digits of a number that surely fits. */
#define DIGITS_MAX 18

/* --- in ------------------------------------------------------------------ */

struct in {
	const char *p, *end;
	int depth;
};

static json_t *read_value(struct in *in);

static void skip_blanks(struct in *in)
{
	while (in->p < in->end && (*in->p == ' ' || *in->p == '\t' || *in->p == '\n' || *in->p == '\r'))
		in->p++;
}

static bool take(struct in *in, char c)
{
	skip_blanks(in);
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static bool take_word(struct in *in, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(in->end - in->p) < n || memcmp(in->p, word, n) != 0)
		return false;
	in->p += n;
	return true;
}

/* Behind the opening quote: where the closing one is, or NULL. *ret_escapes: backslashes before it. */
static const char *end_of_string(const struct in *in, size_t *ret_escapes)
{
	bool ascii = true;
	const char *p;

	*ret_escapes = 0;
	for (p = in->p; p < in->end && *p != '"'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20)
			return NULL;
		ascii &= c < 0x80;
		if (c == '\\') {
			(*ret_escapes)++;
			p++; /* what is behind it unescape() looks at */
		}
	}
	return p < in->end && (ascii || ff_utf8_valid(in->p, (size_t)(p - in->p))) ? p : NULL;
}

/* The byte that a short escape stands for; 0: it is no short one. */
static char escaped(char c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	}
	return 0;
}

static json_t *read_escaped(const char *p, const char *end)
{
	FF_AUTO(ff_free) char *text = ff_realloc(NULL, (size_t)(end - p), 1);
	size_t n = 0;

	while (p < end) {
		char c = *p++;

		if (c == '\\' && !(c = escaped(*p++)))
			return NULL;
		text[n++] = c;
	}
	return json_stringn_nocheck(text, n);
}

static json_t *read_string(struct in *in)
{
	const char *from = in->p, *end;
	size_t escapes;

	end = end_of_string(in, &escapes);
	if (!end)
		return NULL;
	in->p = end + 1;
	return escapes ? read_escaped(from, end) : json_stringn_nocheck(from, (size_t)(end - from));
}

static json_t *read_number(struct in *in)
{
	bool minus = in->p < in->end && *in->p == '-';
	const char *p = in->p + minus, *from = p;
	json_int_t v = 0;

	for (; p < in->end && *p >= '0' && *p <= '9'; p++) {
		if (p - from == DIGITS_MAX)
			return NULL;
		v = v * 10 + (*p - '0');
	}
	if (p == from || (*from == '0' && p - from > 1) || (p < in->end && (*p == '.' || *p == 'e' || *p == 'E')))
		return NULL;
	in->p = p;
	return json_integer(minus ? -v : v);
}

static bool read_key(struct in *in, char key[KEY_MAX])
{
	const char *end;
	size_t escapes, n;

	if (!take(in, '"') || !(end = end_of_string(in, &escapes)) || escapes)
		return false;
	n = (size_t)(end - in->p);
	if (n >= KEY_MAX)
		return false;
	memcpy(key, in->p, n);
	key[n] = '\0';
	in->p = end + 1;
	return take(in, ':');
}

static bool read_members(struct in *in, json_t *object)
{
	char key[KEY_MAX];
	size_t n = 0;

	if (take(in, '}'))
		return true;
	do {
		if (!read_key(in, key) || json_object_set_new_nocheck(object, key, read_value(in)) < 0)
			return false;
		if (json_object_size(object) != ++n) /* a key came twice */
			return false;
	} while (take(in, ','));
	return take(in, '}');
}

static bool read_elements(struct in *in, json_t *list)
{
	if (take(in, ']'))
		return true;
	do
		if (json_array_append_new(list, read_value(in)) < 0)
			return false;
	while (take(in, ','));
	return take(in, ']');
}

static json_t *read_nested(struct in *in, json_t *v, bool (*fill)(struct in *in, json_t *v))
{
	bool whole = in->depth < DEPTH_MAX;

	in->depth++;
	whole = whole && fill(in, v);
	in->depth--;
	if (whole)
		return v;
	json_decref(v);
	return NULL;
}

/* NULL: not plain, or not JSON. */
static json_t *read_value(struct in *in)
{
	if (take(in, '"'))
		return read_string(in);
	if (take(in, '{'))
		return read_nested(in, json_object(), read_members);
	if (take(in, '['))
		return read_nested(in, json_array(), read_elements);
	if (take_word(in, "true"))
		return json_true();
	if (take_word(in, "false"))
		return json_false();
	return take_word(in, "null") ? json_null() : read_number(in);
}

json_t *ff_json_read_plain(const char *text, size_t n)
{
	struct in in = { .p = text, .end = text + n };
	json_t *v = read_value(&in);

	skip_blanks(&in);
	if (v && in.p == in.end)
		return v;
	json_decref(v);
	return NULL;
}

/* --- out ------------------------------------------------------------------- */

/* 0: as it is; u: by its number; else the letter behind the backslash. */
static char escape_of(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	}
	return c < 0x20 ? 'u' : 0;
}

void ff_json_write_string(struct ff_buf *out, const char *s, size_t n)
{
	size_t from = 0;

	(void)ff_buf_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		char escape = c < 0x20 || c == '"' || c == '\\' ? escape_of(c) : 0;

		if (!escape)
			continue;
		(void)ff_buf_add(out, s + from, i - from);
		from = i + 1;
		if (escape == 'u')
			(void)ff_buf_addf(out, "\\u%04x", c);
		else
			(void)ff_buf_add(out, (const char[]){ '\\', escape }, 2);
	}
	(void)ff_buf_add(out, s + from, n - from);
	(void)ff_buf_addc(out, '"');
}

static void write_members(struct ff_buf *out, const json_t *object)
{
	json_t *o = (json_t *)(uintptr_t)object; /* jansson has no iterator of what is const */
	char before = '{';

	if (!json_object_size(object))
		(void)ff_buf_addc(out, '{');
	for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at)) {
		const char *key = json_object_iter_key(at);

		(void)ff_buf_addc(out, before);
		ff_json_write_string(out, key, strlen(key));
		(void)ff_buf_addc(out, ':');
		ff_json_write(out, json_object_iter_value(at));
		before = ',';
	}
	(void)ff_buf_addc(out, '}');
}

static void write_elements(struct ff_buf *out, const json_t *list)
{
	(void)ff_buf_addc(out, '[');
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (i)
			(void)ff_buf_addc(out, ',');
		ff_json_write(out, json_array_get(list, i));
	}
	(void)ff_buf_addc(out, ']');
}

static void write_real(struct ff_buf *out, const json_t *v)
{
	char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

	ff_assert(text);
	(void)ff_buf_adds(out, text);
	free(text);
}

void ff_json_write(struct ff_buf *out, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		write_members(out, v);
		break;
	case JSON_ARRAY:
		write_elements(out, v);
		break;
	case JSON_STRING:
		ff_json_write_string(out, json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		(void)ff_buf_addn(out, json_integer_value(v));
		break;
	case JSON_REAL:
		write_real(out, v);
		break;
	case JSON_TRUE:
		(void)ff_buf_adds(out, "true");
		break;
	case JSON_FALSE:
		(void)ff_buf_adds(out, "false");
		break;
	case JSON_NULL:
		(void)ff_buf_adds(out, "null");
		break;
	}
}

/* --- objects, member by member ----------------------------------------------- */

void ff_json_key(struct ff_buf *out, const char *key)
{
	(void)ff_buf_adds(out, out->data[out->len - 1] == '{' ? "\"" : ",\"");
	(void)ff_buf_adds(out, key);
	(void)ff_buf_adds(out, "\":");
}

void ff_json_put_int(struct ff_buf *out, const char *key, int64_t v)
{
	ff_json_key(out, key);
	(void)ff_buf_addn(out, v);
}

void ff_json_put_text(struct ff_buf *out, const char *key, const char *text)
{
	ff_json_key(out, key);
	if (text)
		ff_json_write_string(out, text, strlen(text));
	else
		(void)ff_buf_adds(out, "null");
}

void ff_json_write_bytes(struct ff_buf *out, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (!s)
		(void)ff_buf_adds(out, "null");
	else if (ff_utf8_valid(s, n))
		ff_json_write_string(out, s, n);
	else
		ff_text_json_bytes(out, s, n);
}

void ff_json_put_bytes(struct ff_buf *out, const char *key, const char *s)
{
	ff_json_key(out, key);
	ff_json_write_bytes(out, s);
}
