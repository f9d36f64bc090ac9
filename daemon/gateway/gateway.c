/* SPDX-License-Identifier: MIT */
/*
 * The gateway role: holds the model key and the way to the network, and
 * nothing else.  Core opens and closes a job's socket; what passes through it
 * is front.c (towards the job) and flight.c (towards the API).
 */
#include "daemon/gateway/gateway.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/gateway/key.h"
#include "daemon/role.h"
#include "ipc/ipc.h"
#include "model/answer.h"
#include "model/client.h"

/* Signs of life in one worker.silence. */
#define BEATS 6

static void send_core(struct ff_gw *gw, enum ff_msg_type type, json_t *msg)
{
	if (gw->chan)
		(void)ff_chan_send(gw->chan, type, msg, -1, NULL); /* a failure comes as the end of the channel */
	else
		json_decref(msg);
}

void ff_gw_usage(const struct ff_flight *f, const struct ff_answer *a, int status, int64_t latency_ms)
{
	const struct ff_usage *u = &a->usage;

	send_core(f->job->gw, FF_MSG_USAGE, json_pack("{s:I, s:I, s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:b}",
		"job", (json_int_t)f->job->id, "attempt", (json_int_t)f->job->attempt, "key", f->key, "model", a->model, "status", status,
		"tokens_in", (json_int_t)u->input, "tokens_out", (json_int_t)u->output, "cache_read", (json_int_t)u->cache_read,
		"cache_write", (json_int_t)u->cache_write, "latency_ms", (json_int_t)latency_ms, "replayed", f->replayed));
}

void ff_gw_limited(const struct ff_gw_job *job, int status, int64_t retry_after_ms)
{
	send_core(job->gw, FF_MSG_LIMITED, json_pack("{s:I, s:i, s:I}", "job", (json_int_t)job->id, "status", status,
						     "retry_after_ms", (json_int_t)retry_after_ms));
}

static struct ff_gw_job *find_job(struct ff_gw *gw, int64_t id)
{
	struct ff_gw_job *j = gw->jobs;

	while (j && j->id != id)
		j = j->next;
	return j;
}

static void close_socket(struct ff_gw_job *job)
{
	if (job->fd < 0)
		return;
	ff_watch_free(&job->watch);
	ff_close(&job->fd);
	(void)unlink(job->socket); /* gone with its folder is as good */
	ff_free(&job->socket);
}

static int open_socket(struct ff_gw_job *job, struct ff_err *err)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("jobs/%" PRId64, job->id);
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(job->gw->conf, name);
	FF_AUTO(ff_free) char *socket = ff_path_join(dir, "gw.sock");

	ff_free(&job->answers);
	job->answers = ff_path_join(dir, FF_JOB_ANSWERS);
	if (ff_dir_make(dir, 0711, err) < 0 || ff_dir_make(job->answers, 0700, err) < 0 ||
	    ff_sock_listen(socket, 0600, &job->fd, err) < 0)
		return -1;
	job->socket = ff_steal(&socket);
	job->watch = ff_loop_fd(job->gw->loop, job->fd, FF_LOOP_READ, ff_front_accept, job);
	return 0;
}

/* --- the key ------------------------------------------------------------------ */

static void look_again(void *arg);

static void have_key(struct ff_gw *gw, struct ff_key *key)
{
	FF_AUTO(ff_free) char *where = ff_key_place(gw->conf);
	bool first = !gw->key;

	ff_key_free(&gw->key_before);
	gw->key_before = gw->key;
	gw->key = key;
	gw->key_err = (struct ff_err){ 0 };
	ff_watch_free(&gw->key_timer);
	if (first)
		send_core(gw, FF_MSG_KEY, json_pack("{s:b, s:o}", "ok", 1, "text", ff_json_from_bytes(where)));
}

