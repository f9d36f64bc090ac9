/* SPDX-License-Identifier: MIT */
/*
 * The way in and out of a merge: names of conflicts, ids, the result.
 */
#include "merge/merge.h"

#include <string.h>

bool ff_merge_id_equal(const struct ff_merge_id *a, const struct ff_merge_id *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool ff_merge_id_absent(const struct ff_merge_id *id)
{
	static const struct ff_merge_id none;

	return ff_merge_id_equal(id, &none);
}

const char *ff_merge_kind_name(enum ff_merge_kind kind)
{
	static const char *const names[] = {
#define FF_MERGE_KIND(name, word, text) [FF_MERGE_##name] = word,
#include "merge/kind.def"
#undef FF_MERGE_KIND
	};
	return names[kind];
}

const char *ff_merge_kind_text(enum ff_merge_kind kind)
{
	static const char *const texts[] = {
#define FF_MERGE_KIND(name, word, text) [FF_MERGE_##name] = text,
#include "merge/kind.def"
#undef FF_MERGE_KIND
	};
	return texts[kind];
}

static void version_fini(struct ff_merge_version *v)
{
	ff_free(&v->path);
	v->mode = 0;
}

void ff_merge_result_fini(struct ff_merge_result *result)
{
	for (size_t i = 0; i < result->n_conflicts; i++) {
		struct ff_merge_conflict *c = &result->conflicts[i];

		ff_free(&c->path);
		version_fini(&c->base);
		version_fini(&c->target);
		version_fini(&c->change);
		version_fini(&c->merged);
	}
	ff_free(&result->conflicts);
	*result = (struct ff_merge_result){ 0 };
}

int ff_merge(const struct ff_merge *what, struct ff_merge_result *ret_result, struct ff_err *err)
{
	/* FIXME: only the cases that need no descent; all else is refused. */
	const struct ff_merge_id *one = NULL;

	if (ff_merge_id_equal(&what->target, &what->change) || ff_merge_id_equal(&what->base, &what->change))
		one = &what->target;
	else if (ff_merge_id_equal(&what->base, &what->target))
		one = &what->change;
	if (!one)
		return ff_err_set(err, FF_E_UNSUPPORTED, "this merge is not supported yet");
	*ret_result = (struct ff_merge_result){ .clean = true, .tree = *one };
	return 0;
}
