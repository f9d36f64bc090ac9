/* SPDX-License-Identifier: MIT */
/*
 * prove and resolve: the proof and the ladder on trees of a repository, without
 * the daemon.  Nothing is written unless resolve is told to.
 */
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/trees.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "git/git.h"
#include "git/mergetree.h"
#include "git/pack.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "ipc/ipc.h"
#include "merge/merge.h"
#include "merge/proof.h"
#include "resolve/resolve.h"

#define REASONS_SHOWN 50

struct work {
	struct ff_cli *cli;
	struct ff_git *git;
	struct ff_merge_source source;
	struct ff_engine engine;
	unsigned rungs;
	bool write;
	struct ff_merge merge;
	struct ff_merge_result result; /* of the last three */
	struct ff_merge_id proved;     /* the tree in question */
};

static void work_fini(struct work *w)
{
	ff_merge_result_fini(&w->result);
	ff_engine_fini(&w->engine);
	ff_git_close(&w->git);
}

static int tree(struct work *w, const char *word, const char *name, struct ff_merge_id *ret, struct ff_err *err)
{
	return ff_git_tree_named(w->git, name, ret, err) < 0 ? ff_err_wrap(err, "%s", word) : 0;
}

/* words: base, target, change. */
static int merge(struct work *w, const char *const words[3], struct ff_err *err)
{
	FF_AUTO(ff_free) char *why = NULL;

	ff_merge_result_fini(&w->result);
	if (tree(w, "base", words[0], &w->merge.base, err) < 0 || tree(w, "target", words[1], &w->merge.target, err) < 0 ||
	    tree(w, "change", words[2], &w->merge.change, err) < 0)
		return -1;
	w->merge.attributes = w->merge.target;
	w->merge.limits = w->engine.limits;
	return ff_git_merge_trees(w->git, &w->merge, ff_engine_handover(&w->engine), &w->result, &why, err);
}

static struct ff_proof proof_of(const struct work *w)
{
	const struct ff_conf *conf = w->cli->conf;

	return (struct ff_proof){
		.source = &w->source, .myers = ff_git_myers, .merge = &w->result, .result = w->proved, .limits = w->merge.limits,
		.bounds = {
			.target_lines = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_TARGET_LINES),
			.change_percent = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_CHANGE_PERCENT),
			.lost_percent = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_LOST_PERCENT),
		},
	};
}

static int open_work(struct work *w, struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	w->cli = cli;
	if (ff_cli_conf(cli, args, err) < 0 || ff_trees_repo(args, &w->git, err) < 0)
		return -1;
	ff_git_source(w->git, &w->source);
	ff_trees_engine(cli, &w->engine);
	return 0;
}

static int three(const struct ff_args *args, const char *words[3], struct ff_err *err)
{
	static const enum ff_cli_opt opts[] = { FF_CLI_OPT_BASE, FF_CLI_OPT_TARGET, FF_CLI_OPT_CHANGE };

	for (int i = 0; i < 3; i++) {
		words[i] = ff_args_value(args, opts[i]);
		if (!words[i])
			return ff_err_set(err, FF_E_USAGE, "--base, --target and --change are wanted, each a commit or a tree");
	}
	return 0;
}

/* --- prove */

static json_t *reason_json(const struct ff_proof_reason *r)
{
	json_t *o = json_pack("{s:s,s:o}", "rule", ff_proof_rule_name(r->rule), "path", ff_json_from_bytes(r->path));

	if (r->line)
		(void)json_object_set_new(o, "line", json_integer(r->line));
	if (r->text)
		(void)json_object_set_new(o, "text", ff_json_from_bytes(r->text));
	if (r->removal)
		(void)json_object_set_new(o, "removal", json_true());
	return o;
}

/* Reasons to refuse, and what was dropped within the bounds. */
static void describe(const struct ff_proof_result *p, json_t *out)
{
	json_t *reasons = json_array(), *dropped = json_array();

	for (size_t i = 0; i < p->n_reasons; i++)
		(void)json_array_append_new(p->reasons[i].allowed ? dropped : reasons, reason_json(&p->reasons[i]));
	(void)json_object_set_new(out, "proved", json_boolean(p->proved));
	(void)json_object_set_new(out, "conflicts", json_integer((json_int_t)p->n_conflicts));
	(void)json_object_set_new(out, "refused", json_integer((json_int_t)p->n_refused));
	(void)json_object_set_new(out, "reasons", reasons);
	(void)json_object_set_new(out, "dropped", dropped);
}

