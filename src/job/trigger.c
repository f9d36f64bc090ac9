/* SPDX-License-Identifier: MIT */
/*
 * Which pushes are for us, and the names that come from a pushed ref.  What
 * the ref name and the options alone can tell is decided here; the rest is
 * asked of the repository (spec.c).
 */
#include "job/spec.h"

#include <string.h>

#include "base/names.h"
#include "base/text.h"

/* The source becomes one part of a ref name; file names end at 255 bytes, ".lock" and a number included. */
#define FF_SOURCE_NAME_MAX 150
#define FF_TASK_NAME_MAX 200

static bool in_list(const char *const *list, const char *s)
{
	for (size_t i = 0; list && list[i]; i++)
		if (!strcmp(list[i], s))
			return true;
	return false;
}

static const char *matching_glob(const struct ff_policy *p, const char *ref)
{
	for (size_t i = 0; p->trigger_globs && p->trigger_globs[i]; i++)
		if (ff_glob_match(p->trigger_globs[i], ref))
			return p->trigger_globs[i];
	return NULL;
}

static bool below(const char *ref, const char *folder)
{
	size_t n = strlen(folder);

	return !strncmp(ref, folder, n) && (ref[n] == '/' || !ref[n]);
}

/* A branch a would make it impossible to write a/b, and the other way round. */
static bool in_the_way(const char *branch, const char *prefix)
{
	size_t n = strlen(branch);

	return !strncmp(prefix, branch, n) && prefix[n] == '/';
}

static enum ff_trigger hint(const char **ret_hint, const char *text)
{
	*ret_hint = text;
	return FF_TRIGGER_HINT;
}

static enum ff_trigger branch_triggers(const struct ff_policy *p, const char *ref, const struct ff_options *options,
				       const char **ret_hint)
{
	const char *branch = ref + strlen(FF_HEADS);
	bool designated = matching_glob(p, ref) != NULL;

	if (ff_starts(branch, p->result_prefix) || ff_starts(branch, p->conflict_prefix)) {
		if (!options->any)
			return FF_TRIGGER_NO;
		return hint(ret_hint, "no job: result branches start none; push this commit to another branch");
	}
	if (!designated && !options->any)
		return FF_TRIGGER_NO;
	if (in_the_way(branch, p->result_prefix) || in_the_way(branch, p->conflict_prefix))
		return hint(ret_hint, "no job: a branch of this name leaves no room for result branches");
	if (!designated && !p->trigger_options)
		return hint(ret_hint, "no job: this server starts jobs on its task branches only");
	return options->has_task ? FF_TRIGGER_JOB : FF_TRIGGER_ASK;
}

enum ff_trigger ff_policy_triggers(const struct ff_policy *p, const char *ref, const char *old_oid,
				   const char *new_oid, const char *pusher,
				   const struct ff_options *options, const char **ret_hint)
{
	if (ff_oid_zero(new_oid) || !strcmp(old_oid, new_oid) || options->skip)
		return FF_TRIGGER_NO;
	if (pusher && in_list(p->ignore_pushers, pusher))
		return FF_TRIGGER_NO;
	if (below(ref, FF_REF_PRIVATE) || below(ref, "refs/notes"))
		return FF_TRIGGER_NO;
	if (!ff_ref_valid(ref) && (options->any || matching_glob(p, ref)))
		return hint(ret_hint, "no job: the name of this ref is too long");
	if (ff_starts(ref, FF_HEADS))
		return branch_triggers(p, ref, options, ret_hint);
	if (!options->any)
		return FF_TRIGGER_NO;
	return hint(ret_hint, "no job: only branches start jobs");
}

/* The branch without what a matching glob says in front of its first wildcard, up to the last slash. */
static const char *without_trigger_prefix(const struct ff_policy *p, const char *ref)
{
	const char *glob = matching_glob(p, ref);
	size_t n = glob ? strcspn(glob, "*?") : 0;

	while (n && glob[n - 1] != '/')
		n--;
	if (n < strlen(FF_HEADS))
		n = ff_starts(ref, FF_HEADS) ? strlen(FF_HEADS) : 0;
	return ref + n;
}

char *ff_spec_task_file_name(const struct ff_policy *p, const char *ref)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *name = without_trigger_prefix(p, ref);
	size_t n = strspn(name, allowed);

	if (!ff_starts(ref, FF_HEADS) || n == 0 || n > FF_TASK_NAME_MAX || name[0] == '.' || (name[n] && name[n] != '/'))
		return NULL;
	return ff_memdup0(name, n);
}

char *ff_spec_source_name(const struct ff_policy *p, const char *ref)
{
	const char *name = without_trigger_prefix(p, ref);
	size_t n = strlen(name);
	char *s;

	if (n == 0)
		return ff_strdup("branch");
	s = ff_memdup0(name, ff_utf8_cut(name, n, FF_SOURCE_NAME_MAX));
	for (char *slash = s; (slash = strchr(slash, '/'));)
		*slash = '-';
	return s;
}
