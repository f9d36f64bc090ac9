/* SPDX-License-Identifier: MIT */
/* The reader role as core meets it: the real program with us on its descriptor 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/sock.h"
#include "ipc/ipc.h"
#include "tests/lib/check.h"
#include "tests/lib/repo.h"

#define ANSWER_MS 20000

struct asker {
	struct ff_chan *chan;
	pid_t pid;
	int64_t id;
	char *url;
};

static struct asker begin(const struct repo *r)
{
	struct asker a = { .url = ff_git_url_from_path(r->path) };
	FF_AUTO(ff_free) char *path = ff_asprintf("%s/%s", getenv("top_builddir"), FF_DAEMON);
	FF_AUTO(ff_free) char *none = ff_asprintf("%s/empty.conf", r->dir);
	char role[] = "--role", reader[] = "reader", config[] = "--config";
	char *const argv[] = { path, role, reader, config, none, NULL };
	enum ff_msg_type type;
	json_t *msg = NULL;
	int fds[2], fd = -1;

	repo_do(r, ": >empty.conf");
	ff_assert(ff_sock_pair(fds, NULL) == 0);
	ok(ff_spawn(&(struct ff_spawn){ .path = path, .argv = argv, .fd_in = -1, .fd_out = -1, .fd_err = -1, .fd_3 = fds[1] },
		    &a.pid, &err));
	ff_close(&fds[1]);
	a.chan = ff_chan_new(fds[0], FF_PEER_CORE, FF_PEER_READER);
	ok(ff_chan_recv(a.chan, ANSWER_MS, &type, &msg, &fd, &err));
	assert_int_equal(type, FF_MSG_HELLO);
	assert_string_equal(json_string_value(json_object_get(msg, "role")), "reader");
	json_decref(msg);
	return a;
}

static void end(struct asker *a)
{
	ff_chan_free(&a->chan);
	assert_int_equal(ff_wait(a->pid), 0); /* it goes when we do */
	ff_free(&a->url);
}

static json_t *next_answer(struct asker *a, int *ret_fd)
{
	enum ff_msg_type type;
	json_t *msg = NULL;

	ok(ff_chan_recv(a->chan, ANSWER_MS, &type, &msg, ret_fd, &err));
	assert_int_equal(type, FF_MSG_ANSWER);
	assert_int_equal(json_integer_value(json_object_get(msg, "id")), a->id);
	return msg;
}

/* args taken. The answer is the caller's. */
static json_t *ask(struct asker *a, const char *what, json_t *args, int *ret_fd)
{
	int fd = -1;

	assert_non_null(args);
	ok(ff_chan_send(a->chan, FF_MSG_ASK, json_pack("{s:I,s:s,s:s,s:o}", "id", (json_int_t)++a->id, "what", what,
						       "repo", a->url, "args", args), -1, &err));
	return next_answer(a, ret_fd ? ret_fd : &fd);
}

static json_t *facts(struct asker *a, const char *oid, const char *target, const char *task_file)
{
	return ask(a, "facts", json_pack("{s:s,s:s,s:s?,s:s?}", "ref", "refs/heads/claude/x", "oid", oid, "target", target,
					 "task_file", task_file), NULL);
}

/* The data as JSON text with sorted keys; the answer is freed. */
static void assert_data(json_t *answer, const char *want)
{
	FF_AUTO(ff_free) char *got = json_dumps(json_object_get(answer, "data"), JSON_SORT_KEYS | JSON_COMPACT);

	if (!got)
		got = json_dumps(answer, 0);
	assert_string_equal(got, want);
	json_decref(answer);
}

static void assert_error(json_t *answer, const char *code, const char *part)
{
	const json_t *error = json_object_get(answer, "error");
	const char *text = json_string_value(json_object_get(error, "text"));

	assert_non_null(text);
	assert_string_equal(json_string_value(json_object_get(error, "code")), code);
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
	json_decref(answer);
}

static void fill(const struct repo *r)
{
	repo_do(r, "git init -q -b main w; cd w; git remote add o ../r.git; mkdir -p .flowforge/tasks; cd .flowforge/tasks; echo 'do it' >a.md;"
		   "head -c 70000 /dev/zero | tr '\\0' x >big.md; ln -s a.md link.md; printf 'caf\\351\\n' >latin.md; cd ../..; git add .; git commit -qm first;"
		   "git commit -q --allow-empty -m 'plain'; git push -q o main");
}

