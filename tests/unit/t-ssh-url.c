/* SPDX-License-Identifier: MIT */
/* Addresses of publish.url: what is taken, what is refused, and the path that a repository gets. */
#include "base/ssh_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/check.h"

static void test_good(void **state)
{
	static const struct {
		const char *text, *user, *host;
		int port;
		const char *path;
	} rows[] = {
		{ "ssh://git@127.0.0.1/PATH", "git", "127.0.0.1", 22, "/PATH" },
		{ "ssh://git@127.0.0.1:2222/NAME", "git", "127.0.0.1", 2222, "/NAME" },
		{ "ssh://a.b-c_d@git.example.org:65535/x/NAME.git", "a.b-c_d", "git.example.org", 65535, "/x/NAME.git" },
		{ "ssh://git@[::1]/PATH", "git", "::1", 22, "/PATH" },
		{ "ssh://git@[fe80::1%eth0]:23/~/PATH", "git", "fe80::1%eth0", 23, "/~/PATH" },
		{ "ssh://git@h/with@and:PATH", "git", "h", 22, "/with@and:PATH" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_ssh_url_fini) struct ff_ssh_url url = { 0 };

		ok(ff_ssh_url_parse(rows[i].text, &url, &err));
		assert_string_equal(url.user, rows[i].user);
		assert_string_equal(url.host, rows[i].host);
		assert_int_equal(url.port, rows[i].port);
		assert_string_equal(url.path, rows[i].path);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "must start with ssh://" }, { "git@h:PATH", "must start" }, { "https://git@h/PATH", "must start" },
		{ "ssh://h/PATH", "must name user" }, { "ssh://git@h", "must name user" }, { "ssh://h/a@b/PATH", "must name user" },
		{ "ssh://@h/PATH", "plain user" }, { "ssh://git:word@h/PATH", "plain user" }, { "ssh://-oX@h/PATH", "plain user" },
		{ "ssh://a b@h/PATH", "plain user" }, { "ssh://git@/PATH", "no host" }, { "ssh://git@-oProxyCommand=x/PATH", "no host" },
		{ "ssh://git@h;x/PATH", "no host" }, { "ssh://git@[::1/PATH", "no host" }, { "ssh://git@[]/PATH", "IPv6" },
		{ "ssh://git@[a b]/PATH", "IPv6" }, { "ssh://git@[::1]x/PATH", "port" }, { "ssh://git@h:/PATH", "port" },
		{ "ssh://git@h:0/PATH", "port" }, { "ssh://git@h:65536/PATH", "port" }, { "ssh://git@h:2x/PATH", "port" },
		{ "ssh://git@h/", "PATH or NAME" }, { "ssh://git@h/app.git", "PATH or NAME" }, { "ssh://git@h/PATH\n", "no repository" },
		{ "ssh://git@h/\033PATH", "no repository" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		struct ff_ssh_url url;

		fails(INVALID, rows[i].why, ff_ssh_url_parse(rows[i].text, &url, &err));
	}
}

static void test_path(void **state)
{
	static const struct {
		const char *template, *repo, *root, *want; /* want NULL: refused */
	} rows[] = {
		{ "/PATH", "/srv/git/app.git", "", "/srv/git/app.git" },
		{ "/NAME", "/srv/git/app.git", "/srv/git", "/app" },
		{ "/NAME", "/srv/git/team/app.git", "/srv/git/", "/team/app" },
		{ "/x/NAME.git", "/srv/git/app", "/srv/git", "/x/app.git" },
		{ "/NAME", "/srv/git/.git", "/srv/git", "/.git" },
		{ "/NAME/PATH", "/r/PATH.git", "/r", "/PATH/r/PATH.git" },
		{ "/PATH", "/a'b c$(id)", "", "/a'b c$(id)" },
		{ "/NAME", "/srv/git/app.git", "", NULL }, { "/NAME", "/srv/gitx/app.git", "/srv/git", NULL },
		{ "/NAME", "/srv/git", "/srv/git", NULL }, { "/NAME", "/srv/git/", "/srv/git", NULL },
		{ "/NAME", "/other/app.git", "/srv/git", NULL }, { "/PATH", "relative", "", NULL }, { "/PATH", "/new\nline", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *path = NULL, *template = ff_strdup(rows[i].template);
		const struct ff_ssh_url url = { .path = template };

		if (rows[i].want) {
			ok(ff_ssh_url_path(&url, rows[i].repo, rows[i].root, &path, &err));
			assert_string_equal(path, rows[i].want);
		} else {
			fails(INVALID, "", ff_ssh_url_path(&url, rows[i].repo, rows[i].root, &path, &err));
		}
	}
}

static void test_long_path(void **state)
{
	FF_AUTO(ff_free) char *repo = ff_calloc(1, 20002), *path = NULL, *template = ff_strdup("/PATH");
	const struct ff_ssh_url url = { .path = template };

	(void)state;
	memset(repo, 'a', 20001);
	repo[0] = '/';
	fails(TOO_LARGE, "too long", ff_ssh_url_path(&url, repo, "", &path, &err));
}

static void test_quote(void **state)
{
	static const char *const rows[][2] = {
		{ "", "''" }, { "/srv/git/app.git", "'/srv/git/app.git'" }, { "a'b", "'a'\\''b'" }, { "a!b", "'a'\\!'b'" },
		{ "$(id) `id` \"x\" \\", "'$(id) `id` \"x\" \\'" },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++) {
		FF_AUTO(ff_free) char *quoted = ff_ssh_quote(rows[i][0]);

		assert_string_equal(quoted, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_path),
		cmocka_unit_test(test_long_path), cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
