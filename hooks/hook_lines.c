/* SPDX-License-Identifier: MIT */
/*
 * The updates that git writes on standard input.  Read as a stream and to its
 * end: a mirror push may carry a million refs, and a hook that leaves early
 * would end git by SIGPIPE where a dispatcher of others runs us.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "hooks/hook.h"

int ff_hook_line(char *line, size_t n, struct ff_hook_update *ret_update)
{
	char *new_oid = memchr(line, ' ', n);
	char *ref = new_oid ? memchr(new_oid + 1, ' ', n - (size_t)(new_oid + 1 - line)) : NULL;

	if (!ref || memchr(line, '\0', n))
		return -1;
	*new_oid++ = '\0';
	*ref++ = '\0';
	if (!ff_oid_valid(line) || !ff_oid_valid(new_oid) || strlen(line) != strlen(new_oid) || !*ref)
		return -1;
	*ret_update = (struct ff_hook_update){ .old_oid = line, .new_oid = new_oid, .ref = ref };
	return 0;
}

/* The lines that are complete in buf (at the end of file: all); returns how many were bad. */
static size_t take_lines(struct ff_buf *buf, bool at_end, ff_hook_update_fn fn, void *arg)
{
	struct ff_hook_update u;
	size_t bad = 0, from = 0;

	while (from < buf->len) {
		char *line = buf->data + from;
		char *nl = memchr(line, '\n', buf->len - from);
		size_t n = nl ? (size_t)(nl - line) : buf->len - from;

		if (!nl && !at_end)
			break;
		if (nl)
			*nl = '\0';
		if (ff_hook_line(line, n, &u) < 0)
			bad++;
		else if (fn)
			fn(arg, &u);
		from += n + (nl != NULL);
	}
	ff_buf_consume(buf, from);
	return bad;
}

size_t ff_hook_read(int fd, ff_hook_update_fn fn, void *arg)
{
	FF_AUTO(ff_buf_fini) struct ff_buf buf;
	size_t bad = 0;

	ff_buf_init(&buf, FF_HOOK_LINE_MAX);
	for (;;) {
		char *room;
		ssize_t n;

		if (buf.len == buf.max) { /* one endless line: drop what there is, its rest will be bad too */
			ff_buf_clear(&buf);
			bad++;
		}
		room = ff_buf_room(&buf, buf.max - buf.len < 16384 ? buf.max - buf.len : 16384);
		n = read(fd, room, buf.max - buf.len < 16384 ? buf.max - buf.len : 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bad + take_lines(&buf, true, fn, arg);
		ff_buf_grown(&buf, (size_t)n);
		bad += take_lines(&buf, false, fn, arg);
	}
}
