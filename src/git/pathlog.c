/* SPDX-License-Identifier: MIT */
/* See pathlog.h. */
#include "git/pathlog.h"

#include <string.h>

#include "git/lib.h"

static void walk_free(git_revwalk **walk)
{
	git_revwalk_free(*walk);
}

/* What the commit's tree has there; all zeros: nothing. */
static int entry_of(git_commit *c, const char *path, git_oid *ret, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *tree = NULL;
	git_tree_entry *e = NULL;
	int rc = git_commit_tree(&tree, c);

	memset(ret, 0, sizeof *ret);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "tree of a commit");
	rc = git_tree_entry_bypath(&e, tree, path);
	if (rc == 0)
		git_oid_cpy(ret, git_tree_entry_id(e));
	git_tree_entry_free(e);
	return rc == 0 || rc == GIT_ENOTFOUND ? 0 : ff_git_lib_fail(err, rc, "tree of a commit");
}

/* 1: it changed the file. */
static int changed(git_commit *c, const char *path, struct ff_err *err)
{
	FF_AUTO(git_commit_auto) git_commit *parent = NULL;
	git_oid now, old = { { 0 } };
	int rc;

	if (entry_of(c, path, &now, err) < 0)
		return -1;
	if (git_commit_parentcount(c)) {
		rc = git_commit_parent(&parent, c, 0);
		if (rc < 0)
			return ff_git_lib_fail(err, rc, "parent of a commit");
		if (entry_of(parent, path, &old, err) < 0)
			return -1;
	}
	return !git_oid_equal(&now, &old);
}

static int look(struct ff_git *git, git_revwalk *walk, const struct ff_git_path_log *what, char **list, struct ff_err *err)
{
	size_t n = 0;
	git_oid id;
	int rc = 0;

	for (size_t i = 0; i < what->most_commits && n < what->most_messages && (rc = git_revwalk_next(&id, walk)) == 0; i++) {
		FF_AUTO(git_commit_auto) git_commit *c = NULL;
		int is;

		rc = git_commit_lookup(&c, git->repo, &id);
		if (rc < 0)
			break;
		if (git_commit_parentcount(c) > 1)
			continue;
		is = changed(c, what->path, err);
		if (is < 0)
			return -1;
		if (is)
			list[n++] = ff_strdup(git_commit_message_raw(c));
	}
	return rc < 0 && rc != GIT_ITEROVER ? ff_git_lib_fail(err, rc, "history of %s", what->tip) : 0;
}

int ff_git_path_log(struct ff_git *git, const struct ff_git_path_log *what, char ***ret_messages, struct ff_err *err)
{
	FF_AUTO(ff_git_paths_free) char **list = ff_calloc(what->most_messages + 1, sizeof *list);
	FF_AUTO(walk_free) git_revwalk *walk = NULL;
	git_oid tip, without;
	int rc = git_oid_fromstr(&tip, what->tip);

	if (rc == 0)
		rc = git_oid_fromstr(&without, what->without);
	if (rc == 0)
		rc = git_revwalk_new(&walk, git->repo);
	if (rc == 0)
		rc = git_revwalk_push(walk, &tip);
	if (rc == 0)
		rc = git_revwalk_hide(walk, &without);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "history of %s", what->tip);
	if (look(git, walk, what, list, err) < 0)
		return -1;
	*ret_messages = ff_steal(&list);
	return 0;
}
