/* SPDX-License-Identifier: MIT */
#ifndef FF_TESTS_HOSTILE_LIMITS_H
#define FF_TESTS_HOSTILE_LIMITS_H

/* What main.c gives the sandbox, and how far the bombs go beyond it. */

#define PROCESSES 64
#define PROCESSES_TRIED 128
#define PROCESS_BYTES (128L * 1024 * 1024)
#define MEMORY_TRIED (160UL * 1024 * 1024)
#define TMP_BYTES (8L * 1024 * 1024)
#define OPEN_FILES 256
#define OPEN_TRIED 300
#define FILE_BYTES (4L * 1024 * 1024)
#define WS_BYTES (16L * 1024 * 1024)
#define WS_FILES 400

#endif
