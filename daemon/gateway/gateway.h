/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_GATEWAY_H
#define FF_GATEWAY_GATEWAY_H

/*
 * What the files of this role share.  A conn is a client on a job's socket
 * (front.c); a flight is one request and the answer as far as it has come
 * (flight.c); a transfer is the asking itself (transfer.c), which hold.c
 * repeats or puts off.  Clients hang on a flight, each with its own place in
 * the answer; a flight goes on without them, because its answer is paid for.
 *
 *   a flight: core is asked for the money -> transfer -> (held, again) ->
 *   landed; what it did cost is told to core exactly once (ff_flight_settle).
 *
 * Nothing is freed inside a callback: things are marked dead and swept at the
 * end of the turn (ff_gw_sweep).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "daemon/gateway/circuit.h"
#include "daemon/gateway/policy.h"
#include "daemon/gateway/record.h"

/* How far the API may run ahead of the slowest client. */
#define FF_GW_AHEAD_MAX (1024 * 1024)
/* Requests that a job may have us hold while they come in, in times gateway.max-body. */
#define FF_GW_BODIES 4
#define FF_GW_TOKEN 64

struct ff_conf;
struct ff_key;
struct ff_chan;
struct ff_conn;
struct ff_fetches;
struct ff_transfer;
struct ff_redact;
struct ff_upstream;

struct ff_gw_limits {
	size_t max_body, max_answer, max_answers, max_answer_bytes;
	int64_t connect_ms, idle_ms, request_ms, retry_ms, hold_ms, ping_ms;
	unsigned max_requests;
	int retries;
};

struct ff_gw {
	const struct ff_conf *conf;
	struct ff_loop *loop;
	struct ff_chan *chan;      /* NULL once core is gone */
	struct ff_upstream *up;
	struct ff_key *key;        /* NULL: there is none, key_err says why */
	struct ff_key *key_before; /* the one it replaced; may still be in an answer */
	struct ff_redact *redact;  /* both, for the log */
	bool key_refused;          /* the service will not have this one: key_err says so, and nothing is sent */
	bool key_again;            /* it may be tried again as it is */
	struct ff_err key_err;
	struct ff_watch *key_timer, *beat;
	char *messages_url, *count_url;
	struct ff_gw_limits limits;
	unsigned allowed;          /* enum ff_allow */
	struct ff_circuit circuit;
	int64_t quiet_until_ms;    /* wall clock; the service said so */
	int64_t serial;
	struct ff_fetches *fetches; /* fetch.c */
	struct ff_gw_job *jobs;
};

struct ff_gw_job {
	struct ff_gw *gw;
	struct ff_gw_job *next;
	int64_t id, attempt;
	char token[FF_GW_TOKEN + 1];
	char *answers;             /* folder */
	char *socket;
	int fd;                    /* listening; -1: closed */
	struct ff_watch *watch;
	struct ff_conn *conns;
	struct ff_flight *flights;
	unsigned conn_count, flight_count;
};

struct ff_flight {
	struct ff_gw_job *job;
	struct ff_flight *next;
	char key[FF_RECORD_KEY];   /* empty: not recorded (count_tokens) */
	bool count;                /* a request to count tokens */
	struct ff_policy_seen seen;
	int64_t attempt;           /* that pays for it */
	int64_t serial, request;   /* for core: of the question, of the row that it made; 0: none yet */
	bool asked;                /* core has not answered yet */
	bool settled;              /* core knows what it did cost, or there was nothing to pay */
	struct ff_buf sent;        /* the request */
	int status;                /* to the client; 0: not known yet */
	bool stream, replayed;
	bool early;                /* the head went out with a ping, before the service had said anything */
	struct ff_buf fields;      /* header lines to the client */
	struct ff_buf body;
	size_t visible;            /* bytes of body that clients may have */
	bool done;                 /* nothing more comes */
	bool broken;               /* the end is missing: clients are cut off */
	int64_t started_ms;
	struct ff_transfer *transfer; /* NULL: from the record */
};

/* Everything that core is told about the end of a request. */
struct ff_gw_end {
	const char *outcome;       /* a word or two, for the history */
	int status;                /* of the service; 0: it said nothing */
	const char *model;
	struct ff_tokens tokens;
	bool unknown;              /* it counts as what was reserved */
};

/* What a request comes with. */
struct ff_gw_ask {
	struct ff_buf *body;       /* taken over */
	const char *key, *version, *beta;
	bool count;
	struct ff_policy_seen seen;
};

/* flight.c */
/* Starts asking. Never fails: a failure is an answer. */
struct ff_flight *ff_flight_start(struct ff_gw_job *job, const struct ff_gw_ask *ask);
/* The recorded answer as a flight that has landed; NULL when there is none. */
struct ff_flight *ff_flight_replay(struct ff_gw_job *job, const char *key);
struct ff_flight *ff_flight_find(struct ff_gw_job *job, const char *key);
/* An answer of ours instead of one from the API; its clients are told. */
void ff_flight_fail(struct ff_flight *flight, int status, const char *type, const char *text);
/* The same as something that the service has no part in: the worker acts on the code. */
void ff_flight_own_error(struct ff_flight *flight, const struct ff_err *why, int64_t retry_after_ms);
void ff_flight_land(struct ff_flight *flight);
/* Tells core, once. */
void ff_flight_settle(struct ff_flight *flight, const struct ff_gw_end *end);
void ff_flight_sweep(struct ff_gw_job *job, bool all);

/* transfer.c */
void ff_transfer_new(struct ff_flight *flight, const struct ff_gw_ask *ask);
/* Sends it, or waits until that makes sense. */
void ff_transfer_go(struct ff_flight *flight);
/* Core has said no, or that it has to wait for others (wait). */
void ff_transfer_refused(struct ff_flight *flight, bool wait, const struct ff_err *why);
/* A client has taken bytes: the API may go on sending. */
void ff_transfer_drained(struct ff_flight *flight);
/* Nobody needs it any more, or its time is over. */
bool ff_transfer_idle(const struct ff_flight *flight);
void ff_transfer_free(struct ff_flight *flight);

/* front.c */
void ff_front_accept(void *job, unsigned ready);
/* Something about the flight is new: tell its clients. */
void ff_front_wake(struct ff_flight *flight);
/* A sign of life to the clients of a streamed flight that is held. */
void ff_front_ping(struct ff_flight *flight);
/* Most bytes that a client of this flight still has to take; has_any: whether there is a client. */
size_t ff_front_behind(const struct ff_flight *flight, bool *ret_any);
void ff_front_sweep(struct ff_gw_job *job, bool all);
/* The body of an error as the API would word it. */
void ff_front_error_body(struct ff_buf *out, const char *type, const char *text);

/* gateway.c: messages to core */
uid_t ff_gw_job_uid(const struct ff_gw_job *job); /* of its sandbox, when we are root */
void ff_gw_spend(struct ff_flight *flight);
void ff_gw_usage(const struct ff_flight *flight, const struct ff_gw_end *end);
void ff_gw_limited(const struct ff_gw_job *job, int status, int64_t retry_after_ms);
/* Core ends the attempt: the job is parked until then (wall clock), or waits for another key. */
void ff_gw_halt(const struct ff_flight *flight, const struct ff_err *why, int64_t until_ms);
/* The service will not have the key: nothing is sent until there is another one. */
void ff_gw_key_refused(struct ff_gw *gw, int status, const char *text);

#endif
