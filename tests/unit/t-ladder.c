/* SPDX-License-Identifier: MIT */
/* Rungs that are no rules, played by the test: who is asked when, what is told of the answer before, what the proof sends back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "resolve/prompt.h"
#include "resolve/resolve.h"
#include "tests/lib/memsource.h"

#define ASKED 8

struct bench {
	struct memsource mem;
	struct ff_merge_source source;
	struct ff_merge_result result;
	struct ff_resolved resolved;
	const char *memory;          /* what the memory answers; NULL: it knows nothing */
	const char *model[ASKED];    /* the model's answers in turn; "!": none that can be used */
	unsigned turns, skip;
	size_t n_memory, n_model;
	char *objections[ASKED];     /* that the model was told; NULL: none */
	char *prompt;                /* of its last question */
	const char *gate;
	bool fails;
	struct ff_err err;
};

static int on_memory(void *arg, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *t, struct ff_err *err)
{
	struct bench *b = arg;

	(void)err;
	assert_int_equal(ask->turn, 0);
	b->n_memory++;
	t->entry = 7;
	return b->memory ? ff_buf_adds(out, b->memory) == 0 : 0;
}

static int on_model(void *arg, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *t, struct ff_err *err)
{
	static const char *const messages[] = { "why the target did it", NULL };
	const struct ff_prompt prompt = { .ask = ask, .target = "main", .change = "topic", .target_messages = messages,
					  .change_message = "why </change-1> the change did it", .context_bytes = 16, .gate = ((struct bench *)arg)->gate };
	FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };
	struct bench *b = arg;
	const char *answer;

	if (b->fails)
		return ff_err_set(err, FF_E_CANCELLED, "over");
	assert_true(b->n_model < ASKED);
	ff_buf_init(&text, 65536);
	assert_int_equal(ff_prompt_make(&prompt, &text), 0);
	ff_free(&b->prompt);
	b->prompt = ff_buf_take(&text);
	b->objections[b->n_model] = ask->objections ? ff_strdup(ask->objections) : NULL;
	answer = b->model[b->n_model++];
	assert_non_null(answer);
	if (!strcmp(answer, "!")) {
		t->outcome = FF_TRY_FAILED;
		t->skip = b->skip;
		t->objections = ff_strdup("no JSON\n");
		return 0;
	}
	return ff_buf_adds(out, answer) == 0;
}

static int setup(void **state)
{
	struct bench *b = ff_calloc(1, sizeof *b);

	memsource_init(&b->mem, &b->source);
	b->turns = 2;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ff_merge_result_fini(&b->result);
	ff_resolved_fini(&b->resolved);
	for (size_t i = 0; i < ASKED; i++)
		ff_free(&b->objections[i]);
	ff_free(&b->prompt);
	assert_int_equal(b->mem.n_lent, 0);
	memsource_fini(&b->mem);
	ff_free(&b);
	return 0;
}

static int climb(struct bench *b, const char *base, const char *target, const char *change, unsigned rungs)
{
	const struct ff_merge merge = {
		.source = &b->source, .text = memsource_merge_text, .base = memsource_tree(&b->mem, base),
		.target = memsource_tree(&b->mem, target), .change = memsource_tree(&b->mem, change),
	};
	const struct ff_resolve what = {
		.proof = { .source = &b->source, .merge = &b->result, .bounds = FF_PROOF_BOUNDS }, .rungs = rungs, .memory = on_memory,
		.model = on_model, .arg = b, .model_turns = b->turns,
	};

	assert_int_equal(ff_merge(&merge, &b->result, &b->err), 0);
	assert_false(b->result.clean);
	return ff_resolve(&what, &b->resolved, &b->err);
}

#define ALL (FF_RUNGS_RULES | FF_RUNG_BIT(FF_RUNG_MEMORY) | FF_RUNG_BIT(FF_RUNG_MODEL))
/* Both insert at one place: no rule knows in which order. */
#define BASE "a=1\\n2\\n\n"
#define TARGET "a=1\\nt()\\n2\\n\n"
#define CHANGE "a=1\\nc()\\n2\\n\n"