static void print_reason(const struct ff_print *out, const struct ff_proof_reason *r)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(r->path, 0);
	FF_AUTO(ff_free) char *text = r->text ? ff_text_shown(r->text, 160) : NULL;

	(void)fprintf(out->f, "%s%s%s", r->allowed ? "allowed: " : "", path, *path ? ": " : "");
	if (r->line)
		(void)fprintf(out->f, "line %u: ", r->line);
	(void)fprintf(out->f, "%s%s%s%s\n", ff_proof_rule_text(r->rule), r->removal ? ", that this line goes" : "",
		      text ? ": " : "", text ? text : "");
}

static void print_proof(const struct ff_print *out, const struct ff_proof_result *p)
{
	(void)fprintf(out->f, "%s\n", p->proved ? "proved" : "refused");
	for (size_t i = 0; i < p->n_reasons && i < REASONS_SHOWN; i++)
		print_reason(out, &p->reasons[i]);
	if (p->n_reasons > REASONS_SHOWN)
		(void)fprintf(out->f, "and %zu more\n", p->n_refused - REASONS_SHOWN);
}

static int prove(struct work *w, const char *const words[4], struct ff_proof_result *ret, struct ff_err *err)
{
	struct ff_proof what;

	if (merge(w, words, err) < 0 || tree(w, "result", words[3], &w->proved, err) < 0)
		return -1;
	what = proof_of(w);
	return ff_proof_tree(&what, ret, err);
}

static int prove_line(void *arg, char *const *words, int n, json_t *answer, struct ff_err *err)
{
	const char *const four[4] = { words[0], words[1], words[2], words[3] };
	FF_AUTO(ff_proof_fini) struct ff_proof_result p = { 0 };
	struct work *w = arg;
	int rc;

	(void)n;
	ff_git_pack_begin(w->git, false, FF_GIT_PACK_MEMORY);
	rc = prove(w, four, &p, err);
	ff_git_pack_drop(w->git);
	if (rc == 0)
		describe(&p, answer);
	return rc;
}

int ff_cli_prove(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const char *const names[] = { "base", "target", "change", "result", NULL };
	FF_AUTO(work_fini) struct work w = { 0 };
	FF_AUTO(ff_proof_fini) struct ff_proof_result p = { 0 };
	const char *words[4];
	json_t *out;

	if (open_work(&w, cli, args, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_STDIN))
		return ff_trees_lines(cli, &(struct ff_trees_ask){ .names = names, .least = 4, .fn = prove_line, .arg = &w }, err);
	words[3] = ff_args_value(args, FF_CLI_OPT_RESULT);
	if (three(args, words, err) < 0)
		return -1;
	if (!words[3])
		return ff_err_set(err, FF_E_USAGE, "--result is missing: the commit or tree in question");
	ff_git_pack_begin(w.git, false, FF_GIT_PACK_MEMORY);
	if (prove(&w, words, &p, err) < 0)
		return -1;
	if (!ff_args_value(args, FF_CLI_OPT_JSON)) {
		print_proof(&cli->out, &p);
		return !p.proved;
	}
	out = json_object();
	describe(&p, out);
	ff_print_json(&cli->out, out);
	json_decref(out);
	return !p.proved;
}

/* --- resolve */

/* Those that need nobody else. */
static int read_rungs(const char *text, unsigned *ret, struct ff_err *err)
{
	unsigned rungs = FF_RUNGS_RULES;

	if (text && (ff_rungs_read(text, &rungs, NULL) < 0 || rungs & FF_RUNG_BIT(FF_RUNG_MODEL)))
		return ff_err_set(err, FF_E_USAGE, "--rungs=%.40s: write numbers from 1 to 3, like 1-3 or 1,3", text);
	*ret = rungs;
	return 0;
}

static const char *verdict(const struct ff_resolved_path *p)
{
	return p->solved ? "solved" : p->refused ? "refused" : "open";
}

static void set_id(json_t *o, const char *key, const struct ff_merge_id *id)
{
	char hex[FF_GIT_OID];

	ff_git_source_hex(id, hex);
	(void)json_object_set_new(o, key, json_string(hex));
}

