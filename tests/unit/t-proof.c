/* SPDX-License-Identifier: MIT */
/* The proof, rule by rule, and the ladder's rungs, over a source in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "merge/proof.h"
#include "resolve/resolve.h"
#include "tests/lib/memsource.h"

struct bench {
	struct memsource mem;
	struct ff_merge_source source;
	struct ff_merge merge;
	struct ff_merge_result result;
	struct ff_proof_bounds bounds;
	struct ff_proof_result proof;
	struct ff_resolved resolved;
	const char *const *lists;
	unsigned rungs;
	struct ff_err err;
};

static int setup(void **state)
{
	struct bench *b = ff_calloc(1, sizeof *b);

	memsource_init(&b->mem, &b->source);
	b->merge = (struct ff_merge){ .source = &b->source, .text = memsource_merge_text };
	b->bounds = (struct ff_proof_bounds)FF_PROOF_BOUNDS;
	b->rungs = FF_RUNGS_RULES;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ff_merge_result_fini(&b->result);
	ff_proof_fini(&b->proof);
	ff_resolved_fini(&b->resolved);
	assert_int_equal(b->mem.n_lent, 0);
	memsource_fini(&b->mem);
	ff_free(&b);
	return 0;
}

static struct ff_proof what_of(struct bench *b, const struct ff_merge_id *tree)
{
	return (struct ff_proof){ .source = &b->source, .merge = &b->result, .result = *tree, .bounds = b->bounds };
}

static void merge(struct bench *b, const char *base, const char *target, const char *change)
{
	ff_merge_result_fini(&b->result);
	b->merge.base = memsource_tree(&b->mem, base);
	b->merge.target = memsource_tree(&b->mem, target);
	b->merge.change = memsource_tree(&b->mem, change);
	assert_int_equal(ff_merge(&b->merge, &b->result, &b->err), 0);
}

static bool proved(struct bench *b, const char *result)
{
	struct ff_merge_id tree = memsource_tree(&b->mem, result);
	struct ff_proof what = what_of(b, &tree);

	ff_proof_fini(&b->proof);
	assert_int_equal(ff_proof_tree(&what, &b->proof, &b->err), 0);
	return b->proof.proved;
}

/* Refused by that rule, and by no other. */
static void refused(struct bench *b, const char *result, enum ff_proof_rule rule)
{
	if (proved(b, result))
		fail_msg("%s is proved", result);
	for (int r = 0; r < FF_PROOF_RULE_COUNT; r++)
		if ((b->proof.by_rule[r] > 0) != (r == (int)rule))
			fail_msg("%s: rule %s counts %zu", result, ff_proof_rule_name((enum ff_proof_rule)r), b->proof.by_rule[r]);
}

#define HEAD "one\\ntwo\\nthree\\nfour\\n"
#define TAIL "six\\nseven\\neight\\nnine\\n"

/* Target and change rewrite one line, each another word of it. */
static void one_line(struct bench *b)
{
	merge(b, "a=" HEAD "call(red, at, big)\\n" TAIL "\nz=same\\n\n", "a=" HEAD "call(blue, at, big)\\n" TAIL "\nz=same\\n\n",
	      "a=" HEAD "call(red, at, small)\\n" TAIL "\nz=new\\n\n");
	assert_false(b->result.clean);
}
#define BOTH "a=" HEAD "call(blue, at, small)\\n" TAIL "\nz=new\\n\n"

static void test_carried(void **state)
{
	struct bench *b = *state;

	one_line(b);
	assert_true(proved(b, BOTH));
	assert_int_equal(b->proof.n_conflicts, 1);
	assert_int_equal(b->proof.n_dropped, 0);
}

