/* SPDX-License-Identifier: MIT */
/*
 * The reader answers what core wants to know of a repository (is the tip a
 * commit, which task does it name, where is the target, what is the patch,
 * would a job still apply), so that core never opens objects that strangers made.  It writes nothing.
 * One question at a time; it may die over one without harm.
 *
 * Messages: `ask` and `answer` of src/ipc/msg.def.  The last repository stays
 * open, and is opened again when its folder is no longer the same one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/names.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/role.h"
#include "daemon/worker/chain.h"
#include "daemon/worker/drift.h"
#include "engine/engine.h"
#include "git/git.h"
#include "ipc/ipc.h"
#include "job/spec.h"

/* The pusher's task options have the same limit by default (task.max-bytes). */
#define TASK_FILE_MAX ((size_t)64 * 1024)
/* A chunk of refs, so that a message with escapes stays under FF_IPC_LINE_MAX. */
#define REFS_CHUNK ((size_t)200 * 1024)
#define DIFF_MAX ((int64_t)64 * 1024 * 1024)
/* Bytes of the paths of a conflict that are named; how many there are is told all the same. */
#define PATHS_MAX ((size_t)16 * 1024)

struct reader {
	struct ff_chan *chan;
	struct ff_git *git; /* the last one; NULL: none */
	char *url;          /* its address */
	bool said;          /* a part of the present answer was sent */
	struct ff_engine engine;
};

static int open_repo(struct reader *r, const char *url, struct ff_err *err)
{
	if (r->git && strcmp(r->url, url) == 0 && !ff_git_gone(r->git))
		return 0;
	ff_git_close(&r->git);
	ff_free(&r->url);
	if (ff_git_open_url(url, &r->git, err) < 0)
		return -1;
	r->url = ff_strdup(url);
	return 0;
}

static int send_answer(struct reader *r, int64_t id, json_t *data, bool more, int fd, struct ff_err *err)
{
	json_t *msg = json_pack("{s:I, s:o}", "id", (json_int_t)id, "data", data);

	r->said = true;
	if (more)
		(void)json_object_set_new(msg, "more", json_true());
	return ff_chan_send(r->chan, FF_MSG_ANSWER, msg, fd, err);
}

/* --- facts */

/* What the tip commit says. FF_E_NOT_FOUND when it is not there at all. */
static int tip_facts(struct ff_git *git, const char *oid, json_t *data, char **ret_task, struct ff_err *err)
{
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info info = { .n_parents = 0 };
	FF_AUTO(ff_free) char *job = NULL;
	struct ff_err why = { 0 };
	bool is_commit = ff_git_commit_info(git, oid, &info, &why) == 0;

	if (!is_commit && why.code != FF_E_INVALID)
		return ff_err_set(err, why.code, "%s", why.text);
	if (is_commit) {
		job = ff_trailer_value(info.message, info.message_len, FF_TRAILER_JOB);
		*ret_task = ff_trailer_value(info.message, info.message_len, FF_TRAILER_TASK);
	}
	(void)json_object_set_new(data, "tip_is_commit", json_boolean(is_commit));
	(void)json_object_set_new(data, "tip_is_ours", json_boolean(job != NULL));
	(void)json_object_set_new(data, "trailer_task", ff_json_from_bytes(*ret_task));
	return 0;
}

/* The target and its tip; an absent one is null, not an error. */
static int target_facts(struct ff_git *git, const char *asked, json_t *data, char *ret_oid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *head = NULL, *ref = NULL;
	const char *target;
	struct ff_err why = { 0 };

	if (ff_git_head_branch(git, &head, err) < 0)
		return -1;
	target = asked ? asked : head;
	ret_oid[0] = '\0';
	if (target) {
		ref = ff_asprintf(FF_HEADS "%s", target);
		if (!ff_ref_valid(ref))
			return ff_err_set(err, FF_E_INVALID, "the target '%.120s' cannot be the name of a branch", target);
		if (ff_git_ref_commit(git, ref, ret_oid, &why) < 0 && why.code != FF_E_NOT_FOUND)
			return ff_err_set(err, why.code, "%s", why.text);
	}
	(void)json_object_set_new(data, "head_branch", ff_json_from_bytes(head));
	(void)json_object_set_new(data, "target", ff_json_from_bytes(target));
	(void)json_object_set_new(data, "target_oid", *ret_oid ? json_string(ret_oid) : json_null());
	return 0;
}

