/* SPDX-License-Identifier: MIT */
/*
 * Install, uninstall and status of one repository.  Every step leaves a
 * repository whose pushes work: new files are made beside the old ones, and
 * one rename(2) puts them into force, so that an interrupted run is finished
 * or taken back by another.
 *
 * Where a hook of others is in the way it moves into a folder, which our
 * dispatcher runs in its place; a link keeps its target.  What configuration
 * was before is kept in the folder FF_NAME of the repository.
 */
#include "cli/hookrepo.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/text.h"

#define CONFIG_MAX (4 * 1024 * 1024)
#define ADVERTISE "receive.advertisePushOptions"
#define HIDE "receive.hideRefs"
/* git asks for all refs of the repository, the hidden ones too, when it looks at what a push brought. */
#define NARROW "core.alternateRefsPrefixes"
#define NARROW_TO "refs/heads refs/tags"

static const char *const types[] = { "pre-receive", "post-receive" };

/* ---- saying and writing */

static void say(struct ff_hookwork *w, bool problem, const char *fmt, ...) FF_PRINTF(3, 4);
static void say(struct ff_hookwork *w, bool problem, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	w->say(w->arg, problem, text);
}

static char *below(const struct ff_hookwork *w, const char *folder, const char *name)
{
	return ff_asprintf("%s/%s%s%s", w->repo->hooks, folder, *folder ? "/" : "", name);
}

static char *record(const struct ff_hookwork *w, const char *name)
{
	return ff_asprintf("%s/" FF_NAME "/%s", w->repo->path, name);
}

/* The file with exactly this content and the right to run; says so when that is a change. */
static int write_script(struct ff_hookwork *w, const char *folder, const char *name, const struct ff_buf *text,
			struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = below(w, folder, name);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile now;

	ff_hookfile_read(path, &now);
	if (!strcmp(now.text.data, text->data) && !now.link && access(path, X_OK) == 0)
		return 0;
	say(w, false, "write hooks/%s%s%s", folder, *folder ? "/" : "", name);
	return w->dry_run ? 0 : ff_file_write(path, text->data, text->len, 0755, err);
}

/* Where hook.conf is, for our links; see linked_conf() of flowforge-hook.c. */
static int write_place(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = record(w, "");
	FF_AUTO(ff_free) char *path = ff_path_join(w->repo->path, FF_HOOK_PLACE);
	FF_AUTO(ff_free) char *want = ff_asprintf("# Read by the hooks of " FF_NAME ".\nconf %s\n", w->conf_path);
	FF_AUTO(ff_buf_fini) struct ff_buf have;

	ff_buf_init(&have, 65536);
	if (ff_file_read(path, &have, NULL) == 0 && !strcmp(have.data, want))
		return 0;
	say(w, false, "write " FF_HOOK_PLACE);
	if (w->dry_run)
		return 0;
	return ff_dir_make(dir, 0755, err) < 0 ? -1 : ff_file_write(path, want, strlen(want), 0644, err);
}

/* git takes a link that leads nowhere for no hook, so that pushes go on when the program is gone. */
static int write_link(struct ff_hookwork *w, const char *folder, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = below(w, folder, "");
	FF_AUTO(ff_free) char *path = below(w, folder, name);
	FF_AUTO(ff_free) char *tmp = below(w, folder, "." FF_NAME "-new");
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile now;

	ff_hookfile_read(path, &now);
	if (write_place(w, err) < 0)
		return -1;
	if (now.link && !strcmp(now.link, w->program))
		return 0;
	say(w, false, "link hooks/%s%s%s to %s", folder, *folder ? "/" : "", name, w->program);
	if (w->dry_run)
		return 0;
	if ((unlink(tmp) < 0 && errno != ENOENT) || symlink(w->program, tmp) < 0 || rename(tmp, path) < 0)
		return ff_err_errno(err, "%s", path);
	return ff_dir_sync(dir, err);
}

/* With the type and hook.conf in it, for a place where a link would not know them. */
static int write_guarded(struct ff_hookwork *w, const char *folder, const char *name, const char *type,
			 struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, 65536);
	ff_hookfile_text(&text, w->program, type);
	(void)ff_buf_addf(&text, "conf %s\n", w->conf_path);
	return write_script(w, folder, name, &text, err);
}

/* As TYPE itself, or as our entry in the folder of our dispatcher. */
static int write_hook(struct ff_hookwork *w, const char *folder, const char *name, const char *type, struct ff_err *err)
{
	/* A folder outside is run for repositories that have no file to say where hook.conf is. */
	return w->repo->outside ? write_guarded(w, folder, name, type, err) : write_link(w, folder, name, err);
}

