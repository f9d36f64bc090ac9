/* SPDX-License-Identifier: MIT */
/*
 * The upper layer of an overlay, taken together with the tree below it: the
 * same commands in a mounted overlay and in a plain checkout must give the
 * same tree.  Then layers that no kernel makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "git/layer.h"
#include "git/tree.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

static int folder(const struct repo *r, const char *name)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/%s", r->dir, name);
	int fd;

	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void check_out(struct repo *r, const char *rev, const char *to)
{
	FF_AUTO(ff_close) int fd = folder(r, to);
	char oid[FF_GIT_OID];

	repo_oid(r, oid, rev);
	ok(ff_git_checkout(r->git, &(struct ff_git_checkout){ .commit = oid, .folder_fd = fd, .uid = -1, .gid = -1 }, NULL, &err));
}

/* What makes main, which lies below, into side. */
static int fill_upper(struct repo *r, const char *to, struct ff_git_checkout opts, struct ff_git_checked_out *done,
		      struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = folder(r, to);
	char oid[FF_GIT_OID], lower[FF_GIT_OID];

	repo_oid(r, oid, "side");
	repo_oid(r, lower, "main");
	opts.commit = oid;
	opts.lower = lower;
	opts.folder_fd = fd;
	opts.uid = opts.gid = -1;
	return ff_git_checkout(r->git, &opts, done, err);
}

static int take(struct repo *r, const char *base, const char *lower, const char *from, struct ff_git_taken *t,
		struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = folder(r, from);
	char base_oid[FF_GIT_OID], lower_oid[FF_GIT_OID];

	repo_oid(r, base_oid, base);
	if (lower)
		repo_oid(r, lower_oid, lower);
	return ff_git_take(r->git, &(struct ff_git_take){ .base = base_oid, .lower = lower ? lower_oid : NULL,
							 .user_marks = geteuid() != 0, .folder_fd = fd, .max_depth = 64 }, t, err);
}

/* main: what the lower layer is made of. side: what the job works on, with changes of every kind against it. */
static void fill(const struct repo *r)
{
	repo_do(r, "git init -q -b main w; cd w; git remote add o ../r.git; mkdir -p d/e/deep g many; echo one >a; echo run >run; chmod +x run; echo f >d/e/f; echo q >d/e/deep/q;"
		   "echo g >g/g; ln -s a link; for i in $(seq 40); do echo $i >many/$i; done; printf '[submodule \"s\"]\\n\\tpath = s\\n\\turl = ../s\\n' >.gitmodules;"
		   "git add .; git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,s; git commit -qm 1; git push -q o main;"
		   "git checkout -qb side; echo two >a; rm g/g; mkdir -p n/n; echo n >n/n/n; rm link; mkdir link; echo in >link/in; chmod -x run; rm -r many/1*;"
		   "git add -A . 2>/dev/null; git update-index --add --cacheinfo 160000,9999999999999999999999999999999999999999,s; git commit -qm 2; git push -q o side");
}

/*
 * In a mount namespace: main below, what makes it side in the upper layer,
 * which must look like side then, and the script in the mounted overlay.  The
 * upper layer is left as `upper`, with its marks.
 */
static void in_overlay(const struct repo *r, const char *script)
{
	repo_do(r, "cat >in.sh <<'EOS'\n%s\nEOS\n"
		   "cat >mount.sh <<'EOS'\nset -e; mkdir -p o; mount -t tmpfs tmpfs o; cp -a lower o/; mkdir o/work o/m; cp -a first o/upper\n"
		   "mount -t overlay overlay -o lowerdir=o/lower,upperdir=o/upper,workdir=o/work%s o/m\n"
		   "diff -r --no-dereference o/m side; test -z \"$(cd o/m; find . ! -type l -perm -111 -printf '%%%%m %%%%P\\n' | sort >../../m1; cd ../../side; find . ! -type l -perm -111 -printf '%%%%m %%%%P\\n' | sort | diff - ../m1)\"; cd o/m; sh -e ../../in.sh; cd ../..; cp -a o/upper/. upper/\nEOS\n"
		   "rm -rf upper; mkdir upper; unshare %s sh mount.sh", script, geteuid() ? ",userxattr" : "", geteuid() ? "-Urm" : "-m");
}

