/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_FILE_H
#define FF_BASE_FILE_H

/*
 * Files of our own: read whole, written so that a crash leaves the old file
 * or the new one and never half of either.  Not for trees that a job could
 * write; the worker's walker reads those.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the file to out; FF_E_NOT_FOUND, or FF_E_TOO_LARGE at out's maximum. */
int ff_file_read(const char *path, struct ff_buf *out, struct ff_err *err);
/* Everything until end of file. */
int ff_fd_read_all(int fd, struct ff_buf *out, struct ff_err *err);
/* All n bytes, whatever the number of writes it takes. */
int ff_fd_write_all(int fd, const void *p, size_t n, struct ff_err *err);
/*
 * Temporary file beside it, write, fsync, rename, fsync of the folder: when 0
 * is returned, the file survives a power cut.
 */
int ff_file_write(const char *path, const void *p, size_t n, mode_t mode, struct ff_err *err);
/* The same promise, for all that is left to read in from. */
int ff_file_copy(int from, const char *path, mode_t mode, struct ff_err *err);
/*
 * Removes from the folder what those two left when they were killed. For a
 * folder in which nobody else is at work; a folder that is not there is success.
 */
int ff_file_sweep(const char *dir, struct ff_err *err);
/* fsync of a folder, so that names made or removed in it are kept. */
int ff_dir_sync(const char *path, struct ff_err *err);
/* Makes the folder and those above it; an existing one is left as it is. */
int ff_dir_make(const char *path, mode_t mode, struct ff_err *err);
/*
 * Removes a tree without following a link, deeper than any path limit;
 * a tree that is not there is success. Safe on trees that a dead job wrote:
 * holds some 30 descriptors at most and opens up folders without rights.
 */
int ff_dir_remove(const char *path, struct ff_err *err);
/* Folder and name put together with one slash. Freed by ff_free. */
char *ff_path_join(const char *dir, const char *name);
/*
 * The program of that name in a list of folders like PATH; NULL, or an empty
 * list: /usr/local/bin:/usr/bin:/bin. NULL when it is not there. Freed by ff_free.
 */
char *ff_path_program(const char *path, const char *name);
/* n bytes from the kernel's random source (getrandom(2)); cannot fail. */
void ff_random(void *p, size_t n);
/*
 * A number that nobody else draws: 48 bits of the wall clock in milliseconds,
 * then random ones.  Those drawn one after the other are neighbours in an
 * index, so that it is not written at a random page for each.
 */
#define FF_ID_BYTES 16
void ff_id_draw(unsigned char ret_id[FF_ID_BYTES]);

#endif
