/* SPDX-License-Identifier: MIT */
/* See client.h. Only a complete message is an answer: half of one could be half of a command. */
#include "model/client.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"


struct transfer {
	const struct ff_model_call *call;
	struct ff_answer *answer;
	struct ff_model_hint *hint;
	struct ff_buf body;      /* of an error, or of an answer that is not a stream */
	bool is_stream, told_replayed;
	int again_word;          /* x-should-retry: -1 not said */
	int64_t heard_ms;
	enum ff_err_code own;    /* error of the gateway itself */
	enum ff_err_code stopped; /* why we ended it ourselves */
	struct ff_err err;       /* of the parser */
};

static json_t *cache_mark(void)
{
	return json_pack("{s:s}", "type", "ephemeral");
}

static json_t *system_blocks(const char *const *texts)
{
	json_t *blocks = json_array(), *last;

	for (; texts && *texts; texts++)
		if (**texts)
			(void)json_array_append_new(blocks, json_pack("{s:s, s:s}", "type", "text", "text", *texts));
	last = json_array_get(blocks, json_array_size(blocks) ? json_array_size(blocks) - 1 : 0);
	if (last)
		(void)json_object_set_new(last, "cache_control", cache_mark());
	return blocks;
}

/* Everything up to the last block of the conversation can be read from the cache by the next request. */
static json_t *marked_messages(json_t *messages)
{
	json_t *copy = json_copy(messages), *last, *content, *block;
	size_t n = json_array_size(copy), k;

	if (!n)
		return copy;
	last = json_deep_copy(json_array_get(copy, n - 1));
	content = json_object_get(last, "content");
	k = json_array_size(content);
	block = k ? json_array_get(content, k - 1) : NULL;
	if (json_is_object(block))
		(void)json_object_set_new(block, "cache_control", cache_mark());
	(void)json_array_set_new(copy, n - 1, last);
	return copy;
}

char *ff_model_body(const struct ff_model_request *r)
{
	json_t *root = json_pack("{s:s, s:I, s:b, s:o, s:o}", "model", r->model, "max_tokens", (json_int_t)r->max_tokens,
				 "stream", 1, "system", system_blocks(r->system), "messages", marked_messages(r->messages));
	char *text;

	ff_assert(root);
	if (json_array_size(r->tools))
		(void)json_object_set(root, "tools", r->tools);
	if (r->output)
		(void)json_object_set(root, "output_config", r->output);
	text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	ff_assert(text);
	json_decref(root);
	return text;
}

static bool name_is(const char *line, size_t n, const char *name, char *value, size_t size)
{
	size_t k = strlen(name);

	if (n <= k || strncasecmp(line, name, k) != 0 || line[k] != ':')
		return false;
	for (k++; k < n && (line[k] == ' ' || line[k] == '\t'); k++)
		;
	while (n > k && (line[n - 1] == '\r' || line[n - 1] == '\n' || line[n - 1] == ' '))
		n--;
	if (n - k >= size)
		n = k + size - 1;
	memcpy(value, line + k, n - k);
	value[n - k] = '\0';
	return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;
	char value[256];
	int64_t s;
	int yes;

	t->heard_ms = ff_clock_mono();
	if (name_is(line, n, "content-type", value, sizeof value))
		t->is_stream = !strncasecmp(value, "text/event-stream", strlen("text/event-stream"));
	else if (name_is(line, n, "retry-after", value, sizeof value)) {
		if (ff_num_i64(value, 0, 1000000, &s) == 0)
			t->hint->retry_after_ms = s * 1000;
	} else if (name_is(line, n, "x-should-retry", value, sizeof value)) {
		if (ff_num_bool(value, &yes) == 0)
			t->again_word = yes;
	} else if (name_is(line, n, FF_MODEL_ERROR, value, sizeof value))
		t->own = ff_err_by_name(value);
	else if (name_is(line, n, FF_MODEL_REPLAYED, value, sizeof value))
		t->hint->replayed = true;
	return n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;

	t->heard_ms = ff_clock_mono();
	if (t->hint->replayed && !t->told_replayed && t->call->on_replayed)
		t->call->on_replayed(t->call->arg);
	t->told_replayed = true;
	if (t->is_stream) {
		if (ff_answer_feed(t->answer, p, n, &t->err) < 0)
			return 0;
		return n;
	}
	return ff_buf_add(&t->body, p, n) < 0 ? 0 : n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct transfer *t = arg;
	int64_t now = ff_clock_mono();

	(void)a, (void)b, (void)c, (void)d;
	if (t->call->deadline_ms && now >= t->call->deadline_ms)
		t->stopped = FF_E_TIMEOUT;
	else if (t->call->idle_ms && now - t->heard_ms >= t->call->idle_ms)
		t->stopped = FF_E_NETWORK_ERROR;
	else if (t->call->stop && t->call->stop(t->call->arg))
		t->stopped = FF_E_CANCELLED;
	return t->stopped != FF_E_NONE;
}

/*
 * A socket in a deep folder is reached through the opened folder, because
 * sun_path is short (unix(7)).  *dir_fd stays open while the path is used.
 */
static char *short_path(const char *path, int *dir_fd)
{
	const char *slash = strrchr(path, '/');
	FF_AUTO(ff_free) char *dir = NULL;

	if (strlen(path) < sizeof ((struct sockaddr_un *)0)->sun_path || !slash)
		return ff_strdup(path);
	dir = ff_memdup0(path, (size_t)(slash - path));
	*dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return ff_asprintf("/proc/self/fd/%d/%s", *dir_fd, slash + 1);
}

