/* SPDX-License-Identifier: MIT */
/* The rebase engine, with git's own rebase as the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "git/rebase.h"
#include "merge/merge.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

/* A work folder w with main (10 lines in a, some files) and, checked out, topic on it. */
static void begin(const struct repo *r)
{
	repo_do(r, "git init -q -b main w; cd w; git remote add o ../r.git; seq 1 20 >a; mkdir d; seq 1 50 >d/f; echo x >gone;"
		   "git add .; git commit -qm base; git checkout -q -b topic");
}

static void hand_over(const struct repo *r)
{
	repo_do(r, "cd w; git push -qf o main topic");
}

static int rebase(struct repo *r, struct ff_rebase_result *result, struct ff_err *err)
{
	char onto[FF_GIT_OID], tip[FF_GIT_OID];

	repo_oid(r, onto, "main");
	repo_oid(r, tip, "topic");
	return ff_rebase(r->git, &(struct ff_rebase){ .onto = onto, .tip = tip, .committer = repo_person() }, result, err);
}

static void same_as_git_rebase(struct repo *r, const struct ff_rebase_result *result)
{
	static const char format[] = "%T %an <%ae> %ad%n%B---";
	FF_AUTO(ff_free) char *want = NULL;

	repo_do(r, "cd w; git checkout -q -b check topic; git rebase -q main >/dev/null 2>&1");
	want = repo_sh(r, "cd w; git log --date=raw --format='%s' main..check", format);
	repo_do(r, "git -C r.git update-ref refs/heads/new %s", result->tip);
	repo_prints(r, want, "git -C r.git log --date=raw --format='%s' main..new", format);
	repo_prints(r, "Flow Forge <flow@example.org> 1700000200 -0530", "git -C r.git log -1 --date=raw --format='%%cn <%%ce> %%cd' new");
	repo_fsck(r);
}

static void series_as_git_does_it(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };

	begin(r);
	repo_do(r, "cd w; sed -i 's/^18$/eighteen/' a; git commit -qam 'change a\n\n  body  \n\nKey: v';"
		   "git mv d/f d/renamed; sed -i 's/^40$/forty/' d/renamed; GIT_AUTHOR_NAME=Zo GIT_AUTHOR_DATE='1234567890 -0800' git commit -qam rename;"
		   "git commit -q --allow-empty -m 'was empty';"
		   "sed -i 's/^2$/two/' a; git commit -qam 'same on both sides';"
		   "git checkout -q -b side HEAD~2; echo s >side; git add side; git commit -qm side; git checkout -q topic; git merge -q side -m merge;"
		   "git rm -q gone; git commit -qm 'remove'; chmod +x a; git commit -qam mode;"
		   "git checkout -q main; sed -i 's/^2$/two/' a; sed -i 's/^3$/three/' d/f; echo n >new; git add .; git commit -qm target");
	hand_over(r);
	ok(rebase(r, &result, &err));
	assert_false(result.conflict);
	assert_int_equal(result.total, 7);
	assert_int_equal(result.dropped, 1);
	assert_int_equal(result.applied, 6);
	same_as_git_rebase(r, &result);
}

static void odd_messages_are_kept(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };
	FF_AUTO(ff_free) char *want = NULL;

	begin(r);
	repo_do(r, "cd w; echo 1 >n; git add n; printf '\\n\\nsubject caf\\351\\n\\n\\n' >../m; git -c i18n.commitEncoding=latin1 commit -q --cleanup=verbatim -F ../m;"
		   "git checkout -q main; echo m >m; git add m; git commit -qm m");
	hand_over(r);
	want = repo_sh(r, "git -C r.git cat-file commit topic | sed '/^tree/d;/^parent/d;/^committer/d'");
	ok(rebase(r, &result, &err));
	assert_int_equal(result.applied, 1);
	repo_prints(r, want, "git -C r.git cat-file commit %s | sed '/^tree/d;/^parent/d;/^committer/d'", result.tip);
	assert_non_null(strstr(want, "encoding latin1"));
}

