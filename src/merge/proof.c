/* SPDX-License-Identifier: MIT */
/* See proof.h: the trees first, then each path in conflict, then the ledger of all of them. */
#include "merge/proofpart.h"

#include <stdlib.h>
#include <string.h>

#include "merge/part.h"

#define TEXT_SHOWN 400 /* bytes of a line that a reason keeps */
#define TEXT_MAX ((uint64_t)64 << 20)

static const char *const names[] = {
#define FF_PROOF_RULE(name, word, text) word,
#include "merge/proof.def"
#undef FF_PROOF_RULE
};
static const char *const texts[] = {
#define FF_PROOF_RULE(name, word, text) text,
#include "merge/proof.def"
#undef FF_PROOF_RULE
};

const char *ff_proof_rule_name(enum ff_proof_rule rule)
{
	return names[rule];
}

const char *ff_proof_rule_text(enum ff_proof_rule rule)
{
	return texts[rule];
}

void ff_proof_say(struct ff_proof_run *run, enum ff_proof_rule rule, const char *path, uint32_t line, const char *text,
		  size_t n)
{
	struct ff_proof_result *out = run->out;

	out->n_refused++;
	out->by_rule[rule]++;
	if (out->n_reasons == FF_PROOF_REASONS_MAX)
		return;
	if (!out->reasons)
		out->reasons = ff_calloc(FF_PROOF_REASONS_MAX, sizeof *out->reasons);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	out->reasons[out->n_reasons++] = (struct ff_proof_reason){
		.rule = rule, .path = ff_strdup(path), .line = line,
		.text = text ? ff_memdup0(text, n < TEXT_SHOWN ? n : TEXT_SHOWN) : NULL,
	};
}

void ff_proof_fini(struct ff_proof_result *r)
{
	for (size_t i = 0; i < r->n_reasons; i++) {
		ff_free(&r->reasons[i].path);
		ff_free(&r->reasons[i].text);
	}
	ff_free(&r->reasons);
	*r = (struct ff_proof_result){ 0 };
}

static void run_fini(struct ff_proof_run *run)
{
	const struct ff_merge_source *s = run->what->source;

	for (size_t i = 0; i < run->n_missing; i++) {
		ff_ids_fini(&run->missing[i].tokens);
		ff_ids_fini(&run->missing[i].before);
		ff_ids_fini(&run->missing[i].other);
	}
	for (size_t i = 0; i < run->n_excess; i++)
		ff_ids_fini(&run->excess[i].tokens);
	for (size_t i = 0; i < run->n_regions; i++)
		ff_ids_fini(&run->regions[i].vocabulary);
	for (size_t i = 0; i < run->n_held; i++)
		s->release(s->arg, &run->held[i]);
	ff_words_fini(&run->lines);
	ff_words_fini(&run->tokens);
	ff_free(&run->missing);
	ff_free(&run->excess);
	ff_free(&run->regions);
	ff_free(&run->held);
}

/* Kept until the end of the run: lines point into it. Mode 0: no bytes. */
static int read_text(struct ff_proof_run *run, uint32_t mode, const struct ff_merge_id *id, struct ff_merge_bytes *ret,
		     struct ff_err *err)
{
	const struct ff_merge_source *s = run->what->source;
	uint64_t most = run->what->limits.max_text_bytes ? run->what->limits.max_text_bytes : TEXT_MAX, size;

	*ret = (struct ff_merge_bytes){ (const unsigned char *)"", 0, NULL };
	if (!mode)
		return 0;
	if (s->blob_size(s->arg, id, &size, err) < 0)
		return -1;
	if (size > most)
		return ff_err_set(err, FF_E_TOO_LARGE, "a text is too large to be proved");
	if (s->read_blob(s->arg, id, ret, err) < 0)
		return -1;
	if (run->n_held == run->held_room) {
		run->held_room = run->held_room ? run->held_room * 2 : 16;
		run->held = ff_realloc(run->held, run->held_room, sizeof *run->held);
	}
	run->held[run->n_held++] = *ret;
	return 0;
}

/* --- paths */

/* Deleted by one side, and by the other no more than spaced another way: the deletion is the answer. */
static int check_deleted(struct ff_proof_run *run, const struct ff_merge_conflict *c, const struct ff_proof_entry *x,
			 struct ff_err *err)
{
	const struct ff_merge_version *left = c->target.mode ? &c->target : &c->change;
	struct ff_merge_bytes base, now;

	if (x->mode || !FF_IS_FILE(left->mode) || left->mode != c->base.mode) {
		ff_proof_say(run, FF_PROOF_KIND, c->path, 0, NULL, 0);
		return 0;
	}
	if (read_text(run, c->base.mode, &c->base.id, &base, err) < 0 ||
	    read_text(run, left->mode, &left->id, &now, err) < 0)
		return -1;
	if (!ff_words_like((const char *)base.data, base.len, (const char *)now.data, now.len))
		ff_proof_say(run, c->target.mode ? FF_PROOF_DROPPED_TARGET : FF_PROOF_DROPPED_CHANGE, c->path, 0,
			     "what it changed in a file that the other side deleted", 53);
	return 0;
}

static int check_texts(struct ff_proof_run *run, const struct ff_merge_conflict *c, const struct ff_proof_entry *x,
		       struct ff_err *err)
{
	struct ff_merge_bytes base, target, change, result;
	const struct ff_proof_text text = { c->path, &base, &target, &change, &result };

