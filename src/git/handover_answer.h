/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_HANDOVER_ANSWER_H
#define FF_GIT_HANDOVER_ANSWER_H

/* What `git merge-tree --write-tree -z --messages` prints, as a result of src/merge. */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct ff_merge_result;

/* hard is set in it. FF_E_PROTOCOL for what git does not print. */
int ff_handover_answer(const char *text, size_t len, bool clean, struct ff_merge_result *ret, struct ff_err *err);

#endif
