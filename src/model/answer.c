/* SPDX-License-Identifier: MIT */
/* See answer.h. The events are those of the API's streaming reference; unknown ones are skipped, as it asks. */
#include "model/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "model/sse.h"

struct block {
	json_t *shape;        /* owned; as content_block_start had it */
	struct ff_buf text;   /* text, thinking or partial JSON */
	struct ff_buf signature;
	bool open;
};

struct ff_answer_parts {
	struct ff_sse sse;
	struct block blocks[FF_ANSWER_BLOCKS_MAX];
	int count;
	ff_answer_text_fn on_text;
	void *arg;
	struct ff_tokens aside; /* of what the service did for the answer beside it; in usage too */
};

static int on_event(void *arg, const char *event, const char *data, size_t n, struct ff_err *err);

struct ff_answer *ff_answer_new(ff_answer_text_fn on_text, void *arg)
{
	struct ff_answer *a = ff_calloc(1, sizeof *a);

	a->content = json_array();
	a->parts = ff_calloc(1, sizeof *a->parts);
	a->parts->on_text = on_text;
	a->parts->arg = arg;
	ff_sse_init(&a->parts->sse, FF_ANSWER_MAX, on_event, a);
	return a;
}

void ff_answer_free(struct ff_answer **answer)
{
	struct ff_answer *a = ff_steal(answer);

	if (!a)
		return;
	for (int i = 0; i < a->parts->count; i++) {
		json_decref(a->parts->blocks[i].shape);
		ff_buf_fini(&a->parts->blocks[i].text);
		ff_buf_fini(&a->parts->blocks[i].signature);
	}
	ff_sse_fini(&a->parts->sse);
	json_decref(a->content);
	ff_free(&a->parts);
	ff_free(&a);
}

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void count(const json_t *usage, const char *key, int64_t *to)
{
	const json_t *v = json_object_get(usage, key);

	/* Cumulative: a later event says the whole number again, or leaves the key out. */
	if (json_is_integer(v) && json_integer_value(v) >= 0)
		*to = json_integer_value(v);
}

static void count_all(const json_t *usage, struct ff_tokens *to)
{
	count(usage, "input_tokens", &to->input);
	count(usage, "output_tokens", &to->output);
	count(usage, "cache_read_input_tokens", &to->cache_read);
	count(usage, "cache_creation_input_tokens", &to->cache_write);
	count(json_object_get(usage, "cache_creation"), "ephemeral_1h_input_tokens", &to->cache_write_1h);
}

/* What is a number of the service stays one, however large. */
static void add_tokens(struct ff_tokens *to, const struct ff_tokens *more, int sign)
{
	int64_t *const sums[] = { &to->input, &to->output, &to->cache_read, &to->cache_write, &to->cache_write_1h };
	const int64_t each[] = { more->input, more->output, more->cache_read, more->cache_write, more->cache_write_1h };

	for (size_t i = 0; i < FF_ARRAY_LEN(sums); i++)
		if (__builtin_add_overflow(*sums[i], sign * each[i], sums[i]))
			*sums[i] = INT64_MAX;
}

/*
 * The whole numbers leave out what was billed beside the message: a context
 * that was made shorter first is an iteration of its own.
 */
static void count_aside(const json_t *usage, struct ff_tokens *to)
{
	json_t *list = json_object_get(usage, "iterations"), *one;
	size_t i;

	if (!json_is_array(list))
		return;
	*to = (struct ff_tokens){ 0 };
	json_array_foreach(list, i, one) {
		struct ff_tokens t = { 0 };

		if (!strcmp(str(one, "type"), "message"))
			continue;
		count_all(one, &t);
		add_tokens(to, &t, 1);
	}
}

static void take_usage(struct ff_answer *a, const json_t *usage)
{
	add_tokens(&a->usage, &a->parts->aside, -1);
	count_all(usage, &a->usage);
	count_aside(usage, &a->parts->aside);
	add_tokens(&a->usage, &a->parts->aside, 1);
}

static void take_stop(struct ff_answer *a, const char *word)
{
	static const struct { const char *word; enum ff_stop stop; } words[] = {
		{ "end_turn", FF_STOP_END_TURN }, { "tool_use", FF_STOP_TOOL_USE },
		{ "max_tokens", FF_STOP_MAX_TOKENS }, { "refusal", FF_STOP_REFUSAL },
		{ "pause_turn", FF_STOP_PAUSE_TURN }, { "stop_sequence", FF_STOP_SEQUENCE },
		{ "model_context_window_exceeded", FF_STOP_OTHER },
	};

	if (!*word)
		return;
	(void)snprintf(a->stop_word, sizeof a->stop_word, "%.32s", word);
	a->stop = FF_STOP_OTHER;
	for (size_t i = 0; i < FF_ARRAY_LEN(words); i++)
		if (!strcmp(word, words[i].word))
			a->stop = words[i].stop;
}

