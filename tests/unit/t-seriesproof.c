/* SPDX-License-Identifier: MIT */
/* A series before and after: what is the same, what one commit does otherwise, what is gone, what nobody made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/text.h"
#include "merge/seriesproof.h"
#include "tests/lib/memsource.h"

#define COMMITS 16

struct bench {
	struct memsource mem;
	struct ff_merge_source source;
	struct ff_series series;
	char *commits[COMMITS]; /* commit N has the id of N zeros and its number: they are no objects of the source */
	size_t n, n_lent;
	struct ff_proof_result proof;
	struct ff_err err;
};

static int read_commit(void *arg, const struct ff_merge_id *id, struct ff_merge_bytes *ret, struct ff_err *err)
{
	struct bench *b = (struct bench *)((char *)arg - offsetof(struct bench, mem));

	(void)err;
	assert_true(id->b[0] == 0xcc && id->b[1] < b->n);
	b->n_lent++;
	*ret = (struct ff_merge_bytes){ (const unsigned char *)b->commits[id->b[1]], strlen(b->commits[id->b[1]]), NULL };
	return 0;
}

static void (*mem_release)(void *arg, struct ff_merge_bytes *bytes);

static void release(void *arg, struct ff_merge_bytes *bytes)
{
	struct bench *b = (struct bench *)((char *)arg - offsetof(struct bench, mem));

	for (size_t i = 0; i < b->n; i++)
		if (bytes->data == (const unsigned char *)b->commits[i]) {
			*bytes = (struct ff_merge_bytes){ NULL, 0, NULL };
			b->n_lent--;
			return;
		}
	mem_release(arg, bytes);
}

static int merge(void *arg, const struct ff_merge_id *base, const struct ff_merge_id *target, const struct ff_merge_id *change,
		 const struct ff_merge_id *commit, struct ff_merge_result *ret, struct ff_err *err)
{
	struct bench *b = arg;
	const struct ff_merge m = { .source = &b->source, .text = memsource_merge_text, .base = *base, .target = *target, .change = *change };

	(void)commit;
	return ff_merge(&m, ret, err);
}

static int setup(void **state)
{
	struct bench *b = ff_calloc(1, sizeof *b);

	memsource_init(&b->mem, &b->source);
	mem_release = b->source.release;
	b->source.release = release;
	b->series = (struct ff_series){ .source = &b->source, .read_commit = read_commit, .merge = merge, .merge_arg = b };
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ff_proof_fini(&b->proof);
	for (size_t i = 0; i < b->n; i++)
		ff_free(&b->commits[i]);
	assert_int_equal(b->n_lent + b->mem.n_lent, 0);
	memsource_fini(&b->mem);
	ff_free(&b);
	return 0;
}

/* parent NULL: a first commit. */
static struct ff_merge_id commit(struct bench *b, const char *tree, const struct ff_merge_id *parent, const char *message)
{
	struct ff_merge_id t = memsource_tree(&b->mem, tree), id = { { 0xcc, (unsigned char)b->n } };
	char tree_hex[65], parent_hex[65];
	FF_AUTO(ff_free) char *line = NULL;

	ff_hex(t.b, (unsigned)b->source.id_len, tree_hex);
	if (parent)
		ff_hex(parent->b, (unsigned)b->source.id_len, parent_hex);
	line = parent ? ff_asprintf("parent %s\n", parent_hex) : ff_strdup("");
	assert_true(b->n < COMMITS);
	b->commits[b->n++] = ff_asprintf("tree %s\n%sauthor A <a@x> 1 +0000\ncommitter C <c@x> 2 +0000\n\n%s\n", tree_hex, line, message);
	return id;
}

#define HEAD "one\\ntwo\\nthree\\n"
#define TAIL "six\\nseven\\neight\\n"
#define A(line) "a=" HEAD line "\\n" TAIL "\n"

static bool prove(struct bench *b, const struct ff_merge_id *old, size_t n, const struct ff_merge_id *onto,
		  const struct ff_merge_id *new, size_t n_new, bool given)
{
	const struct ff_series_proof what = {
		.series = &b->series, .onto = *onto, .results = new, .n_results = n_new, .given = given,
		.proof = { .source = &b->source, .bounds = FF_PROOF_BOUNDS },
	};

	b->series.commits = old;
	b->series.n = n;
	ff_proof_fini(&b->proof);
	assert_int_equal(ff_series_prove(&what, &b->proof, &b->err), 0);
	return b->proof.proved;
}

/* The last reason names the commit. */
static void assert_named(const struct bench *b, const char *subject)
{
	const struct ff_proof_reason *r = &b->proof.reasons[b->proof.n_reasons - 1];

	assert_int_equal(r->rule, FF_PROOF_SERIES);
	assert_true(ff_ends(r->text, subject));
}

struct sides { struct ff_merge_id base, onto, old[2]; };

