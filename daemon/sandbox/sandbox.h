/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_SANDBOX_H
#define FF_SANDBOX_SANDBOX_H

/*
 * The one place that starts job processes.  A plain struct says what a job
 * may see; a pure function turns it into the argument vector of bubblewrap
 * (a golden test compares it); ff_sandbox_run() starts it, feeds stdin,
 * collects the output and returns when nothing in there is alive any more.
 *
 * In the sandbox: user, process, network, ipc, host name and cgroup
 * namespaces of its own, no network interface but lo, uid 1000 without
 * capabilities, no further user namespaces, / and /dev read only, and as
 * writable places only /ws, /tmp, /dev/shm and the home folder, the last
 * three of a fixed size.  Started by root, it is another uid outside as well.
 * The last step before the program is flowforge-confine (confine/confine.h):
 * resource limits, Landlock over the same places, and a list of system calls.
 *
 * Fails closed: there is no way to run anything without all of this.
 *
 * The calling process is a role with one thread, and has no other children
 * while ff_sandbox_run() is at work: it ends and reaps all that it finds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/names.h"

#define FF_SANDBOX_WS "/ws"
#define FF_SANDBOX_HOME "/home/agent"
#define FF_SANDBOX_UID 1000
#define FF_SANDBOX_TOOL "/run/" FF_NAME "-tool"
#define FF_SANDBOX_CONFINE "/run/" FF_NAME "-confine"

struct ff_room; /* room.h */

/* A file or folder of the host that is seen elsewhere in the sandbox. */
struct ff_sandbox_bind {
	const char *host, *inside; /* absolute; host NULL ends a list */
	bool writable;
	struct ff_room *room;      /* how large it may get; NULL: not looked at */
};

/* Borrowed, all of it. */
struct ff_sandbox_spec {
	const char *bwrap;            /* absolute path of bubblewrap */
	const char *tool;             /* flowforge-tool on the host; NULL: not in the sandbox */
	const char *confine;          /* flowforge-confine on the host */
	const char *work;             /* host folder that is /ws; NULL: none, then /ws is an empty folder */
	const char *const *read_only; /* host folders seen at their own path, NULL-terminated, or NULL */
	const struct ff_sandbox_bind *binds; /* or NULL */
	const char *hostname;
	int64_t tmp_bytes;            /* of /tmp and of the home; /dev/shm: ff_sandbox_shm_bytes */
	int64_t max_processes;        /* RLIMIT_NPROC; 0: as the parent's */
	int64_t max_file_bytes;       /* RLIMIT_FSIZE; 0: as the parent's */
	int64_t max_memory_bytes;     /* of all processes together and of tmpfs, by a control group; 0: none */
	int64_t max_cpu_percent;      /* likewise; 100 is one processor */
	bool group_required;          /* nothing runs where no control group limits memory and processes */
	int64_t max_open_files;       /* RLIMIT_NOFILE, hard; 0: as the parent's */
	int64_t max_process_bytes;    /* RLIMIT_DATA; 0: as the parent's */
	bool landlock_required;       /* nothing runs where the kernel has no Landlock; else the mounts hold alone */
	struct ff_room *room;         /* how large work may get; NULL: not looked at */
	uid_t uid;                    /* outside, when we are root; 0 as an ordinary user */
	gid_t gid;
	/* Of one run. */
	const char *const *argv;      /* absolute path in the sandbox first, NULL-terminated */
	const char *const *env;       /* NAME=value on top of HOME, PATH, LANG, TMPDIR; or NULL */
	const void *in;               /* bytes for stdin */
	size_t in_len;
	int64_t deadline_ms;          /* monotonic clock */
	size_t max_output;            /* kept of stdout and stderr together; more is counted */
	/*
	 * Output as it comes, instead of being kept; of stdout none is kept then,
	 * of stderr the beginning. on_output makes two of them; NULL: they are one, and kept.
	 */
	void (*on_output)(void *arg, const char *p, size_t n);
	void (*on_error)(void *arg, const char *p, size_t n);
	/* Called some times a second; -1 with err ends the program. NULL: never. */
	int (*tick)(void *arg, struct ff_err *err);
	void *arg;
};

/* The host's own layout, which the vector depends on. */
#define FF_SANDBOX_ROOTS 6
#define FF_SANDBOX_ETC 5
struct ff_sandbox_host {
	char *root_link[FF_SANDBOX_ROOTS];  /* /bin /sbin /lib /lib64 /lib32 /libx32: link target */
	bool root_dir[FF_SANDBOX_ROOTS];    /* or a folder */
	bool etc[FF_SANDBOX_ETC];           /* which of the known files in /etc are there */
};
void ff_sandbox_host_read(struct ff_sandbox_host *ret_host);
void ff_sandbox_host_fini(struct ff_sandbox_host *host);

/*
 * The whole vector, bwrap's name first, freed by ff_sandbox_argv_free. Pure.
 * Descriptors 3 and 4 are passwd and group, 5 is bubblewrap's status; 7 goes
 * on to flowforge-confine, whose words stand before the program's.
 * *ret_options is the place of the "--" before the program. What stands
 * between bwrap's name and it is handed over by descriptor, because argument
 * vectors can be read by every account of the host, and by the job itself.
 */
char **ff_sandbox_argv(const struct ff_sandbox_spec *spec, const struct ff_sandbox_host *host,
		       size_t *ret_options);
void ff_sandbox_argv_free(char ***argv);
int64_t ff_sandbox_shm_bytes(const struct ff_sandbox_spec *spec);

struct ff_sandbox_result {
	struct ff_buf head;   /* the first half of what was kept of the output */
	struct ff_buf tail;   /* the last half, in order */
	int64_t dropped;      /* bytes between the two */
	int status;           /* of the program, as of waitpid(2) */
	bool timed_out;       /* killed at the deadline; status means nothing then */
	bool out_of_memory;   /* killed for max_memory_bytes; likewise */
};
void ff_sandbox_result_fini(struct ff_sandbox_result *result); /* may be called twice; for FF_AUTO */

/*
 * Runs it to its end and makes sure that nothing is left. FF_E_CONTAINER_START_FAILED
 * when the program could not be started in a sandbox, with bubblewrap's reason;
 * FF_E_TOO_LARGE when work got larger than room allows, which ends the program.
 */
int ff_sandbox_run(const struct ff_sandbox_spec *spec, struct ff_sandbox_result *ret_result,
		   struct ff_err *err);

/*
 * Whether uid can get to path: every folder above it must let others pass.
 * The error names the folder and the chmod(1) that mends it.
 */
int ff_sandbox_reachable(const char *path, uid_t uid, gid_t gid, struct ff_err *err);

/*
 * Runs flowforge-tool's checks in a throw-away sandbox made like every other.
 * Only base fields of the spec count. FF_E_SANDBOX_MISSING says what is
 * missing and how to mend it; then no job may be started. *ret_weak, freed by
 * ff_free, says what this host lacks though jobs may run; NULL: nothing.
 * *ret_limits, likewise, says which limit holds by what.
 */
int ff_sandbox_probe(const struct ff_sandbox_spec *spec, char **ret_weak, char **ret_limits, struct ff_err *err);

#endif
