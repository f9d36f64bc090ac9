/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_SOURCE_H
#define FF_GIT_SOURCE_H

/*
 * The objects of an opened repository as src/merge wants them: raw bytes,
 * lent and given back.  New ones go where ff_git_pack_begin() (pack.h) says,
 * else straight into the repository, and are readable at once.
 */

#include <stddef.h>

#include "base/err.h"

struct ff_git;
struct ff_merge_bytes;
struct ff_merge_id;
struct ff_merge_source;

/* A source that lives as long as git, which is its arg; nothing to free. */
void ff_git_source(struct ff_git *git, struct ff_merge_source *ret_source);
/* The two that a merge does not need. Bytes are given back by the source's release. */
int ff_git_source_read_commit(void *git, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err);
int ff_git_source_write_commit(void *git, const void *data, size_t len, struct ff_merge_id *ret_id, struct ff_err *err);

/* Hex (char[FF_GIT_OID]) and back; FF_E_INVALID, FF_E_UNSUPPORTED for SHA-256. */
int ff_git_source_id(const char *hex, struct ff_merge_id *ret_id, struct ff_err *err);
void ff_git_source_hex(const struct ff_merge_id *id, char *ret_hex);

#endif
