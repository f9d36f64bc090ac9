/* SPDX-License-Identifier: MIT */
/*
 * The command of an ssh connection as any bytes: it is git's, or refused, or
 * words of harmless letters that put together again give the same words.
 */
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(char **words, int count)
{
	FF_AUTO(ff_words_free) char **again = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf line;
	int n = 0;

	ff_assert(count <= FF_WORDS_MAX && !words[count]);
	ff_buf_init(&line, 2 * FF_WORDS_MAX_BYTES);
	for (int i = 0; i < count; i++) {
		ff_assert(*words[i] && !strpbrk(words[i], " \t\r\n'\"\\$`;|&<>(){}[]*?!#~^\033"));
		(void)ff_buf_addf(&line, "%s%s", i ? " " : "", words[i]);
	}
	ff_assert(ff_words_split(line.data, &again, &n, NULL) == 0 && n == count);
	for (int i = 0; i < count; i++)
		ff_assert(!strcmp(words[i], again[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FF_AUTO(ff_words_free) char **words = NULL;
	FF_AUTO(ff_free) char *line = ff_memdup0(data, size);
	struct ff_err err = { 0 };
	int count = -1;

	if (ff_words_kind(line) == FF_WORDS_GIT)
		ff_assert(!strncmp(line, "git", 3));
	if (ff_words_split(line, &words, &count, &err) == 0)
		check(words, count);
	else
		ff_assert(err.code == FF_E_USAGE && err.text[0] && !words);
	return 0;
}
