/* SPDX-License-Identifier: MIT */
/* Patches from commit to commit, written out line by line and never longer than asked for. */
#include <string.h>

#include "base/file.h"
#include "git/lib.h"

/* A file over this is shown as binary: a diff of it would take minutes and serve nobody. */
#define DIFF_FILE_MAX ((git_off_t)16 * 1024 * 1024)
#define FLUSH_AT ((size_t)64 * 1024)

struct sink {
	struct ff_buf *buf; /* collects; for a descriptor it is emptied into fd */
	int fd;             /* -1: the buffer is the result */
	int64_t left;
	bool cut;
	struct ff_err *err;
	bool failed;
};

static int flush(struct sink *s)
{
	if (s->fd < 0 || !s->buf->len)
		return 0;
	if (ff_fd_write_all(s->fd, s->buf->data, s->buf->len, s->err) < 0) {
		s->failed = true;
		return -1;
	}
	ff_buf_clear(s->buf);
	return 0;
}

/* A line, and after the first one that does not fit no other. */
static int put_line(const git_diff_delta *delta, const git_diff_hunk *hunk, const git_diff_line *line, void *arg)
{
	struct sink *s = arg;
	bool marked = line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
		      line->origin == GIT_DIFF_LINE_DELETION;
	int64_t need = (int64_t)line->content_len + marked;

	(void)delta;
	(void)hunk;
	if (need > s->left) {
		s->cut = true;
		return -1;
	}
	s->left -= need;
	/* A line longer than the rest of a flushed buffer goes out in pieces. */
	if (marked && ff_buf_addc(s->buf, line->origin) < 0)
		return -1;
	for (size_t at = 0; at < line->content_len;) {
		size_t n = line->content_len - at;

		if (s->fd >= 0 && n > FLUSH_AT)
			n = FLUSH_AT;
		if (ff_buf_add(s->buf, line->content + at, n) < 0)
			return -1;
		at += n;
		if (s->buf->len >= FLUSH_AT && flush(s) < 0)
			return -1;
	}
	return 0;
}

static int make_diff(struct ff_git *git, const char *base, const char *tip, git_diff **ret_diff, struct ff_err *err)
{
	FF_AUTO(git_tree_auto) git_tree *from = NULL, *to = NULL;
	git_diff_options opts = GIT_DIFF_OPTIONS_INIT;
	int rc;

	if ((base && ff_git_lib_tree_of(git, base, &from, err) < 0) || ff_git_lib_tree_of(git, tip, &to, err) < 0)
		return -1;
	opts.max_size = DIFF_FILE_MAX;
	rc = git_diff_tree_to_tree(ret_diff, git->repo, from, to, &opts);
	if (rc == 0)
		rc = git_diff_find_similar(*ret_diff, NULL);
	if (rc < 0)
		return ff_git_lib_fail(err, rc, "cannot compare with commit %s", tip);
	return 0;
}

static int print_diff(struct ff_git *git, const char *base, const char *tip, struct sink *s, struct ff_err *err)
{
	FF_AUTO(git_diff_auto) git_diff *diff = NULL;
	int rc;

	if (make_diff(git, base, tip, &diff, err) < 0)
		return -1;
	rc = git_diff_print(diff, GIT_DIFF_FORMAT_PATCH, put_line, s);
	if (s->failed)
		return -1;
	if (rc < 0 && !s->cut)
		return ff_git_lib_fail(err, rc, "cannot compare with commit %s", tip);
	return flush(s);
}

int ff_git_diff_fd(struct ff_git *git, const char *base, const char *tip, int64_t max_bytes, int fd,
		   bool *ret_cut, struct ff_err *err)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	struct ff_err why = { 0 };
	struct sink s = { .buf = &b, .fd = fd, .left = max_bytes, .err = &why };

	ff_buf_init(&b, 2 * FLUSH_AT + 16);
	if (print_diff(git, base, tip, &s, &why) < 0)
		return ff_err_set(err, why.code, "%s", why.text);
	*ret_cut = s.cut;
	return 0;
}

int ff_git_diff_buf(struct ff_git *git, const char *base, const char *tip, struct ff_buf *out,
		    bool *ret_cut, struct ff_err *err)
{
	struct sink s = { .buf = out, .fd = -1, .left = (int64_t)(out->max - out->len), .err = err };

	if (print_diff(git, base, tip, &s, err) < 0)
		return -1;
	*ret_cut = s.cut;
	return 0;
}
