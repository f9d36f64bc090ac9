/* SPDX-License-Identifier: MIT */
/* Other processes and machines: sockets, signals, tracing. */
#include "tests/hostile/hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* --- sockets */

static bool tcp(const struct target *t, long arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl((uint32_t)arg), .sin_port = htons((uint16_t)t->tcp) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static bool tcp_mapped(const struct target *t, long arg)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)t->tcp) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)arg;
	return inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.sin6_addr) == 1 && fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

/* A connected one is told by the kernel that nobody is there. */
static bool udp(const struct target *t, long arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)t->udp) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)arg;
	return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && send(fd, "x", 1, 0) == 1 && send(fd, "x", 1, 0) == 1;
}

enum { ABSTRACT, BY_PATH, BY_LINK };

static bool local(const struct target *t, long how)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char link[256];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

	(void)snprintf(link, sizeof link, "%s/sock-link", t->own);
	if (how == ABSTRACT) {
		n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", t->abstract) + 1;
	} else {
		n = snprintf(a.sun_path, sizeof a.sun_path, "%.90s/sock", t->host) + 1;
		if (how == BY_LINK) {
			(void)unlink(link);
			if (symlink(a.sun_path, link))
				return false;
			n = snprintf(a.sun_path, sizeof a.sun_path, "%.100s", link) + 1;
		}
	}
	return fd >= 0 && connect(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)) == 0;
}

/* Any answer but "no such call" has reached the kernel, which may load a module for it. */
static bool family(const struct target *t, long number)
{
	(void)t;
	return socket((int)number, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 || errno != ENOSYS;
}

static bool netlink(const struct target *t, long protocol)
{
	(void)t;
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)protocol) >= 0 || errno != ENOSYS;
}

static bool raw_ip(const struct target *t, long protocol)
{
	(void)t;
	return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, (int)protocol) >= 0;
}

static bool low_port(const struct target *t, long port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY), .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)t;
	return fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static bool interface_up(const struct target *t, long down)
{
	struct ifreq r = { .ifr_flags = down ? 0 : IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)t;
	(void)snprintf(r.ifr_name, sizeof r.ifr_name, "lo");
	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
}

/* --- signals and tracing; 0 and SIGURG harm nobody */

static bool signal_it(const struct target *t, long how)
{
	pid_t pid = t->bystander;
	siginfo_t info = { .si_code = SI_QUEUE };
	int fd;

	switch (how) {
	case 0:
		return kill(pid, 0) == 0;
	case 1:
		return kill(pid, SIGURG) == 0;
	case 2:
		return syscall(SYS_tgkill, pid, pid, SIGURG) == 0;
	case 3:
		return syscall(SYS_rt_sigqueueinfo, pid, SIGURG, &info) == 0;
	case 4:
		return kill(t->launcher, SIGURG) == 0;
	case 5:
		return kill(-t->bystander, SIGURG) == 0;
	default:
		fd = (int)syscall(SYS_pidfd_open, pid, 0u);
		return fd >= 0 && (how == 6 || syscall(SYS_pidfd_send_signal, fd, SIGURG, NULL, 0u) == 0);
	}
}

