/* SPDX-License-Identifier: MIT */
#ifndef FF_IPC_IPC_H
#define FF_IPC_IPC_H

/*
 * Messages between our processes: one JSON object a line over a unix socket,
 * at most FF_IPC_LINE_MAX bytes, checked against the table msg.def.
 *
 * A channel owns its descriptor.  Use it in one of two ways:
 *   - blocking (worker, command line): ff_chan_send, ff_chan_recv, ff_chan_call;
 *   - in a loop (core, gateway, reader): ff_chan_attach once, then messages
 *     come by callback and ff_chan_send queues.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/err.h"
#include "base/loop.h"

#define FF_IPC_LINE_MAX (256 * 1024)
/* Bytes a peer that does not read may leave queued; then it is ended. */
#define FF_IPC_QUEUE_MAX (16 * 1024 * 1024)
/* Descriptor on which a role finds its parent. */
#define FF_IPC_PARENT_FD 3

enum ff_peer {
	FF_PEER_CORE = 1u, FF_PEER_HOOK = 2u, FF_PEER_CLIENT = 4u, FF_PEER_WORKER = 8u,
	FF_PEER_READER = 16u, FF_PEER_GATEWAY = 32u, FF_PEER_TUNNEL = 64u, FF_PEER_KEEPER = 128u,
	FF_PEER_WEB = 256u,
	FF_PEER_ASKER = 4u | 256u,
	FF_PEER_CHILD = 8u | 16u | 32u | 64u | 128u | 256u,
};

enum ff_msg_type {
#define FF_MSG(n, name, word, from, to) FF_MSG_##name = n,
#include "ipc/msg.def"
#undef FF_MSG
};

struct ff_chan;

/* A message in: borrowed json, fd -1 or owned by the callee. */
typedef void (*ff_msg_fn)(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd);
/* The peer is gone or broke the rules (err says which); the callee frees the channel. No callback follows. */
typedef void (*ff_chan_closed_fn)(void *arg, struct ff_chan *chan, const struct ff_err *err);

/* Takes fd. self and peer are single roles. */
struct ff_chan *ff_chan_new(int fd, enum ff_peer self, enum ff_peer peer);
void ff_chan_free(struct ff_chan **chan);
void ff_chan_attach(struct ff_chan *chan, struct ff_loop *loop, ff_msg_fn on_msg,
		    ff_chan_closed_fn on_closed, void *arg);
/* Lines of plain text instead of JSON, for the answer to a hook. Queued like messages. */
void ff_chan_send_text(struct ff_chan *chan, const char *line);
/* Close once everything queued has been written; on_closed is called then. */
void ff_chan_finish(struct ff_chan *chan);

/*
 * Sends msg (taken) with "m" added; pass_fd is taken too (-1: none).
 * Blocking: writes now. In a loop: queues, and a failure comes by on_closed.
 */
int ff_chan_send(struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int pass_fd, struct ff_err *err);
/* The same of fields that are text already, that of a JSON object (ipc/json.h). fields: borrowed. */
struct ff_buf;
int ff_chan_send_fields(struct ff_chan *chan, enum ff_msg_type type, const struct ff_buf *fields, int pass_fd, struct ff_err *err);
/*
 * Blocking, also out of a signal handler: writes an `alive` message, unless
 * another one is half written or the socket is full.
 */
void ff_chan_alive(const struct ff_chan *chan);
/* Blocking: next message; FF_E_TIMEOUT after timeout_ms (-1: for ever), FF_E_UNREACHABLE at end of file. */
int ff_chan_recv(struct ff_chan *chan, int timeout_ms, enum ff_msg_type *ret_type, json_t **ret_msg,
		 int *ret_fd, struct ff_err *err);
/* Blocking: send, then wait for the next message. */
int ff_chan_call(struct ff_chan *chan, enum ff_msg_type type, json_t *msg,
		 enum ff_msg_type *ret_type, json_t **ret_msg, struct ff_err *err);
/* Bytes that were sent and that the other end has not made room for yet. */
size_t ff_chan_unread(const struct ff_chan *chan);
int ff_chan_fd(const struct ff_chan *chan); /* borrowed, for poll(2) */

const char *ff_msg_name(enum ff_msg_type type);

/* Field helpers. Outputs are untouched on failure; err names the field. */
int ff_msg_str(const json_t *msg, const char *key, const char **ret, struct ff_err *err);   /* borrowed */
int ff_msg_opt_str(const json_t *msg, const char *key, const char **ret, struct ff_err *err); /* NULL when absent or null */
int ff_msg_int(const json_t *msg, const char *key, int64_t min, int64_t max, int64_t *ret, struct ff_err *err);
int ff_msg_bool(const json_t *msg, const char *key, bool *ret, struct ff_err *err); /* absent: false */
/* A string or {"b64"}; bytes without NUL. Freed by ff_free; absent or null gives NULL. */
int ff_msg_bytes(const json_t *msg, const char *key, char **ret, struct ff_err *err);
int ff_json_bytes(const json_t *value, char **ret, struct ff_err *err);
/* The other way: a string when it is UTF-8, else {"b64"}; NULL gives null. */
json_t *ff_json_from_bytes(const char *s);
json_t *ff_json_from_bytes_n(const void *p, size_t n);
/* An error as {"code","text"}, and back into err (always -1). */
json_t *ff_json_from_err(const struct ff_err *err);
int ff_err_from_json(const json_t *error, struct ff_err *err);
/*
 * First thing in a program: from now on jansson, too, ends the process when
 * there is no memory. Left alone it answers NULL, and a list that somebody fills
 * with what he was given is short without a word.
 */
void ff_json_setup(void);
/* JSON text that must be one object, with limits on depth (jansson's 2048) and no duplicate keys. */
json_t *ff_json_parse(const char *text, size_t n, struct ff_err *err);

#endif
