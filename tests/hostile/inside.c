/* SPDX-License-Identifier: MIT */
/* The job: all kinds, one after the other.  Also how one of them is run anywhere. */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "daemon/sandbox/confine/confine.h"

#define GOT 42 /* no accident ends a process with it */
#define SECONDS 20

const struct kind *const all_kinds[] = { kinds_files, kinds_proc, kinds_inherited, kinds_peers, kinds_spaces, kinds_calls,
					 kinds_bombs, kinds_left, NULL };

size_t count_kinds(bool slow)
{
	size_t n = 0;

	for (const struct kind *const *table = all_kinds; *table; table++)
		for (const struct kind *k = *table; k->name; k++)
			n += slow || !k->slow;
	return n;
}

/* The canary is the whole of a line or of a variable's value; what we are made of has it, too, so nothing of ours is read. */
bool shows_canary(const char *path)
{
	static const char mark[] = CANARY;
	char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

	if (fd >= 0)
		(void)close(fd);
	return n > 0 && memmem(text, (size_t)n, mark, sizeof mark - 1);
}

bool can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		(void)close(fd);
	return done;
}

/* Whatever is done there, the machine's own name, mounts, network and clock stay what they are. */
void go_to(enum place place)
{
	char users[64], groups[64];

	if (place == PLAIN)
		return;
	(void)snprintf(users, sizeof users, "0 %u 1", geteuid());
	(void)snprintf(groups, sizeof groups, "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP) ||
	    !put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", users) || !put("/proc/self/gid_map", groups) ||
	    mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL))
		_exit(1);
}

int try_kind(const struct kind *k, const struct target *t, bool go)
{
	pid_t pid = fork();
	int status = 0;

	if (pid < 0)
		return -1;
	if (pid == 0) {
		(void)alarm(SECONDS);
		if (go)
			go_to(k->place);
		_exit(k->try(t, k->arg) ? GOT : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* Killed for it is held, too: the filter does that to foreign machine words. */
	return WIFEXITED(status) && WEXITSTATUS(status) == GOT;
}

static int number(const char *name)
{
	const char *text = getenv(name);
	int64_t n = 0;

	return text && ff_num_i64(text, 0, 1 << 30, &n) == 0 ? (int)n : 0;
}

static struct target read_target(void)
{
	struct target t = { .bystander = number("BYSTANDER"), .launcher = number("LAUNCHER"), .tcp = number("TCP"), .udp = number("UDP"),
			    .own = "/ws", .inside = true, .told_fd = -1 };
	const char *host = getenv("HOST"), *abstract = getenv("ABSTRACT");

	(void)snprintf(t.host, sizeof t.host, "%s", host ? host : "");
	(void)snprintf(t.abstract, sizeof t.abstract, "%s", abstract ? abstract : "");
	return t;
}

/* Says what it got, a line each, and last how many it tried. */
int inside_main(int round)
{
	const struct target t = read_target();
	bool landlock = ff_landlock_version() >= FF_LANDLOCK_LEAST;
	size_t tried = 0;

	for (const struct kind *const *table = all_kinds; *table; table++)
		for (const struct kind *k = *table; k->name; k++) {
			if (k->slow && round % 10 != 0)
				continue;
			tried++;
			if (try_kind(k, &t, false) == 1 && !k->left && (landlock || !k->landlock))
				(void)printf("got %s\n", k->name);
			(void)fflush(stdout);
		}
	(void)printf("tried %zu\n", tried);
	return 0;
}
