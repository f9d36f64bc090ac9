/* SPDX-License-Identifier: MIT */
/* See review.h. */
#include "job/review.h"

#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define PATH_MOST ((size_t)64 * 1024)
#define NEAR_MOST 2000

/* `protect.paths = default`: what servers, hosts and tools run or obey without being asked. */
static const char *const builtin[] = {
	/* CI of forges and build servers */
	".github/workflows/*", ".github/actions/*", "action.yml", "action.yaml", ".gitlab-ci.yml", ".gitlab/ci/*",
	".gitea/*", ".forgejo/*", ".circleci/*", ".travis.yml", ".drone.yml", ".woodpecker.yml", ".woodpecker/*",
	".buildkite/*", "azure-pipelines.yml", ".azure-pipelines/*", "bitbucket-pipelines.yml", "appveyor.yml",
	".appveyor.yml", ".cirrus.yml", ".builds/*", ".ci/*", "jenkinsfile", "*/jenkinsfile",
	/* hooks */
	".husky/*", ".githooks/*", ".pre-commit-config.yaml", ".pre-commit-hooks.yaml", "lefthook.yml", ".lefthook.yml",
	".lefthook/*", ".overcommit.yml",
	/* git itself, and who must review */
	".gitmodules", ".gitattributes", "*/.gitattributes", "codeowners", "*/codeowners",
	/* agents and editors that run what a repository says */
	".flowforge/*", ".claude/*", "*/.claude/*", ".mcp.json", "*/.mcp.json", ".vscode/*", ".devcontainer/*",
	".devcontainer.json", ".envrc", "*/.envrc",
	NULL,
};
/* Words that agents obey: to be seen, but too often the very task to be held. */
static const char *const instructions[] = {
	"claude.md", "*/claude.md", "claude.local.md", "agents.md", "*/agents.md", ".cursorrules", ".cursor/*",
	".github/copilot-instructions.md", NULL,
};

const char *ff_notice_text(enum ff_notice kind)
{
	static const char *const texts[] = {
		[FF_NOTICE_HIDDEN_TEXT] = "has hidden characters in an added line",
		[FF_NOTICE_HIDDEN_NAME] = "has hidden characters in its name",
		[FF_NOTICE_EXECUTABLE] = "is executable now",
		[FF_NOTICE_NOT_EXECUTABLE] = "is not executable any more",
		[FF_NOTICE_LINK] = "is a link now",
		[FF_NOTICE_RUNS] = "is run or obeyed by other programs",
		[FF_NOTICE_FAR] = "is far from what the task is about",
		[FF_NOTICE_UNREAD] = "is too large to be looked at",
	};

	ff_assert(kind > 0 && kind < FF_NOTICE_LIMIT);
	return texts[kind];
}

/* --- paths */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static void trim_part(struct ff_buf *b, size_t from)
{
	char *colon = memchr(b->data + from, ':', b->len - from);

	if (colon)
		b->len = (size_t)(colon - b->data);
	while (b->len > from && (b->data[b->len - 1] == '.' || b->data[b->len - 1] == ' '))
		b->len--;
}

/* Freed by ff_free. */
static char *folded(const char *path)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	size_t n = strlen(path), part = 0;

	ff_buf_init(&b, PATH_MOST);
	(void)ff_buf_room(&b, n < PATH_MOST ? n : 1);
	for (size_t i = 0; i < n;) {
		unsigned cp = 0, len = ff_utf8_next(path + i, n - i, &cp);

		if (path[i] == '/') {
			trim_part(&b, part);
			(void)ff_buf_addc(&b, '/');
			part = b.len;
		} else if (len < 2) {
			(void)ff_buf_addc(&b, lower(path[i]));
		} else if (!ff_text_hidden(cp)) {
			(void)ff_buf_add(&b, path + i, len);
		}
		i += len ? len : 1;
	}
	if (b.len)
		trim_part(&b, part);
	return ff_memdup0(b.len ? b.data : "", b.len);
}

static bool glob_hits(const char *glob, const char *path, bool link)
{
	FF_AUTO(ff_free) char *inside = link ? ff_asprintf("%s/", path) : NULL;

	if (ff_glob_match(glob, path))
		return true;
	return link && (ff_starts(glob, inside) || ff_glob_match(glob, inside));
}

static bool list_hits(const char *const *globs, const char *path, bool link)
{
	for (; *globs; globs++)
		if (glob_hits(*globs, path, link))
			return true;
	return false;
}

bool ff_review_protected(const char *path, bool link, const char *const *globs)
{
	FF_AUTO(ff_free) char *plain = folded(path);

	for (; globs && *globs; globs++) {
		FF_AUTO(ff_free) char *glob = NULL;

		if (!strcmp(*globs, "default")) {
			if (list_hits(builtin, plain, link))
				return true;
			continue;
		}
		glob = folded(*globs);
		if (glob_hits(glob, plain, link))
			return true;
	}
	return false;
}

bool ff_review_runs(const char *path, bool link)
{
	FF_AUTO(ff_free) char *plain = folded(path);

	return list_hits(builtin, plain, link) || list_hits(instructions, plain, link);
}

