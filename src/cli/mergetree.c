/* SPDX-License-Identifier: MIT */
/*
 * merge-tree: one merge a line, answered at once and in order, so that a
 * program can keep us running and ask when it likes.
 */
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/trees.h"
#include "engine/engine.h"
#include "git/git.h"
#include "git/mergetree.h"
#include "git/pack.h"
#include "git/source.h"
#include "merge/merge.h"

#define LINE_MAX_BYTES 4096

struct work {
	struct ff_cli *cli;
	struct ff_git *git;
	struct ff_merge merge; /* but for the ids */
	struct ff_engine engine;
	bool write, said_why;
	struct ff_buf out;
};

static void add_id(struct ff_buf *out, const struct ff_merge_id *id)
{
	char hex[FF_GIT_OID];

	ff_git_source_hex(id, hex);
	(void)ff_buf_addf(out, "\"%s\"", hex);
}

static void add_conflict(struct ff_buf *out, const struct ff_merge_conflict *c)
{
	(void)ff_buf_adds(out, "{\"path\":");
	ff_text_json_bytes(out, c->path, strlen(c->path));
	(void)ff_buf_addf(out, ",\"kind\":\"%s\"}", ff_merge_kind_name(c->kind));
}

static void answer(struct work *w, const struct ff_merge_result *r)
{
	struct ff_buf *out = &w->out;

	if (r->clean) {
		(void)ff_buf_adds(out, "{\"clean\":true,\"tree\":");
		add_id(out, &r->tree);
	} else {
		(void)ff_buf_adds(out, "{\"clean\":false,\"conflicts\":[");
		for (size_t i = 0; i < r->n_conflicts; i++) {
			if (i)
				(void)ff_buf_addc(out, ',');
			add_conflict(out, &r->conflicts[i]);
		}
		(void)ff_buf_addf(out, "],\"hard\":%s", r->hard ? "true" : "false");
	}
	(void)ff_buf_adds(out, "}\n");
}

static void answer_error(struct work *w, const struct ff_err *err)
{
	FF_AUTO(ff_free) char *text = ff_text_shown(err->text, 0); /* names in it are whatever bytes were asked for */

	ff_buf_clear(&w->out);
	(void)ff_buf_adds(&w->out, "{\"error\":");
	ff_text_json(&w->out, text, strlen(text));
	(void)ff_buf_adds(&w->out, "}\n");
}

/* Three words with blanks between, in place. */
static int words(char *line, char *ret[3], struct ff_err *err)
{
	char *p = line;

	for (int i = 0; i < 3; i++) {
		ret[i] = p += strspn(p, " \t");
		p += strcspn(p, " \t");
		if (p == ret[i])
			return ff_err_set(err, FF_E_USAGE, "a line is BASE TARGET CHANGE");
		if (*p)
			*p++ = '\0';
	}
	if (p[strspn(p, " \t")])
		return ff_err_set(err, FF_E_USAGE, "a line is BASE TARGET CHANGE, and this one has more words");
	return 0;
}

/* Once: it will be so for every hard merge of this run. */
static void say_why(struct work *w, const char *why)
{
	if (!w->said_why)
		ff_cli_say(w->cli, "a hard merge is answered as a conflict: %s", why ? why : "there is no git in PATH to ask");
	w->said_why = true;
}

/* 0: clean; 1: a conflict. Both are answers. */
static int merge_line(struct work *w, char *line, struct ff_err *err)
{
	FF_AUTO(ff_merge_result_fini) struct ff_merge_result result = { 0 };
	FF_AUTO(ff_free) char *why = NULL;
	struct ff_merge *m = &w->merge;
	char *name[3];

	if (words(line, name, err) < 0)
		return -1;
	if (ff_git_tree_named(w->git, name[0], &m->base, err) < 0 ||
	    ff_git_tree_named(w->git, name[1], &m->target, err) < 0 ||
	    ff_git_tree_named(w->git, name[2], &m->change, err) < 0)
		return -1;
	m->attributes = m->target;
	if (ff_git_merge_trees(w->git, m, ff_engine_handover(&w->engine), &result, &why, err) < 0)
		return -1;
	if (result.hard && (why || !w->engine.program))
		say_why(w, why);
	answer(w, &result);
	return result.clean ? 0 : 1;
}

/* A line that cannot be answered has its error for an answer, and the next one is another matter. */
static void do_line(struct work *w, char *line, size_t len)
{
	struct ff_err err = { 0 };
	int rc;

	ff_buf_clear(&w->out);
	ff_git_pack_begin(w->git, w->write, w->engine.max_memory);
	if (memchr(line, '\0', len))
		rc = ff_err_set(&err, FF_E_USAGE, "a line is BASE TARGET CHANGE, without a NUL");
	else if (len >= LINE_MAX_BYTES)
		rc = ff_err_set(&err, FF_E_TOO_LARGE, "a line has at most %d bytes", LINE_MAX_BYTES);
	else
		rc = merge_line(w, line, &err);
	if (rc == 0 && w->write) /* before the answer: who reads it looks for the tree; of a conflict nobody knows the objects */
		rc = ff_git_pack_commit(w->git, NULL, &err);
	ff_git_pack_drop(w->git);
	if (rc < 0)
		answer_error(w, &err);
	(void)fwrite(w->out.data, 1, w->out.len, w->cli->out.f);
	(void)fflush(w->cli->out.f);
}

/* One line without its end, no more of it than the buffer holds; false at the end of the input. */
static bool read_line(FILE *in, char line[LINE_MAX_BYTES + 1], size_t *ret_len)
{
	size_t n = 0;
	int c;

	while ((c = getc(in)) != EOF && c != '\n')
		if (n < LINE_MAX_BYTES)
			line[n++] = (char)c;
	line[n] = '\0';
	*ret_len = n;
	return c != EOF || n > 0;
}

static int read_lines(struct work *w, struct ff_err *err)
{
	char line[LINE_MAX_BYTES + 1];
	size_t n;

	while (ff_cli_reader(w->cli) && read_line(w->cli->in, line, &n))
		do_line(w, line, n);
	return ferror(w->cli->in) ? ff_err_errno(err, "standard input") : 0;
}

static void work_fini(struct work *w)
{
	ff_git_close(&w->git);
	ff_engine_fini(&w->engine);
	ff_buf_fini(&w->out);
}

int ff_cli_merge_tree(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	const char *repo = ff_args_value(args, FF_CLI_OPT_REPO);
	FF_AUTO(work_fini) struct work w = { .cli = cli, .write = ff_args_value(args, FF_CLI_OPT_WRITE) != NULL };

	ff_buf_init(&w.out, (size_t)1 << 30);
	if (!repo || !ff_args_value(args, FF_CLI_OPT_STDIN))
		return ff_err_set(err, FF_E_USAGE, "merge-tree needs --repo PATH and --stdin");
	if (ff_cli_conf(cli, args, err) < 0 || ff_trees_repo(args, &w.git, err) < 0)
		return -1;
	ff_trees_engine(cli, &w.engine);
	w.merge.limits = w.engine.limits;
	return read_lines(&w, err);
}