static void all_facts(void **state)
{
	struct repo *r = *state;
	struct asker a = begin(r);
	char first[FF_GIT_OID], tip[FF_GIT_OID], tree[FF_GIT_OID], tag[FF_GIT_OID];
	FF_AUTO(ff_free) char *want = NULL, *want2 = NULL, *want3 = NULL;

	fill(r);
	repo_do(r, "cd w; git commit -q --allow-empty -m 'x\n\nClaude-Task: fold\n  ed\nFlowforge-Job: http://h/1'; git push -q o HEAD:refs/heads/top;"
		   "git -C ../r.git tag -am t v1 top");
	repo_oid(r, first, "main");
	repo_oid(r, tip, "top");
	repo_oid(r, tree, "main^{tree}");
	repo_oid(r, tag, "v1");
	want = ff_asprintf("{\"chain\":0,\"config\":{\"enabled\":null,\"options\":null},\"head_branch\":\"main\",\"target\":\"main\","
			   "\"target_oid\":\"%s\",\"task_file\":\"do it\\n\",\"tip_is_commit\":true,\"tip_is_ours\":false,\"trailer_task\":null}", first);
	assert_data(facts(&a, first, NULL, "a"), want);
	repo_do(r, "cd r.git; git config flowforge.enabled no; git config flowforge.options true");
	assert_data(facts(&a, tip, "none/there", "a"),
		    "{\"chain\":0,\"config\":{\"enabled\":false,\"options\":true},\"head_branch\":\"main\",\"target\":\"none/there\","
		    "\"target_oid\":null,\"task_file\":null,\"tip_is_commit\":true,\"tip_is_ours\":true,\"trailer_task\":\"fold ed\"}");
	repo_do(r, "git -C r.git config --remove-section flowforge");
	want2 = ff_asprintf("{\"chain\":0,\"config\":{\"enabled\":null,\"options\":null},\"head_branch\":\"main\",\"target\":\"top\","
			    "\"target_oid\":\"%s\",\"task_file\":{\"b64\":\"Y2Fm6Qo=\"},\"tip_is_commit\":false,\"tip_is_ours\":false,\"trailer_task\":null}", tip);
	assert_data(facts(&a, tag, "top", "latin"), want2);
	/* A task file that is no use matters only when nothing else names the task. */
	assert_error(facts(&a, first, NULL, "big"), "TOO_LARGE", ".flowforge/tasks/big.md");
	assert_error(facts(&a, first, NULL, "link"), "INVALID", "regular file");
	assert_error(facts(&a, first, NULL, "../a"), "INVALID", "name of a task file");
	want3 = ff_asprintf("{\"chain\":1,\"config\":{\"enabled\":null,\"options\":null},\"head_branch\":\"main\",\"target\":\"main\","
			    "\"target_oid\":\"%s\",\"task_file\":null,\"tip_is_commit\":true,\"tip_is_ours\":true,\"trailer_task\":\"fold ed\"}", first);
	assert_data(facts(&a, tip, NULL, "big"), want3);
	assert_error(facts(&a, first, "a..b", NULL), "INVALID", "name of a branch");
	assert_error(facts(&a, "1234567890123456789012345678901234567890", NULL, NULL), "NOT_FOUND", "1234567");
	repo_do(r, "git -C r.git config flowforge.enabled maybe");
	assert_error(facts(&a, first, NULL, NULL), "INVALID", "flowforge.enabled");
	end(&a);
}

static void refs_in_chunks(void **state)
{
	struct repo *r = *state;
	struct asker a = begin(r);
	size_t seen = 0, answers = 0;
	json_t *msg;
	bool more;

	fill(r);
	repo_do(r, "cd r.git; m=$(git rev-parse main); n=$(printf '%%0150d' 0); for i in $(seq -w 1500); do echo create refs/heads/claude/$n$i $m; done | git update-ref --stdin");
	msg = ask(&a, "refs", json_pack("{s:[s,s]}", "globs", "refs/heads/claude/*", "refs/heads/main"), NULL);
	for (;;) {
		more = json_is_true(json_object_get(msg, "more"));
		seen += json_array_size(json_object_get(json_object_get(msg, "data"), "refs"));
		answers++;
		json_decref(msg);
		if (!more)
			break;
		msg = next_answer(&a, &(int){ -1 });
	}
	assert_int_equal(seen, 1501);
	assert_true(answers > 1);
	assert_data(ask(&a, "refs", json_pack("{s:[s]}", "globs", "refs/none/*"), NULL), "{\"refs\":[]}");
	assert_error(ask(&a, "refs", json_pack("{s:[i]}", "globs", 1), NULL), "PROTOCOL", "globs");
	end(&a);
}

static void patches_are_sealed(void **state)
{
	struct repo *r = *state;
	struct asker a = begin(r);
	char base[FF_GIT_OID], tip[FF_GIT_OID];
	FF_AUTO(ff_free) char *want = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf got;
	struct stat st;
	int fd = -1;

	fill(r);
	repo_do(r, "cd w; echo more >>.flowforge/tasks/a.md; git commit -qam 2; git push -q o HEAD:refs/heads/top; yes $(printf '%%01000d' 0) | head -c 70000000 | split -b 10000000 - big;"
		   "git add .; git commit -qm 3; git push -q o HEAD:refs/heads/large");
	repo_oid(r, base, "main");
	repo_oid(r, tip, "top");
	json_decref(ask(&a, "diff", json_pack("{s:s,s:s}", "base", base, "tip", tip), &fd));
	assert_true(fd >= 0);
	want = repo_sh(r, "git -C r.git diff main top");
	ff_buf_init(&got, 1 << 20);
	ok(ff_fd_read_all(fd, &got, &err));
	got.data[got.len - 1] = '\0';
	assert_string_equal(got.data, want);
	assert_int_equal(write(fd, "x", 1), -1);
	ff_close(&fd);
	repo_oid(r, tip, "large");
	json_decref(ask(&a, "diff", json_pack("{s:s,s:s}", "base", base, "tip", tip), &fd));
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size <= 64 * 1024 * 1024 && st.st_size > 63 * 1024 * 1024);
	assert_true(lseek(fd, -14, SEEK_END) > 0);
	ff_buf_clear(&got);
	ok(ff_fd_read_all(fd, &got, &err));
	assert_string_equal(got.data, "was cut here.\n");
	ff_close(&fd);
	assert_error(ask(&a, "diff", json_pack("{s:s}", "base", base), NULL), "PROTOCOL", "tip");
	end(&a);
}

