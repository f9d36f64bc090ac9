/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_MERGE_H
#define FF_MERGE_MERGE_H

/*
 * Three-way merge of trees, with git's own results.  Pure: objects come from
 * a source, lines are merged by a callback; nothing here opens a file, knows
 * libgit2 or starts a program, and no merge driver ever runs.  The cost grows
 * with what changed, not with the tree: equal ids end a subtree at once.
 *
 * Words: "base" is what both sides come from, "target" the side that is
 * merged into (for a rebase: the new base), "change" the side that is brought
 * to it (the commit to apply).  Never ours and theirs: a rebase swaps those.
 *
 * Fill a struct ff_merge, call ff_merge(), look at the result:
 *   clean                tree is what git would have written
 *   not clean, not hard  conflicts lists every path; tree holds what could be
 *                        merged, with the target's version (or the lines of
 *                        both between markers) where it could not
 *   hard                 git's rules for this are more than this room knows
 *                        (directory renames, renames that collide, a custom
 *                        merge driver): never guessed.  Ask `git merge-tree`
 *                        (git/handover.h), or take it for a conflict.  tree is
 *                        not set.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FF_MERGE_ID_MAX 32
/* A raw object id, 20 or 32 bytes (the source says which); what is behind them is zero. All zero: absent. */
struct ff_merge_id {
	unsigned char b[FF_MERGE_ID_MAX];
};
bool ff_merge_id_equal(const struct ff_merge_id *a, const struct ff_merge_id *b);
bool ff_merge_id_absent(const struct ff_merge_id *id);

/* Modes as they stand in trees. Odd old ones (100664) become one of these in a tree that is written. */
#define FF_MERGE_MODE_TREE 0040000u
#define FF_MERGE_MODE_FILE 0100644u
#define FF_MERGE_MODE_EXEC 0100755u
#define FF_MERGE_MODE_LINK 0120000u
#define FF_MERGE_MODE_SUBMODULE 0160000u

/* --- the object source */
/* Bytes lent by the source until they are given back by release(). */
struct ff_merge_bytes {
	const unsigned char *data;
	size_t len;
	void *hold; /* the source's own */
};
/*
 * Every function but release returns 0 or -1. A missing object, or one of
 * another kind, is FF_E_NOT_FOUND or FF_E_GIT: the merge fails. An object
 * just written must be readable.
 */
struct ff_merge_source {
	void *arg;
	size_t id_len; /* 20 or 32 */
	int (*read_tree)(void *arg, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err);
	int (*read_blob)(void *arg, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err);
	/* Without reading it whole. */
	int (*blob_size)(void *arg, const struct ff_merge_id *id, uint64_t *ret_size, struct ff_err *err);
	/* For read_tree and read_blob; bytes->data NULL is nothing. Leaves it empty. */
	void (*release)(void *arg, struct ff_merge_bytes *bytes);
	/* Where the object goes (memory, a pack) is the source's business. */
	int (*write_tree)(void *arg, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err);
	int (*write_blob)(void *arg, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err);
};

/* --- the text merge */
struct ff_merge_text {
	const struct ff_merge_bytes *base, *target, *change; /* base of no bytes: there is none */
	bool use_both;       /* merge=union: no conflict, both sides' lines */
	int marker_size;     /* 7 */
	const char *target_label, *change_label; /* behind <<<<<<< and >>>>>>> */
};
struct ff_merge_text_result {
	bool conflict; /* data holds markers then */
	char *data;    /* freed by ff_free */
	size_t len;
};
/* FF_E_TOO_LARGE: the file is in conflict, as too large. */
typedef int (*ff_merge_text_fn)(void *arg, const struct ff_merge_text *what,
				struct ff_merge_text_result *ret, struct ff_err *err);

/* --- limits; 0: the default beside it */
struct ff_merge_limits {
	uint64_t max_text_bytes;     /* a blob whose lines are merged or compared: 64 MiB; larger is a conflict */
	uint64_t max_tree_entries;   /* read in one merge, all trees together: 4,000,000; more is FF_E_TOO_LARGE */
	uint32_t rename_limit;       /* files; over its square of pairs only exact renames count, as merge.renameLimit: 7000 */
	uint64_t max_rename_bytes;   /* read in one merge to compare files: 1 GiB; more is hard */
	uint32_t max_depth;          /* folders in folders: 1024; more is FF_E_TOO_LARGE */
};

/* --- a merge */
struct ff_merge {
	const struct ff_merge_source *source;
	ff_merge_text_fn text;
	void *text_arg;
	struct ff_merge_id base, target, change; /* trees; base absent: the empty tree */
	/* The tree whose .gitattributes say how files are merged; absent: none do. Normally that of the target. */
	struct ff_merge_id attributes;
	const char *target_label, *change_label; /* NULL: "target", "change" */
	struct ff_merge_limits limits;
};

enum ff_merge_kind { /* names for people and JSON: ff_merge_kind_name() */
#define FF_MERGE_KIND(name, word, text) FF_MERGE_##name,
#include "merge/kind.def"
#undef FF_MERGE_KIND
	FF_MERGE_KIND_COUNT
};
const char *ff_merge_kind_name(enum ff_merge_kind kind); /* "content", "add/add", ... */
const char *ff_merge_kind_text(enum ff_merge_kind kind); /* a sentence's part: "changed on both sides" */

/* What one side has; mode 0: nothing. */
struct ff_merge_version {
	char *path;    /* where that side has it; NULL when mode is 0 */
	uint32_t mode;
	struct ff_merge_id id;
};
struct ff_merge_conflict {
	char *path; /* bytes, no NUL inside; where the result would have it */
	enum ff_merge_kind kind;
	bool hard;  /* this one is why the result is hard */
	struct ff_merge_version base, target, change;
	/* What result.tree has at path (mode 0: nothing); for "content" the blob with markers. */
	struct ff_merge_version merged;
};
struct ff_merge_result { /* ff_merge_result_fini */
	bool clean, hard;
	struct ff_merge_id tree; /* absent when hard */
	size_t n_conflicts;      /* in path order; one path may have several */
	struct ff_merge_conflict *conflicts;
	/* When hard: what .gitattributes say of the files in question, as one file for $GIT_DIR/info; or NULL. */
	char *attributes;
};
/*
 * 0 also when it does not come out clean. FF_E_NOT_FOUND and FF_E_GIT as the
 * source says, FF_E_INVALID for a tree that git would not read, FF_E_TOO_LARGE
 * over a limit. ret_result is untouched on failure.
 */
int ff_merge(const struct ff_merge *what, struct ff_merge_result *ret_result, struct ff_err *err);
void ff_merge_result_fini(struct ff_merge_result *result);
/*
 * The tree with that at path (mode 0: with nothing there; folders that get
 * empty go). The folders on the way are written to the source.
 */
int ff_merge_put(const struct ff_merge_source *source, const struct ff_merge_id *tree, const char *path, uint32_t mode,
		 const struct ff_merge_id *id, struct ff_merge_id *ret_tree, struct ff_err *err);

#endif
