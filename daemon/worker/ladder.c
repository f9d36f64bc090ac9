/* SPDX-License-Identifier: MIT */
/* See ladder.h: the ladder's rungs, its proofs, and what core, people and the next worker hear of them. */
#include "daemon/worker/ladder.h"

#include <string.h>
#include <time.h>

#include <jansson.h>

#include "base/text.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "git/mergetree.h"
#include "git/pack.h"
#include "git/rebaseproof.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "ipc/ipc.h"
#include "merge/merge.h"
#include "resolve/resolve.h"

#define TEXT_MAX ((size_t)64 * 1024)
#define TRIES_MAX 16    /* in one message to core: with their texts they stay far below FF_IPC_LINE_MAX */
#define REASONS_MAX 50  /* lines that are kept of one path */
#define COLUMNS 200
#define NOTE_LINES 50

static int64_t now_us(void)
{
	struct timespec t;

	ff_assert(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct ff_proof_bounds bounds(const struct ff_conf *conf)
{
	return (struct ff_proof_bounds){
		.target_lines = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_TARGET_LINES),
		.change_percent = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_CHANGE_PERCENT),
		.lost_percent = (uint32_t)ff_conf_int(conf, FF_CONF_PROOF_LOST_PERCENT),
	};
}

int ff_ladder_init(struct ff_ladder *l, struct ff_run *run, const struct ff_engine *engine, struct ff_err *err)
{
	*l = (struct ff_ladder){ .run = run, .engine = engine, .questions = json_array(), .lessons = json_array() };
	ff_buf_init(&l->tried, TEXT_MAX);
	ff_buf_init(&l->note, TEXT_MAX);
	return ff_rungs_read(run->task.rungs ? run->task.rungs : "", &l->rungs, err);
}

void ff_ladder_fini(struct ff_ladder *l)
{
	ff_buf_fini(&l->tried);
	ff_buf_fini(&l->note);
	ff_free(&l->gate);
	ff_free(&l->why);
	json_decref(l->questions);
	json_decref(l->lessons);
}

void ff_ladder_begin(struct ff_ladder *l)
{
	l->solved = 0;
	(void)json_array_clear(l->questions);
	(void)json_array_clear(l->lessons);
	ff_buf_clear(&l->tried);
	ff_buf_clear(&l->note);
}

/* --- what core is told --------------------------------------------------------------- */

static void set(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(o, key, ff_json_from_bytes(text));
}

static json_t *try_json(const struct ff_resolved_hunk *h, const struct ff_resolved_try *t)
{
	json_t *o = json_pack("{s:I,s:i,s:i,s:s,s:i,s:I,s:I,s:I,s:I,s:I}", "line", (json_int_t)h->line, "rung", (int)t->rung, "turn",
			      (int)t->turn, "outcome", ff_try_name(t->outcome), "confidence", t->confidence, "time_us",
			      (json_int_t)t->time_us, "tokens_in", (json_int_t)t->tokens_in, "tokens_out", (json_int_t)t->tokens_out,
			      "cost_microusd", (json_int_t)t->cost_microusd, "entry", (json_int_t)t->entry);

	set(o, "how", t->how);
	if (t->rung == FF_RUNG_MODEL)
		set(o, "model", t->how);
	set(o, "text", t->text);
	set(o, "objections", t->objections);
	return o;
}

/* One reason a line, those that refuse or those that are allowed; of all paths each with its own. */
static char *reasons(const struct ff_proof_result *p, bool allowed, bool all_paths)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	size_t n = 0;

	ff_buf_init(&b, TEXT_MAX);
	for (size_t i = 0; i < p->n_reasons && n < REASONS_MAX; i++) {
		const struct ff_proof_reason *r = &p->reasons[i];
		FF_AUTO(ff_free) char *text = r->text ? ff_text_shown(r->text, COLUMNS) : NULL;
		FF_AUTO(ff_free) char *path = ff_text_shown(r->path, COLUMNS);

		if (r->allowed != allowed)
			continue;
		n++;
		(void)ff_buf_addf(&b, "%s%s%s%s%s\n", all_paths ? path : "", all_paths && *path ? ": " : "",
				  ff_proof_rule_text(r->rule), text ? ": " : "", text ? text : "");
	}
	return ff_buf_take(&b);
}

static const char *verdict(const struct ff_resolved_path *p)
{
	return p->solved ? "proved" : p->refused ? "refused" : "open";
}

static json_t *message(const struct ff_rebase_result *r, const char *path)
{
	return json_pack("{s:s,s:s,s:o,s:[]}", "onto", r->stop.applied, "commit", r->stop.at, "path", ff_json_from_bytes(path), "tries");
}

