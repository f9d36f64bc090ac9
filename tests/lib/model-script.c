/* SPDX-License-Identifier: MIT */
/* See model-script.h. Rules are checked when they are loaded, so that a misspelt key fails the test at once. */
#include "tests/lib/model-script.h"

#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define RULES_MAX 64
#define TEXT_MAX (8 * 1024 * 1024)

struct rule {
	char name[64];
	json_t *match, *sequence;
	enum { THEN_LAST, THEN_LOOP, THEN_PASS } then;
	json_int_t stop; /* answers at most; 0: no limit */
	long used, charged;
};

struct script {
	pthread_mutex_t lock;
	json_t *root, *fallback;
	struct rule rules[RULES_MAX];
	int count;
	long charged;
};

static const char *const rule_keys[] = { "name", "match", "sequence", "then", "stop", "note", NULL };
static const char *const match_keys[] = {
	"model", "system", "last_user", "first_user", "body", "has_tool", "tool_result", "stream", "nth", "min_messages", NULL
};
static const char *const step_kinds[] = {
	"text", "tool_use", "content", "error", "sse_error", "drop", "end", "hang", "malformed", "raw", NULL
};
static const char *const step_keys[] = {
	"stop_reason", "usage", "model", "chunk", "chunk_delay_ms", "delay_ms", "ping", "id", "headers",
	"status", "wait_file", "note", NULL
};
static const char *const cuts[] = { "before_headers", "after_headers", "mid_stream", "before_stop", NULL };
static const char *const malformed[] = { "bad_json", "not_sse", "unknown_event", "half_event", "wrong_index", "nul", NULL };

static bool among(const char *word, const char *const *list)
{
	for (; word && *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

static int check_step(json_t *step, const char *where, struct ff_err *err)
{
	const char *key, *kind = NULL;
	json_t *value;

	if (!json_is_object(step))
		return ff_err_set(err, FF_E_INVALID, "%s: a step is an object", where);
	json_object_foreach(step, key, value) {
		if (among(key, step_kinds)) {
			if (kind)
				return ff_err_set(err, FF_E_INVALID, "%s: both %s and %s", where, kind, key);
			kind = key;
			if ((!strcmp(key, "drop") || !strcmp(key, "end") || !strcmp(key, "hang")) &&
			    !among(json_string_value(value), cuts))
				return ff_err_set(err, FF_E_INVALID, "%s: unknown place to %s", where, key);
			if (!strcmp(key, "malformed") && !among(json_string_value(value), malformed))
				return ff_err_set(err, FF_E_INVALID, "%s: unknown malformed", where);
		} else if (!among(key, step_keys)) {
			return ff_err_set(err, FF_E_INVALID, "%s: unknown key %s", where, key);
		}
	}
	return kind ? 0 : ff_err_set(err, FF_E_INVALID, "%s: says nothing to do", where);
}

static bool pattern_ok(const char *pattern)
{
	regex_t re;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	regfree(&re);
	return true;
}

static int load_match(json_t *match, const char *where, struct ff_err *err)
{
	const char *key;
	json_t *value;

	if (match && !json_is_object(match))
		return ff_err_set(err, FF_E_INVALID, "%s.match: not an object", where);
	json_object_foreach(match, key, value) {
		if (!among(key, match_keys))
			return ff_err_set(err, FF_E_INVALID, "%s.match: unknown key %s", where, key);
		if (json_is_string(value) && !pattern_ok(json_string_value(value)))
			return ff_err_set(err, FF_E_INVALID, "%s.match.%s: bad regular expression", where, key);
	}
	return 0;
}

static int load_then(struct rule *r, json_t *from, const char *where, struct ff_err *err)
{
	const char *then = json_string_value(json_object_get(from, "then"));

	if (!then || !strcmp(then, "last"))
		r->then = THEN_LAST;
	else if (!strcmp(then, "loop"))
		r->then = THEN_LOOP;
	else if (!strcmp(then, "pass"))
		r->then = THEN_PASS;
	else
		return ff_err_set(err, FF_E_INVALID, "%s: then is last, loop or pass", where);
	return 0;
}

static int load_rule(struct script *s, json_t *from, struct ff_err *err)
{
	struct rule *r = &s->rules[s->count];
	const char *name = json_string_value(json_object_get(from, "name")), *key;
	char where[128];
	json_t *value;
	size_t i;

	(void)snprintf(where, sizeof where, "rules[%d]", s->count);
	(void)snprintf(r->name, sizeof r->name, "%.63s", name ? name : where);
	json_object_foreach(from, key, value)
		if (!among(key, rule_keys))
			return ff_err_set(err, FF_E_INVALID, "%s: unknown key %s", where, key);
	r->match = json_object_get(from, "match");
	r->sequence = json_object_get(from, "sequence");
	r->stop = json_integer_value(json_object_get(from, "stop"));
	if (!json_array_size(r->sequence))
		return ff_err_set(err, FF_E_INVALID, "%s: no sequence", where);
	json_array_foreach(r->sequence, i, value) {
		(void)snprintf(where, sizeof where, "rules[%d].sequence[%zu]", s->count, i);
		if (check_step(value, where, err) < 0)
			return -1;
	}
	if (load_match(r->match, where, err) < 0 || load_then(r, from, where, err) < 0)
		return -1;
	s->count++;
	return 0;
}

int script_load(json_t *root, struct script **ret_script, struct ff_err *err)
{
	static const char *const keys[] = { "rules", "fallback", "note", NULL };
	FF_AUTO(ff_free) struct script *s = ff_calloc(1, sizeof *s);
	const char *key;
	json_t *value;
	size_t i;

	if (!json_is_object(root))
		return ff_err_set(err, FF_E_INVALID, "a scenario is a JSON object");
	json_object_foreach(root, key, value)
		if (!among(key, keys))
			return ff_err_set(err, FF_E_INVALID, "unknown key %s", key);
	s->fallback = json_object_get(root, "fallback");
	if (s->fallback && check_step(s->fallback, "fallback", err) < 0)
		return -1;
	if (json_array_size(json_object_get(root, "rules")) > RULES_MAX)
		return ff_err_set(err, FF_E_INVALID, "more than %d rules", RULES_MAX);
	json_array_foreach(json_object_get(root, "rules"), i, value)
		if (load_rule(s, value, err) < 0)
			return -1;
	ff_assert(pthread_mutex_init(&s->lock, NULL) == 0);
	s->root = json_incref(root);
	*ret_script = ff_steal(&s);
	return 0;
}

char *script_text_of(const json_t *content)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	json_t *block;
	size_t i;

	ff_buf_init(&b, TEXT_MAX);
	if (json_is_string(content))
		(void)ff_buf_adds(&b, json_string_value(content)); /* cut text only fails to match */
	json_array_foreach(content, i, block) {
		FF_AUTO(ff_free) char *inner = NULL;
		const char *text = json_string_value(json_object_get(block, "text"));

		if (!text)
			text = inner = script_text_of(json_object_get(block, "content"));
		(void)ff_buf_addf(&b, "%s%s", b.len ? "\n" : "", text);
	}
	return ff_buf_take(&b);
}

json_t *script_user(const json_t *body, bool last)
{
	json_t *messages = json_object_get(body, "messages"), *m, *found = NULL;
	size_t i;

	json_array_foreach(messages, i, m) {
		const char *role = json_string_value(json_object_get(m, "role"));

		if (!role || strcmp(role, "user"))
			continue;
		found = m;
		if (!last)
			break;
	}
	return found;
}

static bool has_tool_result(const json_t *message)
{
	json_t *block;
	size_t i;

	json_array_foreach(json_object_get(message, "content"), i, block) {
		const char *type = json_string_value(json_object_get(block, "type"));

		if (type && !strcmp(type, "tool_result"))
			return true;
	}
	return false;
}

static bool has_tool(const json_t *body, const char *name)
{
	json_t *tool;
	size_t i;

	json_array_foreach(json_object_get(body, "tools"), i, tool) {
		const char *have = json_string_value(json_object_get(tool, "name"));

		if (have && !strcmp(have, name))
			return true;
	}
	return false;
}

static bool text_matches(const char *pattern, const char *text)
{
	regex_t re;
	bool hit;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB))
		return false;
	hit = regexec(&re, text ? text : "", 0, NULL, 0) == 0;
	regfree(&re);
	return hit;
}

