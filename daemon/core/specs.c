/* SPDX-License-Identifier: MIT */
/*
 * What a push asks for.  The options are known; the trailer of the tip, the
 * task file on the target branch and the target itself only a reader can
 * tell.  Whatever comes out is written down: a job, or a push that is none.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"

/* A reader that dies over the same question this often will do so again. */
#define TRIES 3
#define BATCH 1000

struct ff_question {
	struct ff_question *next;
	int64_t push; /* 0: asked ahead, the push is not in the record yet */
	int tries;
	/* asked ahead: */
	void (*ready)(void *arg);
	void *arg;
	bool answered;
	json_t *data;        /* NULL: refused */
	struct ff_err error;
};

struct ff_specs {
	struct ff_question *first;
};

/* A push out of the record, with strings of its own. */
struct copy {
	struct ff_push push;
	bool fresh; /* it came in this turn: there is no job of it */
	char *ref, *new_oid, *pusher;
	json_t *options;
};

static void copy_push(void *arg, const struct ff_push *p)
{
	struct copy *c = arg;

	c->push = *p;
	c->ref = ff_strdup(p->ref);
	c->new_oid = ff_strdup(p->new_oid);
	c->pusher = ff_strdup(p->pusher);
	c->options = json_loads(p->options, 0, NULL);
}

static void copy_fini(struct copy *c)
{
	ff_free(&c->ref);
	ff_free(&c->new_oid);
	ff_free(&c->pusher);
	json_decref(c->options);
}

static void forget(struct ff_core *core, struct ff_question *q)
{
	struct ff_question **at = &core->specs->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	json_decref(q->data);
	free(q);
}

static void ask(struct ff_core *core, struct ff_question *q);

/* --- the decision ----------------------------------------------------------- */

struct line {
	int64_t push;
	char *text;
};

static void tell_pusher(struct ff_core *core, void *arg, bool ok)
{
	struct line *l = arg;

	if (ok)
		ff_intake_decided(core, l->push, l->text);
	ff_free(&l->text);
	free(l);
}

static void tell_after(struct ff_core *core, int64_t push, char *text)
{
	struct line *l = ff_calloc(1, sizeof *l);

	*l = (struct line){ .push = push, .text = text };
	ff_turn_after(core, tell_pusher, l);
}

static char *job_line(struct ff_core *core, const struct ff_job *job, int64_t replaced)
{
	FF_AUTO(ff_free) char *instead = replaced ? ff_asprintf("\nhint: job %" PRId64 " is superseded by job %" PRId64,
								replaced, job->id) : NULL;
	FF_AUTO(ff_free) char *url = ff_core_job_url(core, job->id);
	FF_AUTO(ff_free) char *target = ff_text_shown(job->spec.target, 24);
	const char *missing = ff_core_missing(core);
	FF_AUTO(ff_free) char *notice = ff_gateway_notice(core);
	const char *what = job->state == FF_JOB_QUEUED ? "queued" : "waits";
	FF_AUTO(ff_free) char *why = NULL;

	if (job->state == FF_JOB_WAITING)
		why = ff_asprintf("\nhint: %s", job->reason ? job->reason : ff_job_wait_text(job->wait));
	else if (missing && ff_core_missing_known(core))
		why = ff_strdup("\nwarning: this host cannot run jobs now; it starts when that is mended");
	else if (notice)
		why = ff_asprintf("\nhint: %s", notice);
	return ff_asprintf("success: job %" PRId64 " %s (task from %s, target %s)%s%s%s%s\nhint: follow it: "
			   FF_NAME " watch %" PRId64, job->id, what, job->spec.task_from, target,
			   *url ? "\n  " : "", url, instead ? instead : "", why ? why : "", job->id);
}

static struct ff_job *make_job(const struct copy *c)
{
	struct ff_job *job = ff_job_new();

	job->repo = c->push.repo;
	job->source_ref = ff_strdup(c->ref);
	job->pusher = ff_strdup(c->pusher);
	memcpy(job->source_oid, c->new_oid, strlen(c->new_oid) + 1); /* it was an object id when it was stored */
	return job;
}

