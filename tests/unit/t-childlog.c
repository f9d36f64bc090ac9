/* SPDX-License-Identifier: MIT */
/* A child that was taken over writes to the log: it speaks as itself, a line is a line, and there are not too many. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "conf/conf.h"
#include "daemon/core/childlog.h"
#include "tests/lib/check.h"

struct world {
	struct ff_core core;
	struct ff_conf *conf;
	struct ff_childlog *log;
	int64_t job;
	int writer;
	char path[64];
	json_t *lines; /* of the log, after ended() */
};

static int set_up(void **state)
{
	static const char *const settings[] = { "log.child-rate=20", NULL };
	struct world *w = ff_calloc(1, sizeof *w);
	const struct ff_conf_source from = { .file = w->path, .settings = settings }; /* an empty file, so far */
	int fds[2], fd;

	(void)snprintf(w->path, sizeof w->path, "/tmp/t-childlog.XXXXXX");
	fd = mkstemp(w->path);
	assert_true(fd >= 0);
	(void)close(fd);
	ok(ff_conf_load(&from, &w->conf, NULL, &err));
	ff_log_setup("core", FF_LOG_INFO);
	ok(ff_log_open(w->path, &err));
	w->core = (struct ff_core){ .conf = w->conf, .log = ff_log_main(), .loop = ff_loop_new() };
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	w->writer = fds[1];
	w->job = 12;
	w->log = ff_childlog_new(&w->core, "worker", &w->job, fds[0]);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ff_childlog_free(&w->log);
	ff_close(&w->writer);
	ff_loop_free(&w->core.loop);
	ff_conf_free(&w->conf);
	json_decref(w->lines);
	assert_int_equal(unlink(w->path), 0);
	free(w);
	return 0;
}

static void child_writes(struct world *w, const void *p, size_t n)
{
	ok(ff_fd_write_all(w->writer, p, n, &err));
	ok(ff_loop_turn(w->core.loop, 0, &err));
}

static void child_says(struct world *w, const char *text)
{
	child_writes(w, text, strlen(text));
}

/* The child is gone; every line of the log must be an object. */
static void ended(struct world *w)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	char *rest;

	ff_close(&w->writer);
	ff_childlog_free(&w->log);
	ff_buf_init(&text, 1 << 20);
	ok(ff_file_read(w->path, &text, &err));
	w->lines = json_array();
	for (char *line = text.len ? text.data : NULL; line && *line; line = rest) {
		json_t *object;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		object = json_loads(line, 0, NULL);

		if (!object)
			fail_msg("no object: %s", line);
		(void)json_array_append_new(w->lines, object);
	}
}

static const char *field(struct world *w, size_t line, const char *key)
{
	const char *s = json_string_value(json_object_get(json_array_get(w->lines, line), key));

	return s ? s : "";
}

static int64_t job_of(struct world *w, size_t line)
{
	return json_integer_value(json_object_get(json_array_get(w->lines, line), "job"));
}

static void it_speaks_as_itself(void **state)
{
	struct world *w = *state;

	child_says(w, "{\"ts\":\"2000-01-01T00:00:00Z\",\"level\":\"error\",\"role\":\"core\",\"msg\":\"the disk is full\",\"event\":\"core.ready\",\"job\":99,\"repo\":\"/x\"}\n");
	child_says(w, "{\"level\":\"fatal\",\"msg\":\"x\",\"event\":\"y\"}\nplain \033[31mwords\n");
	child_says(w, "{\"level\":\"info\",\"msg\":\"x\",\"event\":\"not a word\"}\n{\"level\":\"info\",\"msg\":\"a\\nb\\u001b\\u202e\",\"event\":\"job.failed\"}\n");
	ended(w);
	assert_int_equal(json_array_size(w->lines), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(field(w, i, "role"), "worker");
		assert_int_equal(job_of(w, i), 12);
		assert_string_equal(field(w, i, "repo"), "");
		assert_true(strncmp(field(w, i, "ts"), "2000", 4) != 0);
	}
	assert_string_equal(field(w, 0, "level"), "error");
	assert_string_equal(field(w, 0, "event"), "core.ready");
	assert_string_equal(field(w, 1, "event"), "child.said");
	assert_string_equal(field(w, 2, "msg"), "plain \\x1b[31mwords");
	assert_string_equal(field(w, 3, "event"), "child.said");
	assert_string_equal(field(w, 4, "event"), "job.failed");
	assert_string_equal(field(w, 4, "msg"), "a\\nb\\x1b\\xe2\\x80\\xae");
}

static void every_byte_stays_in_its_line(void **state)
{
	struct world *w = *state;
	char all[256];
	size_t n = 0;

	for (int c = 0; c < 256; c++)
		if (c != '\n')
			all[n++] = (char)c;
	child_writes(w, all, n);
	child_says(w, "half");
	child_says(w, " and half\nlast without an end");
	ended(w);
	assert_int_equal(json_array_size(w->lines), 2);
	assert_true(strstr(field(w, 0, "msg"), "half and half") != NULL);
	assert_string_equal(field(w, 1, "msg"), "last without an end");
}

static void a_line_without_end_is_cut(void **state)
{
	struct world *w = *state;
	char part[4096];

	memset(part, 'x', sizeof part);
	for (int i = 0; i < 100; i++)
		child_writes(w, part, sizeof part);
	child_says(w, "\nnext\n");
	ended(w);
	assert_int_equal(json_array_size(w->lines), 2);
	assert_true(strlen(field(w, 0, "msg")) < 5000);
	assert_string_equal(field(w, 1, "msg"), "next");
}

/* 20 a second and no more; how many are missing is said. */
static void a_flood_is_counted(void **state)
{
	struct world *w = *state;
	int64_t said = 0, dropped = 0;

	for (int i = 0; i < 5000; i++)
		child_says(w, "{\"level\":\"info\",\"msg\":\"flood\",\"event\":\"job.flood\"}\n");
	ended(w);
	for (size_t i = 0; i < json_array_size(w->lines); i++) {
		if (!strcmp(field(w, i, "event"), "log.dropped"))
			dropped += strtoll(field(w, i, "msg"), NULL, 10);
		else
			said++;
	}
	assert_int_equal(said + dropped, 5000);
	assert_true(dropped > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_speaks_as_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_byte_stays_in_its_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_without_end_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flood_is_counted, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("childlog", tests, NULL, NULL);
}
