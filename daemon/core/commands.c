/* SPDX-License-Identifier: MIT */
/* What each command of control.sock does; ipc/command.def says what goes in and comes out. */
#include <errno.h>
#include <fcntl.h>
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
#include "daemon/core/control.h"

#define LIST_DEFAULT 50
#define LIST_MOST 200
/* Where no index leads to the jobs of a list, no more are looked at in one go: all pushes wait meanwhile. */
#define LIST_LOOK 20000
#define EVENTS_SHOWN 10000

typedef int (*command_fn)(struct ff_request *r, const json_t *args, struct ff_err *err);

/* "job": a number or a word (number or UUID). */
static int find_job(struct ff_request *r, const json_t *args, struct ff_job **ret, struct ff_err *err)
{
	const json_t *v = json_object_get(args, "job");
	FF_AUTO(ff_free) char *word = NULL;

	if (json_is_integer(v))
		word = ff_asprintf("%lld", (long long)json_integer_value(v));
	else if (json_is_string(v))
		word = ff_strdup(json_string_value(v));
	else
		return ff_err_set(err, FF_E_USAGE, "which job? give its number or UUID");
	if (ff_core_find_job(ff_request_core(r), word, ret, err) < 0)
		return -1;
	if (ff_access_sees(r, (*ret)->repo))
		return 0;
	ff_job_free(ret); /* what one may not see is not there */
	return ff_err_set(err, FF_E_NOT_FOUND, "no job %s", word);
}

/* --- list, show ------------------------------------------------------------------ */

struct listing {
	struct ff_request *r;
	json_t *jobs;
	int count;
	int64_t last;
};

static void list_one(void *arg, const struct ff_job *job)
{
	struct listing *l = arg;

	if (ff_access_sees(l->r, job->repo))
		(void)json_array_append_new(l->jobs, json_integer(job->id));
	l->count++;
	l->last = job->id;
}

static int list_filter(struct ff_core *core, const json_t *args, struct ff_job_filter *f, char **ret_ref,
		       struct ff_err *err)
{
	const char *state = NULL, *cursor = NULL;
	FF_AUTO(ff_free) char *repo = NULL;
	FF_AUTO(ff_free) char *branch = NULL;
	enum ff_job_state s = FF_JOB_QUEUED;
	int64_t limit = LIST_DEFAULT;

	if (ff_msg_opt_str(args, "state", &state, err) < 0 || ff_msg_opt_str(args, "cursor", &cursor, err) < 0 ||
	    ff_msg_bytes(args, "repo", &repo, err) < 0 || ff_msg_bytes(args, "branch", &branch, err) < 0 ||
	    (json_object_get(args, "limit") && ff_msg_int(args, "limit", 1, LIST_MOST, &limit, err) < 0))
		return -1;
	if (state && ff_job_state_by_word(state, &s) < 0)
		return ff_err_set(err, FF_E_INVALID, "there is no state '%.30s'", state);
	if (cursor && ff_num_i64(cursor, 1, INT64_MAX, &f->below) < 0)
		return ff_err_set(err, FF_E_INVALID, "the cursor is not one that a list gave");
	if (ff_msg_bool(args, "dead", &f->dead, err) < 0)
		return -1;
	f->state = state ? (int)s : 0;
	f->limit = (int)limit;
	if (repo && ff_store_repo_find(core->store, repo, &f->repo, err) < 0)
		return -1;
	if (branch)
		f->ref = *ret_ref = ff_starts(branch, "refs/") ? ff_steal(&branch) : ff_asprintf(FF_HEADS "%s", branch);
	return 0;
}

static bool must_look(const struct ff_job_filter *f)
{
	return f->ref || (f->repo && f->state >= FF_JOB_COMPLETED);
}

static int bound_look(struct ff_core *core, struct ff_job_filter *f, struct ff_err *err)
{
	int64_t last = f->below;

	if (!must_look(f))
		return 0;
	if (!f->below && ff_store_last_job(core->store, &last, err) < 0)
		return -1;
	f->above = last > LIST_LOOK ? last - LIST_LOOK : 0;
	return 0;
}