/* In as many messages as it takes; the last one has the verdict. */
static void tell_path(struct ff_ladder *l, const struct ff_rebase_result *r, const struct ff_resolved_path *p)
{
	FF_AUTO(ff_free) char *dropped = reasons(&p->proof, true, false);
	FF_AUTO(ff_free) char *refused = reasons(&p->proof, false, false);
	json_t *msg = message(r, p->path);

	for (size_t i = 0; i < p->n_hunks; i++)
		for (size_t k = 0; k < p->hunks[i].n_tries; k++) {
			json_t *tries = json_object_get(msg, "tries");

			(void)json_array_append_new(tries, try_json(&p->hunks[i], &p->hunks[i].tries[k]));
			if (json_array_size(tries) < TRIES_MAX)
				continue;
			ff_report_resolution(l->run, msg);
			msg = message(r, p->path);
		}
	(void)json_object_set_new(msg, "verdict", json_string(verdict(p)));
	set(msg, "dropped", dropped);
	set(msg, "reasons", p->solved ? NULL : refused);
	ff_report_resolution(l->run, msg);
}

/* About all of it: a proof that no single path is to blame for. */
static void tell_refused(struct ff_ladder *l, const struct ff_rebase_result *r, const struct ff_proof_result *proof)
{
	FF_AUTO(ff_free) char *refused = reasons(proof, false, true);
	json_t *msg = message(r, "");

	(void)json_object_set_new(msg, "verdict", json_string("refused"));
	set(msg, "reasons", refused);
	ff_report_resolution(l->run, msg);
}

/* --- what people are told ------------------------------------------------------------ */

static void describe_hunk(struct ff_ladder *l, const struct ff_resolved_hunk *h)
{
	struct ff_buf *b = &l->tried;

	(void)ff_buf_addf(b, "    line %u:", h->line);
	for (size_t i = 0; i < h->n_tries; i++) {
		const struct ff_resolved_try *t = &h->tries[i];
		FF_AUTO(ff_free) char *how = t->how ? ff_text_shown(t->how, 60) : NULL;

		(void)ff_buf_addf(b, "%s %s %s%s%s%s", i ? "," : "", ff_rung_name(t->rung), ff_try_name(t->outcome), how ? " (" : "",
				  how ? how : "", how ? ")" : "");
	}
	(void)ff_buf_adds(b, h->n_tries ? "\n" : " no rung\n");
}

static void describe_path(struct ff_ladder *l, const struct ff_resolved_path *p)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(p->path, COLUMNS);
	FF_AUTO(ff_free) char *objections = p->refused ? ff_resolve_objections(&p->proof, 0) : NULL;

	(void)ff_buf_addf(&l->tried, "  %s: %s\n", path, verdict(p));
	for (size_t i = 0; i < p->n_hunks; i++)
		describe_hunk(l, &p->hunks[i]);
	for (char *line = objections, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		(void)ff_buf_addf(&l->tried, "    refused: %s\n", line);
	}
}

static void note_path(struct ff_ladder *l, const struct ff_resolved_path *p)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(p->path, COLUMNS);
	size_t lines = 0;

	for (size_t i = 0; i < p->n_hunks && lines < NOTE_LINES; i++, lines++)
		(void)ff_buf_addf(&l->note, "Resolution: %s line %u: %s (%s), proved\n", path, p->hunks[i].line,
				  ff_rung_name(p->hunks[i].rung), p->hunks[i].rule ? p->hunks[i].rule : "");
	if (!p->n_hunks)
		(void)ff_buf_addf(&l->note, "Resolution: %s: %s, proved\n", path, ff_rung_name(FF_RUNG_TRIVIAL));
	for (size_t i = 0; i < p->proof.n_reasons && lines < NOTE_LINES; i++) {
		FF_AUTO(ff_free) char *text = p->proof.reasons[i].text ? ff_text_shown(p->proof.reasons[i].text, COLUMNS) : NULL;

		if (!p->proof.reasons[i].allowed)
			continue;
		lines++;
		(void)ff_buf_addf(&l->note, "Dropped: %s: %s\n", path, text ? text : "");
	}
}

static void log_hunks(struct ff_ladder *l, const struct ff_resolved_path *p)
{
	FF_AUTO(ff_free) char *path = ff_text_shown(p->path, COLUMNS);

	for (size_t i = 0; i < p->n_hunks; i++)
		if (p->hunks[i].rung)
			ff_report_logf(l->run, "resolved: %s line %u by the rung %s (%s)", path, p->hunks[i].line,
				       ff_rung_name(p->hunks[i].rung), p->hunks[i].rule ? p->hunks[i].rule : "");
}

/* --- one conflict ---------------------------------------------------------------------- */

static char **paths_of(const struct ff_resolved *s)
{
	char **paths = ff_calloc(s->n_paths + 1, sizeof *paths);
	size_t n = 0;

	for (size_t i = 0; i < s->n_paths; i++)
		if (!n || strcmp(paths[n - 1], s->paths[i].path) != 0)
			paths[n++] = ff_strdup(s->paths[i].path);
	return paths;
}

