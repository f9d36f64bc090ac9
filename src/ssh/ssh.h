/* SPDX-License-Identifier: MIT */
#ifndef FF_SSH_SSH_H
#define FF_SSH_SSH_H

/*
 * One command on one ssh server, with one key: the only code that knows
 * libssh2.  The server's key must be in the known_hosts file that is given,
 * nobody is asked, nothing is learnt.  No agent, no password, no key but the
 * one given, and no file of the account's ~/.ssh is looked at.
 *
 * Steps: ff_ssh_open(), then ff_ssh_read/ff_ssh_write until ff_ssh_ended();
 * none of these wait: poll ff_ssh_fd() for ff_ssh_events() in between.
 *
 * Failures: FF_E_NETWORK_ERROR and FF_E_TIMEOUT (worth another try),
 * FF_E_NOT_ALLOWED (the server's key, or ours, is refused), FF_E_INVALID (a
 * file or key that cannot be used).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct ff_ssh;

struct ff_ssh_peer { /* all borrowed */
	const char *user, *host;
	int64_t port;
	const char *known_hosts; /* path */
	const char *key;         /* a private key as ssh-keygen writes it, without a passphrase */
	size_t key_len;
};

/* Connects, looks at the server's key, logs in and starts the command, all until deadline_ms (monotonic clock). */
int ff_ssh_open(const struct ff_ssh_peer *peer, const char *command, int64_t deadline_ms, struct ff_ssh **ret_ssh,
		struct ff_err *err);
void ff_ssh_close(struct ff_ssh **ssh); /* at once, without a word to the server */

int ff_ssh_fd(const struct ff_ssh *ssh);
short ff_ssh_events(struct ff_ssh *ssh); /* POLLIN, POLLOUT */
/* Bytes of the command's output (error: of its standard error); 0: none at the moment. -1: the connection is lost. */
ssize_t ff_ssh_read(struct ff_ssh *ssh, bool error, char *p, size_t room, struct ff_err *err);
/* Bytes that were taken of n; 0: none at the moment. */
ssize_t ff_ssh_write(struct ff_ssh *ssh, const char *p, size_t n, struct ff_err *err);
/* No more input for the command. 1: done, 0: call again, -1 */
int ff_ssh_write_end(struct ff_ssh *ssh, struct ff_err *err);
/* All of its output has been read. */
bool ff_ssh_ended(struct ff_ssh *ssh);
/* The command's exit status, waited for until deadline_ms; -1: the server did not say. */
int ff_ssh_status(struct ff_ssh *ssh, int64_t deadline_ms);

/* --- known.c */
struct ff_ssh_known;
/* FF_E_INVALID when the file cannot be read. */
int ff_ssh_known_open(const char *path, struct ff_ssh_known **ret_known, struct ff_err *err);
void ff_ssh_known_close(struct ff_ssh_known **known);
/* Key types to agree on, those first that are known of this host, as libssh2 wants them. Freed by ff_free. */
char *ff_ssh_known_types(const struct ff_ssh_known *known, const char *host, int64_t port);
/* 0 when key is this host's; FF_E_NOT_ALLOWED says the fingerprint (sha256: 32 bytes) and what to do. */
int ff_ssh_known_check(const struct ff_ssh_known *known, const char *host, int64_t port, const char *key, size_t n,
		       const void *sha256, struct ff_err *err);

#endif