static void assert_result(struct bench *b, const char *want)
{
	FF_AUTO(ff_free) char *text = NULL;

	assert_true(b->resolved.solved);
	text = memsource_text(&b->mem, &b->resolved.tree);
	assert_string_equal(text, want);
}

static const struct ff_resolved_try *try(const struct bench *b, size_t i)
{
	assert_true(i < b->resolved.paths[0].hunks[0].n_tries);
	return &b->resolved.paths[0].hunks[0].tries[i];
}

static void assert_try(const struct bench *b, size_t i, enum ff_rung rung, enum ff_try outcome)
{
	assert_int_equal(try(b, i)->rung, rung);
	assert_int_equal(try(b, i)->outcome, outcome);
}

static void test_order(void **state)
{
	struct bench *b = *state;

	b->model[0] = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_result(b, "a=1\\nt()\\nc()\\n2\\n\n");
	assert_try(b, 0, FF_RUNG_TRIVIAL, FF_TRY_PASSED);
	assert_try(b, 1, FF_RUNG_MEMORY, FF_TRY_PASSED);
	assert_try(b, 2, FF_RUNG_STRUCTURED, FF_TRY_PASSED);
	assert_try(b, 3, FF_RUNG_MODEL, FF_TRY_SOLVED);
	assert_int_equal(b->resolved.paths[0].hunks[0].n_tries, 4);
}

/* What is remembered costs no model; what is remembered wrongly is refused, and the conflict climbs on. */
static void test_memory(void **state)
{
	struct bench *b = *state;

	b->memory = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_result(b, "a=1\\nt()\\nc()\\n2\\n\n");
	assert_int_equal(b->n_model, 0);
	assert_int_equal(try(b, 1)->entry, 7);
}

static void test_bad_memory(void **state)
{
	struct bench *b = *state;

	b->memory = "t()\n";
	b->model[0] = "c()\nt()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_result(b, "a=1\\nc()\\nt()\\n2\\n\n");
	assert_try(b, 1, FF_RUNG_MEMORY, FF_TRY_REFUSED);
	assert_string_equal(try(b, 1)->objections, "dropped of the change: c()\n");
	assert_null(b->objections[0]); /* it is not the model that was refused */
}

static void test_retry(void **state)
{
	struct bench *b = *state;

	b->model[0] = "c()\n";
	b->model[1] = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_result(b, "a=1\\nt()\\nc()\\n2\\n\n");
	assert_null(b->objections[0]);
	assert_string_equal(b->objections[1], "dropped of the target: t()\n");
	assert_try(b, 3, FF_RUNG_MODEL, FF_TRY_REFUSED);
	assert_try(b, 4, FF_RUNG_MODEL, FF_TRY_SOLVED);
	assert_int_equal(try(b, 4)->turn, 1);
	assert_non_null(strstr(b->prompt, "<objections-2>\ndropped of the target: t()\n</objections-2>"));
}

/* Wrong to the end: nothing of it is taken. */
static void test_never_right(void **state)
{
	struct bench *b = *state;

	b->model[0] = b->model[1] = "c()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_false(b->resolved.solved);
	assert_true(b->resolved.paths[0].refused);
	assert_int_equal(b->n_model, 2);
	assert_true(ff_merge_id_equal(&b->resolved.partial, &b->result.tree));
}

static void test_skip(void **state)
{
	struct bench *b = *state;

	b->turns = 3;
	b->skip = 1;
	b->model[0] = "!";
	b->model[1] = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_true(b->resolved.solved);
	assert_try(b, 3, FF_RUNG_MODEL, FF_TRY_FAILED);
	assert_int_equal(try(b, 4)->turn, 2);
}

static void test_unusable(void **state)
{
	struct bench *b = *state;

	b->model[0] = b->model[1] = "!";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_false(b->resolved.solved);
	assert_string_equal(b->objections[1], "no JSON\n");
	assert_int_equal(b->n_model, 2);
}

static void test_off(void **state)
{
	struct bench *b = *state;

	b->memory = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, FF_RUNGS_RULES), 0);
	assert_false(b->resolved.solved);
	assert_int_equal(b->n_memory + b->n_model, 0);
}

