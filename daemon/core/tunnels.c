/* SPDX-License-Identifier: MIT */
/*
 * Results that are pushed: a worker that wants to push gets one end of a
 * socket, a new process with the ssh key the other.  While that process lives,
 * and no longer, a hook that sees a push of this ref at this commit is told
 * that it is ours.  Whoever else pushes just that does what we were about to
 * do, so the answer is worth nothing to a forger.
 */
#include "daemon/core/core.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/names.h"
#include "base/sock.h"
#include "base/text.h"
#include "daemon/core/vault.h"

struct ff_tunnel {
	struct ff_tunnel *next;
	struct ff_core *core;
	struct ff_child child;
	int64_t job;
	char *repo; /* path */
	char *ref, *oid;
};

static void end(struct ff_tunnel *t)
{
	struct ff_tunnel **at = &t->core->tunnels;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	ff_child_fini(&t->child);
	ff_free(&t->repo);
	ff_free(&t->ref);
	ff_free(&t->oid);
	free(t);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	(void)arg;
	(void)chan;
	(void)type; /* after hello it has nothing to tell us */
	(void)msg;
	ff_close(&fd);
}

static void on_ended(void *arg, int status)
{
	(void)status; /* the worker knows more about how it went */
	end(arg);
}

void ff_tunnel_close(struct ff_core *core, int64_t job)
{
	struct ff_tunnel *next;

	for (struct ff_tunnel *t = core->tunnels; t; t = next) {
		next = t->next;
		if (t->job == job)
			end(t);
	}
}

/* A worker pushes results and conflicts of its own job, and nothing else. */
static bool may_push(const struct ff_core *core, int64_t job, const char *ref)
{
	static const enum ff_conf_key keys[] = { FF_CONF_PUBLISH_RESULT_PREFIX, FF_CONF_PUBLISH_CONFLICT_PREFIX };
	FF_AUTO(ff_free) char *number = ff_asprintf("-%" PRId64, job);

	for (size_t i = 0; i < FF_ARRAY_LEN(keys); i++) {
		FF_AUTO(ff_free) char *start = ff_asprintf("%s%s", FF_HEADS, ff_conf_str(core->conf, keys[i]));

		if (ff_starts(ref, start) && ff_ends(ref, number) && ff_ref_valid(ref))
			return true;
	}
	return false;
}

/* The key of publish.key; that of the repository before that of the server. */
static void send_key(struct ff_core *core, const struct ff_tunnel *t)
{
	const char *name = ff_vault_ref(core->conf, FF_CONF_PUBLISH_KEY);
	FF_AUTO(ff_secret_free) struct ff_secret *key = NULL;
	struct ff_err err = { 0 };
	int fd = -1;

	if (!name)
		return;
	if (ff_vault_get(core, t->repo, name, FF_SECRET_DEPLOY_KEY, &key, &err) == 0)
		(void)ff_secret_to_fd(key, &fd, &err); /* err says it */
	if (err.code)
		(void)ff_err_wrap(&err, "publish.key");
	(void)ff_chan_send(t->child.chan, FF_MSG_SECRET,
			   err.code ? json_pack("{s:o}", "error", ff_json_from_err(&err)) : json_object(), fd, NULL); /* a failure ends the child */
}

static int start(struct ff_core *core, struct ff_tunnel *t, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_close) int mine = -1, theirs = -1;
	int fds[2];

	if (ff_sock_pair(fds, err) < 0)
		return -1;
	mine = fds[0];
	theirs = fds[1];
	if (ff_child_start(core, &t->child, "tunnel", FF_PEER_TUNNEL, on_msg, on_ended, t, err) < 0)
		return -1;
	send_key(core, t);
	(void)ff_chan_send(t->child.chan, FF_MSG_CARRY,
			   json_pack("{s:I,s:o,s:o,s:s}", "job", (json_int_t)t->job, "repo", ff_json_from_bytes(t->repo), "ref",
				     ff_json_from_bytes(t->ref), "oid", t->oid), ff_steal_fd(&theirs), NULL); /* a failure ends the child */
	*ret_fd = ff_steal_fd(&mine);
	return 0;
}

static int open_tunnel(struct ff_core *core, int64_t job, const json_t *msg, int *ret_fd, struct ff_err *err)
{
	FF_AUTO(ff_job_free) struct ff_job *row = NULL;
	FF_AUTO(ff_free) char *ref = NULL, *repo = NULL;
	const char *oid = NULL;
	struct ff_tunnel *t;

	if (ff_msg_bytes(msg, "ref", &ref, err) < 0 || ff_msg_str(msg, "oid", &oid, err) < 0)
		return -1;
	if (!ref || !ff_oid_valid(oid) || !may_push(core, job, ref))
		return ff_err_set(err, FF_E_PROTOCOL, "this is no result of job %" PRId64, job);
	if (ff_store_job_get(core->store, job, &row, err) < 0 || ff_store_repo_path(core->store, row->repo, &repo, err) < 0)
		return -1;
	ff_tunnel_close(core, job); /* of an attempt that is over */
	t = ff_calloc(1, sizeof *t);
	*t = (struct ff_tunnel){ .next = core->tunnels, .core = core, .job = job };
	t->ref = ff_steal(&ref);
	t->repo = ff_steal(&repo);
	t->oid = ff_strdup(oid);
	core->tunnels = t;
	if (start(core, t, ret_fd, err) == 0)
		return 0;
	end(t);
	return -1;
}

void ff_tunnel_take(struct ff_core *core, int64_t job, struct ff_chan *worker, const json_t *msg)
{
	struct ff_err err = { 0 };
	int fd = -1;
	bool ok = open_tunnel(core, job, msg, &fd, &err) == 0;

	if (!ok)
		ff_log_warn(&core->log, "tunnel.refused", "job %" PRId64 ": %s", job, err.text);
	(void)ff_chan_send(worker, FF_MSG_WAY, ok ? json_object() : json_pack("{s:o}", "error", ff_json_from_err(&err)), fd,
			   NULL); /* a failure ends the child */
}

/* The hook says the real path, the record what was once told. */
static bool same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) ||
	       (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

bool ff_tunnel_expected(const struct ff_core *core, const json_t *msg)
{
	FF_AUTO(ff_free) char *repo = NULL, *ref = NULL;
	const char *oid = NULL;
	int64_t v;

	if (ff_msg_int(msg, "v", 1, 1, &v, NULL) < 0 || ff_msg_bytes(msg, "repo", &repo, NULL) < 0 ||
	    ff_msg_bytes(msg, "ref", &ref, NULL) < 0 || ff_msg_str(msg, "oid", &oid, NULL) < 0 || !repo || !ref)
		return false;
	for (const struct ff_tunnel *t = core->tunnels; t; t = t->next)
		if (t->child.pid > 0 && !strcmp(t->ref, ref) && !strcmp(t->oid, oid) && same_folder(t->repo, repo))
			return true;
	return false;
}

void ff_tunnels_fini(struct ff_core *core)
{
	while (core->tunnels)
		end(core->tunnels);
}