	if (!x->mode) {
		ff_proof_say(run, FF_PROOF_FILE_LOST, c->path, 0, NULL, 0);
		return 0;
	}
	if (x->mode != c->merged.mode) {
		ff_proof_say(run, FF_PROOF_MODE, c->path, 0, NULL, 0);
		if (!FF_IS_FILE(x->mode))
			return 0;
	}
	if (read_text(run, FF_IS_FILE(c->base.mode) ? c->base.mode : 0, &c->base.id, &base, err) < 0 ||
	    read_text(run, c->target.mode, &c->target.id, &target, err) < 0 ||
	    read_text(run, c->change.mode, &c->change.id, &change, err) < 0 ||
	    read_text(run, x->mode, &x->id, &result, err) < 0)
		return -1;
	return ff_proof_text(run, &text, err);
}

static int check_conflict(struct ff_proof_run *run, const struct ff_merge_conflict *c, struct ff_err *err)
{
	struct ff_proof_entry x;

	if (ff_proof_find(run->what, &run->what->result, c->path, &x, err) < 0)
		return -1;
	switch (c->kind) {
	case FF_MERGE_CONTENT:
	case FF_MERGE_ADD_ADD:
		return check_texts(run, c, &x, err);
	case FF_MERGE_MODIFY_DELETE:
		return check_deleted(run, c, &x, err);
	case FF_MERGE_BINARY:
	case FF_MERGE_RENAME_DELETE:
	case FF_MERGE_RENAME_RENAME:
	case FF_MERGE_RENAME_ADD:
	case FF_MERGE_RENAME_2TO1:
	case FF_MERGE_FILE_FOLDER:
	case FF_MERGE_MODE:
	case FF_MERGE_TYPE:
	case FF_MERGE_LINK:
	case FF_MERGE_SUBMODULE:
	case FF_MERGE_TOO_LARGE:
	case FF_MERGE_FOLDER_RENAME:
	case FF_MERGE_RENAME_CLASH:
	case FF_MERGE_DRIVER:
	case FF_MERGE_KIND_COUNT:
		break;
	}
	ff_proof_say(run, FF_PROOF_KIND, c->path, 0, ff_merge_kind_name(c->kind), strlen(ff_merge_kind_name(c->kind)));
	return 0;
}

static bool in_conflict(const struct ff_merge_result *m, const char *path)
{
	for (size_t i = 0; i < m->n_conflicts; i++)
		if (!strcmp(m->conflicts[i].path, path))
			return true;
	return false;
}

/* a: what the merge has there, b: the result. */
static int on_path(void *arg, const char *path, const struct ff_proof_entry *a, const struct ff_proof_entry *b,
		   struct ff_err *err)
{
	struct ff_proof_run *run = arg;

	(void)err;
	if (in_conflict(run->what->merge, path))
		return 0;
	if (!b->mode)
		ff_proof_say(run, FF_PROOF_FILE_LOST, path, 0, NULL, 0);
	else if (!a->mode)
		ff_proof_say(run, FF_PROOF_FILE_ADDED, path, 0, NULL, 0);
	else if (ff_merge_id_equal(&a->id, &b->id))
		ff_proof_say(run, FF_PROOF_MODE, path, 0, NULL, 0);
	else
		ff_proof_say(run, FF_PROOF_CLEAN_PATH, path, 0, NULL, 0);
	return 0;
}

static int check(struct ff_proof_run *run, struct ff_err *err)
{
	const struct ff_merge_result *m = run->what->merge;

	for (size_t i = 0; i < m->n_conflicts; i++)
		run->out->n_conflicts += !i || strcmp(m->conflicts[i - 1].path, m->conflicts[i].path) != 0;
	if (ff_merge_id_absent(&m->tree)) { /* hard, and nobody could say what is clean of it */
		ff_proof_say(run, FF_PROOF_HARD, "", 0, NULL, 0);
		return 0;
	}
	if (ff_proof_compare(run->what, &m->tree, &run->what->result, on_path, run, err) < 0)
		return -1;
	for (size_t i = 0; i < m->n_conflicts; i++)
		if (check_conflict(run, &m->conflicts[i], err) < 0)
			return -1;
	return 0;
}

int ff_proof_tree(const struct ff_proof *what, struct ff_proof_result *ret, struct ff_err *err)
{
	struct ff_proof_result out = { 0 };
	FF_AUTO(run_fini) struct ff_proof_run run = { .what = what, .out = &out };

	if (check(&run, err) < 0) {
		ff_proof_fini(&out);
		return -1;
	}
	ff_proof_settle(&run);
	out.proved = !out.n_refused;
	*ret = out;
	return 0;
}

int ff_proof_texts(const struct ff_proof *what, const struct ff_proof_text *text, struct ff_proof_result *ret,
		   struct ff_err *err)
{
	struct ff_proof_result out = { .n_conflicts = 1 };
	FF_AUTO(run_fini) struct ff_proof_run run = { .what = what, .out = &out };

	if (ff_proof_text(&run, text, err) < 0) {
		ff_proof_fini(&out);
		return -1;
	}
	ff_proof_settle(&run);
	out.proved = !out.n_refused;
	*ret = out;
	return 0;
}
