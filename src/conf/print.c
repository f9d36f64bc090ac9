/* SPDX-License-Identifier: MIT */
/* The configuration written out again: for people, and for the hook. */
#include "conf/conf.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/text.h"
#include "conf/parts.h"
#include "conf/table.h"

/* The longest line between our processes (ipc.h), which the hook may not pass either. */
#define HOOK_MESSAGE_MAX 262144

static void line(struct ff_buf *out, const char *key, const char *value, const char *origin)
{
	FF_AUTO(ff_free) char *shown = ff_text_shown(value, 0);

	(void)ff_buf_addf(out, "%s = %s%s# %s\n", key, shown, *shown ? "  " : " ", origin ? origin : "default");
}

static void print_sections(const struct ff_conf *c, struct ff_buf *out)
{
	for (size_t i = 0; i < c->branch_count; i++) {
		const struct ff_conf_branch *b = &c->branches[i];
		FF_AUTO(ff_free) char *glob = ff_text_shown(b->glob, 0);

		for (int k = 0; k < FF_CONF_BRANCH_KEYS; k++) {
			FF_AUTO(ff_free) char *key = ff_asprintf("branch.%s.%s", glob, ff_conf_branch_keys[k]);

			if (b->value[k])
				line(out, key, b->value[k], b->origin[k]);
		}
	}
	for (size_t i = 0; i < c->named_count; i++) {
		const struct ff_conf_named *n = &c->named[i];
		FF_AUTO(ff_free) char *name = ff_text_shown(n->name, 0);
		FF_AUTO(ff_free) char *key = ff_asprintf("%s.%s.%s", ff_conf_named_word(n->section), name, n->key);

		line(out, key, n->text, n->origin);
	}
	for (size_t i = 0; i < c->env_count; i++) {
		const struct ff_conf_env *e = &c->envs[i];
		FF_AUTO(ff_free) char *key = ff_asprintf("environment.%s.variable", e->name);

		/* Names alone: people put tokens into the values. */
		for (size_t k = 0; k < e->variables.count; k++) {
			const char *v = e->variables.items[k];
			size_t n = 0;
			FF_AUTO(ff_free) char *masked = NULL;

			while (v[n] != '=')
				n++;
			masked = ff_asprintf("%.*s=***", (int)n, v);
			line(out, key, masked, e->origin);
		}
	}
}

void ff_conf_print(const struct ff_conf *c, struct ff_buf *out)
{
	for (unsigned i = 0; i < FF_CONF_KEYS; i++) {
		const struct ff_conf_row *row = ff_conf_table_row((enum ff_conf_key)i);
		const struct ff_conf_value *v = &c->values[i];

		if (row->type != FF_CONF_LIST) {
			line(out, row->key, v->text, v->origin);
			continue;
		}
		for (size_t k = 0; k < v->list.count; k++)
			line(out, row->key, v->list.items[k], v->origin);
		if (!v->list.count)
			line(out, row->key, "", v->origin);
	}
	print_sections(c, out);
}

static void hook_text(struct ff_buf *out, const char *key, const char *value)
{
	(void)ff_buf_addf(out, "%s %s\n", key, value);
}

static void hook_path(struct ff_buf *out, const char *key, char *path)
{
	hook_text(out, key, path);
	ff_free(&path);
}

static void hook_list(const struct ff_conf *c, struct ff_buf *out, const char *key, enum ff_conf_key from)
{
	for (const char *const *item = ff_conf_list(c, from); *item; item++)
		hook_text(out, key, *item);
}

static void hook_int(const struct ff_conf *c, struct ff_buf *out, const char *key, enum ff_conf_key from)
{
	(void)ff_buf_addf(out, "%s %" PRId64 "\n", key, ff_conf_int(c, from));
}

/* No value has a newline: every type that is written here was checked for control characters. */
void ff_conf_write_hook_conf(const struct ff_conf *c, struct ff_buf *out)
{
	const char *pusher = ff_conf_str(c, FF_CONF_HOOK_PUSHER_VARIABLE);

	hook_path(out, "socket", ff_conf_run_path(c, "hook.sock"));
	hook_path(out, "spool", ff_conf_state_path(c, "spool"));
	hook_list(c, out, "trigger", FF_CONF_TRIGGER_REFS);
	hook_text(out, "options", ff_conf_bool(c, FF_CONF_TRIGGER_OPTIONS) ? "yes" : "no");
	hook_list(c, out, "ignore", FF_CONF_TRIGGER_IGNORE_PUSHER);
	hook_text(out, "drift", ff_conf_bool(c, FF_CONF_DRIFT_ENABLED) ? "yes" : "no");
	hook_text(out, "result-prefix", ff_conf_str(c, FF_CONF_PUBLISH_RESULT_PREFIX));
	hook_text(out, "conflict-prefix", ff_conf_str(c, FF_CONF_PUBLISH_CONFLICT_PREFIX));
	if (*pusher)
		hook_text(out, "pusher-variable", pusher);
	hook_int(c, out, "timeout-ms", FF_CONF_HOOK_TIMEOUT);
	hook_int(c, out, "answer-ms", FF_CONF_HOOK_ANSWER_TIME);
	hook_int(c, out, "max-options", FF_CONF_HOOK_MAX_OPTIONS);
	hook_int(c, out, "max-task", FF_CONF_HOOK_MAX_TASK);
	hook_int(c, out, "max-value", FF_CONF_HOOK_MAX_VALUE);
	hook_int(c, out, "max-refs", FF_CONF_HOOK_MAX_REFS);
	(void)ff_buf_addf(out, "max-message %d\n", HOOK_MESSAGE_MAX);
}