static void lack_key(struct ff_gw *gw, const struct ff_err *err)
{
	struct ff_log log = ff_log_main();

	if (gw->key) { /* somebody is about to replace it */
		ff_log_error(&log, "gateway.key", "%s; the key that was read before stays in use", err->text);
		return;
	}
	if (strcmp(gw->key_err.text, err->text)) {
		ff_log_error(&log, "gateway.key.missing", "%s: jobs wait until this is mended", err->text);
		send_core(gw, FF_MSG_KEY, json_pack("{s:b, s:s}", "ok", 0, "text", err->text));
	}
	gw->key_err = *err;
	if (!gw->key_timer)
		gw->key_timer = ff_loop_timer(gw->loop, 0, look_again, gw);
	ff_watch_again(gw->key_timer, ff_conf_int(gw->conf, FF_CONF_SANDBOX_PROBE_INTERVAL));
}

static void read_key(struct ff_gw *gw)
{
	struct ff_key *key = NULL;
	struct ff_err err = { 0 };

	if (ff_key_read(gw->conf, &key, &err) == 0)
		have_key(gw, key);
	else
		lack_key(gw, &err);
}

static void look_again(void *arg)
{
	read_key(arg);
}

/* --- what core says ------------------------------------------------------------- */

static void on_open(struct ff_gw *gw, const json_t *msg)
{
	struct ff_err err = { 0 };
	struct ff_gw_job *job;
	int64_t id, attempt;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, &err) < 0 ||
	    ff_msg_int(msg, "attempt", 0, INT32_MAX, &attempt, &err) < 0) {
		struct ff_log log = ff_log_main();

		ff_log_error(&log, "gateway.message", "open: %s", err.text);
		return;
	}
	if (!gw->key)
		read_key(gw);
	job = find_job(gw, id);
	if (!job) {
		job = ff_calloc(1, sizeof *job);
		job->gw = gw;
		job->id = id;
		job->fd = -1;
		job->next = gw->jobs;
		gw->jobs = job;
	}
	job->attempt = attempt;
	/* Of an attempt whose end we were not told: it must not ask on in the name of this one. */
	close_socket(job);
	ff_front_sweep(job, true);
	if (open_socket(job, &err) < 0) {
		struct ff_log log = ff_log_job(ff_log_main(), id, NULL);

		ff_log_error(&log, "gateway.open.failed", "%s", err.text);
	}
	send_core(gw, FF_MSG_OPENED, json_pack("{s:I, s:o?}", "job", (json_int_t)id, "error",
					       err.code == FF_E_NONE ? NULL : ff_json_from_err(&err)));
}

static void on_close(struct ff_gw *gw, const json_t *msg)
{
	struct ff_gw_job *job = NULL;
	bool ended = false;
	int64_t id;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, NULL) == 0)
		job = find_job(gw, id);
	if (!job)
		return;
	(void)ff_msg_bool(msg, "ended", &ended, NULL); /* false: what is paid for is recorded */
	close_socket(job);
	ff_front_sweep(job, true); /* its clients; what is under way goes on until it is recorded, for the next attempt */
	if (ended)
		ff_flight_sweep(job, true); /* nobody will ask for it: every further token would be money for nothing */
}

static void on_message(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_gw *gw = arg;

	(void)chan;
	ff_close(&fd);
	if (type == FF_MSG_OPEN)
		on_open(gw, msg);
	else if (type == FF_MSG_CLOSE)
		on_close(gw, msg);
	else if (type == FF_MSG_LOOK)
		read_key(gw);
	/* Others cannot come: msg.def allows core these three. */
}

static void on_core_gone(void *arg, struct ff_chan *chan, const struct ff_err *err)
{
	struct ff_gw *gw = arg;

	(void)err;
	ff_chan_free(&chan);
	gw->chan = NULL;
	ff_loop_stop(gw->loop);
}

static void sweep(void *arg)
{
	struct ff_gw *gw = arg;
	struct ff_gw_job **at = &gw->jobs, *job;

	while ((job = *at)) {
		ff_front_sweep(job, false);
		ff_flight_sweep(job, false);
		if (job->fd >= 0 || job->conns || job->flights) {
			at = &job->next;
			continue;
		}
		*at = job->next;
		ff_free(&job->answers);
		ff_free(&job);
	}
}

