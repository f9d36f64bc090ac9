/* SPDX-License-Identifier: MIT */
#ifndef FF_HOOKS_HOOK_H
#define FF_HOOKS_HOOK_H

/*
 * What git runs at a push: pre-receive judges what ref names and push options
 * alone can tell, post-receive hands the push to core, and the dispatcher
 * runs a folder of hooks where a repository had one of its own.  Links the C
 * library alone, because every push pays for what is loaded here.
 *
 * Steps: flowforge-hook.c finds out what it is run as, hook_conf.c reads
 * hook.conf, hook_lines.c the updates on standard input, hook_env.c what the
 * server says in the environment; policy.c is pre-receive; post.c is
 * post-receive, with deliver.c (socket) and spool.c (folder) below it.
 *
 * Not for deciding what a push means: core does that, and believes none of us.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/option.h"

#define FF_HOOK_CONF_MAX (256 * 1024) /* bytes of hook.conf */
#define FF_HOOK_LIST_MAX 1000         /* triggers, or ignored pushers, in it */
#define FF_HOOK_LINE_MAX (128 * 1024) /* of standard input; git's packets end at 65520 */
#define FF_HOOK_SHOWN_LINES 6         /* of core's answer */
#define FF_HOOK_COLUMNS 72
#define FF_HOOK_URL_COLUMNS 200

struct ff_hook_list {
	char **items; /* NULL-terminated */
	size_t count;
};

/* hook.conf: lines "key value"; keys that we do not know are skipped. */
struct ff_hook_conf {
	char *socket, *spool; /* absolute paths */
	struct ff_hook_list triggers, ignores;
	bool options;         /* a claude option starts a job on any branch */
	bool drift;           /* core wants to know of every branch that moved */
	char *result_prefix, *conflict_prefix; /* branch names, without refs/heads/ */
	char *pusher_variable; /* NULL: none */
	struct ff_option_limits limits;
	int64_t timeout_ms, answer_ms, max_refs, max_message;
};

/* Must be a regular file. conf must be fini'd only on success. */
int ff_hook_conf_load(const char *path, struct ff_hook_conf *conf, struct ff_err *err);
int ff_hook_conf_parse(const char *text, size_t n, struct ff_hook_conf *conf, struct ff_err *err);
void ff_hook_conf_fini(struct ff_hook_conf *conf);

/* One line of standard input. Borrowed, for the time of the call. */
struct ff_hook_update {
	const char *old_oid, *new_oid; /* 40 or 64 hex digits; all zeros: absent */
	const char *ref;
};
typedef void (*ff_hook_update_fn)(void *arg, const struct ff_hook_update *update);

/* Cuts a line (without its newline) in place; -1 when it is not OLD SP NEW SP REF. */
int ff_hook_line(char *line, size_t n, struct ff_hook_update *ret_update);
/* Calls fn (NULL: none) for each good line until end of file; returns how many were not. */
size_t ff_hook_read(int fd, ff_hook_update_fn fn, void *arg);

/* Push options of the environment, borrowed from it; the array is freed by ff_free. */
const char **ff_hook_options(char *const *env, size_t *ret_count);
/* Whether an option is of the claude area; asks: and could start a job by itself. */
bool ff_hook_option_ours(const char *option, bool *ret_asks);
/* Freed by ff_free; never NULL. */
char *ff_hook_pusher(const struct ff_hook_conf *conf);
char *ff_hook_project(const char *repo);
/* Absolute path of the repository git runs us for; NULL with err set. Freed by ff_free. */
char *ff_hook_repo(struct ff_err *err);
bool ff_hook_is_wiki(const char *repo);
/* "SHA256:..." of an OpenSSH public key in base64, as ssh-keygen -l prints; NULL: not base64. */
char *ff_hook_fingerprint(const char *key, size_t n);

/* Whether the update may start a job: a trigger matches, or asked and it is a branch. Never for our own refs. */
bool ff_hook_triggers(const struct ff_hook_conf *conf, const struct ff_hook_update *u, bool asked);
/* Why the pusher may not make this update; NULL: they may. */
const char *ff_hook_forbidden(const struct ff_hook_conf *conf, const struct ff_hook_update *u);

/* Whether the update moves a branch of conflicts, which core must allow. */
bool ff_hook_answers(const struct ff_hook_conf *conf, const struct ff_hook_update *u);
/* Whether the update moves a branch that jobs may have for their target. */
bool ff_hook_moves(const struct ff_hook_conf *conf, const struct ff_hook_update *u);
/* A ref of a message as JSON, with a comma before it when it is not the first. */
void ff_hook_add_ref(struct ff_buf *json, const struct ff_hook_update *u);

/* Exit statuses of the two hooks; standard input is read to its end. */
int ff_hook_pre_receive(const struct ff_hook_conf *conf);
int ff_hook_post_receive(const struct ff_hook_conf *conf);

/* How a push was taken over. */
enum ff_hook_answer { FF_HOOK_DONE, FF_HOOK_SPOOL, FF_HOOK_FOLLOW };
/*
 * Sends the line to core and waits for its answer until deadline_ms of the
 * monotonic clock.  What is for the pusher is appended to ret_shown, cleaned.
 * FF_HOOK_FOLLOW: it is recorded, and *ret_follow, a connection on which core
 * tells what the job does, goes to ff_hook_follow, with what came already;
 * NULL where nothing can be followed.
 */
struct ff_hook_follow {
	int fd; /* -1: none */
	struct ff_buf came;
};
enum ff_hook_answer ff_hook_deliver(const char *path, const struct ff_buf *line, int64_t deadline_ms,
				    struct ff_buf *ret_shown, struct ff_hook_follow *ret_follow);
/* Shows each line as it comes, until the job or either connection has ended. Takes what follow holds. */
void ff_hook_follow(struct ff_hook_follow *follow);
/* One line of core's answer as the pusher may see it, with a newline. */
void ff_hook_show(struct ff_buf *out, const char *text, size_t n);
/* Leaves the line as ID.json in the spool folder; durable when 0 is returned. */
int ff_hook_spool(const char *folder, const char *id, const struct ff_buf *line, struct ff_err *err);

/*
 * Runs every hook in the folder; its exit status is git's.  The same rules are
 * in the script that stands in when this program is gone (src/cli/hookfile.c).
 */
int ff_hook_dispatch(const char *type, const char *folder, char *const *args);

#endif
