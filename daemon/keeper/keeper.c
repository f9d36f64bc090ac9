/* SPDX-License-Identifier: MIT */
/*
 * The role: one message in, one repository looked at, one answer, and gone.
 * Everything is done with the least claim to processor and disk.  The role is
 * not killed with core but sees its channel end, so that git has the time to
 * remove what it was writing.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/keeper/keeper.h"
#include "daemon/role.h"
#include "git/git.h"
#include "ipc/ipc.h"

/* ioprio_set(2): this process, class idle. */
#define IOPRIO_PROCESS 1
#define IOPRIO_IDLE (3 << 13)

static void be_modest(void)
{
	(void)setpriority(PRIO_PROCESS, 0, 19); /* refused: it works at the common priority */
	(void)syscall(SYS_ioprio_set, IOPRIO_PROCESS, 0, IOPRIO_IDLE); /* likewise */
}

/* As root, the owner of the repository: its configuration is the owner's word, and new packs belong to it. */
static int become_owner(const char *path, struct ff_err *err)
{
	const struct passwd *pw;
	struct stat st;

	if (stat(path, &st) < 0)
		return ff_err_errno(err, "%s", path);
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	pw = getpwuid(st.st_uid);
	if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		return ff_err_errno(err, "%s: cannot take on the account of its owner", path);
	return setenv("HOME", pw ? pw->pw_dir : "/", 1) < 0 ? ff_err_errno(err, "HOME") : 0;
}

static int read_message(struct ff_keeper *k, const json_t *msg, struct ff_err *err)
{
	const char *url = NULL;
	int64_t timeout_ms;

	if (ff_msg_str(msg, "repo", &url, err) < 0 || ff_msg_int(msg, "packs", 2, INT64_MAX, &k->packs, err) < 0 ||
	    ff_msg_int(msg, "loose", 1, INT64_MAX, &k->loose, err) < 0 ||
	    ff_msg_int(msg, "full_ms", 0, INT64_MAX, &k->full_ms, err) < 0 ||
	    ff_msg_int(msg, "timeout_ms", 1, 1000LL * 86400 * 365, &timeout_ms, err) < 0)
		return -1;
	k->until_ms = ff_clock_mono() + timeout_ms;
	return ff_git_path_from_url(url, &k->path, err);
}

static json_t *counted(const struct ff_keeper_look *l)
{
	return json_pack("{s:I,s:I,s:I}", "packs", (json_int_t)l->packs, "loose", (json_int_t)l->loose, "refs",
			 (json_int_t)l->refs);
}

static json_t *keep(struct ff_keeper *k, const json_t *msg)
{
	static const char *const words[] = { "off", "nothing", "busy", "done" };
	struct ff_keeper_look before = { 0 }, after = { 0 };
	enum ff_keeper_state state = FF_KEEPER_OFF;
	struct ff_err err = { 0 };
	int rc = read_message(k, msg, &err);

	if (rc == 0)
		rc = become_owner(k->path, &err);
	if (rc == 0 && chdir(k->path) < 0)
		rc = ff_err_errno(&err, "%s", k->path);
	if (rc == 0)
		rc = ff_keeper_tidy(k, &state, &before, &after, &err);
	return json_pack("{s:s,s:s,s:o,s:o}", "state", rc < 0 ? "failed" : words[state], "text", err.text, "before",
			 counted(&before), "after", counted(&after));
}

int ff_keeper_main(const struct ff_role_args *args)
{
	struct ff_keeper k = { .parent_fd = FF_IPC_PARENT_FD, .log = ff_log_main() };
	struct ff_chan *chan;
	enum ff_msg_type type;
	struct ff_err err = { 0 };
	json_t *msg = NULL;
	int fd = -1, status = 1;

	(void)args;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* fails only for values other than 0 and 1 */
	be_modest();
	chan = ff_chan_new(FF_IPC_PARENT_FD, FF_PEER_KEEPER, FF_PEER_CORE);
	if (ff_chan_send(chan, FF_MSG_HELLO, json_pack("{s:s,s:i}", "role", "keeper", "pid", (int)getpid()), -1, &err) == 0 &&
	    ff_chan_recv(chan, -1, &type, &msg, &fd, &err) == 0) {
		ff_close(&fd);
		status = ff_chan_send(chan, FF_MSG_KEPT, keep(&k, msg), -1, &err) < 0;
		json_decref(msg);
	}
	if (err.code == FF_E_UNREACHABLE) /* core has ended */
		status = 0;
	if (status)
		ff_log_error(&k.log, "keeper.core", "%s", err.text);
	ff_free(&k.path);
	ff_chan_free(&chan);
	return status;
}
