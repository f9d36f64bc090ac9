/* SPDX-License-Identifier: MIT */
/* The two clocks; see clock.h for which one to read. */
#include "base/clock.h"

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

static char *digits(char *at, unsigned v, int n)
{
	for (int i = n; i > 0; i--, v /= 10)
		at[i - 1] = (char)('0' + v % 10);
	return at + n;
}

/* By hand: a log line and an event each have one, and strftime(3) takes longer than all else of them. */
void ff_clock_format(int64_t wall_ms, char *out)
{
	time_t sec = (time_t)(wall_ms / 1000);
	unsigned year;
	struct tm tm;
	int width = 4;

	memcpy(out, "-", 2); /* for a time that has no date */
	if (wall_ms < 0 || !gmtime_r(&sec, &tm))
		return;
	year = (unsigned)tm.tm_year + 1900;
	for (unsigned y = year; y > 9999; y /= 10)
		width++;
	out = digits(out, year, width);
	*out++ = '-';
	out = digits(out, (unsigned)tm.tm_mon + 1, 2);
	*out++ = '-';
	out = digits(out, (unsigned)tm.tm_mday, 2);
	*out++ = 'T';
	out = digits(out, (unsigned)tm.tm_hour, 2);
	*out++ = ':';
	out = digits(out, (unsigned)tm.tm_min, 2);
	*out++ = ':';
	out = digits(out, (unsigned)tm.tm_sec, 2);
	*out++ = '.';
	out = digits(out, (unsigned)(wall_ms % 1000), 3);
	memcpy(out, "Z", 2);
}
