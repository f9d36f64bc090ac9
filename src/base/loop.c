/* SPDX-License-Identifier: MIT */
/*
 * epoll with watches that outlive their own callbacks: a watch that is freed
 * during a turn is only marked dead and swept when the turn is over, because
 * the turn may still hold an event for it.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

/* Somebody else reaped the child: as if it had exited with 255, for what is not known is no success. */
#define FF_STATUS_LOST (255 << 8)

enum kind { KIND_FD, KIND_TIMER, KIND_CHILD, KIND_SIGNAL };

struct ff_watch {
	struct ff_loop *loop;
	struct ff_watch *prev, *next;
	enum kind kind;
	bool dead;
	void *arg;
	unsigned want;     /* what it is watched for */
	int fd;            /* watched; a pidfd or signalfd of ours for the last two kinds */
	int64_t due_ms;    /* timers; INT64_MAX when not armed */
	uint64_t armed;    /* timers: the turn in which it was armed */
	pid_t pid;
	union {
		ff_fd_fn fd;
		ff_timer_fn timer;
		ff_child_fn child;
		ff_signal_fn signal;
	} fn;
};

struct ff_loop {
	int epoll;
	bool stop;
	bool any_dead;
	bool in_turn;
	uint64_t turn;
	struct ff_watch *first;
	void (*turn_end)(void *arg);
	void *turn_end_arg;
};

struct ff_loop *ff_loop_new(void)
{
	struct ff_loop *l = ff_calloc(1, sizeof *l);

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	ff_assert(l->epoll >= 0);
	return l;
}

static void unlink_watch(struct ff_watch *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->loop->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
}

static void sweep(struct ff_loop *l)
{
	struct ff_watch *w, *next;

	if (!l->any_dead)
		return;
	for (w = l->first; w; w = next) {
		next = w->next;
		if (w->dead)
			unlink_watch(w);
	}
	l->any_dead = false;
}

void ff_loop_free(struct ff_loop **loop)
{
	struct ff_loop *l = ff_steal(loop);
	struct ff_watch *w;

	if (!l)
		return;
	for (w = l->first; w; w = w->next) {
		struct ff_watch *copy = w;

		if (!w->dead)
			ff_watch_free(&copy);
	}
	l->any_dead = true;
	sweep(l);
	ff_close(&l->epoll);
	free(l);
}

static struct ff_watch *add(struct ff_loop *l, enum kind kind, int fd, void *arg)
{
	struct ff_watch *w = ff_calloc(1, sizeof *w);

	w->loop = l;
	w->kind = kind;
	w->fd = fd;
	w->arg = arg;
	w->due_ms = INT64_MAX;
	w->next = l->first;
	if (l->first)
		l->first->prev = w;
	l->first = w;
	return w;
}

static void epoll_set(struct ff_watch *w, int op, unsigned want)
{
	struct epoll_event ev = { .data.ptr = w };

	if (want & FF_LOOP_READ)
		ev.events |= EPOLLIN;
	if (want & FF_LOOP_WRITE)
		ev.events |= EPOLLOUT;
	ff_assert(epoll_ctl(w->loop->epoll, op, w->fd, &ev) == 0);
	w->want = want;
}

struct ff_watch *ff_loop_fd(struct ff_loop *l, int fd, unsigned want, ff_fd_fn fn, void *arg)
{
	struct ff_watch *w = add(l, KIND_FD, fd, arg);

	w->fn.fd = fn;
	epoll_set(w, EPOLL_CTL_ADD, want);
	return w;
}

void ff_watch_want(struct ff_watch *w, unsigned want)
{
	if (want != w->want)
		epoll_set(w, EPOLL_CTL_MOD, want);
}

struct ff_watch *ff_loop_timer(struct ff_loop *l, int64_t delay_ms, ff_timer_fn fn, void *arg)
{
	struct ff_watch *w = add(l, KIND_TIMER, -1, arg);

	w->fn.timer = fn;
	ff_watch_again(w, delay_ms);
	return w;
}

void ff_watch_again(struct ff_watch *w, int64_t delay_ms)
{
	if (__builtin_add_overflow(ff_clock_mono(), delay_ms > 0 ? delay_ms : 0, &w->due_ms))
		w->due_ms = INT64_MAX;
	w->armed = w->loop->in_turn ? w->loop->turn : 0;
}

struct ff_watch *ff_loop_child(struct ff_loop *l, pid_t pid, ff_child_fn fn, void *arg)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct ff_watch *w;

	ff_assert(fd >= 0); /* the child is ours and not reaped, so it has a pidfd */
	w = add(l, KIND_CHILD, fd, arg);
	w->pid = pid;
	w->fn.child = fn;
	epoll_set(w, EPOLL_CTL_ADD, FF_LOOP_READ);
	return w;
}

