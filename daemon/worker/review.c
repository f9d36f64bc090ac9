/* SPDX-License-Identifier: MIT */
/*
 * What the job itself changed is looked through for the person who will read
 * it, and held when it changes protected paths.  It is the job's own commit
 * against the pushed one that counts: what the pusher changed is theirs, and a
 * rebase adds nothing of the job's.
 */
#include "daemon/worker/run.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/conf.h"
#include "git/review.h"

#define PATH_SHOWN 200
/* Of what is to be looked at, in a note and in the reason of a held job. */
#define NOTE_LINES 10
#define HELD_NAMED 3

static char *place(const struct ff_git_notice *n)
{
	return n->line ? ff_asprintf("%s:%zu", n->path, n->line) : ff_strdup(n->path);
}

/* One event a kind, with all its paths. */
static void tell_kind(struct ff_run *run, const struct ff_git_reviewed *seen, enum ff_notice kind)
{
	FF_AUTO(ff_free) char **paths = ff_calloc(seen->n_notices + 1, sizeof(char *));
	size_t n = 0;

	for (size_t i = 0; i < seen->n_notices; i++)
		if (seen->notices[i].kind == kind)
			paths[n++] = place(&seen->notices[i]);
	if (n)
		ff_report_event(run, FF_EVENT_RESULT_REVIEWED, &(struct ff_report){ .text = ff_notice_text(kind), .paths = paths });
	for (size_t i = 0; i < n; i++)
		ff_free(&paths[i]);
}

static void tell(struct ff_run *run, const struct ff_git_reviewed *seen)
{
	for (int kind = 1; kind < FF_NOTICE_LIMIT; kind++)
		tell_kind(run, seen, (enum ff_notice)kind);
	for (size_t i = 0; i < seen->n_notices; i++) {
		FF_AUTO(ff_free) char *at = place(&seen->notices[i]);
		FF_AUTO(ff_free) char *path = ff_text_shown(at, PATH_SHOWN);

		ff_report_logf(run, "look at: %s %s", path, ff_notice_text(seen->notices[i].kind));
	}
	if (seen->all_notices > seen->n_notices)
		ff_report_logf(run, "look at: %zu more", seen->all_notices - seen->n_notices);
}

/* Lines of the note on the pushed commit. */
static char *note_lines(const struct ff_git_reviewed *seen)
{
	size_t n = seen->n_notices < NOTE_LINES ? seen->n_notices : NOTE_LINES;
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, NOTE_LINES * 2048);
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *at = place(&seen->notices[i]);
		FF_AUTO(ff_free) char *path = ff_text_shown(at, PATH_SHOWN);

		(void)ff_buf_addf(&b, "Look-at: %s %s\n", path, ff_notice_text(seen->notices[i].kind));
	}
	if (seen->all_notices > n)
		(void)ff_buf_addf(&b, "Look-at: %zu more: " FF_NAME " log\n", seen->all_notices - n);
	return ff_buf_take(&b);
}

/* --- held */

static char *held_text(const struct ff_run *run, const struct ff_git_reviewed *seen)
{
	size_t n = seen->n_held < HELD_NAMED ? seen->n_held : HELD_NAMED;
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 4096);
	(void)ff_buf_adds(&b, "it changes protected paths: ");
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *path = ff_text_shown(seen->held[i], 100);

		(void)ff_buf_addf(&b, "%s%s", i ? ", " : "", path);
	}
	if (seen->all_held > n)
		(void)ff_buf_addf(&b, " and %zu more", seen->all_held - n);
	(void)ff_buf_addf(&b, "; see " FF_NAME " diff %" PRId64 ", then " FF_NAME " approve %" PRId64 " or reject %" PRId64,
			  run->task.job, run->task.job, run->task.job);
	return ff_buf_take(&b);
}

static void held(struct ff_run *run, const char *commit, const struct ff_git_reviewed *seen, struct ff_outcome *out)
{
	FF_AUTO(ff_free) char *lines = NULL;

	out->word = "held";
	out->text = held_text(run, seen);
	memcpy(out->oid, commit, strlen(commit) + 1);
	out->paths = ff_calloc(seen->n_held + 1, sizeof(char *));
	for (size_t i = 0; i < seen->n_held; i++)
		out->paths[i] = ff_strdup(seen->held[i]);
	ff_report_logf(run, "held: %s", out->text);
	lines = ff_asprintf("Held: %s\nCommit: %s\n%s", out->text, commit, run->look_at);
	ff_run_note(run, lines);
}

/* NULL when the two have nothing in common, or the target is not there: then the task's words alone say what is near. */
static const char *pushed_base(struct ff_run *run, char *oid)
{
	FF_AUTO(ff_free) char *ref = ff_asprintf(FF_HEADS "%s", run->task.target);
	char target[FF_GIT_OID];

	if (ff_git_ref_commit(run->git, ref, target, NULL) ||
	    ff_git_merge_base(run->git, target, run->task.source_oid, oid, NULL))
		return NULL;
	return oid;
}

int ff_run_review(struct ff_run *run, const char *commit, bool first, struct ff_outcome *out, struct ff_err *err)
{
	FF_AUTO(ff_git_reviewed_fini) struct ff_git_reviewed seen = { .changed = 0 };
	char oid[FF_GIT_OID];
	const struct ff_git_review what = {
		.base = run->task.source_oid, .tip = commit, .pushed_base = pushed_base(run, oid), .task = run->task.text,
		.protected = ff_conf_list(run->conf, FF_CONF_REVIEW_PROTECT),
		.max_text = ff_conf_int(run->conf, FF_CONF_REVIEW_MAX_TEXT),
	};

	if (ff_git_review(run->git, &what, &seen, err))
		return -1;
	ff_free(&run->look_at);
	run->look_at = note_lines(&seen);
	if (first)
		tell(run, &seen);
	if (!seen.all_held || !strcmp(run->task.approved_oid, commit))
		return 0;
	held(run, commit, &seen, out);
	return 1;
}
