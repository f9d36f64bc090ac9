/* SPDX-License-Identifier: MIT */
#ifndef FF_CONF_SYNTAX_H
#define FF_CONF_SYNTAX_H

/*
 * The syntax of git-config(1), and nothing about what keys mean.  Inside the
 * room conf only: conf.c passes every entry on to values.c.
 *
 * One call of ff_conf_syntax_read() goes through a whole text.  What cannot
 * be read is reported with its line and skipped up to the end of that line,
 * so that one run shows all mistakes; the keys below a broken section header
 * are skipped, because nobody knows whose they are.
 */

#include <stddef.h>

struct ff_conf_entry {
	const char *section;    /* lower case */
	const char *subsection; /* as written; NULL: none */
	const char *key;        /* lower case; NULL: this is the section header itself */
	const char *value;      /* NULL: a key alone on its line, which means true */
	unsigned line;
};

struct ff_conf_reader {
	/* Everything in the entry lives until the call returns. */
	void (*on_entry)(void *arg, const struct ff_conf_entry *entry);
	void (*on_error)(void *arg, unsigned line, const char *text);
	void *arg;
};

/* text need not end with a newline; a NUL in it is an error like any other. */
void ff_conf_syntax_read(const char *text, size_t len, const struct ff_conf_reader *reader);

#endif
