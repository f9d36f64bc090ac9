/* SPDX-License-Identifier: MIT */
/* Answers to conflicts in the record: found by key, bounded, revoked for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/memory.h"
#include "tests/lib/check.h"
#include "tests/lib/record.h"

#define KEY(c) c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define ONE KEY("11")
#define TWO KEY("22")

struct world {
	struct record r;
	int64_t a, b;
};

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);

	record_open(&w->r);
	w->a = record_repo(&w->r, "/srv/a.git");
	w->b = record_repo(&w->r, "/srv/b.git");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	record_close(&w->r);
	free(w);
	return 0;
}

static bool add(struct world *w, int64_t repo, const char *key, const char *result, int64_t at_ms, int64_t most)
{
	const struct ff_memory m = { .repo = repo, .key = key, .path = "f", .base = "", .target = "t\n", .change = "c\n", .result = result,
				     .rung = 4, .job = 9, .created_ms = at_ms };
	bool added = false;

	ok(ff_memory_add(w->r.s, &m, most, &added, &err));
	return added;
}

/* What is given; the number of the entry. */
static int64_t recall(struct world *w, int64_t repo, bool shared, const char *key, const char *want, int64_t now)
{
	FF_AUTO(ff_free) char *result = NULL;
	int64_t id = -1;

	ok(ff_memory_recall(w->r.s, repo, shared, key, now, &id, &result, &err));
	if (want)
		assert_string_equal(result, want);
	else
		assert_null(result);
	return id;
}

static void of_one_repository(void **state)
{
	struct world *w = *state;

	assert_true(add(w, w->a, ONE, "x\n", 10, 100));
	assert_int_equal(recall(w, w->a, false, ONE, "x\n", 20), 1);
	assert_int_equal(recall(w, w->a, false, TWO, NULL, 20), 0);
	assert_int_equal(recall(w, w->b, false, ONE, NULL, 20), 0);
	assert_int_equal(recall(w, w->b, true, ONE, "x\n", 20), 1);
	/* Its own comes first. */
	assert_true(add(w, w->b, ONE, "y\n", 30, 100));
	assert_int_equal(recall(w, w->b, true, ONE, "y\n", 40), 2);
	assert_int_equal(recall(w, w->a, true, ONE, "x\n", 40), 1);
}

static void learnt_once(void **state)
{
	struct world *w = *state;

	assert_true(add(w, w->a, ONE, "x\n", 10, 100));
	assert_false(add(w, w->a, ONE, "y\n", 20, 100));
	assert_int_equal(recall(w, w->a, false, ONE, "x\n", 30), 1);
}

static void revoked(void **state)
{
	struct world *w = *state;

	assert_true(add(w, w->a, ONE, "x\n", 10, 100));
	ok(ff_memory_revoke(w->r.s, 1, 20, &err));
	assert_int_equal(recall(w, w->a, true, ONE, NULL, 30), 0);
	assert_false(add(w, w->a, ONE, "x\n", 40, 100));
	assert_false(add(w, w->b, ONE, "x\n", 40, 100));
	assert_true(add(w, w->a, ONE, "y\n", 40, 100));
	assert_int_equal(recall(w, w->a, true, ONE, "y\n", 50), 2);
	ok(ff_memory_revoke(w->r.s, 1, 60, &err)); /* again */
	fails(NOT_FOUND, "no entry 3", ff_memory_revoke(w->r.s, 3, 60, &err));
}

/* Over the limit the one goes that was used least lately. */
static void bounded(void **state)
{
	struct world *w = *state;

	assert_true(add(w, w->a, ONE, "x\n", 10, 2));
	assert_true(add(w, w->a, TWO, "y\n", 20, 2));
	assert_int_equal(recall(w, w->a, false, ONE, "x\n", 30), 1);
	assert_true(add(w, w->a, KEY("33"), "z\n", 40, 2));
	assert_int_equal(recall(w, w->a, false, ONE, "x\n", 50), 1);
	assert_int_equal(recall(w, w->a, false, TWO, NULL, 50), 0);
	/* What was revoked is no part of it. */
	ok(ff_memory_revoke(w->r.s, 1, 60, &err));
	assert_true(add(w, w->a, TWO, "y\n", 70, 2));
	assert_int_equal(recall(w, w->a, false, KEY("33"), "z\n", 80), 3);
}

static void see(void *arg, const struct ff_memory *m)
{
	int64_t *seen = arg;

	seen[0]++;
	seen[1] = m->uses;
	seen[2] = m->used_ms;
	if (m->result)
		assert_string_equal(m->result, "x\n");
}

static void looked_at(void **state)
{
	struct world *w = *state;
	int64_t seen[3] = { 0, 0, 0 };
	char *result = NULL;

	assert_true(add(w, w->a, ONE, "x\n", 10, 100));
	(void)recall(w, w->a, false, ONE, "x\n", 20);
	(void)recall(w, w->a, false, ONE, "x\n", 30);
	ok(ff_memory_list(w->r.s, 0, 10, see, seen, &err));
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], 2);
	assert_int_equal(seen[2], 30);
	ok(ff_memory_get(w->r.s, 1, see, seen, &err));
	assert_int_equal(seen[0], 2);
	fails(NOT_FOUND, "no entry 2", ff_memory_get(w->r.s, 2, see, seen, &err));
	fails(PROTOCOL, "64 hex digits", ff_memory_recall(w->r.s, 1, false, "abc", 1, &seen[0], &result, &err));
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = { test(of_one_repository), test(learnt_once), test(revoked), test(bounded), test(looked_at) };

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
