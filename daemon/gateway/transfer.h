/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_TRANSFER_H
#define FF_GATEWAY_TRANSFER_H

/* What transfer.c and hold.c know of a request under way. */

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/upstream.h"

struct ff_answer;

struct ff_transfer {
	struct ff_flight *flight;
	CURL *easy;                 /* NULL: nothing is sent now */
	struct ff_upstream_end end;
	struct curl_slist *headers;
	char *version, *beta;
	struct ff_answer *answer;   /* the parser that knows where the end is */
	struct ff_watch *silence, *kick, *again, *ping;
	int upstream_status;
	size_t sent;                /* bytes of the request that libcurl has taken */
	int tries;                  /* that failed */
	int64_t held_ms;            /* monotonic; since when it is held. 0: it is not */
	int64_t retry_after_ms;     /* -1: not said */
	bool is_stream;             /* what the service sends */
	bool final;                 /* it said x-should-retry: false */
	bool allowed;               /* the circuit let it go and was told nothing yet */
	bool parsed_badly, paused, recorded, limited;
	bool unread;                /* its stream cannot be read any further, and goes on */
	bool doomed;                /* not worth reading to its end */
	bool broken_off;            /* by silence */
};

/* hold.c */
/* May it be sent now? If not, it is held, or has landed. */
bool ff_hold_may_go(struct ff_transfer *t);
/* The service has begun an answer. */
void ff_hold_alive(struct ff_transfer *t);
/* Any end: true when hold.c has taken care of it, false when the client is to see it. */
bool ff_hold_failed(struct ff_transfer *t, CURLcode rc);
/* Core wants it to ask again. */
void ff_hold_for_core(struct ff_transfer *t);

#endif
