/* SPDX-License-Identifier: MIT */
#ifndef FF_CONF_CONF_H
#define FF_CONF_CONF_H

/*
 * Configuration: the table conf.def, read from git-config syntax.
 *
 * Order, later wins: built-in defaults, the main file, conf.d beside it (files
 * named *.conf, in name order), FLOWFORGE_SECTION_KEY variables (dots and
 * dashes written _), -c section.key=value flags.  A file that is not there is
 * an error only when it was named by a flag.  Unknown keys are errors with
 * the nearest known name; messages are "file:line: text".
 *
 * Beside the table there are sections with a name:
 *     [branch "GLOB"]        task, target, driver, environment, secrets, rungs: of
 *                            branches that match (full ref glob, or a branch
 *                            glob without refs/heads/); the first section
 *                            that sets a key wins
 *     [environment "NAME"]   variable = NAME=value (may repeat)
 *     [repository "GLOB"]    budgets of the repositories at such paths
 *     [destination "NAME"]   where the gateway may fetch from for core
 *
 * A struct ff_conf never changes once loaded; a reload makes a new one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/option.h"

enum ff_conf_key {
#define FF_CONF(id, ...) FF_CONF_##id,
#include "conf/conf.def"
#undef FF_CONF
	FF_CONF_KEYS
};

struct ff_conf;

struct ff_conf_source {
	const char *file;             /* NULL: the installed default, which may be missing */
	const char *const *settings;  /* "section.key=value", NULL-terminated, or NULL */
	char *const *environ;         /* as environ(7); NULL: none is looked at */
};

/* Every error found, one a line, goes to report (NULL: only the first, in err). */
int ff_conf_load(const struct ff_conf_source *from, struct ff_conf **ret_conf,
		 struct ff_buf *report, struct ff_err *err);
void ff_conf_free(struct ff_conf **conf);
/*
 * For a running daemon: as ff_conf_load, but keys that only a restart can
 * change keep the value they have in old; those that would have changed are
 * added to held (or NULL), separated by blanks, for the log.
 */
int ff_conf_reload(const struct ff_conf *old, const struct ff_conf_source *from, struct ff_conf **ret_conf,
		   struct ff_buf *held, struct ff_buf *report, struct ff_err *err);

/* Getters; the key must have that type. Everything returned is borrowed from conf. */
int64_t ff_conf_int(const struct ff_conf *c, enum ff_conf_key key);  /* INT, SIZE bytes, TIME ms, MONEY micro-USD */
bool ff_conf_bool(const struct ff_conf *c, enum ff_conf_key key);
const char *ff_conf_str(const struct ff_conf *c, enum ff_conf_key key); /* STR, PATH, WORD; never NULL */
const char *const *ff_conf_list(const struct ff_conf *c, enum ff_conf_key key); /* NULL-terminated */

/* Of [branch "GLOB"] for this full ref name; NULL when not set. */
const char *ff_conf_branch(const struct ff_conf *c, const char *ref, const char *key);
/* Whether any [branch] section sets key to value. */
bool ff_conf_branch_has(const struct ff_conf *c, const char *key, const char *value);
/* Names of all [environment] sections, and the NAME=value list of one (NULL: no such environment). */
const char *const *ff_conf_environments(const struct ff_conf *c);
const char *const *ff_conf_environment(const struct ff_conf *c, const char *name);
/*
 * Of [repository "GLOB"] (name: the path; the first section that sets the key
 * and matches) and [destination "NAME"]. The key must be one of that section.
 */
enum ff_conf_section { FF_CONF_SECTION_REPOSITORY, FF_CONF_SECTION_DESTINATION };
bool ff_conf_named_num(const struct ff_conf *c, enum ff_conf_section section, const char *name, const char *key,
		       int64_t *ret); /* untouched, and false, when not set */
const char *ff_conf_named_str(const struct ff_conf *c, enum ff_conf_section section, const char *name, const char *key);
/* The limits that hook and core hold push options to. */
struct ff_option_limits ff_conf_option_limits(const struct ff_conf *c);

/* One line a key, "key = value  # origin"; secrets are never values of keys. For --print-config. */
void ff_conf_print(const struct ff_conf *c, struct ff_buf *out);
/* Everything as one file that loads to the same, whatever its sources were; fits FF_CONF_TEXT_MAX. */
void ff_conf_write(const struct ff_conf *c, struct ff_buf *out);
#define FF_CONF_TEXT_MAX (1024 * 1024)
/*
 * What the hook needs, as the flat "key value" lines of hook.conf (protocol.md);
 * the hook links the C library alone and cannot read git-config syntax.
 */
void ff_conf_write_hook_conf(const struct ff_conf *c, struct ff_buf *out);
/* Paths of our own, from state-dir and run-dir. Freed by ff_free. */
char *ff_conf_state_path(const struct ff_conf *c, const char *name);
char *ff_conf_run_path(const struct ff_conf *c, const char *name);
/* The file this configuration was read from, absolute; NULL: none. */
const char *ff_conf_file(const struct ff_conf *c);

#endif
