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

struct question {
	struct question *next;
	int64_t push;
	int tries;
};

struct ff_specs {
	struct question *first;
};

/* A push out of the record, with strings of its own. */
struct copy {
	struct ff_push push;
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

static void forget(struct ff_core *core, struct question *q)
{
	struct question **at = &core->specs->first;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	free(q);
}

static void ask(struct ff_core *core, struct question *q);

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
	const char *missing = ff_sandbox_missing(core);
	const char *what = job->state == FF_JOB_QUEUED ? "queued" : "waits";
	FF_AUTO(ff_free) char *why = NULL;

	if (job->state == FF_JOB_WAITING)
		why = ff_asprintf("\nhint: %s", job->reason ? job->reason : ff_job_wait_text(job->wait));
	else if (missing && ff_sandbox_known(core))
		why = ff_strdup("\nwarning: this host cannot run jobs now; it starts when that is mended");
	return ff_asprintf("success: job %" PRId64 " %s (task from %s, target %s)%s%s%s%s\nhint: follow it: "
			   FF_NAME " watch %" PRId64, job->id, what, job->spec.task_from, target,
			   *url ? "\n  " : "", url, instead ? instead : "", why ? why : "", job->id);
}

/* No job (NULL, the pusher is told why) when its pusher has started too many. */
static int load_or_make_job(struct ff_core *core, const struct copy *c, struct ff_job **ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *limited = NULL;
	struct ff_job *job;
	int64_t id = 0;

	if (ff_store_job_of_push(core->store, c->push.row, &id, err) < 0)
		return -1;
	if (id)
		return ff_store_job_get(core->store, id, ret, err);
	if (ff_core_over_rate(core, c->pusher, &limited, err) < 0)
		return -1;
	if (limited) {
		tell_after(core, c->push.row, ff_asprintf("error: %s", limited));
		return 0;
	}
	job = *ret = ff_job_new();
	job->repo = c->push.repo;
	job->source_ref = ff_strdup(c->ref);
	job->pusher = ff_strdup(c->pusher);
	memcpy(job->source_oid, c->new_oid, strlen(c->new_oid) + 1); /* it was an object id when it was stored */
	return ff_core_create(core, job, c->push.row, 0, err);
}

/* The push becomes a job that has failed already, so that its reason can be read later. */
static int record_bad(struct ff_core *core, const struct copy *c, const struct ff_err *why, struct ff_err *err)
{
	struct ff_event ev = { .type = FF_EVENT_JOB_FAILED, .error = why->code, .text = why->text };
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;

	if (load_or_make_job(core, c, &job, err) < 0)
		return -1;
	if (!job || job->state != FF_JOB_WAITING || job->wait != FF_WAIT_SPEC)
		return 0; /* refused, or cancelled meanwhile */
	if (ff_core_event(core, job, &ev, err) < 0)
		return -1;
	tell_after(core, c->push.row, ff_asprintf("error: job %" PRId64 " failed: %s", job->id, why->text));
	return 0;
}

static int record_job(struct ff_core *core, const struct copy *c, struct ff_job_spec *spec, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	int64_t replaced = 0;

	if (load_or_make_job(core, c, &job, err) < 0)
		return -1;
	if (!job || job->state != FF_JOB_WAITING || job->wait != FF_WAIT_SPEC)
		return 0; /* refused, or cancelled meanwhile */
	ff_job_spec_fini(&job->spec);
	job->spec = *spec;
	memset(spec, 0, sizeof *spec);
	if (ff_core_coalesce(core, job, &replaced, err) < 0 || ff_core_enqueue(core, job, err) < 0)
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
	if (ff_store_push_decided(core->store, c->push.row, err) < 0)
		return -1;
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

static void on_facts(struct ff_core *core, void *arg, const json_t *data, int fd, bool more,
		     const struct ff_err *error)
{
	FF_AUTO(copy_fini) struct copy c = { .push = { 0 } };
	struct question *q = arg;
	struct ff_err err = { 0 };
	int rc;

	(void)more;
	ff_close(&fd);
	if (error && error->code == FF_E_UNREACHABLE && ++q->tries < TRIES) {
		ask(core, q);
		return;
	}
	if (ff_turn_open(core, &err) < 0 || ff_store_push_get(core->store, q->push, copy_push, &c, &err) < 0) {
		forget(core, q); /* asked again by ff_specs_resume */
		return;
	}
	if (error) {
		rc = ff_store_push_decided(core->store, q->push, &err);
		if (rc == 0)
			rc = record_bad(core, &c, error, &err);
	} else {
		rc = decide(core, &c, data, &err);
	}
	if (rc < 0)
		ff_turn_fail(core, &err);
	forget(core, q);
	if (rc == 0 && !core->specs->first)
		ff_turn_after(core, resume, NULL); /* more than BATCH were open */
}

/* --- the question -------------------------------------------------------------- */

static void ask(struct ff_core *core, struct question *q)
{
	FF_AUTO(copy_fini) struct copy c = { .push = { 0 } };
	FF_AUTO(ff_options_fini) struct ff_options options = { 0 };
	FF_AUTO(ff_free) char *file = NULL;
	const char *target;
	struct ff_policy policy;
	struct ff_err err = { 0 };

	if (ff_store_push_get(core->store, q->push, copy_push, &c, &err) < 0) {
		ff_log_error(&core->log, "spec.ask", "%s", err.text);
		forget(core, q);
		return;
	}
	(void)ff_core_options(core, c.options, &options, NULL); /* decide() says what is wrong with them */
	ff_core_policy(core, c.ref, &policy);
	file = ff_spec_task_file_name(&policy, c.ref);
	target = ff_spec_target(&policy, &options);
	ff_reader_ask(core, c.push.repo, "facts",
		      json_pack("{s:o,s:s,s:o,s:o}", "ref", ff_json_from_bytes(c.ref), "oid", c.new_oid, "target",
				ff_json_from_bytes(target), "task_file", ff_json_from_bytes(file)), on_facts, q);
}

void ff_spec_ask(struct ff_core *core, int64_t push)
{
	struct question *q;

	for (q = core->specs ? core->specs->first : NULL; q; q = q->next)
		if (q->push == push)
			return;
	if (!core->specs)
		core->specs = ff_calloc(1, sizeof *core->specs);
	q = ff_calloc(1, sizeof *q);
	*q = (struct question){ .next = core->specs->first, .push = push };
	core->specs->first = q;
	ask(core, q);
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
	struct question *q;

	while (s && (q = s->first)) {
		s->first = q->next;
		free(q);
	}
	free(s);
}
