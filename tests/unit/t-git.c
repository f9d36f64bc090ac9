/* SPDX-License-Identifier: MIT */
/* Repositories opened, refs moved, commits and notes written, patches printed; git itself is the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/names.h"
#include "base/proc.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

/* main: one commit with a few kinds of entries. */
static void fill(const struct repo *r)
{
	repo_do(r, "git clone -q r.git w 2>&1; cd w; git checkout -q -b main; mkdir -p d/e; echo one >a; echo two >d/e/f;"
		   "ln -s a link; head -c 3000 /dev/zero | tr '\\0' x >big; git add .; git commit -qm 'first'; git push -q origin main");
}

/* --- opening */

static void urls(void **state)
{
	static const char *const paths[] = { "/srv/git/a.git", "/a b/c%d#?.git", "/caf\xe9/\xff" };
	char *path = NULL;

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(paths); i++) {
		FF_AUTO(ff_free) char *url = ff_git_url_from_path(paths[i]), *back = NULL;

		ok(ff_git_path_from_url(url, &back, &err));
		assert_string_equal(back, paths[i]);
	}
	ok(ff_git_path_from_url("file://localhost/x", &path, &err));
	assert_string_equal(path, "/x");
	ff_free(&path);
	fails(INVALID, "another host", ff_git_path_from_url("file://other/x", &path, &err));
	fails(INVALID, "not a file", ff_git_path_from_url("https://h/x", &path, &err));
	fails(INVALID, "percent", ff_git_path_from_url("file:///a%0", &path, &err));
	fails(INVALID, "percent", ff_git_path_from_url("file:///a%00b", &path, &err));
	fails(INVALID, "percent", ff_git_path_from_url("file:///a%zz", &path, &err));
	assert_null(path);
}

static void opens_nothing_but_the_repository(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *inside = ff_asprintf("%s/refs", r->path), *none = ff_asprintf("%s/none", r->dir),
			      *new = ff_asprintf("%s/new.git", r->dir), *tree = ff_asprintf("%s/w", r->dir);
	struct ff_git *git = NULL;

	repo_do(r, "git init -q --bare --object-format=sha256 new.git; git init -q w");
	fails(NOT_FOUND, "not a Git repository", ff_git_open(inside, &git, &err));
	fails(NOT_FOUND, "not a Git repository", ff_git_open(none, &git, &err));
	fails(NOT_FOUND, "not a Git repository", ff_git_open(tree, &git, &err));
	fails(INVALID, "absolute", ff_git_open("r.git", &git, &err));
	fails(UNSUPPORTED, "use a repository with SHA-1", ff_git_open(new, &git, &err));
	assert_null(git);
}

static void notices_a_replaced_repository(void **state)
{
	struct repo *r = *state;

	assert_false(ff_git_gone(r->git));
	repo_do(r, "mv r.git old.git; cp -r old.git r.git");
	assert_true(ff_git_gone(r->git));
	repo_do(r, "rm -r r.git; mv old.git r.git");
	assert_false(ff_git_gone(r->git));
	repo_do(r, "rm -r r.git/objects; mkdir r.git/objects");
	assert_true(ff_git_gone(r->git));
	repo_do(r, "rm -r r.git");
	assert_true(ff_git_gone(r->git));
}

static void only_its_own_configuration(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *v = NULL, *none = NULL;

	repo_do(r, "git config --global flowforge.target other; git -C r.git config flowforge.enabled no;"
		   "git -C r.git config --add flowforge.enabled yes");
	ok(ff_git_config(r->git, "flowforge.enabled", &v, &err));
	assert_string_equal(v, "yes");
	ok(ff_git_config(r->git, "flowforge.target", &none, &err));
	assert_null(none);
	ff_free(&v);
	repo_do(r, "git -C r.git config flowforge.target later");
	ok(ff_git_config(r->git, "flowforge.target", &v, &err));
	assert_string_equal(v, "later");
	repo_do(r, "echo '[broken' >>r.git/config");
	fails(GIT, "config", ff_git_config(r->git, "flowforge.target", &none, &err));
}

/* --- refs */

static int join_ref(void *arg, const char *ref, const char *oid)
{
	struct ff_buf *b = arg;

	assert_int_equal(strlen(oid), 40);
	return ff_buf_addf(b, "%s\n", ref);
}

