/* SPDX-License-Identifier: MIT */
/*
 * Who tidies the repository.  With ours on, git's own gc stays out of pushes
 * (receive.autogc = false) because the daemon does its work at other times
 * (daemon/keeper).  One without the other would be worse than nothing, so both
 * are set and taken back together, and only where nobody has a way of his own:
 * gc.auto = 0 or receive.autogc = false were somebody's wish.
 */
#include "cli/hookrepo.h"

#include <string.h>

#include "base/names.h"
#include "base/text.h"

#define AUTOGC "receive.autogc"

/* Its value by git's rules; -1: it is not set, or is no such value. file NULL: all files. */
static int bool_of(const struct ff_hookrepo *repo, const char *file, const char *key)
{
	const char *const all[] = { "config", "--type=bool", "--get", key, NULL };
	const char *const one[] = { "config", "--file", file, "--type=bool", "--get", key, NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 65536);
	if (ff_hookgit_run(repo, file ? one : all, &out, NULL) != 0)
		return -1;
	return !strcmp(out.data, "true\n");
}

static bool gc_is_off(const struct ff_hookrepo *repo)
{
	static const char *const args[] = { "config", "--type=int", "--get", "gc.auto", NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 65536);
	return ff_hookgit_run(repo, args, &out, NULL) == 0 && (out.data[0] == '-' || !strcmp(out.data, "0\n"));
}

enum ff_hooktidy ff_hooktidy_is(const struct ff_hookwork *w)
{
	int ours = bool_of(w->repo, NULL, FF_KEY_MAINTENANCE), autogc = bool_of(w->repo, NULL, AUTOGC);

	if (ours == 1 && !w->maintain)
		return FF_HOOKTIDY_ORPHAN;
	if (ours == 1)
		return gc_is_off(w->repo) ? FF_HOOKTIDY_OTHERS : autogc == 0 ? FF_HOOKTIDY_OURS : FF_HOOKTIDY_HALF;
	if (!w->maintain || ours == 0 || autogc == 0 || gc_is_off(w->repo))
		return FF_HOOKTIDY_OTHERS;
	return FF_HOOKTIDY_UNSET;
}

int ff_hooktidy_on(struct ff_hookwork *w, struct ff_err *err)
{
	if (ff_hookgit_set(w->repo, "--replace-all", FF_KEY_MAINTENANCE, "true", err) < 0)
		return -1;
	return ff_hookgit_set(w->repo, "--replace-all", AUTOGC, "false", err);
}

static int put_back(struct ff_hookwork *w, const char *before, const char *key, struct ff_err *err)
{
	FF_AUTO(ff_free) char *had = ff_hookgit_get(w->repo, before, key);
	FF_AUTO(ff_free) char *has = ff_hookgit_get(w->repo, "config", key);

	if (had)
		return has && !strcmp(had, has) ? 0 : ff_hookgit_set(w->repo, "--replace-all", key, had, err);
	return has ? ff_hookgit_set(w->repo, "--unset-all", key, NULL, err) : 0;
}

int ff_hooktidy_off(struct ff_hookwork *w, const char *before, struct ff_err *err)
{
	FF_AUTO(ff_free) char *has = ff_hookgit_get(w->repo, "config", FF_KEY_MAINTENANCE);

	/* Without our mark, what is set now is not of our making. */
	if (!has)
		return 0;
	return put_back(w, before, AUTOGC, err) < 0 ? -1 : put_back(w, before, FF_KEY_MAINTENANCE, err);
}

void ff_hooktidy_status(struct ff_hookwork *w)
{
	switch (ff_hooktidy_is(w)) {
	case FF_HOOKTIDY_OURS:
		w->say(w->arg, false, "note: the daemon tidies this repository, " AUTOGC " is false");
		break;
	case FF_HOOKTIDY_OTHERS:
		break;
	case FF_HOOKTIDY_UNSET:
	case FF_HOOKTIDY_HALF:
		w->say(w->arg, true, AUTOGC " is not false, so git tidies within pushes: install again, or set "
		       FF_KEY_MAINTENANCE " = false");
		break;
	case FF_HOOKTIDY_ORPHAN:
		w->say(w->arg, true, "nobody tidies this repository, since maintenance.enabled is false: install again, which gives "
		       "that back to git, or set it to true");
		break;
	}
}
