/* SPDX-License-Identifier: MIT */
/* The builtin agent's tools, in real sandboxes; and the request that travels into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/sandbox/edit.h"
#include "daemon/sandbox/tools.h"
#include "tests/lib/sandbox.h"

struct fixture {
	struct job_folder f;
	struct ff_tools tools;
	struct ff_tools_result r;
};

static int make(void **state)
{
	struct fixture *x = ff_calloc(1, sizeof(*x));

	job_folder_make(&x->f);
	x->tools = (struct ff_tools){ .base = &x->f.spec, .deadline_ms = ff_clock_mono() + 60000, .call_ms = 20000,
				      .output_bytes = 4096 };
	*state = x;
	return 0;
}

static int unmake(void **state)
{
	struct fixture *x = *state;

	ff_tools_result_fini(&x->r);
	job_folder_remove(&x->f);
	ff_free(state);
	return 0;
}

static const char *edit(struct fixture *x, struct ff_edit e)
{
	struct ff_err err = { 0 };

	ff_tools_result_fini(&x->r);
	if (ff_tools_edit(&x->tools, &e, &x->r, &err))
		fail_msg("%s", err.text);
	return x->r.text;
}

static const char *bash(struct fixture *x, const char *command)
{
	struct ff_err err = { 0 };

	ff_tools_result_fini(&x->r);
	if (ff_tools_bash(&x->tools, command, 0, &x->r, &err))
		fail_msg("%s", err.text);
	return x->r.text;
}

static void put(struct fixture *x, const char *text)
{
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_CREATE, .path = "/ws/f", .text = text });
	assert_false(x->r.is_error);
}

static void assert_file(struct fixture *x, const char *text)
{
	FF_AUTO(ff_free) char *path = ff_path_join(x->f.ws, "f");
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 65536);
	assert_int_equal(ff_file_read(path, &b, NULL), 0);
	assert_string_equal(b.data, text);
}

static void commands_share_the_work_tree_alone(void **state)
{
	struct fixture *x = *state;

	assert_string_equal(bash(x, "echo one >f; echo two >/tmp/f; cat f"), "one\n");
	assert_false(x->r.is_error);
	assert_string_equal(bash(x, "cat f /tmp/f 2>/dev/null"), "one\n");
	assert_true(x->r.is_error);
	assert_int_equal(x->r.exit_status, 1);
	(void)bash(x, "kill -9 $$");
	assert_int_equal(x->r.exit_status, 137);
}

static void output_is_text(void **state)
{
	struct fixture *x = *state;

	assert_string_equal(bash(x, "printf 'a\\0b\\377\\303\\244\\n'"), "a\\x00b\\xff\xc3\xa4\n");
	(void)bash(x, "seq 10000");
	assert_non_null(strstr(x->r.text, "bytes left out"));
	assert_true(ff_starts(x->r.text, "1\n2\n") && ff_ends(x->r.text, "9999\n10000\n"));
	assert_true(x->r.dropped > 40000);
}

static void time_is_up(void **state)
{
	struct fixture *x = *state;
	struct ff_err err = { 0 };

	assert_int_equal(ff_tools_bash(&x->tools, "echo a; sleep 1000", 300, &x->r, &err), 0);
	assert_true(x->r.timed_out && x->r.is_error);
	assert_string_equal(x->r.text, "a\n");
	x->tools.deadline_ms = ff_clock_mono() - 1;
	assert_int_equal(ff_tools_bash(&x->tools, "true", 0, &x->r, &err), -1);
	assert_int_equal(err.code, FF_E_DEADLINE);
}

static void view_shows_lines(void **state)
{
	struct fixture *x = *state;

	put(x, "one\ntwo\nthree");
	assert_string_equal(edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "f" }),
			    "     1\tone\n     2\ttwo\n     3\tthree\n");
	assert_string_equal(edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "f", .first = 2, .last = 2 }),
			    "     2\ttwo\n");
	assert_string_equal(edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "f", .first = 2, .last = -1 }),
			    "     2\ttwo\n     3\tthree\n");
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "f", .first = 4, .last = -1 });
	assert_true(x->r.is_error);
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "f", .first = 2, .last = 1 });
	assert_true(x->r.is_error);
}

static void view_lists_folders(void **state)
{
	struct fixture *x = *state;

	(void)bash(x, "mkdir -p a/b/c .git d; touch a/b/c/deep a/x .hidden .git/config");
	assert_string_equal(edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = "/ws" }),
			    "/ws/.hidden\n/ws/a/\n/ws/a/b/\n/ws/a/x\n/ws/d/\n");
}

static void replace_wants_one_match(void **state)
{
	struct fixture *x = *state;
	struct ff_edit e = { .command = FF_EDIT_REPLACE, .path = "/ws/f", .old_text = "two", .text = "2" };

	put(x, "one\ntwo\nthree\n");
	(void)bash(x, "chmod 755 f");
	assert_string_equal(edit(x, e), "/ws/f was changed. Now it reads:\n     1\tone\n     2\t2\n     3\tthree\n");
	assert_file(x, "one\n2\nthree\n");
	assert_string_equal(bash(x, "stat -c %a f; ls | wc -l"), "755\n1\n");
	(void)edit(x, e);
	assert_true(x->r.is_error);
	assert_non_null(strstr(x->r.text, "is not in"));
	put(x, "two two\n");
	(void)edit(x, e);
	assert_non_null(strstr(x->r.text, "2 times"));
	assert_file(x, "two two\n");
	e.old_text = "";
	(void)edit(x, e);
	assert_true(x->r.is_error);
}

static void replace_again_is_once(void **state)
{
	struct fixture *x = *state;
	struct ff_edit e = { .command = FF_EDIT_REPLACE, .path = "f", .old_text = "foo", .text = "foobar", .again = true };

	put(x, "foo\n");
	(void)edit(x, e);
	assert_file(x, "foobar\n");
	(void)edit(x, e); /* the old text is part of the new one */
	assert_false(x->r.is_error);
	assert_file(x, "foobar\n");
	put(x, "other\n");
	(void)edit(x, e);
	assert_true(x->r.is_error);
}

