/* SPDX-License-Identifier: MIT */
/* What workers tell of the ladder, for the record; and what the record tells of it, for people. */
#include "store/resolutions.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "base/text.h"
#include "daemon/core/control.h"
#include "daemon/core/vault.h"
#include "job/rung.h"

#define TRIES_MAX 1000  /* in one message */
#define TEXT_BYTES 8192 /* of one text that is kept */

/* --- in ------------------------------------------------------------------------- */

/* One message: the texts that its rows point into. */
struct taken {
	struct ff_core *core;
	struct ff_resolution r;
	char *path;
};

static void taken_fini(struct taken *t)
{
	ff_free(&t->path);
}

/* Without the secrets of the record, and no longer than what is kept. NULL: there is none. */
static int text_of(const struct taken *t, const json_t *o, const char *key, char **ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = NULL;
	char *clean;

	if (ff_msg_bytes(o, key, &text, err) < 0)
		return -1;
	clean = text ? ff_redact_text(ff_vault_redact(t->core), text) : NULL;
	*ret = clean ? clean : ff_steal(&text);
	if (*ret)
		(*ret)[ff_utf8_cut(*ret, strlen(*ret), TEXT_BYTES)] = '\0';
	return 0;
}

static int check_word(const char *word, const char *const *words, struct ff_err *err)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return 0;
	return ff_err_set(err, FF_E_PROTOCOL, "'%.30s' is nothing that a rung comes to", word);
}

static int read_try(const json_t *o, struct ff_resolution *r, struct ff_err *err)
{
	static const char *const outcomes[] = { "passed", "solved", "refused", "failed", NULL };
	int64_t rung, turn;

	if (ff_msg_int(o, "line", 0, INT32_MAX, &r->line, err) < 0 || ff_msg_int(o, "rung", 1, 9, &rung, err) < 0 ||
	    ff_msg_int(o, "turn", 0, 100, &turn, err) < 0 || ff_msg_str(o, "outcome", &r->outcome, err) < 0 ||
	    check_word(r->outcome, outcomes, err) < 0 || ff_msg_opt_str(o, "model", &r->model, err) < 0 ||
	    ff_msg_int(o, "confidence", -1, 100, &r->confidence, err) < 0 ||
	    ff_msg_int(o, "time_us", 0, INT64_MAX / 8, &r->time_us, err) < 0 ||
	    ff_msg_int(o, "tokens_in", 0, INT64_MAX / 8, &r->tokens_in, err) < 0 ||
	    ff_msg_int(o, "tokens_out", 0, INT64_MAX / 8, &r->tokens_out, err) < 0 ||
	    ff_msg_int(o, "cost_microusd", 0, INT64_MAX / 8, &r->cost_microusd, err) < 0 ||
	    ff_msg_int(o, "entry", 0, INT64_MAX, &r->entry, err) < 0)
		return -1;
	r->rung = (int)rung;
	r->turn = (int)turn;
	return 0;
}

static int take_try(const struct taken *t, const json_t *o, struct ff_err *err)
{
	FF_AUTO(ff_free) char *how = NULL;
	FF_AUTO(ff_free) char *text = NULL;
	FF_AUTO(ff_free) char *objections = NULL;
	struct ff_resolution r = t->r;

	if (read_try(o, &r, err) < 0 || text_of(t, o, "how", &how, err) < 0 || text_of(t, o, "text", &text, err) < 0 ||
	    text_of(t, o, "objections", &objections, err) < 0)
		return -1;
	r.how = how;
	r.text = text;
	r.objections = objections;
	return ff_resolution_add(t->core->store, &r, err);
}

