/* SPDX-License-Identifier: MIT */
/* file:// URLs of repositories: messages between processes carry no bare local path. */
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "git/git.h"

int ff_git_path_from_url(const char *url, char **ret_path, struct ff_err *err)
{
	static const char scheme[] = "file://", local[] = "localhost/";
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	const char *s;

	ff_buf_init(&out, 4 * 4096);
	if (!ff_starts(url, scheme))
		return ff_err_set(err, FF_E_INVALID, "'%.80s' is not a file:// URL", url);
	s = url + strlen(scheme);
	if (ff_starts(s, local))
		s += strlen(local) - 1;
	if (*s != '/')
		return ff_err_set(err, FF_E_INVALID, "'%.80s' names another host: only file:///PATH works", url);
	for (; *s; s++) {
		char hex[3] = "";
		char c = *s;

		if (c == '%') {
			hex[0] = s[1];
			hex[1] = s[1] ? s[2] : '\0';
			if (!hex[0] || !hex[1] || ff_unhex(hex, 1, &c) < 0 || c == '\0')
				return ff_err_set(err, FF_E_INVALID, "'%.80s': bad percent code", url);
			s += 2;
		}
		if (ff_buf_addc(&out, c) < 0)
			return ff_err_set(err, FF_E_TOO_LARGE, "a repository URL is too long");
	}
	*ret_path = ff_buf_take(&out);
	return 0;
}

char *ff_git_url_from_path(const char *path)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 16 + 3 * strlen(path));
	(void)ff_buf_adds(&out, "file://");
	for (const char *s = path; *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		    strchr("/-._~", *s))
			(void)ff_buf_addc(&out, *s);
		else
			(void)ff_buf_addf(&out, "%%%02X", (unsigned)(unsigned char)*s);
	}
	return ff_buf_take(&out);
}
