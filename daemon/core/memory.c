/* SPDX-License-Identifier: MIT */
/* The memory of conflicts: what workers ask of it and add to it, and what administrators do with it. */
#include "store/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/redact.h"
#include "daemon/core/control.h"
#include "daemon/core/vault.h"

#define LIST_DEFAULT 50
#define LIST_MOST 1000
#define JOBS_MOST 1000
#define TEXT_BYTES (32 * 1024) /* of each text of an entry */

/* --- workers -------------------------------------------------------------------- */

int ff_memory_ask(struct ff_core *core, const struct ff_job *job, const json_t *msg, json_t **ret_answer, struct ff_err *err)
{
	FF_AUTO(ff_free) char *result = NULL;
	const char *key = NULL;
	int64_t id = 0;

	if (ff_msg_str(msg, "key", &key, err) < 0 ||
	    ff_memory_recall(core->store, job->repo, ff_conf_bool(core->conf, FF_CONF_MEMORY_SHARED), key, ff_clock_wall(), &id, &result,
			     err) < 0)
		return -1;
	*ret_answer = json_pack("{s:I,s:o}", "entry", (json_int_t)id, "result", ff_json_from_bytes(result));
	return 0;
}

struct texts { char *path, *base, *target, *change, *result; };

static void texts_fini(struct texts *t)
{
	ff_free(&t->path);
	ff_free(&t->base);
	ff_free(&t->target);
	ff_free(&t->change);
	ff_free(&t->result);
}

static bool fit(const struct ff_core *core, const struct texts *t)
{
	const char *const all[] = { t->path, t->base, t->target, t->change, t->result };
	struct ff_redact *secrets = ff_vault_redact(core);

	for (size_t i = 0; i < FF_ARRAY_LEN(all); i++)
		if (!all[i] || strlen(all[i]) > TEXT_BYTES || ff_redact_found(secrets, all[i], strlen(all[i])))
			return false;
	return true;
}

int ff_memory_learn(struct ff_core *core, const struct ff_job *job, const json_t *msg, struct ff_err *err)
{
	FF_AUTO(texts_fini) struct texts t = { NULL, NULL, NULL, NULL, NULL };
	struct ff_memory m = { .repo = job->repo, .job = job->id, .created_ms = ff_clock_wall() };
	int64_t rung, most = ff_conf_int(core->conf, FF_CONF_MEMORY_ENTRIES);
	bool added;

	if (ff_msg_str(msg, "key", &m.key, err) < 0 || ff_msg_int(msg, "rung", 1, 9, &rung, err) < 0 ||
	    ff_msg_bytes(msg, "path", &t.path, err) < 0 || ff_msg_bytes(msg, "base", &t.base, err) < 0 ||
	    ff_msg_bytes(msg, "target", &t.target, err) < 0 || ff_msg_bytes(msg, "change", &t.change, err) < 0 ||
	    ff_msg_bytes(msg, "result", &t.result, err) < 0)
		return -1;
	if (!fit(core, &t) || !most)
		return 0; /* it is remembered by nobody: the next such conflict is asked about again */
	m.rung = (int)rung;
	m.path = t.path;
	m.base = t.base;
	m.target = t.target;
	m.change = t.change;
	m.result = t.result;
	return ff_memory_add(core->store, &m, most, &added, err);
}

/* --- administrators --------------------------------------------------------------- */

struct rows {
	struct ff_core *core;
	json_t *list;
};

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text)
		(void)json_object_set_new(o, key, ff_json_from_bytes(text));
}

