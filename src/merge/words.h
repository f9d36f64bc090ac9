/* SPDX-License-Identifier: MIT */
#ifndef FF_MERGE_WORDS_H
#define FF_MERGE_WORDS_H

/*
 * Lines and tokens as numbers: equal bytes get equal numbers, so that two
 * texts are compared, counted and merged by number.  A token is a run of
 * letters, digits, `_` and bytes over 0x7f (a word), or any other byte that
 * is no white space; no grammar is known here.
 *
 *     struct ff_words words = { 0 };
 *     id = ff_words_id(&words, p, n);          the same for the same bytes
 *     ff_words_tokens(&words, p, n, &list);    list.ids, freed with it
 *     ff_words_fini(&words);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ff_word {
	const char *p; /* borrowed: what was asked about must stay */
	uint32_t n;
	uint32_t hash;
};
struct ff_words {
	struct ff_word *words;
	uint32_t n, room;
	uint32_t *slots; /* id + 1; 0: free */
	uint32_t mask;
};
uint32_t ff_words_id(struct ff_words *words, const char *p, size_t n);
/* Whether the number stands for a word, not for a single other byte. */
bool ff_words_is_word(const struct ff_words *words, uint32_t id);
void ff_words_fini(struct ff_words *words);

struct ff_ids {
	uint32_t *ids;
	size_t n, room;
};
void ff_ids_add(struct ff_ids *list, uint32_t id);
void ff_ids_fini(struct ff_ids *list);
/* Appends the tokens of n bytes. */
void ff_words_tokens(struct ff_words *words, const char *p, size_t n, struct ff_ids *list);
/* Where the token at p ends; p < end and no white space. */
const char *ff_words_token_end(const char *p, const char *end);
bool ff_words_blank(char c);
/* The same but for white space. */
bool ff_words_like(const char *a, size_t a_len, const char *b, size_t b_len);
/* How often id stands in the list. */
uint32_t ff_ids_count(const struct ff_ids *list, uint32_t id);
bool ff_ids_equal(const struct ff_ids *a, const struct ff_ids *b);
/* How many tokens both have, each as often as it stands in both. */
size_t ff_ids_common(const struct ff_ids *a, const struct ff_ids *b);

#endif