static json_t *drift(struct asker *a, const char *tip, const char *branch)
{
	return ask(a, "drift", json_pack("{s:s,s:s,s:s?}", "target", "refs/heads/main", "tip", tip, "branch", branch), NULL);
}

static char *found(const char *state, const char *target, const char *path)
{
	return ff_asprintf("{\"n_paths\":%d,\"paths\":[%s%s%s],\"state\":\"%s\",\"target_oid\":\"%s\"}", path != NULL,
			   path ? "\"" : "", path ? path : "", path ? "\"" : "", state, target);
}

static void trials_write_nothing(void **state)
{
	struct repo *r = *state;
	struct asker a = begin(r);
	char fits[FF_GIT_OID], clash[FF_GIT_OID], target[FF_GIT_OID];
	FF_AUTO(ff_free) char *before = NULL, *after = NULL, *applies = NULL, *conflict = NULL, *merged = NULL, *gone = NULL;

	fill(r);
	repo_do(r, "cd w; git checkout -q -b fits; echo f >f; git add .; git commit -qm f; git checkout -q -b clash main; echo c >>.flowforge/tasks/a.md;"
		   "git commit -qam c; git checkout -q main; echo m >>.flowforge/tasks/a.md; git commit -qam m; git push -q o main fits clash");
	repo_oid(r, fits, "fits");
	repo_oid(r, clash, "clash");
	repo_oid(r, target, "main");
	applies = found("applies", target, NULL);
	conflict = found("conflict", target, ".flowforge/tasks/a.md");
	merged = found("merged", target, NULL);
	gone = found("gone", target, NULL);
	before = repo_sh(r, "find r.git -type f | sort");
	assert_data(drift(&a, fits, "refs/heads/fits"), applies);
	assert_data(drift(&a, clash, "refs/heads/clash"), conflict);
	assert_data(drift(&a, clash, NULL), conflict);
	assert_data(drift(&a, clash, "refs/heads/nowhere"), gone);
	assert_data(drift(&a, target, "refs/heads/main"), merged);
	assert_data(drift(&a, target, NULL), applies); /* a job that has made nothing yet */
	after = repo_sh(r, "find r.git -type f | sort");
	assert_string_equal(before, after);
	repo_do(r, "cd w; echo x >x; git add .; git commit -qm x; git cherry-pick fits >/dev/null; git push -q o main");
	repo_oid(r, target, "main");
	ff_free(&merged);
	merged = found("merged", target, NULL);
	assert_data(drift(&a, fits, "refs/heads/fits"), merged);
	assert_error(drift(&a, "1234567890123456789012345678901234567890", NULL), "NOT_FOUND", "1234567");
	assert_error(ask(&a, "drift", json_pack("{s:s,s:s}", "target", "refs/heads/none", "tip", fits), NULL), "NOT_FOUND", "none");
	assert_error(ask(&a, "drift", json_pack("{s:s,s:s}", "target", "a..b", "tip", fits), NULL), "PROTOCOL", "refs");
	end(&a);
}

static void a_replaced_repository_is_opened_again(void **state)
{
	struct repo *r = *state;
	struct asker a = begin(r);
	char first[FF_GIT_OID];

	fill(r);
	repo_oid(r, first, "main");
	json_decref(ask(&a, "refs", json_pack("{s:[]}", "globs"), NULL));
	repo_do(r, "mv r.git old; git init -q --bare -b other r.git");
	assert_error(facts(&a, first, NULL, NULL), "NOT_FOUND", first);
	repo_do(r, "rm -r r.git");
	assert_error(facts(&a, first, NULL, NULL), "NOT_FOUND", "not a Git repository");
	repo_do(r, "mv old r.git");
	json_decref(ask(&a, "refs", json_pack("{s:[]}", "globs"), NULL));
	assert_error(ask(&a, "nonsense", json_object(), NULL), "PROTOCOL", "nonsense");
	end(&a);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, repo_setup, repo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(all_facts),
		test(refs_in_chunks),
		test(patches_are_sealed),
		test(trials_write_nothing),
		test(a_replaced_repository_is_opened_again),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
