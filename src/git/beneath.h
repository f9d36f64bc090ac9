/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_BENEATH_H
#define FF_GIT_BENEATH_H

/*
 * Opening what an enemy left in a folder: by one name, in that folder, on
 * that file system, never through a link (openat2(2), Linux 5.6).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* A descriptor, or -1 with errno: ELOOP for a link, EXDEV for another file system. */
int ff_beneath_open(int dir, const char *name, uint64_t flags);
/* The same; what is ours and may not be read gets the rights `add` first. */
int ff_beneath_open_usable(int dir, const char *name, uint64_t flags, mode_t add);
/* Up to n bytes, fewer only at the end of the file; -1 with errno. */
ssize_t ff_beneath_read(int fd, char *p, size_t n);
/* Whether it is the same file and nobody has written to it in between. */
bool ff_beneath_same(const struct stat *a, const struct stat *b);

#endif
