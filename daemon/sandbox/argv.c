/* SPDX-License-Identifier: MIT */
/*
 * What a job may see, as an argument vector of bubblewrap.  Pure but for
 * ff_sandbox_host_read(), so that a test can compare the vector word by word:
 * a flag that is lost here is a hole in the wall.
 */
#include "daemon/sandbox/sandbox.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

#define SHM_BYTES_MAX (64 * 1024 * 1024)
#define WORDS_MAX 4096 /* of a vector; lists in the configuration are far shorter */

/* Folders that are links into /usr on a merged system and real ones on others. */
static const char *const roots[FF_SANDBOX_ROOTS] = { "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32" };
/* What programs need of /etc. Nothing here says anything about people or hosts. */
static const char *const etc_files[FF_SANDBOX_ETC] = {
	"/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl", "/etc/localtime", "/etc/mime.types",
};

/* Whatever the job is, these hold (threat model, rules for the sandbox). */
static const char *const walls[] = {
	"--unshare-all", "--unshare-user", "--disable-userns", "--assert-userns-disabled",
	"--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv",
};

static const char *const base_env[][2] = {
	{ "HOME", FF_SANDBOX_HOME },
	{ "PATH", "/usr/local/bin:/usr/bin:/bin" },
	{ "LANG", "C.UTF-8" },
	{ "TMPDIR", "/tmp" },
	{ "USER", "agent" },
	{ "LOGNAME", "agent" },
};

struct words {
	char **v;
	size_t n;
};

static void add(struct words *w, const char *word)
{
	ff_assert(w->n + 1 < WORDS_MAX);
	w->v[w->n++] = ff_strdup(word);
}

static void add2(struct words *w, const char *a, const char *b)
{
	add(w, a);
	add(w, b);
}

static void add3(struct words *w, const char *a, const char *b, const char *c)
{
	add2(w, a, b);
	add(w, c);
}

static void add_number(struct words *w, const char *flag, int64_t n)
{
	FF_AUTO(ff_free) char *text = ff_asprintf("%" PRId64, n);

	add2(w, flag, text);
}

static void add_tmpfs(struct words *w, const char *mode, int64_t bytes, const char *at)
{
	add2(w, "--perms", mode);
	add_number(w, "--size", bytes);
	add2(w, "--tmpfs", at);
}

static void add_system(struct words *w, const struct ff_sandbox_host *host)
{
	add3(w, "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; i < FF_SANDBOX_ROOTS; i++) {
		if (host->root_link[i])
			add3(w, "--symlink", host->root_link[i], roots[i]);
		else if (host->root_dir[i])
			add3(w, "--ro-bind", roots[i], roots[i]);
	}
	for (size_t i = 0; i < FF_SANDBOX_ETC; i++)
		if (host->etc[i])
			add3(w, "--ro-bind", etc_files[i], etc_files[i]);
	add2(w, "--perms", "0444");
	add3(w, "--ro-bind-data", "3", "/etc/passwd");
	add2(w, "--perms", "0444");
	add3(w, "--ro-bind-data", "4", "/etc/group");
}

static void add_mounts(struct words *w, const struct ff_sandbox_spec *spec)
{
	add2(w, "--proc", "/proc");
	add2(w, "--dev", "/dev");
	add_tmpfs(w, "1777", ff_sandbox_shm_bytes(spec), "/dev/shm");
	add2(w, "--remount-ro", "/dev");
	add_tmpfs(w, "1777", spec->tmp_bytes, "/tmp");
	add_tmpfs(w, "0755", spec->tmp_bytes, FF_SANDBOX_HOME);
	if (spec->tool)
		add3(w, "--ro-bind", spec->tool, FF_SANDBOX_TOOL);
	add3(w, "--ro-bind", spec->confine, FF_SANDBOX_CONFINE);
	for (const char *const *p = spec->read_only; p && *p; p++)
		add3(w, "--ro-bind", *p, *p);
	for (const struct ff_sandbox_bind *b = spec->binds; b && b->host; b++)
		add3(w, b->writable ? "--bind" : "--ro-bind", b->host, b->inside);
	if (spec->work)
		add3(w, "--bind", spec->work, FF_SANDBOX_WS);
	else
		add2(w, "--dir", FF_SANDBOX_WS);
	add2(w, "--remount-ro", "/");
	add2(w, "--chdir", FF_SANDBOX_WS);
}

