/* SPDX-License-Identifier: MIT */
/*
 * The web role: listens on loopback or a unix socket, and hands what comes to
 * serve.c.  libwebsockets turns the loop; the channel to core has a loop of
 * its own (base/loop.h) whose descriptor lws polls like any other.
 */
#include "daemon/web/web.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/names.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "daemon/role.h"
#include "daemon/web/live.h"

/* Signs of life in one worker.silence. */
#define BEATS 6
#define HEADERS_BYTES 8192
#define HEADERS_SECONDS 15
#define KEEPALIVE_SECONDS 60

static struct ff_log lws_log;

static void on_lws_log(int level, const char *line)
{
	size_t n = strlen(line);

	if (n && line[n - 1] == '\n')
		n--;
	ff_log_write(&lws_log, level == LLL_ERR ? FF_LOG_ERROR : FF_LOG_WARN, "web.library", "%.*s", (int)n, line);
}

/* --- core ------------------------------------------------------------------------ */

static void on_message(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	(void)chan;
	ff_asks_message(arg, type, msg, fd);
}

static void on_core_gone(void *arg, struct ff_chan *chan, const struct ff_err *err)
{
	struct ff_web *web = arg;

	(void)err;
	ff_chan_free(&chan);
	web->chan = NULL;
	web->stop = true;
	ff_asks_end_all(web);
}

static void beat(lws_sorted_usec_list_t *sul)
{
	struct ff_web *web = lws_container_of(sul, struct ff_web, beat);
	int64_t every_ms = ff_conf_int(web->conf, FF_CONF_WORKER_SILENCE) / BEATS;

	if (web->chan)
		(void)ff_chan_send(web->chan, FF_MSG_ALIVE, json_object(), -1, NULL); /* a failure ends the channel */
	lws_sul_schedule(web->lws, 0, sul, beat, every_ms * LWS_US_PER_MS);
}

/* --- where to listen ----------------------------------------------------------------- */

/* HOST:PORT of loopback, or a path: then *ret_port is -1. Another one has no way through src/conf/check.c. */
static void where(const char *listen, char **ret_host, int *ret_port)
{
	const char *colon = strrchr(listen, ':');
	int64_t port = 0;

	*ret_port = -1;
	if (*listen == '/' || !colon) {
		*ret_host = ff_strdup(listen);
		return;
	}
	(void)ff_num_i64(colon + 1, 0, 65535, &port);
	*ret_host = ff_strdup(*listen == '[' ? "::1" : "127.0.0.1");
	*ret_port = (int)port;
}

static int listen_at(struct ff_web *web, struct ff_err *err)
{
	const char *listen = ff_conf_str(web->conf, FF_CONF_WEB_LISTEN);
	FF_AUTO(ff_free) char *host = NULL;
	int port = 0;
	static struct lws_protocols protocols[2]; /* the library keeps the address */
	struct lws_context_creation_info info = {
		.protocols = protocols, .user = web, .gid = (gid_t)-1, .uid = (uid_t)-1, .server_string = FF_NAME,
		.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.max_http_header_data = HEADERS_BYTES, .timeout_secs = HEADERS_SECONDS, .timeout_secs_ah_idle = HEADERS_SECONDS,
		.keepalive_timeout = KEEPALIVE_SECONDS, .ka_time = KEEPALIVE_SECONDS, .ka_probes = 3, .ka_interval = 10,
	};

	protocols[0] = (struct lws_protocols){ .name = FF_NAME, .callback = ff_serve_callback, .rx_buffer_size = 4096,
					       .per_session_data_size = ff_serve_session_size };
	where(listen, &host, &port);
	info.max_http_header_pool = (unsigned short)ff_conf_int(web->conf, FF_CONF_WEB_MAX_CONNECTIONS);
	info.fd_limit_per_thread = (unsigned)ff_conf_int(web->conf, FF_CONF_WEB_MAX_CONNECTIONS) + 8;
	info.iface = host;
	info.port = port < 0 ? 0 : port;
	if (port < 0) {
		info.options |= LWS_SERVER_OPTION_UNIX_SOCK;
		(void)unlink(host); /* of an earlier run: nobody listens there any more, core is locked */
	}
	web->lws = lws_create_context(&info);
	if (!web->lws)
		return ff_err_set(err, FF_E_UNREACHABLE, "web.listen: cannot listen at %s; does another program?", listen);
	web->vhost = lws_get_vhost_by_name(web->lws, "default");
	if (port < 0 && chmod(host, 0660) < 0)
		return ff_err_errno(err, "web.listen: %s", host);
	if (port < 0)
		ff_log_info(&web->log, "web.ready", "listening at %s", host);
	else
		ff_log_info(&web->log, "web.ready", "listening at %s:%d", host, lws_get_vhost_listen_port(web->vhost));
	return 0;
}

/* --- life --------------------------------------------------------------------------------- */

static int poll_core(struct ff_web *web, struct ff_err *err)
{
	lws_sock_file_fd_type fd = { .filefd = dup(ff_loop_descriptor(web->loop)) };

	if (fd.filefd < 0)
		return ff_err_errno(err, "dup");
	if (!lws_adopt_descriptor_vhost(web->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, FF_NAME, NULL))
		return ff_err_set(err, FF_E_INTERNAL, "the library does not take the descriptor of core's messages");
	return 0;
}

static int init(struct ff_web *web, const struct ff_role_args *args, struct ff_err *err)
{
	*web = (struct ff_web){ .conf = args->conf, .log = ff_log_main() };
	lws_log = web->log;
	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	web->rate = ff_rate_new(ff_conf_int(args->conf, FF_CONF_WEB_RATE));
	web->loop = ff_loop_new();
	web->chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_WEB, FF_PEER_CORE);
	ff_chan_attach(web->chan, web->loop, on_message, on_core_gone, web);
	(void)ff_chan_send(web->chan, FF_MSG_HELLO, json_pack("{s:s, s:I}", "role", "web", "pid", (json_int_t)getpid()), -1, NULL);
	if (listen_at(web, err) < 0 || poll_core(web, err) < 0)
		return -1;
	beat(&web->beat);
	return 0;
}

static void fini(struct ff_web *web)
{
	ff_asks_end_all(web);
	if (web->lws)
		lws_context_destroy(web->lws);
	ff_feeds_free(web);
	ff_chan_free(&web->chan);
	ff_loop_free(&web->loop);
	ff_rate_free(&web->rate);
	ff_free(&web->openapi);
}

int ff_web_main(const struct ff_role_args *args)
{
	struct ff_err err = { 0 };
	struct ff_web web;
	int rc;

	ff_role_guard(getppid());
	ff_crypto_start();
	rc = init(&web, args, &err);
	while (rc == 0 && !web.stop)
		if (ff_loop_turn(web.loop, 0, &err) < 0 || lws_service(web.lws, 0) < 0)
			rc = -1;
	if (err.code)
		ff_log_error(&web.log, "web.failed", "%s", err.text);
	fini(&web);
	return rc < 0 ? 1 : 0;
}
