/* SPDX-License-Identifier: MIT */
/*
 * Runs a program of ours, counts its durable steps, and kills it or makes a
 * call fail where it is told to:
 *
 *   stepper [--order ORDER] [--orders FILE] [--log FILE] [--tape FILE --under DIR]... -- PROGRAM [ARGUMENT]...
 *
 * ORDER   ROLE count                           tell each step in the log
 *         ROLE kill before|after N [CALL]      SIGKILL at the Nth step, of that call alone
 *         ROLE fail open|write|fsync|connect N once|always
 *                                              N 0: only tell each in the log
 * A step is a write to a file or socket, a truncation, an fsync, a name made,
 * moved or removed, a change of mode, a child started, an exit.  FILE holds an
 * order too; it is read again when another file is moved into its place,
 * and counting begins anew by it.  It is in force when FILE.fresh, which is made
 * behind it, is gone.  In the log, one line each:
 *
 *   step ROLE PID N KIND CALL OBJECT     killed ROLE PID N WHEN KIND CALL OBJECT
 *   failed ROLE PID N CALL OBJECT        call ROLE PID N CALL OBJECT
 *   spared ROLE PID N CALL OBJECT
 *   ended ROLE PID exit|signal NUMBER
 *   unknown ROLE PID NUMBER              (calls.def does not have it)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/text.h"
#include "tests/crash/tape.h"
#include "tests/crash/trace.h"

enum order_what { ORDER_NOTHING, ORDER_COUNT, ORDER_BEFORE, ORDER_AFTER, ORDER_FAIL };

struct order {
	enum order_what what;
	char role[16];
	enum call_kind fail; /* OPEN, WRITE, SYNC, CONNECT */
	int64_t nth;
	bool always;
	char call[24]; /* "": any */
};

static struct stepper {
	struct order order;
	int64_t count;
	pid_t due; /* is within the step after which it dies */
	const char *orders_path;
	struct stat orders; /* as it was when it was read */
	int log_fd;
	struct tape *tape;
} st = { .log_fd = -1 };

static const char *const kind_words[] = { "quiet", "write", "send", "sync", "trunc", "open", "name", "mode", "connect",
					  "start", "exit", "unknown", "say" };

static void tell(char *line)
{
	FF_AUTO(ff_free) char *text = line;

	if (st.log_fd >= 0)
		(void)!write(st.log_fd, text, strlen(text)); /* what is missing there fails the test that reads it */
}

/* --- orders ------------------------------------------------------------------ */

static int parse_fail(struct order *o, char **words, size_t n)
{
	static const struct { const char *word; enum call_kind kind; } calls[] = {
		{ "open", CALL_OPEN }, { "write", CALL_WRITE }, { "fsync", CALL_SYNC }, { "connect", CALL_CONNECT },
	};

	if (n != 5)
		return -1;
	o->what = ORDER_FAIL;
	o->always = !strcmp(words[4], "always");
	for (size_t i = 0; i < FF_ARRAY_LEN(calls); i++)
		if (!strcmp(words[2], calls[i].word)) {
			o->fail = calls[i].kind;
			return ff_num_i64(words[3], 0, INT64_MAX, &o->nth);
		}
	return -1;
}

static int parse_order(char *text, struct order *ret)
{
	struct order o = { 0 };
	char *words[6] = { 0 }, *at = text;
	size_t n = 0;

	for (char *w; n < FF_ARRAY_LEN(words) && (w = strsep(&at, " \n"));)
		if (*w)
			words[n++] = w;
	if (n < 2)
		return -1;
	(void)snprintf(o.role, sizeof o.role, "%s", words[0]);
	if (!strcmp(words[1], "count"))
		o.what = ORDER_COUNT;
	else if (!strcmp(words[1], "kill") && (n == 4 || n == 5) && ff_num_i64(words[3], 1, INT64_MAX, &o.nth) == 0)
		o.what = !strcmp(words[2], "before") ? ORDER_BEFORE : ORDER_AFTER;
	else if (strcmp(words[1], "fail") != 0 || parse_fail(&o, words, n) < 0)
		return -1;
	if (!strcmp(words[1], "kill"))
		(void)snprintf(o.call, sizeof o.call, "%s", words[4] ? words[4] : "");
	*ret = o;
	return 0;
}

