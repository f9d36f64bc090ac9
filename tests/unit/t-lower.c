/* SPDX-License-Identifier: MIT */
/* Checkouts that jobs share: made once, found again, checked, bounded, and never taken from under a job. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/conf.h"
#include "daemon/worker/lower.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

struct world {
	struct repo *r;
	struct ff_conf *conf;
	char commit[2][FF_GIT_OID];
};

static void load(struct world *w, const char *entries, const char *bytes)
{
	FF_AUTO(ff_free) char *state = ff_asprintf("server.state-dir=%s/state", w->r->dir);
	FF_AUTO(ff_free) char *n = ff_asprintf("workspace.cache-entries=%s", entries);
	FF_AUTO(ff_free) char *max = ff_asprintf("workspace.cache-bytes=%s", bytes);
	FF_AUTO(ff_free) char *file = ff_asprintf("%s/conf", w->r->dir);
	const char *settings[] = { state, n, max, NULL };
	const struct ff_conf_source from = { .file = file, .settings = settings };

	repo_do(w->r, ": >conf; mkdir -p state");
	ff_conf_free(&w->conf);
	ok(ff_conf_load(&from, &w->conf, NULL, &err));
}

static int set_up(void **state)
{
	struct world *w = ff_calloc(1, sizeof *w);
	void *r = NULL;

	assert_int_equal(repo_setup(&r), 0);
	w->r = r;
	repo_do(w->r, "git init -q -b main w; cd w; git remote add o ../r.git; mkdir d; for i in $(seq 50); do echo $i >d/$i; done; printf run >run; chmod +x run; git add .; git commit -qm 1; git push -q o main;"
		      "git branch one; echo two >two; git add .; git commit -qm 2; git push -q o main one");
	repo_oid(w->r, w->commit[0], "one");
	repo_oid(w->r, w->commit[1], "main");
	load(w, "20", "1g");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	void *r = w->r;

	ff_conf_free(&w->conf);
	free(w);
	return repo_teardown(&r);
}

static struct ff_lower_want want(struct world *w, const char *target, int commit)
{
	return (struct ff_lower_want){ .conf = w->conf, .git = w->r->git, .repo = "file:///r.git", .target = target, .commit = w->commit[commit] };
}

static void get(struct world *w, const char *target, int commit, bool fresh, struct ff_lower *l)
{
	const struct ff_lower_want what = want(w, target, commit);

	ok(ff_lower_get(&what, fresh, l, &err));
}

static char *entries(struct world *w)
{
	return repo_sh(w->r, "ls state/cache | wc -l");
}

static void assert_entries(struct world *w, const char *n)
{
	FF_AUTO(ff_free) char *have = entries(w);

	assert_string_equal(have, n);
}

static void made_once_and_found_again(void **state)
{
	struct world *w = *state;
	const struct ff_lower_want what = want(w, "main", 0);
	FF_AUTO(ff_lower_release) struct ff_lower a = { .lock_fd = -1 }, b = { .lock_fd = -1 }, c = { .lock_fd = -1 };

	fails(NOT_FOUND, "no checkout is kept", ff_lower_get(&what, false, &a, &err));
	get(w, "main", 0, true, &a);
	assert_int_equal(a.files, 52);
	assert_int_equal(a.bytes, 9 * 2 + 41 * 3 + 3);
	repo_prints(w->r, "52 755 644", "cd %s; echo $(find . -mindepth 1 | wc -l) $(stat -c %%a run d/1)", a.tree);
	get(w, "main", 1, false, &b); /* an older one serves */
	assert_string_equal(b.entry, a.entry);
	assert_string_equal(b.commit, w->commit[0]);
	get(w, "main", 1, true, &c);
	assert_string_not_equal(c.entry, a.entry);
	repo_prints(w->r, "two", "cat %s/two", c.tree);
	assert_entries(w, "2");
	repo_prints(w->r, "700", "stat -c %%a state/cache");
}

static void of_another_branch_or_repository_is_another(void **state)
{
	struct world *w = *state;
	struct ff_lower_want what = want(w, "other", 0);
	FF_AUTO(ff_lower_release) struct ff_lower a = { .lock_fd = -1 }, b = { .lock_fd = -1 };

	get(w, "main", 0, true, &a);
	fails(NOT_FOUND, "", ff_lower_get(&what, false, &b, &err));
	what = want(w, "main", 0);
	what.repo = "file:///s.git";
	fails(NOT_FOUND, "", ff_lower_get(&what, false, &b, &err));
	fails(NOT_FOUND, "something else", ff_lower_again(&what, strrchr(a.entry, '/') + 1, &b, &err));
	what = want(w, "main", 0);
	what.open_modes = true;
	fails(NOT_FOUND, "", ff_lower_get(&what, false, &b, &err));
	ok(ff_lower_get(&what, true, &b, &err));
	repo_prints(w->r, "777 666 777", "cd %s; echo $(stat -c %%a run d/1 d)", b.tree);
}