static json_t *path_json(const struct ff_resolved_path *p)
{
	json_t *hunks = json_array(), *o;

	for (size_t i = 0; i < p->n_hunks; i++) {
		const struct ff_resolved_hunk *h = &p->hunks[i];

		o = json_pack("{s:i,s:s,s:i}", "line", (int)h->line, "verdict", h->rung ? "solved" : "open", "rung", (int)h->rung);
		if (h->rung)
			(void)json_object_set_new(o, "rule", json_string(h->rule));
		(void)json_array_append_new(hunks, o);
	}
	o = json_pack("{s:o,s:s,s:s,s:o}", "path", ff_json_from_bytes(p->path), "kind", ff_merge_kind_name(p->kind),
		      "verdict", verdict(p), "hunks", hunks);
	if (p->solved && p->mode)
		set_id(o, "result", &p->id);
	return o;
}

static void describe_resolved(const struct work *w, const struct ff_resolved *r, json_t *out)
{
	json_t *paths = json_array();

	for (size_t i = 0; i < r->n_paths; i++)
		(void)json_array_append_new(paths, path_json(&r->paths[i]));
	(void)json_object_set_new(out, "solved", json_boolean(r->solved || w->result.clean));
	(void)json_object_set_new(out, "paths", paths);
	if (r->solved || w->result.clean)
		set_id(out, "tree", r->solved ? &r->tree : &w->result.tree);
}

static void print_resolved(const struct work *w, const struct ff_resolved *r)
{
	FILE *f = w->cli->out.f;
	char hex[FF_GIT_OID];

	for (size_t i = 0; i < r->n_paths; i++) {
		const struct ff_resolved_path *p = &r->paths[i];
		FF_AUTO(ff_free) char *path = ff_text_shown(p->path, 0);

		(void)fprintf(f, "%s: %s: %s\n", verdict(p), ff_merge_kind_name(p->kind), path);
		for (size_t h = 0; h < p->n_hunks; h++)
			(void)fprintf(f, "  line %u: %s%s%s\n", p->hunks[h].line, p->hunks[h].rung ? ff_rung_name(p->hunks[h].rung) : "open",
				      p->hunks[h].rung ? ": " : "", p->hunks[h].rung ? p->hunks[h].rule : "");
	}
	if (!r->solved && !w->result.clean)
		return;
	ff_git_source_hex(r->solved ? &r->tree : &w->result.tree, hex);
	(void)fprintf(f, "%s\n", hex);
}

static int resolve(struct work *w, const char *const words[3], struct ff_resolved *ret, struct ff_err *err)
{
	struct ff_resolve what = { .rungs = w->rungs };
	int rc;

	ff_git_pack_begin(w->git, w->write, FF_GIT_PACK_MEMORY);
	rc = merge(w, words, err);
	if (rc == 0) {
		what.proof = proof_of(w);
		rc = ff_resolve(&what, ret, err);
	}
	if (rc == 0 && w->write)
		rc = ff_git_pack_commit(w->git, NULL, err);
	ff_git_pack_drop(w->git);
	return rc;
}

static int resolve_line(void *arg, char *const *words, int n, json_t *answer, struct ff_err *err)
{
	const char *const three_words[3] = { words[0], words[1], words[2] };
	FF_AUTO(ff_resolved_fini) struct ff_resolved r = { 0 };

	(void)n;
	if (resolve(arg, three_words, &r, err) < 0)
		return -1;
	describe_resolved(arg, &r, answer);
	return 0;
}

int ff_cli_resolve(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	static const char *const names[] = { "base", "target", "change", NULL };
	FF_AUTO(work_fini) struct work w = { .write = ff_args_value(args, FF_CLI_OPT_WRITE) != NULL };
	FF_AUTO(ff_resolved_fini) struct ff_resolved r = { 0 };
	const char *words[3];
	json_t *out;

	if (read_rungs(ff_args_value(args, FF_CLI_OPT_RUNGS), &w.rungs, err) < 0 || open_work(&w, cli, args, err) < 0)
		return -1;
	if (ff_args_value(args, FF_CLI_OPT_STDIN))
		return ff_trees_lines(cli, &(struct ff_trees_ask){ .names = names, .least = 3, .fn = resolve_line, .arg = &w }, err);
	if (three(args, words, err) < 0 || resolve(&w, words, &r, err) < 0)
		return -1;
	if (!ff_args_value(args, FF_CLI_OPT_JSON)) {
		print_resolved(&w, &r);
		return !r.solved && !w.result.clean;
	}
	out = json_object();
	describe_resolved(&w, &r, out);
	ff_print_json(&cli->out, out);
	json_decref(out);
	return !r.solved && !w.result.clean;
}
