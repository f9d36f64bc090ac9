/* SPDX-License-Identifier: MIT */
/*
 * Hook files: what ours look like, and how they are told from others.  The
 * second line marks a file as ours; the installer's memory is in the files
 * themselves, so that a copied repository takes it along.
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
#define SHEBANG_MAX 250 /* the kernel takes 255 (BINPRM_BUF_SIZE), with what stands around it */
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

void ff_hookfile_text(struct ff_buf *out, const char *program, const char *type, const char *lines)
{
	bool direct = strlen(program) + strlen(type) + 4 <= SHEBANG_MAX && !program[strcspn(program, " \t")];

	if (direct) {
		(void)ff_buf_addf(out, "#!%s %s\n" MARK, program, type);
	} else {
		(void)ff_buf_adds(out, "#!/bin/sh\n" MARK "exec ");
		add_quoted(out, program);
		(void)ff_buf_addf(out, " %s \"$0\" \"$@\"\n", type);
	}
	(void)ff_buf_adds(out, lines);
}
