/* SPDX-License-Identifier: MIT */
/* What a worker tells core, and how it learns that it is no longer wanted. */
#include "daemon/worker/run.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/redact.h"
#include "base/text.h"
#include "ipc/ipc.h"

/* Of one log message: with escapes it stays far below FF_IPC_LINE_MAX. */
#define LOG_PIECE (16 * 1024)
/* Paths of conflicts in one message. */
#define PATHS_MAX 200

static int cancelled(struct ff_run *run, const char *why, struct ff_err *err)
{
	run->refused = true;
	return ff_err_set(err, FF_E_CANCELLED, "%s", why);
}

static void set(json_t *msg, const char *key, json_t *value)
{
	(void)json_object_set_new(msg, key, value); /* fails only for lack of memory or a NULL, which leaves it out */
}

static json_t *clean_json(const struct ff_run *run, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text);

	return ff_json_from_bytes(clean ? clean : text);
}

static json_t *start(const struct ff_run *run, const struct ff_report *what)
{
	json_t *msg = json_pack("{s:i}", "attempt", run->task.attempt);

	if (what && what->text)
		set(msg, "text", clean_json(run, what->text));
	if (what && what->oid && *what->oid)
		set(msg, "oid", json_string(what->oid));
	if (what && what->base_oid && *what->base_oid)
		set(msg, "base_oid", json_string(what->base_oid));
	if (what && what->ref)
		set(msg, "ref", ff_json_from_bytes(what->ref));
	if (what && what->paths) {
		json_t *paths = json_array();

		for (size_t i = 0; what->paths[i] && i < PATHS_MAX; i++)
			(void)json_array_append_new(paths, ff_json_from_bytes(what->paths[i]));
		set(msg, "paths", paths);
	}
	return msg;
}

static void clean_texts(const struct ff_run *run, json_t *o)
{
	static const char *const keys[] = { "how", "text", "objections", "dropped", "reasons" };

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++) {
		const char *text = json_string_value(json_object_get(o, keys[i]));
		FF_AUTO(ff_free) char *clean = text ? ff_redact_text(run->redact, text) : NULL;

		if (clean)
			set(o, keys[i], ff_json_from_bytes(clean));
	}
}

/* Not answered: a core that is gone is noticed at the next step. */
static void tell(struct ff_run *run, enum ff_msg_type type, json_t *msg)
{
	if (run->refused)
		json_decref(msg);
	else
		(void)ff_chan_send(run->chan, type, msg, -1, NULL);
}

/* As much as fits, at the end of a line if there is one, never within a character. */
static size_t piece(const char *text, size_t n)
{
	const char *eol;

	if (n <= LOG_PIECE)
		return n;
	eol = memrchr(text, '\n', LOG_PIECE);
	if (eol)
		return (size_t)(eol - text) + 1;
	return ff_utf8_cut(text, n, LOG_PIECE);
}

void ff_report_log(struct ff_run *run, const char *stream, const char *text)
{
	FF_AUTO(ff_free) char *clean = ff_redact_text(run->redact, text); /* whole, before it is cut into pieces */
	size_t left;

	if (clean)
		text = clean;
	left = strlen(text);

	while (left) {
		size_t n = piece(text, left);
		json_t *msg = start(run, NULL);

		set(msg, "stream", json_string(stream));
		set(msg, "text", ff_json_from_bytes_n(text, n));
		tell(run, FF_MSG_LOG, msg);
		text += n;
		left -= n;
	}
}

void ff_report_logf(struct ff_run *run, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	ff_report_log(run, "system", text);
}

void ff_report_event(struct ff_run *run, enum ff_event_type type, const struct ff_report *what)
{
	json_t *msg = start(run, what);

	set(msg, "type", json_string(ff_event_name(type)));
	tell(run, FF_MSG_EVENT, msg);
}

void ff_report_resolution(struct ff_run *run, json_t *msg)
{
	json_t *try;
	size_t i;

	(void)json_object_set_new(msg, "attempt", json_integer(run->task.attempt));
	clean_texts(run, msg);
	json_array_foreach(json_object_get(msg, "tries"), i, try)
		clean_texts(run, try);
	tell(run, FF_MSG_RESOLUTION, msg);
}

void ff_report_remember(struct ff_run *run, json_t *msg)
{
	(void)json_object_set_new(msg, "attempt", json_integer(run->task.attempt));
	tell(run, FF_MSG_REMEMBER, msg);
}

int ff_report_recall(struct ff_run *run, const char *key, json_t **ret_answer, struct ff_err *err)
{
	enum ff_msg_type type;
	json_t *got = NULL;

	if (run->refused)
		return cancelled(run, "core has refused this attempt", err);
	if (ff_chan_call(run->chan, FF_MSG_RECALL, json_pack("{s:i,s:s}", "attempt", run->task.attempt, "key", key), &type, &got, err)) {
		run->refused = true;
		return -1;
	}
	if (type != FF_MSG_RECALLED) {
		json_decref(got);
		return cancelled(run, "core wants this attempt to end", err);
	}
	*ret_answer = got;
	return 0;
}

/* Asks and waits until it is on disk. Takes msg. */
static int ask(struct ff_run *run, enum ff_msg_type type, json_t *msg, struct ff_err *err)
{
	enum ff_msg_type answer;
	json_t *got = NULL;
	const char *why = NULL;
	int rc = 0;

	if (run->refused) {
		json_decref(msg);
		return cancelled(run, "core has refused this attempt", err);
	}
	if (ff_chan_call(run->chan, type, msg, &answer, &got, err)) {
		run->refused = true;
		return -1;
	}
	if (answer != FF_MSG_ACK) {
		(void)ff_msg_opt_str(got, "text", &why, NULL); /* the reason is a courtesy */
		rc = cancelled(run, why ? why : "core has refused this attempt", err);
	}
	json_decref(got);
	return rc;
}

int ff_report_step(struct ff_run *run, enum ff_step_kind step, bool finished, const struct ff_report *what,
		   struct ff_err *err)
{
	json_t *msg = start(run, what);

	set(msg, "step", json_string(ff_step_word(step)));
	set(msg, "state", json_string(finished ? "finished" : "started"));
	if (ask(run, FF_MSG_STEP, msg, err))
		return -1;
	if (finished)
		run->task.done[step] = true;
	for (int k = (int)step; !finished && k < FF_STEP_LIMIT; k++) { /* as the fold does it */
		run->task.done[k] = false;
		run->task.oid[k][0] = '\0';
	}
	return 0;
}

int ff_report_done(struct ff_run *run, const struct ff_outcome *outcome, const struct ff_err *failure,
		   struct ff_err *err)
{
	const struct ff_report failed = { .text = failure ? failure->text : NULL };
	const struct ff_report ended = { .text = outcome->text, .oid = outcome->oid, .ref = outcome->ref,
					 .paths = outcome->paths };
	json_t *msg = start(run, failure ? &failed : &ended);

	set(msg, "outcome", json_string(failure ? "failed" : outcome->word));
	if (failure)
		set(msg, "error", json_string(ff_err_name(failure->code)));
	return ask(run, FF_MSG_DONE, msg, err);
}

int ff_report_stopped(struct ff_run *run, struct ff_err *err)
{
	struct pollfd p = { .fd = ff_chan_fd(run->chan), .events = POLLIN };

	/* Nothing is asked, so whatever comes now is the end: a hang-up, or a refusal. */
	if (run->refused || poll(&p, 1, 0) > 0)
		return cancelled(run, "core wants this attempt to end", err);
	return 0;
}