/* The job of the push, or a new one without a number; NULL (the pusher is told why) when its pusher has started too many. */
static int find_or_make_job(struct ff_core *core, const struct copy *c, struct ff_job **ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *limited = NULL;
	int64_t id = 0;

	if (!c->fresh && ff_store_job_of_push(core->store, c->push.row, &id, err) < 0)
		return -1;
	if (id)
		return ff_store_job_get(core->store, id, ret, err);
	if (ff_core_over_rate(core, c->pusher, &limited, err) < 0)
		return -1;
	if (limited)
		tell_after(core, c->push.row, ff_asprintf("error: %s", limited));
	else
		*ret = make_job(c);
	return 0;
}

/* Cancelled meanwhile, or moved on by an answer before this one. */
static bool too_late(const struct ff_job *job)
{
	return job->id && (job->state != FF_JOB_WAITING || job->wait != FF_WAIT_SPEC);
}

/* The push becomes a job that has failed already, so that its reason can be read later. */
static int record_bad(struct ff_core *core, const struct copy *c, const struct ff_err *why, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_FAILED, .error = why->code, .text = why->text };
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	if (find_or_make_job(core, c, &job, err) < 0)
		return -1;
	if (!job || too_late(job))
		return 0;
	if ((!job->id && ff_core_create(core, job, c->push.row, 0, err) < 0) || ff_core_event(core, job, &ev, err) < 0)
		return -1;
	tell_after(core, c->push.row, ff_asprintf("error: job %" PRId64 " failed: %s", job->id, why->text));
	return 0;
}

/* The branch has other live jobs: some may give way to this one, or it waits for them. */
static int enqueue_behind(struct ff_core *core, struct ff_job *job, int64_t push, int64_t *ret_replaced, struct ff_err *err)
{
	if (!job->id && ff_core_create(core, job, push, 0, err) < 0)
		return -1;
	return ff_core_coalesce(core, job, ret_replaced, err) < 0 || ff_core_enqueue(core, job, err) < 0 ? -1 : 0;
}

int ff_core_add(struct ff_core *core, struct ff_job *job, int64_t push, int64_t *ret_replaced, struct ff_err *err)
{
	int64_t other = 0;

	if (!job->id && ff_store_live_of_source(core->store, job->repo, job->source_ref, 0, &other, err) < 0)
		return -1;
	return !job->id && !other ? ff_core_submit(core, job, push, 0, err) : enqueue_behind(core, job, push, ret_replaced, err);
}

static int record_job(struct ff_core *core, const struct copy *c, struct ff_job_spec *spec, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	int64_t replaced = 0;

	if (find_or_make_job(core, c, &job, err) < 0)
		return -1;
	if (!job || too_late(job))
		return 0;
	ff_job_spec_fini(&job->spec);
	job->spec = *spec;
	memset(spec, 0, sizeof *spec);
	if (ff_core_add(core, job, c->push.row, &replaced, err) < 0)
		return -1;
	tell_after(core, c->push.row, job_line(core, job, replaced));
	return 0;
}

/* Facts with strings of their own: any of them may hold bytes that are no UTF-8. */
struct facts {
	struct ff_repo_facts f;
	char *head_branch, *trailer_task, *task_file, *task_file_name;
};

static void facts_fini(struct facts *facts)
{
	ff_free(&facts->head_branch);
	ff_free(&facts->trailer_task);
	ff_free(&facts->task_file);
	ff_free(&facts->task_file_name);
}

static int read_facts(const json_t *data, struct facts *in, struct ff_err *err)
{
	int64_t chain = 0;

	if (ff_msg_bytes(data, "head_branch", &in->head_branch, err) < 0 ||
	    ff_msg_bytes(data, "trailer_task", &in->trailer_task, err) < 0 ||
	    ff_msg_bytes(data, "task_file", &in->task_file, err) < 0 ||
	    ff_msg_int(data, "chain", 0, INT64_MAX, &chain, err) < 0)
		return -1;
	in->f = (struct ff_repo_facts){
		.tip_is_commit = json_is_true(json_object_get(data, "tip_is_commit")),
		.tip_is_ours = json_is_true(json_object_get(data, "tip_is_ours")),
		.chain = chain,
		.head_branch = in->head_branch,
		.target_oid = json_string_value(json_object_get(data, "target_oid")),
		.trailer_task = in->trailer_task,
		.task_file = in->task_file,
		.task_file_len = in->task_file ? strlen(in->task_file) : 0,
		.task_file_name = in->task_file_name,
	};
	return 0;
}

