/* SPDX-License-Identifier: MIT */
/* The two clocks; see clock.h for which one to read. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t fixed_wall = -1;

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t ff_clock_wall(void)
{
	return fixed_wall >= 0 ? fixed_wall : read_clock(CLOCK_REALTIME);
}

int64_t ff_clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

void ff_clock_set_wall(int64_t ms)
{
	fixed_wall = ms;
}

void ff_clock_format(int64_t wall_ms, char *out)
{
	time_t sec = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t n;

	memcpy(out, "-", 2); /* for a time that has no date */
	if (wall_ms < 0 || !gmtime_r(&sec, &tm))
		return;
	n = strftime(out, FF_CLOCK_TEXT - 5, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, FF_CLOCK_TEXT - n, ".%03dZ", (int)(wall_ms % 1000));
}