/* Makes hooks/NAME ("": hooks itself) and notes that it was us, so that uninstall removes it. */
static int make_folder(struct ff_hookwork *w, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = *name ? below(w, "", name) : ff_strdup(w->repo->hooks);
	FF_AUTO(ff_free) char *made = NULL, *mine = record(w, "");
	struct stat st;

	if (stat(path, &st) == 0 || w->dry_run)
		return 0;
	made = ff_asprintf("%smade-%s", mine, *name ? name : "hooks");
	if (ff_dir_make(mine, 0755, err) < 0 || ff_file_write(made, "", 0, 0644, err) < 0)
		return -1;
	return ff_dir_make(path, 0755, err);
}

static int remove_folder(struct ff_hookwork *w, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = *name ? below(w, "", name) : ff_strdup(w->repo->hooks);
	FF_AUTO(ff_free) char *mark = ff_asprintf("made-%s", *name ? name : "hooks");
	FF_AUTO(ff_free) char *made = record(w, mark);

	if (access(made, F_OK) < 0 || w->dry_run)
		return 0;
	if (rmdir(path) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		return ff_err_errno(err, "%s: rmdir", path);
	if (unlink(made) < 0)
		return ff_err_errno(err, "%s", made);
	return 0;
}

static int remove_file(struct ff_hookwork *w, const char *folder, const char *name, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = below(w, folder, name);

	say(w, false, "remove hooks/%s%s%s", folder, *folder ? "/" : "", name);
	if (!w->dry_run && unlink(path) < 0 && errno != ENOENT)
		return ff_err_errno(err, "%s", path);
	return 0;
}

/* ---- the hook of others */

/* A relative link means another file one folder deeper. */
static char *deeper(const char *link)
{
	return *link == '/' ? ff_strdup(link) : ff_asprintf("../%s", link);
}

/* Whether the file is the given hook, put there by a run that was interrupted. */
static bool same_hook(const char *path, const struct ff_hookfile *hook)
{
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile there;
	FF_AUTO(ff_free) char *link = hook->link ? deeper(hook->link) : NULL;

	ff_hookfile_read(path, &there);
	if (there.kind == FF_HOOKFILE_ABSENT)
		return false;
	if (link || there.link)
		return link && there.link && !strcmp(link, there.link);
	return there.dev == hook->dev && there.ino == hook->ino;
}

/* What a folder holds beside our entry and the hook (NULL: or the file named previous); freed by ff_free, NULL: nothing. */
static char *stranger_in(const struct ff_hookwork *w, const char *folder, const struct ff_hookfile *hook,
			 const char *previous)
{
	FF_AUTO(ff_free) char *path = below(w, "", folder);
	DIR *dir = opendir(path);
	struct dirent *e;
	char *found = NULL;

	while (dir && !found && (e = readdir(dir))) {
		FF_AUTO(ff_free) char *file = ff_path_join(path, e->d_name);
		FF_AUTO(ff_hookfile_fini) struct ff_hookfile there;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		ff_hookfile_read(file, &there);
		if (there.kind == FF_HOOKFILE_DIRECT || (hook && same_hook(file, hook)) ||
		    (previous && !strcmp(previous, e->d_name)))
			continue;
		found = ff_strdup(e->d_name);
	}
	if (dir)
		(void)closedir(dir); /* only read */
	return found;
}

/* A folder for the hook in which nothing lies that nobody has run so far. */
static char *choose_folder(const struct ff_hookwork *w, const char *type, const struct ff_hookfile *hook)
{
	for (int i = 0; i < 2; i++) {
		FF_AUTO(ff_free) char *name = i ? ff_asprintf("%s." FF_NAME ".d", type) : ff_asprintf("%s.d", type);
		FF_AUTO(ff_free) char *stranger = stranger_in(w, name, hook, NULL);

		if (!stranger)
			return ff_steal(&name);
	}
	return NULL;
}

/* A second name for the hook in the folder; the first goes on working. */
static int put_beside(struct ff_hookwork *w, const char *type, const char *folder, const struct ff_hookfile *hook,
		      struct ff_err *err)
{
	FF_AUTO(ff_free) char *from = below(w, "", type);
	FF_AUTO(ff_free) char *to = below(w, folder, "50-previous");
	FF_AUTO(ff_free) char *link_text = hook->link ? deeper(hook->link) : NULL;

	if (same_hook(to, hook))
		return 0;
	if ((link_text ? symlink(link_text, to) : link(from, to)) < 0)
		return ff_err_errno(err, "%s: cannot be moved to %s", from, to);
	return ff_dir_sync(w->repo->hooks, err);
}

static int write_dispatcher(struct ff_hookwork *w, const char *type, const char *folder, const char *link,
			    struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;

	ff_buf_init(&text, 65536);
	ff_hookfile_dispatcher(&text, w->program, type, folder);
	(void)ff_buf_addf(&text, "folder %s\nprevious 50-previous\n%s%s%s", folder, link ? "link " : "", link ? link : "",
			  link ? "\n" : "");
	return write_script(w, "", type, &text, err);
}

static int chain(struct ff_hookwork *w, const char *type, const struct ff_hookfile *hook, struct ff_err *err)
{
	FF_AUTO(ff_free) char *folder = choose_folder(w, type, hook);

	if (!folder)
		return ff_err_set(err, FF_E_CONFLICT, "hooks/%s.d and hooks/%s." FF_NAME ".d hold files that hooks/%s does not "
				  "run: move them away, or have it run the folder", type, type, type);
	if (hook->link && strchr(hook->link, '\n'))
		return ff_err_set(err, FF_E_UNSUPPORTED, "hooks/%s is a link with a newline in its target", type);
	say(w, false, "move hooks/%s to hooks/%s/50-previous", type, folder);
	if (strstr(hook->text.data, "$0") || strstr(hook->text.data, "BASH_SOURCE") || strstr(hook->text.data, "__file__"))
		say(w, false, "note: hooks/%s looks at its own name; see that it still finds what it looks for", type);
	if (make_folder(w, folder, err) < 0 || write_hook(w, folder, FF_HOOK_ENTRY, type, err) < 0)
		return -1;
	if (!w->dry_run && put_beside(w, type, folder, hook, err) < 0)
		return -1;
	return write_dispatcher(w, type, folder, hook->link, err);
}

/* ---- install */

static int install_foreign(struct ff_hookwork *w, const char *type, const struct ff_hookfile *hook, struct ff_err *err)
{
	FF_AUTO(ff_free) char *folder = ff_asprintf("%s.d", type);

	if (ff_hookfile_of_gitolite(hook))
		return ff_err_set(err, FF_E_CONFLICT, "hooks/%s is gitolite's and would be put back: use '" FF_NAME
				  " hooks install --gitolite'", type);
	if (!ff_hookfile_runs_folder(hook, type))
		return chain(w, type, hook, err);
	if (make_folder(w, folder, err) < 0)
		return -1;
	return write_guarded(w, folder, FF_HOOK_ENTRY, type, err);
}

static int install_type(struct ff_hookwork *w, const char *type, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = below(w, "", type);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile hook;

	ff_hookfile_read(path, &hook);
	switch (hook.kind) {
	case FF_HOOKFILE_ABSENT:
	case FF_HOOKFILE_DIRECT:
		return write_hook(w, "", type, type, err);
	case FF_HOOKFILE_DISPATCH:
		if (make_folder(w, hook.folder, err) < 0 || write_hook(w, hook.folder, FF_HOOK_ENTRY, type, err) < 0)
			return -1;
		return write_dispatcher(w, type, hook.folder, hook.previous_link, err);
	case FF_HOOKFILE_FOREIGN:
		return install_foreign(w, type, &hook, err);
	}
	return -1;
}

static int copy_file(const char *from, const char *to, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct stat st;

	ff_buf_init(&text, CONFIG_MAX);
	if (ff_file_read(from, &text, err) < 0)
		return -1;
	/* A copy over the configuration keeps its rights. */
	if (stat(to, &st) < 0)
		st.st_mode = 0644;
	return ff_file_write(to, text.data, text.len, st.st_mode & 0777, err);
}

static bool same_file(const char *a, const char *b)
{
	FF_AUTO(ff_buf_fini) struct ff_buf x, y;

	ff_buf_init(&x, CONFIG_MAX);
	ff_buf_init(&y, CONFIG_MAX);
	return ff_file_read(a, &x, NULL) == 0 && ff_file_read(b, &y, NULL) == 0 && x.len == y.len &&
	       !memcmp(x.data, y.data, x.len);
}

static bool advertised(const struct ff_hookwork *w)
{
	const char *const args[] = { "config", "--type=bool", "--get", ADVERTISE, NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;

	ff_buf_init(&out, 65536);
	return ff_hookgit_run(w->repo, args, &out, NULL) == 0 && !strcmp(out.data, "true\n");
}

struct wish {
	bool advertise, hide, narrow, tidy, tidy_off;
};

/* Whether nobody has said which refs count there. */
static bool is_wide(const struct ff_hookwork *w)
{
	FF_AUTO(ff_free) char *prefixes = ff_hookgit_get(w->repo, NULL, NARROW);
	FF_AUTO(ff_free) char *command = ff_hookgit_get(w->repo, NULL, "core.alternateRefsCommand");

	return !prefixes && !command;
}

static struct wish look_at_config(struct ff_hookwork *w)
{
	enum ff_hooktidy tidy = ff_hooktidy_is(w);
	struct wish wish = { .advertise = !advertised(w), .hide = !ff_hookgit_has(w->repo, HIDE, FF_REF_PRIVATE),
			     .narrow = is_wide(w), .tidy = tidy == FF_HOOKTIDY_UNSET || tidy == FF_HOOKTIDY_HALF, .tidy_off = tidy == FF_HOOKTIDY_ORPHAN };

	if (wish.advertise)
		say(w, false, "set " ADVERTISE " = true");
	if (wish.hide)
		say(w, false, "add " HIDE " = " FF_REF_PRIVATE);
	if (wish.narrow)
		say(w, false, "set " NARROW " = " NARROW_TO);
	if (wish.tidy)
		say(w, false, "set receive.autogc = false and " FF_KEY_MAINTENANCE " = true, since the daemon tidies");
	if (wish.tidy_off)
		say(w, false, "take back receive.autogc and " FF_KEY_MAINTENANCE ", since maintenance.enabled is false");
	return wish;
}

static int change_config(struct ff_hookwork *w, const struct wish *wish, const char *before, struct ff_err *err)
{
	if (wish->advertise && ff_hookgit_set(w->repo, "--replace-all", ADVERTISE, "true", err) < 0)
		return -1;
	if (wish->hide && ff_hookgit_set(w->repo, "--add", HIDE, FF_REF_PRIVATE, err) < 0)
		return -1;
	if (wish->narrow && ff_hookgit_set(w->repo, "--replace-all", NARROW, NARROW_TO, err) < 0)
		return -1;
	if (wish->tidy && ff_hooktidy_on(w, err) < 0)
		return -1;
	return wish->tidy_off ? ff_hooktidy_off(w, before, err) : 0;
}

static int set_config(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *file = ff_path_join(w->repo->path, "config");
	FF_AUTO(ff_free) char *dir = record(w, "");
	FF_AUTO(ff_free) char *before = record(w, "config.before");
	FF_AUTO(ff_free) char *after = record(w, "config.after");
	struct wish wish = look_at_config(w);
	bool untouched;

	if (w->dry_run || !(wish.advertise || wish.hide || wish.narrow || wish.tidy || wish.tidy_off))
		return 0;
	/* What others changed since our last run is not ours to take back: then that run's copy stays. */
	untouched = access(after, F_OK) < 0 || same_file(file, after);
	if (ff_dir_make(dir, 0755, err) < 0 || (access(before, F_OK) < 0 && copy_file(file, before, err) < 0))
		return -1;
	if (change_config(w, &wish, before, err) < 0)
		return -1;
	return untouched ? copy_file(file, after, err) : 0;
}

int ff_hookwork_install(struct ff_hookwork *w, struct ff_err *err)
{
	if (access(w->program, X_OK) < 0)
		return ff_err_set(err, FF_E_NOT_FOUND, "%s: not there or not executable for this account: install " FF_NAME
				  " first", w->program);
	if (set_config(w, err) < 0 || make_folder(w, "", err) < 0)
		return -1;
	for (size_t i = 0; i < FF_ARRAY_LEN(types); i++)
		if (install_type(w, types[i], err) < 0)
			return -1;
	return 0;
}

/* ---- uninstall */

/* The hook that was here takes the dispatcher's place in one step. */
static int bring_back(struct ff_hookwork *w, const char *type, const struct ff_hookfile *ours, struct ff_err *err)
{
	FF_AUTO(ff_free) char *to = below(w, "", type);
	FF_AUTO(ff_free) char *from = below(w, ours->folder, ours->previous);
	FF_AUTO(ff_free) char *tmp = below(w, ours->folder, ".previous");
	struct stat st;

	if (lstat(from, &st) < 0)
		return remove_file(w, "", type, err);
	say(w, false, "move hooks/%s/%s back to hooks/%s", ours->folder, ours->previous, type);
	if (w->dry_run)
		return 0;
	if (!ours->previous_link)
		return rename(from, to) < 0 ? ff_err_errno(err, "%s", from) : 0;
	if ((unlink(tmp) < 0 && errno != ENOENT) || symlink(ours->previous_link, tmp) < 0 || rename(tmp, to) < 0)
		return ff_err_errno(err, "%s", to);
	return unlink(from) < 0 ? ff_err_errno(err, "%s", from) : 0;
}

static int uninstall_dispatcher(struct ff_hookwork *w, const char *type, const struct ff_hookfile *hook,
				struct ff_err *err)
{
	FF_AUTO(ff_free) char *stranger = stranger_in(w, hook->folder, NULL, hook->previous ? hook->previous : "");

	if (remove_file(w, hook->folder, FF_HOOK_ENTRY, err) < 0)
		return -1;
	if (stranger) {
		say(w, true, "hooks/%s stays, because hooks/%s/%s came after it and is run by it: move that away and "
		    "uninstall again", type, hook->folder, stranger);
		return 0;
	}
	if (hook->previous ? bring_back(w, type, hook, err) < 0 : remove_file(w, "", type, err) < 0)
		return -1;
	return remove_folder(w, hook->folder, err);
}

static int uninstall_type(struct ff_hookwork *w, const char *type, struct ff_err *err)
{
	FF_AUTO(ff_free) char *folder = ff_asprintf("%s.d", type);
	FF_AUTO(ff_free) char *path = below(w, "", type), *entry_path = below(w, folder, FF_HOOK_ENTRY);
	FF_AUTO(ff_hookfile_fini) struct ff_hookfile hook, entry;

	ff_hookfile_read(path, &hook);
	ff_hookfile_read(entry_path, &entry);
	if (hook.kind == FF_HOOKFILE_DIRECT && remove_file(w, "", type, err) < 0)
		return -1;
	if (hook.kind == FF_HOOKFILE_DISPATCH)
		return uninstall_dispatcher(w, type, &hook, err);
	if (entry.kind == FF_HOOKFILE_DIRECT && remove_file(w, folder, FF_HOOK_ENTRY, err) < 0)
		return -1;
	return remove_folder(w, folder, err);
}

/* Others have edited the configuration since: only what is ours is taken out. */
static int unset_config(struct ff_hookwork *w, const char *before, struct ff_err *err)
{
	FF_AUTO(ff_free) char *had = ff_hookgit_get(w->repo, before, ADVERTISE);
	FF_AUTO(ff_free) char *hid = ff_hookgit_get(w->repo, before, HIDE);
	FF_AUTO(ff_free) char *has = ff_hookgit_get(w->repo, "config", ADVERTISE);
	FF_AUTO(ff_free) char *was_narrow = ff_hookgit_get(w->repo, before, NARROW);
	FF_AUTO(ff_free) char *narrow = ff_hookgit_get(w->repo, "config", NARROW);

	if (had && ff_hookgit_set(w->repo, "--replace-all", ADVERTISE, had, err) < 0)
		return -1;
	if (!had && has && ff_hookgit_set(w->repo, "--unset-all", ADVERTISE, NULL, err) < 0)
		return -1;
	if (ff_hooktidy_off(w, before, err) < 0)
		return -1;
	if (!was_narrow && narrow && !strcmp(narrow, NARROW_TO) && ff_hookgit_set(w->repo, "--unset-all", NARROW, NULL, err) < 0)
		return -1;
	if ((!hid || strcmp(hid, FF_REF_PRIVATE)) && ff_hookgit_has(w->repo, HIDE, FF_REF_PRIVATE))
		return ff_hookgit_set(w->repo, "--unset-all", HIDE, "^" FF_REF_PRIVATE "$", err);
	return 0;
}

static int restore_config(struct ff_hookwork *w, struct ff_err *err)
{
	FF_AUTO(ff_free) char *file = ff_path_join(w->repo->path, "config");
	FF_AUTO(ff_free) char *dir = record(w, "");
	FF_AUTO(ff_free) char *before = record(w, "config.before");
	FF_AUTO(ff_free) char *after = record(w, "config.after");

	if (access(before, F_OK) == 0) {
		say(w, false, "restore the configuration");
		if (w->dry_run)
			return 0;
		if ((same_file(file, after) ? copy_file(before, file, err) : unset_config(w, before, err)) < 0)
			return -1;
	}
	return w->dry_run || access(dir, F_OK) < 0 ? 0 : ff_dir_remove(dir, err);
}

int ff_hookwork_uninstall(struct ff_hookwork *w, struct ff_err *err)
{
	for (size_t i = FF_ARRAY_LEN(types); i-- > 0;)
		if (uninstall_type(w, types[i], err) < 0)
			return -1;
	if (remove_folder(w, "", err) < 0)
		return -1;
	return restore_config(w, err);
}
