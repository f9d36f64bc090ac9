/* SPDX-License-Identifier: MIT */
/* See message.h. */
#include "daemon/worker/message.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"

#define SUMMARY_COLUMNS 72
#define TASK_MAX 8192
#define WORDS_MAX 8192
#define MODEL_MAX 128

/* Characters that a person sees as they are: ff_text_show leaves them alone. */
static bool is_plain(const char *p, unsigned len)
{
	struct ff_buf shown;
	bool same;

	ff_buf_init(&shown, 64);
	ff_text_show(&shown, p, len, 0);
	same = shown.len == len && !memcmp(shown.data, p, len);
	ff_buf_fini(&shown);
	return same;
}

/* One line: runs of white space and everything not plain become one blank. */
static void add_line(struct ff_buf *out, const char *p, size_t n)
{
	bool gap = false, any = false;

	while (n > 0) {
		unsigned cp, len = ff_utf8_next(p, n, &cp);
		bool keep = len > 0 && cp != ' ' && cp != '\\' ? is_plain(p, len) : cp == '\\';

		if (!len)
			len = 1;
		if (keep) {
			if (gap && any)
				(void)ff_buf_addc(out, ' ');
			(void)ff_buf_add(out, p, len);
			any = true;
		}
		gap = !keep;
		p += len;
		n -= len;
	}
}

static size_t columns(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* At the last blank that leaves room for "...". */
static void cut_summary(char *s)
{
	size_t col = 0, blank = 0, at = 0;

	if (columns(s) <= SUMMARY_COLUMNS)
		return;
	for (;; at++) {
		if (((unsigned char)s[at] & 0xc0) == 0x80)
			continue;
		if (col == SUMMARY_COLUMNS - 3)
			break;
		if (s[at] == ' ')
			blank = at;
		col++;
	}
	if (blank < at / 2)
		blank = at;
	memcpy(s + blank, "...", 4);
}

static char *make_summary(const char *task)
{
	FF_AUTO(ff_buf_fini) struct ff_buf line;
	FF_AUTO(ff_free) char *text = NULL;

	ff_buf_init(&line, TASK_MAX * 2);
	for (const char *p = task; *p && line.len == 0; p += strspn(p, "\n")) {
		size_t n = strcspn(p, "\n");

		add_line(&line, p, n > TASK_MAX ? TASK_MAX : n);
		p += n;
	}
	while (line.len && line.data[line.len - 1] == '.')
		line.data[--line.len] = '\0';
	text = line.len ? ff_buf_take(&line) : ff_strdup("Do the task");
	cut_summary(text);
	return ff_steal(&text);
}

/* "Signed-off-by: NAME" and its kin are for people to say. */
static bool is_statement(const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	size_t len = colon ? (size_t)(colon - line) : 0;

	return len > 3 && len < 40 && !strncasecmp(colon - 3, "-by", 3) && !memchr(line, ' ', len);
}

static void add_paragraphs(struct ff_buf *out, const char *text, size_t max)
{
	size_t n = strlen(text), empty = 1;
	bool cut = n > max;

	if (cut)
		n = max;
	while (n > 0) {
		const char *eol = memchr(text, '\n', n);
		size_t len = eol ? (size_t)(eol - text) : n;
		FF_AUTO(ff_buf_fini) struct ff_buf line;

		ff_buf_init(&line, max * 2);
		add_line(&line, text, len);
		if (line.len == 0) {
			empty++;
		} else {
			(void)ff_buf_adds(out, empty ? "\n" : "");
			(void)ff_buf_addf(out, "%s%s\n", is_statement(line.data, line.len) ? "    " : "", line.data);
			empty = 0;
		}
		text += len + (eol != NULL);
		n -= len + (eol != NULL);
	}
	if (cut)
		(void)ff_buf_adds(out, "[...]\n");
}

static const char *safe_model(const char *model)
{
	size_t n = strlen(model);

	if (n == 0 || n > MODEL_MAX)
		return "unknown";
	for (size_t i = 0; i < n; i++)
		if (model[i] <= ' ' || model[i] > '~')
			return "unknown";
	return model;
}

static void add_trailers(struct ff_buf *out, const struct ff_message *m)
{
	const char *at = strstr(m->attribution, "MODEL");

	(void)ff_buf_addf(out, "\n" FF_TRAILER_JOB ": %s\n", m->job);
	if (!*m->attribution)
		return;
	if (at)
		(void)ff_buf_addf(out, "%.*s%s%s\n", (int)(at - m->attribution), m->attribution, safe_model(m->model),
				  at + strlen("MODEL"));
	else
		(void)ff_buf_addf(out, "%s\n", m->attribution);
}

void ff_message_make(const struct ff_message *m, struct ff_buf *out)
{
	FF_AUTO(ff_free) char *summary = make_summary(m->task);

	(void)ff_buf_addf(out, "%s\n", summary);
	if (strcmp(summary, m->task))
		add_paragraphs(out, m->task, TASK_MAX);
	if (m->words && *m->words)
		add_paragraphs(out, m->words, WORDS_MAX);
	add_trailers(out, m);
}
