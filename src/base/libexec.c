/* SPDX-License-Identifier: MIT */
/* See libexec.h. */
#include "base/libexec.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"

char *ff_libexec_path(const char *name)
{
	const char *dir = secure_getenv(FF_ENV_LIBEXECDIR);

	return ff_path_join(dir && dir[0] == '/' ? dir : FF_LIBEXECDIR, name);
}