static void insert_puts_lines_in(void **state)
{
	struct fixture *x = *state;
	struct ff_edit e = { .command = FF_EDIT_INSERT, .path = "f", .text = "new", .line = 0 };

	put(x, "one\ntwo");
	(void)edit(x, e);
	assert_file(x, "new\none\ntwo");
	e.again = true;
	(void)edit(x, e);
	assert_file(x, "new\none\ntwo");
	e.again = false;
	e.line = 3;
	(void)edit(x, e);
	assert_file(x, "new\none\ntwo\nnew\n");
	e.line = 5;
	(void)edit(x, e);
	assert_true(x->r.is_error);
}

static void strange_files_are_refused(void **state)
{
	struct fixture *x = *state;
	static const char *const bad[] = { "/etc/passwd", "../etc/passwd", "/ws/a/../../etc/passwd", "/wsx", "fifo", "binary",
					   "out", "big", "missing", "" };

	(void)bash(x, "mkfifo fifo; printf 'a\\0b' >binary; ln -s /etc/passwd out; truncate -s 17M big");
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++) {
		(void)edit(x, (struct ff_edit){ .command = FF_EDIT_VIEW, .path = bad[i] });
		assert_true(x->r.is_error);
		assert_false(x->r.timed_out);
		(void)edit(x, (struct ff_edit){ .command = FF_EDIT_REPLACE, .path = bad[i], .old_text = "a", .text = "b" });
		assert_true(x->r.is_error);
	}
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_CREATE, .path = "out", .text = "b" });
	assert_true(x->r.is_error);
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_CREATE, .path = "new/sub/f", .text = "b" });
	assert_false(x->r.is_error);
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_CREATE, .path = "new", .text = "b" });
	assert_true(x->r.is_error);
}

static void link_stays_a_link(void **state)
{
	struct fixture *x = *state;

	put(x, "one\n");
	(void)bash(x, "ln -s f l");
	(void)edit(x, (struct ff_edit){ .command = FF_EDIT_REPLACE, .path = "l", .old_text = "one", .text = "two" });
	assert_false(x->r.is_error);
	assert_file(x, "two\n");
	assert_string_equal(bash(x, "readlink l"), "f\n");
}

static void request_survives_the_way(void **state)
{
	const struct ff_edit e = { .command = FF_EDIT_INSERT, .path = "a\nb 3\n", .text = "", .line = 7, .first = -1,
				   .again = true };
	FF_AUTO(ff_edit_fini) struct ff_edit back = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct ff_err err;

	(void)state;
	ff_buf_init(&b, 1000);
	assert_int_equal(ff_edit_write(&e, &b, &err), 0);
	assert_int_equal(ff_edit_read(b.data, b.len, &back, &err), 0);
	assert_string_equal(back.path, e.path);
	assert_string_equal(back.text, "");
	assert_null(back.old_text);
	assert_int_equal(back.line, 7);
	assert_int_equal(back.first, -1);
	assert_true(back.again);
	for (size_t cut = 0; cut < b.len; cut++) {
		struct ff_edit part = { 0 };

		if (ff_edit_read(b.data, cut, &part, &err) == 0)
			ff_edit_fini(&part); /* whole fields, the needed ones among them */
	}
	ff_buf_clear(&b);
	(void)ff_buf_adds(&b, "path 99999999\nx\n");
	assert_int_equal(ff_edit_read(b.data, b.len, &back, &err), -1);
	assert_int_equal(err.code, FF_E_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_share_the_work_tree_alone, make, unmake),
		cmocka_unit_test_setup_teardown(output_is_text, make, unmake),
		cmocka_unit_test_setup_teardown(time_is_up, make, unmake),
		cmocka_unit_test_setup_teardown(view_shows_lines, make, unmake),
		cmocka_unit_test_setup_teardown(view_lists_folders, make, unmake),
		cmocka_unit_test_setup_teardown(replace_wants_one_match, make, unmake),
		cmocka_unit_test_setup_teardown(replace_again_is_once, make, unmake),
		cmocka_unit_test_setup_teardown(insert_puts_lines_in, make, unmake),
		cmocka_unit_test_setup_teardown(strange_files_are_refused, make, unmake),
		cmocka_unit_test_setup_teardown(link_stays_a_link, make, unmake),
		cmocka_unit_test(request_survives_the_way),
	};

	return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}
