/* SPDX-License-Identifier: MIT */
/* See series.h. */
#include "merge/series.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"

/* Beside the message; git's own limits on a name are far below. */
#define HEAD_MAX ((size_t)64 * 1024)

/* --- the bytes of a commit */

static bool read_id(const char *hex, size_t id_len, struct ff_merge_id *ret)
{
	*ret = (struct ff_merge_id){ { 0 } };
	return ff_unhex(hex, (unsigned)id_len, ret->b) == 0;
}

static void print_id(const struct ff_merge_id *id, size_t id_len, char *ret_hex)
{
	ff_hex(id->b, (unsigned)id_len, ret_hex);
}

/* What stands behind "WORD " in the line, or NULL. */
static const char *value_of(const char *line, size_t len, const char *word, size_t *ret_len)
{
	size_t n = strlen(word);

	if (len <= n || memcmp(line, word, n) != 0 || line[n] != ' ')
		return NULL;
	*ret_len = len - n - 1;
	return line + n + 1;
}

/* "NAME <EMAIL> TIME ZONE": the time, or 0. */
static int64_t time_of(const char *who, size_t len)
{
	const char *end = memrchr(who, '>', len);
	char digits[20];
	size_t n = 0;
	int64_t t;

	for (end = end ? end + 1 : who + len; end < who + len && *end == ' '; end++)
		;
	while (end + n < who + len && n < sizeof digits - 1 && end[n] >= '0' && end[n] <= '9') {
		digits[n] = end[n];
		n++;
	}
	digits[n] = '\0';
	return ff_num_i64(digits, 0, INT64_MAX, &t) < 0 ? 0 : t;
}

static int take_line(struct ff_series_commit *c, const char *line, size_t len, size_t id_len, struct ff_err *err)
{
	const char *value;
	size_t n;

	if ((value = value_of(line, len, "parent", &n))) {
		FF_AUTO(ff_free) char *hex = ff_memdup0(value, n);
		struct ff_merge_id id;

		if (!read_id(hex, id_len, &id))
			return ff_err_set(err, FF_E_INVALID, "a parent of a commit is no object id");
		if (c->n_parents++ == 0)
			c->parent = id;
	} else if (!c->author && (value = value_of(line, len, "author", &n))) {
		c->author = value;
		c->author_len = n;
	} else if (!c->encoding && (value = value_of(line, len, "encoding", &n))) {
		c->encoding = value;
		c->encoding_len = n;
	} else if (!c->time_s && (value = value_of(line, len, "committer", &n))) {
		c->time_s = time_of(value, n);
	}
	return 0;
}

int ff_series_parse(const struct ff_merge_bytes *bytes, size_t id_len, struct ff_series_commit *ret, struct ff_err *err)
{
	const char *p = (const char *)bytes->data, *end = p + bytes->len, *nl;
	struct ff_series_commit c = { .message = "" };
	char hex[2 * FF_MERGE_ID_MAX + 1];

	if (bytes->len < 5 + 2 * id_len + 1 || memcmp(p, "tree ", 5) != 0 || p[5 + 2 * id_len] != '\n')
		return ff_err_set(err, FF_E_INVALID, "a commit does not begin with its tree");
	memcpy(hex, p + 5, 2 * id_len);
	hex[2 * id_len] = '\0';
	if (!read_id(hex, id_len, &c.tree))
		return ff_err_set(err, FF_E_INVALID, "the tree of a commit is no object id");
	for (p += 5 + 2 * id_len + 1; p < end && *p != '\n'; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (take_line(&c, p, (size_t)((nl ? nl : end) - p), id_len, err) < 0)
			return -1;
		if (!nl)
			break;
	}
	if (p < end && *p == '\n') {
		c.message = p + 1;
		c.message_len = (size_t)(end - p - 1);
	}
	*ret = c;
	return 0;
}

char *ff_series_subject(const struct ff_series_commit *c)
{
	const char *p = c->message, *end = p + c->message_len, *nl;

	while (p < end && *p == '\n')
		p++;
	nl = memchr(p, '\n', (size_t)(end - p));
	return ff_memdup0(p, (size_t)((nl ? nl : end) - p));
}

/* --- one commit */

/* The commit and what it points into; held until put_back. */
struct held {
	const struct ff_series *series;
	struct ff_merge_bytes bytes;
	struct ff_series_commit c;
};

static void put_back(struct held *h)
{
	if (h->bytes.data)
		h->series->source->release(h->series->source->arg, &h->bytes);
}

static int hold(struct held *h, const struct ff_merge_id *id, struct ff_err *err)
{
	const struct ff_series *s = h->series;

	if (s->read_commit(s->source->arg, id, &h->bytes, err) < 0)
		return -1;
	return ff_series_parse(&h->bytes, s->source->id_len, &h->c, err);
}

static int tree_of(const struct ff_series *s, const struct ff_merge_id *commit, struct ff_merge_id *ret, struct ff_err *err)
{
	FF_AUTO(put_back) struct held h = { .series = s };

	if (hold(&h, commit, err) < 0)
		return -1;
	*ret = h.c.tree;
	return 0;
}

