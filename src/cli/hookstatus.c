/* SPDX-License-Identifier: MIT */
/* What `hooks status` finds in one repository: every way in which a push would not reach us. */
#include "cli/hookrepo.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/text.h"

static void problem(struct ff_hookwork *w, const char *fmt, ...) FF_PRINTF(2, 3);
static void problem(struct ff_hookwork *w, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	w->say(w->arg, true, text);
}

/* One of our files: does it name the program and the hook.conf of this installation, and may it run? */
static void check_script(struct ff_hookwork *w, const char *name, const char *type, const struct ff_hookfile *file)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->hooks, name);
	FF_AUTO(ff_free) char *conf = ff_hookfile_value(file, "conf");
	FF_AUTO(ff_free) char *kind = ff_asprintf(file->kind == FF_HOOKFILE_DISPATCH ? "dispatch:%s" : "%s", type);
	FF_AUTO(ff_buf_fini) struct ff_buf want;

	w->any = true;
	ff_buf_init(&want, 65536);
	ff_hookfile_text(&want, w->program, kind, "");
	if (!ff_starts(file->text.data, want.data))
		problem(w, "hooks/%s does not run %s as %s: install again", name, w->program, kind);
	if (access(path, X_OK) < 0)
		problem(w, "hooks/%s may not be run: chmod +x it", name);
	if (file->kind == FF_HOOKFILE_DIRECT && (!conf || strcmp(conf, w->conf_path)))
		problem(w, "hooks/%s reads %s instead of %s: install again", name, conf ? conf : "no hook.conf", w->conf_path);
}

static void check_type(struct ff_hookwork *w, const char *type)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->hooks, type);
	FF_AUTO(ff_free) char *name = NULL, *entry_path = NULL;
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile hook, entry;

	ff_hookfile_read(path, &hook);
	name = hook.folder ? ff_asprintf("%s/90-" FF_NAME, hook.folder) : ff_asprintf("%s.d/90-" FF_NAME, type);
	entry_path = ff_path_join(w->repo->hooks, name);
	ff_hookfile_read(entry_path, &entry);
	if (hook.kind == FF_HOOKFILE_DIRECT || hook.kind == FF_HOOKFILE_DISPATCH)
		check_script(w, type, type, &hook);
	if (hook.kind == FF_HOOKFILE_DIRECT)
		return;
	if (entry.kind == FF_HOOKFILE_DIRECT)
		check_script(w, name, type, &entry);
	if (hook.kind == FF_HOOKFILE_DISPATCH && entry.kind == FF_HOOKFILE_DIRECT)
		return;
	if (hook.kind == FF_HOOKFILE_FOREIGN && entry.kind == FF_HOOKFILE_DIRECT && ff_hookfile_runs_folder(&hook, type))
		return;
	problem(w, entry.kind == FF_HOOKFILE_DIRECT ? "hooks/%s runs no folder, so our entry is never run: install again"
		: "hooks/%s does not lead to " FF_NAME ": install it", type);
}

void ff_hookwork_status(struct ff_hookwork *w)
{
	static const char *const types[] = { "pre-receive", "post-receive" };
	FF_AUTO(ff_free) char *advertise = ff_hookgit_get(w->repo, NULL, "receive.advertisePushOptions");

	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++)
		check_type(w, types[i]);
	if (access(w->program, X_OK) < 0)
		problem(w, "%s is not there or may not be run: every push to a repository that names it fails", w->program);
	if (access(w->conf_path, R_OK) < 0)
		problem(w, "%s cannot be read: start " FF_DAEMON ", or install again as its account", w->conf_path);
	if (!advertise || (strcmp(advertise, "true") && strcmp(advertise, "yes") && strcmp(advertise, "on") && strcmp(advertise, "1")))
		problem(w, "receive.advertisePushOptions is not true, so a push with -o fails: install again");
	if (!ff_hookgit_has(w->repo, "receive.hideRefs", FF_REF_PRIVATE))
		problem(w, "receive.hideRefs does not name " FF_REF_PRIVATE ": install again");
}
