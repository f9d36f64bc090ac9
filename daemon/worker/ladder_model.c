/* SPDX-License-Identifier: MIT */
/*
 * Rung 4: a model is asked about one conflict, through the job's own way to
 * the gateway, so that budgets, prices and records are those of the job.  The
 * same conflict makes the same request, which the gateway answers from its
 * record.  What it says is believed by nobody: the proof decides.
 */
#include "daemon/worker/ladder.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/price.h"
#include "base/redact.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/worker/ladder_answer.h"
#include "git/pathlog.h"
#include "model/client.h"
#include "resolve/prompt.h"
#include "resolve/region.h"

#define SOCKET FF_JOB_GATE "/gw.sock"
#define TRIES 3
#define FIRST_WAIT_MS 1000
#define LONGEST_WAIT_MS 30000
#define TOKEN_BYTES 4
/* Of the target, to say why it changed the file. */
#define COMMITS_LOOKED_AT 500
#define MESSAGES 5
#define TURNS 2 /* of the first model: once, and once more with what was said against it */

bool ff_ladder_has_model(const struct ff_run *run)
{
	bool own = run->task.driver && !strcmp(run->task.driver, "command");

	return *ff_conf_str(run->conf, FF_CONF_RESOLVE_MODEL) || !own;
}

unsigned ff_ladder_model_turns(const struct ff_run *run)
{
	return TURNS + (*ff_conf_str(run->conf, FF_CONF_RESOLVE_STRONG_MODEL) ? 1 : 0);
}

static const char *model_of(const struct ff_run *run, unsigned turn)
{
	const char *own = ff_conf_str(run->conf, FF_CONF_RESOLVE_MODEL);

	if (turn >= TURNS)
		return ff_conf_str(run->conf, FF_CONF_RESOLVE_STRONG_MODEL);
	return *own ? own : ff_conf_str(run->conf, FF_CONF_AGENT_MODEL);
}

/* --- the question ------------------------------------------------------------------ */

static int prompt_of(struct ff_ladder *l, const struct ff_resolve_ask *ask, const struct ff_git_commit_info *commit,
		     struct ff_buf *out, struct ff_err *err)
{
	const struct ff_git_path_log log = {
		.tip = l->stop->onto, .without = l->stop->tip, .path = ask->conflict->path, .most_commits = COMMITS_LOOKED_AT,
		.most_messages = MESSAGES,
	};
	FF_AUTO(ff_git_paths_free) char **messages = NULL;
	struct ff_prompt prompt = {
		.ask = ask, .target = l->run->task.target, .change = l->run->task.source_name, .change_message = commit->message,
		.context_bytes = (size_t)ff_conf_int(l->run->conf, FF_CONF_RESOLVE_CONTEXT) * TOKEN_BYTES, .gate = l->gate,
	};

	if (ff_git_path_log(l->run->git, &log, &messages, err) < 0)
		return -1;
	prompt.target_messages = (const char *const *)messages;
	if (ff_prompt_make(&prompt, out) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "the conflict is over resolve.max-prompt");
	if (!ff_utf8_valid(out->data, out->len) || memchr(out->data, '\0', out->len))
		return ff_err_set(err, FF_E_UNSUPPORTED, "the file or a message is not UTF-8");
	return 0;
}

/* Freed by ff_free; NULL with err. */
static char *body_of(struct ff_ladder *l, const struct ff_resolve_ask *ask, const char *model, struct ff_err *err)
{
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info commit = { 0 };
	FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };
	FF_AUTO(ff_free) char *clean = NULL;
	const char *system[] = { ff_prompt_rules, NULL };
	struct ff_model_request request = {
		.model = model, .max_tokens = ff_conf_int(l->run->conf, FF_CONF_RESOLVE_ANSWER_TOKENS), .system = system,
	};
	char *body;

	ff_buf_init(&text, (size_t)ff_conf_int(l->run->conf, FF_CONF_RESOLVE_MAX_PROMPT));
	if (ff_git_commit_info(l->run->git, l->stop->at, &commit, err) < 0 || prompt_of(l, ask, &commit, &text, err) < 0)
		return NULL;
	clean = ff_redact_text(l->run->redact, text.data);
	request.output = ff_ladder_answer_schema();
	request.messages = json_pack("[{s:s, s:[{s:s, s:s}]}]", "role", "user", "content", "type", "text", "text", clean ? clean : text.data);
	ff_assert(request.output && request.messages);
	body = ff_model_body(&request);
	json_decref(request.output);
	json_decref(request.messages);
	return body;
}

/* --- asking -------------------------------------------------------------------------- */

static bool stop_asked(void *arg)
{
	return ff_report_stopped(arg, NULL) < 0;
}

static int wait_ms(struct ff_run *run, int64_t ms, struct ff_err *err)
{
	int64_t until = ff_clock_mono() + ms, left;

	while ((left = until - ff_clock_mono()) > 0) {
		if (ff_report_stopped(run, err) < 0)
			return -1;
		(void)poll(NULL, 0, left < 250 ? (int)left : 250);
	}
	return 0;
}

