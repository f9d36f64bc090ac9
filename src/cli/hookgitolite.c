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
 * would need GIT_CONFIG_KEYS widened to set it for one repository.
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

static char *place(const struct ff_hookwork *w, const char *type)
{
	return ff_asprintf("%s/" PLACE "/" FF_NAME "-%s", w->repo->path, type);
}

static int write_hook(struct ff_hookwork *w, const char *type, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = place(w, type);
	FF_AUTO(ff_free) char *lines = ff_asprintf("conf %s\n", w->conf_path);
	FF_AUTO(ff_free) char *what = ff_asprintf("write %s", path);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile now;
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, 65536);
	ff_hookfile_text(&text, w->program, type, lines);
	ff_hookfile_read(path, &now);
	if (now.kind == FF_HOOKFILE_FOREIGN)
		return ff_err_set(err, FF_E_CONFLICT, "%s is not ours: move it away", path);
	if (!strcmp(now.text.data, text.data) && access(path, X_OK) == 0)
		return 0;
	w->say(w->arg, false, what);
	return w->dry_run ? 0 : ff_file_write(path, text.data, text.len, 0755, err);
}

static int set_global(struct ff_hookwork *w, struct ff_err *err)
{
	const char *const advertise[] = { "config", "--global", "receive.advertisePushOptions", "true", NULL };
	const char *const hide[] = { "config", "--global", "--add", "receive.hideRefs", FF_REF_PRIVATE, NULL };

	if (!ff_hookgit_has(w->repo, "receive.advertisePushOptions", "true")) {
		w->say(w->arg, false, "git config --global receive.advertisePushOptions true");
		if (!w->dry_run && ff_hookgit_run(w->repo, advertise, NULL, err) != 0)
			return -1;
	}
	if (!ff_hookgit_has(w->repo, "receive.hideRefs", FF_REF_PRIVATE)) {
		w->say(w->arg, false, "git config --global --add receive.hideRefs " FF_REF_PRIVATE);
		if (!w->dry_run && ff_hookgit_run(w->repo, hide, NULL, err) != 0)
			return -1;
	}
	return 0;
}

int ff_hookgitolite_install(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_asprintf("%s/" PLACE, w->repo->path);

	if (!w->dry_run && ff_dir_make(dir, 0755, err) < 0)
		return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++)
		if (write_hook(w, types[i], err) < 0)
			return -1;
	if (set_global(w, err) < 0)
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
	w->say(w->arg, false, "note: take the 'option hook.*' lines of " FF_NAME " out of gitolite.conf first, and, if nothing "
	       "else needs it,\n  receive.advertisePushOptions and receive.hideRefs out of git's global configuration");
	return 0;
}
