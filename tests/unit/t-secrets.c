/* SPDX-License-Identifier: MIT */
/* The table of sealed values; what daemon/core/vault.c does with it is tests/shell/t7301-secrets.t. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "crypto/keyring.h"
#include "store/secrets.h"
#include "store/store.h"
#include "tests/lib/check.h"

struct world {
	char dir[64];
	struct ff_store *s;
	struct ff_keyring *ring;
};

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);
	FF_AUTO(ff_free) char *path = NULL;

	memcpy(w->dir, "/tmp/t-secrets.XXXXXX", sizeof "/tmp/t-secrets.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	path = ff_path_join(w->dir, "record.db");
	ok(ff_store_open(path, &w->s, &err));
	ok(ff_store_begin(w->s, &err));
	w->ring = ff_keyring_new();
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ok(ff_store_commit(w->s, &err));
	ff_store_close(&w->s);
	ff_keyring_free(&w->ring);
	ok(ff_dir_remove(w->dir, &err));
	free(w);
	return 0;
}

static int64_t put(struct world *w, const char *repo, const char *name, const char *text)
{
	FF_AUTO(ff_secret_free) struct ff_secret *value = ff_secret_new(text, strlen(text));
	FF_AUTO(ff_buf_fini) struct ff_buf blob = { 0 };
	struct ff_seal_place place = { .table = "secrets", .column = "sealed" };
	struct ff_secret_row row = { .kind = FF_SECRET_JOB, .key_id = ff_keyring_id(w->ring), .changed_ms = 9 };

	ok(ff_secrets_row(w->s, repo, name, 5, &row.id, &err));
	place.row = row.id;
	ff_buf_init(&blob, 4096);
	ff_seal(w->ring, &place, value, &blob);
	row.sealed = blob.data;
	row.n = blob.len;
	ok(ff_secrets_fill(w->s, &row, &err));
	return row.id;
}

struct got {
	struct world *w;
	int n;
	int64_t last;
	char text[64];
};

static void take(void *arg, const struct ff_secret_row *row)
{
	struct got *g = arg;
	const struct ff_seal_place place = { .table = "secrets", .column = "sealed", .row = row->id };
	FF_AUTO(ff_secret_free) struct ff_secret *value = NULL;

	ok(ff_unseal(g->w->ring, &place, row->key_id, row->sealed, row->n, &value, &err));
	memcpy(g->text, ff_secret_bytes(value), ff_secret_len(value) + 1);
	assert_int_equal(row->kind, FF_SECRET_JOB);
	assert_int_equal(row->created_ms, 5);
	assert_int_equal(row->changed_ms, 9);
	g->last = row->id;
	g->n++;
}

static void by_name_and_repository(void **state)
{
	struct world *w = *state;
	struct got g = { .w = w };
	int64_t first = put(w, "", "token", "of the server"), n = 0;

	put(w, "/srv/a.git", "token", "of a");
	assert_int_equal(put(w, "", "token", "of the server, new"), first);
	ok(ff_secrets_get(w->s, "", "token", take, &g, &err));
	assert_string_equal(g.text, "of the server, new");
	ok(ff_secrets_get(w->s, "/srv/a.git", "token", take, &g, &err));
	assert_string_equal(g.text, "of a");
	fails(NOT_FOUND, "no secret token", ff_secrets_get(w->s, "/srv/b.git", "token", take, &g, &err));
	ok(ff_secrets_count(w->s, &n, &err));
	assert_int_equal(n, 2);
	ok(ff_secrets_delete(w->s, "", "token", &err));
	fails(NOT_FOUND, "no secret token", ff_secrets_delete(w->s, "", "token", &err));
	/* A number is never given again: what was sealed for it must fit nothing else. */
	assert_true(put(w, "", "token", "another") > first + 1);
}

static void pages_and_other_keys(void **state)
{
	struct world *w = *state;
	struct got g = { .w = w };
	int64_t n = 0;

	for (char name[] = "a"; *name <= 'e'; ++*name)
		put(w, "", name, name);
	ok(ff_secrets_list(w->s, 0, 3, take, &g, &err));
	assert_int_equal(g.n, 3);
	ok(ff_secrets_list(w->s, g.last, 3, take, &g, &err));
	assert_int_equal(g.n, 5);
	assert_string_equal(g.text, "e");
	ok(ff_keyring_add(w->ring, &err));
	put(w, "", "b", "anew");
	ok(ff_secrets_count_other(w->s, ff_keyring_id(w->ring), &n, &err));
	assert_int_equal(n, 4);
	g.n = 0;
	ok(ff_secrets_other(w->s, ff_keyring_id(w->ring), 0, 3, take, &g, &err));
	ok(ff_secrets_other(w->s, ff_keyring_id(w->ring), g.last, 3, take, &g, &err));
	assert_int_equal(g.n, 4);
}

static void kinds(void **state)
{
	enum ff_secret_kind kind;

	(void)state;
	for (int k = 1; ff_secret_kind_word((enum ff_secret_kind)k); k++) {
		assert_int_equal(ff_secret_kind_by_word(ff_secret_kind_word((enum ff_secret_kind)k), &kind), 0);
		assert_int_equal(kind, k);
	}
	assert_int_equal(ff_secret_kind_by_word("password", &kind), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_name_and_repository, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_and_other_keys, set_up, tear_down),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