static int cmd_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	struct listing l = { .r = r, .jobs = json_array() };
	FF_AUTO(ff_free) char *ref = NULL;
	FF_AUTO(ff_free) char *cursor = NULL;
	struct ff_job_filter f = { 0 };
	int rc = list_filter(core, args, &f, &ref, err);

	if (rc == 0)
		rc = bound_look(core, &f, err);
	if (rc == 0)
		rc = ff_store_list(core->store, &f, list_one, &l, err);
	for (size_t i = 0; rc == 0 && i < json_array_size(l.jobs); i++) {
		FF_AUTO(ff_job_free) struct ff_job *job = NULL;

		rc = ff_store_job_get(core->store, json_integer_value(json_array_get(l.jobs, i)), &job, err);
		if (rc == 0)
			ff_reply_item(r, ff_job_to_json(core, job), -1);
	}
	if (rc == 0) {
		if (l.count == f.limit)
			cursor = ff_asprintf("%" PRId64, l.last);
		else if (f.above)
			cursor = ff_asprintf("%" PRId64, f.above + 1);
		ff_reply_end(r, NULL, json_pack("{s:s?}", "next_cursor", cursor));
	}
	json_decref(l.jobs);
	return rc;
}

static int cmd_show(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	if (find_job(r, args, &job, err) < 0)
		return -1;
	ff_request_events(r, job->id, EVENTS_SHOWN);
	return 0;
}

static int watch_repo(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = NULL;
	int64_t repo = 0;

	if (ff_msg_bytes(args, "repo", &path, err) < 0)
		return -1;
	if (!path || !ff_access_sees_path(r, path) || ff_store_repo_find(ff_request_core(r)->store, path, &repo, err) < 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "no push of this repository was ever taken");
	ff_request_watch_repo(r, repo);
	return 0;
}

static int cmd_watch(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	int64_t after = 0;

	if (json_object_get(args, "after") && ff_msg_int(args, "after", 0, INT64_MAX, &after, err) < 0)
		return -1;
	if (json_object_get(args, "repo"))
		return watch_repo(r, args, err);
	if (!json_object_get(args, "job")) {
		ff_request_watch(r, 0, after);
		return 0;
	}
	if (find_job(r, args, &job, err) < 0)
		return -1;
	ff_request_watch(r, job->id, after);
	if (ff_job_state_ended(job->state))
		ff_watch_ended(ff_request_core(r), job->id);
	return 0;
}

/* --- log, diff --------------------------------------------------------------------- */

static int cmd_log(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_free) char *path = NULL;
	FF_AUTO(ff_close) int fd = -1;
	struct stat st = { 0 };

	if (find_job(r, args, &job, err) < 0)
		return -1;
	path = ff_job_log_path(core, job->id);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return ff_err_errno(err, "%s", path);
	if (fd >= 0 && fstat(fd, &st) == 0)
		ff_reply_item(r, json_pack("{s:I}", "size", (json_int_t)st.st_size), ff_steal_fd(&fd));
	ff_reply_end(r, NULL, json_pack("{s:I,s:b}", "size", (json_int_t)st.st_size, "ended",
					ff_job_state_ended(job->state)));
	return 0;
}

static void on_diff(struct ff_core *core, void *arg, const json_t *data, int fd, bool more, const struct ff_err *err)
{
	struct ff_request *r = arg;

	(void)core;
	(void)data;
	(void)more;
	if (fd >= 0)
		ff_reply_item(r, json_object(), fd);
	ff_reply_end(r, err, NULL);
}

static int cmd_diff(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	const char *base, *tip;

	if (find_job(r, args, &job, err) < 0)
		return -1;
	base = job->base_oid;
	tip = job->result_oid;
	if (job->state == FF_JOB_CONFLICTED || !*tip) { /* what the agent did, before the rebase */
		base = job->source_oid;
		tip = job->step_oid[FF_STEP_COMMIT];
	}
	if (!tip || !*tip || !*base)
		return ff_err_set(err, FF_E_NOT_FOUND, "job %" PRId64 " has no result to show", job->id);
	ff_reader_ask(ff_request_core(r), job->repo, "diff", json_pack("{s:s,s:s}", "base", base, "tip", tip), on_diff, r);
	return 0;
}

/* --- cancel, retry -------------------------------------------------------------------- */

struct committed {
	struct ff_request *r;
	int64_t job;
};

