/* SPDX-License-Identifier: MIT */
/*
 * The work of tests/bench/conflicts in one process:
 *
 *     conflicts-work REPO SEEDS RUNGS < lines "BASE TARGET CHANGE RESULT"
 *
 * For each merge that conflicts: is what the human made of it proved, what do
 * the rungs solve and is that the same, and of SEEDS spoilt versions of a
 * proved result, which are proved, too.  Lines out, words with blanks between:
 *
 *     merge RESULT VERDICT KIND... RULE=N...
 *     file RESULT VERDICT HUNKS SOLVED RULE+RULE PATH    (equal space different evil refused unsolved)
 *     tree RESULT VERDICT
 *     seed KIND TRIED PROVED
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "git/git.h"
#include "git/mergetree.h"
#include "git/pack.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "merge/merge.h"
#include "merge/proofpart.h"
#include "resolve/resolve.h"

enum kind { SIDE, LOST, OUTSIDE, MARKER, FILE_LOST, MODE, LINE_TWICE, BLOCK_TWICE, REVERTED, BACK, KINDS };
static const char *const kind_names[KINDS] = {
	"side-dropped", "line-lost", "edited-outside", "marker-left", "file-lost", "mode-changed", "line-doubled",
	"block-doubled", "other-reverted", "back-to-base",
};

struct bench {
	struct ff_git *git;
	struct ff_merge_source source;
	struct ff_merge merge;
	struct ff_merge_result r;
	struct ff_merge_id human;
	const char *name; /* of the merge */
	int64_t seeds;
	unsigned rungs;
	uint64_t random;
	size_t tried[KINDS], proved[KINDS];
};

static uint32_t draw(struct bench *b, uint32_t n)
{
	b->random = b->random * 6364136223846793005u + 1442695040888963407u;
	return n ? (uint32_t)((b->random >> 33) % n) : 0;
}

static struct ff_proof proof_of(struct bench *b, const struct ff_merge_id *tree)
{
	return (struct ff_proof){ .source = &b->source, .myers = ff_git_myers, .merge = &b->r, .result = *tree,
				  .bounds = FF_PROOF_BOUNDS };
}

static int prove(struct bench *b, const struct ff_merge_id *tree, struct ff_proof_result *ret, struct ff_err *err)
{
	struct ff_proof what = proof_of(b, tree);

	return ff_proof_tree(&what, ret, err);
}

static int human_entry(struct bench *b, const char *path, struct ff_proof_entry *ret, struct ff_err *err)
{
	struct ff_proof what = proof_of(b, &b->human);

	return ff_proof_find(&what, &b->human, path, ret, err);
}

/* --- what the rungs make of it */

/* Whether the human changed something of the file outside of its conflicts. */
static int evil(struct bench *b, const struct ff_resolved_path *p, const struct ff_proof_entry *human, struct ff_err *err)
{
	const struct ff_merge_conflict *c = NULL;
	const struct ff_merge_bytes none = { (const unsigned char *)"", 0, NULL };
	struct ff_merge_bytes text[4] = { none, none, none, none };
	struct ff_proof_result proof = { 0 };
	struct ff_proof what = proof_of(b, &b->human);
	int rc = 0;

	for (size_t i = 0; i < b->r.n_conflicts; i++)
		if (b->r.conflicts[i].path == p->path)
			c = &b->r.conflicts[i];
	if (c->base.mode)
		rc = b->source.read_blob(b->git, &c->base.id, &text[0], err);
	if (rc == 0)
		rc = b->source.read_blob(b->git, &c->target.id, &text[1], err) ||
		     b->source.read_blob(b->git, &c->change.id, &text[2], err) ||
		     b->source.read_blob(b->git, &human->id, &text[3], err) ? -1 : 0;
	if (rc == 0)
		rc = ff_proof_texts(&what, &(struct ff_proof_text){ p->path, &text[0], &text[1], &text[2], &text[3] }, &proof, err);
	if (rc == 0)
		rc = proof.by_rule[FF_PROOF_OUTSIDE] || proof.by_rule[FF_PROOF_MARKER];
	for (int i = 0; i < 4; i++)
		if (text[i].hold)
			b->source.release(b->git, &text[i]);
	ff_proof_fini(&proof);
	return rc;
}

