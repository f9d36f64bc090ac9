/* SPDX-License-Identifier: MIT */
/*
 * What the server around git says about a push: options, who, which project.
 * Nothing is asked of another program or over the network, so the name of a
 * unix account comes from /etc/passwd alone and not from a directory service.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"
#include "hooks/hook.h"

#define OPTION_VAR "GIT_PUSH_OPTION_"
#define OPTION_COUNT "GIT_PUSH_OPTION_COUNT"
#define OPTION_MOST 1000000 /* more than an environment can hold */
#define SSH_AUTH_MAX 65536

/* One pass over the environment: getenv() for each of thousands would be quadratic. */
const char **ff_hook_options(char *const *env, size_t *ret_count)
{
	const char *text = getenv(OPTION_COUNT);
	const char **options;
	int64_t count, at;

	*ret_count = 0;
	if (!text || ff_num_i64(text, 0, OPTION_MOST, &count) < 0)
		count = 0;
	options = ff_calloc((size_t)count + 1, sizeof *options);
	for (int64_t i = 0; i < count; i++)
		options[i] = "";
	for (; count && *env; env++) {
		FF_AUTO(ff_free) char *digits = NULL;
		const char *equals = strchr(*env, '=');

		if (!equals || !ff_starts(*env, OPTION_VAR))
			continue;
		digits = ff_memdup0(*env + strlen(OPTION_VAR), (size_t)(equals - *env) - strlen(OPTION_VAR));
		if (ff_num_i64(digits, 0, count - 1, &at) == 0)
			options[at] = equals + 1;
	}
	*ret_count = (size_t)count;
	return options;
}

bool ff_hook_option_ours(const char *option, bool *ret_asks)
{
	size_t n = strlen(FF_OPTION);
	size_t skip = strlen(FF_OPTION ".skip");

	if (!ff_starts(option, FF_OPTION) || (option[n] && option[n] != '=' && option[n] != '.'))
		return false;
	if (!ff_starts(option, FF_OPTION ".skip") || (option[skip] && option[skip] != '='))
		*ret_asks = true;
	return true;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* SSH_USER_AUTH (sshd's ExposeAuthInfo) names a file of lines "publickey TYPE BASE64". */
static char *ssh_key(void)
{
	static const char word[] = "publickey ";
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	const char *path = variable("SSH_USER_AUTH"), *line, *key;

	ff_buf_init(&text, SSH_AUTH_MAX);
	if (!path || ff_file_read(path, &text, NULL) < 0)
		return NULL;
	line = strstr(text.data, word);
	if (!line || (line != text.data && line[-1] != '\n'))
		return NULL;
	line += strlen(word);
	key = line + strcspn(line, " \n");
	if (*key != ' ')
		return NULL;
	key++;
	return ff_hook_fingerprint(key, strcspn(key, " \n"));
}

static char *unix_user(void)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *pw;
	char *name = NULL;

	while (f && !name && (pw = fgetpwent(f)))
		if (pw->pw_uid == getuid())
			name = ff_strdup(pw->pw_name);
	if (f)
		(void)fclose(f); /* only read */
	return name ? name : ff_asprintf("uid:%ld", (long)getuid());
}

char *ff_hook_pusher(const struct ff_hook_conf *conf)
{
	static const char *const names[] = {
		"GL_USERNAME", "GITEA_PUSHER_NAME", "GITHUB_USER_LOGIN", "GL_USER", "REMOTE_USER",
	};
	const char *value = NULL;
	char *key;

	for (size_t i = 0; i < FF_ARRAY_LEN(names) && !value; i++)
		value = variable(names[i]);
	if (!value && conf->pusher_variable)
		value = variable(conf->pusher_variable);
	if (value)
		return ff_memdup0(value, strnlen(value, 255));
	key = ssh_key();
	return key ? key : unix_user();
}

char *ff_hook_project(const char *repo)
{
	const char *value = variable("GL_PROJECT_PATH"), *owner;

	if (value)
		return ff_strdup(value);
	owner = variable("GITEA_REPO_USER_NAME");
	value = variable("GITEA_REPO_NAME");
	if (owner && value)
		return ff_asprintf("%s/%s", owner, value);
	value = variable("GITHUB_REPO_NAME");
	if (!value && !variable("GL_REPOSITORY")) /* which GitLab sets, and gitolite does not */
		value = variable("GL_REPO");
	return ff_strdup(value ? value : repo);
}

char *ff_hook_repo(struct ff_err *err)
{
	const char *dir = variable("GIT_DIR");
	char *found = realpath(dir ? dir : ".", NULL);

	if (!found)
		ff_err_errno(err, "%s", dir ? dir : ".");
	return found;
}

bool ff_hook_is_wiki(const char *repo)
{
	const char *gitlab = variable("GL_REPOSITORY"), *gitea = variable("GITEA_REPO_IS_WIKI");
	int yes = 0;

	if (gitea && ff_num_bool(gitea, &yes) == 0 && yes)
		return true;
	return ff_ends(repo, ".wiki.git") || (gitlab && (ff_starts(gitlab, "wiki-") || ff_ends(gitlab, "-wiki")));
}