static void after_change(struct ff_core *core, void *arg, bool ok)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct committed *c = arg;
	struct ff_err err = { 0 };

	if (!ok) {
		ff_hold_request(c->r);
	} else {
		(void)ff_store_job_get(core->store, c->job, &job, &err);
		ff_reply_end(c->r, &err, job ? ff_job_to_json(core, job) : NULL);
	}
	free(c);
}

void ff_reply_after_commit(struct ff_request *r, int64_t job)
{
	struct committed *c = ff_calloc(1, sizeof *c);

	*c = (struct committed){ .r = r, .job = job };
	ff_turn_after(ff_request_core(r), after_change, c);
}

static int cmd_cancel(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_CANCELLED };
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	const char *reason = NULL;

	if (find_job(r, args, &job, err) < 0 || ff_msg_opt_str(args, "reason", &reason, err) < 0)
		return -1;
	if (ff_job_state_ended(job->state))
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " has ended already, it is %s: nothing to cancel", job->id,
				  ff_job_state_word(job->state));
	ev.text = reason && *reason ? reason : "by request";
	if (ff_core_event(ff_request_core(r), job, &ev, err) < 0 || ff_request_audit(r, "cancel", job->id, reason, err) < 0)
		return -1;
	ff_reply_after_commit(r, job->id);
	return 0;
}

static void copy_spec(struct ff_job *to, const struct ff_job *from)
{
	to->repo = from->repo;
	to->source_ref = ff_strdup(from->source_ref);
	memcpy(to->source_oid, from->source_oid, sizeof to->source_oid);
	to->pusher = ff_strdup(from->pusher);
	to->spec = from->spec;
	to->spec.task = ff_strdup(from->spec.task);
	to->spec.task_from = ff_strdup(from->spec.task_from);
	to->spec.target = ff_strdup(from->spec.target);
	to->spec.env_name = ff_strdup(from->spec.env_name);
}

static int cmd_retry(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *again = ff_job_new();
	FF_AUTO(ff_free) char *as = NULL;
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_core *core = ff_request_core(r);

	if (find_job(r, args, &job, err) < 0)
		return -1;
	if (!ff_job_state_ended(job->state))
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " has not ended yet: cancel it first", job->id);
	if (!job->spec.task)
		return ff_err_set(err, FF_E_CONFLICT, "job %" PRId64 " never had a task: push again", job->id);
	copy_spec(again, job);
	if (ff_core_create(core, again, 0, job->id, err) < 0)
		return -1;
	as = ff_asprintf("as job %" PRId64, again->id);
	if (ff_core_enqueue(core, again, err) < 0 || ff_request_audit(r, "retry", job->id, as, err) < 0) {
		ff_turn_fail(core, err); /* half a job would wait for ever for a push that it does not have */
		return -1;
	}
	ff_reply_after_commit(r, again->id);
	return 0;
}

static int cmd_continue(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	if (find_job(r, args, &job, err) < 0 || ff_core_continue(ff_request_core(r), job, "by request", err) < 0 ||
	    ff_request_audit(r, "continue", job->id, NULL, err) < 0)
		return -1;
	ff_reply_after_commit(r, job->id);
	return 0;
}

static int cmd_approve(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	return find_job(r, args, &job, err) < 0 ? -1 : ff_approve(r, job, args, true, err);
}

static int cmd_reject(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	return find_job(r, args, &job, err) < 0 ? -1 : ff_approve(r, job, args, false, err);
}

/* --- submit: a push that no hook saw ----------------------------------------------------- */

struct submit {
	struct ff_request *r;
	int64_t repo;
	char *path, *ref, *who;
	json_t *options;
	unsigned char id[16];
};

static void submit_free(struct submit *s)
{
	ff_free(&s->path);
	ff_free(&s->ref);
	ff_free(&s->who);
	json_decref(s->options);
	free(s);
}

static void submitted(struct ff_core *core, void *arg, enum ff_push_result result, const char *lines)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct submit *s = arg;
	struct ff_err err = { 0 };
	int64_t id = 0;

	if (result == FF_PUSH_LATER) {
		ff_hold_request(s->r);
		submit_free(s);
		return;
	}
	if (result == FF_PUSH_BAD)
		ff_err_set(&err, FF_E_INVALID, "%s", lines);
	else if (ff_store_job_by_push_id(core->store, s->id, &id, &err) == 0 && id)
		(void)ff_store_job_get(core->store, id, &job, &err);
	else if (!err.code)
		ff_err_set(&err, FF_E_INVALID, "%s", *lines ? lines : "this branch starts no jobs");
	ff_reply_end(s->r, &err, job ? ff_job_to_json(core, job) : NULL);
	submit_free(s);
}

