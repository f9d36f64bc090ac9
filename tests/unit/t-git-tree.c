/* SPDX-License-Identifier: MIT */
/* Files out of a commit and back: against git's own trees, against hostile trees, and against hostile folders. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "git/tree.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

/* r.git with main: many kinds of entries. w is a work folder of git's with it. */
static void fill(const struct repo *r)
{
	repo_do(r, "git init -q -b main w; cd w; git remote add o ../r.git; mkdir -p d/e; echo one >a; printf '#!/bin/sh\\n' >run; chmod +x run;"
		   "echo two >d/e/f; : >empty; ln -s ../a d/up; ln -s /etc/passwd abs; echo odd >\"$(printf 'caf\\351')\"; echo c >\"$(printf 'c\\tl')\";"
		   "printf 'a\\r\\n$Id$\\n' >crlf; echo '* text eol=crlf ident filter=x' >.gitattributes; printf '[submodule \"s\"]\\n\\tpath = s\\n\\turl = ../s\\n' >.gitmodules;"
		   "git add . 2>/dev/null; git update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,s; git commit -qm first; git push -q o main");
}

static int folder(const struct repo *r, const char *name)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/%s", r->dir, name);
	int fd;

	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int check_out(struct repo *r, const char *rev, const char *to, struct ff_git_checkout opts, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = folder(r, to);
	char oid[FF_GIT_OID];

	repo_oid(r, oid, rev);
	opts.commit = oid;
	opts.folder_fd = fd;
	return ff_git_checkout(r->git, &opts, NULL, err);
}

static const struct ff_git_checkout plain = { .uid = -1, .gid = -1 };

static uid_t take_as; /* 0: whoever we are */

static int take(struct repo *r, const char *from, struct ff_git_take opts, struct ff_git_taken *t, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = folder(r, from);
	char oid[FF_GIT_OID];
	int rc;

	repo_oid(r, oid, "main");
	opts.base = oid;
	opts.folder_fd = fd;
	if (take_as)
		assert_int_equal(seteuid(take_as), 0);
	rc = ff_git_take(r->git, &opts, t, err);
	if (take_as) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0); /* for leak checkers; lost by seteuid */
	}
	return rc;
}

static const struct ff_git_take no_limits = { .max_files = 0 };

/* Why path was skipped, or NULL. */
static const char *reason(const struct ff_git_taken *t, const char *path)
{
	for (size_t i = 0; i < t->n_listed; i++)
		if (strcmp(t->skipped[i].path, path) == 0)
			return t->skipped[i].reason;
	return NULL;
}

static void assert_reason(const struct ff_git_taken *t, const char *path, const char *part)
{
	const char *why = reason(t, path);

	if (!why || !strstr(why, part))
		fail_msg("%s: '%s' instead of '%s'", path, why ? why : "(not listed)", part);
}

/* --- out */

static int count(void *arg, int64_t done, int64_t total)
{
	int64_t *last = arg;

	assert_int_equal(done, *last + 1);
	assert_true(total == 14 && done <= total);
	*last = done;
	return 0;
}

static void checkout_is_what_git_archives(void **state)
{
	struct repo *r = *state;
	struct ff_git_checkout opts = plain;
	int64_t done = 0;
	mode_t mask = umask(077);

	fill(r);
	opts.progress = count;
	opts.arg = &done;
	ok(check_out(r, "main", "out", opts, &err));
	(void)umask(mask);
	assert_int_equal(done, 14);
	/* What git archives with every attribute taken away by its strongest file. */
	repo_do(r, "mkdir -p want r.git/info; echo '* -text !eol -ident -filter' >r.git/info/attributes;"
		   "git -C r.git archive main >t.tar; tar xf t.tar -C want;"
		   "(cd want; find . -printf '%%y %%p %%l %%s\\n' | grep -v '^d' | sort) >1; (cd out; find . -printf '%%y %%p %%l %%s\\n' | grep -v '^d' | sort) >2; cmp 1 2;"
		   "diff -r --no-dereference want out");
	repo_prints(r, "755 run\n644 a\n755 d", "cd out; stat -c '%%a %%n' run a d");
	repo_prints(r, "", "ls -A out/s");
	if (geteuid() == 0) {
		opts = plain;
		opts.uid = 1234;
		opts.gid = 4321;
		ok(check_out(r, "main", "owned", opts, &err));
		repo_prints(r, "1234:4321", "find owned -mindepth 1 -printf '%%U:%%G\\n' | sort -u");
	}
	fails(IO, "File exists", check_out(r, "main", "out", plain, &err));
}

