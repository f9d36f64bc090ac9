/* SPDX-License-Identifier: MIT */
/*
 * See policy.h.  Tools are let through by a list of kinds that run at the
 * client; a kind that is new to us is refused until somebody has looked.
 */
#include "daemon/gateway/policy.h"

#include <string.h>

#include <jansson.h>

#include "base/text.h"

#define DEPTH_MAX 32

static int check_tools(const json_t *tools, struct ff_err *err)
{
	static const char *const local[] = { "custom", "bash_", "text_editor_", "memory_", "computer_" };
	json_t *tool;
	size_t i;

	json_array_foreach(tools, i, tool) {
		const json_t *kind = json_object_get(tool, "type");
		const char *word = json_string_value(kind);
		bool ok = !kind;

		for (size_t k = 0; word && k < FF_ARRAY_LEN(local); k++)
			ok |= ff_starts(word, local[k]);
		if (!ok)
			return ff_err_set(err, FF_E_NOT_ALLOWED, "tools that run at the provider are not allowed here (%.64s)",
					  word ? word : "no kind");
	}
	return 0;
}

/* A source is inline data or text; everything else is fetched by somebody. */
static int check_source(const json_t *source, struct ff_err *err)
{
	const char *type = json_string_value(json_object_get(source, "type"));

	if (type && (!strcmp(type, "base64") || !strcmp(type, "text") || !strcmp(type, "content")))
		return 0;
	return ff_err_set(err, FF_E_NOT_ALLOWED, "sources that the provider would fetch are not allowed here (%.64s)",
			  type ? type : "no kind");
}

static int check_content(const json_t *content, int depth, struct ff_err *err)
{
	const json_t *source;
	json_t *block;
	size_t i;

	if (depth > DEPTH_MAX)
		return ff_err_set(err, FF_E_NOT_ALLOWED, "content nested more than %d deep", DEPTH_MAX);
	json_array_foreach(content, i, block) {
		source = json_object_get(block, "source");
		if (json_is_object(source) && (check_source(source, err) < 0 ||
		    check_content(json_object_get(source, "content"), depth + 1, err) < 0))
			return -1;
		if (check_content(json_object_get(block, "content"), depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int check_root(const json_t *root, struct ff_err *err)
{
	const json_t *messages = json_object_get(root, "messages");
	json_t *m;
	size_t i;

	if (json_array_size(json_object_get(root, "mcp_servers")))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "mcp_servers are not allowed here");
	if (json_object_get(root, "container") && !json_is_null(json_object_get(root, "container")))
		return ff_err_set(err, FF_E_NOT_ALLOWED, "containers are not allowed here");
	if (check_tools(json_object_get(root, "tools"), err) < 0 ||
	    check_content(json_object_get(root, "system"), 0, err) < 0)
		return -1;
	json_array_foreach(messages, i, m)
		if (check_content(json_object_get(m, "content"), 0, err) < 0)
			return -1;
	return 0;
}

int ff_policy_check(const void *body, size_t n, struct ff_err *err)
{
	/* Two keys of one name could be read one way here and the other way there. */
	json_t *root = json_loadb(body, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	int rc;

	if (!json_is_object(root)) {
		json_decref(root);
		return ff_err_set(err, FF_E_INVALID, "the body is no JSON object");
	}
	rc = check_root(root, err);
	json_decref(root);
	return rc;
}
