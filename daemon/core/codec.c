/* SPDX-License-Identifier: MIT */
/* Jobs and events as JSON, for the record, for workers and for clients: one spelling for all. */
#include "daemon/core/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/text.h"
#include "ipc/json.h"

json_t *ff_time_json(int64_t wall_ms)
{
	char text[FF_CLOCK_TEXT];

	if (!wall_ms)
		return json_null();
	ff_clock_format(wall_ms, text);
	return json_string(text);
}

static json_t *oid_json(const char *oid)
{
	return oid && *oid ? json_string(oid) : json_null();
}

static json_t *word_json(const char *word)
{
	return word && *word ? json_string(word) : json_null();
}

static const char *branch_of(const char *ref)
{
	return ref && ff_starts(ref, FF_HEADS) ? ref + strlen(FF_HEADS) : ref;
}

static json_t *paths_json(const char *const *paths)
{
	json_t *list = json_array();

	for (; paths && *paths; paths++)
		(void)json_array_append_new(list, ff_json_from_bytes(*paths));
	return list;
}

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static void set_progress(json_t *o, const struct ff_job *j)
{
	json_t *steps = json_array();

	for (int k = 1; k < FF_STEP_LIMIT; k++)
		if (j->step_done[k])
			(void)json_array_append_new(steps, json_string(ff_step_word((enum ff_step_kind)k)));
	set(o, "attempt", json_integer(j->attempt));
	set(o, "failures", json_integer(j->failures));
	set(o, "step", j->step ? json_string(ff_step_word(j->step)) : json_null());
	set(o, "steps_done", steps);
	set(o, "result_branch", ff_json_from_bytes(branch_of(j->result_ref)));
	set(o, "result_oid", oid_json(j->result_oid));
	set(o, "base_oid", oid_json(j->base_oid));
	set(o, "approved_oid", oid_json(j->approved_oid));
	set(o, "conflicts", paths_json((const char *const *)j->conflicts));
	set(o, "tokens_in", json_integer(j->tokens_in));
	set(o, "tokens_out", json_integer(j->tokens_out));
	set(o, "cost_microusd", json_integer(j->cost_microusd));
	set(o, "created", ff_time_json(j->created_ms));
	set(o, "started", ff_time_json(j->started_ms));
	set(o, "ended", ff_time_json(j->ended_ms));
}

json_t *ff_job_to_json(struct ff_core *core, const struct ff_job *j)
{
	FF_AUTO(ff_free) char *repo = NULL;
	FF_AUTO(ff_free) char *description = ff_job_describe(j);
	FF_AUTO(ff_free) char *url = ff_core_job_url(core, j->id);
	json_t *o = json_object();

	(void)ff_store_repo_path(core->store, j->repo, &repo, NULL); /* without it the job is shown all the same */
	set(o, "number", json_integer(j->id));
	set(o, "uuid", json_string(j->uuid));
	set(o, "state", json_string(ff_job_state_word(j->state)));
	set(o, "wait", j->wait ? json_string(ff_job_wait_word(j->wait)) : json_null());
	set(o, "wait_until", ff_time_json(j->wait_until_ms));
	set(o, "reason", ff_json_from_bytes(j->reason));
	set(o, "error", j->error ? json_string(ff_err_name(j->error)) : json_null());
	set(o, "description", ff_json_from_bytes(description));
	set(o, "url", word_json(url));
	set(o, "repo", ff_json_from_bytes(repo));
	set(o, "branch", ff_json_from_bytes(branch_of(j->source_ref)));
	set(o, "source_oid", oid_json(j->source_oid));
	set(o, "target", ff_json_from_bytes(j->spec.target));
	set(o, "task", ff_json_from_bytes(j->spec.task));
	set(o, "task_from", ff_json_from_bytes(j->spec.task_from));
	set(o, "pusher", ff_json_from_bytes(j->pusher));
	set(o, "priority", json_string(ff_priority_word(j->spec.priority)));
	set(o, "environment", ff_json_from_bytes(j->spec.env_name));
	set(o, "ttl_ms", json_integer(j->spec.ttl_ms));
	set(o, "retries", json_integer(j->spec.retries));
	set_progress(o, j);
	return o;
}

