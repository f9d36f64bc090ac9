/* SPDX-License-Identifier: MIT */
/* The folder of a job: STATE/jobs/N, the work tree ws/ in it, and what an attempt leaves for the next. */
#include "daemon/worker/run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/libexec.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "conf/conf.h"
#include "daemon/worker/agent.h"
#include "git/tree.h"

#define MARKER "prepared"
#define LOCK "lock"
#define NOTE_MAX (1024 * 1024)
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static bool requires(const struct ff_conf *conf, const char *wall)
{
	for (const char *const *p = ff_conf_list(conf, FF_CONF_SANDBOX_REQUIRE); p && *p; p++)
		if (!strcmp(*p, wall))
			return true;
	return false;
}

void ff_place_spec(const struct ff_conf *conf, int64_t job, struct ff_sandbox_spec *ret_spec, char **ret_tool,
		   char **ret_confine)
{
	*ret_tool = ff_libexec_path(FF_NAME "-tool");
	*ret_confine = ff_libexec_path(FF_NAME "-confine");
	*ret_spec = (struct ff_sandbox_spec){
		.bwrap = ff_conf_str(conf, FF_CONF_SANDBOX_BWRAP),
		.tool = *ret_tool,
		.confine = *ret_confine,
		.read_only = ff_conf_list(conf, FF_CONF_SANDBOX_READ_ONLY),
		.hostname = "job",
		.tmp_bytes = ff_conf_int(conf, FF_CONF_SANDBOX_TMP_SIZE),
		.max_processes = ff_conf_int(conf, FF_CONF_SANDBOX_MAX_PROCESSES),
		.max_file_bytes = ff_conf_int(conf, FF_CONF_RESULT_MAX_FILE),
		.max_open_files = ff_conf_int(conf, FF_CONF_SANDBOX_MAX_OPEN_FILES),
		.max_process_bytes = ff_conf_int(conf, FF_CONF_SANDBOX_MAX_PROCESS_MEMORY),
		.max_memory_bytes = ff_conf_int(conf, FF_CONF_SANDBOX_MAX_MEMORY),
		.max_cpu_percent = ff_conf_int(conf, FF_CONF_SANDBOX_MAX_CPU),
		.group_required = requires(conf, "cgroup"),
		.landlock_required = requires(conf, "landlock"),
	};
	if (geteuid() == 0)
		ret_spec->uid = ret_spec->gid =
			(uid_t)(ff_conf_int(conf, FF_CONF_SANDBOX_UID_BASE) + job % 65536);
}

char *ff_place_dir(const struct ff_conf *conf, int64_t job)
{
	FF_AUTO(ff_free) char *name = ff_asprintf("jobs/%" PRId64, job);

	return ff_conf_state_path(conf, name);
}

int ff_place_open(struct ff_run *run, struct ff_err *err)
{
	FF_AUTO(ff_free) char *lock = NULL;

	run->dir = ff_place_dir(run->conf, run->task.job);
	run->ws = ff_path_join(run->dir, "ws");
	lock = ff_path_join(run->dir, LOCK);
	/* The job's account passes through to ws/ and sees nothing on the way. */
	if (ff_dir_make(run->dir, 0711, err))
		return -1;
	if (chmod(run->dir, 0711)) /* the gateway may have made it first */
		return ff_err_errno(err, "%s", run->dir);
	run->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (run->lock_fd < 0)
		return ff_err_errno(err, "%s", lock);
	if (flock(run->lock_fd, LOCK_EX | LOCK_NB))
		return ff_err_set(err, FF_E_IO, "%s: another worker still has this job", run->dir);
	return 0;
}

static char *marker_text(const struct ff_run *run)
{
	FF_AUTO(ff_buf_fini) struct ff_buf boot;

	ff_buf_init(&boot, 256);
	if (ff_file_read(BOOT_ID, &boot, NULL))
		return NULL; /* without it every attempt starts anew */
	return ff_asprintf("%s %s", run->task.source_oid, boot.data);
}

bool ff_place_kept(const struct ff_run *run)
{
	FF_AUTO(ff_free) char *want = marker_text(run);
	FF_AUTO(ff_free) char *have = ff_place_noted(run, MARKER);
	struct stat st;

	return want && have && !strcmp(want, have) && lstat(run->ws, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * The tree, its marker first, and then what the tools answered: what they did
 * is gone with the tree, so they have to do it again.  What was paid for (the
 * gateway's answers) stays, and is used again where they answer the same.
 */
static int clear(const struct ff_run *run, struct ff_err *err)
{
	FF_AUTO(ff_free) char *marker = ff_path_join(run->dir, MARKER);
	FF_AUTO(ff_free) char *tools = ff_path_join(run->dir, FF_AGENT_TOOLS);
	FF_AUTO(ff_free) char *session = ff_path_join(run->dir, FF_AGENT_SESSION);

	return ff_dir_remove(marker, err) || ff_dir_remove(run->ws, err) || ff_dir_remove(tools, err) ||
	       ff_dir_remove(session, err) ? -1 : 0;
}

static int open_new(const char *folder, int *ret_fd, struct ff_err *err)
{
	if (ff_dir_remove(folder, err) < 0)
		return -1;
	if (mkdir(folder, 0700))
		return ff_err_errno(err, "%s", folder);
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? ff_err_errno(err, "%s", folder) : 0;
}

int ff_place_check_out(const struct ff_run *run, const char *folder, const char *commit, struct ff_err *err)
{
	const struct ff_conf *c = run->conf;
	FF_AUTO(ff_close) int fd = -1;
	struct ff_git_checkout what = {
		.commit = commit, .uid = -1, .gid = -1,
		.max_files = ff_conf_int(c, FF_CONF_RESULT_MAX_FILES),
		.max_bytes = ff_conf_int(c, FF_CONF_RESULT_MAX_BYTES),
		.max_depth = ff_conf_int(c, FF_CONF_RESULT_MAX_DEPTH),
	};

	if (open_new(folder, &fd, err))
		return -1;
	what.folder_fd = fd;
	if (run->spec.uid) {
		what.uid = run->spec.uid;
		what.gid = run->spec.gid;
	}
	/* The folder itself goes to the job last, so that only we can write while it is filled. */
	if (ff_git_checkout(run->git, &what, NULL, err))
		return -1;
	if ((run->spec.uid && fchown(fd, run->spec.uid, run->spec.gid)) || fchmod(fd, 0755))
		return ff_err_errno(err, "%s", folder);
	return 0;
}

int ff_place_build(struct ff_run *run, struct ff_err *err)
{
	FF_AUTO(ff_free) char *marker = marker_text(run);

	if (clear(run, err) || ff_place_check_out(run, run->ws, run->task.source_oid, err))
		return -1;
	return marker ? ff_place_note(run, MARKER, marker, err) : 0;
}

int ff_place_remove(const struct ff_conf *conf, int64_t job, struct ff_err *err)
{
	FF_AUTO(ff_free) char *dir = ff_place_dir(conf, job);

	return ff_dir_remove(dir, err);
}

int ff_place_note(const struct ff_run *run, const char *name, const char *text, struct ff_err *err)
{
	FF_AUTO(ff_free) char *path = ff_path_join(run->dir, name);

	return ff_file_write(path, text, strlen(text), 0600, err);
}

char *ff_place_noted(const struct ff_run *run, const char *name)
{
	FF_AUTO(ff_free) char *path = ff_path_join(run->dir, name);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, NOTE_MAX);
	return ff_file_read(path, &b, NULL) ? NULL : ff_buf_take(&b);
}