static void up_to_date_is_left_alone(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };
	char tip[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; echo 1 >1; git add 1; git commit -qm 1; git commit -q --allow-empty -m 2");
	hand_over(r);
	repo_oid(r, tip, "topic");
	ok(rebase(r, &result, &err));
	assert_true(result.unchanged);
	assert_string_equal(result.tip, tip);
	ff_rebase_result_fini(&result);
	/* The other way round: everything is in the target already. */
	repo_do(r, "cd w; git branch -f main topic; git branch -f topic2 main~1; git push -qf o main topic2:topic");
	repo_oid(r, tip, "main");
	ok(rebase(r, &result, &err));
	assert_int_equal(result.total, 0);
	assert_string_equal(result.tip, tip);
}

/* Also on a target that did not move, as git does it; but not into a conflict that the merge had solved. */
static void merges_are_made_straight(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };
	char tip[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; echo 1 >1; git add 1; git commit -qm 1; git checkout -q -b s main; echo 2 >2; git add 2; git commit -qm 2;"
		   "git checkout -q topic; git merge -q s -m merge; echo 3 >3; git add 3; git commit -qm 3");
	hand_over(r);
	ok(rebase(r, &result, &err));
	assert_false(result.unchanged);
	assert_int_equal(result.merges, 1);
	assert_int_equal(result.applied, 3);
	same_as_git_rebase(r, &result);
	ff_rebase_result_fini(&result);
	repo_do(r, "cd w; git checkout -q topic; sed -i 's/^5$/mine/' a; git commit -qam mine; git checkout -q main; sed -i 's/^5$/theirs/' a;"
		   "git commit -qam theirs; git checkout -q topic; git merge -q main || :; sed -i '/^[<=>]/d' a; git commit -qam solved");
	hand_over(r);
	repo_oid(r, tip, "topic");
	ok(rebase(r, &result, &err));
	assert_true(result.unchanged);
	assert_string_equal(result.tip, tip);
}

static void merges_are_refused(void **state)
{
	struct repo *r = *state;
	struct ff_rebase_result result;
	char onto[FF_GIT_OID], tip[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; git commit -q --allow-empty -m 1; git checkout -q -b s main; git commit -q --allow-empty -m 2;"
		   "git checkout -q topic; git merge -q s -m merge; git checkout -q main; git commit -q --allow-empty -m moved");
	hand_over(r);
	repo_oid(r, onto, "main");
	repo_oid(r, tip, "topic");
	fails(INVALID, "1 merge commits, which rebase.merges refuses", ff_rebase(r->git, &(struct ff_rebase){
		.onto = onto, .tip = tip, .committer = repo_person(), .refuse_merges = true }, &result, &err));
}

/* A patch that the target has already is left out, though the target changed its lines again. */
static void patches_of_the_target_are_left_out(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };

	begin(r);
	repo_do(r, "cd w; sed -i 's/^5$/five/' a; git commit -qam five; git commit -q --allow-empty -m empty; chmod +x d/f; git commit -qam mode;"
		   "sed -i 's/^15$/fifteen/' a; git commit -qam fifteen; git checkout -q main; echo other >other; git add other; git commit -qm other;"
		   "git cherry-pick topic~3 topic~1 >/dev/null; git commit -q --allow-empty -m 'empty too'; git revert --no-edit HEAD~2 >/dev/null");
	hand_over(r);
	ok(rebase(r, &result, &err));
	assert_false(result.conflict);
	assert_int_equal(result.upstream, 2);
	assert_int_equal(result.applied, 2);
	same_as_git_rebase(r, &result);
}

