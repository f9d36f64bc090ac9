/* SPDX-License-Identifier: MIT */
/* The clients of control.sock: requests in, answers out after the commit, and those that watch. */
#include "daemon/core/control.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/sock.h"
#include "ipc/json.h"
#include "store/tokens.h"

#define CLIENTS_MAX 256
/* Old events are read in pages, the next one when the client has read most of what was sent. */
#define PAGE 200
#define UNREAD_MOST (256 * 1024)
#define UNREAD_MS 20

struct client {
	struct client *next;
	struct ff_core *core;
	struct ff_chan *chan; /* NULL: gone, kept for its requests */
	bool web;             /* the web role: its channel is its child's, and every request has to show a token */
	int requests;
	uid_t uid;
};

struct ff_request {
	struct ff_request *next;
	struct client *client;
	int64_t id;
	json_t *msg;
	struct ff_token *token; /* NULL: one that needs none */
	int fd;                /* that came with it; -1: none */
	bool watching, held;
	int64_t hold_until_ms; /* 0: it was never held */
	int64_t job, last_seq;
	int64_t repo;          /* only events of jobs of it; 0: of all that may be seen */
	/* While old events are sent the new ones stay in the record: they come in their turn. */
	struct ff_watch *behind;
	int page;             /* events in it */
	bool page_due;        /* when the turn is committed */
	int64_t left;         /* events that may still be sent; then it ends */
	bool ends;            /* when all are sent */
};

struct ff_control {
	struct ff_listener door;
	struct client *clients;
	struct ff_request *requests;
};

static void drop_client_if_idle(struct client *c)
{
	struct ff_control *ctl = c->core->control;
	struct client **at = &ctl->clients;

	if (c->chan || c->requests)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (!c->web)
		ff_listener_left(&ctl->door);
	free(c);
}

static void end_request(struct ff_request *r)
{
	struct ff_request **at = &r->client->core->control->requests;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	ff_watch_free(&r->behind);
	r->client->requests--;
	drop_client_if_idle(r->client);
	ff_close(&r->fd);
	json_decref(r->msg);
	ff_token_free(&r->token);
	free(r);
}

struct ff_core *ff_request_core(struct ff_request *r)
{
	return r->client->core;
}

uid_t ff_request_uid(const struct ff_request *r)
{
	return r->client->uid;
}

bool ff_request_is_web(const struct ff_request *r)
{
	return r->client->web;
}

const struct ff_token *ff_request_token(const struct ff_request *r)
{
	return r->token;
}

int ff_request_fd(struct ff_request *r)
{
	return ff_steal_fd(&r->fd);
}

char *ff_request_who(const struct ff_request *r)
{
	char *who = NULL;

	if (r->client->web)
		return r->token ? ff_strdup(r->token->user) : NULL;
	(void)ff_msg_bytes(json_object_get(r->msg, "args"), "who", &who, NULL); /* what is malformed is no name */
	return who;
}

static void send(struct ff_request *r, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_err err = { 0 };

	if (!r->client->chan) {
		json_decref(msg);
		ff_close(&fd);
	} else if (ff_chan_send(r->client->chan, type, msg, fd, &err) < 0) {
		/* An item over the limit of a message: the client hears of it instead of waiting. */
		(void)ff_chan_send(r->client->chan, FF_MSG_END, json_pack("{s:I,s:o}", "id", (json_int_t)r->id, "error",
				   ff_json_from_err(&err)), -1, NULL);
	}
}

void ff_reply_item(struct ff_request *r, json_t *data, int fd)
{
	send(r, FF_MSG_ITEM, json_pack("{s:I,s:o}", "id", (json_int_t)r->id, "data", data), fd);
}

