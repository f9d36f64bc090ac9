/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_LIB_H
#define FF_GIT_LIB_H

/*
 * What the files of this room share and nobody else includes: the opened
 * repository, clean-up functions for libgit2's objects, and the one place
 * where its errors become ours.
 */

#include <git2.h>

#include "git/git.h"
#include "git/pack.h"

struct ff_git {
	git_repository *repo;
	git_odb *odb;
	char *path;
	int dir_fd, objects_fd; /* O_PATH: hold the inodes, so that their numbers are not given out again */
	struct ff_pack *pack;   /* new objects that are held back (pack.h), or NULL */
	bool has_backend, swept;
};

#define FF_GIT_LIB_AUTO(type) \
	static inline void type##_auto(type **p) \
	{ \
		if (*p) \
			type##_free(*p); \
		*p = NULL; \
	}
FF_GIT_LIB_AUTO(git_blob)
FF_GIT_LIB_AUTO(git_commit)
FF_GIT_LIB_AUTO(git_config)
FF_GIT_LIB_AUTO(git_config_iterator)
FF_GIT_LIB_AUTO(git_diff)
FF_GIT_LIB_AUTO(git_index)
FF_GIT_LIB_AUTO(git_index_conflict_iterator)
FF_GIT_LIB_AUTO(git_note)
FF_GIT_LIB_AUTO(git_object)
FF_GIT_LIB_AUTO(git_odb_object)
FF_GIT_LIB_AUTO(git_odb_stream)
FF_GIT_LIB_AUTO(git_reference)
FF_GIT_LIB_AUTO(git_reference_iterator)
FF_GIT_LIB_AUTO(git_remote)
FF_GIT_LIB_AUTO(git_revwalk)
FF_GIT_LIB_AUTO(git_signature)
FF_GIT_LIB_AUTO(git_transaction)
FF_GIT_LIB_AUTO(git_tree)
FF_GIT_LIB_AUTO(git_tree_entry)
FF_GIT_LIB_AUTO(git_treebuilder)

/* Sets err from libgit2's code rc and last message, with the text in front; returns -1. */
int ff_git_lib_fail(struct ff_err *err, int rc, const char *fmt, ...) FF_PRINTF(3, 4);
/*
 * The same for an object that cannot be read. One that another object or a ref
 * names and that is not there is FF_E_GIT, and the text says what to do.
 */
int ff_git_lib_unread(struct ff_git *git, const git_oid *oid, int rc, struct ff_err *err);
/*
 * git_revparse_single(), and what it answers, except for a ref whose object is
 * gone, which it (1.5.1) loses memory by: GIT_ENOTFOUND, and the object in
 * *ret_lost, which is zero otherwise.
 */
int ff_git_lib_rev(struct ff_git *git, const char *rev, git_object **ret, git_oid *ret_lost);
/* Hex to id; FF_E_INVALID, or FF_E_UNSUPPORTED for SHA-256. */
int ff_git_lib_oid(const char *hex, git_oid *ret_oid, struct ff_err *err);
/* Freed by git_commit_free. FF_E_INVALID when it is another kind of object. */
int ff_git_lib_commit(struct ff_git *git, const char *hex, git_commit **ret_commit, struct ff_err *err);
/* The tree of a commit. Freed by git_tree_free. */
int ff_git_lib_tree_of(struct ff_git *git, const char *commit_hex, git_tree **ret_tree, struct ff_err *err);
/* Freed by git_signature_free. FF_E_INVALID for a name that git would not take. */
int ff_git_lib_person(const struct ff_git_person *who, git_signature **ret_sig, struct ff_err *err);
/* "NAME <EMAIL> TIME ZONE" appended, as it stands in a commit. */
int ff_git_lib_person_line(struct ff_buf *out, const struct ff_git_person *who, struct ff_err *err);

/*
 * The bytes of a new commit: "author" and "encoding" are whole header lines
 * as they stood in the commit it replaces (encoding NULL: none).
 */
struct ff_git_lib_raw {
	const git_oid *tree;
	const git_oid *parents;
	size_t n_parents;
	const char *author; /* "NAME <EMAIL> TIME ZONE" */
	const char *committer;
	const char *encoding;
	const char *message;
	size_t message_len;
};
int ff_git_lib_write_commit(struct ff_git *git, const struct ff_git_lib_raw *raw, git_oid *ret_oid,
			    struct ff_err *err);

/* --- new objects (pack.c) */
/* Into what ff_git_pack_begin() began, else into the repository. */
int ff_git_lib_put(struct ff_git *git, git_object_t type, const void *data, size_t size, git_oid *ret_oid,
		   struct ff_err *err);
struct ff_git_lib_lent {
	const char *data;
	size_t len;
	struct ff_pack_item *item;
};
/* 1: lent until it is given back; 0: it is none of the new ones. */
int ff_git_lib_lend(struct ff_git *git, const git_oid *oid, git_object_t type, struct ff_git_lib_lent *ret,
		    struct ff_err *err);
void ff_git_lib_give_back(struct ff_git *git, struct ff_pack_item *item);
/* Every one of them. Other than 0 ends it and is returned. */
typedef int (*ff_git_lib_new_fn)(void *arg, git_object_t type, const void *data, size_t len, struct ff_err *err);
int ff_git_lib_each_new(struct ff_git *git, ff_git_lib_new_fn fn, void *arg, struct ff_err *err);

/* --- names in trees (name.c); each returns words for people, or NULL when nothing is wrong */
/* A name that no checkout may have: "", ".", "..", a slash, over 255 bytes, .git in any spelling. */
const char *ff_git_lib_name_bad(const char *name, size_t len);
/* Whether it is `.git` to git on any system: case, HFS+ ignorables, NTFS short names and streams. */
bool ff_git_lib_is_dotgit(const char *name, size_t len);
/* Whether it is the file ".NAME" (gitmodules gitattributes gitignore mailmap) to git on any system. */
bool ff_git_lib_is_dotfile(const char *name, size_t len, const char *dotless);
bool ff_git_lib_has_control(const char *name, size_t len);
/* Why a link with this target in a folder of that depth (root: 0) may not be in a result. */
const char *ff_git_lib_link_bad(const char *target, size_t len, int64_t depth);

#endif