static int take_verdict(const struct taken *t, const json_t *msg, struct ff_err *err)
{
	static const char *const verdicts[] = { "proved", "refused", "open", NULL };
	FF_AUTO(ff_free) char *dropped = NULL;
	FF_AUTO(ff_free) char *reasons = NULL;
	struct ff_resolution r = t->r;

	r.confidence = -1;
	if (ff_msg_str(msg, "verdict", &r.outcome, err) < 0 || check_word(r.outcome, verdicts, err) < 0 ||
	    text_of(t, msg, "dropped", &dropped, err) < 0 || text_of(t, msg, "reasons", &reasons, err) < 0)
		return -1;
	r.text = dropped;
	r.objections = reasons;
	return ff_resolution_add(t->core->store, &r, err);
}

static int read_oids(const json_t *msg, struct ff_resolution *r, struct ff_err *err)
{
	if (ff_msg_str(msg, "onto", &r->onto, err) < 0 || ff_msg_str(msg, "commit", &r->commit, err) < 0)
		return -1;
	if (!ff_oid_valid(r->onto) || !ff_oid_valid(r->commit))
		return ff_err_set(err, FF_E_PROTOCOL, "'onto' and 'commit' must be object ids");
	return 0;
}

int ff_resolution_take(struct ff_core *core, const struct ff_job *job, const json_t *msg, struct ff_err *err)
{
	FF_AUTO(taken_fini) struct taken t = { .core = core, .r = { .job = job->id, .repo = job->repo, .at_ms = ff_clock_wall() } };
	const json_t *tries = json_object_get(msg, "tries");
	int64_t attempt;

	if (ff_msg_int(msg, "attempt", 1, INT32_MAX, &attempt, err) < 0 || read_oids(msg, &t.r, err) < 0 ||
	    ff_msg_bytes(msg, "path", &t.path, err) < 0)
		return -1;
	if (!t.path || !json_is_array(tries) || json_array_size(tries) > TRIES_MAX)
		return ff_err_set(err, FF_E_PROTOCOL, "a resolution has a path and at most %d tries", TRIES_MAX);
	if (attempt != job->attempt)
		return ff_err_set(err, FF_E_CONFLICT, "attempt %" PRId64 " is over", attempt);
	t.r.attempt = (int)attempt;
	t.r.path = t.path;
	for (size_t i = 0; i < json_array_size(tries); i++)
		if (take_try(&t, json_array_get(tries, i), err) < 0)
			return -1;
	return json_object_get(msg, "verdict") ? take_verdict(&t, msg, err) : 0;
}

/* --- out ------------------------------------------------------------------------ */

#define LISTED 1000

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

/* A text of lines as a list. */
static json_t *lines_json(const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n");

		(void)json_array_append_new(list, ff_json_from_bytes_n(text, n));
		text += n + (text[n] != '\0');
	}
	return list;
}

static json_t *try_json(const struct ff_resolution *r)
{
	json_t *o = json_pack("{s:I,s:i,s:i,s:s,s:o,s:o,s:o}", "line", (json_int_t)r->line, "rung", r->rung, "turn", r->turn, "outcome",
			      r->outcome, "how", ff_json_from_bytes(r->how), "text", ff_json_from_bytes(r->text), "objections",
			      lines_json(r->objections));

	if (r->confidence >= 0)
		set(o, "confidence", json_integer(r->confidence));
	if (r->entry)
		set(o, "entry", json_integer(r->entry));
	set(o, "time_us", json_integer(r->time_us));
	set(o, "tokens_in", json_integer(r->tokens_in));
	set(o, "tokens_out", json_integer(r->tokens_out));
	set(o, "cost_microusd", json_integer(r->cost_microusd));
	return o;
}

static bool is_of(const json_t *o, const char *key, const char *value)
{
	const char *has = json_string_value(json_object_get(o, key));

	return has && !strcmp(has, value);
}

