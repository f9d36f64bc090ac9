/* SPDX-License-Identifier: MIT */
/*
 * See push.h.  libgit2's push with a transport of our own below it: its own
 * ssh would want the key in this process, which reads objects that anybody
 * may have pushed, and has no time-out.
 */
#include <git2/sys/transport.h>
#include <string.h>

#include "base/text.h"
#include "git/lib.h"
#include "git/push.h"

#define REASON_SHOWN 120

struct way { /* one push; its stream and subtransport are views of it */
	git_smart_subtransport base;
	git_smart_subtransport_stream stream;
	const struct ff_git_push *what;
	struct ff_err wire_err;  /* why reading or writing failed */
	struct ff_err refusal;   /* why the ref was not updated */
	bool updated, begun;     /* the server has said so; has said anything */
};

static struct way *of_stream(git_smart_subtransport_stream *s)
{
	return (struct way *)((char *)s - offsetof(struct way, stream));
}

/* --- the transport */

static int on_read(git_smart_subtransport_stream *s, char *p, size_t room, size_t *ret_n)
{
	struct way *w = of_stream(s);
	size_t n = 0;

	if (w->what->wire->read(w->what->wire->arg, p, room, &n, &w->wire_err) < 0) {
		git_error_set_str(GIT_ERROR_NET, w->wire_err.text);
		return -1;
	}
	w->begun |= n > 0;
	*ret_n = n;
	return 0;
}

static int on_write(git_smart_subtransport_stream *s, const char *p, size_t n)
{
	struct way *w = of_stream(s);

	if (w->what->wire->write(w->what->wire->arg, p, n, &w->wire_err) == 0)
		return 0;
	git_error_set_str(GIT_ERROR_NET, w->wire_err.text);
	return -1;
}

/* The way belongs to ff_git_push. */
static void on_stream_free(git_smart_subtransport_stream *s)
{
	(void)s;
}

static int on_action(git_smart_subtransport_stream **ret, git_smart_subtransport *t, const char *url,
		     git_smart_service_t action)
{
	struct way *w = (struct way *)t;

	(void)url;
	if (action != GIT_SERVICE_RECEIVEPACK_LS && action != GIT_SERVICE_RECEIVEPACK)
		return -1;
	*ret = &w->stream; /* one connection for both */
	return 0;
}

static int on_close(git_smart_subtransport *t)
{
	(void)t;
	return 0;
}

static void on_free(git_smart_subtransport *t)
{
	(void)t;
}

static int make_way(git_smart_subtransport **ret, git_transport *owner, void *arg)
{
	struct way *w = arg;

	(void)owner;
	w->base = (git_smart_subtransport){ .action = on_action, .close = on_close, .free = on_free };
	w->stream = (git_smart_subtransport_stream){ .subtransport = &w->base, .read = on_read, .write = on_write,
						     .free = on_stream_free };
	*ret = &w->base;
	return 0;
}

static int make_transport(git_transport **ret, git_remote *owner, void *arg)
{
	git_smart_subtransport_definition definition = { .callback = make_way, .rpc = 0, .param = arg };

	return git_transport_smart(ret, owner, &definition);
}

/* --- what the server says */

static int on_sideband(const char *text, int n, void *arg)
{
	struct way *w = arg;

	if (n > 0)
		(void)ff_buf_add(w->what->said, text, (size_t)n); /* past its maximum it is dropped */
	return 0;
}

static bool has_any(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(text, *words))
			return true;
	return false;
}

enum ff_err_code ff_git_push_class(const char *reason)
{
	/* git's words (builtin/receive-pack.c), and those of servers that speak in its place. */
	static const char *const rule[] = { "declined", "denied", "deny", "prohibited", "protected", "forbidden", "not allowed",
					    "permission", "hidden", NULL };
	static const char *const moved[] = { "exists", "lock", "failed to update ref", "non-fast-forward", "fetch first",
					     "stale info", "incorrect old value", NULL };
	static const char *const store[] = { "unpack", "migrate objects", "permanent storage", "no space", NULL };

	if (has_any(reason, rule))
		return FF_E_NOT_ALLOWED;
	if (has_any(reason, moved))
		return FF_E_REF_MOVED;
	return has_any(reason, store) ? FF_E_IO : FF_E_GIT;
}

static int on_reference(const char *ref, const char *reason, void *arg)
{
	struct way *w = arg;
	FF_AUTO(ff_free) char *shown = NULL;

	if (strcmp(ref, w->what->ref) != 0)
		return 0;
	if (!reason) {
		w->updated = true;
		return 0;
	}
	shown = ff_text_shown(reason, REASON_SHOWN);
	ff_err_set(&w->refusal, ff_git_push_class(reason), "the server refused the branch: %s", shown);
	return 0;
}

