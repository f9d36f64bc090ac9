/* SPDX-License-Identifier: MIT */
/* The merge of trees over a source in memory: kinds of conflict, renames, attributes, limits. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "merge/attr.h"
#include "merge/lines.h"
#include "merge/merge.h"
#include "merge/part.h"
#include "tests/lib/memsource.h"

struct bench {
	struct memsource mem;
	struct ff_merge_source source;
	struct ff_merge merge;
	struct ff_merge_result result;
	struct ff_err err;
};

static int setup(void **state)
{
	struct bench *b = ff_calloc(1, sizeof *b);

	memsource_init(&b->mem, &b->source);
	b->merge = (struct ff_merge){ .source = &b->source, .text = memsource_merge_text };
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ff_merge_result_fini(&b->result);
	assert_int_equal(b->mem.n_lent, 0);
	memsource_fini(&b->mem);
	ff_free(&b);
	return 0;
}

static int run(struct bench *b, const char *base, const char *target, const char *change)
{
	ff_merge_result_fini(&b->result);
	b->merge.base = memsource_tree(&b->mem, base);
	b->merge.target = memsource_tree(&b->mem, target);
	b->merge.change = memsource_tree(&b->mem, change);
	if (!ff_merge_id_absent(&b->merge.attributes))
		b->merge.attributes = b->merge.target;
	return ff_merge(&b->merge, &b->result, &b->err);
}

static void clean(struct bench *b, const char *base, const char *target, const char *change, const char *want)
{
	FF_AUTO(ff_free) char *got = NULL;

	assert_int_equal(run(b, base, target, change), 0);
	assert_true(b->result.clean);
	assert_false(b->result.hard);
	assert_int_equal(b->result.n_conflicts, 0);
	got = memsource_text(&b->mem, &b->result.tree);
	assert_string_equal(got, want);
}

/* want: "path kind" lines, those that are hard with a "!" behind. */
static void conflicts(struct bench *b, const char *base, const char *target, const char *change, const char *want)
{
	FF_AUTO(ff_buf_fini) struct ff_buf got;

	ff_buf_init(&got, 65536);
	assert_int_equal(run(b, base, target, change), 0);
	assert_false(b->result.clean);
	for (size_t i = 0; i < b->result.n_conflicts; i++) {
		const struct ff_merge_conflict *c = &b->result.conflicts[i];

		(void)ff_buf_addf(&got, "%s %s%s\n", c->path, ff_merge_kind_name(c->kind), c->hard ? "!" : "");
	}
	assert_string_equal(got.data, want);
	assert_int_equal(b->result.hard, strchr(want, '!') != NULL);
	assert_int_equal(ff_merge_id_absent(&b->result.tree), b->result.hard);
}

static void holds(struct bench *b, const char *want)
{
	FF_AUTO(ff_free) char *got = memsource_text(&b->mem, &b->result.tree);

	assert_string_equal(got, want);
}

#define TEN "1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n10\\n"
#define TEN_HEAD "one\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n10\\n"
#define TEN_TAIL "1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nten\\n"
#define TEN_BOTH "one\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nten\\n"

static void test_nothing_to_decide(void **state)
{
	struct bench *b = *state;
	size_t before;

	clean(b, "a=1\n", "a=1\n", "a=2\nb=3\n", "a=2\nb=3\n");
	clean(b, "a=1\n", "a=2\n", "a=1\n", "a=2\n");
	clean(b, "a=1\n", "a=2\n", "a=2\n", "a=2\n");
	before = b->mem.n_read;
	clean(b, "a/b/c=1\nd/e=1\n", "a/b/c=2\nd/e=1\n", "a/b/c=1\nd/e=2\n", "a/b/c=2\nd/e=2\n");
	/* The three tops, and no folder: each was changed by one side alone. */
	assert_int_equal(b->mem.n_read - before, 3);
}