void ff_reply_end_text(struct ff_request *r, const struct ff_buf *data)
{
	FF_AUTO(ff_buf_fini) struct ff_buf fields;

	ff_buf_init(&fields, SIZE_MAX / 4);
	(void)ff_buf_addc(&fields, '{');
	ff_json_put_int(&fields, "id", r->id);
	ff_json_key(&fields, "data");
	(void)ff_buf_add(&fields, data->data, data->len);
	(void)ff_buf_addc(&fields, '}');
	if (r->client->chan)
		(void)ff_chan_send_fields(r->client->chan, FF_MSG_END, &fields, -1, NULL); /* a failure ends the client */
	end_request(r);
}

void ff_reply_end(struct ff_request *r, const struct ff_err *err, json_t *data)
{
	json_t *msg = json_pack("{s:I}", "id", (json_int_t)r->id);

	if (err && err->code)
		(void)json_object_set_new(msg, "error", ff_json_from_err(err));
	if (data)
		(void)json_object_set_new(msg, "data", data);
	send(r, FF_MSG_END, msg, -1);
	end_request(r);
}

/* --- watching ---------------------------------------------------------------- */

static void end_watch(struct ff_request *r)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_core *core = ff_request_core(r);
	struct ff_err err = { 0 };
	json_t *data;

	if (ff_store_job_get(core->store, r->job, &job, &err) < 0) {
		ff_reply_end(r, &err, NULL);
		return;
	}
	data = ff_job_to_json(core, job);
	(void)json_object_set_new(data, "drift", ff_drift_json(core, job));
	(void)json_object_set_new(data, "resolutions", ff_resolutions_json(core, job->id));
	ff_reply_end(r, NULL, data);
}

static void old_event(void *arg, int64_t seq, int64_t job, enum ff_event_type type, int64_t at_ms, const char *data)
{
	struct ff_request *r = arg;
	json_t *fields = json_loads(data, 0, NULL);

	ff_reply_item(r, ff_event_to_json(seq, job, type, at_ms, fields ? fields : json_object()), -1);
	r->last_seq = seq;
	r->page++;
}

static void send_page(void *arg);

/* A request may have ended meanwhile, so they are looked for by their flag. */
static void send_pages(struct ff_core *core, void *arg, bool ok)
{
	struct ff_request *next;

	(void)arg;
	(void)ok;
	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = next) {
		next = r->next;
		if (r->page_due)
			send_page(r);
	}
}

static void send_page(void *arg)
{
	struct ff_request *r = arg;
	int limit = r->left < PAGE ? (int)r->left : PAGE;
	struct ff_err err = { 0 };

	if (!r->client->chan) { /* it is gone, and what it asked for ends with it */
		end_request(r);
		return;
	}
	r->page_due = ff_request_core(r)->in_turn;
	if (r->page_due) { /* what is not committed has not happened */
		ff_turn_after(ff_request_core(r), send_pages, NULL);
		return;
	}
	if (ff_chan_unread(r->client->chan) > UNREAD_MOST) {
		ff_watch_again(r->behind, UNREAD_MS);
		return;
	}
	r->page = 0;
	if (ff_store_events(ff_request_core(r)->store, r->job, r->last_seq, limit, old_event, r, &err) < 0) {
		ff_reply_end(r, &err, NULL);
		return;
	}
	r->left -= r->page;
	if (r->page == PAGE && r->left) {
		ff_watch_again(r->behind, 0);
		return;
	}
	if (r->ends)
		end_watch(r);
	else
		ff_watch_free(&r->behind);
}

void ff_request_watch(struct ff_request *r, int64_t job, int64_t after)
{
	r->watching = true;
	r->job = job;
	r->last_seq = after;
	r->left = INT64_MAX;
	if (job)
		r->behind = ff_loop_timer(ff_request_core(r)->loop, 0, send_page, r);
}

void ff_request_watch_repo(struct ff_request *r, int64_t repo)
{
	ff_request_watch(r, 0, 0);
	r->repo = repo;
}