/* True when there is another order. */
static bool read_orders(void)
{
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	struct stat file;

	ff_buf_init(&text, 4096);
	if (!st.orders_path || stat(st.orders_path, &file) < 0 ||
	    (file.st_ino == st.orders.st_ino && file.st_mtim.tv_sec == st.orders.st_mtim.tv_sec &&
	     file.st_mtim.tv_nsec == st.orders.st_mtim.tv_nsec))
		return false;
	st.orders = file;
	st.count = 0;
	st.order = (struct order){ 0 };
	if (ff_file_read(st.orders_path, &text, NULL) == 0 && text.len && parse_order(text.data, &st.order) < 0)
		tell(ff_asprintf("bad order\n"));
	return true;
}

/* --- steps ------------------------------------------------------------------- */

/* What a write or an open is depends on what it is about. */
static void refine(struct trace_call *c, const char *path)
{
	uint64_t flags = c->args[c->how == CALL_AT ? 2 : 1];

	if (c->kind == CALL_WRITE && strncmp(path, "socket:", 7) == 0)
		c->kind = CALL_SEND;
	else if (c->kind == CALL_WRITE && c->args[c->a] == STDERR_FILENO)
		c->kind = CALL_SAY;
	else if (c->kind == CALL_WRITE && (*path != '/' || ff_starts(path, "/dev/") || ff_starts(path, "/memfd:") ||
					   (c->args[c->a] < STDERR_FILENO && strcmp(c->role, "cli") != 0)))
		c->kind = CALL_QUIET; /* pipes, event counters, our own log */
	else if (c->kind == CALL_TRUNC && ff_starts(path, "/memfd:"))
		c->kind = CALL_QUIET;
	else if ((c->kind == CALL_OPEN || c->kind == CALL_NAME) && !strcmp(c->name, "openat2"))
		(void)trace_read(c->pid, c->args[2], &flags, sizeof flags);
	if (c->kind == CALL_OPEN && (flags & (O_CREAT | O_TRUNC) || !strcmp(c->name, "creat")))
		c->kind = CALL_NAME;
}

static bool is_step(enum call_kind kind)
{
	return kind != CALL_QUIET && kind != CALL_OPEN && kind != CALL_CONNECT && kind != CALL_UNKNOWN && kind != CALL_SAY;
}

static const int fail_errno[] = { [CALL_OPEN] = EMFILE, [CALL_WRITE] = ENOSPC, [CALL_SYNC] = EIO,
				  [CALL_CONNECT] = ECONNREFUSED };

/* Of a start: the dynamic linker's; and libgcrypt's, which aborts without. When that was, the log says. */
static bool is_spared(const struct trace_call *c, const char *path)
{
	if (!strcmp(path, "/proc/sys/crypto/fips_enabled"))
		tell(ff_asprintf("spared %s %d %lld %s %s\n", c->role, (int)c->pid, (long long)st.count, c->name, path));
	else if (!ff_starts(path, "/lib") && !ff_starts(path, "/usr/lib") && !ff_starts(path, "/etc/ld.so"))
		return false;
	return true;
}

static bool fails(const struct trace_call *c, enum call_kind raw, const char *path)
{
	if (st.order.fail == CALL_OPEN)
		return raw == CALL_OPEN && !is_spared(c, path);
	return c->kind == st.order.fail;
}

static enum trace_do fail(const struct trace_call *c, enum call_kind raw, const char *path, int *ret_errno)
{
	if (!fails(c, raw, path))
		return TRACE_GO;
	st.count++;
	if (!st.order.nth)
		tell(ff_asprintf("call %s %d %lld %s %s\n", c->role, (int)c->pid, (long long)st.count, c->name, path));
	if (!st.order.nth || st.count < st.order.nth || (st.count > st.order.nth && !st.order.always))
		return TRACE_GO;
	tell(ff_asprintf("failed %s %d %lld %s %s\n", c->role, (int)c->pid, (long long)st.count, c->name, path));
	*ret_errno = fail_errno[st.order.fail];
	return TRACE_FAIL;
}

static enum trace_do die(const struct trace_call *c, enum order_what when, const char *path)
{
	tell(ff_asprintf("killed %s %d %lld %s %s %s %s\n", c->role, (int)c->pid, (long long)st.count,
			 when == ORDER_BEFORE ? "before" : "after", kind_words[c->kind], c->name, path));
	st.order.what = ORDER_NOTHING;
	st.due = 0;
	return TRACE_KILL;
}