static void add_env(struct words *w, const struct ff_sandbox_spec *spec)
{
	for (size_t i = 0; i < FF_ARRAY_LEN(base_env); i++)
		add3(w, "--setenv", base_env[i][0], base_env[i][1]);
	for (const char *const *p = spec->env; p && *p; p++) {
		const char *is = strchr(*p, '=');
		FF_AUTO(ff_free) char *name = NULL;

		ff_assert(is && is > *p);
		name = ff_memdup0(*p, (size_t)(is - *p));
		add3(w, "--setenv", name, is + 1);
	}
}

static void add_writable(struct words *w, const char *place)
{
	FF_AUTO(ff_free) char *word = ff_asprintf("write=%s", place);

	add(w, word);
}

static void add_value(struct words *w, const char *name, int64_t n)
{
	FF_AUTO(ff_free) char *word = ff_asprintf("%s=%" PRId64, name, n);

	if (n > 0)
		add(w, word);
}

/* What flowforge-confine is to do: seen by the job, so of paths only those inside. */
static void add_confine(struct words *w, const struct ff_sandbox_spec *spec)
{
	static const char *const places[] = { FF_SANDBOX_WS, "/tmp", "/dev/shm", FF_SANDBOX_HOME };

	add(w, FF_SANDBOX_CONFINE);
	for (size_t i = 0; i < FF_ARRAY_LEN(places); i++)
		add_writable(w, places[i]);
	for (const struct ff_sandbox_bind *b = spec->binds; b && b->host; b++)
		if (b->writable)
			add_writable(w, b->inside);
	add_value(w, "open-files", spec->max_open_files);
	add_value(w, "file-bytes", spec->max_file_bytes);
	add_value(w, "memory-bytes", spec->max_process_bytes);
	if (spec->landlock_required)
		add(w, "landlock=required");
	add(w, "--");
}

char **ff_sandbox_argv(const struct ff_sandbox_spec *spec, const struct ff_sandbox_host *host,
		       size_t *ret_options)
{
	struct words w = { .v = ff_calloc(WORDS_MAX, sizeof(char *)) };

	add(&w, spec->bwrap);
	for (size_t i = 0; i < FF_ARRAY_LEN(walls); i++)
		add(&w, walls[i]);
	add_number(&w, "--uid", FF_SANDBOX_UID);
	add_number(&w, "--gid", FF_SANDBOX_UID);
	add2(&w, "--hostname", spec->hostname);
	add2(&w, "--json-status-fd", "5");
	add_system(&w, host);
	add_mounts(&w, spec);
	add_env(&w, spec);
	*ret_options = w.n;
	add(&w, "--");
	add_confine(&w, spec);
	for (const char *const *p = spec->argv; *p; p++)
		add(&w, *p);
	return w.v;
}

void ff_sandbox_argv_free(char ***argv)
{
	for (char **p = *argv; p && *p; p++)
		ff_free(p);
	ff_free(argv);
}

int64_t ff_sandbox_shm_bytes(const struct ff_sandbox_spec *spec)
{
	return spec->tmp_bytes < SHM_BYTES_MAX ? spec->tmp_bytes : SHM_BYTES_MAX;
}

void ff_sandbox_host_read(struct ff_sandbox_host *ret_host)
{
	struct ff_sandbox_host host = { 0 };
	struct stat st;

	for (size_t i = 0; i < FF_SANDBOX_ROOTS; i++) {
		char target[256];
		ssize_t n = readlink(roots[i], target, sizeof(target) - 1);

		if (n > 0)
			host.root_link[i] = ff_memdup0(target, (size_t)n);
		else
			host.root_dir[i] = stat(roots[i], &st) == 0 && S_ISDIR(st.st_mode);
	}
	for (size_t i = 0; i < FF_SANDBOX_ETC; i++)
		host.etc[i] = access(etc_files[i], R_OK) == 0;
	*ret_host = host;
}

void ff_sandbox_host_fini(struct ff_sandbox_host *host)
{
	for (size_t i = 0; i < FF_SANDBOX_ROOTS; i++)
		ff_free(&host->root_link[i]);
}