static int stop_at_once(void *arg, const char *ref, const char *oid)
{
	(void)arg, (void)ref, (void)oid;
	return 1;
}

static void refs_found_and_listed(void **state)
{
	static const char *const globs[] = { "refs/heads/claude/*", "refs/tags/v?", "refs/heads/claude/x*" };
	struct repo *r = *state;
	char main_oid[FF_GIT_OID], tag[FF_GIT_OID], got[FF_GIT_OID];
	FF_AUTO(ff_buf_fini) struct ff_buf list;

	fill(r);
	repo_do(r, "cd r.git; git branch claude/x/y main; git branch claude/b main; git pack-refs --all; git branch claude/a main;"
		   "git branch zz main; git tag -am t v1 main; git tag v10 main; git symbolic-ref refs/heads/claude/s refs/heads/main");
	repo_oid(r, main_oid, "main");
	repo_oid(r, tag, "v1");
	ok(ff_git_ref_commit(r->git, "refs/tags/v1", got, &err));
	assert_string_equal(got, main_oid);
	ok(ff_git_ref_oid(r->git, "refs/tags/v1", got, &err));
	assert_string_equal(got, tag);
	fails(NOT_FOUND, "refs/heads/none", ff_git_ref_commit(r->git, "refs/heads/none", got, &err));
	fails(INVALID, "ref", ff_git_ref_commit(r->git, "refs/heads/a..b", got, &err));
	ff_buf_init(&list, 4096);
	ok(ff_git_refs(r->git, globs, 3, join_ref, &list, &err));
	assert_string_equal(list.data, "refs/heads/claude/a\nrefs/heads/claude/b\nrefs/heads/claude/x/y\nrefs/tags/v1\n");
	fails(CANCELLED, "ended", ff_git_refs(r->git, globs, 3, stop_at_once, NULL, &err));
}

static void branch_of_head(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *unborn = NULL, *detached = NULL;

	ok(ff_git_head_branch(r->git, &unborn, &err));
	assert_string_equal(unborn, "main");
	fill(r);
	repo_do(r, "git -C r.git update-ref --no-deref HEAD main");
	ok(ff_git_head_branch(r->git, &detached, &err));
	assert_null(detached);
}

static int publish(struct repo *r, const struct ff_git_ref_change *ch, size_t n, struct ff_err *err)
{
	const struct ff_git_person who = repo_person();

	return ff_git_publish(r->git, ch, n, &who, "result", err);
}

static void publish_is_all_or_nothing(void **state)
{
	struct repo *r = *state;
	char one[FF_GIT_OID], two[FF_GIT_OID];
	struct ff_git_ref_change ch[2];

	fill(r);
	repo_do(r, "cd w; git commit -q --allow-empty -m 2; git push -q origin main:two");
	repo_oid(r, one, "main");
	repo_oid(r, two, "two");
	ch[0] = (struct ff_git_ref_change){ "refs/heads/claude-results/x-1", NULL, two };
	ch[1] = (struct ff_git_ref_change){ "refs/flowforge/jobs/1/result", two, two };
	ok(publish(r, ch, 1, &err));
	ok(publish(r, ch, 1, &err)); /* again: it is as wanted */
	repo_do(r, "git -C r.git update-ref -d refs/heads/claude-results/x-1; git -C r.git update-ref refs/flowforge/jobs/1/result main");
	fails(REF_MOVED, "refs/flowforge/jobs/1/result", publish(r, ch, 2, &err));
	repo_prints(r, "", "git -C r.git for-each-ref refs/heads/claude-results");
	ch[1].old_oid = one;
	ok(publish(r, ch, 2, &err));
	repo_prints(r, two, "git -C r.git rev-parse refs/heads/claude-results/x-1");
	ch[0].new_oid = one;
	fails(REF_MOVED, "not absent", publish(r, ch, 1, &err));
	repo_prints(r, "", "find r.git -name '*.lock'");
	repo_fsck(r);
}

