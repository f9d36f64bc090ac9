/* SPDX-License-Identifier: MIT */
/*
 * The gateway role: holds the model key and the way to the network, and
 * nothing else.  Core opens and closes a job's socket; what passes through it
 * is front.c (towards the job) and flight.c (towards the API).
 */
#include "daemon/gateway/gateway.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/redact.h"
#include "base/sock.h"
#include "base/text.h"
#include "conf/conf.h"
#include "crypto/crypto.h"
#include "daemon/gateway/fetch.h"
#include "daemon/gateway/key.h"
#include "daemon/gateway/upstream.h"
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

uid_t ff_gw_job_uid(const struct ff_gw_job *job)
{
	return (uid_t)(ff_conf_int(job->gw->conf, FF_CONF_SANDBOX_UID_BASE) + job->id % 65536); /* as daemon/worker/place.c */
}

void ff_gw_spend(struct ff_flight *f)
{
	if (f->asked)
		return;
	f->asked = true;
	send_core(f->job->gw, FF_MSG_SPEND, json_pack("{s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:b}", "job", (json_int_t)f->job->id,
		"attempt", (json_int_t)f->attempt, "serial", (json_int_t)f->serial, "key", f->key, "model", f->seen.model,
		"bytes", (json_int_t)f->sent.len, "max_tokens", (json_int_t)f->seen.max_tokens, "cache_long", f->seen.cache_long));
}

static void send_usage(struct ff_gw *gw, const struct ff_gw_job *job, int64_t attempt, int64_t request, json_t *msg)
{
	(void)json_object_update_new(msg, json_pack("{s:I, s:I, s:I}", "job", (json_int_t)job->id, "attempt", (json_int_t)attempt,
						    "request", (json_int_t)request));
	send_core(gw, FF_MSG_USAGE, msg);
}

static json_t *usage_of(const struct ff_gw_end *e)
{
	const struct ff_tokens *u = &e->tokens;

	return json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:b}", "model", e->model, "outcome", e->outcome, "status", e->status,
		"tokens_in", (json_int_t)u->input, "tokens_out", (json_int_t)u->output, "cache_read", (json_int_t)u->cache_read,
		"cache_write", (json_int_t)u->cache_write, "cache_write_1h", (json_int_t)u->cache_write_1h, "unknown", e->unknown);
}

void ff_gw_usage(const struct ff_flight *f, const struct ff_gw_end *e)
{
	json_t *msg = usage_of(e);

	(void)json_object_update_new(msg, json_pack("{s:s, s:I, s:b}", "key", f->key, "latency_ms",
				     (json_int_t)(f->replayed ? 0 : ff_clock_mono() - f->started_ms), "replayed", f->replayed));
	send_usage(f->job->gw, f->job, f->attempt, f->request, msg);
}

void ff_gw_limited(const struct ff_gw_job *job, int status, int64_t retry_after_ms)
{
	send_core(job->gw, FF_MSG_LIMITED, json_pack("{s:I, s:i, s:I}", "job", (json_int_t)job->id, "status", status,
						     "retry_after_ms", (json_int_t)retry_after_ms));
}

