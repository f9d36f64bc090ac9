/* SPDX-License-Identifier: MIT */
/* See gateway-world.h. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
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

/* --- the test as core: a thread, because the test itself is busy being a job --------- */

struct heard { struct heard *next; enum ff_msg_type type; json_t *msg; };
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct heard *first;
	bool ended, running;
	int64_t requests;
	struct world_rule rule;
} core = { .lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER };

/* The lock is held. */
static void grant(const json_t *ask)
{
	const struct world_rule *r = &core.rule;
	bool wait = core.rule.waits > 0, refuse = !wait && r->refuse;
	struct ff_err err = { 0 };

	core.rule.waits -= wait;
	core.rule.asked++;
	if (refuse)
		(void)ff_err_set(&err, r->refuse, "refused by the test");
	(void)ff_chan_send(w.chan, FF_MSG_GRANT, json_pack("{s:O, s:O, s:I, s:b, s:o?}", "job", json_object_get(ask, "job"), "serial",
		json_object_get(ask, "serial"), "request", (json_int_t)(wait || refuse ? 0 : ++core.requests), "wait", wait, "error",
		refuse ? ff_json_from_err(&err) : NULL), -1, NULL); /* a gateway that is gone shows by itself */
}

static void hear(enum ff_msg_type type, json_t *msg)
{
	struct heard *h = ff_calloc(1, sizeof *h), **at = &core.first;

	h->type = type;
	h->msg = msg;
	while (*at)
		at = &(*at)->next;
	*at = h;
	(void)pthread_cond_broadcast(&core.news);
}

static void *be_core(void *arg)
{
	enum ff_msg_type type;
	json_t *msg = NULL;
	int fd = -1;

	while (ff_chan_recv(arg, -1, &type, &msg, &fd, NULL) == 0) {
		ff_close(&fd);
		(void)pthread_mutex_lock(&core.lock);
		if (type == FF_MSG_SPEND)
			grant(msg);
		if (type == FF_MSG_SPEND || type == FF_MSG_ALIVE)
			json_decref(msg);
		else
			hear(type, msg);
		(void)pthread_mutex_unlock(&core.lock);
	}
	(void)pthread_mutex_lock(&core.lock);
	core.ended = true;
	(void)pthread_cond_broadcast(&core.news);
	(void)pthread_mutex_unlock(&core.lock);
	return NULL;
}

/* NULL: nothing came in time. */
static struct heard *next_heard(int64_t ms)
{
	struct timespec until;
	struct heard *h;

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	(void)pthread_mutex_lock(&core.lock);
	while (!core.first && !core.ended)
		if (pthread_cond_timedwait(&core.news, &core.lock, &until) != 0)
			break;
	h = core.first;
	if (h)
		core.first = h->next;
	(void)pthread_mutex_unlock(&core.lock);
	return h;
}

void world_expect(enum ff_msg_type want, json_t **ret)
{
	enum ff_msg_type type;
	struct heard *h;
	json_t *msg;

	for (;;) {
		h = next_heard(WORLD_DEADLINE_MS);
		assert_non_null(h);
		type = h->type;
		msg = h->msg;
		ff_free(&h);
		if (type == want || type != FF_MSG_KEY)
			break;
		json_decref(msg); /* it says how it is when it likes */
	}
	if (type != want) {
		char *text = json_dumps(msg, JSON_COMPACT);

		print_message("# instead of %s: %s\n", ff_msg_name(want), text ? text : "?");
		free(text);
	}
	assert_string_equal(ff_msg_name(type), ff_msg_name(want));
	if (ret)
		*ret = msg;
	else
		json_decref(msg);
}

void world_drain(void)
{
	struct heard *h;

	while ((h = next_heard(50))) {
		json_decref(h->msg);
		ff_free(&h);
	}
}

struct world_rule world_rule(const struct world_rule *rule)
{
	struct world_rule before;

	(void)pthread_mutex_lock(&core.lock);
	before = core.rule;
	if (rule)
		core.rule = *rule;
	(void)pthread_mutex_unlock(&core.lock);
	return before;
}

void world_say(enum ff_msg_type type, json_t *msg)
{
	(void)pthread_mutex_lock(&core.lock);
	assert_int_equal(ff_chan_send(w.chan, type, msg, -1, NULL), 0);
	(void)pthread_mutex_unlock(&core.lock);
}

void world_open(int64_t job, const char *token)
{
	world_say(FF_MSG_OPEN, json_pack("{s:I, s:i, s:s}", "job", (json_int_t)job, "attempt", 1, "token", token));
	world_expect(FF_MSG_OPENED, NULL);
}

void world_open_job(void)
{
	world_open(1, WORLD_TOKEN);
}

void world_start_gateway(void)
{
	FF_AUTO(ff_free) char *path = built("flowforged"), *conf = world_path("ff.conf");
	FF_AUTO(ff_free) char *text = ff_asprintf("[server]\nstate-dir = %s/" WORLD_STATE "\nrun-dir = %s/run\n"
		"[gateway]\nbase-url = %s\nkey-file = %s/key\nmax-body = 8m\nidle-timeout = 1500ms\nretries = 0\ncircuit-failures = 0\n%s\n",
		w.dir, w.dir, w.url, w.dir, w.settings ? w.settings : "");
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
	core.ended = false;
	core.running = true;
	json_object_seed(0); /* two threads would both want to */
	assert_int_equal(pthread_create(&core.thread, NULL, be_core, w.chan), 0);
	world_expect(FF_MSG_HELLO, NULL);
	world_open_job();
}

static void end_core(void)
{
	struct heard *h;

	if (!core.running)
		return;
	core.running = false;
	(void)pthread_join(core.thread, NULL);
	ff_chan_free(&w.chan);
	while ((h = core.first)) {
		core.first = h->next;
		json_decref(h->msg);
		ff_free(&h);
	}
}

void world_stop_gateway(void)
{
	(void)shutdown(ff_chan_fd(w.chan), SHUT_RDWR);
	assert_int_equal(ff_wait(w.gateway), 0); /* exit 0 when core is gone */
	end_core();
}

void world_kill_gateway(void)
{
	(void)kill(w.gateway, SIGKILL);
	(void)ff_wait(w.gateway);
	end_core();
}

void world_start(const char *scenario)
{
	FF_AUTO(ff_free) char *dir = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	memcpy(w.dir, "/tmp/t-world.XXXXXX", 20);
	assert_non_null(mkdtemp(w.dir));
	w.log = world_path("gateway.log");
	w.sock = world_path(WORLD_STATE "/jobs/1/gate/gw.sock");
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
