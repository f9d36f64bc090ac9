/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include "tests/lib/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/lib/check.h"

void record_open(struct record *r)
{
	static const char dir[] = "/tmp/t-record.XXXXXX";

	memcpy(r->dir, dir, sizeof dir);
	assert_non_null(mkdtemp(r->dir));
	r->path = ff_path_join(r->dir, "record.db");
	ok(ff_store_open(r->path, &r->s, &err));
}

int64_t record_repo(struct record *r, const char *path)
{
	int64_t id = 0;
	bool is_new = false;

	ok(ff_store_repo(r->s, path, 5, &id, &is_new, &err));
	assert_true(is_new);
	return id;
}

void record_close(struct record *r)
{
	ff_store_close(&r->s);
	ok(ff_dir_remove(r->dir, &err));
	ff_free(&r->path);
}