static void publish_removes(void **state)
{
	struct repo *r = *state;
	char one[FF_GIT_OID];
	struct ff_git_ref_change ch[2] = { { "refs/heads/packed", one, NULL }, { "refs/heads/loose", one, NULL } };

	fill(r);
	repo_oid(r, one, "main");
	repo_do(r, "cd r.git; git branch packed main; git pack-refs --all; git branch loose main");
	ok(publish(r, ch, 2, &err));
	repo_prints(r, "refs/heads/main", "git -C r.git for-each-ref --format='%%(refname)'");
	ok(publish(r, ch, 2, &err)); /* gone is gone */
}

static void publish_says_what_is_in_the_way(void **state)
{
	static const char absent[] = "1234567890123456789012345678901234567890";
	struct repo *r = *state;
	char one[FF_GIT_OID], tree[FF_GIT_OID];

	fill(r);
	repo_oid(r, one, "main");
	repo_oid(r, tree, "main^{tree}");
	repo_do(r, "cd r.git; git branch claude main; git branch p/q main; git pack-refs --all; git branch y/z main;"
		   "git symbolic-ref refs/heads/sym refs/heads/main; git branch held; touch refs/heads/held.lock");
#define try_it(want, text, ref, new) \
	fails(want, text, publish(r, &(struct ff_git_ref_change){ ref, NULL, new }, 1, &err))
	try_it(CONFLICT, "because refs/heads/claude is there", "refs/heads/claude/x/y", one);
	try_it(CONFLICT, "because refs/heads/p/q is there", "refs/heads/p", one);
	try_it(CONFLICT, "because refs/heads/y/z is there", "refs/heads/y", one);
	try_it(GIT, "symbolic", "refs/heads/sym", one);
	fails(IO, "held.lock", publish(r, &(struct ff_git_ref_change){ "refs/heads/held", one, NULL }, 1, &err));
	try_it(INVALID, "cannot be the name", "refs/heads/a..b", one);
	try_it(INVALID, "not a commit", "refs/heads/tree", tree);
	try_it(NOT_FOUND, "refs/heads/n", "refs/heads/n", absent);
#undef try_it
}

static void publish_after_a_crash(void **state)
{
	struct repo *r = *state;
	struct ff_git_ref_change ch[2] = { { "refs/heads/claude-results/x-1", NULL, NULL }, { "refs/flowforge/jobs/1/result", NULL, NULL } };
	char one[FF_GIT_OID];

	fill(r);
	repo_oid(r, one, "main");
	ch[0].new_oid = ch[1].new_oid = one;
	repo_do(r, "cd r.git; mkdir -p refs/heads/claude-results refs/flowforge/jobs/1;"
		   "touch refs/heads/claude-results/x-1.lock refs/flowforge/jobs/1/result.lock");
	ok(publish(r, ch, 2, &err));
	repo_prints(r, one, "git -C r.git rev-parse claude-results/x-1");
	repo_prints(r, one, "git -C r.git rev-parse refs/flowforge/jobs/1/result");
	repo_prints(r, "", "find r.git -name '*.lock'");
}

/* --- commits */

static void commits_as_told(void **state)
{
	struct repo *r = *state;
	char tree[FF_GIT_OID], parent[FF_GIT_OID], got[FF_GIT_OID];
	const char *parents[] = { parent };
	struct ff_git_commit c = { .parents = parents, .n_parents = 1, .author = repo_person(), .committer = repo_person(),
				   .message = "Do it\n\nFlowforge-Job: http://h/1\n\n\n" };
	FF_AUTO(ff_git_commit_info_fini) struct ff_git_commit_info info = { .n_parents = 0 };
	FF_AUTO(ff_free) char *want = NULL;

	fill(r);
	repo_oid(r, tree, "main^{tree}");
	repo_oid(r, parent, "main");
	c.tree = tree;
	ok(ff_git_commit(r->git, &c, got, &err));
	want = ff_asprintf("tree %s\nparent %s\nauthor Flow Forge <flow@example.org> 1700000200 -0530\n"
			   "committer Flow Forge <flow@example.org> 1700000200 -0530\n\n"
			   "Do it\n\nFlowforge-Job: http://h/1", tree, parent);
	repo_prints(r, want, "git -C r.git cat-file commit %s", got);
	ok(ff_git_commit_info(r->git, got, &info, &err));
	assert_string_equal(info.tree, tree);
	assert_int_equal(info.n_parents, 1);
	assert_string_equal(info.parents[0], parent);
	assert_string_equal(info.message, "Do it\n\nFlowforge-Job: http://h/1\n");
	assert_int_equal(info.author_offset_min, -330);
	ok(ff_git_merge_base(r->git, got, parent, tree, &err));
	assert_string_equal(tree, parent);
	assert_int_equal(ff_git_is_ancestor(r->git, parent, got, NULL), 1);
	assert_int_equal(ff_git_is_ancestor(r->git, got, parent, NULL), 0);
	repo_do(r, "git -C r.git update-ref refs/heads/new %s", got);
	repo_fsck(r);
}

