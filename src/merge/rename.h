/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_RENAME_H
#define FF_MERGE_RENAME_H

/*
 * What rename.c (the order of the search), matrix.c (comparing contents) and
 * folder.c (where folders went) share.
 */

#include "merge/part.h"

struct ff_rename_file {
	struct ff_node *node;
	struct ff_version v;
	struct ff_node *from;  /* of an added file: what it was */
	int32_t of;            /* of an added file: >= 0 when it was found to be a renamed one */
	bool used;             /* of a deleted one */
	bool twin;             /* not the only one of its name */
	bool size_known, spans_known;
	uint64_t size;
	struct ff_spans spans;
};
struct ff_renames {
	struct ff_run *run;
	int side;
	struct ff_rename_file *src, *dst;
	size_t n_src, n_dst, n_found;
	struct ff_spans_table table;
	struct ff_list folders; /* those with moves */
};
/* Places in dst and src; neither is in a pair yet. */
void ff_rename_pair(struct ff_renames *r, size_t dst, size_t src);
bool ff_rename_same_name(const struct ff_node *a, const struct ff_node *b);
/* Whether somebody asks where a deleted file went. */
bool ff_rename_wanted(const struct ff_renames *r, const struct ff_rename_file *src);

/* --- matrix.c */
/* *ret_score is 0 when they cannot reach least. */
int ff_rename_compare(struct ff_renames *r, struct ff_rename_file *src, struct ff_rename_file *dst, unsigned least,
		      unsigned *ret_score, struct ff_err *err);
/* Compares each with each and pairs up the best. */
int ff_rename_matrix(struct ff_renames *r, unsigned least, struct ff_err *err);

/* --- folder.c */
/* One more file of from's folder is found in to's. */
void ff_rename_count(struct ff_renames *r, const struct ff_node *from, const struct ff_node *to);
/* Settles where each folder seems to have gone, from what is counted so far. */
void ff_rename_guesses(struct ff_renames *r);
/* The added file that this one would be if it went with its folder, or -1. */
int32_t ff_rename_guess(struct ff_renames *r, const struct ff_node *from);
/* Drops sources that are only asked for to learn about a folder that is known by now. */
void ff_rename_drop_known(struct ff_renames *r);
/* Makes the merge hard when a folder went somewhere that the other side added a file to. */
void ff_rename_note_folders(struct ff_renames *r);

#endif
