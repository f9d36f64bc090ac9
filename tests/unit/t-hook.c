/* SPDX-License-Identifier: MIT */
/* The parts of the hook that need no git around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "hooks/hook.h"

#define OID40 "1111111111111111111111111111111111111111"
#define ZERO40 "0000000000000000000000000000000000000000"
#define OID64 OID40 "111111111111111111111111"
#define ZERO64 ZERO40 "000000000000000000000000"

static int parse(const char *text, struct ff_hook_conf *conf)
{
	return ff_hook_conf_parse(text, strlen(text), conf, NULL);
}

static void conf_is_read(void **state)
{
	struct ff_hook_conf c;

	(void)state;
	assert_int_equal(parse("# made by core\nsocket /a b\nspool /s\ntrigger x\ntrigger y*\nignore bot\n"
			       "options no\nresult-prefix r/\nmax-refs 7\nfrom-the-future 1\nmax-task 100", &c), 0);
	assert_string_equal(c.socket, "/a b");
	assert_int_equal(c.triggers.count, 2);
	assert_string_equal(c.triggers.items[1], "y*");
	assert_false(c.options);
	assert_int_equal(c.max_refs, 7);
	assert_int_equal(c.limits.max_task_bytes, 100);
	assert_int_equal(c.timeout_ms, 1500);
	assert_null(c.conflict_prefix);
	ff_hook_conf_fini(&c);
}

static void broken_conf_is_refused(void **state)
{
	static const char *const broken[] = {
		"", "socket /a\n", "socket a\nspool /s\n", "socket /a\nspool /s\noptions maybe\n",
		"socket /a\nspool /s\ntimeout-ms 1e3\n", "socket /a\nspool /s\ntimeout-ms 5000\n",
		"socket /a\nspool /s\nmax-refs\n", "socket /a\nspool /s\nmax-options 0\n",
	};
	struct ff_hook_conf c;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(broken); i++)
		assert_int_equal(parse(broken[i], &c), -1);
	assert_int_equal(ff_hook_conf_parse("socket /a\0\nspool /s\n", 20, &c, NULL), -1);
	assert_int_equal(ff_hook_conf_load("/nowhere", &c, NULL), -1);
	assert_int_equal(ff_hook_conf_load("/dev/null", &c, NULL), -1);
}

static void endless_conf_is_refused(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct ff_hook_conf c;

	(void)state;
	ff_buf_init(&text, 1 << 20);
	(void)ff_buf_adds(&text, "socket /a\nspool /s\n");
	for (int i = 0; i <= FF_HOOK_LIST_MAX; i++)
		(void)ff_buf_adds(&text, "trigger x\n");
	assert_int_equal(parse(text.data, &c), -1);
}

static int line(const char *text)
{
	FF_AUTO(ff_free) char *copy = ff_strdup(text);
	struct ff_hook_update u;

	return ff_hook_line(copy, strlen(copy), &u);
}

static void lines_are_checked(void **state)
{
	(void)state;
	assert_int_equal(line(ZERO40 " " OID40 " refs/heads/a b"), 0);
	assert_int_equal(line(ZERO64 " " OID64 " refs/heads/a"), 0);
	assert_int_equal(line(ZERO40 " " OID64 " refs/heads/a"), -1);
	assert_int_equal(line(ZERO40 " " OID40 " "), -1);
	assert_int_equal(line(ZERO40 " " OID40), -1);
	assert_int_equal(line("x" OID40 " " OID40 " refs/heads/a"), -1);
	assert_int_equal(line(""), -1);
}

static void count(void *arg, const struct ff_hook_update *u)
{
	assert_string_equal(u->ref, "refs/heads/a");
	++*(int *)arg;
}

static void endless_lines_are_survived(void **state)
{
	FF_AUTO(ff_close) int fd = memfd_create("updates", 0);
	static const char good[] = ZERO40 " " OID40 " refs/heads/a\n";
	FF_AUTO(ff_free) char *junk = ff_calloc(FF_HOOK_LINE_MAX, 2);
	int seen = 0;

	(void)state;
	memset(junk, 'x', (size_t)2 * FF_HOOK_LINE_MAX);
	assert_int_equal(ff_fd_write_all(fd, good, strlen(good), NULL), 0);
	assert_int_equal(ff_fd_write_all(fd, junk, (size_t)2 * FF_HOOK_LINE_MAX, NULL), 0);
	assert_int_equal(ff_fd_write_all(fd, "\n", 1, NULL), 0);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(ff_fd_write_all(fd, good, strlen(good), NULL), 0);
	assert_int_equal(ff_fd_write_all(fd, good, strlen(good) - 1, NULL), 0); /* no newline at the end */
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_true(ff_hook_read(fd, count, &seen) > 0);
	assert_int_equal(seen, 3002);
}

static bool forbidden_new(const char *ref)
{
	char results[] = "claude-results/", conflicts[] = "claude-conflicts/";
	const struct ff_hook_conf c = { .result_prefix = results, .conflict_prefix = conflicts };
	const struct ff_hook_update u = { .old_oid = ZERO40, .new_oid = OID40, .ref = ref };

	assert_false(ff_hook_answers(&c, &u));
	return ff_hook_forbidden(&c, &u);
}