static bool content_matches(const char *pattern, const json_t *content)
{
	FF_AUTO(ff_free) char *text = script_text_of(content);

	return text_matches(pattern, text);
}

static bool key_matches(const char *key, const json_t *want, const struct script_request *q)
{
	const char *pattern = json_string_value(want);

	if (!strcmp(key, "model"))
		return text_matches(pattern, json_string_value(json_object_get(q->body, "model")));
	if (!strcmp(key, "system"))
		return content_matches(pattern, json_object_get(q->body, "system"));
	if (!strcmp(key, "last_user"))
		return content_matches(pattern, json_object_get(script_user(q->body, true), "content"));
	if (!strcmp(key, "first_user"))
		return content_matches(pattern, json_object_get(script_user(q->body, false), "content"));
	if (!strcmp(key, "body"))
		return text_matches(pattern, q->raw);
	if (!strcmp(key, "has_tool"))
		return has_tool(q->body, pattern ? pattern : "");
	if (!strcmp(key, "tool_result"))
		return has_tool_result(script_user(q->body, true)) == json_is_true(want);
	if (!strcmp(key, "stream"))
		return json_is_true(json_object_get(q->body, "stream")) == json_is_true(want);
	if (!strcmp(key, "nth"))
		return json_integer_value(want) == q->nth;
	return (json_int_t)json_array_size(json_object_get(q->body, "messages")) >= json_integer_value(want);
}

static bool rule_matches(const struct rule *r, const struct script_request *q)
{
	const char *key;
	json_t *want;

	json_object_foreach(r->match, key, want)
		if (!key_matches(key, want, q))
			return false;
	return true;
}