void ff_gw_halt(const struct ff_flight *f, const struct ff_err *why, int64_t until_ms)
{
	send_core(f->job->gw, FF_MSG_HALT, json_pack("{s:I, s:I, s:o, s:I}", "job", (json_int_t)f->job->id, "attempt",
		  (json_int_t)f->attempt, "error", ff_json_from_err(why), "until_ms", (json_int_t)until_ms));
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

/* A job that runs under an account of its own gets its socket, and no other one. */
static int give_socket(const struct ff_gw_job *job, const char *dir, const char *socket, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;

	if (geteuid() != 0)
		return 0;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchownat(fd, strrchr(socket, '/') + 1, ff_gw_job_uid(job), (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
		return ff_err_errno(err, "%s", socket);
	return 0;
}

static int open_socket(struct ff_gw_job *job, struct ff_err *err)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("jobs/%" PRId64, job->id);
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(job->gw->conf, name);
	FF_AUTO(ff_free) char *gate = ff_path_join(dir, FF_JOB_GATE); /* seen by sandboxes: a new socket is there at once */
	FF_AUTO(ff_free) char *socket = ff_path_join(gate, "gw.sock");

	ff_free(&job->answers);
	job->answers = ff_path_join(dir, FF_JOB_ANSWERS);
	if (ff_dir_make(dir, 0711, err) < 0 || ff_dir_make(job->answers, 0700, err) < 0 || ff_dir_make(gate, 0711, err) < 0 ||
	    ff_sock_listen(socket, 0600, &job->fd, err) < 0 || give_socket(job, gate, socket, err) < 0)
		return -1;
	job->socket = ff_steal(&socket);
	job->watch = ff_loop_fd(job->gw->loop, job->fd, FF_LOOP_READ, ff_front_accept, job);
	return 0;
}

/* --- the key ------------------------------------------------------------------ */

static void look_again(void *arg);

static void look_later(struct ff_gw *gw)
{
	if (!gw->key_timer)
		gw->key_timer = ff_loop_timer(gw->loop, 0, look_again, gw);
	ff_watch_again(gw->key_timer, ff_conf_int(gw->conf, FF_CONF_SANDBOX_PROBE_INTERVAL));
}

/* No key is put into a line; what a service or a library quotes may hold one. */
static void redact_keys(struct ff_gw *gw)
{
	struct ff_redact *before = gw->redact;

	gw->redact = ff_redact_new();
	ff_key_redact(gw->key, gw->redact);
	if (gw->key_before)
		ff_key_redact(gw->key_before, gw->redact);
	ff_log_redact(gw->redact);
	ff_redact_free(&before);
}

static void have_key(struct ff_gw *gw, struct ff_key *key)
{
	FF_AUTO(ff_free) char *where = ff_key_place(gw->conf);
	bool first = !gw->key || gw->key_refused;

	if (gw->key_refused && !gw->key_again && ff_key_same(gw->key, key)) {
		ff_key_free(&key);
		look_later(gw);
		return;
	}
	gw->key_refused = gw->key_again = false;
	ff_key_free(&gw->key_before);
	gw->key_before = gw->key;
	gw->key = key;
	redact_keys(gw);
	gw->key_err = (struct ff_err){ 0 };
	ff_watch_free(&gw->key_timer);
	if (first)
		send_core(gw, FF_MSG_KEY, json_pack("{s:b, s:o}", "ok", 1, "text", ff_json_from_bytes(where)));
}

static void lack_key(struct ff_gw *gw, const struct ff_err *err)
{
	struct ff_log log = ff_log_main();

	if (gw->key && gw->key_refused) {
		look_later(gw);
		return;
	}
	if (gw->key) { /* somebody is about to replace it */
		ff_log_error(&log, "gateway.key", "%s; the key that was read before stays in use", err->text);
		return;
	}
	if (strcmp(gw->key_err.text, err->text)) {
		ff_log_error(&log, "gateway.key.missing", "%s: jobs wait until this is mended", err->text);
		send_core(gw, FF_MSG_KEY, json_pack("{s:b, s:s}", "ok", 0, "text", err->text));
	}
	gw->key_err = *err;
	look_later(gw);
}

void ff_gw_key_refused(struct ff_gw *gw, int status, const char *text)
{
	FF_AUTO(ff_free) char *where = ff_key_place(gw->conf);
	struct ff_log log = ff_log_main();

	if (gw->key_refused)
		return; /* of one that was under way at the same time */
	gw->key_refused = true;
	(void)ff_err_set(&gw->key_err, FF_E_KEY_MISSING, "blocked: key: the model service refused the API key (%d %s); put another one into %s, "
			 "or mend the account and reload the daemon", status, text, where ? where : "gateway.key-file");
	ff_log_error(&log, "gateway.key.refused", "%s: jobs wait until then", gw->key_err.text);
	send_core(gw, FF_MSG_KEY, json_pack("{s:b, s:o}", "ok", 0, "text", ff_json_from_bytes(gw->key_err.text)));
	look_later(gw);
}

/* gateway.key: core has it, and says so by itself when it changes. */
static void on_secret(struct ff_gw *gw, const json_t *msg, int fd)
{
	struct ff_key *key = NULL;
	struct ff_err err = { 0 };

	if (json_object_get(msg, "error"))
		(void)ff_err_from_json(json_object_get(msg, "error"), &err); /* it always fails: that is what it makes */
	else if (ff_key_from_fd(ff_steal_fd(&fd), &key, &err) == 0)
		have_key(gw, key);
	if (!key)
		lack_key(gw, &err);
	ff_close(&fd);
}

static void read_key(struct ff_gw *gw)
{
	struct ff_key *key = NULL;
	struct ff_err err = { 0 };

	if (*ff_conf_str(gw->conf, FF_CONF_GATEWAY_KEY))
		return;
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

static int read_token(const json_t *msg, const char **ret, struct ff_err *err)
{
	if (ff_msg_str(msg, "token", ret, err) < 0)
		return -1;
	return strlen(*ret) == FF_GW_TOKEN ? 0 : ff_err_set(err, FF_E_PROTOCOL, "a token has %d characters", FF_GW_TOKEN);
}

static void on_open(struct ff_gw *gw, const json_t *msg)
{
	struct ff_err err = { 0 };
	struct ff_gw_job *job;
	const char *token = NULL;
	int64_t id, attempt;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, &err) < 0 || ff_msg_int(msg, "attempt", 0, INT32_MAX, &attempt, &err) < 0 ||
	    read_token(msg, &token, &err) < 0) {
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
	memcpy(job->token, token, sizeof job->token);
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

/*
 * A gateway that is started again makes the folders of a job anew whose worker
 * may have removed them just then: what is empty goes.
 */
static void remove_made(const struct ff_gw *gw, int64_t id)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("jobs/%" PRId64, id);
	FF_AUTO(ff_free) char *dir = ff_conf_state_path(gw->conf, name);
	FF_AUTO(ff_free) char *gate = ff_path_join(dir, FF_JOB_GATE);
	FF_AUTO(ff_free) char *answers = ff_path_join(dir, FF_JOB_ANSWERS);

	(void)rmdir(gate); /* what holds anything is swept by core */
	(void)rmdir(answers);
	(void)rmdir(dir);
}

static void on_close(struct ff_gw *gw, const json_t *msg)
{
	struct ff_gw_job *job;
	bool ended = false;
	int64_t id;

	if (ff_msg_int(msg, "job", 1, INT64_MAX, &id, NULL) < 0)
		return;
	(void)ff_msg_bool(msg, "ended", &ended, NULL); /* false: what is paid for is recorded */
	job = find_job(gw, id);
	if (job) {
		close_socket(job);
		ff_front_sweep(job, true); /* its clients; what is under way goes on until it is recorded, for the next attempt */
	}
	if (job && ended)
		ff_flight_sweep(job, true); /* nobody will ask for it: every further token would be money for nothing */
	if (ended)
		remove_made(gw, id);
}

static struct ff_flight *find_flight(struct ff_gw *gw, int64_t id, int64_t serial)
{
	struct ff_gw_job *job = find_job(gw, id);

	for (struct ff_flight *f = job ? job->flights : NULL; f; f = f->next)
		if (f->asked && f->serial == serial)
			return f;
	return NULL;
}

/* Nobody wants it any more: what was reserved is free again. */
static void give_back(struct ff_gw *gw, int64_t id, int64_t request)
{
	const struct ff_gw_job nobody = { .id = id };
	static const char no_key[] = "0000000000000000000000000000000000000000000000000000000000000000";
	json_t *msg = usage_of(&(struct ff_gw_end){ .outcome = "not sent", .model = "" });

	(void)json_object_update_new(msg, json_pack("{s:s, s:i, s:b}", "key", no_key, "latency_ms", 0, "replayed", 0));
	if (request)
		send_usage(gw, &nobody, 0, request, msg);
	else
		json_decref(msg);
}

static void on_grant(struct ff_gw *gw, const json_t *msg)
{
	const json_t *error = json_object_get(msg, "error");
	int64_t id = 0, serial = 0, request = 0;
	struct ff_err why = { 0 };
	struct ff_flight *f;
	bool wait = false;

	(void)ff_msg_int(msg, "job", 1, INT64_MAX, &id, NULL); /* zeros find nothing */
	(void)ff_msg_int(msg, "serial", 1, INT64_MAX, &serial, NULL);
	(void)ff_msg_int(msg, "request", 0, INT64_MAX, &request, NULL);
	(void)ff_msg_bool(msg, "wait", &wait, NULL);
	if (json_is_object(error))
		(void)ff_err_from_json(error, &why); /* it always fails: that is what it makes */
	f = find_flight(gw, id, serial);
	if (!f || f->done) {
		give_back(gw, id, why.code ? 0 : request);
		return;
	}
	f->asked = false;
	if (wait || why.code) {
		ff_transfer_refused(f, wait, &why);
	} else {
		f->request = request;
		ff_transfer_go(f);
	}
}

static void on_message(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_gw *gw = arg;

	(void)chan;
	if (type == FF_MSG_SECRET)
		on_secret(gw, msg, ff_steal_fd(&fd));
	ff_close(&fd);
	if (type == FF_MSG_OPEN)
		on_open(gw, msg);
	else if (type == FF_MSG_CLOSE)
		on_close(gw, msg);
	else if (type == FF_MSG_GRANT)
		on_grant(gw, msg);
	else if (type == FF_MSG_FETCH)
		ff_fetch_take(gw->fetches, msg);
	else if (type == FF_MSG_LOOK) {
		gw->key_again = true; /* somebody may have paid the bill */
		read_key(gw);
	}
	/* Others cannot come: msg.def allows core these. */
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

static void fetched(void *arg, json_t *msg)
{
	send_core(arg, FF_MSG_FETCHED, msg);
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
		.request_ms = ff_conf_int(c, FF_CONF_GATEWAY_REQUEST_TIMEOUT),
		.retry_ms = ff_conf_int(c, FF_CONF_GATEWAY_RETRY_DELAY),
		.hold_ms = ff_conf_int(c, FF_CONF_GATEWAY_HOLD_MAX),
		.ping_ms = ff_conf_int(c, FF_CONF_GATEWAY_PING),
		.max_requests = (unsigned)ff_conf_int(c, FF_CONF_GATEWAY_MAX_REQUESTS),
		.retries = (int)ff_conf_int(c, FF_CONF_GATEWAY_RETRIES),
	}, .allowed = ff_policy_allowed(ff_conf_list(c, FF_CONF_GATEWAY_ALLOW)), .circuit = {
		.failures = ff_conf_int(c, FF_CONF_GATEWAY_CIRCUIT_FAILURES),
		.window_ms = ff_conf_int(c, FF_CONF_GATEWAY_CIRCUIT_WINDOW),
		.probe_ms = ff_conf_int(c, FF_CONF_GATEWAY_CIRCUIT_PROBE),
	} };
	if (set_base(gw, err) < 0)
		return -1;
	gw->loop = ff_loop_new();
	ff_loop_on_turn_end(gw->loop, sweep, gw);
	gw->up = ff_upstream_new(gw->loop);
	gw->fetches = ff_fetches_new(gw->conf, gw->loop, gw->up, fetched, gw);
	gw->chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_GATEWAY, FF_PEER_CORE);
	ff_chan_attach(gw->chan, gw->loop, on_message, on_core_gone, gw);
	send_core(gw, FF_MSG_HELLO, json_pack("{s:s, s:I}", "role", "gateway", "pid", (json_int_t)getpid()));
	read_key(gw);
	beat(gw);
	ff_proc_drop_code(); /* of libgit2 and what it brings: what is used comes back */
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
	ff_fetches_free(&gw->fetches);
	ff_upstream_free(&gw->up);
	ff_chan_free(&gw->chan);
	ff_loop_free(&gw->loop);
	ff_log_redact(NULL);
	ff_redact_free(&gw->redact);
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
	ff_crypto_start();
	rc = init(&gw, args, &err);
	if (rc == 0)
		rc = ff_loop_run(gw.loop, &err);
	fini(&gw);
	if (rc < 0)
		ff_log_error(&log, "gateway.failed", "%s", err.text);
	return rc < 0 ? 1 : 0;
}
