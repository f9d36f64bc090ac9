/* SPDX-License-Identifier: MIT */
/* See walfile.h.  What SQLite asks of a file is in sqlite3.h, at struct sqlite3_io_methods. */
#include "store/walfile.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/mem.h"

/* Bytes that wait, of one log. SQLite's file for Unix takes no more than 17 bits of a length in one call. */
#define GATHER_MAX 131071

struct wal_file {
	sqlite3_file self;   /* what SQLite sees */
	sqlite3_file *real;  /* the system's, in the memory behind this */
	sqlite3_int64 at;    /* where in the file data begins */
	size_t len;
	char *data;
};

/* Rounded up, so that the system's file behind it is aligned. */
#define HEAD ((sizeof(struct wal_file) + 15) / 16 * 16)

static struct wal_file *of(sqlite3_file *f)
{
	return (struct wal_file *)f;
}

/* What failed to be written is dropped: SQLite then takes the transaction back and writes there anew. */
static int flush(struct wal_file *w)
{
	size_t n = w->len;

	w->len = 0;
	return n ? w->real->pMethods->xWrite(w->real, w->data, (int)n, w->at) : SQLITE_OK;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct wal_file *w = of(f);
	int rc = SQLITE_OK;

	if (w->len && (at != w->at + (sqlite3_int64)w->len || w->len + (size_t)n > GATHER_MAX))
		rc = flush(w);
	if (rc != SQLITE_OK)
		return rc;
	if ((size_t)n > GATHER_MAX)
		return w->real->pMethods->xWrite(w->real, p, n, at);
	if (!w->data)
		w->data = ff_realloc(NULL, GATHER_MAX, 1);
	if (!w->len)
		w->at = at;
	memcpy(w->data + w->len, p, (size_t)n);
	w->len += (size_t)n;
	return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	struct wal_file *w = of(f);
	int rc = w->len && at + n > w->at ? flush(w) : SQLITE_OK;

	return rc == SQLITE_OK ? w->real->pMethods->xRead(w->real, p, n, at) : rc;
}

static int file_sync(sqlite3_file *f, int flags)
{
	struct wal_file *w = of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xSync(w->real, flags) : rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct wal_file *w = of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xTruncate(w->real, size) : rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	struct wal_file *w = of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xFileSize(w->real, ret) : rc;
}

static int file_close(sqlite3_file *f)
{
	struct wal_file *w = of(f);
	int rc = flush(w), closed = w->real->pMethods->xClose(w->real);

	ff_free(&w->data);
	return rc == SQLITE_OK ? closed : rc;
}

static int file_lock(sqlite3_file *f, int kind)
{
	return of(f)->real->pMethods->xLock(of(f)->real, kind);
}

static int file_unlock(sqlite3_file *f, int kind)
{
	return of(f)->real->pMethods->xUnlock(of(f)->real, kind);
}

static int file_check_lock(sqlite3_file *f, int *ret)
{
	return of(f)->real->pMethods->xCheckReservedLock(of(f)->real, ret);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	struct wal_file *w = of(f);
	int rc = flush(w);

	return rc == SQLITE_OK ? w->real->pMethods->xFileControl(w->real, op, arg) : rc;
}

static int file_sector(sqlite3_file *f)
{
	return of(f)->real->pMethods->xSectorSize(of(f)->real);
}

static int file_traits(sqlite3_file *f)
{
	return of(f)->real->pMethods->xDeviceCharacteristics(of(f)->real);
}

static const sqlite3_io_methods methods = {
	.iVersion = 1, /* shared memory and mapping are asked of the database's file alone */
	.xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync,
	.xFileSize = file_size, .xLock = file_lock, .xUnlock = file_unlock, .xCheckReservedLock = file_check_lock,
	.xFileControl = file_control, .xSectorSize = file_sector, .xDeviceCharacteristics = file_traits,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	sqlite3_vfs *system = vfs->pAppData;
	struct wal_file *w = of(f);
	int rc;

	if (!(flags & SQLITE_OPEN_WAL))
		return system->xOpen(system, name, f, flags, ret_flags);
	memset(w, 0, HEAD + (size_t)system->szOsFile);
	w->real = (sqlite3_file *)((char *)w + HEAD);
	rc = system->xOpen(system, name, w->real, flags, ret_flags);
	if (rc == SQLITE_OK)
		w->self.pMethods = &methods;
	else if (w->real->pMethods) /* SQLite would close it, if it saw it */
		(void)w->real->pMethods->xClose(w->real);
	return rc;
}

const char *ff_walfile_vfs(void)
{
	static sqlite3_vfs vfs;
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	if (vfs.zName || !system)
		return vfs.zName;
	vfs = *system; /* whose other functions look at no VFS of their own */
	vfs.pNext = NULL;
	vfs.zName = "ff-gather";
	vfs.szOsFile += (int)HEAD;
	vfs.pAppData = system;
	vfs.xOpen = open_file;
	if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
		vfs.zName = NULL;
	return vfs.zName;
}
