/* SPDX-License-Identifier: MIT */
/* See agent_tools.h. What the model asks for is checked here; what it may touch is the sandbox's matter. */
#include "daemon/worker/agent_tools.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/redact.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/sandbox/tools.h"
#include "daemon/worker/agent.h"
#include "daemon/worker/agent_say.h"

#define RECORD_MAX (1024u * 1024 * 1024)

struct ff_toolbox {
	const struct ff_agent_run *run;
	json_t *known;  /* tool_use id -> {"id","input","text","is_error"} */
	int fd;         /* tools.jsonl, for appending */
};

static json_t *property(const char *type, const char *what)
{
	return json_pack("{s:s, s:s}", "type", type, "description", what);
}

static json_t *bash_schema(const struct ff_agent_run *run)
{
	json_t *p = json_object();
	FF_AUTO(ff_free) char *limit = ff_asprintf("Seconds after which the command is killed; at most and by default %" PRId64 ".",
						   ff_conf_int(run->conf, FF_CONF_AGENT_TOOL_TIMEOUT) / 1000);

	(void)json_object_set_new(p, "command", property("string", "The command line, run by bash -c in /ws."));
	(void)json_object_set_new(p, "timeout_s", property("integer", limit));
	return json_pack("{s:s, s:s, s:{s:s, s:o, s:[s], s:b}}", "name", "bash", "description",
		"Runs a command in a fresh shell in the work tree /ws and gives its output and exit status. Nothing but files is "
		"kept between calls: no variables, no current folder, no background processes.",
		"input_schema", "type", "object", "properties", p, "required", "command", "additionalProperties", 0);
}

static json_t *edit_schema(void)
{
	json_t *p = json_object();

	(void)json_object_set_new(p, "command", json_pack("{s:s, s:[s, s, s, s]}", "type", "string", "enum",
							  "view", "create", "str_replace", "insert"));
	(void)json_object_set_new(p, "path", property("string", "File below /ws, absolute or relative to it."));
	(void)json_object_set_new(p, "file_text", property("string", "create: the whole file; an existing one is replaced."));
	(void)json_object_set_new(p, "old_str", property("string", "str_replace: text that is in the file exactly once."));
	(void)json_object_set_new(p, "new_str", property("string", "str_replace: what takes its place. insert: the new lines."));
	(void)json_object_set_new(p, "insert_line", property("integer", "insert: the line after which they go; 0: at the top."));
	(void)json_object_set_new(p, "view_range", json_pack("{s:s, s:{s:s}, s:s}", "type", "array", "items", "type", "integer",
		"description", "view: first and last line, from 1; a last line of -1 is the end of the file."));
	return json_pack("{s:s, s:s, s:{s:s, s:o, s:[s, s], s:b}}", "name", "edit", "description",
		"Views, creates and changes files of the work tree.", "input_schema", "type", "object", "properties", p,
		"required", "command", "path", "additionalProperties", 0);
}

json_t *ff_toolbox_schema(const struct ff_agent_run *run)
{
	return json_pack("[o, o]", bash_schema(run), edit_schema());
}

/* Whole lines only: the end of the last write may be missing after a crash. */
static size_t load_lines(json_t *known, const struct ff_buf *b)
{
	size_t at = 0;

	while (at < b->len) {
		const char *line = b->data + at, *end = memchr(line, '\n', b->len - at);
		json_t *entry = end ? json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL) : NULL;
		const char *id = json_string_value(json_object_get(entry, "id"));

		if (id)
			(void)json_object_set(known, id, entry);
		json_decref(entry);
		if (!id)
			break;
		at += (size_t)(end - line) + 1;
	}
	return at;
}

