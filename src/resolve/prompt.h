/* SPDX-License-Identifier: MIT */
#ifndef FF_RESOLVE_PROMPT_H
#define FF_RESOLVE_PROMPT_H

/*
 * What a model is told of one conflict.  The same conflict makes the same
 * bytes: an answer that was recorded is found again.  Everything that comes
 * from a repository stands between tags with a number that none of it
 * contains, so that no text can end its part and speak as another.
 */

#include "resolve/resolve.h"

/* Rules that never change: the system message. */
extern const char ff_prompt_rules[];

struct ff_prompt {
	const struct ff_resolve_ask *ask;
	const char *target, *change;           /* names of the two branches */
	const char *const *target_messages;    /* of commits of the target that changed the file, newest first; NULL-terminated */
	const char *change_message;            /* of the commit that did not apply */
	size_t context_bytes;                  /* of the target's text around the conflict, at most */
	const char *gate;                      /* what the gate said to an earlier answer; NULL: nothing */
};
/* -1: it is over out's maximum. */
int ff_prompt_make(const struct ff_prompt *prompt, struct ff_buf *out);

#endif
