/* SPDX-License-Identifier: MIT */
/*
 * flowforge-confine; see confine.h.  Runs with the job's rights in the job's
 * sandbox, before any program of the job does.  The order matters: limits
 * first, Landlock while files can still be opened for it, the filter last,
 * because it would refuse parts of what comes before.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "daemon/sandbox/confine/confine.h"

#define WRITABLE_MAX 64
#define OPEN_SOFT 1024            /* what select(2) can take; a program that knows better raises it */
#define MEMLOCK (8 * 1024 * 1024) /* the kernel's own value */
#define SIGNALS 4096              /* queued, of all processes of the account */

static const struct sock_filter filter[] = {
#include "daemon/sandbox/confine/filter.h"
};

struct plan {
	char *writable[WRITABLE_MAX + 1];
	size_t n;
	int64_t open_files, file_bytes, memory_bytes;
	bool landlock_required;
	char **argv;
};

static _Noreturn void fail(const char *what, int e)
{
	char text[FF_CONFINE_REPORT_MAX];
	int n = snprintf(text, sizeof text, "%s: %s", what, strerror(e));
	ssize_t done = n < 0 ? -1 : write(FF_CONFINE_REPORT, text, strnlen(text, sizeof text));

	(void)done; /* who started us without it sees the exit status */
	_exit(126);
}

/* --- what to do */

static void take(struct plan *p, char *word)
{
	static const char required[] = "landlock=required";
	const struct { const char *name; int64_t *to; } numbers[] = {
		{ "open-files=", &p->open_files }, { "file-bytes=", &p->file_bytes }, { "memory-bytes=", &p->memory_bytes },
	};

	if (ff_starts(word, "write=") && p->n < WRITABLE_MAX) {
		p->writable[p->n++] = word + strlen("write=");
		return;
	}
	if (!strcmp(word, required)) {
		p->landlock_required = true;
		return;
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(numbers); i++)
		if (ff_starts(word, numbers[i].name) && ff_num_i64(word + strlen(numbers[i].name), 1, INT64_MAX, numbers[i].to) == 0)
			return;
	fail(word, EINVAL);
}

static struct plan read_plan(char **argv)
{
	struct plan p = { .n = 0 };

	for (argv++; *argv && strcmp(*argv, "--") != 0; argv++)
		take(&p, *argv);
	if (!*argv || !argv[1])
		fail("no program", EINVAL);
	p.argv = argv + 1;
	return p;
}

/* --- doing it */

static void close_descriptors(void)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, FF_CONFINE_REPORT - 1, 0u) ||
	    syscall(SYS_close_range, FF_CONFINE_REPORT + 1, ~0u, 0u))
		fail("close_range", errno);
	(void)fcntl(FF_CONFINE_REPORT, F_SETFD, FD_CLOEXEC); /* fails when nobody gave us one */
}

/* Only ever down: what the daemon itself may have is less sometimes. */
static void limit(int what, rlim_t soft, rlim_t hard, const char *name)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)what, &now))
		fail(name, errno);
	if (now.rlim_max > hard)
		now.rlim_max = hard;
	now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &now))
		fail(name, errno);
}

static void set_limits(const struct plan *p)
{
	/* 1 and not 0: with 0 the kernel still runs a piped core pattern (core(5)). */
	limit(RLIMIT_CORE, 1, 1, "RLIMIT_CORE");
	limit(RLIMIT_MEMLOCK, MEMLOCK, MEMLOCK, "RLIMIT_MEMLOCK");
	limit(RLIMIT_SIGPENDING, SIGNALS, SIGNALS, "RLIMIT_SIGPENDING");
	limit(RLIMIT_MSGQUEUE, 0, 0, "RLIMIT_MSGQUEUE");
	limit(RLIMIT_RTPRIO, 0, 0, "RLIMIT_RTPRIO");
	limit(RLIMIT_NICE, 0, 0, "RLIMIT_NICE");
	if (p->open_files)
		limit(RLIMIT_NOFILE, OPEN_SOFT, (rlim_t)p->open_files, "RLIMIT_NOFILE");
	/* One byte more than allowed: a file that was cut is then over the limit and cannot pass for whole. */
	if (p->file_bytes)
		limit(RLIMIT_FSIZE, (rlim_t)p->file_bytes + 1, (rlim_t)p->file_bytes + 1, "RLIMIT_FSIZE");
	if (p->memory_bytes)
		limit(RLIMIT_DATA, (rlim_t)p->memory_bytes, (rlim_t)p->memory_bytes, "RLIMIT_DATA");
}

static void enter_landlock(const struct plan *p)
{
	int version = ff_landlock_version();
	const char *at = NULL;

	if (version < FF_LANDLOCK_LEAST) {
		if (p->landlock_required)
			fail("Landlock", ENOSYS);
		return; /* the mounts hold by themselves; flowforge doctor says it */
	}
	if (ff_landlock_enter(version, p->writable, &at))
		fail(at, errno);
}

static void enter_filter(void)
{
	struct sock_fprog program = { .len = FF_ARRAY_LEN(filter), .filter = (struct sock_filter *)(uintptr_t)filter };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, &program))
		fail("seccomp", errno);
}

int main(int argc, char **argv)
{
	struct plan p;

	if (argc < 1)
		return 126;
	close_descriptors();
	p = read_plan(argv);
	set_limits(&p);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fail("no_new_privs", errno);
	enter_landlock(&p);
	enter_filter();
	(void)execv(p.argv[0], p.argv);
	fail(p.argv[0], errno);
}
