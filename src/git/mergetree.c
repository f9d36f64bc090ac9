/* SPDX-License-Identifier: MIT */
/* See mergetree.h. */
#include "git/mergetree.h"

#include <string.h>

#include "base/text.h"
#include "git/handover.h"
#include "git/lib.h"
#include "git/source.h"
#include "git/textmerge.h"
#include "merge/merge.h"

static int look_up(struct ff_git *git, const char *name, git_object **ret, struct ff_err *err)
{
	git_oid oid, lost = { .id = { 0 } };
	int rc;

	if (ff_oid_valid(name)) {
		if (ff_git_lib_oid(name, &oid, err) < 0)
			return -1;
		rc = git_object_lookup(ret, git->repo, &oid, GIT_OBJECT_ANY);
	} else {
		rc = ff_git_lib_rev(git, name, ret, &lost);
	}
	if (!git_oid_is_zero(&lost))
		return ff_git_lib_unread(git, &lost, rc, err);
	return rc < 0 ? ff_git_lib_fail(err, rc, "%.80s", name) : 0;
}

int ff_git_tree_named(struct ff_git *git, const char *name, struct ff_merge_id *ret_tree, struct ff_err *err)
{
	FF_AUTO(git_object_auto) git_object *obj = NULL, *tree = NULL;

	if (ff_oid_valid(name) && ff_oid_zero(name)) {
		*ret_tree = (struct ff_merge_id){ { 0 } };
		return 0;
	}
	if (look_up(git, name, &obj, err) < 0)
		return -1;
	*ret_tree = (struct ff_merge_id){ { 0 } };
	if (git_object_type(obj) == GIT_OBJECT_COMMIT) { /* without reading the tree: a merge may not need it */
		memcpy(ret_tree->b, git_commit_tree_id((git_commit *)obj)->id, GIT_OID_RAWSZ);
		return 0;
	}
	if (git_object_peel(&tree, obj, GIT_OBJECT_TREE) < 0)
		return ff_err_set(err, FF_E_INVALID, "%.80s leads to no tree", name);
	memcpy(ret_tree->b, git_object_id(tree)->id, GIT_OID_RAWSZ);
	return 0;
}

int ff_git_merge_trees(struct ff_git *git, const struct ff_merge *what, const struct ff_handover *handover,
		       struct ff_merge_result *ret, char **ret_why, struct ff_err *err)
{
	struct ff_merge full = *what;
	struct ff_merge_source source;
	struct ff_err why = { 0 };

	ff_git_source(git, &source);
	full.source = &source;
	full.text = ff_git_merge_text;
	full.text_arg = NULL;
	if (ff_merge(&full, ret, err) < 0)
		return -1;
	if (ret->hard && handover && ff_handover_merge(handover, git, &full, ret, &why) < 0 && ret_why)
		*ret_why = ff_strdup(why.text);
	return 0;
}
