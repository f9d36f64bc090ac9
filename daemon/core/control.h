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

struct ff_core *ff_request_core(struct ff_request *r);
/* data and fd are taken; fd -1: none. Nothing is sent before the turn's commit when a turn is open. */
void ff_reply_item(struct ff_request *r, json_t *data, int fd);
/* Ends the request: err NULL or without a code means success. data may be NULL; taken. */
void ff_reply_end(struct ff_request *r, const struct ff_err *err, json_t *data);
/* From now on this request gets the events of the job (0: of all) with seq > after, until the job ends. */
void ff_request_watch(struct ff_request *r, int64_t job, int64_t after);
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
/* audit.c: what this request does, in its turn. job 0: none; text may be NULL. */
int ff_request_audit(struct ff_request *r, const char *action, int64_t job, const char *text, struct ff_err *err);
int ff_audit_reply(struct ff_request *r, const json_t *args, struct ff_err *err);

/* Runs a command; it ends the request now or later. */
void ff_command_run(struct ff_request *r, const char *command, const json_t *args);

/* backup.c: the request ends when the copy is handed over; -1: nothing was begun. */
int ff_backup_start(struct ff_request *r, struct ff_err *err);

#endif