static void test_lines(void **state)
{
	struct bench *b = *state;

	clean(b, "x/f=" TEN "\n", "x/f=" TEN_HEAD "\n", "x/f=" TEN_TAIL "\n", "x/f=" TEN_BOTH "\n");
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n", "f=uno\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nten\\n\n", "f content\n");
	holds(b, "f=<<<<<<< target\\none\\n=======\\nuno\\n>>>>>>> change\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nten\\n\n");
	assert_int_equal(b->result.conflicts[0].base.mode, FF_MERGE_MODE_FILE);
	assert_string_equal(b->result.conflicts[0].change.path, "f");
	assert_int_equal(b->result.conflicts[0].merged.mode, FF_MERGE_MODE_FILE);
	/* CR LF stays what it was, in markers too. */
	conflicts(b, "f=a\r\\nb\r\\n\n", "f=x\r\\nb\r\\n\n", "f=y\r\\nb\r\\n\n", "f content\n");
	holds(b, "f=<<<<<<< target\r\\nx\r\\n=======\r\\ny\r\\n>>>>>>> change\r\\nb\r\\n\n");
	/* Without a newline at the end. */
	conflicts(b, "f=a\n", "f=b\n", "f=c\n", "f content\n");
	holds(b, "f=<<<<<<< target\\nb\\n=======\\nc\\n>>>>>>> change\\n\n");
}

struct asked {
	unsigned times;
	size_t a_len, b_len;
};

static int count_asked(void *arg, const char *a, size_t a_len, const char *b, size_t b_len, unsigned char *a_changed,
		       unsigned char *b_changed, struct ff_err *err)
{
	struct asked *asked = arg;

	(void)err;
	if (a_len == b_len && memcmp(a, b, a_len) == 0)
		return 0;
	asked->times++;
	asked->a_len = a_len;
	asked->b_len = b_len;
	a_changed[0] = 1; /* the first line of each, as a better difference would find */
	b_changed[0] = 1;
	return 0;
}

/* Lines that all occur too often are the other difference's work, and its answer counts. */
static void test_common_lines(void **state)
{
	FF_AUTO(ff_buf_fini) struct ff_buf base, target, change;
	struct ff_merge_bytes b, t, c;
	struct ff_merge_text what = { .base = &b, .target = &t, .change = &c };
	struct ff_merge_text_result out = { 0 };
	struct asked asked = { 0, 0, 0 };

	(void)state;
	ff_buf_init(&base, 4096);
	ff_buf_init(&target, 4096);
	ff_buf_init(&change, 4096);
	for (int i = 0; i < 70; i++)
		(void)ff_buf_adds(&base, "}\n");
	(void)ff_buf_addf(&target, "{\n%s", base.data + 2);
	(void)ff_buf_addf(&change, "%s", base.data);
	b = (struct ff_merge_bytes){ (const unsigned char *)base.data, base.len, NULL };
	t = (struct ff_merge_bytes){ (const unsigned char *)target.data, target.len, NULL };
	c = (struct ff_merge_bytes){ (const unsigned char *)change.data, change.len, NULL };
	assert_int_equal(ff_merge_lines(&what, count_asked, &asked, &out, NULL), 0);
	assert_int_equal(asked.times, 1);
	assert_int_equal(asked.a_len, base.len);
	assert_int_equal(asked.b_len, target.len);
	assert_false(out.conflict);
	assert_string_equal(out.data, target.data);
	ff_free(&out.data);
}

static void test_line_limit(void **state)
{
	const size_t n = 16000001;
	FF_AUTO(ff_free) char *text = ff_calloc(n, 1);
	struct ff_merge_bytes b = { NULL, 0, NULL }, t = { (unsigned char *)text, n, NULL };
	struct ff_merge_text what = { .base = &b, .target = &t, .change = &b };
	struct ff_merge_text_result out = { 0 };
	struct ff_err err = { 0 };

	(void)state;
	memset(text, '\n', n);
	assert_int_equal(ff_merge_lines(&what, count_asked, NULL, &out, &err), -1);
	assert_int_equal(err.code, FF_E_TOO_LARGE);
	assert_null(out.data);
}

