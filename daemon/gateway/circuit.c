/* SPDX-License-Identifier: MIT */
/* See circuit.h. */
#include "daemon/gateway/circuit.h"

bool ff_circuit_is_open(const struct ff_circuit *c)
{
	return c->probe_at_ms != 0;
}

bool ff_circuit_allows(struct ff_circuit *c, int64_t now_ms)
{
	if (!ff_circuit_is_open(c))
		return true;
	if (c->probing || now_ms < c->probe_at_ms)
		return false;
	c->probing = true;
	return true;
}

int64_t ff_circuit_next_ms(const struct ff_circuit *c, int64_t now_ms)
{
	/* While a probe is under way, its end may come at any time. */
	return c->probing || c->probe_at_ms < now_ms ? now_ms + c->probe_ms : c->probe_at_ms;
}

bool ff_circuit_ok(struct ff_circuit *c)
{
	bool was_open = ff_circuit_is_open(c);

	c->count = 0;
	c->probe_at_ms = 0;
	c->probing = false;
	return was_open;
}

void ff_circuit_void(struct ff_circuit *c)
{
	c->probing = false;
}

bool ff_circuit_failed(struct ff_circuit *c, int64_t now_ms)
{
	int64_t oldest;

	if (c->failures <= 0 || c->failures > FF_CIRCUIT_FAILURES_MAX)
		return false;
	if (ff_circuit_is_open(c)) { /* the probe, or one that was under way before it opened */
		c->probing = false;
		c->probe_at_ms = now_ms + c->probe_ms;
		return false;
	}
	c->at[c->count++ % c->failures] = now_ms;
	if (c->count < c->failures)
		return false;
	oldest = c->at[c->count % c->failures];
	if (now_ms - oldest > c->window_ms)
		return false;
	c->probe_at_ms = now_ms + c->probe_ms;
	return true;
}
