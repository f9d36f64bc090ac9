/* SPDX-License-Identifier: MIT */
/*
 * pre-receive: what can be said by ref names and push options alone, while
 * the pusher is watching and nothing has been changed.  It works when the
 * daemon is away, and it refuses only what is surely wrong.
 *
 * One push in the world may make a result branch: the daemon's own, where
 * results are pushed.  It comes over ssh like any other, and a name or a key
 * is no proof, so core is asked whether it pushes just this ref at just this
 * commit right now.  Without its yes the branch is refused, as for everybody.
 * And only core knows whether a branch of conflicts waits for this pusher:
 * such a push, which starts nothing and can be made again at any time, is
 * refused while core is away.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "hooks/hook.h"

#define SHOWN_REF 60
#define MAX_COMPLAINTS 10
#define QUESTION_MAX 16384

/* ref is below owned, is owned without its last slash, or would stand in the way of owned as a file of a folder. */
static bool touches(const char *ref, const char *owned)
{
	size_t n = strlen(ref);

	if (ff_starts(ref, owned))
		return true;
	return ff_starts(owned, ref) && owned[n] == '/';
}

static bool touches_branches(const char *ref, const char *prefix)
{
	FF_AUTO(ff_free) char *full = NULL;

	if (!prefix)
		return false;
	full = ff_asprintf("%s%s", ff_starts(prefix, "refs/") ? "" : FF_HEADS, prefix);
	return touches(ref, full);
}

const char *ff_hook_forbidden(const struct ff_hook_conf *conf, const struct ff_hook_update *u)
{
	if (touches(u->ref, FF_REF_PRIVATE "/") || touches(u->ref, FF_REF_NOTES "/") || !strcmp(u->ref, FF_REF_NOTES))
		return "this is a record of " FF_NAME " and no push may change it: leave the ref out of your push";
	if (ff_oid_zero(u->new_oid))
		return NULL; /* people tidy up */
	if (touches_branches(u->ref, conf->result_prefix))
		return "results are made by " FF_NAME " alone: push your commits to a branch of another name";
	if (touches_branches(u->ref, conf->conflict_prefix) && !ff_hook_answers(conf, u))
		return "conflicts are shown here by " FF_NAME " alone: push your commits to a branch of another name";
	return NULL;
}

/* A new branch where results go: the daemon itself may be pushing it. */
static bool may_be_ours(const struct ff_hook_conf *conf, const struct ff_hook_update *u)
{
	return ff_oid_zero(u->old_oid) && !ff_oid_zero(u->new_oid) && ff_ref_valid(u->ref) &&
	       (touches_branches(u->ref, conf->result_prefix) || touches_branches(u->ref, conf->conflict_prefix));
}

/* No answer is a no. */
static bool core_expects(const struct ff_hook_conf *conf, const char *ref, const char *oid)
{
	FF_AUTO(ff_free) char *repo = ff_hook_repo(NULL);
	FF_AUTO(ff_buf_fini) struct ff_buf line, said;

	ff_buf_init(&line, QUESTION_MAX);
	ff_buf_init(&said, QUESTION_MAX);
	if (!repo)
		return false;
	(void)ff_buf_addf(&line, "{\"m\":\"expect\",\"v\":1,\"oid\":\"%s\",\"repo\":", oid);
	ff_text_json_bytes(&line, repo, strlen(repo));
	(void)ff_buf_adds(&line, ",\"ref\":");
	ff_text_json_bytes(&line, ref, strlen(ref));
	(void)ff_buf_adds(&line, "}\n");
	return !line.overflow &&
	       ff_hook_deliver(conf->socket, &line, ff_clock_mono() + conf->timeout_ms, &said, NULL) == FF_HOOK_DONE;
}

/* Only one that is there already: core makes them. */
bool ff_hook_answers(const struct ff_hook_conf *conf, const struct ff_hook_update *u)
{
	FF_AUTO(ff_free) char *full = NULL;

	if (!conf->conflict_prefix || ff_oid_zero(u->old_oid) || ff_oid_zero(u->new_oid))
		return false;
	full = ff_asprintf(FF_HEADS "%s", conf->conflict_prefix);
	return ff_starts(u->ref, full) && ff_ref_valid(u->ref);
}

bool ff_hook_triggers(const struct ff_hook_conf *conf, const struct ff_hook_update *u, bool asked)
{
	if (ff_oid_zero(u->new_oid) || !ff_ref_valid(u->ref) || ff_hook_forbidden(conf, u) || ff_hook_answers(conf, u))
		return false;
	if (asked && conf->options && ff_starts(u->ref, FF_HEADS))
		return true;
	for (size_t i = 0; i < conf->triggers.count; i++)
		if (ff_glob_match(conf->triggers.items[i], u->ref))
			return true;
	return false;
}

bool ff_hook_moves(const struct ff_hook_conf *conf, const struct ff_hook_update *u)
{
	return conf->drift && ff_starts(u->ref, FF_HEADS) && !ff_oid_zero(u->old_oid) && !ff_oid_zero(u->new_oid) &&
	       ff_ref_valid(u->ref) && !ff_hook_triggers(conf, u, false) && !ff_hook_answers(conf, u);
}

