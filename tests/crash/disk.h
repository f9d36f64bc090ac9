/* SPDX-License-Identifier: MIT */
#ifndef FF_CRASH_DISK_H
#define FF_CRASH_DISK_H

/*
 * What a disk may hold after the power went: a model that is fed with a tape
 * (tape.h) and asked at any moment for one of the states that are possible.
 *
 *   disk_new, disk_base for each file that was there, then disk_apply for
 *   each record in order; disk_make writes a state to a folder as often as wanted.
 *
 * What the model promises a program is little: bytes are safe when their
 * file was synced, a name when its folder or the file of that name was.  Of
 * the bytes that are not, each write is there, not there or torn at a sector,
 * in any order; of the names, those of one folder are there up to some point,
 * whatever those of another folder and the bytes do.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/crash/tape.h"

struct disk;

/* Numbers by chance, the same ones for the same seed. */
struct chance { uint64_t state; };
uint64_t chance_next(struct chance *c);
/* 0 to below - 1; 0 when below is 0. */
uint64_t chance_below(struct chance *c, uint64_t below);

struct disk *disk_new(void);
void disk_free(struct disk **disk);
/* A file or folder that was safe before the tape began; from: the file with its bytes. */
void disk_base(struct disk *disk, const char *path, uint64_t inode, bool folder, uint32_t mode, const char *from);
/* false: the record says something that the model cannot follow. */
bool disk_apply(struct disk *disk, const struct tape_record *r, const char *name, const char *second, const void *bytes);
/* How many writes and names are not safe now. */
size_t disk_pending(const struct disk *disk);
/*
 * Writes what is below root on the disk into the folder out, which is there
 * and empty.  Sockets and what lies in a job's work tree are left out, and with
 * only, a folder below root, all that is elsewhere; what is drawn stays the same.
 */
void disk_make(const struct disk *disk, struct chance *chance, const char *root, const char *only, const char *out);

#endif
