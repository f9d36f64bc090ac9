/* SPDX-License-Identifier: MIT */
/* See trees.h. */
#include "cli/trees.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/args.h"
#include "engine/engine.h"
#include "git/git.h"
#include "ipc/ipc.h"
#include "merge/merge.h"

int ff_trees_repo(const struct ff_args *args, struct ff_git **ret_git, struct ff_err *err)
{
	const char *given = ff_args_value(args, FF_CLI_OPT_REPO);
	FF_AUTO(ff_free) char *inner = given ? ff_path_join(given, ".git") : NULL;
	FF_AUTO(ff_free) char *path = NULL;

	if (!given)
		return ff_err_set(err, FF_E_USAGE, "--repo=PATH is missing: the repository");
	path = realpath(access(inner, F_OK) == 0 ? inner : given, NULL);
	if (!path)
		return ff_err_set(err, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "%.160s: %s", given, strerror(errno));
	return ff_git_open(path, ret_git, err);
}

/* --- lines */

struct line {
	char *text;
	size_t room;
};

static void line_fini(struct line *l)
{
	free(l->text); /* getline's */
}

static json_t *error_json(const struct ff_err *err)
{
	return json_pack("{s:s,s:o}", "code", ff_err_name(err->code), "text", ff_json_from_bytes(err->text));
}

/* Splits in place; the number of words, FF_TREES_WORDS + 1 when there are more. */
static int split(char *text, char **words)
{
	int n = 0;

	for (char *word; (word = strsep(&text, " \t\r\n"));) {
		if (!*word)
			continue;
		if (n == FF_TREES_WORDS)
			return n + 1;
		words[n++] = word;
	}
	return n;
}

static int most_of(const struct ff_trees_ask *ask)
{
	int n = 0;

	while (ask->names[n])
		n++;
	return n;
}

/* 0, or 1 when there was no answer. */
static int answer(struct ff_cli *cli, const struct ff_trees_ask *ask, char *const *words, int n)
{
	json_t *out = json_object();
	struct ff_err err = { 0 };
	int most = most_of(ask), rc = 0;

	for (int i = 0; i < n && i < most; i++)
		(void)json_object_set_new(out, ask->names[i], ff_json_from_bytes(words[i]));
	if (n < ask->least || n > most)
		rc = ff_err_set(&err, FF_E_USAGE, "a line has %d to %d words", ask->least, most);
	else
		rc = ask->fn(ask->arg, words, n, out, &err);
	if (rc < 0)
		(void)json_object_set_new(out, "error", error_json(&err));
	ff_print_json(&cli->out, out);
	(void)fflush(cli->out.f); /* whoever asks line by line waits for it */
	json_decref(out);
	return rc < 0;
}

int ff_trees_lines(struct ff_cli *cli, const struct ff_trees_ask *ask, struct ff_err *err)
{
	FF_AUTO(line_fini) struct line line = { NULL, 0 };
	char *words[FF_TREES_WORDS];
	int status = 0;

	while (getline(&line.text, &line.room, cli->in) >= 0) {
		int n = split(line.text, words);

		if (n && answer(cli, ask, words, n))
			status = 1;
	}
	return ferror(cli->in) ? ff_err_set(err, FF_E_IO, "stdin cannot be read") : status;
}

/* --- configuration */

void ff_trees_engine(const struct ff_cli *cli, struct ff_engine *ret)
{
	ff_engine_init(ret, cli->conf, ff_print_getenv(cli->environ, "PATH"), ff_print_getenv(cli->environ, "TMPDIR"));
}

/* --- conflicts */

json_t *ff_trees_conflicts(const struct ff_merge_result *result)
{
	json_t *list = json_array();

	for (size_t i = 0; i < result->n_conflicts; i++)
		(void)json_array_append_new(list, json_pack("{s:o,s:s}", "path",
			ff_json_from_bytes(result->conflicts[i].path), "kind",
			ff_merge_kind_name(result->conflicts[i].kind)));
	return list;
}

void ff_trees_print(const struct ff_print *out, const struct ff_merge_result *result)
{
	for (size_t i = 0; i < result->n_conflicts; i++) {
		FF_AUTO(ff_free) char *path = ff_text_shown(result->conflicts[i].path, 0);

		(void)fprintf(out->f, "%s: %s\n", ff_merge_kind_name(result->conflicts[i].kind), path);
	}
}