static void tell(struct ff_ladder *l, const struct ff_rebase_result *r, const struct ff_resolved *s)
{
	ff_buf_clear(&l->tried);
	for (size_t i = 0; i < s->n_paths; i++) {
		if (s->paths[i].n_hunks || s->paths[i].solved)
			tell_path(l, r, &s->paths[i]);
		describe_path(l, &s->paths[i]);
		log_hunks(l, &s->paths[i]);
		if (s->solved)
			note_path(l, &s->paths[i]);
	}
	if (s->n_solved == s->n_paths && !s->solved)
		tell_refused(l, r, &s->proof);
	if (s->solved) {
		FF_AUTO(ff_git_paths_free) char **paths = paths_of(s);

		ff_report_event(l->run, FF_EVENT_CONFLICT_RESOLVED, &(struct ff_report){ .text = "by the ladder, and proved", .paths = paths });
	}
}

int ff_ladder_climb(struct ff_ladder *l, struct ff_rebase_result *r, char *ret_tree, struct ff_err *err)
{
	FF_AUTO(ff_resolved_fini) struct ff_resolved s = { 0 };
	struct ff_merge_source source;
	struct ff_resolve what = {
		.proof = { .source = &source, .myers = ff_git_myers, .merge = r->merge, .bounds = bounds(l->run->conf),
			   .limits = l->engine->limits },
		.rungs = l->gate ? l->rungs & FF_RUNG_BIT(FF_RUNG_MODEL) : l->rungs,
		.lists = ff_conf_list(l->run->conf, FF_CONF_RESOLVE_LISTS), .now_us = now_us, .arg = l,
		.memory = ff_ladder_recall,
		.model = ff_ladder_has_model(l->run) ? ff_ladder_ask_model : NULL, .model_turns = ff_ladder_model_turns(l->run),
	};

	ff_buf_clear(&l->tried);
	if (l->off)
		(void)ff_buf_addf(&l->tried, "  What the ladder came to was refused:\n%s", l->why ? l->why : "");
	if (l->off || !l->rungs)
		return 0;
	ff_git_source(l->run->git, &source);
	l->stop = &r->stop;
	(void)json_array_clear(l->questions);
	if (ff_resolve(&what, &s, err) < 0)
		return -1;
	tell(l, r, &s);
	if (r->partial[0] && !ff_merge_id_absent(&s.partial))
		ff_git_source_hex(&s.partial, r->partial);
	if (!s.solved)
		return 0;
	ff_git_source_hex(&s.tree, ret_tree);
	ff_ladder_learn(l, &s);
	l->solved++;
	return 1;
}

/* --- all commits ------------------------------------------------------------------------- */

int ff_ladder_prove(struct ff_ladder *l, const struct ff_rebase *what, const struct ff_rebase_stop *from, bool given,
		    const struct ff_rebase_result *r, struct ff_err *err)
{
	FF_AUTO(ff_proof_fini) struct ff_proof_result p = { 0 };
	const struct ff_rebase_proof proof = {
		.what = what, .from = from, .given = given, .result = r->tip, .bounds = bounds(l->run->conf),
	};
	struct ff_rebase_result about = { .stop = { .done = 0 } };
	FF_AUTO(ff_free) char *text = NULL;

	if (!l->solved)
		return 1;
	if (ff_rebase_prove(l->run->git, &proof, &p, err) < 0)
		return -1;
	if (p.proved) {
		ff_report_logf(l->run, "proved: each commit does what it did before");
		return 1;
	}
	memcpy(about.stop.applied, from ? from->onto : what->onto, FF_GIT_OID);
	memcpy(about.stop.at, r->tip, FF_GIT_OID);
	text = ff_resolve_objections(&p, 0);
	ff_report_logf(l->run, "not proved, so nothing of it is taken:\n%s", text);
	tell_refused(l, &about, &p);
	ff_ladder_begin(l);
	l->off = true;
	l->why = ff_steal(&text);
	return 0;
}

void ff_ladder_gate_failed(struct ff_ladder *l, const struct ff_rebase_result *r, const char *output)
{
	bool again = !l->gate && ff_ladder_has_model(l->run) && l->rungs & FF_RUNG_BIT(FF_RUNG_MODEL);
	FF_AUTO(ff_free) char *reasons = ff_asprintf("the gate failed:\n%s", output);
	json_t *msg = json_pack("{s:s,s:s,s:s,s:s,s:[]}", "onto", r->tip, "commit", r->tip, "path", "", "verdict", "refused", "tries");

	set(msg, "reasons", reasons);
	ff_report_resolution(l->run, msg);
	ff_report_logf(l->run, "the gate failed%s; its last lines:\n%s", again ? ", and a model is asked once more" : "", output);
	ff_free(&l->gate);
	ff_free(&l->why);
	l->off = !again;
	if (again)
		l->gate = ff_strdup(output);
	else
		l->why = ff_steal(&reasons);
}