static void commits_refuse_what_git_would_not_take(void **state)
{
	static const char *const names[] = { "", "a<b", "a>b", "a\nb", " a", "a " };
	struct repo *r = *state;
	char tree[FF_GIT_OID], commit[FF_GIT_OID], got[FF_GIT_OID] = "";
	struct ff_git_commit c = { .tree = tree, .author = repo_person(), .committer = repo_person(), .message = "m" };
	struct ff_git_commit_info info;

	fill(r);
	repo_oid(r, tree, "main^{tree}");
	repo_oid(r, commit, "main");
	for (size_t i = 0; i < FF_ARRAY_LEN(names); i++) {
		c.author.name = names[i];
		fails(INVALID, "commit.name", ff_git_commit(r->git, &c, got, &err));
	}
	c.author = repo_person();
	c.author.time_s = -1;
	fails(INVALID, "date", ff_git_commit(r->git, &c, got, &err));
	c.author = repo_person();
	c.tree = commit;
	fails(INVALID, "not a tree", ff_git_commit(r->git, &c, got, &err));
	c.tree = "0000000000000000000000000000000000000001";
	fails(NOT_FOUND, "object", ff_git_commit(r->git, &c, got, &err));
	fails(INVALID, "not a commit", ff_git_commit_info(r->git, tree, &info, &err));
	fails(INVALID, "not an object id", ff_git_commit_info(r->git, "main", &info, &err));
	assert_string_equal(got, "");
}

static void single_files(void **state)
{
	struct repo *r = *state;
	char c[FF_GIT_OID];
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	fill(r);
	repo_oid(r, c, "main");
	ff_buf_init(&b, 2999);
	ok(ff_git_read_path(r->git, c, "d/e/f", &b, &err));
	assert_string_equal(b.data, "two\n");
	fails(NOT_FOUND, "no file", ff_git_read_path(r->git, c, "d/none", &b, &err));
	fails(NOT_FOUND, "no file", ff_git_read_path(r->git, c, "../a", &b, &err));
	fails(INVALID, "regular", ff_git_read_path(r->git, c, "link", &b, &err));
	fails(INVALID, "regular", ff_git_read_path(r->git, c, "d/e", &b, &err));
	fails(TOO_LARGE, "3000", ff_git_read_path(r->git, c, "big", &b, &err));
	assert_string_equal(b.data, "two\n");
}

/* --- notes and patches */

static void notes_live_together(void **state)
{
	struct repo *r = *state;
	const struct ff_git_person who = repo_person();
	char c[FF_GIT_OID];

	fill(r);
	repo_oid(r, c, "main");
	ok(ff_git_note(r->git, FF_REF_NOTES, c, "Job 1\nqueued", &who, &err));
	repo_prints(r, "Job 1\nqueued", "git -C r.git notes --ref=flowforge show main");
	repo_do(r, "git -C r.git notes --ref=flowforge append -m 'a person was here' main");
	ok(ff_git_note(r->git, FF_REF_NOTES, c, "Job 12\nqueued", &who, &err));
	ok(ff_git_note(r->git, FF_REF_NOTES, c, "Job 1\nresult: x", &who, &err));
	repo_prints(r, "Job 1\nresult: x\n\na person was here\n\nJob 12\nqueued", "git -C r.git notes --ref=flowforge show main");
	repo_prints(r, "4", "git -C r.git rev-list --count refs/notes/flowforge");
	fails(INVALID, "one paragraph", ff_git_note(r->git, FF_REF_NOTES, c, "a\n\nb", &who, &err));
	repo_fsck(r);
}

