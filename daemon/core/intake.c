/* SPDX-License-Identifier: MIT */
/*
 *~ Tour, stop 4.  Pushes come in over hook.sock (or from the spool).  What the
 *~ push options say is a job at once; what only the repository knows is asked
 *~ of a reader (specs.c), and the pusher is told what came out if that takes
 *~ less than hook.answer-time.  Nothing is answered before the commit.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

/* Bytes of all lines for the pusher, before they are cut down to what is shown. */
#define LINES_MAX 8192

/* Of one push, questions that are asked before it is in the record. */
#define AHEAD_MAX 8
/* So long a push waits in memory for their answers; its hook, which has no answer yet, is what keeps it. */
#define AHEAD_MS 20

struct take {
	struct take *next;
	struct ff_core *core;
	ff_push_done_fn done;
	void *arg;
	/* the message */
	json_t *msg;
	struct ff_push push;
	struct ff_options options;
	char *repo, *pusher;
	struct {
		struct ff_question *q;
		int64_t row;   /* its push, once it is in the record without an answer */
	} ahead[AHEAD_MAX]; /* by ref */
	size_t open;       /* of them, those that are not answered */
	bool held;         /* not in the record before they are, or AHEAD_MS are over */
	struct ff_buf lines;
	int64_t *rows;     /* pushes of this message that are not decided yet */
	size_t n_rows;
	bool many;         /* so there is one line a ref */
	int64_t new_repo;  /* seen for the first time: its other refs are only noted */
	enum ff_push_result bad; /* RECORDED unless something else is known */
	struct ff_watch *timer;
};

struct ff_intake {
	struct take *takes;
};

void ff_core_policy(const struct ff_core *core, const char *ref, struct ff_policy *ret)
{
	const struct ff_conf *c = core->conf;
	const char *target = ff_conf_branch(c, ref, "target");

	if (!target && *ff_conf_str(c, FF_CONF_JOB_TARGET))
		target = ff_conf_str(c, FF_CONF_JOB_TARGET);
	*ret = (struct ff_policy){
		.trigger_globs = ff_conf_list(c, FF_CONF_TRIGGER_REFS),
		.trigger_options = ff_conf_bool(c, FF_CONF_TRIGGER_OPTIONS),
		.ignore_pushers = ff_conf_list(c, FF_CONF_TRIGGER_IGNORE_PUSHER),
		.result_prefix = ff_conf_str(c, FF_CONF_PUBLISH_RESULT_PREFIX),
		.conflict_prefix = ff_conf_str(c, FF_CONF_PUBLISH_CONFLICT_PREFIX),
		.default_task = ff_conf_branch(c, ref, "task"),
		.default_target = target,
		.environments = ff_conf_environments(c),
		.default_retries = (int)ff_conf_int(c, FF_CONF_JOB_RETRIES),
		.max_retries = (int)ff_conf_int(c, FF_CONF_JOB_MAX_RETRIES),
		.default_ttl_ms = ff_conf_int(c, FF_CONF_JOB_TTL),
		.max_ttl_ms = ff_conf_int(c, FF_CONF_JOB_MAX_TTL),
		.max_chain = ff_conf_int(c, FF_CONF_QUEUE_CHAIN_DEPTH),
		.max_task_bytes = (size_t)ff_conf_int(c, FF_CONF_HOOK_MAX_TASK),
	};
}

int ff_core_options(const struct ff_core *core, const json_t *list, struct ff_options *ret, struct ff_err *err)
{
	struct ff_option_limits limits = ff_conf_option_limits(core->conf);
	size_t n = json_array_size(list);
	const char **values = NULL;
	char **owned = NULL;
	int rc = 0;

	values = ff_calloc(n + 1, sizeof *values);
	owned = ff_calloc(n + 1, sizeof *owned);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = ff_json_bytes(json_array_get(list, i), &owned[i], err);
		values[i] = owned[i];
	}
	if (rc == 0)
		rc = ff_options_parse(values, n, &limits, ret, err);
	else
		(void)ff_options_parse(NULL, 0, &limits, ret, NULL); /* for the caller's fini */
	for (size_t i = 0; i < n; i++)
		ff_free(&owned[i]);
	ff_free(&owned);
	ff_free(&values);
	return rc;
}

/* --- one message ------------------------------------------------------------ */

