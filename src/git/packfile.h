/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_PACKFILE_H
#define FF_GIT_PACKFILE_H

/*
 * One pack while it is written: objects deflated behind each other, and at
 * the end the index beside it (gitformat-pack(5): pack version 2, index
 * version 2, no deltas).  Which objects there are, and reading them by name,
 * is pack.c's business.
 *
 * Until ff_packfile_finish() the bytes are in `tmp_pack_flowforge-…` of the
 * folder, which git takes for rubbish; with no folder they are in a file
 * without a name, which can be read and never finished.  finish() makes pack,
 * index and their names safe from a power cut, and the index gets its name
 * last: before that no git sees any of it.  What a killed writer left is
 * removed by ff_packfile_sweep().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_packfile;

/* An object for the index. */
struct ff_pack_entry {
	unsigned char id[20];
	uint32_t crc;
	int64_t at;
};

/* As they stand in a pack. */
enum ff_pack_type { FF_PACK_COMMIT = 1, FF_PACK_TREE = 2, FF_PACK_BLOB = 3, FF_PACK_TAG = 4 };

/* dir: objects/pack, borrowed, or NULL. count: the objects that will come, 0 when that is not known yet. */
int ff_packfile_open(const char *dir, uint32_t count, struct ff_packfile **ret_file, struct ff_err *err);
/* Removes what was not finished. */
void ff_packfile_close(struct ff_packfile **file);

/* Sets at and crc of entry. */
int ff_packfile_add(struct ff_packfile *f, enum ff_pack_type type, const void *data, size_t size,
		    struct ff_pack_entry *entry, struct ff_err *err);
/* The same in parts: begin, more until size bytes are there, then end; or cut, as if it never began. */
int ff_packfile_begin(struct ff_packfile *f, enum ff_pack_type type, uint64_t size, struct ff_pack_entry *entry,
		      struct ff_err *err);
int ff_packfile_more(struct ff_packfile *f, const void *data, size_t n, struct ff_err *err);
int ff_packfile_end(struct ff_packfile *f, struct ff_pack_entry *entry, struct ff_err *err);
int ff_packfile_cut(struct ff_packfile *f, const struct ff_pack_entry *entry, struct ff_err *err);
/* The size bytes of the object at `at` into out. */
int ff_packfile_read(struct ff_packfile *f, int64_t at, void *out, size_t size, struct ff_err *err);
/* entries: all of them, sorted by id. shared: bits that core.sharedRepository adds to the mode. */
int ff_packfile_finish(struct ff_packfile *f, const struct ff_pack_entry *entries, uint32_t n, unsigned shared,
		       struct ff_err *err);

/* Of this process: whether finish waits for the disk; at first it does. */
void ff_packfile_sync(bool on);

/* Removes what writers that are dead left in the folder; what cannot be removed stays for git gc. */
void ff_packfile_sweep(const char *dir);

#endif