static void upstream_and_onto_apart(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };
	char onto[FF_GIT_OID], upstream[FF_GIT_OID], tip[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; echo 1 >1; git add 1; git commit -qm 1; echo 2 >2; git add 2; git commit -qm 2; echo 3 >3; git add 3; git commit -qm 3;"
		   "git checkout -q main; echo m >m; git add m; git commit -qm m");
	hand_over(r);
	repo_oid(r, onto, "main");
	repo_oid(r, upstream, "topic~1");
	repo_oid(r, tip, "topic");
	ok(ff_rebase(r->git, &(struct ff_rebase){ .onto = onto, .upstream = upstream, .tip = tip, .committer = repo_person() },
		     &result, &err));
	assert_int_equal(result.applied, 1);
	repo_prints(r, "3\nm\nbase", "git -C r.git log --format=%%s %s", result.tip);
	ff_rebase_result_fini(&result);
	/* On its own base each commit is taken as it is. */
	ok(ff_rebase(r->git, &(struct ff_rebase){ .onto = upstream, .upstream = upstream, .tip = tip, .committer = repo_person() },
		     &result, &err));
	assert_string_equal(result.tip, tip);
}

static void conflicts_are_named(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };
	char good[FF_GIT_OID], bad[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; echo ok >fine; git add .; git commit -qm fine; sed -i 's/^5$/mine/' a; git rm -q gone; echo 1 >both;"
		   "echo ch >>d/f; git add .; git commit -qm 'the bad one'; git commit -q --allow-empty -m after;"
		   "git checkout -q main; sed -i 's/^5$/theirs/' a; echo more >>gone; echo 2 >both; git rm -q d/f; git add .; git commit -qm t");
	hand_over(r);
	ok(rebase(r, &result, &err));
	assert_true(result.conflict);
	assert_int_equal(result.total, 3);
	assert_int_equal(result.applied, 1);
	repo_oid(r, bad, "topic~1");
	assert_string_equal(result.stop.at, bad);
	assert_string_equal(result.at_subject, "the bad one");
	repo_oid(r, good, "topic~2^{tree}");
	repo_prints(r, "fine", "git -C r.git log -1 --format=%%s %s", result.tip);
	assert_int_equal(result.merge->n_conflicts, 4);
	for (size_t i = 0; i < 4; i++) {
		static const char *const want[][2] = {
			{ "a", "content" }, { "both", "add/add" }, { "d/f", "modify/delete" }, { "gone", "modify/delete" } };

		assert_string_equal(result.merge->conflicts[i].path, want[i][0]);
		assert_string_equal(ff_merge_kind_name(result.merge->conflicts[i].kind), want[i][1]);
	}
	repo_fsck(r);
}

/* Two conflicts in one series, each answered by a tree; the end is what git makes of the same answers. */
static void goes_on_after_a_conflict(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result one = { 0 }, two = { 0 }, three = { 0 };
	struct ff_rebase what = { .committer = repo_person() };
	struct ff_rebase_stop stop;
	char tree[FF_GIT_OID];

	begin(r);
	repo_do(r, "cd w; echo ok >fine; git add .; git commit -qm fine; sed -i 's/^5$/mine/' a; GIT_AUTHOR_NAME=Zo git commit -qam 'first bad one';"
		   "echo x >x; git add x; git commit -qm between; sed -i 's/^40$/mine/' d/f; git commit -qam 'second bad one'; echo y >y; git add y;"
		   "git commit -qm last; git checkout -q main; sed -i 's/^5$/theirs/' a; sed -i 's/^40$/theirs/' d/f; git commit -qam t");
	hand_over(r);
	ok(rebase(r, &one, &err));
	assert_true(one.conflict);
	assert_string_equal(one.at_subject, "first bad one");
	assert_int_equal(one.stop.done, 1);
	stop = one.stop;
	assert_int_equal(one.stop.n_applied, 1);
	repo_do(r, "cd w; git checkout -q main; echo ok >fine; sed -i 's/^theirs$/both/' a; git add .; git update-ref refs/t/one $(git write-tree); git push -q o refs/t/one");
	repo_oid(r, tree, "refs/t/one");
	ok(ff_rebase_continue(r->git, &what, &stop, tree, &two, &err));
	assert_true(two.conflict);
	assert_string_equal(two.at_subject, "second bad one");
	assert_int_equal(two.stop.done, 3);
	assert_int_equal(two.stop.n_dropped, 0);
	assert_int_equal(two.stop.n_applied, 3);
	repo_prints(r, "first bad one Zo", "git -C r.git log -1 --format='%%s %%an' %s~1", two.stop.applied);
	stop = two.stop;
	/* The answer leaves the target as it is there: the commit is dropped. */
	ok(ff_rebase_continue(r->git, &what, &stop, two.tree, &three, &err));
	assert_false(three.conflict);
	assert_int_equal(three.applied, 4);
	assert_int_equal(three.dropped, 1);
	repo_prints(r, "last\nbetween\nfirst bad one\nfine", "git -C r.git log --format=%%s main..%s", three.tip);
	repo_prints(r, "both", "git -C r.git show %s:a | sed -n 5p", three.tip);
	stop.done = 2;
	fails(CONFLICT, "not where the rebase stopped", ff_rebase_continue(r->git, &what, &stop, tree, &three, &err));
	repo_fsck(r);
}