/* The last look before anything is sent: one ref, from nothing, to our commit. */
static int on_negotiation(const git_push_update **updates, size_t n, void *arg)
{
	const struct way *w = arg;
	char oid[GIT_OID_HEXSZ + 1] = "";

	if (n == 1)
		git_oid_tostr(oid, sizeof oid, &updates[0]->dst);
	if (n == 1 && git_oid_is_zero(&updates[0]->src) && !strcmp(oid, w->what->oid) &&
	    !strcmp(updates[0]->dst_refname, w->what->ref))
		return 0;
	git_error_set_str(GIT_ERROR_REFERENCE, "the push would do something else than make one branch");
	return -1;
}

/* --- the push */

/* 1: it holds the commit, 0: it is absent. */
static int look(git_remote *remote, const struct ff_git_push *what, struct ff_err *err)
{
	const git_remote_head **heads = NULL;
	size_t n = 0;
	char oid[GIT_OID_HEXSZ + 1];

	if (git_remote_ls(&heads, &n, remote) < 0)
		return ff_git_lib_fail(err, -1, "the server's refs");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(heads[i]->name, what->ref) != 0)
			continue;
		git_oid_tostr(oid, sizeof oid, &heads[i]->oid);
		if (!strcmp(oid, what->oid))
			return 1;
		return ff_err_set(err, FF_E_CONFLICT, "%.120s is there already, at %.12s: rename or remove it, then retry",
				  what->ref, oid);
	}
	return 0;
}

/* The best that is known of why it failed: what the wire said, what the server said, what libgit2 says. */
static int failed(const struct way *w, int rc, const char *doing, struct ff_err *err)
{
	struct ff_err lib = { 0 };

	if (w->wire_err.code) {
		if (err)
			*err = w->wire_err;
		return -1;
	}
	if (w->refusal.code) {
		if (err)
			*err = w->refusal;
		return -1;
	}
	(void)ff_git_lib_fail(&lib, rc, "%s", doing);
	if (strcasestr(lib.text, "unpack"))
		return ff_err_set(err, FF_E_IO, "the server could not store the result: %.120s", lib.text);
	if (strcasestr(lib.text, "EOF") || strcasestr(lib.text, "early") || strcasestr(lib.text, "disconnected"))
		return ff_err_set(err, FF_E_NETWORK_ERROR, "the server ended the connection%s", w->begun ? " too soon" : "");
	if (err)
		*err = lib;
	return -1;
}

static int send_it(struct way *w, git_remote *remote, const git_remote_callbacks *callbacks, struct ff_err *err)
{
	FF_AUTO(ff_free) char *spec = ff_asprintf("%s:%s", w->what->from, w->what->ref);
	git_push_options opts = GIT_PUSH_OPTIONS_INIT;
	const git_strarray specs = { .strings = &spec, .count = 1 };
	int rc;

	opts.callbacks = *callbacks;
	opts.pb_parallelism = 1;
	rc = git_remote_upload(remote, &specs, &opts);
	if (rc < 0 || w->refusal.code)
		return failed(w, rc, "push", err);
	if (!w->updated)
		return ff_err_set(err, FF_E_NETWORK_ERROR, "the server has not said what became of the branch");
	return 0;
}

static int talk(struct way *w, git_remote *remote, bool *ret_there, struct ff_err *err)
{
	git_remote_callbacks callbacks = GIT_REMOTE_CALLBACKS_INIT;
	int rc, there;

	callbacks.transport = make_transport;
	callbacks.sideband_progress = on_sideband;
	callbacks.push_update_reference = on_reference;
	callbacks.push_negotiation = on_negotiation;
	callbacks.payload = w;
	rc = git_remote_connect(remote, GIT_DIRECTION_PUSH, &callbacks, NULL, NULL);
	if (rc < 0)
		return failed(w, rc, "connect", err);
	there = look(remote, w->what, err);
	if (there < 0 || (there == 0 && send_it(w, remote, &callbacks, err) < 0))
		return -1;
	*ret_there = there == 1;
	return 0;
}

int ff_git_push(struct ff_git *git, const struct ff_git_push *what, bool *ret_there, struct ff_err *err)
{
	FF_AUTO(git_remote_auto) git_remote *remote = NULL;
	git_remote_create_options opts = GIT_REMOTE_CREATE_OPTIONS_INIT;
	struct way way = { .what = what };
	int rc;

	if (!ff_ref_valid(what->ref) || !ff_oid_valid(what->oid))
		return ff_err_set(err, FF_E_INVALID, "'%.120s' cannot be pushed", what->ref);
	/*
	 * The address is for libgit2's messages; callbacks.transport is asked
	 * whatever it says, so the repository's url.*.insteadOf has no say.
	 */
	opts.repository = git->repo;
	opts.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
	rc = git_remote_create_with_opts(&remote, "ssh://publish.url/", &opts);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "push");
	rc = talk(&way, remote, ret_there, err);
	(void)git_remote_disconnect(remote); /* what had to be said is said */
	return rc;
}
