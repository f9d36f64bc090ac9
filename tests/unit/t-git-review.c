/* SPDX-License-Identifier: MIT */
/* A result gone through: what is listed, and what is held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "git/review.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

static void fill(const struct repo *r)
{
	repo_do(r, "git init -q -b main w; cd w; git remote add o ../r.git; mkdir -p src/p docs .github/workflows .claude; echo a >src/p/a.c; echo b >docs/b; echo run >run.sh;"
		   "chmod +x run.sh; echo ci >.github/workflows/ci.yml; echo s >.claude/settings.json; printf 'old\\342\\200\\213\\n' >src/p/old; git add .; git commit -qm base;"
		   "git checkout -qb pushed; echo more >>src/p/a.c; git commit -qam pushed; git checkout -qb result; git push -q o main pushed");
}

/* The script is run in the work tree, committed and pushed as "result". */
static void review(struct repo *r, const char *script, struct ff_git_reviewed *ret)
{
	static const char *const globs[] = { "default", NULL };
	char pushed_base[FF_GIT_OID], base[FF_GIT_OID], tip[FF_GIT_OID];

	repo_do(r, "cd w; git checkout -qB result pushed; %s; git add -A .; git commit -qm r; git push -qf o result", script);
	repo_oid(r, pushed_base, "main");
	repo_oid(r, base, "pushed");
	repo_oid(r, tip, "result");
	ok(ff_git_review(r->git, &(struct ff_git_review){ .base = base, .tip = tip, .pushed_base = pushed_base, .task = "see docs/", .protected = globs,
							 .max_text = 100000 }, ret, &err));
}

/* "path kind line" of all, one a line. */
static char *listed(const struct ff_git_reviewed *w)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 100000);
	for (size_t i = 0; i < w->n_notices; i++)
		(void)ff_buf_addf(&b, "%s %s %zu\n", w->notices[i].path, ff_notice_text(w->notices[i].kind), w->notices[i].line);
	for (size_t i = 0; i < w->n_held; i++)
		(void)ff_buf_addf(&b, "held %s\n", w->held[i]);
	return ff_buf_take(&b);
}

static void expect(struct repo *r, const char *script, const char *want)
{
	FF_AUTO(ff_git_reviewed_fini) struct ff_git_reviewed w = { .changed = 0 };
	FF_AUTO(ff_free) char *have = NULL;

	review(r, script, &w);
	have = listed(&w);
	assert_string_equal(have ? have : "", want);
}

static void what_is_listed(void **state)
{
	struct repo *r = *state;

	fill(r);
	expect(r, "echo fine >>src/p/a.c; echo fine >docs/new; echo again >>src/p/old", "");
	expect(r, "printf 'x\\ny\\342\\200\\256\\n' >>src/p/a.c", "src/p/a.c has hidden characters in an added line 4\n");
	expect(r, "echo x >\"$(printf 'src/p/a\\342\\200\\213b')\"", "src/p/a\342\200\213b has hidden characters in its name 0\n");
	expect(r, "chmod +x src/p/a.c docs/b", "docs/b is executable now 0\nsrc/p/a.c is executable now 0\n");
	expect(r, "chmod -x run.sh", "run.sh is not executable any more 0\nrun.sh is far from what the task is about 0\n");
	expect(r, "rm src/p/a.c; ln -s old src/p/a.c", "src/p/a.c is a link now 0\n");
	expect(r, "echo x >src/other", "src/other is far from what the task is about 0\n");
	expect(r, "head -c 200000 /dev/zero | tr '\\0' x >docs/large", "docs/large is too large to be looked at 0\n");
	expect(r, "printf 'bin\\000\\033\\342\\200\\256' >docs/binary; printf 'a\\r\\n' >docs/dos", "");
	expect(r, "rm src/p/a.c; mkdir src/p/a.c; echo x >src/p/a.c/x; rm -r docs; echo x >docs", "docs is far from what the task is about 0\n");
}

static void what_is_held(void **state)
{
	struct repo *r = *state;

	fill(r);
	expect(r, "echo evil >>.github/workflows/ci.yml", ".github/workflows/ci.yml is run or obeyed by other programs 0\n"
							  ".github/workflows/ci.yml is far from what the task is about 0\nheld .github/workflows/ci.yml\n");
	expect(r, "rm -r .claude; ln -s docs .claude", ".claude is run or obeyed by other programs 0\n.claude is a link now 0\n.claude is far from what the task is about 0\n"
						       ".claude/settings.json is run or obeyed by other programs 0\n.claude/settings.json is far from what the task is about 0\n"
						       "held .claude\nheld .claude/settings.json\n");
	expect(r, "echo '* filter=x' >docs/.gitattributes", "docs/.gitattributes is run or obeyed by other programs 0\nheld docs/.gitattributes\n");
	expect(r, "echo x >docs/CLAUDE.md", "docs/CLAUDE.md is run or obeyed by other programs 0\n");
}

static void lists_have_an_end(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_reviewed_fini) struct ff_git_reviewed w = { .changed = 0 };

	fill(r);
	review(r, "cd .claude; seq 300 | xargs touch; cd ..", &w);
	assert_int_equal(w.n_held, FF_GIT_REVIEW_MAX);
	assert_int_equal(w.all_held, 300);
	assert_int_equal(w.n_notices, FF_GIT_REVIEW_MAX);
	assert_int_equal(w.all_notices, 600);
	assert_int_equal(w.changed, 300);
	assert_null(w.held[FF_GIT_REVIEW_MAX]);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_listed),
		test(what_is_held),
		test(lists_have_an_end),
	};

	return cmocka_run_group_tests_name("git-review", tests, NULL, NULL);
}