/* Several processes at once, none of which may lose what another wrote. */
static void write_notes_at_once(struct repo *r, int writers, int notes)
{
	const struct ff_git_person who = repo_person();
	pid_t pids[16];
	char c[FF_GIT_OID];

	repo_oid(r, c, "main");
	for (int w = 0; w < writers; w++) {
		pids[w] = fork();
		assert_true(pids[w] >= 0);
		for (int i = 0; pids[w] == 0 && i < notes; i++) {
			FF_AUTO(ff_free) char *text = ff_asprintf("Job %d", 10 * w + i);
			struct ff_git *git = NULL;

			if (ff_git_open(r->path, &git, NULL) < 0 || ff_git_note(git, FF_REF_NOTES, c, text, &who, NULL) < 0)
				_exit(1);
			ff_git_close(&git);
		}
		if (pids[w] == 0)
			_exit(0);
	}
	for (int w = 0; w < writers; w++)
		assert_int_equal(ff_wait(pids[w]), 0);
}

static void notes_written_at_once(void **state)
{
	struct repo *r = *state;

	fill(r);
	write_notes_at_once(r, 3, 4);
	repo_prints(r, "12", "git -C r.git notes --ref=flowforge show main | grep -c Job");
	repo_prints(r, "12", "git -C r.git rev-list --count refs/notes/flowforge");
}

/* After a power cut all jobs go on at once, and each finds the lock of a worker that is no more. */
static void notes_written_at_once_after_a_crash(void **state)
{
	struct repo *r = *state;

	fill(r);
	repo_do(r, "mkdir -p r.git/refs/notes; touch r.git/refs/notes/flowforge.lock");
	write_notes_at_once(r, 8, 1);
	repo_prints(r, "8", "git -C r.git notes --ref=flowforge show main | grep -c Job");
	repo_prints(r, "8", "git -C r.git rev-list --count refs/notes/flowforge");
	repo_prints(r, "", "find r.git -name '*.lock'");
}

static void patches_as_git_prints_them(void **state)
{
	struct repo *r = *state;
	char a[FF_GIT_OID], b[FF_GIT_OID];
	FF_AUTO(ff_buf_fini) struct ff_buf mine, small;
	FF_AUTO(ff_free) char *want = NULL, *name = ff_asprintf("%s/patch", r->dir), *whole = NULL;
	bool cut = true;
	FILE *f;

	fill(r);
	repo_do(r, "cd w; git mv d/e/f moved; printf 'one\\nlast' >a; printf '\\0\\1' >bin; chmod +x big; echo n >\"$(printf 'n\\351\\t')\";"
		   "rm link; git add -A; git commit -qm 2; git push -q origin main");
	repo_oid(r, a, "main^");
	repo_oid(r, b, "main");
	want = repo_sh(r, "git -C r.git diff %s %s", a, b);
	ff_buf_init(&mine, 100000);
	ok(ff_git_diff_buf(r->git, a, b, &mine, &cut, &err));
	assert_false(cut);
	mine.data[mine.len - 1] = '\0';
	assert_string_equal(mine.data, want);
	f = fopen(name, "w");
	assert_non_null(f);
	ok(ff_git_diff_fd(r->git, NULL, b, 1 << 20, fileno(f), &cut, &err));
	assert_int_equal(fclose(f), 0);
	assert_false(cut);
	repo_do(r, "git -C r.git diff 4b825dc642cb6eb9a060e54bf8d69288fbee4904 %s | cmp - patch", b);
	ff_buf_init(&small, 200);
	ok(ff_git_diff_buf(r->git, a, b, &small, &cut, &err));
	assert_true(cut);
	assert_true(small.len > 100 && small.len <= 200 && small.data[small.len - 1] == '\n');
	assert_memory_equal(small.data, want, small.len);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),
		test(opens_nothing_but_the_repository),
		test(notices_a_replaced_repository),
		test(only_its_own_configuration),
		test(refs_found_and_listed),
		test(branch_of_head),
		test(publish_is_all_or_nothing),
		test(publish_removes),
		test(publish_after_a_crash),
		test(publish_says_what_is_in_the_way),
		test(commits_as_told),
		test(commits_refuse_what_git_would_not_take),
		test(single_files),
		test(notes_live_together),
		test(notes_written_at_once),
		test(notes_written_at_once_after_a_crash),
		test(patches_as_git_prints_them),
	};

	return cmocka_run_group_tests_name("git", tests, NULL, NULL);
}
