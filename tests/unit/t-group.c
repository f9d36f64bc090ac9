/* SPDX-License-Identifier: MIT */
/* Where our own control group is, by texts of hosts that this one is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/group.h"
#include "base/mem.h"
#include "base/names.h"

#define OTHERS "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
#define V2 "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MEMORY "31 24 0:27 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory\n"
#define V1_CPU "32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define HYBRID "33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"

static void our_group_is_found(void **state)
{
	static const struct { const char *groups, *mounts, *controller, *folder; int version; } hosts[] = {
		{ "0::/system.slice/flowforged.service\n", OTHERS V2, "memory", "/sys/fs/cgroup/system.slice/flowforged.service", 2 },
		{ "0::/\n", OTHERS V2, "pids", "/sys/fs/cgroup", 2 },
		{ "4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/c\n0::/d\n", OTHERS V1_MEMORY V1_CPU HYBRID, "memory", "/sys/fs/cgroup/memory/a/b", 1 },
		{ "4:memory:/a/b\n3:cpuset:/\n2:cpu,cpuacct:/c\n0::/d\n", OTHERS V1_MEMORY V1_CPU HYBRID, "cpu", "/sys/fs/cgroup/cpu,cpuacct/c", 1 },
		{ "4:memory:/a/b\n2:cpu,cpuacct:/c\n0::/d\n", OTHERS V1_MEMORY V1_CPU HYBRID, "pids", "/sys/fs/cgroup/unified/d", 2 },
		/* cpuset is not cpu, and a part of the tree that does not have us in it is of no use */
		{ "3:cpuset:/\n", OTHERS "32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n", "cpu", NULL, 0 },
		{ "4:memory:/docker/1\n", "31 24 0:27 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "memory", "/sys/fs/cgroup/memory", 1 },
		{ "4:memory:/docker/2\n", "31 24 0:27 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "memory", NULL, 0 },
		{ "0::/x\n", OTHERS, "memory", NULL, 0 },
		{ "", "", "memory", NULL, 0 },
		{ "no colon", "few words\n- cgroup2\n", "memory", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < FF_ARRAY_LEN(hosts); i++) {
		FF_AUTO(ff_free) char *folder = NULL;

		assert_int_equal(ff_group_find(hosts[i].groups, hosts[i].mounts, hosts[i].controller, &folder), hosts[i].version);
		if (hosts[i].folder)
			assert_string_equal(folder, hosts[i].folder);
		else
			assert_null(folder);
	}
}

static bool make_group(struct ff_group **ret)
{
	const struct ff_group_limits limits = { .memory_bytes = 64 * 1024 * 1024, .processes = 20, .cpu_percent = 50 };

	assert_int_equal(ff_group_new(&limits, ret, NULL), 0);
	return ff_group_holds(*ret, FF_GROUP_PROCESSES);
}

static bool is_there(const char *name)
{
	char command[200];
	pid_t pid;
	int status = 0;

	(void)snprintf(command, sizeof command, "find /sys/fs/cgroup -maxdepth 6 -name '%s' 2>/dev/null | grep -q .", name);
	pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void nothing_is_left(void **state)
{
	struct ff_group *g = NULL;
	char name[64];
	int status = 0;
	pid_t pid;

	(void)state;
	if (!make_group(&g)) {
		ff_group_free(&g);
		skip();
	}
	(void)snprintf(name, sizeof name, FF_NAME "-job-%d", (int)getpid());
	assert_true(is_there(name));
	ff_group_free(&g);
	assert_null(g);
	assert_false(is_there(name));
	/* One whose maker was killed goes with the next that is made. */
	pid = fork();
	if (pid == 0) {
		(void)make_group(&g);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)snprintf(name, sizeof name, FF_NAME "-job-%d", (int)pid);
	assert_true(is_there(name));
	(void)make_group(&g);
	assert_false(is_there(name));
	ff_group_free(&g);
}

static void no_limit_needs_no_group(void **state)
{
	const struct ff_group_limits none = { 0 };
	struct ff_group *g = NULL;

	(void)state;
	assert_int_equal(ff_group_new(&none, &g, NULL), 0);
	for (int i = 0; i < FF_GROUP_PARTS; i++)
		assert_int_equal(ff_group_holds(g, (enum ff_group_part)i), 0);
	assert_int_equal(ff_group_enter(g), 0);
	assert_false(ff_group_out_of_memory(g));
	ff_group_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_group_is_found),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(no_limit_needs_no_group),
	};

	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
