/* SPDX-License-Identifier: MIT */
/*
 * doctor: what this host still lacks, a line a check, each with what to do.
 * It changes nothing.  Checks of the host are made here, as the account that
 * runs it; what only the daemon can know (its sandbox, the repositories it
 * has seen) it is asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/libexec.h"
#include "base/names.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/ssh_url.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/hookrepo.h"
#include "cli/talk.h"
#include "cli/view.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

#define MIB (1024 * 1024)
#define DISK_FAIL_MIB 100
#define DISK_WARN_MIB 1024
#define STATUS_MS 10000 /* a daemon that takes longer is ill */
#define VERSION_MAX 256
#define RECORD_SAID_MAX 65536
/* major * 1000 + minor: --disable-userns came with bubblewrap 0.8; nothing newer than git 2.30 is needed. */
#define BWRAP_LEAST 8
#define GIT_LEAST 2030

enum verdict { OK, WARN, FAIL };

struct doctor {
	struct ff_cli *cli;
	const struct ff_args *args;
	json_t *lines;
	bool failed;
};

static const char *const words[] = { [OK] = "ok", [WARN] = "warn", [FAIL] = "fail" };

static void tell(struct doctor *d, enum verdict v, const char *check, const char *fmt, ...) FF_PRINTF(4, 5);
static void tell(struct doctor *d, enum verdict v, const char *check, const char *fmt, ...)
{
	FF_AUTO(ff_free) char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = ff_vasprintf(fmt, ap);
	va_end(ap);
	d->failed |= v == FAIL;
	(void)json_array_append_new(d->lines, json_pack("{s:s,s:s,s:o}", "check", check, "status", words[v], "text",
							ff_json_from_bytes(text)));
}

/* --- files and folders */

