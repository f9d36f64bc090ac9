/* SPDX-License-Identifier: MIT */
#ifndef FF_CONF_FILES_H
#define FF_CONF_FILES_H

/*
 * Which files there are and what is in them: the main file, then the *.conf
 * files of the folder conf.d beside it, in name order (bytes).  Inside the
 * room conf only.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define FF_CONF_FILES_MAX 256

struct ff_conf_files {
	/* The bytes live until the call returns. */
	void (*on_file)(void *arg, const char *path, const char *text, size_t len);
	void (*on_error)(void *arg, const char *path, const struct ff_err *why);
	void *arg;
};

/*
 * Reads all of them.  A main file that is not there is an error only when it
 * is needed; conf.d may be absent.  Returns whether the main file was there.
 */
bool ff_conf_files_read(const char *path, bool needed, const struct ff_conf_files *files);
/* The path from the root on, links not followed. Freed by ff_free. */
char *ff_conf_files_absolute(const char *path);

#endif