static bool forbidden(const char *ref, bool deletes)
{
	char results[] = "claude-results/", conflicts[] = "claude-conflicts/";
	const struct ff_hook_conf c = { .result_prefix = results, .conflict_prefix = conflicts };
	const struct ff_hook_update u = { .old_oid = OID40, .new_oid = deletes ? ZERO40 : OID40, .ref = ref };

	return ff_hook_forbidden(&c, &u);
}

static void our_refs_are_ours(void **state)
{
	(void)state;
	assert_true(forbidden("refs/heads/claude-results/a-1", false));
	assert_false(forbidden("refs/heads/claude-results/a-1", true));
	assert_true(forbidden("refs/heads/claude-results", false));
	assert_true(forbidden_new("refs/heads/claude-conflicts/a-1"));
	assert_true(forbidden_new("refs/heads/claude-conflicts"));
	assert_true(forbidden("refs/heads/claude-conflicts", false));
	assert_false(forbidden("refs/heads/claude-conflicts/a-1", false)); /* of one that is there core is asked */
	assert_false(forbidden("refs/heads/claude-conflicts/a-1", true));
	assert_true(forbidden("refs/flowforge/jobs/1/base", true));
	assert_true(forbidden("refs/flowforge", false));
	assert_true(forbidden("refs/notes", false)); /* would stand where our notes have to go */
	assert_true(forbidden("refs/notes/flowforge", true));
	assert_false(forbidden("refs/notes/flowforge2", false));
	assert_false(forbidden("refs/flowforges/x", false));
	assert_false(forbidden("refs/heads/claude-result", false));
	assert_false(forbidden("refs/heads/claude/a", false));
}

static bool triggers(const char *ref, bool asked, bool options)
{
	char glob[] = "refs/heads/claude/*", results[] = "claude-results/";
	char *globs[] = { glob, NULL };
	const struct ff_hook_conf c = { .triggers = { globs, 1 }, .options = options, .result_prefix = results };
	const struct ff_hook_update u = { .old_oid = OID40, .new_oid = OID40, .ref = ref };

	return ff_hook_triggers(&c, &u, asked);
}

static void triggers_are_told_apart(void **state)
{
	(void)state;
	assert_true(triggers("refs/heads/claude/a/b", false, true));
	assert_false(triggers("refs/heads/main", false, true));
	assert_true(triggers("refs/heads/main", true, true));
	assert_false(triggers("refs/heads/main", true, false));
	assert_true(triggers("refs/heads/claude/a", false, false));
	assert_false(triggers("refs/tags/v1", true, true));
	assert_false(triggers("refs/heads/claude-results/a", true, true));
	assert_false(triggers("refs/heads/claude/..", false, true));
}

static void our_options_are_known(void **state)
{
	bool asks = false;

	(void)state;
	assert_false(ff_hook_option_ours("ci.skip", &asks));
	assert_false(ff_hook_option_ours("claudette=x", &asks));
	assert_false(ff_hook_option_ours("", &asks));
	assert_true(ff_hook_option_ours("claude.skip", &asks));
	assert_true(ff_hook_option_ours("claude.skip=true", &asks));
	assert_false(asks);
	assert_true(ff_hook_option_ours("claude", &asks));
	assert_true(asks);
	asks = false;
	assert_true(ff_hook_option_ours("claude.task=x", &asks));
	assert_true(asks);
}

static void shown(const char *text, const char *want)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 4096);
	ff_hook_show(&out, text, strlen(text));
	assert_string_equal(out.data, want);
}

static void answers_are_cleaned(void **state)
{
	FF_AUTO(ff_free) char *ns = ff_calloc(301, 1);
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	(void)state;
	shown("  hint: \xc3\xa4", "  hint: \xc3\xa4\n");
	shown("a\033[2Jb\r", "a\\x1b[2Jb\\x0d\n");
	shown("\xff", "\\xff\n");
	shown("", "\n");
	memset(ns, '\n', 300); /* two columns each when shown */
	ff_buf_init(&out, 4096);
	ff_hook_show(&out, ns, 300);
	assert_int_equal(out.len, FF_HOOK_COLUMNS + 1);
	memset(ns, 'u', 300);
	memcpy(ns, "https://", 8);
	ff_buf_clear(&out);
	ff_hook_show(&out, ns, 300);
	assert_int_equal(out.len, FF_HOOK_URL_COLUMNS + 1);
}

static void fingerprint(const char *text, const char *want)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b64;
	FF_AUTO(ff_free) char *got = NULL;

	ff_buf_init(&b64, 8192);
	ff_text_b64(&b64, text, strlen(text));
	got = ff_hook_fingerprint(b64.data, b64.len);
	assert_string_equal(got, want);
}

/* Messages and digests of FIPS 180-2, appendix B, in base64. */
static void fingerprints_are_sha256(void **state)
{
	(void)state;
	fingerprint("abc", "SHA256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0");
	fingerprint("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "SHA256:JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE");
	assert_null(ff_hook_fingerprint("", 0));
	assert_null(ff_hook_fingerprint("!!!!", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conf_is_read),
		cmocka_unit_test(broken_conf_is_refused),
		cmocka_unit_test(endless_conf_is_refused),
		cmocka_unit_test(lines_are_checked),
		cmocka_unit_test(endless_lines_are_survived),
		cmocka_unit_test(our_refs_are_ours),
		cmocka_unit_test(triggers_are_told_apart),
		cmocka_unit_test(our_options_are_known),
		cmocka_unit_test(answers_are_cleaned),
		cmocka_unit_test(fingerprints_are_sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