static int too_long(void *arg, const struct ff_merge_text *what, struct ff_merge_text_result *ret, struct ff_err *err)
{
	(void)arg;
	(void)what;
	(void)ret;
	return ff_err_set(err, FF_E_TOO_LARGE, "too many lines");
}

static void test_text_too_long(void **state)
{
	struct bench *b = *state;

	b->merge.text = too_long;
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n", "f=" TEN_TAIL "\n", "f too-large!\n");
}

static void test_added_and_deleted(void **state)
{
	struct bench *b = *state;

	clean(b, "k=0\n", "k=0\na=1\n", "k=0\nd/b=2\n", "a=1\nd/b=2\nk=0\n");
	clean(b, "k=0\na=1\nd/x=1\n", "k=0\nd/x=1\n", "k=0\na=1\n", "k=0\n");
	clean(b, "k=0\n", "k=0\na=1\n", "k=0\na=1\n", "a=1\nk=0\n");
	conflicts(b, "k=0\n", "k=0\na=1\n", "k=0\na=2\n", "a add/add\n");
	holds(b, "a=<<<<<<< target\\n1\\n=======\\n2\\n>>>>>>> change\\n\nk=0\n");
	conflicts(b, "a=1\nk=0\n", "k=0\n", "a=2\nk=0\n", "a modify/delete\n");
	holds(b, "a=2\nk=0\n");
	assert_int_equal(b->result.conflicts[0].target.mode, 0);
	assert_null(b->result.conflicts[0].target.path);
	conflicts(b, "a=1\nk=0\n", "a=2\nk=0\n", "k=0\n", "a modify/delete\n");
	/* An empty tree is a result like any other, and so is no base at all. */
	clean(b, "a=1\nb=1\n", "a=1\n", "b=1\n", "");
	b->merge.base = (struct ff_merge_id){ { 0 } };
	ff_merge_result_fini(&b->result);
	b->merge.target = memsource_tree(&b->mem, "a=1\n");
	b->merge.change = memsource_tree(&b->mem, "b=1\n");
	assert_int_equal(ff_merge(&b->merge, &b->result, &b->err), 0);
	holds(b, "a=1\nb=1\n");
}

static void test_modes(void **state)
{
	struct bench *b = *state;

	clean(b, "f=" TEN "\n", "100755:f=" TEN "\n", "f=" TEN_TAIL "\n", "100755:f=" TEN_TAIL "\n");
	clean(b, "100755:f=" TEN "\n", "100755:f=" TEN_HEAD "\n", "f=" TEN_TAIL "\n", "f=" TEN_BOTH "\n");
	/* Added on both sides, one of them a program: the bytes agree, the modes do not. */
	conflicts(b, "k=0\n", "k=0\nf=1\n", "k=0\n100755:f=1\n", "f mode\n");
	conflicts(b, "f=1\n", "120000:f=x\n", "f=2\n", "f type\n");
	holds(b, "120000:f=x\nf~change=2\n");
	assert_int_equal(b->result.conflicts[0].target.mode, FF_MERGE_MODE_LINK);
	conflicts(b, "f=1\n", "120000:f=x\n", "160000:f=y\n", "f type\n");
	holds(b, "160000:f~change=y\n120000:f~target=x\n");
}

static void test_no_text(void **state)
{
	struct bench *b = *state;

	conflicts(b, "f=a\\0b\n", "f=a\\0c\n", "f=a\\0d\n", "f binary\n");
	holds(b, "f=a\\0c\n");
	conflicts(b, "120000:f=a\n", "120000:f=b\n", "120000:f=c\n", "f symlink\n");
	holds(b, "120000:f=b\n");
	conflicts(b, "160000:f=a\n", "160000:f=b\n", "160000:f=c\n", "f submodule\n");
	clean(b, "160000:f=a\n", "160000:f=b\n", "160000:f=a\nk=1\n", "160000:f=b\nk=1\n");
}

