/* SPDX-License-Identifier: MIT */
#ifndef FF_GATEWAY_CIRCUIT_H
#define FF_GATEWAY_CIRCUIT_H

/*
 * A service that fails is left alone for a while.  Closed: requests go.  Open,
 * after so many failures within the window: none goes.  Half open, once a
 * probe interval: one goes, and its end decides.  Pure: the time is passed in.
 */

#include <stdbool.h>
#include <stdint.h>

#define FF_CIRCUIT_FAILURES_MAX 1000

struct ff_circuit {
	int64_t failures, window_ms, probe_ms; /* settings; failures 0: it never opens */
	int64_t at[FF_CIRCUIT_FAILURES_MAX];   /* of the last failures, a ring */
	int64_t count;                         /* of all there were */
	int64_t probe_at_ms;                   /* 0: closed */
	bool probing;
};

/* May a request go now? One that may has to be reported by ok or failed. */
bool ff_circuit_allows(struct ff_circuit *c, int64_t now_ms);
bool ff_circuit_is_open(const struct ff_circuit *c);
/* When to ask again after a no. */
int64_t ff_circuit_next_ms(const struct ff_circuit *c, int64_t now_ms);
/* The service answered, whatever it said; true when that closed the circuit. */
bool ff_circuit_ok(struct ff_circuit *c);
/* true when that opened it. */
bool ff_circuit_failed(struct ff_circuit *c, int64_t now_ms);
/* A request that was allowed came to no end that says anything. */
void ff_circuit_void(struct ff_circuit *c);

#endif
