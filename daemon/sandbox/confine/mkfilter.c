/* SPDX-License-Identifier: MIT */
/*
 * Run once, by make: turns calls.def into the program that the kernel runs at
 * every system call of a job, and prints it as C.  What runs in the sandbox
 * then needs no library and decides nothing.
 *
 * A comparison that allows covers all 64 bits, so that nothing is allowed by
 * bits that the kernel would cut off; only ioctl and personality compare 32,
 * because C libraries extend their request's sign and the kernel cuts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/fiemap.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every flag of clone(2) that makes a namespace; a time namespace cannot be made by it. */
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
#define CUT 0xffffffffu
/* What personality(2) takes as a question. */
#define ASK 0xffffffffu

static const struct {
	const char *name;
	int must; /* not known to libseccomp: a mistake in the table */
} calls[] = {
#define ALLOW(name) { #name, 1 },
#define NEWER(name) { #name, 0 },
#include "daemon/sandbox/confine/calls.def"
#undef ALLOW
#undef NEWER
};

static const uint64_t requests[] = {
#define REQUEST(name) name,
#include "daemon/sandbox/confine/ioctls.def"
#undef REQUEST
};

static void die(const char *what, int rc)
{
	(void)fprintf(stderr, "mkfilter: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void allow_calls(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int rc, nr = seccomp_syscall_resolve_name(calls[i].name);

		if (nr == __NR_SCMP_ERROR && calls[i].must)
			die(calls[i].name, -EINVAL);
		if (nr < 0) /* this machine has it not, as many have no open(2) */
			continue;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		if (rc)
			die(calls[i].name, rc);
	}
}

static void rule(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned n, const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name);
	int rc = nr < 0 ? 0 : seccomp_rule_add_array(ctx, action, nr, n, args);

	if (rc)
		die(name, rc);
}

static void allow_one(scmp_filter_ctx ctx, const char *name, struct scmp_arg_cmp arg)
{
	rule(ctx, SCMP_ACT_ALLOW, name, 1, &arg);
}

static void allow_sockets(scmp_filter_ctx ctx)
{
	static const uint64_t families[] = { AF_UNIX, AF_INET, AF_INET6 };
	const struct scmp_arg_cmp route[] = { SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE) };

	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		allow_one(ctx, "socket", SCMP_A0(SCMP_CMP_EQ, families[i]));
	rule(ctx, SCMP_ACT_ALLOW, "socket", 2, route); /* getifaddrs(3), and whoever asks for the addresses of lo */
	allow_one(ctx, "socketpair", SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
}

/* No devices: an overlay takes a device 0:0, which everybody may make, for a removed file. */
static void allow_nodes(scmp_filter_ctx ctx)
{
	static const uint64_t kinds[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		allow_one(ctx, "mknod", SCMP_A1(SCMP_CMP_MASKED_EQ, ~(uint64_t)07777, kinds[i]));
		allow_one(ctx, "mknodat", SCMP_A2(SCMP_CMP_MASKED_EQ, ~(uint64_t)07777, kinds[i]));
	}
}

static void allow_by_value(scmp_filter_ctx ctx)
{
	allow_one(ctx, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
	allow_sockets(ctx);
	allow_nodes(ctx);
	allow_one(ctx, "personality", SCMP_A0(SCMP_CMP_MASKED_EQ, CUT, ASK));
	allow_one(ctx, "personality", SCMP_A0(SCMP_CMP_EQ, 0));
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		allow_one(ctx, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, CUT, requests[i]));
}

static void print(scmp_filter_ctx ctx)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
	struct sock_filter op;

	if (rc || lseek(fd, 0, SEEK_SET) < 0)
		die("export", rc ? rc : -errno);
	(void)printf("/* Made by mkfilter from calls.def and ioctls.def. */\n");
	while (read(fd, &op, sizeof op) == (ssize_t)sizeof op)
		(void)printf("{ 0x%02x, %u, %u, 0x%08" PRIx32 " },\n", op.code, op.jt, op.jf, op.k);
	(void)close(fd);
}

int main(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc;

	if (!ctx)
		die("seccomp_init", -ENOMEM);
	/* A program of another machine word could make other calls by the same numbers: it ends. */
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: some ten steps a call instead of 300 */
	if (rc)
		die("seccomp_attr_set", rc);
	allow_calls(ctx);
	allow_by_value(ctx);
	print(ctx);
	seccomp_release(ctx);
	return fflush(stdout) ? 1 : 0;
}
