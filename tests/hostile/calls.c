/* SPDX-License-Identifier: MIT */
/*
 * Calls that are rare in programs and frequent in exploits.  All are made
 * with values that the kernel must refuse, so that nothing happens where the
 * wall is not, and the controls are root of their own namespaces only, not of
 * the machine; the question is whether the kernel's code was reached, which
 * any answer but "no such call" says.
 */
#include "tests/hostile/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BAD (-1L)

static bool reach(const struct target *t, long number)
{
	(void)t;
	errno = 0;
	return syscall(number, BAD, BAD, BAD, BAD, BAD, BAD) != -1 || errno != ENOSYS;
}

/* The kernel takes 32 bits of a request, so more must not pass by either. */
static bool ask(const struct target *t, long request)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)t;
	errno = 0;
	return syscall(SYS_ioctl, fd, (unsigned long)request, BAD) != -1 || errno != ENOSYS;
}

static bool persona(const struct target *t, long which)
{
	(void)t;
	errno = 0;
	return syscall(SYS_personality, (unsigned long)which) != -1 || errno != ENOSYS;
}

#define CALL(word) { .name = "call-" #word, .try = reach, .arg = SYS_##word, .place = SPACES }

const struct kind kinds_calls[] = {
	CALL(add_key), CALL(request_key), CALL(keyctl), CALL(bpf), CALL(perf_event_open), CALL(io_uring_setup),
	CALL(io_uring_enter), CALL(io_uring_register), CALL(userfaultfd), CALL(open_by_handle_at), CALL(name_to_handle_at),
	CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(reboot), CALL(swapon), CALL(swapoff),
	CALL(acct), CALL(quotactl), CALL(syslog), CALL(settimeofday), CALL(clock_settime), CALL(clock_adjtime), CALL(adjtimex),
	CALL(fanotify_init), CALL(fanotify_mark), CALL(kcmp), CALL(process_vm_readv), CALL(process_vm_writev), CALL(pidfd_getfd),
	CALL(process_madvise), CALL(move_pages), CALL(migrate_pages), CALL(mbind), CALL(set_mempolicy), CALL(get_mempolicy),
	CALL(remap_file_pages), CALL(seccomp), CALL(mq_open), CALL(mq_unlink), CALL(mq_timedsend), CALL(mq_getsetattr),
	CALL(io_setup), CALL(io_submit), CALL(io_destroy), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(fsopen), CALL(fsconfig),
	CALL(fsmount), CALL(fspick), CALL(open_tree), CALL(move_mount), CALL(setns), CALL(unshare), CALL(clone3), CALL(chroot),
	CALL(sethostname), CALL(setdomainname),
#ifdef SYS_mount_setattr
	CALL(mount_setattr),
#endif
#ifdef SYS_quotactl_fd
	CALL(quotactl_fd),
#endif
#ifdef SYS_memfd_secret
	CALL(memfd_secret),
#endif
#ifdef SYS_process_mrelease
	CALL(process_mrelease),
#endif
#ifdef SYS_set_mempolicy_home_node
	CALL(set_mempolicy_home_node),
#endif
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load),
#endif
#ifdef SYS_iopl
	CALL(iopl),
#endif
#ifdef SYS_ioperm
	CALL(ioperm),
#endif
#ifdef SYS_ustat
	CALL(ustat),
#endif
#ifdef SYS_sysfs
	CALL(sysfs),
#endif
	{ .name = "ioctl-type", .try = ask, .arg = TIOCSTI },
	{ .name = "ioctl-type-high", .try = ask, .arg = 0x100000000L | TIOCSTI },
	{ .name = "ioctl-console", .try = ask, .arg = TIOCLINUX },
	{ .name = "ioctl-line", .try = ask, .arg = TIOCSETD },
	{ .name = "ioctl-flags", .try = ask, .arg = 0x40086602 },   /* FS_IOC_SETFLAGS */
	{ .name = "ioctl-project", .try = ask, .arg = 0x401c5820 }, /* FS_IOC_FSSETXATTR */
	{ .name = "ioctl-freeze", .try = ask, .arg = 0xc0045877L }, /* FIFREEZE */
	{ .name = "ioctl-dedupe", .try = ask, .arg = 0xc0189436L }, /* FIDEDUPERANGE */
	{ .name = "ioctl-perf", .try = ask, .arg = 0x2400 },        /* PERF_EVENT_IOC_ENABLE */
	{ .name = "personality-order", .try = persona, .arg = 0x0040000 }, /* ADDR_NO_RANDOMIZE */
	{ .name = "personality-read", .try = persona, .arg = 0x0400000 },  /* READ_IMPLIES_EXEC */
	{ .name = NULL },
};
