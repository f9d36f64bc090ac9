/* SPDX-License-Identifier: MIT */
/*
 * Two versions of one thing and what they come from, brought together: modes
 * for themselves, then bytes.  Links and submodules are never mixed; nor is
 * what looks binary, or is declared to be.
 */
#include "merge/part.h"

#include <string.h>

#define BINARY_LOOK 8000 /* a NUL among so many first bytes: no text; git's number */

struct texts {
	struct ff_run *run;
	struct ff_merge_bytes bytes[3];
};

static void texts_fini(struct texts *t)
{
	const struct ff_merge_source *s = t->run->source;

	for (int i = 0; i < 3; i++)
		if (t->bytes[i].data)
			s->release(s->arg, &t->bytes[i]);
}

static int read_texts(struct texts *t, const struct ff_version *const v[3], struct ff_err *err)
{
	const struct ff_merge_source *s = t->run->source;

	for (int i = 0; i < 3; i++) {
		struct ff_merge_id id;

		if (!v[i]->mode)
			continue;
		id = ff_run_id(t->run, v[i]->id);
		if (s->read_blob(s->arg, &id, &t->bytes[i], err) < 0)
			return -1;
	}
	return 0;
}

/* 1 when each may be read, 0 when one is too large, -1. */
static int sizes_allowed(struct ff_run *run, const struct ff_version *const v[3], struct ff_err *err)
{
	const struct ff_merge_source *s = run->source;

	for (int i = 0; i < 3; i++) {
		struct ff_merge_id id;
		uint64_t size;

		if (!v[i]->mode)
			continue;
		id = ff_run_id(run, v[i]->id);
		if (s->blob_size(s->arg, &id, &size, err) < 0)
			return -1;
		if (size > run->limits.max_text_bytes)
			return 0;
	}
	return 1;
}

static bool looks_binary(const struct texts *t)
{
	for (int i = 0; i < 3; i++) {
		const struct ff_merge_bytes *b = &t->bytes[i];

		if (b->len && memchr(b->data, '\0', b->len < BINARY_LOOK ? b->len : BINARY_LOOK))
			return true;
	}
	return false;
}

/* "LABEL", or "LABEL:PATH" when the three are not at one path. */
static const char *label(struct ff_run *run, const struct ff_content *c, int side)
{
	const char *name = side == TARGET ? run->what->target_label : run->what->change_label;
	char *path, *text;
	size_t n;

	if (!name)
		name = side == TARGET ? "target" : "change";
	if (c->from[0] == c->from[1] && c->from[1] == c->from[2])
		return name;
	path = ff_node_path(run, c->from[side]);
	n = strlen(name);
	text = ff_arena_alloc(&run->arena, n + strlen(path) + 2);
	memcpy(text, name, n);
	text[n] = ':';
	memcpy(text + n + 1, path, strlen(path));
	return text;
}

static int merge_texts(struct ff_run *run, const struct ff_content *c, const struct texts *t,
		       const struct ff_attr_value *attr, struct ff_version *ret, enum ff_merge_kind *ret_kind,
		       struct ff_err *err)
{
	const struct ff_merge_source *s = run->source;
	FF_AUTO(ff_free) char *data = NULL;
	struct ff_err why = { 0 };
	struct ff_merge_text_result out = { 0 };
	struct ff_merge_id id;
	const struct ff_merge_text what = {
		.base = &t->bytes[BASE], .target = &t->bytes[TARGET], .change = &t->bytes[CHANGE],
		.use_both = attr->merge == FF_ATTR_UNION,
		.marker_size = attr->marker_size + c->longer_markers,
		.target_label = label(run, c, TARGET), .change_label = label(run, c, CHANGE),
	};

	if (run->what->text(run->what->text_arg, &what, &out, &why) < 0) {
		*ret_kind = FF_MERGE_TOO_LARGE;
		return why.code == FF_E_TOO_LARGE ? 0 : ff_err_set(err, why.code, "%s", why.text);
	}
	data = out.data;
	if (s->write_blob(s->arg, data, out.len, &id, err) < 0)
		return -1;
	ret->id = ff_run_keep_id(run, &id);
	return !out.conflict;
}

/* ret has the target's bytes already. */
static int merge_files(struct ff_run *run, const struct ff_content *c, struct ff_version *ret,
		       enum ff_merge_kind *ret_kind, struct ff_err *err)
{
	const struct ff_version none = { 0, NULL };
	/* A base of another kind is no base. */
	const struct ff_version *const v[3] = { FF_IS_FILE(c->base.mode) ? &c->base : &none, &c->target, &c->change };
	FF_AUTO(texts_fini) struct texts t = { .run = run };
	struct ff_attr_value attr;
	int rc;

	if (ff_attr_of(run, ff_node_path(run, c->node), &attr, err) < 0)
		return -1;
	*ret_kind = FF_MERGE_DRIVER;
	if (attr.merge == FF_ATTR_DRIVER)
		return 0;
	*ret_kind = FF_MERGE_BINARY;
	if (attr.merge == FF_ATTR_BINARY)
		return 0;
	*ret_kind = FF_MERGE_TOO_LARGE;
	rc = sizes_allowed(run, v, err);
	if (rc <= 0)
		return rc;
	if (read_texts(&t, v, err) < 0)
		return -1;
	*ret_kind = FF_MERGE_BINARY;
	if (looks_binary(&t))
		return 0;
	*ret_kind = v[BASE]->mode ? FF_MERGE_CONTENT : FF_MERGE_ADD_ADD;
	return merge_texts(run, c, &t, &attr, ret, ret_kind, err);
}

static bool same_id(const struct ff_run *run, const struct ff_version *a, const struct ff_version *b)
{
	return a->mode && b->mode && memcmp(a->id, b->id, run->id_len) == 0;
}

int ff_run_content(struct ff_run *run, const struct ff_content *c, struct ff_version *ret,
		   enum ff_merge_kind *ret_kind, struct ff_err *err)
{
	struct ff_version out = c->target;
	bool modes_clean = true;
	int clean = 1;

	*ret_kind = FF_MERGE_MODE;
	if (c->target.mode == c->change.mode || c->target.mode == c->base.mode)
		out.mode = c->change.mode;
	else
		modes_clean = c->change.mode == c->base.mode;
	if (same_id(run, &c->target, &c->change) || same_id(run, &c->target, &c->base)) {
		out.id = c->change.id;
	} else if (!same_id(run, &c->change, &c->base)) {
		if (FF_IS_FILE(c->target.mode)) {
			clean = merge_files(run, c, &out, ret_kind, err);
		} else {
			*ret_kind = FF_IS_LINK(c->target.mode) ? FF_MERGE_LINK : FF_MERGE_SUBMODULE;
			clean = 0;
		}
	}
	if (clean < 0)
		return -1;
	if (clean && !modes_clean)
		*ret_kind = FF_MERGE_MODE;
	*ret = out;
	return clean && modes_clean;
}
