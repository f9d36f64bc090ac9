/* SPDX-License-Identifier: MIT */
/*
 * See group.h.  A group is a folder; one whose maker is dead is removed by the
 * next that is made, which can harm nobody: the kernel removes no group that
 * has a process in it.
 */
#include "base/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"

#define LEAF FF_NAME "-daemon"
#define JOB FF_NAME "-job-"
#define TEXT_MAX (4 * 1024 * 1024)
#define REMOVE_MS 2000
#define CPU_PERIOD 100000

static const char *const controllers[FF_GROUP_PARTS] = { "memory", "pids", "cpu" };

struct ff_group {
	char *folder[FF_GROUP_PARTS]; /* NULL: no such limit; the same one three times in version 2 */
	int version[FF_GROUP_PARTS];
	int procs[FF_GROUP_PARTS];    /* descriptors of cgroup.procs; -1 */
};

/* --- where we are */

static bool listed(const char *list, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p < list + n; p += strcspn(p, ",") + 1)
		if ((size_t)(list + n - p) >= len && !strncmp(p, word, len) && (p + len == list + n || p[len] == ',' || p[len] == '\n'))
			return true;
	return false;
}

/* Lines of "ID:CONTROLLERS:PATH"; version 2 has no controllers (cgroups(7)). */
static char *own_path(const char *groups, const char *controller)
{
	for (const char *line = groups; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

		if (!path || path > line + strcspn(line, "\n"))
			continue;
		if (controller ? listed(list + 1, (size_t)(path - list - 1), controller) : path == list + 1)
			return ff_memdup0(path + 1, strcspn(path + 1, "\n"));
	}
	return NULL;
}

/* "ID PARENT DEVICE ROOT AT OPTIONS... - TYPE SOURCE SUPER" (proc_pid_mountinfo(5)). */
static char *place(const char *line, const char *type, const char *controller, const char *own)
{
	FF_AUTO(ff_free) char *copy = ff_memdup0(line, strcspn(line, "\n"));
	char *dash = strstr(copy, " - "), *root = copy, *at, *super;

	for (int i = 0; i < 3 && root; i++)
		root = strchr(root, ' ') ? strchr(root, ' ') + 1 : NULL;
	at = root ? strchr(root, ' ') : NULL;
	if (!dash || !at || !ff_starts(dash + 3, type) || dash[3 + strlen(type)] != ' ')
		return NULL;
	super = strrchr(dash, ' ') + 1;
	if (controller && !listed(super, strlen(super), controller))
		return NULL;
	*at++ = '\0';
	at[strcspn(at, " ")] = '\0';
	if (!strcmp(root, "/"))
		return ff_asprintf("%s%s", at, strcmp(own, "/") ? own : "");
	if (!ff_starts(own, root)) /* a part of the tree that we are not in */
		return NULL;
	return ff_asprintf("%s%s", at, own + strlen(root));
}

static char *find_one(const char *groups, const char *mounts, const char *type, const char *controller)
{
	FF_AUTO(ff_free) char *own = own_path(groups, controller);
	char *folder = NULL;

	for (const char *line = mounts; own && !folder && line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		folder = place(line, type, controller, own);
	return folder;
}

int ff_group_find(const char *groups, const char *mounts, const char *controller, char **ret_folder)
{
	char *folder = find_one(groups, mounts, "cgroup", controller);
	int version = folder ? 1 : 2;

	if (!folder)
		folder = find_one(groups, mounts, "cgroup2", NULL);
	if (!folder)
		return 0;
	*ret_folder = folder;
	return version;
}

static int find_own(const char *controller, char **ret_folder)
{
	FF_AUTO(ff_buf_fini) struct ff_buf groups;
	FF_AUTO(ff_buf_fini) struct ff_buf mounts;

	ff_buf_init(&groups, TEXT_MAX);
	ff_buf_init(&mounts, TEXT_MAX);
	if (ff_file_read("/proc/self/cgroup", &groups, NULL) || ff_file_read("/proc/self/mountinfo", &mounts, NULL))
		return 0;
	return ff_group_find(groups.data, mounts.data, controller, ret_folder);
}

/* --- files of a group */

static int put(const char *folder, const char *name, const char *text)
{
	FF_AUTO(ff_free) char *path = ff_path_join(folder, name);
	FF_AUTO(ff_close) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static int put_number(const char *folder, const char *name, int64_t n)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64, n);

	return put(folder, name, text);
}

