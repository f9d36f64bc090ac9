/* SPDX-License-Identifier: MIT */
/*
 * See packfile.h.  Order of what a power cut may find: the bytes of the pack,
 * the bytes of the index, the pack's name, the index's name.  While it is
 * written, the index is called `tmp_idx_flowforge-HASH`: so whoever cleans up
 * after us knows which pack it belongs to, and that this one has no index.
 */
#include "git/packfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/names.h"
#include "base/num.h"
#include "base/text.h"
#include "git/sha1.h"

/*
 * Level 1, since somebody waits for it; git repacks it with its own level later.
 */
#define LEVEL 1
/*
 * What fits into the first MiB of a pack is not compressed at all, which is
 * most of what a topic brings: the rebase of 300 real ones (of numpy, spring and
 * git, each) takes 36 to 47 % less processor time for it, and 1.8 to 2.5 times
 * the bytes, 24 to 92 KB a topic more, until git repacks them as deltas.
 */
#define PLAIN_MAX ((int64_t)1024 * 1024)
#define STORED_MAX ((size_t)65535) /* bytes of a stored block */
#define BUFFER ((size_t)128 * 1024) /* the C library keeps so much at hand; a larger one would come from the kernel each time */
#define HEAD 12
#define TMP_PACK "tmp_pack_" FF_NAME "-"
#define TMP_IDX "tmp_idx_" FF_NAME "-"
/* A writer holds a lock from its first byte on; the time is for the moment before it has it. */
#define LEFT_S 60
#define HEX_LEN (2 * FF_SHA1_LEN)

static bool no_sync;

struct ff_packfile {
	int fd;
	char *dir, *tmp; /* NULL: nameless */
	z_stream deflate, inflate;
	bool can_deflate, can_inflate;
	struct ff_buf out; /* behind what is in the file */
	int64_t written;   /* bytes in the file */
	uint32_t count;    /* as the head says */
	struct ff_sha1 sum; /* counts when the head was right from the start and nothing was cut */
	bool summed;
	uint32_t crc;      /* of the object being written */
};

void ff_packfile_sync(bool on)
{
	no_sync = !on;
}

static int sync_fd(int fd)
{
	return no_sync ? 0 : fsync(fd);
}

static int64_t place(const struct ff_packfile *f)
{
	return f->written + (int64_t)f->out.len;
}

static int write_out(struct ff_packfile *f, struct ff_err *err)
{
	if (lseek(f->fd, f->written, SEEK_SET) < 0)
		return ff_err_errno(err, "cannot write a pack");
	if (ff_fd_write_all(f->fd, f->out.data, f->out.len, err) < 0)
		return ff_err_wrap(err, "cannot write a pack");
	f->written += (int64_t)f->out.len;
	ff_buf_clear(&f->out);
	return 0;
}

static int flush(struct ff_packfile *f, struct ff_err *err)
{
	if (f->summed)
		ff_sha1_add(&f->sum, f->out.data, f->out.len);
	return write_out(f, err);
}

static int put(struct ff_packfile *f, const void *p, size_t n, struct ff_err *err)
{
	if (f->out.len + n > BUFFER && flush(f, err) < 0)
		return -1;
	ff_assert(ff_buf_add(&f->out, p, n) == 0);
	return 0;
}

/* --- open and close */

static char *random_name(const char *dir)
{
	unsigned char r[8];
	char hex[2 * sizeof r + 1];

	ff_random(r, sizeof r);
	ff_hex(r, sizeof r, hex);
	return ff_asprintf("%s/" TMP_PACK "%s", dir, hex);
}