/* One that was tampered with, is half there, or of before a reboot is not used; it is made again. */
static void checked_before_use(void **state)
{
	static const char *const harm[] = {
		"for i in $(seq 50); do echo XX >d/$i; done", "rm -r d; mkdir d", "rm -r d; ln -s /etc d", "rm ../info", "echo >>../info",
		"sed -i 5s/.*/another-boot/ ../info", "sed -i 4s/./0/ ../info", "truncate -s 20 ../info", "cd ..; rm -r tree; ln -s /etc tree", "for i in d/*; do rm $i; mkfifo $i; done",
	};
	struct world *w = *state;
	const struct ff_lower_want what = want(w, "main", 0);

	for (size_t i = 0; i < FF_ARRAY_LEN(harm); i++) {
		FF_AUTO(ff_lower_release) struct ff_lower a = { .lock_fd = -1 }, b = { .lock_fd = -1 };
		bool refused = false;

		get(w, "main", 0, true, &a);
		repo_do(w->r, "cd %s; %s", a.tree, harm[i]);
		ff_lower_release(&a);
		/* Files are drawn by lot, so one wrong folder of two may pass; not ten times. */
		for (int k = 0; k < 10 && !refused; k++) {
			refused = ff_lower_get(&what, false, &b, NULL) < 0;
			ff_lower_release(&b);
		}
		if (!refused)
			fail_msg("used all the same: %s", harm[i]);
		get(w, "main", 0, true, &b);
		repo_prints(w->r, "52 7", "cd %s; echo $(find . -mindepth 1 | wc -l) $(cat d/7)", b.tree);
	}
}

static void bounded_and_never_taken_from_under_a_job(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_lower_release) struct ff_lower held = { .lock_fd = -1 }, l = { .lock_fd = -1 };
	char name[16];

	get(w, "held", 0, true, &held);
	load(w, "3", "1g");
	for (int i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof name, "b%d", i);
		get(w, name, 0, true, &l);
		ff_lower_release(&l);
	}
	assert_entries(w, "4"); /* three, and the one in use */
	repo_prints(w->r, "7", "cat %s/d/7", held.tree);
	get(w, "b5", 0, false, &l); /* the newest stayed */
	ff_lower_release(&l);
	ff_lower_release(&held);
	ff_lower_trim(w->conf);
	assert_entries(w, "3");
	load(w, "20", "1k");
	repo_do(w->r, "cd w; head -c 2000 /dev/zero >large; git add .; git commit -qm 3; git push -q o main");
	repo_oid(w->r, w->commit[1], "main");
	get(w, "large", 1, true, &l); /* too large to be kept, but not while it is used */
	assert_entries(w, "1");
	ff_lower_release(&l);
	ff_lower_trim(w->conf);
	assert_entries(w, "0");
}

/* What a dead maker left goes; what a living one works at stays. */
static void leftovers(void **state)
{
	struct world *w = *state;
	FF_AUTO(ff_lower_release) struct ff_lower l = { .lock_fd = -1 };
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/state/cache/.make-3/lock", w->r->dir);
	FF_AUTO(ff_close) int fd = -1;

	get(w, "main", 0, true, &l);
	repo_do(w->r, "cd state/cache; mkdir -p .make-1/tree .gone-2/tree .make-3; echo x >.make-1/tree/x; : >.make-1/lock; : >.make-3/lock");
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	ff_lower_trim(w->conf);
	repo_prints(w->r, ".make-3", "cd state/cache; ls -A | grep -e make -e gone");
	ff_close(&fd);
	ff_lower_trim(w->conf);
	repo_prints(w->r, "", "cd state/cache; ls -A | grep -e make -e gone || true");
}

/* Eight want the same at once: it is made once, and all have it. */
static void many_at_once(void **state)
{
	struct world *w = *state;
	pid_t pids[8];

	for (size_t i = 0; i < FF_ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			const struct ff_lower_want what = want(w, "main", 0);
			struct ff_lower l;

			_exit(ff_lower_get(&what, true, &l, NULL) < 0 || access(l.tree, R_OK) < 0);
		}
	}
	for (size_t i = 0; i < FF_ARRAY_LEN(pids); i++) {
		int status = 1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_entries(w, "1");
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(made_once_and_found_again),
		test(of_another_branch_or_repository_is_another),
		test(checked_before_use),
		test(bounded_and_never_taken_from_under_a_job),
		test(leftovers),
		test(many_at_once),
	};

	return cmocka_run_group_tests_name("lower", tests, NULL, NULL);
}