static const char *compare_file(struct bench *b, const struct ff_resolved_path *p, struct ff_err *err)
{
	struct ff_merge_bytes x = { 0 }, y = { 0 };
	struct ff_proof_entry human;
	const char *verdict;

	if (!p->solved)
		return p->refused ? "refused" : "unsolved";
	if (human_entry(b, p->path, &human, err) < 0)
		return NULL;
	if (human.mode == p->mode && ff_merge_id_equal(&human.id, &p->id))
		return "equal";
	if (human.mode != p->mode || !p->mode)
		return "different";
	if (b->source.read_blob(b->git, &p->id, &x, err) < 0 || b->source.read_blob(b->git, &human.id, &y, err) < 0)
		return NULL;
	verdict = ff_words_like((const char *)x.data, x.len, (const char *)y.data, y.len) ? "space" : evil(b, p, &human, err) > 0 ? "evil" : "different";
	b->source.release(b->git, &x);
	b->source.release(b->git, &y);
	return verdict;
}

static int resolve(struct bench *b, struct ff_err *err)
{
	FF_AUTO(ff_resolved_fini) struct ff_resolved out = { 0 };
	const struct ff_resolve what = { .proof = proof_of(b, &b->human), .rungs = b->rungs };

	if (ff_resolve(&what, &out, err) < 0)
		return -1;
	for (size_t i = 0; i < out.n_paths; i++) {
		const struct ff_resolved_path *p = &out.paths[i];
		const char *verdict = compare_file(b, p, err), *before = "";

		if (!verdict)
			return -1;
		printf("file %s %s %zu %zu ", b->name, verdict, p->n_hunks, p->n_solved);
		for (size_t h = 0; h < p->n_hunks; h++) {
			if (!p->hunks[h].rule || !strcmp(p->hunks[h].rule, before))
				continue;
			printf("%s%s", *before ? "+" : "", p->hunks[h].rule);
			before = p->hunks[h].rule;
		}
		printf("%s %s\n", *before ? "" : "-", p->path);
	}
	if (out.solved)
		printf("tree %s %s\n", b->name, ff_merge_id_equal(&out.tree, &b->human) ? "equal" : "different");
	return 0;
}

/* --- spoilt results */

struct lines {
	const char *data;
	size_t len, n;
	size_t *at; /* n + 1 */
};

static struct lines lines_of(const struct ff_merge_bytes *b)
{
	struct lines l = { (const char *)b->data, b->len, 0, ff_calloc(b->len + 2, sizeof(size_t)) };

	for (size_t i = 0; i < b->len; i++)
		if (i == 0 || l.data[i - 1] == '\n')
			l.at[l.n++] = i;
	l.at[l.n] = l.len;
	return l;
}

static bool in_text(const struct ff_merge_bytes *in, const char *p, size_t n)
{
	return n == 0 || memmem(in->data, in->len, p, n) != NULL;
}

/* A line, by preference one that is not in the base. */
static size_t pick(struct bench *b, const struct lines *l, const struct ff_merge_bytes *base)
{
	size_t i = draw(b, (uint32_t)l->n);

	for (int k = 0; k < 200 && draw(b, 8); k++) {
		i = draw(b, (uint32_t)l->n);
		if (!in_text(base, l->data + l->at[i], l->at[i + 1] - l->at[i]))
			break;
	}
	return i;
}

/* A line before the first conflict of the text; false when there is none. */
static bool pick_outside(struct bench *b, const struct ff_merge_bytes text[3], size_t *ret)
{
	const struct ff_merge_text merge = { .base = &text[0], .target = &text[1], .change = &text[2] };
	struct ff_lines_conflicts found = { 0 };
	uint32_t n = 0;

	if (ff_lines_find_conflicts(&merge, ff_git_myers, NULL, &found, NULL) < 0)
		return false;
	for (size_t i = 0; found.n_holes && i < found.holes[0].settled_at; i++)
		n += found.settled[i] == '\n';
	ff_lines_conflicts_fini(&found);
	*ret = draw(b, n);
	return n > 0;
}

static void spoil_lines(struct bench *b, enum kind kind, const struct lines *l, size_t i, struct ff_buf *out)
{
	size_t n = kind == BLOCK_TWICE ? 2 + draw(b, 12) : 1, end = i + n < l->n ? i + n : l->n;

	(void)ff_buf_add(out, l->data, l->at[i]);
	if (kind == OUTSIDE || kind == LINE_TWICE || kind == BLOCK_TWICE)
		(void)ff_buf_add(out, l->data + l->at[i], l->at[end] - l->at[i]);
	if (kind == OUTSIDE && out->len > 1) {
		size_t at = l->at[i] + draw(b, (uint32_t)(l->at[i + 1] - l->at[i]));

		out->data[at] = out->data[at] == 'x' ? 'y' : 'x';
	} else if (kind == MARKER) {
		(void)ff_buf_adds(out, draw(b, 2) ? "<<<<<<< target\n" : draw(b, 2) ? "=======\n" : ">>>>>>> change\n");
		end = i;
	} else if (kind == LINE_TWICE || kind == BLOCK_TWICE) {
		end = i;
	}
	(void)ff_buf_add(out, l->data + l->at[end], l->len - l->at[end]);
}

