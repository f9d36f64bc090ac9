/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_MEMSOURCE_H
#define FF_TESTS_MEMSOURCE_H

/*
 * An object source of src/merge in memory, for tests and fuzzing: no
 * repository, no real hash (ids are 20 bytes that tell contents apart).
 */

#include "merge/merge.h"

struct memsource {
	struct memobject *objects;
	size_t n_lent;  /* not given back yet */
	size_t n_read, n_written;
	bool lies;      /* blob_size says 1: for limits that must hold all the same */
};
void memsource_init(struct memsource *m, struct ff_merge_source *ret_source);
void memsource_fini(struct memsource *m);
struct ff_merge_id memsource_blob(struct memsource *m, const void *data, size_t len);
struct ff_merge_id memsource_tree_raw(struct memsource *m, const void *data, size_t len);
/* NULL when there is none. Borrowed. */
const char *memsource_get(const struct memsource *m, const struct ff_merge_id *id, size_t *ret_len);
/*
 * A tree from lines "PATH=CONTENT", each ended by a newline; content may have
 * \n for a newline and \0 for a NUL; a path may start with a mode: "100755:a=x",
 * "120000:", "160000:" (content is taken as a blob for its id).
 */
struct ff_merge_id memsource_tree(struct memsource *m, const char *lines);
/* Everything in a tree in that form, sorted by path; freed by ff_free. */
char *memsource_text(const struct memsource *m, const struct ff_merge_id *tree);
/* A text merge over ff_merge_lines without a second difference: what would need one is all changed. */
int memsource_merge_text(void *arg, const struct ff_merge_text *what, struct ff_merge_text_result *ret,
			 struct ff_err *err);

#endif