int ff_toolbox_open(const struct ff_agent_run *run, struct ff_toolbox **ret_box, struct ff_err *err)
{
	FF_AUTO(ff_toolbox_close) struct ff_toolbox *box = ff_calloc(1, sizeof *box);
	FF_AUTO(ff_free) char *path = ff_path_join(run->job_dir, FF_AGENT_TOOLS);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	box->run = run;
	box->known = json_object();
	ff_buf_init(&b, RECORD_MAX);
	box->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (box->fd < 0)
		return ff_err_errno(err, "%s", path);
	if (ff_fd_read_all(box->fd, &b, err) < 0)
		return ff_err_wrap(err, "%s", path);
	if (ftruncate(box->fd, (off_t)load_lines(box->known, &b)) < 0)
		return ff_err_errno(err, "%s", path);
	if (ff_dir_sync(run->job_dir, err) < 0)
		return -1;
	*ret_box = ff_steal(&box);
	return 0;
}

void ff_toolbox_close(struct ff_toolbox **box)
{
	if (!*box)
		return;
	json_decref((*box)->known);
	ff_close(&(*box)->fd);
	ff_free(box);
}

static int keep(struct ff_toolbox *box, const char *id, json_t *entry, struct ff_err *err)
{
	char *line = json_dumps(entry, JSON_COMPACT);
	FF_AUTO(ff_free) char *whole = ff_asprintf("%s\n", line ? line : "");
	int rc = 0;

	if (!line || ff_fd_write_all(box->fd, whole, strlen(whole), err) < 0)
		rc = ff_err_wrap(err, "tools.jsonl");
	else if (fdatasync(box->fd) < 0)
		rc = ff_err_errno(err, "tools.jsonl: fdatasync");
	ff_free(&line);
	if (rc == 0)
		(void)json_object_set(box->known, id, entry);
	return rc;
}

static void show_result(struct ff_toolbox *box, const struct ff_tools_result *r)
{
	const struct ff_agent_run *run = box->run;

	ff_agent_say_tail(run, "tool", r->text);
	if (r->is_error) {
		FF_AUTO(ff_free) char *line = ff_asprintf("[%s, exit status %d]", r->timed_out ? "time is over" : "failed", r->exit_status);

		run->log(run->arg, "tool", line);
	}
}

/* A string of the input without NUL bytes; NULL when it is absent or not that. */
static const char *text_of(const json_t *input, const char *key)
{
	const json_t *v = json_object_get(input, key);
	const char *s = json_string_value(v);

	return s && strlen(s) == json_string_length(v) ? s : NULL;
}

/* The result of a call that made no sense; the model can mend it. */
static int complaint(struct ff_tools_result *r, const char *text)
{
	*r = (struct ff_tools_result){ .text = ff_strdup(text), .is_error = true, .exit_status = 2 };
	return 0;
}

static int call_bash(struct ff_toolbox *box, const json_t *input, struct ff_tools_result *r, struct ff_err *err)
{
	const char *command = text_of(input, "command");
	const json_t *seconds = json_object_get(input, "timeout_s");
	int64_t s = json_is_integer(seconds) ? json_integer_value(seconds) : 0;

	if (!command || !*command)
		return complaint(r, "bash: `command` has to be a text without NUL bytes");
	if (s < 0 || s > 1000000)
		return complaint(r, "bash: `timeout_s` is out of range");
	ff_agent_say(box->run, "tool", "$", command);
	return ff_tools_bash(box->run->tools, command, s * 1000, r, err);
}