static bool can_mount(const struct repo *r)
{
	FF_AUTO(ff_free) char *said = repo_sh(r, "unshare %s sh -c 'mount -t tmpfs tmpfs /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m && mount -t overlay overlay "
		"-o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w%s /mnt/m && echo yes' 2>&1 || true", geteuid() ? "-Urm" : "-m", geteuid() ? ",userxattr" : "");

	if (strcmp(said, "yes") != 0)
		print_message("# skip: no overlay can be mounted here: %s\n", said);
	return strcmp(said, "yes") == 0;
}

static void as_a_plain_folder_would_be(void **state)
{
	static const char *const scripts[] = {
		":", "echo more >>a", "rm -r d", "rm -r d; mkdir d; echo new >d/x", "rm -r d/e; mkdir -p d/e/deep; echo q >d/e/deep/q",
		"rm -r d; echo file >d", "rm a; mkdir a; echo in >a/in", "rm a; ln -s d a", "chmod +x a; chmod -x many/2", "touch a many; rm many/2; mkdir many/2",
		"mv many other", "mv a b; mv b a", "cp -r d dd; rm -r d/e/deep", "rm .gitmodules", "rmdir s", "echo x >s/x", "rm -r ./*",
		"mkfifo many/3p; rm many/3; mkfifo many/3; ln -s /etc/passwd many/p", "rm -r many; mkdir many; echo 4 >many/4", "ln a hard; ln many/5 hard2; echo >>many/5",
		"mkdir -p x/.git; echo c >x/.git/config; echo y >x/y; mkdir .GIT", "rm -r n link; mkdir n; ln -s n link", "rm -r d; mkdir d; rmdir d; mkdir -p d/e; echo f >d/e/f",
		"truncate -s 3M sparse; printf x | dd of=sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null",
	};
	struct repo *r = *state;

	fill(r);
	if (!can_mount(r))
		skip();
	check_out(r, "main", "lower");
	check_out(r, "side", "side");
	ok(fill_upper(r, "first", (struct ff_git_checkout){ .max_depth = 64 }, NULL, &err));
	for (size_t i = 0; i < FF_ARRAY_LEN(scripts); i++) {
		FF_AUTO(ff_git_taken_fini) struct ff_git_taken plain = { .changed = false };
		FF_AUTO(ff_git_taken_fini) struct ff_git_taken upper = { .changed = false };

		repo_do(r, "rm -rf plain; cp -a side plain; cd plain; %s", scripts[i]);
		in_overlay(r, scripts[i]);
		ok(take(r, "side", NULL, "plain", &plain, &err));
		ok(take(r, "side", "main", "upper", &upper, &err));
		if (strcmp(plain.tree, upper.tree) != 0 || plain.n_skipped != upper.n_skipped)
			fail_msg("%s: %s and %zu left out instead of %s and %zu", scripts[i], upper.tree, upper.n_skipped,
				 plain.tree, plain.n_skipped);
	}
}

static void differences_alone_are_written(void **state)
{
	struct repo *r = *state;
	struct ff_git_checked_out done;

	fill(r);
	ok(fill_upper(r, "first", (struct ff_git_checkout){ .lower_files = 100, .lower_bytes = 1000 }, &done, &err));
	repo_prints(r, "c g\nc many/1\nc many/10\nd .\nd link\nd many\nd n\nd n/n\nf a\nf link/in\nf n/n/n\nf run",
		    "cd first; find . -printf '%%y %%P\n' | sed 's/ $/ ./' | grep -v 'c many/1[1-9]' | sort");
	assert_int_equal(done.bytes, 4 + 3 + 2 + 4);
	fails(UNSUPPORTED, "over 5 names", fill_upper(r, "few", (struct ff_git_checkout){ .max_changes = 5 }, NULL, &err));
	fails(TOO_LARGE, "result.max-files", fill_upper(r, "none", (struct ff_git_checkout){ .lower_files = 99, .max_files = 100 }, NULL, &err));
	fails(TOO_LARGE, "result.max-bytes", fill_upper(r, "none2", (struct ff_git_checkout){ .lower_bytes = 99, .max_bytes = 100 }, NULL, &err));
	ok(fill_upper(r, "open", (struct ff_git_checkout){ .open_modes = true }, NULL, &err));
	repo_prints(r, "666 a\n777 n\n666 run", "cd open; stat -c '%%a %%n' a n run");
}