bool ff_review_hidden_name(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < n;) {
		unsigned cp = 0, len = ff_utf8_next(path + i, n - i, &cp);

		if (len && ff_text_hidden(cp))
			return true;
		i += len ? len : 1;
	}
	return false;
}

/* --- text */

/* Emoji are joined by U+200D and coloured by U+FE0E and U+FE0F: one of them behind a sign is no secret. */
static bool part_of_sign(unsigned cp, unsigned before)
{
	return (cp == 0x200d || cp == 0xfe0e || cp == 0xfe0f) &&
	       (before >= 0x1f000 || (before >= 0x2100 && before <= 0x2bff) || (cp == 0x200d && before == 0xfe0f) ||
		(before < 0x80 && cp != 0x200d && strchr("0123456789#*", (int)before)));
}

static bool line_hides(const char *p, size_t n, bool first)
{
	unsigned before = 0;

	if (n && p[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n;) {
		unsigned cp = 0, len;

		if ((unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x7f) { /* nearly all there is */
			before = (unsigned char)p[i++];
			continue;
		}
		len = ff_utf8_next(p + i, n - i, &cp);
		if (len && ff_text_hidden(cp) && cp != '\t' && cp != '\f' && !(first && i == 0 && cp == 0xfeff) &&
		    !part_of_sign(cp, before))
			return true;
		before = len ? cp : 0;
		i += len ? len : 1;
	}
	return false;
}

struct line {
	const char *p;
	size_t n;
};

/* The next line without its end; false behind the last. */
static bool next_line(const char **p, size_t *left, struct line *ret)
{
	const char *end;

	if (!*left)
		return false;
	end = memchr(*p, '\n', *left);
	*ret = (struct line){ *p, end ? (size_t)(end - *p) : *left };
	*p += ret->n + (end ? 1 : 0);
	*left -= ret->n + (end ? 1 : 0);
	return true;
}

static bool has_line(const char *text, size_t len, const struct line *want)
{
	struct line l;

	while (next_line(&text, &len, &l))
		if (l.n == want->n && !memcmp(l.p, want->p, l.n))
			return true;
	return false;
}

size_t ff_review_hidden_line(const char *before, size_t before_len, const char *after, size_t after_len)
{
	struct line l;
	int looks = 0;

	for (size_t number = 1; next_line(&after, &after_len, &l); number++) {
		if (!line_hides(l.p, l.n, number == 1))
			continue;
		/* A file full of them is named without comparing each with all of the old ones. */
		if (++looks > 100 || !has_line(before, before_len, &l))
			return number;
	}
	return 0;
}

/* --- near and far */

struct ff_near {
	char **folders; /* with a slash at the end; "" is the root */
	size_t n;
};

struct ff_near *ff_near_new(void)
{
	return ff_calloc(1, sizeof(struct ff_near));
}

void ff_near_free(struct ff_near **near)
{
	struct ff_near *x = ff_steal(near);

	for (size_t i = 0; x && i < x->n; i++)
		ff_free(&x->folders[i]);
	if (x)
		ff_free(&x->folders);
	ff_free(&x);
}

static bool knows(const struct ff_near *near, const char *folder, size_t n)
{
	for (size_t i = 0; i < near->n; i++)
		if (strlen(near->folders[i]) == n && !memcmp(near->folders[i], folder, n))
			return true;
	return false;
}

static void add_folder(struct ff_near *near, const char *folder, size_t n)
{
	if (near->n == NEAR_MOST || knows(near, folder, n))
		return;
	near->folders = ff_realloc(near->folders, near->n + 1, sizeof *near->folders);
	near->folders[near->n++] = ff_memdup0(folder, n);
}

void ff_near_add(struct ff_near *near, const char *path)
{
	const char *slash = strrchr(path, '/');

	add_folder(near, path, slash ? (size_t)(slash + 1 - path) : 0);
}

static bool in_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' ||
	       c == '_' || c == '-' || c == '+' || (c & 0x80);
}

static void add_word(struct ff_near *near, const char *word, size_t n)
{
	FF_AUTO(ff_free) char *whole = NULL;

	while (n && word[n - 1] == '.')
		n--;
	while (n > 1 && word[0] == '.' && word[1] == '/') {
		word += 2;
		n -= 2;
	}
	if (!n || word[0] == '/' || (!memchr(word, '/', n) && !memchr(word, '.', n)))
		return;
	whole = ff_memdup0(word, n);
	ff_near_add(near, whole);
	if (memchr(word, '/', n) && word[n - 1] != '/') { /* it may be a folder itself */
		FF_AUTO(ff_free) char *folder = ff_asprintf("%s/", whole);

		add_folder(near, folder, n + 1);
	}
}

void ff_near_add_task(struct ff_near *near, const char *text)
{
	while (*text) {
		size_t n = 0;

		while (text[n] && in_word(text[n]))
			n++;
		add_word(near, text, n);
		text += n ? n : 1;
	}
}

bool ff_near_has(const struct ff_near *near, const char *path)
{
	for (size_t i = 0; i < near->n; i++)
		if (*near->folders[i] ? ff_starts(path, near->folders[i]) : !strchr(path, '/'))
			return true;
	return near->n == 0;
}