/* Which is which: the rule names the side whose line is not there. */
static void test_sides(void **state)
{
	struct bench *b = *state;

	one_line(b);
	refused(b, "a=" HEAD "call(blue, at, big)\\n" TAIL "\nz=new\\n\n", FF_PROOF_DROPPED_CHANGE);
	assert_string_equal(b->proof.reasons[0].text, "call(red, at, small)");
	refused(b, "a=" HEAD "call(red, at, small)\\n" TAIL "\nz=new\\n\n", FF_PROOF_DROPPED_TARGET);
	assert_string_equal(b->proof.reasons[0].text, "call(blue, at, big)");
	assert_string_equal(b->proof.reasons[0].path, "a");
}

static void test_outside(void **state)
{
	struct bench *b = *state;

	one_line(b);
	refused(b, "a=one\\ntwo\\nTHREE\\nfour\\ncall(blue, at, small)\\n" TAIL "\nz=new\\n\n", FF_PROOF_OUTSIDE);
	assert_string_equal(b->proof.reasons[0].text, "three");
	assert_int_equal(b->proof.reasons[0].line, 0);
	assert_string_equal(b->proof.reasons[1].text, "THREE");
	assert_int_equal(b->proof.reasons[1].line, 3);
	refused(b, "a=one\\ntwo \\nthree\\nfour\\ncall(blue, at, small)\\n" TAIL "\nz=new\\n\n", FF_PROOF_OUTSIDE);
	refused(b, "a=" HEAD "call(blue, at, small)\\nsix\\nseven\\nnine\\n\nz=new\\n\n", FF_PROOF_OUTSIDE);
}

static void test_paths(void **state)
{
	struct bench *b = *state;

	one_line(b);
	refused(b, "a=" HEAD "call(blue, at, small)\\n" TAIL "\nz=same\\n\n", FF_PROOF_CLEAN_PATH);
	refused(b, "a=" HEAD "call(blue, at, small)\\n" TAIL "\n", FF_PROOF_FILE_LOST);
	assert_string_equal(b->proof.reasons[0].path, "z");
	refused(b, "z=new\\n\n", FF_PROOF_FILE_LOST);
	refused(b, BOTH "y=more\\n\n", FF_PROOF_FILE_ADDED);
	refused(b, "100755:a=" HEAD "call(blue, at, small)\\n" TAIL "\nz=new\\n\n", FF_PROOF_MODE);
	refused(b, "a=" HEAD "call(blue, at, small)\\n" TAIL "\n100755:z=new\\n\n", FF_PROOF_MODE);
}

static void test_marker(void **state)
{
	struct bench *b = *state;

	one_line(b);
	assert_false(proved(b, "a=" HEAD "<<<<<<< target\\ncall(blue, at, small)\\n" TAIL "\nz=new\\n\n"));
	assert_int_equal(b->proof.by_rule[FF_PROOF_MARKER], 1);
	assert_int_equal(b->proof.reasons[0].line, 5);
	/* A heading that both sides have is none. */
	merge(b, "a========\\nx\\ny\\nz\\n\n", "a========\\nx1\\ny\\nz\\n\n", "a========\\nx\\ny2\\nz\\n\n");
	assert_true(proved(b, "a========\\nx1\\ny2\\nz\\n\n"));
}

static void test_doubled(void **state)
{
	struct bench *b = *state;

	one_line(b);
	assert_false(proved(b, "a=" HEAD "call(blue, at, small)\\ncall(blue, at, small)\\n" TAIL "\nz=new\\n\n"));
	assert_false(proved(b, "a=" HEAD "call(blue, at, small) call(blue, at, small)\\n" TAIL "\nz=new\\n\n"));
	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "left one\\nleft two\\n" TAIL "\n", "a=" HEAD "right one\\n" TAIL "\n");
	assert_true(proved(b, "a=" HEAD "left one\\nleft two\\nright one\\n" TAIL "\n"));
	assert_true(proved(b, "a=" HEAD "right one\\nleft one\\nleft two\\n" TAIL "\n"));
	refused(b, "a=" HEAD "left one\\nleft two\\nleft two\\nright one\\n" TAIL "\n", FF_PROOF_DOUBLED);
	assert_string_equal(b->proof.reasons[0].text, "left two");
	refused(b, "a=" HEAD "left one\\nright one\\n" TAIL "\n", FF_PROOF_DROPPED_TARGET);
	refused(b, "a=" HEAD "left one\\nleft two\\n" TAIL "\n", FF_PROOF_DROPPED_CHANGE);
	refused(b, "a=" HEAD "left one\\nleft two\\nright one\\nbrand new\\n" TAIL "\n", FF_PROOF_INVENTED);
}

