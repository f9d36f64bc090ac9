/* SPDX-License-Identifier: MIT */
/* See sandbox.h. */
#include "tests/lib/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#define JOB_UID 2100000007

/* The build may lie where the job's account cannot go: a copy it can reach. */
static char *copy_program(const char *top, const char *name)
{
	const char *build = getenv("top_builddir");
	FF_AUTO(ff_free) char *built = ff_path_join(build ? build : ".", name);
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	char *copy = ff_path_join(top, name);

	ff_buf_init(&b, 64 * 1024 * 1024);
	ff_assert(ff_file_read(built, &b, NULL) == 0);
	ff_assert(ff_file_write(copy, b.data, b.len, 0755, NULL) == 0);
	return copy;
}

void job_folder_make(struct job_folder *f)
{
	static const char pattern[] = "/tmp/ff-sandbox-XXXXXX";

	memset(f, 0, sizeof(*f));
	memcpy(f->top, pattern, sizeof(pattern));
	ff_assert(mkdtemp(f->top));
	ff_assert(chmod(f->top, 0711) == 0);
	(void)snprintf(f->ws, sizeof(f->ws), "%s/ws", f->top);
	ff_assert(mkdir(f->ws, 0755) == 0);
	f->tool = copy_program(f->top, "flowforge-tool");
	f->confine = copy_program(f->top, "flowforge-confine");
	f->spec = (struct ff_sandbox_spec){ .bwrap = "/usr/bin/bwrap", .tool = f->tool, .confine = f->confine, .work = f->ws,
					    .hostname = "job", .tmp_bytes = 8 * 1024 * 1024 };
	if (geteuid() == 0) {
		f->spec.uid = f->spec.gid = JOB_UID;
		ff_assert(chown(f->ws, JOB_UID, JOB_UID) == 0);
	}
}

void job_folder_remove(struct job_folder *f)
{
	ff_assert(ff_dir_remove(f->top, NULL) == 0);
	ff_free(&f->tool);
	ff_free(&f->confine);
}

int job_bash(const struct job_folder *f, const char *command, int64_t ms, struct ff_sandbox_result *ret,
	     struct ff_err *err)
{
	const char *const argv[] = { "/bin/bash", "-c", command, NULL };
	struct ff_sandbox_spec spec = f->spec;

	spec.argv = argv;
	spec.deadline_ms = ff_clock_mono() + (ms ? ms : 20000);
	spec.max_output = 65536;
	return ff_sandbox_run(&spec, ret, err);
}