/* The commit again, with that tree and on the present tip. */
static int write_again(const struct ff_series *s, struct ff_series_state *st, const struct ff_series_commit *c,
		       const struct ff_merge_id *tree, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	char hex[2 * FF_MERGE_ID_MAX + 1];

	ff_buf_init(&b, c->message_len + HEAD_MAX);
	if (!c->author)
		return ff_err_set(err, FF_E_GIT, "it has no author");
	print_id(tree, s->source->id_len, hex);
	(void)ff_buf_addf(&b, "tree %s\n", hex);
	print_id(&st->tip, s->source->id_len, hex);
	(void)ff_buf_addf(&b, "parent %s\nauthor ", hex);
	(void)ff_buf_add(&b, c->author, c->author_len);
	(void)ff_buf_addf(&b, "\ncommitter %s\n", s->committer);
	if (c->encoding) {
		(void)ff_buf_adds(&b, "encoding ");
		(void)ff_buf_add(&b, c->encoding, c->encoding_len);
		(void)ff_buf_addc(&b, '\n');
	}
	(void)ff_buf_addc(&b, '\n');
	(void)ff_buf_add(&b, c->message, c->message_len);
	if (b.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the head of a commit is over 64k");
	if (s->write_commit(s->source->arg, b.data, b.len, &st->tip, err) < 0)
		return -1;
	st->tree = *tree;
	st->applied++;
	return 0;
}

/* With that tree for its result. */
static int settle(const struct ff_series *s, struct ff_series_state *st, const struct ff_series_commit *c,
		  const struct ff_merge_id *tree, struct ff_err *err)
{
	if (!ff_merge_id_equal(tree, &st->tree))
		return write_again(s, st, c, tree, err);
	st->dropped++;
	return 0;
}

/* The tree of the parent; that of the commit before it in the series is known. */
static int base_of(const struct ff_series *s, size_t at, const struct ff_series_commit *c, const struct ff_merge_id *last,
		   struct ff_merge_id *ret, struct ff_err *err)
{
	*ret = (struct ff_merge_id){ { 0 } };
	if (c->n_parents == 0)
		return 0;
	if (at > 0 && last && ff_merge_id_equal(&c->parent, &s->commits[at - 1])) {
		*ret = *last;
		return 0;
	}
	return tree_of(s, &c->parent, ret, err);
}

/* 0 applied or dropped, 1 conflict, -1. base: the tree it was made on. */
static int apply(const struct ff_series *s, struct ff_series_state *st, const struct ff_merge_id *id,
		 const struct ff_series_commit *c, const struct ff_merge_id *base, struct ff_merge_result *ret,
		 struct ff_err *err)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result r = { 0 };

	if (c->n_parents && ff_merge_id_equal(&c->parent, &st->tip)) {
		st->tip = *id;
		st->tree = c->tree;
		st->applied++;
		return 0;
	}
	if (c->n_parents && ff_merge_id_equal(base, &c->tree)) { /* began empty, stays so */
		struct ff_merge_id tree = st->tree;

		return write_again(s, st, c, &tree, err);
	}
	if (ff_merge_id_equal(base, &st->tree))
		return settle(s, st, c, &c->tree, err);
	if (s->merge(s->merge_arg, base, &st->tree, &c->tree, id, &r, err) < 0)
		return -1;
	if (r.clean)
		return settle(s, st, c, &r.tree, err);
	*ret = r;
	r = (struct ff_merge_result){ 0 };
	return 1;
}

static int fail_at(const struct ff_series *s, size_t at, struct ff_err *err)
{
	char hex[2 * FF_MERGE_ID_MAX + 1];

	print_id(&s->commits[at], s->source->id_len, hex);
	return ff_err_wrap(err, "rebase of commit %.12s", hex);
}

int ff_series_begin(const struct ff_series *s, const struct ff_merge_id *onto, struct ff_series_state *ret_state,
		    struct ff_err *err)
{
	struct ff_series_state st = { .tip = *onto };

	if (tree_of(s, onto, &st.tree, err) < 0)
		return -1;
	*ret_state = st;
	return 0;
}

int ff_series_run(const struct ff_series *s, struct ff_series_state *st, struct ff_merge_result *ret_conflict,
		  struct ff_err *err)
{
	struct ff_merge_id last, base;
	bool known = false; /* last is the tree of the commit before */

	while (st->done < s->n) {
		FF_AUTO(put_back) struct held h = { .series = s };
		int rc = hold(&h, &s->commits[st->done], err);

		if (rc == 0)
			rc = base_of(s, st->done, &h.c, known ? &last : NULL, &base, err);
		if (rc == 0)
			rc = apply(s, st, &s->commits[st->done], &h.c, &base, ret_conflict, err);
		if (rc < 0)
			return fail_at(s, st->done, err);
		if (rc > 0)
			return 1;
		last = h.c.tree;
		known = true;
		st->done++;
		if (s->progress && s->progress(s->progress_arg, st->done, s->n))
			return ff_err_set(err, FF_E_CANCELLED, "the rebase was ended");
	}
	return 0;
}

int ff_series_resolve(const struct ff_series *s, struct ff_series_state *st, const struct ff_merge_id *tree,
		      struct ff_err *err)
{
	FF_AUTO(put_back) struct held h = { .series = s };

	ff_assert(st->done < s->n);
	if (hold(&h, &s->commits[st->done], err) < 0 || settle(s, st, &h.c, tree, err) < 0)
		return fail_at(s, st->done, err);
	st->done++;
	return 0;
}
