/* SPDX-License-Identifier: MIT */
#ifndef FF_CONF_PARTS_H
#define FF_CONF_PARTS_H

/*
 * What a struct ff_conf is made of, and how mistakes are gathered while it is
 * filled.  Inside the room conf only; callers use the getters of conf.h.
 */

#include "base/buf.h"
#include "conf/conf.h"
#include "conf/syntax.h"

/* Sections with a name: more of them than this is a mistake. */
#define FF_CONF_SECTIONS_MAX 1000
/* Values of one list, variables of one environment. */
#define FF_CONF_ITEMS_MAX 1000
/* Bytes of one list: two of them and the rest fit into the 256 KiB that the hook reads. */
#define FF_CONF_LIST_BYTES_MAX (64 * 1024)

/* Strings that grow; NULL-terminated once there is one. */
struct ff_conf_strings {
	char **items;
	size_t count;
};

struct ff_conf_value {
	char *text;   /* all types but LIST */
	int64_t num;  /* INT SIZE TIME BOOL MONEY */
	struct ff_conf_strings list;
	char *origin; /* NULL: the built-in default */
	bool bad;     /* a value for it was refused: no use in checking it against others */
};

/* The keys of a [branch] section. */
enum ff_conf_branch_key {
	FF_CONF_BRANCH_TASK, FF_CONF_BRANCH_TARGET, FF_CONF_BRANCH_DRIVER, FF_CONF_BRANCH_ENVIRONMENT,
	FF_CONF_BRANCH_SECRETS, FF_CONF_BRANCH_RUNGS, FF_CONF_BRANCH_KEYS
};
/* Their names, NULL-terminated. */
extern const char *const ff_conf_branch_keys[FF_CONF_BRANCH_KEYS + 1];

struct ff_conf_branch {
	char *glob;           /* as written */
	char *full;           /* as matched: with refs/heads/ */
	char *value[FF_CONF_BRANCH_KEYS]; /* NULL: not set */
	char *origin[FF_CONF_BRANCH_KEYS];
};

struct ff_conf_env {
	char *name;
	char *origin;
	struct ff_conf_strings variables; /* NAME=value */
};

/* One key of a section that is in named.c. */
struct ff_conf_named {
	enum ff_conf_section section;
	char *name;
	const char *key; /* static */
	char *text, *origin;
	int64_t num;
};

struct ff_conf {
	char *file;
	struct ff_conf_value values[FF_CONF_KEYS];
	struct ff_conf_branch *branches; /* in the order of their first appearance */
	size_t branch_count;
	struct ff_conf_env *envs;
	size_t env_count;
	struct ff_conf_strings env_names;
	struct ff_conf_named *named; /* in the order of their first appearance */
	size_t named_count;
};

/* More mistakes than this are no longer told apart: a reload of a file of rubbish must not hold core up. */
#define FF_CONF_ERRORS_MAX 100

/* Every mistake goes to report, the first one to err; both may be NULL. */
struct ff_conf_errors {
	struct ff_buf *report;
	struct ff_err *err;
	unsigned count;
};

/* "origin: text". */
void ff_conf_error(struct ff_conf_errors *errors, enum ff_err_code code, const char *origin,
		   const char *fmt, ...) FF_PRINTF(4, 5);

/* Takes the string. */
void ff_conf_strings_add(struct ff_conf_strings *s, char *item);
void ff_conf_strings_fini(struct ff_conf_strings *s);

/* sections.c: [branch "GLOB"] and [environment "NAME"]; the entry has a subsection. */
void ff_conf_sections_branch(struct ff_conf *c, const struct ff_conf_entry *entry, const char *origin,
			     struct ff_conf_errors *errors);
void ff_conf_sections_environment(struct ff_conf *c, const struct ff_conf_entry *entry,
				  const char *origin, struct ff_conf_errors *errors);
void ff_conf_sections_fini(struct ff_conf *c);

/* named.c: the sections of enum ff_conf_section; the entry has a subsection. */
int ff_conf_named_section(const char *word, enum ff_conf_section *ret); /* -1: none of them */
const char *ff_conf_named_word(enum ff_conf_section section);
void ff_conf_named_set(struct ff_conf *c, enum ff_conf_section section, const struct ff_conf_entry *entry,
		       const char *origin, struct ff_conf_errors *errors);
void ff_conf_named_fini(struct ff_conf *c);

/* check.c: what a value must be beyond its type, and what all must be to each other. */
int ff_conf_check_value(enum ff_conf_key key, const char *text, struct ff_err *err);
/* "VARIABLE=NAME NAME ...": which secrets a job gets in which variables. */
int ff_conf_check_job_secrets(const char *text, struct ff_err *err);
void ff_conf_check_all(const struct ff_conf *c, struct ff_conf_errors *errors);

#endif