/* The path of that commit and base, which is among the last ones. */
static json_t *path_of(json_t *list, const struct ff_resolution *r)
{
	json_t *path = ff_json_from_bytes(r->path), *o;

	for (size_t i = json_array_size(list); i > 0; i--) {
		o = json_array_get(list, i - 1);
		if (is_of(o, "commit", r->commit) && is_of(o, "onto", r->onto) && json_equal(json_object_get(o, "path"), path)) {
			json_decref(path);
			return o;
		}
	}
	o = json_pack("{s:s,s:s,s:o,s:i,s:n,s:[],s:[],s:[]}", "onto", r->onto, "commit", r->commit, "path", path, "attempt", r->attempt,
		      "verdict", "dropped", "reasons", "tries");
	(void)json_array_append_new(list, o);
	return o;
}

static void on_row(void *arg, const struct ff_resolution *r)
{
	json_t *o = path_of(arg, r);

	if (r->rung) {
		(void)json_array_append_new(json_object_get(o, "tries"), try_json(r));
		return;
	}
	set(o, "verdict", json_string(r->outcome));
	set(o, "dropped", lines_json(r->text));
	set(o, "reasons", lines_json(r->objections));
}

json_t *ff_resolutions_json(struct ff_core *core, int64_t job)
{
	json_t *list = json_array();

	(void)ff_resolution_list(core->store, job, LISTED, on_row, list, NULL); /* without it the job is shown all the same */
	return list;
}

/* --- sums ------------------------------------------------------------------------- */

#define DAY_MS (int64_t)86400000
#define DAYS_MOST 3650
#define ROWS_MOST 10000

struct sums {
	enum ff_resolution_by by;
	json_t *rows;
};

static void on_sum(void *arg, const struct ff_resolution_sum *s)
{
	struct sums *all = arg;

	(void)json_array_append_new(all->rows, json_pack("{s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "name",
		all->by == FF_RESOLUTION_BY_RUNG ? json_string(ff_rung_name(s->rung)) : ff_json_from_bytes(s->name),
		"tried", (json_int_t)s->tried, "solved", (json_int_t)s->solved, "refused", (json_int_t)s->refused, "failed",
		(json_int_t)s->failed, "tokens_in", (json_int_t)s->tokens_in, "tokens_out", (json_int_t)s->tokens_out, "cost_microusd",
		(json_int_t)s->cost_microusd, "time_us", (json_int_t)s->time_us));
}

static int by_word(const char *word, enum ff_resolution_by *ret, struct ff_err *err)
{
	static const char *const words[] = {
		[FF_RESOLUTION_BY_RUNG] = "rung", [FF_RESOLUTION_BY_REPOSITORY] = "repository", [FF_RESOLUTION_BY_LANGUAGE] = "language",
		[FF_RESOLUTION_BY_MODEL] = "model",
	};

	for (unsigned i = 0; i < FF_ARRAY_LEN(words); i++)
		if (!strcmp(words[i], word)) {
			*ret = (enum ff_resolution_by)i;
			return 0;
		}
	return ff_err_set(err, FF_E_USAGE, "conflicts are counted by rung, repository, language or model, not by '%.30s'", word);
}

int ff_conflicts_reply(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct sums sums = { .by = FF_RESOLUTION_BY_RUNG };
	int64_t days = 30, limit = 50;
	const char *word = NULL;

	if (ff_msg_opt_str(args, "by", &word, err) < 0 || (word && by_word(word, &sums.by, err) < 0) ||
	    (json_object_get(args, "days") && ff_msg_int(args, "days", 1, DAYS_MOST, &days, err) < 0) ||
	    (json_object_get(args, "limit") && ff_msg_int(args, "limit", 1, ROWS_MOST, &limit, err) < 0))
		return -1;
	sums.rows = json_array();
	if (ff_resolution_stats(ff_request_core(r)->store, sums.by, ff_clock_wall() - (days - 1) * DAY_MS, (int)limit, on_sum, &sums, err) < 0) {
		json_decref(sums.rows);
		return -1;
	}
	for (size_t i = 0; i < json_array_size(sums.rows); i++)
		ff_reply_item(r, json_incref(json_array_get(sums.rows, i)), -1);
	json_decref(sums.rows);
	ff_reply_end(r, NULL, NULL);
	return 0;
}