static void line(struct take *t, const char *fmt, ...) FF_PRINTF(2, 3);
static void line(struct take *t, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = ff_vasprintf(fmt, ap);
	va_end(ap);
	(void)ff_buf_addf(&t->lines, "%s\n", s); /* what does not fit, the hook would not show */
}

static void take_free(struct take *t)
{
	for (size_t i = 0; i < AHEAD_MAX; i++)
		ff_spec_drop(t->core, &t->ahead[i].q);
	ff_watch_free(&t->timer);
	ff_buf_fini(&t->lines);
	ff_options_fini(&t->options);
	json_decref(t->msg);
	ff_free(&t->repo);
	ff_free(&t->pusher);
	ff_free(&t->rows);
	free(t);
}

static void finish(struct take *t, enum ff_push_result result)
{
	struct take **at = &t->core->intake->takes;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->done(t->core, t->arg, result, t->lines.data);
	take_free(t);
}

static void on_answer_time(void *arg)
{
	struct take *t = arg;

	line(t, "success: push recorded; its task is being read");
	line(t, "hint: see what became of it: flowforge list");
	finish(t, FF_PUSH_RECORDED);
}

void ff_intake_decided(struct ff_core *core, int64_t row, const char *text)
{
	struct take *next;

	for (struct take *t = core->intake->takes; t; t = next) {
		next = t->next;
		for (size_t i = 0; i < t->n_rows; i++) {
			if (t->rows[i] != row)
				continue;
			t->rows[i] = t->rows[--t->n_rows];
			if (*text)
				line(t, "%.*s", t->many ? (int)strcspn(text, "\n") : (int)strlen(text), text);
			if (!t->n_rows && t->timer)
				finish(t, FF_PUSH_RECORDED);
			break;
		}
	}
}

static void after_commit(struct ff_core *core, void *arg, bool ok)
{
	struct take *t = arg;

	if (!ok) {
		finish(t, FF_PUSH_LATER);
		return;
	}
	if (t->push.repo)
		ff_upkeep_note(core, t->push.repo);
	if (t->new_repo)
		ff_reconcile(core, t->new_repo, true);
	for (size_t i = 0; i < AHEAD_MAX; i++)
		if (t->ahead[i].row)
			ff_spec_attach(core, &t->ahead[i].q, t->ahead[i].row);
	for (size_t i = 0; i < t->n_rows; i++)
		ff_spec_ask(core, t->rows[i]);
	if (t->n_rows)
		t->timer = ff_loop_timer(core->loop, ff_conf_int(core->conf, FF_CONF_HOOK_ANSWER_TIME), on_answer_time, t);
	else
		finish(t, t->bad);
}

/* The options hold the task: the job has its number from the first transaction on. */
static int create_job(struct ff_core *core, const struct ff_push *p, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = ff_job_new();

	job->repo = p->repo;
	job->source_ref = ff_strdup(p->ref);
	job->pusher = ff_strdup(p->pusher);
	memcpy(job->source_oid, p->new_oid, strlen(p->new_oid) + 1); /* ff_oid_valid: it fits */
	return ff_core_create(core, job, p->row, 0, err);
}

static int known_push(struct take *t, const struct ff_push *p, struct ff_err *err)
{
	int64_t job = 0;

	if (!p->decided) {
		t->rows[t->n_rows++] = p->row;
		return 0;
	}
	if (ff_store_job_of_push(t->core->store, p->row, &job, err) < 0)
		return -1;
	if (job)
		line(t, "success: job %" PRId64 " has this push already", job);
	return 0;
}

static int note_tip(struct ff_core *core, const struct ff_policy *policy, const struct ff_push *p, struct ff_err *err)
{
	for (size_t i = 0; policy->trigger_globs[i]; i++)
		if (ff_glob_match(policy->trigger_globs[i], p->ref))
			return ff_store_tip_set(core->store, p->repo, p->ref, p->new_oid, err);
	return 0;
}

