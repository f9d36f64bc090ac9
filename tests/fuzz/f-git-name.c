/* SPDX-License-Identifier: MIT */
/*
 * Names, link targets and repository URLs from outside. Held against second,
 * simpler opinions: a link that passes stays inside when it is walked, a name
 * that passes is one name, a URL that parses comes back from its path.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "git/lib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *s, size_t n)
{
	if (ff_git_lib_name_bad(s, n))
		return;
	ff_assert(n > 0 && n <= 255 && !memchr(s, '/', n));
	ff_assert(!(n == 4 && strncasecmp(s, ".git", 4) == 0) && !(n <= 2 && strspn(s, ".") >= n));
}

/* Walks the target; every part of it may itself be a link to somewhere inside. */
static void check_link(const char *s, size_t n, int64_t depth)
{
	bool named = false;

	if (ff_git_lib_link_bad(s, n, depth))
		return;
	ff_assert(n > 0 && s[0] != '/' && !memchr(s, '\0', n));
	for (size_t at = 0; at < n;) {
		size_t len = 0;

		while (at + len < n && s[at + len] != '/')
			len++;
		if (len == 2 && s[at] == '.' && s[at + 1] == '.')
			ff_assert(!named && --depth >= 0);
		else if (len && !(len == 1 && s[at] == '.'))
			named = true;
		ff_assert(!(len == 4 && strncasecmp(s + at, ".git", 4) == 0));
		at += len + 1;
	}
}

static void check_url(const char *s)
{
	FF_AUTO(ff_free) char *path = NULL, *url = NULL, *again = NULL;

	if (ff_git_path_from_url(s, &path, NULL) < 0)
		return;
	ff_assert(path[0] == '/');
	url = ff_git_url_from_path(path);
	ff_assert(ff_git_path_from_url(url, &again, NULL) == 0 && strcmp(path, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_free) char *s = NULL;

	if (size == 0)
		return 0;
	s = ff_memdup0(data + 1, size - 1);
	check_name(s, size - 1);
	check_link(s, size - 1, data[0] % 4);
	check_url(s);
	(void)ff_git_lib_is_dotfile(s, size - 1, "gitmodules");
	return 0;
}
