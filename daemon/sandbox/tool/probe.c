/* SPDX-License-Identifier: MIT */
/*
 * The walls seen from within.  Each check tries what a job would try, and
 * believes the outcome rather than a setting.
 */
#include "daemon/sandbox/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

static int wrong(const char *what)
{
	(void)printf("%s\n", what);
	return 1;
}

static int check_account(void)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *caps;

	ff_buf_init(&b, 65536);
	if (getuid() == 0 || geteuid() == 0 || getgid() == 0)
		return wrong("the job runs as root");
	if (ff_file_read("/proc/self/status", &b, NULL))
		return wrong("/proc is not there");
	caps = strstr(b.data, "CapEff:\t0000000000000000\n");
	if (!caps || !strstr(b.data, "CapBnd:\t0000000000000000\n"))
		return wrong("the job has capabilities");
	if (!strstr(b.data, "NoNewPrivs:\t1\n"))
		return wrong("the job could gain privileges");
	return strstr(b.data, "Seccomp:\t2\n") ? 0 : wrong("no filter looks at the job's system calls");
}

static int check_network(void)
{
	struct if_nameindex *list = if_nameindex();
	int bad = 0;

	if (!list)
		return wrong("network interfaces cannot be listed");
	for (struct if_nameindex *i = list; i->if_name; i++)
		bad |= strcmp(i->if_name, "lo") != 0;
	if_freenameindex(list);
	return bad ? wrong("the job has a network") : 0;
}

/* Those that exploits begin with; with values that a kernel without the wall refuses. make check-hostile has all. */
static const long refused[] = {
	SYS_keyctl, SYS_add_key, SYS_bpf, SYS_perf_event_open, SYS_io_uring_setup, SYS_userfaultfd, SYS_open_by_handle_at,
	SYS_mount, SYS_umount2, SYS_pivot_root, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_setns, SYS_unshare, SYS_clone3,
	SYS_chroot, SYS_init_module, SYS_finit_module, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_quotactl, SYS_sethostname,
	SYS_settimeofday, SYS_clock_settime, SYS_fanotify_init, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_syslog,
};

/* What the list leaves out is answered as by a kernel without it; by a value, as by one without that. */
static int check_calls(void)
{
	if (unshare(CLONE_NEWUSER) == 0 || errno != ENOSYS)
		return wrong("the job can make user namespaces");
	for (size_t i = 0; i < FF_ARRAY_LEN(refused); i++) {
		if (syscall(refused[i], -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == ENOSYS)
			continue;
		(void)printf("the job can make system call %ld\n", refused[i]);
		return 1;
	}
	if (ioctl(STDIN_FILENO, TIOCSTI, "x") != -1 || errno != ENOSYS)
		return wrong("the job can type into a terminal");
	if (socket(AF_VSOCK, SOCK_STREAM, 0) >= 0 || errno != ENOSYS)
		return wrong("the job can talk to the machine's host");
	return 0;
}

/* No wall is missing then: the mounts say the same. */
static void look_for_landlock(void)
{
	FF_AUTO(ff_close) int fd = open("/proc/self/comm", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)printf("no landlock\n");
}

static int check_read_only(const char *path)
{
	FF_AUTO(ff_free) char *name = ff_path_join(path, "flowforge-probe");
	FF_AUTO(ff_close) int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EROFS)
		return 0;
	(void)printf("%s is not read only\n", path);
	return 1;
}

static int check_size(const char *path, int64_t bytes)
{
	struct statvfs v;

	if (statvfs(path, &v)) {
		(void)printf("%s is not there\n", path);
		return 1;
	}
	/* The kernel rounds up to whole pages. */
	if ((int64_t)v.f_blocks * (int64_t)v.f_frsize <= bytes + 65536 && v.f_blocks > 0)
		return 0;
	(void)printf("%s has no size limit\n", path);
	return 1;
}

static int check_processes(void)
{
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 256);
	if (ff_file_read("/proc/1/comm", &b, NULL) || strcmp(b.data, "bwrap\n"))
		return wrong("the job sees processes of others");
	return 0;
}

static int check_descriptors(void)
{
	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return wrong("the job has inherited a descriptor");
	return 0;
}

int ff_tool_probe(int64_t tmp_bytes, int64_t shm_bytes)
{
	int bad = check_descriptors() | check_account() | check_network() | check_processes() |
		  check_read_only("/") | check_read_only("/dev") | check_read_only("/usr") |
		  check_size("/tmp", tmp_bytes) | check_size("/home/agent", tmp_bytes) |
		  check_size("/dev/shm", shm_bytes) | check_calls();

	if (access("/bin/bash", X_OK))
		bad |= wrong("/bin/bash is not there: install the package bash");
	if (!bad) {
		(void)printf("walls stand\n");
		look_for_landlock();
	}
	return bad || fflush(stdout) ? 1 : 0;
}
