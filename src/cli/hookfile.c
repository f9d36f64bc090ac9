/* SPDX-License-Identifier: MIT */
/*
 * Hook files: what ours look like, and how they are told from others.  A
 * link is ours by its target, a script by its second line; what the installer
 * must remember is in the scripts themselves, so that a copied repository
 * takes it along.
 */
#include "cli/hookrepo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/text.h"

#define TEXT_MAX (256 * 1024) /* of a hook that we look into */
#define LINK_MAX 4096
#define MARK "# " FF_NAME "; made by `" FF_NAME " hooks install`\n"

static char *read_link(const char *path)
{
	char target[LINK_MAX];
	ssize_t n = readlink(path, target, sizeof target);

	return n > 0 && (size_t)n < sizeof target ? ff_memdup0(target, (size_t)n) : NULL;
}

char *ff_hookfile_value(const struct ff_hookfile *f, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = f->text.data; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (ff_starts(line, key) && line[n] == ' ')
			return ff_memdup0(line + n + 1, strcspn(line + n + 1, "\n"));
	return NULL;
}

/* Also of another installation, and of one that is gone. */
static bool to_program(const struct ff_hookfile *f)
{
	return f->link && *f->link == '/' && ff_ends(f->link, "/" FF_NAME "-hook");
}

static bool marked(const struct ff_hookfile *f)
{
	const char *second = strchr(f->text.data, '\n');

	return !f->link && ff_starts(f->text.data, "#!") && second && ff_starts(second + 1, MARK);
}

void ff_hookfile_read(const char *path, struct ff_hookfile *f)
{
	struct stat st;

	memset(f, 0, sizeof *f);
	ff_buf_init(&f->text, TEXT_MAX);
	if (lstat(path, &st) < 0)
		return;
	f->kind = FF_HOOKFILE_FOREIGN;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	if (S_ISLNK(st.st_mode))
		f->link = read_link(path);
	if (to_program(f)) {
		f->kind = FF_HOOKFILE_DIRECT;
		return;
	}
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		(void)ff_file_read(path, &f->text, NULL); /* what came before a limit is enough to judge by */
	if (!marked(f))
		return;
	f->folder = ff_hookfile_value(f, "folder");
	f->previous = ff_hookfile_value(f, "previous");
	f->previous_link = ff_hookfile_value(f, "link");
	f->kind = f->folder ? FF_HOOKFILE_DISPATCH : FF_HOOKFILE_DIRECT;
}

void ff_hookfile_fini(struct ff_hookfile *f)
{
	ff_buf_fini(&f->text);
	ff_free(&f->link);
	ff_free(&f->folder);
	ff_free(&f->previous);
	ff_free(&f->previous_link);
}

/* Gitea and Forgejo write ${hookname}.d, with hookname=$(basename $0). */
bool ff_hookfile_runs_folder(const struct ff_hookfile *f, const char *type)
{
	FF_AUTO(ff_free) char *literal = ff_asprintf("%s.d", type);
	const char *text = f->text.data;

	return strstr(text, literal) || (strstr(text, "basename") && (strstr(text, "}.d/") || strstr(text, ").d/")));
}

bool ff_hookfile_of_gitolite(const struct ff_hookfile *f)
{
	return f->link && (strstr(f->link, "/hooks/common/") || ff_ends(f->link, "multi-hook-driver"));
}

/* In single quotes for sh, a quote inside written '\''. */
static void add_quoted(struct ff_buf *out, const char *s)
{
	(void)ff_buf_addc(out, '\'');
	for (; *s; s++)
		(void)(*s == '\'' ? ff_buf_adds(out, "'\\''") : ff_buf_addc(out, *s));
	(void)ff_buf_addc(out, '\'');
}

static void add_head(struct ff_buf *out)
{
	(void)ff_buf_adds(out, "#!/bin/sh\n" MARK);
}

/* Whoever feeds the hook must bear that it does not read: git, gitolite, GitLab and Gitea do. */
void ff_hookfile_text(struct ff_buf *out, const char *program, const char *type)
{
	add_head(out);
	(void)ff_buf_adds(out, "# Without the program the push goes on; input may be left unread, as any hook may.\n[ -x ");
	add_quoted(out, program);
	(void)ff_buf_adds(out, " ] || exit 0\nexec ");
	add_quoted(out, program);
	(void)ff_buf_addf(out, " %s \"$0\" \"$@\"\n", type);
}

/*
 * As hooks/dispatch.c, for which the names of left-overs are the same: input
 * is kept in a file without a name, since no variable of a shell holds zero
 * bytes or final newlines; names are sorted as in C, with the variable that
 * does it put back for the hooks.  Our entry is left out by name: the program
 * may come back while this runs, and would not know its type.
 */
static const char fallback[] =
	"# The program is gone: the other hooks of the folder go on without it.\n"
	"case $0 in */*) ff_dir=${0%/*}/$ff_dir ;; esac\n"
	"[ -d \"$ff_dir\" ] || exit 0\n"
	"ff_in=$(mktemp) && exec 3<>\"$ff_in\" && rm -f \"$ff_in\" && cat >&3 || exit 1\n"
	"ff_set=${LC_ALL+set} ff_all=${LC_ALL-} ff_first=0\n"
	"LC_ALL=C\n"
	"for ff_hook in \"$ff_dir\"/*; do\n"
	"\tcase ${ff_hook##*/} in\n"
	"\t" FF_HOOK_ENTRY " | '#'* | *'~' | *.bak | *.orig | *.rej | *.sample | *.swp | *.tmp) continue ;;\n"
	"\t*.dpkg-old | *.dpkg-new | *.dpkg-dist | *.rpmsave | *.rpmnew | *.rpmorig) continue ;;\n"
	"\tesac\n"
	"\t[ -f \"$ff_hook\" ] && [ -x \"$ff_hook\" ] || continue\n"
	"\t(\n"
	"\t\t[ ! \"$ff_set\" ] || LC_ALL=$ff_all\n"
	"\t\texec \"$ff_hook\" \"$@\" </proc/self/fd/3 3<&-\n"
	"\t)\n"
	"\tff_status=$?\n"
	"\t[ $ff_first != 0 ] || ff_first=$ff_status\n";

void ff_hookfile_dispatcher(struct ff_buf *out, const char *program, const char *type, const char *folder)
{
	add_head(out);
	(void)ff_buf_adds(out, "[ -x ");
	add_quoted(out, program);
	(void)ff_buf_adds(out, " ] && exec ");
	add_quoted(out, program);
	(void)ff_buf_addf(out, " dispatch:%s \"$0\" \"$@\"\nff_dir=", type);
	add_quoted(out, folder);
	(void)ff_buf_addf(out, "\n%s", fallback);
	if (!strcmp(type, "pre-receive"))
		(void)ff_buf_adds(out, "\t[ $ff_first = 0 ] || break\n");
	(void)ff_buf_adds(out, "done\nexit $ff_first\n");
}
