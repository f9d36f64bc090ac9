/* SPDX-License-Identifier: MIT */
/*
 * See filter.h.  The list of commands is pkt-lines (gitprotocol-common(5)):
 * four hex digits of length, which count themselves, then
 * "OLD SP NEW SP REF NUL CAPABILITIES"; 0000 ends it.
 */
#include "daemon/tunnel/filter.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"

#define LENGTH 4
#define HEAD_MOST 8192 /* one command: a ref of 1024 bytes, two ids and some capabilities */

void ff_filter_init(struct ff_filter *f, const char *ref, const char *oid)
{
	*f = (struct ff_filter){ .ref = ref, .oid = oid };
	ff_buf_init(&f->head, HEAD_MOST);
}

void ff_filter_fini(struct ff_filter *f)
{
	ff_buf_fini(&f->head);
}

static int refuse(const char *why, struct ff_err *err)
{
	return ff_err_set(err, FF_E_PROTOCOL, "the worker asked the server for something else than its result branch: %s", why);
}

static int check_command(struct ff_filter *f, const char *p, size_t n, struct ff_err *err)
{
	size_t hex = strlen(f->oid), len = strnlen(p, n);
	FF_AUTO(ff_free) char *line = ff_memdup0(p, len);

	if (f->asked)
		return refuse("a second ref", err);
	if (len < 2 * hex + 3 || line[hex] != ' ' || line[2 * hex + 1] != ' ')
		return refuse("no command", err);
	line[hex] = line[2 * hex + 1] = '\0';
	if (!ff_oid_valid(line) || !ff_oid_zero(line))
		return refuse("a ref that is there", err);
	if (strcmp(line + hex + 1, f->oid) != 0 || strcmp(line + 2 * hex + 2, f->ref) != 0)
		return refuse("another ref or commit", err);
	f->asked = true;
	return 0;
}

/* Bytes of one whole pkt-line at the start of what is left, 0: more is needed. */
static int line_length(const char *p, size_t n, size_t *ret, struct ff_err *err)
{
	FF_AUTO(ff_free) char *digits = ff_memdup0(p, n < LENGTH ? n : LENGTH);
	unsigned char bytes[LENGTH / 2];
	size_t length;

	*ret = 0;
	if (n < LENGTH)
		return 0;
	if (ff_unhex(digits, sizeof bytes, bytes) < 0)
		return refuse("no pkt-line", err);
	length = (size_t)bytes[0] << 8 | bytes[1];
	if ((length && length <= LENGTH) || length > HEAD_MOST)
		return refuse("no pkt-line", err);
	*ret = length ? length : LENGTH;
	if (*ret > n)
		*ret = 0;
	return 0;
}

static int take_head(struct ff_filter *f, struct ff_err *err)
{
	size_t at = 0, n;

	f->asked = false; /* the whole list is looked at again when there is more of it */
	for (;;) {
		if (line_length(f->head.data + at, f->head.len - at, &n, err) < 0)
			return -1;
		if (!n)
			return 0;
		if (n == LENGTH) {
			f->passed = true;
			return 0;
		}
		if (check_command(f, f->head.data + at + LENGTH, n - LENGTH, err) < 0)
			return -1;
		at += n;
	}
}

int ff_filter_take(struct ff_filter *f, const char *p, size_t n, struct ff_buf *out, struct ff_err *err)
{
	size_t room = f->head.max - f->head.len, part = n < room ? n : room;

	if (f->passed && !f->asked && n)
		return refuse("a pack without a ref", err);
	if (!f->passed) {
		(void)ff_buf_add(&f->head, p, part); /* as much as fits */
		if (take_head(f, err) < 0)
			return -1;
		if (!f->passed)
			return part < n ? refuse("too long a list", err) : 0;
		(void)ff_buf_add(out, f->head.data, f->head.len);
		ff_buf_clear(&f->head);
		p += part;
		n -= part;
	}
	if (ff_buf_add(out, p, n) < 0)
		return ff_err_set(err, FF_E_TOO_LARGE, "the worker sent too much at once");
	return 0;
}