static void test_files_and_folders(void **state)
{
	struct bench *b = *state;

	clean(b, "d=1\nk=0\n", "d/x=2\nk=0\n", "k=0\nl=3\n", "d/x=2\nk=0\nl=3\n");
	conflicts(b, "d=1\nk=0\n", "d/x=1\nk=0\n", "k=0\nl=1\n", "d/x rename/rename\nl rename/rename\n");
	clean(b, "d/x=old\nk=0\n", "d=1\nk=0\n", "d/x=old\nk=2\n", "d=1\nk=2\n");
	conflicts(b, "k=0\n", "k=0\nd=file\n", "k=0\nd/x=1\n", "d file/directory\n");
	holds(b, "d/x=1\nd~target=file\nk=0\n");
	conflicts(b, "k=0\n", "k=0\nd/x=1\n", "k=0\nd=file\nd~change=mine\n", "d file/directory\n");
	holds(b, "d/x=1\nd~change=mine\nd~change_0=file\nk=0\n");
	/* A folder sorts as if its name ended in a slash. */
	clean(b, "a-b=1\na/x=1\na0=1\n", "a-b=2\na/x=1\na0=1\n", "a-b=1\na/x=2\na0=2\n", "a-b=2\na/x=2\na0=2\n");
}

static void test_renames(void **state)
{
	struct bench *b = *state;

	/* The same bytes; similar ones; and into a new folder that nobody else touched. */
	clean(b, "a=" TEN "\n", "b=" TEN "\n", "a=" TEN_TAIL "\n", "b=" TEN_TAIL "\n");
	clean(b, "a=" TEN "\n", "b=" TEN_HEAD "\n", "a=" TEN_TAIL "\n", "b=" TEN_BOTH "\n");
	clean(b, "a=" TEN "\n", "a=" TEN_HEAD "\n", "n/m/b=" TEN_TAIL "\n", "n/m/b=" TEN_BOTH "\n");
	/* Renamed alike on both sides. */
	clean(b, "a=" TEN "\n", "b=" TEN_HEAD "\n", "b=" TEN_TAIL "\n", "b=" TEN_BOTH "\n");
	conflicts(b, "a=" TEN "\nk=0\n", "b=" TEN "\nk=0\n", "k=0\n", "b rename/delete\n");
	holds(b, "b=" TEN "\nk=0\n");
	assert_string_equal(b->result.conflicts[0].base.path, "a");
	conflicts(b, "a=" TEN "\n", "b=" TEN "\n", "c=" TEN "\n", "a rename/rename\nb rename/rename\nc rename/rename\n");
	conflicts(b, "a=" TEN "\n", "b=" TEN "\n", "a=" TEN_TAIL "\nb=other\\n\n", "b rename/add!\n");
	conflicts(b, "a=" TEN "\nc=x\\ny\\nz\\n\n", "b=" TEN "\nc=x\\ny\\nz\\nmore\\n\n",
		  "a=" TEN_TAIL "\nb=x\\ny\\nz\\n\n", "b rename/rename(2to1)!\n");
	/* Too different: deleted here, changed there. */
	conflicts(b, "a=" TEN "\n", "b=completely\\nother\\n\n", "a=" TEN_TAIL "\n", "a modify/delete\n");
}

static void test_folder_renames(void **state)
{
	struct bench *b = *state;

	conflicts(b, "old/a=" TEN "\nold/b=x\\ny\\nz\\n\n", "new/a=" TEN "\nnew/b=x\\ny\\nz\\n\n",
		  "old/a=" TEN "\nold/b=x\\ny\\nz\\n\nold/c=added\\n\n", "old directory-rename!\n");
	/* Removed and not renamed: what was added there stays there. */
	clean(b, "k=0\nold/a=" TEN "\n", "k=0\n", "k=0\nold/a=" TEN "\nold/c=added\\n\n", "k=0\nold/c=added\\n\n");
}

