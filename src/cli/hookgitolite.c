/* SPDX-License-Identifier: MIT */
/*
 * gitolite.  Its access rules run in the update hook, which it links into
 * every repository from ~/.gitolite/hooks/common, and core.hooksPath would
 * switch them off.  Of the two places it has for hooks of others,
 * LOCAL_CODE/hooks/common is linked over the hooks of all repositories at
 * each setup; so we use LOCAL_CODE/hooks/repo-specific, where gitolite.conf
 * says by name which repository runs us, beside other hooks of the same kind.
 *
 * gitolite passes push options on.  That they are offered is git's own
 * setting, made in the configuration of the hosting account, since gitolite
 * would need GIT_CONFIG_KEYS widened to set it for one repository.  What was
 * set there is noted in LOCAL_CODE, so that uninstall takes back that alone.
 */
#include "cli/hookrepo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"

#define PLACE "hooks/repo-specific"

static const char *const types[] = { "pre-receive", "post-receive" };

static const struct setting {
	const char *key, *value;
	const char *mark; /* file that says it was us, with the value before */
	bool list;        /* ours is one value of several */
} settings[] = {
	{ "receive.advertisePushOptions", "true", "set-advertise", false },
	{ "receive.hideRefs", FF_REF_PRIVATE, "set-hide", true },
};

static char *place(const struct ff_hookwork *w, const char *type)
{
	return ff_asprintf("%s/" PLACE "/" FF_NAME "-%s", w->repo->path, type);
}

static int write_hook(struct ff_hookwork *w, const char *type, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = place(w, type);
	FF_AUTO(ff_free) char *what = ff_asprintf("write %s", path);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile now;
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, 65536);
	ff_hookfile_text(&text, w->program, type);
	(void)ff_buf_addf(&text, "conf %s\n", w->conf_path);
	ff_hookfile_read(path, &now);
	if (now.kind == FF_HOOKFILE_FOREIGN)
		return ff_err_set(err, FF_E_CONFLICT, "%s is not ours: move it away", path);
	if (!strcmp(now.text.data, text.data) && access(path, X_OK) == 0)
		return 0;
	w->say(w->arg, false, what);
	return w->dry_run ? 0 : ff_file_write(path, text.data, text.len, 0755, err);
}

/* ---- configuration of the account */

static char *mark_path(const struct ff_hookwork *w, const char *name)
{
	return ff_asprintf("%s/" FF_NAME "/%s", w->repo->path, name);
}

static void say_config(struct ff_hookwork *w, const char *verb, const char *key, const char *value)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("git config --global %s%s%s %s", verb, *verb ? " " : "", key, value);

	w->say(w->arg, false, text);
}

/* Noted before it is done: after an interruption a note without its setting does no harm. */
static int note_setting(struct ff_hookwork *w, const struct setting *s, struct ff_err *err)
{
	const char *const get[] = { "config", "--global", "--get", s->key, NULL };
	FF_AUTO(ff_free) char *dir = mark_path(w, "");
	FF_AUTO(ff_free) char *path = mark_path(w, s->mark);
	FF_AUTO(ff_buf_fini) struct ff_buf before;

	ff_buf_init(&before, 65536);
	if (!s->list && ff_hookgit_run(w->repo, get, &before, NULL) != 0)
		ff_buf_clear(&before); /* it was not set */
	if (ff_dir_make(dir, 0755, err) < 0)
		return -1;
	return ff_file_write(path, before.data, before.len, 0644, err);
}

static int set_global(struct ff_hookwork *w, const struct setting *s, struct ff_err *err)
{
	const char *const add[] = { "config", "--global", "--add", s->key, s->value, NULL };
	const char *const set[] = { "config", "--global", s->key, s->value, NULL };

	if (ff_hookgit_has(w->repo, s->key, s->value))
		return 0;
	say_config(w, s->list ? "--add" : "", s->key, s->value);
	if (w->dry_run)
		return 0;
	if (note_setting(w, s, err) < 0)
		return -1;
	return ff_hookgit_run(w->repo, s->list ? add : set, NULL, err) == 0 ? 0 : -1;
}

/* Only while it has the value that we gave it. */
static int restore(struct ff_hookwork *w, const struct setting *s, const char *before, struct ff_err *err)
{
	FF_AUTO(ff_free) char *pattern = ff_asprintf("^%s$", s->value);
	const char *const set[] = { "config", "--global", s->key, before, NULL };
	const char *const unset[] = { "config", "--global", "--unset-all", s->key, pattern, NULL };

	if (!ff_hookgit_has(w->repo, s->key, s->value))
		return 0;
	say_config(w, *before ? "" : "--unset-all", s->key, *before ? before : s->value);
	if (w->dry_run)
		return 0;
	return ff_hookgit_run(w->repo, *before ? set : unset, NULL, err) == 0 ? 0 : -1;
}

static int unset_global(struct ff_hookwork *w, const struct setting *s, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = mark_path(w, s->mark);
	FF_AUTO(ff_buf_fini) struct ff_buf before;

	ff_buf_init(&before, 65536);
	if (access(path, F_OK) < 0)
		return 0; /* it was not us */
	if (ff_file_read(path, &before, err) < 0)
		return -1;
	before.data[strcspn(before.data, "\n")] = '\0';
	if (restore(w, s, before.data, err) < 0)
		return -1;
	return w->dry_run || unlink(path) == 0 ? 0 : ff_err_errno(err, "%s", path);
}

int ff_hookgitolite_install(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_asprintf("%s/" PLACE, w->repo->path);

	if (!w->dry_run && ff_dir_make(dir, 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++)
		if (write_hook(w, types[i], err) < 0)
			return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(settings); i++)
		if (set_global(w, &settings[i], err) < 0)
			return -1;
	w->say(w->arg, false, "note: in the rc, set LOCAL_CODE to this folder and enable 'repo-specific-hooks'");
	w->say(w->arg, false, "note: in gitolite.conf, for each repository that should start jobs:\n"
	       "    option hook.pre-receive  = " FF_NAME "-pre-receive\n"
	       "    option hook.post-receive = " FF_NAME "-post-receive\n"
	       "  then push gitolite-admin, or run: gitolite compile && gitolite trigger POST_COMPILE");
	return 0;
}

int ff_hookgitolite_uninstall(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *marks = mark_path(w, "");

	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++) {
		FF_AUTO(ff_free) char *path = place(w, types[i]);
		FF_AUTO(ff_free) char *what = ff_asprintf("remove %s", path);
		FF_AUTO(ff_hookfile_fini) struct ff_hookfile now;

		ff_hookfile_read(path, &now);
		if (now.kind != FF_HOOKFILE_DIRECT)
			continue;
		w->say(w->arg, false, what);
		if (!w->dry_run && unlink(path) < 0)
			return ff_err_errno(err, "%s", path);
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(settings); i++)
		if (unset_global(w, &settings[i], err) < 0)
			return -1;
	if (!w->dry_run && rmdir(marks) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return ff_err_errno(err, "%s: rmdir", marks);
	w->say(w->arg, false, "note: take the 'option hook.*' lines of " FF_NAME " out of gitolite.conf; repositories of this "
	       "account\n  that have our hooks otherwise need 'hooks install' once more");
	return 0;
}
