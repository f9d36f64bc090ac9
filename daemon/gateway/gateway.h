/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_GATEWAY_H
#define FF_GATEWAY_GATEWAY_H

/*
 * What the files of this role share.  A conn is a client on a job's socket
 * (front.c); a flight is one request to the API and the answer as far as it
 * has come (flight.c).  Clients hang on a flight, each with its own place in
 * the answer; a flight goes on without them, because its answer is paid for.
 *
 * Nothing is freed inside a callback: things are marked dead and swept at the
 * end of the turn (ff_gw_sweep).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "daemon/gateway/record.h"

#define FF_GW_CONNS_MAX 32   /* of one job */
#define FF_GW_FLIGHTS_MAX 16 /* of one job, under way at once */
/* How far the API may run ahead of the slowest client. */
#define FF_GW_AHEAD_MAX (1024 * 1024)

struct ff_conf;
struct ff_key;
struct ff_chan;
struct ff_answer;
struct ff_conn;

struct ff_gw_limits {
	size_t max_body, max_answer, max_answers, max_answer_bytes;
	int64_t connect_ms, idle_ms;
};

struct ff_gw {
	const struct ff_conf *conf;
	struct ff_loop *loop;
	struct ff_chan *chan;      /* NULL once core is gone */
	struct ff_upstream *up;    /* flight.c */
	struct ff_key *key;        /* NULL: there is none, key_err says why */
	struct ff_key *key_before; /* the one it replaced; may still be in an answer */
	struct ff_err key_err;
	struct ff_watch *key_timer, *beat;
	char *messages_url, *count_url;
	struct ff_gw_limits limits;
	struct ff_gw_job *jobs;
};

struct ff_gw_job {
	struct ff_gw *gw;
	struct ff_gw_job *next;
	int64_t id, attempt;
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
	struct ff_buf request;
	int status;                /* to the client; 0: not known yet */
	bool stream, replayed;
	struct ff_buf fields;      /* header lines to the client */
	struct ff_buf body;
	size_t visible;            /* bytes of body that clients may have */
	bool done;                 /* nothing more comes */
	bool broken;               /* the end is missing: clients are cut off */
	struct ff_transfer *transfer; /* flight.c; NULL: from the record */
};

/* flight.c */
struct ff_upstream *ff_upstream_new(struct ff_gw *gw);
void ff_upstream_free(struct ff_upstream **up);
/* Starts asking; body is taken over. Never fails: a failure is an answer. */
struct ff_flight *ff_flight_start(struct ff_gw_job *job, struct ff_buf *body, const char *key, bool count,
				  const char *version, const char *beta);
/* The recorded answer as a flight that has landed; NULL when there is none. */
struct ff_flight *ff_flight_replay(struct ff_gw_job *job, const char *key);
struct ff_flight *ff_flight_find(struct ff_gw_job *job, const char *key);
/* A client has taken bytes: the API may go on sending. */
void ff_flight_drained(struct ff_flight *flight);
void ff_flight_sweep(struct ff_gw_job *job, bool all);

/* front.c */
void ff_front_accept(void *job, unsigned ready);
/* Something about the flight is new: tell its clients. */
void ff_front_wake(struct ff_flight *flight);
/* Most bytes that a client of this flight still has to take; has_any: whether there is a client. */
size_t ff_front_behind(const struct ff_flight *flight, bool *ret_any);
void ff_front_sweep(struct ff_gw_job *job, bool all);
/* The body of an error as the API would word it. */
void ff_front_error_body(struct ff_buf *out, const char *type, const char *text);

/* gateway.c: messages to core */
void ff_gw_usage(const struct ff_flight *flight, const struct ff_answer *answer, int status, int64_t latency_ms);
void ff_gw_limited(const struct ff_gw_job *job, int status, int64_t retry_after_ms);

#endif
