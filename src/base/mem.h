/* SPDX-License-Identifier: MIT */
#ifndef FF_BASE_MEM_H
#define FF_BASE_MEM_H

/*
 * Memory and assertions.
 *
 * Every pointer has one owner.  A destructor takes the address of the
 * pointer, accepts NULL in it and leaves NULL behind, so that it is also the
 * clean-up function of a local:
 *
 *     FF_AUTO(ff_free) char *name = ff_strdup("x");
 *     return ff_steal(&name);
 *
 * Out of memory ends the process (state is on disk, the parent starts us
 * again), so none of these return NULL.
 */

#include <stdarg.h>
#include <stddef.h>

#define FF_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
/* unused: clang complains about a local that only its clean-up looks at. */
#define FF_AUTO(destructor) __attribute__((cleanup(destructor), unused))
#define FF_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *ff_calloc(size_t count, size_t size);
void *ff_realloc(void *p, size_t count, size_t size);
char *ff_strdup(const char *s);           /* NULL in, NULL out */
char *ff_memdup0(const void *p, size_t n); /* copies n bytes, adds a NUL */
char *ff_asprintf(const char *fmt, ...) FF_PRINTF(1, 2);
char *ff_vasprintf(const char *fmt, va_list ap) FF_PRINTF(1, 0);

/* For FF_AUTO: the argument is really a TYPE **. */
void ff_free(void *pp);
/* Closes *fd unless it is negative, and leaves -1. Keeps errno. */
void ff_close(int *fd);
/* Hands the value out and leaves NULL, so that the clean-up does nothing. */
#define ff_steal(pp) ((__typeof__(*(pp)))ff_steal_ptr((void *)(pp)))
void *ff_steal_ptr(void *pp);
static inline int ff_steal_fd(int *fd) { int v = *fd; *fd = -1; return v; }

/* Overwrites secrets in a way that the compiler keeps. */
void ff_wipe(void *p, size_t n);

/* "Cannot happen", on in every build. Bad input is never an assertion. */
#define ff_assert(cond) \
	((cond) ? (void)0 : ff_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void ff_assert_failed(const char *cond, const char *file, int line);

#endif
