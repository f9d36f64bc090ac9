/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_LIB_SANDBOX_H
#define FF_TESTS_LIB_SANDBOX_H

/* What tests that start sandboxes share: a folder that stands for a job's, and a spec for it. */

#include "daemon/sandbox/sandbox.h"

struct job_folder {
	char top[64];  /* mktemp -d, 0711 */
	char ws[80];   /* top/ws, owned by the job's account */
	char *tool, *confine; /* of this build */
	struct ff_sandbox_spec spec;
};

void job_folder_make(struct job_folder *f);
void job_folder_remove(struct job_folder *f);
/* bash -c command, twenty seconds to live unless ms says otherwise, 64 KiB kept. Returns ff_sandbox_run's. */
int job_bash(const struct job_folder *f, const char *command, int64_t ms, struct ff_sandbox_result *ret,
	     struct ff_err *err);

#endif