static void test_rename_limit(void **state)
{
	struct bench *b = *state;

	b->merge.limits.rename_limit = 1;
	clean(b, "a=" TEN "\n", "b=" TEN_HEAD "\n", "a=" TEN_TAIL "\n", "b=" TEN_BOTH "\n");
	/* Two pairs to look at: only the same bytes count now. */
	conflicts(b, "a=" TEN "\n", "b=" TEN_HEAD "\nc=more\\n\n", "a=" TEN_TAIL "\n", "a modify/delete\n");
	b->merge.limits.rename_limit = 2;
	clean(b, "a=" TEN "\n", "b=" TEN_HEAD "\nc=more\\n\n", "a=" TEN_TAIL "\n", "b=" TEN_BOTH "\nc=more\\n\n");
}

static void test_limits(void **state)
{
	struct bench *b = *state;

	b->merge.limits.max_text_bytes = strlen("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n") + 1;
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n", "f=" TEN_TAIL "\n", "f too-large!\n");
	b->merge.limits.max_text_bytes++;
	clean(b, "f=" TEN "\n", "f=" TEN_HEAD "\n", "f=" TEN_TAIL "\n", "f=" TEN_BOTH "\n");
	b->merge.limits = (struct ff_merge_limits){ .max_rename_bytes = 40 };
	conflicts(b, "a=" TEN "\n", "b=" TEN_HEAD "\n", "a=" TEN_TAIL "\n", "a modify/delete\na too-large!\n");
	b->merge.limits = (struct ff_merge_limits){ .max_tree_entries = 6 };
	clean(b, "a=1\nb=1\n", "a=2\nb=1\n", "a=1\nb=2\n", "a=2\nb=2\n");
	b->merge.limits.max_tree_entries = 5;
	assert_int_equal(run(b, "a=1\nb=1\n", "a=2\nb=1\n", "a=1\nb=2\n"), -1);
	assert_int_equal(b->err.code, FF_E_TOO_LARGE);
	b->merge.limits = (struct ff_merge_limits){ .max_depth = 2 };
	clean(b, "a/b/f=" TEN "\n", "a/b/f=" TEN_HEAD "\n", "a/b/f=" TEN_TAIL "\n", "a/b/f=" TEN_BOTH "\n");
	assert_int_equal(run(b, "a/b/c/f=1\n", "a/b/c/f=2\n", "a/b/c/f=3\n"), -1);
	assert_int_equal(b->err.code, FF_E_TOO_LARGE);
}

/* --- attributes */