static void on_tip(struct ff_core *core, void *arg, const json_t *data, int fd, bool more, const struct ff_err *error)
{
	struct submit *s = arg;
	const json_t *tip = json_array_get(json_object_get(data, "refs"), 0);
	const char *oid = json_string_value(json_object_get(tip, "oid"));
	FF_AUTO(ff_free) char *zeros = ff_strdup(oid ? oid : "");
	struct ff_err err = { 0 };
	char id[33];
	json_t *msg;

	ff_close(&fd);
	if (more && !error)
		return; /* a branch is in the last part or nowhere */
	if (error || !oid) {
		ff_err_set(&err, FF_E_NOT_FOUND, "the repository has no branch %s", s->ref + strlen(FF_HEADS));
		ff_reply_end(s->r, error ? error : &err, NULL);
		submit_free(s);
		return;
	}
	memset(zeros, '0', strlen(zeros));
	ff_hex(s->id, sizeof s->id, id);
	msg = json_pack("{s:i,s:s,s:o,s:o,s:O,s:[{s:s,s:s,s:o}]}", "v", 1, "id", id, "repo", ff_json_from_bytes(s->path),
			"pusher", ff_json_from_bytes(s->who), "options", s->options, "refs", "old", zeros, "new", oid, "ref",
			ff_json_from_bytes(s->ref));
	(void)ff_request_audit(s->r, "submit", 0, s->ref, NULL); /* of a turn that fails, the push is told */
	ff_push_take(core, msg, geteuid(), submitted, s);
	json_decref(msg);
}

static void add_option(json_t *list, const char *key, const char *value)
{
	FF_AUTO(ff_free) char *option = value ? ff_asprintf(FF_OPTION "%s=%s", key, value) : NULL;

	if (option)
		(void)json_array_append_new(list, json_string(option));
}

static json_t *submit_options(const json_t *args, struct ff_err *err)
{
	static const char *const keys[] = { ".task", ".target", ".priority", ".env" };
	json_t *list = json_array();
	int64_t n = 0;

	(void)json_array_append_new(list, json_string(FF_OPTION));
	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++) {
		FF_AUTO(ff_free) char *value = NULL;

		if (ff_msg_bytes(args, keys[i] + 1, &value, err) < 0) {
			json_decref(list);
			return NULL;
		}
		add_option(list, keys[i], value);
	}
	if (ff_msg_int(args, "ttl_ms", 1, INT64_MAX, &n, NULL) == 0)
		(void)json_array_append_new(list, json_sprintf(FF_OPTION ".ttl=%" PRId64 "ms", n));
	if (ff_msg_int(args, "retries", 0, INT32_MAX, &n, NULL) == 0)
		(void)json_array_append_new(list, json_sprintf(FF_OPTION ".retries=%" PRId64, n));
	return list;
}

/* Whether the push that has this id asked for the same. */
struct same {
	const struct submit *s;
	bool same;
};

static void compare(void *arg, const struct ff_push *push)
{
	struct same *c = arg;
	json_t *options = json_loads(push->options, 0, NULL);

	c->same = push->repo == c->s->repo && !strcmp(push->ref, c->s->ref) && json_equal(options, c->s->options);
	json_decref(options);
}

/*
 * The id of the push: drawn, or given by who wants to be able to say it twice.
 * *ret_known: it was said before, and the request is answered.
 */
static int submit_id(struct ff_request *r, const json_t *args, struct submit *s, bool *ret_known, struct ff_err *err)
{
	struct ff_store *store = ff_request_core(r)->store;
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct same c = { .s = s };
	const char *hex = NULL;
	int64_t id = 0, push = 0;

	ff_id_draw(s->id);
	if (ff_msg_opt_str(args, "push_id", &hex, err) < 0)
		return -1;
	if (!hex)
		return 0;
	if (strlen(hex) != 2 * sizeof s->id || ff_unhex(hex, sizeof s->id, s->id) < 0)
		return ff_err_set(err, FF_E_INVALID, "push_id is 32 hex digits");
	if (ff_store_job_by_push_id(store, s->id, &id, err) < 0)
		return -1;
	if (!id)
		return 0;
	if (ff_store_push_of_job(store, id, &push, err) < 0 || ff_store_push_get(store, push, compare, &c, err) < 0 ||
	    ff_store_job_get(store, id, &job, err) < 0)
		return -1;
	if (!c.same)
		return ff_err_set(err, FF_E_INVALID, "job %" PRId64 " was submitted with the same key and asked for something else", id);
	ff_reply_end(r, NULL, ff_job_to_json(ff_request_core(r), job));
	*ret_known = true;
	return 0;
}