/* A commit whose tree is what git would refuse to make: MODE NAME OID as raw bytes. */
static void hostile_commit(const struct repo *r, const char *mode, const char *name_for_printf, const char *type)
{
	repo_do(r, "cd r.git; b=$(echo x | git hash-object -w --stdin); t=$(printf '100644 blob %%s\\tf\\n' $b | git mktree); o=$b; test %s = tree && o=$t;"
		   "printf '%s %s\\0' >../raw;"
		   "perl -e 'print pack(\"H*\", $ARGV[0])' $o >>../raw; t=$(git hash-object -w -t tree --literally ../raw);"
		   "git update-ref refs/heads/hostile $(git commit-tree -m h $t)", type, mode, name_for_printf);
}

static void hostile_trees_write_nothing(void **state)
{
	static const struct {
		const char *mode, *name, *type;
	} bad[] = {
		{ "100644", "..", "blob" }, { "40000", "..", "tree" }, { "40000", ".", "tree" }, { "40000", ".git", "tree" },
		{ "40000", ".GiT", "tree" }, { "100644", ".git ", "blob" }, { "100644", ".git. .", "blob" }, { "40000", "GIT~1", "tree" },
		{ "40000", ".git::$INDEX_ALLOCATION", "tree" }, { "40000", ".g\\342\\200\\214it", "tree" }, { "100644", "a/b", "blob" },
		{ "100644", "../x", "blob" }, { "120000", "/etc/x", "blob" }, { "160000", ".git", "blob" }, { "40000", ".git\\\\x", "tree" },
	};
	struct repo *r = *state;

	for (size_t i = 0; i < FF_ARRAY_LEN(bad); i++) {
		hostile_commit(r, bad[i].mode, bad[i].name, bad[i].type);
		fails(INVALID, "not checked out", check_out(r, "hostile", "out", plain, &err));
		repo_prints(r, "", "ls -A out");
	}
}

static void deep_trees(void **state)
{
	struct repo *r = *state;
	struct ff_git_checkout opts = plain;
	struct ff_git_taken t;

	/* 60 folders of 100 bytes each: deeper than PATH_MAX. */
	repo_do(r, "cd r.git; t=$(printf '100644 blob %%s\\tf\\n' $(echo x | git hash-object -w --stdin) | git mktree); n=$(printf 'n%%099d' 1);"
		   "for i in $(seq 60); do t=$(printf '040000 tree %%s\\t%%s\\n' $t $n | git mktree); done; git update-ref refs/heads/main $(git commit-tree -m d $t)");
	ok(check_out(r, "main", "out", plain, &err));
	repo_prints(r, "61", "find out -mindepth 1 | wc -l");
	ok(take(r, "out", no_limits, &t, &err));
	assert_false(t.changed);
	ff_git_taken_fini(&t);
	opts.max_depth = 59;
	fails(TOO_LARGE, "result.max-depth", check_out(r, "main", "none", opts, &err));
	fails(TOO_LARGE, "result.max-depth", take(r, "out", (struct ff_git_take){ .max_depth = 59 }, &t, &err));
	ok(take(r, "out", (struct ff_git_take){ .max_depth = 60 }, &t, &err));
	ff_git_taken_fini(&t);
	/* A git bomb: 10 levels of 10 times the same tree. */
	repo_do(r, "cd r.git; t=$(git rev-parse main^{tree}); for i in $(seq 10); do t=$(for j in $(seq 0 9); do printf '040000 tree %%s\\t%%s\\n' $t $j; done | git mktree); done;"
		   "git update-ref refs/heads/bomb $(git commit-tree -m b $t)");
	opts = plain;
	opts.max_files = 1000;
	fails(TOO_LARGE, "result.max-files", check_out(r, "bomb", "none", opts, &err));
	opts.max_files = 0;
	opts.max_bytes = 1;
	fails(TOO_LARGE, "result.max-bytes", check_out(r, "main", "none", opts, &err));
}

