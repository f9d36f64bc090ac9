/* SPDX-License-Identifier: MIT */
/*
 * publish.method = push: libgit2 makes the pack here, a tunnel that core has
 * started carries it (daemon/tunnel).  The connection is a socket with plain
 * bytes one way and frames the other, and the last frame says how it ended.
 */
#include "daemon/worker/run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/conf.h"
#include "git/push.h"
#include "ipc/frame.h"
#include "ipc/ipc.h"

/* The tunnel keeps the time; if it does not, it hangs, and we go on without it. */
#define GRACE_MS 15000
#define SAID_MAX (64 * 1024) /* kept of what the server says */
#define LINES_MOST 100       /* of them in the job's log */
#define LINE_SHOWN 300
#define WHY_SHOWN 110        /* of the server's words in the reason of a failure */

struct wire {
	int fd;
	int64_t deadline_ms;
	struct ff_buf frame;   /* the one being read */
	size_t at;             /* bytes of it that were given out */
	struct ff_buf said;
	bool ended;
	struct ff_err failure; /* what the last frame said */
	char *how;             /* the same when nothing had failed */
};

/* --- the wire */

/* The next frame. 1: data, 0: the end. */
static int next(struct wire *w, struct ff_err *err)
{
	enum ff_frame_type type = FF_FRAME_END;

	for (;;) {
		if (w->ended)
			return 0;
		w->at = 0;
		if (ff_frame_get(w->fd, w->deadline_ms, &type, &w->frame, err) < 0) {
			w->ended = true;
			if (err)
				err->code = err->code == FF_E_TIMEOUT ? FF_E_TIMEOUT : FF_E_NETWORK_ERROR;
			return ff_err_wrap(err, "the process that pushes");
		}
		if (type == FF_FRAME_DATA)
			return 1;
		if (type == FF_FRAME_SAID) {
			(void)ff_buf_add(&w->said, w->frame.data, w->frame.len); /* past its maximum it is dropped */
			continue;
		}
		w->ended = true;
		(void)ff_frame_end(&w->frame, &w->how, &w->failure); /* failure says it */
		w->frame.len = 0;
	}
}

static int wire_read(void *arg, char *p, size_t room, size_t *ret_n, struct ff_err *err)
{
	struct wire *w = arg;
	int rc = w->at < w->frame.len ? 1 : next(w, err);
	size_t n;

	if (rc < 0)
		return -1;
	if (rc == 0 && w->failure.code) {
		if (err)
			*err = w->failure;
		return -1;
	}
	n = rc ? w->frame.len - w->at : 0;
	n = n < room ? n : room;
	memcpy(p, w->frame.data + w->at, n);
	w->at += n;
	*ret_n = n;
	return 0;
}

/* The tunnel hung up: its last frame says why, and lies behind what we have not read. */
static int hung_up(struct wire *w, struct ff_err *err)
{
	int rc;

	while ((rc = next(w, err)) > 0)
		;
	if (rc < 0)
		return -1;
	if (w->failure.code) {
		if (err)
			*err = w->failure;
		return -1;
	}
	return ff_err_set(err, FF_E_NETWORK_ERROR, "the server ended the connection too soon");
}

static int wire_write(void *arg, const char *p, size_t n, struct ff_err *err)
{
	struct wire *w = arg;

	while (n) {
		ssize_t sent = send(w->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		int64_t left = w->deadline_ms - ff_clock_mono();
		struct pollfd pfd = { .fd = w->fd, .events = POLLOUT };

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN && errno != EINTR) {
			return hung_up(w, err);
		} else if (left <= 0) {
			return ff_err_set(err, FF_E_TIMEOUT, "the process that pushes takes nothing more");
		} else {
			(void)poll(&pfd, 1, left > 60000 ? 60000 : (int)left); /* send says what is wrong */
		}
	}
	return 0;
}

static void wire_fini(struct wire *w)
{
	ff_close(&w->fd);
	ff_buf_fini(&w->frame);
	ff_buf_fini(&w->said);
	ff_free(&w->how);
}

/* --- core */

/* Asks core for a way to the server. */
static int open_way(struct ff_run *run, const char *ref, const char *oid, int *ret_fd, struct ff_err *err)
{
	json_t *got = NULL;
	enum ff_msg_type type;
	int rc = 0, fd = -1;

	if (ff_chan_send(run->chan, FF_MSG_PUBLISH, json_pack("{s:i,s:o,s:s}", "attempt", run->task.attempt, "ref",
			 ff_json_from_bytes(ref), "oid", oid), -1, err) < 0 ||
	    ff_chan_recv(run->chan, -1, &type, &got, &fd, err) < 0) {
		run->refused = true; /* core is gone */
		return -1;
	}
	if (type != FF_MSG_WAY) {
		run->refused = true;
		rc = ff_err_set(err, FF_E_CANCELLED, "core wants this attempt to end");
	} else if (json_is_object(json_object_get(got, "error"))) {
		rc = ff_err_from_json(json_object_get(got, "error"), err);
	} else if (fd < 0) {
		rc = ff_err_set(err, FF_E_PROTOCOL, "core gave no way to the server");
	}
	json_decref(got);
	if (rc < 0)
		ff_close(&fd);
	else
		*ret_fd = fd;
	return rc;
}

