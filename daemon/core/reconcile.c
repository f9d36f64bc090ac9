/* SPDX-License-Identifier: MIT */
/*
 * The last net under a push: at start the designated refs are compared with
 * the tips that were handled last.  A tip that no recorded push ended at was
 * pushed while nobody could take it or keep it, or its hook is about to speak:
 * it is looked at again when that hook has no time left, and gets its job then.
 * A hook that is later still takes over what was found (intake.c).  Refs
 * that were there before us are only noted, or installing the hooks would
 * start a job for every old branch; so would wider trigger globs, for which
 * refs without a tip are noted as well.
 */
#include "daemon/core/core.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

/* A reader that dies over the list this often will do so again. */
#define TRIES 3
/* Looked at again at once; what is found beyond waits for the round after that. */
#define DOUBTS_MAX 4096

/* A ref whose tip nobody has told us of. */
struct doubt {
	struct doubt *next;
	char oid[FF_OID_HEX_MAX + 1];
	char ref[];
};

struct ff_look {
	struct ff_look *next;
	struct ff_core *core;
	int64_t repo;
	bool first_time;
	bool new_globs; /* a ref without a tip may only be newly designated */
	int tries;
	struct doubt *before, *doubts; /* of the round before this one, and of this one */
	size_t n_doubts;
	struct ff_watch *timer; /* the next round */
};

/* As if the push had been reported, by an unknown pusher without options. */
static int make_push(struct ff_core *core, int64_t repo, const char *ref, const char *old_oid, const char *oid,
		     struct ff_err *err)
{
	FF_AUTO(ff_free) char *zeros = ff_strdup(oid);
	struct ff_push p = { .repo = repo, .ref = ref, .new_oid = oid, .uid = -1, .options = "[]",
			     .received_ms = ff_clock_wall() };
	FF_AUTO(ff_free) char *shown = ff_text_shown(ref, 200);
	struct ff_options none = { 0 };
	const char *hint = NULL;
	struct ff_policy policy;
	bool is_new;

	memset(zeros, '0', strlen(zeros));
	p.old_oid = *old_oid ? old_oid : zeros;
	ff_id_draw(p.id);
	ff_core_policy(core, ref, &policy);
	if (ff_policy_triggers(&policy, ref, p.old_oid, oid, NULL, &none, &hint) != FF_TRIGGER_ASK)
		return 0;
	ff_log_warn(&core->log, "push.found", "%s moved while no push of it could be taken: it is handled now", shown);
	return ff_store_push_add(core->store, &p, &is_new, err);
}

static void free_doubts(struct doubt **list)
{
	struct doubt *d;

	while ((d = *list)) {
		*list = d->next;
		free(d);
	}
}

/* Whether it was like this a round ago; else it is noted for the next one. */
static bool still_there(struct ff_core *core, struct ff_look *l, const char *ref, const char *oid)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(ref, 200);
	size_t size = strlen(ref) + 1;
	struct doubt *d;

	for (d = l->before; d; d = d->next)
		if (!strcmp(d->ref, ref) && !strcmp(d->oid, oid))
			return true;
	l->n_doubts++;
	if (l->n_doubts > DOUBTS_MAX)
		return false;
	ff_log_info(&core->log, "push.doubt", "%s moved and no hook has told of it: it is looked at again", shown);
	d = ff_calloc(1, sizeof *d + size);
	d->next = l->doubts;
	(void)snprintf(d->oid, sizeof d->oid, "%s", oid); /* ff_oid_valid: it fits */
	memcpy(d->ref, ref, size);
	l->doubts = d;
	return false;
}

static int look_at(struct ff_core *core, struct ff_look *l, const char *ref, const char *oid, struct ff_err *err)
{
	char tip[FF_OID_HEX_MAX + 1];
	bool known = true;

	if (ff_store_tip_get(core->store, l->repo, ref, tip, err) < 0)
		return -1;
	if (!strcmp(tip, oid) || (l->first_time && *tip))
		return 0;
	if (!l->first_time && (*tip || !l->new_globs) && ff_store_push_ended_at(core->store, l->repo, ref, oid, &known, err) < 0)
		return -1;
	if (!known && !still_there(core, l, ref, oid))
		return 0;
	if (ff_store_tip_set(core->store, l->repo, ref, oid, err) < 0)
		return -1;
	return known ? 0 : make_push(core, l->repo, ref, tip, oid, err);
}

/* The globs in force, one a line. */
static char *globs_text(const struct ff_core *core)
{
	const char *const *globs = ff_conf_list(core->conf, FF_CONF_TRIGGER_REFS);
	struct ff_buf b;

	ff_buf_init(&b, SIZE_MAX / 4);
	for (; *globs; globs++)
		(void)ff_buf_addf(&b, "%s\n", *globs);
	return ff_steal(&b.data);
}