/* What is known of the repository decides it, now or later; the task may be in the options. */
static int take_new(struct take *t, struct ff_push *p, enum ff_trigger trigger, size_t i, struct ff_err *err)
{
	FF_AUTO(ff_free) char *limited = NULL;
	struct ff_core *core = t->core;

	if (p->decided) {
		t->rows[t->n_rows++] = p->row;
		if (ff_spec_decide_ahead(core, &t->ahead[i].q, p, json_object_get(t->msg, "options"), err) == 0)
			return 0;
		ff_turn_fail(core, err);
		return -1;
	}
	if (trigger == FF_TRIGGER_JOB) {
		if (ff_core_over_rate(core, p->pusher, &limited, err) < 0)
			return -1;
		if (limited) {
			line(t, "error: %s", limited);
			return ff_store_push_decided(core->store, p->row, err);
		}
	}
	if (i < AHEAD_MAX && t->ahead[i].q)
		t->ahead[i].row = p->row;
	t->rows[t->n_rows++] = p->row;
	return trigger == FF_TRIGGER_JOB ? create_job(core, p, err) : 0;
}

/* Not a push that starts a job, but one that a job has waited for. */
static int take_answer(struct take *t, struct ff_push *p, struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = NULL;
	bool is_new = false;

	if (ff_oid_zero(p->new_oid))
		return 0; /* people tidy up */
	if (ff_store_push_add(t->core->store, p, &is_new, err) < 0)
		return -1;
	if (!is_new)
		return 0;
	if (ff_store_push_decided(t->core->store, p->row, err) < 0 || ff_answer_take(t->core, p, &text, err) < 0)
		return -1;
	line(t, "%s", text);
	return 0;
}

/* Its hook was so late that the push was found without it. */
static int take_over(struct ff_core *core, const struct ff_push *p, struct ff_err *err)
{
	int64_t gone = 0;

	if (ff_store_push_take_over(core->store, p, &gone, err) < 0)
		return -1;
	if (gone)
		ff_spec_gone(core, gone);
	return 0;
}

static int take_ref(struct take *t, struct ff_push *p, size_t i, struct ff_err *err)
{
	struct ff_core *core = t->core;
	const char *hint = NULL;
	struct ff_policy policy;
	enum ff_trigger trigger;
	bool is_new = false;

	if (ff_answer_ref(core, p->ref))
		return take_answer(t, p, err);
	ff_core_policy(core, p->ref, &policy);
	trigger = ff_policy_triggers(&policy, p->ref, p->old_oid, p->new_oid, p->pusher, &t->options, &hint);
	if (take_over(core, p, err) < 0 || note_tip(core, &policy, p, err) < 0)
		return -1;
	switch (trigger) {
	case FF_TRIGGER_NO:
		return 0;
	case FF_TRIGGER_HINT:
		line(t, "hint: %s", hint);
		return 0;
	case FF_TRIGGER_JOB:
	case FF_TRIGGER_ASK:
		break;
	}
	p->decided = i < AHEAD_MAX && t->ahead[i].q && ff_spec_answered(t->ahead[i].q);
	if (ff_store_push_add(core->store, p, &is_new, err) < 0)
		return -1;
	return is_new ? take_new(t, p, trigger, i, err) : known_push(t, p, err);
}

/* All or nothing: a pusher who is told that there is no job must not get one. */
static int check_refs(const json_t *refs, struct ff_err *err)
{
	for (size_t i = 0; i < json_array_size(refs); i++) {
		const json_t *r = json_array_get(refs, i);
		FF_AUTO(ff_free) char *ref = NULL;
		const char *from = NULL, *to = NULL;

		if (ff_msg_str(r, "old", &from, err) < 0 || ff_msg_str(r, "new", &to, err) < 0 ||
		    ff_msg_bytes(r, "ref", &ref, err) < 0)
			return -1;
		if (!ref || !ff_oid_valid(from) || !ff_oid_valid(to))
			return ff_err_set(err, FF_E_PROTOCOL, "a ref of the push is malformed");
	}
	return 0;
}

/* Ref i of the message. *ret_ref, which p borrows, is freed by ff_free. */
static int read_ref(const struct take *t, size_t i, struct ff_push *p, char **ret_ref, struct ff_err *err)
{
	const json_t *r = json_array_get(json_object_get(t->msg, "refs"), i);

	if (ff_msg_str(r, "old", &p->old_oid, err) < 0 || ff_msg_str(r, "new", &p->new_oid, err) < 0 ||
	    ff_msg_bytes(r, "ref", ret_ref, err) < 0)
		return -1;
	p->ref = *ret_ref;
	return 0;
}