/* The task is what our own prompt has between <task> lines, else all of the first message. */
static char *task_of(const struct script_request *q, bool slug)
{
	FF_AUTO(ff_free) char *text = script_text_of(json_object_get(script_user(q->body, false), "content"));
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *from = strstr(text, "<task>\n"), *end;

	from = from ? from + strlen("<task>\n") : text;
	end = strstr(from, "\n</task>");
	ff_buf_init(&b, 4096);
	if (!slug) {
		(void)ff_buf_add(&b, from, end ? (size_t)(end - from) : strnlen(from, 2000)); /* cut is fine */
		return ff_buf_take(&b);
	}
	for (; *from && *from != '\n' && b.len < 40; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from | 0x20) : *from;

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			(void)ff_buf_addc(&b, c);
		else if (b.len && b.data[b.len - 1] != '-')
			(void)ff_buf_addc(&b, '-');
	}
	while (b.len && b.data[b.len - 1] == '-')
		b.data[--b.len] = '\0';
	if (!b.len)
		(void)ff_buf_adds(&b, "task");
	return ff_buf_take(&b);
}

static char *variable(const char *name, size_t n, const struct script_request *q)
{
	const json_t *last = json_object_get(script_user(q->body, true), "content");

	if (n == 1 && *name == 'n')
		return ff_asprintf("%ld", q->number);
	if (n == 4 && !memcmp(name, "task", n))
		return task_of(q, false);
	if (n == 4 && !memcmp(name, "slug", n))
		return task_of(q, true);
	if (n == 5 && !memcmp(name, "model", n))
		return ff_strdup(json_string_value(json_object_get(q->body, "model")));
	if (n == 9 && !memcmp(name, "last_user", n))
		return script_text_of(last);
	return NULL;
}

static json_t *expand_string(const char *s, const struct script_request *q)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *open, *close;

	ff_buf_init(&b, TEXT_MAX);
	while ((open = strstr(s, "{{")) && (close = strstr(open, "}}"))) {
		FF_AUTO(ff_free) char *value = variable(open + 2, (size_t)(close - open - 2), q);

		(void)ff_buf_add(&b, s, (size_t)((value ? open : close + 2) - s));
		(void)ff_buf_adds(&b, value ? value : "");
		s = close + 2;
	}
	(void)ff_buf_adds(&b, s);
	return json_stringn(b.data, b.len);
}

static json_t *expand(json_t *v, const struct script_request *q)
{
	json_t *out, *item;
	const char *key;
	size_t i;

	if (json_is_string(v))
		return expand_string(json_string_value(v), q);
	if (json_is_array(v)) {
		out = json_array();
		json_array_foreach(v, i, item)
			(void)json_array_append_new(out, expand(item, q));
		return out;
	}
	if (json_is_object(v)) {
		out = json_object();
		json_object_foreach(v, key, item)
			(void)json_object_set_new(out, key, expand(item, q));
		return out;
	}
	return json_incref(v);
}

static int next_step(struct rule *r)
{
	long size = (long)json_array_size(r->sequence), i = r->used;

	if ((r->stop && r->used >= r->stop) || (r->then == THEN_PASS && i >= size))
		return -1;
	r->used++;
	if (i >= size)
		i = r->then == THEN_LOOP ? i % size : size - 1;
	return (int)i;
}

void script_pick(struct script *s, const struct script_request *q, struct script_pick *ret)
{
	*ret = (struct script_pick){ .rule = "fallback", .rule_index = -1 };
	(void)pthread_mutex_lock(&s->lock);
	for (int i = 0; i < s->count && !ret->step; i++) {
		struct rule *r = &s->rules[i];
		int at = rule_matches(r, q) ? next_step(r) : -1;

		if (at < 0)
			continue;
		memcpy(ret->rule, r->name, sizeof ret->rule);
		ret->rule_index = i;
		ret->step_index = at;
		ret->step = expand(json_array_get(r->sequence, (size_t)at), q);
	}
	if (!ret->step)
		ret->step = s->fallback ? expand(s->fallback, q) : json_pack("{s:s}", "text", "ok");
	(void)pthread_mutex_unlock(&s->lock);
}

void script_charge(struct script *s, int rule_index)
{
	(void)pthread_mutex_lock(&s->lock);
	s->charged++;
	if (rule_index >= 0)
		s->rules[rule_index].charged++;
	(void)pthread_mutex_unlock(&s->lock);
}

json_t *script_state(struct script *s)
{
	json_t *rules = json_array(), *out;

	(void)pthread_mutex_lock(&s->lock);
	for (int i = 0; i < s->count; i++)
		(void)json_array_append_new(rules, json_pack("{s:s, s:I, s:I}", "name", s->rules[i].name,
				"used", (json_int_t)s->rules[i].used, "charged", (json_int_t)s->rules[i].charged));
	out = json_pack("{s:I, s:o}", "charged", (json_int_t)s->charged, "rules", rules);
	(void)pthread_mutex_unlock(&s->lock);
	return out;
}

void script_reset(struct script *s)
{
	(void)pthread_mutex_lock(&s->lock);
	for (int i = 0; i < s->count; i++)
		s->rules[i].used = s->rules[i].charged = 0;
	s->charged = 0;
	(void)pthread_mutex_unlock(&s->lock);
}
