/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_LOOP_H
#define FF_BASE_LOOP_H

/*
 * The event loop of core, gateway and reader: descriptors, timers, children
 * and signals over epoll(7), in turns.  One turn hands out everything that is
 * ready, then calls the turn-end function: that is where core commits, and
 * why all messages of one turn share one transaction.
 *
 * A callback may add and remove any watch, its own included.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct ff_loop;
struct ff_watch; /* a descriptor, timer, child or signal in the loop */

#define FF_LOOP_READ 1u
#define FF_LOOP_WRITE 2u
#define FF_LOOP_HUP 4u /* given to callbacks; need not be asked for */

typedef void (*ff_fd_fn)(void *arg, unsigned ready);
typedef void (*ff_timer_fn)(void *arg);
/* status as of waitpid(2). */
typedef void (*ff_child_fn)(void *arg, pid_t pid, int status);
typedef void (*ff_signal_fn)(void *arg, int signo);

struct ff_loop *ff_loop_new(void);
void ff_loop_free(struct ff_loop **loop);

/* The descriptor stays the caller's, and is removed from the loop before it is closed. */
struct ff_watch *ff_loop_fd(struct ff_loop *loop, int fd, unsigned want, ff_fd_fn fn, void *arg);
void ff_watch_want(struct ff_watch *w, unsigned want);
/* Once, after delay_ms of the monotonic clock; 0 means in the next turn, so after the end of this one. */
struct ff_watch *ff_loop_timer(struct ff_loop *loop, int64_t delay_ms, ff_timer_fn fn, void *arg);
/* Sets the time of a timer anew, also from its own callback or after it went off. */
void ff_watch_again(struct ff_watch *w, int64_t delay_ms);
/* The child is reaped by the loop; fn is called once. Reaped by somebody else, it counts as "exit 255". */
struct ff_watch *ff_loop_child(struct ff_loop *loop, pid_t pid, ff_child_fn fn, void *arg);
/* Blocks the signal and delivers it as a call in a turn. */
struct ff_watch *ff_loop_signal(struct ff_loop *loop, int signo, ff_signal_fn fn, void *arg);
/* Removes any of the above; NULL in *w is fine. No callback comes after it. */
void ff_watch_free(struct ff_watch **w);

/* Called at the end of each turn that called anything. */
void ff_loop_on_turn_end(struct ff_loop *loop, void (*fn)(void *arg), void *arg);
/* Readable while a turn has something to do, timers aside: for a loop that turns within another. Borrowed. */
int ff_loop_descriptor(const struct ff_loop *loop);
/* Turns until ff_loop_stop. */
int ff_loop_run(struct ff_loop *loop, struct ff_err *err);
/* One turn, waiting at most timeout_ms (-1: for ever). */
int ff_loop_turn(struct ff_loop *loop, int timeout_ms, struct ff_err *err);
void ff_loop_stop(struct ff_loop *loop);

#endif