/* The repository's own settings may only take away what the server allows. */
static bool switched_off(const json_t *config, const struct ff_options *options)
{
	return json_is_false(json_object_get(config, "enabled")) ||
	       (json_is_false(json_object_get(config, "options")) && options->any);
}

static int decide(struct ff_core *core, const struct copy *c, const json_t *data, struct ff_err *err)
{
	FF_AUTO(ff_options_fini) struct ff_options options = { 0 };
	FF_AUTO(ff_job_spec_fini) struct ff_job_spec spec = { 0 };
	FF_AUTO(facts_fini) struct facts facts = { .head_branch = NULL };
	struct ff_policy policy;
	struct ff_err why = { 0 };

	ff_core_policy(core, c->ref, &policy);
	facts.task_file_name = ff_spec_task_file_name(&policy, c->ref);
	if (read_facts(data, &facts, &why) < 0 || ff_core_options(core, c->options, &options, &why) < 0)
		return record_bad(core, c, &why, err);
	if (switched_off(json_object_get(data, "config"), &options)) {
		ff_err_set(&why, FF_E_NOT_ALLOWED, "the repository's own configuration switches this off");
		return record_bad(core, c, &why, err);
	}
	switch (ff_spec_decide(&policy, &options, &facts.f, &spec, &why)) {
	case FF_DECIDED_JOB:
		return record_job(core, c, &spec, err);
	case FF_DECIDED_NONE:
		tell_after(core, c->push.row, ff_strdup("hint: no task given, no job: git push -o " FF_OPTION "=\"what to do\""));
		return 0;
	case FF_DECIDED_OURS:
		tell_after(core, c->push.row, ff_strdup("hint: this commit is a result already, no job; a follow-up task:\n"
							"hint: git push -o " FF_OPTION "=\"what to do next\""));
		return 0;
	case FF_DECIDED_BAD:
		return record_bad(core, c, &why, err);
	}
	return 0;
}

static void resume(struct ff_core *core, void *arg, bool ok)
{
	(void)arg;
	if (ok)
		ff_specs_resume(core);
}

static void answered_ahead(struct ff_core *core, struct ff_question *q, const json_t *data, const struct ff_err *error)
{
	if (!q->ready) { /* nobody waits for it any more */
		forget(core, q);
		return;
	}
	q->answered = true;
	if (error)
		q->error = *error;
	else
		q->data = json_incref((json_t *)(uintptr_t)data);
	q->ready(q->arg);
}

static void on_facts(struct ff_core *core, void *arg, const json_t *data, int fd, bool more,
		     const struct ff_err *error)
{
	FF_AUTO(copy_fini) struct copy c = { .push = { 0 } };
	struct ff_question *q = arg;
	struct ff_err err = { 0 };
	int rc;

	(void)more;
	ff_close(&fd);
	if (!q->push) {
		answered_ahead(core, q, data, error);
		return;
	}
	if (error && error->code == FF_E_UNREACHABLE && ++q->tries < TRIES) {
		ask(core, q);
		return;
	}
	if (ff_turn_open(core, &err) < 0 || ff_store_push_get(core->store, q->push, copy_push, &c, &err) < 0) {
		forget(core, q); /* asked again by ff_specs_resume */
		return;
	}
	rc = ff_store_push_decided(core->store, q->push, &err);
	if (rc == 0)
		rc = error ? record_bad(core, &c, error, &err) : decide(core, &c, data, &err);
	if (rc < 0)
		ff_turn_fail(core, &err);
	forget(core, q);
	if (rc == 0 && !core->specs->first)
		ff_turn_after(core, resume, NULL); /* more than BATCH were open */
}

/* --- the question -------------------------------------------------------------- */

static void ask_reader(struct ff_core *core, struct ff_question *q, int64_t repo, const char *ref, const char *oid,
		       const struct ff_options *options)
{
	FF_AUTO(ff_free) char *file = NULL;
	struct ff_policy policy;

	ff_core_policy(core, ref, &policy);
	file = ff_spec_task_file_name(&policy, ref);
	ff_reader_ask(core, repo, "facts",
		      json_pack("{s:o,s:s,s:o,s:o}", "ref", ff_json_from_bytes(ref), "oid", oid, "target",
				ff_json_from_bytes(ff_spec_target(&policy, options)), "task_file", ff_json_from_bytes(file)),
		      on_facts, q);
}

