/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_CORE_CONTROL_H
#define FF_DAEMON_CORE_CONTROL_H

/*
 * control.sock, between control.c (clients, watching) and commands.c (what
 * each command of ipc/command.def does).
 */

#include "daemon/core/core.h"

/* A request under way; it lives until ff_reply_end, also when its client has gone. */
struct ff_request;
struct ff_token;

struct ff_core *ff_request_core(struct ff_request *r);
/* data and fd are taken; fd -1: none. Nothing is sent before the turn's commit when a turn is open. */
void ff_reply_item(struct ff_request *r, json_t *data, int fd);
/* Ends the request: err NULL or without a code means success. data may be NULL; taken. */
void ff_reply_end(struct ff_request *r, const struct ff_err *err, json_t *data);
/* The same with data as the text of a JSON object. */
void ff_reply_end_text(struct ff_request *r, const struct ff_buf *data);
/* From now on this request gets the events of the job (0: of all) with seq > after, until the job ends. */
void ff_request_watch(struct ff_request *r, int64_t job, int64_t after);
/* And this of all jobs of a repository. */
void ff_request_watch_repo(struct ff_request *r, int64_t repo);
/* Whatever is watched with this token ends. */
void ff_watch_revoked(struct ff_core *core, int64_t token);
/* Its events so far, at most so many, and then its end with the job. */
void ff_request_events(struct ff_request *r, int64_t job, int64_t most);

/* hold.c: the record cannot be written; the request is run again when it can, or refused. */
void ff_hold_request(struct ff_request *r);
void ff_hold_drop(struct ff_core *core, const struct ff_request *r);
/* control.c, for it. Until when (monotonic) this request may wait; 0: it never had to. */
int64_t ff_request_held_until(const struct ff_request *r);
void ff_request_hold(struct ff_request *r, int64_t until_ms);
void ff_request_run(struct ff_request *r);

/* Who asks: the account, by the kernel; the name that a server in front gave, or NULL (ff_free). */
uid_t ff_request_uid(const struct ff_request *r);
char *ff_request_who(const struct ff_request *r);
/* The descriptor that came with it, now the caller's; -1: none. */
int ff_request_fd(struct ff_request *r);
/* audit.c: what this request does, in its turn. job 0: none; text may be NULL. */
int ff_request_audit(struct ff_request *r, const char *action, int64_t job, const char *text, struct ff_err *err);
/* spendlist.c */
int ff_spend_reply(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_requests_reply(struct ff_request *r, const struct ff_job *job, const json_t *args, struct ff_err *err);
int ff_audit_reply(struct ff_request *r, const json_t *args, struct ff_err *err);

/* access.c: the token that a message of the web role shows; *ret NULL when it shows none. FF_E_UNKNOWN_TOKEN. */
int ff_access_token(struct ff_core *core, const json_t *msg, struct ff_token **ret, struct ff_err *err);
/* Whether whoever asks may use commands of this kind (command.def). */
enum ff_access { FF_ACCESS_NONE, FF_ACCESS_ANY, FF_ACCESS_READ, FF_ACCESS_SUBMIT, FF_ACCESS_ADMIN, FF_ACCESS_LOCAL };
int ff_access_may(const struct ff_request *r, enum ff_access needs, struct ff_err *err);
/* -1: its token stopped counting since it was shown. */
int ff_access_expired(const struct ff_request *r, struct ff_err *err);
/* Whether he may know of this repository, by row and by path. */
bool ff_access_sees(const struct ff_request *r, int64_t repo);
bool ff_access_sees_path(const struct ff_request *r, const char *path);
/* True: he sees all. */
bool ff_access_sees_all(const struct ff_request *r);
int ff_access_whoami(struct ff_request *r, struct ff_err *err);
int ff_access_create(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_access_list(struct ff_request *r, struct ff_err *err);
int ff_access_revoke(struct ff_request *r, const json_t *args, struct ff_err *err);
/* control.c, for it. */
bool ff_request_is_web(const struct ff_request *r);
const struct ff_token *ff_request_token(const struct ff_request *r);
/* secrets.c */
int ff_secret_set(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_secret_list(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_secret_rotate(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_secret_delete(struct ff_request *r, const json_t *args, struct ff_err *err);

/* memory.c */
int ff_memory_reply_list(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_memory_reply_show(struct ff_request *r, const json_t *args, struct ff_err *err);
int ff_memory_reply_forget(struct ff_request *r, const json_t *args, struct ff_err *err);
/* resolutions.c */
int ff_conflicts_reply(struct ff_request *r, const json_t *args, struct ff_err *err);

/* Runs a command; it ends the request now or later. */
void ff_command_run(struct ff_request *r, const char *command, const json_t *args);

/* commands.c: ends with the job as it is then. */
void ff_reply_after_commit(struct ff_request *r, int64_t job);
/* approve.c: a held job goes on, or ends; the request ends now or later. */
int ff_approve(struct ff_request *r, const struct ff_job *job, const json_t *args, bool approves, struct ff_err *err);

/* direct.c: a submit that has an oid. options: of a push that would ask for the same. It ends the request after the commit. */
int ff_submit_known(struct ff_request *r, const json_t *args, const json_t *options, struct ff_err *err);

/* backup.c: the request ends when the copy is handed over; -1: nothing was begun. */
int ff_backup_start(struct ff_request *r, struct ff_err *err);

#endif
