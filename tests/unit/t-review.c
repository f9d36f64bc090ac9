/* SPDX-License-Identifier: MIT */
/* What a reviewer would miss in a result, and what is held for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "job/review.h"

static const char *const by_default[] = { "default", NULL };

static void protected_in_any_spelling(void **state)
{
	static const char *const held[] = {
		".github/workflows/ci.yml", ".github/workflows/deep/x.yml", ".GitHub/Workflows/ci.yml", ".gitlab-ci.yml", ".gitea/x", "Jenkinsfile",
		"sub/Jenkinsfile", ".husky/pre-commit", ".flowforge/tasks/x.md", ".claude/settings.json", ".CLAUDE/hooks/x", "pkg/.claude/settings.json",
		".mcp.json", ".gitmodules", ".gitattributes", "a/b/.gitattributes", ".github. /workflows /x", ".gitlab-ci.yml::$DATA",
		".cl\342\200\213aude/settings.json", ".ci/run", ".envrc", "CODEOWNERS", "docs/CODEOWNERS",
	};
	static const char *const free_ones[] = {
		"src/main.c", "github/workflows/ci.yml", "x.github/workflows/y", ".github/ISSUE_TEMPLATE/bug.md", "CLAUDE.md", "my.claude/x", "Jenkinsfile.md",
		".gitlab-ci.yml.bak", ".gitignore", "claude/settings.json",
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(held); i++)
		if (!ff_review_protected(held[i], false, by_default))
			fail_msg("%s is not protected", held[i]);
	for (size_t i = 0; i < FF_ARRAY_LEN(free_ones); i++)
		if (ff_review_protected(free_ones[i], false, by_default))
			fail_msg("%s is protected", free_ones[i]);
	assert_true(ff_review_runs("CLAUDE.md", false) && ff_review_runs("sub/AGENTS.md", false));
	assert_false(ff_review_runs("README.md", false));
}

/* A link in the place of a protected folder would bring anything into it. */
static void links_in_the_place_of_folders(void **state)
{
	(void)state;
	assert_true(ff_review_protected(".github", true, by_default));
	assert_true(ff_review_protected(".GITHUB/workflows", true, by_default));
	assert_true(ff_review_protected(".claude", true, by_default) && ff_review_protected("sub/.claude", true, by_default));
	assert_false(ff_review_protected(".github", false, by_default));
	assert_false(ff_review_protected(".git", true, by_default));
	assert_false(ff_review_protected("src", true, by_default));
}

static void own_globs(void **state)
{
	static const char *const own[] = { "deploy/*", "*.KEY", NULL };
	static const char *const both[] = { "deploy/*", "default", NULL };

	(void)state;
	assert_true(ff_review_protected("Deploy/prod.sh", false, own) && ff_review_protected("a/b.key", false, own));
	assert_false(ff_review_protected(".gitlab-ci.yml", false, own));
	assert_true(ff_review_protected(".gitlab-ci.yml", false, both) && ff_review_protected("deploy/x", false, both));
	assert_false(ff_review_protected(".gitlab-ci.yml", false, (const char *const[]){ NULL }));
	assert_false(ff_review_protected(".gitlab-ci.yml", false, NULL));
}

static size_t hidden(const char *before, const char *after)
{
	return ff_review_hidden_line(before, strlen(before), after, strlen(after));
}

static void hidden_characters_in_added_lines(void **state)
{
	static const char *const marks[] = {
		"\342\200\256", "\342\200\213", "\342\201\246", "\342\201\251", "\342\200\217", "\357\273\277", "\302\205", "\302\255", "\033", "\001", "\177",
		"\343\205\244", "\363\240\201\201", "\357\270\217", "\342\200\215", "\342\201\240",
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(marks); i++) {
		FF_AUTO(ff_free) char *after = ff_asprintf("a\nb\nif (x%s) {\n", marks[i]);

		assert_int_equal(hidden("a\nb\n", after), 3);
		assert_int_equal(hidden(after, after), 0); /* it was there */
	}
	assert_int_equal(hidden("", "a\rb\n"), 1);
	assert_int_equal(hidden("x\342\200\213\n", "x\342\200\213\ny\342\200\213"), 2);
	assert_int_equal(ff_review_hidden_line("", 0, "a\nb\0c\n", 6), 2);
}

static void honest_text_is_not_named(void **state)
{
	static const char *const fine[] = {
		"", "plain\n\ttab\n", "dos\r\nlines\r\n", "page\f\n", "\357\273\277// byte order mark\n", "caf\303\251 \346\227\245\346\234\254\n", "\377\376 latin\n",
		"\342\232\240\357\270\217 sign\n", "\360\237\221\251\342\200\215\360\237\222\273\n", "\342\235\244\357\270\217\342\200\215\360\237\224\245\n", "1\357\270\217\342\203\243\n",
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(fine); i++)
		if (hidden("", fine[i]))
			fail_msg("'%s' is named", fine[i]);
	assert_true(ff_review_hidden_name("a\342\200\256b") && ff_review_hidden_name("a/\342\200\213"));
	assert_false(ff_review_hidden_name("caf\303\251/\377"));
}

static void near_and_far(void **state)
{
	struct ff_near *near = ff_near_new();

	(void)state;
	assert_true(ff_near_has(near, "anything/at/all")); /* nobody said what it is about */
	ff_near_add(near, "src/parser/lex.c");
	assert_true(ff_near_has(near, "src/parser/x.c") && ff_near_has(near, "src/parser/deep/x.c"));
	assert_false(ff_near_has(near, "src/other.c") || ff_near_has(near, "Makefile") || ff_near_has(near, "src/parser2/x"));
	ff_near_add(near, "Makefile");
	assert_true(ff_near_has(near, "README"));
	assert_false(ff_near_has(near, "docs/x"));
	ff_near_add_task(near, "Fix ./docs/api and (tests/t1.c), see lib/. Not /etc/passwd... or this.");
	assert_true(ff_near_has(near, "docs/x") && ff_near_has(near, "docs/api/y") && ff_near_has(near, "tests/z") && ff_near_has(near, "lib/a"));
	assert_false(ff_near_has(near, "etc/passwd") || ff_near_has(near, "contrib/x"));
	ff_near_free(&near);
	ff_near_free(&near);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(protected_in_any_spelling),
		cmocka_unit_test(links_in_the_place_of_folders),
		cmocka_unit_test(own_globs),
		cmocka_unit_test(hidden_characters_in_added_lines),
		cmocka_unit_test(honest_text_is_not_named),
		cmocka_unit_test(near_and_far),
	};

	return cmocka_run_group_tests_name("review", tests, NULL, NULL);
}