static void ask(struct ff_core *core, struct ff_question *q)
{
	FF_AUTO(copy_fini) struct copy c = { .push = { 0 } };
	FF_AUTO(ff_options_fini) struct ff_options options = { 0 };
	struct ff_err err = { 0 };

	if (ff_store_push_get(core->store, q->push, copy_push, &c, &err) < 0) {
		ff_log_error(&core->log, "spec.ask", "%s", err.text);
		forget(core, q);
		return;
	}
	(void)ff_core_options(core, c.options, &options, NULL); /* decide() says what is wrong with them */
	ask_reader(core, q, c.push.repo, c.ref, c.new_oid, &options);
}

static struct ff_question *new_question(struct ff_core *core, int64_t push)
{
	struct ff_question *q = ff_calloc(1, sizeof *q);

	if (!core->specs)
		core->specs = ff_calloc(1, sizeof *core->specs);
	*q = (struct ff_question){ .next = core->specs->first, .push = push };
	core->specs->first = q;
	return q;
}

struct ff_question *ff_spec_ask_ahead(struct ff_core *core, const struct ff_push *p, const struct ff_options *options,
				      void (*ready)(void *arg), void *arg)
{
	struct ff_question *q = new_question(core, 0);

	q->ready = ready;
	q->arg = arg;
	ask_reader(core, q, p->repo, p->ref, p->new_oid, options);
	return q;
}

bool ff_spec_answered(const struct ff_question *q)
{
	return q->answered && q->error.code != FF_E_UNREACHABLE;
}

void ff_spec_drop(struct ff_core *core, struct ff_question **question)
{
	struct ff_question *q = ff_steal(question);

	if (q && q->answered)
		forget(core, q);
	else if (q)
		q->ready = NULL;
}

int ff_spec_decide_ahead(struct ff_core *core, struct ff_question **question, const struct ff_push *p,
			 const json_t *options, struct ff_err *err)
{
	struct copy c = { .push = *p, .fresh = true, .ref = (char *)(uintptr_t)p->ref, .new_oid = (char *)(uintptr_t)p->new_oid,
			  .pusher = (char *)(uintptr_t)p->pusher, .options = (json_t *)(uintptr_t)options };
	struct ff_question *q = *question;
	int rc = q->data ? decide(core, &c, q->data, err) : record_bad(core, &c, &q->error, err);

	ff_spec_drop(core, question);
	return rc;
}

void ff_spec_attach(struct ff_core *core, struct ff_question **question, int64_t push)
{
	struct ff_question *q;

	if (*question && (*question)->answered) { /* by a reader that died over it */
		ff_spec_drop(core, question);
		return;
	}
	q = ff_steal(question);
	q->push = push;
	q->ready = NULL;
}

void ff_spec_ask(struct ff_core *core, int64_t push)
{
	for (struct ff_question *q = core->specs ? core->specs->first : NULL; q; q = q->next)
		if (q->push == push)
			return;
	ask(core, new_question(core, push));
}

void ff_spec_gone(struct ff_core *core, int64_t push)
{
	for (struct ff_question *q = core->specs ? core->specs->first : NULL; q; q = q->next)
		if (q->push == push)
			q->push = -1; /* no row has that number: on_facts forgets it */
}

struct rows {
	int64_t row[BATCH];
	size_t n;
};

static void note_row(void *arg, const struct ff_push *p)
{
	struct rows *r = arg;

	if (r->n < BATCH)
		r->row[r->n++] = p->row;
}

void ff_specs_resume(struct ff_core *core)
{
	FF_AUTO(ff_free) struct rows *rows = ff_calloc(1, sizeof *rows);
	struct ff_err err = { 0 };

	if (ff_store_pushes_open(core->store, note_row, rows, &err) < 0)
		ff_log_error(&core->log, "spec.resume", "%s", err.text);
	for (size_t i = 0; i < rows->n; i++)
		ff_spec_ask(core, rows->row[i]);
}

void ff_specs_fini(struct ff_core *core)
{
	struct ff_specs *s = ff_steal(&core->specs);
	struct ff_question *q;

	while (s && (q = s->first)) {
		s->first = q->next;
		json_decref(q->data);
		free(q);
	}
	free(s);
}