static void put_steps(struct ff_buf *out, const struct ff_job *job)
{
	ff_json_key(out, "steps");
	(void)ff_buf_addc(out, '{');
	for (int k = 1; k < FF_STEP_LIMIT; k++) {
		if (!job->step_done[k])
			continue;
		ff_json_key(out, ff_step_word((enum ff_step_kind)k));
		(void)ff_buf_addc(out, '{');
		ff_json_put_text(out, "oid", job->step_oid[k]);
		(void)ff_buf_addc(out, '}');
	}
	(void)ff_buf_addc(out, '}');
}

/* What this branch has, else what the server has; "" for neither. */
static const char *job_setting(const struct ff_core *core, const struct ff_job *job, const char *branch_key, enum ff_conf_key key)
{
	const char *own = ff_conf_branch(core->conf, job->source_ref, branch_key);

	return own ? own : ff_conf_str(core->conf, key);
}

const char *ff_job_secret_names(const struct ff_core *core, const struct ff_job *job)
{
	return job_setting(core, job, "secrets", FF_CONF_JOB_SECRETS);
}

static void put_env(struct ff_buf *out, const struct ff_core *core, const struct ff_job *job)
{
	const char *own = job->spec.env_name, *name = own && *own ? own : job_setting(core, job, "environment", FF_CONF_JOB_ENVIRONMENT);
	const char *const *list = *name ? ff_conf_environment(core->conf, name) : NULL;
	json_t *env = json_object(); /* the later of two variables of a name counts */

	for (; list && *list; list++) {
		const char *equals = strchr(*list, '=');
		FF_AUTO(ff_free) char *key = ff_memdup0(*list, (size_t)(equals - *list));

		(void)json_object_set_new(env, key, json_string(equals + 1));
	}
	ff_json_key(out, "env");
	ff_json_write(out, env);
	json_decref(env);
}

void ff_job_message(struct ff_core *core, const struct ff_job *job, const char *repo_url, const char *token, struct ff_buf *out)
{
	FF_AUTO(ff_free) char *url = ff_core_job_url(core, job->id);
	FF_AUTO(ff_free) char *source = NULL;
	struct ff_policy policy;

	ff_core_policy(core, job->source_ref, &policy);
	source = ff_spec_source_name(&policy, job->source_ref);
	(void)ff_buf_addc(out, '{');
	ff_json_put_int(out, "job", job->id);
	ff_json_put_int(out, "attempt", job->attempt);
	ff_json_put_text(out, "uuid", job->uuid);
	ff_json_put_int(out, "repo_id", job->repo);
	ff_json_put_text(out, "repo", repo_url);
	ff_json_put_bytes(out, "source_ref", job->source_ref);
	ff_json_put_text(out, "source_oid", job->source_oid);
	ff_json_put_bytes(out, "source_name", source);
	ff_json_put_bytes(out, "target", job->spec.target);
	ff_json_put_bytes(out, "task", job->spec.task);
	ff_json_put_bytes(out, "task_from", job->spec.task_from);
	ff_json_put_bytes(out, "pusher", job->pusher);
	ff_json_put_text(out, "url", url);
	put_env(out, core, job);
	ff_json_put_text(out, "driver", job_setting(core, job, "driver", FF_CONF_AGENT_DRIVER));
	ff_json_put_text(out, "rungs", job_setting(core, job, "rungs", FF_CONF_RESOLVE_RUNGS));
	ff_json_put_int(out, "deadline_ms", ff_conf_int(core->conf, FF_CONF_JOB_DEADLINE));
	put_steps(out, job);
	ff_json_put_text(out, "base_oid", job->base_oid);
	ff_json_put_text(out, "approved_oid", job->approved_oid);
	ff_json_put_bytes(out, "result_ref", job->result_ref);
	ff_json_put_text(out, "token", token);
	(void)ff_buf_addc(out, '}');
}

static void put_paths(struct ff_buf *out, const char *const *paths)
{
	ff_json_key(out, "paths");
	for (size_t i = 0; paths[i]; i++) {
		(void)ff_buf_addc(out, i ? ',' : '[');
		ff_json_write_bytes(out, paths[i]);
	}
	(void)ff_buf_addc(out, ']');
}

static void put_time(struct ff_buf *out, const char *key, int64_t wall_ms)
{
	char text[FF_CLOCK_TEXT];

	ff_clock_format(wall_ms, text);
	ff_json_put_text(out, key, text);
}

