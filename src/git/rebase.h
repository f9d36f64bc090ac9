/* SPDX-License-Identifier: MIT */
#ifndef FF_GIT_REBASE_H
#define FF_GIT_REBASE_H

/*
 * The rebase engine behind one call, so that another engine can take its
 * place.  It works on trees alone: no work folder, no index file, no merge
 * driver, no filter; it writes objects and moves no ref.
 *
 * The series is everything in tip that onto has not, oldest first, merge
 * commits left out.  Each commit keeps author, author date, message and
 * encoding; the committer is ours.  A commit that becomes empty is dropped,
 * one that was empty is kept, as git-rebase(1) does.  Words: "target" is the
 * side of onto, "change" the side of tip.
 */

#include "git/git.h"

/* done of total commits. Other than 0 ends the work with FF_E_CANCELLED. */
typedef int (*ff_rebase_progress_fn)(void *arg, size_t done, size_t total);

struct ff_rebase {
	const char *onto, *tip; /* commits */
	struct ff_git_person committer;
	size_t max_commits;     /* longer series are FF_E_TOO_LARGE; 0: no limit */
	ff_rebase_progress_fn progress; /* or NULL */
	void *arg;
};
struct ff_rebase_conflict {
	char *path;       /* bytes */
	const char *kind; /* static: "content", "added on both sides", ... */
};
struct ff_rebase_result { /* ff_rebase_result_fini */
	bool conflict;           /* stopped; the fields below say where */
	bool unchanged;          /* tip lies on onto already and was left as it is */
	char tip[FF_GIT_OID];    /* the new tip; after a conflict the last commit that applied */
	size_t total, applied, dropped;
	char at[FF_GIT_OID];     /* the commit of the series that conflicts, else "" */
	char *at_subject;        /* first line of its message, or NULL */
	size_t n_conflicts;
	struct ff_rebase_conflict *conflicts;
};
/* 0 also when it stops at a conflict. Unrelated histories are FF_E_GIT. */
int ff_rebase(struct ff_git *git, const struct ff_rebase *what, struct ff_rebase_result *ret_result,
	      struct ff_err *err);
void ff_rebase_result_fini(struct ff_rebase_result *result);

#endif
