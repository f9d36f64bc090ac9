/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_PUSH_H
#define FF_GIT_PUSH_H

/*
 * Pushing one new branch over a connection that somebody else has made:
 * git-receive-pack is at the other end of the wire, and how it was reached
 * (and with which key) is not known here.  Nothing on the other side is ever
 * forced, moved or removed: the ref must be absent, or hold the commit already.
 */

#include <stdbool.h>

#include "git/git.h"

/* Both return 0 or -1. read: *ret_n 0 means that the other side has ended. */
struct ff_git_wire {
	void *arg;
	int (*read)(void *arg, char *p, size_t room, size_t *ret_n, struct ff_err *err);
	int (*write)(void *arg, const char *p, size_t n, struct ff_err *err);
};

/* What the other side is asked to judge. */
struct ff_git_push {
	const char *ref, *oid;
	const char *from;    /* a ref here that holds oid: libgit2 pushes nothing else */
	const struct ff_git_wire *wire;
	struct ff_buf *said; /* what the server and its hooks say to the pusher is appended */
};

/*
 * FF_E_NOT_ALLOWED: a hook or rule of the server refused; FF_E_CONFLICT: the
 * ref is there with another commit; FF_E_REF_MOVED: somebody else is making
 * it just now; FF_E_IO: the server could not store it; FF_E_NETWORK_ERROR:
 * the other side ended too soon.  What the wire said comes back as it was.
 * *ret_there: nothing was sent, because the ref held the commit.
 */
int ff_git_push(struct ff_git *git, const struct ff_git_push *what, bool *ret_there, struct ff_err *err);
/* The class of git-receive-pack's reason why a ref was not updated. */
enum ff_err_code ff_git_push_class(const char *reason);

#endif
