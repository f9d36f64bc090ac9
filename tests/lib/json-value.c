/* SPDX-License-Identifier: MIT */
/*
 * For the shell tests: the value at PATH (keys and indices with dots between
 * them) in the JSON on stdin.  Of arrays and objects the number of members;
 * nothing where there is no value, or null.  Exits 2 on what is no JSON.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "base/num.h"

/* Goes to the member that *path begins with, and *path behind its name. */
static const json_t *step(const json_t *v, const char **path)
{
	size_t len = strcspn(*path, ".");
	FF_AUTO(ff_free) char *key = ff_asprintf("%.*s", (int)len, *path);
	int64_t i;

	*path += len + ((*path)[len] == '.');
	if (!json_is_array(v))
		return json_object_get(v, key);
	return ff_num_i64(key, 0, INT32_MAX, &i) < 0 ? NULL : json_array_get(v, (size_t)i);
}

static int print(const json_t *v)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_OBJECT:
		return printf("%zu\n", json_object_size(v));
	case JSON_ARRAY:
		return printf("%zu\n", json_array_size(v));
	case JSON_STRING:
		return printf("%s\n", json_string_value(v));
	case JSON_INTEGER:
		return printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(v));
	case JSON_REAL:
		return printf("%.15g\n", json_real_value(v));
	case JSON_TRUE:
	case JSON_FALSE:
		return printf("%d\n", json_is_true(v));
	case JSON_NULL:
		break;
	}
	return 0;
}

int main(int argc, char **argv)
{
	json_error_t why;
	json_t *all = json_loadf(stdin, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	const json_t *v = all;
	int rc;

	if (argc != 2 || !all) {
		(void)fprintf(stderr, "json-value: %s\n", argc != 2 ? "usage: json-value PATH" : why.text);
		return 2;
	}
	for (const char *path = argv[1]; *path && v;)
		v = step(v, &path);
	rc = print(v);
	json_decref(all);
	return rc < 0 ? 2 : 0;
}