static void runs_no_driver(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_rebase_result_fini) struct ff_rebase_result result = { 0 };

	begin(r);
	repo_do(r, "cd w; echo '* merge=evil filter=evil diff=evil' >.gitattributes; sed -i 's/^5$/mine/' a; git add .; git commit -qm c;"
		   "git checkout -q main; sed -i 's/^15$/theirs/' a; git commit -qam t; cd ../r.git;"
		   "for k in merge.evil.driver filter.evil.clean filter.evil.smudge diff.evil.command; do git config $k 'touch %s/fired'; done;"
		   "echo '* merge=evil filter=evil diff=evil' >info/attributes", r->dir);
	hand_over(r);
	ok(rebase(r, &result, &err));
	repo_prints(r, "mine\ntheirs", "test ! -e fired; git -C r.git show %s:a | grep e", result.tip);
}

static int stop_after_one(void *arg, size_t done, size_t total)
{
	assert_int_equal(total, 2);
	*(size_t *)arg = done;
	return done == 1;
}

static void limits_and_refusals(void **state)
{
	struct repo *r = *state;
	struct ff_rebase_result result = { .total = 77 };
	char onto[FF_GIT_OID], tip[FF_GIT_OID], alone[FF_GIT_OID], tree[FF_GIT_OID];
	size_t done = 0;
	struct ff_rebase what = { .onto = onto, .tip = tip, .committer = repo_person(), .max_commits = 1,
				  .progress = stop_after_one, .arg = &done };

	begin(r);
	repo_do(r, "cd w; echo 1 >p; git add p; git commit -qm 1; echo 2 >p; git commit -qam 2; git checkout -q main; echo m >m; git add m;"
		   "git commit -qm m; git checkout -q --orphan alone; git commit -qm alone; git push -q o alone");
	hand_over(r);
	repo_oid(r, onto, "main");
	repo_oid(r, tip, "topic");
	repo_oid(r, alone, "alone");
	repo_oid(r, tree, "main^{tree}");
	fails(TOO_LARGE, "over 1 commits", ff_rebase(r->git, &what, &result, &err));
	what.max_commits = 0;
	fails(CANCELLED, "ended", ff_rebase(r->git, &what, &result, &err));
	assert_int_equal(done, 1);
	what.tip = alone;
	fails(GIT, "no commit in common", ff_rebase(r->git, &what, &result, &err));
	what.tip = tree;
	fails(INVALID, "not a commit", ff_rebase(r->git, &what, &result, &err));
	what.committer.name = "";
	fails(INVALID, "commit.name", ff_rebase(r->git, &what, &result, &err));
	assert_int_equal(result.total, 77);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(series_as_git_does_it),
		test(odd_messages_are_kept),
		test(up_to_date_is_left_alone),
		test(merges_are_made_straight),
		test(merges_are_refused),
		test(patches_of_the_target_are_left_out),
		test(upstream_and_onto_apart),
		test(conflicts_are_named),
		test(goes_on_after_a_conflict),
		test(runs_no_driver),
		test(limits_and_refusals),
	};

	return cmocka_run_group_tests_name("rebase", tests, NULL, NULL);
}