/* --- and back */

static void unchanged_stays_unchanged(void **state)
{
	struct repo *r = *state;
	char tree[FF_GIT_OID];
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };
	FF_AUTO(ff_free) char *before = NULL;

	fill(r);
	repo_oid(r, tree, "main^{tree}");
	ok(check_out(r, "main", "out", plain, &err));
	before = repo_sh(r, "find r.git/objects -type f | sort");
	ok(take(r, "out", no_limits, &t, &err));
	assert_false(t.changed);
	assert_string_equal(t.tree, tree);
	assert_int_equal(t.n_skipped, 0);
	assert_int_equal(t.files, 11);
	repo_prints(r, before, "find r.git/objects -type f | sort");
}

/* An object that is there and cannot be read, for want of descriptors or by a bad disk, is no reason to leave its file out. */
static void unreadable_objects_end_it(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = false };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "echo new >out/new; id=$(git -C r.git rev-parse main:run); f=r.git/objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-);"
		   "chmod u+w $f; : >$f");
	fails(IO, "'run' cannot be read again", take(r, "out", no_limits, &t, &err));
}

static void changes_as_git_would_add_them(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = false };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "cd out; rm -r d empty; mkdir -p n/o p/q d2; echo x >n/o/p; chmod 755 a; chmod 644 run; rm crlf; mkdir crlf; echo in >crlf/in; rm .gitattributes;"
		   "ln -s n/o/p l; ln -s ../a n/l; ln -s . here; ln -s nowhere/at/all hang; echo b >\"$(printf '\\377\\376')\"; echo b >a.b; mkdir a-b ab; echo >a-b/x; echo >ab/x;"
		   "head -c 9000000 /dev/urandom >large; rmdir s; ln -f a hard");
	ok(take(r, "out", no_limits, &t, &err));
	assert_int_equal(t.n_skipped, 0);
	assert_true(t.changed);
	/* git itself, in a folder of its own that no job wrote */
	repo_do(r, "cp -a out/. copy; cd copy; export GIT_DIR=../w/.git; git config core.autocrlf false; git add -A; git write-tree >../tree");
	repo_prints(r, t.tree, "cat tree");
	repo_do(r, "git -C r.git update-ref refs/heads/new $(git -C r.git commit-tree -m n %s)", t.tree);
	repo_fsck(r);
}

