/* SPDX-License-Identifier: MIT */
/* See words.h. */
#include "cli/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

enum ff_words_kind ff_words_kind(const char *line)
{
	/* git-shell(1) takes "git upload-pack" for "git-upload-pack" too. */
	static const char *const git[] = { "upload-pack", "receive-pack", "upload-archive" };

	if (!ff_starts(line, "git-") && !ff_starts(line, "git "))
		return FF_WORDS_OURS;
	for (size_t i = 0; i < FF_ARRAY_LEN(git); i++)
		if (ff_starts(line + 4, git[i]) && strchr(" ", line[4 + strlen(git[i])]))
			return FF_WORDS_GIT;
	return FF_WORDS_OURS;
}

static bool harmless(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("-._@/+ :,%=", c));
}

int ff_words_check(const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *shown = NULL;
	char bad[2] = "";

	if (strlen(text) > FF_WORDS_MAX_BYTES)
		return ff_err_set(err, FF_E_USAGE, "the command is over %d bytes", FF_WORDS_MAX_BYTES);
	for (; harmless(*text); text++)
		;
	if (!*text)
		return 0;
	bad[0] = *text;
	shown = ff_text_shown(bad, 0);
	return ff_err_set(err, FF_E_USAGE, "'%s' is not allowed over ssh: words are letters, digits and -._@/+:,%%=", shown);
}

int ff_words_split(const char *line, char ***ret_words, int *ret_count, struct ff_err *err)
{
	FF_AUTO(ff_words_free) char **words = ff_calloc(FF_WORDS_MAX + 1, sizeof *words);
	int count = 0;

	if (ff_words_check(line, err) < 0)
		return -1;
	while (*(line += strspn(line, " "))) {
		size_t n = strcspn(line, " ");

		if (count == FF_WORDS_MAX)
			return ff_err_set(err, FF_E_USAGE, "the command has over %d words", FF_WORDS_MAX);
		words[count++] = ff_memdup0(line, n);
		line += n;
	}
	*ret_count = count;
	*ret_words = ff_steal(&words);
	return 0;
}

void ff_words_free(char ***words)
{
	for (size_t i = 0; *words && (*words)[i]; i++)
		ff_free(&(*words)[i]);
	ff_free(words);
}
