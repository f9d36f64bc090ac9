/* SPDX-License-Identifier: MIT */
/*
 * hostile             TAP: every kind, its control, and $HOSTILE_RUNS attempts
 *                     (25000) by jobs in the real sandbox, started as root and
 *                     as an ordinary user
 * hostile inside N    the job, in its Nth round
 * hostile bystander   a process to be attacked
 *
 * A form is a child of its own with the account that would run the daemon. It
 * must have no other children: ff_sandbox_run() ends all that it finds. So
 * the bystander is ours, with the form's account.
 */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "tests/hostile/form.h"

#define RUNS 25000
#define ORDINARY 2100099991 /* an account that nobody has */
/* Numbers of processes inside stay below this, so that no number means two. */
#define FIRST_PID 4096
#define FORKS_MAX 65536

static _Noreturn void die(const char *what)
{
	(void)printf("Bail out! %s: %s\n", what, strerror(errno));
	(void)fflush(stdout);
	exit(1);
}

static void copy_program(const char *top, const char *from, const char *name)
{
	FF_AUTO(ff_free) char *to = ff_path_join(top, name);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 64 * 1024 * 1024);
	if (ff_file_read(from, &b, NULL) || ff_file_write(to, b.data, b.len, 0755, NULL))
		die(name);
}

static void copy_built(const char *top, const char *name)
{
	const char *build = getenv("top_builddir");
	FF_AUTO(ff_free) char *from = ff_path_join(build ? build : ".", name);

	copy_program(top, from, name);
}

static void skip_low_pids(void)
{
	for (int i = 0; i < FORKS_MAX; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0)
			die("fork");
		(void)waitpid(pid, NULL, 0);
		if (pid >= FIRST_PID)
			return;
	}
}

static void become(uid_t uid)
{
	if (uid == geteuid())
		return;
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("an ordinary account");
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* cannot fail with this value */
}

static _Noreturn void be_bystander(const struct form *f)
{
	FF_AUTO(ff_free) char *self = ff_path_join(f->base, "hostile");
	FF_AUTO(ff_free) char *canary = ff_path_join(f->t.host, "canary");
	int fd;

	become(f->uid);
	fd = open(canary, O_RDONLY);
	if (fd < 0 || dup2(fd, 9) != 9 || chdir(f->t.host) || setenv("FFH_SECRET", CANARY "environment", 1))
		die("bystander");
	(void)setsid(); /* a leader already is as good */
	execl(self, "hostile", "bystander", CANARY "argument", (char *)NULL);
	die(self);
}

static _Noreturn void bystander_main(void)
{
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* where Yama is: without it the control fails, and says so */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;)
		(void)pause();
}

static int run_form(const char *base, const char *name, uid_t uid, int64_t runs, int first)
{
	struct form f = { .base = base, .name = name, .uid = uid, .alone = geteuid() != 0, .runs = runs, .number = first };
	FF_AUTO(ff_free) char *top = ff_path_join(base, name);
	int status = 0, made[2];
	pid_t pid;

	(void)snprintf(f.t.host, sizeof f.t.host, "%s/host", top);
	(void)snprintf(f.t.own, sizeof f.t.own, "%s/own", top);
	(void)snprintf(f.ws, sizeof f.ws, "%s/ws", top);
	if (mkdir(top, 0711) || chown(top, uid, uid) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made))
		die(top);
	pid = fork();
	if (pid == 0) {
		become(uid);
		form_make(&f);
		(void)close(made[0]);
		_exit(form_main(&f, made[1]));
	}
	(void)close(made[1]);
	/* The form says when its folder is there, waits for the bystander's number, and runs. */
	status = form_lend_bystander(&f, made[0], pid, be_bystander);
	(void)close(made[0]);
	return status;
}

static int all_main(void)
{
	char base[] = "/tmp/ff-hostile-XXXXXX";
	const char *text = getenv("HOSTILE_RUNS");
	int64_t runs = RUNS;
	int failed = 0;

	if (text && *text && ff_num_i64(text, 1, INT64_MAX, &runs))
		die("HOSTILE_RUNS is no number");
	(void)signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(base) || chmod(base, 0711))
		die(base);
	copy_program(base, "/proc/self/exe", "hostile");
	copy_built(base, "flowforge-tool");
	copy_built(base, "flowforge-confine");
	skip_low_pids();
	if (geteuid() == 0) {
		failed |= run_form(base, "root", 0, runs / 2, 1);
		failed |= run_form(base, "user", ORDINARY, runs - runs / 2, 1 + (int)form_lines());
		(void)printf("1..%zu\n", 2 * form_lines());
	} else {
		(void)printf("# not root: the form of a daemon that is root is left out\n");
		failed |= run_form(base, "user", geteuid(), runs, 1);
		(void)printf("1..%zu\n", form_lines());
	}
	(void)ff_dir_remove(base, NULL);
	return failed;
}

int main(int argc, char **argv)
{
	int64_t round = 0;

	if (argc == 3 && !strcmp(argv[1], "inside") && ff_num_i64(argv[2], 0, 1 << 30, &round) == 0)
		return inside_main((int)round);
	if (argc >= 2 && !strcmp(argv[1], "bystander"))
		bystander_main();
	return all_main();
}