static void socket_at(const struct repo *r, const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	FF_AUTO(ff_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s/%s", r->dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
}

static void hostile_folder(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "cd out; for g in .git d/.git .GIT d/.Git '.git ' '.git.' git~1 GIT~1 '.git::$INDEX_ALLOCATION' \"$(printf '.g\\342\\200\\214it')\"; do"
		   " mkdir \"$g\"; printf '[core]\\n\\tfsmonitor = touch %s/fired\\n' >\"$g/config\"; done;"
		   "echo 'gitdir: /etc' >d/e/.git; mkfifo fifo d/e/fifo; rm a; mkfifo a;"
		   "ln -s /etc/passwd l1; ln -s ../x l2; ln -s ../../x d/l3; ln -s d/../a l4; ln -s d/.GIT/config l5; rm abs; ln -s /etc/shadow abs;"
		   "ln -s a .gitignore; ln -s a d/.GITMODULES; echo x >\"$(printf 'esc\\033')\"; echo changed >\"$(printf 'c\\tl')\"; mkdir \"$(printf 'new\\nline')\"; echo x >\"$(printf 'new\\nline')/x\";"
		   "echo y >>.gitmodules; echo x >s/in; rm -r d/up; ln -s ../d/e d/up", r->dir);
	socket_at(r, "out/sock");
	if (geteuid() == 0)
		repo_do(r, "mknod out/null c 1 3");
	ok(take(r, "out", no_limits, &t, &err));
	repo_do(r, "test ! -e fired");
	for (size_t i = 0; i < 4; i++)
		assert_reason(&t, ((const char *const[]){ ".git", "d/.Git", "git~1", "d/e/.git" })[i], "keeps for itself");
	assert_reason(&t, ".git::$INDEX_ALLOCATION", "keeps for itself");
	assert_reason(&t, ".g\342\200\214it", "keeps for itself");
	assert_reason(&t, "fifo", "FIFO");
	assert_reason(&t, "a", "FIFO");
	assert_reason(&t, "sock", "socket");
	assert_reason(&t, "l1", "absolute");
	assert_reason(&t, "abs", "absolute");
	assert_reason(&t, "l2", "out of the tree");
	assert_reason(&t, "d/l3", "out of the tree");
	assert_reason(&t, "l4", "down and up");
	assert_reason(&t, "l5", "into .git");
	assert_reason(&t, ".gitignore", "file that git reads");
	assert_reason(&t, "d/.GITMODULES", "submodules");
	assert_reason(&t, "esc\033", "control");
	assert_reason(&t, "c\tl", "control");
	assert_reason(&t, "new\nline", "control");
	assert_reason(&t, ".gitmodules", "submodules");
	assert_reason(&t, "s", "submodule");
	if (geteuid() == 0)
		assert_reason(&t, "null", "device");
	assert_null(reason(&t, "d/up"));
	/* All that is left of it is the one honest change. */
	repo_prints(r, ":120000 120000 M\td/up", "git -C r.git diff-tree -r main^{tree} %s | sed 's/ [0-9a-f]* [0-9a-f]* M/ M/'", t.tree);
	repo_prints(r, "../d/e", "git -C r.git cat-file -p %s:d/up", t.tree);
}

static void swapped_for_links(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "mkdir secret; echo canary >secret/f; cd out; rm -r d/e; ln -s %s/secret d/e; rm a; ln -s ../secret/f a", r->dir);
	ok(take(r, "out", no_limits, &t, &err));
	assert_reason(&t, "d/e", "absolute");
	assert_reason(&t, "a", "out of the tree");
	assert_false(t.changed);
	repo_prints(r, "", "git -C r.git cat-file --batch-all-objects --batch | grep -a canary || true");
}

static void modules_and_submodules_stay(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "cd out; rm .gitmodules");
	ok(take(r, "out", no_limits, &t, &err));
	assert_false(t.changed);
	assert_reason(&t, ".gitmodules", "submodules");
	ff_git_taken_fini(&t);
	repo_do(r, "cd out; rmdir s; mkdir nested; cd nested; git init -q 2>/dev/null; echo n >n; git add n; git commit -qm n");
	ok(take(r, "out", no_limits, &t, &err));
	repo_prints(r, "A\tnested/n\nD\ts", "git -C r.git diff-tree -r --name-status main^{tree} %s", t.tree);
	assert_reason(&t, "nested/.git", "keeps for itself");
}

static void locked_files(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	repo_do(r, "cd out; chmod 000 a run d/e d; mkdir k; echo x >k/x; chmod 300 k");
	if (geteuid() == 0) { /* root reads everything: go on as somebody else */
		repo_do(r, "chown -hR 65534:65534 .; git config --global safe.directory '*'");
		take_as = 65534;
	}
	ok(take(r, "out", no_limits, &t, &err));
	if (take_as) {
		repo_do(r, "echo >out/foreign; chmod 000 out/foreign");
		fails(NOT_ALLOWED, "foreign", take(r, "out", no_limits, &t, &err));
		take_as = 0;
	}
	assert_int_equal(t.n_skipped, 0);
	repo_prints(r, ":000000 100644 A\tk/x\n:100755 100644 M\trun", "git -C r.git diff-tree -r main^{tree} %s | sed 's/ [0-9a-f]* [0-9a-f]* \\([AM]\\)/ \\1/'", t.tree);
}

static int stop(void *arg, int64_t done, int64_t total)
{
	(void)arg;
	return done == 3 && total == 0;
}

