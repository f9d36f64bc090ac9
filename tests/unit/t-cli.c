/* SPDX-License-Identifier: MIT */
/* The command line without a daemon: its table, ssh words, tables, times, harmless output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/args.h"
#include "cli/print.h"
#include "cli/view.h"
#include "cli/words.h"

/* --- args */

/* Splits line at blanks in place; the words are the caller's line. */
static int parse(char *line, struct ff_args *args, struct ff_err *err)
{
	char *argv[32];
	int argc = 0;

	for (char *save = line, *word; (word = strsep(&save, " "));)
		argv[argc++] = word;
	argv[argc] = NULL;
	return ff_args_parse(argc, argv, args, err);
}

static void assert_usage(const char *text, const char *says)
{
	FF_AUTO(ff_free) char *line = ff_strdup(text);
	FF_AUTO(ff_args_fini) struct ff_args args;
	struct ff_err err = { 0 };

	assert_int_equal(parse(line, &args, &err), -1);
	assert_int_equal(err.code, FF_E_USAGE);
	if (!strstr(err.text, says))
		fail_msg("'%s' gave: %s", text, err.text);
}

static void wrong_usage_says_what_is_wrong(void **state)
{
	(void)state;
	assert_usage("flowforge", "a command is missing");
	assert_usage("flowforge lst", "no such command 'lst'");
	assert_usage("flowforge list --bogus", "no such option '--bogus': see flowforge help list");
	assert_usage("flowforge list -x", "no such option '-x'");
	assert_usage("flowforge list --limit", "a value is missing behind '--limit'");
	assert_usage("flowforge list --json=1", "no value is wanted in '--json=1'");
	assert_usage("flowforge list extra", "usage: flowforge list");
	assert_usage("flowforge show", "usage: flowforge show [options] JOB");
	assert_usage("flowforge --json diff 1", "diff does not know --json");
	assert_usage("flowforge list --target=x", "no such option '--target=x'");
	assert_usage("flowforge --version=2", "no value is wanted");
}

static void options_are_found_wherever_they_stand(void **state)
{
	char line[] = "flowforge --json -cserver.url=a -c server.url=b submit /r -mone x -m two --target=t -- ";
	FF_AUTO(ff_args_fini) struct ff_args args;
	struct ff_err err = { 0 };

	(void)state;
	line[strlen(line) - 1] = '\0';
	assert_int_equal(parse(line, &args, &err), 0);
	assert_string_equal(args.command->name, "submit");
	assert_int_equal(args.n_operand, 2);
	assert_string_equal(args.operand[1], "x");
	assert_null(args.operand[2]);
	assert_non_null(ff_args_value(&args, FF_CLI_OPT_JSON));
	assert_string_equal(ff_args_value(&args, FF_CLI_OPT_SET), "server.url=b");
	assert_string_equal(ff_args_value(&args, FF_CLI_OPT_TASK), "two");
	assert_string_equal(ff_args_value(&args, FF_CLI_OPT_TARGET), "t");
	assert_null(ff_args_value(&args, FF_CLI_OPT_TTL));
	assert_int_equal(args.n_given, 6);
}

static void behind_two_dashes_all_is_operand(void **state)
{
	char line[] = "flowforge submit -- -r --target=t";
	FF_AUTO(ff_args_fini) struct ff_args args;

	(void)state;
	assert_int_equal(parse(line, &args, NULL), 0);
	assert_string_equal(args.operand[0], "-r");
	assert_string_equal(args.operand[1], "--target=t");
}

static void shell_takes_words_as_they_are(void **state)
{
	char line[] = "flowforge --config=/c shell list --json";
	FF_AUTO(ff_args_fini) struct ff_args args;

	(void)state;
	assert_int_equal(parse(line, &args, NULL), 0);
	assert_int_equal(args.n_operand, 2);
	assert_string_equal(args.operand[1], "--json");
	assert_null(ff_args_value(&args, FF_CLI_OPT_JSON));
	assert_string_equal(ff_args_value(&args, FF_CLI_OPT_CONFIG), "/c");
}

static void help_names_every_command(void **state)
{
	static const char *const names[] = { "submit", "list", "show", "watch", "log", "diff", "cancel", "retry",
					     "doctor", "shell", "help" };
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	(void)state;
	ff_buf_init(&b, 65536);
	ff_args_help(NULL, &b);
	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++) {
		assert_non_null(strstr(b.data, names[i]));
		assert_non_null(ff_args_command(names[i]));
	}
	ff_buf_clear(&b);
	ff_args_help(ff_args_command("cancel"), &b);
	assert_non_null(strstr(b.data, "-m, --reason=TEXT"));
	assert_null(strstr(b.data, "--task"));
}

static void only_harmless_commands_go_over_ssh(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	(void)state;
	ff_buf_init(&b, 1024);
	ff_args_ssh_words(&b);
	assert_string_equal(b.data, "list show watch log diff cancel retry continue approve reject");
}