void ff_model_name(const char *name, char out[FF_MODEL_NAME])
{
	size_t n = 0;

	for (; name[n] && n < FF_MODEL_NAME - 1; n++)
		out[n] = name[n] > ' ' && name[n] <= '~' ? name[n] : '?';
	out[n] = '\0';
}

static void take_model(struct ff_answer *a, const json_t *message)
{
	ff_model_name(str(message, "model"), a->model);
}

static int start_message(struct ff_answer *a, const json_t *e, struct ff_err *err)
{
	const json_t *message = json_object_get(e, "message");

	if (a->started || !json_is_object(message))
		return ff_err_set(err, FF_E_PROTOCOL, "the answer's stream begins wrong or twice");
	a->started = true;
	take_model(a, message);
	take_usage(a, json_object_get(message, "usage"));
	return 0;
}

static int start_block(struct ff_answer *a, const json_t *e, struct ff_err *err)
{
	struct ff_answer_parts *p = a->parts;
	json_t *shape = json_object_get(e, "content_block"), *index = json_object_get(e, "index");
	struct block *b;

	if (!a->started || !json_is_object(shape) || !json_is_integer(index) || json_integer_value(index) != p->count)
		return ff_err_set(err, FF_E_PROTOCOL, "a block of the answer begins out of turn");
	if (p->count == FF_ANSWER_BLOCKS_MAX)
		return ff_err_set(err, FF_E_TOO_LARGE, "the answer has more than %d blocks", FF_ANSWER_BLOCKS_MAX);
	b = &p->blocks[p->count++];
	b->shape = json_deep_copy(shape);
	b->open = true;
	a->hidden |= strcmp(str(shape, "type"), "text") != 0 && strcmp(str(shape, "type"), "tool_use") != 0;
	ff_buf_init(&b->text, FF_ANSWER_MAX);
	ff_buf_init(&b->signature, FF_ANSWER_MAX);
	(void)ff_buf_adds(&b->text, str(shape, "text")); /* empty in practice; a prefix is allowed */
	(void)ff_buf_adds(&b->text, str(shape, "thinking"));
	(void)ff_buf_adds(&b->signature, str(shape, "signature"));
	return 0;
}

static struct block *open_block(struct ff_answer *a, const json_t *e)
{
	json_t *index = json_object_get(e, "index");
	json_int_t i = json_is_integer(index) ? json_integer_value(index) : -1;

	return i >= 0 && i < a->parts->count && a->parts->blocks[i].open ? &a->parts->blocks[i] : NULL;
}

static int delta(struct ff_answer *a, const json_t *e, struct ff_err *err)
{
	struct block *b = open_block(a, e);
	const json_t *d = json_object_get(e, "delta");
	const char *type = str(d, "type");
	const char *text = "";

	if (!b)
		return ff_err_set(err, FF_E_PROTOCOL, "a piece of the answer belongs to no block");
	if (!strcmp(type, "text_delta"))
		text = str(d, "text");
	else if (!strcmp(type, "input_json_delta"))
		text = str(d, "partial_json");
	else if (!strcmp(type, "thinking_delta"))
		text = str(d, "thinking");
	else if (!strcmp(type, "signature_delta"))
		(void)ff_buf_adds(&b->signature, str(d, "signature")); /* bounded by the event's size */
	a->bytes += strlen(text);
	if (a->bytes > FF_ANSWER_MAX || ff_buf_adds(&b->text, text) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "the answer is over %u bytes", FF_ANSWER_MAX);
	if (!strcmp(type, "text_delta") && a->parts->on_text && *text)
		a->parts->on_text(a->parts->arg, text, strlen(text));
	return 0;
}