static void test_attributes(void **state)
{
	struct bench *b = *state;

	memset(b->merge.attributes.b, 1, 1); /* run() takes the target's */
	clean(b, "f=a\\n\n", "f=b\\n\n.gitattributes=f merge=union\\n\n", "f=c\\n\n", ".gitattributes=f merge=union\\n\nf=b\\nc\\n\n");
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n.gitattributes=* binary\\n\n", "f=" TEN_TAIL "\n", "f binary\n");
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n.gitattributes=* merge=mine\\n\n", "f=" TEN_TAIL "\n", "f driver!\n");
	assert_string_equal(b->result.attributes, "\"*\" merge=mine\n");
	/* Those of the change do not count, nor do those of a link. */
	clean(b, "f=" TEN "\n", "f=" TEN_HEAD "\n", "f=" TEN_TAIL "\n.gitattributes=* binary\\n\n",
	      ".gitattributes=* binary\\n\nf=" TEN_BOTH "\n");
	clean(b, "f=" TEN "\n120000:.gitattributes=* binary\\n\n", "f=" TEN_HEAD "\n120000:.gitattributes=* binary\\n\n",
	      "f=" TEN_TAIL "\n120000:.gitattributes=* binary\\n\n", "120000:.gitattributes=* binary\\n\nf=" TEN_BOTH "\n");
	/* Deeper ones win, later ones win, macros open, and one that names itself ends. */
	conflicts(b, "d/f=" TEN "\n", "d/f=" TEN_HEAD "\nd/.gitattributes=f -merge\\n\n.gitattributes=* merge=union\\n\n",
		  "d/f=" TEN_TAIL "\n", "d/f binary\n");
	clean(b, "f=" TEN "\n", "f=" TEN_HEAD "\n.gitattributes=* -merge\\nf !merge\\n\n", "f=" TEN_TAIL "\n",
	      ".gitattributes=* -merge\\nf !merge\\n\nf=" TEN_BOTH "\n");
	conflicts(b, "f=" TEN "\n", "f=" TEN_HEAD "\n.gitattributes=[attr]m m n -merge\\nf m\\n\n", "f=" TEN_TAIL "\n", "f binary\n");
	/* Longer markers. */
	conflicts(b, "f=a\\n\n", "f=b\\n\n.gitattributes=f conflict-marker-size=9\\n\n", "f=c\\n\n", "f content\n");
	assert_int_equal(b->result.conflicts[0].merged.mode, FF_MERGE_MODE_FILE);
}

