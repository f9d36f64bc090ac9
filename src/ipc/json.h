/* SPDX-License-Identifier: MIT */
#ifndef FF_IPC_JSON_H
#define FF_IPC_JSON_H

/*
 * JSON text of messages, faster than jansson has it.  Reading is for ipc.c
 * and field.c; whoever reads text calls ff_json_parse (ipc.h), which takes
 * all of JSON.
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"

/* The value of plain text; NULL: jansson has to read it, or to say what is wrong with it. */
json_t *ff_json_read_plain(const char *text, size_t n);
/* Compact, as json_dumps has it. */
void ff_json_write(struct ff_buf *out, const json_t *v);
/* In quotes; s is UTF-8. */
void ff_json_write_string(struct ff_buf *out, const char *s, size_t n);
/* A string when it is UTF-8, else {"b64"}, as ff_json_from_bytes; NULL: null. */
void ff_json_write_bytes(struct ff_buf *out, const char *s);

/*
 * An object, member by member: add "{", any of these, "}".  key is one of our
 * own words, which need no escape; a value of ff_json_key is written by the
 * caller.  text is UTF-8; NULL gives null.
 */
void ff_json_key(struct ff_buf *out, const char *key);
void ff_json_put_int(struct ff_buf *out, const char *key, int64_t v);
void ff_json_put_text(struct ff_buf *out, const char *key, const char *text);
void ff_json_put_bytes(struct ff_buf *out, const char *key, const char *s);

#endif
