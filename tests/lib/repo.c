/* SPDX-License-Identifier: MIT */
/* See repo.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/proc.h"
#include "tests/lib/repo.h"

#define OUT_MAX ((size_t)16 * 1024 * 1024)

static char *run_script(const struct repo *r, const char *script)
{
	FF_AUTO(ff_free) char *home = ff_asprintf("HOME=%s", r->dir);
	FF_AUTO(ff_close) int reader = -1, writer = -1;
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	char sh[] = "sh", flag[] = "-ec", path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lc[] = "LC_ALL=C";
	char quiet[] = "GIT_CONFIG_NOSYSTEM=1", a1[] = "GIT_AUTHOR_NAME=Ada", a2[] = "GIT_AUTHOR_EMAIL=ada@example.org";
	char c1[] = "GIT_COMMITTER_NAME=Bot", c2[] = "GIT_COMMITTER_EMAIL=bot@example.org";
	char ad[] = "GIT_AUTHOR_DATE=1700000000 +0130", cd[] = "GIT_COMMITTER_DATE=1700000100 +0000";
	char *text = ff_strdup(script);
	char *const argv[] = { sh, flag, text, NULL };
	char *const envp[] = { home, path, lc, quiet, a1, a2, c1, c2, ad, cd, NULL };
	struct ff_err err = { 0 };
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	reader = fds[0];
	writer = fds[1];
	ff_buf_init(&out, OUT_MAX);
	if (ff_spawn(&(struct ff_spawn){ .path = "/bin/sh", .argv = argv, .envp = envp, .cwd = r->dir, .fd_in = -1,
					 .fd_out = writer, .fd_err = -1, .fd_3 = -1 }, &pid, &err) < 0)
		fail_msg("%s", err.text);
	ff_close(&writer);
	assert_int_equal(ff_fd_read_all(reader, &out, &err), 0);
	status = ff_wait(pid);
	if (status)
		fail_msg("status %d of: %s", status, script);
	ff_free(&text);
	if (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return ff_buf_take(&out);
}

char *repo_sh(const struct repo *r, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *script = NULL;
	va_list ap;

	va_start(ap, fmt);
	script = ff_vasprintf(fmt, ap);
	va_end(ap);
	return run_script(r, script);
}

void repo_do(const struct repo *r, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *script = NULL, *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	script = ff_vasprintf(fmt, ap);
	va_end(ap);
	out = run_script(r, script);
}

void repo_prints(const struct repo *r, const char *want, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *script = NULL, *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	script = ff_vasprintf(fmt, ap);
	va_end(ap);
	out = run_script(r, script);
	assert_string_equal(out, want);
}

void repo_oid(const struct repo *r, char *oid, const char *rev)
{
	FF_AUTO(ff_free) char *out = repo_sh(r, "git -C r.git rev-parse --verify '%s'", rev);

	assert_int_equal(strlen(out), 40);
	memcpy(oid, out, 41);
}

void repo_fsck(const struct repo *r)
{
	repo_prints(r, "", "git -C r.git fsck --strict --no-dangling 2>&1");
}

struct ff_git_person repo_person(void)
{
	return (struct ff_git_person){ "Flow Forge", "flow@example.org", 1700000200, -330 };
}

int repo_setup(void **state)
{
	struct repo *r = ff_calloc(1, sizeof *r);
	struct ff_err err = { 0 };

	(void)snprintf(r->dir, sizeof r->dir, "/tmp/ff-git.XXXXXX");
	if (!mkdtemp(r->dir))
		return -1;
	r->path = ff_asprintf("%s/r.git", r->dir);
	*state = r;
	repo_do(r, "git init -q --bare -b main r.git");
	if (ff_git_open(r->path, &r->git, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

int repo_teardown(void **state)
{
	struct repo *r = *state;
	struct ff_err err = { 0 };

	ff_git_close(&r->git);
	if (ff_dir_remove(r->dir, &err) < 0)
		fail_msg("%s", err.text);
	ff_free(&r->path);
	ff_free(&r);
	return 0;
}