/* As often as it may help. */
static int ask_model(struct ff_run *run, const char *body, struct ff_answer **ret, struct ff_model_hint *hint, struct ff_err *err)
{
	FF_AUTO(ff_free) char *socket = ff_path_join(run->dir, SOCKET);
	const struct ff_model_call call = {
		.socket = socket, .token = run->task.token, .stop = stop_asked, .arg = run,
		.deadline_ms = ff_clock_mono() + ff_conf_int(run->conf, FF_CONF_RESOLVE_TIMEOUT),
		.idle_ms = ff_conf_int(run->conf, FF_CONF_GATEWAY_IDLE_TIMEOUT) + 10000,
	};

	for (int try = 0;; try++) {
		int64_t ms = (int64_t)FIRST_WAIT_MS << try;

		if (ff_model_ask(&call, body, strlen(body), ret, hint, err) == 0)
			return 0;
		if (hint->retry_after_ms > ms)
			ms = hint->retry_after_ms;
		if (!hint->again || try + 1 >= TRIES || ms > LONGEST_WAIT_MS || err->code == FF_E_CANCELLED)
			return -1;
		if (wait_ms(run, ms, err) < 0)
			return -1;
	}
}

/* An answer out of the record was paid for when it was new. */
static void count(const struct ff_run *run, const struct ff_answer *a, const struct ff_model_hint *hint, struct ff_resolved_try *t)
{
	struct ff_price price;

	if (hint->replayed)
		return;
	(void)ff_price_find(ff_conf_list(run->conf, FF_CONF_GATEWAY_PRICE), a->model, &price);
	t->tokens_in = a->usage.input + a->usage.cache_read + a->usage.cache_write;
	t->tokens_out = a->usage.output;
	t->cost_microusd = ff_price_cost(&price, &a->usage);
}

/* --- the answer ------------------------------------------------------------------------ */

static bool ends_with_cr(const struct ff_region_side *s)
{
	size_t n = s->n ? ff_region_len(s, 0) : 0;

	return n >= 2 && s->line[0][n - 2] == '\r';
}

/* Lines end as the file's do, whatever the model's JSON made of that; what stands in them is the model's. */
static void put_lines(const struct ff_region *g, const struct ff_ladder_answer *a, struct ff_buf *out)
{
	bool cr = (ends_with_cr(&g->side[FF_TARGET]) || ends_with_cr(&g->side[FF_CHANGE])) && !memchr(a->content, '\r', a->len);

	for (size_t i = 0; i < a->len; i++) {
		if (cr && a->content[i] == '\n')
			(void)ff_buf_addc(out, '\r'); /* overflow is looked at by the caller */
		(void)ff_buf_addc(out, a->content[i]);
	}
	if (a->len && a->content[a->len - 1] != '\n')
		(void)ff_buf_adds(out, cr ? "\r\n" : "\n");
}

static bool has_no_end(const struct ff_region_side *s)
{
	return s->n && s->line[s->n][-1] != '\n';
}

/* A file whose last line has no end, on both sides, goes on having none. */
static void drop_end(const struct ff_region *g, struct ff_buf *out)
{
	if (has_no_end(&g->side[FF_TARGET]) && has_no_end(&g->side[FF_CHANGE]) && out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
}

static int unusable(struct ff_resolved_try *t, const struct ff_err *why)
{
	t->outcome = FF_TRY_FAILED;
	t->text = ff_text_shown(why->text, 0);
	if (why->code == FF_E_PROTOCOL || why->code == FF_E_TOO_LARGE)
		t->objections = ff_asprintf("%s\n", why->text); /* it may do better when it is told */
	else
		t->skip = t->turn < TURNS ? TURNS - 1 - t->turn : 0; /* the same model would say the same again */
	return 0;
}

static int take(struct ff_ladder *l, const struct ff_resolve_ask *ask, const struct ff_answer *a, struct ff_buf *out,
		struct ff_resolved_try *t)
{
	FF_AUTO(ff_ladder_answer_fini) struct ff_ladder_answer answer = { 0 };
	int64_t least = ff_conf_int(l->run->conf, FF_CONF_RESOLVE_CONFIDENCE);
	struct ff_err why = { 0 };

	if (ff_ladder_answer_read(a, &answer, &why) < 0)
		return unusable(t, &why);
	t->confidence = answer.confidence;
	t->text = ff_steal(&answer.explanation);
	if (answer.confidence < least) {
		t->outcome = FF_TRY_REFUSED;
		t->objections = ff_asprintf("%s: %d %%, and resolve.confidence is %" PRId64 " %%\n", ff_proof_rule_text(FF_PROOF_CONFIDENCE),
					    answer.confidence, least);
		t->skip = t->turn < TURNS ? TURNS - 1 - t->turn : 0; /* it would only be told to be surer */
		return 0;
	}
	put_lines(ask->region, &answer, out);
	drop_end(ask->region, out);
	return 1;
}

int ff_ladder_ask_model(void *arg, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *t, struct ff_err *err)
{
	struct ff_ladder *l = arg;
	const char *model = model_of(l->run, ask->turn);
	FF_AUTO(ff_answer_free) struct ff_answer *a = NULL;
	FF_AUTO(ff_free) char *body = NULL;
	struct ff_model_hint hint = { 0 };
	struct ff_err why = { 0 };

	if (ff_report_stopped(l->run, err) < 0)
		return -1;
	t->how = ff_strdup(model);
	body = body_of(l, ask, model, &why);
	if (!body) {
		t->skip = ff_ladder_model_turns(l->run); /* no model can be asked this */
		t->outcome = FF_TRY_FAILED;
		t->text = ff_text_shown(why.text, 0);
		return 0;
	}
	ff_report_logf(l->run, "asking %s about %s", model, ask->conflict->path);
	if (ask_model(l->run, body, &a, &hint, &why) < 0) {
		if (why.code == FF_E_CANCELLED || ff_report_stopped(l->run, NULL) < 0)
			return ff_err_set(err, FF_E_CANCELLED, "%s", why.text);
		why.code = FF_E_UNREACHABLE;
		return unusable(t, &why);
	}
	count(l->run, a, &hint, t);
	return take(l, ask, a, out, t);
}