static void test_patterns(void **state)
{
	static const struct { const char *pattern, *path; bool want; } rows[] = {
		{ "*.c", "a.c", true }, { "*.c", "d/e/a.c", true }, { "*.c", "a.cc", false }, { "a", "d/a", true },
		{ "/a", "a", true }, { "/a", "d/a", false }, { "d/*", "d/a", true }, { "d/*", "d/e/a", false },
		{ "d/", "d/a", false }, { "d/", "d", false }, { "**/a", "a", true }, { "**/a", "d/e/a", true },
		{ "d/**", "d/e/a", true }, { "d/**", "x/d/a", false }, { "d/**/a", "d/a", true },
		{ "d/**/a", "d/e/f/a", true }, { "d/**/a", "d/e/f/b", false }, { "a**b/c", "axb/c", true },
		{ "a**b/c", "ax/b/c", false }, { "?", "a", true }, { "?", "ab", false }, { "[a-c]x", "bx", true },
		{ "[!a-c]x", "bx", false }, { "[^a-c]x", "dx", true }, { "[]]x", "]x", true }, { "[[:digit:]]", "7", true },
		{ "[[:digit:]]", "x", false }, { "[a", "[a", false }, { "\\*", "*", true }, { "\\*", "a", false },
		{ "d/[^a]b", "d/xb", true }, { "a/b", "a/b", true }, { "a/b", "x/a/b", false },
		{ "*a*b*c*d*e*f*g*h*", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
		{ "**/x/**/y", "a/x/b/c/y", true }, { "**/x/**/y", "x/y", true }, { "*", ".x", true },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		if (ff_attr_matches(rows[i].pattern, rows[i].path) != rows[i].want)
			fail_msg("%s against %s", rows[i].pattern, rows[i].path);
}

/* --- trees from strangers */

static int parse(const char *data, size_t len, struct ff_tree *ret, struct ff_err *err)
{
	static struct ff_arena arena;
	int rc;

	ff_arena_fini(&arena);
	rc = ff_tree_parse(&arena, data, len, 20, 100, ret, err);
	if (rc < 0)
		ff_arena_fini(&arena);
	return rc;
}

#define ID "12345678901234567890"

static void test_bad_trees(void **state)
{
	static const struct { const char *data; size_t len; } rows[] = {
#define ROW(text) { text, sizeof(text) - 1 }
		ROW("x"), ROW("100644"), ROW("100644 "), ROW("100644 a"), ROW("100644 a\0" "1234"), ROW(" a\0" ID),
		ROW("0 a\0" ID), ROW("100644 \0" ID), ROW("100644 a/b\0" ID), ROW("10064x a\0" ID), ROW("100644a\0" ID),
		ROW("100644 a\0" ID "100644 a\0" ID), ROW("100644 b\0" ID "100644 a\0" ID "100644 b\0" ID),
		ROW("77777777777 a\0" ID), ROW("-100644 a\0" ID),
	};
	struct ff_err err = { 0 };
	struct ff_tree t;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(rows); i++)
		if (parse(rows[i].data, rows[i].len, &t, &err) == 0 || err.code != FF_E_INVALID)
			fail_msg("row %zu: %s", i, err.text);
	assert_int_equal(parse("", 0, &t, &err), 0);
	assert_int_equal(t.n, 0);
	/* Out of order is only read in order; odd modes are brought into shape. */
	assert_int_equal(parse("100664 b\0" ID "40000 a\0" ID, 9 + 20 + 8 + 20, &t, &err), 0);
	assert_int_equal(t.n, 2);
	assert_memory_equal(t.entries[0].name, "a", 1);
	assert_int_equal(t.entries[1].mode, FF_MERGE_MODE_FILE);
	assert_true(t.odd);
	(void)parse("x", 1, &t, &err);
}

static void test_broken_objects(void **state)
{
	struct bench *b = *state;

	b->merge.base = memsource_tree(&b->mem, "a=1\n");
	b->merge.target = memsource_tree(&b->mem, "a=2\n");
	b->merge.change = memsource_tree_raw(&b->mem, "100644 a\0" ID, 9 + 20);
	assert_int_equal(ff_merge(&b->merge, &b->result, &b->err), -1);
	assert_int_equal(b->err.code, FF_E_NOT_FOUND);
	b->merge.change = memsource_blob(&b->mem, "no tree", 7);
	assert_int_equal(ff_merge(&b->merge, &b->result, &b->err), -1);
	assert_int_equal(b->err.code, FF_E_GIT);
	assert_int_equal(b->result.n_conflicts, 0);
}

/* --- how alike */

static unsigned alike(const char *a, const char *b)
{
	struct ff_spans x, y;
	struct ff_spans_table t = { NULL, NULL };
	unsigned score, newer;

	ff_spans_of(a, strlen(a), &x);
	ff_spans_of(b, strlen(b), &y);
	ff_spans_put(&t, &x);
	score = ff_spans_similar(&t, &y, &newer);
	assert_true(newer >= score);
	ff_spans_put(&t, NULL);
	ff_spans_fini(&x);
	ff_spans_fini(&y);
	ff_spans_table_fini(&t);
	return score;
}

static void test_similar(void **state)
{
	(void)state;
	assert_int_equal(alike("one\ntwo\n", "one\ntwo\n"), FF_SIMILAR_MAX);
	assert_int_equal(alike("two\none\n", "one\ntwo\n"), FF_SIMILAR_MAX); /* the order does not count */
	assert_int_equal(alike("one\ntwo\n", "one\nsix\n"), FF_SIMILAR_MAX / 2);
	assert_int_equal(alike("one\r\ntwo\r\n", "one\ntwo\n"), FF_SIMILAR_MAX * 8 / 10);
	assert_int_equal(alike("a\n", "b\n"), 0);
	assert_int_equal(alike("abc", "abc"), 0); /* an unfinished line, to git 2.39 */
	assert_int_equal(alike("", ""), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_nothing_to_decide), T(test_lines), T(test_common_lines),
		T(test_line_limit), T(test_text_too_long), T(test_added_and_deleted), T(test_modes), T(test_no_text),
		T(test_files_and_folders), T(test_renames), T(test_folder_renames), T(test_rename_limit), T(test_limits),
		T(test_attributes), T(test_patterns), T(test_bad_trees), T(test_broken_objects), T(test_similar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