struct ff_watch *ff_loop_signal(struct ff_loop *l, int signo, ff_signal_fn fn, void *arg)
{
	struct ff_watch *w;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, signo);
	ff_assert(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ff_assert(fd >= 0);
	w = add(l, KIND_SIGNAL, fd, arg);
	w->fn.signal = fn;
	epoll_set(w, EPOLL_CTL_ADD, FF_LOOP_READ);
	return w;
}

void ff_watch_free(struct ff_watch **watch)
{
	struct ff_watch *w = ff_steal(watch);

	if (!w || w->dead)
		return;
	if (w->fd >= 0)
		(void)epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL); /* it may be closed already */
	if (w->kind == KIND_CHILD || w->kind == KIND_SIGNAL)
		ff_close(&w->fd);
	w->due_ms = INT64_MAX;
	w->dead = true;
	w->loop->any_dead = true;
}

void ff_loop_on_turn_end(struct ff_loop *l, void (*fn)(void *arg), void *arg)
{
	l->turn_end = fn;
	l->turn_end_arg = arg;
}

static void call_child(struct ff_watch *w)
{
	int status = 0;
	pid_t pid = waitpid(w->pid, &status, WNOHANG);
	struct ff_watch *self = w;
	ff_child_fn fn = w->fn.child;
	void *arg = w->arg;

	if (pid == 0)
		return;
	ff_watch_free(&self);
	fn(arg, w->pid, pid < 0 ? FF_STATUS_LOST : status);
}

static void call_signal(struct ff_watch *w)
{
	struct signalfd_siginfo info;

	while (!w->dead && read(w->fd, &info, sizeof info) == (ssize_t)sizeof info)
		w->fn.signal(w->arg, (int)info.ssi_signo);
}

static void call(struct ff_watch *w, uint32_t events)
{
	unsigned ready = 0;

	switch (w->kind) {
	case KIND_FD:
		if (events & EPOLLIN)
			ready |= FF_LOOP_READ;
		if (events & EPOLLOUT)
			ready |= FF_LOOP_WRITE;
		if (events & (EPOLLHUP | EPOLLERR))
			ready |= FF_LOOP_HUP;
		w->fn.fd(w->arg, ready);
		break;
	case KIND_CHILD:
		call_child(w);
		break;
	case KIND_SIGNAL:
		call_signal(w);
		break;
	case KIND_TIMER:
		break;
	}
}

static int wait_ms(const struct ff_loop *l, int timeout_ms)
{
	int64_t first = INT64_MAX, left;

	for (const struct ff_watch *w = l->first; w; w = w->next)
		if (w->due_ms < first)
			first = w->due_ms;
	if (first == INT64_MAX)
		return timeout_ms;
	left = first - ff_clock_mono();
	if (left < 0)
		left = 0;
	if (left > 3600000)
		left = 3600000;
	return timeout_ms >= 0 && timeout_ms < left ? timeout_ms : (int)left;
}

static bool run_timers(struct ff_loop *l)
{
	int64_t now = ff_clock_mono();
	bool any = false;

	for (struct ff_watch *w = l->first; w; w = w->next) {
		if (w->dead || w->due_ms > now || w->armed == l->turn)
			continue; /* what this turn armed comes after its end, where core commits */
		w->due_ms = INT64_MAX;
		any = true;
		w->fn.timer(w->arg);
	}
	return any;
}

int ff_loop_turn(struct ff_loop *l, int timeout_ms, struct ff_err *err)
{
	struct epoll_event ev[64];
	int n = epoll_wait(l->epoll, ev, (int)FF_ARRAY_LEN(ev), wait_ms(l, timeout_ms));
	bool any = n > 0;

	if (n < 0 && errno != EINTR)
		return ff_err_errno(err, "epoll_wait");
	l->turn++;
	l->in_turn = true;
	for (int i = 0; i < n; i++) {
		struct ff_watch *w = ev[i].data.ptr;

		if (!w->dead)
			call(w, ev[i].events);
	}
	any |= run_timers(l);
	if (any && l->turn_end)
		l->turn_end(l->turn_end_arg);
	l->in_turn = false;
	sweep(l);
	return 0;
}

int ff_loop_descriptor(const struct ff_loop *l)
{
	return l->epoll;
}

int ff_loop_run(struct ff_loop *l, struct ff_err *err)
{
	l->stop = false;
	while (!l->stop)
		if (ff_loop_turn(l, -1, err) < 0)
			return -1;
	return 0;
}

void ff_loop_stop(struct ff_loop *l)
{
	l->stop = true;
}