static int close_block(struct ff_answer *a, const json_t *e, struct ff_err *err)
{
	struct block *b = open_block(a, e);
	const char *type;
	json_t *input;

	if (!b)
		return ff_err_set(err, FF_E_PROTOCOL, "a block of the answer ends that never began");
	b->open = false;
	type = str(b->shape, "type");
	if (!strcmp(type, "text")) {
		(void)json_object_set_new(b->shape, "text", json_stringn(b->text.data, b->text.len));
	} else if (!strcmp(type, "thinking")) {
		(void)json_object_set_new(b->shape, "thinking", json_stringn(b->text.data, b->text.len));
		(void)json_object_set_new(b->shape, "signature", json_stringn(b->signature.data, b->signature.len));
	} else if (!strcmp(type, "tool_use") && b->text.len) {
		input = json_loadb(b->text.data, b->text.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		/* Cut by max_tokens, or the model's own slip: an empty input, which the tool complains about. */
		if (!json_is_object(input)) {
			json_decref(input);
			input = json_object();
		}
		(void)json_object_set_new(b->shape, "input", input);
	}
	return 0;
}

static int stop_message(struct ff_answer *a, struct ff_err *err)
{
	if (!a->started || a->complete)
		return ff_err_set(err, FF_E_PROTOCOL, "the answer's stream ends out of turn");
	for (int i = 0; i < a->parts->count; i++) {
		struct block *b = &a->parts->blocks[i];

		if (b->open)
			return ff_err_set(err, FF_E_PROTOCOL, "the answer ends in the middle of a block");
		/* The API refuses an empty text block when it comes back. */
		if (!strcmp(str(b->shape, "type"), "text") && !*str(b->shape, "text"))
			continue;
		(void)json_array_append(a->content, b->shape);
	}
	a->complete = true;
	return 0;
}

static int error_event(const json_t *e, struct ff_err *err)
{
	const json_t *error = json_object_get(e, "error");

	return ff_err_set(err, ff_model_class(0, str(error, "type")), "the model's answer broke off: %s: %s",
			  str(error, "type"), str(error, "message"));
}

static int on_event(void *arg, const char *event, const char *data, size_t n, struct ff_err *err)
{
	struct ff_answer *a = arg;
	json_t *e = json_loadb(data, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	int rc = 0;

	if (!json_is_object(e)) {
		json_decref(e);
		return ff_err_set(err, FF_E_PROTOCOL, "an event of the answer is no JSON object");
	}
	if (!strcmp(event, "message_start"))
		rc = start_message(a, e, err);
	else if (!strcmp(event, "content_block_start"))
		rc = start_block(a, e, err);
	else if (!strcmp(event, "content_block_delta"))
		rc = delta(a, e, err);
	else if (!strcmp(event, "content_block_stop"))
		rc = close_block(a, e, err);
	else if (!strcmp(event, "message_delta")) {
		take_stop(a, str(json_object_get(e, "delta"), "stop_reason"));
		take_usage(a, json_object_get(e, "usage"));
	} else if (!strcmp(event, "message_stop"))
		rc = stop_message(a, err);
	else if (!strcmp(event, "error"))
		rc = error_event(e, err);
	json_decref(e);
	return rc;
}

int ff_answer_feed(struct ff_answer *a, const void *p, size_t n, struct ff_err *err)
{
	return ff_sse_feed(&a->parts->sse, p, n, err);
}

int ff_answer_body(struct ff_answer *a, const void *p, size_t n, struct ff_err *err)
{
	json_t *m = n <= FF_ANSWER_MAX ? json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_t *content = json_object_get(m, "content");

	if (strcmp(str(m, "type"), "message") != 0 || !json_is_array(content)) {
		json_decref(m);
		return ff_err_set(err, FF_E_PROTOCOL, "the answer is no message");
	}
	a->started = a->complete = true;
	take_model(a, m);
	take_usage(a, json_object_get(m, "usage"));
	take_stop(a, str(m, "stop_reason"));
	(void)json_array_extend(a->content, content);
	json_decref(m);
	return 0;
}

enum ff_err_code ff_model_class(int status, const char *type)
{
	static const struct { const char *type; int status; } types[] = {
		{ "rate_limit_error", 429 }, { "overloaded_error", 529 }, { "api_error", 500 }, { "timeout_error", 504 },
		{ "invalid_request_error", 400 }, { "authentication_error", 401 }, { "billing_error", 402 },
		{ "permission_error", 403 }, { "not_found_error", 404 }, { "request_too_large", 413 },
	};

	for (size_t i = 0; i < FF_ARRAY_LEN(types) && !status && type; i++)
		if (!strcmp(type, types[i].type))
			status = types[i].status;
	if (status == 429 || status == 529)
		return FF_E_RATE_LIMIT;
	if (status == 408 || status == 504)
		return FF_E_TIMEOUT;
	if (status == 413)
		return FF_E_TOO_LARGE;
	if (status == 409 || status >= 500 || status < 400)
		return FF_E_NETWORK_ERROR;
	return FF_E_MODEL_REFUSED;
}