/* A line of the base does not carry what a side put elsewhere; a line that carries both is there once. */
static void test_carried_once(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD "@Null\\nstatic Res make(path)\\n" TAIL "\n", "a=" HEAD "static @Null Res make(path)\\n" TAIL "\n",
	      "a=" HEAD "@Null\\nstatic Res make(path, cached)\\n" TAIL "\n");
	assert_false(proved(b, "a=" HEAD "@Null\\nstatic Res make(path, cached)\\n" TAIL "\n"));
	assert_true(proved(b, "a=" HEAD "static @Null Res make(path, cached)\\n" TAIL "\n"));
	assert_false(proved(b, "a=" HEAD "static @Null Res make(path, cached)\\nstatic @Null Res make(path, cached)\\n" TAIL "\n"));
}

/* What both share by chance belongs to each; what both wrote alike is there once. */
static void test_shared(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "f() {\\n a;\\n}\\n" TAIL "\n", "a=" HEAD "g() {\\n b;\\n}\\n" TAIL "\n");
	assert_true(proved(b, "a=" HEAD "f() {\\n a;\\n}\\ng() {\\n b;\\n}\\n" TAIL "\n"));
	refused(b, "a=" HEAD "f() {\\n a;\\ng() {\\n b;\\n}\\n" TAIL "\n", FF_PROOF_DROPPED_TARGET);
	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "first\\nsecond\\nleft\\n" TAIL "\n", "a=" HEAD "first\\nsecond\\nright\\n" TAIL "\n");
	assert_true(proved(b, "a=" HEAD "first\\nsecond\\nleft\\nright\\n" TAIL "\n"));
	assert_false(proved(b, "a=" HEAD "first\\nsecond\\nsecond\\nleft\\nright\\n" TAIL "\n"));
}

/* One side takes a line away, the other rewrites it: neither answer keeps both. */
static void test_removed(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD "old line here\\n" TAIL "\n", "a=" HEAD TAIL "\n", "a=" HEAD "old line there\\n" TAIL "\n");
	refused(b, "a=" HEAD TAIL "\n", FF_PROOF_DROPPED_CHANGE);
	refused(b, "a=" HEAD "old line there\\n" TAIL "\n", FF_PROOF_DROPPED_TARGET);
	assert_true(b->proof.reasons[0].removal);
}

/* A side that took a word out of a line is not served by another line that lacks the word, too. */
static void test_only_removed(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD "from top.core import all\\nfrom logic import all\\nfrom sets import all\\n" TAIL "\n",
	      "a=" HEAD "from top.core import all\\nfrom logic import all\\nfrom crypto import all\\nfrom sets import all\\n" TAIL "\n",
	      "a=" HEAD "from .core import all\\nfrom .logic import all\\nfrom .sets import all\\n" TAIL "\n");
	assert_false(b->result.clean);
	assert_true(proved(b, "a=" HEAD "from .core import all\\nfrom .logic import all\\nfrom .crypto import all\\nfrom .sets import all\\n" TAIL "\n"));
	refused(b, "a=" HEAD "from .logic import all\\nfrom .crypto import all\\nfrom .sets import all\\n" TAIL "\n", FF_PROOF_DROPPED_CHANGE);
	assert_string_equal(b->proof.reasons[0].text, "from .core import all");
}