void ff_request_events(struct ff_request *r, int64_t job, int64_t most)
{
	r->job = job;
	r->left = most;
	r->ends = true;
	r->behind = ff_loop_timer(ff_request_core(r)->loop, 0, send_page, r);
}

bool ff_watched(const struct ff_core *core, int64_t job)
{
	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = r->next)
		if (r->watching && (!r->job || r->job == job))
			return true;
	return ff_followed(core, job);
}

/* Whether this request is to hear of it. */
static bool concerns(const struct ff_request *r, int64_t job, int64_t repo, int64_t seq)
{
	if (!r->watching || r->behind || seq <= r->last_seq || (r->job && r->job != job) || (r->repo && r->repo != repo))
		return false;
	return r->job || r->repo || ff_access_sees(r, repo);
}

void ff_watch_event(struct ff_core *core, int64_t job, int64_t repo, int64_t seq, json_t *event)
{
	struct ff_request *next;

	ff_follow_event(core, job, event);
	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = next) {
		struct ff_err err = { 0 };

		next = r->next;
		if (!concerns(r, job, repo, seq))
			continue;
		if (ff_access_expired(r, &err) < 0) {
			ff_reply_end(r, &err, NULL);
			continue;
		}
		r->last_seq = seq;
		ff_reply_item(r, json_incref(event), -1);
	}
}

void ff_watch_revoked(struct ff_core *core, int64_t token)
{
	struct ff_request *next;

	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = next) {
		struct ff_err err = { 0 };

		next = r->next;
		if (!r->watching || !r->token || r->token->id != token)
			continue;
		(void)ff_err_set(&err, FF_E_UNKNOWN_TOKEN, "the token was revoked");
		ff_reply_end(r, &err, NULL);
	}
}

void ff_watch_log(struct ff_core *core, int64_t job, json_t *line)
{
	ff_follow_log(core, job, line);
	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = r->next)
		if (r->watching && r->job == job)
			ff_reply_item(r, json_pack("{s:O}", "log", line), -1);
}

void ff_watch_ended(struct ff_core *core, int64_t id)
{
	FF_AUTO(ff_job_free) struct ff_job *job = NULL;
	struct ff_request *next;
	struct ff_err err = { 0 };

	if (ff_followed(core, id) && ff_store_job_get(core->store, id, &job, &err) == 0)
		ff_follow_ended(core, job);
	for (struct ff_request *r = core->control ? core->control->requests : NULL; r; r = next) {
		next = r->next;
		if (!r->watching || r->job != id)
			continue;
		if (r->behind) {
			r->ends = true;
			continue;
		}
		if (!job)
			(void)ff_store_job_get(core->store, id, &job, &err);
		ff_reply_end(r, &err, job ? ff_job_to_json(core, job) : NULL);
	}
}

/* --- clients ------------------------------------------------------------------- */

void ff_request_run(struct ff_request *r)
{
	const char *command = NULL;
	struct ff_err err = { 0 };

	r->held = false;
	if (ff_msg_int(r->msg, "id", 0, INT64_MAX, &r->id, &err) < 0 || ff_msg_str(r->msg, "command", &command, &err) < 0 ||
	    (r->client->web && ff_access_token(r->client->core, r->msg, &r->token, &err) < 0))
		ff_reply_end(r, &err, NULL);
	else
		ff_command_run(r, command, json_object_get(r->msg, "args"));
}

int64_t ff_request_held_until(const struct ff_request *r)
{
	return r->hold_until_ms;
}

void ff_request_hold(struct ff_request *r, int64_t until_ms)
{
	r->held = true;
	if (!r->hold_until_ms)
		ff_reply_item(r, json_pack("{s:b}", "held", true), -1);
	r->hold_until_ms = until_ms;
}

