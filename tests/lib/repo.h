/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_REPO_H
#define FF_TESTS_REPO_H

/*
 * For unit tests of git code: a temporary folder with a bare repository made
 * by the real git, and a shell in that folder to do to it what tests need.
 * Include it after cmocka.h: what fails is a failed assertion.
 */

#include "git/git.h"

struct repo {
	char dir[64]; /* absolute; the shell's folder */
	char *path;   /* dir/r.git */
	struct ff_git *git;
};

/* For cmocka_unit_test_setup_teardown: *state is a struct repo with an opened, empty r.git. */
int repo_setup(void **state);
int repo_teardown(void **state);
/* Runs a script of sh with -e in dir; its output without the last newline. Must exit 0. Freed by ff_free. */
char *repo_sh(const struct repo *r, const char *fmt, ...) FF_PRINTF(2, 3);
/* The same, output thrown away. */
void repo_do(const struct repo *r, const char *fmt, ...) FF_PRINTF(2, 3);
/* Asserts that script prints want. */
void repo_prints(const struct repo *r, const char *want, const char *fmt, ...) FF_PRINTF(3, 4);
/* An object id into oid[FF_GIT_OID]. */
void repo_oid(const struct repo *r, char *oid, const char *rev);
/* Asserts that git fsck --strict of r.git finds nothing. */
void repo_fsck(const struct repo *r);
/* Who our commits are by in tests. */
struct ff_git_person repo_person(void);

#endif
