/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_TEXT_H
#define FF_BASE_TEXT_H

/*
 * Text from outside: what is valid, how it is shown, what it matches.  A ref,
 * a path, a task or a model's answer is bytes until one of these has passed
 * it; each kind of output has one function that makes it harmless.
 */

#include <stdbool.h>
#include <stddef.h>

struct ff_buf;

/* Whether n bytes are UTF-8 as RFC 3629 has it (no surrogates, no overlong forms). */
bool ff_utf8_valid(const void *p, size_t n);
/* Length of the valid UTF-8 sequence at p (1 to 4), 0 when there is none. Sets *ret_cp. */
unsigned ff_utf8_next(const char *p, size_t n, unsigned *ret_cp);
/* How much of p may be kept when it is to be at most `most` bytes, without the half of a character at the end. */
size_t ff_utf8_cut(const char *p, size_t n, size_t most);

/* Whether a code point shows nothing itself, or changes how what is around it is shown; also every control character. */
bool ff_text_hidden(unsigned cp);

/*
 * For a terminal, `remote:` lines and logs: appends p as printable UTF-8 of
 * at most max_columns code points (0: no limit; cut text ends in "...").
 * Control characters (C0, C1, DEL), bidi controls, zero-width and other
 * invisible format characters and bytes that are not UTF-8 become
 * \n, \t or \xNN, so that one line stays one line.
 */
void ff_text_show(struct ff_buf *out, const void *p, size_t n, size_t max_columns);
/* The same as a new string, for printf. Freed by ff_free. */
char *ff_text_shown(const char *s, size_t max_columns);

/* The bytes as a JSON string with quotes. Bytes that are not UTF-8: see ff_text_json_bytes. */
void ff_text_json(struct ff_buf *out, const char *s, size_t n);
/* As ff_text_json when p is UTF-8 without NUL, else {"b64":"..."} (protocol.md). */
void ff_text_json_bytes(struct ff_buf *out, const void *p, size_t n);

/*
 * For a page, in text and in quoted attributes: what is hidden becomes as
 * visible as on a terminal, and & < > " ' are written as references.
 */
void ff_text_html(struct ff_buf *out, const void *p, size_t n);
/*
 * For the value of a header (mail, HTTP) or trailer: one line of printable
 * ASCII, at most max bytes (0: no limit), every other byte and % as %XX.
 */
void ff_text_header(struct ff_buf *out, const void *p, size_t n, size_t max);

/* Base64 of RFC 4648 section 4, with padding. */
void ff_text_b64(struct ff_buf *out, const void *p, size_t n);
/* Appends the decoded bytes; -1 (and nothing appended) when s is not canonical base64. */
int ff_text_unb64(struct ff_buf *out, const char *s, size_t n);

/*
 * Ref globs: `*` matches any bytes, slashes included, so that claude/x/y
 * matches refs/heads/claude/ followed by a star; `?` one byte.  Whole string.
 */
bool ff_glob_match(const char *glob, const char *s);

/* Whether s starts (ends) with the given part. */
bool ff_starts(const char *s, const char *prefix);
bool ff_ends(const char *s, const char *suffix);

/*
 * Whether name is a ref name by the rules of git-check-ref-format(1), with at
 * least one slash, and at most 1024 bytes.
 */
bool ff_ref_valid(const char *name);
/* 40 or 64 lower-case hex digits. */
bool ff_oid_valid(const char *hex);
/* All digits are 0: git's way to say "absent". */
bool ff_oid_zero(const char *hex);

#endif