static void limits(void **state)
{
	struct repo *r = *state;
	struct ff_git_taken t = { .n_listed = 77 };

	fill(r);
	ok(check_out(r, "main", "out", plain, &err));
	fails(TOO_LARGE, "result.max-files", take(r, "out", (struct ff_git_take){ .max_files = 13 }, &t, &err));
	repo_do(r, "truncate -s 900G out/sparse");
	fails(TOO_LARGE, "result.max-file", take(r, "out", (struct ff_git_take){ .max_file = 1 << 20 }, &t, &err));
	fails(TOO_LARGE, "result.max-bytes", take(r, "out", (struct ff_git_take){ .max_bytes = 1 << 30 }, &t, &err));
	repo_do(r, "rm out/sparse; mkdir out/many; cd out/many; seq 1 2000 | xargs mkdir");
	fails(TOO_LARGE, "result.max-files", take(r, "out", (struct ff_git_take){ .max_files = 1000 }, &t, &err));
	fails(CANCELLED, "ended", take(r, "out", (struct ff_git_take){ .progress = stop }, &t, &err));
	assert_int_equal(t.n_listed, 77);
	repo_do(r, "cd out/many; seq 1 1500 | sed 's/$/f/' | xargs mkfifo");
	ok(take(r, "out", no_limits, &t, &err));
	assert_int_equal(t.n_skipped, 1500);
	assert_int_equal(t.n_listed, FF_GIT_SKIPPED_MAX);
	assert_false(t.changed);
	ff_git_taken_fini(&t);
}

struct living {
	const struct repo *r;
	const char *script;
};

static int still_writes(void *arg, int64_t done, int64_t total)
{
	const struct living *l = arg;

	(void)total;
	if (done == 1)
		repo_do(l->r, "%s", l->script);
	return 0;
}

static void a_living_job_is_noticed(void **state)
{
	static const char *const scripts[] = {
		"for f in $(find out -type f); do echo >>$f; done", "for f in $(find out -type f); do truncate -s 1 $f; done",
		"echo x >out/n", "rm out/empty" };
	struct repo *r = *state;

	repo_do(r, "git init -q -b main w; cd w; for i in 1 2 3; do echo $i >f$i; done; echo >empty; git add .; git commit -qm 1; git push -q ../r.git main");
	for (size_t i = 0; i < FF_ARRAY_LEN(scripts); i++) {
		struct living l = { r, scripts[i] };
		struct ff_git_taken t;
		struct ff_err why = { 0 };

		repo_do(r, "rm -rf out");
		ok(check_out(r, "main", "out", plain, &err));
		assert_int_equal(take(r, "out", (struct ff_git_take){ .progress = still_writes, .arg = &l }, &t, &why), -1);
		/* A name that went before its turn cannot be read at all. */
		assert_true(why.code == FF_E_CONFLICT || (i == 3 && why.code == FF_E_IO));
	}
}

static void everything_deleted(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = false };

	fill(r);
	repo_do(r, "cd w; git rm -q --cached s .gitmodules; git commit -qm 2; git push -q o main; mkdir ../none");
	ok(take(r, "none", no_limits, &t, &err));
	assert_true(t.changed);
	assert_string_equal(t.tree, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

static void modes_of_old_gits_are_no_change(void **state)
{
	struct repo *r = *state;
	FF_AUTO(ff_git_taken_fini) struct ff_git_taken t = { .changed = true };

	hostile_commit(r, "100664", "old", "blob");
	repo_do(r, "git -C r.git update-ref refs/heads/main hostile");
	ok(check_out(r, "main", "out", plain, &err));
	ok(take(r, "out", no_limits, &t, &err));
	assert_false(t.changed);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(checkout_is_what_git_archives),
		test(hostile_trees_write_nothing),
		test(deep_trees),
		test(unchanged_stays_unchanged),
		test(unreadable_objects_end_it),
		test(changes_as_git_would_add_them),
		test(hostile_folder),
		test(swapped_for_links),
		test(modules_and_submodules_stay),
		test(locked_files),
		test(limits),
		test(a_living_job_is_noticed),
		test(everything_deleted),
		test(modes_of_old_gits_are_no_change),
	};

	return cmocka_run_group_tests_name("git-tree", tests, NULL, NULL);
}