static int open_file(struct ff_packfile *f, struct ff_err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (!f->dir) {
		f->fd = open(tmp && *tmp ? tmp : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		return f->fd < 0 ? ff_err_errno(err, "cannot make a temporary file in %s", tmp && *tmp ? tmp : "/tmp") : 0;
	}
	f->tmp = random_name(f->dir);
	f->fd = open(f->tmp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0444);
	if (f->fd < 0 && errno == ENOENT) { /* a repository that was never packed */
		if (mkdir(f->dir, 0777) < 0 && errno != EEXIST)
			return ff_err_errno(err, "cannot make %s", f->dir);
		f->fd = open(f->tmp, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0444);
	}
	if (f->fd < 0)
		return ff_err_errno(err, "cannot make a pack in %s", f->dir);
	(void)flock(f->fd, LOCK_EX | LOCK_NB); /* nobody else knows the name; where locks fail, age alone protects us */
	return 0;
}

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void make_head(unsigned char head[HEAD], uint32_t count)
{
	memcpy(head, "PACK", 4);
	put32(head + 4, 2);
	put32(head + 8, count);
}

int ff_packfile_open(const char *dir, uint32_t count, struct ff_packfile **ret_file, struct ff_err *err)
{
	FF_AUTO(ff_packfile_close) struct ff_packfile *f = ff_calloc(1, sizeof *f);
	unsigned char head[HEAD];

	f->fd = -1;
	f->dir = ff_strdup(dir);
	f->count = count;
	f->summed = count != 0;
	ff_buf_init(&f->out, 2 * BUFFER);
	ff_sha1_init(&f->sum);
	if (open_file(f, err) < 0)
		return -1;
	make_head(head, count);
	if (put(f, head, sizeof head, err) < 0)
		return -1;
	*ret_file = ff_steal(&f);
	return 0;
}

void ff_packfile_close(struct ff_packfile **file)
{
	struct ff_packfile *f = ff_steal(file);

	if (!f)
		return;
	if (f->tmp)
		(void)unlink(f->tmp); /* what stays is swept later */
	if (f->can_deflate)
		(void)deflateEnd(&f->deflate);
	if (f->can_inflate)
		(void)inflateEnd(&f->inflate);
	ff_close(&f->fd);
	ff_buf_fini(&f->out);
	ff_free(&f->dir);
	ff_free(&f->tmp);
	ff_free(&f);
}

/* --- objects */

static int zlib_failed(const z_stream *z, int rc, struct ff_err *err)
{
	return ff_err_set(err, FF_E_INTERNAL, "zlib: %s", z->msg ? z->msg : zError(rc));
}

static int start_deflate(struct ff_packfile *f, struct ff_err *err)
{
	int rc = f->can_deflate ? deflateReset(&f->deflate) : deflateInit(&f->deflate, LEVEL);

	if (rc != Z_OK)
		return zlib_failed(&f->deflate, rc, err);
	f->can_deflate = true;
	return 0;
}

/* Takes the input that is set, or with Z_FINISH writes all that is left. */
static int run_deflate(struct ff_packfile *f, int how, struct ff_err *err)
{
	unsigned char chunk[16384];
	int rc;

	do {
		f->deflate.next_out = chunk;
		f->deflate.avail_out = sizeof chunk;
		rc = deflate(&f->deflate, how);
		if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
			return zlib_failed(&f->deflate, rc, err);
		f->crc = (uint32_t)crc32(f->crc, chunk, (uInt)(sizeof chunk - f->deflate.avail_out));
		if (put(f, chunk, sizeof chunk - f->deflate.avail_out, err) < 0)
			return -1;
	} while (how == Z_FINISH ? rc != Z_STREAM_END : f->deflate.avail_out == 0);
	return 0;
}

static int begin(struct ff_packfile *f, enum ff_pack_type type, uint64_t size, struct ff_pack_entry *entry,
		 struct ff_err *err)
{
	unsigned char head[16];
	size_t n = 0;

	entry->at = place(f);
	head[n] = (unsigned char)((unsigned)type << 4 | (size & 15));
	for (size >>= 4; size; size >>= 7) {
		head[n++] |= 0x80;
		head[n] = size & 0x7f;
	}
	n++;
	f->crc = (uint32_t)crc32(0, head, (uInt)n);
	return put(f, head, n, err);
}

int ff_packfile_begin(struct ff_packfile *f, enum ff_pack_type type, uint64_t size, struct ff_pack_entry *entry,
		      struct ff_err *err)
{
	return begin(f, type, size, entry, err) < 0 || start_deflate(f, err) < 0 ? -1 : 0;
}

int ff_packfile_more(struct ff_packfile *f, const void *data, size_t n, struct ff_err *err)
{
	const unsigned char *p = data;

	while (n) {
		uInt part = n < UINT32_MAX / 2 ? (uInt)n : UINT32_MAX / 2;

		f->deflate.next_in = (z_const Bytef *)(uintptr_t)p;
		f->deflate.avail_in = part;
		if (run_deflate(f, Z_NO_FLUSH, err) < 0)
			return -1;
		p += part;
		n -= part;
	}
	return 0;
}

int ff_packfile_end(struct ff_packfile *f, struct ff_pack_entry *entry, struct ff_err *err)
{
	f->deflate.next_in = NULL;
	f->deflate.avail_in = 0;
	if (run_deflate(f, Z_FINISH, err) < 0)
		return -1;
	entry->crc = f->crc;
	return 0;
}

int ff_packfile_cut(struct ff_packfile *f, const struct ff_pack_entry *entry, struct ff_err *err)
{
	if (entry->at >= f->written) {
		f->out.len = (size_t)(entry->at - f->written);
		return 0;
	}
	ff_buf_clear(&f->out);
	f->summed = false;
	f->written = entry->at;
	return ftruncate(f->fd, entry->at) < 0 ? ff_err_errno(err, "cannot shorten a pack") : 0;
}

static int put_counted(struct ff_packfile *f, const void *p, size_t n, struct ff_err *err)
{
	f->crc = (uint32_t)crc32(f->crc, p, (uInt)n);
	return put(f, p, n, err);
}

/* The bytes as they are, as a zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4). */
static int put_plain(struct ff_packfile *f, const unsigned char *data, size_t size, struct ff_err *err)
{
	static const unsigned char zlib_head[] = { 0x78, 0x01 };
	uint32_t sum = (uint32_t)adler32(adler32(0, NULL, 0), data, (uInt)size);
	unsigned char head[5], tail[4];

	if (put_counted(f, zlib_head, sizeof zlib_head, err) < 0)
		return -1;
	do {
		size_t n = size < STORED_MAX ? size : STORED_MAX;

		head[0] = n == size; /* the last one */
		head[1] = (unsigned char)n;
		head[2] = (unsigned char)(n >> 8);
		head[3] = (unsigned char)~head[1];
		head[4] = (unsigned char)~head[2];
		if (put_counted(f, head, sizeof head, err) < 0 || put_counted(f, data, n, err) < 0)
			return -1;
		data += n;
		size -= n;
	} while (size);
	put32(tail, sum);
	return put_counted(f, tail, sizeof tail, err);
}


int ff_packfile_add(struct ff_packfile *f, enum ff_pack_type type, const void *data, size_t size,
		    struct ff_pack_entry *entry, struct ff_err *err)
{
	if (begin(f, type, size, entry, err) < 0)
		return -1;
	if (place(f) + (int64_t)size <= PLAIN_MAX) {
		if (put_plain(f, data, size, err) < 0)
			return -1;
		entry->crc = f->crc;
		return 0;
	}
	if (start_deflate(f, err) < 0 || ff_packfile_more(f, data, size, err) < 0)
		return -1;
	return ff_packfile_end(f, entry, err);
}

/* --- reading back */

static int start_inflate(struct ff_packfile *f, struct ff_err *err)
{
	int rc = f->can_inflate ? inflateReset(&f->inflate) : inflateInit(&f->inflate);

	if (rc != Z_OK)
		return zlib_failed(&f->inflate, rc, err);
	f->can_inflate = true;
	return 0;
}

/* The bytes behind the head of the object in buf; the head is one of ours. */
static size_t head_len(const unsigned char *buf)
{
	size_t n = 0;

	while (buf[n] & 0x80)
		n++;
	return n + 1;
}

int ff_packfile_read(struct ff_packfile *f, int64_t at, void *out, size_t size, struct ff_err *err)
{
	unsigned char chunk[16384], spare;
	size_t left = size;
	bool head = true;
	int rc = Z_OK;

	if (flush(f, err) < 0 || start_inflate(f, err) < 0)
		return -1;
	f->inflate.next_out = size ? out : &spare;
	f->inflate.avail_out = 0;
	while (rc != Z_STREAM_END) {
		ssize_t got = pread(f->fd, chunk, sizeof chunk, at);
		size_t skip = head && got > 0 ? head_len(chunk) : 0;

		if (got <= 0)
			return got < 0 ? ff_err_errno(err, "cannot read a pack")
				       : ff_err_set(err, FF_E_IO, "a pack ends in an object");
		f->inflate.next_in = chunk + skip;
		f->inflate.avail_in = (uInt)((size_t)got - skip);
		while (rc == Z_OK && f->inflate.avail_in) {
			if (!f->inflate.avail_out && left) {
				f->inflate.avail_out = left < UINT32_MAX / 2 ? (uInt)left : UINT32_MAX / 2;
				left -= f->inflate.avail_out;
			}
			rc = inflate(&f->inflate, Z_NO_FLUSH);
		}
		if (rc != Z_OK && rc != Z_STREAM_END)
			return zlib_failed(&f->inflate, rc, err);
		at += got;
		head = false;
	}
	return left || f->inflate.avail_out ? ff_err_set(err, FF_E_IO, "an object of a pack is too short") : 0;
}

/* --- the end */

/* The sum of what is in the file, with the right head. */
static int sum_again(struct ff_packfile *f, uint32_t count, struct ff_err *err)
{
	FF_AUTO(ff_free) char *chunk = ff_calloc(BUFFER, 1);
	unsigned char head[HEAD];

	make_head(head, count);
	if (pwrite(f->fd, head, sizeof head, 0) != sizeof head)
		return ff_err_errno(err, "cannot write a pack");
	ff_sha1_init(&f->sum);
	for (int64_t at = 0; at < f->written;) {
		ssize_t got = pread(f->fd, chunk, BUFFER, at);

		if (got <= 0)
			return ff_err_errno(err, "cannot read a pack");
		ff_sha1_add(&f->sum, chunk, (size_t)got);
		at += got;
	}
	return 0;
}

static int end_pack(struct ff_packfile *f, uint32_t count, unsigned char sum[FF_SHA1_LEN], struct ff_err *err)
{
	if (!f->summed || f->count != count) {
		if (flush(f, err) < 0 || sum_again(f, count, err) < 0)
			return -1;
	} else {
		ff_sha1_add(&f->sum, f->out.data, f->out.len);
	}
	ff_sha1_end(&f->sum, sum);
	ff_assert(ff_buf_add(&f->out, sum, FF_SHA1_LEN) == 0);
	if (write_out(f, err) < 0)
		return -1;
	return sync_fd(f->fd) < 0 ? ff_err_errno(err, "cannot save a pack") : 0;
}

static void add32(struct ff_buf *b, uint32_t v)
{
	unsigned char p[4];

	put32(p, v);
	(void)ff_buf_add(b, p, 4);
}

/* Offsets from 2 GiB on stand in a table of their own. */
static void add_offsets(struct ff_buf *b, const struct ff_pack_entry *e, uint32_t n)
{
	uint32_t large = 0;

	for (uint32_t i = 0; i < n; i++)
		add32(b, e[i].at < INT64_C(0x80000000) ? (uint32_t)e[i].at : 0x80000000u | large++);
	for (uint32_t i = 0; i < n && large; i++) {
		if (e[i].at < INT64_C(0x80000000))
			continue;
		add32(b, (uint32_t)(e[i].at >> 32));
		add32(b, (uint32_t)e[i].at);
	}
}

static void make_idx(struct ff_buf *b, const struct ff_pack_entry *e, uint32_t n,
		     const unsigned char pack_sum[FF_SHA1_LEN])
{
	unsigned char sum[FF_SHA1_LEN];
	struct ff_sha1 s;
	uint32_t at = 0;

	(void)ff_buf_add(b, "\377tOc", 4);
	add32(b, 2);
	for (unsigned first = 0; first < 256; first++) {
		while (at < n && e[at].id[0] == first)
			at++;
		add32(b, at);
	}
	for (uint32_t i = 0; i < n; i++)
		(void)ff_buf_add(b, e[i].id, sizeof e[i].id);
	for (uint32_t i = 0; i < n; i++)
		add32(b, e[i].crc);
	add_offsets(b, e, n);
	(void)ff_buf_add(b, pack_sum, FF_SHA1_LEN);
	ff_sha1_init(&s);
	ff_sha1_add(&s, b->data, b->len);
	ff_sha1_end(&s, sum);
	(void)ff_buf_add(b, sum, sizeof sum);
	ff_assert(!b->overflow);
}

/* With the rights that the umask leaves, and those that a shared repository adds. */
static int share(int fd, unsigned shared, const char *path, struct ff_err *err)
{
	struct stat st;

	if (!(shared & 0444))
		return 0;
	if (fstat(fd, &st) < 0 || fchmod(fd, (st.st_mode & 07777) | (shared & 0444)) < 0)
		return ff_err_errno(err, "cannot share %s", path);
	return 0;
}

static int write_idx(const char *path, const struct ff_buf *b, unsigned shared, struct ff_err *err)
{
	FF_AUTO(ff_close) int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);

	if (fd < 0)
		return ff_err_errno(err, "cannot make %s", path);
	(void)flock(fd, LOCK_EX | LOCK_NB); /* as for the pack */
	if (ff_fd_write_all(fd, b->data, b->len, err) < 0)
		return ff_err_wrap(err, "cannot write %s", path);
	if (share(fd, shared, path, err) < 0)
		return -1;
	return sync_fd(fd) < 0 ? ff_err_errno(err, "cannot save %s", path) : 0;
}