/* A word that one side added, in a line that has nothing else of its line, is no edit of it. */
static void test_word_elsewhere(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD "draw(pen, paper, frame)\\nlast\\n" TAIL "\n", "a=" HEAD "draw(pen, paper, frame, red)\\nlast\\n" TAIL "\n",
	      "a=" HEAD "draw(pen, paper, frame)\\nfirst last\\n" TAIL "\n");
	assert_false(b->result.clean);
	assert_true(proved(b, "a=" HEAD "draw(pen, paper, frame, red)\\nfirst last\\n" TAIL "\n"));
	assert_false(proved(b, "a=" HEAD "first last red\\n" TAIL "\n"));
}

/* Both wrote the same and spaced it differently: the target's spacing is the answer, the change's would touch its lines. */
static void test_spacing(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "if (x)\\n        go(home);\\n" TAIL "\n", "a=" HEAD "if (x)\\n\tgo(home);\\n" TAIL "\n");
	assert_false(b->result.clean);
	assert_true(proved(b, "a=" HEAD "if (x)\\n        go(home);\\n" TAIL "\n"));
	assert_false(proved(b, "a=" HEAD "if (x)\\n\tgo(home);\\n" TAIL "\n"));
	assert_int_equal(b->proof.by_rule[FF_PROOF_DROPPED_TARGET], 1);
}

static void test_line_ends(void **state)
{
	struct bench *b = *state;
	const char *const base = "a=1\\n2\\n3\\n", *const x = "a=1\\nt c\\n3\n";

	(void)base;
	merge(b, "a=1\\n2 2\\n3\\n\n", "a=1\\nt 2\\n3\\n\n", "a=1\\n2 c\\n3\\n\n");
	assert_true(proved(b, "a=1\\nt c\\n3\\n\n"));
	assert_false(proved(b, x));
	assert_int_equal(b->proof.by_rule[FF_PROOF_LINE_END] + b->proof.by_rule[FF_PROOF_OUTSIDE] > 0, 1);
	assert_false(proved(b, "a=1\\nt c\r\\n3\\n\n"));
	assert_int_equal(b->proof.by_rule[FF_PROOF_LINE_END], 1);
	assert_false(proved(b, "a=1\\nt c\xff\\n3\\n\n"));
	assert_int_equal(b->proof.by_rule[FF_PROOF_ENCODING], 1);
}

static void test_bounds(void **state)
{
	struct bench *b = *state;

	one_line(b);
	b->bounds = (struct ff_proof_bounds){ .change_percent = 100, .lost_percent = 100 };
	assert_true(proved(b, "a=" HEAD "call(blue, at, big)\\n" TAIL "\nz=new\\n\n"));
	assert_int_equal(b->proof.n_dropped, 1);
	assert_true(b->proof.reasons[0].allowed);
	assert_false(proved(b, "a=" HEAD "call(red, at, small)\\n" TAIL "\nz=new\\n\n"));
	b->bounds.target_lines = 1;
	assert_true(proved(b, "a=" HEAD "call(red, at, small)\\n" TAIL "\nz=new\\n\n"));
}

static void test_kinds(void **state)
{
	struct bench *b = *state;

	merge(b, "a=\\0 1\n", "a=\\0 2\n", "a=\\0 3\n");
	refused(b, "a=\\0 2\n", FF_PROOF_KIND);
	merge(b, "a=x y\\n\nb=1\n", "b=1\n", "a=x z\\n\nb=1\n");
	refused(b, "b=1\n", FF_PROOF_DROPPED_CHANGE);
	merge(b, "a=x y\\n\nb=1\n", "b=1\n", "a=x  y\\n\nb=1\n");
	assert_true(proved(b, "b=1\n"));
}

/* --- the rungs */

static void solve(struct bench *b)
{
	struct ff_merge_id none = { { 0 } };
	const struct ff_resolve what = { .proof = what_of(b, &none), .rungs = b->rungs, .lists = b->lists };

	ff_resolved_fini(&b->resolved);
	assert_int_equal(ff_resolve(&what, &b->resolved, &b->err), 0);
}