static void on_entry(void *arg, const struct ff_memory *m)
{
	struct rows *rows = arg;
	FF_AUTO(ff_free) char *repo = NULL;
	json_t *o;

	(void)ff_store_repo_path(rows->core->store, m->repo, &repo, NULL); /* without it the entry is shown all the same */
	o = json_pack("{s:I,s:o,s:s,s:o,s:i,s:I,s:o,s:o,s:I,s:o}", "number", (json_int_t)m->id, "repo", ff_json_from_bytes(repo), "key",
		      m->key, "path", ff_json_from_bytes(m->path), "rung", m->rung, "job", (json_int_t)m->job, "created",
		      ff_time_json(m->created_ms), "used", ff_time_json(m->used_ms), "uses", (json_int_t)m->uses, "revoked",
		      ff_time_json(m->revoked_ms));
	set_text(o, "base", m->base);
	set_text(o, "target", m->target);
	set_text(o, "change", m->change);
	set_text(o, "result", m->result);
	(void)json_array_append_new(rows->list, o);
}

int ff_memory_reply_list(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct rows rows = { .core = ff_request_core(r) };
	int64_t limit = LIST_DEFAULT;

	if (json_object_get(args, "limit") && ff_msg_int(args, "limit", 1, LIST_MOST, &limit, err) < 0)
		return -1;
	rows.list = json_array();
	if (ff_memory_list(rows.core->store, 0, (int)limit, on_entry, &rows, err) < 0) {
		json_decref(rows.list);
		return -1;
	}
	for (size_t i = 0; i < json_array_size(rows.list); i++)
		ff_reply_item(r, json_incref(json_array_get(rows.list, i)), -1);
	json_decref(rows.list);
	ff_reply_end(r, NULL, NULL);
	return 0;
}

static void on_job(void *arg, int64_t job)
{
	(void)json_array_append_new(arg, json_integer(job));
}

/* The entry with its texts and its jobs. */
static int whole(struct ff_core *core, int64_t id, json_t **ret, struct ff_err *err)
{
	struct rows rows = { .core = core, .list = json_array() };
	json_t *jobs = json_array();
	int rc = ff_memory_get(core->store, id, on_entry, &rows, err);

	if (rc == 0)
		rc = ff_memory_jobs(core->store, id, JOBS_MOST, on_job, jobs, err);
	if (rc == 0) {
		*ret = json_incref(json_array_get(rows.list, 0));
		(void)json_object_set(*ret, "jobs", jobs);
	}
	json_decref(jobs);
	json_decref(rows.list);
	return rc;
}

int ff_memory_reply_show(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	json_t *entry = NULL;
	int64_t id;

	if (ff_msg_int(args, "number", 1, INT64_MAX, &id, err) < 0 || whole(ff_request_core(r), id, &entry, err) < 0)
		return -1;
	ff_reply_end(r, NULL, entry);
	return 0;
}

struct forgotten {
	struct ff_request *r;
	int64_t id;
};

static void after_forget(struct ff_core *core, void *arg, bool ok)
{
	struct forgotten *f = arg;
	struct ff_err err = { 0 };
	json_t *entry = NULL;

	if (!ok)
		(void)ff_err_set(&err, FF_E_STORE, "the record cannot be written now, and the entry is still in use: forget it again when flowforge doctor has no fault");
	else
		(void)whole(core, f->id, &entry, &err);
	ff_reply_end(f->r, &err, entry);
	free(f);
}

int ff_memory_reply_forget(struct ff_request *r, const json_t *args, struct ff_err *err)
{
	struct ff_core *core = ff_request_core(r);
	FF_AUTO(ff_free) char *text = NULL;
	struct forgotten *f;
	int64_t id;

	if (ff_msg_int(args, "number", 1, INT64_MAX, &id, err) < 0 || ff_turn_open(core, err) < 0 ||
	    ff_memory_revoke(core->store, id, ff_clock_wall(), err) < 0)
		return -1;
	text = ff_asprintf("entry %" PRId64, id);
	if (ff_request_audit(r, "memory forget", 0, text, err) < 0)
		return -1;
	f = ff_calloc(1, sizeof *f);
	*f = (struct forgotten){ .r = r, .id = id };
	ff_turn_after(core, after_forget, f);
	return 0;
}
