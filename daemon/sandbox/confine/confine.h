/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_CONFINE_CONFINE_H
#define FF_SANDBOX_CONFINE_CONFINE_H

/*
 * flowforge-confine, the last step before a job's program: bubblewrap starts
 * it in the finished sandbox, it gives up what is left to give up and becomes
 * the program.  Small and static, so that it costs next to nothing and reads
 * no file before the walls stand.
 *
 *     flowforge-confine [NAME=VALUE...] -- PROGRAM [ARGUMENT...]
 *
 *     write=FOLDER       may be written below; repeated
 *     open-files=N       RLIMIT_NOFILE
 *     file-bytes=N       RLIMIT_FSIZE
 *     memory-bytes=N     RLIMIT_DATA, of each process
 *     landlock=required  do not start where the kernel has it not
 *
 * Why nothing was started is written to FF_CONFINE_REPORT, which is closed
 * when the program begins; with nothing in it, the program has begun.
 */

#include <stdbool.h>

/* Descriptor on which it says what went wrong. */
#define FF_CONFINE_REPORT 7
#define FF_CONFINE_REPORT_MAX 512
/* The first version that lets files be moved between folders (landlock(7)): with less, git cannot work. */
#define FF_LANDLOCK_LEAST 2

/* Version of Landlock in this kernel; 0: none, or switched off. */
int ff_landlock_version(void);
/*
 * From now on this process and its children may read and run everything that
 * they see, write to devices, and change files only below the NULL-terminated
 * folders (a file among them is that file). -1 with errno; *ret_at is then
 * what could not be had.
 */
int ff_landlock_enter(int version, char *const *writable, const char **ret_at);

#endif
