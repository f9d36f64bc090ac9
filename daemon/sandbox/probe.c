/* SPDX-License-Identifier: MIT */
/*
 * Can this host run jobs?  Asked in a throw-away sandbox made like every
 * other, because a setting that looks right proves nothing.  What is found
 * wrong is turned into the step that mends it.
 */
#include "daemon/sandbox/sandbox.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/group.h"
#include "base/mem.h"
#include "base/text.h"

#define PROBE_MS 20000
#define PROBE_OUTPUT 4096

static bool file_says(const char *path, const char *value)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 64);
	return ff_file_read(path, &b, NULL) == 0 && b.len > 0 && strcspn(b.data, "\n") == strlen(value) &&
	       ff_starts(b.data, value);
}

/* The likely reason for a sandbox that does not start, with the step that helps. */
static const char *advice(const char *said)
{
	if (strstr(said, "Unknown option"))
		return "bubblewrap 0.8 or later is needed: upgrade it";
	if (file_says("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return "user namespaces are off: sysctl -w kernel.unprivileged_userns_clone=1";
	if (file_says("/proc/sys/user/max_user_namespaces", "0"))
		return "user namespaces are off: sysctl -w user.max_user_namespaces=10000";
	if (file_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))
		return "AppArmor forbids user namespaces: load profiles for flowforged and bwrap that allow userns";
	if (strstr(said, "amespace"))
		return "user namespaces are not allowed here: in a container, allow them (seccomp, AppArmor)";
	if (ff_starts(said, "no control group"))
		return "sandbox.require has cgroup: Delegate=yes in the unit, or a daemon of root where cgroups are version 1";
	if (ff_starts(said, "Landlock: "))
		return "sandbox.require has landlock, which this kernel has not: Linux 5.19 or later, with lsm= of its command line naming it";
	if (strstr(said, "mount") && strstr(said, "proc"))
		return "/proc cannot be mounted: in a container, unmask /proc";
	return NULL;
}

static const char no_landlock[] = "this kernel has no Landlock, mounts alone keep jobs from files: Linux 5.19 or later has it, "
	"with lsm= of its command line naming landlock; sandbox.require=landlock lets no job run without";

static int missing(const char *said, struct ff_err *err)
{
	const char *step = advice(said);

	return ff_err_set(err, FF_E_SANDBOX_MISSING, "%s%s%s", step ? step : "", step ? ": " : "", said);
}

static int programs_there(const struct ff_sandbox_spec *spec, struct ff_err *err)
{
	if (access(spec->bwrap, X_OK))
		return ff_err_set(err, FF_E_SANDBOX_MISSING,
				  "no %s: install the package bubblewrap, or set sandbox.bwrap", spec->bwrap);
	if (!spec->tool || access(spec->tool, X_OK))
		return ff_err_set(err, FF_E_SANDBOX_MISSING,
				  "no %s: install " FF_NAME " again", spec->tool ? spec->tool : FF_NAME "-tool");
	if (!spec->confine || access(spec->confine, X_OK))
		return ff_err_set(err, FF_E_SANDBOX_MISSING,
				  "no %s: install " FF_NAME " again", spec->confine ? spec->confine : FF_NAME "-confine");
	return 0;
}

static const char *by_what(const struct ff_group *g, enum ff_group_part part)
{
	switch (ff_group_holds(g, part)) {
	case 1: return "cgroup v1";
	case 2: return "cgroup v2";
	default: return NULL;
	}
}

static const char no_group[] = "no control group is ours, so nothing limits the memory of all processes of a job together: "
	"Delegate=yes in the unit, or a daemon of root where cgroups are version 1";

/* In words for the doctor. A group that can be made now can be made for a job. */
static void tell(const struct ff_sandbox_spec *s, bool landlock, char **ret_weak, char **ret_limits)
{
	const struct ff_group_limits limits = { s->max_memory_bytes, s->max_processes, s->max_cpu_percent };
	FF_AUTO(ff_group_free) struct ff_group *g = NULL;
	const char *memory, *processes, *cpu;
	bool weak;

	if (ff_group_new(&limits, &g, NULL))
		return; /* just now it could be made: the next probe says why */
	memory = by_what(g, FF_GROUP_MEMORY);
	processes = by_what(g, FF_GROUP_PROCESSES);
	cpu = by_what(g, FF_GROUP_CPU);
	weak = s->max_memory_bytes && !memory;
	*ret_limits = ff_asprintf("memory %s%s, processes by %s%srlimit, processor %s%s, work tree by looking",
				  memory ? "by " : "", memory ? memory : s->max_process_bytes ? "of each process by rlimit" : "not limited",
				  processes ? processes : "", processes ? " and " : "", cpu ? "by " : "", cpu ? cpu : "not limited");
	if (weak || !landlock)
		*ret_weak = ff_asprintf("%s%s%s", landlock ? "" : no_landlock, weak && !landlock ? "; " : "", weak ? no_group : "");
}

int ff_sandbox_probe(const struct ff_sandbox_spec *base, char **ret_weak, char **ret_limits, struct ff_err *err)
{
	FF_AUTO(ff_free) char *tmp = ff_asprintf("%" PRId64, base->tmp_bytes);
	FF_AUTO(ff_free) char *shm = ff_asprintf("%" PRId64, ff_sandbox_shm_bytes(base));
	const char *const argv[] = { FF_SANDBOX_TOOL, "probe", tmp, shm, NULL };
	FF_AUTO(ff_sandbox_result_fini) struct ff_sandbox_result r = { 0 };
	FF_AUTO(ff_free) char *said = NULL;
	static const char stand[] = "walls stand\n";
	struct ff_sandbox_spec spec = *base;
	struct ff_err why;

	if (programs_there(base, err))
		return -1;
	spec.work = NULL;
	spec.argv = argv;
	spec.deadline_ms = ff_clock_mono() + PROBE_MS;
	spec.max_output = PROBE_OUTPUT;
	if (ff_sandbox_run(&spec, &r, &why))
		return missing(why.text, err);
	if (r.timed_out)
		return ff_err_set(err, FF_E_SANDBOX_MISSING, "the trial sandbox did not end within %d s", PROBE_MS / 1000);
	if (WIFEXITED(r.status) && WEXITSTATUS(r.status) == 0 && ff_starts(r.head.data, stand)) {
		tell(base, r.head.data[strlen(stand)] == '\0', ret_weak, ret_limits);
		return 0;
	}
	said = ff_text_shown(r.head.data, 200);
	return ff_err_set(err, FF_E_SANDBOX_MISSING, "a wall of the sandbox is missing: %s", said);
}

int ff_sandbox_reachable(const char *path, uid_t uid, gid_t gid, struct ff_err *err)
{
	FF_AUTO(ff_free) char *up = ff_strdup(path);
	char *slash;

	while ((slash = strrchr(up, '/')) && slash > up) {
		struct stat st;
		bool passes;

		*slash = '\0';
		if (stat(up, &st))
			return ff_err_errno(err, "%s", up);
		passes = st.st_uid == uid ? st.st_mode & S_IXUSR : st.st_gid == gid ? st.st_mode & S_IXGRP : st.st_mode & S_IXOTH;
		if (!passes)
			return ff_err_set(err, FF_E_CONTAINER_START_FAILED,
					  "jobs run under another account and cannot pass the folder %s: run chmod o+x on it", up);
	}
	return 0;
}