/* Two commits: one of a line that the target changed, too, one of another file. */
static struct sides sides(struct bench *b)
{
	struct sides s = { .base = commit(b, A("call(red, at, big)") "b=x\\n\n", NULL, "base") };

	s.onto = commit(b, A("call(blue, at, big)") "b=x\\n\n", &s.base, "target");
	s.old[0] = commit(b, A("call(red, at, small)") "b=x\\n\n", &s.base, "first");
	s.old[1] = commit(b, A("call(red, at, small)") "b=y\\n\n", &s.old[0], "second");
	return s;
}

static void test_same(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[2];

	new[0] = commit(b, A("call(blue, at, small)") "b=x\\n\n", &s.onto, "first");
	new[1] = commit(b, A("call(blue, at, small)") "b=y\\n\n", &new[0], "second");
	assert_true(prove(b, s.old, 2, &s.onto, new, 2, false));
}

/* The end is right, and what the second commit should do is done by the first. */
static void test_moved(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[2];

	new[0] = commit(b, A("call(blue, at, small)") "b=y\\n\n", &s.onto, "first");
	new[1] = commit(b, A("call(blue, at, small)") "b=y\\n\n", &new[0], "second");
	assert_false(prove(b, s.old, 2, &s.onto, new, 2, false));
	assert_named(b, "first");
}

static void test_changed(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[2];

	new[0] = commit(b, A("call(blue, at, small)") "b=x\\n\n", &s.onto, "first");
	new[1] = commit(b, A("call(blue, at, small)") "b=z\\n\n", &new[0], "second");
	assert_false(prove(b, s.old, 2, &s.onto, new, 2, false));
	assert_int_equal(b->proof.by_rule[FF_PROOF_CLEAN_PATH], 1);
	assert_named(b, "second");
}

/* A resolution that takes the target's side is not the change. */
static void test_side_lost(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[2];

	new[0] = commit(b, A("call(blue, at, big)") "b=x\\n\n", &s.onto, "first");
	new[1] = commit(b, A("call(blue, at, big)") "b=y\\n\n", &new[0], "second");
	assert_false(prove(b, s.old, 2, &s.onto, new, 2, false));
	assert_int_equal(b->proof.by_rule[FF_PROOF_DROPPED_CHANGE], 1);
	assert_named(b, "first");
	/* Unless a person has said so: then the rest counts alone. */
	assert_true(prove(b, s.old, 2, &s.onto, new, 2, true));
}

static void test_gone(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[2];

	new[0] = commit(b, A("call(blue, at, small)") "b=x\\n\n", &s.onto, "first");
	assert_false(prove(b, s.old, 2, &s.onto, new, 1, false));
	assert_named(b, "second");
	/* On a target that has it, it may go. */
	s.onto = commit(b, A("call(blue, at, big)") "b=y\\n\n", &s.base, "target");
	new[0] = commit(b, A("call(blue, at, small)") "b=y\\n\n", &s.onto, "first");
	assert_true(prove(b, s.old, 2, &s.onto, new, 1, false));
}

static void test_added(void **state)
{
	struct bench *b = *state;
	struct sides s = sides(b);
	struct ff_merge_id new[3];

	new[0] = commit(b, A("call(blue, at, small)") "b=x\\n\n", &s.onto, "first");
	new[1] = commit(b, A("call(blue, at, small)") "b=y\\n\n", &new[0], "second");
	new[2] = commit(b, A("call(blue, at, small)") "b=y\\n\nc=c\\n\n", &new[1], "third");
	assert_false(prove(b, s.old, 2, &s.onto, new, 3, false));
	assert_named(b, "third");
}

/* Each commit does what it did, and together they take back a line that the target added, too. */
static void test_all(void **state)
{
	struct bench *b = *state;
	struct ff_merge_id base = commit(b, "c=1\\n2\\n\nd=x\\n\n", NULL, "base"), onto, old[2], new[2];

	onto = commit(b, "c=1\\nL\\n2\\n\nd=x\\n\n", &base, "target");
	old[0] = commit(b, "c=1\\nL\\n2\\n\nd=y\\n\n", &base, "first");
	old[1] = commit(b, "c=1\\n2\\n\nd=y\\n\n", &old[0], "second");
	new[0] = commit(b, "c=1\\nL\\n2\\n\nd=y\\n\n", &onto, "first");
	new[1] = commit(b, "c=1\\n2\\n\nd=y\\n\n", &new[0], "second");
	assert_false(prove(b, old, 2, &onto, new, 2, false));
	assert_int_equal(b->proof.by_rule[FF_PROOF_CLEAN_PATH], 1);
	assert_int_equal(b->proof.by_rule[FF_PROOF_SERIES], 0);
	assert_string_equal(b->proof.reasons[0].path, "c");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_same), test(test_moved), test(test_changed), test(test_side_lost), test(test_gone), test(test_added), test(test_all),
	};

	return cmocka_run_group_tests_name("seriesproof", tests, NULL, NULL);
}
