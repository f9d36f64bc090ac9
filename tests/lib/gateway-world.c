/* SPDX-License-Identifier: MIT */
/* See gateway-world.h. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/sock.h"
#include "tests/lib/gateway-world.h"

struct world w;

char *world_path(const char *name)
{
	return ff_path_join(w.dir, name);
}

void world_put(const char *name, const char *text, mode_t mode)
{
	FF_AUTO(ff_free) char *path = world_path(name);

	assert_int_equal(ff_file_write(path, text, strlen(text), mode, NULL), 0);
}

char *world_get(const char *path)
{
	struct ff_buf b;

	ff_buf_init(&b, 64 * 1024 * 1024);
	(void)ff_file_read(path, &b, NULL); /* a missing file is an empty one here */
	return ff_steal(&b.data);
}

/* The text with every DIR replaced by the temporary folder. */
static char *with_dir(const char *text)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *at;

	ff_buf_init(&b, 65536);
	while ((at = strstr(text, "DIR"))) {
		(void)ff_buf_add(&b, text, (size_t)(at - text));
		(void)ff_buf_adds(&b, w.dir);
		text = at + 3;
	}
	(void)ff_buf_adds(&b, text);
	return ff_buf_take(&b);
}

static char *built(const char *name)
{
	const char *top = getenv("top_builddir");

	return ff_path_join(top ? top : ".", name);
}

static void start_model(const char *scenario)
{
	FF_AUTO(ff_free) char *path = built("tests/lib/model-server");
	FF_AUTO(ff_free) char *file = world_path("scenario.json"), *key = world_path("key"), *log = world_path("model.log");
	FF_AUTO(ff_free) char *text = with_dir(scenario);
	char *argv[] = { path, (char[]){ "--scenario" }, file, (char[]){ "--log" }, log, (char[]){ "--expect-key" }, key, NULL };
	char *env[] = { NULL };
	struct ff_spawn s = { .path = path, .argv = argv, .envp = env, .fd_in = -1, .fd_err = -1, .fd_3 = -1 };
	char line[256];
	int p[2];
	ssize_t n;

	world_put("scenario.json", text, 0600);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	s.fd_out = p[1];
	assert_int_equal(ff_spawn(&s, &w.model, NULL), 0);
	ff_close(&p[1]);
	n = read(p[0], line, sizeof line - 1); /* one write, one line; end of file when it could not start */
	assert_true(n > 0);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	assert_non_null(strstr(line, "url="));
	w.url = ff_strdup(strstr(line, "url=") + 4);
	ff_close(&p[0]);
}

void world_expect(enum ff_msg_type want, json_t **ret)
{
	enum ff_msg_type type;
	struct ff_err err = { 0 };
	json_t *msg = NULL;
	int fd = -1;

	for (;;) {
		assert_int_equal(ff_chan_recv(w.chan, WORLD_DEADLINE_MS, &type, &msg, &fd, &err), 0);
		ff_close(&fd);
		if (type == want || (type != FF_MSG_KEY && type != FF_MSG_ALIVE))
			break;
		json_decref(msg); /* it says how it is when it likes */
	}
	assert_string_equal(ff_msg_name(type), ff_msg_name(want));
	if (ret)
		*ret = msg;
	else
		json_decref(msg);
}

void world_open_job(void)
{
	assert_int_equal(ff_chan_send(w.chan, FF_MSG_OPEN, json_pack("{s:i, s:i}", "job", 1, "attempt", 1), -1, NULL), 0);
	world_expect(FF_MSG_OPENED, NULL);
}

void world_start_gateway(void)
{
	FF_AUTO(ff_free) char *path = built("flowforged"), *conf = world_path("ff.conf");
	FF_AUTO(ff_free) char *text = ff_asprintf("[server]\nstate-dir = %s/" WORLD_STATE "\nrun-dir = %s/run\n"
		"[gateway]\nbase-url = %s\nkey-file = %s/key\nmax-body = 8m\nidle-timeout = 1500ms\n", w.dir, w.dir, w.url, w.dir);
	char *argv[] = { path, (char[]){ "--role" }, (char[]){ "gateway" }, (char[]){ "--config" }, conf, NULL };
	char *env[] = { NULL };
	int fds[2], log = open(w.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct ff_spawn s = { .path = path, .argv = argv, .envp = env, .fd_in = -1, .fd_out = -1, .fd_err = log };

	world_put("ff.conf", text, 0600);
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	s.fd_3 = fds[1];
	assert_int_equal(ff_spawn(&s, &w.gateway, NULL), 0);
	ff_close(&fds[1]);
	ff_close(&log);
	w.chan = ff_chan_new(fds[0], FF_PEER_CORE, FF_PEER_GATEWAY);
	world_expect(FF_MSG_HELLO, NULL);
	world_open_job();
}

void world_stop_gateway(void)
{
	ff_chan_free(&w.chan);
	assert_int_equal(ff_wait(w.gateway), 0); /* exit 0 when core is gone */
}

void world_start(const char *scenario)
{
	FF_AUTO(ff_free) char *dir = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	memcpy(w.dir, "/tmp/t-world.XXXXXX", 20);
	assert_non_null(mkdtemp(w.dir));
	w.log = world_path("gateway.log");
	w.sock = world_path(WORLD_STATE "/jobs/1/gw.sock");
	dir = world_path(WORLD_STATE);
	assert_int_equal(ff_dir_make(dir, 0700, NULL), 0);
	world_put("key", WORLD_KEY "\n", 0600);
	start_model(scenario);
	world_start_gateway();
}

int world_stop(void)
{
	if (w.chan)
		world_stop_gateway();
	(void)kill(w.model, SIGTERM);
	(void)ff_wait(w.model);
	ff_free(&w.url);
	ff_free(&w.sock);
	ff_free(&w.log);
	return ff_dir_remove(w.dir, NULL);
}

int world_asked(const char *rule)
{
	FF_AUTO(ff_free) char *path = world_path("model.log");
	FF_AUTO(ff_free) char *log = world_get(path);
	FF_AUTO(ff_free) char *word = ff_asprintf("\"rule\":\"%s\"", rule);
	int n = 0;

	for (const char *at = log; (at = strstr(at, word)); at++)
		n++;
	return n;
}
