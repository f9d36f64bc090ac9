/* SPDX-License-Identifier: MIT */
#ifndef FF_DAEMON_KEEPER_KEEPER_H
#define FF_DAEMON_KEEPER_KEEPER_H

/*
 * Role "keeper": one repository is looked at and, if there is need, tidied by
 * the git program.  What the files of this folder share; no other folder
 * includes it.  keeper.c has the role, look.c what is there, tidy.c what is
 * done, gclock.c the lock that git's own gc takes.
 *
 * The git program is right here: it works on a bare repository, which no job
 * can write, and it knows every kind of object store.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

struct ff_keeper {
	char *path;          /* of the repository, our working directory */
	int64_t packs, loose; /* from these on there is need */
	int64_t full_ms;     /* time between two full runs; 0: none */
	int64_t until_ms;    /* monotonic: git is ended then */
	int parent_fd;       /* ends when core does; git is ended then */
	struct ff_log log;
};

/* --- look.c ------------------------------------------------------------------ */
struct ff_keeper_look {
	int64_t packs;       /* without those that a .keep file holds */
	int64_t loose, refs; /* counted up to LOOK_MAX of look.c */
	bool borrows;        /* objects/info/alternates names other stores */
	bool shared;         /* objects is a link: the store is somebody else's */
};
int ff_keeper_look(struct ff_keeper_look *ret, struct ff_err *err);
/* What git's configuration says, of the repository and of the account. */
struct ff_keeper_config {
	bool ours;     /* FF_NAME.maintenance */
	bool gc_off;   /* gc.auto is 0: whoever set it has a way of his own */
	bool precious; /* extensions.preciousObjects: no object may go */
};
int ff_keeper_config(struct ff_keeper *k, struct ff_keeper_config *ret, struct ff_err *err);
/* Since the last full run, or since we first saw the repository; INT64_MAX: never seen. */
int64_t ff_keeper_full_age(void);
int ff_keeper_full_mark(struct ff_err *err);

/* --- gclock.c ------------------------------------------------------------------ */
/* Takes gc.pid as git gc does. 1: taken, 0: a gc runs (text says whose), -1: failed. */
int ff_gclock_take(struct ff_err *err);
/* Says that this process is who works: whoever comes after us waits for it, even if we are killed. */
int ff_gclock_pass(pid_t pid, struct ff_err *err);
void ff_gclock_drop(void);

/* --- tidy.c --------------------------------------------------------------------- */
/*
 * Runs git (args: without "git", NULL-terminated) with a clean environment;
 * out may be NULL. lock: gc.pid is ours and names the process while it runs.
 * Its exit status, 0 to 255; -1 with err, FF_E_TIMEOUT when its time was over.
 */
int ff_keeper_git(struct ff_keeper *k, const char *const *args, bool lock, struct ff_buf *out, struct ff_err *err);
/* The words of message `kept`. */
enum ff_keeper_state {
	FF_KEEPER_OFF,      /* not ours to tidy */
	FF_KEEPER_NOTHING,  /* no need */
	FF_KEEPER_BUSY,     /* another gc runs */
	FF_KEEPER_DONE,
};
/* before is what was found, after what is there now (the same when nothing was done). */
int ff_keeper_tidy(struct ff_keeper *k, enum ff_keeper_state *ret_state, struct ff_keeper_look *ret_before,
		   struct ff_keeper_look *ret_after, struct ff_err *err);

#endif