static enum trace_do on_enter(void *arg, struct trace_call *c, int *ret_errno)
{
	enum call_kind raw = c->kind;
	FF_AUTO(ff_free) char *path = NULL;

	(void)arg;
	if (c->kind == CALL_QUIET)
		return TRACE_GO;
	(void)read_orders();
	path = trace_path(c);
	refine(c, path);
	if (st.tape)
		tape_enter(st.tape, c, path);
	if (c->kind == CALL_UNKNOWN)
		tell(ff_asprintf("unknown %s %d %ld\n", c->role, (int)c->pid, c->nr));
	if (st.order.what == ORDER_NOTHING || strcmp(c->role, st.order.role) != 0)
		return TRACE_GO;
	if (st.order.what == ORDER_FAIL)
		return fail(c, raw, path, ret_errno);
	if (!is_step(c->kind) || (*st.order.call && strcmp(c->name, st.order.call) != 0))
		return TRACE_GO;
	st.count++;
	if (st.order.what == ORDER_COUNT)
		tell(ff_asprintf("step %s %d %lld %s %s %s\n", c->role, (int)c->pid, (long long)st.count,
				 kind_words[c->kind], c->name, path));
	if (st.count != st.order.nth)
		return TRACE_GO;
	if (st.order.what == ORDER_AFTER)
		st.due = c->pid;
	return st.order.what == ORDER_BEFORE ? die(c, ORDER_BEFORE, path) : TRACE_GO;
}

static enum trace_do on_leave(void *arg, const struct trace_call *c)
{
	FF_AUTO(ff_free) char *path = NULL;

	(void)arg;
	if (c->kind == CALL_QUIET)
		return TRACE_GO;
	if (st.tape)
		tape_leave(st.tape, c);
	if (st.order.what != ORDER_AFTER || st.due != c->pid)
		return TRACE_GO;
	path = trace_path(c);
	return die(c, ORDER_AFTER, path);
}

static void on_ended(void *arg, pid_t pid, const char *role, int status)
{
	(void)arg;
	if (WIFSIGNALED(status))
		tell(ff_asprintf("ended %s %d signal %d\n", role, (int)pid, WTERMSIG(status)));
	else
		tell(ff_asprintf("ended %s %d exit %d\n", role, (int)pid, WEXITSTATUS(status)));
}

static bool wants(void *arg, const char *role)
{
	(void)arg;
	return st.tape || (st.order.what != ORDER_NOTHING && !strcmp(role, st.order.role));
}

/* Whoever gave the order has made FILE.fresh behind it, and waits until it is gone. */
static bool on_tick(void *arg)
{
	FF_AUTO(ff_free) char *fresh = ff_asprintf("%s.fresh", st.orders_path);

	(void)arg;
	(void)read_orders(); /* an earlier call may have done so */
	return unlink(fresh) == 0;
}

/* --- command line ---------------------------------------------------------------- */

static int usage(void)
{
	(void)fprintf(stderr, "usage: stepper [--order ORDER] [--orders FILE] [--log FILE] [--tape FILE --under DIR]... "
			      "-- PROGRAM [ARGUMENT]...\n");
	return 2;
}

/* 0, or an exit status. */
static int take(const char *key, char *value)
{
	if (!strcmp(key, "--order"))
		return parse_order(value, &st.order) < 0 ? usage() : 0;
	if (!strcmp(key, "--orders")) {
		st.orders_path = value;
	} else if (!strcmp(key, "--log")) {
		st.log_fd = open(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
		if (st.log_fd < 0)
			perror(value);
		return st.log_fd < 0;
	} else if (!strcmp(key, "--tape")) {
		st.tape = tape_new(value);
		return !st.tape;
	} else if (!strcmp(key, "--under") && st.tape) {
		tape_under(st.tape, value);
	} else {
		return usage();
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct trace trace = { .enter = on_enter, .leave = on_leave, .ended = on_ended, .wants = wants };
	int i = 1;

	if (argc == 2 && !strcmp(argv[1], "--possible"))
		return trace_possible() ? 0 : 1;
	for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
		int status = take(argv[i], argv[i + 1]);

		if (status)
			return status;
	}
	if (i + 1 >= argc)
		return usage();
	trace.argv = argv + i + 1;
	if (st.orders_path)
		trace.tick = on_tick;
	(void)read_orders();
	return trace_run(&trace);
}
