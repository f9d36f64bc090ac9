/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_TREES_H
#define FF_CLI_TREES_H

/*
 * What the commands that work on a repository by themselves, without the
 * daemon, have in common: the repository that --repo names, questions line by
 * line with an answer of JSON to each, and conflicts as JSON.
 */

#include <jansson.h>

#include "cli/cli.h"

struct ff_args;
struct ff_engine;
struct ff_git;
struct ff_merge_result;

/* The repository of --repo: a bare one, or a work tree's .git. Closed by ff_git_close. */
int ff_trees_repo(const struct ff_args *args, struct ff_git **ret_git, struct ff_err *err);

/*
 * Asks fn about each line of stdin (n words of it, at most most_words) and
 * prints its answer at once. One that it cannot answer (-1) is answered with
 * {"error":{"code","text"}} beside `names`, the words under their names. The
 * exit status: 1 when there was such a line.
 */
#define FF_TREES_WORDS 4
typedef int (*ff_trees_fn)(void *arg, char *const *words, int n, json_t *answer, struct ff_err *err);
struct ff_trees_ask {
	const char *const *names; /* of the words, NULL behind the last */
	int least;                /* words that must be there */
	ff_trees_fn fn;
	void *arg;
};
int ff_trees_lines(struct ff_cli *cli, const struct ff_trees_ask *ask, struct ff_err *err);

/* What the configuration says, and git in the caller's PATH; ff_engine_fini. */
void ff_trees_engine(const struct ff_cli *cli, struct ff_engine *ret);

/* [{"path","kind"}] */
json_t *ff_trees_conflicts(const struct ff_merge_result *result);
/* The same for people: "KIND: PATH" in lines. */
void ff_trees_print(const struct ff_print *out, const struct ff_merge_result *result);

#endif
