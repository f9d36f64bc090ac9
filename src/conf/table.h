/* SPDX-License-Identifier: MIT */
#ifndef FF_CONF_TABLE_H
#define FF_CONF_TABLE_H

/*
 * conf.def as data: what a key's value may be, one value at a time.  What
 * several values must be to each other is check.h.  Inside the room conf only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/conf.h"

enum ff_conf_type {
	FF_CONF_STR, FF_CONF_PATH, FF_CONF_INT, FF_CONF_SIZE, FF_CONF_TIME, FF_CONF_BOOL,
	FF_CONF_LIST, FF_CONF_WORD, FF_CONF_MONEY,
};

struct ff_conf_row {
	const char *key;
	enum ff_conf_type type;
	const char *def;
	int64_t min, max;
	const char *words; /* WORD: separated by blanks */
	bool reloadable;
};

const struct ff_conf_row *ff_conf_table_row(enum ff_conf_key key);
/* -1 when there is no key of that name. */
int ff_conf_table_find(const char *name, enum ff_conf_key *ret_key);
/*
 * Type, length and range of one value (of one item of a LIST).  Numbers,
 * sizes, times and booleans go to *ret_num.  err does not name the key.
 */
int ff_conf_table_check(const struct ff_conf_row *row, const char *text, int64_t *ret_num,
			struct ff_err *err);
/* Text that people wrote: UTF-8 without control characters; `lines` allows newlines and tabs. */
int ff_conf_table_text(const char *text, int64_t min, int64_t max, bool lines, struct ff_err *err);

/* One of the words of a WORD key? */
int ff_conf_table_word(enum ff_conf_key key, const char *text, struct ff_err *err);
/* "FLOWFORGE_SERVER_STATE_DIR" of "server.state-dir". Freed by ff_free. */
char *ff_conf_table_variable(const char *key);
/* The key that is nearest to what was written, NULL when none is near. */
const char *ff_conf_table_nearest(const char *name);
/* The nearest of NULL-terminated names, NULL when none is near. Case does not count. */
const char *ff_conf_nearest(const char *name, const char *const *names);

#endif