/* --- what the server said */

/* Of how much use a line is to somebody who asks why; git's own word on top of a hook's says nothing new. */
static int worth(const char *line)
{
	static const char *const signs[] = { "denied", "fatal", "refused", "not allowed", NULL };

	for (size_t i = 0; signs[i]; i++)
		if (strcasestr(line, signs[i]))
			return 3;
	return ff_starts(line, "error: hook declined") ? 1 : 2;
}

/* The first of the best lines. Freed by ff_free; NULL when nothing was said. */
static char *why_said(const struct ff_buf *said)
{
	FF_AUTO(ff_free) char *best = NULL;

	for (const char *line = said->data; *line;) {
		size_t n = strcspn(line, "\r\n");
		FF_AUTO(ff_free) char *one = ff_memdup0(line, n);

		if (n && (!best || worth(one) > worth(best))) {
			ff_free(&best);
			best = ff_steal(&one);
		}
		line += n + (line[n] != '\0');
	}
	return best ? ff_text_shown(best, WHY_SHOWN) : NULL;
}

static void log_said(struct ff_run *run, const struct ff_buf *said)
{
	int lines = 0;

	for (const char *line = said->data; *line; lines++) {
		size_t n = strcspn(line, "\r\n");
		FF_AUTO(ff_free) char *one = ff_memdup0(line, n);
		FF_AUTO(ff_free) char *shown = ff_text_shown(one, LINE_SHOWN);

		if (n && lines < LINES_MOST)
			ff_report_logf(run, "server: %s", shown);
		line += n + (line[n] != '\0');
	}
	if (lines > LINES_MOST || said->overflow)
		ff_report_logf(run, "server: (and more, which is not kept)");
}

/* Also what is still under way when libgit2 has lost interest: the server's last words come with the end. */
static void hear_out(struct wire *w)
{
	int64_t until = ff_clock_mono() + GRACE_MS / 5;

	(void)shutdown(w->fd, SHUT_WR); /* the server may end, too */
	if (w->deadline_ms > until)
		w->deadline_ms = until;
	while (next(w, NULL) > 0)
		;
}

/* A server that hangs up at once, after a login that it took, has refused: its words say why. */
static void explain(struct wire *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *why = NULL;
	struct ff_err was;

	hear_out(w);
	if (!err)
		return;
	if (err->code == FF_E_NETWORK_ERROR && w->failure.code)
		*err = w->failure;
	why = why_said(&w->said);
	if (!why)
		return;
	was = *err;
	if (err->code == FF_E_NETWORK_ERROR && w->how)
		ff_err_set(err, FF_E_NOT_ALLOWED, "the server refused the push: %s", why);
	else if (err->code == FF_E_NOT_ALLOWED || err->code == FF_E_IO || err->code == FF_E_GIT)
		ff_err_set(err, was.code, "%.100s (%s)", was.text, why);
}

/* --- all of it */

static int push(struct ff_run *run, struct wire *w, const char *ref, const char *oid, const char *kept, struct ff_err *err)
{
	const struct ff_git_wire wire = { .arg = w, .read = wire_read, .write = wire_write };
	FF_AUTO(ff_free) char *from = ff_asprintf(FF_REF_JOBS "/%" PRId64 "/%s", run->task.job, kept);
	const struct ff_git_push what = { .ref = ref, .oid = oid, .from = from, .wire = &wire, .said = &w->said };
	bool there = false;
	int rc = ff_git_push(run->git, &what, &there, err);

	if (rc < 0)
		explain(w, err);
	log_said(run, &w->said);
	if (rc == 0 && there)
		ff_report_logf(run, "the server has %s already", ref + strlen(FF_HEADS));
	return rc;
}

/* An address that leads to another repository would look like success here. */
static void check_arrived(struct ff_run *run, const char *ref, const char *oid)
{
	char now[FF_GIT_OID] = "";

	if (ff_git_ref_oid(run->git, ref, now, NULL) == 0 && !strcmp(now, oid))
		return;
	ff_report_logf(run, "warning: the server took %s, but it is not in %s: does publish.url lead to this repository?",
		       ref + strlen(FF_HEADS), ff_git_path(run->git));
}

int ff_run_push(struct ff_run *run, const char *ref, const char *oid, const char *kept, struct ff_err *err)
{
	FF_AUTO(wire_fini) struct wire w = { .fd = -1 };
	int rc;

	ff_buf_init(&w.frame, FF_FRAME_MAX + 1);
	ff_buf_init(&w.said, SAID_MAX);
	w.deadline_ms = ff_clock_mono() + ff_conf_int(run->conf, FF_CONF_PUBLISH_TIMEOUT) + GRACE_MS;
	rc = open_way(run, ref, oid, &w.fd, err);
	if (rc == 0)
		rc = push(run, &w, ref, oid, kept, err);
	if (rc == 0) {
		check_arrived(run, ref, oid);
		return 0;
	}
	return ff_err_wrap(err, "result kept as " FF_REF_JOBS "/%" PRId64 "/result, not pushed", run->task.job);
}
