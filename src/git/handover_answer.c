/* SPDX-License-Identifier: MIT */
/*
 * See handover_answer.h.  The answer is words that each end in a NUL: the
 * tree; a line for each version of a path in conflict, up to an empty word;
 * and messages: how many paths, the paths, what it is, a sentence.
 */
#include "git/handover_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"
#include "git/source.h"
#include "merge/merge.h"

struct words {
	const char *p, *end;
};

/* NULL at the end. */
static const char *next_word(struct words *w)
{
	const char *word = w->p, *nul = w->p < w->end ? memchr(w->p, '\0', (size_t)(w->end - w->p)) : NULL;

	if (!nul)
		return NULL;
	w->p = nul + 1;
	return word;
}

static const struct {
	const char *start; /* of git's word for it, behind "CONFLICT (" */
	enum ff_merge_kind kind;
} kinds[] = {
	{ "binary", FF_MERGE_BINARY }, { "contents", FF_MERGE_CONTENT }, { "file/directory", FF_MERGE_FILE_FOLDER },
	{ "distinct modes", FF_MERGE_TYPE }, { "modify/delete", FF_MERGE_MODIFY_DELETE },
	{ "rename/rename", FF_MERGE_RENAME_RENAME }, { "rename involved in collision", FF_MERGE_RENAME_ADD },
	{ "rename/delete", FF_MERGE_RENAME_DELETE }, { "directory rename", FF_MERGE_FOLDER_RENAME },
	{ "submodule", FF_MERGE_SUBMODULE },
};

static enum ff_merge_kind kind_of(const char *word)
{
	static const char before[] = "CONFLICT (";

	for (size_t i = 0; ff_starts(word, before) && i < FF_ARRAY_LEN(kinds); i++)
		if (ff_starts(word + sizeof before - 1, kinds[i].start))
			return kinds[i].kind;
	return FF_MERGE_RENAME_CLASH;
}

static struct ff_merge_conflict *conflict_at(struct ff_merge_result *r, const char *path)
{
	for (size_t i = r->n_conflicts; i-- > 0;)
		if (strcmp(r->conflicts[i].path, path) == 0)
			return &r->conflicts[i];
	return NULL;
}

static struct ff_merge_conflict *conflict_new(struct ff_merge_result *r, const char *path)
{
	struct ff_merge_conflict *c;

	r->conflicts = ff_realloc(r->conflicts, r->n_conflicts + 1, sizeof *r->conflicts);
	c = &r->conflicts[r->n_conflicts++];
	*c = (struct ff_merge_conflict){ .path = ff_strdup(path), .kind = FF_MERGE_KIND_COUNT, .hard = true };
	return c;
}

static int bad(struct ff_err *err)
{
	return ff_err_set(err, FF_E_PROTOCOL, "git merge-tree gave an answer that is not understood");
}

static int read_mode(const char *word, uint32_t *ret)
{
	uint32_t mode = 0;
	int i;

	for (i = 0; i < 6 && word[i] >= '0' && word[i] <= '7'; i++)
		mode = mode * 8 + (uint32_t)(word[i] - '0');
	if (i != 6 || word[6] != ' ')
		return -1;
	*ret = mode;
	return 0;
}

/* "MODE ID STAGE<tab>PATH". Paths come in order, all versions of one together. */
static int read_version(const char *word, struct ff_merge_result *r, struct ff_err *err)
{
	const char *tab = strchr(word, '\t');
	struct ff_merge_version v = { 0 }, *to;
	struct ff_merge_conflict *c;
	char hex[65] = { 0 };

	if (!tab || tab - word < 6 + 1 + 40 + 2 || tab - word > 6 + 1 + 64 + 2 || read_mode(word, &v.mode) < 0)
		return bad(err);
	memcpy(hex, word + 7, (size_t)(tab - word) - 9);
	if (tab[-2] != ' ' || tab[-1] < '1' || tab[-1] > '3' || ff_git_source_id(hex, &v.id, err) < 0)
		return bad(err);
	c = r->n_conflicts && strcmp(r->conflicts[r->n_conflicts - 1].path, tab + 1) == 0 ?
		&r->conflicts[r->n_conflicts - 1] : conflict_new(r, tab + 1);
	to = tab[-1] == '1' ? &c->base : tab[-1] == '2' ? &c->target : &c->change;
	if (to->mode)
		return bad(err);
	v.path = ff_strdup(tab + 1);
	*to = v;
	return 0;
}

/* A message names its paths; the first conflict that it is about says what kind that is. */
static int read_message(struct words *w, const char *count, struct ff_merge_result *r, struct ff_err *err)
{
	struct words paths = *w;
	const char *what;
	int64_t n;

	if (ff_num_i64(count, 1, 1 << 20, &n) < 0)
		return bad(err);
	for (int64_t i = 0; i < n; i++)
		if (!next_word(w))
			return bad(err);
	what = next_word(w);
	if (!what || !next_word(w))
		return bad(err);
	if (!ff_starts(what, "CONFLICT"))
		return 0;
	for (int64_t i = 0; i < n; i++) {
		const char *path = next_word(&paths);
		struct ff_merge_conflict *c = conflict_at(r, path);

		if (!c && i == 0 && !r->n_conflicts) /* in conflict without a version to show: a folder split by renames */
			c = conflict_new(r, path);
		if (c && c->kind == FF_MERGE_KIND_COUNT)
			c->kind = kind_of(what);
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct ff_merge_conflict *)a)->path, ((const struct ff_merge_conflict *)b)->path);
}

/*
 * A merge that git calls clean may have a message of a conflict all the same,
 * and then its markers are in the tree: when two files that meet at one name
 * conflict with each other in the same way on both sides.  To us it is none.
 */
static int read_conflicts(struct words *w, struct ff_merge_result *r, struct ff_err *err)
{
	const char *word;

	while ((word = next_word(w)) && *word)
		if (r->clean || read_version(word, r, err) < 0)
			return r->clean ? bad(err) : -1;
	while ((word = next_word(w)))
		if (read_message(w, word, r, err) < 0)
			return -1;
	for (size_t i = 0; i < r->n_conflicts; i++)
		if (r->conflicts[i].kind == FF_MERGE_KIND_COUNT)
			r->conflicts[i].kind = r->conflicts[i].base.mode ? FF_MERGE_CONTENT : FF_MERGE_ADD_ADD;
	if (r->n_conflicts > 1)
		qsort(r->conflicts, r->n_conflicts, sizeof *r->conflicts, by_path);
	if (!r->clean && !r->n_conflicts)
		return bad(err);
	r->clean = !r->n_conflicts;
	return 0;
}

int ff_handover_answer(const char *text, size_t len, bool clean, struct ff_merge_result *ret, struct ff_err *err)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result r = { .clean = clean, .hard = true };
	struct words w = { text, text + len };
	const char *tree = next_word(&w);

	if (!tree || ff_git_source_id(tree, &r.tree, err) < 0 || ff_merge_id_absent(&r.tree))
		return bad(err);
	if (read_conflicts(&w, &r, err) < 0)
		return -1;
	*ret = r;
	r = (struct ff_merge_result){ 0 };
	return 0;
}
