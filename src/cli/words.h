/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_WORDS_H
#define FF_CLI_WORDS_H

/*
 * The command of an ssh connection, text from outside: what it may be, and
 * its words.  No shell ever reads it, so there is no quoting: only letters
 * that mean nothing to any shell, split at blanks.
 */

#include <stddef.h>

#include "base/err.h"

/* Bytes of a command line over ssh, and its words. */
#define FF_WORDS_MAX_BYTES 4096
#define FF_WORDS_MAX 64

enum ff_words_kind {
	FF_WORDS_OURS, /* words for this program */
	FF_WORDS_GIT,  /* a push, fetch or archive, for git-shell(1) */
};

/* Judged by its first word alone; git's own quoting is left to git-shell. */
enum ff_words_kind ff_words_kind(const char *line);
/* Whether text has only the letters that words may have; FF_E_USAGE names the first other one. */
int ff_words_check(const char *text, struct ff_err *err);
/* The words, NULL-terminated, freed by ff_words_free. FF_E_USAGE: a letter, length or count that is refused. */
int ff_words_split(const char *line, char ***ret_words, int *ret_count, struct ff_err *err);
void ff_words_free(char ***words);

#endif
