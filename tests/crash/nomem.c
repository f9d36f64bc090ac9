/* SPDX-License-Identifier: MIT */
/*
 * Linked into a program of ours, makes the Nth allocation fail, whoever asks
 * for it: a symbol of the program goes before that of the C library.
 *
 *   FLOWFORGE_NOMEM=ROLE:N:once|always     N 0: none
 *
 * ROLE is what --role says, or "core" for the daemon without, "hook", "cli".
 * Says on stderr when it happens; with N 0 how many there were, now and then
 * and at the exit, which a process that is killed does not reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Under a sanitizer its own allocator is in the place of these, and this does nothing. */
#ifndef __SANITIZE_ADDRESS__

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);

static struct {
	bool known, mine, always;
	unsigned long nth, count;
	char role[16];
} plan;

/* "core", or what follows --role; without a byte of memory that is not on the stack. */
static void find_role(void)
{
	char line[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
	const char *base, *role = "core";

	if (fd >= 0)
		(void)close(fd);
	line[n > 0 ? n : 0] = '\0';
	base = strrchr(line, '/') ? strrchr(line, '/') + 1 : line;
	if (strstr(base, "hook"))
		role = "hook";
	else if (!strstr(base, "flowforged"))
		role = "cli";
	for (const char *p = line; p < line + n; p += strlen(p) + 1)
		if (!strcmp(p, "--role"))
			role = p + sizeof "--role";
	for (size_t i = 0; i + 1 < sizeof plan.role && role[i]; i++)
		plan.role[i] = role[i];
}

static void read_plan(void)
{
	const char *at = getenv("FLOWFORGE_NOMEM");
	size_t n;

	plan.known = true;
	find_role();
	n = strlen(plan.role);
	if (!at || strncmp(at, plan.role, n) != 0 || at[n] != ':')
		return;
	plan.mine = true;
	for (at += n + 1; *at >= '0' && *at <= '9'; at++)
		plan.nth = plan.nth * 10 + (unsigned long)(*at - '0');
	plan.always = !strcmp(at, ":always");
}

static void tell(const char *what, unsigned long n)
{
	char text[128];
	int len = snprintf(text, sizeof text, "nomem: %s %s %lu\n", plan.role, what, n);

	(void)!write(STDERR_FILENO, text, (size_t)len); /* the test that looks for it fails */
}

static bool fails(void)
{
	if (!plan.known)
		read_plan();
	if (!plan.mine)
		return false;
	plan.count++;
	if (!plan.nth && plan.count % 256 == 0)
		tell("allocations", plan.count);
	if (!plan.nth || plan.count < plan.nth || (plan.count > plan.nth && !plan.always))
		return false;
	if (plan.count == plan.nth)
		tell("has no memory at", plan.count);
	errno = ENOMEM;
	return true;
}

static __attribute__((destructor)) void at_exit(void)
{
	if (plan.mine && !plan.nth)
		tell("allocations", plan.count);
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
	return fails() ? NULL : __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
	void *p = fails() ? NULL : __libc_memalign(align, n);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

#endif
