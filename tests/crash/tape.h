/* SPDX-License-Identifier: MIT */
#ifndef FF_CRASH_TAPE_H
#define FF_CRASH_TAPE_H

/*
 * What traced programs did to the files below some folders, in order, with
 * the bytes: enough to make up what a disk may hold after the power went.
 * One record is a struct tape_record, then its two names and its bytes.
 * Several tapes of one machine are put in order by their clock.
 */
#include <stdint.h>

#include "tests/crash/trace.h"

enum tape_type {
	TAPE_WRITE = 1, /* inode, offset, bytes */
	TAPE_SIZE,      /* inode, offset: its new length */
	TAPE_SYNC,      /* inode of a file or folder */
	TAPE_CREATE,    /* name, inode, offset: its mode; a file */
	TAPE_MKDIR,     /* name, inode, offset: its mode */
	TAPE_RENAME,    /* name, second name, inode */
	TAPE_LINK,      /* name, second name, inode */
	TAPE_UNLINK,    /* name, inode; a folder, too */
	TAPE_SEND,      /* bytes, at most TAPE_TALK_MAX of them */
	TAPE_SAY,       /* the same, by a hook to its pusher */
	TAPE_OTHER,     /* name: changed in a way that cannot be told here */
};

#define TAPE_TALK_MAX 16384

struct tape_record {
	uint32_t type, pid;
	int64_t at_ns;  /* CLOCK_MONOTONIC */
	uint64_t inode;
	int64_t offset;
	uint32_t name_len, second_len; /* with their NUL */
	uint64_t bytes;
};

struct tape;

/* NULL, and a message on stderr, when the file cannot be made. */
struct tape *tape_new(const char *path);
/* Only what lies below one of these is put on the tape. The text is kept. */
void tape_under(struct tape *tape, const char *dir);
/* Around each call; path is what trace_path said of it. */
void tape_enter(struct tape *tape, const struct trace_call *call, const char *path);
void tape_leave(struct tape *tape, const struct trace_call *call);

#endif