struct verdict {
	const struct ff_hook_conf *conf;
	bool asked;    /* a claude option that could start a job */
	bool triggers; /* a ref that could */
	unsigned refused, updates;
	char *ours, *ours_oid; /* owned: the last branch that only the daemon may make */
	struct ff_buf answers; /* JSON of the branches of conflicts */
	struct ff_buf say;
};

static void verdict_fini(struct verdict *v)
{
	ff_free(&v->ours);
	ff_free(&v->ours_oid);
	ff_buf_fini(&v->answers);
	ff_buf_fini(&v->say);
}

static void judge(void *arg, const struct ff_hook_update *u)
{
	struct verdict *v = arg;
	const char *why = ff_hook_forbidden(v->conf, u);
	FF_AUTO(ff_free) char *ref = NULL;

	v->updates++;
	if (ff_hook_answers(v->conf, u))
		ff_hook_add_ref(&v->answers, u);
	v->triggers = v->triggers || ff_hook_triggers(v->conf, u, v->asked);
	if (why && may_be_ours(v->conf, u)) {
		ff_free(&v->ours);
		ff_free(&v->ours_oid);
		v->ours = ff_strdup(u->ref);
		v->ours_oid = ff_strdup(u->new_oid);
	}
	if (!why || ++v->refused > MAX_COMPLAINTS)
		return;
	ref = ff_text_shown(u->ref, SHOWN_REF);
	(void)ff_buf_addf(&v->say, "error: %s:\n  %s\n", ref, why);
}

/* Options are nobody's business in a push that starts nothing. */
static bool options_wrong(struct verdict *v, const char *const *options, size_t count)
{
	struct ff_options parsed;
	struct ff_err err;
	int rc;

	if (!v->triggers)
		return false;
	rc = ff_options_parse(options, count, &v->conf->limits, &parsed, &err);
	ff_options_fini(&parsed);
	if (rc < 0) {
		(void)ff_buf_adds(&v->say, "error: ");
		ff_text_show(&v->say, err.text, strlen(err.text), 0);
		(void)ff_buf_adds(&v->say, "\nhint: nothing was changed; mend the option and push again\n");
	}
	return rc < 0;
}

/* The daemon pushes one branch at a time, so nobody is asked about more. */
static void let_ours_through(struct verdict *v)
{
	if (v->updates != 1 || v->refused != 1 || !v->ours || !core_expects(v->conf, v->ours, v->ours_oid))
		return;
	v->refused = 0;
	ff_buf_clear(&v->say);
}

/* Asks core about branches of conflicts, if there are any in the push. */
static bool answers_refused(struct verdict *v)
{
	FF_AUTO(ff_free) char *repo = NULL, *pusher = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf line = { 0 };
	size_t before = v->say.len;

	if (!v->answers.len)
		return false;
	repo = ff_hook_repo(NULL);
	pusher = ff_hook_pusher(v->conf);
	ff_buf_init(&line, (size_t)v->conf->max_message);
	(void)ff_buf_adds(&line, "{\"m\":\"may\",\"v\":1,\"repo\":");
	ff_text_json_bytes(&line, repo ? repo : "", repo ? strlen(repo) : 0);
	(void)ff_buf_adds(&line, ",\"pusher\":");
	ff_text_json_bytes(&line, pusher, strlen(pusher));
	(void)ff_buf_addf(&line, ",\"refs\":[%s]}\n", v->answers.data);
	if (!v->answers.overflow && !line.overflow &&
	    ff_hook_deliver(v->conf->socket, &line, ff_clock_mono() + v->conf->timeout_ms, &v->say, NULL) == FF_HOOK_DONE)
		return false;
	if (v->say.len == before)
		(void)ff_buf_adds(&v->say, "error: " FF_NAME " is not answering, and only it knows whether this\n"
				  "  conflict waits for you: push again when the server is back\n");
	return true;
}

int ff_hook_pre_receive(const struct ff_hook_conf *conf)
{
	FF_AUTO(verdict_fini) struct verdict v = { .conf = conf };
	FF_AUTO(ff_free) const char **options = NULL;
	size_t count;
	bool bad;

	ff_buf_init(&v.say, 65536);
	ff_buf_init(&v.answers, 65536);
	options = ff_hook_options(environ, &count);
	for (size_t i = 0; i < count; i++)
		(void)ff_hook_option_ours(options[i], &v.asked);
	(void)ff_hook_read(STDIN_FILENO, judge, &v); /* bad lines name no ref that git could change */
	let_ours_through(&v);
	bad = options_wrong(&v, options, count) || v.refused || answers_refused(&v);
	if (v.refused > MAX_COMPLAINTS)
		(void)ff_buf_addf(&v.say, "error: and %u refs more\n", v.refused - MAX_COMPLAINTS);
	if (v.say.len)
		(void)!write(STDERR_FILENO, v.say.data, v.say.len); /* the status says it too */
	return bad;
}