static int read_task_file(struct ff_git *git, const char *target_oid, const char *name, struct ff_buf *out,
			  struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_asprintf(FF_TASK_FOLDER "/%s.md", name);

	if (strchr(name, '/'))
		return ff_err_set(err, FF_E_INVALID, "'%.80s' cannot be the name of a task file", name);
	if (ff_git_read_path(git, target_oid, path, out, err) < 0)
		return -1;
	if (memchr(out->data, '\0', out->len))
		return ff_err_set(err, FF_E_INVALID, "task file %s holds a NUL byte: it must be text", path);
	return 0;
}

/* A task file that cannot be used is an error only when the task would come from it. */
static int task_file_fact(struct ff_git *git, const char *target_oid, const char *name, bool decided, json_t *data,
			  struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct ff_err why = { 0 };
	bool have = false;

	ff_buf_init(&text, TASK_FILE_MAX);
	if (name && *target_oid) {
		have = read_task_file(git, target_oid, name, &text, &why) == 0;
		if (!have && why.code != FF_E_NOT_FOUND && !decided)
			return ff_err_set(err, why.code, "%s", why.text);
	}
	(void)json_object_set_new(data, "task_file", have ? ff_json_from_bytes_n(text.data, text.len) : json_null());
	return 0;
}

static int config_bool(struct ff_git *git, const char *name, json_t *out, struct ff_err *err)
{
	FF_AUTO(ff_free) char *key = ff_asprintf(FF_NAME ".%s", name), *value = NULL;
	int on = 0;

	if (ff_git_config(git, key, &value, err) < 0)
		return -1;
	if (value && ff_num_bool(value, &on) < 0)
		return ff_err_set(err, FF_E_INVALID, "%s in the repository's config must be true or false", key);
	(void)json_object_set_new(out, name, value ? json_boolean(on) : json_null());
	return 0;
}

static int config_facts(struct ff_git *git, json_t *data, struct ff_err *err)
{
	json_t *config = json_object();

	(void)json_object_set_new(data, "config", config);
	return config_bool(git, "enabled", config, err) < 0 || config_bool(git, "options", config, err) < 0 ? -1 : 0;
}

/* Whoever pushes results back as new work makes a chain of them. */
static int chain_fact(struct ff_git *git, const char *oid, const char *target_oid, json_t *data, struct ff_err *err)
{
	int64_t depth = 0;

	if (*target_oid && json_is_true(json_object_get(data, "tip_is_commit")) &&
	    ff_chain_depth(git, oid, target_oid, &depth, err) < 0)
		return -1;
	(void)json_object_set_new(data, "chain", json_integer(depth));
	return 0;
}

static int collect_facts(struct reader *r, const json_t *args, json_t *data, struct ff_err *err)
{
	FF_AUTO(ff_free) char *target = NULL, *task_file = NULL, *task = NULL;
	char target_oid[FF_GIT_OID];
	const char *oid = NULL;

	if (ff_msg_str(args, "oid", &oid, err) < 0 || ff_msg_bytes(args, "target", &target, err) < 0 ||
	    ff_msg_bytes(args, "task_file", &task_file, err) < 0)
		return -1;
	if (config_facts(r->git, data, err) < 0 || tip_facts(r->git, oid, data, &task, err) < 0 ||
	    target_facts(r->git, target, data, target_oid, err) < 0 ||
	    chain_fact(r->git, oid, target_oid, data, err) < 0)
		return -1;
	return task_file_fact(r->git, target_oid, task_file, task != NULL, data, err);
}

static int answer_facts(struct reader *r, int64_t id, const json_t *args, struct ff_err *err)
{
	json_t *data = json_object();

	if (collect_facts(r, args, data, err) < 0) {
		json_decref(data);
		return -1;
	}
	return send_answer(r, id, data, false, -1, err);
}

/* --- refs */

struct chunk {
	struct reader *r;
	int64_t id;
	json_t *refs;
	size_t bytes;
	struct ff_err *err;
	bool failed;
};