static int64_t number(const json_t *v, int64_t otherwise)
{
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static int call_edit(struct ff_toolbox *box, const json_t *input, bool again, struct ff_tools_result *r, struct ff_err *err)
{
	static const struct { const char *word; enum ff_edit_command command; const char *text_key; } words[] = {
		{ "view", FF_EDIT_VIEW, NULL }, { "create", FF_EDIT_CREATE, "file_text" },
		{ "str_replace", FF_EDIT_REPLACE, "new_str" }, { "insert", FF_EDIT_INSERT, "new_str" },
	};
	const json_t *range = json_object_get(input, "view_range");
	const char *word = text_of(input, "command");
	struct ff_edit e = { .path = text_of(input, "path"), .old_text = text_of(input, "old_str"), .again = again,
			     .line = number(json_object_get(input, "insert_line"), -1),
			     .first = number(json_array_get(range, 0), 0), .last = number(json_array_get(range, 1), -1) };
	FF_AUTO(ff_free) char *what = NULL;

	for (size_t i = 0; word && i < FF_ARRAY_LEN(words); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		e.command = words[i].command;
		if (words[i].text_key && json_object_get(input, words[i].text_key)) {
			e.text = text_of(input, words[i].text_key);
			if (!e.text)
				return complaint(r, "edit: the new text has to be a text without NUL bytes");
		}
	}
	if (!e.command)
		return complaint(r, "edit: `command` is view, create, str_replace or insert");
	if (!e.path || !*e.path)
		return complaint(r, "edit: `path` is missing");
	if (e.command == FF_EDIT_INSERT && e.line < 0)
		return complaint(r, "edit: insert needs `insert_line`, 0 or more");
	what = ff_asprintf("%s %s", word, e.path);
	ff_agent_say(box->run, "tool", "edit:", what);
	return ff_tools_edit(box->run->tools, &e, r, err);
}

/* A secret that a command printed is neither the model's business nor that of the record. */
static void keep_in(struct ff_toolbox *box, struct ff_tools_result *r)
{
	char *clean = ff_redact_text(box->run->redact, r->text);

	if (!clean)
		return;
	ff_free(&r->text);
	r->text = clean;
}

static int call(struct ff_toolbox *box, const json_t *use, bool again, struct ff_tools_result *r, struct ff_err *err)
{
	const char *name = json_string_value(json_object_get(use, "name"));
	const json_t *input = json_object_get(use, "input");
	int rc;

	if (!json_object_size(input))
		rc = complaint(r, "the input of the call was empty or no valid JSON; call the tool again");
	else if (name && !strcmp(name, "bash"))
		rc = call_bash(box, input, r, err);
	else if (name && !strcmp(name, "edit"))
		rc = call_edit(box, input, again, r, err);
	else
		rc = complaint(r, "there is no such tool; there are bash and edit");
	if (rc == 0)
		keep_in(box, r);
	if (rc == 0 && !(name && !strcmp(name, "edit") && !r->is_error))
		show_result(box, r);
	return rc;
}

/* What the model reads: output, and how the command ended if that was not well. */
static json_t *entry_of(const char *id, json_t *input, const struct ff_tools_result *r)
{
	FF_AUTO(ff_free) char *text = NULL;

	if (r->timed_out)
		text = ff_asprintf("%s\n[killed: the time for the command was over]", r->text);
	else if (r->is_error && r->exit_status)
		text = ff_asprintf("%s\n[exit status %d]", r->text, r->exit_status);
	else
		text = ff_strdup(*r->text ? r->text : "[no output]");
	return json_pack("{s:s, s:O?, s:s, s:b}", "id", id, "input", input, "text", text, "is_error", r->is_error);
}

int ff_toolbox_call(struct ff_toolbox *box, const json_t *use, bool again, json_t **ret_result, struct ff_err *err)
{
	const char *id = json_string_value(json_object_get(use, "id"));
	FF_AUTO(ff_tools_result_fini) struct ff_tools_result r = { 0 };
	json_t *entry;
	int rc = 0;

	if (!id || !*id)
		return ff_err_set(err, FF_E_AGENT_FAILED, "the model called a tool without an id");
	entry = json_incref(json_object_get(box->known, id));
	/* An id that came back with another call is not that call. */
	if (entry && !json_equal(json_object_get(entry, "input"), json_object_get(use, "input"))) {
		json_decref(entry);
		entry = NULL;
	}
	if (!entry) {
		if (call(box, use, again, &r, err) < 0)
			return -1;
		entry = entry_of(id, json_object_get(use, "input"), &r);
		if (!entry)
			return ff_err_set(err, FF_E_INTERNAL, "the output of a tool is not UTF-8");
		rc = keep(box, id, entry, err);
	}
	if (rc == 0)
		*ret_result = json_pack("{s:s, s:s, s:O, s:O}", "type", "tool_result", "tool_use_id", id, "content",
					json_object_get(entry, "text"), "is_error", json_object_get(entry, "is_error"));
	json_decref(entry);
	return rc;
}
