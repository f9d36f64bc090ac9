/* SPDX-License-Identifier: MIT */
/* Starting this program again in another role, with its parent on descriptor 3. */
#include "daemon/core/core.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/names.h"
#include "base/proc.h"
#include "base/sock.h"
#include "base/text.h"
#include "daemon/core/childlog.h"

/* From the end of its channel to its exit; a worker may be removing a large folder. */
#define LINGER_MS 60000

/* FLOWFORGE_SECTION_KEY: part of what is in roles.conf already. */
static bool is_setting(const char *entry)
{
	size_t n = strcspn(entry, "="), prefix = strlen(FF_ENV_PREFIX);

	return ff_starts(entry, FF_ENV_PREFIX) && n > prefix && memchr(entry + prefix, '_', n - prefix);
}

/* What a role's environment may hold; the gateway also needs the way out. */
static bool env_allowed(const char *entry, bool gateway)
{
	static const char *const all[] = { "PATH=", "LANG=", "TMPDIR=", "HOME=", FF_ENV_PREFIX, "ASAN_OPTIONS=",
					   "UBSAN_OPTIONS=", "LSAN_OPTIONS=" };
	static const char *const out[] = { "ANTHROPIC_BASE_URL=", "CREDENTIALS_DIRECTORY=", "https_proxy=",
					   "HTTPS_PROXY=", "http_proxy=", "no_proxy=", "NO_PROXY=", "all_proxy=" };

	if (is_setting(entry))
		return false;
	for (size_t i = 0; i < FF_ARRAY_LEN(all); i++)
		if (ff_starts(entry, all[i]))
			return true;
	for (size_t i = 0; gateway && i < FF_ARRAY_LEN(out); i++)
		if (ff_starts(entry, out[i]))
			return true;
	return false;
}

static char **make_env(bool gateway)
{
	size_t n = 0, used = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = ff_calloc(n + 1, sizeof *env);
	for (size_t i = 0; i < n; i++)
		if (env_allowed(environ[i], gateway))
			env[used++] = environ[i];
	return env;
}

/* Not from the files we were started with: somebody may be editing them, and all roles must agree. */
static char **make_argv(const struct ff_core *core, const char *role)
{
	char **argv = ff_calloc(6, sizeof *argv);

	argv[0] = ff_strdup(FF_DAEMON);
	argv[1] = ff_strdup("--role");
	argv[2] = ff_strdup(role);
	argv[3] = ff_strdup("--config");
	argv[4] = ff_conf_run_path(core->conf, FF_ROLES_CONF);
	return argv;
}

static void on_ended(void *arg, pid_t pid, int status)
{
	struct ff_child *c = arg;

	(void)pid;
	c->exit_watch = NULL;
	c->pid = 0;
	ff_watch_free(&c->linger);
	ff_chan_free(&c->chan);
	ff_childlog_free(&c->log);
	c->on_exit(c->owner, status);
}

/* A role without its parent exits; one that hangs instead would never be replaced. */
static void on_linger(void *arg)
{
	struct ff_child *c = arg;

	ff_log_error(&c->core->log, "child.hangs", "the %s did not exit: killed", c->role);
	ff_child_kill(c, SIGKILL);
}

/* Of an adopted one the end of the connection is all that can be awaited. */
static void on_left(void *arg)
{
	struct ff_child *c = arg;

	ff_watch_free(&c->linger);
	c->on_exit(c->owner, 0);
}

static void await_exit(struct ff_child *c)
{
	ff_chan_free(&c->chan);
	if (!c->linger && c->adopted)
		c->linger = ff_loop_timer(c->core->loop, 0, on_left, c);
	else if (!c->linger)
		c->linger = ff_loop_timer(c->core->loop, LINGER_MS, on_linger, c);
}

/* Broken rules end the peer; an end of file means that the exit follows. */
static void on_closed(void *arg, struct ff_chan *chan, const struct ff_err *err)
{
	struct ff_child *c = arg;

	(void)chan;
	if (err->code != FF_E_UNREACHABLE) {
		ff_log_error(&c->core->log, "child.bad", "the %s broke the protocol: %s", c->role, err->text);
		ff_child_kill(c, SIGKILL);
	}
	await_exit(c);
}

