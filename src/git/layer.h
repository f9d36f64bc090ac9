/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_LAYER_H
#define FF_GIT_LAYER_H

/*
 * What overlayfs leaves in an upper layer beside files: a character device
 * 0:0 says that the name below is deleted, and a mark on a folder that
 * nothing of the folder below shows through.  The kernel lets nobody make
 * either through the mounted overlay; only its own mark counts, `user.` in a
 * mount of a user namespace and `trusted.` in one of root's, because a job
 * can set the other one as it likes.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

bool ff_layer_deleted(const struct stat *st);
/*
 * Of an opened folder or file of the layer. FF_E_UNSUPPORTED for marks of
 * features that our mounts switch off (redirect_dir, metacopy): what they
 * stand for is not here, so nothing can be read from it.
 */
int ff_layer_marks(int fd, bool user, bool *ret_opaque, struct ff_err *err);

#endif