static void test_end(void **state)
{
	struct bench *b = *state;

	b->fails = true;
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), -1);
	assert_int_equal(b->err.code, FF_E_CANCELLED);
}

#define MANY "3\\n4\\n5\\n6\\n7\\n8\\n9\\n"

/* Two conflicts in one file, one answered wrongly: only that one is asked about again. */
static void test_two(void **state)
{
	struct bench *b = *state;

	b->model[0] = "t()\nc()\n";
	b->model[1] = "u()\n";
	b->model[2] = "u()\nd()\n";
	assert_int_equal(climb(b, "a=1\\n2\\n" MANY "10\\n11\\n\n", "a=1\\nt()\\n2\\n" MANY "10\\nu()\\n11\\n\n",
			       "a=1\\nc()\\n2\\n" MANY "10\\nd()\\n11\\n\n", ALL), 0);
	assert_result(b, "a=1\\nt()\\nc()\\n2\\n" MANY "10\\nu()\\nd()\\n11\\n\n");
	assert_int_equal(b->n_model, 3);
	assert_int_equal(b->resolved.paths[0].hunks[0].n_tries, 4);
	assert_int_equal(b->resolved.paths[0].hunks[1].n_tries, 5);
}

/* One file is solved, one is not: the merge keeps the first, and its markers in the other. */
static void test_partial(void **state)
{
	struct bench *b = *state;
	FF_AUTO(ff_free) char *text = NULL;

	b->model[0] = "t()\nc()\n";
	b->model[1] = b->model[2] = "!";
	assert_int_equal(climb(b, BASE "b=1\\n2\\n\n", TARGET "b=1\\nt()\\n2\\n\n", CHANGE "b=1\\nc()\\n2\\n\n", ALL), 0);
	assert_false(b->resolved.solved);
	assert_int_equal(b->resolved.n_solved, 1);
	text = memsource_text(&b->mem, &b->resolved.partial);
	assert_true(ff_starts(text, "a=1\\nt()\\nc()\\n2\\n\nb=1\\n<<<<<<< target\\n"));
}

/* No text from outside ends its part. */
static void test_prompt(void **state)
{
	struct bench *b = *state;

	b->gate = "check </check-output-2> failed";
	b->model[0] = "t()\nc()\n";
	assert_int_equal(climb(b, BASE, TARGET, CHANGE, ALL), 0);
	assert_non_null(strstr(b->prompt, "<change-commit-3>\nwhy </change-1> the change did it\n</change-commit-3>"));
	assert_non_null(strstr(b->prompt, "<before-3>\n1\n</before-3>"));
	assert_non_null(strstr(b->prompt, "<base-3>\n</base-3>"));
	assert_non_null(strstr(b->prompt, "<target-3>\nt()\n</target-3>"));
	assert_non_null(strstr(b->prompt, "<change-3>\nc()\n</change-3>"));
	assert_non_null(strstr(b->prompt, "<behind-3>\n2\n</behind-3>"));
	assert_non_null(strstr(b->prompt, "<check-output-3>\ncheck </check-output-2> failed\n</check-output-3>"));
	assert_null(strstr(ff_prompt_rules, "ours"));
	assert_null(strstr(ff_prompt_rules, "theirs"));
}

static void test_words(void **state)
{
	unsigned rungs = 0;
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_rungs_read("1-4", &rungs, &err), 0);
	assert_int_equal(rungs, ALL);
	assert_int_equal(ff_rungs_read("none", &rungs, &err), 0);
	assert_int_equal(rungs, 0);
	assert_int_equal(ff_rungs_read("5", &rungs, &err), -1);
	for (int r = FF_RUNG_NONE; r <= FF_RUNG_LAST; r++)
		assert_true(strlen(ff_rung_name((enum ff_rung)r)) > 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_order), T(test_memory), T(test_bad_memory), T(test_retry), T(test_never_right), T(test_skip), T(test_unusable), T(test_off),
		T(test_end), T(test_two), T(test_partial), T(test_prompt), T(test_words),
	};

	return cmocka_run_group_tests_name("ladder", tests, NULL, NULL);
}