/* Whoever asked that does not wait for it any more. */
static void leave(struct client *c, const json_t *msg)
{
	int64_t id;

	if (ff_msg_int(msg, "id", 0, INT64_MAX, &id, NULL) < 0)
		return;
	for (struct ff_request *r = c->core->control->requests; r; r = r->next) {
		if (r->client != c || r->id != id || !r->watching)
			continue;
		end_request(r);
		return;
	}
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct client *c = arg;
	struct ff_request *r;

	(void)chan;
	if (type == FF_MSG_LEAVE) {
		ff_close(&fd);
		leave(c, msg);
		return;
	}
	r = ff_calloc(1, sizeof *r); /* the table lets nothing else through */
	r->fd = fd;
	r->client = c;
	r->msg = json_incref(msg);
	r->next = c->core->control->requests;
	c->core->control->requests = r;
	c->requests++;
	ff_rest_later(c->core);
	ff_request_run(r);
}

/* Its channel is gone: what it waits for ends with it. */
static void client_left(struct client *c)
{
	struct ff_request *next;

	c->requests++; /* holds it while its requests end */
	for (struct ff_request *r = c->core->control->requests; r; r = next) {
		next = r->next;
		if (r->client != c || !(r->watching || r->held))
			continue;
		if (r->held)
			ff_hold_drop(c->core, r);
		end_request(r);
	}
	c->requests--;
	drop_client_if_idle(c);
}

static void on_closed(void *arg, struct ff_chan *chan, const struct ff_err *err)
{
	struct client *c = arg;

	(void)chan;
	if (err->code != FF_E_UNREACHABLE && err->code != FF_E_NONE)
		ff_log_warn(&c->core->log, "control.bad", "%s", err->text);
	ff_chan_free(&c->chan);
	client_left(c);
}

static void add_client(struct ff_core *core, int fd, uid_t uid)
{
	struct client *c = ff_calloc(1, sizeof *c);

	c->core = core;
	c->uid = uid;
	c->chan = ff_chan_new(fd, FF_PEER_CORE, FF_PEER_CLIENT);
	c->next = core->control->clients;
	core->control->clients = c;
	ff_chan_attach(c->chan, core->loop, on_msg, on_closed, c);
}

static bool let_in(struct ff_core *core, int fd)
{
	uid_t uid = (uid_t)-1;

	if (!ff_listener_knows(&core->control->door, fd, "control", &uid)) {
		ff_close(&fd);
		return false;
	}
	add_client(core, fd, uid);
	return true;
}

struct client *ff_control_join(struct ff_core *core, struct ff_chan *chan)
{
	struct client *c = ff_calloc(1, sizeof *c);

	*c = (struct client){ .core = core, .uid = geteuid(), .chan = chan, .web = true, .next = core->control->clients };
	core->control->clients = c;
	return c;
}

void ff_control_take(struct client *c, enum ff_msg_type type, json_t *msg)
{
	on_msg(c, NULL, type, msg, -1);
}

void ff_control_part(struct client **client)
{
	struct client *c = ff_steal(client);

	if (!c)
		return;
	c->chan = NULL;
	client_left(c);
}

int ff_control_init(struct ff_core *core, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_conf_run_path(core->conf, "control.sock");

	core->control = ff_calloc(1, sizeof *core->control);
	core->control->door = (struct ff_listener){ .core = core, .most = CLIENTS_MAX, .let_in = let_in };
	return ff_listener_open(&core->control->door, path, 0600, err);
}

void ff_control_fini(struct ff_core *core)
{
	struct ff_control *ctl = ff_steal(&core->control);
	struct ff_request *r;
	struct client *c;

	if (!ctl)
		return;
	while ((r = ctl->requests)) {
		ctl->requests = r->next;
		json_decref(r->msg);
		ff_close(&r->fd);
		ff_watch_free(&r->behind);
		ff_token_free(&r->token);
		free(r);
	}
	while ((c = ctl->clients)) {
		ctl->clients = c->next;
		if (!c->web)
			ff_chan_free(&c->chan);
		free(c);
	}
	ff_listener_fini(&ctl->door);
	free(ctl);
}