void ff_event_text(const struct ff_event *ev, struct ff_buf *out)
{
	(void)ff_buf_addc(out, '{');
	if (ev->attempt)
		ff_json_put_int(out, "attempt", ev->attempt);
	if (ev->step)
		ff_json_put_text(out, "step", ff_step_word(ev->step));
	if (ev->wait)
		ff_json_put_text(out, "wait", ff_job_wait_word(ev->wait));
	if (ev->until_ms)
		put_time(out, "until", ev->until_ms);
	if (ev->error)
		ff_json_put_text(out, "error", ff_err_name(ev->error));
	if (ev->text && *ev->text)
		ff_json_put_bytes(out, "text", ev->text);
	if (ev->oid && *ev->oid)
		ff_json_put_text(out, "oid", ev->oid);
	if (ev->base_oid && *ev->base_oid)
		ff_json_put_text(out, "base_oid", ev->base_oid);
	if (ev->ref && *ev->ref)
		ff_json_put_bytes(out, "ref", ev->ref);
	if (ev->tokens_in || ev->tokens_out) {
		ff_json_put_int(out, "tokens_in", ev->tokens_in);
		ff_json_put_int(out, "tokens_out", ev->tokens_out);
		ff_json_put_int(out, "cost_microusd", ev->cost_microusd);
	}
	if (ev->paths && ev->paths[0])
		put_paths(out, ev->paths);
	(void)ff_buf_addc(out, '}');
}

json_t *ff_event_to_json(int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, json_t *fields)
{
	json_t *o = json_pack("{s:I,s:I,s:s,s:o}", "seq", (json_int_t)seq, "job", (json_int_t)job, "type",
			      ff_event_name(type), "at", ff_time_json(at_ms));

	(void)json_object_update_missing(o, fields);
	json_decref(fields);
	return o;
}

static int read_paths(const json_t *msg, char ***ret, struct ff_err *err)
{
	const json_t *list = json_object_get(msg, "paths");
	char **paths;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return ff_err_set(err, FF_E_PROTOCOL, "'paths' must be a list");
	*ret = paths = ff_calloc(json_array_size(list) + 1, sizeof *paths); /* freed with the event, whole or not */
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (ff_json_bytes(json_array_get(list, i), &paths[i], err) < 0)
			return ff_err_wrap(err, "'paths'");
	}
	return 0;
}

static int read_oid(const json_t *msg, const char *key, const char **ret, struct ff_err *err)
{
	const char *s = NULL;

	if (ff_msg_opt_str(msg, key, &s, err) < 0)
		return -1;
	if (s && *s && !ff_oid_valid(s))
		return ff_err_set(err, FF_E_PROTOCOL, "'%s' is not an object id", key);
	*ret = s;
	return 0;
}

static int read_step(const json_t *msg, enum ff_step_kind *ret, struct ff_err *err)
{
	const char *word = NULL;

	if (ff_msg_opt_str(msg, "step", &word, err) < 0)
		return -1;
	if (word && ff_step_by_word(word, ret) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "there is no step '%.30s'", word);
	return 0;
}

void ff_event_in_fini(struct ff_event_in *in)
{
	for (size_t i = 0; in->paths && in->paths[i]; i++)
		ff_free(&in->paths[i]);
	ff_free(&in->paths);
	ff_free(&in->ref);
	ff_free(&in->text);
}

int ff_event_from_msg(const json_t *msg, struct ff_event_in *in, struct ff_err *err)
{
	struct ff_event *ev = &in->ev;
	const char *error = NULL;
	int64_t attempt;

	memset(in, 0, sizeof *in);
	if (ff_msg_int(msg, "attempt", 1, INT32_MAX, &attempt, err) < 0 || read_step(msg, &ev->step, err) < 0 ||
	    ff_msg_bytes(msg, "text", &in->text, err) < 0 || ff_msg_bytes(msg, "ref", &in->ref, err) < 0 ||
	    ff_msg_opt_str(msg, "error", &error, err) < 0 || read_oid(msg, "oid", &ev->oid, err) < 0 ||
	    read_oid(msg, "base_oid", &ev->base_oid, err) < 0 || read_paths(msg, &in->paths, err) < 0)
		return -1;
	ev->attempt = (int)attempt;
	ev->text = in->text;
	ev->ref = in->ref;
	ev->paths = (const char *const *)in->paths;
	if (error)
		ev->error = ff_err_by_name(error);
	return 0;
}
