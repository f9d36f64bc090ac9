/* SPDX-License-Identifier: MIT */
/*
 * A worker is busy for long in many places: the model, a tool, a checkout, a
 * pack.  A signal reaches it in all of them; where the process is stopped or
 * hangs in the kernel it does not, and that is what core wants to know.
 */
#include "daemon/worker/beat.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static const struct ff_chan *beating;

static void on_alarm(int signo)
{
	int saved = errno;

	(void)signo;
	if (beating)
		ff_chan_alive(beating);
	errno = saved;
}

static void set_timer(int64_t every_ms)
{
	const struct timeval t = { .tv_sec = every_ms / 1000, .tv_usec = (every_ms % 1000) * 1000 };
	const struct itimerval it = { .it_interval = t, .it_value = t };

	(void)setitimer(ITIMER_REAL, &it, NULL); /* fails only for times that are none */
}

void ff_beat_start(const struct ff_chan *chan, int64_t every_ms)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };

	beating = chan;
	(void)sigaction(SIGALRM, &sa, NULL); /* cannot fail for this signal */
	set_timer(every_ms);
}

void ff_beat_stop(void)
{
	set_timer(0);
	beating = NULL;
}
