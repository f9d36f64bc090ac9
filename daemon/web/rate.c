/* SPDX-License-Identifier: MIT */
/*
 * A bucket of requests for each token (or address, where none was shown) that
 * fills by the minute.  There are so many buckets and no more: two that fall
 * into one share it, which is less for both and never more for one.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/web/web.h"

#define BUCKETS 4096
#define MINUTE_MS 60000

struct ff_rate {
	int64_t per_minute; /* 0: no limit */
	struct bucket {
		int64_t filled_ms; /* 0: never used, so full */
		int64_t left;      /* in requests times MINUTE_MS */
	} buckets[BUCKETS];
};

struct ff_rate *ff_rate_new(int64_t per_minute)
{
	struct ff_rate *r = ff_calloc(1, sizeof *r);

	r->per_minute = per_minute;
	return r;
}

void ff_rate_free(struct ff_rate **rate)
{
	ff_free(rate);
}

/* FNV-1a (draft-eastlake-fnv); who picks colliding tokens shares with himself. */
static size_t place(const char *who)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *who; who++)
		h = (h ^ (unsigned char)*who) * 0x100000001b3u;
	return (size_t)(h % BUCKETS);
}

int ff_rate_take(struct ff_rate *r, const char *who, int64_t now_ms)
{
	struct bucket *b = &r->buckets[place(who)];
	int64_t full = r->per_minute * MINUTE_MS;

	if (!r->per_minute)
		return 0;
	if (!b->filled_ms || now_ms - b->filled_ms >= MINUTE_MS)
		b->left = full;
	else
		b->left += (now_ms - b->filled_ms) * r->per_minute;
	if (b->left > full)
		b->left = full;
	b->filled_ms = now_ms;
	if (b->left < MINUTE_MS)
		return (int)((MINUTE_MS - b->left) / r->per_minute / 1000) + 1;
	b->left -= MINUTE_MS;
	return 0;
}