static int take_refs(struct take *t, struct ff_err *err)
{
	size_t n = json_array_size(json_object_get(t->msg, "refs"));
	struct ff_push p = t->push;

	t->rows = ff_calloc(n + 1, sizeof *t->rows);
	t->many = n > 1;
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *ref = NULL;

		p.decided = false;
		if (read_ref(t, i, &p, &ref, err) < 0 || take_ref(t, &p, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Else every folder that somebody names would have its row and be read at every start. */
static bool is_git_dir(const char *path)
{
	FF_AUTO(ff_free) char *head = ff_path_join(path, "HEAD");
	FF_AUTO(ff_free) char *objects = ff_path_join(path, "objects");
	struct stat st;

	return lstat(head, &st) == 0 && stat(objects, &st) == 0 && S_ISDIR(st.st_mode);
}

/* server.repositories; by the real path, since whoever sends one may put ".." and links into it. */
static bool is_named(const struct ff_core *core, const char *path)
{
	const char *const *globs = ff_conf_list(core->conf, FF_CONF_SERVER_REPOSITORIES);
	char *real = *globs ? realpath(path, NULL) : NULL;
	bool named = false;

	for (; real && *globs && !named; globs++)
		named = ff_glob_match(*globs, real);
	free(real);
	return named;
}

/*
 * A stranger's word for a path is not enough: the repository must be ours.
 * For root all could be, so those of others must be named.
 */
int ff_core_check_repo(const struct ff_core *core, const char *path, struct ff_err *err)
{
	bool named = is_named(core, path);
	FF_AUTO(ff_free) char *shown = ff_text_shown(path, 100);
	struct stat st;

	if (path[0] != '/')
		return ff_err_set(err, FF_E_PROTOCOL, "the repository's path is not absolute: %s", shown);
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ff_err_set(err, FF_E_NOT_FOUND, "there is no repository at %s", shown);
	if (!is_git_dir(path))
		return ff_err_set(err, FF_E_NOT_FOUND, "%s is not a Git repository", shown);
	if (*ff_conf_list(core->conf, FF_CONF_SERVER_REPOSITORIES) && !named)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s is not among server.repositories", shown);
	if (st.st_uid != geteuid() && !(geteuid() == 0 && named))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "%s belongs to another account than this daemon's%s", shown,
				  geteuid() == 0 ? ": name it in server.repositories" : "");
	return 0;
}

int ff_push_pusher(const json_t *msg, uid_t uid, char **ret_pusher, struct ff_err *err)
{
	/* Another account says what it likes; its uid is what the kernel says. */
	if (uid == geteuid() || uid == 0)
		return ff_msg_bytes(msg, "pusher", ret_pusher, err);
	*ret_pusher = ff_asprintf("uid:%lu", (unsigned long)uid);
	return 0;
}

/* What can be judged without the record. */
static int read_push(struct take *t, uid_t uid, struct ff_err *err)
{
	const json_t *refs = json_object_get(t->msg, "refs");
	const char *id = NULL;
	int64_t v;

	if (ff_msg_int(t->msg, "v", 1, 1, &v, err) < 0 || ff_msg_str(t->msg, "id", &id, err) < 0 ||
	    ff_msg_bytes(t->msg, "repo", &t->repo, err) < 0 || ff_push_pusher(t->msg, uid, &t->pusher, err) < 0 ||
	    ff_core_options(t->core, json_object_get(t->msg, "options"), &t->options, err) < 0)
		return -1;
	if (!t->repo || !json_is_array(refs) || ff_unhex(id, sizeof t->push.id, t->push.id) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "the push has no id, repository or refs");
	if ((int64_t)json_array_size(refs) > ff_conf_int(t->core->conf, FF_CONF_HOOK_MAX_REFS))
		return ff_err_set(err, FF_E_TOO_LARGE, "%zu refs in one push are over hook.max-refs", json_array_size(refs));
	if (check_refs(refs, err) < 0 || ff_core_check_repo(t->core, t->repo, err) < 0)
		return -1;
	t->push.uid = uid;
	t->push.received_ms = ff_clock_wall();
	t->push.pusher = t->pusher;
	return 0;
}

static int record_push(struct take *t, struct ff_err *err)
{
	const json_t *options = json_object_get(t->msg, "options");
	FF_AUTO(ff_free) char *text = json_is_array(options) ? json_dumps(options, JSON_COMPACT) : ff_strdup("[]");
	bool is_new = false;

	t->push.options = text;
	if (ff_turn_open(t->core, err) < 0 ||
	    ff_store_repo(t->core->store, t->repo, t->push.received_ms, &t->push.repo, &is_new, err) < 0)
		return -1;
	t->new_repo = is_new ? t->push.repo : 0;
	return take_refs(t, err);
}

static void refuse(struct take *t, const struct ff_err *err)
{
	ff_log_warn(&t->core->log, "push.refused", "%s", err->text);
	line(t, "error: no job: %s", err->text);
	t->bad = FF_PUSH_BAD;
}

/* Into the record; what was answered ahead is decided in the same transaction. */
static void enter(struct take *t)
{
	struct ff_err err = { 0 };

	ff_watch_free(&t->timer);
	t->held = false;
	if (record_push(t, &err) < 0) {
		if (err.code == FF_E_STORE)
			ff_turn_fail(t->core, &err);
		else
			refuse(t, &err);
		t->n_rows = 0;
	}
	ff_turn_after(t->core, after_commit, t);
}

static void on_ahead(void *arg)
{
	struct take *t = arg;

	t->open--;
	if (!t->open && t->held)
		enter(t);
}

static void on_ahead_time(void *arg)
{
	enter(arg);
}

/* True when answers are on their way and worth waiting for: of a reader that runs already, for few refs. */
static bool ask_ahead(struct take *t)
{
	size_t n = json_array_size(json_object_get(t->msg, "refs"));

	if (n > AHEAD_MAX || !ff_reader_warm(t->core, t->repo, &t->push.repo))
		return false;
	for (size_t i = 0; i < n; i++) {
		FF_AUTO(ff_free) char *ref = NULL;
		struct ff_push p = t->push;
		struct ff_policy policy;
		const char *hint;
		enum ff_trigger trigger;

		if (read_ref(t, i, &p, &ref, NULL) < 0)
			continue; /* enter() says what is wrong with it */
		ff_core_policy(t->core, p.ref, &policy);
		trigger = ff_policy_triggers(&policy, p.ref, p.old_oid, p.new_oid, p.pusher, &t->options, &hint);
		if (trigger != FF_TRIGGER_JOB && trigger != FF_TRIGGER_ASK)
			continue;
		t->open++;
		t->ahead[i].q = ff_spec_ask_ahead(t->core, &p, &t->options, on_ahead, t);
	}
	return t->open > 0;
}

static bool share_a_ref(const json_t *a, const json_t *b)
{
	for (size_t i = 0; i < json_array_size(a); i++)
		for (size_t j = 0; j < json_array_size(b); j++)
			if (json_equal(json_object_get(json_array_get(a, i), "ref"),
				       json_object_get(json_array_get(b, j), "ref")))
				return true;
	return false;
}

/* The pushes of a branch go into the record in the order in which they came. */
static void enter_earlier(const struct take *t)
{
	struct take *u, *next;

	for (u = t->next; u; u = next) {
		next = u->next;
		if (u->held && !strcmp(u->repo, t->repo) &&
		    share_a_ref(json_object_get(u->msg, "refs"), json_object_get(t->msg, "refs")))
			enter(u);
	}
}

void ff_push_take(struct ff_core *core, const json_t *msg, uid_t uid, ff_push_done_fn done, void *arg)
{
	struct take *t = ff_calloc(1, sizeof *t);
	struct ff_err err = { 0 };

	*t = (struct take){ .next = core->intake->takes, .core = core, .done = done, .arg = arg,
			    .msg = json_incref((json_t *)(uintptr_t)msg), .bad = FF_PUSH_RECORDED };
	ff_buf_init(&t->lines, LINES_MAX);
	core->intake->takes = t;
	if (read_push(t, uid, &err) < 0) {
		refuse(t, &err);
		ff_turn_after(core, after_commit, t);
		return;
	}
	enter_earlier(t);
	if (!core->store_broken && ask_ahead(t)) {
		t->held = true;
		t->timer = ff_loop_timer(core->loop, AHEAD_MS, on_ahead_time, t);
	} else {
		enter(t);
	}
}

void ff_intake_init(struct ff_core *core)
{
	core->intake = ff_calloc(1, sizeof *core->intake);
}

void ff_intake_fini(struct ff_core *core)
{
	struct ff_intake *in = ff_steal(&core->intake);
	struct take *t;

	while (in && (t = in->takes)) {
		in->takes = t->next;
		take_free(t);
	}
	free(in);
}