static int send_chunk(struct chunk *c, bool more)
{
	json_t *refs = c->refs;

	c->refs = json_array();
	c->bytes = 0;
	if (send_answer(c->r, c->id, json_pack("{s:o}", "refs", refs), more, -1, c->err) == 0)
		return 0;
	c->failed = true;
	return -1;
}

static int add_ref(void *arg, const char *ref, const char *oid)
{
	struct chunk *c = arg;
	size_t need = 2 * strlen(ref) + strlen(oid) + 40; /* as JSON: quotes escaped, or base64 */

	if (c->bytes + need > REFS_CHUNK && send_chunk(c, true) < 0)
		return -1;
	c->bytes += need;
	(void)json_array_append_new(c->refs, json_pack("{s:o, s:s}", "ref", ff_json_from_bytes(ref), "oid", oid));
	return 0;
}

static int answer_refs(struct reader *r, int64_t id, const json_t *args, struct ff_err *err)
{
	const json_t *list = json_object_get(args, "globs");
	size_t n = json_array_size(list);
	FF_AUTO(ff_free) const char **globs = ff_calloc(n + 1, sizeof *globs);
	struct chunk c = { .r = r, .id = id, .err = err };
	struct ff_err why = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++) {
		globs[i] = json_string_value(json_array_get(list, i));
		if (!globs[i])
			return ff_err_set(err, FF_E_PROTOCOL, "'globs' must be strings");
	}
	c.refs = json_array();
	rc = ff_git_refs(r->git, globs, n, add_ref, &c, &why);
	if (rc == 0)
		rc = send_chunk(&c, false);
	else if (!c.failed)
		ff_err_set(err, why.code, "%s", why.text);
	json_decref(c.refs);
	return rc;
}

/* --- diff */

static int write_diff(struct ff_git *git, const char *base, const char *tip, int fd, struct ff_err *err)
{
	static const char cut_line[] = "\n# The patch is over 64 MiB and was cut here.\n";
	bool cut = false;

	if (ff_git_diff_fd(git, base, tip, DIFF_MAX - (int64_t)sizeof cut_line, fd, &cut, err) < 0)
		return -1;
	if (cut && ff_fd_write_all(fd, cut_line, sizeof cut_line - 1, err) < 0)
		return -1;
	/* Sealed: the reader of the patch may map it and trust its size. */
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return ff_err_errno(err, "a patch in memory");
	return 0;
}