/* --- words */

static void git_commands_are_told_from_words(void **state)
{
	(void)state;
	assert_int_equal(ff_words_kind("git-upload-pack '/r.git'"), FF_WORDS_GIT);
	assert_int_equal(ff_words_kind("git receive-pack '/r.git'"), FF_WORDS_GIT);
	assert_int_equal(ff_words_kind("git-upload-archive x"), FF_WORDS_GIT);
	assert_int_equal(ff_words_kind("git-receive-pack"), FF_WORDS_GIT);
	assert_int_equal(ff_words_kind("git-receive-packs x"), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind("git-upload-pack;id"), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind("git-shell -c x"), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind("git gc"), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind("git"), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind(""), FF_WORDS_OURS);
	assert_int_equal(ff_words_kind("flowforge list"), FF_WORDS_OURS);
}

static void words_split_at_blanks(void **state)
{
	FF_AUTO(ff_words_free) char **words = NULL;
	int count = 0;

	(void)state;
	assert_int_equal(ff_words_split("  flowforge  list --branch=claude/a,b%+:@_ ", &words, &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_string_equal(words[0], "flowforge");
	assert_string_equal(words[2], "--branch=claude/a,b%+:@_");
	assert_null(words[3]);
}

static void other_letters_are_refused(void **state)
{
	static const char bad[] = "'\"\\$`;|&<>(){}[]*?!#~^\n\t\r\033\177\200\377";
	FF_AUTO(ff_words_free) char **words = NULL;
	int count = 7;

	(void)state;
	for (size_t i = 0; bad[i]; i++) {
		char line[] = "flowforge show 1x";
		struct ff_err err = { 0 };

		line[sizeof line - 2] = bad[i];
		assert_int_equal(ff_words_split(line, &words, &count, &err), -1);
		assert_int_equal(err.code, FF_E_USAGE);
		for (const char *c = err.text; *c; c++)
			assert_in_range(*c, 0x20, 0x7e);
	}
	assert_null(words);
	assert_int_equal(count, 7);
}

static void long_lines_and_many_words_are_refused(void **state)
{
	char line[FF_WORDS_MAX_BYTES + 2];
	FF_AUTO(ff_words_free) char **words = NULL;
	int count;

	(void)state;
	memset(line, 'a', sizeof line - 1);
	line[sizeof line - 1] = '\0';
	assert_int_equal(ff_words_split(line, &words, &count, NULL), -1);
	line[FF_WORDS_MAX_BYTES] = '\0';
	assert_int_equal(ff_words_split(line, &words, &count, NULL), 0);
	ff_words_free(&words);
	for (size_t i = 0; i < 2 * (FF_WORDS_MAX + 1); i++)
		line[i] = i % 2 ? ' ' : 'a';
	line[2 * (FF_WORDS_MAX + 1)] = '\0';
	assert_int_equal(ff_words_split(line, &words, &count, NULL), -1);
	line[2 * FF_WORDS_MAX] = '\0';
	assert_int_equal(ff_words_split(line, &words, &count, NULL), 0);
	assert_int_equal(count, FF_WORDS_MAX);
}

/* --- print */

static void spans_and_money(void **state)
{
	static const struct { int64_t ms; const char *text; } spans[] = {
		{ -5000, "0s" }, { 0, "0s" }, { 119999, "119s" }, { 120000, "2m" }, { 7199000, "119m" },
		{ 7200000, "2h" }, { 172799000, "47h" }, { 172800000, "2d" }, { 14LL * 86400000, "2w" },
		{ 364LL * 86400000, "52w" }, { 365LL * 86400000, "1y" },
	};
	char text[FF_MONEY_TEXT];

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(spans); i++) {
		ff_print_span(spans[i].ms, text);
		assert_string_equal(text, spans[i].text);
	}
	ff_print_money(0, text);
	assert_string_equal(text, "$0.0000");
	ff_print_money(1234567, text);
	assert_string_equal(text, "$1.2346");
}

static void times_are_read_or_refused(void **state)
{
	static const char *const bad[] = { "", "2026", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z",
					   "2026-01-02T24:04:05Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05.12Z",
					   "2026-01-02T03:04:05.123Zx", "2026-01-02T03:04:0-Z", "+026-01-02T03:04:05Z" };
	int64_t ms = 1;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++)
		assert_int_equal(ff_print_parse_time(bad[i], &ms), -1);
	assert_int_equal(ms, 1);
	assert_int_equal(ff_print_parse_time("1970-01-01T00:00:01Z", &ms), 0);
	assert_int_equal(ms, 1000);
	assert_int_equal(ff_print_parse_time("2026-11-21T10:09:31.250Z", &ms), 0);
	assert_int_equal(ms, 1795255771250);
}

struct capture { FILE *f; char *text; size_t len; struct ff_print p; };

