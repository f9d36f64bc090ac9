/* SPDX-License-Identifier: MIT */
/*
 * hook.conf: flat lines written by core and by the installer, because git's
 * syntax would need a parser that each push pays for.  A value that makes no
 * sense fails the whole file: half a configuration would be worse than the
 * one warning that a broken file gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "hooks/hook.h"

enum kind { KIND_PATH, KIND_TEXT, KIND_LIST, KIND_BOOL, KIND_INT, KIND_SIZE };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t min, max;
} keys[] = {
#define KEY(name, kind, field, min, max) { name, kind, offsetof(struct ff_hook_conf, field), min, max }
	KEY("socket", KIND_PATH, socket, 0, 0),
	KEY("spool", KIND_PATH, spool, 0, 0),
	KEY("trigger", KIND_LIST, triggers, 0, 0),
	KEY("options", KIND_BOOL, options, 0, 0),
	KEY("ignore", KIND_LIST, ignores, 0, 0),
	KEY("result-prefix", KIND_TEXT, result_prefix, 0, 0),
	KEY("conflict-prefix", KIND_TEXT, conflict_prefix, 0, 0),
	KEY("pusher-variable", KIND_TEXT, pusher_variable, 0, 0),
	KEY("timeout-ms", KIND_INT, timeout_ms, 100, 1900),
	KEY("answer-ms", KIND_INT, answer_ms, 0, 1000),
	KEY("drift", KIND_BOOL, drift, 0, 0),
	KEY("max-options", KIND_SIZE, limits.max_count, 1, 1000),
	KEY("max-task", KIND_SIZE, limits.max_task_bytes, 16, 131072),
	KEY("max-value", KIND_SIZE, limits.max_value_bytes, 16, 65536),
	KEY("max-refs", KIND_INT, max_refs, 1, 1000),
	KEY("max-message", KIND_INT, max_message, 4096, 262144),
#undef KEY
};

static const struct key *find_key(const char *name, size_t n)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++)
		if (strlen(keys[i].name) == n && !memcmp(keys[i].name, name, n))
			return &keys[i];
	return NULL;
}

static void replace(char **text, const char *value)
{
	ff_free(text);
	*text = *value ? ff_strdup(value) : NULL;
}

static int add_item(struct ff_hook_list *list, const char *value)
{
	if (!*value)
		return 0;
	if (list->count == FF_HOOK_LIST_MAX)
		return -1;
	list->items = ff_realloc(list->items, list->count + 2, sizeof *list->items);
	list->items[list->count++] = ff_strdup(value);
	list->items[list->count] = NULL;
	return 0;
}

static int set_number(const struct key *key, void *field, const char *value)
{
	int64_t v;

	if (ff_num_i64(value, key->min, key->max, &v) < 0)
		return -1;
	if (key->kind == KIND_SIZE)
		*(size_t *)field = (size_t)v;
	else
		*(int64_t *)field = v;
	return 0;
}

static int set_value(struct ff_hook_conf *conf, const struct key *key, const char *value)
{
	void *field = (char *)conf + key->offset;
	int yes;

	switch (key->kind) {
	case KIND_PATH:
		if (*value != '/')
			return -1;
		replace(field, value);
		return 0;
	case KIND_TEXT:
		replace(field, value);
		return 0;
	case KIND_LIST:
		return add_item(field, value);
	case KIND_BOOL:
		if (ff_num_bool(value, &yes) < 0)
			return -1;
		*(bool *)field = yes;
		return 0;
	case KIND_INT:
	case KIND_SIZE:
		return set_number(key, field, value);
	}
	return -1;
}

static int parse_line(struct ff_hook_conf *conf, const char *line, size_t n, struct ff_err *err)
{
	FF_AUTO(ff_free) char *value = NULL;
	const char *blank = memchr(line, ' ', n);
	size_t name_len = blank ? (size_t)(blank - line) : n;
	const struct key *key;

	if (n == 0 || *line == '#')
		return 0;
	key = find_key(line, name_len);
	if (!key)
		return 0; /* a newer core may write more than we know */
	value = blank ? ff_memdup0(blank + 1, n - name_len - 1) : ff_strdup("");
	if (set_value(conf, key, value) < 0)
		return ff_err_set(err, FF_E_INVALID, "'%s' has a wrong value", key->name);
	return 0;
}

static void set_defaults(struct ff_hook_conf *conf)
{
	*conf = (struct ff_hook_conf){
		.options = true,
		.limits = { .max_count = 64, .max_task_bytes = 32768, .max_value_bytes = 1024 },
		.timeout_ms = 1500, .answer_ms = 300, .max_refs = 500, .max_message = 262144,
	};
}

int ff_hook_conf_parse(const char *text, size_t n, struct ff_hook_conf *ret_conf, struct ff_err *err)
{
	FF_AUTO(ff_hook_conf_fini) struct ff_hook_conf conf;
	const char *end = text + n;

	set_defaults(&conf);
	if (memchr(text, '\0', n))
		return ff_err_set(err, FF_E_INVALID, "not a text file");
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *stop = nl ? nl : end;

		if (parse_line(&conf, text, (size_t)(stop - text), err) < 0)
			return -1;
		text = stop + (nl != NULL);
	}
	if (!conf.socket || !conf.spool)
		return ff_err_set(err, FF_E_INVALID, "it names no socket or no spool");
	*ret_conf = conf;
	memset(&conf, 0, sizeof conf); /* handed out: nothing left to free */
	return 0;
}

int ff_hook_conf_load(const char *path, struct ff_hook_conf *conf, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	FF_AUTO(ff_close) int fd = -1;
	struct stat st;

	ff_buf_init(&text, FF_HOOK_CONF_MAX);
	/* Non-blocking: a FIFO in its place must not hang the push. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return ff_err_errno(err, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ff_err_set(err, FF_E_INVALID, "%s: not a regular file", path);
	if (ff_fd_read_all(fd, &text, err) < 0 || ff_hook_conf_parse(text.data, text.len, conf, err) < 0)
		return ff_err_wrap(err, "%s", path);
	return 0;
}

static void fini_list(struct ff_hook_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		ff_free(&list->items[i]);
	ff_free(&list->items);
	list->count = 0;
}

void ff_hook_conf_fini(struct ff_hook_conf *conf)
{
	ff_free(&conf->socket);
	ff_free(&conf->spool);
	ff_free(&conf->result_prefix);
	ff_free(&conf->conflict_prefix);
	ff_free(&conf->pusher_variable);
	fini_list(&conf->triggers);
	fini_list(&conf->ignores);
}
