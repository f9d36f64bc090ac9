/* SPDX-License-Identifier: MIT */
/* See upstream.h; libcurl's side is curl_multi_socket_action(3). */
#include "daemon/gateway/upstream.h"

#include <inttypes.h>

#include "base/loop.h"
#include "base/mem.h"
#include "model/client.h"

struct ff_upstream {
	struct ff_loop *loop;
	CURLM *multi;
	struct ff_watch *timer;
};

static void collect(struct ff_upstream *u);

static void on_socket_ready(void *arg, unsigned ready)
{
	struct ff_upstream *u = ((void **)arg)[0];
	int fd = (int)(intptr_t)((void **)arg)[1], running;
	int mask = (ready & FF_LOOP_READ ? CURL_CSELECT_IN : 0) | (ready & FF_LOOP_WRITE ? CURL_CSELECT_OUT : 0) |
		   (ready & FF_LOOP_HUP ? CURL_CSELECT_ERR : 0);

	(void)curl_multi_socket_action(u->multi, fd, mask, &running); /* failures come out of collect() */
	collect(u);
}

struct sock {
	void *upstream, *fd; /* in this order: what on_socket_ready gets */
	struct ff_watch *watch;
};

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
	struct ff_upstream *u = arg;
	struct sock *s = assigned;
	unsigned want = (what & CURL_POLL_IN ? FF_LOOP_READ : 0) | (what & CURL_POLL_OUT ? FF_LOOP_WRITE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			ff_watch_free(&s->watch);
		(void)curl_multi_assign(u->multi, fd, NULL);
		ff_free(&s);
		return 0;
	}
	if (s) {
		ff_watch_want(s->watch, want);
		return 0;
	}
	s = ff_calloc(1, sizeof *s);
	s->upstream = u;
	s->fd = (void *)(intptr_t)fd;
	s->watch = ff_loop_fd(u->loop, fd, want, on_socket_ready, s);
	(void)curl_multi_assign(u->multi, fd, s);
	return 0;
}

static void on_curl_time(void *arg)
{
	struct ff_upstream *u = arg;
	int running;

	(void)curl_multi_socket_action(u->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(u);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct ff_upstream *u = arg;

	(void)multi;
	if (ms < 0)
		ff_watch_free(&u->timer);
	else if (u->timer)
		ff_watch_again(u->timer, ms);
	else
		u->timer = ff_loop_timer(u->loop, ms, on_curl_time, u);
	return 0;
}

struct ff_upstream *ff_upstream_new(struct ff_loop *loop)
{
	struct ff_upstream *u = ff_calloc(1, sizeof *u);

	ff_model_setup();
	u->loop = loop;
	u->multi = curl_multi_init();
	ff_assert(u->multi);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(u->multi, CURLMOPT_SOCKETDATA, u);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(u->multi, CURLMOPT_TIMERDATA, u);
	return u;
}

void ff_upstream_free(struct ff_upstream **up)
{
	struct ff_upstream *u = ff_steal(up);

	if (!u)
		return;
	(void)curl_multi_cleanup(u->multi);
	ff_watch_free(&u->timer);
	ff_free(&u);
}

static void collect(struct ff_upstream *u)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(u->multi, &left))) {
		struct ff_upstream_end *end = NULL;
		CURLcode rc = m->data.result;
		CURL *easy = m->easy_handle;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&end);
		(void)curl_multi_remove_handle(u->multi, easy);
		end->fn(end->arg, rc);
	}
}

static void set_protocols(CURL *h)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(h, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

CURL *ff_upstream_easy(void)
{
	CURL *h = curl_easy_init();

	ff_assert(h);
	set_protocols(h);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	return h;
}

void ff_upstream_start(struct ff_upstream *u, CURL *easy, struct ff_upstream_end *end)
{
	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)end);
	ff_assert(curl_multi_add_handle(u->multi, easy) == CURLM_OK);
}

void ff_upstream_drop(struct ff_upstream *u, CURL **easy)
{
	if (!*easy)
		return;
	(void)curl_multi_remove_handle(u->multi, *easy); /* harmless when it has ended */
	curl_easy_cleanup(*easy);
	*easy = NULL;
}

void ff_upstream_resume(struct ff_upstream *u, CURL *easy)
{
	(void)curl_easy_pause(easy, CURLPAUSE_CONT);
	collect(u);
}