static void check_folder(struct doctor *d, const char *check, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		tell(d, FAIL, check, "%s: %s: start " FF_DAEMON " once, or make it for its account", path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		tell(d, FAIL, check, "%s is not a folder: move it away", path);
	else if (st.st_mode & S_IWOTH)
		tell(d, FAIL, check, "%s is writable for everybody: chmod o-w it", path);
	else if (geteuid() && st.st_uid != geteuid())
		tell(d, WARN, check, "%s belongs to another account (uid %u): run this as that one", path, (unsigned)st.st_uid);
	else
		tell(d, OK, check, "%s, mode %04o", path, (unsigned)(st.st_mode & 07777));
}

static void check_key(struct doctor *d)
{
	const char *path = ff_conf_str(d->cli->conf, FF_CONF_GATEWAY_KEY_FILE);
	struct stat st;

	if (!*path)
		tell(d, OK, "key", "from the service credential anthropic-api-key, which the daemon reads");
	else if (stat(path, &st) < 0)
		tell(d, FAIL, "key", "%s: %s: put the API key there, or correct gateway.key-file", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || !st.st_size)
		tell(d, FAIL, "key", "%s holds no key: write the API key into it", path);
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		tell(d, FAIL, "key", "%s can be read by others (mode %04o): chmod 600 it", path,
		     (unsigned)(st.st_mode & 07777));
	else
		tell(d, OK, "key", "%s, mode %04o", path, (unsigned)(st.st_mode & 07777));
}

static void check_disk(struct doctor *d, const char *path)
{
	struct statvfs fs;
	uint64_t mib;

	if (statvfs(path, &fs) < 0)
		return; /* the check of the folder has said it */
	mib = (uint64_t)fs.f_bavail * fs.f_frsize / MIB;
	if (mib < DISK_FAIL_MIB || (fs.f_files && !fs.f_favail))
		tell(d, FAIL, "disk", "%s: %" PRIu64 " MiB and %ju files are left: make room, jobs cannot be recorded", path,
		     mib, (uintmax_t)fs.f_favail);
	else if (mib < DISK_WARN_MIB)
		tell(d, WARN, "disk", "%s: %" PRIu64 " MiB are left: make room soon", path, mib);
	else
		tell(d, OK, "disk", "%s: %" PRIu64 " MiB are left", path, mib);
}

static void closedir_p(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* it was only read */
}

static void check_spool(struct doctor *d, const char *path)
{
	FF_AUTO(closedir_p) DIR *dir = opendir(path);
	int64_t bytes = 0, most = ff_conf_int(d->cli->conf, FF_CONF_SERVER_SPOOL_WARN);
	const struct dirent *e;
	struct stat st;
	int waiting = 0;

	if (!dir) {
		tell(d, errno == EACCES ? OK : WARN, "spool", "%s: %s%s", path, strerror(errno),
		     errno == EACCES ? " (this account need not read it)" : ": start " FF_DAEMON " once");
		return;
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		waiting++;
		bytes += (int64_t)st.st_blocks * 512;
	}
	if (bytes >= most)
		tell(d, FAIL, "spool", "%s: %d pushes, %" PRId64 " KiB, wait for the daemon (server.spool-warn): see why it does not "
		     "take them, they are not thrown away", path, waiting, bytes / 1024);
	else if (waiting)
		tell(d, WARN, "spool", "%s: %d pushes wait for the daemon; they start when it runs", path, waiting);
	else
		tell(d, OK, "spool", "%s: nothing waits", path);
}

/* --- other programs */

/* First line of `PROGRAM --version`. Freed by ff_free; NULL with err. */
static char *version_of(const char *program, struct ff_err *err)
{
	char name[] = "program", option[] = "--version", lang[] = "LC_ALL=C";
	char *const argv[] = { name, option, NULL }, *const envp[] = { lang, NULL };
	FF_AUTO(ff_buf_fini) struct ff_buf out;
	FF_AUTO(ff_close) int from = -1, to = -1;
	int fds[2], rc, status;
	pid_t pid;

	ff_buf_init(&out, VERSION_MAX);
	if (pipe2(fds, O_CLOEXEC) < 0) {
		ff_err_errno(err, "pipe");
		return NULL;
	}
	from = fds[0];
	to = fds[1];
	if (ff_spawn(&(struct ff_spawn){ .path = program, .argv = argv, .envp = envp, .fd_in = -1, .fd_out = to,
					 .fd_err = -1, .fd_3 = -1 }, &pid, err) < 0)
		return NULL;
	ff_close(&to);
	rc = ff_fd_read_all(from, &out, err);
	ff_close(&from);
	status = ff_wait(pid);
	if (rc < 0)
		return NULL;
	if (status) {
		ff_err_set(err, FF_E_UNSUPPORTED, "%s --version failed", program);
		return NULL;
	}
	return ff_memdup0(out.data, strcspn(out.data, "\n"));
}

/* Of "name 2.39.5 (x)": 2 * 1000 + 39; -1 when there is no such number. */
static int64_t version_number(const char *text)
{
	const char *at = text + strcspn(text, "0123456789");
	size_t n = strspn(at, "0123456789"), m = at[n] == '.' ? strspn(at + n + 1, "0123456789") : 0;
	FF_AUTO(ff_free) char *major = ff_memdup0(at, n);
	FF_AUTO(ff_free) char *minor = ff_memdup0(m ? at + n + 1 : "", m);
	int64_t a, b;

	if (ff_num_i64(major, 0, 1000, &a) < 0 || ff_num_i64(minor, 0, 999, &b) < 0)
		return -1;
	return a * 1000 + b;
}

static void check_program(struct doctor *d, const char *check, const char *program, int64_t least, const char *advice)
{
	FF_AUTO(ff_free) char *version = NULL;
	struct ff_err err = { 0 };

	if (!program || access(program, X_OK) < 0) {
		tell(d, FAIL, check, "%s cannot be run: %s", program ? program : check, advice);
		return;
	}
	version = version_of(program, &err);
	if (!version)
		tell(d, FAIL, check, "%s: %s", err.text, advice);
	else if (version_number(version) < least)
		tell(d, FAIL, check, "%s is %s, too old: %s", program, version, advice);
	else
		tell(d, OK, check, "%s: %s", program, version);
}

static bool uses_driver(const struct ff_conf *conf, const char *word)
{
	return !strcmp(ff_conf_str(conf, FF_CONF_AGENT_DRIVER), word) || ff_conf_branch_has(conf, "driver", word);
}

/* The versions a driver lets through; it says so again for every job. */
static void check_claude(struct doctor *d)
{
	const struct ff_conf *conf = d->cli->conf;
	const char *program = ff_conf_str(conf, FF_CONF_AGENT_CLAUDE_CODE), *range = ff_conf_str(conf, FF_CONF_AGENT_CLAUDE_CODE_VERSIONS);
	FF_AUTO(ff_free) char *version = NULL, *number = NULL;
	struct ff_err err = { 0 };

	if (!uses_driver(conf, "claude-code"))
		return;
	if (access(program, X_OK) < 0) {
		tell(d, FAIL, "claude-code", "%s cannot be run: contrib/install-deps --with-claude-code installs it, or correct "
		     "agent.claude-code", program);
		return;
	}
	version = version_of(program, &err);
	number = version ? ff_memdup0(version, strcspn(version, " ")) : NULL;
	if (!version)
		tell(d, FAIL, "claude-code", "%s: it is no Claude Code, or not for this machine", err.text);
	else if (!ff_version_in(number, range))
		tell(d, FAIL, "claude-code", "%s is %s; agent.claude-code-versions lets %s through: jobs with this driver fail", program,
		     version, range);
	else
		tell(d, OK, "claude-code", "%s: %s", program, version);
}

static void check_git(struct doctor *d)
{
	FF_AUTO(ff_free) char *git = ff_cli_program(d->cli, "git");

	check_program(d, "git", git, GIT_LEAST, "install git 2.30 or later and put it into PATH");
}

/* --- publishing by push */

static void check_push_key(struct doctor *d)
{
	const char *path = ff_conf_str(d->cli->conf, FF_CONF_PUBLISH_KEY_FILE);
	struct stat st;

	if (stat(path, &st) < 0)
		tell(d, FAIL, "push key", "%s: %s: make one by ssh-keygen -t ed25519 -N '' -f %s", path, strerror(errno), path);
	else if (!S_ISREG(st.st_mode) || !st.st_size)
		tell(d, FAIL, "push key", "%s holds no key: make one by ssh-keygen -t ed25519", path);
	else if (st.st_mode & (S_IRWXG | S_IRWXO))
		tell(d, FAIL, "push key", "%s can be read by others (mode %04o): chmod 600 it", path,
		     (unsigned)(st.st_mode & 07777));
	else if (geteuid() && st.st_uid != geteuid())
		tell(d, WARN, "push key", "%s belongs to another account (uid %u): run this as the daemon's", path,
		     (unsigned)st.st_uid);
	else
		tell(d, OK, "push key", "%s, mode %04o", path, (unsigned)(st.st_mode & 07777));
}

/* As ssh itself looks it up. 1: it is there, 0: it is not, -1: nobody can tell. */
static int host_known(const char *program, const char *host, const char *file)
{
	FF_AUTO(ff_free) char *name = ff_strdup(host), *path = ff_strdup(file);
	char arg0[] = "ssh-keygen", find[] = "-F", from[] = "-f", lang[] = "LC_ALL=C";
	char *const argv[] = { arg0, find, name, from, path, NULL }, *const envp[] = { lang, NULL };
	pid_t pid;
	int status;

	if (!program || ff_spawn(&(struct ff_spawn){ .path = program, .argv = argv, .envp = envp, .fd_in = -1, .fd_out = -1,
						     .fd_err = -1, .fd_3 = -1 }, &pid, NULL) < 0)
		return -1;
	status = ff_wait(pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) == 0 : -1;
}

static void check_push_host(struct doctor *d, const struct ff_ssh_url *url)
{
	const char *file = ff_conf_str(d->cli->conf, FF_CONF_PUBLISH_KNOWN_HOSTS);
	FF_AUTO(ff_free) char *program = ff_cli_program(d->cli, "ssh-keygen");
	FF_AUTO(ff_free) char *host = url->port == 22 ? ff_strdup(url->host)
						      : ff_asprintf("[%s]:%" PRId64, url->host, url->port);
	int known;

	if (access(file, R_OK) < 0) {
		tell(d, FAIL, "push host", "%s: %s: put the server's key there: ssh-keyscan -p %" PRId64 " %s, and compare it "
		     "on the server", file, strerror(errno), url->port, url->host);
		return;
	}
	known = host_known(program, host, file);
	if (known < 0)
		tell(d, WARN, "push host", "ssh-keygen is not here, so nobody looked for %s in %s", host, file);
	else if (!known)
		tell(d, FAIL, "push host", "%s is not in %s: add what ssh-keyscan -p %" PRId64 " %s prints, and compare it on "
		     "the server", host, file, url->port, url->host);
	else
		tell(d, OK, "push host", "%s is in %s", host, file);
}

static void check_push(struct doctor *d)
{
	FF_AUTO(ff_ssh_url_fini) struct ff_ssh_url url = { 0 };
	const struct ff_conf *conf = d->cli->conf;

	if (ff_ssh_url_parse(ff_conf_str(conf, FF_CONF_PUBLISH_URL), &url, NULL) < 0)
		return; /* there is none, or the configuration would have been refused */
	check_push_key(d);
	check_push_host(d, &url);
}

/* Only the daemon's program knows the record: it is asked to look, whether a daemon runs or not. */
static void check_record(struct doctor *d, const char *path)
{
	FF_AUTO(ff_buf_fini) struct ff_buf said;
	FF_AUTO(ff_close) int from = -1, to = -1;
	struct ff_err err = { 0 };
	int fds[2], rc, status;
	pid_t pid;

	ff_buf_init(&said, RECORD_SAID_MAX);
	if (access(path, R_OK) < 0)
		return; /* there is none yet, or the daemon alone may read it */
	ff_assert(pipe2(fds, O_CLOEXEC) == 0);
	from = fds[0];
	to = fds[1];
	pid = ff_cli_daemon(d->cli, d->args, "--check-record", to, &err);
	if (pid < 0) {
		tell(d, WARN, "record", "%s cannot be looked at: %s", path, err.text);
		return;
	}
	ff_close(&to);
	rc = ff_fd_read_all(from, &said, &err);
	status = ff_wait(pid);
	while (said.len && said.data[said.len - 1] == '\n')
		said.data[--said.len] = '\0';
	if (status || rc < 0)
		tell(d, FAIL, "record", "%s: stop " FF_DAEMON ", run " FF_NAME " restore with the newest backup, start it again",
		     rc < 0 ? err.text : said.data);
	else
		tell(d, OK, "record", "%s", said.data);
}

/* --- what the daemon says */

static void check_sandbox(struct doctor *d, const json_t *status)
{
	const json_t *sandbox = json_object_get(status, "sandbox");
	FF_AUTO(ff_free) char *missing = ff_view_name(sandbox, "text");
	FF_AUTO(ff_free) char *limits = ff_view_name(sandbox, "limits");

	if (!json_is_true(json_object_get(sandbox, "known")))
		tell(d, WARN, "sandbox", "the daemon has not tried it yet: ask again in a moment");
	else if (!json_is_true(json_object_get(sandbox, "ok")))
		tell(d, FAIL, "sandbox", "jobs wait, this host cannot confine them: %s", missing);
	else if (*missing)
		tell(d, WARN, "sandbox", "jobs can be confined, but %s", missing);
	else
		tell(d, OK, "sandbox", "jobs can be confined");
	if (*limits)
		tell(d, OK, "limits of a job", "%s", limits);
}

struct hook_check { struct doctor *d; const char *repo; bool ill; };

/* Only a warning: forges and gitolite run hooks that are not in the repository. */
static void hook_said(void *arg, bool problem, const char *text)
{
	struct hook_check *c = arg;

	c->ill |= problem;
	tell(c->d, problem ? WARN : OK, "hooks", "%s: %s", c->repo, text);
}

static void check_hook(struct doctor *d, const char *path)
{
	FF_AUTO(ff_free) char *program = ff_libexec_path(FF_NAME "-hook");
	FF_AUTO(ff_free) char *conf_path = ff_conf_state_path(d->cli->conf, "hook.conf");
	FF_AUTO(ff_hookrepo_close) struct ff_hookrepo repo = { 0 };
	struct hook_check check = { d, path, false };
	struct ff_hookwork work = {
		.repo = &repo, .program = program, .conf_path = conf_path, .say = hook_said, .arg = &check,
		.maintain = ff_conf_bool(d->cli->conf, FF_CONF_MAINTENANCE_ENABLED),
	};
	struct ff_err err = { 0 };

	if (ff_hookrepo_open(path, false, &repo, &err) < 0) {
		tell(d, WARN, "hooks", "%s cannot be looked at: %s", path, err.text);
		return;
	}
	ff_hookwork_status(&work);
	if (!check.ill)
		tell(d, OK, "hooks", "%s", path);
}

static void check_hooks(struct doctor *d, const json_t *status)
{
	json_t *repo;
	size_t i;

	json_array_foreach(json_object_get(status, "repos"), i, repo) {
		FF_AUTO(ff_free) char *path = NULL;

		if (ff_json_bytes(repo, &path, NULL) == 0)
			check_hook(d, path);
	}
}

/* What the gateway has in its hands counts; without its word, what the file looks like. */
static void check_key_said(struct doctor *d, const json_t *status)
{
	const json_t *key = json_object_get(status, "key");
	FF_AUTO(ff_free) char *text = ff_view_name(key, "text");

	if (!json_is_true(json_object_get(key, "known")))
		check_key(d);
	else if (json_is_true(json_object_get(key, "ok")))
		tell(d, OK, "key", "read from %s", text);
	else
		tell(d, FAIL, "key", "jobs wait: %s", text);
}

static void check_answer(struct doctor *d, const json_t *status)
{
	const char *version = ff_view_str(status, "version");
	const json_t *queue = json_object_get(status, "queue");

	if (strcmp(version, PACKAGE_VERSION))
		tell(d, WARN, "daemon", "it is version %s, this is " PACKAGE_VERSION ": restart it after an update",
		     *version ? version : "unknown");
	else
		tell(d, OK, "daemon", "version %s; %" PRId64 " jobs queued, %" PRId64 " waiting, %" PRId64 " running", version,
		     ff_view_int(queue, "queued"), ff_view_int(queue, "waiting"), ff_view_int(queue, "running"));
	if (json_is_true(json_object_get(status, "draining")))
		tell(d, WARN, "daemon", "it is ending: it finishes the jobs that run and starts no more");
	if (json_is_true(json_object_get(status, "record_damaged")))
		tell(d, FAIL, "record", "it is damaged and not written to any more, pushes go into the spool: stop " FF_DAEMON
		     ", run " FF_NAME " restore with the newest backup, start it again");
	else if (json_is_false(json_object_get(status, "record_writable")))
		tell(d, FAIL, "record", "it cannot be written, pushes go into the spool: make room or mend the disk");
	if (json_is_false(json_object_get(status, "clock_trusted")))
		tell(d, WARN, "clock", "it was set: nothing is removed as old by it before it was steady for retention.settle");
	if (json_is_false(json_object_get(status, "gateway")))
		tell(d, FAIL, "gateway", "it does not run, so jobs cannot reach the model: read the daemon's log");
}

static void check_daemon(struct doctor *d)
{
	FF_AUTO(ff_json_drop) json_t *status = NULL;
	const struct ff_talk_ask ask = { .command = "status", .timeout_ms = STATUS_MS };
	struct ff_err err = { 0 };

	if (ff_talk_once(d->cli, d->args, &ask, &status, &err) < 0) {
		if (err.code == FF_E_UNREACHABLE)
			tell(d, FAIL, "daemon", "nobody answers in %s: start " FF_DAEMON " and read its log if it does not stay",
			     ff_conf_str(d->cli->conf, FF_CONF_SERVER_RUN_DIR));
		else
			tell(d, FAIL, "daemon", "%s", err.text);
		check_key(d);
		return;
	}
	check_answer(d, status);
	check_key_said(d, status);
	check_sandbox(d, status);
	check_hooks(d, status);
}

static void check_all(struct doctor *d)
{
	const struct ff_conf *conf = NULL;
	FF_AUTO(ff_free) char *spool = NULL;
	FF_AUTO(ff_free) char *record = NULL;
	struct ff_err err = { 0 };

	check_git(d);
	if (ff_cli_conf(d->cli, d->args, &err) < 0) {
		tell(d, FAIL, "configuration", "%s", err.text);
		return;
	}
	conf = d->cli->conf;
	tell(d, OK, "configuration", "%s", ff_conf_file(conf) ? ff_conf_file(conf) : "no file, built-in defaults");
	check_folder(d, "state folder", ff_conf_str(conf, FF_CONF_SERVER_STATE_DIR));
	check_folder(d, "run folder", ff_conf_str(conf, FF_CONF_SERVER_RUN_DIR));
	check_disk(d, ff_conf_str(conf, FF_CONF_SERVER_STATE_DIR));
	spool = ff_conf_state_path(conf, "spool");
	check_spool(d, spool);
	record = ff_conf_state_path(conf, FF_NAME ".db");
	check_record(d, record);
	check_push(d);
	check_program(d, "bubblewrap", ff_conf_str(conf, FF_CONF_SANDBOX_BWRAP), BWRAP_LEAST,
		      "install bubblewrap 0.8 or later, or correct sandbox.bwrap");
	check_claude(d);
	check_daemon(d);
}

static void print_line(const struct ff_print *p, const json_t *line)
{
	FF_AUTO(ff_free) char *text = ff_view_name(line, "text");
	const char *status = ff_view_str(line, "status");

	ff_print_colour(p, !strcmp(status, words[OK]) ? FF_GREEN : !strcmp(status, words[WARN]) ? FF_YELLOW : FF_RED);
	(void)fprintf(p->f, "%-4s", status);
	ff_print_colour(p, FF_PLAIN);
	(void)fprintf(p->f, "  %s: ", ff_view_str(line, "check"));
	ff_print_shown(p, FF_PLAIN, text);
	(void)fputc('\n', p->f);
}

int ff_cli_doctor(struct ff_cli *cli, const struct ff_args *args, struct ff_err *err)
{
	FF_AUTO(ff_json_drop) json_t *lines = json_array();
	struct doctor d = { .cli = cli, .args = args, .lines = lines };
	json_t *line;
	size_t i;

	(void)err;
	check_all(&d);
	if (ff_args_value(args, FF_CLI_OPT_JSON))
		ff_print_json(&cli->out, lines);
	else
		json_array_foreach(lines, i, line)
			print_line(&cli->out, line);
	return d.failed ? 1 : 0;
}
