/* SPDX-License-Identifier: MIT */
/* See frame.h. */
#include "ipc/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define HEAD 5

void ff_frame_put(struct ff_buf *out, enum ff_frame_type type, const void *p, size_t n)
{
	const unsigned char head[HEAD] = { (unsigned char)type, (unsigned char)(n >> 24), (unsigned char)(n >> 16),
					   (unsigned char)(n >> 8), (unsigned char)n };

	ff_assert(n <= FF_FRAME_MAX);
	(void)ff_buf_add(out, head, sizeof head); /* the caller looks at overflow */
	(void)ff_buf_add(out, p, n);
}

void ff_frame_put_end(struct ff_buf *out, const struct ff_err *failure, const char *text)
{
	FF_AUTO(ff_free) char *all = ff_asprintf("%s %s", failure ? ff_err_name(failure->code) : "",
						 failure ? failure->text : text);

	ff_frame_put(out, FF_FRAME_END, all, strlen(all));
}

static int get(int fd, int64_t deadline_ms, char *p, size_t n, struct ff_err *err)
{
	while (n) {
		int64_t left = deadline_ms - ff_clock_mono();
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return ff_err_set(err, FF_E_UNREACHABLE, "the other process ended");
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		} else if (left <= 0) {
			return ff_err_set(err, FF_E_TIMEOUT, "no answer in time");
		} else {
			(void)poll(&pfd, 1, left > 60000 ? 60000 : (int)left); /* whatever it says, recv says better */
		}
	}
	return 0;
}

int ff_frame_get(int fd, int64_t deadline_ms, enum ff_frame_type *ret_type, struct ff_buf *payload,
		 struct ff_err *err)
{
	unsigned char head[HEAD];
	size_t n;
	char *room;

	if (get(fd, deadline_ms, (char *)head, sizeof head, err) < 0)
		return -1;
	n = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	if ((head[0] != FF_FRAME_DATA && head[0] != FF_FRAME_SAID && head[0] != FF_FRAME_END) || n > FF_FRAME_MAX)
		return ff_err_set(err, FF_E_PROTOCOL, "a frame of the tunnel is malformed");
	ff_buf_clear(payload);
	room = ff_buf_room(payload, n ? n : 1);
	if (!room)
		return ff_err_set(err, FF_E_TOO_LARGE, "a frame of the tunnel is too long");
	if (get(fd, deadline_ms, room, n, err) < 0)
		return -1;
	ff_buf_grown(payload, n);
	*ret_type = (enum ff_frame_type)head[0];
	return 0;
}

int ff_frame_end(const struct ff_buf *payload, char **ret_text, struct ff_err *err)
{
	size_t n = strcspn(payload->data, " ");
	FF_AUTO(ff_free) char *code = ff_memdup0(payload->data, n);
	const char *text = payload->data + n + (payload->data[n] == ' ');

	if (*code)
		return ff_err_set(err, ff_err_by_name(code), "%s", text);
	*ret_text = ff_strdup(text);
	return 0;
}
