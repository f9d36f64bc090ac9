/* SPDX-License-Identifier: MIT */
/* See seriesproof.h. */
#include "merge/seriesproof.h"

#include <string.h>

#include "base/num.h"
#include "merge/proofpart.h"

struct held { /* a commit that is looked at */
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
	if (h->series->read_commit(h->series->source->arg, id, &h->bytes, err) < 0)
		return -1;
	return ff_series_parse(&h->bytes, h->series->source->id_len, &h->c, err);
}

static int tree_of(const struct ff_series *s, const struct ff_merge_id *id, struct ff_merge_id *ret, struct ff_err *err)
{
	FF_AUTO(put_back) struct held h = { .series = s };

	if (hold(&h, id, err) < 0)
		return -1;
	*ret = h.c.tree;
	return 0;
}

static bool same_text(const char *a, size_t n_a, const char *b, size_t n_b)
{
	return n_a == n_b && (!n_a || memcmp(a, b, n_a) == 0);
}

static bool same_commit(const struct ff_series_commit *a, const struct ff_series_commit *b)
{
	return same_text(a->author, a->author_len, b->author, b->author_len) &&
	       same_text(a->message, a->message_len, b->message, b->message_len);
}

/* --- one merge and what became of it */

static int prove_merge(const struct ff_series_proof *w, const struct ff_merge_id trees[3], const struct ff_merge_id *commit,
		       const struct ff_merge_id *result, struct ff_proof_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result m = { 0 };
	struct ff_proof proof = w->proof;

	if (w->series->merge(w->series->merge_arg, &trees[0], &trees[1], &trees[2], commit, &m, err) < 0)
		return -1;
	proof.merge = &m;
	proof.result = *result;
	return ff_proof_tree(&proof, ret, err);
}

/* The reason that names the commit, behind those that say what is wrong with it. */
static void name_commit(const struct ff_series_proof *w, const struct ff_merge_id *id, const struct ff_series_commit *c,
			struct ff_proof_result *out)
{
	FF_AUTO(ff_free) char *subject = ff_series_subject(c);
	char hex[2 * FF_MERGE_ID_MAX + 1];
	FF_AUTO(ff_free) char *text = NULL;
	struct ff_proof_run run = { .what = &w->proof, .out = out };

	ff_hex(id->b, (unsigned)w->series->source->id_len, hex);
	text = ff_asprintf("%.12s %s", hex, subject);
	ff_proof_say(&run, FF_PROOF_SERIES, "", 0, text, strlen(text));
	out->proved = false;
}

/* 0: go on, 1: refused, and ret says why; -1. before: the tree on which it lies now. */
static int prove_commit(const struct ff_series_proof *w, const struct ff_merge_id *id, const struct ff_series_commit *old,
			const struct ff_merge_id *before, const struct ff_merge_id *after, struct ff_proof_result *ret,
			struct ff_err *err)
{
	struct ff_merge_id trees[3] = { { { 0 } }, *before, old->tree };

	if (old->n_parents && tree_of(w->series, &old->parent, &trees[0], err) < 0)
		return -1;
	if (prove_merge(w, trees, id, after, ret, err) < 0)
		return -1;
	if (ret->proved)
		return 0;
	name_commit(w, id, old, ret);
	return 1;
}

/* --- all of them */

struct walk {
	const struct ff_series_proof *what;
	struct ff_merge_id tree; /* of the result before */
	size_t next;             /* of the results */
};

/* The commit's result is the next one, when it is there; else the commit is gone. */
static int look_at(struct walk *k, size_t i, struct ff_proof_result *ret, struct ff_err *err)
{
	const struct ff_series_proof *w = k->what;
	FF_AUTO(put_back) struct held old = { .series = w->series }, new = { .series = w->series };
	struct ff_merge_id after = k->tree, before = k->tree;

	if (hold(&old, &w->series->commits[i], err) < 0 ||
	    (k->next < w->n_results && hold(&new, &w->results[k->next], err) < 0))
		return -1;
	if (new.bytes.data && same_commit(&old.c, &new.c)) {
		after = new.c.tree;
		k->next++;
	}
	k->tree = after;
	if (w->given && i == 0)
		return 0;
	return prove_commit(w, &w->series->commits[i], &old.c, &before, &after, ret, err);
}

static int prove_all(const struct walk *k, struct ff_proof_result *ret, struct ff_err *err)
{
	const struct ff_series *s = k->what->series;
	FF_AUTO(put_back) struct held first = { .series = s }, last = { .series = s };
	struct ff_merge_id trees[3] = { { { 0 } } };

	if (hold(&first, &s->commits[0], err) < 0 || hold(&last, &s->commits[s->n - 1], err) < 0 ||
	    (first.c.n_parents && tree_of(s, &first.c.parent, &trees[0], err) < 0) ||
	    tree_of(s, &k->what->onto, &trees[1], err) < 0)
		return -1;
	trees[2] = last.c.tree;
	return prove_merge(k->what, trees, &s->commits[s->n - 1], &k->tree, ret, err);
}

/* A commit that nobody made. */
static int too_many(const struct walk *k, struct ff_proof_result *ret, struct ff_err *err)
{
	const struct ff_series_proof *w = k->what;
	FF_AUTO(put_back) struct held h = { .series = w->series };

	if (hold(&h, &w->results[k->next], err) < 0)
		return -1;
	name_commit(w, &w->results[k->next], &h.c, ret);
	return 0;
}

int ff_series_prove(const struct ff_series_proof *w, struct ff_proof_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_proof_fini) struct ff_proof_result out = { .proved = true };
	struct walk k = { .what = w };
	int rc = 0;

	if (tree_of(w->series, &w->onto, &k.tree, err) < 0)
		return -1;
	for (size_t i = 0; i < w->series->n && rc == 0; i++) {
		ff_proof_fini(&out);
		out.proved = true;
		rc = look_at(&k, i, &out, err);
	}
	if (rc == 0 && k.next < w->n_results)
		rc = too_many(&k, &out, err);
	else if (rc == 0 && !w->given && w->series->n > 1) {
		ff_proof_fini(&out);
		rc = prove_all(&k, &out, err);
	}
	if (rc < 0)
		return -1;
	*ret = out;
	out = (struct ff_proof_result){ 0 };
	return 0;
}
