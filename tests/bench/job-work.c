/* SPDX-License-Identifier: MIT */
/*
 * The work of tests/bench/job, on the library that the worker uses:
 *     job-work start N      a sandbox that runs /bin/true, and fork + exec of it, in turns
 *     job-work deadline N   from a job's deadline until nothing of it is there
 *     job-work left N       what N starts leave
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/group.h"
#include "base/mem.h"
#include "base/num.h"
#include "tests/lib/sandbox.h"

#define RUNS_MAX 1000000
#define LIVE_MS 60 /* of a job whose deadline is measured: its processes have started by then */

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void die(const char *what)
{
	(void)fprintf(stderr, "job-work: %s\n", what);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int64_t part(int64_t *v, int64_t n, int64_t percent)
{
	qsort(v, (size_t)n, sizeof *v, compare);
	return v[(n - 1) * percent / 100];
}

static void plain(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("/bin/true");
}

static void run(const struct job_folder *f, const char *const *argv, int64_t live_ms, bool wants_timeout, int64_t *ret_late)
{
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	struct ff_sandbox_spec spec = f->spec;
	struct ff_err err = { 0 };

	spec.argv = argv;
	spec.deadline_ms = ff_clock_mono() + live_ms;
	spec.max_output = 4096;
	if (ff_sandbox_run(&spec, &r, &err))
		die(err.text);
	*ret_late = now_us() - spec.deadline_ms * 1000;
	if (r.timed_out != wants_timeout || (!wants_timeout && r.status))
		die("the job did not end as it should");
}

static void start_main(const struct job_folder *f, int64_t n)
{
	static const char *const argv[] = { "/bin/true", NULL };
	int64_t *ours = ff_calloc((size_t)n, sizeof *ours), *theirs = ff_calloc((size_t)n, sizeof *theirs);
	int64_t *ratio = ff_calloc((size_t)n, sizeof *ratio), late, at;

	for (int64_t i = 0; i < n; i++) {
		at = now_us();
		plain();
		theirs[i] = now_us() - at;
		at = now_us();
		run(f, argv, 30000, false, &late);
		ours[i] = now_us() - at;
		ratio[i] = ours[i] * 100 / (theirs[i] ? theirs[i] : 1);
	}
	(void)printf("start: %" PRId64 " us, p99 %" PRId64 " us; fork+exec %" PRId64 " us; ", part(ours, n, 50), part(ours, n, 99), part(theirs, n, 50));
	(void)printf("ratio %.1f (%" PRId64 " rounds)\n", (double)part(ratio, n, 50) / 100, n);
	ff_free(&ours);
	ff_free(&theirs);
	ff_free(&ratio);
}

static void deadline_main(const struct job_folder *f, int64_t n)
{
	static const char *const argv[] = { "/bin/bash", "-c", "trap '' TERM INT; for i in 1 2 3 4 5; do (setsid sleep 60 &) ; done; while :; do :; done", NULL };
	int64_t *late = ff_calloc((size_t)n, sizeof *late);

	for (int64_t i = 0; i < n; i++)
		run(f, argv, LIVE_MS, true, &late[i]);
	(void)printf("deadline to empty job: p50 %.1f ms, ", (double)part(late, n, 50) / 1000);
	(void)printf("p99 %.1f ms, most %.1f ms (%" PRId64 " jobs of 7 processes)\n", (double)part(late, n, 99) / 1000, (double)late[n - 1] / 1000, n);
	ff_free(&late);
}

/* --- what is left */

static int count_names(const char *folder, bool (*mine)(const char *name))
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += mine(e->d_name);
	if (d)
		(void)closedir(d);
	return n;
}

static bool any(const char *name)
{
	(void)name;
	return true;
}

/* Of this run: others may be testing on the same machine. */
static char marker[64];

static bool is_marked(const char *name)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%.20s/cmdline", name);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 1024 * 1024);
	return name[0] > '0' && name[0] <= '9' && ff_file_read(path, &b, NULL) == 0 && b.len &&
	       memmem(b.data, b.len, marker, strlen(marker));
}

static int count_lines(const char *path, const char *with)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	int n = 0;

	ff_buf_init(&b, 16 * 1024 * 1024);
	if (ff_file_read(path, &b, NULL))
		return 0;
	for (const char *p = b.data; (p = strstr(p, with)); p++)
		n++;
	return n;
}

struct left {
	int processes, mounts, groups, files, descriptors;
};

static bool is_our_group(const char *name)
{
	FF_AUTO(ff_free) char *ours = ff_asprintf("flowforge-job-%d", (int)getpid());

	return !strcmp(name, ours);
}

static int count_groups(void)
{
	static const char *const controllers[] = { "memory", "pids", "cpu" };
	FF_AUTO(ff_buf_fini) struct ff_buf groups;
	FF_AUTO(ff_buf_fini) struct ff_buf mounts;
	int n = 0;

	ff_buf_init(&groups, 1024 * 1024);
	ff_buf_init(&mounts, 1024 * 1024);
	if (ff_file_read("/proc/self/cgroup", &groups, NULL) || ff_file_read("/proc/self/mountinfo", &mounts, NULL))
		return 0;
	for (size_t i = 0; i < FF_ARRAY_LEN(controllers); i++) {
		FF_AUTO(ff_free) char *folder = NULL;

		if (ff_group_find(groups.data, mounts.data, controllers[i], &folder))
			n += count_names(folder, is_our_group);
	}
	return n;
}

static struct left look(const struct job_folder *f)
{
	return (struct left){
		.processes = count_names("/proc", is_marked), .mounts = count_lines("/proc/self/mountinfo", "\n"),
		.groups = count_groups(), .files = count_names(f->ws, any) + count_names(f->top, any),
		.descriptors = count_names("/proc/self/fd", any),
	};
}

static void left_main(const struct job_folder *f, int64_t n)
{
	const char *const argv[] = { "/bin/true", marker, NULL };
	struct left before, after;
	int64_t late;

	(void)snprintf(marker, sizeof marker, "ff-bench-left-%d", (int)getpid());
	run(f, argv, 30000, false, &late);
	before = look(f);
	for (int64_t i = 0; i < n; i++)
		run(f, argv, 30000, false, &late);
	after = look(f);
	(void)printf("%" PRId64 " starts left %d processes, %d mounts, %d control groups, %d files, %d descriptors\n", n,
		     after.processes - before.processes, after.mounts - before.mounts, after.groups - before.groups,
		     after.files - before.files, after.descriptors - before.descriptors);
	if (memcmp(&before, &after, sizeof before))
		die("something is left");
}

int main(int argc, char **argv)
{
	struct job_folder f;
	int64_t n = 0;

	if (argc != 3 || ff_num_i64(argv[2], 1, RUNS_MAX, &n))
		die("usage: job-work start|deadline|left N");
	job_folder_make(&f);
	f.spec.max_memory_bytes = 1024 * 1024 * 1024;
	f.spec.max_processes = 1000;
	if (!strcmp(argv[1], "start"))
		start_main(&f, n);
	else if (!strcmp(argv[1], "deadline"))
		deadline_main(&f, n);
	else
		left_main(&f, n);
	job_folder_remove(&f);
	return 0;
}
