/* SPDX-License-Identifier: MIT */
/* What a step says as a message of the API, and the scenario that --demo plays. */
#include "tests/lib/model-script.h"

#include <string.h>

static json_t *block_of(json_t *from, const struct script_request *q, size_t index)
{
	json_t *use = json_object_get(from, "tool_use"), *id, *input;

	if (json_is_string(from))
		return json_pack("{s:s, s:O}", "type", "text", "text", from);
	if (json_object_get(from, "thinking"))
		return json_pack("{s:s, s:O, s:s}", "type", "thinking", "thinking", json_object_get(from, "thinking"),
				 "signature", "c2lnbmVkIGJ5IHRoZSBtb2RlbCBzZXJ2ZXI=");
	if (!use)
		return json_pack("{s:s, s:O}", "type", "text", "text", json_object_get(from, "text"));
	id = json_object_get(use, "id");
	input = json_object_get(use, "input");
	return json_pack("{s:s, s:o, s:O, s:o}", "type", "tool_use",
			 "id", id ? json_incref(id) : json_sprintf("toolu_%06ld_%zu", q->number, index),
			 "name", json_object_get(use, "name"), "input", input ? json_incref(input) : json_object());
}

static json_t *usage_of(json_t *step, const struct script_request *q, size_t out_bytes)
{
	json_t *u = json_pack("{s:I, s:i, s:i, s:I}", "input_tokens", (json_int_t)(strlen(q->raw) / 4 + 1),
			      "cache_creation_input_tokens", 0, "cache_read_input_tokens", 0,
			      "output_tokens", (json_int_t)(out_bytes / 4 + 1));

	(void)json_object_update(u, json_object_get(step, "usage"));
	return u;
}

json_t *script_message(json_t *step, const struct script_request *q)
{
	json_t *content = json_array(), *blocks = json_object_get(step, "content"), *b;
	json_t *id = json_object_get(step, "id"), *model = json_object_get(step, "model");
	json_t *stop = json_object_get(step, "stop_reason"), *asked = json_object_get(q->body, "model");
	bool tool = false;
	char *dump;
	size_t i, size;

	json_array_foreach(blocks, i, b)
		(void)json_array_append_new(content, block_of(b, q, i));
	if (!blocks)
		(void)json_array_append_new(content, block_of(step, q, 0));
	json_array_foreach(content, i, b)
		tool |= !strcmp(json_string_value(json_object_get(b, "type")), "tool_use");
	dump = json_dumps(content, JSON_COMPACT);
	size = dump ? strlen(dump) : 0;
	ff_free(&dump);
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:n, s:o}",
			 "id", id ? json_incref(id) : json_sprintf("msg_%06ld", q->number),
			 "type", "message", "role", "assistant",
			 "model", model ? json_incref(model) : asked ? json_incref(asked) : json_string("claude-script"),
			 "content", content,
			 "stop_reason", stop ? json_incref(stop) : json_string(tool ? "tool_use" : "end_turn"),
			 "stop_sequence", "usage", usage_of(step, q, size));
}

/*
 * Believable on any repository: look around, look at what is there, write a
 * note of its own name (so nothing is overwritten and no two jobs meet), read
 * it again, end.  Chosen by the length of the conversation and not by counts,
 * so that many jobs can play at once and a resumed one goes on where it was.
 */
static const char demo[] =
"{\"rules\":["
"{\"name\":\"finish\",\"match\":{\"min_messages\":7},\"sequence\":[{\"chunk_delay_ms\":15,\"text\":"
"\"Write down the task\\n\\nnotes/{{slug}}.md holds the task and what was done. Nothing else was changed.\"}]},"
"{\"name\":\"check\",\"match\":{\"min_messages\":5},\"sequence\":[{\"chunk_delay_ms\":15,\"content\":["
"{\"text\":\"Now I read it back to be sure that it is complete.\"},"
"{\"tool_use\":{\"name\":\"bash\",\"input\":{\"command\":\"cat notes/{{slug}}.md && wc -l notes/{{slug}}.md\"}}}]}]},"
"{\"name\":\"write\",\"match\":{\"min_messages\":3},\"sequence\":[{\"chunk_delay_ms\":15,\"content\":["
"{\"text\":\"I know the layout now. I write down the task and the state of the tree.\"},"
"{\"tool_use\":{\"name\":\"edit\",\"input\":{\"command\":\"create\",\"path\":\"notes/{{slug}}.md\","
"\"file_text\":\"# Task\\n\\n{{task}}\\n\\n# What was done\\n\\nThe model server of the demonstration looked at the tree and wrote this note.\\nWith a real key, a model does the task here.\\n\"}}}]}]},"
"{\"name\":\"look\",\"match\":{},\"sequence\":[{\"chunk_delay_ms\":15,\"content\":["
"{\"text\":\"I look at the repository first.\"},"
"{\"tool_use\":{\"name\":\"bash\",\"input\":{\"command\":\"ls -la && find . -type f -not -path './.git/*' | sort | head -40\"}}}]}]}"
"]}";

int script_demo(struct script **ret_script, struct ff_err *err)
{
	json_t *root = json_loads(demo, JSON_REJECT_DUPLICATES, NULL);
	int rc;

	ff_assert(root);
	rc = script_load(root, ret_script, err);
	json_decref(root);
	return rc;
}
