/* SPDX-License-Identifier: MIT */
#ifndef FF_CLI_HOOKREPO_H
#define FF_CLI_HOOKREPO_H

/*
 * One repository and the hook files in it, for hooks.c alone.
 *
 * ff_hookrepo_open() takes on the account that owns the repository when we
 * are root, so that new files belong to it and no link of its making leads
 * root astray; ff_hookrepo_close() takes it off again.  In between:
 * ff_hookgit_* run git, ff_hookfile_* read and name hook files, and one of
 * ff_hookwork_install, _uninstall and _status does the work.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct ff_hookrepo {
	char *path;     /* real path of the bare repository */
	char *hooks;    /* absolute path of its hooks folder, which may not be there */
	char *home;     /* of the owner, for git's configuration */
	uid_t owner;
	bool outside;   /* the hooks folder is not inside the repository */
	bool switched;  /* we took on the owner's account */
	gid_t *groups;  /* ours, to take back */
	int n_groups;
};

/* must_own: refuse unless we are the owner or root. close must be called also after a failure. */
int ff_hookrepo_open(const char *path, bool must_own, struct ff_hookrepo *repo, struct ff_err *err);
/* The account's part of it alone, for a folder that is no repository. */
int ff_hookrepo_enter(const char *path, bool must_own, struct ff_hookrepo *repo, struct ff_err *err);
void ff_hookrepo_close(struct ff_hookrepo *repo);

/* Runs git with the arguments, NULL-terminated; its exit status, or -1. err holds what git said when not 0. */
int ff_hookgit_run(const struct ff_hookrepo *repo, const char *const *args, struct ff_buf *out, struct ff_err *err);
/* The last value that git uses in this repository, without newline; NULL: not set. file NULL: all files. */
char *ff_hookgit_get(const struct ff_hookrepo *repo, const char *file, const char *key);
/* `git config VERB KEY [VALUE]` on the repository's own file. */
int ff_hookgit_set(const struct ff_hookrepo *repo, const char *verb, const char *key, const char *value,
		   struct ff_err *err);
/* Whether one of the values of key is this. */
bool ff_hookgit_has(const struct ff_hookrepo *repo, const char *key, const char *value);

enum ff_hookfile_kind { FF_HOOKFILE_ABSENT, FF_HOOKFILE_FOREIGN, FF_HOOKFILE_DIRECT, FF_HOOKFILE_DISPATCH };
struct ff_hookfile {
	enum ff_hookfile_kind kind;
	struct ff_buf text;
	char *link;               /* target of a symbolic link; NULL: none. DIRECT: to the program, text is empty */
	char *folder, *previous;  /* of our dispatcher: its folder, and the hook that was here */
	char *previous_link;      /* the link that it was; NULL: a file */
	dev_t dev;
	ino_t ino;
};
/* Never fails: what cannot be read is foreign. */
void ff_hookfile_read(const char *path, struct ff_hookfile *file);
void ff_hookfile_fini(struct ff_hookfile *file);
/* What stands behind "key " on a line; NULL: no such line. Freed by ff_free. */
char *ff_hookfile_value(const struct ff_hookfile *file, const char *key);
/* Whether it runs what lies in TYPE.d by itself, as the delegates of forges do. */
bool ff_hookfile_runs_folder(const struct ff_hookfile *file, const char *type);
/* Whether gitolite puts it back each time it is set up. */
bool ff_hookfile_of_gitolite(const struct ff_hookfile *file);
/*
 * Texts of hook files, to be followed by lines of memory, each with its
 * newline.  Both do no harm when the program is gone: one where a server
 * renames hooks, so that a link to the program could not say its type, and the
 * dispatcher, which then runs the folder itself.
 */
void ff_hookfile_text(struct ff_buf *out, const char *program, const char *type);
void ff_hookfile_dispatcher(struct ff_buf *out, const char *program, const char *type, const char *folder);

struct ff_hookwork {
	const struct ff_hookrepo *repo;
	const char *program, *conf_path;
	bool dry_run;
	bool maintain;             /* the daemon tidies repositories (maintenance.enabled) */
	bool any;                  /* something of ours is there (status) */
	void (*say)(void *arg, bool problem, const char *text); /* a change made, or a problem */
	void *arg;
};
int ff_hookwork_install(struct ff_hookwork *w, struct ff_err *err);
int ff_hookwork_uninstall(struct ff_hookwork *w, struct ff_err *err);
void ff_hookwork_status(struct ff_hookwork *w);

/* Who tidies the repository; hooktidy.c says why there is more than one answer. */
enum ff_hooktidy {
	FF_HOOKTIDY_OTHERS, /* somebody decided so, or ours is off: leave it */
	FF_HOOKTIDY_UNSET,  /* nobody decided: ours is to be set */
	FF_HOOKTIDY_OURS,
	FF_HOOKTIDY_HALF,   /* ours is set, and git still tidies within pushes */
	FF_HOOKTIDY_ORPHAN, /* ours is set, but the daemon tidies no longer */
};
enum ff_hooktidy ff_hooktidy_is(const struct ff_hookwork *w);
int ff_hooktidy_on(struct ff_hookwork *w, struct ff_err *err);
/* before: a file with the configuration as it was before ours was set. */
int ff_hooktidy_off(struct ff_hookwork *w, const char *before, struct ff_err *err);
void ff_hooktidy_status(struct ff_hookwork *w);

/* The same for gitolite's LOCAL_CODE folder, which repo stands for. */
int ff_hookgitolite_install(struct ff_hookwork *w, struct ff_err *err);
int ff_hookgitolite_uninstall(struct ff_hookwork *w, struct ff_err *err);

#endif