static bool says(const char *folder, const char *name, const char *word)
{
	FF_AUTO(ff_free) char *path = ff_path_join(folder, name);
	FF_AUTO(ff_buf_fini) struct ff_buf b;

	ff_buf_init(&b, 4096);
	if (ff_file_read(path, &b, NULL))
		return false;
	for (char *p = b.data; *p; p += strcspn(p, " \n") + (p[strcspn(p, " \n")] != '\0'))
		if (strcspn(p, " \n") == strlen(word) && !strncmp(p, word, strlen(word)))
			return true;
	return false;
}

void ff_group_prepare(void)
{
	FF_AUTO(ff_free) char *own = NULL;
	FF_AUTO(ff_free) char *leaf = NULL;

	if (find_own("memory", &own) != 2 || !says(own, "cgroup.controllers", "memory"))
		return;
	if (!ff_ends(own, "/" LEAF)) {
		leaf = ff_path_join(own, LEAF);
		if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
			return; /* not ours */
		if (put(leaf, "cgroup.procs", "0"))
			return;
	} else {
		own[strlen(own) - strlen("/" LEAF)] = '\0';
	}
	/* One at a time: what cannot be had must not keep the others out. */
	(void)put(own, "cgroup.subtree_control", "+memory");
	(void)put(own, "cgroup.subtree_control", "+pids");
	(void)put(own, "cgroup.subtree_control", "+cpu");
}

/* --- making one */

static void remove_dead(const char *parent)
{
	DIR *d = opendir(parent);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		FF_AUTO(ff_free) char *path = ff_path_join(parent, e->d_name);
		int64_t pid;

		if (ff_starts(e->d_name, JOB) && ff_num_i64(e->d_name + strlen(JOB), 2, INT32_MAX, &pid) == 0 &&
		    kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			(void)rmdir(path); /* another may be doing the same */
	}
	if (d)
		(void)closedir(d);
}

/* The group of this job with this controller; NULL where there can be none. */
static char *make_folder(int part, int *ret_version)
{
	FF_AUTO(ff_free) char *parent = NULL;
	char *folder;

	*ret_version = find_own(controllers[part], &parent);
	if (*ret_version == 0)
		return NULL;
	if (*ret_version == 2) {
		if (ff_ends(parent, "/" LEAF))
			parent[strlen(parent) - strlen("/" LEAF)] = '\0';
		if (!says(parent, "cgroup.subtree_control", controllers[part]))
			return NULL;
	}
	remove_dead(parent);
	folder = ff_asprintf("%s/" JOB "%d", parent, (int)getpid());
	if (mkdir(folder, 0755) < 0 && errno != EEXIST) /* not ours; or of the other controllers of the same tree */
		ff_free(&folder);
	return folder;
}

static int limit_memory(const char *folder, int version, int64_t bytes)
{
	if (version == 2) {
		(void)put(folder, "memory.oom.group", "1");   /* Linux 4.19 */
		(void)put(folder, "memory.swap.max", "0");    /* not there without swap accounting */
		return put_number(folder, "memory.max", bytes);
	}
	(void)put(folder, "memory.swappiness", "0");
	if (put_number(folder, "memory.limit_in_bytes", bytes))
		return -1;
	(void)put_number(folder, "memory.memsw.limit_in_bytes", bytes); /* as above */
	return 0;
}

