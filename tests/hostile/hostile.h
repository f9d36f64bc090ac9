/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_HOSTILE_H
#define FF_TESTS_HOSTILE_H

/*
 * Attacks on the sandbox.  Each kind is a function that tries one thing and
 * says whether it got it.  It is run many times by jobs in the real sandbox,
 * where it must never succeed, and as a control where that wall is not: there
 * it must succeed, or the attempt proves nothing.
 *
 * main.c builds what is attacked and counts; inside.c is the job.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CANARY "ffh-canary-"  /* begins whatever must not be seen */
#define LEFT_NAME "ffh-left"  /* comm of a process that wants to survive */
#define INHERITED_FD 200      /* first of those that the launcher did not close: file, folder, socket */

/* What the attacker knows, and more than a job would. */
struct target {
	char host[128];       /* folder of the host: canary, key, script, sock, drop/ */
	pid_t bystander;      /* same account as the launcher, outside */
	pid_t launcher;
	int tcp, udp;         /* ports on the host's loopback */
	char abstract[64];    /* name of an abstract socket */
	char own[128];        /* a folder of the attacker's own */
	bool inside;
	int told_fd;          /* control: a survivor writes its number here; else -1 */
};

enum place {
	PLAIN,   /* control: as the account that runs the suite */
	SPACES,  /* control: root of throw-away user, mount, host name, ipc and network namespaces */
};

struct kind {
	const char *name;
	bool (*try)(const struct target *t, long arg); /* true: got it */
	long arg;
	enum place place;
	bool left;      /* leaves a process behind: seen by whoever started it */
	bool root;      /* the control needs real root */
	bool slow;      /* not in every round */
	bool landlock;  /* what holds is Landlock alone */
	const char *path; /* without it on this machine there is nothing to attack; or NULL */
};

/* Tables, ended by a NULL name. */
extern const struct kind kinds_files[], kinds_proc[], kinds_inherited[], kinds_peers[], kinds_spaces[], kinds_calls[],
	kinds_bombs[], kinds_left[];
extern const struct kind *const all_kinds[]; /* NULL-terminated */
size_t count_kinds(bool slow);

/* Runs one in a child of its own: 1 got it, 0 held, -1 it broke. place: go there first. */
int try_kind(const struct kind *k, const struct target *t, bool go);
/* The child's way to where the wall is not. */
void go_to(enum place place);

/* Whether the file can be read and has a canary. */
bool shows_canary(const char *path);
bool can_write(const char *path);
/* An address of its that can be read and written; 0: it does not say. */
unsigned long stack_of(pid_t pid);
int inside_main(int round);

#endif