/* Both names; a pack of that name that is there already has the same bytes. */
static int show(struct ff_packfile *f, const char *tmp_idx, const char *hex, struct ff_err *err)
{
	FF_AUTO(ff_free) char *pack = ff_asprintf("%s/pack-%s.pack", f->dir, hex);
	FF_AUTO(ff_free) char *idx = ff_asprintf("%s/pack-%s.idx", f->dir, hex);

	if (rename(f->tmp, pack) < 0)
		return ff_err_errno(err, "cannot name %s", pack);
	ff_free(&f->tmp);
	if (rename(tmp_idx, idx) < 0)
		return ff_err_errno(err, "cannot name %s", idx);
	return no_sync ? 0 : ff_dir_sync(f->dir, err);
}

int ff_packfile_finish(struct ff_packfile *f, const struct ff_pack_entry *entries, uint32_t n, unsigned shared,
		       struct ff_err *err)
{
	FF_AUTO(ff_free) char *tmp_idx = NULL;
	FF_AUTO(ff_buf_fini) struct ff_buf idx;
	unsigned char sum[FF_SHA1_LEN];
	char hex[HEX_LEN + 1];

	ff_buf_init(&idx, 8 + 1024 + (size_t)n * 36 + 2 * FF_SHA1_LEN);
	ff_assert(f->dir && f->tmp);
	if (end_pack(f, n, sum, err) < 0 || share(f->fd, shared, f->tmp, err) < 0)
		return -1;
	ff_hex(sum, sizeof sum, hex);
	tmp_idx = ff_asprintf("%s/" TMP_IDX "%s", f->dir, hex);
	make_idx(&idx, entries, n, sum);
	if (unlink(tmp_idx) < 0 && errno != ENOENT) /* of a writer of the very same bytes, that died */
		return ff_err_errno(err, "cannot remove %s", tmp_idx);
	if (write_idx(tmp_idx, &idx, shared, err) < 0 || show(f, tmp_idx, hex, err) < 0) {
		(void)unlink(tmp_idx); /* what stays is swept later */
		return -1;
	}
	return 0;
}

/* --- what dead writers left */

/* Whether nobody holds it any more: its lock is free, and it is not of this minute. */
static bool left_behind(int dir_fd, const char *name)
{
	FF_AUTO(ff_close) int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime + LEFT_S < ff_clock_wall() / 1000 &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* The pack that got its name when its index had not: without an index it is nobody's. */
static void remove_half(int dir_fd, const char *hex)
{
	FF_AUTO(ff_free) char *pack = ff_asprintf("pack-%s.pack", hex);
	FF_AUTO(ff_free) char *idx = ff_asprintf("pack-%s.idx", hex);

	if (strlen(hex) == HEX_LEN && faccessat(dir_fd, idx, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		(void)unlinkat(dir_fd, pack, 0);
}

void ff_packfile_sweep(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		bool idx = ff_starts(e->d_name, TMP_IDX);

		if ((!idx && !ff_starts(e->d_name, TMP_PACK)) || !left_behind(dirfd(d), e->d_name))
			continue;
		if (idx)
			remove_half(dirfd(d), e->d_name + strlen(TMP_IDX));
		(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		(void)closedir(d);
}
