/* SPDX-License-Identifier: MIT */
/*
 * rebase: commits of a repository onto a new base, by the engine of the
 * daemon and without it.  With --stdin it answers questions as long as they
 * come, and is also what measures the engine against git.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/trees.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "git/git.h"
#include "git/pack.h"
#include "git/rebase.h"
#include "merge/merge.h"

struct work {
	struct ff_git *git;
	const struct ff_conf *conf;
	struct ff_engine engine;
	bool write;
};

static struct ff_git_person committer(const struct work *w)
{
	return (struct ff_git_person){
		.name = ff_conf_str(w->conf, FF_CONF_COMMIT_NAME), .email = ff_conf_str(w->conf, FF_CONF_COMMIT_EMAIL),
		.time_s = ff_clock_wall() / 1000,
	};
}

/* words: onto, base, tip, or revisions of them. Nothing is written unless asked for. */
static int rebase(struct work *w, const char *const words[3], struct ff_rebase_result *ret, struct ff_err *err)
{
	char oid[3][FF_GIT_OID];
	struct ff_rebase what = {
		.onto = oid[0], .upstream = oid[1], .tip = oid[2], .committer = committer(w),
	};

	ff_engine_rebase(&w->engine, &what);
	for (int i = 0; i < 3; i++)
		if (ff_git_rev(w->git, words[i], oid[i], err) < 0)
			return -1;
	ff_git_pack_begin(w->git, w->write, w->engine.max_memory);
	if (ff_rebase(w->git, &what, ret, err) == 0 && (!w->write || ff_git_pack_commit(w->git, NULL, err) == 0)) {
		if (!w->write)
			ff_git_pack_drop(w->git);
		return 0;
	}
	ff_git_pack_drop(w->git);
	return -1;
}

static void describe(const struct ff_rebase_result *r, json_t *answer)
{
	(void)json_object_set_new(answer, "clean", json_boolean(!r->conflict));
	if (!r->conflict) {
		(void)json_object_set_new(answer, "result", json_string(r->tip));
		(void)json_object_set_new(answer, "tree", json_string(r->tree));
		return;
	}
	(void)json_object_set_new(answer, "at", json_string(r->stop.at));
	(void)json_object_set_new(answer, "conflicts", ff_trees_conflicts(r->merge));
	(void)json_object_set_new(answer, "hard", json_boolean(r->merge->hard));
}

/* --- line by line */

/* The ref that goes along with the tip, when it is still there. */
static int move(struct work *w, const char *ref, const char *tip, const struct ff_rebase_result *r, struct ff_err *err)
{
	struct ff_git_person who = committer(w);
	char old[FF_GIT_OID];

	if (!w->write)
		return ff_err_set(err, FF_E_USAGE, "a ref is moved with --write only");
	return ff_git_rev(w->git, tip, old, err) < 0 ||
	       ff_git_ref_update(w->git, ref, old, r->tip, &who, "rebase", err) < 0 ? -1 : 0;
}

static int on_line(void *arg, char *const *words, int n, json_t *answer, struct ff_err *err)
{
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result r = { 0 };
	const char *const three[] = { words[0], words[1], words[2] };
	struct work *w = arg;

	if (rebase(w, three, &r, err) < 0 || (n == 4 && !r.conflict && move(w, words[3], words[2], &r, err) < 0))
		return -1;
	describe(&r, answer);
	return 0;
}

/* --- once */

static int split_range(const char *range, char **ret_base, char **ret_tip, struct ff_err *err)
{
	const char *dots = strstr(range, "..");

	if (!dots || dots[2] == '.' || dots == range || !dots[2])
		return ff_err_set(err, FF_E_USAGE, "'%.80s' is no range: write BASE..TIP", range);
	*ret_base = ff_memdup0(range, (size_t)(dots - range));
	*ret_tip = ff_strdup(dots + 2);
	return 0;
}

static int print_json(struct ff_cli *cli, const char *const words[3], const struct ff_rebase_result *r)
{
	json_t *out = json_pack("{s:s,s:s,s:s}", "onto", words[0], "base", words[1], "tip", words[2]);

	if (!out)
		out = json_object(); /* names that are not UTF-8 */
	describe(r, out);
	ff_print_json(&cli->out, out);
	json_decref(out);
	return r->conflict;
}

static int once(struct ff_cli *cli, const struct ff_args *args, struct work *w, struct ff_err *err)
{
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result r = { 0 };
	FF_AUTO(ff_free) char *base = NULL, *tip = NULL;
	const char *words[3] = { ff_args_value(args, FF_CLI_OPT_ONTO), NULL, NULL };

	if (!words[0])
		return ff_err_set(err, FF_E_USAGE, "--onto=REV is missing: the new base");
	if (args->n_operand != 1)
		return ff_err_set(err, FF_E_USAGE, "one range is wanted: BASE..TIP");
	if (split_range(args->operand[0], &base, &tip, err) < 0)
		return -1;
	words[1] = base;
	words[2] = tip;
	w->write = !ff_args_value(args, FF_CLI_OPT_DRY_RUN);
	if (rebase(w, words, &r, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_JSON))
		return print_json(cli, words, &r);
	if (!r.conflict) {
		(void)fprintf(cli->out.f, "%s\n", r.tip);
		return 0;
	}
	ff_cli_say(cli, "commit %.12s (%.200s) does not apply", r.stop.at, r.at_subject);
	if (r.why_hard)
		ff_cli_say(cli, "git could not be asked: %s", r.why_hard);
	ff_trees_print(&cli->out, r.merge);
	return 1;
}

static void work_fini(struct work *w)
{
	ff_engine_fini(&w->engine);
	ff_git_close(&w->git);
}

int ff_cli_rebase(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const char *const names[] = { "onto", "base", "tip", "ref", NULL };
	FF_AUTO(work_fini) struct work w = { 0 };

	if (ff_cli_conf(cli, args, err) < 0 || ff_trees_repo(args, &w.git, err) < 0)
		return -1;
	w.conf = cli->conf;
	ff_trees_engine(cli, &w.engine);
	if (ff_args_value(args, FF_CLI_OPT_NO_FSYNC))
		ff_git_sync(false);
	if (!ff_args_value(args, FF_CLI_OPT_STDIN))
		return once(cli, args, &w, err);
	if (args->n_operand || ff_args_value(args, FF_CLI_OPT_ONTO))
		return ff_err_set(err, FF_E_USAGE, "with --stdin the commits come in lines: ONTO BASE TIP [REF]");
	w.write = ff_args_value(args, FF_CLI_OPT_WRITE) != NULL;
	return ff_trees_lines(cli, &(struct ff_trees_ask){ .names = names, .least = 3, .fn = on_line, .arg = &w }, err);
}
