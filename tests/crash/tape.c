/* SPDX-License-Identifier: MIT */
/* See tape.h. */
#include "tests/crash/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/text.h"

#define UNDER_MAX 8
#define PENDING_MAX 64

/* What was seen before a call, for the moment when it is known to have worked. */
struct pending {
	pid_t pid;
	char *path, *second;
	uint64_t inode; /* of path, 0: it was not there */
	int64_t size;
};

struct tape {
	int fd;
	const char *under[UNDER_MAX];
	size_t n_under;
	struct pending pending[PENDING_MAX];
};

struct tape *tape_new(const char *path)
{
	struct tape *t = ff_calloc(1, sizeof *t);

	t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (t->fd >= 0)
		return t;
	perror(path);
	ff_free(&t);
	return NULL;
}

void tape_under(struct tape *t, const char *dir)
{
	ff_assert(t->n_under < UNDER_MAX);
	t->under[t->n_under++] = dir;
}

static bool wanted(const struct tape *t, const char *path)
{
	for (size_t i = 0; i < t->n_under; i++) {
		size_t n = strlen(t->under[i]);

		if (!strncmp(path, t->under[i], n) && (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

static void put(struct tape *t, struct tape_record r, const char *name, const char *second, const void *bytes)
{
	struct timespec now;
	struct iovec parts[] = {
		{ .iov_base = &r, .iov_len = sizeof r },
		{ .iov_base = (void *)(uintptr_t)name, .iov_len = strlen(name) + 1 },
		{ .iov_base = (void *)(uintptr_t)second, .iov_len = strlen(second) + 1 },
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = r.bytes },
	};
	size_t all = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	r.at_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	r.name_len = (uint32_t)parts[1].iov_len;
	r.second_len = (uint32_t)parts[2].iov_len;
	for (size_t i = 0; i < FF_ARRAY_LEN(parts); i++)
		all += parts[i].iov_len;
	/* Half a record would be found when the tape is read. */
	ff_assert(writev(t->fd, parts, (int)FF_ARRAY_LEN(parts)) == (ssize_t)all);
}

static struct pending *pending(struct tape *t, pid_t pid)
{
	struct pending *unused = NULL;

	for (size_t i = 0; i < PENDING_MAX; i++) {
		if (t->pending[i].pid == pid)
			return &t->pending[i];
		if (!t->pending[i].pid)
			unused = &t->pending[i];
	}
	ff_assert(unused);
	return unused;
}

static void forget(struct pending *p)
{
	ff_free(&p->path);
	ff_free(&p->second);
	*p = (struct pending){ 0 };
}

static bool has_two_names(const char *call)
{
	return ff_starts(call, "rename") || ff_starts(call, "link");
}

void tape_enter(struct tape *t, const struct trace_call *c, const char *path)
{
	struct pending *p = pending(t, c->pid);
	struct stat st;

	forget(p); /* of a process that was killed within its call */
	p->pid = c->pid;
	p->path = ff_strdup(path);
	if (c->kind == CALL_EXIT || c->kind == CALL_START)
		return;
	if (has_two_names(c->name))
		p->second = trace_second_path(c);
	if (*path == '/' && lstat(path, &st) == 0) {
		p->inode = st.st_ino;
		p->size = st.st_size;
	}
}

/* --- after the call ------------------------------------------------------------ */

static int open_fd(const struct trace_call *c, int fd, int flags)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%d/fd/%d", (int)c->pid, fd);

	return open(path, flags | O_CLOEXEC);
}

/* Where the descriptor stands now. */
static int64_t position(const struct trace_call *c, int fd)
{
	FF_AUTO(ff_free) char *path = ff_asprintf("/proc/%d/fdinfo/%d", (int)c->pid, fd);
	FF_AUTO(ff_buf_fini) struct ff_buf text;
	int64_t pos = -1;
	char *at;

	ff_buf_init(&text, 4096);
	if (ff_file_read(path, &text, NULL) < 0 || !(at = strstr(text.data, "pos:")))
		return -1;
	at += strcspn(at, "0123456789");
	at[strspn(at, "0123456789")] = '\0';
	return ff_num_i64(at, 0, INT64_MAX, &pos) == 0 ? pos : -1;
}

static bool takes_offset(const char *call)
{
	return ff_starts(call, "pwrite");
}

/* The bytes are read back from the file, whatever call brought them there. */
static void written(struct tape *t, const struct trace_call *c, const char *path)
{
	int target = (int)c->args[c->a];
	FF_AUTO(ff_close) int fd = open_fd(c, target, O_RDONLY);
	struct tape_record r = { .type = TAPE_WRITE, .pid = (uint32_t)c->pid, .bytes = (uint64_t)c->result };
	FF_AUTO(ff_free) char *bytes = ff_calloc(1, (size_t)c->result);
	struct stat st;

	r.offset = takes_offset(c->name) ? (int64_t)c->args[3] : position(c, target) - c->result;
	if (fd < 0 || fstat(fd, &st) < 0 || r.offset < 0 ||
	    pread(fd, bytes, (size_t)c->result, r.offset) != (ssize_t)c->result) {
		r.type = TAPE_OTHER;
		r.bytes = 0;
	}
	r.inode = fd < 0 ? 0 : st.st_ino;
	put(t, r, path, "", bytes);
}

static void sized(struct tape *t, const struct trace_call *c, const char *path)
{
	struct tape_record r = { .type = TAPE_SIZE, .pid = (uint32_t)c->pid };
	struct stat st;

	if (stat(path, &st) < 0)
		r.type = TAPE_OTHER;
	else
		r.inode = st.st_ino;
	r.offset = r.inode ? st.st_size : 0;
	put(t, r, path, "", "");
}

static void synced(struct tape *t, const struct trace_call *c, const char *path)
{
	FF_AUTO(ff_close) int fd = open_fd(c, (int)c->args[c->a], O_RDONLY);
	struct tape_record r = { .type = TAPE_SYNC, .pid = (uint32_t)c->pid };
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		r.inode = st.st_ino;
	else
		r.type = TAPE_OTHER;
	put(t, r, path, "", "");
}

static void opened(struct tape *t, const struct trace_call *c, const struct pending *p)
{
	FF_AUTO(ff_close) int fd = open_fd(c, (int)c->result, O_PATH);
	struct tape_record r = { .type = TAPE_CREATE, .pid = (uint32_t)c->pid };
	struct stat st;

	/* By what was opened: another process may have moved the name since, or just before (a lock that went). */
	if (fd < 0 || fstat(fd, &st) < 0)
		r.type = TAPE_OTHER;
	else if (p->inode == st.st_ino && st.st_size == p->size)
		return; /* it was there and is as it was */
	else if (p->inode == st.st_ino)
		r.type = TAPE_SIZE;
	r.inode = r.type == TAPE_OTHER ? 0 : st.st_ino;
	r.offset = r.type == TAPE_SIZE ? st.st_size : (int64_t)(st.st_mode & 07777);
	put(t, r, p->path, "", "");
}

static void named(struct tape *t, const struct trace_call *c, const struct pending *p)
{
	struct tape_record r = { .type = TAPE_OTHER, .pid = (uint32_t)c->pid, .inode = p->inode };
	struct stat st;

	if (ff_starts(c->name, "open") || !strcmp(c->name, "creat")) {
		opened(t, c, p);
		return;
	}
	if (ff_starts(c->name, "rename"))
		r.type = TAPE_RENAME;
	else if (ff_starts(c->name, "link"))
		r.type = TAPE_LINK;
	else if (ff_starts(c->name, "unlink") || !strcmp(c->name, "rmdir"))
		r.type = TAPE_UNLINK;
	else if (ff_starts(c->name, "mkdir") && lstat(p->path, &st) == 0) {
		r.type = TAPE_MKDIR;
		r.inode = st.st_ino;
		r.offset = (int64_t)(st.st_mode & 07777);
	} else if (!strcmp(c->name, "bind")) {
		return; /* a socket is made anew at each start */
	}
	put(t, r, p->path, p->second ? p->second : "", "");
}

/* Where the bytes of a send begin; 0: not told. */
static uint64_t bytes_at(const struct trace_call *c)
{
	struct msghdr msg;
	struct iovec first;

	if (!strcmp(c->name, "sendto") || !strcmp(c->name, "write"))
		return c->args[1];
	if (strcmp(c->name, "sendmsg") != 0 || trace_read(c->pid, c->args[1], &msg, sizeof msg) < 0 || !msg.msg_iovlen ||
	    trace_read(c->pid, (uint64_t)(uintptr_t)msg.msg_iov, &first, sizeof first) < 0 ||
	    first.iov_len < (size_t)c->result)
		return 0; /* more than one part: no message of ours */
	return (uint64_t)(uintptr_t)first.iov_base;
}

static void talked(struct tape *t, const struct trace_call *c, enum tape_type type)
{
	size_t n = c->result < TAPE_TALK_MAX ? (size_t)c->result : TAPE_TALK_MAX;
	FF_AUTO(ff_free) char *bytes = ff_calloc(1, n + 1);
	struct tape_record r = { .type = type, .pid = (uint32_t)c->pid, .bytes = n };
	uint64_t at = bytes_at(c);

	if (at && trace_read(c->pid, at, bytes, n) == 0)
		put(t, r, c->role, "", bytes);
}

void tape_leave(struct tape *t, const struct trace_call *c)
{
	struct pending *p = pending(t, c->pid);

	if (c->result < 0) {
		forget(p);
		return;
	}
	if (c->kind == CALL_SEND)
		talked(t, c, TAPE_SEND);
	else if (c->kind == CALL_SAY && !strcmp(c->role, "hook"))
		talked(t, c, TAPE_SAY);
	else if (p->path && (wanted(t, p->path) || (p->second && wanted(t, p->second)))) {
		if (c->kind == CALL_WRITE && c->result > 0)
			written(t, c, p->path);
		else if (c->kind == CALL_TRUNC)
			sized(t, c, p->path);
		else if (c->kind == CALL_SYNC && c->how == CALL_FD)
			synced(t, c, p->path);
		else if (c->kind == CALL_NAME)
			named(t, c, p);
	}
	forget(p);
}