static int cmd_submit(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_free) char *path = NULL;
	FF_AUTO(ff_free) char *branch = NULL;
	struct submit *s;
	json_t *options, *globs = json_array();
	bool is_new = false, known = false;
	int64_t repo;

	if (ff_msg_bytes(args, "repo", &path, err) < 0 || ff_msg_bytes(args, "branch", &branch, err) < 0 ||
	    !(options = submit_options(args, err))) {
		json_decref(globs);
		return -1;
	}
	if (json_object_get(args, "oid")) {
		int rc = ff_submit_known(r, args, options, err);

		json_decref(globs);
		json_decref(options);
		return rc;
	}
	if (path && !ff_access_sees_path(r, path))
		(void)ff_err_set(err, FF_E_NOT_FOUND, "there is no repository at %s", path);
	if (!path || !branch || err->code || ff_core_check_repo(core, path, err) < 0 || ff_turn_open(core, err) < 0 ||
	    ff_store_repo(core->store, path, ff_clock_wall(), &repo, &is_new, err) < 0) {
		json_decref(globs);
		json_decref(options);
		return err->code ? -1 : ff_err_set(err, FF_E_USAGE, "submit needs a repository and a branch");
	}
	s = ff_calloc(1, sizeof *s);
	*s = (struct submit){ .r = r, .repo = repo, .path = ff_steal(&path), .options = options };
	s->ref = ff_starts(branch, FF_HEADS) ? ff_steal(&branch) : ff_asprintf(FF_HEADS "%s", branch);
	s->who = ff_request_is_web(r) ? ff_request_who(r) : ff_strdup("submit");
	if (submit_id(r, args, s, &known, err) < 0 || known) {
		json_decref(globs);
		submit_free(s);
		return known ? 0 : -1;
	}
	(void)json_array_append_new(globs, ff_json_from_bytes(s->ref));
	ff_reader_ask(core, repo, "refs", json_pack("{s:o}", "globs", globs), on_tip, s);
	return 0;
}

/* --- status --------------------------------------------------------------------------------- */

static void add_repo(void *arg, int64_t repo, const char *path, bool tips_known)
{
	(void)repo;
	(void)tips_known;
	(void)json_array_append_new(arg, ff_json_from_bytes(path));
}

static int cmd_status(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	static const enum ff_job_state live[] = { FF_JOB_QUEUED, FF_JOB_WAITING, FF_JOB_RUNNING, FF_JOB_HELD };
	struct ff_core *core = ff_request_core(r);
	const char *missing = ff_sandbox_missing(core), *key = ff_gateway_key_missing(core);
	json_t *repos = json_array(), *queue = json_object();

	(void)args;
	for (size_t i = 0; i < FF_ARRAY_LEN(live); i++) {
		int64_t n = 0;

		if (ff_store_count(core->store, live[i], &n, err) < 0)
			break;
		(void)json_object_set_new(queue, ff_job_state_word(live[i]), json_integer(n));
	}
	if (err->code || ff_store_repos(core->store, add_repo, repos, err) < 0) {
		json_decref(repos);
		json_decref(queue);
		return -1;
	}
	ff_reply_end(r, NULL, json_pack("{s:s,s:i,s:o,s:{s:b,s:b,s:s?,s:s?},s:{s:b,s:b,s:s?},s:b,s:b,s:b,s:b,s:b,s:o}", "version", PACKAGE_VERSION,
		"pid", (int)getpid(), "queue", queue, "sandbox", "known", ff_sandbox_known(core), "ok", missing == NULL,
		"text", missing ? missing : ff_sandbox_weak(core), "limits", ff_sandbox_limits(core), "key", "known",
		ff_gateway_key_known(core), "ok", ff_gateway_key_known(core) && !key, "text",
		key ? key : ff_gateway_key_place(core), "gateway", ff_gateway_alive(core), "draining", core->draining, "record_writable",
		!core->store_broken, "clock_trusted", ff_age_trusted(core), "record_damaged", ff_store_damaged(core->store), "repos", repos));
	return 0;
}