static void capture_init(struct capture *c)
{
	*c = (struct capture){ 0 };
	c->f = open_memstream(&c->text, &c->len);
	assert_non_null(c->f);
	assert_int_equal(ff_print_setup(&c->p, c->f, NULL, NULL, NULL), 0);
}

static void capture_fini(struct capture *c)
{
	(void)fclose(c->f);
	free(c->text);
}

static const char *captured(struct capture *c)
{
	assert_int_equal(fflush(c->f), 0);
	return c->text;
}

static void colour_obeys_option_and_environment(void **state)
{
	struct ff_print p = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	assert_int_equal(ff_print_setup(&p, stdout, "always", NULL, NULL), 0);
	assert_true(p.colour);
	assert_int_equal(ff_print_setup(&p, stdout, "never", NULL, NULL), 0);
	assert_false(p.colour);
	assert_int_equal(ff_print_setup(&p, stdout, "pink", NULL, &err), -1);
	assert_int_equal(err.code, FF_E_USAGE);
}

static void lines_are_harmless_and_keep_tabs(void **state)
{
	FF_AUTO(capture_fini) struct capture c;

	(void)state;
	capture_init(&c);
	ff_print_lines(&c.p, "> ", "a\tb\033[2J\r\n\n\xff\xe2\x80\xae", 14);
	assert_string_equal(captured(&c), "> a\tb\\x1b[2J\\x0d\n> \n> \\xff\\xe2\\x80\\xae\n");
}

static void json_is_ascii(void **state)
{
	FF_AUTO(capture_fini) struct capture c;
	json_t *v = json_pack("{s:s}", "a", "\x7f\033\xc2\x9b\xe2\x80\xae\"");

	(void)state;
	capture_init(&c);
	ff_print_json(&c.p, v);
	json_decref(v);
	assert_string_equal(captured(&c), "{\"a\":\"\\u007f\\u001B\\u009B\\u202E\\\"\"}\n");
}

static void tables_fit_the_width(void **state)
{
	static const struct ff_column columns[] = { { "A", 0 }, { "B", 4 }, { "C", 4 } };
	FF_AUTO(ff_table_free) struct ff_table *t = ff_table_new(columns, 3);
	FF_AUTO(capture_fini) struct capture c;

	(void)state;
	capture_init(&c);
	ff_table_cell(t, FF_RED, "one");
	ff_table_cell(t, FF_PLAIN, "0123456789");
	ff_table_cell(t, FF_PLAIN, "\033" "01234567890123456789");
	ff_table_print(t, &c.p);
	assert_string_equal(captured(&c), "A    B           C\none  0123456789  \\x1b01234567890123456789\n");
	c.p.width = 23;
	ff_table_print(t, &c.p);
	assert_non_null(strstr(captured(&c), "A    B         C\none  01234...  \\x1b0...\n"));
	c.p.width = 5; /* narrower than the least of each: not endless, not empty */
	ff_table_print(t, &c.p);
	assert_non_null(strstr(captured(&c), "A    B     C\none  0...  \\...\n"));
}

static void jobs_of_unknown_shape_are_shown(void **state)
{
	FF_AUTO(capture_fini) struct capture c;
	json_t *job = json_pack("{s:i,s:i,s:s,s:[i,n],s:{s:s},s:s,s:[s]}", "number", 3, "state", 4, "task", "a\033b", "steps_done",
				5, "branch", "b64", "/w==", "created", "tomorrow", "conflicts", "x\ny");

	(void)state;
	capture_init(&c);
	ff_view_job(&c.p, job, 0);
	json_decref(job);
	assert_non_null(strstr(captured(&c), "job 3 \n"));
	assert_non_null(strstr(c.text, "\\xff"));
	assert_non_null(strstr(c.text, "a\\x1bb"));
	assert_non_null(strstr(c.text, "x\\ny"));
	assert_null(strchr(c.text, '\033'));
	assert_null(strstr(c.text, "created"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_says_what_is_wrong),
		cmocka_unit_test(options_are_found_wherever_they_stand),
		cmocka_unit_test(behind_two_dashes_all_is_operand),
		cmocka_unit_test(shell_takes_words_as_they_are),
		cmocka_unit_test(help_names_every_command),
		cmocka_unit_test(only_harmless_commands_go_over_ssh),
		cmocka_unit_test(git_commands_are_told_from_words),
		cmocka_unit_test(words_split_at_blanks),
		cmocka_unit_test(other_letters_are_refused),
		cmocka_unit_test(long_lines_and_many_words_are_refused),
		cmocka_unit_test(spans_and_money),
		cmocka_unit_test(times_are_read_or_refused),
		cmocka_unit_test(colour_obeys_option_and_environment),
		cmocka_unit_test(lines_are_harmless_and_keep_tabs),
		cmocka_unit_test(json_is_ascii),
		cmocka_unit_test(tables_fit_the_width),
		cmocka_unit_test(jobs_of_unknown_shape_are_shown),
	};

	return cmocka_run_group_tests_name("cli", tests, NULL, NULL);
}