static void *take(size_t n)
{
	return ff_realloc(NULL, n, 1);
}

static void *resize(void *p, size_t n)
{
	return ff_realloc(p, n, 1);
}

void ff_model_setup(void)
{
	static bool done;

	if (!done)
		ff_assert(curl_global_init_mem(CURL_GLOBAL_DEFAULT, take, free, resize, ff_strdup, ff_calloc) == CURLE_OK);
	done = true;
}

static CURLcode perform(struct transfer *t, const char *body, size_t n)
{
	FF_AUTO(ff_close) int dir_fd = -1;
	FF_AUTO(ff_free) char *path = short_path(t->call->socket, &dir_fd);
	struct curl_slist *fields = NULL;
	CURLcode rc;
	CURL *h;
	long status = 0;

	ff_model_setup();
	h = curl_easy_init();
	ff_assert(h);
	fields = curl_slist_append(fields, "content-type: application/json");
	fields = curl_slist_append(fields, "anthropic-version: " FF_MODEL_VERSION);
	if (t->call->token) {
		FF_AUTO(ff_free) char *line = ff_asprintf("x-api-key: %s", t->call->token);

		fields = curl_slist_append(fields, line);
		ff_wipe(line, strlen(line));
	}
	fields = curl_slist_append(fields, "expect:"); /* the gateway is here: no round trip before the body */
	ff_assert(fields);
	curl_easy_setopt(h, CURLOPT_URL, "http://gateway" FF_MODEL_MESSAGES);
	curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, path);
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h, CURLOPT_XFERINFODATA, t);
	rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	t->hint->status = (int)status;
	curl_slist_free_all(fields);
	curl_easy_cleanup(h);
	return rc;
}

static int error_answer(const struct transfer *t, struct ff_err *err)
{
	json_t *root = json_loadb(t->body.data, t->body.len, 0, NULL), *e = json_object_get(root, "error");
	const char *type = json_string_value(json_object_get(e, "type"));
	const char *text = json_string_value(json_object_get(e, "message"));

	if (t->own)
		ff_err_set(err, t->own, "%s", text ? text : ff_err_meaning(t->own));
	else
		ff_err_set(err, ff_model_class(t->hint->status, NULL), "the model service answered %d%s%s%s%s", t->hint->status,
			   type ? " " : "", type ? type : "", text ? ": " : "", text ? text : "");
	json_decref(root);
	return -1;
}

static int judge(struct transfer *t, CURLcode rc, struct ff_err *err)
{
	if (t->stopped == FF_E_TIMEOUT)
		return ff_err_set(err, FF_E_DEADLINE, "the job's time is over (job.deadline)");
	if (t->stopped == FF_E_CANCELLED)
		return ff_err_set(err, FF_E_CANCELLED, "stopped while the model was answering");
	if (t->stopped != FF_E_NONE)
		return ff_err_set(err, t->stopped, "the model service was silent for %" PRId64 " ms", t->call->idle_ms);
	if (t->err.code != FF_E_NONE)
		return ff_err_set(err, t->err.code, "%s", t->err.text);
	/* What came whole counts, even if the connection then ended badly. */
	if (t->hint->status == 200 && t->answer->complete)
		return 0;
	if (t->hint->status && t->hint->status != 200)
		return error_answer(t, err);
	if (rc == CURLE_COULDNT_CONNECT)
		return ff_err_set(err, FF_E_UNREACHABLE, "the gateway does not answer at %s", t->call->socket);
	if (rc != CURLE_OK)
		return ff_err_set(err, FF_E_NETWORK_ERROR, "connection to the model service lost: %s", curl_easy_strerror(rc));
	if (!t->is_stream)
		return ff_answer_body(t->answer, t->body.data, t->body.len, err);
	return ff_err_set(err, FF_E_NETWORK_ERROR, "the model's answer was cut off");
}

int ff_model_ask(const struct ff_model_call *call, const char *body, size_t n, struct ff_answer **ret_answer,
		 struct ff_model_hint *ret_hint, struct ff_err *err)
{
	FF_AUTO(ff_answer_free) struct ff_answer *answer = ff_answer_new(call->on_text, call->arg);
	struct transfer t = { .call = call, .answer = answer, .hint = ret_hint, .again_word = -1, .heard_ms = ff_clock_mono() };
	struct ff_err local = { 0 };
	int rc;

	*ret_hint = (struct ff_model_hint){ .retry_after_ms = -1 };
	ff_buf_init(&t.body, FF_ANSWER_MAX);
	rc = judge(&t, perform(&t, body, n), &local);
	ff_buf_fini(&t.body);
	if (rc == 0) {
		*ret_answer = ff_steal(&answer);
		return 0;
	}
	/* A stream that makes no sense is a broken connection as likely as anything: it may be asked again. */
	ret_hint->again = (ff_err_retryable(local.code) || local.code == FF_E_PROTOCOL) && !t.stopped;
	if (t.stopped == FF_E_NETWORK_ERROR)
		ret_hint->again = true;
	if (t.again_word >= 0)
		ret_hint->again = t.again_word;
	return ff_err_set(err, local.code == FF_E_PROTOCOL ? FF_E_NETWORK_ERROR : local.code, "%s", local.text);
}
