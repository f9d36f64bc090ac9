/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 2.  What git runs on the host while the pusher waits: the C
 *~ library alone, no daemon needed.  pre-receive judges (policy.c),
 *~ post-receive hands the push over (post.c, deliver.c) or keeps it (spool.c).
 *~ Stop 3 is daemon/core/core.c, who takes it.
 *
 * flowforge-hook, the program behind the hook files.  In a plain repository
 * they are symbolic links to it: no shell is started, and a link that leads
 * nowhere is no hook to git, so that pushes outlive a removed package.  The
 * name that git runs is the type; the file flowforge/hook of the repository
 * says where hook.conf is.
 *
 * Servers that rename hook files have scripts, which give the type as an
 * argument and themselves, for the line "conf PATH" in them:
 * flowforge-hook post-receive SCRIPT.  By hand: flowforge-hook TYPE --conf
 * FILE.  The type "dispatch:TYPE" runs the folder TYPE.d beside the script, or
 * the one of its line "folder NAME".
 *
 * Whatever is wrong with ourselves, a push is not refused for it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/text.h"
#include "hooks/hook.h"

#define SCRIPT_MAX 16384
#define DISPATCH "dispatch:"

static bool known(const char *type)
{
	return !strcmp(type, "pre-receive") || !strcmp(type, "post-receive");
}

/* What follows "key " on a line of the script; NULL: no such line. Freed by ff_free. */
static char *script_value(const char *script, const char *key)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	size_t n = strlen(key);

	ff_buf_init(&text, SCRIPT_MAX);
	if (ff_file_read(script, &text, NULL) < 0)
		return NULL;
	for (const char *line = text.data; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (ff_starts(line, key) && line[n] == ' ')
			return ff_memdup0(line + n + 1, strcspn(line + n + 1, "\n"));
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: " FF_NAME "-hook [" DISPATCH "](pre-receive|post-receive) SCRIPT [argument...]\n"
			"       " FF_NAME "-hook (pre-receive|post-receive) --conf FILE\n"
			"Run by git; '" FF_NAME " hooks install REPOSITORY' puts it in place.\n");
	return 2;
}

static int dispatch(const char *type, char **argv)
{
	FF_AUTO(ff_free) char *name = script_value(argv[2], "folder");
	FF_AUTO(ff_free) char *dir = ff_strdup(argv[2]);
	FF_AUTO(ff_free) char *folder = NULL;
	char *slash = strrchr(dir, '/');

	if (!name)
		name = ff_asprintf("%s.d", type);
	if (slash)
		slash[1] = '\0';
	folder = ff_asprintf("%s%s", slash ? dir : "", name);
	return ff_hook_dispatch(type, folder, argv + 3);
}

/* The type that the name of a link says; NULL: an argument must. */
static const char *linked_type(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "";

	if (!known(name) || (argc > 1 && (known(argv[1]) || ff_starts(argv[1], DISPATCH))))
		return NULL;
	return name;
}

/* hook.conf, for a link, which cannot name it. Freed by ff_free. */
static char *linked_conf(void)
{
	const char *dir = getenv("GIT_DIR");
	FF_AUTO(ff_free) char *file = ff_path_join(dir && *dir ? dir : ".", FF_HOOK_PLACE);
	char *conf = script_value(file, "conf");

	return conf ? conf : ff_strdup(FF_DEFAULT_STATE_DIR "/hook.conf");
}

/* Nothing to do, but whoever writes to us may finish. */
static int drain(void)
{
	(void)ff_hook_read(STDIN_FILENO, NULL, NULL);
	return 0;
}

static int run(const char *type, const char *conf_path)
{
	struct ff_hook_conf conf;
	struct ff_err err;
	int status;

	if (getenv(FF_ENV_PUBLISH))
		return drain(); /* a ref update of our own */
	if (!conf_path)
		ff_err_set(&err, FF_E_INVALID, "the hook file has no conf line");
	if (!conf_path || ff_hook_conf_load(conf_path, &conf, &err) < 0) {
		FF_AUTO(ff_free) char *shown = ff_text_shown(err.text, 200);

		fprintf(stderr, "warning: " FF_NAME " is out of order here, the push goes on without it:\n"
				"  %s\n", shown);
		return drain();
	}
	status = !strcmp(type, "pre-receive") ? ff_hook_pre_receive(&conf) : ff_hook_post_receive(&conf);
	ff_hook_conf_fini(&conf);
	return status;
}

int main(int argc, char **argv)
{
	FF_AUTO(ff_free) char *conf = NULL;
	const char *type = linked_type(argc, argv);

	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail for a valid signal */
	if (type) {
		conf = linked_conf();
		return run(type, conf);
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf(FF_NAME "-hook %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (argc < 3)
		return usage();
	if (ff_starts(argv[1], DISPATCH) && known(argv[1] + strlen(DISPATCH)))
		return dispatch(argv[1] + strlen(DISPATCH), argv);
	if (!known(argv[1]))
		return usage();
	if (!strcmp(argv[2], "--conf"))
		conf = argc == 4 ? ff_strdup(argv[3]) : NULL;
	else
		conf = script_value(argv[2], "conf");
	if (!strcmp(argv[2], "--conf") && !conf)
		return usage();
	return run(argv[1], conf);
}
