/* SPDX-License-Identifier: MIT */
/*
 * See policy.h.  Tools and sources are let through by lists of what is known
 * to run, or to lie, at the client; a kind that is new to us is refused until
 * somebody has looked.  Everything is looked at wherever it stands: which
 * nesting the service accepts is its business and changes.
 */
#include "daemon/gateway/policy.h"

#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "base/text.h"

#define DEPTH_MAX 64

unsigned ff_policy_allowed(const char *const *list)
{
	static const struct { const char *word; unsigned bit; } words[] = {
		{ "server-tools", FF_ALLOW_SERVER_TOOLS }, { "mcp", FF_ALLOW_MCP }, { "containers", FF_ALLOW_CONTAINERS },
		{ "urls", FF_ALLOW_URLS }, { "files", FF_ALLOW_FILES },
		{ "surcharges", FF_ALLOW_SURCHARGES },
	};
	unsigned bits = 0;

	for (; *list; list++)
		for (size_t i = 0; i < FF_ARRAY_LEN(words); i++)
			if (!strcmp(words[i].word, *list))
				bits |= words[i].bit;
	return bits;
}

static int refuse(struct ff_err *err, const char *what, const char *shown)
{
	return ff_err_set(err, FF_E_NOT_ALLOWED, "%s not allowed here (%.64s); see gateway.allow", what, shown ? shown : "no kind");
}

/*
 * A reader that folds case would see another request than we do.  NULL: the
 * name is none that matters.
 */
static int check_name(const char *name, struct ff_err *err)
{
	static const char *const names[] = {
		"mcp_servers", "container", "tools", "messages", "system", "source", "content", "type", "url", "file_id", "input",
		"model", "max_tokens", "stream", "thinking", "budget_tokens", "speed", "service_tier", "inference_geo", "ttl",
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++)
		if (!strcasecmp(name, names[i]) && strcmp(name, names[i]) != 0)
			return ff_err_set(err, FF_E_NOT_ALLOWED, "the key %.64s is not %s: write it small", name, names[i]);
	return 0;
}

static bool is_set(const json_t *v)
{
	return v && !json_is_null(v) && !(json_is_array(v) && !json_array_size(v));
}

static int check_tool(const json_t *tool, unsigned allowed, struct ff_err *err)
{
	static const char *const local[] = { "custom", "bash_", "text_editor_", "memory_", "computer_" };
	const json_t *kind = json_object_get(tool, "type");
	const char *word = json_string_value(kind), *name;
	json_t *value;

	if (!json_is_object(tool))
		return refuse(err, "tools that are no objects are", NULL);
	json_object_foreach((json_t *)(uintptr_t)tool, name, value)
		if (check_name(name, err) < 0)
			return -1;
	if (!kind)
		return 0; /* one of the client's own */
	for (size_t k = 0; word && k < FF_ARRAY_LEN(local); k++)
		if (local[k][strlen(local[k]) - 1] == '_' ? ff_starts(word, local[k]) : !strcmp(word, local[k]))
			return 0;
	if (word && ff_starts(word, "mcp_"))
		return allowed & FF_ALLOW_MCP ? 0 : refuse(err, "tools of other servers are", word);
	return word && allowed & FF_ALLOW_SERVER_TOOLS ? 0 : refuse(err, "tools that run at the provider are", word);
}

static int check_tools(const json_t *tools, unsigned allowed, struct ff_err *err)
{
	json_t *tool;
	size_t i;

	if (tools && !json_is_null(tools) && !json_is_array(tools))
		return refuse(err, "tools in anything but a list are", NULL);
	json_array_foreach(tools, i, tool)
		if (check_tool(tool, allowed, err) < 0)
			return -1;
	return 0;
}

/* A source is inline data or text; everything else is fetched by somebody. */
static int check_source(const json_t *source, unsigned allowed, struct ff_err *err)
{
	const char *type = json_string_value(json_object_get(source, "type"));
	bool url = json_object_get(source, "url"), file = json_object_get(source, "file_id");

	if ((url || (type && !strcmp(type, "url"))) && !(allowed & FF_ALLOW_URLS))
		return refuse(err, "sources that the provider would fetch are", "url");
	if ((file || (type && !strcmp(type, "file"))) && !(allowed & FF_ALLOW_FILES))
		return refuse(err, "files that lie at the provider are", "file");
	if (type && (!strcmp(type, "base64") || !strcmp(type, "text") || !strcmp(type, "content") || !strcmp(type, "url") ||
		     !strcmp(type, "file")))
		return 0;
	return refuse(err, "sources of an unknown kind are", type);
}

static int check_block(const json_t *o, unsigned allowed, struct ff_err *err)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	const json_t *source = json_object_get(o, "source");

	if (json_object_get(o, "file_id") && !(allowed & FF_ALLOW_FILES))
		return refuse(err, "files that lie at the provider are", "file_id");
	if (type && ff_starts(type, "container_") && !(allowed & FF_ALLOW_CONTAINERS))
		return refuse(err, "containers are", type);
	if (json_is_array(source)) /* a list of them? nobody has said so */
		return refuse(err, "sources in a list are", NULL);
	return json_is_object(source) ? check_source(source, allowed, err) : 0;
}

static int walk(const json_t *v, unsigned allowed, int depth, struct ff_err *err);

