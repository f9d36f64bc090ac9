/* SPDX-License-Identifier: MIT */
/*
 * Rung 2: the same conflict was answered before, and core remembers.  What a
 * model has answered in this job is told to core when all of it is proved, not
 * before; a rule's answer costs nothing and is not remembered.
 */
#include "daemon/worker/ladder.h"

#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "ipc/ipc.h"
#include "resolve/conflictkey.h"
#include "resolve/region.h"

#define KEY_TEXT_MAX ((size_t)1 << 20)
#define TEXT_MAX ((size_t)32 * 1024) /* of each of the texts; what is larger is not remembered */
#define LESSONS_MAX 1000
static const char purpose[] = "flowforge-conflict-1";

/* --- asking --------------------------------------------------------------------------- */

/* false: it is too large to be remembered. */
static bool key_of(const struct ff_resolve_ask *ask, char ret_hex[2 * FF_HMAC_SIZE + 1])
{
	FF_AUTO(ff_buf_fini) struct ff_buf text = { 0 };
	unsigned char hash[FF_HMAC_SIZE];

	ff_buf_init(&text, KEY_TEXT_MAX);
	if (ff_conflict_key_text(ask, &text) < 0)
		return false;
	ff_hmac_sha256(purpose, sizeof purpose - 1, text.data, text.len, hash);
	ff_hex(hash, sizeof hash, ret_hex);
	return true;
}

static bool set_side(json_t *o, const char *name, const struct ff_region_side *s)
{
	size_t n = (size_t)(s->line[s->n] - s->line[0]);

	if (n > TEXT_MAX || memchr(s->line[0], '\0', n))
		return false;
	(void)json_object_set_new(o, name, ff_json_from_bytes_n(s->line[0], n));
	return true;
}

/* All of an entry but its answer, in case there will be one. */
static void keep_question(struct ff_ladder *l, const struct ff_resolve_ask *ask, const char *key)
{
	json_t *o = json_pack("{s:s,s:o,s:I}", "key", key, "path", ff_json_from_bytes(ask->conflict->path), "hunk", (json_int_t)ask->hunk);

	if (json_array_size(l->questions) < LESSONS_MAX && set_side(o, "base", &ask->region->side[FF_BASE]) &&
	    set_side(o, "target", &ask->region->side[FF_TARGET]) && set_side(o, "change", &ask->region->side[FF_CHANGE]))
		(void)json_array_append(l->questions, o);
	json_decref(o);
}

int ff_ladder_recall(void *arg, const struct ff_resolve_ask *ask, struct ff_buf *out, struct ff_resolved_try *t, struct ff_err *err)
{
	struct ff_ladder *l = arg;
	FF_AUTO(ff_free) char *result = NULL;
	char key[2 * FF_HMAC_SIZE + 1];
	json_t *answer = NULL;
	int rc;

	if (!key_of(ask, key))
		return 0;
	if (ff_report_recall(l->run, key, &answer, err) < 0)
		return -1;
	rc = ff_msg_int(answer, "entry", 0, INT64_MAX, &t->entry, err);
	if (rc == 0 && t->entry)
		rc = ff_msg_bytes(answer, "result", &result, err);
	json_decref(answer);
	if (rc < 0)
		return -1;
	if (!t->entry || !result) {
		keep_question(l, ask, key);
		return 0;
	}
	t->how = ff_asprintf("entry %lld", (long long)t->entry);
	(void)ff_buf_adds(out, result);
	return 1;
}

/* --- learning -------------------------------------------------------------------------- */

static void learn(struct ff_ladder *l, json_t *question, const struct ff_resolved_hunk *h)
{
	if (h->answer_len > TEXT_MAX || memchr(h->answer, '\0', h->answer_len) || json_array_size(l->lessons) >= LESSONS_MAX)
		return;
	(void)json_object_del(question, "hunk");
	(void)json_object_set_new(question, "result", ff_json_from_bytes_n(h->answer, h->answer_len));
	(void)json_object_set_new(question, "rung", json_integer(h->rung));
	(void)json_array_append(l->lessons, question);
}

void ff_ladder_learn(struct ff_ladder *l, const struct ff_resolved *s)
{
	json_t *question;
	size_t i;

	json_array_foreach(l->questions, i, question) {
		FF_AUTO(ff_free) char *path = NULL;
		size_t hunk = (size_t)json_integer_value(json_object_get(question, "hunk"));

		if (ff_msg_bytes(question, "path", &path, NULL) < 0)
			continue;
		for (size_t k = 0; k < s->n_paths; k++)
			if (!strcmp(s->paths[k].path, path) && hunk < s->paths[k].n_hunks && s->paths[k].hunks[hunk].rung == FF_RUNG_MODEL) {
				learn(l, question, &s->paths[k].hunks[hunk]);
				break;
			}
	}
	(void)json_array_clear(l->questions);
}

void ff_ladder_remember(struct ff_ladder *l)
{
	json_t *lesson;
	size_t i;

	json_array_foreach(l->lessons, i, lesson)
		ff_report_remember(l->run, json_incref(lesson));
	(void)json_array_clear(l->lessons);
}