static void solved(struct bench *b, const char *rule, enum ff_rung rung, const char *want)
{
	FF_AUTO(ff_free) char *text = NULL;

	solve(b);
	if (!b->resolved.solved)
		fail_msg("not solved: %s", want);
	assert_string_equal(b->resolved.paths[0].hunks[0].rule, rule);
	assert_int_equal(b->resolved.paths[0].hunks[0].rung, rung);
	text = memsource_text(&b->mem, &b->resolved.tree);
	assert_string_equal(text, want);
}

static void test_rungs(void **state)
{
	struct bench *b = *state;

	one_line(b);
	solved(b, "line-tokens", FF_RUNG_STRUCTURED, BOTH);
	merge(b, "a=" HEAD "x\\ny\\n" TAIL "\n", "a=" HEAD "x1\\ny\\n" TAIL "\n", "a=" HEAD "x\\ny2\\n" TAIL "\n");
	solved(b, "adjacent", FF_RUNG_TRIVIAL, "a=" HEAD "x1\\ny2\\n" TAIL "\n");
	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "new  word\\n" TAIL "\n", "a=" HEAD "new word\\n" TAIL "\n");
	solved(b, "same", FF_RUNG_TRIVIAL, "a=" HEAD "new  word\\n" TAIL "\n");
	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "alpha\\nbeta\\n" TAIL "\n", "a=" HEAD "alpha\\nbeta\\ngamma\\n" TAIL "\n");
	solved(b, "contained", FF_RUNG_STRUCTURED, "a=" HEAD "alpha\\nbeta\\ngamma\\n" TAIL "\n");
	merge(b, "a=" HEAD "f(\\n int old,\\n int b)\\n" TAIL "\n", "a=" HEAD "f(int old, int b, int c)\\n" TAIL "\n",
	      "a=" HEAD "f(\\n long old,\\n int b)\\n" TAIL "\n");
	solve(b);
	assert_false(b->resolved.solved); /* nothing stands between the break of the line and the type */
}

static void test_lists(void **state)
{
	static const char *const lists[] = { "CHANGES*", NULL };
	struct bench *b = *state;

	merge(b, "CHANGES.md=" HEAD TAIL "\n", "CHANGES.md=" HEAD "x t\\n" TAIL "\n", "CHANGES.md=" HEAD "a c\\n" TAIL "\n");
	solve(b);
	assert_false(b->resolved.solved);
	b->lists = lists;
	solved(b, "list", FF_RUNG_TRIVIAL, "CHANGES.md=" HEAD "x t\\na c\\n" TAIL "\n");
}

static void test_rungs_off(void **state)
{
	struct bench *b = *state;

	one_line(b);
	b->rungs = FF_RUNG_BIT(FF_RUNG_TRIVIAL);
	solve(b);
	assert_false(b->resolved.solved);
	assert_int_equal(b->resolved.paths[0].hunks[0].rung, FF_RUNG_NONE);
}

/* No rule knows: both rewrote the same word; both added, in no order that is to be seen. */
static void test_open(void **state)
{
	struct bench *b = *state;

	merge(b, "a=" HEAD "v 1\\n" TAIL "\n", "a=" HEAD "v 2\\n" TAIL "\n", "a=" HEAD "v 3\\n" TAIL "\n");
	solve(b);
	assert_int_equal(b->resolved.n_solved, 0);
	merge(b, "a=" HEAD TAIL "\n", "a=" HEAD "do this\\n" TAIL "\n", "a=" HEAD "do that\\n" TAIL "\n");
	solve(b);
	assert_int_equal(b->resolved.n_solved, 0);
	assert_true(ff_merge_id_absent(&b->resolved.tree));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_carried), T(test_sides), T(test_outside), T(test_paths), T(test_marker), T(test_doubled), T(test_carried_once), T(test_shared),
		T(test_removed), T(test_only_removed), T(test_word_elsewhere), T(test_spacing), T(test_line_ends), T(test_bounds), T(test_kinds), T(test_rungs), T(test_lists),
		T(test_rungs_off), T(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