static int set_base(struct ff_gw *gw, struct ff_err *err)
{
	const char *env = getenv("ANTHROPIC_BASE_URL");
	const char *base = env && *env ? env : ff_conf_str(gw->conf, FF_CONF_GATEWAY_BASE_URL);
	struct ff_log log = ff_log_main();
	size_t n = strlen(base);

	if (!ff_starts(base, "https://") && !ff_starts(base, "http://"))
		return ff_err_set(err, FF_E_INVALID, "gateway.base-url (or ANTHROPIC_BASE_URL) has to begin with https://");
	if (ff_starts(base, "http://") && !ff_starts(base, "http://127.0.0.1:") && !ff_starts(base, "http://localhost:"))
		ff_log_warn(&log, "gateway.base-url", "the API key and all tasks go over the network unencrypted; use https://");
	while (n && base[n - 1] == '/')
		n--;
	gw->messages_url = ff_asprintf("%.*s" FF_MODEL_MESSAGES, (int)n, base);
	gw->count_url = ff_asprintf("%s/count_tokens", gw->messages_url);
	return 0;
}

/* Whatever it waits for, core hears of it: as of a worker (worker.silence). */
static void beat(void *arg)
{
	struct ff_gw *gw = arg;
	int64_t every = ff_conf_int(gw->conf, FF_CONF_WORKER_SILENCE) / BEATS;

	send_core(gw, FF_MSG_ALIVE, json_object());
	if (!gw->beat)
		gw->beat = ff_loop_timer(gw->loop, every, beat, gw);
	else
		ff_watch_again(gw->beat, every);
}

static int init(struct ff_gw *gw, const struct ff_role_args *args, struct ff_err *err)
{
	const struct ff_conf *c = args->conf;

	*gw = (struct ff_gw){ .conf = c, .limits = {
		.max_body = (size_t)ff_conf_int(c, FF_CONF_GATEWAY_MAX_BODY),
		.max_answer = (size_t)ff_conf_int(c, FF_CONF_GATEWAY_MAX_ANSWER),
		.max_answers = (size_t)ff_conf_int(c, FF_CONF_GATEWAY_MAX_ANSWERS),
		.max_answer_bytes = (size_t)ff_conf_int(c, FF_CONF_GATEWAY_MAX_ANSWER_BYTES),
		.connect_ms = ff_conf_int(c, FF_CONF_GATEWAY_CONNECT_TIMEOUT),
		.idle_ms = ff_conf_int(c, FF_CONF_GATEWAY_IDLE_TIMEOUT),
	} };
	if (set_base(gw, err) < 0)
		return -1;
	gw->loop = ff_loop_new();
	ff_loop_on_turn_end(gw->loop, sweep, gw);
	gw->up = ff_upstream_new(gw);
	gw->chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_GATEWAY, FF_PEER_CORE);
	ff_chan_attach(gw->chan, gw->loop, on_message, on_core_gone, gw);
	send_core(gw, FF_MSG_HELLO, json_pack("{s:s, s:I}", "role", "gateway", "pid", (json_int_t)getpid()));
	read_key(gw);
	beat(gw);
	return 0;
}

static void fini(struct ff_gw *gw)
{
	for (struct ff_gw_job *job = gw->jobs; job; job = job->next) {
		close_socket(job);
		ff_front_sweep(job, true);
		ff_flight_sweep(job, true);
	}
	if (gw->loop)
		sweep(gw);
	ff_watch_free(&gw->key_timer);
	ff_watch_free(&gw->beat);
	ff_upstream_free(&gw->up);
	ff_chan_free(&gw->chan);
	ff_loop_free(&gw->loop);
	ff_key_free(&gw->key);
	ff_key_free(&gw->key_before);
	ff_free(&gw->messages_url);
	ff_free(&gw->count_url);
}

int ff_gateway_main(const struct ff_role_args *args)
{
	struct ff_log log = ff_log_main();
	struct ff_err err = { 0 };
	struct ff_gw gw;
	int rc;

	ff_role_guard(getppid());
	rc = init(&gw, args, &err);
	if (rc == 0)
		rc = ff_loop_run(gw.loop, &err);
	fini(&gw);
	if (rc < 0)
		ff_log_error(&log, "gateway.failed", "%s", err.text);
	return rc < 0 ? 1 : 0;
}
