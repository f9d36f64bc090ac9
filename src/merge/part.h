/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_PART_H
#define FF_MERGE_PART_H

/*
 * What the files of this room share and nobody else includes.  A merge goes
 * through them in this order:
 *
 *   walk.c     reads the three trees side by side and makes a node for every
 *              path that is not decided by a look at its ids
 *   rename.c   finds files that moved, where that can matter
 *   follow.c   carries the other side's changes to where a file went
 *   decide.c   decides every node, from the leaves up
 *   build.c    makes the trees of the result
 *
 * Sides are counted 0 base, 1 target, 2 change; a mask has bit 1 << side.
 */

#include "base/arena.h"
#include "merge/merge.h"

enum { BASE = 0, TARGET = 1, CHANGE = 2 };
#define OTHER(side) (3 - (side))

/* --- trees (tree.c) */
struct ff_entry {
	const char *name; /* not ended by a NUL that counts */
	const unsigned char *id;
	uint32_t len, mode;
};
/* Sorted by name as plain bytes, which is not quite the order in the object. */
struct ff_tree {
	struct ff_entry *entries;
	size_t n;
	bool odd; /* modes were brought into shape: git would write it anew */
};
#define FF_IS_TREE(mode) (((mode) & 0170000u) == 0040000u)
#define FF_IS_FILE(mode) (((mode) & 0170000u) == 0100000u)
#define FF_IS_LINK(mode) (((mode) & 0170000u) == 0120000u)
#define FF_IS_SUBMODULE(mode) (((mode) & 0170000u) == 0160000u)
#define FF_TYPE(mode) ((mode) & 0170000u)
/* Entries point into data and live in the arena. FF_E_INVALID for what git would not read, FF_E_TOO_LARGE. */
int ff_tree_parse(struct ff_arena *arena, const void *data, size_t len, size_t id_len, size_t max_entries,
		  struct ff_tree *ret, struct ff_err *err);
int ff_name_compare(const char *a, size_t a_len, const char *b, size_t b_len);
/*
 * As qsort, for what is nearly in order: git's order of a tree is that of its
 * names but for some folders. Elements of at most 64 bytes.
 */
typedef int (*ff_sort_fn)(const void *a, const void *b);
void ff_sort_near(void *list, size_t n, size_t size, ff_sort_fn compare);

/* --- the table of paths: a tree of nodes */
struct ff_version {
	uint32_t mode; /* 0: nothing there */
	const unsigned char *id; /* NULL when mode is 0 */
};
enum ff_need { FF_NEED_NONE, FF_NEED_NOT, FF_NEED_ANCESTOR, FF_NEED_SELF }; /* is it known where a folder went? */

struct ff_node {
	struct ff_node *parent; /* NULL: the root */
	const char *name;
	uint32_t len;
	uint8_t files, folders; /* masks: who has a file, a folder here */
	uint8_t match;          /* mask of the two sides that agree, or 0 */
	uint8_t wanted;         /* FF_WANTED_*: a rename of it on that side would matter for the content, or for the place of others */
	uint8_t folder_mask;    /* walk.c: what was known of folder renames when it was put off */
	bool decided, opened, collides, path_conflict, split;
	enum ff_merge_kind path_kind; /* with path_conflict */
	enum ff_need gone[3];   /* for a folder that a side removed */
	struct ff_version stage[3];
	struct ff_node *from[3]; /* where the version of that side lies; itself, unless renamed */
	struct ff_version result;
	struct ff_kid *kids;    /* when opened; sorted by name */
	size_t n_kids;
	struct ff_kid *extra;   /* files that were moved out of the way of folders; decide.c */
	const struct ff_tree *trees[3];
	int32_t dst[3];         /* rename.c: its place among the added files of that side, or -1 */
	struct ff_moves *moves[3]; /* rename.c: of a folder that a side removed: where its files went */
};
#define FF_WANTED_CONTENT(side) (1u << (side))
#define FF_WANTED_PLACE(side) (16u << (side))
struct ff_kid { /* node NULL: decided at first sight */
	const char *name;
	uint32_t len;
	struct ff_version result;
	struct ff_node *node;
	struct ff_kid *next; /* among extra */
};
bool ff_version_equal(size_t id_len, const struct ff_version *a, const struct ff_version *b);

struct ff_list { /* of nodes */
	struct ff_node **nodes;
	size_t n, size;
};
struct ff_pair { /* from is in the base, to was added by the side */
	struct ff_node *from, *to;
	int side;
};

