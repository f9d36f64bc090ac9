/* SPDX-License-Identifier: MIT */
/*
 * See ssh_url.h.  Strict on purpose: what ssh would take for an option, a
 * password in an address or a path with a control byte never gets further
 * than the check of the configuration.
 */
#include "base/ssh_url.h"

#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/text.h"

#define SCHEME "ssh://"
#define PORT_SSH 22
#define PORT_MOST 65535
#define PATH_MOST 4096

static bool word_ok(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
		      strchr(more, s[i])))
			return false;
	return n && s[0] != '-';
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return true;
	return false;
}

static int take_port(const char *text, size_t n, int64_t *ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *digits = NULL;

	if (!n)
		return 0;
	digits = ff_memdup0(text + 1, n - 1);
	if (text[0] != ':' || ff_num_i64(digits, 1, PORT_MOST, ret) < 0)
		return ff_err_set(err, FF_E_INVALID, "has no port between 1 and %d behind the host", PORT_MOST);
	return 0;
}

/* host is behind the @, end is the slash. */
static int take_host(const char *host, const char *end, struct ff_ssh_url *url, struct ff_err *err)
{
	const char *close = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
	size_t n;

	if (close) {
		n = (size_t)(close - host) - 1;
		if (!word_ok(host + 1, n, ":.%"))
			return ff_err_set(err, FF_E_INVALID, "has no IPv6 address in its brackets");
		url->host = ff_memdup0(host + 1, n);
		return take_port(close + 1, (size_t)(end - close) - 1, &url->port, err);
	}
	n = strcspn(host, ":/");
	if (!word_ok(host, n, ".-_"))
		return ff_err_set(err, FF_E_INVALID, "has no host between @ and the path");
	url->host = ff_memdup0(host, n);
	return take_port(host + n, (size_t)(end - host) - n, &url->port, err);
}

int ff_ssh_url_parse(const char *text, struct ff_ssh_url *ret_url, struct ff_err *err)
{
	FF_AUTO(ff_ssh_url_fini) struct ff_ssh_url url = { .port = PORT_SSH };
	const char *rest = text + strlen(SCHEME), *slash, *at;

	if (!ff_starts(text, SCHEME))
		return ff_err_set(err, FF_E_INVALID, "must start with " SCHEME ", as in ssh://git@127.0.0.1/PATH");
	slash = strchr(rest, '/');
	at = slash ? memchr(rest, '@', (size_t)(slash - rest)) : NULL;
	if (!at)
		return ff_err_set(err, FF_E_INVALID, "must name user, host and path, as in ssh://git@127.0.0.1/PATH");
	if (!word_ok(rest, (size_t)(at - rest), "._-"))
		return ff_err_set(err, FF_E_INVALID, "must have a plain user name before the @; only the key of "
				  "publish.key-file logs in");
	if (take_host(at + 1, slash, &url, err) < 0)
		return -1;
	if (has_control(slash) || strlen(slash) > PATH_MOST)
		return ff_err_set(err, FF_E_INVALID, "has a path that no repository has");
	if (!strstr(slash, "PATH") && !strstr(slash, "NAME"))
		return ff_err_set(err, FF_E_INVALID, "must have PATH or NAME in its path, which stand for the repository");
	url.user = ff_memdup0(rest, (size_t)(at - rest));
	url.path = ff_strdup(slash);
	*ret_url = url;
	memset(&url, 0, sizeof url);
	return 0;
}

void ff_ssh_url_fini(struct ff_ssh_url *url)
{
	ff_free(&url->user);
	ff_free(&url->host);
	ff_free(&url->path);
}

/* What is left of repo below root, without ".git". Freed by ff_free. */
static int name_of(const char *repo, const char *root, char **ret_name, struct ff_err *err)
{
	size_t n = strlen(root), len;
	const char *name;

	while (n && root[n - 1] == '/')
		n--;
	name = repo + n + 1;
	if (!*root || strncmp(repo, root, n) != 0 || repo[n] != '/' || !*name)
		return ff_err_set(err, FF_E_INVALID, "publish.url has NAME in it, but %.80s is not below publish.root (%.80s): "
				  "set that to the folder of all repositories", repo, *root ? root : "not set");
	len = strlen(name);
	if (len > 4 && ff_ends(name, ".git"))
		len -= 4;
	*ret_name = ff_memdup0(name, len);
	return 0;
}

int ff_ssh_url_path(const struct ff_ssh_url *url, const char *repo, const char *root, char **ret_path,
		    struct ff_err *err)
{
	FF_AUTO(ff_free) char *name = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 4 * PATH_MOST);
	if (repo[0] != '/' || has_control(repo))
		return ff_err_set(err, FF_E_INVALID, "a repository with this path cannot be pushed to over ssh");
	if (strstr(url->path, "NAME") && name_of(repo, root, &name, err) < 0)
		return -1;
	for (const char *s = url->path; *s;) {
		if (ff_starts(s, "PATH"))
			(void)ff_buf_adds(&out, repo + 1); /* the slash is in the template */
		else if (ff_starts(s, "NAME"))
			(void)ff_buf_adds(&out, name);
		else
			(void)ff_buf_addc(&out, *s);
		s += ff_starts(s, "PATH") || ff_starts(s, "NAME") ? 4 : 1;
	}
	if (out.overflow)
		return ff_err_set(err, FF_E_TOO_LARGE, "the path of a repository is too long for publish.url");
	*ret_path = ff_buf_take(&out);
	return 0;
}

char *ff_ssh_quote(const char *text)
{
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, SIZE_MAX / 4);
	(void)ff_buf_addc(&out, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '!') /* as git quotes: some shells expand ! even here */
			(void)ff_buf_addf(&out, "'\\%c'", *text);
		else
			(void)ff_buf_addc(&out, *text);
	}
	(void)ff_buf_addc(&out, '\'');
	return ff_buf_take(&out);
}