/* All conflicts of the file as one side has them, or the file as that side has it. */
static int spoil_side(struct bench *b, const struct ff_merge_bytes text[3], struct ff_buf *out, struct ff_err *err)
{
	const struct ff_merge_text merge = { .base = &text[0], .target = &text[1], .change = &text[2] };
	struct ff_lines_conflicts found = { 0 };
	int side = 1 + (int)draw(b, 2);
	size_t at = 0;

	if (draw(b, 3) == 0) {
		(void)ff_buf_add(out, text[side].data, text[side].len);
		return 0;
	}
	if (ff_lines_find_conflicts(&merge, ff_git_myers, NULL, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.n_regions; i++) {
		const struct ff_lines_region *r = &found.regions[i];
		const struct ff_lines *t = &found.set.text[side];

		(void)ff_buf_add(out, found.settled + at, r->settled_at - at);
		(void)ff_buf_add(out, t->data + t->start[r->at[side]], t->start[r->at[side] + r->n[side]] - t->start[r->at[side]]);
		at = r->settled_end;
	}
	(void)ff_buf_add(out, found.settled + at, found.settled_len - at);
	ff_lines_conflicts_fini(&found);
	return 0;
}

struct other {
	struct bench *bench;
	size_t n;
	char *path;
	struct ff_proof_entry was;
};

/* One of the paths that the change brought without a conflict. */
static int on_path(void *arg, const char *path, const struct ff_proof_entry *a, const struct ff_proof_entry *x,
		   struct ff_err *err)
{
	struct other *o = arg;

	(void)x;
	(void)err;
	for (size_t i = 0; i < o->bench->r.n_conflicts; i++)
		if (!strcmp(o->bench->r.conflicts[i].path, path))
			return 0;
	if (draw(o->bench, (uint32_t)++o->n))
		return 0;
	ff_free(&o->path);
	o->path = ff_strdup(path);
	o->was = *a;
	return 0;
}

/* 1: ret_tree is another tree; 0: there is nothing to spoil in this way. */
static int spoil_tree(struct bench *b, enum kind kind, const struct ff_merge_conflict *c, const struct ff_proof_entry *human,
		      struct ff_merge_id *ret_tree, struct ff_err *err)
{
	struct other o = { .bench = b };
	struct ff_proof what = proof_of(b, &b->human);
	uint32_t mode = human->mode ^ 0111u;
	int rc;

	if (kind == FILE_LOST)
		return ff_merge_put(&b->source, &b->human, c->path, 0, &human->id, ret_tree, err) < 0 ? -1 : 1;
	if (kind == MODE)
		return ff_merge_put(&b->source, &b->human, c->path, mode, &human->id, ret_tree, err) < 0 ? -1 : 1;
	if (kind == BACK) {
		if (!c->base.mode)
			return 0;
		return ff_merge_put(&b->source, &b->human, c->path, c->base.mode, &c->base.id, ret_tree, err) < 0 ? -1 : 1;
	}
	if (ff_proof_compare(&what, &b->merge.target, &b->r.tree, on_path, &o, err) < 0)
		return -1;
	rc = !o.path ? 0 : ff_merge_put(&b->source, &b->human, o.path, o.was.mode, &o.was.id, ret_tree, err) < 0 ? -1 : 1;
	ff_free(&o.path);
	return rc;
}

static int spoil_text(struct bench *b, enum kind kind, const struct ff_merge_conflict *c, const struct ff_proof_entry *human,
		      struct ff_merge_id *ret_tree, struct ff_err *err)
{
	const struct ff_merge_version *const v[3] = { &c->base, &c->target, &c->change };
	struct ff_merge_bytes text[3] = { 0 }, x = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	struct ff_merge_id id;
	struct lines l;
	size_t line = 0;
	int rc = 0;

	ff_buf_init(&out, (size_t)1 << 30);
	for (int i = 0; i < 3 && rc == 0; i++) {
		text[i].data = (const unsigned char *)"";
		if (v[i]->mode)
			rc = b->source.read_blob(b->git, &v[i]->id, &text[i], err);
	}
	if (rc < 0 || b->source.read_blob(b->git, &human->id, &x, err) < 0)
		return -1;
	l = lines_of(&x);
	if (kind == SIDE)
		rc = spoil_side(b, text, &out, err);
	else if (kind == OUTSIDE ? pick_outside(b, text, &line) && line < l.n : l.n > 0)
		spoil_lines(b, kind, &l, kind == OUTSIDE ? line : pick(b, &l, &text[0]), &out);
	else
		(void)ff_buf_add(&out, x.data, x.len);
	if (rc == 0 && b->source.write_blob(b->git, out.data, out.len, &id, err) == 0)
		rc = ff_merge_put(&b->source, &b->human, c->path, human->mode, &id, ret_tree, err);
	ff_free(&l.at);
	for (int i = 0; i < 3; i++)
		if (text[i].hold)
			b->source.release(b->git, &text[i]);
	b->source.release(b->git, &x);
	return rc < 0 ? -1 : 1;
}

static int seed(struct bench *b, struct ff_err *err)
{
	const struct ff_merge_conflict *c = &b->r.conflicts[draw(b, (uint32_t)b->r.n_conflicts)];
	FF_AUTO(ff_proof_fini) struct ff_proof_result proof = { 0 };
	enum kind kind = draw(b, KINDS);
	struct ff_proof_entry human;
	struct ff_merge_id tree;
	int rc;

	if (human_entry(b, c->path, &human, err) < 0)
		return -1;
	if (!human.mode)
		return 0;
	if (kind == FILE_LOST || kind == MODE || kind == REVERTED || kind == BACK)
		rc = spoil_tree(b, kind, c, &human, &tree, err);
	else
		rc = spoil_text(b, kind, c, &human, &tree, err);
	if (rc <= 0 || ff_merge_id_equal(&tree, &b->human))
		return rc < 0 ? -1 : 0;
	if (prove(b, &tree, &proof, err) < 0)
		return -1;
	b->tried[kind]++;
	b->proved[kind] += proof.proved;
	if (proof.proved)
		printf("bad %s %s %s\n", b->name, kind_names[kind], c->path);
	return 0;
}

/* --- */

static int look(struct bench *b, struct ff_err *err)
{
	FF_AUTO(ff_proof_fini) struct ff_proof_result proof = { 0 };

	if (prove(b, &b->human, &proof, err) < 0)
		return -1;
	printf("merge %s %s", b->name, proof.proved ? "proved" : b->r.hard ? "hard" : "refused");
	for (int i = 0; i < FF_PROOF_RULE_COUNT; i++)
		if (proof.by_rule[i])
			printf(" %s=%zu", ff_proof_rule_name(i), proof.by_rule[i]);
	printf("\n");
	if (resolve(b, err) < 0)
		return -1;
	for (int64_t i = 0; proof.proved && i < b->seeds; i++)
		if (seed(b, err) < 0)
			return -1;
	return 0;
}

static int on_line(struct bench *b, char words[4][128], struct ff_err *err)
{
	char *why = NULL;
	int rc = 0;

	b->name = words[3];
	b->r = (struct ff_merge_result){ 0 };
	if (ff_git_tree_named(b->git, words[0], &b->merge.base, err) < 0 ||
	    ff_git_tree_named(b->git, words[1], &b->merge.target, err) < 0 ||
	    ff_git_tree_named(b->git, words[2], &b->merge.change, err) < 0 ||
	    ff_git_tree_named(b->git, words[3], &b->human, err) < 0)
		return -1;
	b->merge.attributes = b->merge.target;
	if (ff_git_merge_trees(b->git, &b->merge, NULL, &b->r, &why, err) < 0)
		return -1;
	if (!b->r.clean)
		rc = look(b, err);
	ff_merge_result_fini(&b->r);
	ff_free(&why);
	return rc;
}

int main(int argc, char **argv)
{
	struct bench b = { .random = 1, .rungs = FF_RUNGS_RULES };
	struct ff_err err = { 0 };
	char words[4][128];
	int64_t rungs = FF_RUNGS_RULES;

	if (argc != 4 || ff_num_i64(argv[2], 0, 1000000, &b.seeds) < 0 || ff_num_i64(argv[3], 0, 255, &rungs) < 0 ||
	    ff_git_open(argv[1], &b.git, &err) < 0) {
		fprintf(stderr, "usage: conflicts-work REPO SEEDS RUNGS: %s\n", err.text);
		return 2;
	}
	b.rungs = (unsigned)rungs;
	ff_git_source(b.git, &b.source);
	while (scanf("%127s %127s %127s %127s", words[0], words[1], words[2], words[3]) == 4) {
		ff_git_pack_begin(b.git, false, FF_GIT_PACK_MEMORY);
		if (on_line(&b, words, &err) < 0)
			printf("error %s %s\n", words[3], err.text);
		ff_git_pack_drop(b.git);
	}
	for (int i = 0; i < KINDS; i++)
		printf("seed %s %zu %zu\n", kind_names[i], b.tried[i], b.proved[i]);
	ff_git_close(&b.git);
	return 0;
}
