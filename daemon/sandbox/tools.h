/* SPDX-License-Identifier: MIT */
#ifndef FF_SANDBOX_TOOLS_H
#define FF_SANDBOX_TOOLS_H

/*
 * The two tools of the builtin agent, each call in a sandbox of its own that
 * sees the job's work tree as /ws and nothing else that it could write but
 * its private /tmp and home.  A program that a command leaves in the
 * background ends with the call.
 *
 * A call fails (-1) only when the sandbox could not be run; everything that
 * the model should know about is a result with is_error set.
 *
 *     struct ff_tools_result r = {0};
 *     if (ff_tools_bash(run->tools, "make check", 0, &r, err)) return -1;
 *     ... r.text ...
 *     ff_tools_result_fini(&r);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ff_sandbox_spec;

/* What every call of one job has in common; all borrowed. Filled by the worker. */
struct ff_tools {
	const struct ff_sandbox_spec *base; /* without argv, stdin, deadline and output limit */
	int64_t deadline_ms;                /* monotonic: no call runs longer than the job may */
	int64_t call_ms;                    /* longest time of one call */
	size_t output_bytes;                /* of one call that are kept */
};

struct ff_tools_result {
	char *text;        /* UTF-8 without NUL, never NULL after success; other bytes are written \xNN */
	bool is_error;     /* non-zero exit, signal, deadline, or the edit was refused */
	bool timed_out;    /* killed at the deadline; the text is what came before */
	int exit_status;   /* as a shell shows it: 0..255, 128 + signal */
	int64_t dropped;   /* bytes of output past the limit, in the middle of text */
};

enum ff_edit_command {
	FF_EDIT_VIEW = 1,    /* path [first, last] */
	FF_EDIT_CREATE,      /* path, text: also replaces a file */
	FF_EDIT_REPLACE,     /* path, old_text (exactly once in the file), text */
	FF_EDIT_INSERT,      /* path, line (0: before the first), text */
};

struct ff_edit {
	enum ff_edit_command command;
	const char *path;     /* absolute, below /ws, or relative to it */
	const char *text;     /* NULL: empty */
	const char *old_text; /* of REPLACE; NULL or empty is refused */
	int64_t line;         /* of INSERT */
	int64_t first, last;  /* of VIEW, from 1; first 0: all, last -1: to the end */
	/*
	 * The call is made again after a crash and may have been done already:
	 * REPLACE with the old text gone and the new one there exactly once
	 * counts as done, as does INSERT whose text stands at its place.
	 */
	bool again;
};

/* command is run by /bin/bash -c in /ws. timeout_ms 0: the longest allowed. */
int ff_tools_bash(const struct ff_tools *tools, const char *command, int64_t timeout_ms,
		  struct ff_tools_result *ret_result, struct ff_err *err);
int ff_tools_edit(const struct ff_tools *tools, const struct ff_edit *edit,
		  struct ff_tools_result *ret_result, struct ff_err *err);
void ff_tools_result_fini(struct ff_tools_result *result); /* may be called twice; for FF_AUTO */

#endif