static void on_msg(void *arg, struct ff_chan *chan, enum ff_msg_type type, json_t *msg, int fd)
{
	struct ff_child *c = arg;

	if (type == FF_MSG_HELLO && !c->adopted)
		return;
	c->on_msg(c->owner, chan, type, msg, fd);
}

/* Those that read what anybody may have pushed do not write to our log themselves. */
static int log_pipe(enum ff_peer peer, int *ret_ours, int *ret_theirs, struct ff_err *err)
{
	int fds[2];

	if (peer != FF_PEER_WORKER && peer != FF_PEER_READER)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return ff_err_errno(err, "a pipe for its log");
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? ff_err_errno(err, "a pipe for its log") : 0;
}

int ff_child_start(struct ff_core *core, struct ff_child *c, const char *role, enum ff_peer peer, ff_msg_fn fn,
		   void (*exit_fn)(void *owner, int status), void *owner, struct ff_err *err)
{
	FF_AUTO(ff_close) int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	FF_AUTO(ff_close) int log_fd = -1, their_log = -1;
	char **argv, **env;
	struct ff_spawn spawn = { .path = core->args->self, .fd_in = -1, .fd_out = -1,
				  .fd_err = -1 };
	int fds[2], rc;

	/* Watching a child takes a descriptor: without one it must not be started. */
	if (spare < 0)
		return ff_err_errno(err, "cannot start a %s", role);
	if (log_pipe(peer, &log_fd, &their_log, err) < 0 || ff_sock_pair(fds, err) < 0)
		return ff_err_wrap(err, "cannot start a %s", role);
	spawn.argv = argv = make_argv(core, role);
	spawn.envp = env = make_env(peer == FF_PEER_GATEWAY);
	spawn.fd_3 = fds[1];
	spawn.fd_err = their_log;
	*c = (struct ff_child){ .core = core, .role = role, .on_msg = fn, .on_exit = exit_fn, .owner = owner };
	rc = ff_spawn(&spawn, &c->pid, err);
	ff_close(&fds[1]);
	for (size_t i = 0; argv[i]; i++)
		ff_free(&argv[i]);
	ff_free(&argv);
	ff_free(&env);
	if (rc < 0) {
		ff_close(&fds[0]);
		return -1;
	}
	c->chan = ff_chan_new(fds[0], FF_PEER_CORE, peer);
	ff_chan_attach(c->chan, core->loop, on_msg, on_closed, c);
	if (log_fd >= 0)
		c->log = ff_childlog_new(core, role, &c->job, ff_steal_fd(&log_fd));
	ff_close(&spare);
	c->exit_watch = ff_loop_child(core->loop, c->pid, on_ended, c);
	return 0;
}

void ff_child_adopt(struct ff_core *core, struct ff_child *c, const char *role, int fd, enum ff_peer peer, ff_msg_fn fn,
		    void (*exit_fn)(void *owner, int status), void *owner)
{
	*c = (struct ff_child){ .core = core, .role = role, .adopted = true, .on_msg = fn, .on_exit = exit_fn,
				.owner = owner };
	c->chan = ff_chan_new(fd, FF_PEER_CORE, peer);
	ff_chan_attach(c->chan, core->loop, on_msg, on_closed, c);
}

void ff_child_kill(struct ff_child *c, int signo)
{
	if (c->adopted)
		await_exit(c);
	else if (c->pid > 0)
		(void)kill(c->pid, signo); /* it may be gone already: the reaper will say so */
}

void ff_child_hang_up(struct ff_child *c)
{
	await_exit(c);
}

void ff_child_fini(struct ff_child *c)
{
	ff_watch_free(&c->linger);
	ff_chan_free(&c->chan);
	if (c->pid > 0) {
		ff_watch_free(&c->exit_watch);
		ff_child_kill(c, SIGKILL);
		(void)ff_wait(c->pid);
		c->pid = 0;
	}
	ff_childlog_free(&c->log);
}