struct ff_side {
	struct ff_list deleted, added; /* candidates for renames, in the order of the walk */
	struct ff_list put_off;        /* folders that only renames could make interesting */
	bool may_put_off;
	size_t n_wanted;
};

struct ff_run {
	const struct ff_merge *what;
	const struct ff_merge_source *source;
	size_t id_len;
	struct ff_merge_limits limits;
	struct ff_arena arena;
	struct ff_held *held;      /* bytes of trees, until the end */
	struct ff_tree_slot *trees; /* parsed ones, by id */
	size_t n_trees, trees_size;
	uint64_t n_entries, rename_bytes;
	unsigned folder_mask;
	struct ff_side side[3]; /* 1 and 2 */
	struct ff_node root;
	struct ff_pair *pairs;
	size_t n_pairs;
	struct ff_attr_dir *attrs;
	bool hard;
	struct ff_merge_conflict *conflicts;
	size_t n_conflicts, conflicts_size;
};
void ff_list_add(struct ff_list *list, struct ff_node *node);
/* id NULL: the empty tree. Kept until the end of the run. */
int ff_run_tree(struct ff_run *run, const unsigned char *id, const struct ff_tree **ret, struct ff_err *err);
void ff_merge_run_fini(struct ff_run *run);
struct ff_merge_id ff_run_id(const struct ff_run *run, const unsigned char *id);
const unsigned char *ff_run_keep_id(struct ff_run *run, const struct ff_merge_id *id);
/* From the root, with slashes, in the arena. */
char *ff_node_path(struct ff_run *run, const struct ff_node *node);

int ff_run_walk(struct ff_run *run, struct ff_err *err);
int ff_run_renames(struct ff_run *run, struct ff_err *err);
int ff_run_follow(struct ff_run *run, struct ff_err *err);
int ff_run_decide(struct ff_run *run, struct ff_err *err);
/* The tree of a folder whose kids are decided, into its result; mode 0 when it is empty. */
int ff_run_build(struct ff_run *run, struct ff_node *folder, struct ff_err *err);

/* The three versions brought together: 1 clean, 0 in conflict (*ret_kind says how), -1. (content.c) */
struct ff_content {
	struct ff_node *node; /* whose path and attributes count */
	struct ff_version base, target, change;
	const struct ff_node *from[3];
	int longer_markers;
};
int ff_run_content(struct ff_run *run, const struct ff_content *what, struct ff_version *ret,
		   enum ff_merge_kind *ret_kind, struct ff_err *err);
/* mode of each version 0: none. (conflict.c) */
void ff_run_conflict(struct ff_run *run, const struct ff_node *node, enum ff_merge_kind kind, bool hard,
		     const struct ff_version stage[3], const struct ff_version *merged);

/* --- how alike two files are (similar.c): what git's rename detection counts */
struct ff_span {
	uint32_t hash, bytes;
};
struct ff_spans {
	struct ff_span *spans;
	size_t n;
	struct ff_span rest; /* the last one when it is not finished, else of 0 bytes */
	uint64_t size;       /* of the file */
};
#define FF_SIMILAR_MAX 60000
void ff_spans_of(const void *data, size_t len, struct ff_spans *ret);
void ff_spans_fini(struct ff_spans *spans);
/* A table that one file at a time is put into, to compare many with it. */
struct ff_spans_table {
	uint32_t *count;
	const struct ff_spans *in;
};
void ff_spans_put(struct ff_spans_table *table, const struct ff_spans *file); /* NULL: nothing */
void ff_spans_table_fini(struct ff_spans_table *table);
/* 0 to FF_SIMILAR_MAX, as git 2.39 counts; *ret_newer as git 2.44 does. */
unsigned ff_spans_similar(const struct ff_spans_table *table, const struct ff_spans *file, unsigned *ret_newer);

/* --- .gitattributes (attrtree.c) */
enum ff_attr_merge { FF_ATTR_TEXT, FF_ATTR_BINARY, FF_ATTR_UNION, FF_ATTR_DRIVER };
struct ff_attr_value {
	enum ff_attr_merge merge;
	int marker_size;
};
int ff_attr_of(struct ff_run *run, const char *path, struct ff_attr_value *ret, struct ff_err *err);
/* What was read of them as one file, shallow ones first; NULL when nothing in it concerns a merge. Freed by ff_free. */
int ff_attr_flat(struct ff_run *run, char **ret, struct ff_err *err);

#endif