static int answer_diff(struct reader *r, int64_t id, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = -1;
	const char *base = NULL, *tip = NULL;

	if (ff_msg_opt_str(args, "base", &base, err) < 0 || ff_msg_str(args, "tip", &tip, err) < 0)
		return -1;
	fd = memfd_create(FF_NAME "-patch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return ff_err_errno(err, "a patch in memory");
	if (write_diff(r->git, base, tip, fd, err) < 0)
		return -1;
	return send_answer(r, id, json_object(), false, ff_steal_fd(&fd), err);
}

/* --- drift */

static json_t *paths_json(char *const *paths)
{
	json_t *list = json_array();
	size_t bytes = 0;

	for (; paths && *paths && (bytes += strlen(*paths) + 1) <= PATHS_MAX; paths++)
		(void)json_array_append_new(list, ff_json_from_bytes(*paths));
	return list;
}

static int64_t count(char *const *paths)
{
	int64_t n = 0;

	while (paths && paths[n])
		n++;
	return n;
}

static int answer_drift(struct reader *r, int64_t id, const json_t *args, struct ff_err *err)
{
	FF_AUTO(ff_drift_answer_fini) struct ff_drift_answer a = { .state = NULL };
	FF_AUTO(ff_free) char *target = NULL, *branch = NULL;
	struct ff_drift_ask ask = { .tip = NULL };

	if (ff_msg_bytes(args, "target", &target, err) < 0 || ff_msg_bytes(args, "branch", &branch, err) < 0 ||
	    ff_msg_str(args, "tip", &ask.tip, err) < 0)
		return -1;
	if (!target || !ff_ref_valid(target) || (branch && !ff_ref_valid(branch)))
		return ff_err_set(err, FF_E_PROTOCOL, "'target' and 'branch' must be refs");
	ask.target = target;
	ask.branch = branch;
	if (ff_drift_try(r->git, &r->engine, &ask, &a, err) < 0)
		return -1;
	return send_answer(r, id, json_pack("{s:s,s:s,s:o,s:I}", "state", a.state, "target_oid", a.target, "paths",
					    paths_json(a.paths), "n_paths", (json_int_t)count(a.paths)), false, -1, err);
}

/* --- approvers */

/* Names as the server in front has them, with blanks or commas between. */
static int answer_approvers(struct reader *r, int64_t id, struct ff_err *err)
{
	FF_AUTO(ff_free) char *value = NULL;
	json_t *names = json_array();

	if (ff_git_config(r->git, FF_NAME ".approvers", &value, err) < 0) {
		json_decref(names);
		return -1;
	}
	for (const char *p = value ? value : ""; *p;) {
		size_t n = strcspn(p, " ,\t");

		if (n)
			(void)json_array_append_new(names, ff_json_from_bytes_n(p, n));
		p += n + (p[n] != '\0');
	}
	return send_answer(r, id, json_pack("{s:o}", "approvers", names), false, -1, err);
}

/* --- questions */

static int answer_to(struct reader *r, int64_t id, const json_t *msg, struct ff_err *err)
{
	const json_t *args = json_object_get(msg, "args");
	const char *what = NULL, *url = NULL;

	if (ff_msg_str(msg, "what", &what, err) < 0 || ff_msg_str(msg, "repo", &url, err) < 0)
		return -1;
	if (open_repo(r, url, err) < 0)
		return -1;
	if (strcmp(what, "facts") == 0)
		return answer_facts(r, id, args, err);
	if (strcmp(what, "refs") == 0)
		return answer_refs(r, id, args, err);
	if (strcmp(what, "diff") == 0)
		return answer_diff(r, id, args, err);
	if (strcmp(what, "drift") == 0)
		return answer_drift(r, id, args, err);
	if (strcmp(what, "approvers") == 0)
		return answer_approvers(r, id, err);
	return ff_err_set(err, FF_E_PROTOCOL, "a reader does not know '%.40s'", what);
}

/* A question that fails is answered with its error; only a lost channel ends us. */
static int handle(struct reader *r, const json_t *msg, struct ff_err *err)
{
	struct ff_err why = { 0 };
	int64_t id;

	if (ff_msg_int(msg, "id", 0, INT64_MAX, &id, err) < 0)
		return -1;
	r->said = false;
	if (answer_to(r, id, msg, &why) == 0)
		return 0;
	/* Packs are put together while we are at it, and libgit2 does not always look for the new one by itself. */
	if (why.code == FF_E_IO && !r->said) {
		ff_git_close(&r->git);
		if (answer_to(r, id, msg, &why) == 0)
			return 0;
	}
	return ff_chan_send(r->chan, FF_MSG_ANSWER,
			    json_pack("{s:I, s:o}", "id", (json_int_t)id, "error", ff_json_from_err(&why)), -1, err);
}

static int serve(struct reader *r, struct ff_err *err)
{
	if (ff_chan_send(r->chan, FF_MSG_HELLO, json_pack("{s:s, s:I}", "role", "reader", "pid", (json_int_t)getpid()),
			 -1, err) < 0)
		return -1;
	for (;;) {
		enum ff_msg_type type;
		json_t *msg = NULL;
		int fd = -1, rc;

		if (ff_chan_recv(r->chan, -1, &type, &msg, &fd, err) < 0)
			return err->code == FF_E_UNREACHABLE ? 0 : -1;
		ff_close(&fd);
		rc = type == FF_MSG_ASK ? handle(r, msg, err) : 0;
		json_decref(msg);
		if (rc < 0)
			return -1;
	}
}

int ff_reader_main(const struct ff_role_args *args)
{
	struct reader r = { .chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_READER, FF_PEER_CORE) };
	struct ff_log log = ff_log_main();
	struct ff_err err = { 0 };
	int rc;

	ff_role_guard(getppid());
	ff_engine_init(&r.engine, args->conf, getenv("PATH"), getenv("TMPDIR"));
	rc = serve(&r, &err);
	if (rc < 0)
		ff_log_error(&log, "reader.failed", "%s", err.text);
	ff_git_close(&r.git);
	ff_engine_fini(&r.engine);
	ff_free(&r.url);
	ff_chan_free(&r.chan);
	return rc < 0 ? 1 : 0;
}