static bool trace(const struct target *t, long request)
{
	pid_t pid = t->inside && request == PTRACE_SEIZE ? 1 : t->bystander;

	if (ptrace((enum __ptrace_request)request, pid, NULL, NULL))
		return false;
	if (request == PTRACE_ATTACH)
		(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return true;
}

static bool other_memory_call(const struct target *t, long write)
{
	char here[1] = { 0 };
	const struct iovec ours = { here, 1 }, theirs = { (void *)stack_of(t->bystander), 1 };

	return (write ? process_vm_writev(t->bystander, &ours, 1, &theirs, 1, 0) :
			process_vm_readv(t->bystander, &ours, 1, &theirs, 1, 0)) == 1;
}

static bool take_descriptor(const struct target *t, long arg)
{
	int fd = (int)syscall(SYS_pidfd_open, t->inside ? 1 : t->bystander, 0u);

	return fd >= 0 && syscall(SYS_pidfd_getfd, fd, (int)arg, 0u) >= 0;
}

static bool slow_down(const struct target *t, long how)
{
	struct rlimit64 l;
	cpu_set_t set;

	switch (how) {
	case 0:
		return setpriority(PRIO_PROCESS, (id_t)t->bystander, 0) == 0;
	case 1:
		return sched_getaffinity(t->bystander, sizeof set, &set) == 0 && sched_setaffinity(t->bystander, sizeof set, &set) == 0;
	case 2:
		return prlimit64(t->bystander, RLIMIT_CORE, NULL, &l) == 0;
	default:
		return syscall(SYS_ioprio_set, 1, t->bystander, 4 << 0 | 2 << 13) == 0;
	}
}

const struct kind kinds_peers[] = {
	{ .name = "tcp-loopback", .try = tcp, .arg = 0x7f000001 },
	{ .name = "tcp-loopback-other", .try = tcp, .arg = 0x7f7f7f7f },
	{ .name = "tcp-any", .try = tcp, .arg = 0 },
	{ .name = "tcp-mapped", .try = tcp_mapped },
	{ .name = "udp-loopback", .try = udp },
	{ .name = "unix-abstract", .try = local, .arg = ABSTRACT },
	{ .name = "unix-path", .try = local, .arg = BY_PATH },
	{ .name = "unix-link", .try = local, .arg = BY_LINK },
	{ .name = "family-vsock", .try = family, .arg = 40 },
	{ .name = "family-packet", .try = family, .arg = 17 },
	{ .name = "family-alg", .try = family, .arg = 38 },
	{ .name = "family-bluetooth", .try = family, .arg = 31 },
	{ .name = "family-can", .try = family, .arg = 29 },
	{ .name = "family-key", .try = family, .arg = 15 },
	{ .name = "family-xdp", .try = family, .arg = 44 },
	{ .name = "family-tipc", .try = family, .arg = 30 },
	{ .name = "family-rds", .try = family, .arg = 21 },
	{ .name = "family-ax25", .try = family, .arg = 3 },
	{ .name = "family-x25", .try = family, .arg = 9 },
	{ .name = "family-smc", .try = family, .arg = 43 },
	{ .name = "family-qipcrtr", .try = family, .arg = 42 },
	{ .name = "family-nfc", .try = family, .arg = 39 },
	{ .name = "family-ib", .try = family, .arg = 27 },
	{ .name = "netlink-kobject", .try = netlink, .arg = 15 },
	{ .name = "netlink-audit", .try = netlink, .arg = 9 },
	{ .name = "netlink-netfilter", .try = netlink, .arg = 12 },
	{ .name = "netlink-xfrm", .try = netlink, .arg = 6 },
	{ .name = "netlink-generic", .try = netlink, .arg = 16 },
	{ .name = "netlink-diag", .try = netlink, .arg = 4 },
	{ .name = "netlink-connector", .try = netlink, .arg = 11 },
	{ .name = "netlink-crypto", .try = netlink, .arg = 21 },
	{ .name = "raw-icmp", .try = raw_ip, .arg = 1, .place = SPACES },
	{ .name = "raw-ip", .try = raw_ip, .arg = 255, .place = SPACES },
	{ .name = "port-low", .try = low_port, .arg = 80, .place = SPACES },
	{ .name = "interface-up", .try = interface_up, .arg = 0, .place = SPACES },
	{ .name = "interface-down", .try = interface_up, .arg = 1, .place = SPACES },
	{ .name = "signal-ask", .try = signal_it, .arg = 0 },
	{ .name = "signal-send", .try = signal_it, .arg = 1 },
	{ .name = "signal-thread", .try = signal_it, .arg = 2 },
	{ .name = "signal-queue", .try = signal_it, .arg = 3 },
	{ .name = "signal-launcher", .try = signal_it, .arg = 4 },
	{ .name = "signal-group", .try = signal_it, .arg = 5 },
	{ .name = "pidfd-open", .try = signal_it, .arg = 6 },
	{ .name = "pidfd-signal", .try = signal_it, .arg = 7 },
	{ .name = "ptrace-attach", .try = trace, .arg = PTRACE_ATTACH },
	{ .name = "ptrace-seize-first", .try = trace, .arg = PTRACE_SEIZE, .landlock = true },
	{ .name = "memory-read", .try = other_memory_call, .arg = 0 },
	{ .name = "memory-write", .try = other_memory_call, .arg = 1 },
	{ .name = "pidfd-getfd", .try = take_descriptor, .arg = 0 },
	{ .name = "priority-other", .try = slow_down, .arg = 0 },
	{ .name = "affinity-other", .try = slow_down, .arg = 1 },
	{ .name = "limits-other", .try = slow_down, .arg = 2 },
	{ .name = "ioprio-other", .try = slow_down, .arg = 3 },
	{ .name = NULL },
};
