/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_RECORD_H
#define FF_TESTS_RECORD_H

/* For unit tests: a new record in a folder of its own. Every failure in here fails the test. */

#include "store/store.h"

struct record {
	char dir[64];
	char *path;
	struct ff_store *s;
};

void record_open(struct record *r);
/* A repository that it did not know. */
int64_t record_repo(struct record *r, const char *path);
void record_close(struct record *r);

#endif