static void reply_repo(void *arg, int64_t repo, const char *path, bool tips_known)
{
	(void)repo;
	(void)tips_known;
	if (ff_access_sees_path(arg, path))
		ff_reply_item(arg, json_pack("{s:o}", "repo", ff_json_from_bytes(path)), -1);
}

static int cmd_repos(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	(void)args;
	if (ff_store_repos(ff_request_core(r)->store, reply_repo, r, err) < 0)
		return -1;
	ff_reply_end(r, NULL, NULL);
	return 0;
}

/* What keeps a push from becoming a result, without anything that a stranger should not read. */
static int cmd_ready(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	json_t *missing = json_array();

	(void)args;
	(void)err;
	if (core->store_broken)
		(void)json_array_append_new(missing, json_string("record"));
	if (ff_sandbox_known(core) && ff_sandbox_missing(core))
		(void)json_array_append_new(missing, json_string("sandbox"));
	if (ff_gateway_key_known(core) && ff_gateway_key_missing(core))
		(void)json_array_append_new(missing, json_string("key"));
	if (!ff_gateway_alive(core))
		(void)json_array_append_new(missing, json_string("gateway"));
	if (core->draining)
		(void)json_array_append_new(missing, json_string("draining"));
	ff_reply_end(r, NULL, json_pack("{s:b,s:o}", "ready", json_array_size(missing) == 0, "missing", missing));
	return 0;
}

static int cmd_backup(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	(void)args;
	if (ff_backup_start(r, err) < 0)
		return -1;
	(void)ff_request_audit(r, "backup", 0, NULL, NULL); /* of a record that cannot be written a backup is wanted all the more */
	return 0;
}

static int cmd_audit(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_audit_reply(r, args, err);
}

static int cmd_spend(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_spend_reply(r, args, err);
}

static int cmd_requests(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	return find_job(r, args, &job, err) < 0 ? -1 : ff_requests_reply(r, job, args, err);
}

static int cmd_secret_set(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_secret_set(r, args, err);
}

static int cmd_secret_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_secret_list(r, args, err);
}

static int cmd_secret_rotate(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_secret_rotate(r, args, err);
}

static int cmd_secret_delete(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_secret_delete(r, args, err);
}

static int cmd_memory_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_memory_reply_list(r, args, err);
}

static int cmd_memory_show(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_memory_reply_show(r, args, err);
}

static int cmd_memory_forget(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_memory_reply_forget(r, args, err);
}

static int cmd_conflicts(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_conflicts_reply(r, args, err);
}

/* Those that may wait when the record cannot be written. */
static bool may_wait(command_fn run)
{
	return run == cmd_submit || run == cmd_cancel || run == cmd_retry || run == cmd_approve || run == cmd_reject;
}

static int cmd_whoami(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	(void)args;
	return ff_access_whoami(r, err);
}

static int cmd_token_create(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_access_create(r, args, err);
}

static int cmd_token_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	(void)args;
	return ff_access_list(r, err);
}

static int cmd_token_revoke(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	return ff_access_revoke(r, args, err);
}

static const struct {
	const char *name;
	command_fn run;
	enum ff_access needs;
} commands[] = {
#define FF_COMMAND(word, handler, who) { word, cmd_##handler, FF_ACCESS_##who },
#include "ipc/command.def"
#undef FF_COMMAND
};

void ff_command_run(struct ff_request *r, const char *command, const json_t *args)
{
	struct ff_err err = { 0 };

	for (size_t i = 0; i < FF_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, command))
			continue;
		if (ff_access_may(r, commands[i].needs, &err) == 0 && commands[i].run(r, args, &err) == 0)
			return;
		if (err.code == FF_E_STORE && may_wait(commands[i].run))
			ff_hold_request(r);
		else
			ff_reply_end(r, &err, NULL);
		return;
	}
	ff_err_set(&err, FF_E_USAGE, "there is no command '%.30s'", command);
	ff_reply_end(r, &err, NULL);
}
