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

/* The hook.conf that our links read. Freed by ff_free. */
static char *linked_conf(const struct ff_hookwork *w)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->path, FF_HOOK_PLACE);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile place;
	char *conf;

	ff_hookfile_read(path, &place);
	conf = ff_hookfile_value(&place, "conf");
	return conf ? conf : ff_strdup(FF_DEFAULT_STATE_DIR "/hook.conf");
}

/* A script of ours: does it begin like one of today, and may it run? */
static void check_script(struct ff_hookwork *w, const char *name, const char *type, const struct ff_hookfile *file)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->hooks, name);
	FF_AUTO(ff_buf_fini) struct ff_buf want;

	ff_buf_init(&want, 65536);
	if (file->kind == FF_HOOKFILE_DISPATCH)
		ff_hookfile_dispatcher(&want, w->program, type, file->folder);
	else
		ff_hookfile_text(&want, w->program, type);
	if (!ff_starts(file->text.data, "#!/bin/sh\n"))
		problem(w, "hooks/%s is of an old form that refuses pushes when its program is missing: install again", name);
	else if (!ff_starts(file->text.data, want.data))
		problem(w, "hooks/%s does not run %s as %s: install again", name, w->program, type);
	if (access(path, X_OK) < 0)
		problem(w, "hooks/%s may not be run: chmod +x it", name);
}

/* One of our files: does it lead to the program and the hook.conf of this installation? forge: in a folder of the server's */
static void check_file(struct ff_hookwork *w, const char *name, const char *type, const struct ff_hookfile *file,
		       bool forge)
{
	FF_AUTO(ff_free) char *conf = file->link ? linked_conf(w) : ff_hookfile_value(file, "conf");
	bool linked = file->kind == FF_HOOKFILE_DIRECT && !forge && !w->repo->outside;

	w->any = true;
	if (file->link && !linked)
		problem(w, "hooks/%s is a link, which cannot know its type here: install again", name);
	else if (file->link && strcmp(file->link, w->program))
		problem(w, "hooks/%s does not run %s: it leads to %s; install again", name, w->program, file->link);
	else if (!file->link)
		check_script(w, name, type, file);
	if (!file->link && linked && ff_starts(file->text.data, "#!/bin/sh\n"))
		problem(w, "hooks/%s is a script where a link is faster: install again", name);
	if (file->kind == FF_HOOKFILE_DIRECT && (!conf || strcmp(conf, w->conf_path)))
		problem(w, "hooks/%s reads %s instead of %s: install again", name, conf ? conf : "no hook.conf", w->conf_path);
}

static void check_type(struct ff_hookwork *w, const char *type)
{
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->hooks, type);
	FF_AUTO(ff_free) char *name = NULL, *entry_path = NULL;
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile hook, entry;

	ff_hookfile_read(path, &hook);
	name = hook.folder ? ff_asprintf("%s/" FF_HOOK_ENTRY, hook.folder) : ff_asprintf("%s.d/" FF_HOOK_ENTRY, type);
	entry_path = ff_path_join(w->repo->hooks, name);
	ff_hookfile_read(entry_path, &entry);
	if (hook.kind == FF_HOOKFILE_DIRECT || hook.kind == FF_HOOKFILE_DISPATCH)
		check_file(w, type, type, &hook, false);
	if (hook.kind == FF_HOOKFILE_DIRECT)
		return;
	if (entry.kind == FF_HOOKFILE_DIRECT)
		check_file(w, name, type, &entry, hook.kind != FF_HOOKFILE_DISPATCH);
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
		problem(w, "%s is missing or may not be run: pushes go on without it and start no job; install " FF_NAME
			" again, or uninstall the hooks", w->program);
	if (access(w->conf_path, R_OK) < 0)
		problem(w, "%s cannot be read: start " FF_DAEMON ", or install again as its account", w->conf_path);
	if (!advertise || (strcmp(advertise, "true") && strcmp(advertise, "yes") && strcmp(advertise, "on") && strcmp(advertise, "1")))
		problem(w, "receive.advertisePushOptions is not true, so a push with -o fails: install again");
	if (!ff_hookgit_has(w->repo, "receive.hideRefs", FF_REF_PRIVATE))
		problem(w, "receive.hideRefs does not name " FF_REF_PRIVATE ": install again");
	ff_hooktidy_status(w);
}
