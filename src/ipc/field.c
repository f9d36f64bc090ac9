/* SPDX-License-Identifier: MIT */
/* Fields of messages: types checked, bytes that are not UTF-8 carried as {"b64"}. */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "ipc/ipc.h"
#include "ipc/json.h"

json_t *ff_json_parse(const char *text, size_t n, struct ff_err *err)
{
	json_t *v = ff_json_read_plain(text, n);
	json_error_t je;

	if (json_is_object(v))
		return v;
	json_decref(v);
	v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!v) {
		ff_err_set(err, FF_E_PROTOCOL, "not JSON: %s at byte %d", je.text, je.position);
		return NULL;
	}
	if (!json_is_object(v)) {
		json_decref(v);
		ff_err_set(err, FF_E_PROTOCOL, "not a JSON object");
		return NULL;
	}
	return v;
}

int ff_msg_opt_str(const json_t *msg, const char *key, const char **ret, struct ff_err *err)
{
	const json_t *v = json_object_get(msg, key);

	if (v && !json_is_null(v) && !json_is_string(v))
		return ff_err_set(err, FF_E_PROTOCOL, "'%s' must be a string", key);
	*ret = json_string_value(v);
	return 0;
}

int ff_msg_str(const json_t *msg, const char *key, const char **ret, struct ff_err *err)
{
	const char *s = NULL;

	if (ff_msg_opt_str(msg, key, &s, err) < 0)
		return -1;
	if (!s)
		return ff_err_set(err, FF_E_PROTOCOL, "'%s' is missing", key);
	*ret = s;
	return 0;
}

int ff_msg_int(const json_t *msg, const char *key, int64_t min, int64_t max, int64_t *ret, struct ff_err *err)
{
	const json_t *v = json_object_get(msg, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return ff_err_set(err, FF_E_PROTOCOL, "'%s' must be a whole number", key);
	if (n < min || n > max)
		return ff_err_set(err, FF_E_INVALID, "'%s' must be from %lld to %lld", key, (long long)min, (long long)max);
	*ret = n;
	return 0;
}

int ff_msg_bool(const json_t *msg, const char *key, bool *ret, struct ff_err *err)
{
	const json_t *v = json_object_get(msg, key);

	if (v && !json_is_boolean(v) && !json_is_null(v))
		return ff_err_set(err, FF_E_PROTOCOL, "'%s' must be true or false", key);
	*ret = json_is_true(v);
	return 0;
}

int ff_json_bytes(const json_t *v, char **ret, struct ff_err *err)
{
	const json_t *b64 = json_is_object(v) ? json_object_get(v, "b64") : NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, FF_IPC_LINE_MAX);
	if (json_is_string(v)) {
		if (strlen(json_string_value(v)) != json_string_length(v))
			return ff_err_set(err, FF_E_PROTOCOL, "a NUL byte in a name");
		*ret = ff_strdup(json_string_value(v));
		return 0;
	}
	if (!json_is_string(b64) || ff_text_unb64(&out, json_string_value(b64), json_string_length(b64)) < 0)
		return ff_err_set(err, FF_E_PROTOCOL, "neither a string nor {\"b64\": ...}");
	if (memchr(out.data, '\0', out.len))
		return ff_err_set(err, FF_E_PROTOCOL, "a NUL byte in a name");
	*ret = ff_steal(&out.data);
	return 0;
}

int ff_msg_bytes(const json_t *msg, const char *key, char **ret, struct ff_err *err)
{
	const json_t *v = json_object_get(msg, key);

	if (!v || json_is_null(v)) {
		*ret = NULL;
		return 0;
	}
	if (ff_json_bytes(v, ret, err) < 0)
		return ff_err_wrap(err, "'%s'", key);
	return 0;
}

json_t *ff_json_from_bytes_n(const void *p, size_t n)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 2 * n + 8);
	if (!memchr(p, '\0', n) && ff_utf8_valid(p, n))
		return json_stringn(p, n);
	ff_text_b64(&b, p, n);
	return json_pack("{s:s}", "b64", b.data);
}

json_t *ff_json_from_bytes(const char *s)
{
	return s ? ff_json_from_bytes_n(s, strlen(s)) : json_null();
}

json_t *ff_json_from_err(const struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = ff_text_shown(err->text, 0);

	return json_pack("{s:s,s:s}", "code", ff_err_name(err->code), "text", text);
}

int ff_err_from_json(const json_t *error, struct ff_err *err)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "text"));

	return ff_err_set(err, ff_err_by_name(code ? code : ""), "%s", text ? text : "no reason given");
}