static int look_at_all(struct ff_core *core, struct ff_look *l, const json_t *refs, bool last, struct ff_err *err)
{
	FF_AUTO(ff_free) char *now = globs_text(core);
	FF_AUTO(ff_free) char *before = NULL;

	if (ff_turn_open(core, err) < 0 || ff_store_tips_globs(core->store, l->repo, &before, err) < 0)
		return -1;
	l->new_globs = strcmp(now, before) != 0;
	for (size_t i = 0; i < json_array_size(refs); i++) {
		const json_t *r = json_array_get(refs, i);
		FF_AUTO(ff_free) char *ref = NULL;
		const char *oid = NULL;

		if (ff_msg_bytes(r, "ref", &ref, err) < 0 || ff_msg_str(r, "oid", &oid, err) < 0)
			return -1;
		if (ref && ff_oid_valid(oid) && look_at(core, l, ref, oid, err) < 0)
			return -1;
	}
	return last && (l->first_time || l->new_globs) ? ff_store_tips_known(core->store, l->repo, now, err) : 0;
}

static void resume(struct ff_core *core, void *arg, bool ok)
{
	(void)arg;
	if (ok)
		ff_specs_resume(core);
}

static void forget(struct ff_core *core, struct ff_look *l)
{
	struct ff_look **at = &core->looks;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	ff_watch_free(&l->timer);
	free_doubts(&l->before);
	free_doubts(&l->doubts);
	free(l);
}

static void ask(struct ff_core *core, struct ff_look *l);

static void next_round(void *arg)
{
	struct ff_look *l = arg;

	ff_watch_free(&l->timer);
	ask(l->core, l);
}

static void on_refs(struct ff_core *core, void *arg, const json_t *data, int fd, bool more,
		    const struct ff_err *error)
{
	struct ff_look *l = arg;
	struct ff_err err = { 0 };

	ff_close(&fd);
	if (error && error->code == FF_E_UNREACHABLE && ++l->tries < TRIES) {
		free_doubts(&l->doubts);
		l->n_doubts = 0;
		ask(core, l); /* from the beginning: what was seen already is known by its tip */
		return;
	}
	if (error)
		err = *error;
	if (!error && look_at_all(core, l, json_object_get(data, "refs"), !more, &err) < 0 && err.code == FF_E_STORE)
		ff_turn_fail(core, &err);
	if (err.code)
		ff_log_warn(&core->log, "push.reconcile", "%s", err.text);
	if (more)
		return;
	if (!l->first_time)
		ff_turn_after(core, resume, NULL);
	if (err.code || !l->n_doubts) {
		forget(core, l);
		return;
	}
	free_doubts(&l->before);
	l->before = ff_steal(&l->doubts);
	l->n_doubts = 0;
	l->timer = ff_loop_timer(core->loop, FF_HOOKS_MS, next_round, l);
}

static void ask(struct ff_core *core, struct ff_look *l)
{
	const char *const *globs = ff_conf_list(core->conf, FF_CONF_TRIGGER_REFS);
	json_t *list = json_array();

	for (; *globs; globs++)
		(void)json_array_append_new(list, ff_json_from_bytes(*globs));
	ff_reader_ask(core, l->repo, "refs", json_pack("{s:o}", "globs", list), on_refs, l);
}

void ff_reconcile(struct ff_core *core, int64_t repo, bool first_time)
{
	struct ff_look *l = ff_calloc(1, sizeof *l);

	*l = (struct ff_look){ .next = core->looks, .core = core, .repo = repo, .first_time = first_time };
	core->looks = l;
	ask(core, l);
}

struct found {
	int64_t repo;
	bool first_time;
	struct found *next;
};

static void note_repo(void *arg, int64_t repo, const char *path, bool tips_known)
{
	struct found **list = arg, *f = ff_calloc(1, sizeof *f);

	(void)path;
	*f = (struct found){ .repo = repo, .first_time = !tips_known, .next = *list };
	*list = f;
}

void ff_reconcile_all(struct ff_core *core)
{
	struct found *list = NULL, *f;
	struct ff_err err = { 0 };

	if (ff_store_repos(core->store, note_repo, &list, &err) < 0)
		ff_log_error(&core->log, "push.reconcile", "%s", err.text);
	while ((f = list)) {
		list = f->next;
		ff_reconcile(core, f->repo, f->first_time);
		free(f);
	}
}

/* When the readers are gone: nobody answers any more. */
void ff_reconcile_fini(struct ff_core *core)
{
	while (core->looks)
		forget(core, core->looks);
}