static void mark(const struct repo *r, const char *path, const char *name, const char *value)
{
	FF_AUTO(ff_free) char *whole = ff_asprintf("%s/%s", r->dir, path);

	assert_int_equal(setxattr(whole, name, value, strlen(value), 0), 0);
}

static void only_the_mounts_own_marks_count(void **state)
{
	struct repo *r = *state;
	const char *ours = geteuid() ? "user.overlay" : "trusted.overlay";
	FF_AUTO(ff_free) char *opaque = ff_asprintf("%s.opaque", ours);
	FF_AUTO(ff_free) char *redirect = ff_asprintf("%s.redirect", ours);
	FF_AUTO(ff_free) char *metacopy = ff_asprintf("%s.metacopy", ours);
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = false };

	fill(r);
	repo_do(r, "mkdir -p upper/d/e; echo x >upper/d/x");
	if (geteuid() == 0)
		mark(r, "upper/d", "user.overlay.opaque", "y"); /* any job can do that */
	ok(take(r, "main", "main", "upper", &t, &err));
	repo_prints(r, "A\td/x", "git -C r.git diff-tree -r --name-status main^{tree} %s", t.tree);
	ff_git_taken_fini(&t);
	mark(r, "upper/d", opaque, "y");
	ok(take(r, "main", "main", "upper", &t, &err));
	repo_prints(r, "D\td/e/deep/q\nD\td/e/f\nA\td/x", "git -C r.git diff-tree -r --name-status main^{tree} %s", t.tree);
	ff_git_taken_fini(&t);
	mark(r, "upper/d", redirect, "many");
	fails(UNSUPPORTED, "redirect", take(r, "main", "main", "upper", &t, &err));
	repo_do(r, "rm -r upper/d; : >upper/a");
	mark(r, "upper/a", metacopy, "longer than any that there is");
	fails(UNSUPPORTED, "metacopy", take(r, "main", "main", "upper", &t, &err));
}

/* In a folder that is no layer a device 0:0 deletes nothing. */
static void a_whiteout_is_one_in_a_layer_alone(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/out/a", r->dir);
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	check_out(r, "main", "out");
	repo_do(r, "rm out/a; mkdir upper; cp -a out/.gitmodules upper");
	if (mknod(path, S_IFCHR | 0600, makedev(0, 0)) < 0)
		skip();
	ok(take(r, "main", NULL, "out", &t, &err));
	assert_false(t.changed);
	assert_int_equal(t.n_skipped, 1);
	ff_git_taken_fini(&t);
	repo_do(r, "cp -a out/a upper/a; cp -a out/a upper/never-was; rm upper/.gitmodules; cp -a out/a upper/.gitmodules");
	ok(take(r, "main", "main", "upper", &t, &err));
	repo_prints(r, "D\ta", "git -C r.git diff-tree -r --name-status main^{tree} %s", t.tree);
}

/* The files below are not read at all: they may even be gone. */
static void unchanged_files_are_not_read(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	repo_do(r, "mkdir -p upper/many; echo new >upper/many/new");
	ok(take(r, "main", "main", "upper", &t, &err));
	assert_int_equal(t.files, 1);
	repo_prints(r, "A\tmany/new", "git -C r.git diff-tree -r --name-status main^{tree} %s", t.tree);
}

/* Every object of a result was made from what the job left, or is its base's. */
static void objects_are_new_or_of_the_base(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	repo_do(r, "cd w; git checkout -q --orphan secret; git rm -rqf .; echo canary >secret; git add .; git commit -qm s; git push -q o secret; cd ..;"
		   "mkdir upper; git -C r.git rev-parse secret:secret >upper/name-of-it; git -C r.git rev-parse secret:secret >upper/a");
	ok(take(r, "main", "main", "upper", &t, &err));
	repo_prints(r, "", "git -C r.git update-ref refs/heads/new $(git -C r.git commit-tree -m n %s);"
		    "git -C r.git rev-list --objects new --not main | cut -c1-40 | sort >1; git -C r.git rev-list --objects secret --not main | cut -c1-40 | sort | comm -12 - 1", t.tree);
	repo_fsck(r);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(as_a_plain_folder_would_be),
		test(differences_alone_are_written),
		test(only_the_mounts_own_marks_count),
		test(a_whiteout_is_one_in_a_layer_alone),
		test(unchanged_files_are_not_read),
		test(objects_are_new_or_of_the_base),
	};

	return cmocka_run_group_tests_name("git-layer", tests, NULL, NULL);
}