static int limit_cpu(const char *folder, int version, int64_t percent)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64 " %d", percent * (CPU_PERIOD / 100), CPU_PERIOD);

	if (version == 2)
		return put(folder, "cpu.max", text);
	return put_number(folder, "cpu.cfs_period_us", CPU_PERIOD) ||
	       put_number(folder, "cpu.cfs_quota_us", percent * (CPU_PERIOD / 100)) ? -1 : 0;
}

static int add_part(struct ff_group *g, enum ff_group_part part, int64_t n, struct ff_err *err)
{
	FF_AUTO(ff_free) char *folder = NULL;
	FF_AUTO(ff_free) char *procs = NULL;
	int version, rc;

	if (n <= 0)
		return 0;
	folder = make_folder(part, &version);
	if (!folder)
		return 0;
	g->folder[part] = ff_steal(&folder);
	rc = part == FF_GROUP_MEMORY ? limit_memory(g->folder[part], version, n) :
	     part == FF_GROUP_CPU ? limit_cpu(g->folder[part], version, n) : put_number(g->folder[part], "pids.max", n);
	if (rc)
		return ff_err_errno(err, "%s: the limit %" PRId64 " of %s", g->folder[part], n, controllers[part]);
	procs = ff_path_join(g->folder[part], "cgroup.procs");
	g->procs[part] = open(procs, O_WRONLY | O_CLOEXEC);
	if (g->procs[part] < 0)
		return ff_err_errno(err, "%s", procs);
	g->version[part] = version;
	return 0;
}

int ff_group_new(const struct ff_group_limits *limits, struct ff_group **ret, struct ff_err *err)
{
	FF_AUTO(ff_group_free) struct ff_group *g = ff_calloc(1, sizeof *g);

	for (int i = 0; i < FF_GROUP_PARTS; i++)
		g->procs[i] = -1;
	if (add_part(g, FF_GROUP_MEMORY, limits->memory_bytes, err) || add_part(g, FF_GROUP_PROCESSES, limits->processes, err) ||
	    add_part(g, FF_GROUP_CPU, limits->cpu_percent, err))
		return -1;
	*ret = ff_steal(&g);
	return 0;
}

int ff_group_holds(const struct ff_group *group, enum ff_group_part part)
{
	return group->version[part];
}

int ff_group_enter(const struct ff_group *group)
{
	for (int i = 0; i < FF_GROUP_PARTS; i++)
		if (group->procs[i] >= 0 && write(group->procs[i], "0", 1) != 1)
			return -1;
	return 0;
}

/* "oom_kill N", in version 1 in another file. */
bool ff_group_out_of_memory(const struct ff_group *group)
{
	const char *name = group->version[FF_GROUP_MEMORY] == 2 ? "memory.events" : "memory.oom_control";
	FF_AUTO(ff_free) char *path = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf b;
	const char *at;

	ff_buf_init(&b, 4096);
	if (!group->folder[FF_GROUP_MEMORY])
		return false;
	path = ff_path_join(group->folder[FF_GROUP_MEMORY], name);
	if (ff_file_read(path, &b, NULL))
		return false;
	at = strstr(b.data, "oom_kill ");
	return at && at[strlen("oom_kill ")] != '0';
}

/* The dead leave a group a moment after they were reaped. */
static void remove_group(const char *folder)
{
	int64_t until = ff_clock_mono() + REMOVE_MS;

	while (rmdir(folder) < 0 && errno == EBUSY && ff_clock_mono() < until)
		(void)poll(NULL, 0, 1);
}

void ff_group_free(struct ff_group **group)
{
	struct ff_group *g = *group;

	for (int i = 0; g && i < FF_GROUP_PARTS; i++) {
		ff_close(&g->procs[i]);
		if (g->folder[i])
			remove_group(g->folder[i]); /* gone already when another part lies in the same one */
		ff_free(&g->folder[i]);
	}
	ff_free(group);
}