static int walk_object(const json_t *o, unsigned allowed, int depth, struct ff_err *err)
{
	const char *type = json_string_value(json_object_get(o, "type")), *name;
	/* What the model wrote as arguments is data, whatever it looks like. */
	bool call = type && (!strcmp(type, "tool_use") || !strcmp(type, "server_tool_use") || !strcmp(type, "mcp_tool_use"));
	json_t *value;

	if (check_block(o, allowed, err) < 0)
		return -1;
	json_object_foreach((json_t *)(uintptr_t)o, name, value) {
		if (call && !strcmp(name, "input"))
			continue;
		if (check_name(name, err) < 0 || walk(value, allowed, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int walk(const json_t *v, unsigned allowed, int depth, struct ff_err *err)
{
	json_t *item;
	size_t i;

	if (depth > DEPTH_MAX)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "content nested more than %d deep", DEPTH_MAX);
	if (json_is_object(v))
		return walk_object(v, allowed, depth, err);
	json_array_foreach(v, i, item)
		if (walk(item, allowed, depth + 1, err) < 0)
			return -1;
	return 0;
}

/* --- what it may cost ------------------------------------------------------------ */

/* 5e4 or "50000" would be no number to us, and may be one to the service. */
static int check_count(const json_t *in, const char *name, struct ff_err *err)
{
	const json_t *v = json_object_get(in, name);

	if (!v || (json_is_integer(v) && json_integer_value(v) >= 0))
		return 0;
	return ff_err_set(err, FF_E_NOT_ALLOWED, "%s has to be a whole number in digits: it is what may be spent", name);
}

static int check_model(const json_t *root, struct ff_err *err)
{
	const json_t *v = json_object_get(root, "model");
	char name[FF_MODEL_NAME];

	if (!v)
		return 0;
	ff_model_name(json_is_string(v) ? json_string_value(v) : "?", name);
	if (json_string_length(v) != strlen(name) || strchr(name, '?'))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "the model has to be a name of up to %d letters, digits and signs", FF_MODEL_NAME - 1);
	return 0;
}

/* Faster, sooner or elsewhere for another price than that of the list. */
static int check_surcharges(const json_t *root, unsigned allowed, struct ff_err *err)
{
	static const struct { const char *name, *words[4]; } plain[] = {
		{ "speed", { "standard", NULL } }, { "service_tier", { "auto", "standard_only", "standard", NULL } },
		{ "inference_geo", { "global", NULL } },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(plain) && !(allowed & FF_ALLOW_SURCHARGES); i++) {
		const json_t *v = json_object_get(root, plain[i].name);
		const char *word = json_string_value(v);
		bool known = !v || json_is_null(v);

		for (const char *const *w = plain[i].words; *w && word; w++)
			known |= !strcmp(word, *w);
		if (!known)
			return refuse(err, "requests that cost more than the list says are", plain[i].name);
	}
	return 0;
}

static int check_cost(const json_t *root, unsigned allowed, struct ff_err *err)
{
	const json_t *thinking = json_object_get(root, "thinking");
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)thinking, name, value)
		if (check_name(name, err) < 0)
			return -1;
	if (check_count(root, "max_tokens", err) < 0 || check_count(thinking, "budget_tokens", err) < 0 ||
	    check_model(root, err) < 0)
		return -1;
	return check_surcharges(root, allowed, err);
}

/* Wherever it stands: a cache_control may be in any block, tool or message, and in places that are new. */
static bool caches_long(const json_t *v)
{
	const json_t *ttl = json_object_get(v, "ttl");
	bool yes = ttl && (!json_is_string(ttl) || strcmp(json_string_value(ttl), "5m") != 0);
	const char *name;
	json_t *item;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)v, name, item)
		yes = yes || caches_long(item);
	json_array_foreach(v, i, item)
		yes = yes || caches_long(item);
	return yes;
}

static int check_root(const json_t *root, unsigned allowed, struct ff_err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)root, name, value)
		if (check_name(name, err) < 0)
			return -1;
	if (is_set(json_object_get(root, "mcp_servers")) && !(allowed & FF_ALLOW_MCP))
		return refuse(err, "other servers are", "mcp_servers");
	if (is_set(json_object_get(root, "container")) && !(allowed & FF_ALLOW_CONTAINERS))
		return refuse(err, "containers are", "container");
	if (check_tools(json_object_get(root, "tools"), allowed, err) < 0 ||
	    walk(json_object_get(root, "system"), allowed, 0, err) < 0 || check_cost(root, allowed, err) < 0)
		return -1;
	return walk(json_object_get(root, "messages"), allowed, 0, err);
}

static void see(const json_t *root, struct ff_policy_seen *ret)
{
	const char *model = json_string_value(json_object_get(root, "model"));
	json_int_t max = json_integer_value(json_object_get(root, "max_tokens"));
	json_int_t thinking = json_integer_value(json_object_get(json_object_get(root, "thinking"), "budget_tokens"));

	*ret = (struct ff_policy_seen){ .stream = json_is_true(json_object_get(root, "stream")), .cache_long = caches_long(root) };
	/* Thinking between tools may take more than the answer. */
	if (thinking > max)
		max = thinking;
	ff_model_name(model ? model : "", ret->model);
	if (max > 0)
		ret->max_tokens = max < INT32_MAX ? max : INT32_MAX;
}

int ff_policy_check(const void *body, size_t n, unsigned allowed, struct ff_policy_seen *ret, struct ff_err *err)
{
	/* Two keys of one name could be read one way here and the other way there. */
	json_t *root = json_loadb(body, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	int rc;

	if (!json_is_object(root)) {
		json_decref(root);
		return ff_err_set(err, FF_E_INVALID, "the body is no JSON object, or one with two keys of the same name");
	}
	rc = check_root(root, allowed, err);
	if (rc == 0)
		see(root, ret);
	json_decref(root);
	return rc;
}
