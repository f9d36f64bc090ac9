/* SPDX-License-Identifier: MIT */
/*
 * Allocation that cannot fail: a daemon that keeps its state on disk is safer
 * ended and started again than limping on after a failed malloc.
 */
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
	static const char text[] = "flowforge: out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof text - 1);
	_exit(71); /* EX_OSERR of sysexits.h */
}

void *ff_calloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *ff_realloc(void *old, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count ? count : 1, size ? size : 1, &n))
		out_of_memory();
	p = realloc(old, n);
	if (!p)
		out_of_memory();
	return p;
}

char *ff_memdup0(const void *src, size_t n)
{
	char *p;

	ff_assert(n < SIZE_MAX);
	p = ff_calloc(n + 1, 1);
	if (n)
		memcpy(p, src, n);
	return p;
}

char *ff_strdup(const char *s)
{
	return s ? ff_memdup0(s, strlen(s)) : NULL;
}

char *ff_vasprintf(const char *fmt, va_list ap)
{
	char *p = NULL;

	if (vasprintf(&p, fmt, ap) < 0)
		out_of_memory();
	return p;
}

char *ff_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = ff_vasprintf(fmt, ap);
	va_end(ap);
	return p;
}

void *ff_steal_ptr(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof p);
	memset(pp, 0, sizeof p);
	return p;
}

void ff_free(void *pp)
{
	free(ff_steal_ptr(pp));
}

void ff_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* nothing useful can be done about a failure */
	*fd = -1;
	errno = saved;
}

void ff_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

void ff_assert_failed(const char *cond, const char *file, int line)
{
	fprintf(stderr, "flowforge: assertion failed: %s (%s:%d)\n", cond, file, line);
	abort();
}
